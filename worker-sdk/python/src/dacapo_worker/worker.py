"""A worker: takes tasks of one queue, and runs the functions that do them."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar, overload

from .api import Api
from .http import HttpClient
from .log import log_somewhere
from .options import WorkerOptions, default_identity, default_server
from .registry import Registry, activity_of
from .session import Session
from .slots import Slots

F = TypeVar("F", bound=Callable[..., Any])

#: Requests to stop. A second one cuts the grace short.
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Worker:
    """Runs activities of a task queue.

    >>> worker = Worker(task_queue="payments")
    >>> @worker.activity
    ... async def charge(order: Order) -> Receipt: ...
    >>> worker.run()

    :class:`WorkerOptions` says what the options are for.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        task_queue: str,
        namespace: str = WorkerOptions.namespace,
        identity: str | None = None,
        build_id: str | None = None,
        slots: int | Slots = WorkerOptions.slots,
        poll_wait: float = WorkerOptions.poll_wait,
        polls_max: int = WorkerOptions.polls_max,
        lease: float = WorkerOptions.lease,
        heartbeat_throttle: float = WorkerOptions.heartbeat_throttle,
        shutdown_grace: float = WorkerOptions.shutdown_grace,
        cancel_grace: float = WorkerOptions.cancel_grace,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self.options = WorkerOptions(
            url=url or default_server(),
            task_queue=task_queue,
            namespace=namespace,
            identity=identity or default_identity(),
            build_id=build_id,
            slots=slots,
            poll_wait=poll_wait,
            polls_max=polls_max,
            lease=lease,
            heartbeat_throttle=heartbeat_throttle,
            shutdown_grace=shutdown_grace,
            cancel_grace=cancel_grace,
            token=token,
            tls=tls,
        )
        self._logger = logger or logging.getLogger("dacapo_worker")
        self._registry = Registry()
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_asked: float | None = None

    @overload
    def activity(self, function: F, /) -> F: ...

    @overload
    def activity(self, name: str | None = None, /) -> Callable[[F], F]: ...

    def activity(self, function_or_name: Any = None, /) -> Any:
        """Decorator: the function does the activities of its name, or of the name that is given.

        Async functions run in the event loop, plain ones in threads.
        """
        if callable(function_or_name):
            self.register(function_or_name)
            return function_or_name

        def decorate(function: F) -> F:
            self.register(function, name=function_or_name)
            return function

        return decorate

    def register(self, function: Callable[..., Any], *, name: str | None = None) -> None:
        """The same for a function that is there already, such as a bound method."""
        self._registry.add(activity_of(function, name))

    def run(self) -> None:
        """Works until SIGTERM or SIGINT, and then until the tasks in hand have ended.

        A second signal cancels them at once. Raises ``WorkerError`` if the server refuses to give
        out tasks. If nothing takes what the library logs, it goes to standard error.
        """
        log_somewhere(self._logger)
        asyncio.run(self._run_with_signals())

    async def serve(self) -> None:
        """The same as a part of a program that has its own event loop: until ``shutdown()``."""
        if not self._registry.names:
            raise ValueError("a worker without activities has nothing to do: register some")
        options = self.options
        http = HttpClient(options.url, token=options.token, tls=options.tls)
        if http.shows_token:
            self._logger.warning("the token goes to %s in the clear; use https", options.url)
        session = Session(Api(http, options.namespace), self._registry, options, self._logger)
        with self._lock:
            if self._session is not None:
                raise RuntimeError("the worker runs already")
            self._session, self._loop = session, asyncio.get_running_loop()
            if self._stop_asked is not None:
                session.stop(self._stop_asked)
        try:
            await session.run()
        finally:
            with self._lock:
                self._session, self._loop = None, None
            http.close()

    def shutdown(self, grace: float | None = None) -> None:
        """Asks the worker to stop; returns at once. May be called from any thread.

        No more tasks are taken. Those in hand have ``grace`` seconds to end (the option
        ``shutdown_grace`` if absent), then they are cancelled, and another worker tries again.
        A later call may shorten the grace. The worker does not start again.
        """
        seconds = self.options.shutdown_grace if grace is None else grace
        with self._lock:
            self._stop_asked = seconds
            session, loop = self._session, self._loop
            if session is not None and loop is not None:
                loop.call_soon_threadsafe(session.stop, seconds)

    async def _run_with_signals(self) -> None:
        loop = asyncio.get_running_loop()
        asked = 0

        def on_signal() -> None:
            nonlocal asked
            asked += 1
            self.shutdown(None if asked == 1 else 0)

        try:
            for one in SIGNALS:
                loop.add_signal_handler(one, on_signal)
        except NotImplementedError:
            # Windows: Ctrl-C ends the program, and the leases end by themselves.
            await self.serve()
            return
        try:
            await self.serve()
        finally:
            for one in SIGNALS:
                loop.remove_signal_handler(one)
