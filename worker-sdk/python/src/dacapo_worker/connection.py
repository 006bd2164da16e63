"""One HTTP/1.1 connection: what of the protocol a worker needs, over asyncio's streams."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

#: Bytes of the head of an answer.
HEAD_BYTES_MAX = 64 * 1024
#: Bytes of an answer. Those of the server are smaller.
BODY_BYTES_MAX = 128 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """Status, headers by lower-case name, and body."""

    status: int
    headers: dict[str, str]
    body: bytes


class ProtocolError(ConnectionError):
    """What was received is not HTTP."""


class TooLargeError(ConnectionError):
    """The body of the answer has more bytes than there is room for."""


class Connection:
    """Takes one request at a time. After an error it is of no use any more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        #: Whether another request may follow.
        self.reusable = True
        #: Whether anything of the answer under way has arrived.
        self.answered = False

    @classmethod
    async def open(cls, host: str, port: int, tls: ssl.SSLContext | None) -> Connection:
        reader, writer = await asyncio.open_connection(
            host, port, ssl=tls, limit=HEAD_BYTES_MAX, happy_eyeballs_delay=0.25
        )
        return cls(reader, writer)

    @property
    def is_alive(self) -> bool:
        """False once the other side is known to have closed it."""
        return self.reusable and not self._reader.at_eof() and not self._writer.is_closing()

    def close(self) -> None:
        self.reusable = False
        self._writer.close()

    async def request(self, head: bytes, body: bytes) -> Answer:
        self.answered = False
        self._writer.write(head)
        self._writer.write(body)
        await self._writer.drain()
        while True:
            status, headers, version = await self._head()
            # 1xx are news on the way, such as `100 Continue`.
            if status >= 200:
                break
        content = await self._body(status, headers)
        closing = headers.get("connection", "").lower()
        if "close" in closing or (version == "HTTP/1.0" and "keep-alive" not in closing):
            self.close()
        return Answer(status, headers, content)

    async def _head(self) -> tuple[int, dict[str, str], str]:
        try:
            raw = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            self.answered = bool(error.partial)
            raise
        except asyncio.LimitOverrunError as error:
            self.answered = True
            raise ProtocolError("the head of the answer is too large") from error
        self.answered = True
        first, *lines = raw.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        status = rest[:3]
        if not version.startswith("HTTP/1.") or not status.isdigit():
            raise ProtocolError(f"the answer does not begin like HTTP: {first[:80]!r}")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        return int(status), headers, version

    async def _body(self, status: int, headers: dict[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return await self._chunks()
        length = headers.get("content-length")
        if length is None:
            return await self._to_the_end()
        if not length.isdigit():
            raise ProtocolError(f"Content-Length is no number: {length[:80]!r}")
        return await self._reader.readexactly(_bounded(int(length)))

    async def _chunks(self) -> bytes:
        chunks: list[bytes] = []
        total = 0
        while True:
            line = (await self._line()).partition(b";")[0].strip()
            try:
                size = int(line, 16)
            except ValueError:
                raise ProtocolError(f"a chunk's size is no number: {line[:80]!r}") from None
            if size < 0:
                raise ProtocolError("a chunk's size is negative")
            if size == 0:
                while await self._line() not in (b"\r\n", b""):
                    pass
                return b"".join(chunks)
            total = _bounded(total + size)
            chunks.append(await self._reader.readexactly(size))
            await self._line()

    async def _line(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            raise ProtocolError("a line of the answer is too long") from error

    async def _to_the_end(self) -> bytes:
        self.reusable = False
        chunks: list[bytes] = []
        total = 0
        while chunk := await self._reader.read(64 * 1024):
            total = _bounded(total + len(chunk))
            chunks.append(chunk)
        return b"".join(chunks)


def _bounded(size: int) -> int:
    if size > BODY_BYTES_MAX:
        raise TooLargeError(f"the answer has more than {BODY_BYTES_MAX} bytes")
    return size
