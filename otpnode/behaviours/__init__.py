"""GenServer and its family, built only on the public verbs of `otpnode.process`."""
