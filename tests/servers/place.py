"""Where a real server of the tests lives: a temporary folder, another user than root, a free port of 127.0.0.1, a
certificate made on the spot, and an end that comes by itself.

Nothing here knows of a database; pg.py, maria.py and redisd.py do. A server dies with the program that started it
(PR_SET_PDEATHSIG), and its folder is swept by a process that waits for the end of a pipe, so that nothing stays even
when a test is killed. No service of the system is started, asked or touched.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", ROOT / "build"))
PATIENCE = 60  # seconds that a server may take to start or to end
SECRET = "secret"  # every user's password
ODD_SECRET = "p@ss:wörd/%41 ?#"  # but this one's, which an URL has to write in another way
RAM_MIN = 1 << 30  # bytes of /dev/shm from which it is used

# What goes when the pipe ends; a server may be writing its last words meanwhile.
BROOM = 'trap "" INT TERM HUP; cat >/dev/null; for i in $(seq 100); do rm -rf "$1" && exit; sleep 0.1; done'


class Trouble(Exception):
    """A server that could not be started, with its last words."""


def user_for(*names):
    """The user that a server runs as: whoever asks, but for root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in (*names, "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Trouble("there is no user but root")


def as_user(user, death="KILL"):
    """The words that go before a command so that it runs as that user, and dies with its parent."""
    words = ["setpriv", "--pdeathsig", death]
    if os.geteuid() == 0:
        words += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return words


def free_port():
    """Free a moment ago: who is not the first to take it tries again with another."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def call(*command, text=None, cwd="/"):
    done = subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, cwd=cwd,
                          timeout=PATIENCE, check=False)
    if done.returncode != 0:
        raise Trouble(f"{' '.join(map(str, command))[:200]}: {(done.stderr or done.stdout).strip()[-1000:]}")
    return done.stdout


def until(look, what):
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def state(pid):
    """Of a process, one letter; Z when there is none any more."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def family(pid):
    """A process and all that descend from it."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


# --- certificates -----------------------------------------------------------------------------------


def make_certificates(folder, users=()):
    """An authority, a server's certificate for localhost and 127.0.0.1, and one for each of the users: PEM files."""
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def openssl(*words):
        call("openssl", *words, cwd=folder)

    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Tests of Weir", "-days", "2")
    for name in ("server", *users):
        extensions = folder / f"{name}.ext"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n" if name == "server" else "")
        common = "localhost" if name == "server" else name
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={common}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "2", "-extfile", extensions, "-out", f"{name}.pem")


# --- what is made once and copied -------------------------------------------------------------------


def template(name, version, source, make, user):
    """A folder that `make(folder)` fills, once for this build directory; another when the maker's text changes."""
    mark = hashlib.sha256(pathlib.Path(source).read_bytes() + version.encode()).hexdigest()[:12]
    shelf = BUILD / "servers"
    shelf.mkdir(parents=True, exist_ok=True)
    wanted = shelf / f"{name}-{user.pw_uid}-{mark}"
    with open(shelf / f".{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not wanted.is_dir():
            with tempfile.TemporaryDirectory(prefix=f"weir-{name}-") as work:
                made = pathlib.Path(work) / "data"
                os.chmod(work, 0o755)
                made.mkdir(mode=0o700)
                shutil.chown(made, user.pw_uid, user.pw_gid)
                make(made)
                half = shelf / f".half-{name}-{os.getpid()}"
                call("cp", "-a", made, half)
                half.rename(wanted)
    return wanted


# --- a server ---------------------------------------------------------------------------------------


class Server:
    """
    What all of them have in common. A subclass says who runs it (`users`), how its folder is filled (`prepare`), how it
    is started (`command`), when it answers (`is_ready`), and how it is asked as its administrator (`sql`).
    """

    name = ""
    users = ()
    stops_by = signal.SIGTERM
    death = "KILL"  # the signal that comes when the parent is gone

    def __init__(self, **options):
        self.options = options
        self.user = user_for(*self.users)
        shm = pathlib.Path("/dev/shm")
        has_ram = shm.is_dir() and os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > RAM_MIN
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"weir-{self.name}-", dir=shm if has_ram else "/tmp"))
        self.broom = subprocess.Popen(["sh", "-c", BROOM, "broom", str(self.folder)], stdin=subprocess.PIPE, cwd="/",
                                      start_new_session=True)
        self.process = None
        self.log = self.folder / "log"
        try:
            os.chmod(self.folder, 0o755)
            self.data, self.run, self.tls = (self.own(self.folder / part) for part in ("data", "run", "tls"))
            self.run.chmod(0o755)
            self.tls.chmod(0o755)
            make_certificates(self.tls, ("certuser", "stranger"))
            shutil.chown(self.tls / "server.key", self.user.pw_uid, self.user.pw_gid)
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise

    def own(self, folder):
        folder.mkdir(mode=0o700)
        shutil.chown(folder, self.user.pw_uid, self.user.pw_gid)
        return folder

    def copy_template(self, wanted):
        call("cp", "-a", "--reflink=auto", "--sparse=always", f"{wanted}/.", self.data)

    # What a subclass says.

    def prepare(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    # Its life.

    def start(self):
        """On the port that it had before, so that who was connected finds it again; else on a free one."""
        is_first = not hasattr(self, "port")
        for attempt in range(10):
            if is_first:
                self.choose_ports()
            if self.try_to_start():
                return self
            if not is_first and attempt == 9:
                break
        raise Trouble(f"{self.name} does not start: {self.last_words()}")

    def choose_ports(self):
        self.port = free_port()

    def try_to_start(self):
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(as_user(self.user, self.death) + [str(word) for word in self.command()],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/",
                                            start_new_session=True)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return False
            if self.is_ready():
                return True
            time.sleep(0.02)
        self.end_by(signal.SIGKILL)
        return False

    def last_words(self):
        return self.log.read_text(errors="replace").strip()[-2000:] if self.log.exists() else ""

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def end_by(self, number):
        if not self.is_running():
            return
        self.process.send_signal(number)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()

    def stop(self):
        """As its administrator would: those who are connected are told, or cut off."""
        self.end_by(self.stops_by)

    def kill(self):
        """All of its processes at once, as when the power fails."""
        if self.is_running():
            self.pause()  # so that none is born meanwhile
            self.signal_all(signal.SIGKILL)
            self.process.wait(PATIENCE)

    def pause(self):
        """It keeps its connections and says nothing more, once this returns."""
        end = time.monotonic() + PATIENCE
        while any(state(pid) not in "TZ" for pid in family(self.pid)):
            if time.monotonic() > end:
                raise Trouble(f"{self.name} does not stop")
            self.signal_all(signal.SIGSTOP)

    def resume(self):
        self.signal_all(signal.SIGCONT)

    def signal_all(self, number):
        for pid in family(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def restart(self):
        self.stop()
        self.start()

    def descriptors(self):
        """How many sockets its processes hold."""
        count = 0
        for pid in family(self.pid):
            with contextlib.suppress(OSError):
                for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        count += os.readlink(entry).startswith("socket:")
        return count

    def cpu_seconds(self):
        total = 0
        for pid in family(self.pid):
            with contextlib.suppress(OSError):
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def close(self):
        try:
            if self.is_running():
                self.resume()
            self.stop()
            self.clean()
        finally:
            self.broom.stdin.close()
            self.broom.wait(PATIENCE)

    def clean(self):
        """What lies outside of its folder, if it was killed."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
