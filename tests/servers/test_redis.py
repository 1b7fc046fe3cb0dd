"""The client of Redis against a real server: what it is told, its troubles, and that both sides count the same."""
import concurrent.futures
import importlib.util
import pathlib
import subprocess
import threading
import time
import urllib.parse

import pytest
import redis
from place import PATIENCE, SECRET

E2E = pathlib.Path(__file__).resolve().parent.parent / "e2e" / "conftest.py"
spec = importlib.util.spec_from_file_location("e2e_conftest", E2E)
e2e = importlib.util.module_from_spec(spec)
spec.loader.exec_module(e2e)
services = e2e.services


def until(look, is_good, what):
    end = time.monotonic() + PATIENCE
    value = look()
    while not is_good(value):
        assert time.monotonic() < end, f"{what}: {value}"
        time.sleep(0.02)
        value = look()
    return value


def told(service, path, **query):
    answer = service.get(path + "?" + urllib.parse.urlencode(query) if query else path)
    assert answer.status == 200, answer
    return answer.json


def cmd(service, words):
    return told(service, "/cmd", words=words)


def agree(service, server):
    """CLIENT LIST has the connections that the client counts."""
    until(lambda: (told(service, "/numbers")["connections"], server.connections("asker")), lambda n: n[0] == n[1],
          "connections here and there")
    numbers = told(service, "/numbers")
    assert numbers["in_flight"] == numbers["abandoned"] == 0
    return numbers["connections"]


# --- what it is told --------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [[], ["--resp2"]], ids=["resp3", "resp2"])
def test_commands(redis_server, services, flags):
    s = services("redis", f"--redis={redis_server.url()}", *flags)
    redis_server.ask("flushall")
    assert cmd(s, "SET k v")["text"] == "OK"
    assert cmd(s, "GET k")["text"] == "v"
    assert cmd(s, "GET none")["error"] == ""
    assert cmd(s, "RPUSH l a b c")["number"] == 3
    assert cmd(s, "LRANGE l 0 -1")["count"] == 3
    assert cmd(s, "CONFIG GET maxmemory")["count"] == 2
    assert cmd(s, "INCR l")["error"] == "wrong type of key"
    assert "WRONGTYPE" in cmd(s, "INCR l")["message"]
    assert cmd(s, "NOSUCH")["error"] == "database error"
    assert "use weir_redis_subscribe" in cmd(s, "SUBSCRIBE x")["message"]
    assert cmd(s, "BLPOP l 1")["count"] == 2
    assert told(s, "/person") == {"error": "", "message": "", "text": None, "number": 1, "count": 0}
    assert told(s, "/script", key="sk")["number"] == 42
    assert told(s, "/script", key="sk")["number"] == 42
    assert redis_server.ask("get", "sk") == ["41"]
    assert agree(s, redis_server) >= 1


@pytest.mark.parametrize("flags", [[], ["--resp2"]], ids=["resp3", "resp2"])
def test_many_fibers_and_transactions(redis_server, services, flags):
    s = services("redis", f"--redis={redis_server.url()}", "--workers=2", *flags)
    redis_server.ask("flushall")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for one in pool.map(lambda _: told(s, "/many", key="n", fibers=20, times=50), range(4)):
            assert one["error"] == "" and one["count"] == 0
        changed = list(pool.map(lambda _: told(s, "/change", key="w"), range(20)))
    assert redis_server.ask("get", "n") == ["4000"]
    assert [one["error"] for one in changed] == [""] * 20
    assert redis_server.ask("get", "w") == ["20"]
    assert agree(s, redis_server) <= 2 * 33


def test_users_tls_and_sockets(redis_server, services):
    s = services("redis", f"--redis={redis_server.url('reader', SECRET)}")
    assert cmd(s, "GET k")["error"] == ""
    assert cmd(s, "SET k v")["error"] == "permission denied by the server"
    wrong = services("redis", f"--redis={redis_server.url('weir', 'wrong')}")
    assert "WRONGPASS" in cmd(wrong, "GET k")["message"]
    assert "wrong" not in cmd(wrong, "GET k")["message"].replace("WRONGPASS", "")
    address = f"rediss://weir:{SECRET}@localhost:{redis_server.tls_port}"
    tls = services("redis", f"--redis={address}", f"--ca={redis_server.tls / 'ca.pem'}")
    assert cmd(tls, "ACL WHOAMI")["text"] == "weir"
    stranger = services("redis", f"--redis={address}")
    assert "TLS: the certificate is refused" in cmd(stranger, "GET k")["message"]
    local = services("redis", f"--redis=unix:{redis_server.socket}")
    assert cmd(local, "PING")["text"] == "PONG"


@pytest.mark.parametrize("flags", [[], ["--resp2"]], ids=["resp3", "resp2"])
def test_messages(own_redis, services, flags):
    server = own_redis()
    s = services("redis", f"--redis={server.url()}", *flags)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        heard = pool.submit(told, s, "/hear", channel="news", count=3)
        until(lambda: server.ask("pubsub", "numsub", "news")[1], lambda n: n == "1", "subscribers")
        server.ask("publish", "news", "one")
        until(lambda: told(s, "/numbers")["subscriptions"], lambda n: n == 1, "subscriptions")
        server.kill()
        server.start()
        until(lambda: server.ask("pubsub", "numsub", "news")[1], lambda n: n == "1", "subscribers again")
        server.ask("publish", "news", "two")
        server.ask("publish", "news", "three")
        done = heard.result(PATIENCE)
    assert done["error"] == "" and done["text"] == "one two three " and done["number"] == 1 and done["count"] == 0
    until(lambda: server.ask("pubsub", "numsub", "news")[1], lambda n: n == "0", "subscribers")
    agree(s, server)


@pytest.mark.parametrize("flags", [[], ["--resp2"]], ids=["resp3", "resp2"])
def test_streams(own_redis, services, flags):
    server = own_redis()
    s = services("redis", f"--redis={server.url()}", *flags)
    for n in "abcd":
        server.ask("xadd", "jobs", "*", "n", n)
    assert told(s, "/consume", consumer="one", count=2, acks=0)["text"] == "a b "
    assert told(s, "/consume", consumer="one", count=2)["text"] == "a! b! "
    # What one was given in its batch and has not acknowledged, another takes over.
    assert told(s, "/consume", consumer="two", count=2, claim=1)["text"] == "c! d! "
    assert server.ask("xpending", "jobs", "g")[0] == "0"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(told, s, "/consume", consumer="two", count=1)
        until(lambda: server.ask("info", "clients"), lambda text: "blocked_clients:1" in text, "blocked clients")
        server.ask("xadd", "jobs", "*", "n", "e")
        assert waits.result(PATIENCE)["text"] == "e "
    agree(s, server)


# --- its troubles -----------------------------------------------------------------------------------


def works(service):
    return cmd(service, "INCR alive")["error"] == ""


def test_killed_and_restarted(own_redis, services):
    server = own_redis()
    s = services("redis", f"--redis={server.url()}")
    assert works(s)
    for end in (server.kill, server.stop):
        end()
        until(lambda: cmd(s, "GET k")["message"], lambda m: "cannot be reached" in m, "what is told")
        begin = time.monotonic()
        for _ in range(50):
            assert cmd(s, "GET k")["error"] == "could not be reached" or cmd(s, "GET k")["error"]
        assert time.monotonic() - begin < PATIENCE
        server.start()
        until(lambda: works(s), bool, "works")
        agree(s, server)
    assert told(s, "/numbers")["refused"] > 0


def test_paused(own_redis, services):
    server = own_redis()
    s = services("redis", f"--redis={server.url()}", "--answer-ms=300")
    assert works(s)
    server.pause()
    assert cmd(s, "GET k")["error"] == "timed out"
    server.resume()
    until(lambda: works(s), bool, "works")
    agree(s, server)


def test_requests_that_leave(own_redis, services):
    server = own_redis()
    # One worker, which has been greeted: who waits for a greeting has asked nothing that could be abandoned.
    s = services("redis", f"--redis={server.url()}", "--answer-ms=60000", "--workers=1")
    assert works(s)
    held = server.connections("asker")
    with s.connect() as client:
        client.sendall(b"GET /cmd?words=BLPOP+nothing+0 HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: server.ask("info", "clients"), lambda text: "blocked_clients:1" in text, "blocked clients")
    until(lambda: server.connections("asker"), lambda n: n == held, "connections")
    server.ask("rpush", "nothing", "a")  # nobody takes it for who has left
    assert server.ask("llen", "nothing") == ["1"]
    server.pause()
    with s.connect() as client:
        client.sendall(b"GET /cmd?words=GET+k HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: told(s, "/numbers")["in_flight"], lambda n: n == 1, "in flight")
    until(lambda: told(s, "/numbers"), lambda n: n["abandoned"] == 1, "abandoned")
    server.resume()
    assert works(s)
    agree(s, server)


def test_cut_by_the_server(own_redis, services):
    server = own_redis()
    s = services("redis", f"--redis={server.url()}")
    assert works(s)
    stop = threading.Event()
    failed = []

    def ask():
        while not stop.is_set():
            one = told(s, "/many", key="n", fibers=20, times=20)
            if one["count"]:
                failed.append(one)

    thread = threading.Thread(target=ask)
    thread.start()
    for _ in range(10):
        server.ask("client", "kill", "type", "normal", "skipme", "yes")
        time.sleep(0.05)
    stop.set()
    thread.join()
    until(lambda: works(s), bool, "works")
    agree(s, server)


def test_a_replica_that_is_promoted(own_redis, services):
    primary = own_redis()
    replica = own_redis(replica_of=primary)
    s = services("redis", f"--redis={replica.url()}")
    until(lambda: cmd(s, "SET k v")["error"], lambda e: e == "read only", "what a replica says")
    replica.promote()
    until(lambda: cmd(s, "SET k v")["error"], lambda e: e == "", "what a primary says")
    agree(s, replica)


def test_no_room_for_clients(own_redis, services):
    server = own_redis(settings={"maxclients": "4"})
    taken = [redis.Redis("127.0.0.1", server.port) for _ in range(4)]
    for one in taken[:3]:
        one.ping()
    with pytest.raises(redis.exceptions.ConnectionError):
        [one.ping() for one in taken[3:] + [redis.Redis("127.0.0.1", server.port)]]
    s = services("redis", f"--redis={server.url()}")
    until(lambda: cmd(s, "PING")["message"], lambda m: "max number of clients" in m or "cannot be reached" in m,
          "what is told")
    for one in taken:
        one.connection_pool.disconnect()
    until(lambda: cmd(s, "INCR alive")["message"], lambda m: m == "", "what is told")


def test_another_protocol_on_the_port(services):
    other = services("hello")
    s = services("redis", f"--redis=redis://127.0.0.1:{other.port}")
    message = cmd(s, "PING")["message"]
    assert "a value begins with a byte that begins none" in message or "closed" in message, message


def test_out_of_memory_and_loading(own_redis, services):
    server = own_redis(settings={"maxmemory": "1500000", "maxmemory-policy": "noeviction"})
    s = services("redis", f"--redis={server.url()}")
    subprocess.run(["redis-cli", "-s", str(server.socket), "debug", "populate", "20000"], check=False,
                   capture_output=True)
    until(lambda: cmd(s, "SET k v")["error"], lambda e: e == "server out of memory", "what is told")
    server.ask("flushall")
    assert works(s)
