"""What the other tests stand on: the servers let in whom they should, refuse whom they should, and leave nothing."""
import os
import pathlib
import shutil
import signal
import subprocess

import psycopg2
import pymysql
import pytest
import redis
from place import ODD_SECRET, PATIENCE, SECRET, family, state, until

START = pathlib.Path(__file__).parent / "start"
WRONG = "wrong"


# --- PostgreSQL -------------------------------------------------------------------------------------


def ask_postgres(server, user, secret=SECRET, **more):
    options = {"host": "127.0.0.1", "port": server.port, "dbname": "weir", "sslmode": "disable", **more}
    connection = psycopg2.connect(user=user, password=secret, **options)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            return cursor.fetchone()
    finally:
        connection.close()


@pytest.mark.parametrize("user", ["weir", "clear", "md5", "scram"])
def test_postgres_asks_for_passwords(postgres, user):
    assert ask_postgres(postgres, user) == (user, False)
    assert ask_postgres(postgres, user, sslmode="require") == (user, True)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        ask_postgres(postgres, user, WRONG)


def test_postgres_keeps_each_kind_of_password(postgres):
    rows = dict(map(tuple, postgres.sql("SELECT usename, left(passwd, 3) FROM pg_shadow WHERE passwd IS NOT NULL")))
    assert rows["md5"] == "md5" and rows["scram"] == rows["weir"] == "SCR"
    assert ask_postgres(postgres, "odd", ODD_SECRET) == ("odd", False)
    assert ask_postgres(postgres, "bench", None) == ("bench", False)


def test_postgres_over_tls(postgres):
    trusted = {"sslmode": "verify-full", "sslrootcert": str(postgres.tls / "ca.pem")}
    assert ask_postgres(postgres, "tlsonly", **trusted) == ("tlsonly", True)
    with pytest.raises(psycopg2.OperationalError, match="pg_hba.conf rejects"):
        ask_postgres(postgres, "tlsonly")
    for name, is_let_in in (("certuser", True), ("stranger", False)):
        shown = {"sslcert": str(postgres.tls / f"{name}.pem"), "sslkey": str(postgres.tls / f"{name}.key")}
        if is_let_in:
            assert ask_postgres(postgres, "certuser", None, **trusted, **shown) == ("certuser", True)
        else:
            with pytest.raises(psycopg2.OperationalError, match="certificate authentication failed"):
                ask_postgres(postgres, "certuser", None, **trusted, **shown)


def test_a_standby_of_postgres_takes_over(own_postgres):
    primary = own_postgres()
    standby = own_postgres(standby_of=primary)
    primary.sql("CREATE TABLE t(i int); INSERT INTO t VALUES (7)")
    until(lambda: standby.sql("SELECT to_regclass('t')") != [[""]] and standby.sql("SELECT i FROM t") == [["7"]],
          "the row does not arrive")
    assert standby.sql("SELECT pg_is_in_recovery()") == [["t"]]
    primary.kill()
    standby.promote()
    standby.sql("INSERT INTO t VALUES (8)")
    assert standby.sql("SELECT pg_is_in_recovery()") == [["f"]]


# --- MariaDB ----------------------------------------------------------------------------------------


def ask_mariadb(server, user, secret=SECRET, **more):
    options = {"host": "127.0.0.1", "port": server.port, "database": "weir", **more}
    connection = pymysql.connect(user=user, password=secret.encode() if secret else "", **options)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user()")
            name = cursor.fetchone()[0].partition("@")[0]
            cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
            return name, cursor.fetchone()[1] != ""
    finally:
        connection.close()


def test_mariadb_asks_for_passwords(mariadb):
    assert ask_mariadb(mariadb, "weir") == ("weir", False)
    assert ask_mariadb(mariadb, "odd", ODD_SECRET) == ("odd", False)
    assert ask_mariadb(mariadb, "bench", "bench", database="bench") == ("bench", False)
    for user in ("weir", "nobody-knows-me"):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            ask_mariadb(mariadb, user, WRONG)


def test_mariadb_over_tls_and_the_unix_socket(mariadb):
    trusted = {"ssl_ca": str(mariadb.tls / "ca.pem"), "ssl_verify_cert": True, "ssl_verify_identity": True}
    shown = {"ssl_cert": str(mariadb.tls / "certuser.pem"), "ssl_key": str(mariadb.tls / "certuser.key")}
    assert ask_mariadb(mariadb, "tlsonly", **trusted) == ("tlsonly", True)
    assert ask_mariadb(mariadb, "certuser", **trusted, **shown) == ("certuser", True)
    for user, how in (("tlsonly", {}), ("certuser", trusted)):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            ask_mariadb(mariadb, user, **how)
    done = subprocess.run(["mariadb", "--no-defaults", f"--socket={mariadb.socket}", "-N", "-e", "SELECT 1"],
                          capture_output=True, text=True, check=False)
    assert done.stdout == "1\n", done.stderr


def test_a_replica_of_mariadb_takes_over(own_mariadb):
    primary = own_mariadb()
    replica = own_mariadb(replica_of=primary)
    primary.sql("CREATE TABLE t(i int); INSERT INTO t VALUES (7)")
    until(lambda: replica.sql("SHOW TABLES") and replica.sql("SELECT i FROM t") == [["7"]], "the row does not arrive")
    primary.kill()
    assert replica.sql("SELECT @@read_only") == [["1"]]
    replica.promote()
    replica.sql("INSERT INTO t VALUES (8)")
    assert replica.sql("SELECT @@read_only, count(*) FROM t") == [["0", "2"]]


# --- Redis ------------------------------------------------------------------------------------------


def ask_redis(server, *words, port=None, **more):
    with redis.Redis("127.0.0.1", port or server.port, **more) as client:
        return client.execute_command(*words)


def test_redis_knows_its_users(redis_server):
    assert ask_redis(redis_server, "ACL WHOAMI") == "default"
    assert ask_redis(redis_server, "SET", "a", "b", username="weir", password=SECRET) is True
    assert ask_redis(redis_server, "GET", "a", username="reader", password=SECRET) == b"b"
    with pytest.raises(redis.exceptions.NoPermissionError):
        ask_redis(redis_server, "SET", "a", "c", username="reader", password=SECRET)
    for user, secret in (("weir", WRONG), ("nobody", SECRET)):
        with pytest.raises(redis.exceptions.RedisError, match="WRONGPASS|invalid username-password"):
            ask_redis(redis_server, "PING", username=user, password=secret)
    assert ask_redis(redis_server, "PING", port=redis_server.tls_port, ssl=True,
                     ssl_ca_certs=str(redis_server.tls / "ca.pem")) is True


def test_a_replica_of_redis_takes_over(own_redis):
    primary = own_redis()
    replica = own_redis(replica_of=primary)
    primary.ask("set", "a", "7")
    until(lambda: replica.ask("get", "a") == ["7"], "the value does not arrive")
    assert "READONLY" in replica.ask("set", "a", "8")[0]
    primary.kill()
    replica.promote()
    assert replica.ask("set", "a", "8") == ["OK"]


# --- all of them ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["postgres", "mariadb", "redis"])
def test_they_stop_restart_and_are_counted(request, kind):
    server = request.getfixturevalue(f"own_{kind}")()
    port, pid = server.port, server.pid
    server.pause()
    paused = {state(member) for member in family(pid)}
    server.resume()
    assert paused == {"T"}
    for end in (server.stop, server.kill):
        end()
        assert not server.is_running()
        server.start()
        assert server.port == port
    assert server.connections() == 0 and server.descriptors() > 0
    server.read_only()
    server.read_only(False)


@pytest.mark.parametrize("kind", ["postgres", "mariadb", "redis"])
@pytest.mark.parametrize("how", ["end of input", "SIGTERM", "SIGKILL"])
def test_nothing_is_left_of_what_was_started(kind, how):
    process = subprocess.Popen([START, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    said = dict(line.rstrip("\n").split("=", 1) for line in iter(process.stdout.readline, "\n"))
    folder, pid = pathlib.Path(said["folder"]), int(said["pid"])
    assert folder.is_dir() and pathlib.Path(f"/proc/{pid}").exists()
    assert said["url"].startswith({"mariadb": "mysql"}.get(kind, kind) + "://")
    if how == "end of input":
        process.stdin.close()
    else:
        process.send_signal(getattr(signal, how))
    process.wait(PATIENCE)
    until(lambda: not folder.exists() and state(pid) == "Z", f"{folder} or {pid} is left")
    process.stdin.close()
    process.stdout.close()


def test_what_a_killed_postgres_leaves_in_the_system_is_removed(own_postgres):
    if shutil.which("ipcs") is None:
        pytest.skip("no ipcs")
    server = own_postgres()
    segment = (server.data / "postmaster.pid").read_text().splitlines()[6].split()[1]

    def is_there():
        return segment in subprocess.run(["ipcs", "-m"], capture_output=True, text=True, check=True).stdout.split()

    assert is_there()
    server.kill()
    server.close()
    assert not is_there()


def test_no_service_of_the_system_is_running():
    """What installing the packages must not have done; the tests' own have their folder in their command."""
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            is_shared = os.path.samefile(f"/proc/{entry.name}/root", "/")
        except OSError:
            continue
        if is_shared:
            assert "/var/lib/postgresql" not in words and "/etc/redis/redis.conf" not in words, words
            assert not words.startswith("/usr/sbin/mariadbd ") or "--datadir=" in words, words
