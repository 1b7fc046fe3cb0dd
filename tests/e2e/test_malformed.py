"""Bytes that are no request: each gets its 4xx and a closed connection, and the service goes on."""
import re
import socket

import pytest
from conftest import PATIENCE, read_all

HOST = b"Host: a\r\n"
LONG = b"x" * 70000

MALFORMED = {
    "no version": (b"GET /hello\r\n\r\n", (400, 505)),
    "no target": (b"GET HTTP/1.1\r\n" + HOST + b"\r\n", (400, 505)),
    "two blanks": (b"GET  /hello HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "odd method": (b"G(T /hello HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "control in target": (b"GET /he\x01llo HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "version 1.2.3": (b"GET /hello HTTP/1.2.3\r\n" + HOST + b"\r\n", 400),
    "version 2": (b"GET /hello HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "no host": (b"GET /hello HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /hello HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    "blank before colon": (b"GET /hello HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "folded field": (b"GET /hello HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n\r\n", 400),
    "no colon": (b"GET /hello HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n", 400),
    "NUL in a value": (b"GET /hello HTTP/1.1\r\n" + HOST + b"A: b\x00c\r\n\r\n", 400),
    "bare CR": (b"GET /hello HTTP/1.1\r\n" + HOST + b"A: b\rc\r\n\r\n", 400),
    "negative length": (b"POST /count HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
    "length with plus": (b"POST /count HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\n1", 400),
    "two lengths": (b"POST /count HTTP/1.1\r\n" + HOST
                    + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12", 400),
    "length and chunked": (b"POST /count HTTP/1.1\r\n" + HOST
                           + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "unknown coding": (b"POST /count HTTP/1.1\r\n" + HOST
                       + b"Transfer-Encoding: gzip\r\n\r\n", 400),
    "bad chunk size": (b"POST /count HTTP/1.1\r\n" + HOST
                       + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
    "chunk without end": (b"POST /count HTTP/1.1\r\n" + HOST
                          + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400),
    "target too long": (b"GET /" + LONG + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "head too long": (b"GET /hello HTTP/1.1\r\n" + HOST + b"A: " + LONG + b"\r\n\r\n", 431),
    "too many fields": (b"GET /hello HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 200 + b"\r\n", 431),
    "path leaves the root": (b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", (400, 404)),
    "broken escape": (b"GET /hello%zz HTTP/1.1\r\n" + HOST + b"\r\n", (400, 404)),
    "TLS at a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, 400),
}


@pytest.fixture(scope="module")
def nasty(request):
    from conftest import Service
    service = Service("nasty", "--workers=1").wait_ready()
    yield service
    service.check_end()


def status_of(answer):
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer[9:12])


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(nasty, name):
    data, expected = MALFORMED[name]
    with nasty.connect() as connection:
        try:
            connection.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = read_all(connection)  # up to the close, or the test's time is over
    allowed = expected if isinstance(expected, tuple) else (expected,)
    assert status_of(answer) in allowed, answer[:300]
    if status_of(answer) != 404:
        assert b"connection: close" in answer.lower(), answer
        assert len(re.findall(rb"HTTP/1\.1 \d\d\d ", answer)) == 1
    assert nasty.get("/hello").status == 200


def test_404_keeps_the_connection(nasty):
    """What is well formed and merely wrong costs nothing."""
    request = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = nasty.raw(request + last, is_open=True)
    assert answer.count(b"HTTP/1.1 404") == 1 and answer.endswith(b"hello\n")


def test_nothing_else_changes(nasty):
    """A neighbour's keep-alive connection survives all of it."""
    with nasty.connect() as neighbour:
        reader = neighbour.makefile("rb")
        for data, _ in MALFORMED.values():
            with nasty.connect() as connection:
                try:
                    connection.sendall(data)
                except OSError:
                    pass
            neighbour.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
            while reader.readline() != b"\r\n":
                pass
            assert reader.read(6) == b"hello\n"
    assert nasty.metric("weir_http_failures_total", kind="malformed") > 10


def test_split_anywhere(nasty):
    """A request byte by byte is the same request."""
    body = b'{"name":"ann","age":7}'
    data = (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
    with nasty.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            connection.sendall(data[i:i + 1])
        answer = read_all(connection)
    assert status_of(answer) == 200 and answer.endswith(body), answer


def test_pipelined(nasty):
    one = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = nasty.raw(one * 200 + last, is_open=True)
    assert answer.count(b"HTTP/1.1 200 OK") == 201


def test_expect_continue(nasty):
    with nasty.connect() as connection:
        connection.sendall(b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                           b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"12345")
        answer = read_all(connection)
    assert status_of(answer) == 200 and answer.endswith(b"\r\n\r\n5\n")


def test_head_and_options(nasty):
    answer = nasty.request("HEAD", "/hello")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "6")
    answer = nasty.request("OPTIONS", "/hello")
    assert answer.status == 204 and "GET" in answer.headers["Allow"]
    answer = nasty.request("DELETE", "/hello")
    assert answer.status == 405 and "GET" in answer.headers["Allow"]


def test_http_10(nasty):
    answer = nasty.raw(b"GET /hello HTTP/1.0\r\n\r\n", is_open=True)
    assert status_of(answer) == 200 and answer.endswith(b"\r\n\r\nhello\n")


BODIES = {
    "not JSON": ("nonsense", ["line 1"]),
    "cut short": ('{"name":"ann"', []),
    "wrong type": ('{"name":7,"age":"x"}', ["/name", "/age"]),
    "missing": ('{"age":3}', ["/name"]),
    "out of bounds": ('{"name":"far too long","age":200}', ["/name", "/age"]),
    "twice": ('{"name":"a","name":"b"}', ["/name"]),
    "not UTF-8": (b'{"name":"\xff"}', []),
    "a number too large": ('{"name":"a","age":99999999999999999999}', ["/age"]),
    "something behind": ('{"name":"a"} x', []),
}


@pytest.mark.parametrize("name", BODIES)
def test_bad_bodies_get_a_line_a_field(nasty, name):
    body, places = BODIES[name]
    answer = nasty.request("POST", "/echo", body, {"Content-Type": "application/json"})
    assert answer.status == 400, answer
    assert answer.headers["Content-Type"].startswith("application/json")
    for place in places:
        assert place in answer.text, answer
    assert len(answer.json["errors"]) >= max(1, len(places)), answer


def test_bodies_have_limits_and_types(nasty):
    big = '{"name":"' + "x" * 2000 + '"}'
    assert nasty.request("POST", "/echo", big, {"Content-Type": "application/json"}).status == 413
    assert nasty.request("POST", "/echo", "a=b", {"Content-Type": "text/plain"}).status == 415
    assert nasty.request("POST", "/count", b"z" * 1000000).text == "1000000\n"


def test_a_slow_head_is_not_waited_for_ever(services):
    service = services("nasty", "--head-timeout=200ms", "--workers=1")
    answer = service.raw(b"GET /hello HTTP/1.1\r\nHo", is_open=True)
    assert answer == b"" or status_of(answer) == 408
    assert service.metric("weir_http_timeouts_total", kind="head") == 1


def test_a_slow_body_is_not_waited_for_ever(services):
    service = services("nasty", "--body-timeout=200ms", "--workers=1")
    answer = service.raw(b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n12",
                         is_open=True)
    assert status_of(answer) == 408
    assert service.metric("weir_http_timeouts_total", kind="body") == 1


def test_idle_connections_are_closed(services):
    service = services("nasty", "--idle-timeout=1s", "--workers=1")
    with service.connect() as connection:
        connection.settimeout(PATIENCE)
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_all(connection).endswith(b"hello\n")
    assert service.metric("weir_http_timeouts_total", kind="idle") == 1
