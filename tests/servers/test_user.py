"""A program of a user's own over real databases, built against the installed library, and under valgrind: what it leaves
open, what is late, what panics in a loop over rows, pools that close with rows in them. Whatever it was, nothing is read
or written that is not its own, and what each server counts as connected is what the pools have.
"""
import concurrent.futures
import pathlib
import sys

import pytest
from conftest import SOURCE
from place import BUILD, until

sys.path.insert(0, str(SOURCE / "tests" / "install"))
import matrix  # noqa: E402
from installed import Installed  # noqa: E402

SQL = {  # path: status, and what is in the answer
    "items": (200, '"name":"item 499"'), "all": (200, "50"), "leave": (200, "item 0"), "late": (504, "late"),
    "tx": (200, "489"), "panic": (500, "internal"), "wrong": (503, "nowhere"), "again": (204, ""), "own": (200, "0"),
}
OTHERS = {
    "notifications": (200, "hello"), "redis/words": (200, "hello"), "redis/together": (200, "42"),
    "redis/hear": (200, "nothing"), "redis/pop": (200, "nothing"), "cache/7": (200, "item 7"),
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(BUILD, tmp_path_factory.mktemp("installed"))


def expect(service, method, path, status, text):
    answer = service.ask(method, f"/v1/{path}")
    assert answer[0] == status and text in answer[1], f"{path}: {answer}\n{service.text()[-4000:]}"


def asks_all(service, times):
    for db in ("postgres", "mysql"):
        expect(service, "POST", f"sql/{db}/schema", 204, "")
        expect(service, "POST", f"sql/{db}/items", 201, "500")
    calls = [(f"sql/{db}/{path}", *wanted) for db in ("postgres", "mysql") for path, wanted in SQL.items()]
    calls += [(path, *wanted) for path, wanted in OTHERS.items()]
    with concurrent.futures.ThreadPoolExecutor(6) as clients:
        for done in [clients.submit(expect, service, "GET", *call) for call in calls * times]:
            done.result()
    # What was cancelled or left in the middle is mended behind the answers.
    until(lambda: "0 0 in use" in service.ask("GET", "/v1/counts")[1], "leases that are out")


@pytest.mark.parametrize("tool", ["plain", "valgrind"])
def test_it_leaves_nothing(installed, postgres, mariadb, redis_server, tmp_path, monkeypatch, tool):
    for name, server in (("POSTGRES_URL", postgres), ("MYSQL_URL", mariadb), ("REDIS_URL", redis_server)):
        monkeypatch.setenv(name, server.url())
    link = "static" if tool == "plain" else "shared"
    cell = matrix.Cell("c11", "gcc", "databases.c", link, "O1", tool)
    program = matrix.compiled(cell, installed, pathlib.Path(tmp_path))
    service = matrix.Service(cell, program, tmp_path / "run")
    try:
        asks_all(service, 3 if tool == "plain" else 1)
        assert postgres.connections() <= 5
        assert mariadb.connections() <= 6  # one more is for kills
        assert service.end() == 0, service.text()[-6000:]
    finally:
        service.kill()
    assert "nothing is left" in service.text(), service.text()[-3000:]
    assert not matrix.COMPLAINS.search(service.text()), service.text()[-12000:]
    for server in (postgres, mariadb):
        until(lambda: server.connections() == 0, f"{server.name} without connections of its own")
