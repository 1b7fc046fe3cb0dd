"""What only real sockets show: resets, half-closes, crowds, and more connections than descriptors.

Each test ends with what is left: connections, descriptors, fibers and contexts are what they were.
"""
import resource
import socket
import struct

import pytest
from e2e import IS_SANITIZED, PATIENCE, read_all

IP_BIND_ADDRESS_NO_PORT = 24
CROWD = 20 if IS_SANITIZED else 100
HELLO = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
QUIET = ["--stall=0"]  # a report of a stall opens the program's file, to name functions
LARGE = 4 << 20  # bytes of an answer that no socket's buffers hold


class Baseline:
    """What a service holds when nobody is connected."""

    GAUGES = ("weir_http_connections", "weir_fibers", "weir_contexts")

    def __init__(self, service):
        self.service = service
        service.get("/hello")
        service.wait_metric("weir_http_connections", lambda n: n == 0)
        self.gauges = {name: service.metric(name) for name in self.GAUGES}
        self.fds = service.fewest_fds()

    def check(self):
        for name, value in self.gauges.items():
            self.service.wait_metric(name, lambda n: n == value)
        assert self.service.get("/hello").text == "GET "
        self.service.wait_metric("weir_http_connections", lambda n: n == 0)
        self.service.wait_fds(self.fds)


def reset(connection):
    """Closes so that the other side sees a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_to_end(connection):
    """(bytes, whether it ended in order)"""
    data = b""
    while True:
        try:
            piece = connection.recv(1 << 20)
        except ConnectionResetError:
            return data, False
        if not piece:
            return data, True
        data += piece


# --- leaving at every state ---------------------------------------------------------------------

# What is sent, the answer that is read before anybody leaves, and the metric that says that the
# server is there: how many of its fibers wait for every connection.
STATES = {
    "nothing was sent": (b"", b"", 0),
    "half a head": (b"GET /hel", b"", 0),
    "half a body": (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", b"", 1),
    "half a chunk": (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
                     b"", 1),
    "a body that was asked for": (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"
                                  b"Expect: 100-continue\r\n\r\n", b"100 Continue", 1),
    "a handler that waits": (b"GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n", b"", 1),
    "a pipeline behind one that waits": (b"GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n" + HELLO * 3, b"",
                                         1),
    "at rest": (HELLO, b"GET ", 0),
    "half a head behind an answer": (HELLO + b"GET /hel", b"GET ", 0),
    "refused, and not gone": (b"G(T / HTTP/1.1\r\n\r\n", b"400 Bad", 0),
    "answered for the last time, and not gone": (LAST + b"and more", b"GET ", 0),
}
LEAVING = {
    "closes": lambda connection: connection.close(),
    "is reset": reset,
    "shuts its side": lambda connection: connection.shutdown(socket.SHUT_WR),
}


@pytest.fixture
def mirror(services):
    service = services("mirror", "--workers=2", "--handler-timeout=0", *QUIET)
    service.baseline = Baseline(service)
    yield service
    service.baseline.check()


def wait_answer(connection, part):
    data = b""
    while part not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece


@pytest.mark.parametrize("how", LEAVING)
@pytest.mark.parametrize("state", STATES)
def test_leaving(mirror, state, how):
    """A crowd in that state leaves at once; all that it had is given back."""
    sent, answer, fibers = STATES[state]
    crowd = [mirror.connect() for _ in range(CROWD)]
    for connection in crowd:
        connection.sendall(sent)
    for connection in crowd:
        wait_answer(connection, answer)
    waiting = mirror.baseline.gauges["weir_fibers"] + fibers * CROWD
    mirror.wait_metric("weir_fibers", lambda n: n >= waiting)
    for connection in crowd:
        LEAVING[how](connection)
    if how == "shuts its side":
        for connection in crowd:
            data, is_in_order = read_to_end(connection)
            assert is_in_order, data
            assert b"HTTP/1.1 200" not in data
            connection.close()


@pytest.mark.parametrize("how", LEAVING)
@pytest.mark.parametrize("taken", [0, 1, 1000, LARGE // 2])
def test_leaving_in_the_middle_of_an_answer(mirror, taken, how):
    count = max(2, CROWD // 20)
    crowd = [mirror.connect() for _ in range(count)]
    sent = mirror.metric("weir_http_sent_bytes_total")
    for connection in crowd:
        connection.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LARGE)
        connection.sendall(b"x" * LARGE)
    mirror.wait_metric("weir_http_sent_bytes_total", lambda n: n > sent)
    for connection in crowd:
        got = 0
        while got < taken:
            got += len(connection.recv(min(65536, taken - got)))
        LEAVING[how](connection)
    for connection in crowd:
        connection.close()


def test_a_request_and_a_shut_side_is_answered(mirror):
    """What is whole when its sender shuts its side, and takes no wait, is answered and ended."""
    for data, count in ((HELLO, 1), (HELLO * 5, 5), (LAST, 1),
                        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok", 1)):
        for _ in range(CROWD):
            with mirror.connect() as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                answer, is_in_order = read_to_end(connection)
            assert is_in_order and answer.count(b"HTTP/1.1 200 OK\r\n") == count, answer


# --- ends that the other side must understand ---------------------------------------------------

def test_half_a_body_that_only_the_end_would_end_is_reset(services):
    """HTTP/1.0 without a length: an orderly end would make the half a whole (RFC 9112 8)."""
    nasty = services("nasty", "--workers=1")
    for version, is_reset in ((b"1.0", True), (b"1.1", False)):
        with nasty.connect() as connection:
            connection.sendall(b"GET /breaks HTTP/" + version + b"\r\nHost: a\r\n\r\n")
            data, is_in_order = read_to_end(connection)
        assert data.startswith(b"HTTP/1.1 200") or b" 500 " in data, data
        if b" 200 " in data[:20]:
            assert is_in_order != is_reset, data[-200:]
            assert not data.endswith(b"0\r\n\r\n")


def test_an_answer_reaches_who_is_still_sending(services):
    """413 and 400 arrive although much of the request was never read (RFC 9112 9.6)."""
    nasty = services("nasty", "--workers=1")
    upload = (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
              b"Content-Length: 400000\r\n\r\n" + b"x" * 400000)
    for data, status in ((upload, b"413"), (b"G(T / HTTP/1.1\r\n\r\n" + b"x" * 400000, b"400")):
        for _ in range(20):
            with nasty.connect() as connection:
                connection.sendall(data)
                answer, is_in_order = read_to_end(connection)
            assert is_in_order and answer.startswith(b"HTTP/1.1 " + status), answer


# --- crowds -------------------------------------------------------------------------------------

def dial_from(port, address):
    """From one of several addresses, for each has its own ports that wait after a close."""
    connection = socket.socket()
    connection.settimeout(PATIENCE)
    connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    connection.bind((address, 0))
    connection.connect(("127.0.0.1", port))
    return connection


def come_and_go(connection, kind):
    if kind == 1:
        connection.sendall(b"GET /hel")
    elif kind >= 2:
        connection.sendall(HELLO)
    if kind == 3:
        connection.recv(65536)
    if kind % 2 == 0:
        reset(connection)
    connection.close()


def test_100000_connections_come_and_go(mirror):
    """With nothing, with half a head, with a request whose answer nobody reads, with a whole one."""
    count = 3000 if IS_SANITIZED else 100000
    before = mirror.metric("weir_http_connections_accepted_total")
    checks, resident = 0, None
    for i in range(count):
        come_and_go(dial_from(mirror.port, f"127.0.0.{2 + i % 16}"), i % 4)
        if i % 500 == 499:  # so that the backlog never overflows: who is answered was the last in it
            assert mirror.get("/hello").text == "GET "
            checks += 1
        if i == count // 10:
            resident = mirror.resident()
    mirror.wait_metric("weir_http_connections_accepted_total",
                       lambda n: n == before + count + checks)
    mirror.wait_metric("weir_http_connections", lambda n: n == 0)
    if not IS_SANITIZED:
        assert mirror.resident() - resident < 8 << 20


def limit_descriptors(service, more):
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (service.fds() + more,) * 2)


def test_more_connections_than_descriptors(services):
    """Everybody gets a whole answer, be it a 503; nobody is reset, and nobody waits for ever."""
    service = services("mirror", "--workers=2", *QUIET)
    baseline = Baseline(service)
    limit_descriptors(service, 40)
    crowd = [service.connect() for _ in range(200)]
    for connection in crowd:
        connection.sendall(LAST)
    statuses = {}
    for connection in crowd:
        data = read_all(connection)
        status = data[9:12]
        statuses[status] = statuses.get(status, 0) + 1
        assert b"\r\n\r\n" in data and b"onnection: close\r\n" in data, (data, statuses)
        connection.close()
    assert set(statuses) <= {b"200", b"503"} and statuses[b"200"] >= 100, statuses
    baseline.check()


def test_those_that_stay_are_served_while_others_find_no_descriptor(services):
    service = services("mirror", "--workers=1", *QUIET)
    baseline = Baseline(service)
    limit_descriptors(service, 30)
    staying = [service.connect() for _ in range(20)]
    for connection in staying:
        connection.sendall(HELLO)
        wait_answer(connection, b"GET ")
    others = [service.connect() for _ in range(60)]
    for _ in range(20):
        for connection in staying:
            connection.sendall(HELLO)
            wait_answer(connection, b"GET ")
    for connection in staying:
        connection.close()
    answered = 0
    for connection in others:  # those that were not refused meanwhile are served, in their turn
        try:
            connection.sendall(LAST)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answered += read_all(connection).startswith(b"HTTP/1.1 200")
        connection.close()
    assert answered > 0
    baseline.check()
    assert service.metric("weir_http_accept_pauses_total") >= 1
