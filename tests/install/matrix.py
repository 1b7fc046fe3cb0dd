#!/usr/bin/python3
"""The installed library under every compiler, standard, level, way of linking and tool.

    tests/install/matrix.py BUILD [--sample] [--seed TEXT] [--only WORD...]

Installs BUILD into a folder of its own and takes from it what pkg-config says, and nothing else. A
cell compiles a whole service (service.c or databases.c, as C or as C++, or service.cc) without a
warning, asks it, and ends it (databases.c has nobody to ask, and says so): it must end well, and its
tool must have nothing to say. Then it is asked for what is wrong, which the tool must name, with the
handler's frame and the ones above it.

With --sample there are few cells, in which each value of each axis, and each pair of a tool and a
kind of compiler or a way of linking, occurs; they change with the seed, which is the commit. --only takes the
cells whose names have all the words. The last line is `N passed, N failed`.
"""
import argparse
import concurrent.futures
import http.client
import itertools
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from installed import Installed, run, seed

HERE = pathlib.Path(__file__).resolve().parent
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
LEVELS = ["O0", "O1", "O2", "O3"]
LINKS = ["shared", "static"]
BOTH = ("service.c", "databases.c")
LANGUAGES = {  # standard: compilers, sources
    "c11": (("gcc", "clang"), BOTH),
    "gnu17": (("gcc", "clang"), BOTH),
    "c2x": (("gcc", "clang"), BOTH),
    "c++17": (("g++", "clang++"), (*BOTH, "service.cc")),
    "c++20": (("g++", "clang++"), (*BOTH, "service.cc")),
}
PATIENCE = 90

# What each tool must find: the path, and what its report has, in this order.
FRAMES = r"[\s\S]*?#1 0x"
WRONG = {
    "plain": {},
    "asan": {
        "freed": r"heap-use-after-free[\s\S]*?in wrong_freed" + FRAMES,
        "ended": r"(?:use-after-poison|heap-use-after-free)[\s\S]*?in wrong_ended" + FRAMES,
        "stack": r"stack-buffer-overflow[\s\S]*?in wrong_stack" + FRAMES,
        "null": r"AddressSanitizer: SEGV[\s\S]*?in wrong_null" + FRAMES,
        "leak": r"detected memory leaks[\s\S]*?1234 byte[\s\S]*?in wrong_leak[\s\S]*?in weir_next",
    },
    "lsan": {"leak": r"detected memory leaks[\s\S]*?1234 byte[\s\S]*?in wrong_leak[\s\S]*?in weir_next"},
    "tsan": {"race": r"data race[\s\S]*?race_once[\s\S]*?Previous (?:read|write)[\s\S]*?race_once"},
    "valgrind": {
        "freed": r"Invalid read of size 1[\s\S]*?wrong_freed[\s\S]*?free'd",
        "ended": r"Invalid read of size 1[\s\S]*?wrong_ended",
        "unset": r"uninitialised[\s\S]*?wrong_unset",
        "leak": r"1,234 bytes in 1 blocks are (?:definitely|possibly) lost[\s\S]*?wrong_leak",
    },
}
SANITIZE = {"asan": "address", "lsan": "leak", "tsan": "thread"}
COMPLAINS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:"
                       r"|ERROR SUMMARY: [1-9]|valgrind: the 'impossible'|client switching stacks")


class Cell:
    def __init__(self, standard, compiler, source, link, level, tool):
        self.standard, self.compiler, self.source = standard, compiler, source
        self.link, self.level, self.tool = link, level, tool

    @property
    def name(self):
        return " ".join((self.tool, self.link, self.compiler, self.standard, self.level, self.source))


def all_cells():
    for standard, (compilers, sources) in LANGUAGES.items():
        for parts in itertools.product(compilers, sources, LINKS, LEVELS, WRONG):
            compiler, source, link, level, tool = parts
            yield Cell(standard, compiler, source, link, level, tool)


def sample(cells, seed):
    """Few cells in which all single values and the pairs with a tool occur."""
    chooser = random.Random(seed)
    chooser.shuffle(cells)

    def covers(cell):
        single = {cell.standard, cell.level, (cell.standard, cell.compiler), (cell.source, cell.standard)}
        return single | {(cell.tool, cell.link), (cell.tool, cell.compiler.startswith("clang"))}

    wanted, taken = set().union(*map(covers, cells)), []
    while wanted:
        best = max(cells, key=lambda cell: len(covers(cell) & wanted))
        taken.append(best)
        wanted -= covers(best)
    return taken


def compiled(cell, installed, folder):
    program = folder / "service"
    language = ["-x", "c++"] if cell.standard.startswith("c++") else []
    tool = [f"-fsanitize={SANITIZE[cell.tool]}"] if cell.tool in SANITIZE else []
    run(cell.compiler, f"-std={cell.standard}", f"-{cell.level}", "-g", *WARNINGS, *tool, *language,
        HERE / cell.source, "-x", "none", "-o", program, *installed.flags(cell.link))
    return program


class Service:
    """The program under its tool, in a folder of its own."""

    def __init__(self, cell, program, folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.output = folder / "output"
        command = [str(program)]
        if cell.tool == "valgrind":
            command = ["valgrind", "--leak-check=full", "--num-callers=20", *command]
        if cell.tool == "tsan":  # gcc 12's cannot live with all of a newer kernel's randomness
            command = ["setarch", "-R", *command]
        environment = {
            **os.environ,
            "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
            "LSAN_OPTIONS": "fast_unwind_on_malloc=0",
            "WEIR_DRAIN_TIMEOUT": "60s",  # a tool on a slow machine
        }
        if cell.tool == "valgrind":  # the watchdog's signal, as often as it can come
            environment["WEIR_STALL"] = "1ms"
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(command, cwd=folder, stdout=output,
                                            stderr=subprocess.STDOUT, env=environment)
        self.port = int(self.wait_for(r"listens on http://127\.0\.0\.1:(\d+)").group(1))

    def text(self):
        return self.output.read_text(errors="replace")

    def wait_for(self, pattern):
        end = time.monotonic() + PATIENCE
        while True:
            match = re.search(pattern, self.text())
            if match:
                return match
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"no {pattern} in\n{self.text()[-6000:]}")
            time.sleep(0.02)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end\n{self.text()[-6000:]}") from None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def works(service):
    """What a service answers, as far as both sources go."""
    json = {"Content-Type": "application/json"}

    def expect(status, text, *request):
        answer = service.ask(*request)
        assert answer[0] == status and text in answer[1], f"{request}: {answer}\n{service.text()[-4000:]}"

    for i in range(1, 4):
        expect(201, f'"id":{i}', "POST", "/v1/users", f'{{"name":"Ada {i}","age":{30 + i}}}', json)
    expect(400, "name", "POST", "/v1/users", "{}", json)
    expect(200, '"name":"Ada 3"', "GET", "/v1/users?limit=5")
    expect(200, "96", "GET", "/v1/ages")
    expect(413, "", "POST", "/v1/users", '{"name":"' + "x" * 5000 + '"}', json)
    for _ in range(3):
        expect(200, "79800", "GET", "/v1/sum")
        expect(200, "counted", "GET", "/v1/visit")
        expect(204, "", "POST", "/v1/detach")
        expect(500, "", "GET", "/v1/panic")
    expect(409, "out_of_stock", "GET", "/v1/stock")
    expect(404, "", "GET", "/nowhere")


def is_refused(service):
    """What databases.c answers where nobody listens: which one cannot be reached, and why. The cache needs none."""

    def expect(status, text, *request):
        answer = service.ask(*request)
        assert answer[0] == status and text in answer[1], f"{request}: {answer}\n{service.text()[-4000:]}"

    for db, name in (("postgres", "pool pg: "), ("mysql", "pool maria: ")):
        for method, what in (("POST", "schema"), ("POST", "items"), ("GET", "all"), ("GET", "leave"), ("GET", "tx"),
                             ("GET", "panic"), ("GET", "wrong"), ("GET", "again")):
            expect(503, name, method, f"/v1/sql/{db}/{what}")
        expect(503, name, "GET", f"/v1/sql/{db}/items")
        expect(503, "unreachable", "GET", f"/v1/sql/{db}/own")
    for what in ("words", "together", "hear"):
        expect(503, "redis 127.0.0.1:1", "GET", f"/v1/redis/{what}")
    expect(503, "unreachable", "GET", "/v1/redis/pop")
    expect(503, "pool pg: ", "GET", "/v1/cache/7")
    expect(204, "", "PUT", "/v1/cache/7")
    expect(200, "by hand", "GET", "/v1/cache/7")
    expect(200, "0 0 in use", "GET", "/v1/counts")


def digs(service):
    """Deep frames on both workers, while the watchdog looks at them."""
    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: service.ask("GET", "/v1/dig"), range(4)))
    assert {status for status, _ in answers} == {200}, f"{answers}\n{service.text()[-4000:]}"


def clean(cell, program, folder):
    service = Service(cell, program, folder)
    try:
        (is_refused if cell.source == "databases.c" else works)(service)
        if cell.tool == "valgrind" and cell.source == "service.c":
            digs(service)
        status = service.end()
    finally:
        service.kill()
    text = service.text()
    assert status == 0, f"exit status {status}\n{text[-6000:]}"
    assert "nothing is left" in text, text[-3000:]
    assert not COMPLAINS.search(text), text[-12000:]


def finds(cell, program, folder, wrong):
    service = Service(cell, program, folder)
    try:
        try:
            service.ask("GET", f"/wrong/{wrong}")
        except (http.client.HTTPException, OSError):
            pass  # a tool that ends the process
        service.end()
    finally:
        service.kill()
    assert re.search(WRONG[cell.tool][wrong], service.text()), \
        f"/wrong/{wrong} is not found:\n{service.text()[-6000:]}"


def examine(cell, installed, wrongs):
    folder = pathlib.Path(tempfile.mkdtemp(dir=installed.folder))
    try:
        program = compiled(cell, installed, folder)
        clean(cell, program, folder / "clean")
        for wrong in wrongs:
            finds(cell, program, folder / wrong, wrong)
        return None
    except AssertionError as error:
        return str(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def plan(options):
    cells = list(all_cells())
    if options.only:
        cells = [c for c in cells if all(word in c.name.split() for word in options.only)]
    if options.sample:
        cells = sample(cells, options.seed)
    chooser = random.Random(options.seed)
    for cell in cells:
        wrongs = sorted(WRONG[cell.tool]) if cell.source == "service.c" else []
        yield cell, chooser.sample(wrongs, min(2, len(wrongs))) if options.sample else wrongs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--seed", default=seed())
    parser.add_argument("--only", nargs="+", default=[])
    options = parser.parse_args()
    failed = passed = 0
    with tempfile.TemporaryDirectory() as folder:
        installed = Installed(options.build.resolve(), folder)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = {pool.submit(examine, cell, installed, wrongs): (cell, wrongs)
                    for cell, wrongs in plan(options)}
            for job in concurrent.futures.as_completed(jobs):
                cell, wrongs = jobs[job]
                error = job.result()
                failed, passed = failed + bool(error), passed + (not error)
                print(f"{'FAILED' if error else 'ok    '}  {cell.name}  {' '.join(wrongs)}", flush=True)
                if error:
                    print("\n".join("        " + line for line in error.splitlines()[-80:]))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
