"""Clients that are slow, half gone, or kept for long: what is cut, what is not, and what they are told."""
import email.utils
import math
import socket
import time

import pytest
from conftest import read_all

QUIET = ["--stall=0", "--workers=1"]
SIZE = 32 << 20


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    with open(path, "wb") as out:
        out.truncate(SIZE)
    return path


def ask(connection, path, more=b""):
    connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n" + more + b"\r\n")


@pytest.mark.parametrize("path", [b"/file", b"/stream"])
def test_who_takes_nothing_is_reset(services, file, path):
    """After write_timeout, so that the kernel does not keep for minutes what nobody fetches."""
    slow = services("slow", "--write-timeout=300ms", f"--file={file}", *QUIET)
    with slow.connect() as connection:
        ask(connection, path)
        slow.wait_metric("weir_http_timeouts_total", lambda n: n == 1, kind="write")
        slow.wait_metric("weir_http_connections", lambda n: n == 0)
        got = 0
        with pytest.raises(ConnectionResetError):
            while piece := connection.recv(1 << 20):
                got += len(piece)
        assert got < SIZE


def kept_by_the_kernel(port):
    """Bytes that it still wants to send for connections that nobody has open any more."""
    lines = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
    return sum(int(line[4].split(":")[0], 16) for line in lines
               if line[1].endswith(f":{port:04X}") and line[9] == "0")


@pytest.mark.parametrize("more", [b"Connection: close\r\n", b""])
def test_the_kernel_does_not_keep_what_nobody_takes(services, tmp_path, more):
    """The whole answer is in the kernel's hands, the connection is closed, and its client never reads."""
    (tmp_path / "file").write_bytes(bytes(1500000))
    slow = services("slow", "--write-timeout=500ms", "--linger-timeout=500ms", "--idle-timeout=1s",
                    f"--file={tmp_path}/file", *QUIET)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", slow.port))
        ask(connection, b"/file", more)
        connection.recv(1)
        slow.wait_metric("weir_http_connections", lambda n: n == 0)
        slow.wait_until(lambda: kept_by_the_kernel(slow.port), lambda n: n == 0, "what the kernel keeps")


@pytest.mark.parametrize("path", [b"/file", b"/stream"])
def test_who_is_slow_gets_all(services, file, path):
    """The handler's time limit is many times shorter than the answer takes."""
    slow = services("slow", "--handler-timeout=300ms", f"--file={file}", *QUIET)
    with slow.connect() as connection:
        ask(connection, path, b"Connection: close\r\n")
        got = 0
        while piece := connection.recv(256 << 10):
            got += len(piece)
            time.sleep(0.01)  # this is how slow the client is
    assert got > SIZE
    assert slow.metric("weir_http_timeouts_total", kind="handler") == 0


def test_a_route_without_a_time_limit(services):
    slow = services("slow", "--handler-timeout=50ms", *QUIET)
    assert slow.get("/waits").status == 504
    assert slow.get("/endless").text == "waited\n"


def half_closed(service, path):
    with service.connect() as connection:
        ask(connection, path)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def test_a_shut_side_is_a_client_that_left_unless_said_otherwise(services):
    slow = services("slow", *QUIET)
    assert half_closed(slow, b"/waits") == b""
    assert half_closed(slow, b"/served/waits").endswith(b"waited\n")
    assert half_closed(slow, b"/served/not") == b""
    slow = services("slow", "--half-close", *QUIET)
    assert half_closed(slow, b"/waits").endswith(b"waited\n")
    assert half_closed(slow, b"/served/not") == b""


def test_the_date_is_the_second_that_is_now(services):
    """To within 20 ms of its beginning, whenever one asks."""
    slow = services("slow", "--requests-max=1000000000", *QUIET)
    slow.get("/nowhere")
    seconds = set()
    with slow.connect() as connection:
        reader = connection.makefile("rb")
        while len(seconds) < 3:
            before = time.time()
            ask(connection, b"/nowhere")
            head = {}
            while (line := reader.readline().rstrip()) != b"":
                name, _, value = line.partition(b": ")
                head[name.lower()] = value.decode()
            reader.read(int(head[b"content-length"]))
            after = time.time()
            date = email.utils.parsedate_to_datetime(head[b"date"]).timestamp()
            assert math.floor(before - 0.02) <= date <= math.floor(after)
            seconds.add(date)


def test_keep_alive_ends_with_the_signal_and_loses_nothing(services):
    """From the signal on every answer says that it is its connection's last."""
    slow = services("slow", "--drain-delay=2s", *QUIET)

    def answer_on(connection):
        ask(connection, b"/nowhere")
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 404"), answer
        return answer

    def answer_to_a_fresh_one():
        with slow.connect() as fresh:
            return answer_on(fresh)

    def says_so(answer):
        return b"onnection: close" in answer

    with slow.connect() as kept:
        assert not says_so(answer_on(kept))
        slow.signal()
        slow.wait_said("draining")
        slow.wait_until(lambda: slow.admin("/readyz").status, lambda status: status == 503, "ready")
        # Each worker hears of it by itself, a moment later. No request is lost meanwhile.
        slow.wait_until(answer_to_a_fresh_one, says_so, "a fresh one's answer")
        slow.wait_until(lambda: answer_on(kept), says_so, "a kept one's answer")


def test_the_last_of_so_many_requests_says_so(services):
    slow = services("slow", "--requests-max=3", *QUIET)
    with slow.connect() as connection:
        for _ in range(3):
            ask(connection, b"/nowhere")
        answer = read_all(connection)
    assert answer.count(b"HTTP/1.1 404") == 3 and answer.count(b"onnection: close") == 1
    assert answer.index(b"onnection: close") > answer.rindex(b"HTTP/1.1 404")


def test_heads_up_to_what_the_option_allows(services):
    slow = services("slow", "--head-bytes-max=65535", *QUIET)
    for size, status in ((65000, b"404"), (66000, b"431")):
        with slow.connect() as connection:
            ask(connection, b"/nowhere", b"X: " + b"x" * size + b"\r\nConnection: close\r\n")
            assert read_all(connection)[9:12] == status
    refused = services("slow", "--head-bytes-max=1M", is_ready=False)
    refused.expected_status = 1
    refused.wait_end()
    assert "65535" in refused.text()


def test_a_refused_head_leaves_a_line(services):
    slow = services("slow", *QUIET)
    with slow.connect() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400")
    slow.wait_said(r'"msg":"refused","status":400,"reason":"[^"]+","client":"127.0.0.1"')
