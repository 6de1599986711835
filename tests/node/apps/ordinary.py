"""``otpnode start`` as an ordinary user with few descriptors: root, whom the kernel lets pass more, becomes nobody.

The user is changed once everything is imported, since an interpreter may lie where only root can read it; the shards
are forked and need none of its files.
"""

from __future__ import annotations

import logging.config  # noqa: F401
import os
import pwd
import resource
import sys

import uvloop  # noqa: F401

import otpnode.cli
import otpnode.scheduler.worker
import tests.node.apps.many  # noqa: F401

DESCRIPTORS = 1024

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    otpnode.cli.main(["start", *sys.argv[1:]])
