"""Uploads that are refused unread: whoever sends them, and whoever stands between, gets the answer.

A server that closes while its client sends resets it, and the reset overtakes the answer (RFC 9112
section 9.6); a proxy makes a 502 of that, and takes the server for dead. Real clients and proxies:
each does in its own way what it does when an answer comes before all is sent.
"""
import contextlib
import http.client
import pathlib
import shutil
import socket
import subprocess
import time

import pytest
from conftest import IS_SANITIZED, PATIENCE

HERE = pathlib.Path(__file__).parent
SBIN = "/usr/sbin:/usr/bin:/usr/local/sbin"
SIZES = [100_000, 3_000_000, 10_000_000 if IS_SANITIZED else 100_000_000]
REFUSALS = {"/nowhere": 404, "/hello": 405, "/echo": 413}
QUIET = ["--stall=0", "--workers=2"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    made = {}
    for size in SIZES:
        made[size] = folder / str(size)
        with open(made[size], "wb") as out:
            out.truncate(size)
    yield made
    shutil.rmtree(folder)


# --- clients: (where, path, file) -> status -----------------------------------------------------

class Connection(http.client.HTTPConnection):
    """To a port, or to a socket in a folder."""

    def __init__(self, where):
        super().__init__("localhost", timeout=PATIENCE)
        self.where = where

    def connect(self):
        if isinstance(self.where, int):
            self.sock = socket.create_connection(("127.0.0.1", self.where), timeout=PATIENCE)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE)
            self.sock.connect(str(self.where))


def by_python(where, path, file):
    """Sends all of it before it looks for an answer."""
    with contextlib.closing(Connection(where)) as connection, open(file, "rb") as body:
        headers = {"Content-Length": str(file.stat().st_size), "Content-Type": "application/json"}
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def said(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stdout
    return int(done.stdout)


def by_curl(where, path, file):
    there = ["--unix-socket", str(where)] if not isinstance(where, int) else []
    port = where if isinstance(where, int) else 80
    return said(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:",
                 "-H", "Content-Type: application/json", "-T", str(file), "-X", "POST", *there,
                 f"http://127.0.0.1:{port}{path}"])


def by_node(where, path, file):
    return said(["node", str(HERE / "uploads.js"), f"http://127.0.0.1:{where}{path}", str(file)])


@pytest.fixture(scope="module")
def go_client(tmp_path_factory):
    if shutil.which("go") is None:
        pytest.skip("go is not here: it is in the group bench")
    binary = tmp_path_factory.mktemp("go") / "uploads"
    done = subprocess.run(["go", "build", "-o", str(binary), str(HERE / "uploads.go")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={"PATH": SBIN, "HOME": str(binary.parent), "GO111MODULE": "off",
                               "GOCACHE": str(binary.parent / "cache")})
    assert done.returncode == 0, done.stdout
    yield lambda where, path, file: said([str(binary), f"http://127.0.0.1:{where}{path}", str(file)])


@pytest.fixture(params=["python", "curl", "node", "go"])
def client(request):
    if request.param == "go":
        return request.getfixturevalue("go_client")
    if request.param == "node" and shutil.which("node") is None:
        pytest.skip("node is not here: no package of ours needs it")
    return {"python": by_python, "curl": by_curl, "node": by_node}[request.param]


@pytest.mark.parametrize("size", SIZES)
def test_every_client_gets_the_answer(services, files, client, size):
    nasty = services("nasty", *QUIET)
    for path, status in REFUSALS.items():
        if path != "/echo" or client in (by_python, by_curl):  # which say that it is JSON
            assert client(nasty.port, path, files[size]) == status
    nasty.wait_metric("weir_http_connections", lambda n: n == 0)


# --- proxies ------------------------------------------------------------------------------------

NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    client_max_body_size 0;
    upstream services {{ {servers} }}
    server {{
        listen unix:{folder}/proxy.sock;
        location / {{
            proxy_pass http://services;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering {buffering};
        }}
    }}
}}
"""
HAPROXY = """
global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend all
    bind unix@{folder}/proxy.sock
    default_backend services
backend services
    {servers}
"""


@contextlib.contextmanager
def proxy(folder, kind, ports):
    """The socket of a proxy in front of these; an instance of its own, in a folder of its own."""
    name = kind.split()[0]
    program = shutil.which(name, path=SBIN)
    assert program, f"{name} is not installed: tools/install-packages test installs it"
    config = folder / "proxy.conf"
    if name == "nginx":
        servers = " ".join(f"server 127.0.0.1:{port};" for port in ports)
        config.write_text(NGINX.format(folder=folder, servers=servers,
                                       buffering="on" if kind == "nginx" else "off"))
        command = [program, "-p", str(folder), "-c", str(config)]
    else:
        servers = "\n    ".join(f"server s{port} 127.0.0.1:{port}" for port in ports)
        config.write_text(HAPROXY.format(folder=folder, servers=servers))
        command = [program, "-db", "-f", str(config)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    path = folder / "proxy.sock"
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(path))
            break
        except OSError:
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < end, f"{name} does not listen"
            time.sleep(0.01)
    try:
        yield path
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def get(where, path):
    with contextlib.closing(Connection(where)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["nginx", "nginx that streams", "haproxy"])
def test_every_proxy_hands_the_answer_on(services, tmp_path_factory, files, kind, size):
    nasty = services("nasty", *QUIET)
    with proxy(tmp_path_factory.mktemp("p"), kind, [nasty.port]) as where:
        for path, status in REFUSALS.items():
            assert by_python(where, path, files[size]) == status
            assert by_curl(where, path, files[size]) == status
            assert get(where, "/hello") == 200


@pytest.mark.parametrize("kind", ["nginx", "nginx that streams"])
def test_posts_by_anybody_take_no_backend_away(services, tmp_path_factory, files, kind):
    """nginx takes a backend out for 10 s after its first failure (max_fails=1)."""
    ports = [services("nasty", *QUIET).port for _ in range(2)]
    with proxy(tmp_path_factory.mktemp("p"), kind, ports) as where:
        for _ in range(3):
            assert by_python(where, "/hello", files[3_000_000]) == 405
        assert [get(where, "/hello") for _ in range(4)] == [200] * 4


# --- and its limits -----------------------------------------------------------------------------

def test_nobody_sends_for_ever(services):
    """What is past the budget ends the connection, whatever its client thinks of it."""
    nasty = services("nasty", *QUIET, "--linger-bytes-max=1M")
    with nasty.connect() as connection:
        connection.sendall(b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(1000):
                connection.sendall(b"x" * 1_000_000)
    nasty.wait_metric("weir_http_connections", lambda n: n == 0)
