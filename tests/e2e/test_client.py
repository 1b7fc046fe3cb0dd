"""The HTTP client against real peers: Python's servers, nginx, and sockets that misbehave."""
import concurrent.futures
import http.server
import pathlib
import shutil
import socket
import subprocess
import threading
import time

import pytest
from conftest import PATIENCE

BODY = bytes(range(256)) * 4000


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunks(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(BODY), 70001):
            piece = BODY[at:at + 70001]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\nX-Sum: 7\r\n\r\n")

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def do_GET(self):
        if self.path == "/big":
            self.answer(BODY)
        elif self.path == "/chunks":
            self.chunks()
        elif self.path == "/gone":
            self.answer(b"gone", 410)
        elif self.path == "/headers":
            self.answer(str(self.headers).encode())
        else:
            self.answer(b"hello", X_Test="yes")

    def do_POST(self):
        body = self.body()
        self.answer(body if self.path == "/echo" else b"%d" % len(body))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    connections = 0

    def get_request(self):
        self.connections += 1
        return super().get_request()


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as it:
        thread = threading.Thread(target=it.serve_forever, daemon=True)
        thread.start()
        yield it
        it.shutdown()
        thread.join(timeout=PATIENCE)


def asker(services, upstream, *flags):
    return services("asker", f"--upstream={upstream}", "--workers=1", *flags)


def at(server):
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_it_asks_and_reads(services, server):
    ours = asker(services, at(server))
    told = ours.get("/get?to=/").json
    assert (told["status"], told["body"], told["header"], told["error"]) == (200, "hello", "yes", "")
    assert ours.get("/get?to=/gone").json["status"] == 410
    for path in "/big", "/chunks":
        told = ours.get(f"/count?to={path}").json
        assert (told["status"], told["bytes"], told["error"]) == (200, len(BODY), "")
    assert told["trailer"] == "7"
    assert ours.post("/item", b"").json == {"id": 42, "name": "pén"}
    assert ours.post("/upload?to=/length", b"").json["body"] == "1000000"
    headers = ours.get("/get?to=/headers").json["body"]
    assert f"Host: 127.0.0.1:{server.server_address[1]}" in headers
    assert "traceparent: 00-" in headers


def test_connections_are_used_again(services, server):
    """E12: above 0.99 under load."""
    ours = asker(services, at(server))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(answer.json["body"] == "hello"
                   for answer in pool.map(lambda _: ours.get("/get?to=/"), range(2000)))
    opened = ours.metric("weir_client_connections_total", state="opened")
    reused = ours.metric("weir_client_connections_total", state="reused")
    assert opened == server.connections and opened + reused == 2000
    assert reused / (opened + reused) > 0.99
    assert ours.metric("weir_client_requests_total", client="upstream", outcome="2xx") == 2000


def test_what_is_forgotten_is_given_back(services, server):
    """B7: descriptors and pool stay flat."""
    ours = asker(services, at(server))
    for path in "/", "/big", "/chunks":
        assert ours.get(f"/forget?to={path}").text == "forgotten\n"
    before = ours.fewest_fds()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for path in "/", "/big", "/chunks":
            assert all(answer.status == 200 for answer in
                       pool.map(lambda _, to=path: ours.get(f"/forget?to={to}"), range(200)))
    ours.wait_metric("weir_pool_in_use", lambda n: n == 0)
    ours.wait_fds(before + 8)


def test_each_hop_has_less_time(services):
    """D7: what is left goes along, and the last of three sees less than the first."""
    last = services("asker", "--workers=1")
    middle = asker(services, f"http://127.0.0.1:{last.port}")
    first = asker(services, f"http://127.0.0.1:{middle.port}")
    left = [int(ms) for ms in first.get("/hop").text.split()]
    assert len(left) == 3 and left[2] == 300
    assert left[0] <= left[1] - 20 <= left[2] - 40


class Peer:
    """Sends the same bytes to whoever connects, when it has asked; then does as it is told."""

    def __init__(self, answer, then):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.answer, self.then, self.kept = answer, then, []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.recv(65536)
            connection.sendall(self.answer)
            if self.then == "close":
                connection.close()
            self.kept.append(connection)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(timeout=PATIENCE)
        for connection in self.kept:
            connection.close()


HEAD = b"HTTP/1.1 200 OK\r\n"
BAD = {
    "cut": (HEAD + b"Conte", "close", "cut before there was a whole head"),
    "short": (HEAD + b"Content-Length: 9\r\n\r\nhello", "close", "cut after 5 bytes of the body, 4 too early"),
    "silent": (b"", "wait", "not an answer in time"),
    "stalled": (HEAD + b"Content-Length: 9\r\n\r\nhello", "wait", "nothing more came in time, after 5 bytes"),
    "no http": (b"220 smtp.example\r\n", "wait", "status line of HTTP"),
    "two lengths": (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "wait",
                    "more than one Content-Length"),
    "large head": (HEAD + b"X: y\r\n" * 20000, "wait", "at most 32768 bytes in 100 lines"),
    "bad chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "wait", "malformed body"),
}


@pytest.mark.parametrize("kind", BAD)
def test_each_failure_is_told_in_time(services, kind):
    answer, then, message = BAD[kind]
    peer = Peer(answer, then)
    try:
        ours = asker(services, f"http://127.0.0.1:{peer.listener.getsockname()[1]}", "--answer-ms=300")
        before = time.monotonic()
        told = ours.get("/get?to=/x").json
        assert message in told["message"] and told["error"]
        assert told["message"].startswith("GET http://127.0.0.1:")
        assert time.monotonic() - before < PATIENCE / 2
        ours.wait_metric("weir_pool_open", lambda n: n == 0)
    finally:
        peer.stop()


def test_who_is_not_there_is_told(services, server):
    ours = asker(services, at(server))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    told = ours.get(f"/get?to=http://127.0.0.1:{port}/").json
    assert "there is no connection: Connection refused" in told["message"]
    told = ours.get("/get?to=http://no.such.name.invalid/").json  # RFC 6761 section 6.4
    assert told["message"].startswith("GET http://no.such.name.invalid:80/: there is no connection: ")


NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 128; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    keepalive_requests 10;
    types {{ text/plain txt; }}
    server {{ listen unix:{folder}/nginx.sock; root {folder}/files; }}
}}
"""


@pytest.fixture
def nginx(tmp_path):
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    assert program, "nginx is not installed: tools/install-packages test installs it"
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "big.txt").write_bytes(BODY)
    (tmp_path / "files" / "small.txt").write_bytes(b"hello")
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path))
    process = subprocess.Popen([program, "-e", "stderr", "-c", str(tmp_path / "nginx.conf")],
                               stderr=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE
    while not (tmp_path / "nginx.sock").exists():
        assert time.monotonic() < end and process.poll() is None, "nginx does not listen"
        time.sleep(0.01)
    yield pathlib.Path(tmp_path / "nginx.sock")
    process.terminate()
    process.wait(timeout=PATIENCE)


def test_nginx_by_a_local_socket(services, nginx):
    """It ends each connection after ten requests: none of ours is lost by that."""
    ours = asker(services, f"unix:{nginx}")
    for _ in range(100):
        assert ours.get("/get?to=/small.txt").json["body"] == "hello"
    assert ours.get("/count?to=/big.txt").json["bytes"] == len(BODY)
    assert ours.get("/get?to=/none.txt").json["status"] == 404
    assert ours.metric("weir_client_connections_total", state="opened") <= 12
    assert ours.metric("weir_client_requests_total", outcome="2xx") == 101
