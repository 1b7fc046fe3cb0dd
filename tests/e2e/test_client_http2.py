"""The HTTP client over HTTP/2 against real servers: our own, nghttpd, nginx and Go's."""
import concurrent.futures
import json
import pathlib
import shutil
import socket
import subprocess
import threading
import time

import pytest
from conftest import PATIENCE, Service
from peers import BODY
from test_client import running
from test_tls import certify, https_port

SBIN = "/usr/sbin:/usr/bin:/usr/local/sbin"
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 128; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    types {{ text/plain txt; }}
    keepalive_requests 50;
    ssl_certificate {cert}; ssl_certificate_key {key};
    server {{
        listen 127.0.0.1:{clear} http2; listen 127.0.0.1:{secure} ssl http2; root {folder}/files;
    }}
    {more}
}}
"""
NGINX_BEFORE = """
    server {{ listen 127.0.0.1:{port} http2; location / {{ proxy_pass {upstream}; }} }}
"""


@pytest.fixture(scope="module", autouse=True)
def with_http2():
    service = Service("asker", "--h2", "--upstream=http://127.0.0.1:1")
    service.process.wait(timeout=1) if "without HTTP/2" in service.text() else None
    try:
        service.wait_ready()
    except AssertionError:
        if "without HTTP/2" in service.text():
            pytest.skip("built without HTTP/2")
        raise
    service.check_end()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as it:
        return it.getsockname()[1]


@pytest.fixture
def server():
    with running() as it:
        yield it


@pytest.fixture
def files(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "big.txt").write_bytes(BODY)
    (tmp_path / "files" / "small.txt").write_bytes(b"hello")
    return tmp_path


@pytest.fixture
def started():
    """Starts programs that listen, and ends them."""
    made = []

    def start(command, port):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        made.append(process)
        end = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < end and process.poll() is None, f"{command[0]} does not listen"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)

    yield start
    for process in made:
        process.terminate()
        process.wait(timeout=PATIENCE)


def ask_files(ours, base):
    """Small and large ones, many at a time; how many connections that took."""
    def small(_):
        return ours.get(f"/get?to={base}/small.txt").json["body"]

    assert ours.get(f"/count?to={base}/big.txt").json["bytes"] == len(BODY)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(small, range(300))) == {"hello"}
        large = [pool.submit(ours.get, f"/count?to={base}/big.txt") for _ in range(16)]
        assert all(one.result().json["bytes"] == len(BODY) for one in large)
    assert ours.get(f"/get?to={base}/none.txt").json["status"] == 404
    for _ in range(20):
        assert ours.get(f"/forget?to={base}/big.txt").text == "forgotten\n"
    return ours.metric("weir_client_connections_total", state="opened")


def test_our_own_over_one_connection_a_worker(services):
    """A process of two workers asks itself."""
    ours = services("asker", "--workers=2", "--h2")
    base = f"http://127.0.0.1:{ours.port}"
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        texts = set(pool.map(lambda _: ours.get(f"/get?to={base}/hop").json["body"], range(500)))
    assert texts == {"300 "}
    assert ours.metric("weir_client_connections_total", state="opened") <= 2
    assert ours.metric("weir_client_requests_total", outcome="2xx") == 500


def test_our_own_takes_bodies(services):
    theirs = services("nasty", "--workers=2")
    ours = services("asker", f"--upstream=http://127.0.0.1:{theirs.port}", "--workers=1", "--h2")
    told = ours.post("/upload?to=/count", b"").json
    assert told["error"] == "" and told["status"] in (200, 404, 405)


@pytest.mark.skipif(shutil.which("nghttpd", path=SBIN) is None, reason="there is no nghttpd")
def test_nghttpd(services, started, files):
    port = free_port()
    started([shutil.which("nghttpd", path=SBIN), "--no-tls", "-a", "127.0.0.1", "-d", str(files / "files"),
             str(port)], port)
    ours = services("asker", "--workers=1", "--h2")
    assert ask_files(ours, f"http://127.0.0.1:{port}") == 1


def start_nginx(started, files, more=""):
    """Its two ports: in clear, and over TLS."""
    program = shutil.which("nginx", path=SBIN)
    assert program, "nginx is not installed: tools/install-packages test installs it"
    clear, secure = free_port(), free_port()
    certify(files, "ca")
    cert, key = certify(files, "server", by="ca")
    (files / "nginx.conf").write_text(NGINX.format(folder=files, clear=clear, secure=secure, cert=cert, key=key,
                                                   more=more))
    started([program, "-e", "stderr", "-c", str(files / "nginx.conf")], clear)
    return clear, secure


def test_what_the_client_can_do(services, started, files, server):
    """Python's server behind nginx, which is spoken to over HTTP/2: as in test_client.py over HTTP/1.1."""
    port = free_port()
    start_nginx(started, files, NGINX_BEFORE.format(port=port, upstream=server.url))
    base = f"http://127.0.0.1:{port}"
    ours = services("asker", f"--upstream={base}", "--workers=1", "--h2", "--retries=1")
    assert ours.get("/count?to=/packed").json["bytes"] == len(BODY)
    assert ours.post("/packed?to=/echo", b"text " * 1000).json["body"] == "text " * 1000
    assert ours.get("/get?to=/lead/3").json["body"] == "left=1"
    assert ours.get("/get?to=/busy-at-first").json["body"] == "well" and server.asked == 2
    assert ours.get("/get?to=/later").json["body"] == "well"
    assert server.times[1] - server.times[0] >= 1
    told = json.loads(ours.post("/form?to=/form", b"bytes\nof it" * 5000).json["body"])
    assert told == [["line", None, "pén"], ["file", "a %22b%22.bin", "bytes\nof it" * 5000]]
    assert ours.post("/upload?to=/length", b"").json["body"] == "1000000"
    assert ours.post("/item", b"").json == {"id": 42, "name": "pén"}
    headers = ours.get("/get?to=/headers").json["body"]
    assert "traceparent: 00-" in headers and "weir-deadline-ms: " in headers
    for path, message in (("/loop", "a loop of redirections"), ("/bomb", "unpacked it grows"),
                          ("/endless", "the body is over 4194304 bytes")):
        told = ours.get(f"/get?to={path}").json["message"]
        assert told.startswith(f"GET {base}{path}: ") and message in told
    assert ours.metric("weir_client_connections_total", state="opened") == 1


def test_what_is_slow_is_asked_beside(services, started, files, server):
    port = free_port()
    start_nginx(started, files, NGINX_BEFORE.format(port=port, upstream=server.url))
    server.slow = threading.Event()
    try:
        ours = services("asker", f"--upstream=http://127.0.0.1:{port}", "--workers=1", "--h2", "--hedge-ms=20",
                        f"--answer-ms={PATIENCE * 1000}")
        assert ours.get("/get?to=/slow-at-first").json["body"] == "well"
        assert server.asked == 2
    finally:
        server.slow.set()


def test_nginx(services, started, files):
    """In clear and over TLS, where HTTP/2 is agreed on; it ends each connection after fifty requests."""
    clear, secure = start_nginx(started, files)
    ours = services("asker", "--workers=1", "--h2")
    assert ask_files(ours, f"http://127.0.0.1:{clear}") <= 20
    over_tls = services("asker", "--workers=1", f"--ca={files / 'ca.pem'}")
    opened = ask_files(over_tls, f"https://localhost:{secure}")
    assert opened <= 20  # over HTTP/1.1 sixteen at a time would each have had their own, seven times
    group = services("asker", "--workers=1", f"--ca={files / 'ca.pem'}", f"--targets=https://localhost:{secure}")
    assert ask_files(group, "") <= 20


def test_our_own_over_tls(services, files):
    certify(files, "ca")
    cert, key = certify(files, "server", by="ca")
    theirs = services("hello", "--tls-listen=127.0.0.1:0", f"--tls-cert={cert}", f"--tls-key={key}")
    ours = services("asker", "--workers=1", f"--ca={files / 'ca.pem'}")
    base = f"https://localhost:{https_port(theirs)}"
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert {answer.json["status"] for answer in
                pool.map(lambda _: ours.get(f"/get?to={base}/"), range(200))} == {200}
    assert ours.metric("weir_client_connections_total", state="opened") == 1


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no go")
def test_go(services, started, files, tmp_path_factory):
    program = tmp_path_factory.mktemp("go") / "files"
    done = subprocess.run(["go", "build", "-o", program, pathlib.Path(__file__).parent / "files.go"],
                          capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    certify(files, "ca")
    cert, key = certify(files, "server", by="ca")
    port = free_port()
    started([program, f"127.0.0.1:{port}", cert, key, files / "files"], port)
    ours = services("asker", "--workers=1", f"--ca={files / 'ca.pem'}")
    base = f"https://localhost:{port}"
    assert ask_files(ours, base) == 1
    told = ours.post(f"/upload?to={base}/version", b"").json
    assert told["body"] == "HTTP/2.0 1000000"
