"""The leak suite where real sockets, threads and clocks matter: the service examples/leaky, one case
for each id of docs/leaks.md that tests/leaks/leaks_test.c leaves out. `case` says what a case
asserts; tests/leaks/table puts that into docs/leaks.md."""
import contextlib
import html.parser
import json
import os
import pathlib
import queue
import re
import resource
import socket
import subprocess
import sys
import threading
import time

import pytest
from conftest import ADMIN, BUILD, IS_SANITIZED, LISTENS, NO_STALLS, PATIENCE, SOURCE, Service, program, read_all
from peers import Talker

WATCHES_THREADS = os.environ.get("WEIR_SANITIZE") == "thread"

ROWS = []


def case(name, verdict, evidence):
    """The row of docs/leaks.md that a test stands for."""
    def wrap(test):
        ROWS.append((name, verdict, evidence, f"tests/e2e/test_leaks.py:{test.__name__}"))
        return test
    return wrap


@pytest.fixture
def leaky(services, tmp_path):
    return lambda *flags: services("leaky", f"--db={tmp_path}/leaky.db", *flags)


def place(name):
    """(file, line) of the fault: where "L09 is here" stands."""
    for path in sorted((SOURCE / "examples/leaky").glob("*.c")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if f"/* {name} is here */" in line:
                return f"examples/leaky/{path.name}", number
    raise LookupError(name)


def warnings_about(service, route):
    """What was said about a route, but for the access log."""
    lines = [json.loads(line) for line in service.out if line.startswith("{")]
    return [line for line in lines if line["level"] in ("warn", "error")
            and route in json.dumps(line) and line["msg"] != "request"]


def wait_warning(service, route):
    """Waits until something was said about it: the log's writer may be a moment late."""
    end = time.monotonic() + PATIENCE
    while not warnings_about(service, route):
        assert time.monotonic() < end, service.text()
        time.sleep(0.01)
    return warnings_about(service, route)[0]


def in_threads(count, work):
    """Runs work(0), work(1) … side by side; what they returned."""
    results = [None] * count

    def run(i):
        results[i] = work(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return results


# --- who is asked ---------------------------------------------------------------------------------

class Keeper(Talker):
    """Answers whatever it is asked with more than comes with a head, and keeps connections."""

    def __init__(self, size):
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
        super().__init__()

    def talk(self, connection):
        with connection, contextlib.suppress(OSError):
            head = b""
            while True:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
                if head.endswith(b"\r\n\r\n"):
                    head = b""
                    connection.sendall(self.answer)


@pytest.fixture
def talker():
    one = Keeper(256 << 10)
    yield one
    one.close()


@case("L02", "prevented", "after 500 replies of 256 KiB that nobody read, descriptors are where they were; "
      "replies that are read share one connection")
def test_L02(leaky, talker):
    service = leaky("--workers=1", NO_STALLS, f"--peer={talker.url}")
    assert service.get("/clean/L02").status == 200
    before, met = service.fewest_fds(), talker.accepted
    for _ in range(20):
        assert service.get("/clean/L02").status == 200
    assert talker.accepted == met
    for _ in range(500):
        answer = service.get("/leak/L02")
        assert (answer.status, answer.body) == (200, b"it says 200\n")
    assert talker.accepted - met >= 400  # each but those whose rest had come was closed
    end = time.monotonic() + PATIENCE
    while service.fewest_fds() > before:
        assert time.monotonic() < end, f"{before} before, and now: {service.descriptors()}"
        time.sleep(0.01)
    assert not warnings_about(service, "/clean/L02")


@case("L11", "prevented, reported", "the second request that uses it gets a 500, told with function, line and "
      "route; its neighbours are served")
def test_L11(leaky, talker):
    service = leaky("--workers=1", f"--peer={talker.url}")
    assert service.get("/clean/L11").status == 200
    assert service.get("/leak/L11").status == 200
    assert service.get("/leak/L11").status == 500
    line = wait_warning(service, "GET /leak/L11")
    assert "weir_http" in line["msg"] and "client_of_a_request" in json.dumps(line), line
    assert service.get("/clean/L11").status == 200
    assert not warnings_about(service, "/clean/L11")


# --- who keeps a thread --------------------------------------------------------------------------

@case("L14", "prevented", "of 1,000 visitors a cache of a hundred keeps no more than that, within its bytes; /debug/caches and "
      "/metrics list it")
def test_L14(leaky):
    service = leaky("--workers=2")
    for _ in range(10):
        assert service.get("/clean/L14").status == 200
    assert service.admin("/debug/caches?format=json").json[0]["entries"] == 1
    for _ in range(1000):
        assert service.get("/leak/L14").status == 200
    visits, = service.admin("/debug/caches?format=json").json
    assert visits["name"] == "visits" and 90 <= visits["entries"] <= visits["entries_max"] == 100
    assert visits["bytes"] <= visits["bytes_max"] == 65536 and visits["evicted"] >= 900
    assert service.admin("/debug/caches").text.startswith(f"visits: {visits['entries']} of 100 entries")
    assert f'weir_cache_entries{{cache="visits"}} {visits["entries"]}' in service.admin("/metrics").text
    assert "/debug/caches" in service.admin("/").text
    assert warnings_about(service, "L14") == []


@case("L09", "reported", "a watchdog tells route, function, line and how long; other workers answer "
      "meanwhile; a loop with checkpoints is not told")
def test_L09(leaky):
    service = leaky("--workers=2", "--stall=100ms")
    hog = threading.Thread(target=lambda: service.get("/leak/L09"))
    hog.start()
    answered = 0
    while hog.is_alive():  # some of these meet the worker that is kept, and wait for its end
        answered += service.get("/clean/L32").status == 200
    assert answered > 0
    line = wait_warning(service, "GET /leak/L09")
    assert "keeps its worker" in line["msg"] and line["running_ms"] >= 100
    if WATCHES_THREADS:
        return  # the stack ends in the sanitizer's own functions, which have no tables
    file, number = place("L09")
    found = re.search(rf"computes\S* at {re.escape(file)}:(\d+) < worker_never_given", line["stack"])
    assert found and abs(int(found.group(1)) - number) <= 1, line["stack"]
    assert sum(service.metric("weir_worker_stalls_total", worker=w) for w in "01") >= 1
    assert service.get("/clean/L09").status == 200
    assert not warnings_about(service, "/clean/L09")


@case("L33", "prevented", "of 20 calls that never end none has more than the pool's 4 threads; the "
      "deadline interrupts each, and the service ends with nothing left")
def test_L33(leaky):
    service = leaky("--workers=1", "--offload-threads=4", "--handler-timeout=500ms")
    assert service.get("/clean/L33").status == 200
    assert not warnings_about(service, "/clean/L33")
    before = service.metric("process_threads")
    asked = threading.Thread(target=lambda: done.extend(
        in_threads(20, lambda i: service.get("/leak/L33").status)))
    done, most = [], 0
    asked.start()
    while asked.is_alive():
        most = max(most, service.metric("process_threads"))
    assert done == [504] * 20
    assert most <= before + 4
    service.wait_metric("weir_offload_threads", lambda n: n == 0, state="busy")
    service.wait_metric("weir_offload_queued", lambda n: n == 0)


# --- logs ----------------------------------------------------------------------------------------

@case("L17", "prevented", "50,000 lines while nobody reads the log: memory stays flat, all requests "
      "are answered, what was dropped is counted; once it is read again it goes on")
def test_L17(tmp_path):
    requests = 20 if IS_SANITIZED else 100
    process = subprocess.Popen(
        [program("leaky"), "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--workers=1", NO_STALLS,
         f"--db={tmp_path}/leaky.db"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True)
    try:
        service = Service.__new__(Service)  # all but its reader
        service.out, service.pid = [], process.pid
        while not LISTENS.search(service.text()):  # a slow machine's stalls may be told before
            line = process.stdout.readline()
            assert line, f"ended without listening:\n{service.text()}"
            service.out.append(line)
        service.port = int(LISTENS.search(service.text()).group(2))
        service.admin_port = int(ADMIN.search(service.text()).group(2))

        def flood():
            for _ in range(requests):
                assert service.get("/leak/L17").status == 200

        assert service.get("/clean/L17").status == 200
        assert service.metric("weir_log_dropped_total") == 0
        while service.metric("weir_log_dropped_total") == 0:  # until pipe and ring are full
            flood()
        before, dropped = service.resident(), service.metric("weir_log_dropped_total")
        flood()
        assert service.metric("weir_log_dropped_total") >= dropped + 400 * requests
        if not IS_SANITIZED:
            assert service.resident() < before + (1 << 20)
        service.process, service.lines = process, queue.Queue()
        service.reader = threading.Thread(target=service._read, daemon=True)
        service.reader.start()  # the sink is there again
        end = time.monotonic() + PATIENCE
        while not any("log lines dropped" in line for line in service.out):  # before the next line
            assert service.get("/clean/L17").status == 200 and time.monotonic() < end
        service.expected_status, service.is_clean = 0, True
        service.check_end()
    finally:
        process.kill()
        process.wait()


# --- descriptors ---------------------------------------------------------------------------------

@case("L28-behind", "reported", "the audit tells number and file of each descriptor that nobody owns, "
      "once, and counts it; one that was handed over is not told")
def test_L28_behind(leaky):
    service = leaky("--workers=1", "--fd-audit=50ms")
    service.expected_status = 2  # they are left, and its last line says so

    def wait_audits(count):
        audits = service.metric("weir_descriptor_audits_total")
        service.wait_metric("weir_descriptor_audits_total", lambda n: n > audits + count)

    for _ in range(10):
        assert service.get("/clean/L28-behind").status == 200
    wait_audits(3)
    assert service.metric("weir_descriptors_foreign") == 0
    numbers = [service.get("/leak/L28-behind").text.split(",")[0] for _ in range(3)]
    service.wait_metric("weir_descriptors_foreign", lambda n: n == 3)
    wait_audits(3)
    told = [line for line in service.out if "opened behind the runtime's back" in line]
    assert len(told) == 3, told
    for number in numbers:
        assert sum(f'"fd":{number},"what":"/dev/null"' in line for line in told) == 1


# --- clients -------------------------------------------------------------------------------------

def close_waits(port):
    """Sockets of a local port whose peer has closed and that are still open here."""
    rows = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [row.split() for row in rows]
    return sum(1 for f in fields if f[1].endswith(f":{port:04X}") and f[3] == "08")


def wait_no_close_wait(service):
    end = time.monotonic() + PATIENCE
    while close_waits(service.port) > 0:
        assert time.monotonic() < end, f"{close_waits(service.port)} sockets in CLOSE_WAIT"
        time.sleep(0.01)


@case("L29", "prevented", "50 clients that close in the middle of a handler, and 50 at rest, leave no "
      "socket in CLOSE_WAIT; each handler is cancelled and counted as client_gone")
def test_L29(leaky):
    service = leaky("--workers=2", "--handler-timeout=60s")
    crowd = [service.connect() for _ in range(50)]
    for connection in crowd:
        connection.sendall(b"GET /leak/L29 HTTP/1.1\r\nHost: a\r\n\r\n")
    service.wait_metric("weir_http_connections", lambda n: n == 50, state="active")
    for connection in crowd:
        connection.close()
    service.wait_metric("weir_http_failures_total", lambda n: n == 50, kind="client_gone")
    service.wait_metric("weir_http_connections", lambda n: n == 0, state="active")
    resting = [service.connect() for _ in range(50)]
    for connection in resting:
        connection.sendall(b"GET /clean/L29 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    for i, connection in enumerate(resting):
        if i % 2:
            connection.close()
        else:  # only its sending half: the server closes all the same
            connection.shutdown(socket.SHUT_WR)
            assert read_all(connection) == b""
            connection.close()
    wait_no_close_wait(service)
    service.wait_metric("weir_http_connections", lambda n: n == 0, state="idle")
    assert service.metric("weir_http_failures_total", kind="client_gone") == 50
    assert not warnings_about(service, "/clean/L29")


@case("L30", "prevented", "a slow head and a slow body get 408, a slow handler 504, a silent client "
      "and one that does not read are cut, each is counted; a client in time is served meanwhile")
def test_L30(leaky):
    service = leaky("--workers=1", "--head-timeout=1s", "--body-timeout=1s", "--write-timeout=1s",
                    "--idle-timeout=1s", "--handler-timeout=1500ms")

    def talk(data):
        with service.connect() as connection:
            connection.sendall(data)
            return read_all(connection)

    def never_reads(_):
        with service.connect() as connection:
            connection.sendall(b"GET /leak/L30 HTTP/1.1\r\nHost: a\r\n\r\n")
            service.wait_metric("weir_http_timeouts_total", lambda n: n >= 1, kind="write")
            return read_all(connection)

    slow = [lambda: talk(b"GET / HTTP/1.1\r\nHo"),
            lambda: talk(b"POST /clean/L01 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345"),
            lambda: talk(b"GET /leak/L29 HTTP/1.1\r\nHost: a\r\n\r\n"),
            lambda: talk(b""),
            lambda: never_reads(None),
            lambda: [service.get("/clean/L30").status for _ in range(20)]]
    head, body, handler, silent, unread, in_time = in_threads(6, lambda i: slow[i]())
    assert head.startswith(b"HTTP/1.1 408") and body.startswith(b"HTTP/1.1 408")
    assert handler.startswith(b"HTTP/1.1 504")
    assert silent == b"" or silent.startswith(b"HTTP/1.1 408")
    assert unread.startswith(b"HTTP/1.1 200") and not unread.endswith(b"\r\n0\r\n\r\n")
    assert in_time == [200] * 20
    for kind in ("head", "body", "write", "handler"):
        assert service.metric("weir_http_timeouts_total", kind=kind) >= 1, kind
    for state in ("active", "idle"):
        service.wait_metric("weir_http_connections", lambda n: n == 0, state=state)
    assert not warnings_about(service, "/clean/L30")


@case("L35", "prevented", "60 clients on 20 descriptors: who is connected is served, others get 503 or "
      "wait, nothing spins, and when they leave it serves again by itself")
def test_L35(leaky):
    service = leaky("--workers=1")
    assert service.get("/clean/L35").status == 200
    limit = service.fds() + 20
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (limit, limit))
    crowd = [service.connect() for _ in range(60)]
    try:
        for _ in range(20):
            crowd[0].sendall(b"GET /leak/L35 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert crowd[0].recv(65536).startswith(b"HTTP/1.1 200")
        assert service.fds() <= limit
        with open(f"/proc/{service.pid}/stat") as stat:
            before = sum(int(n) for n in stat.read().split()[13:15])
        time.sleep(0.5)  # no synchronisation: the time in which it must not spin
        with open(f"/proc/{service.pid}/stat") as stat:
            ticks = sum(int(n) for n in stat.read().split()[13:15]) - before
        assert ticks < 0.25 * os.sysconf("SC_CLK_TCK")
    finally:
        for connection in crowd:
            connection.close()
    assert service.get("/leak/L35").status == 200
    assert service.metric("weir_http_accept_pauses_total") \
        + service.metric("weir_http_connections_refused_total") >= 1


# --- what the simulation has shown, once more with threads and over HTTP -----------------------

def test_L18_requests_side_by_side_do_not_see_each_other(leaky):
    service = leaky("--workers=2")

    def ask(i):
        return [service.get(f"/leak/L18?user={i + 1}" if n % 2 else "/leak/L18").text
                for n in range(20 if IS_SANITIZED else 100)]

    for i, answers in enumerate(in_threads(8, ask)):
        assert set(answers[1::2]) == {f"user {i + 1}\n"} and set(answers[::2]) == {"nobody\n"}


@pytest.mark.parametrize("name, kind", [("L04", "rows"), ("L27", "transaction"), ("L39", "lock"),
                                        ("L20", "deferred call")])
def test_reports_are_metrics(leaky, name, kind):
    service = leaky("--workers=1", "--stall=0")  # a slow machine's own lines are not asked for
    file, number = place(name)
    for _ in range(20):
        assert service.get(f"/clean/{name}").status == 200
    assert service.metric("weir_leak_reports_total") == 0
    for _ in range(20):
        assert service.get(f"/leak/{name}").status == 200
    service.wait_metric("weir_leaks_total", lambda n: n == 20, kind=kind, site=f"{file}:{number}")
    assert service.metric("weir_leak_reports_total") == 20
    assert wait_warning(service, f"GET /leak/{name}")["at"] == f"{file}:{number}"


# --- the page ------------------------------------------------------------------------------------

class Page(html.parser.HTMLParser):
    """The sections of the page: id, links, texts of <pre>."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.in_pre, self.outside = {}, False, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "section":
            self.now = self.sections[attributes["id"]] = {"links": [], "pre": []}
        if tag in ("a", "form"):
            self.now["links"].append(attributes.get("href", attributes.get("action")))
        if tag == "pre":
            self.now["pre"].append("")
            self.in_pre = True
        self.outside += [v for k, v in attributes.items() if k in ("src", "href", "action")
                         and not v.startswith(("/", "#"))]
        assert tag not in ("script", "link", "img", "iframe")

    def handle_endtag(self, tag):
        self.in_pre = self.in_pre and tag != "pre"

    def handle_data(self, data):
        if self.in_pre:
            self.now["pre"][-1] += data


def test_the_page_shows_each_fault_and_what_was_said(leaky):
    service = leaky("--workers=1")
    before = Page(service.get("/").text)
    for name, section in before.sections.items():
        assert f"/leak/{name}" in section["links"] and f"/clean/{name}" in section["links"]
        assert section["pre"][0].startswith(f"/* {name}: ") and section["pre"][0].count("\n") >= 4
        assert len(section["pre"]) == 1, "nothing was said yet"
    assert before.outside == []
    for name in ("L04", "L20", "L39"):
        service.get(f"/leak/{name}")
    wait_warning(service, "GET /leak/L39")
    after = Page(service.get("/").text).sections
    for name in ("L04", "L20", "L39"):
        said = json.loads(after[name]["pre"][1] if after[name]["pre"][1].endswith("}")
                          else after[name]["pre"][1].split(',"stack"')[0] + "}")
        file, number = place(name)
        assert said["at"] == f"{file}:{number}" and said["route"] == f"GET /leak/{name}"


@pytest.mark.skipif(not (BUILD / "tests/tests-leaks-leaks").is_file(), reason="the suite is not built")
def test_the_table_in_docs_is_what_the_suite_says():
    table = subprocess.run([sys.executable, SOURCE / "tests/leaks/table", BUILD],
                           stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE).stdout
    written = (SOURCE / "docs/leaks.md").read_text()
    assert written == table, "run: tests/leaks/table build > docs/leaks.md"
    assert "| |" not in table, "an open line"
