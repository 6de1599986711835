"""GenStatem: a process that is a state machine."""
