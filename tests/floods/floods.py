#!/usr/bin/python3
"""A thousand clients that behave, beside a thousand that do not, one kind of those after the other.

    tests/floods/floods.py PROGRAM [--sample [--seed TEXT]] [--count N] [--report FILE] [KIND ...]

PROGRAM is tests/service/floods.c, built against any libweir; floods-good and floods-bad lie beside it.
Judged of each kind: what its clients were told (status, alert, code of GOAWAY or RST_STREAM), that it was
counted, that every answer of the good ones came and was right, that memory stayed below what the limits
allow and came back; of the service, that its pages came back too, and that it ended with nothing left. Times are measured beside that, and
not judged: without the bad ones just before, and with them. --sample takes some kinds, others with each
seed (the commit, unless given). The last line is `N passed, N failed`.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from child import takes_signals  # noqa: E402
from kinds import IDLE_KINDS, KINDS, tolerated  # noqa: E402

PATIENCE = 60  # seconds: far more than anything here takes
REST, LEAST = 1.5, 3.0  # seconds that are measured without the bad ones, and with them at least
KIB, MIB = 1 << 10, 1 << 20
# What may stay with the service of 1,000 connections that have gone: its free lists, and what the heap's
# own caches round up.
KEPT = 16 * MIB
# And what may stay resident in the end, of a thousand connections that had a hundred streams each: the
# structs of their fibers, and pages of the heap that are not wholly free.
KEPT_RESIDENT = 128 * MIB


def wait_until(look, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.1)
    return found


class Service:
    FLAGS = ["--workers=2", "--head-timeout=2s", "--body-timeout=2s", "--write-timeout=2s",
             "--linger-timeout=2s", "--handler-timeout=600s", "--requests-max=1000000",
             "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--tls-listen=127.0.0.1:0"]

    def __init__(self, program, folder, *flags):
        self.folder = folder
        self.log = (folder / "log").open("w+")
        certificates = [f"--tls-cert={folder}/own.pem", f"--tls-key={folder}/own.key",
                        "--tls-client=ask", f"--tls-client-ca={folder}/ca.pem"]
        self.process = subprocess.Popen(
            [program, *self.FLAGS, *certificates, *flags], stdout=subprocess.PIPE, stderr=self.log,
            text=True, preexec_fn=takes_signals,
            env={k: v for k, v in os.environ.items() if not k.startswith("WEIR_")})
        self.pid = self.process.pid
        said = self.process.stdout.readline()
        ports = re.findall(r"https?://127\.0\.0\.1:(\d+)", said)
        assert len(ports) == 3, f"it said {said!r}"
        self.port, self.tls_port, self.admin = map(int, ports)

    def metrics(self):
        """Each sample by its name with labels."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=PATIENCE)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def resident(self, word="VmRSS"):
        """Bytes; VmHWM: the most since forget_peak."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{word}:\s+(\d+) kB", text).group(1)) * KIB

    def processor(self):
        """Seconds that it has used."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        """What is wrong with its end; '' when nothing is."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "it does not end"
        self.log.seek(0)
        lines = self.log.read().splitlines()
        if status != 0 or not any("nothing is left" in line for line in lines[-3:]):
            return f"it ended with {status}, and said at last: {lines[-1:]}"
        return ""


class Clients:
    """One of the two programs: told to look or to stop, it says what it has seen."""

    def __init__(self, *command, niceness=0):
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, preexec_fn=lambda: os.nice(niceness))

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the clients ended with {self.process.wait()}"
        return json.loads(line)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def certify(folder, name, by=None):
    signer = ["-CA", f"{folder}/{by}.pem", "-CAkey", f"{folder}/{by}.key",
              "-addext", "subjectAltName=DNS:localhost"] if by else []
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{folder}/{name}.key",
                    "-out", f"{folder}/{name}.pem", *signer], check=True, capture_output=True)


class Round:
    """A service and its good clients, through some kinds of bad ones."""

    def __init__(self, options, folder, *flags):
        self.options, self.folder = options, folder
        self.service = Service(options.program, folder, *flags)
        self.tools = pathlib.Path(options.clients or pathlib.Path(options.program).parent)
        self.good = Clients(self.tools / "floods-good", "--plain", self.service.port, "--tls",
                            self.service.tls_port, "--ca", folder / "ca.pem", "--count", options.count)
        assert self.good.process.stdout.readline() == "ready\n", "the good clients do not come in"
        self.good.ask("look")
        self.resident = self.service.resident()
        self.faults = []

    def judge(self, is_right, what):
        if not is_right:
            self.faults.append(what)

    def judge_good(self, told, when):
        self.judge(told["wrong"] == 0 and told["dropped"] == 0 and told["right"] > 0
                   and told["open"] == self.options.count, f"good clients {when}: {told}")

    def measure(self, seconds):
        """What the good ones say of so long a time, and the share of a core that the service used."""
        self.good.ask("look")
        began, used = time.monotonic(), self.service.processor()
        time.sleep(seconds)
        told = self.good.ask("look")
        return told, (self.service.processor() - used) / (time.monotonic() - began)

    def let_loose(self, kind, row):
        """The bad ones, until each has come to its end once, or the row says that none does."""
        bad = Clients(self.tools / "floods-bad", kind, "--plain", self.service.port, "--tls",
                      self.service.tls_port, "--count", self.options.count,
                      "--cert", self.folder / "stranger.pem", "--key", self.folder / "stranger.key",
                      niceness=10)

        def expected(told):
            return sum(n for what, n in told["outcomes"].items() if re.fullmatch(row.outcome, what))

        try:
            self.good.ask("look")
            began, used = time.monotonic(), self.service.processor()
            time.sleep(LEAST)
            end = time.monotonic() + PATIENCE
            while expected(told := bad.ask("look")) < self.options.count and time.monotonic() < end:
                time.sleep(0.1)
            peak = self.service.resident("VmHWM")
            beside = self.good.ask("look")
            share = (self.service.processor() - used) / (time.monotonic() - began)
            told = bad.ask("stop")
        finally:
            bad.end()
        self.judge(expected(told) >= self.options.count, f"too few ended as {row.outcome!r}: {told}")
        odd = {what: n for what, n in told["outcomes"].items()
               if not re.fullmatch(row.outcome, what) and not tolerated(what)}
        self.judge(not odd, f"ended otherwise than as {row.outcome!r}: {odd}")
        return beside, share, peak, expected(told), told

    def judge_count(self, row, least):
        """What happens to the last of them may be counted after they have seen it."""
        end = time.monotonic() + PATIENCE
        while (now := row.counted(self.service.metrics())) < least and time.monotonic() < end:
            time.sleep(0.1)
        self.judge(now >= least, f"{row.metrics} are {now:.0f}, at least {least:.0f} are due")

    def back_again(self, heap):
        """Until what the bad ones held has been given back."""
        try:
            wait_until(lambda: (now := self.service.metrics())['weir_heap_allocated_bytes'] < heap + KEPT
                       and now['weir_http_streams'] == 0, "memory that was given back")
        except AssertionError as error:
            self.judge(False, f"{error}: {self.service.metrics()['weir_heap_allocated_bytes'] - heap:.0f} bytes")

    def run(self, kind):
        row = KINDS[kind]
        self.faults = []
        before, share_before = self.measure(REST)
        numbers, resident = self.service.metrics(), self.service.resident()
        self.service.forget_peak()
        beside, share, peak, ended, told = self.let_loose(kind, row)
        if not self.faults:  # else there is nothing to wait for
            self.judge_count(row, row.counted(numbers) + ended * row.times)
        self.judge_good(before, "before")
        self.judge_good(beside, "beside them")
        bound = row.bytes_max * self.options.count + KEPT
        self.judge(peak - resident < bound, f"{(peak - resident) / MIB:.0f} MiB more, at most {bound / MIB:.0f}")
        if not self.faults:
            self.back_again(numbers["weir_heap_allocated_bytes"])
        self.judge(self.service.process.poll() is None, "the service has ended")
        most = max(told["outcomes"], key=told["outcomes"].get, default="")
        return (f"| `{kind}` | {most.replace('.', '')} | {told['ended']:,} | {before['p50_us'] / 1000:.1f} / "
                f"{before['p99_us'] / 1000:.1f} | {beside['p50_us'] / 1000:.1f} / {beside['p99_us'] / 1000:.1f} | "
                f"{share_before:.2f} / {share:.2f} | {max(0, peak - resident) / MIB:.0f} of {bound / MIB:.0f} |")

    def resident_again(self):
        """What is resident more than at the start, once that is what may stay: idle stacks go back by halves,
        every five seconds, pages of the heap ten seconds after they were freed. Only the good ones ask meanwhile."""
        try:
            wait_until(lambda: self.service.resident() < self.resident + KEPT_RESIDENT, "pages that were given back",
                       3 * PATIENCE)
        except AssertionError as error:
            self.judge(False, str(error))
        return self.service.resident() - self.resident

    def end(self):
        """The good ones leave, all of them answered, and the service stops."""
        self.faults = []
        more = self.resident_again()
        told = self.good.ask("stop")
        self.judge(told["wrong"] == 0 and told["dropped"] == 0, f"good clients at the end: {told}")
        wrong = self.service.end()
        self.judge(not wrong, wrong)
        return f"the end; resident before it: {more / MIB:+.0f} MiB"

    def kill(self):
        self.good.end()
        if self.service.process.poll() is None:
            self.service.process.kill()
            self.service.process.wait()


HEADER = ("| kind | what they are told | ended | p50 / p99 before, ms | beside, ms | cores before / beside | "
          "MiB more |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |")


def choose(options):
    if options.kinds:
        return options.kinds
    if not options.sample:
        return list(KINDS)
    seed = options.seed or subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True,
                                          text=True).stdout.strip()
    rng, kinds = random.Random(seed), []
    for family, some in (("h1-", 1), ("tls-", 2), ("h2-", 4)):
        kinds += rng.sample([k for k in KINDS if k.startswith(family) and k not in IDLE_KINDS], some)
    # What comes back slowly begins: idle stacks are given back by halves, every five seconds.
    return sorted(kinds, key=lambda kind: -KINDS[kind].bytes_max)


class Lane:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.passed = self.failed = 0

    def note(self, name, faults, line):
        self.passed += not faults
        self.failed += bool(faults)
        print(line if not faults else f"FAILED  {name}: " + "; ".join(faults), flush=True)

    def through(self, kinds, *flags):
        """One service through these kinds; another one after each that failed."""
        kinds = list(kinds)
        while kinds:
            a_round = None
            try:
                a_round = Round(self.options, self.folder, *flags)
                while kinds and not a_round.faults:
                    kind = kinds.pop(0)
                    line = a_round.run(kind)
                    self.note(kind, a_round.faults, line)
                line = a_round.end()
                self.note("the end", a_round.faults, line)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                self.note(kind if a_round else "the start", [str(error)], "")
                kinds = kinds if a_round else []
            finally:
                if a_round:
                    a_round.kill()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("kinds", nargs="*", metavar="KIND")
    arguments.add_argument("--sample", action="store_true")
    arguments.add_argument("--seed")
    arguments.add_argument("--count", type=int, default=1000)
    arguments.add_argument("--clients", help="the folder of floods-good and floods-bad")
    options = arguments.parse_args()
    kinds = choose(options)
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        sys.exit(f"no such kind: {' '.join(unknown)}; there are {' '.join(KINDS)}")
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, by in (("ca", None), ("own", "ca"), ("stranger", None)):
            certify(folder, name, by)
        lane = Lane(options, folder)
        lane.through([k for k in kinds if k not in IDLE_KINDS], "--idle-timeout=600s")
        lane.through([k for k in kinds if k in IDLE_KINDS], "--idle-timeout=10s")
    print(f"load averages of the machine: {' '.join(f'{load:.1f}' for load in os.getloadavg())}")
    print(f"{lane.passed} passed, {lane.failed} failed")
    return 1 if lane.failed or not lane.passed else 0


if __name__ == "__main__":
    sys.exit(main())
