"""Processes found by keys and by groups: `Registry` and `otpnode.pg`."""
