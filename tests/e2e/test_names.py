"""Names by a real name server: asked through real sockets, slow, silent, lying, in pieces."""
import http.server
import ipaddress
import socket
import struct
import threading

import pytest

A, AAAA, SOA = 1, 28, 6


class NameServer:
    """Answers from `zone`: a name's addresses, [] for none, None for silence. On a port of the kernel's choice."""

    def __init__(self, zone, ttl=60, is_cut=False, forges=False):
        self.zone, self.ttl, self.is_cut, self.forges = zone, ttl, is_cut, forges
        self.asked, self.asked_by_tcp, self.ports = [], 0, set()
        while True:  # one port for both
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", 0))
            self.port = self.udp.getsockname()[1]
            self.tcp = socket.socket()
            try:
                self.tcp.bind(("127.0.0.1", self.port))
                break
            except OSError:
                self.udp.close()
                self.tcp.close()
        self.tcp.listen()
        self.threads = [threading.Thread(target=t) for t in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def answer(self, question, is_tcp):
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        name, (kind,) = ".".join(labels).lower(), struct.unpack("!H", question[at + 1:at + 3])
        self.asked.append((name, kind))
        known = self.zone.get(name, "nxdomain")
        if known is None:
            return None
        flags, records, authority = 0x8180, [], b""
        if known == "nxdomain":
            flags |= 3
            soa = b"\0\0" + struct.pack("!5I", 1, 1, 1, 1, 1)
            authority = struct.pack("!HHHIH", 0xC00C, SOA, 1, 60, len(soa)) + soa
        elif self.is_cut and not is_tcp:
            flags |= 0x200
        else:
            ips = [ipaddress.ip_address(ip) for ip in known]
            records = [ip.packed for ip in ips if (ip.version == 4) == (kind == A)]
        head = question[:2] + struct.pack("!5H", flags, 1, len(records), bool(authority), 0)
        body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, self.ttl, len(r)) + r for r in records)
        return head + question[12:at + 5] + body + authority

    def serve_udp(self):
        while True:
            question, peer = self.udp.recvfrom(2000)
            if not question:
                return
            self.ports.add(peer[1])
            answer = self.answer(question, False)
            if self.forges:  # right in all but where it comes from
                forged = answer.replace(socket.inet_aton("127.0.0.1"), socket.inet_aton("127.6.6.6"))
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                    stranger.sendto(forged, peer)
                self.udp.sendto(bytes([answer[0] ^ 1]) + forged[1:], peer)
            if answer:
                self.udp.sendto(answer, peer)

    def serve_tcp(self):
        while True:
            connection, _ = self.tcp.accept()
            with connection:
                head = connection.recv(2, socket.MSG_WAITALL)
                if not head:
                    return
                question = connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
                self.asked_by_tcp += 1
                answer = self.answer(question, True)
                for piece in (len(answer).to_bytes(2, "big"), answer[:20], answer[20:]):
                    connection.sendall(piece)

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()


@pytest.fixture
def names():
    made = []

    def make(zone, **options):
        made.append(NameServer(zone, **options))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def echo():
    """Sends a line back with its own address; on each address of 127.0.0.0/8."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()

        def serve():
            while True:
                connection, _ = listener.accept()
                with connection:
                    line = connection.recv(100)
                    if line == b"stop\n":
                        return
                    connection.sendall(connection.getsockname()[0].encode() + b" " + line)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        yield port
        socket.create_connection(("127.0.0.1", port)).sendall(b"stop\n")
        thread.join()


@pytest.fixture
def caller(services, tmp_path):
    def make(*servers, hosts="", more=""):
        conf = "".join(f"nameserver 127.0.0.1:{s.port}\n" for s in servers)
        (tmp_path / "resolv.conf").write_text(f"{conf}options timeout:1 attempts:1\n{more}\n")
        (tmp_path / "hosts").write_text(hosts)
        return services("caller", f"--resolv-conf={tmp_path}/resolv.conf", f"--hosts={tmp_path}/hosts",
                        "--workers=1", "--stall=0")

    return make


def dial(service, host, port, ms=5000):
    answer = service.get(f"/?where={host}:{port}&ms={ms}")
    return answer.status, answer.text


def test_a_name_is_dialled_and_known_for_its_time(caller, names, echo):
    server = names({"db.example.org": ["127.0.0.1"]})
    service = caller(server)
    for _ in range(3):
        assert dial(service, "db.example.org", echo) == (200, "127.0.0.1 hello\n")
    assert sorted(server.asked) == [("db.example.org", A), ("db.example.org", AAAA)]
    assert service.metric("weir_names_asked_total") == 3
    assert service.metric("weir_names_known_total") == 2
    assert service.metric("weir_name_queries_total") == 1


def test_ttl_0_is_asked_each_time_and_followed(caller, names, echo):
    server = names({"db.example.org": ["127.0.0.1"]}, ttl=0)
    service = caller(server)
    assert dial(service, "db.example.org", echo) == (200, "127.0.0.1 hello\n")
    server.zone["db.example.org"] = ["127.0.0.2"]  # a failover
    assert dial(service, "db.example.org", echo) == (200, "127.0.0.2 hello\n")
    assert len(server.ports) == 2  # from another port each time


def test_no_such_name(caller, names):
    service = caller(names({}))
    status, text = dial(service, "no.example.org", 80)
    assert status == 502
    assert text.startswith("cannot dial no.example.org:80: there is no no.example.org, says the name server 127")


def test_what_is_cut_comes_over_tcp(caller, names, echo):
    server = names({"many.example.org": [f"127.0.0.{n}" for n in range(1, 40)]}, is_cut=True)
    service = caller(server)
    assert dial(service, "many.example.org", echo) == (200, "127.0.0.1 hello\n")
    assert server.asked_by_tcp == 2


def test_a_server_that_is_silent_costs_its_time_once(caller, names, echo):
    silent, good = names({"db.example.org": None}), names({"db.example.org": ["127.0.0.1"]}, ttl=0)
    service = caller(silent, good)
    assert dial(service, "db.example.org", echo) == (200, "127.0.0.1 hello\n")
    assert dial(service, "db.example.org", echo) == (200, "127.0.0.1 hello\n")
    assert len(silent.asked) == 2  # both families, once


def test_the_time_out_covers_the_name(caller, names):
    service = caller(names({"db.example.org": None}))
    status, text = dial(service, "db.example.org", 80, ms=100)
    assert (status, text) == (502, "cannot dial db.example.org:80: no name server has answered in time")
    status, text = dial(service, "db.example.org", 80)
    assert status == 502 and "no name server could say: 127.0.0.1:" in text


def test_nobody_answers_there(caller, names):
    server = names({})
    service = caller(server, more="nameserver 127.0.0.1:1")
    server.zone["x.example.org"] = None
    status, text = dial(service, "x.example.org", 80)
    assert status == 502
    assert "127.0.0.1:1: " in text and "efused" in text, text


def test_the_next_address_is_tried(caller, names, echo):
    """Nobody listens on ::1, and on port 1 nobody does at all."""
    service = caller(names({"db.example.org": ["::1", "127.0.0.1"]}))
    assert dial(service, "db.example.org", echo) == (200, "127.0.0.1 hello\n")
    status, text = dial(service, "db.example.org", 1)
    assert status == 502
    assert text.startswith("cannot dial db.example.org:1: ::1: ") and "; 127.0.0.1: " in text, text


def test_answers_of_strangers_are_not_taken(caller, names, echo):
    service = caller(names({"db.example.org": ["127.0.0.1"]}, forges=True))
    assert dial(service, "db.example.org", echo) == (200, "127.0.0.1 hello\n")


def test_the_files_come_first(caller, names, echo):
    server = names({"db.test": ["127.0.0.3"]})
    service = caller(server, hosts="127.0.0.2 web\n", more="search test")
    assert dial(service, "web", echo) == (200, "127.0.0.2 hello\n")
    assert dial(service, "localhost", echo) == (200, "127.0.0.1 hello\n")
    assert server.asked == []
    assert dial(service, "db", echo) == (200, "127.0.0.3 hello\n")
    assert {name for name, _ in server.asked} == {"db.test"}


# --- all addresses of a name ----------------------------------------------------------------------

class Where(http.server.BaseHTTPRequestHandler):
    """Says which of its addresses it was asked at, and as whom."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = f"{self.connection.getsockname()[0]} {self.headers['Host']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


@pytest.fixture
def shop():
    """On each address of 127.0.0.0/8; its port."""
    with Server(("0.0.0.0", 0), Where) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_all_addresses_of_a_name_are_upstreams(services, names, shop, tmp_path):
    server = names({"shop.example.org": ["127.0.0.1", "127.0.0.2"]}, ttl=1)
    (tmp_path / "resolv.conf").write_text(f"nameserver 127.0.0.1:{server.port}\noptions timeout:1 attempts:1\n")
    (tmp_path / "hosts").write_text("")
    where = f"shop.example.org:{shop}"
    gateway = services("gateway", f"--resolv-conf={tmp_path}/resolv.conf", f"--hosts={tmp_path}/hosts",
                       f"--upstreams=http://{where}", "--each-address", "--workers=2")

    def asked():
        return {gateway.get("/", headers={"Host": "shop"}).text for _ in range(20)}

    def go_to(*ips):
        gateway.wait_until(asked, lambda seen: seen == {f"{ip} shop" for ip in ips}, f"calls go to {ips}")

    go_to("127.0.0.1", "127.0.0.2")
    assert gateway.metric("weir_client_target_up", target=f"http://{where} at 127.0.0.1") == 1
    server.zone["shop.example.org"] = ["127.0.0.2", "127.0.0.3"]
    go_to("127.0.0.2", "127.0.0.3")
    server.zone["shop.example.org"] = None  # silence changes nothing
    before = len(server.asked)
    gateway.wait_until(lambda: len(server.asked), lambda n: n > before + 2, "it is asked again")
    go_to("127.0.0.2", "127.0.0.3")
    server.zone["shop.example.org"] = []
    gateway.wait_until(lambda: gateway.get("/").status, lambda status: status == 502, "nobody is there")
    server.zone["shop.example.org"] = ["127.0.0.4"]
    go_to("127.0.0.4")
