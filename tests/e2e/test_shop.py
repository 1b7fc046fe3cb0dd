"""The shop, as a client sees it: users, products, orders that never oversell, the report, the
dashboard; and its database when it is in the way."""
import concurrent.futures
import http.client
import json
import os
import re
import sqlite3
import subprocess
import threading
import time

import prometheus
import pytest
from conftest import IS_SANITIZED, NO_STALLS, PATIENCE, run

LINES = 100000


@pytest.fixture
def shop(services, tmp_path):
    service = services("shop", "--workers=2", NO_STALLS, f"--db={tmp_path}/shop.db")
    service.db = f"{tmp_path}/shop.db"
    return service


def add_user(shop, name="Ada", email="ada@example.org", age=36):
    return shop.post("/api/v1/users", {"name": name, "email": email, "age": age})


def test_users_are_created_read_updated_and_deleted(shop):
    made = add_user(shop)
    assert made.status == 201, made
    user = made.json
    assert user == {"id": user["id"], "name": "Ada", "email": "ada@example.org", "age": 36}
    path = f"/api/v1/users/{user['id']}"
    assert shop.get(path).json == user
    changed = {**user, "name": "Ada Lovelace"}
    assert shop.request("PUT", path, changed).json == changed
    assert shop.get(path).json == changed
    assert shop.request("DELETE", path).status == 204
    assert shop.get(path).status == 404
    assert shop.request("DELETE", path).status == 404
    assert shop.request("PUT", path, user).status == 404


def test_lists_have_pages(shop):
    first = shop.get("/api/v1/users?limit=3").json
    second = shop.get("/api/v1/users?limit=3&offset=3").json
    assert [u["id"] for u in first + second] == [1, 2, 3, 4, 5, 6]
    assert len(shop.get("/api/v1/users").json) == 20
    assert shop.get("/api/v1/users?offset=100000").json == []
    assert shop.get("/api/v1/users?limit=x").status == 400
    assert shop.get("/api/v1/users?limit=5000").status == 400
    assert len(shop.get("/api/v1/products?limit=50").json) == 50


def test_bad_fields_get_a_line_each(shop):
    answer = shop.post("/api/v1/users", {"email": "nowhere", "age": 151})
    assert answer.status == 400
    assert {e["at"] for e in answer.json["errors"]} == {"/name", "/email", "/age"}
    answer = shop.post("/api/v1/orders", {"user_id": 1, "lines": [{"product_id": 1},
                                                                 {"product_id": 2, "qty": 0}]})
    assert {e["at"] for e in answer.json["errors"]} == {"/lines/0/qty", "/lines/1/qty"}
    assert shop.post("/api/v1/orders", {"user_id": 1, "lines": []}).status == 400
    assert shop.get("/api/v1/users/abc").status == 400


def test_constraints_are_conflicts(shop):
    assert add_user(shop).status == 201
    again = add_user(shop)
    assert again.status == 409 and "e-mail" in again.json["msg"]
    answer = shop.post("/api/v1/orders", {"user_id": 999999, "lines": [{"product_id": 1, "qty": 1}]})
    assert answer.status == 409


def test_nothing_is_injected(shop):
    name = "Robert'); DROP TABLE users;--"
    made = add_user(shop, name=name, email="bobby@example.org").json
    assert shop.get(f"/api/v1/users/{made['id']}").json["name"] == name


def test_an_order_is_placed_and_confirmed(shop):
    before = shop.get("/api/v1/products/1").json
    answer = shop.post("/api/v1/orders", {"user_id": 1, "lines": [{"product_id": 1, "qty": 2},
                                                                 {"product_id": 2, "qty": 1}]})
    assert answer.status == 201, answer
    order = answer.json
    other = shop.get("/api/v1/products/2").json
    assert order["total_cents"] == 2 * before["price_cents"] + other["price_cents"]
    assert shop.get(f"/api/v1/orders/{order['id']}").json == order
    assert shop.get("/api/v1/products/1").json["stock"] == before["stock"] - 2
    shop.wait_said(f"order {order['id']}: confirmation to user1@example.com")


def test_an_order_that_cannot_be_met_changes_nothing(shop):
    before = [p["stock"] for p in shop.get("/api/v1/products?limit=50").json]
    answer = shop.post("/api/v1/orders", {"user_id": 1, "lines": [{"product_id": 1, "qty": 1},
                                                                 {"product_id": 2, "qty": 1000},
                                                                 {"product_id": 2, "qty": 1000}]})
    assert answer.status == 409, answer
    assert answer.json["code"] == "out_of_stock" and "product 2" in answer.json["msg"]
    assert [p["stock"] for p in shop.get("/api/v1/products?limit=50").json] == before


def test_stock_is_never_oversold(shop):
    made = shop.post("/api/v1/products", {"name": "rare", "price_cents": 5, "stock": 37}).json
    order = {"user_id": 2, "lines": [{"product_id": made["id"], "qty": 1}]}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: shop.post("/api/v1/orders", order).status, range(120)))
    assert sorted(set(statuses)) == [201, 409]
    assert statuses.count(201) == 37
    assert shop.get(f"/api/v1/products/{made['id']}").json["stock"] == 0


def test_its_own_metrics(shop):
    for qty, status in ((1, 201), (2, 201), (1000, 409)):
        answer = shop.post("/api/v1/orders", {"user_id": 1, "lines": [{"product_id": 1, "qty": qty}]})
        assert answer.status == status, answer
    families = prometheus.read(shop.admin("/metrics").text)
    kind, samples = families["shop_orders_total"]
    assert kind == "counter"
    assert {l["outcome"]: n for _, l, n in samples} == {"placed": 2, "out_of_stock": 1}
    kind, samples = families["shop_order_lines"]
    assert kind == "histogram"
    assert {l["le"]: n for name, l, n in samples if name.endswith("_bucket")}["1"] == 2
    assert [n for name, _, n in samples if name == "shop_order_lines_sum"] == [2]
    assert families["weir_metrics_lost_total"][1][0][2] == 0


def wait_samples(shop):
    shop.wait_said("sample orders: ")


def test_the_report_streams_all_rows_at_constant_memory(shop):
    wait_samples(shop)
    rows = shop.get("/api/v1/report").json
    assert len(rows) == LINES
    assert set(rows[0]) == {"order_id", "user", "product", "qty", "price_cents"}
    with sqlite3.connect(f"file:{shop.db}?mode=ro", uri=True) as db:
        expected = db.execute("SELECT sum(qty * price_cents) FROM order_lines").fetchone()[0]
    assert sum(r["qty"] * r["price_cents"] for r in rows) == expected
    before = shop.resident()
    for _ in range(3):
        shop.get("/api/v1/report")
    assert shop.resident() - before < (64 if IS_SANITIZED else 4) << 20
    assert len(shop.get("/api/v1/report?limit=7").json) == 7


def test_a_slow_reader_holds_nobody_up(shop):
    wait_samples(shop)
    slow = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=PATIENCE)
    slow.request("GET", "/api/v1/report")
    response = slow.getresponse()
    assert response.read(1) == b"["
    before = shop.resident()
    for _ in range(50):
        assert shop.get("/api/v1/users/1").status == 200
    assert shop.post("/api/v1/orders",
                     {"user_id": 1, "lines": [{"product_id": 1, "qty": 1}]}).status == 201
    grown = shop.resident() - before
    assert grown < (64 if IS_SANITIZED else 8) << 20, f"{grown} bytes"
    assert len(json.loads(b"[" + response.read())) == LINES
    slow.close()


def test_a_reader_that_leaves_cancels_its_query(shop):
    wait_samples(shop)
    connection = shop.connect()
    connection.sendall(b"GET /api/v1/report HTTP/1.1\r\nHost: a\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 200")
    connection.close()
    shop.wait_metric("weir_http_connections", lambda n: n == 0, state="active")
    shop.wait_metric("weir_pool_in_use", lambda n: n == 0)


def test_the_dashboard_asks_three_things_at_once(shop):
    wait_samples(shop)
    page = shop.get("/api/v1/users/5/dashboard").json
    assert page["name"] == "User 5"
    assert page["orders"] == 200 and page["spent_cents"] > 0
    assert page["favourite"].startswith("Product ")
    assert shop.get("/api/v1/users/123456/dashboard").status == 404
    assert shop.metric("weir_leak_reports_total") == 0


def test_work_under_way_is_in_the_dump(shop):
    wait_samples(shop)
    connection = shop.connect()
    connection.sendall(b"GET /api/v1/report HTTP/1.1\r\nHost: a\r\n\r\n")
    shop.wait_metric("weir_pool_in_use", lambda n: n >= 1)
    until = time.monotonic() + PATIENCE
    while True:  # it may be reading or writing at the moment
        fibers = shop.admin("/debug/fibers?format=json").json["fibers"]
        found = [f for f in fibers if f.get("route") == "GET /api/v1/report" and f["holds"]]
        if found and any("report.c" in h.get("site", "") for h in found[0]["holds"]):
            break
        assert time.monotonic() < until, fibers
    connection.close()


def test_pools_are_counted(shop):
    wait_samples(shop)
    for _ in range(5):
        shop.get("/api/v1/users/1")
    add_user(shop)
    families = prometheus.read(shop.admin("/metrics").text)
    acquired = {l["pool"]: n for _, l, n in families["weir_pool_acquired_total"][1]}
    assert set(acquired) == {"shop.db", "shop.db writer"}
    assert acquired["shop.db"] >= 5 and acquired["shop.db writer"] >= 1
    wal = {l["database"]: n for _, l, n in families["weir_sqlite_wal_bytes"][1]}
    assert list(wal) == ["shop.db"] and wal["shop.db"] >= 0
    assert shop.metric("weir_pool_in_use") == 0


def test_closing_gives_everything_back(shop):
    """Leases are waited for, connections are closed, the WAL is written back."""
    add_user(shop)
    assert shop.stop() == 0
    assert "nothing is left" in shop.text().splitlines()[-1]
    assert not os.path.exists(shop.db + "-wal")


def test_it_drains_in_the_middle_of_everything(shop):
    stop, statuses = threading.Event(), []

    def buy():
        while not stop.is_set():
            try:
                statuses.append(shop.post("/api/v1/orders", {
                    "user_id": 3, "lines": [{"product_id": 3, "qty": 1}]}).status)
            except (OSError, http.client.HTTPException):
                return

    threads = [threading.Thread(target=buy) for _ in range(4)]
    for thread in threads:
        thread.start()
    shop.wait_metric("weir_http_received_requests_total", lambda n: n > 30)
    shop.signal()
    assert shop.wait_end() == 0
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert set(statuses) <= {201, 409}, set(statuses)
    with sqlite3.connect(shop.db) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        taken, stock = db.execute(
            "SELECT (SELECT count(*) FROM orders WHERE user_id = 3 AND total_cents > 0 AND id IN "
            "(SELECT order_id FROM order_lines WHERE product_id = 3 AND qty = 1) AND id NOT IN "
            "(SELECT order_id FROM order_lines WHERE product_id <> 3)), stock FROM products "
            "WHERE id = 3").fetchone()
    assert taken + stock == 1000
    assert statuses.count(201) <= taken <= statuses.count(201) + 4


def test_the_data_is_there_after_a_restart(services, tmp_path):
    flag = f"--db={tmp_path}/shop.db"
    first = services("shop", "--workers=1", flag)
    wait_samples(first)
    user = add_user(first).json
    assert first.stop() == 0
    second = services("shop", "--workers=1", flag)
    assert second.get(f"/api/v1/users/{user['id']}").json == user
    assert second.get("/api/v1/users?limit=1000").json[-1]["id"] == 101
    assert len(second.get("/api/v1/report").json) == LINES


def test_curl_lines_that_are_printed_work(shop):
    shop.get("/")
    wait_samples(shop)
    lines = [line.strip() for line in shop.out if line.strip().startswith("curl ")]
    assert len(lines) == 5
    for line in lines:
        line = line.replace("curl ", "curl -sSf ", 1)
        done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True,
                              timeout=PATIENCE)
        assert done.returncode == 0 and done.stdout, (line, done)


FLAGS = ("--listen=127.0.0.1:0", "--admin=127.0.0.1:0")


def words_of(out):
    return [line for line in out.splitlines() if not line.startswith("{")]


def test_a_missing_directory_is_named(tmp_path):
    status, out = run("shop", *FLAGS, f"--db={tmp_path}/nowhere/shop.db")
    assert status == 1
    assert len(words_of(out)) == 1 and f"{tmp_path}/nowhere/shop.db" in out, out


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "shop.db"
    path.write_bytes(b"this is not a database, but long enough to look like a file of one " * 50)
    status, out = run("shop", *FLAGS, f"--db={path}")
    assert status == 1
    assert len(words_of(out)) == 1 and str(path) in out, out


def test_a_locked_database_is_named(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t(x)")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        status, out = run("shop", *FLAGS, f"--db={path}")
    finally:
        holder.close()
    assert status == 1
    words = words_of(out)
    assert len(words) == 1 and str(path) in words[0] and re.search("locked|busy", words[0]), out


def test_it_answers_soon_after_the_start(services, tmp_path):
    """No number is held against it here; the first answer just must not wait for the samples."""
    service = services("shop", f"--db={tmp_path}/shop.db")
    assert service.get("/api/v1/users/1").status == 200
    wait_samples(service)
    size = sum(os.path.getsize(p) for p in tmp_path.glob("shop.db*"))
    assert size > 1 << 20


def test_statements_are_checked_without_serving(tmp_path):
    """--check-sql: status 0 when all fit; else each mistake with its place, and status 1."""
    arguments = ["--samples=false", f"--db={tmp_path}/shop.db", "--check-sql"]
    status, out = run("shop", *arguments)
    assert status == 0 and "all statements in WEIR_SQL fit" in out, out
    assert "listens on" not in out and "nothing is left" in out, out
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("ALTER TABLE users RENAME COLUMN email TO mail")
    status, out = run("shop", *arguments)
    assert status == 1, out
    places = set(re.findall(r"^(examples/shop/\w+\.c):\d+: no such column: .*email", out, re.M))
    assert {"examples/shop/users.c", "examples/shop/orders.c"} <= places, out
    assert "all statements" not in out, out
