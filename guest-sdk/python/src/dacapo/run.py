"""The one run that this instance executes: what it waits for, and what happens to it.

Everything that decides an order is a list or a dict, because the run has to behave the same when it
is replayed.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import enum
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVarTuple

from . import waits
from .errors import NotInWorkflow, PayloadError
from .failure import Failure, chain_of, failure_from, refused
from .host import (
    CancelRequested,
    Completed,
    Delivery,
    Host,
    QueryReceived,
    SignalReceived,
    UpdateReceived,
)
from .loop import Loop, forget_tasks
from .payload import encode
from .place import Place, here, stack_of
from .times import nanos

Ts = TypeVarTuple("Ts")

ENDED = "the workflow has returned"


class OnCancel(enum.Enum):
    """What a wait does about its operation when it is cancelled."""

    #: Gives it up, and ends at once.
    GIVE_UP = 1
    #: Asks it to cancel, and goes on until it has ended.
    ASK = 2
    #: The same for a child.
    ASK_CHILD = 3
    #: Leaves it alone, and ends at once.
    LEAVE = 4


class Operation(asyncio.Future[Any]):
    """The outcome of something durable that was started."""

    def __init__(
        self,
        run: Run,
        number: int,
        read: Callable[[bytes], Any] | None,
        place: Place,
        on_cancel: OnCancel = OnCancel.GIVE_UP,
        grace: int | None = None,
    ) -> None:
        super().__init__(loop=run.loop)
        self.number = number
        self.place = place
        self._run = run
        self._read = read
        self._on_cancel = on_cancel
        self._grace = grace
        #: Whether somebody waits for it, so that `waiting` shows it.
        self.waited_for = True
        #: Why it was asked to cancel, if it was.
        self._asked: str | None = None
        run.open[number] = self

    def cancel(self, msg: Any = None) -> bool:
        if self.done():
            return False
        host = self._run.host
        if self._on_cancel in (OnCancel.ASK, OnCancel.ASK_CHILD) and not self._run.ended:
            # Whoever waits is told by the outcome, as of a task that takes long to cancel.
            if self._asked is None:
                self._asked = "" if msg is None else str(msg)
                if self._on_cancel is OnCancel.ASK:
                    host.request_cancel(self.number, self._grace)
                else:
                    host.cancel(self.number)
            return True
        del self._run.open[self.number]
        if self._on_cancel is not OnCancel.LEAVE:
            host.cancel(self.number)
        return super().cancel(msg)

    def complete(self, outcome: bytes | list[Any]) -> None:
        if isinstance(outcome, list):
            failure = failure_from(outcome)
            if self._asked is not None and (reason := failure.cancellation) is not None:
                # What it has to say about its end, as whoever waits for the run is told.
                cancelled = asyncio.CancelledError(reason.message)
                cancelled.__cause__ = failure
                self.set_exception(cancelled)
            else:
                self.set_exception(failure)
            return
        if self._read is None:
            self.set_result(None)
            return
        try:
            self.set_result(self._read(outcome))
        except Failure as failure:
            self.set_exception(failure)


class Timer(asyncio.TimerHandle):
    """A callback for which a durable timer runs."""

    number: int
    place: Place


class Condition(asyncio.Future[None]):
    """Waits for the workflow's own state."""

    def __init__(self, run: Run, holds: Callable[[], bool], kind: str, place: Place) -> None:
        super().__init__(loop=run.loop)
        self.holds = holds
        self.kind = kind
        self.place = place


class Waiter(asyncio.Future[None]):
    """Waits for a signal of some name."""

    place: Place


class Inbox:
    """The signals of one name that were delivered and not taken, and who waits."""

    def __init__(self) -> None:
        #: Each with its number among all that were delivered to this run, from 1.
        self.messages: collections.deque[tuple[int, bytes]] = collections.deque()
        self.waiting: collections.deque[Waiter] = collections.deque()
        #: How many said something else than was expected, and what was wrong with the last.
        self.set_aside = 0
        self.problem = ""

    def wake(self) -> None:
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


class WorkflowLoop(Loop):
    """Runs a workflow. Its timers are durable; it waits for the next delivery."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        run = self._run
        run.require_open()
        handle = Timer(self.time() + delay, callback, args, self, context)
        handle._scheduled = True  # type: ignore[attr-defined]
        handle.place = here()
        handle.number = run.host.start_timer(nanos(delay))
        run.open[handle.number] = handle
        return handle

    def _timer_handle_cancelled(self, handle: Timer) -> None:
        if self._run.open.pop(handle.number, None) is not None:
            self._run.host.cancel(handle.number)


class Run:
    """State of the run, and its way from the first line of the workflow to the last."""

    def __init__(self, host: Host) -> None:
        self.host = host
        # asyncio has methods for sockets and processes, too: they say that they are not there.
        self.loop = WorkflowLoop(self)  # type: ignore[abstract]
        self.open: dict[int, Operation | Timer] = {}
        self.inboxes: dict[str, Inbox] = collections.defaultdict(Inbox)
        self.conditions: list[Condition] = []
        self.queries: dict[str, Any] = {}
        self.updates: dict[str, Any] = {}
        #: Updates that were accepted and not answered.
        self.open_updates = 0
        self.cancel_reason: str | None = None
        #: It has returned: nothing new is started, only given up.
        self.ended = False
        self.main: asyncio.Task[Any] | None = None
        # It is that for the whole life of an instance.
        self._is_observed = host.is_observed()
        self._bug: BaseException | None = None
        self._signals = 0
        self._fired: set[int] = set()

    def execute(self, workflow: Coroutine[Any, Any, Any]) -> Any:
        """What the workflow returns or raises."""
        loop = self.loop
        loop.enter()
        try:
            main = self.main = loop.create_task(workflow, name="workflow")
            while True:
                loop.run_until_done(main)
                if self._bug is not None:
                    raise self._bug
                if main.done():
                    break
                if not self._look_again():
                    self._note_position()
                    self.deliver(self.host.next())
            self.ended = True
            loop.cancel_tasks(ENDED)
            loop.run_ready()
            return main.result()
        finally:
            loop.leave()

    def _note_position(self) -> None:
        """Says where the main task waits, if somebody looks: the frames of the component are those
        of the interpreter."""
        if self._is_observed and self.main is not None:
            self.host.note_position(stack_of(self.main.get_coro()))

    def require_open(self) -> None:
        if self.ended:
            raise asyncio.CancelledError(ENDED)

    def fail_with(self, bug: BaseException) -> None:
        """Ends the activation with a bug in code that nobody awaits."""
        self._bug = self._bug or bug

    def sleep(self, seconds: float) -> None:
        """``time.sleep``: stops all of the code of the run, but what happens is taken in."""
        self.require_open()
        number = self.host.start_timer(nanos(seconds))
        self._fired.clear()
        while number not in self._fired:
            self.deliver(self.host.next(), blocking=True)

    # What happens to it.

    def deliver(self, delivery: Delivery, blocking: bool = False) -> None:
        match delivery:
            case Completed(number, outcome):
                operation = self.open.pop(number, None)
                if isinstance(operation, Timer):
                    self.loop._ready.append(operation)
                elif operation is not None:
                    operation.complete(outcome)
                elif blocking:
                    self._fired.add(number)
            case SignalReceived(name, input):
                self._signals += 1
                inbox = self.inboxes[name]
                inbox.messages.append((self._signals, input))
                inbox.wake()
            case QueryReceived(id, name, input):
                self.host.respond_query(id, self._looking(lambda: self.ask(name, input)))
            case UpdateReceived(id, name, input):
                self._decide(id, name, input)
            case CancelRequested(reason):
                self.cancel_reason = reason
                assert self.main is not None
                self.main.cancel(reason)

    def _look_again(self) -> bool:
        """Looks whether one of the conditions holds now. True if somebody can go on."""
        if not self.conditions:
            return False
        self.conditions = [it for it in self.conditions if not it.done()]
        for condition in self.conditions:
            try:
                if condition.holds():
                    condition.set_result(None)
            except Exception as error:
                condition.set_exception(error)
        return bool(self.loop._ready)

    def ask(self, name: str, input: bytes) -> bytes:
        """Answers a query."""
        if name == waits.QUERY:
            return encode(waits.report(self))
        query = self.queries.get(name)
        if query is None:
            message = f"the workflow answers no query `{name}`; it answers {names(self.queries)}"
            raise Failure(message, type="UnknownQuery", non_retryable=True)
        answer: bytes = query.answer(input)
        return answer

    def answer(self, name: str, input: bytes) -> bytes | list[Any]:
        """Answers a query of a run that has returned: its handlers are still there."""
        return self._looking(lambda: self.ask(name, input))

    def _looking(self, look: Callable[[], bytes]) -> bytes | list[Any]:
        """Runs code that must change nothing. What it has left to be run is forgotten."""
        ready = len(self.loop._ready)
        tasks = len(self.loop._tasks)
        try:
            answer: bytes | list[Any] = look()
        except Exception as error:
            answer = chain_of(error)
        left = len(self.loop._ready) - ready
        if left > 0:
            for _ in range(left):
                self.loop._ready.pop()
            forget_tasks(self.loop._tasks[tasks:])
            for task in self.loop._tasks[tasks:]:
                task.get_coro().close()
            del self.loop._tasks[tasks:]
            answer = chain_of(
                Failure("a query and a validator start no task: they only look", type="QueryActs")
            )
        return answer

    def _decide(self, id: str, name: str, input: bytes) -> None:
        """Accepts an update and begins to do it, or rejects it."""
        update = self.updates.get(name)
        if update is None:
            message = f"the workflow takes no update `{name}`; it takes {names(self.updates)}"
            failure = Failure(message, type="UnknownUpdate", non_retryable=True)
            self.host.reject_update(id, chain_of(failure))
            return
        arguments: list[Any] = []

        def look() -> bytes:
            arguments.extend(update.check(input))
            return b""

        decision = self._looking(look)
        if isinstance(decision, list):
            self.host.reject_update(id, decision)
            return
        self.host.accept_update(id)
        self.open_updates += 1
        self.loop.create_task(self._do(id, update, arguments), name=f"update {name}")

    async def _do(self, id: str, update: Any, arguments: list[Any]) -> None:
        outcome: bytes | list[Any]
        try:
            outcome = await update.run(*arguments)
        except (Failure, asyncio.CancelledError) as error:
            if self.ended:
                return
            outcome = chain_of(error)
        except Exception as bug:
            self.fail_with(bug)
            return
        self.open_updates -= 1
        self.host.complete_update(id, outcome)

    # Waiting.

    def operation(
        self,
        number: int,
        read: Callable[[bytes], Any] | None,
        place: Place,
        on_cancel: OnCancel = OnCancel.GIVE_UP,
        grace: int | None = None,
    ) -> Operation:
        return Operation(self, number, read, place, on_cancel, grace)

    async def wait_for(self, holds: Callable[[], bool], kind: str, place: Place) -> None:
        if holds():
            return
        condition = Condition(self, holds, kind, place)
        self.conditions.append(condition)
        await condition

    async def take(self, name: str, place: Place) -> bytes:
        """The next signal of this name."""
        inbox = self.inboxes[name]
        while not inbox.messages:
            waiter = Waiter(loop=self.loop)
            waiter.place = place
            inbox.waiting.append(waiter)
            try:
                await waiter
            except BaseException:
                waiter.cancel()
                with contextlib.suppress(ValueError):
                    inbox.waiting.remove(waiter)
                # Whoever was woken and does not take it leaves it to the next.
                if inbox.messages:
                    inbox.wake()
                raise
        return inbox.messages.popleft()[1]

    def return_signals(self) -> None:
        """Gives back those that nobody took, for the run that follows."""
        for number in sorted(nth for box in self.inboxes.values() for nth, _ in box.messages):
            self.host.return_signal(number)


_current: Run | None = None


def begin(host: Host) -> Run:
    """Makes ``host`` answer the workflow that this instance runs."""
    global _current
    _current = Run(host)
    return _current


def current(what: str = "this") -> Run:
    if _current is None:
        raise NotInWorkflow(what)
    return _current


def current_or_none() -> Run | None:
    return _current


def forget() -> None:
    """For tests: there is no run any more."""
    global _current
    _current = None


def names(of: dict[str, Any]) -> str:
    """The names in a sentence."""
    return ", ".join(f"`{name}`" for name in sorted(of)) or "none"


@contextlib.contextmanager
def reading(code: str, what: str) -> Iterator[None]:
    """Turns a value that does not fit into a failure that says where."""

    try:
        yield
    except PayloadError as problem:
        raise refused(code, what, problem) from None


_blocking_sleep = time.sleep


def _sleep(seconds: float, /) -> None:
    """Waits for so many seconds. In a workflow it is a durable timer, which holds up all of the
    workflow's code: ``await asyncio.sleep(seconds)`` lets the rest go on."""
    run = _current
    if run is None or not run.loop.is_running():
        _blocking_sleep(seconds)
        return
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    run.sleep(seconds)


def install_sleep() -> None:
    """Before the user's modules are imported, so that ``from time import sleep`` is ours, too."""
    _sleep.__name__ = _sleep.__qualname__ = "sleep"
    time.sleep = _sleep  # type: ignore[assignment]
