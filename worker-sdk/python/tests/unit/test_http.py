"""The HTTP client against bytes that a script answers with."""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import Awaitable, Callable

from dacapo_worker.errors import AnswerTooLarge, Refused, Unreachable
from dacapo_worker.http import HttpClient

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"tasks":1}'
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
    return head + await reader.readexactly(int(length.split(b":")[1]))


def answering(*answers: bytes) -> Script:
    """Answers each request of a connection with the next, then closes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await request_of(reader)
            writer.write(answer)
            await writer.drain()

    return script


class Requests(unittest.IsolatedAsyncioTestCase):
    async def served(self, *scripts: Script, token: str | None = None) -> HttpClient:
        """A client of a server whose connections follow these scripts in turn."""
        left = list(scripts)
        self.connections = 0

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            await left.pop(0)(reader, writer)
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.addCleanup(server.close)
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(f"http://127.0.0.1:{port}/base/", token=token)
        self.addCleanup(client.close)
        return client

    async def test_a_token_is_shown_to_others_only_without_tls_and_beyond_this_machine(self) -> None:
        for url, shown in [
            ("http://dacapo.internal:7233", True),
            ("http://192.0.2.1", True),
            ("https://dacapo.internal:7233", False),
            ("http://localhost:7233", False),
            ("http://[::1]:7233", False),
        ]:
            self.assertIs(HttpClient(url, token="abc").shows_token, shown, url)
        self.assertFalse(HttpClient("http://dacapo.internal:7233").shows_token)

    async def test_a_request_says_who_asks(self) -> None:
        seen: list[bytes] = []

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await request_of(reader))
            writer.write(OK)

        client = await self.served(script, token="abc")
        self.assertEqual(await client.post("/poll", b"{}", 5), {"tasks": 1})
        lines = seen[0].decode().split("\r\n")
        self.assertEqual(lines[0], "POST /base/poll HTTP/1.1")
        self.assertIn("Authorization: Bearer abc", lines)
        self.assertIn("Content-Type: application/json", lines)
        self.assertEqual(lines[-1], "{}")

    async def test_connections_are_kept(self) -> None:
        client = await self.served(answering(OK, OK, OK))
        for _ in range(3):
            await client.post("/poll", b"{}", 5)
        self.assertEqual(self.connections, 1)

    async def test_one_that_was_closed_while_idle_is_replaced(self) -> None:
        async def closing_at_the_second(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await answering(OK)(reader, writer)
            await request_of(reader)

        client = await self.served(closing_at_the_second, answering(OK))
        await client.post("/poll", b"{}", 5)
        self.assertEqual(await client.post("/poll", b"{}", 5), {"tasks": 1})
        self.assertEqual(self.connections, 2)

    async def test_one_that_may_not_be_kept_is_not(self) -> None:
        close = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        client = await self.served(answering(close), answering(OK))
        await client.post("/poll", b"{}", 5)
        await client.post("/poll", b"{}", 5)
        self.assertEqual(self.connections, 2)

    async def test_all_forms_of_bodies_are_read(self) -> None:
        forms = [
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n3;x=y\r\n:1}\r\n0\r\nX: y\r\n\r\n',
            b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{"a":1}',
            b'HTTP/1.0 200 OK\r\n\r\n{"a":1}',
        ]
        for form in forms:
            client = await self.served(answering(form))
            self.assertEqual(await client.post("/poll", b"{}", 5), {"a": 1})

    async def test_a_refusal_has_its_code_and_when_to_come_back(self) -> None:
        body = b'{"code":"overloaded","message":"too much","retryable":true,"details":{}}'
        answer = (
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        client = await self.served(answering(answer))
        with self.assertRaises(Refused) as caught:
            await client.post("/poll", b"{}", 5)
        error = caught.exception
        self.assertEqual((error.status, error.code), (503, "overloaded"))
        self.assertEqual((error.retryable, error.retry_after), (True, 7.0))

    async def test_a_refusal_of_a_proxy_is_one_as_well(self) -> None:
        answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>"
        client = await self.served(answering(answer))
        with self.assertRaises(Refused) as caught:
            await client.post("/poll", b"{}", 5)
        self.assertEqual((caught.exception.code, caught.exception.message), ("http_502", "<html>"))

    async def test_whatever_breaks_is_unreachable(self) -> None:
        broken = [
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
            b"SSH-2.0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
        ]
        for answer in broken:
            client = await self.served(answering(answer))
            with self.subTest(answer[:40]), self.assertRaises(Unreachable):
                await client.post("/poll", b"{}", 5)

    async def test_an_answer_for_which_there_is_no_room_is_told_apart(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n"
        client = await self.served(answering(head))
        with self.assertRaises(AnswerTooLarge):
            await client.post("/poll", b"{}", 5)

    async def test_a_server_that_is_silent_or_gone_is_unreachable(self) -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        client = await self.served(silent)
        with self.assertRaisesRegex(Unreachable, "within 0.05 s"):
            await client.post("/poll", b"{}", 0.05)
        with self.assertRaises(Unreachable):
            await HttpClient("http://127.0.0.1:1").post("/poll", b"{}", 5)

    def test_an_address_must_be_one(self) -> None:
        for url in ("localhost:7233", "ftp://a", "http://", "http://u@h", "http://h/?a"):
            with self.subTest(url), self.assertRaises(ValueError):
                HttpClient(url)
        with self.assertRaises(ValueError):
            HttpClient("http://h", token="a\nb")
