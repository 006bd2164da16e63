"""Requests as they are sent, and answers as they are read."""

from dacapo import Unsupported, http

from .script import RunTest


class Http(RunTest):
    def setUp(self) -> None:
        super().setUp()
        self.sent: list[http.Request] = []
        self.answer = http.Response(200, [("Content-Type", "application/json")], b"{}", "u")
        self.addCleanup(setattr, http, "exchange", http.exchange)
        http.exchange = self.exchange

    def exchange(self, request: http.Request) -> http.Response:
        self.sent.append(request)
        return self.answer

    def test_a_request_has_its_parameters_headers_and_body(self) -> None:
        http.post("http://h:1/a b?x=1", params={"y": [2, 3]}, json={"c": "ü"}, headers={"K": "v"})
        [request] = self.sent
        self.assertEqual(request.url, "http://h:1/a%20b?x=1&y=2&y=3")
        headers = dict(request.headers)
        self.assertEqual(headers["k"], b"v")
        self.assertEqual(headers["content-type"], b"application/json")
        self.assertEqual(headers["content-length"], str(len(request.body)).encode())
        self.assertEqual(request.body, '{"c":"ü"}'.encode())

    def test_a_client_adds_what_its_requests_have_in_common(self) -> None:
        with http.Client(base_url="https://h/v1/", headers={"a": "1"}, params={"k": "v"}) as client:
            client.get("/things", headers={"A": "2"}, timeout=3)
            client.put("http://other/", data={"q": "a b"})
        first, second = self.sent
        self.assertEqual((first.url, first.timeout), ("https://h/v1/things?k=v", 3))
        self.assertEqual(dict(first.headers)["a"], b"2")
        self.assertEqual((second.method, second.body), ("PUT", b"q=a+b"))

    def test_what_can_not_be_sent_is_permanent(self) -> None:
        for url in ("ftp://h/", "http:///x", "nothing", "http://u:p@h/", "http://[::1/"):
            with self.assertRaises(http.InvalidURL) as raised:
                http.get(url)
            self.assertTrue(raised.exception.non_retryable, url)
        with self.assertRaises(http.InvalidURL):
            http.get("http://h/", headers={"a": "x\r\nb: y"})

    def test_a_status_is_an_error_when_it_is_asked_for_and_some_pass(self) -> None:
        for status, permanent in ((404, True), (429, False), (503, False)):
            self.answer = http.Response(status, [], b"why", "http://h/")
            answer = http.get("http://h/")
            self.assertTrue(answer.is_error)
            with self.assertRaisesRegex(http.HTTPStatusError, f"{status}: why") as raised:
                answer.raise_for_status()
            self.assertEqual(raised.exception.non_retryable, permanent)
            self.assertEqual(raised.exception.type, "HttpError")

    def test_an_answer_is_read_as_it_says(self) -> None:
        entries = [("Content-Type", 'text/plain; charset="latin-1"'), ("X", "1"), ("x", "2")]
        answer = http.Response(200, entries, b"\xfc", "u")
        self.assertEqual((answer.text, answer.headers["X"]), ("ü", "1, 2"))
        self.assertEqual(http.Response(200, [], b'{"a": 1}', "u").json(), {"a": 1})

    def test_a_workflow_is_told_that_http_belongs_into_activities(self) -> None:
        async def main() -> None:
            http.get("http://h/")

        with self.assertRaisesRegex(Unsupported, "activities"):
            self.execute(main)

    def test_without_a_component_there_is_no_http(self) -> None:
        http.exchange = None
        with self.assertRaisesRegex(Unsupported, "no HTTP here"):
            http.get("http://h/")
