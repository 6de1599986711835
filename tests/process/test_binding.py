"""A compiled module that is older or newer than the sources is told, with what to do about it."""

from __future__ import annotations

import os
import subprocess
import sys

STALE = """
import sys, types

def bind(**known):
    raise TypeError(f"bind() takes at most 3 keyword arguments ({len(known)} given)")

sys.modules["otpnode._fast"] = types.SimpleNamespace(bind=bind, compiled=lambda verb: verb_of(verb))

def verb_of(verb):
    verb.definition = verb
    return verb

import otpnode.process
"""


def test_a_stale_compiled_module_is_refused_with_the_remedy() -> None:
    environment = {**os.environ, "OTPNODE_PURE": ""}
    run = subprocess.run([sys.executable, "-c", STALE], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    told = run.stderr.strip().splitlines()[-1]
    assert told.startswith("ImportError: otpnode._fast was built from other sources than these (bind() takes at most 3")
    assert "pip install -e ." in told
    assert "OTPNODE_PURE=1" in told
