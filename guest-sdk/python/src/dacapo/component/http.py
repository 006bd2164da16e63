"""One request and its answer over ``wasi:http``, within a time limit.

Resources are dropped children first, or the instance traps: each is left with its ``with`` block.
"""

from __future__ import annotations

import contextlib
from typing import Any

from componentize_py_types import Err
from wit_world.imports import monotonic_clock, outgoing_handler, poll, streams
from wit_world.imports import wasi_http_types as wasi

from ..http import (
    BodyTooLarge,
    ConnectError,
    Denied,
    InvalidURL,
    Request,
    RequestError,
    Response,
    TimeoutException,
)

#: How much of an answer is asked for at once.
READ_BYTES = 64 * 1024

_METHODS: dict[str, Any] = {
    "GET": wasi.Method_Get,
    "HEAD": wasi.Method_Head,
    "POST": wasi.Method_Post,
    "PUT": wasi.Method_Put,
    "DELETE": wasi.Method_Delete,
    "OPTIONS": wasi.Method_Options,
    "PATCH": wasi.Method_Patch,
}


def exchange(request: Request) -> Response:
    outgoing = _outgoing(request)
    limit = int(request.timeout * 1e9)
    with monotonic_clock.subscribe_duration(limit) as deadline:
        wait = _Wait(request, deadline)
        body = outgoing.body()
        options = wasi.RequestOptions()
        for tell in (
            options.set_connect_timeout,
            options.set_first_byte_timeout,
            options.set_between_bytes_timeout,
        ):
            # One that the host does not know is no reason to fail.
            with contextlib.suppress(Err):
                tell(limit)
        try:
            pending = outgoing_handler.handle(outgoing, options)
        except Err as error:
            raise _error(error.value, request) from None
        with pending:
            _send(body, request.body, wait)
            with wait.readable(pending) as response:
                return _receive(response, request, wait)


class _Wait:
    """Waits no longer than the request may take."""

    def __init__(self, request: Request, deadline: Any) -> None:
        self._request = request
        self._deadline = deadline

    def until(self, source: Any) -> None:
        with source.subscribe() as ready:
            if 0 not in poll.poll([ready, self._deadline]):
                raise TimeoutException(
                    f"{self._request.url} did not answer within {self._request.timeout:g} s"
                )

    def readable(self, pending: Any) -> Any:
        self.until(pending)
        got = pending.get()
        outer = got.value if hasattr(got, "value") else got
        inner = outer.value if hasattr(outer, "value") else outer
        if isinstance(outer, Err) or isinstance(inner, Err):
            raise _error(inner.value if isinstance(inner, Err) else inner, self._request)
        return inner.value if hasattr(inner, "value") else inner


def _outgoing(request: Request) -> Any:
    try:
        outgoing = wasi.OutgoingRequest(wasi.Fields.from_list(request.headers))
        method = _METHODS.get(request.method)
        outgoing.set_method(method() if method else wasi.Method_Other(request.method))
        outgoing.set_scheme(
            wasi.Scheme_Https() if request.scheme == "https" else wasi.Scheme_Http()
        )
        outgoing.set_authority(request.authority)
        outgoing.set_path_with_query(request.path)
    except Err as error:
        raise InvalidURL(f"the request to {request.url} is refused: {error.value}") from None
    return outgoing


def _send(body: Any, content: bytes, wait: _Wait) -> None:
    if content:
        try:
            with body.write() as stream:
                while content:
                    room = stream.check_write()
                    if room == 0:
                        wait.until(stream)
                        continue
                    stream.write(content[:room])
                    content = content[room:]
                stream.flush()
                wait.until(stream)
        except Err:
            # A service may answer without reading the body; then its answer counts, and a
            # connection that broke shows when the answer is read.
            return
    with contextlib.suppress(Err):
        wasi.OutgoingBody.finish(body, None)


def _receive(response: Any, request: Request, wait: _Wait) -> Response:
    with response.headers() as fields:
        headers = [(name, bytes(value).decode("latin-1")) for name, value in fields.entries()]
    content = bytearray()
    with response.consume() as body, body.stream() as stream:
        while True:
            try:
                piece = stream.read(READ_BYTES)
            except Err as error:
                if isinstance(error.value, streams.StreamError_Closed):
                    break
                raise ConnectError(f"the answer of {request.url} broke off") from None
            if not piece:
                wait.until(stream)
            content += piece
            if len(content) > request.body_bytes_max:
                raise BodyTooLarge(
                    f"the answer of {request.url} has more than {request.body_bytes_max} bytes"
                )
    return Response(response.status(), headers, bytes(content), request.url)


def _error(code: Any, request: Request) -> RequestError:
    name = type(code).__name__.removeprefix("ErrorCode_")
    if name == "HttpRequestDenied":
        return Denied(
            f"activities of this server may not reach {request.authority}: "
            "it would have to be started with --allow-host"
        )
    if "imeout" in name:
        return TimeoutException(f"{request.url} did not answer in time ({name})")
    if name.startswith("HttpRequest"):
        return InvalidURL(f"the request to {request.url} is refused: {name}")
    said = getattr(code, "value", None)
    return ConnectError(f"no answer of {request.url}: {name}{f' ({said})' if said else ''}")
