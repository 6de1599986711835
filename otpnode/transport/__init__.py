"""Bytes between shards. Knows signals, never processes; `otpnode.scheduler` seats it."""
