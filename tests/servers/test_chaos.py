"""The proxy itself: each fault is seen by a client as what it is, at the byte that was named."""
import socket
import threading
import time

import psycopg2
import pymysql
import pytest
import redis
from chaos import Chaos, Fault, mysql_length, postgres_length, resp_length
from place import SECRET, until

DEADLINE = 10
TEXT = bytes(range(200))


@pytest.fixture
def echo():
    """A server that gives back what it is sent, and ends when its client has."""
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=carry, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(DEADLINE)


def ask(chaos, data=TEXT, timeout=DEADLINE):
    """What comes back for some bytes, and how it ends."""
    with socket.create_connection(("127.0.0.1", chaos.port), timeout) as s:
        s.sendall(data)
        if timeout == DEADLINE:
            s.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while piece := s.recv(65536):
                got += piece
        except ConnectionResetError:
            return got, "reset"
        except TimeoutError:
            return got, "nothing"
        return got, "end"


@pytest.mark.parametrize("at", [0, 1, 37, 199])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_it_strikes_at_its_byte(echo, at, direction):
    with Chaos(echo) as chaos:
        assert ask(chaos) == (TEXT, "end")
        assert chaos.last.ways["up"].bytes == chaos.last.ways["down"].bytes == len(TEXT)
        chaos.next(Fault("cut", direction, at))
        got, how = ask(chaos)
        assert how in ("end", "reset") and (got == TEXT[:at] if direction == "down" else TEXT[:at].startswith(got))
        chaos.next(Fault("reset", direction, at))
        assert ask(chaos)[1] == "reset"
        chaos.next(Fault("corrupt", direction, at, length=2))
        expected = bytearray(TEXT)
        for i in range(at, min(at + 2, len(TEXT))):
            expected[i] ^= 0xff
        assert ask(chaos) == (bytes(expected), "end")
        chaos.next(Fault("swallow", direction, at, length=3))
        assert ask(chaos) == (TEXT[:at] + TEXT[at + 3:], "end")
        chaos.next(Fault("swallow", direction, at, length=0))
        assert ask(chaos) == (TEXT[:at], "end")
        chaos.next(Fault("half-close", direction, at))
        assert ask(chaos) == (TEXT[:at], "end")
        began = time.monotonic()
        chaos.next(Fault("delay", direction, at, seconds=0.2))
        assert ask(chaos) == (TEXT, "end") and time.monotonic() - began >= 0.2
        chaos.next(Fault("freeze", direction, at))
        got, how = ask(chaos, timeout=0.3)
        assert how == "nothing" and TEXT[:at].startswith(got)
        assert ask(chaos) == (TEXT, "end"), "a fault is one connection's alone"


def test_it_is_calm_again(echo):
    with Chaos(echo) as chaos:
        chaos.next(Fault("freeze", at_byte=0), Fault("cut", at_byte=0))
        with socket.create_connection(("127.0.0.1", chaos.port), DEADLINE) as s:
            s.sendall(TEXT)
            until(lambda: chaos.last is not None and chaos.last.is_frozen, "not frozen")
            chaos.calm()
            assert s.recv(1) == b"", "who is frozen is cut as well"
            chaos.wait_links(0)
        assert ask(chaos) == (TEXT, "end"), "what was planned is forgotten"


def test_it_has_modes(echo):
    with Chaos(echo) as chaos:
        assert ask(chaos) == (TEXT, "end")
        chaos.mode = "close"
        assert ask(chaos, b"")[0] == b""
        chaos.mode = "black hole"
        assert ask(chaos, timeout=0.3) == (b"", "nothing")
        chaos.mode = "pass"
        with socket.create_connection(("127.0.0.1", chaos.port), DEADLINE) as s:
            s.sendall(b"x")
            assert s.recv(1) == b"x"
            chaos.mode = "refuse"
            assert s.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            ask(chaos)
        chaos.mode = "slow"
        began = time.monotonic()
        assert ask(chaos) == (TEXT, "end") and time.monotonic() - began >= 2 * len(TEXT) / 2000
        chaos.mode = "pass"
        assert ask(chaos) == (TEXT, "end")
        chaos.wait_links(0)


@pytest.mark.parametrize("length_of,direction,messages", [
    (postgres_length, "up", [b"\0\0\0\x08\x04\xd2\x16\x2f", b"Q\0\0\0\x05x", b"X\0\0\0\x04"]),
    (postgres_length, "down", [b"R\0\0\0\x08\0\0\0\0", b"Z\0\0\0\x05I"]),
    (mysql_length, "down", [b"\x03\0\0\0abc", b"\x01\0\0\x01x", b"\0\0\0\x02"]),
    (resp_length, "up", [b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", b"*1\r\n$0\r\n\r\n"]),
    (resp_length, "down", [b"+OK\r\n", b"$-1\r\n", b"$2\r\n\r\n\r\n", b"*2\r\n:1\r\n*1\r\n_\r\n",
                           b"%1\r\n+a\r\n#t\r\n", b"|1\r\n+k\r\n+v\r\n+x\r\n", b">2\r\n+m\r\n:-7\r\n"]),
])
def test_messages_end_where_they_end(length_of, direction, messages):
    for i, message in enumerate(messages):
        for cut in range(1, len(message)):
            length = length_of(direction, message[:cut], i)
            assert length is None or length == len(message) or length == 1 == i + 1
        assert length_of(direction, message + b"more", i) == len(message)


# --- what clients that are not ours make of it --------------------------------------------------------


def postgres_row(port):
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="weir", password=SECRET, dbname="weir",
                                  sslmode="disable", connect_timeout=DEADLINE)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 6 * 7")
            return cursor.fetchone()[0]
    finally:
        connection.close()


def mariadb_row(port):
    connection = pymysql.connect(host="127.0.0.1", port=port, user="weir", password=SECRET, database="weir",
                                 read_timeout=DEADLINE, connect_timeout=DEADLINE)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 6 * 7")
        return cursor.fetchone()[0]


def redis_row(port):
    with redis.Redis("127.0.0.1", port, socket_timeout=DEADLINE) as client:
        return int(client.execute_command("ECHO", "42"))


CLIENTS = {
    "postgres": ("postgres", postgres_row, psycopg2.Error),
    "mariadb": ("mysql", mariadb_row, pymysql.Error),
    "redis": ("redis", redis_row, redis.RedisError),
}


@pytest.mark.parametrize("kind", CLIENTS)
def test_any_client_meets_a_cut_before_any_message(request, kind):
    server = request.getfixturevalue({"redis": "redis_server"}.get(kind, kind))
    protocol, row, error = CLIENTS[kind]
    with Chaos(server.port, protocol) as chaos:
        assert row(chaos.port) == 42
        chaos.wait_links(0)
        ways = chaos.last.ways
        messages = {name: len(way.starts) - 1 for name, way in ways.items()}
        assert messages["up"] > 0 and messages["down"] > 0 and not any(way.held for way in ways.values())
        for direction, count in messages.items():
            for i in range(count - (direction == "up")):
                chaos.next(Fault("cut", direction, at_message=i))
                with pytest.raises((error, ConnectionError, RuntimeError, OSError)):
                    row(chaos.port)
                assert row(chaos.port) == 42
