"""Groups of upstreams against real servers: who gets the calls, who is left alone, who comes back."""
import concurrent.futures
import contextlib
import time

import pytest
from conftest import PATIENCE
from test_client import running


@pytest.fixture
def three():
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(running()) for _ in range(3)]


def group(services, servers, *flags, weights=None):
    targets = " ".join(f"{s.url}*{w}" for s, w in zip(servers, weights or [1] * len(servers)))
    return services("asker", f"--targets={targets}", "--workers=1", *flags)


def ask(ours, path="/who", calls=1):
    """Who has answered, by its port; calls that got none of them are an error."""
    answers = [ours.get(f"/get?to={path}").json for _ in range(calls)]
    assert all(a["status"] == 200 for a in answers), answers
    return [int(a["body"]) for a in answers]


def wait_for(what):
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_one_after_the_other(services, three):
    ask(group(services, three), calls=30)
    assert [s.asked for s in three] == [10, 10, 10]


def test_by_their_weights(services, three):
    ask(group(services, three, weights=(5, 3, 2)), calls=100)
    assert [s.asked for s in three] == [50, 30, 20]


def test_to_who_has_least_to_do(services, three):
    three[0].pause = 0.1
    ours = group(services, three, "--policy=least")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ask(ours), range(200)))
    assert three[0].asked < min(three[1].asked, three[2].asked)


def test_by_a_key(services, three):
    ours = group(services, three, "--policy=hash")
    who = {i: set(ask(ours, f"/who/{i}", 3)) for i in range(30)}
    assert all(len(one) == 1 for one in who.values())
    assert set().union(*who.values()) == {s.server_address[1] for s in three}


def test_who_fails_is_ejected_and_comes_back(services, three):
    """Passive: nobody notices it, for a retry goes to another one."""
    three[1].is_down = True
    ours = group(services, three, "--retries=1")
    ask(ours, calls=100)
    assert three[1].asked < 10
    ours.wait_said("is left alone for a while, for failures in a row: the last answer was 503")
    three[1].is_down = False
    before = three[1].asked
    wait_for(lambda: ask(ours) and three[1].asked > before + 20)


def test_probes_find_who_is_down(services, three):
    """Active: no call of the program's is needed, and none goes there."""
    three[2].is_down = True
    ours = group(services, three, "--probe=/who")
    ours.wait_said(f"{three[2].url} is down: the last answer was 503")
    assert three[2].server_address[1] not in ask(ours, calls=20)
    three[2].is_down = False
    ours.wait_said(f"{three[2].url} is up again")
    wait_for(lambda: three[2].server_address[1] in ask(ours))


def test_all_out_is_one_clear_error(services, three):
    for server in three:
        server.is_down = True
    ours = group(services, three, "--probe=/who")
    for server in three:
        ours.wait_said(f"{server.url} is down")
    told = ours.get("/get?to=/who").json
    assert told["message"].startswith("GET ") and "all 3 targets" in told["message"], told
