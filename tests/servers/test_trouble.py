"""A service whose database has trouble: killed, restarted, paused, failed over, with another password, out of
connections, cut off at any byte. Whatever it was, every request is answered in time, the service is well again by itself,
and what the database counts as connected is what the pool has. And one whose Redis has: there no request fails.
"""
import concurrent.futures
import contextlib
import os
import random
import subprocess
import threading

import pytest
from chaos import Chaos, Fault
from conftest import PATIENCE, SOURCE, Service
from place import SECRET

KINDS = ["postgres", "multiplexed", "mariadb"]
SERVERS = {"multiplexed": "postgres"}  # whose statements share connections
PROTOCOLS = {"postgres": "postgres", "mariadb": "mysql"}
USER, ORDER, REPORT = "/api/v1/users/1", "/api/v1/orders", "/api/v1/report?limit=50"
ONE_OF_IT = {"user_id": 1, "lines": [{"product_id": 1, "qty": 1}]}
PLACES = int(os.environ.get("WEIR_PLACES", "12"))  # of each direction that are tried; 0: all of them
FAILURES = {500, 502, 503, 504}


@pytest.fixture(params=KINDS)
def kind(request):
    return SERVERS.get(request.param, request.param)


@pytest.fixture
def own_server(request, kind):
    return request.getfixturevalue(f"own_{kind}")


def url_of(param):
    return {"multiplex": 16} if param == "multiplexed" else {}


class Watched:
    """A shop on a database, with a proxy between; and what must hold whatever has happened."""

    def __init__(self, server, user="weir", **more):
        self.server, self.user = server, user
        self.pools = ["weir", "weir (multiplex)"] if more else ["weir"]
        self.chaos = Chaos(server.port, PROTOCOLS[server.name])
        self.shop = Service("shop", "--workers=2", f"--db={server.url(user, port=self.chaos.port, **more)}").wait_ready()
        self.shop.wait_said("sample orders: ")
        self.spread(USER)
        self.descriptors = self.shop.fewest_fds()

    def ask(self, path, body=None):
        return self.shop.post(path, body) if body else self.shop.get(path)

    def spread(self, path, body=None, count=40, at_a_time=8):
        """The statuses of as many requests; each is answered within its patience."""
        with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
            return [answer.status for answer in pool.map(lambda _: self.ask(path, body), range(count))]

    @contextlib.contextmanager
    def under_load(self):
        """The statuses of what is asked meanwhile."""
        statuses, is_over = [], threading.Event()

        def ask():
            while not is_over.is_set():
                statuses.append(self.ask(USER).status)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        try:
            yield statuses
        finally:
            is_over.set()
            for thread in threads:
                thread.join(PATIENCE)

    def is_well_again(self):
        for path, body, good in ((USER, None, 200), (ORDER, ONE_OF_IT, 201), (REPORT, None, 200)):
            self.shop.wait_until(lambda: self.ask(path, body).status, lambda status: status == good, f"status of {path}")
        assert set(self.spread(USER)) == {200}
        self.shop.wait_metric("weir_pool_in_use", lambda n: n == 0)
        # MariaDB has one connection more where something was cancelled: it has a pool of its own, which looks whether
        # it is still there when it needs it next.
        self.shop.wait_until(lambda: self.server.connections(self.user)
                             - sum(self.shop.metric("weir_pool_open", pool=pool) for pool in self.pools),
                             lambda more: 0 <= more <= (self.server.name == "mariadb"),
                             "connections that the database has and the pool has not")
        # What it has beyond that: as many connections as a pool may have, and the dials of a moment.
        self.shop.wait_fds(self.descriptors + 12)
        assert self.shop.metric("weir_leak_reports_total") == 0

    def close(self):
        try:
            self.shop.check_end()
        finally:
            self.chaos.close()


@pytest.fixture
def watch(request):
    more = url_of(request.node.callspec.params["kind"])
    with contextlib.ExitStack() as until:
        yield lambda *words: until.enter_context(contextlib.closing(Watched(*words, **more)))


@pytest.fixture(scope="module", params=KINDS)
def it(request):
    """One for all tests that do nothing to the server itself."""
    server = request.getfixturevalue(SERVERS.get(request.param, request.param))
    server.empty()
    with contextlib.closing(Watched(server, **url_of(request.param))) as watched:
        yield watched


# --- what happens to servers ----------------------------------------------------------------------------


def test_killed(watch, own_server):
    server = own_server()
    it = watch(server)
    with it.under_load() as statuses:
        server.kill()
        failed = it.ask(ORDER, ONE_OF_IT).status
        server.start()
        it.shop.wait_until(lambda: it.ask(USER).status, lambda status: status == 200, "status")
    assert failed in FAILURES and set(statuses) <= {200} | FAILURES
    it.is_well_again()


def test_restarted(watch, own_server):
    server = own_server()
    it = watch(server)
    with it.under_load() as statuses:
        server.restart()
        it.shop.wait_until(lambda: it.ask(USER).status, lambda status: status == 200, "status")
    assert set(statuses) <= {200} | FAILURES
    it.is_well_again()


def test_paused(watch, own_server):
    """For longer than a request may take."""
    server = own_server()
    it = watch(server)
    server.pause()
    try:
        assert set(it.spread(USER, count=8)) <= FAILURES
    finally:
        server.resume()
    it.is_well_again()


def test_failed_over(watch, own_server, kind):
    primary = own_server()
    other = own_server(**{"standby_of" if kind == "postgres" else "replica_of": primary})
    it = watch(primary)
    assert it.ask(ORDER, ONE_OF_IT).status == 201
    orders = primary.sql("SELECT count(*) FROM orders")
    it.shop.wait_until(lambda: other.sql("SELECT count(*) FROM orders"), lambda n: n == orders, "orders of the other")
    primary.kill()
    it.chaos.upstream = other.port
    assert it.ask(ORDER, ONE_OF_IT).status in FAILURES, "nobody takes writes"
    other.promote()
    it.server = other
    it.is_well_again()
    assert int(other.sql("SELECT count(*) FROM orders")[0][0]) > int(orders[0][0])


def test_connections_that_are_ended_by_the_administrator(watch, own_server, kind):
    server = own_server()
    it = watch(server)
    with it.under_load() as statuses:
        for _ in range(5):
            if kind == "postgres":
                server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'weir'")
            else:
                server.sql("KILL USER weir")
    assert set(statuses) <= {200} | FAILURES and 200 in statuses
    it.is_well_again()


def test_another_password(watch, own_server, kind):
    server = own_server()
    it = watch(server)
    change = "ALTER USER weir PASSWORD '{}'" if kind == "postgres" else "ALTER USER weir IDENTIFIED BY '{}'"
    server.sql(change.format("another"))
    assert set(it.spread(USER)) == {200}, "who is connected stays so"
    it.chaos.cut_all()
    it.shop.wait_until(lambda: it.ask(USER).status, lambda status: status in FAILURES, "status")
    it.chaos.cut_all()
    assert set(it.spread(USER, count=8)) <= FAILURES
    assert "another" not in it.shop.text() and SECRET not in it.shop.text()
    server.sql(change.format(SECRET))
    it.is_well_again()


def test_the_limit_of_connections(watch, own_server, kind):
    server = own_server()
    server.sql("GRANT ALL ON SCHEMA public TO few" if kind == "postgres" else "GRANT ALL ON weir.* TO few")
    it = watch(server, "few")
    statuses = it.spread(USER, count=120, at_a_time=16)
    assert set(statuses) <= {200, 503} and 200 in statuses
    it.shop.wait_until(lambda: it.ask(USER).status, lambda status: status == 200, "status")
    assert server.connections("few") <= 2


# --- what happens to connections ------------------------------------------------------------------------


def conversation(it):
    """
    The bytes of each direction for a connection's whole life: log-in, a user, an order, a report. Of those that were
    opened meanwhile it is the one that said most: a pool opens one for who waits, and another may serve him.
    """
    it.chaos.calm()
    it.is_well_again()
    it.chaos.cut_all()
    it.chaos.wait_links(0)  # those that were cut have said more than one that is new will
    for path, body in ((USER, None), (ORDER, ONE_OF_IT), (REPORT, None)):
        it.ask(path, body)
    with it.chaos.lock:
        ways = max((link.ways for link in it.chaos.links), key=lambda ways: ways["up"].bytes)
    return {name: way.bytes for name, way in ways.items()}, {name: len(way.starts) for name, way in ways.items()}


def places(count):
    """All of them, or as many as fit: others with each commit."""
    if not PLACES or count <= PLACES:
        return range(count)
    commit = subprocess.run(["git", "-C", SOURCE, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout
    return sorted(random.Random(commit).sample(range(count), PLACES))


@pytest.mark.parametrize("what", ["cut", "reset", "half-close", "corrupt"])
def test_at_any_byte(it, what):
    sizes, _ = conversation(it)
    assert sizes["up"] > 100 and sizes["down"] > 100
    for direction, size in sizes.items():
        for at in places(size):
            it.chaos.cut_all()
            it.chaos.next(Fault(what, direction, at_byte=at, length=1))
            statuses = {it.ask(USER).status, it.ask(ORDER, ONE_OF_IT).status, it.ask(REPORT).status}
            # What one turned byte says may be good as well: another error, another number.
            good = {200, 201} | FAILURES | ({400, 404, 409} if what == "corrupt" else set())
            assert statuses <= good, (direction, at, statuses)
    it.chaos.calm()
    it.is_well_again()


@pytest.mark.parametrize("what", ["swallow", "freeze", "delay"])
def test_at_any_message(it, what):
    """Silence costs a request its whole time, so several connections have it at once."""
    _, counts = conversation(it)
    faults = [Fault(what, direction, at_message=i, length=0, seconds=0.3)
              for direction, count in counts.items() for i in places(count)]
    for i in range(0, len(faults), 8):
        it.chaos.cut_all()
        it.chaos.next(*faults[i:i + 8])
        assert set(it.spread(USER, count=8)) <= {200} | FAILURES
        it.chaos.calm()
        it.is_well_again()  # a pool that is down opens nothing that the next faults could meet


@pytest.mark.parametrize("mode", ["refuse", "close", "black hole"])
def test_a_network_that_is_away(it, mode):
    it.chaos.mode = mode
    it.chaos.calm()
    assert set(it.spread(USER, count=8)) <= FAILURES
    it.chaos.mode = "pass"
    it.is_well_again()


# --- Redis behind the shop's cache ----------------------------------------------------------------------


class Cached:
    """A shop over SQLite that shares its cache, with a proxy before Redis; what it tells must always be right."""

    def __init__(self, server, folder, database):
        self.server, self.database = server, database
        self.chaos = Chaos(server.port, "redis")
        self.shop = Service("shop", "--workers=2", f"--db={folder}/{database}.db",
                            f"--redis={server.url(database=str(database), port=self.chaos.port)}").wait_ready()
        self.shop.wait_said("sample orders: ")
        self.stock = 1_000_000
        made = self.shop.post("/api/v1/products", {"name": "sand", "price_cents": 1, "stock": self.stock}).json
        self.path, self.order = f"/api/v1/products/{made['id']}", {"user_id": 1, "lines": [{"product_id": made["id"], "qty": 1}]}
        self.is_shared()
        self.descriptors = self.shop.fewest_fds()

    def buy(self):
        answer = self.shop.post(ORDER, self.order)
        assert answer.status == 201, answer
        self.stock -= 1
        for _ in range(4):
            answer = self.shop.get(self.path)
            assert answer.status == 200 and answer.json["stock"] == self.stock, (answer, answer.text, self.stock)

    def is_shared(self):
        """Redis is asked again, and has been told all."""
        def look():
            self.buy()
            return [self.shop.metric("weir_cache_second_" + name) for name in ("out", "owed")]
        self.shop.wait_until(look, lambda n: n == [0, 0], "whether Redis is left out, and what it is owed")

    def conversation(self):
        """As for databases: of the connections of a while, that which said most."""
        self.chaos.cut_all()
        self.chaos.wait_links(0)
        self.is_shared()
        with self.chaos.lock:
            ways = max((link.ways for link in self.chaos.links), key=lambda ways: ways["up"].bytes)
        return {name: way.bytes for name, way in ways.items()}

    def meets(self, fault):
        """The next connection has it, and it strikes."""
        self.chaos.cut_all()
        self.chaos.next(fault)

        def look():
            self.buy()
            with self.chaos.lock:
                is_there = self.chaos.planned or any(link.fault is fault for link in self.chaos.links)
            if not is_there and not fault.has_struck:  # a greeting that took too long: its connection has gone
                self.chaos.cut_all()
                self.chaos.next(fault)
            return fault.has_struck or fault.at_byte != at  # one that swallows all goes on

        at = fault.at_byte
        self.shop.wait_until(look, bool, "whether it has met the fault")
        self.buy()

    def is_well_again(self):
        self.chaos.calm()
        self.is_shared()
        self.shop.wait_fds(self.descriptors + 12)
        assert self.shop.metric("weir_leak_reports_total") == 0
        self.shop.wait_until(lambda: (self.shop.metric("weir_redis_connections"), self.connections()),
                             lambda pair: pair[0] == pair[1], "connections of the client and of the server")

    def connections(self):
        return sum(f" db={self.database} " in line for line in self.server.ask("client", "list"))

    def close(self):
        try:
            self.shop.check_end()
        finally:
            self.chaos.close()


def suffers(server, folder, database, what):
    with contextlib.closing(Cached(server, folder, database)) as it:
        sizes = it.conversation()
        assert sizes["up"] > 100 and sizes["down"] > 100
        for direction, size in sizes.items():
            for at in places(size)[::1 if PLACES == 0 else 3]:
                it.meets(Fault(what, direction, at_byte=at, length=0 if what == "swallow" and at % 2 else 1))
        for mode in ("refuse", "close", "black hole"):
            it.chaos.mode = mode
            it.chaos.calm()
            for _ in range(3):
                it.buy()
            it.chaos.mode = "pass"
            it.is_well_again()


def test_a_cache_in_front_of_redis(redis_server, tmp_path):
    """Side by side, each in a database of its own: what takes the time is waiting until Redis is asked again."""
    kinds = ["cut", "reset", "half-close", "swallow", "delay"]
    with concurrent.futures.ThreadPoolExecutor(len(kinds)) as pool:
        for one in [pool.submit(suffers, redis_server, tmp_path, i + 1, what) for i, what in enumerate(kinds)]:
            one.result()
