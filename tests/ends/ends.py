#!/usr/bin/python3
"""The end, under adversity: every kind of trouble x every way to be told to end.

    tests/ends/ends.py PROGRAM [--sample [--seed TEXT]] [TROUBLE[/SIGNAL] ...]

PROGRAM is tests/service/ends.c, built against any libweir. A cell starts it, brings the trouble
about, sends the signal, and holds the end against what docs/guide/running.md promises: within
drain_delay + drain_timeout + 1 s, with the exit status of the table, with no answer cut and no
request lost that the table does not allow. --sample is the short form: every trouble once, every
signal at least once, chosen by the seed (default: the commit). The last line is `N passed, N failed`.

Times are the service's own (`took_ms` in its last line, which it also writes to a file, for its
standard error may be what is stuck). How late the machine lets a sleeping thread run is measured
beside, and given on top; the driver's own patience is only there so that a process that never ends
does not hold up the lane.
"""
import argparse
import calendar
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from child import takes_signals  # noqa: E402

TIMEOUT_MS, DELAY_MS, PAST_MS = 600, 400, 1000
PATIENCE = 60  # seconds: far more than anything here takes
WHOLE, CUT, FORCED = 0, 2, 3
SIGNALS = ("term", "second", "int", "hup", "delay")
IS_SANITIZED = os.environ.get("WEIR_SANITIZE", "none") != "none"


class Lateness(threading.Thread):
    """How much longer than it should a thread of this machine sleeps at worst."""

    def __init__(self):
        super().__init__(daemon=True)
        self.worst, self.is_over = 0.0, False

    def run(self):
        while not self.is_over:
            began = time.monotonic()
            time.sleep(0.01)
            self.worst = max(self.worst, time.monotonic() - began - 0.01)


class Service:
    def __init__(self, program, folder, *flags, full_stderr=False):
        self.lines_path = folder / "lines"
        self.lines_path.touch()
        self.fifo = folder / "fifo"
        os.mkfifo(self.fifo)
        stderr = (folder / "stderr").open("w")
        self.pipe = None
        if full_stderr:
            self.pipe = os.pipe()
            stderr = os.fdopen(self.pipe[1], "w")
            fill(self.pipe[1])
        self.process = subprocess.Popen(
            [program, "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--workers=2",
             f"--lines={self.lines_path}", f"--fifo={self.fifo}", "--handler-timeout=600s",
             "--head-timeout=600s", "--body-timeout=600s", "--write-timeout=600s", *flags],
            stdout=subprocess.PIPE, stderr=stderr, text=True, preexec_fn=takes_signals,
            env={k: v for k, v in os.environ.items() if not k.startswith("WEIR_")})
        stderr.close()
        self.port = self.admin = None

    def wait_ready(self):
        said = self.process.stdout.readline()
        ports = re.findall(r"http://127\.0\.0\.1:(\d+)", said)
        assert len(ports) == 2, f"it said {said!r}"
        self.port, self.admin = map(int, ports)

    def connect(self, port=None):
        return socket.create_connection(("127.0.0.1", port or self.port), timeout=PATIENCE)

    def send(self, data):
        connection = self.connect()
        connection.sendall(data)
        return connection

    def get(self, path, port=None):
        """Status and body; None when there was no whole answer."""
        with self.connect(port) as connection:
            connection.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode())
            return parse(read_all(connection))

    def metric(self, name):
        answer = self.get("/metrics", self.admin)
        values = [float(line.rsplit(" ", 1)[1]) for line in answer[1].decode().splitlines()
                  if line.startswith(name)] if answer else []
        return sum(values)

    def wait_metric(self, name, least):
        wait_until(lambda: self.metric(name) >= least, name)

    def lines(self):
        return [json.loads(line) for line in self.lines_path.read_text().splitlines()
                if line.endswith("}")]

    def wait_line(self, pattern, count=1):
        def found():
            return sum(bool(re.search(pattern, line["msg"])) for line in self.lines()) >= count
        wait_until(lambda: found() or self.process.poll() is not None, pattern)
        assert found(), f"no line like {pattern!r}"

    def last_words(self):
        """The line with `took_ms`, which is the last that every end but an early one has."""
        return next((line for line in reversed(self.lines()) if "took_ms" in line), None)


def wait_until(look, what):
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.005)


def fill(pipe):
    """Without making the pipe itself non-blocking, for that would be the service's as well."""
    fcntl.fcntl(pipe, 1031, 4096)  # F_SETPIPE_SZ
    own = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(own, b"x" * 4096)
    except BlockingIOError:
        pass
    os.close(own)


def read_all(connection):
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except OSError:
        pass
    return data


def parse(data):
    head, found, body = data.partition(b"\r\n\r\n")
    match = re.match(rb"HTTP/1\.1 (\d+) ", head)
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if not found or not match or (length and int(length.group(1)) != len(body)):
        return None
    return int(match.group(1)), body


# --- the kinds of trouble ---------------------------------------------------------------------------

class Trouble:
    """Brings it about; then what the end is like. `lost_max`: requests without any answer."""
    status, holds, flags, full_stderr, is_served = WHOLE, False, (), False, True
    lost_max = 0
    reload_line = "reloaded: the program|nothing is reloaded|cannot reload"

    def __init__(self):
        self.answered = self.lost = self.cut = 0

    def prepare(self, service):
        pass

    def finish(self):
        pass


class Idle(Trouble):
    def prepare(self, service):
        self.at_rest = service.connect()


class HalfHead(Trouble):
    holds = True

    def prepare(self, service):
        self.connection = service.send(b"GET / HT")
        service.wait_metric('weir_http_connections{state="idle"}', 1)


class HalfBody(Trouble):
    status, holds = CUT, True

    def prepare(self, service):
        self.connection = service.send(b"POST /reads HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf")
        service.wait_metric('weir_http_connections{state="active"}', 1)


class SlowReader(Trouble):
    status, holds = CUT, True

    def prepare(self, service):
        self.connection = service.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        self.connection.recv(1)
        service.wait_metric('weir_http_connections{state="active"}', 1)


class Waiting(Trouble):
    """A request that ends when it is told to: its client gets an answer."""
    path, status, holds = b"/waits", CUT, True

    def prepare(self, service):
        self.connection = service.send(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % self.path)
        service.wait_metric('weir_http_connections{state="active"}', 1)


class Stubborn(Waiting):
    path = b"/ignores"


class Spinning(Waiting):
    path, status = b"/spins", FORCED
    reload_line = "SIGHUP: reloading"  # no more is said where it spins on the worker that reloads


class StalledDisk(Waiting):
    path, status = b"/stalls", FORCED


class BlackHole(Trouble):
    """Databases of which nothing comes but the connection: each is waited for, in a transaction and as a subscription."""
    status, holds = CUT, True
    PATHS = (b"/asks/postgres", b"/asks/mysql", b"/asks/redis", b"/hears/redis")

    def __init__(self):
        super().__init__()
        self.hole = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.flags = (f"--hole={self.hole.getsockname()[1]}",)

    def prepare(self, service):
        self.connections = [service.send(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path) for path in self.PATHS]
        service.wait_metric('weir_http_connections{state="active"}', len(self.PATHS))

    def finish(self):
        self.hole.close()


class Detached(Trouble):
    status, holds = CUT, True

    def prepare(self, service):
        assert service.get("/detaches")[0] == 202


class NoMemory(Waiting):
    def prepare(self, service):
        super().prepare(service)
        with service.connect() as connection:  # what is answered then is another matter
            connection.sendall(b"GET /eats HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.recv(1)


class StderrFull(Waiting):
    """Nothing of the log is taken: a full pipe, or a disk that stalls under it."""
    full_stderr = True


class StartWaits(Trouble):
    status, holds, flags, is_served = CUT, True, ("--start-waits",), False

    def prepare(self, service):
        service.wait_line("the start waits")


class Clients(Trouble):
    """Clients that send their next request as soon as they have the answer, until nobody listens."""
    COUNT = 4
    lost_max = COUNT  # a connection at rest may be closed while a request is on its way to it

    def prepare(self, service):
        self.port = self.port_of(service)
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.serve_itself, daemon=True) for _ in range(self.COUNT)]
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.answered > 50, "answers")

    def finish(self):
        for thread in self.threads:
            thread.join(PATIENCE)

    @staticmethod
    def port_of(service):
        return service.port

    path = b"/hello"

    def count(self, what):
        with self.lock:
            setattr(self, what, getattr(self, what) + 1)

    def serve_itself(self):
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
            except OSError:
                return
            self.use(connection)
            connection.close()

    def use(self, connection):
        """Up to the connection's end. One that was never answered was never accepted."""
        answers, data = 0, b""
        while True:
            try:
                connection.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % self.path)
                data = self.one_answer(connection)
            except OSError:
                data = b""
            if not data:
                return self.count("lost") if answers > 0 else None
            if parse(data) is None:
                return self.count("cut")
            answers += 1
            self.count("answered")
            if re.search(rb"(?i)\r\nconnection: close", data):
                return None

    @staticmethod
    def one_answer(connection):
        data = b""
        while True:
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", data)
            at = data.find(b"\r\n\r\n")
            if at >= 0 and length and len(data) >= at + 4 + int(length.group(1)):
                return data
            piece = connection.recv(65536)
            if not piece:
                return data
            data += piece


class Scrapes(Clients):
    """/metrics, read without a pause while the servers go."""
    path = b"/metrics"

    @staticmethod
    def port_of(service):
        return service.admin


TROUBLES = {
    "idle": Idle, "half-head": HalfHead, "half-body": HalfBody, "slow-reader": SlowReader,
    "keep-alive": Clients, "start-waits": StartWaits, "stderr-full": StderrFull,
    "no-memory": NoMemory, "scrapes": Scrapes, "detached": Detached, "waiting": Waiting,
    "stubborn": Stubborn, "spinning": Spinning, "stalled-disk": StalledDisk, "black-hole": BlackHole,
}


# --- a cell -----------------------------------------------------------------------------------------

def told_wall_ms(line):
    stamp = re.match(r"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)\.(\d+)Z", line["time"]).groups()
    return calendar.timegm(tuple(map(int, stamp[:6]))) * 1000 + int(stamp[6])


def send_signals(service, kind, trouble):
    """Returns the wall clock at the last signal, in milliseconds."""
    send = service.process.send_signal
    if kind == "hup":
        send(signal.SIGHUP)
        send(signal.SIGUSR2)
        service.wait_line(trouble.reload_line)
        service.wait_line("SIGUSR2 is kept")
        assert service.process.poll() is None, "SIGHUP has ended it"
    send(signal.SIGINT if kind == "int" else signal.SIGTERM)
    if kind != "second":
        return time.time() * 1000
    service.wait_line("draining")
    time.sleep(0.3)  # earlier it would be taken for the same signal
    told = time.time() * 1000
    if service.process.poll() is None:
        send(signal.SIGTERM)
    return told


def check_end(service, kind, trouble, told, late_ms):
    status = service.process.wait(timeout=PATIENCE)
    trouble.finish()
    words = service.last_words()
    is_second = kind == "second" and (trouble.holds or status != trouble.status)
    wanted = 128 + signal.SIGTERM if is_second else trouble.status
    assert status == wanted, f"exit status {status}, not {wanted}; it said {words}"
    assert words is not None, "it ended without a line"
    bound = TIMEOUT_MS + PAST_MS + (DELAY_MS if kind == "delay" and trouble.is_served else 0)
    took = words["took_ms"]
    if is_second:
        took, bound = told_wall_ms(words) - told, PAST_MS
    assert took <= bound + late_ms, f"it took {took} ms, the bound is {bound} (and {late_ms} of the machine)"
    assert trouble.cut == 0, f"{trouble.cut} answers were cut"
    lost_max = 0 if kind == "delay" else trouble.lost_max  # they were told in time: "Connection: close"
    assert trouble.lost <= lost_max, f"{trouble.lost} requests were lost, allowed are {lost_max}"
    return f"status {status}, {took} of {bound} ms" + (f", {trouble.lost} lost of {trouble.answered}"
                                                       if trouble.answered else "")


def run_cell(program, name, kind):
    trouble = TROUBLES[name]()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-ends-"))
    timeout = "60s" if kind == "second" else f"{TIMEOUT_MS}ms"
    delay = [f"--drain-delay={DELAY_MS}ms"] if kind == "delay" else []
    service = Service(program, folder, f"--drain-timeout={timeout}", *delay, *trouble.flags,
                      full_stderr=trouble.full_stderr)
    lateness = Lateness()
    try:
        if trouble.is_served:
            service.wait_ready()
            assert service.get("/hello") == (200, b"hello\n")
        trouble.prepare(service)
        lateness.start()
        told = send_signals(service, kind, trouble)
        return check_end(service, kind, trouble, told, 100 + int(20000 * lateness.worst))
    finally:
        lateness.is_over = True
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def cells(arguments):
    named = [(trouble, kind) for trouble in TROUBLES for kind in SIGNALS
             if not arguments.cells or trouble in arguments.cells or f"{trouble}/{kind}" in arguments.cells]
    if not arguments.sample:
        return named
    first = int(hashlib.sha256(arguments.seed.encode()).hexdigest(), 16)
    return [(trouble, SIGNALS[(first + i) % len(SIGNALS)]) for i, trouble in enumerate(TROUBLES)]


def commit():
    done = subprocess.run(["git", "-C", pathlib.Path(__file__).parent, "rev-parse", "HEAD"],
                          capture_output=True, text=True)
    return done.stdout.strip() or "none"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("cells", nargs="*")
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--seed", default=commit())
    arguments = parser.parse_args()
    passed = failed = 0
    for name, kind in cells(arguments):
        if name == "no-memory" and IS_SANITIZED:
            continue  # a sanitizer's own memory has no such limit
        try:
            outcome = run_cell(arguments.program, name, kind)
            passed += 1
            print(f"ok      {name}/{kind}: {outcome}", flush=True)
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"FAILED  {name}/{kind}: {error}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
