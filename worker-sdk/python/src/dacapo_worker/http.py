"""JSON requests over connections that are kept."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

from .connection import Answer, Connection, TooLargeError
from .errors import AnswerTooLarge, Refused, Unreachable
from .version import VERSION

#: Seconds that a connection may take to come about.
CONNECT_SECONDS_MAX = 10.0
#: Idle connections that are kept, and for how long. Servers and proxies close older ones.
IDLE_MAX = 8
IDLE_SECONDS_MAX = 30.0


class HttpClient:
    """Posts JSON to one server. Belongs to the event loop that first uses it."""

    def __init__(
        self, url: str, *, token: str | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the server's address is http://... or https://..., not {url!r}")
        if parts.query or parts.fragment or parts.username:
            raise ValueError("the server's address has neither user, query nor fragment")
        secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if secure else 80)
        self._prefix = parts.path.rstrip("/")
        #: Whether others in the network can read the token.
        self.shows_token = token is not None and not secure and not _is_loopback(parts.hostname)
        self._tls = (tls or ssl.create_default_context()) if secure else None
        self._head = _fixed_headers(parts.netloc, token)
        self._idle: list[tuple[Connection, float]] = []
        self._closed = False

    async def post(self, path: str, body: bytes, timeout: float) -> Any:
        """The JSON that is answered. Raises ``Refused`` or ``Unreachable``."""
        head = (
            f"POST {self._prefix}{path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        ).encode("ascii")
        try:
            answer = await asyncio.wait_for(self._send(head, body), timeout)
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise Unreachable(f"no answer within {timeout:g} s") from error
        except asyncio.IncompleteReadError as error:
            raise Unreachable("the connection was cut") from error
        except TooLargeError as error:
            raise AnswerTooLarge(str(error)) from error
        except OSError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return _content(answer)

    def close(self) -> None:
        """Closes the idle connections, and every other one as soon as it is idle."""
        self._closed = True
        for connection, _ in self._idle:
            connection.close()
        self._idle.clear()

    async def _send(self, head: bytes, body: bytes) -> Answer:
        kept = self._take()
        if kept is not None:
            try:
                return await self._send_over(kept, head, body)
            except (asyncio.IncompleteReadError, ConnectionError):
                # Closed while it was idle, most likely: that says nothing about the server.
                if kept.answered:
                    raise
        opening = Connection.open(self._host, self._port, self._tls)
        fresh = await asyncio.wait_for(opening, CONNECT_SECONDS_MAX)
        return await self._send_over(fresh, head, body)

    async def _send_over(self, connection: Connection, head: bytes, body: bytes) -> Answer:
        try:
            answer = await connection.request(head, body)
        except BaseException:
            # Whatever happened, also a cancellation: what comes next on it belongs to nobody.
            connection.close()
            raise
        self._keep(connection)
        return answer

    def _take(self) -> Connection | None:
        oldest = time.monotonic() - IDLE_SECONDS_MAX
        while self._idle:
            connection, since = self._idle.pop()
            if since >= oldest and connection.is_alive:
                return connection
            connection.close()
        return None

    def _keep(self, connection: Connection) -> None:
        if self._closed or not connection.reusable or len(self._idle) >= IDLE_MAX:
            connection.close()
        else:
            self._idle.append((connection, time.monotonic()))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _fixed_headers(host: str, token: str | None) -> str:
    headers = {
        "Host": host,
        "User-Agent": f"dacapo-worker-python/{VERSION}",
        "Accept": "application/json",
        "Content-Type": "application/json",
    }
    if token is not None:
        if not token or not token.isascii() or not token.isprintable():
            raise ValueError("the token has characters that no header may have")
        headers["Authorization"] = f"Bearer {token}"
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _content(answer: Answer) -> Any:
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        content = None
    if 200 <= answer.status < 300:
        if not isinstance(content, dict):
            raise Unreachable("the answer is no JSON object: is this a Dacapo server?")
        return content
    error = content if isinstance(content, dict) else {}
    message = error.get("message") or answer.body[:200].decode("utf-8", "replace")
    raise Refused(
        answer.status,
        str(error.get("code") or f"http_{answer.status}"),
        str(message or "no reason was given"),
        retryable=error.get("retryable") is True,
        retry_after=_seconds(answer.headers.get("retry-after")),
    )


def _seconds(text: str | None) -> float | None:
    """Only the form that counts seconds: the server uses no dates."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
