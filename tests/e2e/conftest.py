"""Real services for the tests: started on ports of the kernel's choice, ended by SIGTERM.

A Service that the test did not end itself is ended by the fixture, which then holds its exit status
and its last words against what the test expected: "nothing is left" is part of every test.
"""
import contextlib
import http.client
import json
import os
import pathlib
import queue
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

BUILD = pathlib.Path(os.environ["WEIR_BUILD"])
SOURCE = pathlib.Path(os.environ.get("WEIR_SOURCE", pathlib.Path(__file__).parent.parent.parent))
IS_SANITIZED = os.environ.get("WEIR_SANITIZE", "none") != "none"
PATIENCE = 60 if IS_SANITIZED else 20

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from child import takes_signals  # noqa: E402

LISTENS = re.compile(r"listens on http://([\d.]+|\[[\d:a-f]+\]):(\d+)")
ADMIN = re.compile(r"admin on http://([\d.]+|\[[\d:a-f]+\]):(\d+)")
STOPPED = re.compile(r'"msg":"stopped: ')


def program(name):
    """An example by its name, or a service of the tests."""
    for folder in ("examples", "tests"):
        path = BUILD / folder / name
        if path.is_file():
            return str(path)
    raise FileNotFoundError(f"{name} is not built in {BUILD}")


def pkg_config(*arguments):
    """The flags that a user's build gets: of what is installed in WEIR_PREFIX, else of the build tree."""
    prefix = os.environ.get("WEIR_PREFIX")
    folders = list(pathlib.Path(prefix).rglob("pkgconfig")) if prefix else [BUILD / "meson-uninstalled"]
    done = subprocess.run(["pkg-config", *arguments], capture_output=True, text=True,
                          env={**os.environ, "PKG_CONFIG_PATH": ":".join(map(str, folders))})
    assert done.returncode == 0, done.stderr
    flags = done.stdout.split()
    return flags + [f"-Wl,-rpath,{flag[2:]}" for flag in flags if flag.startswith("-L")]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


NO_STALLS = "--stall=0"


class Service:
    """A program that serves. `out` is all that it wrote, line by line."""

    has_names = False  # see read_names

    def __init__(self, name, *flags, env=None, cwd=None, file_limit=None):
        self.out, self.lines = [], queue.Queue()
        self.expected_status, self.is_clean = 0, True
        command = [program(name), "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", *flags]

        def limit():
            takes_signals()
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (file_limit, file_limit))

        environment = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, errors="replace", cwd=cwd, preexec_fn=limit,
                                        env={**environment, **(env or {})})
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.port = self.admin_port = None

    def _read(self):
        for line in self.process.stdout:
            self.out.append(line.rstrip("\n"))
            self.lines.put(line)
        self.lines.put(None)

    def wait_line(self, pattern, patience=PATIENCE):
        """The match of the first line from here on that has the pattern."""
        end = time.monotonic() + patience
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line like {pattern!r} in\n" + self.text()) from None
            if line is None:
                raise AssertionError(f"ended without a line like {pattern!r}:\n" + self.text())
            match = re.search(pattern, line)
            if match:
                return match

    def wait_said(self, pattern):
        """Waits until a line like that has been written, before or from here on."""
        if not any(re.search(pattern, line) for line in self.out):
            self.wait_line(pattern)

    def wait_ready(self):
        self.port = int(self.wait_line(LISTENS).group(2))
        self.admin_port = int(ADMIN.search(self.text()).group(2))
        return self

    def text(self):
        return "\n".join(self.out)

    # --- asking ---------------------------------------------------------------------------

    def request(self, method, path, body=None, headers=None, port=None, timeout=PATIENCE):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body, **options):
        return self.request("POST", path, body, **options)

    def admin(self, path):
        return self.request("GET", path, port=self.admin_port)

    def raw(self, data, is_open=False):
        """All that comes back for some bytes, up to the end of the connection."""
        with self.connect() as connection:
            connection.sendall(data)
            if not is_open:
                with contextlib.suppress(OSError):  # it may have been closed for what was sent
                    connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def metric(self, name, **labels):
        """The sum of a metric's samples that have these labels."""
        total = 0.0
        for line in self.admin("/metrics").text.splitlines():
            match = re.match(r"([a-z_]+)(?:\{(.*)\})? (\S+)$", line)
            if not match or match.group(1) != name:
                continue
            found = dict(re.findall(r'([a-z_]+)="([^"]*)"', match.group(2) or ""))
            if all(found.get(k) == v for k, v in labels.items()):
                total += float(match.group(3))
        return total

    def wait_until(self, look, is_good, what):
        """Looks until it is as wanted: for what happens after the answer was sent."""
        end = time.monotonic() + PATIENCE
        value = look()
        while not is_good(value):
            assert time.monotonic() < end, f"{what} is {value}\n{self.text()[-3000:]}"
            time.sleep(0.01)
            value = look()
        return value

    def wait_metric(self, name, is_good, **labels):
        return self.wait_until(lambda: self.metric(name, **labels), is_good, f"{name}{labels}")

    def wait_fds(self, most):
        """Until no more than these are open."""
        return self.wait_until(self.fds, lambda n: n <= most, "number of descriptors")

    # --- looking at it --------------------------------------------------------------------

    def read_names(self):
        """
        Of functions: 5 MB and a descriptor or two, which it reads and keeps with the first stack that it tells. On
        a busy machine that may be a stall's, at any moment; so what is measured is measured with them. A stack
        elsewhere needs more of them: who has less to spare than 10 MB is started with NO_STALLS.
        """
        if not self.has_names:
            self.has_names = self.admin("/debug/fibers").status == 200

    def resident(self):
        """Resident memory in bytes."""
        self.read_names()
        fields = pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE")

    def fds(self):
        self.read_names()
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def descriptors(self):
        """What each of them is, for whoever wonders why there are so many."""
        told = []
        for link in sorted(pathlib.Path(f"/proc/{self.pid}/fd").iterdir()):
            with contextlib.suppress(FileNotFoundError):
                told.append(f"{link.name} {os.readlink(link)}")
        return "; ".join(told)

    def fewest_fds(self):
        """Without those that are open for a moment: a connection of who just asked, an audit's folder."""
        return min((self.metric("weir_workers"), self.fds())[1] for _ in range(10))

    # --- ending it ------------------------------------------------------------------------

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait_end(self, patience=PATIENCE):
        self.process.wait(timeout=patience)
        self.reader.join(timeout=PATIENCE)
        return self.process.returncode

    def stop(self):
        if self.process.poll() is None:
            self.signal()
        return self.wait_end()

    def check_end(self):
        """For the fixture: it ends, as expected, and says that nothing is left."""
        try:
            status = self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("does not end:\n" + self.text()[-6000:]) from None
        assert status == self.expected_status, self.text()[-6000:]
        if self.is_clean and status == 0:
            assert STOPPED.search(self.text()), self.text()[-3000:]
            assert "nothing is left" in self.text().splitlines()[-1], self.text()[-3000:]


def read_all(connection):
    data = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


@pytest.fixture
def services():
    """Makes services that are ended, and looked at, when the test is over."""
    made = []

    def make(name, *flags, is_ready=True, **options):
        service = Service(name, *flags, **options)
        made.append(service)
        return service.wait_ready() if is_ready else service

    yield make
    errors = []
    for service in made:
        try:
            service.check_end()
        except AssertionError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def run(name, *flags, env=None, cwd=None, patience=PATIENCE):
    """Runs a program that is expected to end by itself: (status, output)."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
    done = subprocess.run([program(name), *flags], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=patience, cwd=cwd,
                          env={**environment, **(env or {})})
    return done.returncode, done.stdout
