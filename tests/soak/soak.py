#!/usr/bin/python3
"""The soak: the shop for a long time under everything that is unkind, and whether anything grows.

    tests/soak/soak.py BUILD [--minutes=20] [--lives=4] [--seed=1] [--plant=fd|memory|fiber|no]

It goes in rounds. In each, wrk and buyers use the shop while clients vanish (in the middle of a
response, with half a request sent, without waiting for an answer), and for a while another process
holds the database's write lock. At the end of a round all clients leave, and when the last connection
is closed the service is looked at: heap, resident memory, descriptors, fibers, contexts, leases. Now and
then it is told to drain in the middle of a round, and started again.

Each of these is judged by its slope over requests (judge.py): lives have their own levels, the first
rounds of a life are its warm-up. The heap is what the allocator has given and not got back; resident
memory also holds its caches and holes, and moves by megabytes when the same things are allocated in
another order. First a service with a planted leak, one request in 10,000, is put before the same
judge, who must find it. Leak reports, panics, foreign descriptors, an answer of 500 and a drain that
leaves something behind fail the soak too. The exit status says how it went; the tables are Markdown.
"""
import argparse
import collections
import datetime
import http.client
import json
import os
import pathlib
import random
import re
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from judge import CONFIDENCE, judge  # noqa: E402

PATIENCE = 30
MIB = 1 << 20
# What is judged: (name, unit, the bound in units a request, what it must have come to at least).
JUDGED = {
    "heap": ("bytes", 0.1, MIB / 4),
    "resident memory": ("bytes", 1.0, 4 * MIB),
    "descriptors": ("", 1e-5, 3),
    "fibers": ("", 1e-5, 3),
    "contexts": ("", 1e-5, 3),
    "leases": ("", 1e-5, 1),
}
SHORT_TIMEOUTS = ["--head-timeout=1s", "--body-timeout=1s", "--write-timeout=1s", "--idle-timeout=1s"]


class Service:
    """A program that serves, and what can be seen of it from outside."""

    def __init__(self, program, *flags):
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [program, "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", *SHORT_TIMEOUTS,
             "--log-level=warn", "--fd-audit=2s", *flags],
            stdout=subprocess.PIPE, stderr=self.output, text=True)
        line = self.process.stdout.readline()
        ports = re.findall(r"http://[^:]+:(\d+)", line)
        assert len(ports) == 2, f"it does not start: {line!r}\n{self.text()}"
        self.port, self.admin = map(int, ports)
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def text(self):
        self.output.seek(0)
        return self.output.read()

    def metrics(self):
        """The sum of each family's samples."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=PATIENCE)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        sums = {}
        for name, value in re.findall(r"^(\w+)(?:\{.*\})? (\S+)$", text, re.M):
            sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    def sample(self):
        """Requests so far, and what it holds now."""
        m = self.metrics()
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return m, {
            "requests": m["weir_http_received_requests_total"],
            "heap": m["weir_heap_allocated_bytes"],
            "resident memory": int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024,
            "descriptors": len(os.listdir(f"/proc/{self.process.pid}/fd")),
            "fibers": m["weir_fibers"],
            "contexts": m["weir_contexts"],
            "leases": m.get("weir_pool_in_use", 0),
        }

    def rest(self):
        """Waits until no connection is open, then samples. What stays open is a mistake."""
        end = time.monotonic() + PATIENCE
        while True:
            metrics, values = self.sample()
            if metrics["weir_http_connections"] == 0 and values["leases"] == 0:
                return metrics, values
            if time.monotonic() > end:
                raise AssertionError(f"after {PATIENCE} s without clients: {metrics['weir_http_connections']:.0f} "
                                     f"connections, {values['leases']:.0f} leases\n{self.text()[-3000:]}")
            time.sleep(0.1)

    def drain(self):
        """Ends it; its last words."""
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)
        lines = self.text().splitlines()
        return self.process.returncode, lines[-1] if lines else ""


# --- clients ----------------------------------------------------------------------------------


class Crowd:
    """Threads that use a service until they are told to stop; what they counted."""

    def __init__(self, port, seed):
        self.port, self.seed = port, seed
        self.is_over = threading.Event()
        self.counts = collections.Counter()
        self.lock = threading.Lock()
        self.threads = []

    def start(self, *jobs):
        for number, job in enumerate(jobs):
            thread = threading.Thread(target=self._repeat, args=(job, self.seed * 100 + number))
            thread.start()
            self.threads.append(thread)

    def _repeat(self, job, seed):
        chance = random.Random(seed)
        while not self.is_over.is_set():
            try:
                job(self, chance)
            except OSError:
                self.count("not connected")
                self.is_over.wait(0.05)
            except http.client.HTTPException:
                self.count("cut off")

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)


def buy(crowd, chance):
    """An order, as people place it, and a look at it."""
    connection = http.client.HTTPConnection("127.0.0.1", crowd.port, timeout=10)
    try:
        for _ in range(10):
            lines = [{"product_id": chance.randint(1, 20), "qty": 1}]
            order = {"user_id": chance.randint(1, 20), "lines": lines}
            connection.request("POST", "/api/v1/orders", json.dumps(order),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            crowd.count(f"orders answered {response.status}")
            if crowd.is_over.is_set():
                return
    finally:
        connection.close()


HEADS = {
    "report": b"GET /api/v1/report HTTP/1.1\r\nHost: shop\r\n\r\n",
    "dashboard": b"GET /api/v1/users/1/dashboard HTTP/1.1\r\nHost: shop\r\n\r\n",
    "half a head": b"GET /api/v1/users HTTP/1.1\r\nHost: sh",
    "half a body": b"POST /api/v1/users HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
                   b"Content-Length: 80\r\n\r\n{\"name\":\"half",
    "half a chunk": b"POST /api/v1/users HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n20\r\n{\"na",
    "a pipeline": b"GET /api/v1/products/1 HTTP/1.1\r\nHost: shop\r\n\r\n" * 5,
    "nonsense": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "nothing": b"",
}


def vanish(crowd, chance):
    """Connects, sends something, perhaps reads a little, and is gone: closed, reset or half-closed."""
    with crowd.connect() as connection:
        connection.sendall(HEADS[chance.choice(list(HEADS))])
        if chance.random() < 0.5:
            connection.settimeout(0.05)
            try:
                connection.recv(chance.choice([1, 100, 65536]))
            except TimeoutError:
                pass
        way = chance.random()
        if way < 0.4:  # reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif way < 0.6:
            connection.shutdown(socket.SHUT_WR)
            crowd.is_over.wait(chance.random() * 0.2)
        crowd.count("vanished")
    crowd.is_over.wait(0.005)


def lock_database(path, seconds):
    """Another process' transaction, which everybody who writes must wait for."""
    try:
        with sqlite3.connect(path, timeout=5, isolation_level=None) as db:
            db.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            db.execute("ROLLBACK")
    except sqlite3.OperationalError:
        pass  # the shop was faster, all the time


def wrk(port, path, seconds):
    return subprocess.Popen(["wrk", "-t1", "-c16", f"-d{max(1, round(seconds))}s",
                             f"http://127.0.0.1:{port}{path}"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


# --- rounds -----------------------------------------------------------------------------------


class Shop:
    """Makes the shop, and the load that it gets."""

    def __init__(self, build, folder):
        self.program, self.db = str(build / "examples/shop"), folder / "shop.db"

    def start(self):
        return Service(self.program, f"--db={self.db}", "--drain-timeout=5s")

    def load(self, service, seconds, seed):
        """Everybody at once, for a while; returns what they counted."""
        crowd = Crowd(service.port, seed)
        crowd.start(buy, buy, vanish, vanish, vanish)
        clients = [wrk(service.port, path, seconds) for path in
                   ("/api/v1/products/7", "/api/v1/users?limit=10")]
        time.sleep(seconds * 0.3)
        lock_database(self.db, seconds * 0.3)
        for client in clients:
            client.wait()
        crowd.stop()
        return crowd.counts


class Drip:
    """A service with a planted leak, under wrk alone."""

    def __init__(self, build, what):
        self.program, self.what = str(build / "tests/drip"), what

    def start(self):
        return Service(self.program, f"--what={self.what}", "--every=10000")

    def load(self, service, seconds, seed):
        wrk(service.port, "/drip", seconds).wait()
        return collections.Counter()


def run_life(subject, rounds, round_seconds, warm_up, seed, is_last, tell):
    """One start of the service: its samples at rest, its counts, and how it ended."""
    service, points, totals, peak = subject.start(), [], collections.Counter(), 0
    try:
        for number in range(rounds):
            totals += subject.load(service, round_seconds * 0.75, seed + number)
            peak = max(peak, service.sample()[1]["resident memory"])
            metrics, values = service.rest()
            if number >= warm_up:
                points.append(values)
            tell(f"round {number + 1} of {rounds}: "
                 + ", ".join(f"{name} {value:.0f}" for name, value in values.items()))
        if not is_last:  # the drain comes in the middle of everything
            loaded = threading.Thread(target=subject.load, args=(service, 3, seed + rounds))
            loaded.start()
            time.sleep(1)
            status, words = service.drain()
            loaded.join()
        else:
            status, words = service.drain()
        return points, metrics, totals, peak, status, words, service.text()
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


def verdicts(lives):
    for name, (unit, bound, floor) in JUDGED.items():
        series = [[(p["requests"], p[name]) for p in life] for life in lives]
        yield name, unit, judge(series, bound, floor)


def table(lives):
    print("| what | slope, a request | ± | at most | in the longest life | points | verdict |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for name, unit, v in verdicts(lives):
        print(f"| {name}{', ' + unit if unit else ''} | {v.slope:.3g} | {v.error:.2g} | {v.bound:g} "
              f"| {v.growth:.3g} | {v.points} | {v.word} |")
    print()


def find_planted(build, what, tell):
    """A minute of a service that leaks: True when the judge finds it, and nothing else."""
    points, *_ = run_life(Drip(build, what), 10, 4, 2, 1, True, tell)
    print(f"Planted: one request in 10,000 leaves behind: {what}\n")
    table([points])
    found = {name for name, _, v in verdicts([points]) if v.is_leak}
    wanted = {"fd": {"descriptors"}, "memory": {"heap", "resident memory"},
              "fiber": {"fibers", "contexts"}}[what]
    # Fibers have contexts and stacks: that the memory grows too is no false alarm.
    return wanted <= found <= wanted | {"heap", "resident memory"}


def soak_shop(build, minutes, lives, seed, tell):
    round_seconds = 10 if minutes >= 5 else 5
    rounds = max(6, int(minutes * 60 / round_seconds / lives))
    warm_up = 5 if rounds >= 15 else 2
    series, problems, totals, peak, requests = [], [], collections.Counter(), 0, 0
    with tempfile.TemporaryDirectory(prefix="weir-soak-") as folder:
        shop = Shop(build, pathlib.Path(folder))
        for life in range(lives):
            points, metrics, counts, top, status, words, log = run_life(
                shop, rounds, round_seconds, warm_up, seed * 10000 + life * 100, life == lives - 1,
                lambda line: tell(f"life {life + 1}, {line}"))
            series.append(points)
            peak, requests = max(peak, top), requests + points[-1]["requests"]
            totals += counts
            for name in ("weir_leak_reports_total", "weir_panics_total",
                         "weir_descriptors_foreign_total", "weir_log_dropped_total"):
                if metrics.get(name, 0) > 0:
                    problems.append(f"life {life + 1}: {name} is {metrics[name]:.0f}")
            if "descriptors are left" in words or status not in (0, 1):
                problems.append(f"life {life + 1} ended with {status}: {words}")
    print(f"The shop, {lives} lives of {rounds} rounds of {round_seconds} s, the first {warm_up} of each "
          f"its warm-up: {requests:,.0f} requests, "
          + ", ".join(f"{name}: {n:,}" for name, n in sorted(totals.items()))
          + f"; at most {peak / MIB:.0f} MiB resident\n")
    table(series)
    if totals["orders answered 500"] > 0:
        problems.append("orders were answered 500")
    problems += [f"{name} grows" for name, _, v in verdicts(series) if v.is_leak]
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--lives", type=int, default=0, help="default: one for each five minutes, at least 2")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plant", choices=["fd", "memory", "fiber", "no"], default="fd")
    parser.add_argument("--quiet", action="store_true")
    o = parser.parse_args()
    lives = o.lives or max(2, round(o.minutes / 5))

    def tell(line):
        if not o.quiet:
            print(line, file=sys.stderr, flush=True)

    now = datetime.datetime.now(datetime.timezone.utc)
    print(f"- when: {now:%Y-%m-%d %H:%M} UTC; slopes at {CONFIDENCE:.0%} confidence\n")
    problems = []
    if o.plant != "no" and not find_planted(o.build, o.plant, tell):
        problems.append("the planted leak was not found, or something else was")
    problems += soak_shop(o.build, o.minutes, lives, o.seed, tell)
    for problem in problems:
        print(f"FAILED: {problem}")
    print("soak: nothing grows" if not problems else "soak: FAILED")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
