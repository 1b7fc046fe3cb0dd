"""The driver of MySQL against MariaDB: its values against libmariadb's, its connections against the server's own list,
what it makes of a server that is killed, restarted or read-only."""
import os
import pathlib
import signal
import subprocess
import time

import pytest
from mysql_fake import SECRET as FAKE_SECRET
from mysql_fake import USER, Fake
from place import PATIENCE, SECRET

CLIENT = pathlib.Path(os.environ["WEIR_BUILD"]) / "tests/mysql-client"


def run(url, *words, timeout=PATIENCE):
    done = subprocess.run([CLIENT, url, *words], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("words", [["truth"], ["many"], ["late"]])
def test_values_batches_and_deadlines(mariadb, words):
    run(mariadb.url(), *words)


def test_over_the_socket_and_over_tls(mariadb):
    run(f"mysql://weir:{SECRET}@/weir?socket={mariadb.socket}", "many")
    trusted = f"mysql://tlsonly:{SECRET}@127.0.0.1:{mariadb.port}/weir?ssl-mode=verify_identity&ssl-ca={mariadb.tls}/ca.pem"
    run(trusted, "many")


@pytest.mark.parametrize("user, part", [
    ("weir:wrong", "Access denied"), ("ed25519:secret", "client_ed25519"), ("tlsonly:secret", "Access denied")])
def test_who_is_refused_is_told_why(mariadb, user, part):
    done = subprocess.run([CLIENT, f"mysql://{user}@127.0.0.1:{mariadb.port}/weir", "many"], capture_output=True,
                          text=True, timeout=PATIENCE, check=False)
    assert part in done.stdout, done.stdout
    assert user.split(":")[1] not in done.stdout + done.stderr


class Loop:
    """A client that asks every 10 ms."""

    def __init__(self, server):
        server.sql("CREATE OR REPLACE TABLE weir_loop(n INT) ENGINE=InnoDB; INSERT INTO weir_loop VALUES (0)")
        self.client = subprocess.Popen([CLIENT, server.url(), "loop"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True)

    def until(self, is_it):
        """The lines up to one that is so."""
        end, lines = time.monotonic() + PATIENCE, []
        while not lines or not is_it(lines[-1]):
            assert time.monotonic() < end, lines[-20:]
            line = self.client.stdout.readline()
            assert line, lines[-20:]
            lines.append(line.strip())
        return lines

    def __enter__(self):
        self.until(lambda line: line.startswith("ok"))
        return self

    def __exit__(self, *_):
        self.client.stdin.close()
        self.client.stdout.read()
        assert self.client.wait(PATIENCE) == 0


def is_ok(line):
    return line.startswith("ok")


def is_bad(line):
    return not is_ok(line)


def test_a_connection_that_is_killed_is_replaced(own_mariadb):
    server = own_mariadb()
    with Loop(server) as loop:
        before = int(loop.until(is_ok)[-1].split()[1])
        server.sql(f"KILL CONNECTION {before}")
        lines = loop.until(lambda line: is_ok(line) and int(line.split()[1]) != before)
        assert sum(map(is_bad, lines)) <= 1, lines
        assert server.connections() == 1


def test_a_server_that_is_restarted_is_found_again(own_mariadb):
    server = own_mariadb()
    with Loop(server) as loop:
        server.stop()
        loop.until(is_bad)
        server.start()
        loop.until(is_ok)
        assert server.connections() == 1


def test_a_server_that_was_killed_is_found_again(own_mariadb):
    server = own_mariadb()
    with Loop(server) as loop:
        os.kill(server.pid, signal.SIGKILL)
        loop.until(is_bad)
        server.start()
        loop.until(is_ok)


def test_one_that_became_read_only_is_left(own_mariadb):
    server = own_mariadb()
    with Loop(server) as loop:
        before = int(loop.until(is_ok)[-1].split()[1])
        server.read_only()
        lines = loop.until(lambda line: is_bad(line) and int(line.split()[-1]) != before)
        assert any("read" in line for line in lines), lines
        server.read_only(False)
        after = int(loop.until(is_ok)[-1].split()[1])
        assert after != before


@pytest.fixture
def fake(tmp_path):
    server = Fake(tmp_path)
    yield server
    server.close()


def log_in_by_mariadb(fake, key):
    """The library that everybody uses gets in as we do."""
    done = subprocess.run(["mariadb", "--no-defaults", "--skip-ssl", "-h127.0.0.1", f"-P{fake.port}", f"-u{USER}",
                           f"-p{FAKE_SECRET.decode()}", *key, "-N", "-e", "SELECT 42"], capture_output=True, text=True,
                          timeout=PATIENCE, check=False)
    assert done.stdout == "42\n", done.stderr


@pytest.mark.parametrize("has_key", [False, True])
def test_caching_sha2_password_fast_and_full(fake, tmp_path, has_key):
    public = tmp_path / "public.pem"
    public.write_bytes(fake.public)
    url = f"mysql://{USER}:a%20secret@127.0.0.1:{fake.port}/shop"
    key = [str(public)] if has_key else []
    asked = [] if has_key else ["asked for the key"]
    run(url, "login", *key)
    assert fake.ways[:len(asked) + 1] == asked + ["full"] and set(fake.ways[len(asked) + 1:]) == {"fast"}, fake.ways
    assert all("max_execution_time=1500" in text for text in fake.settings), fake.settings
    fake.ways.clear()
    fake.is_known = False
    log_in_by_mariadb(fake, [])
    log_in_by_mariadb(fake, [])
    assert fake.ways == ["asked for the key", "full", "fast"]
