"""A real server for tests, and what they ask of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[4]
BINARY = Path(os.environ.get("DACAPO_BINARY", ROOT / "target/debug/dacapo"))
STEPS = ROOT / "target/guests/wasm32-wasip2/release/steps.wasm"
READY = "dacapo is ready at "


class Server:
    """On a database of its own. Keeps its address when it is started again."""

    def __init__(self) -> None:
        for path in (BINARY, STEPS):
            if not path.exists():
                raise FileNotFoundError(f"{path} is missing: `cargo xtask workers` builds it")
        self._folder = tempfile.TemporaryDirectory()
        self._listen = "127.0.0.1:0"
        self.start()
        request = urllib.request.Request(
            f"{self.api}/modules/steps",
            STEPS.read_bytes(),
            {"Content-Type": "application/wasm"},
            method="PUT",
        )
        urllib.request.urlopen(request).close()

    @property
    def url(self) -> str:
        return f"http://{self._listen}"

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1/namespaces/default"

    def start(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DACAPO_")}
        database = f"sqlite://{self._folder.name}/dacapo.db"
        cache = ROOT / "target/test-cache"
        self._log = open(f"{self._folder.name}/server.log", "ab")
        self._process = subprocess.Popen(
            [
                BINARY,
                "serve",
                "--listen",
                self._listen,
                "--database",
                database,
                "--cache-dir",
                cache,
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line.startswith(READY + "http://"):
            raise RuntimeError(f"the server did not start: {line}\n{self.log()}")
        self._listen = line.removeprefix(READY + "http://")

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def close(self) -> None:
        self.kill()
        self._folder.cleanup()

    def log(self) -> str:
        return Path(f"{self._folder.name}/server.log").read_text(errors="replace")

    def ask(self, path: str, body: Any = None) -> Any:
        """Posts if there is a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.api + path, data, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from None

    def run(self, workflow: str, given: Any) -> str:
        """The workflow id of a new run."""
        workflow_id = uuid.uuid4().hex
        self.ask("/runs", {"workflow": workflow, "workflow_id": workflow_id, "input": given})
        return workflow_id

    def call(self, queue: str, activity: str, given: Any = None, **options: Any) -> str:
        """A run that calls this activity of the queue. Times of options are milliseconds."""
        soon = {"initial_interval_millis": 10, "task_queue": queue}
        given = {"activity": activity, "input": given, "options": soon | options}
        return self.run("call", given)

    def result(self, workflow_id: str) -> dict[str, Any]:
        """How the run has ended."""
        result: dict[str, Any] = self.ask(f"/runs/{workflow_id}/result?wait=30")
        if result["status"] == "running":
            raise AssertionError(f"run {workflow_id} goes on\n{self.log()}")
        return result

    def completed(self, workflow_id: str) -> Any:
        result = self.result(workflow_id)
        if result["status"] != "completed":
            raise AssertionError(f"run {workflow_id} has not completed: {result}")
        return result["result"]

    def cancel(self, workflow_id: str) -> None:
        self.ask(f"/runs/{workflow_id}/cancel", {})
