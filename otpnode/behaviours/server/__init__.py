"""GenServer, and the Agent, which is one."""
