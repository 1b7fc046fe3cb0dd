"""HTTPS as its users meet it: OpenSSL's own client, Python's and curl's, certificates that change, mistakes."""
import http.client
import re
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

from conftest import PATIENCE, read_all, run

HTTPS = re.compile(r"https://127\.0\.0\.1:(\d+)")


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *arguments], capture_output=True, timeout=PATIENCE, **options)


def certify(folder, name, *, by=None, host="localhost"):
    """A key, and a certificate for `host` that is signed by `by`, or by itself."""
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    signer = ["-CA", folder / f"{by}.pem", "-CAkey", folder / f"{by}.key"] if by else []
    use = ["-addext", f"subjectAltName=DNS:{host}"] if by else []
    done = openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                   "-subj", f"/CN={name}", "-keyout", key, "-out", cert, *signer, *use)
    assert done.returncode == 0, done.stderr
    return str(cert), str(key)


@pytest.fixture(autouse=True)
def with_tls():
    if "made without TLS" in run("hello", "--tls=dev", "--listen=nowhere")[1]:
        pytest.skip("a build without TLS")


@pytest.fixture
def authority(tmp_path):
    certify(tmp_path, "ca")
    return tmp_path


def https_port(service):
    service.wait_said(HTTPS)
    return int(HTTPS.search(service.text()).group(1))


class Connection(http.client.HTTPConnection):
    """To localhost, as its certificate says, without asking the machine for that name: not every machine knows it."""

    def __init__(self, port, ca, own=None):
        super().__init__("localhost", port, timeout=PATIENCE)
        self.context = ssl.create_default_context(cafile=str(ca))
        if own:
            self.context.load_cert_chain(*own)

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        self.sock = self.context.wrap_socket(plain, server_hostname=self.host)


def get(port, ca, path="/", own=None):
    """Status, body, and whose certificate it was."""
    connection = Connection(port, ca, own)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        subject = dict(part[0] for part in connection.sock.getpeercert()["subject"])
        return answer.status, answer.read(), subject["commonName"]
    finally:
        connection.close()


def serve(services, cert, key, *flags):
    return services("hello", "--tls-listen=127.0.0.1:0", f"--tls-cert={cert}", f"--tls-key={key}", *flags)


def test_a_certificate_that_changes_is_served(services, authority):
    cert, key = certify(authority, "first", by="ca")
    service = serve(services, cert, key)
    port = https_port(service)
    old = Connection(port, authority / "ca.pem")
    old.request("GET", "/")
    assert old.getresponse().read()
    assert get(port, authority / "ca.pem")[2] == "first"
    second, second_key = certify(authority, "second", by="ca")
    shutil.copy(second, cert)
    service.signal(signal.SIGHUP)  # half of it: what was there stays
    service.wait_line("not reloaded, what was there stays: certificates: .*is not that of certificate")
    assert get(port, authority / "ca.pem")[2] == "first"
    shutil.copy(second_key, key)
    service.signal(signal.SIGHUP)
    service.wait_line("reloaded: certificates")
    assert get(port, authority / "ca.pem")[2] == "second"
    old.request("GET", "/")  # it has been there all the time
    assert old.getresponse().status == 200
    old.close()
    assert service.metric("weir_tls_handshakes_total", side="server", kind="full") >= 4
    assert service.metric("weir_tls_certificate_days_left") in (1, 2)  # of localhost
    assert service.metric("weir_tls_reloads_total", result="refused") == 1


def test_sessions_and_versions(services, authority):
    service = serve(services, *certify(authority, "first", by="ca"))
    port = https_port(service)
    to = ["s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-CAfile", authority / "ca.pem"]
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for version in "-tls1_2", "-tls1_3":
        session = authority / f"session{version}"
        first = openssl(*to, version, "-ign_eof", "-sess_out", session, input=request)
        assert b"HTTP/1.1 200 OK" in first.stdout and b"Verify return code: 0 (ok)" in first.stdout, first
        again = openssl(*to, version, "-ign_eof", "-sess_in", session, input=request)
        assert b"Reused, TLS" in again.stdout and b"HTTP/1.1 200 OK" in again.stdout, again
    old = openssl(*to, "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0", input=b"")
    assert old.returncode != 0 and b"HTTP/" not in old.stdout
    other = openssl(*to, "-alpn", "ftp", input=b"")
    assert b"no application protocol" in other.stderr, other
    assert openssl(*to, "-alpn", "h3,http/1.1", input=b"").stdout.count(b"ALPN protocol: http/1.1") == 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_version_is_agreed_on(services, authority):
    service = serve(services, *certify(authority, "first", by="ca"))
    port = https_port(service)
    ask = ["curl", "-sS", "--cacert", authority / "ca.pem", "-o", "/dev/null", "-w", "%{http_version}/%{http_code} "]
    for flag, version in (("--http1.1", "1.1"), ("--http2", "2")):
        done = subprocess.run([*ask, flag, *[f"https://localhost:{port}/"] * 3], capture_output=True, text=True,
                              timeout=PATIENCE)
        if version == "2" and "1.1" in done.stdout:
            pytest.skip("a build, or a curl, without HTTP/2")
        # -o is for the first alone: bodies of the others stand between.
        assert done.stdout.count(f"{version}/200 ") == 3, done


def test_clients_show_certificates(services, authority):
    service = serve(services, *certify(authority, "first", by="ca"), "--tls-client=require",
                    f"--tls-client-ca={authority / 'ca.pem'}")
    port = https_port(service)
    own = certify(authority, "client", by="ca")
    assert get(port, authority / "ca.pem", own=own)[0] == 200
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        get(port, authority / "ca.pem")
    service.wait_metric("weir_tls_failures_total", lambda n: n == 1, side="server", kind="no_certificate")


def test_plain_and_garbage(services, authority):
    service = serve(services, *certify(authority, "first", by="ca"))
    port = https_port(service)
    for data, expected in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"A plain request came to a port of TLS"),
                           (b"\x16\x03\x01\xff\xff" + b"x" * 100, b""), (b"\x00" * 50, b"")):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(data)
            answer = read_all(connection)
            assert expected in answer and (expected or b"HTTP" not in answer)
    assert get(port, authority / "ca.pem")[0] == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_a_certificate_for_development(services, tmp_path):
    for _ in range(2):  # the authority is made once
        service = services("hello", "--tls=dev", "--tls-listen=127.0.0.1:0", f"--tls-dev-dir={tmp_path}")
        port = https_port(service)
        service.wait_said("to trust it: curl --cacert")
        done = subprocess.run(["curl", "-sS", "--cacert", tmp_path / "weir-dev-ca.pem", f"https://localhost:{port}/"],
                              capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0 and done.stdout, done
        refused = subprocess.run(["curl", "-sS", f"https://localhost:{port}/"], capture_output=True, timeout=PATIENCE)
        assert refused.returncode == 60, refused
    assert (tmp_path / "weir-dev-ca.key").stat().st_mode & 0o777 == 0o600


def test_mistakes_stop_the_start(authority):
    cert, key = certify(authority, "first", by="ca")
    for flags, said in (([f"--tls-cert={cert}"], "--tls-cert without --tls-key"),
                        ([f"--tls-key={key}"], "--tls-key without --tls-cert"),
                        (["--tls=maybe"], '--tls: "maybe" is not allowed; want one of auto, dev, off'),
                        (["--tls=dev", f"--tls-cert={cert}", f"--tls-key={key}"], "--tls=dev makes a certificate itself"),
                        (["--tls-client=ask"], "--tls-client=ask without --tls-client-ca"),
                        (["--tls-client=ask", f"--tls-client-ca={cert}"], "--tls-client=ask without --tls-cert"),
                        (["--tls-min=1.1"], '--tls-min: "1.1"'),
                        ([f"--tls-cert={key}", f"--tls-key={key}"], f"certificate {key}: no certificate in it"),
                        ([f"--tls-cert={cert}", "--tls-key=/nowhere"], "key /nowhere: No such file"),
                        ([f"--tls-cert={cert}", f"--tls-key={key}", "--tls-ciphers=ROT13"], '"ROT13" is none')):
        status, out = run("hello", "--listen=127.0.0.1:0", "--admin=off", "--tls-listen=127.0.0.1:0", *flags)
        assert status == 1 and said in out, (flags, out)

