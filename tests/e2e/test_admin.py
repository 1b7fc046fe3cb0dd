"""The admin's port: health, readiness, numbers and fibers, also while every worker is stuck."""
import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time

import prometheus
import pytest
from conftest import PATIENCE


@pytest.fixture
def nasty(services):
    return services("nasty", "--workers=2")


def begin(service, path, count=1):
    """Requests that are under way; closed by the caller."""
    made = []
    for _ in range(count):
        connection = service.connect()
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\nX-Request-Id: its-id\r\n\r\n"
                           % path.encode())
        made.append(connection)
    return made


def test_health_and_index(nasty):
    assert nasty.admin("/healthz").text == "ok\n"
    assert nasty.admin("/readyz").text == "ready\n"
    for link in re.findall(r"href=\"?(/[a-z/?=]*)", nasty.admin("/").text):
        assert nasty.admin(link).status == 200, link


def test_the_ports_are_apart(nasty):
    assert nasty.get("/metrics").status == 404
    assert nasty.admin("/hello").status == 404


def test_metrics_are_well_formed_and_true(nasty):
    for _ in range(7):
        nasty.get("/hello")
    nasty.get("/nowhere")
    nasty.get("/panic")
    families = prometheus.read(nasty.admin("/metrics").text)
    for name in ("weir_http_requests_total", "weir_http_request_seconds", "weir_http_connections",
                 "weir_http_connections_accepted_total", "weir_http_received_bytes_total",
                 "weir_fibers", "weir_fibers_waiting", "weir_contexts", "weir_worker_stalls_total",
                 "weir_deadlocks_total",
                 "weir_leak_reports_total", "weir_panics_total", "weir_pool_open",
                 "weir_offload_calls_total", "weir_log_dropped_total", "weir_stacks_unguarded",
                 "process_resident_memory_bytes", "process_open_fds",
                 "process_start_time_seconds"):
        assert name in families, name
    counts = {(l["route"], l["class"]): n for _, l, n in families["weir_http_requests_total"][1]}
    assert counts[("/hello", "2xx")] == 7
    assert counts[("/panic", "5xx")] == 1
    latency = [n for name, l, n in families["weir_http_request_seconds"][1]
               if name.endswith("_count") and l["route"] == "/hello"]
    assert latency == [7]
    resident = families["process_resident_memory_bytes"][1][0][2]
    assert abs(resident - nasty.resident()) < 32 << 20
    allocated = families["weir_heap_allocated_bytes"][1][0][2]
    assert 10_000 < allocated < 64 << 20


def test_a_told_stack_does_not_look_like_a_leak(services):
    """Tests of memory ask this way: a stall's report in between must not add what its names take."""
    service = services("nasty", "--workers=1")
    before = service.resident()
    assert "waiting for" in service.admin("/debug/fibers").text
    assert service.resident() < before + (1 << 20)


def test_metrics_stay_well_formed_under_load(nasty):
    stop = threading.Event()

    def load():
        while not stop.is_set():
            nasty.get("/hello")

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(30):
            prometheus.read(nasty.admin("/metrics").text)
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)


def test_the_fiber_dump_tells_who_waits_for_what(nasty):
    connections = begin(nasty, "/ever") + begin(nasty, "/sleep?ms=60000") + begin(nasty, "/holds")
    nasty.wait_metric("weir_http_connections", lambda n: n == 3, state="active")
    text = nasty.admin("/debug/fibers").text
    dump = nasty.admin("/debug/fibers?format=json").json
    by_route = {f["route"]: f for f in dump["fibers"] if f.get("route")}
    assert {"GET /ever", "GET /sleep", "GET /holds"} <= set(by_route)
    ever = by_route["GET /ever"]
    assert ever["state"] == "waiting" and "chan" in ever["waits_for"]
    assert "nasty.c" in ever["waits_details"]  # the place where the channel was made
    assert ever["request_id"] == "its-id"
    assert re.fullmatch("[0-9a-f]{32}", ever["trace_id"]) and ", trace " + ever["trace_id"] in text
    assert 0 < ever["deadline_ms"] <= 30000 and ever["since_ms"] < 20000
    assert any("wait_for_ever" in frame for frame in ever["stack"]), ever["stack"]
    assert by_route["GET /sleep"]["waits_for"] == "sleep"
    holds = by_route["GET /holds"]["holds"]
    assert any("nasty.c" in held.get("site", "") for held in holds), holds
    for part in ("GET /ever [its-id], waiting for", "holds ", "wait_for_ever", "deadline in"):
        assert part in text, text
    for connection in connections:
        connection.close()
    nasty.wait_metric("weir_http_connections", lambda n: n == 0, state="active")


def test_it_answers_while_every_worker_is_stuck(services):
    service = services("nasty", "--workers=2")
    connections = []
    while service.metric("weir_workers_stuck") < 2:
        assert len(connections) < 8
        connections += begin(service, "/spin?ms=2000")
    began = time.monotonic()
    assert service.admin("/healthz").text == "ok\n"
    text = service.admin("/debug/fibers").text
    families = prometheus.read(service.admin("/metrics").text)
    took = time.monotonic() - began
    assert text.count("does not answer") >= 1 and re.search(r"\bspin\b", text), text
    assert families["weir_workers"][1][0][2] == 3
    assert took < 1.9, took  # the handlers that spin do so for 2 s
    for connection in connections:
        connection.close()


def test_a_leak_is_seen_as_the_oldest_wait(nasty):
    connections = begin(nasty, "/ever")
    nasty.wait_metric("weir_fibers_longest_wait_seconds", lambda n: n > 0.3)
    for connection in connections:
        connection.close()


def test_not_ready_while_draining(services):
    service = services("nasty", "--drain-delay=1s")
    service.signal()
    until = time.monotonic() + PATIENCE
    while True:
        answer = service.admin("/readyz")
        if answer.status == 503:
            break
        assert time.monotonic() < until
    assert "draining" in answer.text
    assert service.admin("/healthz").status == 200
    for _ in range(20):
        assert service.get("/hello").status == 200  # not ready, and still serving
    assert service.wait_end() == 0


def test_it_can_be_switched_off(services):
    service = services("nasty", "--admin=off", is_ready=False)
    service.port = int(service.wait_line(r"listens on http://127.0.0.1:(\d+)$").group(1))
    assert service.get("/hello").status == 200


def test_curl_reads_it(nasty):
    url = f"http://127.0.0.1:{nasty.admin_port}/debug/fibers?format=json"
    out = subprocess.run(["curl", "-sS", "-f", url], capture_output=True, text=True, check=True,
                         timeout=PATIENCE).stdout
    assert json.loads(out)["workers"]


def test_not_ready_while_every_worker_is_held(services):
    service = services("nasty", "--workers=1", "--stall=1h")
    assert service.admin("/readyz").text == "ready\n"
    connection = service.connect()
    connection.sendall(b"GET /spin?ms=3000 HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = service.wait_until(lambda: service.admin("/readyz"), lambda a: a.status == 503, "readiness")
    assert re.match(r"not ready: worker 0 is held by one fiber for \d{4,} ms; see /debug/fibers\n$",
                    answer.text), answer
    service.wait_until(lambda: service.admin("/readyz").text, lambda t: t == "ready\n", "readiness")
    connection.close()


def test_who_watches_hears_nothing_while_every_worker_is_held(services):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0weir-watches-{os.getpid()}")
        heard.settimeout(PATIENCE)
        service = services("nasty", "--workers=1", "--stall=1h",
                           env={"NOTIFY_SOCKET": f"@weir-watches-{os.getpid()}", "WATCHDOG_USEC": "200000"})
        while heard.recv(100) != b"WATCHDOG=1":
            pass
        connection = service.connect()
        connection.sendall(b"GET /spin?ms=4000 HTTP/1.1\r\nHost: a\r\n\r\n")
        service.wait_until(lambda: service.admin("/readyz"), lambda a: a.status == 503, "readiness")
        said = []
        heard.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.recv(100)  # from before
        with contextlib.suppress(TimeoutError):
            heard.settimeout(1)
            said.append(heard.recv(100))
        assert not said or service.admin("/readyz").status == 200, said
        heard.settimeout(PATIENCE)
        assert heard.recv(100) == b"WATCHDOG=1"
        connection.close()


def test_ready_while_one_worker_is_not_held(services):
    service = services("nasty", "--workers=2", "--stall=1h")
    connection = service.connect()
    connection.sendall(b"GET /spin?ms=3000 HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = service.wait_until(lambda: service.admin("/readyz"), lambda a: "held" in a.text, "readiness")
    assert answer.status == 200 and answer.text.startswith("ready: worker "), answer
    connection.close()
