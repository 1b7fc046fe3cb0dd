"""The shop on PostgreSQL and on MariaDB: what a client sees of it is the same as on SQLite, so the tests are those of
tests/e2e/test_shop.py. Here are those that look behind the service's back, and each database's own.
"""
import concurrent.futures
import importlib.util
import pathlib

import pytest

_path = pathlib.Path(__file__).resolve().parent.parent / "e2e" / "test_shop.py"
_spec = importlib.util.spec_from_file_location("e2e_shop", _path)
e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(e2e)

# All of them but those about SQLite's file.
SAME = ["users_are_created_read_updated_and_deleted", "lists_have_pages", "bad_fields_get_a_line_each",
        "constraints_are_conflicts", "nothing_is_injected", "an_order_is_placed_and_confirmed",
        "an_order_that_cannot_be_met_changes_nothing", "stock_is_never_oversold", "its_own_metrics",
        "a_slow_reader_holds_nobody_up", "a_reader_that_leaves_cancels_its_query",
        "the_dashboard_asks_three_things_at_once", "work_under_way_is_in_the_dump", "curl_lines_that_are_printed_work"]
for _name in SAME:
    globals()[f"test_{_name}"] = getattr(e2e, f"test_{_name}")

KINDS = ["postgres", "mariadb"]


@pytest.fixture(params=KINDS)
def server(request):
    server = request.getfixturevalue(request.param)
    server.empty()
    return server


@pytest.fixture
def shop(services, server):
    service = services("shop", "--workers=2", e2e.NO_STALLS, f"--db={server.url()}")
    e2e.wait_samples(service)  # whose transaction holds locks where more than one writes at a time
    yield service
    service.check_end()
    service.wait_until(server.connections, lambda n: n == 0, "connections of a service that has ended")


def test_the_report_streams_all_rows_at_constant_memory(shop, server):
    e2e.wait_samples(shop)
    rows = shop.get("/api/v1/report").json
    assert len(rows) == e2e.LINES
    assert set(rows[0]) == {"order_id", "user", "product", "qty", "price_cents"}
    assert sum(r["qty"] * r["price_cents"] for r in rows) == int(server.sql("SELECT sum(qty * price_cents) FROM order_lines")[0][0])
    before = shop.resident()
    for _ in range(3):
        shop.get("/api/v1/report")
    assert shop.resident() - before < (64 if e2e.IS_SANITIZED else 4) << 20
    assert len(shop.get("/api/v1/report?limit=7").json) == 7


def test_the_database_counts_what_the_pool_counts(shop, server):
    e2e.wait_samples(shop)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert {a.status for a in pool.map(lambda i: shop.get(f"/api/v1/users/{i + 1}"), range(80))} == {200}
    shop.wait_metric("weir_pool_in_use", lambda n: n == 0)
    shop.wait_until(lambda: (server.connections(), shop.metric("weir_pool_open")), lambda pair: pair[0] == pair[1],
                    "connections as the database and the pool count them")
    assert server.connections() > 0


def test_orders_of_the_same_things_in_another_order_do_not_hinder_each_other(shop):
    e2e.wait_samples(shop)

    def buy(turn):
        lines = [{"product_id": 1 + i % 50, "qty": 1} for i in range(turn, turn + 5)]
        return shop.post("/api/v1/orders", {"user_id": 1 + turn % 7, "lines": lines[::-1] if turn % 2 else lines}).status

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(buy, range(120))) == {201}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_there_again_when_its_database_is(services, request, kind):
    server = request.getfixturevalue(f"own_{kind}")()
    shop = services("shop", "--workers=2", f"--db={server.url()}")
    assert shop.get("/api/v1/users/1").status == 200
    server.kill()
    answer = shop.get("/api/v1/users/1")
    assert answer.status >= 500, answer
    server.start()
    shop.wait_until(lambda: shop.get("/api/v1/users/1").status, lambda status: status == 200, "status")


@pytest.mark.parametrize("kind", KINDS)
def test_the_data_is_there_after_a_restart_of_both(services, request, kind):
    server = request.getfixturevalue(f"own_{kind}")()
    first = services("shop", "--workers=1", f"--db={server.url()}")
    e2e.wait_samples(first)
    user = e2e.add_user(first).json
    assert first.stop() == 0
    server.restart()
    second = services("shop", "--workers=1", f"--db={server.url()}")
    assert second.get(f"/api/v1/users/{user['id']}").json == user
    assert second.get("/api/v1/users?limit=1000").json[-1]["id"] == user["id"]


def test_what_cannot_be_opened_is_named(server):
    for url, name in ((server.url(port=1), "refused"), (server.url(secret="wrong"), "weir"),
                      (server.url(database="nowhere"), "nowhere")):
        status, out = e2e.run("shop", *e2e.FLAGS, f"--db={url}")
        words = e2e.words_of(out)
        assert status == 1 and len(words) == 1, out
        assert name in words[0].lower() and "secret" not in words[0] and "wrong" not in words[0], out
