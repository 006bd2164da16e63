"""Children: workflows that a workflow starts and waits for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping
from typing import Any, Generic, TypeVar, cast, overload

from .external import ExternalWorkflow
from .options import ChildCancellation, IdReusePolicy, ParentClosePolicy, RetryPolicy
from .payload import decode, encode
from .place import Place, here
from .run import OnCancel, Operation, current, reading
from .times import Seconds

T = TypeVar("T")

_ON_CANCEL = {
    ChildCancellation.WAIT_COMPLETED: OnCancel.ASK_CHILD,
    ChildCancellation.WAIT_REQUESTED: OnCancel.ASK_CHILD,
    ChildCancellation.TRY: OnCancel.GIVE_UP,
    # The runtime knows what giving it up means.
    ChildCancellation.ABANDON: OnCancel.GIVE_UP,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChildOptions:
    """Everything about a child but what it runs. Lengths of time are seconds, or timedeltas."""

    #: Default: the parent's run id, `/`, and the number of the operation.
    workflow_id: str | None = None
    id_reuse_policy: IdReusePolicy = IdReusePolicy.ALLOW_DUPLICATE
    parent_close_policy: ParentClosePolicy = ParentClosePolicy.TERMINATE
    cancellation: ChildCancellation = ChildCancellation.WAIT_COMPLETED
    #: The module that defines it. Default: the parent's own code.
    module: str | None = None
    #: Default: the newest when the child starts.
    module_version: int | None = None
    run_timeout: Seconds | None = None
    execution_timeout: Seconds | None = None
    #: How long it waits before its code runs. A signal lets it run at once.
    start_delay: Seconds = 0
    retry: RetryPolicy | None = None
    memo: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    search_attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class ChildCall(Generic[T]):
    """A child that is to be run. Awaiting it starts it and waits for its result."""

    def __init__(
        self,
        name: str,
        input: bytes,
        read: Callable[[bytes], Any],
        options: ChildOptions,
        place: Place,
    ) -> None:
        self._name = name
        self._input = input
        self._read = read
        self._options = options
        self._place = place

    def options(self, options: ChildOptions | None = None, **changes: Any) -> ChildCall[T]:
        """The same call with other options: all of them, or those that are named."""
        changed = dataclasses.replace(options or self._options, **changes)
        return ChildCall(self._name, self._input, self._read, changed, self._place)

    def _start(self) -> tuple[Operation, Operation]:
        if self._options.module_version is not None and self._options.module is None:
            raise ValueError("module_version needs a module, whose version it is")
        run = current(f"starting the child `{self._name}`")
        run.require_open()
        started, closed = run.host.start_child(self._name, self._input, self._options)
        on_cancel = _ON_CANCEL[self._options.cancellation]
        beginning = Operation(run, started, decode, self._place, OnCancel.LEAVE)
        return beginning, Operation(run, closed, self._read, self._place, on_cancel)

    async def start(self) -> ChildHandle[T]:
        """Starts it, and returns once it has started."""
        beginning, result = self._start()
        result.waited_for = False
        # Nobody has to ask how it ends.
        result.add_done_callback(_seen)
        started = await beginning
        return ChildHandle(started["workflow_id"], started["run_id"], result)

    def __await__(self) -> Generator[Any, None, T]:
        beginning, result = self._start()
        # What keeps it from starting is its result, too.
        beginning.waited_for = False
        beginning.add_done_callback(_seen)
        return cast("Generator[Any, None, T]", result.__await__())

    def __repr__(self) -> str:
        return f"<call of workflow {self._name}>"


class ChildHandle(Generic[T]):
    """A child that runs, made by ``await ship(order).start()``. It goes on when this is gone."""

    def __init__(self, workflow_id: str, run_id: str, result: Operation) -> None:
        self.workflow_id = workflow_id
        self.run_id = run_id
        self._result = result

    async def result(self) -> T:
        """Waits for its end. Cancelling this wait cancels the child, as its options say."""
        self._result.place = here()
        self._result.waited_for = True
        return cast(T, await self._result)

    async def signal(self, name: str, value: Any = None) -> None:
        """Sends it a signal, and returns once it has recorded it. If it has continued as new, its
        open run gets it."""
        await ExternalWorkflow(self.workflow_id).signal(name, value)

    def cancel(self) -> None:
        """Asks it to cancel; :meth:`result` tells how it ends."""
        self._result.cancel()


@overload
def call_workflow(
    name: str,
    input: Any = None,
    *,
    returns: type[T],
    options: ChildOptions | None = None,
    **changes: Any,
) -> ChildCall[T]: ...
@overload
def call_workflow(
    name: str,
    input: Any = None,
    *,
    returns: Any = Any,
    options: ChildOptions | None = None,
    **changes: Any,
) -> ChildCall[Any]: ...
def call_workflow(
    name: str,
    input: Any = None,
    *,
    returns: Any = Any,
    options: ChildOptions | None = None,
    **changes: Any,
) -> ChildCall[Any]:
    """A child by its name, such as one of another module::

    bill = await call_workflow("bill", order, returns=Bill, module="billing")
    """
    what = f"workflow `{name}`"
    with reading("InvalidInput", f"the input of {what}"):
        encoded = encode(input)

    def read(result: bytes) -> Any:
        with reading("InvalidResult", f"the result of {what}"):
            return decode(result, returns, "result")

    chosen = dataclasses.replace(options or ChildOptions(), **changes)
    return ChildCall(name, encoded, read, chosen, here())


def memo_texts(memo: Mapping[str, Any]) -> dict[str, str | None]:
    """JSON by name; None removes."""
    texts: dict[str, str | None] = {}
    for name, value in memo.items():
        with reading("InvalidValue", f"memo `{name}`"):
            texts[name] = None if value is None else encode(value).decode()
    return texts


def _seen(operation: Any) -> None:
    if not operation.cancelled():
        operation.exception()
