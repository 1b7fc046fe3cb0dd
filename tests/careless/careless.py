#!/usr/bin/python3
"""Careless handlers, from outside: each mistake costs its request, and nothing more.

    tests/careless/careless.py PROGRAM [--sample N] [--seed TEXT]

PROGRAM is tests/service/careless.c, linked in whatever way. It runs with one worker, and is asked
for each mistake while a neighbour is asked as well: the careless request gets its answer, the
neighbour is served on the same worker, the log says what was wrong and at which line, and in the end
the service stops by SIGTERM with nothing left. The last line is `N passed, N failed`; --sample takes
some rows, others with each seed (the commit, unless given).
"""
import argparse
import http.client
import json
import pathlib
import queue
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from child import takes_signals  # noqa: E402

PATIENCE = 30
SPINS = "sleep yield checkpoint send recv try-send select lock sem once group join go offload file socket".split()

CUT = "an answer that is cut"

# path, status that the client gets, what a line of the log says (with a line of careless.c in it)
ROWS = [
    ("/local-to-fiber", 500, "WEIR_GO: the argument is a local variable"),
    ("/local-without-scope", 500, "WEIR_GO: the argument is a local variable"),
    ("/local-deferred", 500, "weir_defer: the argument is a local variable"),
    ("/local-to-timer", 500, "weir_timer_every: the argument is a local variable"),
    ("/scope-and-check", 500, "check failed"),
    ("/scope-and-return", 503, None),
    ("/block-and-break", 200, None),
    ("/block-and-jump", 500, "left by a longjmp"),
    ("/nested-5000", 500, "lie above one another"),
    ("/close-own", 500, "weir_ctx_close: only the function that opened"),
    *((f"/spin-{kind}", 500, "1000 waits in a row have failed at once") for kind in SPINS),
    ("/spin-closed", 500, "1000 waits in a row have failed at once"),
    ("/spin-deadline", (500, 504), "1000 waits in a row have failed at once"),
    ("/spin-detached", 200, "1000 waits in a row have failed at once"),
    ("/spin-body", 500, "1000 waits in a row have failed at once"),
    ("/null-function", 500, "weir_protect: the function is NULL"),
    ("/null-model", 500, "weir_json: the model is NULL"),
    ("/null-context", 500, "weir_sleep: the context is NULL"),
    ("/null-element", 500, "weir_chan_send: the element is NULL"),
    ("/kept-argument", 500, "WEIR_GO: the argument lies in memory"),
    ("/local-key", 500, "weir_set: the key is a local variable"),
    ("/adopt-stdin", 500, "weir_fd_adopt: "),
    ("/foreign-thread", 200, "weir_sleep was called on a thread that runs no fibers"),
    ("/blocking-sleep", 200, None),
    ("/offloaded-panic", 500, "on a thread of its own"),
    ("/reply-kept", 500, "weir_reply_body: the reply is none, or the context that it was made in has ended"),
    ("/client-kept", 500, "weir_http_do: the HTTP client is none, or the context that it was made in has ended"),
    ("/client-null", 500, "weir_http_do: the HTTP client is NULL"),
    ("/ask-detached", 200, "panic in ask_later: weir_http_do: the HTTP client is none"),
    ("/read-unfinished", 500, "weir_reply_read: its request has not been ended"),
    ("/reply-of-another", 500, "a reply is one fiber's"),
    ("/replies-forgotten", 500, "1000 waits in a row have failed at once"),
    ("/time-without-unit", 200, ".timeout is 300 ns, less than a millisecond"),
    ("/proxy-circle", 508, "they go in a circle"),
    ("/proxy-null", 500, "weir_proxy: the HTTP client is NULL"),
    ("/proxy-twice", (200, 301, 404), "closed: a second response is refused"),
    ("/proxy-nowhere", 500, "weir_proxy: the HTTP client has no base and no targets"),
    ("/proxy-cut", CUT, "the upstream has failed: GET http://"),
    ("/write-null", 500, "weir_http_write: the data is NULL"),
    ("/write-half", 503, None),
    ("/reply-stored", 500, "weir_reply_body: the reply is none, or the context that it was made in has ended"),
    ("/ask-by-timer", 200, "panic in ask_stored: weir_http_do: the HTTP client is none"),
    ("/db-null", 500, "weir_query: the database is NULL"),
    ("/db-of-a-step", 500, "weir_query: the database is none, or the context that it was made in has ended"),
    ("/rows-of-a-step", 500, "weir_rows_next: the rows is none, or the context that it was made in has ended"),
    ("/rows-of-another", 500, "by another fiber: two fibers never share a connection"),
    ("/rows-and-panic", 500, "check failed: n < 2"),
    ("/tx-of-another", 500, "by another fiber: two fibers never share a connection"),
    ("/tx-of-a-step", 500, "weir_exec: the transaction is none, or the context that it was made in has ended"),
    ("/commit-twice", 200, None),
    ("/tx-left", 200, "neither committed nor rolled back, left open at the end of its context"),
    ("/spin-query", 500, "1000 waits in a row have failed at once"),
    ("/spin-redis", 500, "1000 waits in a row have failed at once"),
    ("/redis-null", 500, "weir_redis_set: the Redis client is NULL"),
    ("/pipe-of-a-step", 500, "weir_redis_add: the pipe is none, or the context that it was made in has ended"),
    ("/cache-of-a-request", 500, "weir_cache_new: "),
    ("/respond-twice", 200, "closed: a second response is refused"),
    ("/stream-twice", 200, "closed: a second response is refused"),
    ("/upgrade-by-hand", 500, "weir_text: status 101; a response has one from 200 to 599"),
]


class Service:
    def __init__(self, program, folder):
        self.lines, self.news = [], queue.Queue()
        self.process = subprocess.Popen(
            [program, "--listen=127.0.0.1:0", "--workers=1", f"--db={folder}/notes.db"], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
            preexec_fn=takes_signals)
        threading.Thread(target=self.read, daemon=True).start()
        self.port = int(re.search(r":(\d+)", self.wait_for(r"listens on http://[\d.]+:\d+").split("http:")[1])[1])

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            self.news.put(None)
        self.news.put(None)

    def wait_for(self, pattern, start=0):
        """The first line from `start` on that has it; '' when none came in time."""
        end = time.monotonic() + PATIENCE
        at = start
        while True:
            for line in self.lines[at:]:
                at += 1
                if re.search(pattern, line):
                    return line
            try:
                self.news.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                return ""

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except http.client.IncompleteRead:
            return CUT
        except (OSError, http.client.HTTPException) as e:
            return f"no answer: {e!r}"
        finally:
            connection.close()


def try_row(service, path, status, said):
    """What is wrong with it; '' when nothing is."""
    start, got = len(service.lines), []
    careless = threading.Thread(target=lambda: got.append(service.ask(path)))
    careless.start()
    for _ in range(3):
        if (beside := service.ask("/ok")) != 200:
            return f"its neighbour got {beside}"
    careless.join(PATIENCE)
    if not got or got[0] not in (status if isinstance(status, tuple) else (status,)):
        return f"{got[0] if got else 'no answer'} instead of {status}"
    if said is not None:
        line = service.wait_for(re.escape(said), start)
        if not line:
            return f"no line says {said!r}"
        if not re.search(r"careless\.c:\d+", line):
            return f"no line of the source in: {line}"
    if service.process.poll() is not None:
        return f"the process ended with {service.process.returncode}"
    return ""


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--sample", type=int, default=len(ROWS))
    arguments.add_argument("--seed")
    options = arguments.parse_args()
    if options.seed is None:
        options.seed = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True,
                                      text=True).stdout.strip()
    rows = random.Random(options.seed).sample(ROWS, min(options.sample, len(ROWS)))
    folder = tempfile.TemporaryDirectory()
    service = Service(options.program, folder.name)
    failures = 0
    for path, status, said in rows:
        wrong = try_row(service, path, status, said)
        failures += wrong != ""
        print(f"{'ok' if wrong == '' else 'FAILED':6}  {path}  {wrong}", flush=True)
        if service.process.poll() is not None:
            service = Service(options.program, folder.name)
    service.process.send_signal(signal.SIGTERM)
    try:
        status = service.process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        service.process.kill()
        status = "not at all"
    is_clean = status == 0 and service.wait_for("nothing is left") != ""
    failures += not is_clean
    print(f"{'ok' if is_clean else 'FAILED':6}  the end: {status}")
    print(f"{len(rows) + 1 - failures} passed, {failures} failed")
    return failures != 0


sys.exit(main())
