"""Activities: functions that touch the world, and are tried again when they fail."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from . import registry
from .loop import ActivityLoop
from .options import ActivityOptions, CancellationType
from .payload import decode, encode
from .place import Place, here
from .run import OnCancel, Operation, current, reading
from .signature import Signature, signature_of
from .times import nanos_or_none

P = ParamSpec("P")
T = TypeVar("T")

_ON_CANCEL = {
    CancellationType.TRY_CANCEL: OnCancel.GIVE_UP,
    CancellationType.WAIT_CANCELLATION_COMPLETED: OnCancel.ASK,
    CancellationType.ABANDON: OnCancel.LEAVE,
}


class ActivityCall(Generic[T]):
    """An activity that is to be run. It starts when it is awaited, or with :meth:`start`."""

    def __init__(
        self,
        name: str,
        input: bytes,
        read: Callable[[bytes], Any],
        options: ActivityOptions,
        place: Place,
    ) -> None:
        self._name = name
        self._input = input
        self._read = read
        self._options = options
        self._place = place

    def options(self, options: ActivityOptions | None = None, **changes: Any) -> ActivityCall[T]:
        """The same call with other options: all of them, or those that are named."""
        base = options or self._options
        changed = dataclasses.replace(base, **changes) if changes else base
        return ActivityCall(self._name, self._input, self._read, changed, self._place)

    def start(self) -> Operation:
        """Starts it now; the future has its outcome. Cancelling that gives it up."""
        options = self._options
        if options.has_preference and options.task_queue is None:
            raise ValueError(
                f"activity `{self._name}`, called at {self._place}, has a priority or a fairness "
                "key, and no task queue in which they would count: name it with task_queue"
            )
        if options.module is None and options.module_version is not None:
            raise ValueError("module_version needs a module, whose version it is")
        if options.module is not None and options.task_queue is not None:
            raise ValueError(
                f"activity `{self._name}`, called at {self._place}, has a module and a task queue: "
                "workers know no modules"
            )
        run = current(f"calling the activity `{self._name}`")
        run.require_open()
        number = run.host.start_activity(self._name, self._input, options)
        grace = nanos_or_none(options.cancellation_grace)
        on_cancel = _ON_CANCEL[options.cancellation]
        return Operation(run, number, self._read, self._place, on_cancel, grace)

    def __await__(self) -> Generator[Any, None, T]:
        return cast("Generator[Any, None, T]", self.start().__await__())

    def __repr__(self) -> str:
        return f"<call of activity {self._name}>"


class Activity(Generic[P, T]):
    """A function that is an activity. Calling it in a workflow makes an :class:`ActivityCall`."""

    def __init__(self, function: Callable[..., Any], name: str, options: ActivityOptions) -> None:
        self.function = function
        self.name = name
        self.signature: Signature = signature_of(function, f"activity `{name}`")
        self._options = options
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> ActivityCall[T]:
        input = self.signature.encode_input(args, kwargs)
        read = self.signature.decode_result
        return ActivityCall(self.name, input, read, self._options, here())

    def run(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The function itself, run here and now: for other activities, and for tests."""
        result = self.function(*args, **kwargs)
        return cast(T, _finished(result))

    def execute(self, input: bytes) -> bytes:
        """From the encoded input to the encoded result."""
        arguments = self.signature.decode_input(input)
        return self.signature.encode_result(_finished(self.function(*arguments)))


def _finished(result: Any) -> Any:
    """What an ``async`` function comes to, or the result of a plain one."""
    if not inspect.iscoroutine(result):
        return result
    # asyncio has methods for sockets and processes, too: they say that they are not there.
    return ActivityLoop().run(result)  # type: ignore[abstract]


@overload
def activity(function: Callable[P, Coroutine[Any, Any, T]], /) -> Activity[P, T]: ...
@overload
def activity(function: Callable[P, T], /) -> Activity[P, T]: ...
@overload
def activity(
    *, name: str | None = None, options: ActivityOptions | None = None, **defaults: Any
) -> Callable[[Callable[P, T]], Activity[P, T]]: ...
def activity(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    options: ActivityOptions | None = None,
    **defaults: Any,
) -> Any:
    """Makes a function an activity of the module.

    It takes one input or none. What it raises is tried again, unless that is a
    :class:`~dacapo.Failure` that says otherwise. The options are those of calls that name none::

        @activity(start_to_close=10, retry=RetryPolicy(maximum_attempts=3))
        def charge(order: Order) -> Receipt: ...
    """
    chosen = dataclasses.replace(options or ActivityOptions(), **defaults)

    def define(function: Callable[..., Any]) -> Activity[Any, Any]:
        defined = Activity[Any, Any](function, name or function.__name__, chosen)
        registry.add("activity", registry.activities, defined.name, defined)
        return defined

    return define if function is None else define(function)


_NOTHING: Any = object()


@overload
def call_activity(
    name: str,
    input: Any = ...,
    *,
    returns: type[T],
    options: ActivityOptions | None = None,
    **changes: Any,
) -> ActivityCall[T]: ...
@overload
def call_activity(
    name: str,
    input: Any = ...,
    *,
    returns: Any = Any,
    options: ActivityOptions | None = None,
    **changes: Any,
) -> ActivityCall[Any]: ...
def call_activity(
    name: str,
    input: Any = _NOTHING,
    *,
    returns: Any = Any,
    options: ActivityOptions | None = None,
    **changes: Any,
) -> ActivityCall[Any]:
    """A call of an activity by its name: one that workers run, say, in any language::

    sent = await call_activity("send_mail", mail, returns=Sent, task_queue="emails")
    """
    what = f"activity `{name}`"
    with reading("InvalidInput", f"the input of {what}"):
        encoded = b"" if input is _NOTHING else encode(input)

    def read(result: bytes) -> Any:
        with reading("InvalidResult", f"the result of {what}"):
            return decode(result, returns, "result")

    chosen = dataclasses.replace(options or ActivityOptions(), **changes)
    return ActivityCall(name, encoded, read, chosen, here())
