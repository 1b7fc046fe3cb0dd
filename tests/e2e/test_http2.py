"""HTTP/2 with real clients: curl, nghttp and h2load, and a hand that writes frames as no client does."""
import json
import shutil
import signal
import socket
import struct
import subprocess
import threading

import pytest
from conftest import IS_SANITIZED, PATIENCE, Service

CURL = ["curl", "-sS", "--max-time", str(PATIENCE), "--http2-prior-knowledge"]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
POST_COUNT = b"\x83\x86\x04\x06/count\x01\x01a"  # HPACK: POST, http, a path, and an authority


@pytest.fixture(scope="module")
def nasty():
    service = Service("nasty", "--workers=2").wait_ready()
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(PREFACE + frame(SETTINGS))
        if not receive(connection, 9).startswith(b"\x00\x00\x18\x04"):
            service.stop()
            pytest.skip("built without HTTP/2")
    yield service
    service.check_end()


def url(service, path):
    return f"http://127.0.0.1:{service.port}{path}"


def curl(service, path, *flags, data=None):
    """The body, and what curl says of the answer."""
    command = [*CURL, "-w", "\n%{http_code} %{http_version}", *flags, url(service, path)]
    done = subprocess.run(command, input=data, capture_output=True, timeout=PATIENCE + 5)
    assert done.returncode == 0, done.stderr
    body, _, told = done.stdout.rpartition(b"\n")
    status, version = told.split()
    assert version == b"2"
    return int(status), body


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def get(stream, path=b"/hello"):
    """HPACK by hand: GET, http, a path and an authority that nobody puts into a table."""
    block = b"\x82\x86\x04" + bytes([len(path)]) + path + b"\x01\x01a"
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, block)


def receive(connection, size):
    got = b""
    while len(got) < size:
        more = connection.recv(size - len(got))
        if not more:
            break
        got += more
    return got


def frames_of(connection):
    """Each frame that comes, up to the end: its kind, flags, stream and payload."""
    while True:
        head = receive(connection, 9)
        if len(head) < 9:
            return
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        yield kind, flags, stream, receive(connection, int.from_bytes(head[:3], "big"))


def open_connection(service):
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE)
    connection.sendall(PREFACE + frame(SETTINGS))
    return connection


def test_curl_is_answered(nasty):
    assert curl(nasty, "/hello") == (200, b"hello\n")
    assert curl(nasty, "/nowhere")[0] == 404
    assert curl(nasty, "/panic")[0] == 500
    assert curl(nasty, "/short")[0] == 504
    assert curl(nasty, "/nothing")[0] == 500
    assert curl(nasty, "/hello", "-I")[0] == 200


def test_bodies_go_both_ways(nasty):
    status, body = curl(nasty, "/count", "--data-binary", "@-", data=b"x" * 5000000)
    assert (status, body.strip()) == (200, b"5000000")
    person = json.dumps({"name": "Ada", "age": 36}).encode()
    status, body = curl(nasty, "/echo", "-H", "Content-Type: application/json", "--data-binary", "@-",
                        data=person)
    assert status == 200 and json.loads(body)["name"] == "Ada"
    # Refused before all of it has come: the answer is read all the same.
    assert curl(nasty, "/echo", "--data-binary", "@-", data=b"x" * 3000000)[0] in (413, 415)


def test_many_on_one_connection(nasty):
    if shutil.which("nghttp") is None:
        pytest.skip("no nghttp")
    done = subprocess.run(["nghttp", "-nv", "-m", "50", url(nasty, "/hello")], capture_output=True,
                          timeout=PATIENCE)
    assert done.stdout.count(b":status: 200") == 50


def test_load_is_served_whole(nasty):
    if shutil.which("h2load") is None:
        pytest.skip("no h2load")
    requests = 5000 if IS_SANITIZED else 50000
    done = subprocess.run(["h2load", "-n", str(requests), "-c", "10", "-m", "32",
                           url(nasty, "/hello")], capture_output=True, timeout=2 * PATIENCE)
    assert f"{requests} succeeded, 0 failed".encode() in done.stdout, done.stdout
    nasty.wait_metric("weir_http_streams", lambda n: n == 0)


def test_a_reset_cancels_its_stream_alone(nasty):
    with open_connection(nasty) as connection:
        connection.sendall(get(1, b"/sleep?ms=60000") + get(3, b"/sleep?ms=60000") + get(5))
        nasty.wait_metric("weir_http_streams", lambda n: n == 2)
        connection.sendall(frame(RST_STREAM, 0, 1, struct.pack(">I", 8)))
        nasty.wait_metric("weir_http_streams", lambda n: n == 1)
    nasty.wait_metric("weir_http_streams", lambda n: n == 0)


FLOODS = {
    "rapid reset": lambda n: get(2 * n + 1, b"/sleep?ms=60000")
    + frame(RST_STREAM, 0, 2 * n + 1, struct.pack(">I", 8)),
    "made you reset": lambda n: get(2 * n + 1, b"/sleep?ms=60000")
    + frame(WINDOW_UPDATE, 0, 2 * n + 1, struct.pack(">I", 0x7fffffff)),
    "ping": lambda n: frame(PING, 0, 0, b"\x00" * 8),
    "settings": lambda n: frame(SETTINGS),
    "priority": lambda n: frame(PRIORITY, 0, 2 * n + 1, b"\x00\x00\x00\x00\x01"),
    "window update": lambda n: frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)),
    "empty data": lambda n: (frame(HEADERS, END_HEADERS, 1, POST_COUNT) if n == 0 else b"") + frame(DATA, 0, 1),
    "continuation": lambda n: (frame(HEADERS, END_STREAM, 1, POST_COUNT) if n == 0 else b"")
    + frame(CONTINUATION, 0, 1),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_and_costs_its_neighbours_nothing(nasty, name):
    """The flood's connection is ended with ENHANCE_YOUR_CALM; a neighbour is answered meanwhile."""
    answered, is_over = [], threading.Event()
    ended = nasty.metric("weir_http_connections_ended_total", kind="flood")

    def ask():
        while not is_over.is_set():
            answered.append(nasty.get("/hello").status)

    neighbour = threading.Thread(target=ask)
    neighbour.start()
    codes = []
    with open_connection(nasty) as connection:
        try:
            for n in range(0, 20000, 20):
                connection.sendall(b"".join(FLOODS[name](n + i) for i in range(20)))
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            codes += [payload[4:8] for kind, _, _, payload in frames_of(connection) if kind == GOAWAY]
        except ConnectionResetError:
            pass
    is_over.set()
    neighbour.join()
    assert set(answered) == {200}
    assert codes in ([], [struct.pack(">I", 11)])  # what was sent before a reset may be lost
    nasty.wait_metric("weir_http_connections_ended_total", lambda n: n > ended, kind="flood")
    nasty.wait_metric("weir_http_streams", lambda n: n == 0)


def test_a_drain_answers_what_runs(services):
    service = services("nasty", "--workers=1")
    with open_connection(service) as connection:
        connection.sendall(get(1, b"/sleep?ms=1500"))
        service.wait_metric("weir_http_streams", lambda n: n == 1)
        service.expected_status = 128 + signal.SIGTERM
        service.signal()
        seen = list(frames_of(connection))
    going = [payload[:4] for kind, _, _, payload in seen if kind == GOAWAY]
    assert going[0] == b"\x7f\xff\xff\xff" and going[-1] == b"\x00\x00\x00\x01"
    assert any(kind == DATA and payload == b"slept\n" for kind, _, _, payload in seen)
