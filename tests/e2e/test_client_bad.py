"""Peers that mean no good, or are not there: one clear error each, with the host and what was tried, in time."""
import contextlib
import socket
import time

import pytest
from conftest import IS_SANITIZED, PATIENCE
from test_client import asker, running


@pytest.fixture
def server():
    with running() as it:
        yield it


@contextlib.contextmanager
def black_hole():
    """A port that answers nothing at all: a line of two that nobody takes in is full."""
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for _ in range(4):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(hole.getsockname())
        yield hole.getsockname()[1]


def ask(ours, target, ms=None):
    """What is told of a call that fails, and how long that took."""
    before = time.monotonic()
    told = ours.get(f"/get?to={target}" + (f"&ms={ms}" if ms else "")).json
    took = time.monotonic() - before
    assert told["error"] and not told["body"]
    assert took < PATIENCE / 2
    return told["message"], took


@pytest.mark.parametrize("flag", ["", "--h2"])
def test_a_black_hole(services, server, flag):
    with black_hole() as port:
        ours = asker(services, server.url, "--dial-ms=200", *filter(None, [flag]))
        message, took = ask(ours, f"http://127.0.0.1:{port}/x")
        assert message.startswith(f"GET http://127.0.0.1:{port}/x: there is no connection: ")
        assert took >= 0.2
        message, took = ask(ours, f"http://127.0.0.1:{port}/x", ms=50)
        assert message.startswith(f"GET http://127.0.0.1:{port}/x: ")
        ours.wait_metric("weir_pool_open", lambda n: n == 0)


def test_a_loop_of_redirections(services, server):
    message, _ = ask(asker(services, server.url), "/loop")
    assert message.startswith(f"GET {server.url}/loop: a loop of redirections: ")


def test_an_answer_that_never_ends(services, server):
    """Read whole it ends by its bytes; one that trickles ends by the call's time."""
    ours = asker(services, server.url)
    message, _ = ask(ours, "/endless")
    assert message.startswith(f"GET {server.url}/endless: the body is over 4194304 bytes")
    message, took = ask(ours, "/trickle", ms=300)
    assert message.startswith(f"GET {server.url}/trickle: nothing more came in time, after ")
    assert took >= 0.3
    ours.wait_metric("weir_pool_open", lambda n: n == 0)


def test_a_bomb(services, server):
    """64 MiB of zeroes in 64 KiB."""
    ours = asker(services, server.url)
    ask(ours, "/loop")
    before = ours.resident()
    message, _ = ask(ours, "/bomb")
    assert message.startswith(f"GET {server.url}/bomb: ") and "of the body: unpacked it grows" in message
    assert IS_SANITIZED or ours.resident() < before + (20 << 20)
    ours.wait_metric("weir_pool_open", lambda n: n == 0)
