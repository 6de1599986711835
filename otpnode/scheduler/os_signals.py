"""OS signals, recorded: a handler runs at the worst moment, so it decides nothing.

The number of each signal goes, by `signal.set_wakeup_fd`, as one byte into a socket pair that the supervisor's selector
watches; the Python handlers exist only to keep the default action away. Around a fork every signal is blocked: a
Ctrl-C that hits the child before it has reset this would be written into the *shared* socket and count twice.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterable
from types import FrameType


def _record(signum: int, frame: FrameType | None) -> None:
    """The wakeup descriptor is the record."""


class SignalInbox:
    """The signals that have come and were not yet taken.

    Args:
        recorded: what to record.
        ignored: what to ignore instead.
    """

    def __init__(self, recorded: Iterable[int], ignored: Iterable[int] = ()) -> None:
        self._handlers = {signum: _record for signum in recorded}
        self._ignored = frozenset(ignored)
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def open(self) -> None:
        """Begin to record. In the main thread."""
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        for signum in self._ignored:
            signal.signal(signum, signal.SIG_IGN)
        # Whoever started this process may have held them back until there was somebody to hear them.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*self._handlers, *self._ignored})

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._reader.fileno()

    def take(self) -> list[int]:
        """Take the signals that have come, in order of arrival."""
        try:
            return list(self._reader.recv(4096))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Stop recording: nothing is done about a signal any more, and nothing dies of one."""
        for signum in self._handlers:
            signal.signal(signum, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()

    def reset_in_child(self) -> None:
        """Undo `open` in a forked child, with signals still blocked.

        INT is ignored there: a terminal sends it to the whole group, and the supervisor decides. The others act as
        they do by default.
        """
        signal.set_wakeup_fd(-1)
        for signum in self._handlers:
            signal.signal(signum, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._reader.close()
        self._writer.close()


def block_all() -> set[int]:
    """Hold all signals back; return the mask to give to `unblock`."""
    return {int(signum) for signum in signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())}


def unblock(mask: set[int]) -> None:
    """Go back to `mask`: what was held back is delivered."""
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
