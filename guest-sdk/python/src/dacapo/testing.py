"""Whole workflows in tests: the project's component on a real server, which ends with the test.

::

    with TestServer(Path(__file__).parents[1]) as server:
        run = server.start("greet", {"name": "Ada"})
        run.signal("go")
        assert run.result() == "Hello, Ada!"

The program is ``dacapo`` of the search path, or the one that ``DACAPO_BINARY`` names. Functions
that are decorated can be tested without it: ``greeting.run("Ada")``.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

#: Names the program.
BINARY_VARIABLE = "DACAPO_BINARY"
#: Seconds for which a result is waited for.
RESULT_SECONDS = 60.0

_READY = "dacapo is ready at "


class ServerError(Exception):
    """The server has refused something; ``code`` says what."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{body.get('message', body)} ({body.get('code')}, status {status})")
        self.status = status
        self.code = body.get("code")
        self.body = body


class RunFailed(AssertionError):
    """A run did not complete; ``status`` and ``failure`` say how it ended."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(f"the run did not complete: {json.dumps(result, ensure_ascii=False)}")
        self.status: str = result["status"]
        self.failure: dict[str, Any] | None = result.get("failure")


class TestServer:
    """A server with a project's workflows, for the time of a ``with`` block."""

    __test__ = False

    def __init__(self, project: str | Path, *, name: str = "tested") -> None:
        self._project = Path(project)
        self._name = name
        self._binary = os.environ.get(BINARY_VARIABLE) or "dacapo"
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> TestServer:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self) -> None:
        built = self._run("build", str(self._project))
        component = built.strip().splitlines()[-1]
        self._folder = tempfile.TemporaryDirectory(prefix="dacapo-test-")
        database = Path(self._folder.name, "dacapo.db")
        command = [self._binary, "serve", "--listen", "127.0.0.1:0", "--database"]
        with open(Path(self._folder.name, "log"), "w") as log:
            self._process = subprocess.Popen(
                [*command, f"sqlite://{database}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(_READY):
                self.url = line.removeprefix(_READY).strip()
                break
        else:
            text = Path(self._folder.name, "log").read_text()
            raise RuntimeError(f"the server did not start:\n{text}")
        self._run("module", "push", self._name, component, "--server", self.url)

    def _run(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                [self._binary, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True
            )
        except FileNotFoundError:
            raise RuntimeError(
                f"there is no program {self._binary}: name it with {BINARY_VARIABLE}"
            ) from None
        if done.returncode != 0:
            raise RuntimeError(f"dacapo {arguments[0]} did not work:\n{done.stderr.strip()}")
        return done.stdout

    def stop(self) -> None:
        """Ends the server, and forgets its runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def start(
        self, workflow: str, input: Any = None, *, workflow_id: str | None = None, **options: Any
    ) -> TestRun:
        """Starts a run; options are those of the HTTP API."""
        body: dict[str, Any] = {"workflow": workflow, "input": input, "options": options}
        if workflow_id is not None:
            body["workflow_id"] = workflow_id
        started = self.call("POST", "/runs", body)
        return TestRun(self, started["workflow_id"], started["run_id"])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Any request to the server, below its namespace."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v1/namespaces/default{path}",
            data=data,
            method=method,
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise ServerError(error.code, json.load(error)) from None


class TestRun:
    """A run that a test has started."""

    __test__ = False

    def __init__(self, server: TestServer, workflow_id: str, run_id: str) -> None:
        self._server = server
        self._path = f"/runs/{urllib.parse.quote(workflow_id, safe='')}"
        self.workflow_id = workflow_id
        self.run_id = run_id

    def result(self, wait: float = RESULT_SECONDS) -> Any:
        """Waits for the end; raises :class:`RunFailed` if the run did not complete."""
        result = self.outcome(wait)
        if result["status"] != "completed":
            raise RunFailed(result)
        return result.get("result")

    def outcome(self, wait: float = RESULT_SECONDS) -> dict[str, Any]:
        """How it ended, in whatever way."""
        outcome: dict[str, Any] = self._server.call("GET", f"{self._path}/result?wait={wait}")
        return outcome

    def signal(self, name: str, value: Any = None) -> None:
        self._server.call("POST", f"{self._path}/signals/{_quoted(name)}", {"input": value})

    def query(self, name: str, value: Any = None) -> Any:
        answer = self._server.call(
            "POST", f"{self._path}/queries/{_quoted(name)}", {"input": value}
        )
        return answer.get("result")

    def update(self, name: str, value: Any = None) -> dict[str, Any]:
        """How far it has come: its ``stage``, and a ``result`` or a ``failure``."""
        update: dict[str, Any] = self._server.call(
            "POST", f"{self._path}/updates/{_quoted(name)}", {"input": value}
        )
        return update

    def cancel(self, reason: str = "") -> None:
        self._server.call("POST", f"{self._path}/cancel", {"reason": reason})

    def history(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self._server.call("GET", f"{self._path}/history?limit=1000")[
            "events"
        ]
        return events


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")
