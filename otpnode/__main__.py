"""``python -m otpnode``: the command line."""

from otpnode.cli import main

main()
