"""Ending: SIGTERM under load costs nobody a request; what does not end is cancelled and listed."""
import http.client
import signal
import socket
import subprocess
import threading
import time

import pytest
from conftest import PATIENCE, read_all


def begin(service, path):
    connection = service.connect()
    connection.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
    return connection


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_service_ends_at_once(services, number):
    service = services("hello")
    connection = service.connect()  # at rest: closed without a word
    assert service.get("/").status == 200
    began = time.monotonic()
    service.signal(number)
    assert connection.recv(1) == b""
    assert service.wait_end() == 0
    assert time.monotonic() - began < 5
    assert "nothing is left" in service.text().splitlines()[-1]
    connection.close()


def test_what_runs_may_end(services):
    service = services("nasty", "--workers=1")
    connection = begin(service, "/sleep?ms=700")
    service.wait_metric("weir_http_connections", lambda n: n == 1, state="active")
    service.signal()
    answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200") and b"connection: close" in answer.lower()
    assert service.wait_end() == 0


def test_no_request_fails_in_a_drain_under_load(services):
    """Clients that keep connections alive, and open new ones, never see an answer that is cut or
    refused half way: only the refusal to connect, when it is over."""
    service = services("nasty", "--workers=2", "--drain-delay=300ms")
    done, failures = [0] * 8, []

    def client(index):
        connection, is_fresh = None, True
        while True:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
                is_fresh = True
                try:
                    connection.connect()
                except OSError:
                    return  # the port is closed: it is over
            try:
                connection.request("GET", "/sleep?ms=5" if index % 2 else "/hello")
                response = connection.getresponse()
                response.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                # A connection at rest may be closed at any time, and what was sent to it meanwhile
                # was not begun: every client sends it again. Not so on a connection just made,
                # unless nobody had accepted it when the port was closed.
                if is_fresh and service.process.poll() is None and not is_closed():
                    failures.append(repr(error))
                connection = None
                continue
            except (http.client.HTTPException, OSError) as error:
                failures.append(repr(error))
                return
            if response.status != 200:
                failures.append(response.status)
            done[index] += 1
            is_fresh = False
            if response.will_close:
                connection = None

    def is_closed():
        try:
            socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE).close()
            return False
        except OSError:
            return True

    threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    service.wait_metric("weir_http_received_requests_total", lambda n: n > 200)
    service.signal()
    for thread in threads:
        thread.join(PATIENCE)
    assert service.wait_end() == 0
    assert not failures, failures[:5]
    assert min(done) > 0, done


def test_what_does_not_end_is_cancelled_and_listed(services):
    service = services("nasty", "--workers=1", "--drain-timeout=300ms")
    service.expected_status = 2
    connections = [begin(service, "/ever"), begin(service, "/stubborn")]
    service.wait_metric("weir_http_connections", lambda n: n == 2, state="active")
    service.signal()
    assert service.wait_end() == 2
    listed = [line for line in service.out if "cancelled by the drain" in line]
    assert len(listed) == 2, service.text()
    assert any("GET /ever" in line and "chan" in line for line in listed), listed
    assert any("GET /stubborn" in line and "sleep" in line for line in listed), listed
    assert "does not end" not in service.text()  # both did, once they were told to
    assert "2 had to be cancelled" in service.text().splitlines()[-1]
    assert connections[0].recv(4096).startswith(b"HTTP/1.1 503")
    for connection in connections:
        connection.close()


def test_background_work_is_waited_for(services):
    service = services("nasty", "--workers=1")
    assert service.get("/detach?ms=600").status == 202
    service.signal()
    assert service.wait_end() == 0
    assert "background work: done" in service.text()


def test_background_work_that_does_not_end_is_cancelled(services):
    service = services("nasty", "--workers=1", "--drain-timeout=200ms")
    service.expected_status = 2
    assert service.get("/detach?ms=60000").status == 202
    service.signal()
    assert service.wait_end() == 2
    assert "background work: cancelled" in service.text()
    assert any("cancelled by the drain" in line and "GET /detach" in line for line in service.out)


def test_a_second_signal_ends_it_at_once(services):
    service = services("nasty", "--workers=1", "--drain-timeout=60s")
    service.expected_status = 128 + signal.SIGTERM
    connection = begin(service, "/ever")
    service.wait_metric("weir_http_connections", lambda n: n == 1, state="active")
    service.signal()
    service.signal()  # at once, as one that is sent to a process and its group: still the first
    service.wait_line("draining")
    until = time.monotonic() + PATIENCE
    while service.process.poll() is None:
        assert time.monotonic() < until
        service.signal()
    assert service.wait_end() == 128 + signal.SIGTERM
    assert "a second signal" in service.text()
    connection.close()


def test_a_handler_that_never_yields_cannot_hold_the_end_up(services):
    service = services("nasty", "--workers=1", "--drain-timeout=200ms", "--stall=1h")
    service.expected_status = 3
    connection = begin(service, "/spin?ms=600000")
    service.wait_metric("weir_workers_stuck", lambda n: n == 1)
    began = time.monotonic()
    service.signal()
    assert service.wait_end() == 3
    assert time.monotonic() - began < 15
    assert "ended by force" in service.text()
    assert "is stuck in" in service.text() and "spin" in service.text(), service.text()
    connection.close()


def test_no_new_connections_while_draining(services):
    service = services("nasty", "--workers=1")
    connection = begin(service, "/sleep?ms=1500")
    service.wait_metric("weir_http_connections", lambda n: n == 1, state="active")
    service.signal()
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE).close()
        except (ConnectionRefusedError, ConnectionResetError):
            break
        assert time.monotonic() < until and service.process.poll() is None
    assert read_all(connection).startswith(b"HTTP/1.1 200")
    assert service.wait_end() == 0


def test_wrk_sees_no_error(services):
    service = services("hello", "--workers=2")
    out = subprocess.run(["wrk", "-t2", "-c32", "-d1s", f"http://127.0.0.1:{service.port}/hello/you"],
                         capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
    assert "Non-2xx" not in out and "Socket errors" not in out, out
    assert "Requests/sec" in out
