"""The driver of PostgreSQL against PostgreSQL: what it reads is what libpq reads, and what becomes of it when the server
is killed, restarted, asked for too much."""
import os
import pathlib
import random
import signal
import subprocess
import time

import psycopg2
import pytest
from place import ODD_SECRET, PATIENCE, SECRET

PROGRAM = pathlib.Path(os.environ["WEIR_BUILD"]) / "tests" / "servers-postgres"


def until(look, what):
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Driver:
    """The program of postgres.c, which does what it is told."""

    def __init__(self, url):
        self.process = subprocess.Popen([PROGRAM, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.opened = self.read()

    def read(self):
        lines = []
        while True:
            line = self.process.stdout.readline()
            assert line, f"it ended, with {self.process.wait()}, after {lines}"
            if line == "ok\n" or line.startswith("error "):
                return lines, line.strip()
            lines.append(line.rstrip("\n"))

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.read()

    def good(self, *words):
        lines, end = self(*words)
        assert end == "ok", (words, end)
        return lines

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0


@pytest.fixture
def driver(postgres):
    one = Driver(postgres.url())
    assert one.opened[1] == "ok"
    yield one
    one.close()


def connect(server, **more):
    return psycopg2.connect(host="127.0.0.1", port=server.port, user="weir", password=SECRET, dbname="weir", **more)


# --- values -----------------------------------------------------------------------------------------

DICE = random.Random(15)


def some(count, make):
    return [make() for _ in range(count)]


def digits(n):
    return "".join(DICE.choice("0123456789") for _ in range(n))


TEXTS = ["", "a", "häß", "漢字", "line\nline", "tab\t", "back\\slash", "quote'", '"', "x" * 5000]
VALUES = {
    "bool": ["true", "false"],
    "int2": [-32768, 32767, 0, *some(30, lambda: DICE.randint(-32768, 32767))],
    "int4": [-(2**31), 2**31 - 1, *some(30, lambda: DICE.randint(-(2**31), 2**31 - 1))],
    "int8": [-(2**63), 2**63 - 1, *some(30, lambda: DICE.randint(-(2**63), 2**63 - 1))],
    "oid": [0, 4294967295],
    "float4": ["0", "-0", "1.5", "3.4e38", "1e-45", "NaN", "Infinity", *some(30, lambda: DICE.uniform(-1e6, 1e6))],
    "float8": ["0", "-0", "1e308", "5e-324", "NaN", "-Infinity", *some(50, lambda: DICE.uniform(-1e18, 1e18))],
    "numeric": ["0", "0.00", "NaN", "-1.50", "1e100", "Infinity",
                *some(50, lambda: f"{DICE.choice(['', '-'])}{DICE.randint(1, 9)}{digits(DICE.randint(0, 80))}"
                                  f".{digits(DICE.randint(1, 40))}")],
    "text": TEXTS, "varchar": TEXTS, "char(12)": ["", "a", "häß"], "name": ["a", "häß"],
    "bytea": ["", "\\x00", "\\x00ff0a", *some(20, lambda: "\\x" + DICE.randbytes(DICE.randint(1, 300)).hex())],
    "date": ["0001-01-01", "9999-12-31", "2000-01-01", "1999-12-31",
             *some(30, lambda: f"{DICE.randint(1, 9999):04}-{DICE.randint(1, 12):02}-{DICE.randint(1, 28):02}")],
    "timestamptz": ["0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00", "1999-12-31 23:59:59.999999+00",
                    *some(50, lambda: f"{DICE.randint(2, 9998):04}-{DICE.randint(1, 12):02}-{DICE.randint(1, 28):02} "
                                      f"{DICE.randint(0, 23):02}:{DICE.randint(0, 59):02}:{DICE.randint(0, 59):02}."
                                      f"{digits(6)}+0{DICE.randint(0, 9)}")],
    "timestamp": ["2000-01-01 00:00:00", "1970-01-01 00:00:00.000001"],
    "uuid": some(20, lambda: DICE.randbytes(16).hex()),
    "json": ['{"a": [1, 2.50, null]}', '" "'], "jsonb": ['{"b":1,"a":[1, 2.50]}', "17", "null"],
    "interval": ["1 day 02:03:04", "-3 mons"], "int4[]": ["{1,2,NULL}", "{}"], "time": ["12:34:56.789"],
    "inet": ["192.0.2.1/24"], "int4range": ["[1,5)"],
}
KINDS = {"bool": "bool", "int2": "int", "int4": "int", "int8": "int", "oid": "int", "float4": "double",
         "float8": "double", "numeric": "decimal", "bytea": "bytes", "date": "wall", "timestamptz": "wall",
         "timestamp": "wall", "uuid": "uuid", "json": "json", "jsonb": "json"}
# What libpq is asked for, so that its text is the value alone.
AS_TEXT = {"bool": "v::int", "bytea": "encode(v, 'hex')",
           "date": "(extract(epoch FROM v) * 1000000)::int8", "timestamptz": "(extract(epoch FROM v) * 1000000)::int8",
           "timestamp": "(extract(epoch FROM v) * 1000000)::int8", "char(12)": "v || rpad('', 12 - length(v))"}


@pytest.mark.parametrize("type_", VALUES)
def test_it_reads_what_libpq_reads(postgres, driver, type_):
    with connect(postgres, options="-c timezone=UTC") as oracle, oracle.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS v; CREATE TABLE v(i serial, v {type_})")
        for value in [*VALUES[type_], None]:
            cursor.execute("INSERT INTO v(v) VALUES (%s)", (None if value is None else str(value),))
        cursor.execute(f"SELECT ({AS_TEXT.get(type_, 'v::text')})::text FROM v ORDER BY i")
        wanted = [row[0] for row in cursor.fetchall()]
    got = [line.split("=", 1) for line in driver.good("cells", "SELECT v FROM v ORDER BY i")]
    assert len(got) == len(wanted)
    kind = KINDS.get(type_, "text")
    for (is_, value), text in zip(got, wanted):
        if text is None:
            assert (is_, value) == ("null", "")
            continue
        assert is_ == kind
        if kind == "double":
            same = repr(float(value)) == repr(float(text)) if type_ == "float8" else is_float4(value, text)
            assert same, (value, text)
        elif kind in ("decimal", "json", "text"):
            assert bytes.fromhex(value).decode() == text
        else:
            assert value == text


def is_float4(value, text):
    import struct
    return struct.pack("f", float(value)) == struct.pack("f", float(text))


@pytest.mark.parametrize("kind, value, type_, wanted", [
    ("int", 7, "int2", "7"), ("int", -7, "int8", "-7"), ("int", 7, "numeric", "7"), ("int", 7, "text", "7"),
    ("int", 1, "bool", "true"), ("int", 7, "float4", "7"), ("double", 1.25, "float8", "1.25"),
    ("double", "0.1", "numeric", "0.1"), ("double", "inf", "float8", "Infinity"), ("double", "nan", "numeric", "NaN"),
    ("text", "h\u00e4".encode().hex(), "text", "hä"), ("text", b"12".hex(), "int4", "12"),
    ("text", b"2024-02-29".hex(), "date", "2024-02-29"), ("text", b"{1,2}".hex(), "int4[]", "{1,2}"),
    ("bytes", "00ff", "bytea", "\\x00ff"), ("bytes", b"ab".hex(), "text", "ab"),
    ("wall", 946684799999999, "timestamptz", "1999-12-31 23:59:59.999999+00"),
    ("wall", -62135596800000000, "timestamptz", "0001-01-01 00:00:00+00"),
    ("wall", 946684799999999, "date", "1999-12-31"), ("wall", 1, "text", "1970-01-01 00:00:00.000001+00"),
    ("wall", 1, "timestamp", "1970-01-01 00:00:00.000001"),
    ("uuid", "00112233-4455-6677-8899-aabbccddeeff", "uuid", "00112233-4455-6677-8899-aabbccddeeff"),
    ("decimal", "-12.3400", "numeric", "-12.3400"), ("decimal", "1e20", "float8", "1e+20"),
    ("decimal", "7", "int4", "7"),
])
def test_values_arrive_as_they_are(driver, kind, value, type_, wanted):
    line, = driver.good("bind", kind, value, f"SELECT ?::{type_}::text")
    assert bytes.fromhex(line.removeprefix("text=")).decode() == wanted


@pytest.mark.parametrize("kind, value, type_", [
    ("int", 32768, "int2"), ("int", 2, "bool"), ("int", -1, "oid"), ("double", "1e300", "float4"), ("bytes", "00", "int4"),
])
def test_values_that_do_not_fit_never_leave(driver, kind, value, type_):
    _, end = driver("bind", kind, value, f"SELECT ?::{type_}::text")
    assert "value 1 is" in end
    assert driver.good("cells", "SELECT 1") == ["int=1"]
    assert driver.good("pool") == ["1 0 1"]


def test_columns_change_under_a_prepared_statement(driver):
    driver.good("exec", "DROP TABLE IF EXISTS changing")
    driver.good("exec", "CREATE TABLE changing AS SELECT 1 AS a")
    for _ in range(3):
        assert driver.good("cells", "SELECT * FROM changing") == ["int=1"]
    driver.good("exec", "ALTER TABLE changing ADD b text DEFAULT 'x'")
    assert driver.good("cells", "SELECT * FROM changing") == ["int=1\ttext=78"]
    assert driver.good("pool") == ["1 0 1"]


# --- logging in -------------------------------------------------------------------------------------


def test_everybody_is_let_in_who_should_be(postgres):
    tls = {"sslrootcert": postgres.tls / "ca.pem"}
    own = {"sslcert": postgres.tls / "certuser.pem", "sslkey": postgres.tls / "certuser.key"}
    urls = [postgres.url(user) for user in ("weir", "clear", "md5", "scram")]
    urls += [postgres.url("odd", ODD_SECRET), postgres.url("bench", None, "postgres")]
    urls += [postgres.url(sslmode=mode, **tls) for mode in ("prefer", "require", "verify-ca", "verify-full")]
    urls += [postgres.url("tlsonly", sslmode=mode, **tls) for mode in ("allow", "prefer", "verify-full")]
    urls += [postgres.url(sslmode="verify-full", channel_binding="require", **tls)]
    urls += [postgres.url("certuser", None, sslmode="verify-full", **tls, **own)]
    urls += [f"postgres://weir@/weir?host={postgres.run}&port={postgres.port}"]
    for url in urls:
        one = Driver(url)
        assert one.opened[1] == "ok", (url, one.opened)
        assert one.good("cells", "SELECT 1") == ["int=1"]
        one.close()


@pytest.mark.parametrize("change, words", [
    ({"secret": "wrong"}, "password authentication failed"), ({"secret": None}, "wants a password"),
    ({"user": "nobody"}, "pg_hba.conf rejects"), ({"database": "none"}, 'database "none" does not exist'),
    ({"user": "tlsonly"}, "pg_hba.conf rejects"), ({"sslmode": "verify-full"}, "certificate"),
    ({"channel_binding": "require", "sslmode": "require", "user": "md5"}, "channel_binding=require"),
])
def test_the_others_are_told_why(postgres, change, words):
    one = Driver(postgres.url(**change))
    assert words in one.opened[1], one.opened
    assert SECRET not in one.opened[1]
    one.close()


# --- late ones --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["disable", "verify-full"])
def test_what_is_late_is_ended_on_the_server(postgres, mode):
    one = Driver(postgres.url(sslmode=mode, sslrootcert=postgres.tls / "ca.pem"))
    for _ in range(5):
        _, end = one("late", 100, "SELECT pg_sleep(600)")
        assert end.startswith("error -110")
        assert one.good("cells", "SELECT 1") == ["int=1"]
    assert one.good("pool")[0].split()[1] == "0"
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = 'active'" \
              " AND pid <> pg_backend_pid()"
    until(lambda: postgres.sql(running) == [["0"]], "it still runs")
    one.close()


def test_five_hundred_fibers_and_eight_connections(postgres, driver):
    assert driver.good("together", 500, "SELECT pg_sleep(0.001)") == ["500 0"]
    open_, in_use, _ = map(int, driver.good("pool")[0].split())
    assert in_use == 0 and open_ <= 8
    assert postgres.connections() == open_


def test_many_fibers_share_connections(postgres):
    one = Driver(postgres.url(multiplex=64))
    assert one.good("together", 500, "SELECT pg_sleep(0.001)") == ["500 0"]
    assert one.good("together", 64, "SELECT pg_backend_pid()") == ["64 0"]
    assert postgres.connections() <= 1 + 4 and int(one.good("pool")[0].split()[1]) == 0
    assert one("cells", "SELECT 1 / (i - 3) FROM generate_series(1, 5) i")[1].startswith("error -5010")
    assert one("late", 100, "SELECT pg_sleep(600)")[1].startswith("error -110")
    assert one.good("together", 100, "SELECT 1") == ["100 0"]  # elsewhere, or when that has been cancelled
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = 'active'" \
              " AND pid <> pg_backend_pid()"
    until(lambda: postgres.sql(running) == [["0"]], "it still runs")
    lines = one.good("cells", "SELECT i FROM generate_series(1, 200000) i")
    assert len(lines) == 200000 and lines[-1] == "int=200000"
    one.close()
    until(lambda: postgres.connections() == 0, "something stays")


# --- many rows --------------------------------------------------------------------------------------


def test_rows_are_copied(postgres, driver):
    driver.good("exec", "DROP TABLE IF EXISTS copied")
    driver.good("exec", 'CREATE TABLE copied(id int8 PRIMARY KEY, name text, at timestamptz)')
    assert driver.good("copy", 20000) == ["20000"]
    with connect(postgres) as oracle, oracle.cursor() as cursor:
        cursor.execute("SELECT count(*), count(name), sum(id), min(name), sum(extract(epoch FROM at) * 1000000)"
                       " FROM copied")
        count, names, ids, name, times = cursor.fetchone()
    assert (count, names, ids) == (20000, 13333, 199990000)
    assert name == "tab\t, \\ and\nline" and times == 199990000 * 1000001
    _, end = driver("copy", 5)  # all of it is rolled back, and the connection goes on
    assert end.startswith("error -5020") and "copied_pkey" in end
    assert driver.good("cells", "SELECT count(*) FROM copied") == ["int=20000"]


def test_a_million_rows_stream(driver):
    assert driver.good("cells", "SELECT sum(i) FROM generate_series(1, 1000000) i")[0].startswith("int=")
    lines = driver.good("cells", "SELECT i FROM generate_series(1, 200000) i")
    assert len(lines) == 200000 and lines[-1] == "int=200000"


# --- notifications ----------------------------------------------------------------------------------


def test_notifications(postgres, driver):
    driver.good("listen", "jobs")
    assert driver("next", 50)[1].startswith("error -110")
    postgres.sql("SELECT pg_notify('jobs', 'one'); NOTIFY jobs")
    assert driver.good("next", 5000) == ["jobs one"]
    assert driver.good("next", 5000) == ["jobs "]
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    assert driver.good("next", 5000) == ["gap"]
    postgres.sql("NOTIFY jobs, 'two'")
    assert driver.good("next", 5000) == ["jobs two"]


# --- trouble ----------------------------------------------------------------------------------------


def test_connections_that_the_server_ends_at_rest_are_nobodys_error(postgres, driver):
    assert driver.good("together", 8, "SELECT pg_sleep(0.1)") == ["8 0"]
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'weir'")
    until(lambda: postgres.connections() == 0, "they are still there")
    assert driver.good("together", 16, "SELECT 1") == ["16 0"]


def test_a_server_that_was_killed_and_comes_back(own_postgres):
    server = own_postgres()
    one = Driver(server.url())
    assert one.good("together", 8, "SELECT pg_sleep(0.1)") == ["8 0"]
    server.kill()
    _, end = one("exec", "SELECT 1")
    assert end.startswith("error")
    server.start()
    until(lambda: one("exec", "SELECT 1")[1] == "ok", "it does not come back")
    open_, in_use, _ = map(int, one.good("pool")[0].split())
    assert in_use == 0
    until(lambda: server.connections() == int(one.good("pool")[0].split()[0]), "they do not agree")
    one.close()
    until(lambda: server.connections() == 0, "something stays")


def test_a_server_that_takes_no_writes_any_more_is_left(own_postgres):
    server = own_postgres()
    one = Driver(server.url())
    one.good("exec", "CREATE TABLE t(i int)")
    server.read_only()
    until(lambda: server.sql("SHOW default_transaction_read_only") == [["on"]], "it takes writes")
    until(lambda: one("exec", "INSERT INTO t VALUES (1)")[1].startswith("error -5026"), "it was written")
    server.read_only(False)
    until(lambda: one("exec", "INSERT INTO t VALUES (1)")[1] == "ok", "it is not written again")
    assert int(one.good("pool")[0].split()[2]) > 1  # by another connection
    one.close()


def test_too_many(postgres):
    two = [Driver(postgres.url("few")) for _ in range(2)]
    third = Driver(postgres.url("few"))
    assert third.opened[1].startswith("error -5027")
    for one in (*two, third):
        one.close()


def test_nothing_stays_when_it_is_killed(postgres):
    one = Driver(postgres.url("scram"))
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()
    until(lambda: postgres.connections("scram") == 0, "it stays")
