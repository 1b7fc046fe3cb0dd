"""The HTTP client against real peers: Python's servers, nginx, and sockets that misbehave."""
import concurrent.futures
import contextlib
import email
import email.policy
import gzip
import json
import pathlib
import shutil
import socket
import subprocess
import threading
import time
import zlib

import peers
import pytest
from conftest import PATIENCE, run
from peers import BODY, Talker, serving
from test_tls import certify

BOMB = gzip.compress(bytes(64 << 20))  # before anybody waits for it


class Handler(peers.Handler):
    def packed(self):
        """All of BODY, in the coding that was asked for first."""
        asked = self.headers.get("Accept-Encoding", "").split(", ")[0]
        pack = {"gzip": gzip.compress, "deflate": zlib.compress}.get(asked, bytes)
        self.answer(pack(BODY), **({"Content_Encoding": asked} if asked else {}))

    def lead(self):
        """/lead/N leads to itself with one fewer, and counts in a cookie; /lead/0 tells of it."""
        left = int(self.path.rsplit("/", 1)[1])
        if left == 0:
            return self.answer(self.headers.get("Cookie", "").encode())
        return self.answer(b"", 302, Location=f"{left - 1}", Set_Cookie=f"left={left}; Path=/lead")

    def later(self):
        """Busy at first: for a second, it says."""
        self.server.times.append(time.monotonic())
        if len(self.server.times) == 1:
            return self.answer(b"", 503, Retry_After="1")
        return self.answer(b"well")

    def never_end(self, pause):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.server.is_over.wait(pause):
                self.wfile.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        self.close_connection = True

    def do_GET(self):
        if self.path == "/packed":
            self.packed()
        elif self.path == "/brotli":
            self.answer(b"\x0b\x02\x80hello\x03", Content_Encoding="br")
        elif self.path == "/bomb":
            self.answer(BOMB, Content_Encoding="gzip")
        elif self.path == "/loop":
            self.answer(b"", 302, Location="/loop")
        elif self.path.startswith("/away/"):
            self.answer(b"", 307, Location=self.path[len("/away/"):])
        elif self.path == "/later":
            self.later()
        elif self.path in ("/endless", "/trickle"):
            self.never_end(0 if self.path == "/endless" else 0.02)
        elif self.path.startswith("/who"):
            self.server.who()
            self.answer(b"%d" % self.server.server_address[1], 503 if self.server.is_down else 200)
        elif self.path.startswith("/lead/"):
            self.lead()
        elif self.path == "/busy-at-first":
            self.server.asked += 1
            self.answer(b"well", 503 if self.server.asked == 1 else 200)
        elif self.path == "/slow-at-first":
            self.server.asked += 1
            if self.server.asked == 1:
                self.server.slow.wait(PATIENCE)
            self.answer(b"well")
        elif self.path == "/big":
            self.answer(BODY)
        elif self.path == "/chunks":
            self.chunks(trailer=b"X-Sum: 7\r\n")
        elif self.path == "/gone":
            self.answer(b"gone", 410)
        elif self.path == "/headers":
            self.answer(str(self.headers).encode())
        else:
            self.answer(b"hello", X_Test="yes")

    def do_POST(self):
        body = self.body()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/form":
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            parts = email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts()
            told = [(p.get_param("name", header="content-disposition"), p.get_filename(),
                     p.get_payload(decode=True).decode()) for p in parts]
            return self.answer(json.dumps(told).encode())
        self.answer(body if self.path == "/echo" else b"%d" % len(body))


def running():
    return serving(Handler)


@pytest.fixture
def server():
    with running() as it:
        yield it


def asker(services, upstream, *flags):
    return services("asker", f"--upstream={upstream}", "--workers=1", *flags)


def test_it_asks_and_reads(services, server):
    ours = asker(services, server.url)
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
    ours = asker(services, server.url)
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
    ours = asker(services, server.url)
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


def test_packed_bodies_are_read(services, server):
    ours = asker(services, server.url)
    assert ours.get("/count?to=/packed").json["bytes"] == len(BODY)
    assert ours.get("/get?to=/packed").json["bytes"] == len(BODY)
    assert ours.post("/packed?to=/echo", b"text " * 1000).json["body"] == "text " * 1000


def test_brotli_is_read(services, server):
    if "br" not in asker(services, server.url).get("/get?to=/headers").json["body"]:
        pytest.skip("built without brotli")
    assert asker(services, server.url).get("/get?to=/brotli").json["body"] == "hello"


def test_secrets_and_traces_stay_with_their_host(services, server):
    with running() as other:
        ours = asker(services, server.url)
        secret = {"Authorization": "Basic eDp5"}
        there = ours.get("/get?to=/headers", headers=secret).json["body"]
        assert "Basic eDp5" in there and "traceparent: 00-" in there and "Weir-Deadline-Ms: " in there
        away = ours.get(f"/get?to=/away/{other.url}/headers", headers=secret).json["body"]
        assert f"Host: 127.0.0.1:{other.server_address[1]}" in away
        for part in "Basic", "traceparent", "Weir-Deadline-Ms":
            assert part not in away


def test_redirections_are_followed_with_cookies(services, server):
    ours = asker(services, server.url)
    told = ours.get("/get?to=/lead/3").json
    assert (told["status"], told["body"]) == (200, "left=1")
    assert "more than 10 redirections" in ours.get("/get?to=/lead/11").json["message"]


def test_what_is_busy_is_asked_again(services, server):
    ours = asker(services, server.url, "--retries=2")
    told = ours.get("/get?to=/busy-at-first").json
    assert (told["status"], told["body"]) == (200, "well")
    assert server.asked == 2 and ours.metric("weir_client_retries_total", client="upstream") == 1


def test_no_sooner_than_it_was_asked_to(services, server):
    ours = asker(services, server.url, "--retries=1")
    assert ours.get("/get?to=/later").json["body"] == "well"
    assert len(server.times) == 2 and server.times[1] - server.times[0] >= 1
    server.times.clear()
    assert ours.get("/get?to=/later&ms=500").json["status"] == 503  # the wait would end too late
    assert len(server.times) == 1


def test_retries_are_a_part_of_all_requests(services, server):
    server.is_down = True
    ours = asker(services, server.url, "--retries=1")
    before, calls = time.monotonic(), 400
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ours.get("/get?to=/who").json, range(calls)))
    assert {answer["status"] for answer in answers} == {503}
    most = calls / 5 + 100 + 10 * (time.monotonic() - before)
    retries = ours.metric("weir_client_retries_total", client="upstream")
    assert 100 <= retries <= most and ours.metric("weir_client_requests_total", outcome="5xx") == calls


def test_what_is_slow_is_asked_beside(services, server):
    server.slow = threading.Event()
    try:
        ours = asker(services, server.url, "--hedge-ms=20", f"--answer-ms={PATIENCE * 1000}")
        assert ours.get("/get?to=/slow-at-first").json["body"] == "well"
        assert server.asked == 2
        ours.wait_metric("weir_pool_in_use", lambda n: n == 0)
    finally:
        server.slow.set()


def test_a_form_is_read_by_python(services, server):
    ours = asker(services, server.url)
    told = json.loads(ours.post("/form?to=/form", b"bytes\nof it" * 5000).json["body"])
    assert told == [["line", None, "pén"], ["file", "a %22b%22.bin", "bytes\nof it" * 5000]]


class Peer(Talker):
    """Sends the same bytes to whoever connects, when it has asked; then does as it is told."""

    def __init__(self, answer, then):
        self.answer, self.then, self.kept = answer, then, []
        super().__init__()

    def talk(self, connection):
        connection.recv(65536)
        connection.sendall(self.answer)
        if self.then == "close":
            connection.close()
        self.kept.append(connection)

    def close(self):
        super().close()
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
        ours = asker(services, peer.url,
                     f"--answer-ms={300 if then == 'wait' else PATIENCE * 1000}")
        before = time.monotonic()
        told = ours.get("/get?to=/x").json
        assert message in told["message"] and told["error"]
        assert told["message"].startswith("GET http://127.0.0.1:")
        assert time.monotonic() - before < PATIENCE / 2
        ours.wait_metric("weir_pool_open", lambda n: n == 0)
    finally:
        peer.close()


def test_who_is_not_there_is_told(services, server):
    ours = asker(services, server.url)
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
    {more}
}}
"""


NGINX_TLS = """
    server {{
        listen 127.0.0.1:{port} ssl; root {folder}/files;
        ssl_certificate {folder}/it.pem; ssl_certificate_key {folder}/it.key; ssl_session_cache shared:it:1m;
        gzip on; gzip_types text/plain; gzip_min_length 20; gzip_http_version 1.0; gzip_proxied any;
    }}
"""


@pytest.fixture
def nginx(tmp_path):
    yield from run_nginx(tmp_path, "")


@pytest.fixture
def nginx_tls(tmp_path):
    """Its port, and a folder with its authority, ca.pem."""
    if "made without TLS" in run("hello", "--tls=dev", "--listen=nowhere")[1]:
        pytest.skip("a build without TLS")
    certify(tmp_path, "ca")
    certify(tmp_path, "it", by="ca")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for sock in run_nginx(tmp_path, NGINX_TLS.format(folder=tmp_path, port=port)):
        yield port, sock.parent


def run_nginx(tmp_path, more):
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    assert program, "nginx is not installed: tools/install-packages test installs it"
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "big.txt").write_bytes(BODY)
    (tmp_path / "files" / "small.txt").write_bytes(b"hello")
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path, more=more))
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


def test_nginx_by_https(services, nginx_tls):
    """Packed by nginx, over TLS that is verified; sessions go on when it ends a connection."""
    port, folder = nginx_tls
    ours = asker(services, f"https://localhost:{port}", f"--ca={folder}/ca.pem")
    (folder / "files" / "words.txt").write_text("some words " * 20000)
    for _ in range(25):
        told = ours.get("/get?to=/words.txt").json
        assert (told["status"], told["body"]) == (200, "some words " * 20000), told["message"]
    assert ours.get("/count?to=/big.txt").json["bytes"] == len(BODY)
    assert ours.metric("weir_client_connections_total", state="opened") >= 3
    assert ours.metric("weir_tls_handshakes_total", side="client", kind="resumed") >= 1


def test_a_certificate_is_refused_with_its_name(services, nginx_tls):
    port, folder = nginx_tls
    stranger = asker(services, f"https://localhost:{port}")
    told = stranger.get("/get?to=/small.txt").json["message"]
    assert told.startswith(f"GET https://localhost:{port}/small.txt: there is no connection: TLS: ")
    assert "the certificate is refused" in told
    named = asker(services, f"https://127.0.0.1:{port}", f"--ca={folder}/ca.pem")
    assert "mismatch" in named.get("/get?to=/small.txt").json["message"]


class Proxy(Talker):
    """CONNECT, as far as that takes: each host that is asked for is this machine."""

    def __init__(self):
        self.asked = []
        super().__init__()

    def pump(self, a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)

    def talk(self, connection):
        line = connection.recv(65536).split(b"\r\n")[0].decode()
        self.asked.append(line)
        other = socket.create_connection(("127.0.0.1", int(line.split()[1].rsplit(":", 1)[1])))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for a, b in ((connection, other), (other, connection)):
            threading.Thread(target=self.pump, args=(a, b), daemon=True).start()


def test_https_goes_through_a_proxy(services, nginx_tls):
    port, folder = nginx_tls
    proxy = Proxy()
    try:
        ours = asker(services, f"https://localhost:{port}", f"--ca={folder}/ca.pem",
                     f"--proxy={proxy.url}")
        for _ in range(3):
            assert ours.get("/get?to=/small.txt").json["body"] == "hello"
        assert proxy.asked == [f"CONNECT localhost:{port} HTTP/1.1"]
    finally:
        proxy.close()
