"""Weir against nginx: both get the same 2,000 requests, and where they do not agree a reason is given.

Behind every request stands another one, the marker, so it shows where each of the two saw the end of
the first. The differences stand in nginx.md: one that is not there fails the test, and so does one
that is there and does not occur any more.
"""
import collections
import concurrent.futures
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest
from e2e import IS_SANITIZED, PATIENCE
from requests_grammar import MARKER, all_requests

COUNT = 2000
SEED = 9112
WAITS_FOR = 2.0  # seconds that both servers wait for what is missing
AT_A_TIME = 16  # connections to each: few, so that nobody waits for long who is not made to
ECHO = pathlib.Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
TABLE = pathlib.Path(__file__).with_name("nginx.md")

CONFIG = """
load_module {echo};
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    client_header_timeout {waits}ms;
    client_body_timeout {waits}ms;
    client_body_buffer_size 64k;
    keepalive_timeout {waits}ms;
    default_type text/plain;
    server {{
        listen unix:{folder}/nginx.sock;
        location / {{
            echo_read_request_body;
            echo -n "$request_method ";
            echo_request_body;
        }}
    }}
}}
"""


@pytest.fixture
def nginx(tmp_path_factory):
    """An instance of its own on a socket of its own; nothing of the system's is used."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    assert program, "nginx is not installed: tools/install-packages test installs it"
    assert ECHO.is_file(), f"{ECHO} is not there: nginx-light of Debian brings it"
    folder = tmp_path_factory.mktemp("n")
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, echo=ECHO, waits=int(WAITS_FOR * 1000)))
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(config)],
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    path = str(folder / "nginx.sock")

    def dial():
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(path)
        return connection

    end = time.monotonic() + PATIENCE
    while True:
        try:
            dial().close()
            break
        except OSError:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end, "nginx does not listen"
            time.sleep(0.01)
    yield dial
    process.terminate()
    process.wait(timeout=PATIENCE)


def converse(dial, data):
    """All that comes back up to the end of the connection, and how long that took."""
    began = time.monotonic()
    answer = b""
    with dial() as connection:
        try:
            connection.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        while True:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            answer += piece
    return answer, time.monotonic() - began


def next_answer(data, is_head):
    """(status, body, rest) of the first answer; None when there is none."""
    head, separator, rest = data.partition(b"\r\n\r\n")
    line = re.match(rb"HTTP/1\.1 (\d{3})", head)
    if not separator or not line:
        return None
    status = int(line.group(1))
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if status < 200 or status in (204, 304) or is_head:
        return status, b"", rest
    if length:
        n = int(length.group(1))
        return status, rest[:n], rest[n:]
    if re.search(rb"(?i)\r\ntransfer-encoding: chunked", head):
        body = b""
        while True:
            size, _, rest = rest.partition(b"\r\n")
            n = int(size, 16)
            if n == 0:
                return status, body, rest.partition(b"\r\n")[2]
            body, rest = body + rest[:n], rest[n + 2:]
    return status, rest, b""


def understood(request, answer, seconds):
    """What a server made of it, in words: "served, marker", "400", "served, waits" …"""
    words, is_first = [], True
    while answer:
        found = next_answer(answer, is_first and request.method == b"HEAD")
        if found is None:
            words.append("a body without a head")
            break
        status, body, answer = found
        if status == 100:
            continue
        if status >= 400 and not answer.startswith(b"HTTP/"):
            answer = b""  # a head that was not understood was none of HEAD either: it has a body
        if status == 408:
            break
        if status != 200:
            words.append(str(status))
        elif body == b"GET " and not is_first:
            words.append("marker")
        elif body == request.method + b" " + request.content or request.method == b"HEAD":
            words.append("served")
        elif body == request.method + b" ":
            words.append("served without its body")
        else:
            words.append("served with another body")
        is_first = False
    if seconds > WAITS_FOR * 0.95:
        words.append("waits")
    return ", ".join(words) or "closed"


def understand_all(dials, requests):
    """For each of the servers what it made of the requests, in their order."""
    def one(dial, request):
        data = request.bytes()
        if getattr(request, "is_cut", False):
            data = data[:-len(MARKER)]
        return understood(request, *converse(dial, data))

    pools = [concurrent.futures.ThreadPoolExecutor(AT_A_TIME) for _ in dials]
    asked = [[pool.submit(one, dial, request) for request in requests]
             for pool, dial in zip(pools, dials)]
    return [[answer.result() for answer in answers] for answers in asked]


def explained():
    """The rows of nginx.md: (what, ours, nginx's) and the reason."""
    rows = {}
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4 and cells[0] not in ("what", "---"):
            assert cells[3], f"no reason for {cells[:3]}"
            assert tuple(cells[:3]) not in rows, f"twice: {cells[:3]}"
            rows[tuple(cells[:3])] = cells[3]
    return rows


def test_where_we_differ_from_nginx_there_is_a_reason(services, nginx):
    requests = all_requests(COUNT if not IS_SANITIZED else COUNT // 4, SEED)
    wait = f"{int(WAITS_FOR * 1000)}ms"
    ours = services("mirror", "--workers=1", f"--head-timeout={wait}", f"--body-timeout={wait}",
                    f"--idle-timeout={wait}")
    found, agreed = collections.defaultdict(list), 0
    for request, mine, theirs in zip(requests, *understand_all([ours.connect, nginx], requests)):
        if mine == theirs:
            agreed += 1
        else:
            found[request.label, mine, theirs].append(request.bytes()[:600])
    reasons = explained()
    new = [f"| {' | '.join(key)} | | {len(examples)} times, as {examples[0]!r}"
           for key, examples in sorted(found.items()) if key not in reasons]
    assert not new, "differences without a reason:\n" + "\n".join(new)
    assert agreed > len(requests) // 3, f"only {agreed} requests are understood alike"
    if not IS_SANITIZED:
        stale = [" | ".join(key) for key in reasons if key not in found]
        assert not stale, "differences that do not occur:\n" + "\n".join(stale)


def test_the_valid_ones_are_served_by_both(services, nginx):
    requests = [r for r in all_requests(COUNT, SEED) if r.label == "valid"][:200]
    ours = services("mirror", "--workers=1")
    for answers in understand_all([ours.connect, nginx], requests):
        for request, words in zip(requests, answers):
            assert words == "served, marker", (words, request.bytes())
