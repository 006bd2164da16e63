"""Workers in tests: in this process, and in others."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import sys
import threading
import unittest
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dacapo_worker import Worker

from .server import Server

LIBRARY = Path(__file__).parents[2]
SECONDS_MAX = 60


class WithServer(unittest.IsolatedAsyncioTestCase):
    """Tests with one server for all, and a queue for each."""

    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)

    def setUp(self) -> None:
        self.queue = f"queue-{uuid.uuid4().hex}"

    def worker(self, **options: Any) -> Worker:
        return Worker(self.server.url, task_queue=self.queue, **options)

    async def call(self, activity: str, given: Any = None, **options: Any) -> str:
        return await asyncio.to_thread(self.server.call, self.queue, activity, given, **options)

    async def result(self, workflow_id: str) -> dict[str, Any]:
        return await asyncio.to_thread(self.server.result, workflow_id)

    async def completed(self, workflow_id: str) -> Any:
        return await asyncio.to_thread(self.server.completed, workflow_id)

    async def failure(self, workflow_id: str) -> list[dict[str, Any]]:
        """Why the activity has failed, and what caused that."""
        result = await self.result(workflow_id)
        self.assertEqual(result["status"], "failed", result)
        causes: list[dict[str, Any]] = result["failure"]["causes"]
        return causes


@asynccontextmanager
async def serving(worker: Worker) -> AsyncIterator[None]:
    """The worker works meanwhile."""
    running = asyncio.ensure_future(worker.serve())
    try:
        yield
    finally:
        worker.shutdown(0)
        await asyncio.wait_for(running, SECONDS_MAX)


class Process:
    """A worker in a process of its own, which says on its output what happens."""

    def __init__(self, script: Path, server: Server, task_queue: str, *arguments: str) -> None:
        environment = dict(os.environ, DACAPO_SERVER=server.url, PYTHONPATH=str(LIBRARY / "src"))
        self._process = subprocess.Popen(
            [sys.executable, script, task_queue, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.strip())

    async def says(self, text: str) -> None:
        """Waits until it has said this."""
        while await asyncio.to_thread(self._lines.get, timeout=SECONDS_MAX) != text:
            pass

    def send(self, one: signal.Signals) -> None:
        self._process.send_signal(one)

    async def ended(self) -> int:
        code = await asyncio.to_thread(self._process.wait, SECONDS_MAX)
        return code

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
