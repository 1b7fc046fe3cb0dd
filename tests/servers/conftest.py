"""Real servers for the tests beside this, each made when a test first asks for it and ended after the last."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from maria import MariaDB  # noqa: E402
from pg import Postgres  # noqa: E402
from redisd import Redis  # noqa: E402


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
