"""What the programs that measure share: processes on their cores, what they spend, load, and how results are shown.

The unit of load is a request per second of the server's own CPU time (/proc/PID/stat): that does not depend on how busy
the load generator could keep it. What is measured has the first core, everything else the last one.
"""
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import re
import resource
import shlex
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ANCHORS = ROOT / "bench" / "anchors"
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
START_MAX = 20  # seconds that a server may take to listen
SETTLE = 1.0  # seconds for a server to give back what it does not need


class Failed(Exception):
    """A measurement that could not be made; the others go on."""


# What a measurement may meet without the others being given up.
TROUBLE = (Failed, OSError, subprocess.TimeoutExpired)


def say(text=""):
    print(text, flush=True)


def progress(text):
    print(f"  … {text}", file=sys.stderr, flush=True)


def human(n):
    return f"{n:,.0f}" if n >= 100 else f"{n:.1f}"


def verdict(is_met):
    return "yes" if is_met else "**no**"


def output_of(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise Failed(f"{pathlib.Path(command[0]).name}: {lines[-1]}")
    return done.stdout


# --- what we compare with -------------------------------------------------------------------------


def is_fresh(program, sources):
    if not program.exists():
        return False
    made = program.stat().st_mtime
    return all(path.stat().st_mtime < made for path in sources)


def build_c(folder, name, *libraries):
    """Builds anchors/NAME.c into a folder, if it is not there; its path."""
    program, source = folder / name, ANCHORS / f"{name}.c"
    folder.mkdir(parents=True, exist_ok=True)
    if not is_fresh(program, [source]):
        progress(f"building {name}")
        compiler = os.environ.get("CC", "cc").split()
        output_of(*compiler, "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-o", program, source, *libraries)
    return program


def go_version(go="go"):
    """As "go1.19.8"."""
    return output_of(go, "env", "GOVERSION").strip()


def build_go(folder, name, go="go"):
    """Builds anchors/NAME/main.go from Debian's packages alone, nothing from the network; its path."""
    program, source = folder / (name if go == "go" else f"{name}-{go_version(go)}"), ANCHORS / name / "main.go"
    folder.mkdir(parents=True, exist_ok=True)
    env = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOFLAGS="", GOCACHE=str(folder / "gocache"))
    if not is_fresh(program, [source]):
        progress(f"building {program.name}; the first time takes a minute or two")
        output_of(go, "build", "-o", program, "main.go", cwd=source.parent, env=env)
    return program


# --- processes ------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def parents():
    """{process: its parent} of all processes."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return found


class Server:
    """A program that listens on `ports`, pinned to its core, ended when the block is left.

    All processes that it starts count as it does: some keep what is secret, or the work, in a child.
    """

    def __init__(self, command, ports, log, core=SERVER_CORE):
        self.ports, self.port, self.log = ports, ports[0], log
        env = dict(os.environ, GOMAXPROCS="1")
        # It dies with this program, whatever happens to that; exec keeps the process id.
        wrap = ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", str(core)]
        self.began = time.monotonic()
        with open(log, "wb") as out:
            self.process = subprocess.Popen(wrap + [str(c) for c in command], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, env=env)
        self.pids = [self.process.pid]

    def __enter__(self):
        try:
            for port in self.ports:
                self.wait_until_it_listens(port)
        except BaseException:
            self.end()
            raise
        self.pids += self.children()
        return self

    def __exit__(self, *_):
        self.end()

    def children(self):
        tree, family = parents(), {self.process.pid}
        while more := {pid for pid, parent in tree.items() if parent in family} - family:
            family |= more
        return sorted(family - {self.process.pid})

    def wait_until_it_listens(self, port):
        end = time.monotonic() + START_MAX
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.01)
        said = pathlib.Path(self.log).read_text(errors="replace").strip().splitlines() or ["no output"]
        raise Failed(f"the server does not listen: {said[-1]}")

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_seconds(self):
        total = 0
        for pid in self.pids:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def resident(self):
        return sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids) * PAGE

    def get(self, path):
        """One whole answer; its status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status
        except http.client.HTTPException as e:
            raise Failed(f"{path}: {e!r}") from e
        finally:
            connection.close()


# --- load -----------------------------------------------------------------------------------------


def on_core(core, *command, seconds, **more):
    """What a program of that many seconds prints, run on a core."""
    return output_of("taskset", "-c", core, *command, timeout=seconds + 30, **more)


def wrk(url, arguments, seconds, **more):
    """Puts load on a server; requests answered, and how many of them badly. Scripts are those of anchors/wrk."""
    arguments = [ANCHORS / "wrk" / a if a.endswith(".lua") else a for a in arguments]
    text = on_core(LOAD_CORE, "wrk", "-t1", f"-d{seconds}s", *arguments, url, seconds=seconds, **more)
    requests = re.search(r"(\d+) requests in", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    if not requests or int(requests[1]) == 0:
        raise Failed(f"{url}: wrk got no answer")
    return int(requests[1]), int(bad[1]) if bad else 0


# --- idle connections -----------------------------------------------------------------------------


def close_all(sockets):
    for s in sockets:
        s.close()


def open_many(count, open_one):
    """That many connections, or none."""
    kept = []
    try:
        for _ in range(count):
            kept.append(open_one())
    except BaseException:
        close_all(kept)
        raise
    return kept


def raise_descriptors(count):
    """Raises the limit of descriptors; as many connections as fit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(count, hard - 200) if hard != resource.RLIM_INFINITY else count


def bytes_each(server, count, open_one):
    """Resident bytes for each connection. What serves the first hundred is there before counting."""
    close_all(open_many(min(count, 100), open_one))
    time.sleep(SETTLE)
    before = server.resident()
    kept = open_many(count, open_one)
    time.sleep(SETTLE)
    grown = server.resident() - before
    close_all(kept)
    return grown / count


# --- where and with what --------------------------------------------------------------------------


def first_line(*command):
    try:
        return output_of(*command).splitlines()[0]
    except (Failed, OSError, IndexError):
        return "unknown"


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", info)
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE / 2**30
    kernel = os.uname()
    return f"{model[1] if model else kernel.machine}, {len(CORES)} cores, {memory:.0f} GB, Linux {kernel.release}"


def compiler_of(build):
    """What the build directory is compiled with."""
    commands = json.loads((build / "compile_commands.json").read_text())
    words = shlex.split(commands[0]["command"])
    return output_of(words[1 if words[0].endswith("ccache") else 0], "--version").splitlines()[0]


def print_head(build, program, options, *versions):
    """When, where, of what, with what, and how to have it again."""
    try:
        compiler = compiler_of(build)
    except (Failed, OSError, ValueError, LookupError):
        compiler = "unknown"
    commit = first_line("git", "-C", ROOT, "describe", "--always", "--dirty")
    busy = os.getloadavg()[0]
    say(f"- when: {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, load average before {busy:.1f}")
    say(f"- machine: {machine()}; server on core {SERVER_CORE}, load on core {LOAD_CORE}")
    say(f"- commit: {commit}")
    say(f"- with: {'; '.join([compiler, *versions])}")
    say(f"- command: `{' '.join([f'bench/{program} BUILD', *options])}`")
    say()
