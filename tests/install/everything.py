#!/usr/bin/python3
"""Everything end to end, with programs that were built as users build theirs.

    tests/install/everything.py BUILD [--link shared|static] [--level O2] [--sample N] [--seed TEXT]

Installs BUILD into a folder of its own, builds the examples and the services of the tests with what
pkg-config says and nothing else, and lets the same tests run against them: each file of tests/e2e and
tests/conformance, and a sample of the lanes starts, ends, careless and floods. --sample takes N of the files.
The last line is `N passed, N failed`.
"""
import argparse
import concurrent.futures
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

from installed import Installed, run, seed

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
PATIENCE = 600
# The judge of the soak has no service.
LEFT_OUT = {"test_soak.py"}
LANES = {
    "starts": ["tests/starts/starts.py", "starter", "--sample", "12"],
    "ends": ["tests/ends/ends.py", "ends", "--sample"],
    "careless": ["tests/careless/careless.py", "careless", "--sample", "12"],
    "floods": ["tests/floods/floods.py", "floods", "--sample", "--count", "200"],
}


class Programs:
    """build/ as the tests know it: examples/ and tests/, of programs of the installed library."""

    def __init__(self, installed, link, level):
        self.installed, self.link, self.level = installed, link, level
        self.folder = installed.folder / "programs"
        for name in ("examples", "tests"):
            (self.folder / name).mkdir(parents=True)

    def build(self):
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [pool.submit(*job) for job in self.jobs()]
            for job in jobs:
                job.result()

    def jobs(self):
        for example in sorted((SOURCE / "examples").iterdir()):
            files = [f for f in sorted(example.glob("*.c")) if not f.name.endswith("_test.c")]
            if files:
                yield self.compile, f"examples/{example.name}", files, self.link, []
        for service in sorted((SOURCE / "tests" / "service").glob("*.c*")):
            yield self.compile, f"tests/{service.stem}", [service], self.link, []
        faults = [SOURCE / "tests/service/faults.c"]
        yield self.compile, "tests/faults-shared", faults, "shared", []
        yield self.compile, "tests/faults-bare", faults, "static", ["-UWEIR_CFLAGS"]
        yield self.compile, "tests/throws-shared", [SOURCE / "tests/service/throws.cc"], "shared", []
        yield (run, "gcc", "-O2", "-D_GNU_SOURCE", "-I", SOURCE / "src",
               SOURCE / "tests/oldkernel/refuse.c", "-o", self.folder / "tests/refuse")
        floods = SOURCE / "tests/floods"
        for name, files in (("good", ["good.c"]), ("bad", ["bad.c", *floods.glob("kinds_*.c")])):
            yield (run, "gcc", "-O2", "-D_GNU_SOURCE", floods / "link.c", *(floods / f for f in files),
                   "-o", self.folder / f"tests/floods-{name}", "-lssl", "-lcrypto", "-lnghttp2")

    def compile(self, name, files, link, more):
        flags = self.installed.flags(link)
        if "-UWEIR_CFLAGS" in more:  # as who does not ask pkg-config for them
            flags = [f for f in flags if not f.startswith(("-f", "-m", "-DWEIR_CFLAGS"))]
        if name == "examples/leaky":  # it shows its own source
            embedded = self.folder / "leaky_sources.c"
            run(SOURCE / "tools/embed", embedded, "leaky_source", *files)
            files = [*files, embedded]
        compiler = ["g++", "-std=c++17"] if files[0].suffix == ".cc" else ["gcc", "-std=gnu17"]
        run(*compiler, f"-{self.level}", "-g", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
            f"-ffile-prefix-map={SOURCE}/=", *files, "-o", self.folder / name, *flags,
            *[m for m in more if m != "-UWEIR_CFLAGS"])


def test_files(options):
    files = [f for folder in ("e2e", "conformance")
             for f in sorted((SOURCE / "tests" / folder).glob("test_*.py")) if f.name not in LEFT_OUT]
    if options.only:
        files = [f for f in files if any(word in f.name for word in options.only)]
    elif options.sample:
        files = random.Random(options.seed).sample(files, min(options.sample, len(files)))
    return sorted(files)


def environment(installed, programs):
    return {**os.environ, "WEIR_BUILD": str(programs.folder), "WEIR_SOURCE": str(SOURCE),
            "WEIR_PREFIX": str(installed.root), "WEIR_SANITIZE": "none",
            "PYTHONDONTWRITEBYTECODE": "1"}


def ended(command, its_environment):
    try:
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=PATIENCE, env=its_environment, cwd=SOURCE)
    except subprocess.TimeoutExpired as error:
        return 1, f"not over after {PATIENCE} s\n{error.stdout}"
    return done.returncode, done.stdout


def counts(text):
    numbers = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error)", text)}
    return numbers.get("passed", 0), numbers.get("failed", 0) + numbers.get("error", 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--link", choices=["shared", "static"], default="shared")
    parser.add_argument("--level", default="O2")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", default=seed())
    parser.add_argument("--only", nargs="+", default=[])
    options = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # some are started as another user
        installed = Installed(options.build.resolve(), folder)
        programs = Programs(installed, options.link, options.level)
        programs.build()
        its = environment(installed, programs)
        jobs = {f.name: ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f]
                for f in test_files(options)}
        for name, (script, program, *arguments) in LANES.items():
            if not options.only or name in options.only:
                jobs[name] = ["/usr/bin/python3", SOURCE / script,
                              programs.folder / "tests" / program, *arguments]
        with concurrent.futures.ThreadPoolExecutor(max(1, os.cpu_count() // 2)) as pool:
            running = {pool.submit(ended, command, its): name for name, command in jobs.items()}
            for job in concurrent.futures.as_completed(running):
                status, text = job.result()
                good, bad = counts(text.splitlines()[-1] if text.strip() else "")
                bad = bad or int(status != 0)
                passed, failed = passed + good, failed + bad
                print(f"{'FAILED' if bad else 'ok    '}  {options.link} {running[job]}: {good} passed",
                      flush=True)
                if bad:
                    print("\n".join("        " + line for line in text.splitlines()[-60:]))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
