#!/usr/bin/python3
"""A matrix of starts: a service that is started with one thing spoiled each time.

    tests/starts/starts.py PROGRAM [--sample N] [--seed TEXT] [ROW...]

PROGRAM is tests/service/starter.c, linked in whatever way. Each row spoils one thing (a mask, a
limit, a folder, a locale, a kernel's file), and says what comes of it: the service serves, starts
clean children and ends as it should, or it says in one line why it cannot start, with status 1.
Rows that need what this machine does not allow (name spaces, another user) are skipped by name. The
last line is `N passed, N failed, N skipped`; --sample takes some rows, others with each seed.
"""
import argparse
import ctypes
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from child import takes_signals  # noqa: E402

LOADER = "error while loading shared libraries"
PATIENCE = 60  # seconds, for what takes milliseconds on a quiet machine
USER = 54321  # nobody else's
ROWS = []


class Skipped(Exception):
    pass


def row(function):
    ROWS.append(function)
    return function


def rows(name, values):
    """A row for each value; the function is called with it."""
    def make(function):
        for value in values:
            def one(folder, value=value):
                return function(folder, value)
            one.__name__ = f"{function.__name__}_{name(value) if callable(name) else value}"
            ROWS.append(one)
        return function
    return make


# --- starting, asking, ending ------------------------------------------------------------------

class Start:
    """One start of the program: `before` runs in the child, `wrap` stands before the command."""

    def __init__(self, folder, *flags, before=None, wrap=(), env=None, clean_env=False, streams=None,
                 listen=None, pass_fds=(), cwd=None, program=None):
        self.folder = folder
        self.socket = folder / "s"
        self.listen = listen if listen is not None else f"unix:{self.socket}"
        environment = {} if clean_env else {k: v for k, v in os.environ.items()
                                            if not k.startswith(("WEIR_", "LC_", "LANG", "STARTER_"))}
        environment["STARTER_SELF"] = str(PROGRAM)
        environment.update(env or {})
        addresses = ([f"--listen={self.listen}"] if self.listen else []) + ["--admin=off"]
        self.err = open(folder / "err", "w+b")
        streams = streams or {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                              "stderr": self.err}

        def prepare():
            os.setsid()
            takes_signals()
            if before is not None:
                before()

        self.process = subprocess.Popen([*wrap, program or str(PROGRAM), *addresses, *flags],
                                        preexec_fn=prepare, env=environment, cwd=cwd,
                                        pass_fds=pass_fds, restore_signals=True, **streams)
        self.is_wrapped = "--fork" in wrap

    def said(self):
        self.err.flush()
        return (self.folder / "err").read_text(errors="replace")

    def pid(self):
        """The service's: below unshare --fork its child's."""
        if not self.is_wrapped:
            return self.process.pid
        path = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(path.read_text().split()[0])

    def ask(self, path="/", method="GET", body=b"", where=None):
        """(status, body) of one request; OSError while nobody listens."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(str(where or self.socket))
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            if body:
                head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            s.sendall(head.encode() + b"\r\n" + body)
            data = b""
            while piece := s.recv(65536):
                data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode(errors="replace")

    def wait_ready(self, where=None):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.ask(where=where)
            except (OSError, IndexError):
                assert self.process.poll() is None, f"it ended: {self.process.returncode}\n{self.said()}"
                assert time.monotonic() < end, f"it is not ready\n{self.said()}"
                time.sleep(0.01)

    def serve(self, *, temp=(200,), spawn=(200,), much=(200, 507), pipe=(200,), where=None, others=()):
        """It is ready, answers as ever, and what it starts is clean."""
        assert self.wait_ready(where) == (200, "hello\n")
        text = '{"title":"I i","price":1234.5,"count":1000000}'
        assert self.ask("/echo", "POST", text.encode(), where) == (200, text)
        status, body = self.ask("/pipe", where=where)
        assert status in pipe and (status != 200 or body == "-1\n"), (status, body)
        status, body = self.ask("/temp", where=where)
        assert status in temp, (status, body)
        status, body = self.ask("/much", where=where)
        assert status in much, (status, body)
        for path in ("/spawn", "/offload", "/own"):
            status, body = self.ask(path, where=where)
            assert status in spawn, (path, status, body, self.said())
            if status != 200:
                continue
            wrong = [line for line in body.splitlines() if line not in others and
                     line not in ("descriptor 0", "descriptor 1", "descriptor 2")]
            assert not wrong, f"{path}: the child has {wrong}"
        return self

    def end(self, number=signal.SIGTERM, status=0, said=True):
        os.kill(self.pid(), number)
        try:
            out, _ = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.kill(self.pid(), signal.SIGKILL)
            self.process.wait()
            raise AssertionError("it does not end\n" + self.said()) from None
        assert self.process.returncode == status, (self.process.returncode, self.said())
        if said:
            assert "nothing is left" in self.said(), self.said()
        assert not self.socket.exists(), "its socket's file is left"
        return (out or b"").decode(errors="replace")

    def refuse(self, pattern, lines=1, status=1):
        """It says why it does not start, and no more."""
        try:
            self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it starts, or hangs\n{self.said()}") from None
        if (self.process.returncode, status) == (127, 1) and LOADER in self.said():
            return  # before there was a program; it says why as well
        assert self.process.returncode == status, (self.process.returncode, self.said())
        told = self.said().splitlines()
        assert len(told) == lines and re.search(pattern, self.said()), self.said()
        assert not self.socket.exists()

    def serve_or_refuse(self, pattern, **options):
        """Both are right, by how large the machine is; a crash and a hang are not."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            try:
                self.ask()
                break
            except OSError:
                time.sleep(0.01)
        if self.process.poll() is None:
            self.serve(**options).end()
        else:
            self.refuse(pattern)

    def close(self):
        if self.process.poll() is None:
            try:
                os.kill(self.pid(), signal.SIGKILL)
            except (OSError, IndexError):
                pass
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr, self.err):
            if stream is not None:
                stream.close()


OPEN = []


def start(folder, *flags, **options):
    made = Start(folder, *flags, **options)
    OPEN.append(made)
    return made


def as_user():
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


def need_root(folder):
    if os.geteuid() != 0:
        raise Skipped("needs root")
    os.chmod(folder, 0o777)


def limited(what, soft, hard=None):
    return lambda: resource.setrlimit(what, (soft, soft if hard is None else hard))


# --- signals -----------------------------------------------------------------------------------

@row
def nothing_is_spoiled(folder):
    out = start(folder).serve().end()
    assert f"starter listens on unix:{folder}/s" in out


@rows(lambda s: s.name, [signal.SIGTERM, signal.SIGINT])
def signal_ends(folder, number):
    start(folder).serve().end(number)


@rows(lambda s: "all" if len(s) > 3 else "_".join(n.name for n in s),
      [{signal.SIGTERM}, {signal.SIGPIPE}, {signal.SIGCHLD}, {signal.SIGSEGV, signal.SIGBUS},
       {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}])
def mask_blocks(folder, numbers):
    start(folder, before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, numbers),
          ).serve(others=[f"blocked {int(n)}" for n in numbers
                          if n == signal.SIGHUP]).end()


@row
def mask_blocks_all(folder):
    everything = set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}
    # What the service does not handle itself stays as whoever started it wants it.
    kept = [f"blocked {n}" for n in range(1, 32)]
    s = start(folder, before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, everything))
    s.serve(others=kept)
    blocked = {int(n.split()[1]) for n in s.ask("/spawn")[1].splitlines() if n.startswith("blocked")}
    assert not blocked & {signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD,
                          signal.SIGSEGV}, blocked
    assert "blocked" not in s.ask("/own")[1]
    s.end()


@rows(lambda s: s.name, [signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD, signal.SIGXFSZ,
                         signal.SIGUSR2, signal.SIGHUP])
def disposition_ignored(folder, number):
    start(folder, before=lambda: signal.signal(number, signal.SIG_IGN)).serve().end()


@row
def in_the_background(folder):
    """A shell ignores SIGINT for what it starts with &: the terminal's ^C is not for that."""
    def ignore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    s = start(folder, before=ignore).serve(others=["ignored 2"])
    os.kill(s.pid(), signal.SIGINT)
    assert s.ask() == (200, "hello\n")
    s.end()


@row
def another_thread(folder):
    start(folder, env={"STARTER_THREAD": "1"}).serve().end()


@row
def another_thread_takes_the_signal(folder):
    """The one thread that does not block it, which main has started, and the kernel asks it."""
    s = start(folder, env={"STARTER_THREAD": "1"}).serve()
    libc = ctypes.CDLL(None, use_errno=True)
    threads = sorted(int(t) for t in os.listdir(f"/proc/{s.pid()}/task"))
    other = [t for t in threads if t != s.pid()][0]
    SYS_tgkill = 234
    assert libc.syscall(SYS_tgkill, s.pid(), other, int(signal.SIGTERM)) == 0
    s.process.wait(timeout=PATIENCE)
    assert s.process.returncode == 0 and "nothing is left" in s.said(), s.said()


# --- descriptors -------------------------------------------------------------------------------

@rows(lambda f: "_".join(map(str, f)), [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def closed_descriptors(folder, numbers):
    def close():
        for fd in numbers:
            os.close(fd)
    # What the parent closes stays so: Python would open it again.
    s = start(folder, before=close, streams={"stderr": None if 2 in numbers else open(folder / "err", "wb")})
    s.serve()
    for fd in numbers:
        assert os.readlink(f"/proc/{s.pid()}/fd/{fd}") == "/dev/null"
    s.end(said=2 not in numbers)


@row
def many_inherited_descriptors(folder):
    s = start(folder, wrap=["/bin/sh", "-c",
              'for i in 3 4 5 6 7 8 9; do eval "exec $i</dev/null"; done; exec "$0" "$@"'])
    s.serve(others=[f"descriptor {n}" for n in range(3, 64)])
    assert s.ask("/own")[1].splitlines() == ["descriptor 0", "descriptor 1", "descriptor 2"]
    s.end()


@row
def output_is_a_closed_pipe(folder):
    """Nobody reads what it says."""
    reader, writer = os.pipe()
    s = start(folder, streams={"stdin": subprocess.DEVNULL, "stdout": writer, "stderr": writer})
    os.close(writer)
    os.close(reader)
    s.serve().end(said=False)


@row
def input_is_a_terminal_that_is_gone(folder):
    master, slave = os.openpty()
    s = start(folder, streams={"stdin": slave, "stdout": slave, "stderr": open(folder / "err", "wb")})
    os.close(slave)
    s.wait_ready()
    os.close(master)
    s.serve().end()


# --- limits ------------------------------------------------------------------------------------

@rows("{}".format, [1, 2, 3, 4, 5, 6, 8, 20])
def threads(folder, count):
    need_root(folder)
    program = folder / "starter"  # the tree may lie where another user cannot look
    shutil.copy(PROGRAM, program)

    def limit():
        limited(resource.RLIMIT_NPROC, count)()
        as_user()
    start(folder, before=limit, program=str(program),
          env={"STARTER_SELF": str(program)}).serve_or_refuse(
        r"starter: .*(Resource temporarily unavailable)", spawn=(200, 500), temp=(200, 500),
        much=(200, 507))


@rows("{}".format, [4, 8, 12, 16, 24, 40, 64, 256])
def descriptors(folder, count):
    start(folder, before=limited(resource.RLIMIT_NOFILE, count)).serve_or_refuse(
        r"starter: |starter cannot start", spawn=(200, 500), temp=(200, 500), pipe=(200, 500))


@rows("{}_MiB".format, [32, 48, 100, 150, 200, 300, 500])
def address_space(folder, mib):
    """Between 48 and 100 it serves until libraries have no memory, which some do not survive."""
    start(folder, "--workers=2", before=limited(resource.RLIMIT_AS, mib << 20)).serve_or_refuse(
        r"(?i)memory|mapped|shared|allocate", spawn=(200, 500), temp=(200, 500), much=(200, 500, 507))


@rows("{}_KiB".format, [256, 512, 1024, -1])
def stack(folder, kib):
    limit = resource.RLIM_INFINITY if kib < 0 else kib << 10
    start(folder, before=limited(resource.RLIMIT_STACK, limit, resource.RLIM_INFINITY)).serve().end()


@row
def stack_larger_than_memory(folder):
    def limit():
        resource.setrlimit(resource.RLIMIT_STACK, (1 << 40, 1 << 40))
    start(folder, before=limit).serve().end()


@rows("{}".format, [0, 1000])
def file_size(folder, size):
    """The log grows past it too; that is lost, the service is not."""
    s = start(folder, before=limited(resource.RLIMIT_FSIZE, size)).serve(
        temp=(200, 500), much=(507, 500), spawn=(200, 500))
    s.end(said=False)


@rows(lambda what: what, ["CORE", "MEMLOCK", "MSGQUEUE", "SIGPENDING", "NICE", "RTPRIO"])
def limit_is_zero(folder, what):
    start(folder, before=limited(getattr(resource, "RLIMIT_" + what), 0)).serve().end()


@row
def data_segment(folder):
    start(folder, before=limited(resource.RLIMIT_DATA, 256 << 20)).serve_or_refuse(
        "memory", spawn=(200, 500))


# --- where it is -------------------------------------------------------------------------------

@row
def folder_is_gone(folder):
    gone = folder / "gone"
    gone.mkdir()
    s = start(folder, cwd=gone, before=lambda: os.rmdir(gone))
    s.serve().end()


@row
def folder_is_unreadable(folder):
    need_root(folder)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    program = folder / "program"
    shutil.copy(PROGRAM, program)
    program.chmod(0o755)

    def enter():
        os.chdir(closed)
        as_user()
    start(folder, before=enter, program=str(program), env={"STARTER_SELF": str(program)}).serve().end()


@rows(lambda m: f"{m:04o}", [0, 0o077, 0o777])
def mask_of_files(folder, mask):
    s = start(folder, before=lambda: os.umask(mask), listen=f"unix:{folder}/s,mode=0600")
    s.serve()
    assert (folder / "s").stat().st_mode & 0o777 == 0o600
    s.end()


def name_space(*what):
    probe = subprocess.run(["unshare", *what, "true"], capture_output=True)
    if probe.returncode != 0:
        raise Skipped("no name spaces here: " + " ".join(what))
    return ["unshare", *what]


def mounted(folder, script):
    """Below a mount name space in which the script has run."""
    return [*name_space("--mount", "--propagation=private"), "/bin/sh", "-c",
            f'{script} && exec "$0" "$@"']


@rows(lambda p: p.strip("/").replace("/", "_"), ["/proc", "/sys", "/sys/fs/cgroup", "/dev"])
def nothing_mounted_on(folder, path):
    # Nobody can look for its children then, so they are not looked at closely.
    spawn = (200, 500)
    s = start(folder, wrap=mounted(folder, f"mount -t tmpfs none {path}"))
    s.serve(temp=(200, 500), spawn=spawn).end()


@row
def read_only_file_systems(folder):
    script = (f"mount -t tmpfs none /mnt && mount --bind {folder} /mnt && "
              f"mount -o remount,bind,ro /")
    s = start(folder, listen="unix:/mnt/s", wrap=mounted(folder, script))
    s.serve(temp=(200, 500)).end()


@row
def process_one(folder):
    """In a container without an init: signals without a handler would not come at all."""
    wrap = name_space("--pid", "--fork", "--mount-proc")
    s = start(folder, wrap=wrap).serve()
    assert pathlib.Path(f"/proc/{s.pid()}/status").read_text().count("\t1\n") >= 1
    s.end()


@row
def fixed_addresses(folder):
    if shutil.which("setarch") is None:
        raise Skipped("no setarch")
    start(folder, wrap=["setarch", "-R"]).serve().end()


# --- the environment ---------------------------------------------------------------------------

@row
def empty_environment(folder):
    start(folder, clean_env=True).serve().end()


@row
def huge_environment(folder):
    start(folder, env={f"NAME_{i}": "x" * 10000 for i in range(100)}).serve().end()


@row
def bytes_in_the_environment(folder):
    start(folder, env={"WEIR_NAME": "x", "ODD": os.fsdecode(b"\xff\xfe"), "": "x"}).serve().end()


@rows(lambda e: re.sub(r"\W+", "_", f"{e[0]}_{e[1][:20]}"), [
    ("WEIR_WORKERS", ""), ("WEIR_WORKERS", " 4"), ("WEIR_WORKERS", "0x4"), ("WEIR_WORKERS", "1e3"),
    ("WEIR_WORKERS", "99999999999999999999"), ("WEIR_WORKERS", "-1"), ("WEIR_DRAIN_TIMEOUT", "5"),
    ("WEIR_DRAIN_TIMEOUT", "1.5s"), ("WEIR_LOG_LEVEL", "LOUD"), ("WEIR_ADMIN", "unix:"),
    ("WEIR_LISTEN", "nowhere"), ("WEIR_LISTEN", "unix:" + "x" * 200), ("WEIR_LISTEN", "fd:1"),
    ("WEIR_LISTEN", "unix:/x,mode=9"), ("WEIR_WORKERS", "\x1b[31m4\n")])
def malformed_variable(folder, entry):
    name, value = entry
    s = Start(folder, listen="" if name == "WEIR_LISTEN" else None, env={name: value})
    OPEN.append(s)
    s.refuse(rf"starter cannot start:\n{name}: .*not allowed; want ", lines=2)
    assert "\x1b" not in s.said()


@rows(lambda v: v, ["HOME", "PATH", "USER", "TMPDIR", "TERM"])
def variable_is_missing(folder, name):
    environment = {k: v for k, v in os.environ.items() if k != name}
    start(folder, clean_env=True, env=environment).serve().end()


@rows(lambda z: re.sub(r"\W+", "_", z)[:20], ["", ":nowhere", "<+99>-99", "Europe/Berlin", "UTC0", "x" * 5000])
def time_zone(folder, zone):
    start(folder, env={"TZ": zone}).serve().end()


def locales():
    """tr_TR, where i and I are no pair, and de_DE, where numbers have commas; made where needed."""
    made = pathlib.Path(tempfile.gettempdir()) / "weir-starts-locales"
    for name in ("tr_TR", "de_DE"):
        if (made / f"{name}.UTF-8").is_dir():
            continue
        if shutil.which("localedef") is None or not pathlib.Path(f"/usr/share/i18n/locales/{name}").exists():
            raise Skipped("no sources of locales: the package locales")
        made.mkdir(exist_ok=True)
        subprocess.run(["localedef", "--no-archive", "-i", name, "-f", "UTF-8",
                        str(made / f"{name}.UTF-8")], check=True, capture_output=True)
    return str(made)


@rows(lambda n: n, ["tr_TR.UTF-8", "de_DE.UTF-8", "nowhere.UTF-8", "C", "C.UTF-8"])
def locale(folder, name):
    env = {"LC_ALL": name}
    if name[2:3] == "_":
        env["LOCPATH"] = locales()
    s = start(folder, env=env).serve()
    # Names of members are exact in whatever locale, and numbers have points.
    assert s.ask("/echo", "POST", b'{"TITLE":"x","price":0.5}') == (
        200, '{"title":null,"price":0.5,"count":0}')
    assert s.ask("/echo", "POST", b'{"price":0,5}')[0] == 400
    s.end()


CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int err = real(id, t);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        t->tv_sec += atoll(getenv("CLOCK_AHEAD"));
    return err;
}
"""


@rows(lambda y: y, [1970, 1999, 2038, 2106, 9999])
def clock(folder, year):
    source = folder / "clock.c"
    source.write_text(CLOCK)
    shim = folder / "clock.so"
    if subprocess.run(["cc", "-shared", "-fPIC", "-o", str(shim), str(source)],
                      capture_output=True).returncode != 0:
        raise Skipped("no compiler")
    ahead = int((year - 1970) * 31556952 + 100 - time.time())
    s = start(folder, env={"LD_PRELOAD": str(shim), "CLOCK_AHEAD": str(ahead)}).serve()
    s.end()
    told = re.search(r'"time":"(\d+)-', s.said())
    assert told and abs(int(told.group(1)) - year) <= 1, s.said()[:200]


# --- who hands over what -----------------------------------------------------------------------

def handed_over(names):
    """A wrapper that says for whom the sockets are: the shell keeps its number over exec."""
    env = f"LISTEN_FDNAMES={names} " if names else ""
    return ["/bin/sh", "-c", f'{env}LISTEN_PID=$$ exec "$0" "$@"']


def listening(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    s.listen(10)
    return s


@row
def sockets_of_systemd(folder):
    traffic, admin = listening(folder / "t"), listening(folder / "a")

    def place():
        takes_signals()
        os.dup2(traffic.fileno(), 50)
        os.dup2(admin.fileno(), 51)
        os.dup2(50, 3)
        os.dup2(51, 4)
        os.close(50)
        os.close(51)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
    process = subprocess.Popen(
        [*handed_over("http:admin"), str(PROGRAM)], close_fds=False, preexec_fn=place,
        env={**environment, "LISTEN_FDS": "2", "STARTER_SELF": str(PROGRAM)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    s = Start.__new__(Start)
    s.folder, s.socket, s.process, s.is_wrapped = folder, folder / "s", process, False
    s.err = open(folder / "err", "w+b")
    OPEN.append(s)
    s.serve(where=folder / "t", others=[f"descriptor {n}" for n in range(5, 1024)])
    assert s.ask("/readyz", where=folder / "a") == (200, "ready\n")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and b"nothing is left" in err, err
    assert b"listens on unix:" in out and (folder / "t").exists()  # who made it takes it away


@row
def sockets_of_another_process(folder):
    s = start(folder, env={"LISTEN_PID": "1", "LISTEN_FDS": "1"})
    s.serve(others=["environment LISTEN_PID=1", "environment LISTEN_FDS=1"]).end()


@rows("{}".format, ["fd:77", "fd:0"])
def inherited_number(folder, where):
    start(folder, listen=where).refuse("it is not open|not allowed", lines=1 if where == "fd:77" else 2)


@row
def notify_socket(folder):
    """Whoever started it hears when it is ready, and when it ends; children do not know of it."""
    path = folder / "n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        heard.settimeout(PATIENCE)
        s = start(folder, env={"NOTIFY_SOCKET": str(path)})
        assert heard.recv(100) == b"READY=1"
        s.serve().end()
        assert heard.recv(100) == b"STOPPING=1"


@row
def notify_watchdog(folder):
    """Whoever watches it hears regularly that it lives; children do not know of it."""
    path = folder / "n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        heard.settimeout(PATIENCE)
        s = start(folder, env={"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"})
        said = []
        while said.count(b"WATCHDOG=1") < 3 or b"READY=1" not in said:
            said.append(heard.recv(100))
        s.serve()
        path.unlink()  # who watches begins anew, as a manager that is replaced
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        heard.settimeout(PATIENCE)
        assert heard.recv(100) == b"WATCHDOG=1"
        s.end()
        while (last := heard.recv(100)) != b"STOPPING=1":
            assert last == b"WATCHDOG=1", last


@row
def watchdog_of_another_process(folder):
    path = folder / "n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        heard.settimeout(PATIENCE)
        s = start(folder, env={"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "2000", "WATCHDOG_PID": "1"})
        assert heard.recv(100) == b"READY=1"
        s.serve(others=["environment WATCHDOG_USEC=2000", "environment WATCHDOG_PID=1"]).end()
        assert heard.recv(100) == b"STOPPING=1"


@row
def notify_socket_that_is_gone(folder):
    start(folder, env={"NOTIFY_SOCKET": str(folder / "nowhere")}).serve().end()


@row
def socket_of_a_dead_process(folder):
    listening(folder / "s").close()
    assert (folder / "s").exists()
    start(folder).serve().end()


@row
def socket_of_a_live_process(folder):
    first = start(folder).serve()
    second = folder / "second"
    second.mkdir()
    other = start(second, listen=f"unix:{folder}/s")
    other.process.communicate(timeout=PATIENCE)
    assert other.process.returncode == 1
    assert "another process listens there" in other.said(), other.said()
    first.serve().end()


@row
def name_without_a_file(folder):
    name = f"weir-starts-{os.getpid()}"
    s = start(folder, listen=f"unix:@{name}")
    s.wait_ready(where="\0" + name)
    assert s.ask("/ip", where="\0" + name) == (200, "unix")
    s.end()


# --- running them ------------------------------------------------------------------------------

def run(one):
    with tempfile.TemporaryDirectory(prefix="weir-starts-") as name:
        folder = pathlib.Path(name)
        os.chmod(folder, 0o755)
        try:
            one(folder)
        finally:
            while OPEN:
                OPEN.pop().close()


def choose(options):
    if options.rows:
        return [r for r in ROWS if any(re.search(p, r.__name__) for p in options.rows)]
    if options.sample is None or options.sample >= len(ROWS):
        return ROWS
    seed = options.seed or subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True,
                                          text=True).stdout.strip()
    print(f"{options.sample} of {len(ROWS)} rows, by the seed {seed or 'none'}")
    chosen = set(random.Random(seed).sample(range(len(ROWS)), options.sample))
    return [r for i, r in enumerate(ROWS) if i in chosen]


def main():
    global PROGRAM
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed")
    options = parser.parse_intermixed_args()
    PROGRAM = pathlib.Path(options.program).resolve()
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    for one in choose(options):
        began = time.monotonic()
        verdict, why = "ok", ""
        try:
            run(one)
        except Skipped as reason:
            verdict, why = "skipped", str(reason)
        except Exception as error:  # whatever it is, the other rows go on
            verdict, why = "FAILED", f"{type(error).__name__}: {error}"
        counts[verdict] += 1
        print(f"{verdict:8} {one.__name__} {time.monotonic() - began:.1f} s", flush=True)
        if why:
            print("         " + why.replace("\n", "\n         ")[:4000], flush=True)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return 1 if counts["FAILED"] or not counts["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
