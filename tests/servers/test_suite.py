"""One suite over all drivers (suite.c): what <weir/sql.h> promises is the same on each of them."""
import subprocess

import pytest
from conftest import PATIENCE, program
from place import until

CASES = 21


def run_suite(url, *words):
    done = subprocess.run([program("suite"), f"--db={url}", *words], capture_output=True, text=True, timeout=10 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def check(url, *words):
    lines = run_suite(url, *words)
    assert lines[-1] == f"{CASES} passed, 0 failed", lines


def test_on_sqlite(tmp_path):
    check(f"{tmp_path}/suite.db")


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_on_a_server(request, kind):
    server = request.getfixturevalue(kind)
    check(server.url())
    until(lambda: server.connections() == 0, "the database counts connections of a program that has ended")


def test_on_connections_that_are_shared(postgres):
    check(postgres.url(multiplex=4))
    until(lambda: postgres.connections() == 0, "the database counts connections of a program that has ended")


@pytest.mark.parametrize("user", ["clear", "md5", "scram"])
def test_each_way_of_logging_in_to_postgres(postgres, user):
    postgres.sql(f"GRANT ALL ON SCHEMA public TO {user}")
    assert run_suite(postgres.url(user), "null_both_ways")[-1] == "1 passed, 0 failed"


def test_postgres_over_tls(postgres):
    lines = run_suite(postgres.url(sslmode="verify-full", sslrootcert=postgres.tls / "ca.pem"), "large_values")
    assert lines[-1] == "1 passed, 0 failed"
