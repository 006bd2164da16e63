"""What other languages have not, or have in another way: see ``tests/e2e/python.rs``."""

import asyncio
import random
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dacapo import http, query, signals, workflow

from .activities import echo

NAMES = {"amber", "blue", "coral", "denim", "ecru", "fawn", "gold", "hazel"}

AT_BUILD = random.Random()


@workflow
async def set_order() -> list[str]:
    return [await echo(name) for name in NAMES]


@workflow
async def random_at_build() -> float:
    return AT_BUILD.random()


@workflow
async def blocking_sleep(seconds: float) -> list[Any]:
    """Stops everything but what comes from outside."""
    seen: list[Any] = []
    query("seen", lambda: seen)

    async def listen() -> None:
        async for text in signals("word"):
            seen.append(text)

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    before = time.monotonic()
    time.sleep(seconds)
    during, took = list(seen), time.monotonic() - before
    await asyncio.sleep(0)
    listening.cancel()
    return [took >= seconds, during, seen]


@workflow
async def refused() -> dict[str, str]:
    """What each says that a component has not."""

    def late() -> None:
        import sqlite3  # noqa: F401

    def opens() -> None:
        open("/etc/hostname").close()

    attempts: dict[str, Callable[[], object]] = {
        "thread": threading.Thread(target=print).start,
        "socket": socket.socket,
        "urllib": lambda: urllib.request.urlopen("http://127.0.0.1:1/"),
        "process": lambda: subprocess.run(["true"]),
        "late import": late,
        "file": opens,
        "http": lambda: http.get("http://127.0.0.1:1/"),
    }
    said = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except Exception as error:
            said[name] = f"{type(error).__name__}: {error}"
    try:
        await asyncio.to_thread(print)
    except RuntimeError as error:
        said["to_thread"] = f"{type(error).__name__}: {error}"
    return said


@dataclass
class Order:
    id: str
    cents: int


@workflow
async def typed(order: Order) -> Order:
    return Order(order.id, order.cents + 1)


@workflow
async def primitives() -> dict[str, Any]:
    """asyncio's own ways to wait for one another, with durable timers between."""
    order: list[str] = []
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
    opened = asyncio.Event()
    lock = asyncio.Lock()

    async def produce() -> None:
        for number in range(3):
            await asyncio.sleep(0.01)
            await queue.put(number)
        opened.set()

    async def guarded(name: str) -> None:
        async with lock:
            order.append(f"{name} in")
            await asyncio.sleep(0.01)
            order.append(f"{name} out")

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("one of the group")

    async def cancelled() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            order.append("cancelled")
            raise

    producing = asyncio.create_task(produce())
    taken = [await queue.get() for _ in range(3)]
    await opened.wait()
    await producing
    await asyncio.gather(guarded("a"), guarded("b"))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(cancelled())
            group.create_task(fails())
    except ExceptionGroup as failed:
        group_failed = [str(error) for error in failed.exceptions]
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
        timed_out = False
    except TimeoutError:
        timed_out = True
    done, _ = await asyncio.wait(
        [asyncio.ensure_future(asyncio.sleep(0.02, "slow"))], timeout=0.001
    )
    return {
        "taken": taken,
        "order": order,
        "group": group_failed,
        "timed_out": timed_out,
        "waited": len(done),
    }
