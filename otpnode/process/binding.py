"""Tells the compiled paths which classes and functions they are compiled for."""

from __future__ import annotations

from asyncio import Future
from typing import cast

from otpnode.process import messages, requests
from otpnode.process.asyncio_names import CURRENT_TASKS
from otpnode.process.compiled import FAST, Compiled
from otpnode.process.current import CURRENT
from otpnode.process.entry import spent
from otpnode.process.mailbox import NOBODY_ASKS, Mailbox
from otpnode.process.place import NO_BAY, open_bay
from otpnode.process.proc import Proc
from otpnode.process.relations import MonitorRecord
from otpnode.process.shard import Shard
from otpnode.process.timers import SOON
from otpnode.ref import RefMaker

if FAST is not None:
    try:
        FAST.bind(
            proc=Proc,
            mailbox=Mailbox,
            shard=Shard,
            record=MonitorRecord,
            refs=RefMaker,
            current=CURRENT,
            tasks=CURRENT_TASKS,
            future=Future,
            spent=spent,
            open_bay=open_bay,
            no_bay=NO_BAY,
            send=messages._send,
            receive=messages._receive,
            request=requests._request,
            send_nowait=cast(Compiled, messages.send_nowait).definition,
            asked_elsewhere=requests._asked_elsewhere,
            forget=requests._forget,
            no_answer=requests._no_answer,
            nobody_asks=NOBODY_ASKS,
            soon=SOON,
        )
    except TypeError as error:
        raise ImportError(
            f"otpnode._fast was built from other sources than these ({error}): build it anew, with "
            "`pip install -e .` in a checkout, or set OTPNODE_PURE=1 to do without"
        ) from error
