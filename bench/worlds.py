"""Databases that services are measured with: real servers in temporary folders, each with the table world(id,
randomnumber), and the programs that ask them.
"""
import contextlib
import functools
import os
import sqlite3
import sys

from measuring import LOAD_CORE, ROOT, Failed, Server, build_c, build_go, free_port, progress

sys.path.insert(0, str(ROOT / "tests" / "servers"))
sys.dont_write_bytecode = True
from maria import MariaDB  # noqa: E402
from pg import Postgres  # noqa: E402
from place import Trouble  # noqa: E402
from redisd import Redis  # noqa: E402

WORLDS, MILLION = 10_000, 1_000_000  # rows
KINDS = {"MariaDB": MariaDB, "PostgreSQL": Postgres, "SQLite": None}


def fill_postgres(server, count):
    name = "postgres" if count == WORLDS else "million"
    if count != WORLDS:
        server.sql(f"CREATE DATABASE {name}")
    server.sql(f"CREATE TABLE world(id integer PRIMARY KEY, randomnumber integer NOT NULL); INSERT INTO world SELECT i, "
               f"1 + (random() * 9999)::int FROM generate_series(1, {count}) i; "
               "GRANT SELECT, UPDATE ON world TO bench;", name)
    server.sql("VACUUM ANALYZE world", name)
    return server.url("bench", None, name)


def fill_mariadb(server, count):
    name = "bench" if count == WORLDS else "million"
    server.sql(f"CREATE DATABASE IF NOT EXISTS {name}; GRANT ALL ON {name}.* TO bench;")
    server.sql(f"CREATE TABLE world(id integer PRIMARY KEY, randomnumber integer NOT NULL); "
               f"INSERT INTO world SELECT seq, 1 + floor(rand() * 9999) FROM seq_1_to_{count}; ANALYZE TABLE world;", name)
    return server.url("bench", "bench", name)


def fill_sqlite(folder, count):
    path = folder / f"world-{count}.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE world(id INTEGER PRIMARY KEY, randomnumber INTEGER NOT NULL)")
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) "
                   "INSERT INTO world SELECT i, abs(random() % 10000) + 1 FROM n", (count,))
        db.commit()
    return str(path)


@contextlib.contextmanager
def on_the_core_of_the_load():
    """What is started meanwhile stays there."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


class Peers:
    """Databases, each started when it is first asked for, and the programs that ask them."""

    def __init__(self, build, work, newest_go=None):
        self.build, self.work, self.newest_go = build / "bench", work, newest_go
        self.until = contextlib.ExitStack()

    @functools.cache
    def server(self, kind):
        return self.until.enter_context(self.fresh(kind))

    @contextlib.contextmanager
    def fresh(self, kind, **settings):
        """One that was just started, for as long as the block."""
        progress(f"starting {kind.name}")
        with contextlib.ExitStack() as stack:
            with on_the_core_of_the_load():
                try:
                    server = stack.enter_context(kind(settings=settings))
                except (Trouble, FileNotFoundError) as e:
                    raise Failed(f"{kind.name} is not to be had: {e}") from e
            yield server

    @functools.cache
    def url(self, kind, count):
        if kind == "SQLite":
            return fill_sqlite(self.work, count)
        fill = fill_postgres if kind == "PostgreSQL" else fill_mariadb
        return fill(self.server(KINDS[kind]), count)

    @functools.cache
    def redis(self):
        server = self.server(Redis)
        server.ask("set", "key", "value")
        return server.url()

    def own(self, name):
        if not (self.build / name).exists():
            raise Failed(f"{name} is not built")
        return self.build / name

    def go(self, name, go="go"):
        return build_go(self.build / "anchors", name, go)

    def newest(self, name):
        return self.go(name, self.newest_go)

    def libpq(self):
        return build_c(self.build / "anchors", "libpq", "-I/usr/include/postgresql", "-lpq")

    def limit(self):
        return build_c(self.build / "anchors", "dblimit", "-I/usr/include/postgresql", "-I/usr/include/mariadb", "-lpq",
                       "-lmariadb")

    def start(self, name, *arguments):
        port = free_port()
        if name == "limit":
            return Server([self.limit(), port, arguments[-1]], [port], self.work / "limit.log")
        services = {"weir": lambda: [self.own("server"), "--workers", 1], "gin": lambda: [self.go("gin")],
                    "gin-newest": lambda: [self.newest("gin")]}
        command = services[name]()
        return Server([*command, "--port", port, *arguments], [port], self.work / f"{name}.log")
