"""Who the client is when proxies stand in front: HAProxy and nginx, as they are in Debian.

The client comes from 127.0.0.5, the proxies from 127.0.0.1, and that one alone is trusted. Each proxy
gets its listening socket from here, so that its port is the kernel's choice.
"""
import contextlib
import http.client
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from urllib.parse import quote

import pytest

from conftest import PATIENCE, read_all, run

SBIN = "/usr/sbin:/usr/bin:/usr/local/sbin"
TRUSTED = ["--stall=0", "--workers=2", "--trusted=127.0.0.1"]
CLIENT = "127.0.0.5"

HAPROXY = """
global
    maxconn 64
defaults
    mode {mode}
    timeout connect 5s
    timeout client 20s
    timeout server 20s
listen all
    bind fd@{fd}
    {option}
    server one 127.0.0.1:{port} {send}
"""
# With an inherited socket nginx needs its master: alone it ends with SIGSEGV (1.22).
NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    server {{
        listen 127.0.0.1:{listen};
        location / {{
            proxy_pass http://127.0.0.1:{port};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header {field};
        }}
    }}
}}
"""


def find(name):
    program = shutil.which(name, path=SBIN)
    if program is None:
        pytest.skip(f"{name} is not here")
    return program


@contextlib.contextmanager
def running(command, listener, env=None):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, env={**os.environ, **(env or {})},
                               pass_fds=[listener.fileno()])
    try:
        yield listener.getsockname()[1]
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


@contextlib.contextmanager
def haproxy(folder, port, mode="http", option="", send=""):
    """In front of a port; what it listens on is there before it runs, and waits for it."""
    program = find("haproxy")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = folder / "haproxy.conf"
        config.write_text(HAPROXY.format(mode=mode, option=option, send=send, port=port, fd=listener.fileno()))
        with running([program, "-db", "-f", str(config)], listener) as at:
            yield at


@contextlib.contextmanager
def nginx(folder, port, field):
    program = find("nginx")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, listen=listener.getsockname()[1], port=port, field=field))
        command = [program, "-p", str(folder), "-c", str(config)]
        with running(command, listener, {"NGINX": f"{listener.fileno()};"}) as at:
            yield at


def ask(port, headers=None, paths=("/ip",)):
    """What the service takes the client's address for, on one connection from CLIENT."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE, source_address=(CLIENT, 0))
    with contextlib.closing(connection):
        answers = []
        for path in paths:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            assert response.status == 200
            answers.append(response.read().decode())
        return answers if len(answers) > 1 else answers[0]


# --- the PROXY protocol ---------------------------------------------------------------------------

@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c"])
@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_haproxy_says_whose_connection_it_is(services, tmp_path, mode, send):
    starter = services("starter", *TRUSTED, "--proxy-protocol")
    with haproxy(tmp_path, starter.port, mode=mode, send=send) as port:
        assert ask(port, paths=["/ip"] * 3) == [CLIENT] * 3
    starter.wait_said(rf'"client":"{CLIENT}"')


def test_haproxys_health_checks_are_its_own(services, tmp_path):
    """LOCAL in version 2: what the proxy asks for itself."""
    starter = services("starter", *TRUSTED, "--proxy-protocol")
    with haproxy(tmp_path, starter.port, option="option httpchk GET /ip",
                 send="send-proxy-v2 check inter 100ms") as port:
        assert ask(port) == CLIENT
        starter.wait_said(r'"path":"/ip".*"client":"127.0.0.1"')


@pytest.mark.parametrize("bytes_sent, reason", [
    (b"GET /ip HTTP/1.1\r\nHost: a\r\n\r\n", "no PROXY header"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "malformed PROXY header"),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", "longer than 2,048 bytes"),
    (b"PROXY TC", "ended within its PROXY header"),
])
def test_a_wrong_header_closes_with_one_line(services, bytes_sent, reason):
    starter = services("starter", *TRUSTED, "--proxy-protocol")
    assert starter.raw(bytes_sent) == b""
    starter.wait_said(rf'"msg":"refused".*{reason}.*"client":"127.0.0.1"')
    assert len([line for line in starter.out if '"msg":"refused"' in line]) == 1


def test_others_are_not_asked_for_a_header(services):
    starter = services("starter", *TRUSTED, "--proxy-protocol")
    assert ask(starter.port) == CLIENT
    with socket.create_connection(("127.0.0.1", starter.port), PATIENCE, (CLIENT, 0)) as stranger:
        stranger.sendall(b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET /ip HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_all(stranger).startswith(b"HTTP/1.1 400 ")


# --- fields ---------------------------------------------------------------------------------------

LIES = {"X-Forwarded-For": "6.6.6.6, 10.0.0.1", "Forwarded": "for=6.6.6.6"}


def test_haproxy_names_the_client_in_x_forwarded_for(services, tmp_path):
    starter = services("starter", *TRUSTED)
    with haproxy(tmp_path, starter.port, option="option forwardfor") as port:
        assert ask(port) == CLIENT
        assert ask(port, LIES) == CLIENT
    starter.wait_said(rf'"client":"{CLIENT}"')


def test_nginx_names_the_client_in_x_forwarded_for(services, tmp_path):
    starter = services("starter", *TRUSTED)
    with nginx(tmp_path, starter.port, "X-Forwarded-For $proxy_add_x_forwarded_for") as port:
        assert ask(port) == CLIENT
        assert ask(port, LIES) == CLIENT


def test_nginx_names_the_client_in_forwarded(services, tmp_path):
    starter = services("starter", *TRUSTED, "--client-field=forwarded")
    with nginx(tmp_path, starter.port, 'Forwarded "$http_forwarded, for=$remote_addr"') as port:
        assert ask(port) == CLIENT
        assert ask(port, LIES) == CLIENT


def test_who_is_not_trusted_is_not_believed(services):
    starter = services("starter", *TRUSTED)
    assert ask(starter.port, LIES) == CLIENT
    nobody = services("starter", "--stall=0")
    assert ask(nobody.port, LIES) == CLIENT
    assert nobody.get("/ip", headers=LIES).text == "127.0.0.1"


# --- deadlines ------------------------------------------------------------------------------------

class Last(http.server.BaseHTTPRequestHandler):
    """The end of a chain: says what it is told about time."""

    def do_GET(self):
        body = self.headers["Weir-Deadline-Ms"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def last():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Last) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def chain(services, end, trusted):
    """Three services, each of which asks the next; the first has 5 s for it, the others 30 s."""
    third = services("asker", f"--upstream=http://127.0.0.1:{end}", *trusted)
    second = services("asker", f"--upstream=http://127.0.0.1:{third.port}", *trusted)
    first = services("asker", f"--upstream=http://127.0.0.1:{second.port}", "--handler-timeout=5s")
    text = first.get("/get?to=" + quote("/get?to=" + quote("/get?to=/"))).text
    for _ in range(3):
        told = json.loads(text)
        assert told["status"] == 200, told
        text = told["body"]
    return int(text)


def test_a_deadline_goes_along_a_chain_of_three_services(services):
    with last() as end:
        assert 0 < chain(services, end, ["--trusted=127.0.0.1"]) <= 5000
        assert 5000 < chain(services, end, []) <= 30000


# --- options --------------------------------------------------------------------------------------

@pytest.mark.parametrize("flags, said", [
    (["--trusted=10.0.0.0/8,nonsense"], r"trusted.*nonsense"),
    (["--trusted=10.1.0.0/8"], r"trusted.*no bits set beside"),
    (["--proxy-protocol"], r"proxy_protocol: nobody is trusted"),
    (["--client-field=x-real-ip"], r"client-field.*x-forwarded-for"),
    (["--deadline-header=a b"], r"deadline-header.*a header's name"),
])
def test_mistakes_are_named(flags, said):
    status, out = run("starter", *flags)
    assert status == 1
    assert re.search(said, out), out
