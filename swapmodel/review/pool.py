"""Work on every core, on a Dask cluster, or in this process: whoever asked is told of each piece at the moment it ends."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any

WAIT = 0.5  # seconds between two looks at whether the cluster is still there
DIED = "a worker process died before it was done (was it killed, or out of memory?): ask again, with fewer workers"
GONE = "the connection to the Dask cluster was lost"
DEATHS = ("TerminatedWorkerError", "BrokenProcessPool", "ShutdownExecutorError", "KilledWorker", "CancelledError")

Ended = Callable[[Any, Any], None]


class Died(Exception):
    """A worker was killed, or the cluster went away. The message is one sentence."""


class Pool:
    """`ended(key, outcome)` is called for each piece of work as it ends, in the thread that called run(); it may submit more.
    What went wrong is an outcome too: the exception. `idle()` is called now and then."""

    def __init__(self, ended: Ended, workers: int = 1, client: Any = None, idle: Callable[[], None] | None = None):
        self._told, self._workers, self._client, self._idle = ended, workers, client, idle or _nothing
        self._ended: queue.SimpleQueue[tuple[Hashable, Any]] = queue.SimpleQueue()
        self._here: deque[tuple[Hashable, Callable[..., Any], tuple[Any, ...]]] = deque()
        self._out: dict[Hashable, Any] = {}  # what others work on: key -> future
        self._processes: Any = None
        self._closing = False

    def submit(self, key: Hashable, function: Callable[..., Any], *arguments: Any, travels: bool = True) -> None:
        """`function` is one of a module, and `arguments` are plain data, or else it does not travel. What stays here is also
        given `tick`, to be called now and then: it tells of what has ended elsewhere."""
        if self._closing:
            return
        if not travels or (self._client is None and self._workers == 1):
            self._here.append((key, function, arguments))
            return
        try:
            future = self._out[key] = self._send(function, arguments)
        except RuntimeError:  # loky: the pool is broken
            self._out[key] = None
            self._ended.put((key, None))
        else:
            future.add_done_callback(lambda done: self._ended.put((key, done)))

    def _send(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if self._client is not None:
            return self._client.submit(function, *arguments, pure=False)
        if self._processes is None:
            from loky import ProcessPoolExecutor  # type: ignore[import-untyped]

            self._processes = ProcessPoolExecutor(self._workers)
            with _deaf_children():
                return self._processes.submit(function, *arguments)
        return self._processes.submit(function, *arguments)

    def run(self) -> None:
        """Until nothing is left. An interrupt is passed on; close() then ends the workers, and tells what they had done."""
        while self._here or self._out:
            self.poll(0.0 if self._here else WAIT)
            if self._here:
                key, function, arguments = self._here.popleft()
                with _interrupts_passed_on():
                    self._told(key, self._work_here(function, arguments))

    def _work_here(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        try:
            return function(*arguments, tick=lambda *_: self.poll())
        except Exception as error:
            return error

    def poll(self, wait: float = 0.0) -> None:
        """Tells of all that has ended elsewhere; waits so many seconds for the first."""
        self._idle()
        while self._out:
            try:
                key, done = self._ended.get(timeout=wait) if wait else self._ended.get_nowait()
            except queue.Empty:
                self._look_after_cluster()
                return
            wait = 0.0
            if key in self._out:
                self._told(key, _outcome(done))
                del self._out[key]

    def _look_after_cluster(self) -> None:
        if self._client is not None and self._client.status != "running":
            for key in list(self._out):
                self._told(key, Died(GONE))
                del self._out[key]

    def close(self) -> None:
        """Tells of what has ended meanwhile, and ends the rest."""
        self._closing = True
        try:
            for key, future in self._out.items():
                if future is not None and future.done():
                    self._told(key, _outcome(future))
        finally:
            if self._client is not None:
                self._client.cancel([f for f in self._out.values() if f is not None])
            if self._processes is not None:
                self._processes.shutdown(wait=True, kill_workers=True)


def _outcome(done: Any) -> Any:
    """What a future returned or raised. A broken pool, which has no future, and a killed Dask worker are one sentence."""
    if done is None:
        return Died(DIED)
    try:
        return done.result()
    except BaseException as error:
        return Died(DIED) if type(error).__name__ in DEATHS else error


def _nothing() -> None:
    pass


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """^C goes to every process of a terminal. Those that begin in here never see it: the one who asked ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _interrupts_passed_on() -> Iterator[None]:
    """A search answers an interrupt with what it has found so far. Here the rest of the work must end too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted, before = False, signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt
