"""Strict mode: one loop copies and refuses what shards would (SD-06, SD-07, ``copy_messages``).

Whatever goes from one process to another is encoded and decoded by the codec itself, as if
each lived on a shard of its own: messages and aliases, exit reasons, the calls of spawns.
Left alone are timers' messages, which mostly are their maker's own.
"""

from __future__ import annotations

import logging
from typing import cast

from otpnode.errors import UnserializableError
from otpnode.signals import LOST, Call, Message, Signal, TimerMessage
from otpnode.transport.codec import decode, encode
from otpnode.transport.payload import CALL, PayloadError, check_size, dumps_call, loads_call

log = logging.getLogger(__name__)


class Strict:
    """Sends through the codec; see `otpnode.process.shard.Copier`.

    Args:
        max_message: cap of one message, in bytes.
    """

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message

    def message(self, message: object) -> object:
        """Return what another shard would get; `LOST` when it could not decode the message and would drop it (SD-07).

        Raises:
            UnserializableError, MessageTooLargeError: the message could not travel.
        """
        copy = self.signal(Message("", "", message))
        return LOST if copy is None else cast(Message, copy).message

    def signal(self, signal: Signal) -> Signal | None:
        """Return the signal as another shard would get it; None when it would be dropped.

        Raises:
            UnserializableError, MessageTooLargeError: it could not travel.
        """
        if isinstance(signal, TimerMessage):
            return signal
        frame = encode(signal, self._max_message)
        try:
            return cast(Signal, decode(frame.kind, frame.body))
        except PayloadError as error:
            log.warning("dropped a message: it cannot be decoded: %s", error)
            return None

    def call(self, call: Call) -> Call:
        """Return a spawn's call as another shard's child would get it; what cannot travel stays as it is.

        Raises:
            MessageTooLargeError: it could travel were it smaller.
            PayloadError: it could not be decoded.
        """
        try:
            data = dumps_call(*call)
        except UnserializableError:
            return call
        check_size(data, self._max_message, CALL)
        return loads_call(data)
