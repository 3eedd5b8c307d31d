"""A model of the library, closed when the last of those who hold it lets it go."""
from __future__ import annotations

import contextlib
import threading
from ctypes import byref, c_void_p
from typing import Iterator

from . import _abi

_PATIENCE_SECONDS = 1.0  # that calls wait for one that wants to be alone


class Handle:
    """`with handle as pointer:` around a call. Views of the file's arrays hold it as well, so that
    a model which is closed meanwhile is freed after the last call and the last view."""

    def __init__(self, path: str, read: bool, verify: bool, prepare: bool, threads: int):
        self.pointer = None  # which closing allows, where opening fails
        self._lock = threading.RLock()  # a signal handler may come in between
        self._idle = threading.Condition(self._lock)
        self._calls = self._waiting = 0
        options = _abi.OpenOptions(read=read, verify=verify, prepare=prepare, threads=threads)
        model = c_void_p()
        _abi.check(_abi.lib.mgqe_open(_abi.text(path), byref(options), byref(model)))
        self.pointer = model.value

    def __enter__(self) -> int:
        with self._lock:
            if self._waiting:  # but not for ever: this may be a signal handler's, amid a call
                self._idle.wait_for(lambda: not self._waiting, _PATIENCE_SECONDS)
            self._calls += 1
        return self.pointer

    def __exit__(self, *_) -> None:
        with self._lock:
            self._calls -= 1
            if self._waiting and not self._calls:
                self._idle.notify_all()

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[int]:
        """Waits until no call is under way, and lets none begin."""
        with self._idle:
            self._waiting += 1
            try:
                self._idle.wait_for(lambda: not self._calls)
                yield self.pointer
            finally:
                self._waiting -= 1
                self._idle.notify_all()

    def __del__(self, close=_abi.lib.mgqe_close) -> None:
        close(self.pointer)
