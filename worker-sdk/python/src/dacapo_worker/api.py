"""The three requests of the worker protocol."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from .errors import Unreachable

#: Entries of one batch, and bytes: fewer than the server takes, so that one more fits.
BATCH_MAX = 1000
BATCH_BYTES_MAX = 4 * 1024 * 1024
#: Seconds that an answer may take beyond what was asked for.
ANSWER_SECONDS_MAX = 15.0


class Transport(Protocol):
    """Posts JSON. ``HttpClient`` is the real one."""

    async def post(self, path: str, body: bytes, timeout: float) -> Any: ...


@dataclass(frozen=True)
class PollRequest:
    """What is the same in every poll of a worker."""

    task_queue: str
    identity: str
    build_id: str | None
    activity_types: Sequence[str]
    wait_seconds: float
    lease_seconds: float

    def body(self, max_tasks: int) -> bytes:
        fields: dict[str, Any] = {
            "identity": self.identity,
            "activity_types": list(self.activity_types),
            "max_tasks": max_tasks,
            "wait_seconds": _number(self.wait_seconds),
            "lease_seconds": _number(self.lease_seconds),
        }
        if self.build_id is not None:
            fields["build_id"] = self.build_id
        return json.dumps(fields).encode()


class Api:
    """The routes of one namespace. Entries of batches are JSON already."""

    def __init__(self, transport: Transport, namespace: str) -> None:
        self._transport = transport
        self._base = f"/api/v1/namespaces/{quote(namespace, safe='')}"

    async def poll(self, request: PollRequest, max_tasks: int) -> list[dict[str, Any]]:
        """Tasks under a lease, at most as many."""
        path = f"{self._base}/task-queues/{quote(request.task_queue, safe='')}/poll"
        timeout = request.wait_seconds + ANSWER_SECONDS_MAX
        answer = await self._transport.post(path, request.body(max_tasks), timeout)
        return _objects(answer, "tasks")

    async def heartbeats(
        self, entries: Sequence[str], timeout: float = ANSWER_SECONDS_MAX
    ) -> list[dict[str, Any]]:
        """Prolongs leases; says for each whether it is still held."""
        return await self._batch("heartbeats", entries, timeout)

    async def reports(self, entries: Sequence[str]) -> list[dict[str, Any]]:
        """Hands outcomes over; says for each whether it is recorded."""
        return await self._batch("reports", entries, ANSWER_SECONDS_MAX)

    async def _batch(self, kind: str, entries: Sequence[str], timeout: float) -> list[Any]:
        body = f'{{"{kind}":[{",".join(entries)}]}}'.encode()
        answer = await self._transport.post(f"{self._base}/activities/{kind}", body, timeout)
        results = _objects(answer, "results")
        if len(results) != len(entries):
            raise Unreachable(f"{len(entries)} {kind} were answered with {len(results)} results")
        return results


def batches(sizes: Iterable[int]) -> Iterator[int]:
    """How many of these entries, in order, go into each batch. One that is too large goes alone."""
    count = size = 0
    for entry in sizes:
        if count and (count == BATCH_MAX or size + entry > BATCH_BYTES_MAX):
            yield count
            count = size = 0
        count += 1
        size += entry
    if count:
        yield count


def _number(seconds: float) -> float | int:
    """Whole numbers without a point, for whoever reads them as such."""
    return int(seconds) if seconds == int(seconds) else seconds


def _objects(answer: Any, field: str) -> list[dict[str, Any]]:
    items = answer.get(field)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unreachable(f"the answer has no list of {field}: is this a Dacapo server?")
    return items
