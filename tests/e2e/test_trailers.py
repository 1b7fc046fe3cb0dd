"""Fields behind bodies, and both ways at once, as curl and nghttp see them: of a service, and of one
that stands behind the gateway."""
import re
import shutil
import socket
import subprocess

import pytest
from conftest import PATIENCE

VERSIONS = ["--http1.1", "--http2-prior-knowledge"]


@pytest.fixture
def both(services):
    """The service itself, and the gateway before it."""
    nasty = services("nasty", "--workers=2")
    front = services("gateway", "--workers=2", f"--upstreams=http://127.0.0.1:{nasty.port}")
    return nasty, front


def curl(service, version, body):
    """Head and trailers in one text, and the body."""
    done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE), version, "-D", "/dev/stderr",
                           "--data-binary", "@-", "-H", "Transfer-Encoding: chunked", "-H", "Expect:",
                           f"http://127.0.0.1:{service.port}/back"],
                          input=body, capture_output=True, timeout=PATIENCE + 5)
    told = done.stderr.decode()
    if "does not support" in told or "HTTP/2" not in told and version != "--http1.1":
        pytest.skip("without HTTP/2")
    assert done.returncode == 0, told
    return told, done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_curl_sees_what_follows_a_body(both, version):
    for service in both:
        told, body = curl(service, version, b"some bytes" * 50000)
        assert body == b"some bytes" * 50000
        assert re.search(r"(?mi)^trailer: x-sum\r?$", told)
        assert re.search(r"(?mi)^x-sum: 500000\r?$", told)


@pytest.mark.skipif(shutil.which("nghttp") is None, reason="there is no nghttp")
def test_nghttp_sends_and_gets_what_follows_a_body(both, tmp_path):
    (tmp_path / "body").write_bytes(b"x" * 100000)
    for service in both:
        done = subprocess.run(["nghttp", "-v", "--trailer=x-in: seven", f"--data={tmp_path / 'body'}",
                               f"http://127.0.0.1:{service.port}/back"],
                              capture_output=True, text=True, timeout=PATIENCE)
        if "HTTP/2" not in done.stdout and "SETTINGS" not in done.stdout:
            pytest.skip("built without HTTP/2")
        assert "x-sum: 100000" in done.stdout and "x-came: seven" in done.stdout, done.stdout[-2000:]
        behind = done.stdout[done.stdout.index("x-sum: 100000") - 400:]
        assert "END_STREAM" in behind and "HEADERS" in behind


def test_an_answer_comes_while_its_request_goes(both):
    for service in both:
        with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as connection:
            connection.sendall(b"POST /back HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            got = b""
            for i in range(20):
                piece = b"piece %02d of it" % i
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                while piece not in got:
                    more = connection.recv(4096)
                    assert more, got
                    got += more
            connection.sendall(b"0\r\nx-in: seven\r\n\r\n")
            while not got.endswith(b"\r\n\r\n") or b"x-came" not in got:
                more = connection.recv(4096)
                assert more, got
                got += more
            assert b"x-came: seven\r\n" in got.lower()
