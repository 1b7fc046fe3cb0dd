"""Two shops over one database and one Redis: what one has read the other need not, what one sells the other sees; and
whatever becomes of Redis, both tell what the database has.
"""
import ast
import concurrent.futures
import contextlib
import re
import threading

import pytest
from conftest import SOURCE, Service

PRODUCT, ORDERS = "/api/v1/products/{}", "/api/v1/orders"
KINDS = ["sqlite", "postgres"]


class Shop(Service):
    def __init__(self, *flags):
        super().__init__("shop", "--workers=2", *flags)
        self.wait_ready()

    def stock(self, product):
        answer = self.get(PRODUCT.format(product))
        assert answer.status == 200, answer
        return answer.json["stock"]

    def buy(self, product, qty=1):
        answer = self.post(ORDERS, {"user_id": 1, "lines": [{"product_id": product, "qty": qty}]})
        assert answer.status == 201, answer

    def number(self, name, **labels):
        return self.metric("weir_cache_" + name, cache="products", **labels)

    def found(self):
        """Answers of Redis that were not loaded."""
        return self.number("second_total", result="hit")

    def keeps(self, product):
        """It is in the process: asked on either worker, nothing is asked of Redis."""
        def look():
            before = self.number("hits_total")
            self.stock(product)
            return self.number("hits_total") - before
        self.wait_until(look, lambda n: n == 1, "hits of one that was asked for just now")

    def sees(self, product, stock):
        self.wait_until(lambda: self.stock(product), lambda n: n == stock, f"stock of product {product}")

    def uses_redis(self):
        def look():
            self.stock(1)
            return self.number("second_out"), self.number("second_owed")
        self.wait_until(look, lambda n: n == (0, 0), "whether Redis is left out, and what it is owed")


@pytest.fixture
def open_shops(request, tmp_path):
    """Two of them, over Redis at the two URLs."""
    with contextlib.ExitStack() as until:
        def make(kind, *urls):
            database = f"{tmp_path}/shop.db"
            if kind == "postgres":
                server = request.getfixturevalue("postgres")
                server.empty()
                database = server.url()
            shops = []
            for url in urls:
                shops.append(Shop(f"--db={database}", f"--redis={url}"))
                until.callback(shops[-1].check_end)
                shops[0].wait_said("sample orders: ")
            return shops
        yield make


@pytest.fixture
def redis(redis_server):
    redis_server.ask("flushall")
    return redis_server


def test_who_fills_has_read_the_last_write(redis):
    """The script as it is in the source: its moments are too short to be met by two shops."""
    text = re.search(r'static const char script\[\] =\s(.*?);\n\n', (SOURCE / "src/data/share.c").read_text(), re.S).group(1)
    script = "".join(ast.literal_eval(line.strip()) for line in text.splitlines())

    def run(key, version, record, ttl, *mark):
        return redis.ask("eval", script, "1", key, version, record, str(ttl), *mark)[0]

    def has(key, version):
        return redis.ask("hget", key, version)[0]

    assert run("k", "v1", "one", 5000, "") == "1" and has("k", "v1") == "one"  # nothing was there, or nobody wrote
    assert run("k", "v2", "two", 90000, "") == "1" and has("k", "v1") == "one"
    assert 5000 < int(redis.ask("pttl", "k")[0]) <= 90000
    assert run("k", "v1", "", 60000) == "1"  # removed, all versions
    mark = has("k", "m")
    assert redis.ask("hkeys", "k") == ["m"] and re.fullmatch(r"\d+\.\d+", mark)
    assert run("k", "v1", "old", 5000, "") == "0" and has("k", "v1") == ""
    assert run("k", "v1", "new", 5000, mark) == "1" and has("k", "v1") == "new"
    assert int(redis.ask("pttl", "k")[0]) > 5000, "a mark stands for its time"
    assert run("k", "v1", "put", 5000) == "1" and has("k", "v1") == "put"
    assert has("k", "m") not in ("", mark)
    assert run("k", "v1", "late", 5000, mark) == "0" and has("k", "v1") == "put"
    redis.ask("set", "s", "text")
    assert run("s", "v1", "one", 5000, "") == "1" and has("s", "v1") == "one"


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_has_read_the_other_need_not(open_shops, redis, kind):
    one, other = open_shops(kind, redis.url(), redis.url())

    def is_found(product):
        """Whether the other has not loaded it; on a busy machine Redis is too late now and then."""
        before = other.number("loads_total"), other.found()
        assert one.get(PRODUCT.format(product)).text == other.get(PRODUCT.format(product)).text
        return (other.number("loads_total"), other.found()) == (before[0], before[1] + 1)

    for status, products, most in ((200, range(1, 51), 300_000), (404, range(4711, 4761), 30_000)):
        product = next(product for product in products if is_found(product) or other.uses_redis())
        assert one.get(PRODUCT.format(product)).status == other.get(PRODUCT.format(product)).status == status
        assert 0 < int(redis.ask("pttl", f"weir:shop:products:{product}")[0]) <= most


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_sells_the_other_sees(open_shops, redis, kind):
    one, other = open_shops(kind, redis.url(), redis.url())
    stock = one.stock(7)
    for shop in (one, other, one, other):
        one.keeps(7)
        other.keeps(7)
        shop.buy(7)
        stock -= 1
        assert shop.stock(7) == stock, "who sells sees it at once"
        one.sees(7, stock)
        other.sees(7, stock)
    missing = len(one.get("/api/v1/products?limit=1000").json) + 1
    assert {shop.get(PRODUCT.format(missing)).status for shop in (one, other)} == {404}
    made = one.post("/api/v1/products", {"name": "tea", "price_cents": 1, "stock": 9}).json
    assert made["id"] == missing
    other.wait_until(lambda: other.get(PRODUCT.format(missing)).status, lambda status: status == 200, "status")


def test_many_buy_of_both(open_shops, redis):
    shops = open_shops("postgres", redis.url(), redis.url())
    stock, is_over = shops[0].stock(3), threading.Event()

    def look(shop):
        last = stock
        while not is_over.is_set():
            now = shop.stock(3)
            assert stock - 60 <= now <= stock, (now, last)
            last = now

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        readers = [pool.submit(look, shop) for shop in shops for _ in range(2)]
        for one in [pool.submit(shops[i % 2].buy, 3) for i in range(60)]:
            one.result()
        is_over.set()
        for one in readers:
            one.result()
    for shop in shops:
        shop.sees(3, stock - 60)
        shop.keeps(3)
        assert shop.stock(3) == stock - 60


def test_all_is_forgotten_by_flushall(open_shops, redis):
    shops = open_shops("sqlite", redis.url(), redis.url())
    for shop in shops:
        shop.keeps(7)
    redis.ask("flushall")
    for shop in shops:
        shop.wait_until(lambda shop=shop: shop.number("entries"), lambda n: n == 0, "entries")
    shops[0].buy(7)
    stock = shops[0].stock(7)
    shops[1].sees(7, stock)


def test_what_others_have_written_there(open_shops, redis):
    one, other = open_shops("sqlite", redis.url(), redis.url())
    stock = one.stock(7)
    redis.ask("set", "weir:shop:products:7", "of another kind")
    assert {shop.stock(7) for shop in (one, other)} == {stock}
    one.keeps(7)  # it was written over
    other.keeps(7)
    for version in redis.ask("hkeys", "weir:shop:products:7"):
        redis.ask("hset", "weir:shop:products:7", version, "weir1 nonsense")
    assert {shop.stock(7) for shop in (one, other)} == {stock}
    one.uses_redis()


def test_killed_and_started(open_shops, own_redis):
    server = own_redis()
    shops = open_shops("postgres", server.url(), server.url())
    stock = shops[0].stock(7)
    for shop in shops:
        shop.keeps(7)
    server.kill()
    for shop in shops:
        shop.buy(7)
        stock -= 1
        assert shop.stock(7) == stock, "who sells sees it, and no request fails"
    for shop in shops:
        shop.sees(7, stock)
    # A second each, for as long as it is away: that is what the database is asked.
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        loads = shops[0].number("loads_total")
        assert set(pool.map(lambda _: shops[0].stock(9), range(64))) == {1000}
    assert shops[0].number("loads_total") - loads < 32
    server.start()
    for shop in shops:
        shop.uses_redis()
        shop.sees(7, stock)
    shops[0].buy(7)
    shops[1].sees(7, stock - 1)
    for shop in shops:
        shop.keeps(7)
        shop.wait_said("its second level is left out")
        shop.wait_said("its second level is there again")


def test_paused(open_shops, own_redis):
    server = own_redis()
    one, other = open_shops("sqlite", server.url(), server.url())
    stock = one.stock(7)
    server.pause()
    try:
        one.buy(7)
        assert one.stock(7) == stock - 1
        assert other.get(PRODUCT.format(8)).status == 200
    finally:
        server.resume()
    one.uses_redis()
    other.uses_redis()
    other.sees(7, stock - 1)


def test_the_server_and_the_shops_count_the_same(open_shops, redis):
    shops = open_shops("sqlite", redis.url(), redis.url())
    for shop in shops:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(shop.stock, [1 + i % 50 for i in range(200)]))
    shops[0].wait_until(lambda: (redis.connections("weir"), sum(shop.metric("weir_redis_connections") for shop in shops)),
                        lambda pair: 0 < pair[0] == pair[1], "connections as the server and the shops count them")
    assert all(shop.metric("weir_leak_reports_total") == 0 for shop in shops)
