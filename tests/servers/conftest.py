"""Real servers for the tests beside this, each made when a test first asks for it and ended after the last; and what
tests/e2e has for services that ask them.
"""
import importlib.util
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "e2e"))
from maria import MariaDB  # noqa: E402
from pg import Postgres  # noqa: E402
from redisd import Redis  # noqa: E402

# The other conftest, whose fixtures and names are these tests' too.
_spec = importlib.util.spec_from_file_location("e2e_conftest", HERE.parent / "e2e" / "conftest.py")
e2e_conftest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(e2e_conftest)
globals().update({name: value for name, value in vars(e2e_conftest).items() if not name.startswith("_")})


def shared(kind):
    @pytest.fixture(scope="session")
    def fixture():
        with kind() as server:
            yield server

    return fixture


def own(kind):
    """One that the test may kill, pause and spoil; one with settings by calling it."""

    @pytest.fixture
    def fixture():
        made = []

        def make(**options):
            made.append(kind(**options))
            return made[-1]

        yield make
        for server in reversed(made):
            server.close()

    return fixture


postgres, own_postgres = shared(Postgres), own(Postgres)
mariadb, own_mariadb = shared(MariaDB), own(MariaDB)
redis_server, own_redis = shared(Redis), own(Redis)
