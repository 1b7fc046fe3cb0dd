"""The reverse proxy and groups of upstreams, by the example gateway: real clients before it, real
servers behind it, and a server that dies under load."""
import concurrent.futures
import http.client
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import peers
import pytest
from conftest import BUILD, IS_SANITIZED, PATIENCE, SOURCE
from peers import BODY, Talker, serving

sys.path.insert(0, str(SOURCE / "tests" / "conformance"))
from requests_grammar import all_requests  # noqa: E402


class Handler(peers.Handler):
    def do_GET(self):
        if self.path == "/chunks":
            self.chunks()
        elif self.path == "/headers":
            self.answer(str(self.headers).encode())
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 500)
            self.wfile.flush()
            self.close_connection = True
        else:
            self.answer({"/big": BODY, "/huge": BODY * 32}.get(self.path, b"hello"), X_Test="yes")

    do_HEAD = do_GET

    def do_POST(self):
        self.answer(self.body())

    do_PUT = do_POST


@pytest.fixture
def server():
    with serving(Handler) as it:
        yield it.url


def gateway(services, *upstreams):
    return services("gateway", "--workers=2", "--upstreams=" + ",".join(upstreams))


def upstream(services, name, listen="127.0.0.1:0"):
    return services("gateway", f"--be={name}", f"--listen={listen}")


def at(service):
    return f"http://127.0.0.1:{service.port}"


# --- messages -------------------------------------------------------------------------------------

def test_bodies_go_through_whole_both_ways(services, server):
    ours = gateway(services, server)
    for path in "/big", "/chunks":
        assert ours.get(path).body == BODY
    assert ours.post("/echo", BODY).body == BODY
    connection = http.client.HTTPConnection("127.0.0.1", ours.port, timeout=PATIENCE)
    connection.request("PUT", "/echo", (BODY[i:i + 9999] for i in range(0, len(BODY), 9999)),
                       encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert connection.getresponse().read() == BODY
    connection.request("HEAD", "/big")
    answer = connection.getresponse()
    assert (answer.getheader("Content-Length"), answer.read()) == (str(len(BODY)), b"")
    connection.close()
    headers = ours.get("/headers", headers={"X-Forwarded-For": "6.6.6.6"}).text
    assert f"Host: 127.0.0.1:{ours.port}" in headers and "6.6.6.6" not in headers
    assert "X-Forwarded-For: 127.0.0.1" in headers and "Via: 1.1 weir" in headers


def test_a_cut_answer_is_no_short_one(services, server):
    ours = gateway(services, server)
    with pytest.raises(http.client.IncompleteRead):
        ours.get("/cut")
    assert ours.get("/").text == "hello"


def test_curl_and_http2_before_http1(services, server):
    ours = gateway(services, server)
    for flags in [], ["--http2-prior-knowledge"]:
        done = subprocess.run(["curl", "-sS", "-w", "%{http_version} %{http_code}", "-o", "/dev/null",
                               *flags, f"{at(ours)}/big"], capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.stdout in ("1.1 200", "2 200"), done
        done = subprocess.run(["curl", "-sS", *flags, "--data-binary", "@-", f"{at(ours)}/echo"],
                              input=BODY, capture_output=True, timeout=PATIENCE)
        assert done.stdout == BODY


def test_h2load_through_it(services):
    ours = gateway(services, at(upstream(services, "one")), at(upstream(services, "two")))
    done = subprocess.run(["h2load", "-n", "2000", "-c", "4", "-m", "16", f"{at(ours)}/hello"],
                          capture_output=True, text=True, timeout=PATIENCE * 2)
    assert "2000 succeeded, 0 failed" in done.stdout, done.stdout
    each = [ours.metric("weir_client_target_requests_total", target=line, outcome="ok")
            for line in set(re.findall(r'target="([^"]+)"', ours.admin("/metrics").text))]
    assert sum(each) == 2000 and min(each) > 900


def test_memory_stays_flat(services, server):
    """A reader that is slow slows the upstream; nothing piles up in between."""
    ours = gateway(services, server)
    ours.get("/big")
    before = ours.resident()
    clients = [ours.connect() for _ in range(30)]
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")
    ours.wait_metric("weir_pool_in_use", lambda n: n == 30)
    if not IS_SANITIZED:  # whose allocators keep what is freed
        assert ours.resident() - before < 8 << 20  # of 30 answers of 32 MB each
    for client in clients:
        client.close()
    ours.wait_metric("weir_pool_in_use", lambda n: n == 0)  # a client gone: its upstream too


# --- upgrades -------------------------------------------------------------------------------------

class Echo(Talker):
    """Changes to a protocol in which each byte comes back, in upper case, until "q"."""

    def __init__(self):
        self.ended = 0
        super().__init__()

    def talk(self, connection):
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(4096)
                if not piece:
                    return
                head += piece
            if b"upgrade: echo" not in head.lower():
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                return
            connection.sendall(b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"
                               b"X-Accept: yes\r\n\r\nREADY")
            while (piece := connection.recv(4096)) and b"q" not in piece:
                connection.sendall(piece.upper())
        self.ended += 1


def test_upgrades_go_both_ways(services):
    behind = Echo()
    ours = gateway(services, behind.url)
    before = ours.fewest_fds()

    def talk(i):
        with ours.connect() as client:
            client.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            got = b""
            while not got.endswith(b"READY"):
                got += client.recv(4096)
            assert got.startswith(b"HTTP/1.1 101 ") and b"X-Accept: yes\r\n" in got
            for _ in range(20):
                client.sendall(b"ping%d" % i)
                back = b""
                while len(back) < len(b"ping%d" % i):
                    back += client.recv(4096)
                assert back == b"PING%d" % i
            if i % 2:
                client.sendall(b"q")
                assert client.recv(10) == b""  # the upstream ends it
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(talk, range(40)))
    ours.wait_until(lambda: behind.ended, lambda n: n == 40, "ended conversations")
    behind.close()
    ours.wait_fds(before + 8)


# --- one request stays one ------------------------------------------------------------------------

class Recorder(Talker):
    """Takes requests as strictly as it can and counts them; what it cannot read it keeps."""

    def __init__(self):
        self.requests, self.odd = [], []
        super().__init__()

    def talk(self, connection):
        with connection, connection.makefile("rb") as lines:
            while (line := lines.readline()):
                head = [line]
                while (line := lines.readline()) not in (b"\r\n", b""):
                    head.append(line)
                fields = [field.lower().split(b":", 1) for field in head[1:]]
                if not all(re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n", f) for f in head[1:]):
                    self.odd.append(head)
                lengths = [value.strip() for name, value in fields if name == b"content-length"]
                codings = [value.strip() for name, value in fields if name == b"transfer-encoding"]
                if len(lengths) + len(codings) > 1 or codings not in ([], [b"chunked"]):
                    self.odd.append(head)
                self.requests.append(head[0])
                if lengths:
                    lines.read(int(lengths[0]))
                elif codings:
                    while (size := int(lines.readline() or b"0", 16)):
                        lines.read(size)
                        lines.readline()
                    while (line := lines.readline()) not in (b"\r\n", b""):  # what follows a body
                        if not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n", line):
                            self.odd.append([line])
                        if re.match(rb"(?i)(content-length|transfer-encoding|host|connection):", line):
                            self.odd.append([line])
                if b"GET /healthy " in head[0]:
                    self.requests.pop()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def test_one_request_never_becomes_two(services):
    """What other proxies would hand on in two readings is one request behind this one, or none."""
    behind = Recorder()
    ours = gateway(services, behind.url)
    count, first_lines = 600 if IS_SANITIZED else 2000, set()
    for request in all_requests(count, seed=7):
        data = request.head() + request.body()
        first_lines.add(data.lstrip(b"\r\n").split(b"\n")[0])
        try:
            ours.raw(data)
        except ConnectionResetError:
            pass  # the refusal of a request of which more was to come
    behind.close()
    assert not behind.odd
    assert count / 8 < len(behind.requests) <= count
    for line in behind.requests:
        target = line.split(b" ")[1]
        assert target not in (b"/hidden", b"/marker") and any(target in f for f in first_lines), line


# --- an upstream that dies ------------------------------------------------------------------------

def test_nothing_is_lost_when_an_upstream_dies_and_returns(services):
    """L6, L7: 10,000 requests; whoever is not told of an error has the right answer."""
    one, two = upstream(services, "one"), upstream(services, "two")
    ours = gateway(services, at(one), at(two))
    count = 2000 if IS_SANITIZED else 10000
    ours.get("/hello")
    before = ours.fewest_fds()
    state = {"done": 0}

    def ask(_):
        answer = ours.get("/hello")
        state["done"] += 1
        return answer.status, answer.text

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = pool.map(ask, range(count))
        while state["done"] < count // 4:
            time.sleep(0.001)
        two.process.send_signal(signal.SIGKILL)
        two.process.wait(PATIENCE)
        two.is_clean, two.expected_status = False, -signal.SIGKILL
        while state["done"] < count // 2:
            time.sleep(0.001)
        again = upstream(services, "two", f"127.0.0.1:{two.port}")
        answers = list(answers)
    assert {status for status, _ in answers} == {200}  # the client's own retry has hidden it
    assert {text for _, text in answers} == {"hello from one\n", "hello from two\n"}
    ours.wait_metric("weir_client_target_up", lambda n: n == 2)
    ours.wait_until(lambda: ours.get("/hello").text, lambda t: t == "hello from two\n", "who answers")
    assert ours.metric("weir_client_target_requests_total", target=at(two), outcome="failed") > 0
    ours.wait_fds(before + 16)
    assert again.metric("weir_http_connections_open") >= 0


def test_all_out_is_told_at_once(services):
    one = upstream(services, "one")
    ours = gateway(services, at(one))
    assert ours.get("/hello").text == "hello from one\n"
    assert one.post("/break", b"").status == 200
    ours.wait_metric("weir_client_target_up", lambda n: n == 0)
    answer = ours.get("/hello")
    assert (answer.status, "no upstream is available" in answer.text) == (503, True)
    ours.wait_said("all 1 targets are out")
    assert one.post("/mend", b"").status == 200
    ours.wait_metric("weir_client_target_up", lambda n: n == 1)
    assert ours.get("/hello").text == "hello from one\n"
    drained = ours.post(f"/gateway/drain?target={at(one)}&on=1", b"")
    assert drained.status == 200 and ours.get("/hello").status == 503
    assert ours.post(f"/gateway/drain?target={at(one)}&on=0", b"").status == 200
    assert ours.get("/hello").status == 200


def test_nginx_behind_it(services, tmp_path):
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    assert program, "nginx is not installed: tools/install-packages test installs it"
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "big").write_bytes(BODY)
    (tmp_path / "nginx.conf").write_text(f"""
daemon off; master_process off; worker_processes 1; pid {tmp_path}/pid; error_log {tmp_path}/error;
events {{}}
http {{
    access_log off; client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p;
    fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
    gzip on; gzip_proxied any; gzip_types *; gzip_min_length 1;
    server {{ listen unix:{tmp_path}/sock; root {tmp_path}/files; }}
}}""")
    process = subprocess.Popen([program, "-e", "stderr", "-c", str(tmp_path / "nginx.conf")],
                               stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while not (tmp_path / "sock").exists():
            assert time.monotonic() < end and process.poll() is None, "nginx does not listen"
            time.sleep(0.01)
        ours = gateway(services, f"unix:{tmp_path}/sock")
        assert ours.get("/big").body == BODY
        packed = ours.get("/big", headers={"Accept-Encoding": "gzip"})
        assert packed.headers["Content-Encoding"] == "gzip" and packed.body[:2] == b"\x1f\x8b"
        assert ours.get("/none").status == 404
    finally:
        process.terminate()
        process.wait(PATIENCE)


# --- the example ----------------------------------------------------------------------------------

def test_make_run_gateway():
    """What tools/run-gateway says can be tried is tried; its end is the end of all three."""
    process = subprocess.Popen([str(SOURCE / "tools" / "run-gateway"), str(BUILD),
                                "--listen=127.0.0.1:0", "--admin=off"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = ""
        while not (found := re.search(r"gateway listens on http://127.0.0.1:(\d+)", said)):
            line = process.stdout.readline()
            assert line, said
            said += line
        port = int(found.group(1))
        two = int(re.search(r"two at http://127.0.0.1:(\d+)", said).group(1))

        def ask(method, port, path):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request(method, path)
            answer = connection.getresponse()
            result = answer.status, answer.read().decode()
            connection.close()
            return result

        both = {ask("GET", port, "/hello") for _ in range(8)}
        assert both == {(200, "hello from one\n"), (200, "hello from two\n")}
        assert ask("POST", two, "/break")[0] == 200
        assert {ask("GET", port, "/hello") for _ in range(20)} == {(200, "hello from one\n")}
        assert ask("POST", two, "/mend")[0] == 200
        end = time.monotonic() + PATIENCE
        while ask("GET", port, "/hello") != (200, "hello from two\n"):
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(PATIENCE)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", two))
