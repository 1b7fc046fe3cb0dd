"""docs/guide/debugging.md is true: its commands are run, and the output has what the page shows.

The library is the one that is installed: of WEIR_PREFIX, or of the build directory, put into a folder. The
commands are changed in the two ports alone, which come from the kernel here.
"""
import contextlib
import mmap
import os
import pathlib
import random
import re
import signal
import socket
import subprocess

import pytest
from conftest import BUILD, IS_SANITIZED, SOURCE

TEXT = (SOURCE / "docs/guide/debugging.md").read_text()
SECTIONS = {part.splitlines()[0]: part for part in re.split(r"^## ", TEXT, flags=re.M)[1:]}
PATIENCE = 150
PROGRAM = SECTIONS["A service with mistakes"]
WITH_COMMANDS = [name for name, part in SECTIONS.items() if "```text\n" in part]

pytestmark = pytest.mark.skipif(IS_SANITIZED, reason="the page is about the library without sanitizers")


def blocks(part, language):
    return re.findall(rf"^```{language}\n(.*?)^```", part, re.M | re.S)


def free_ports():
    """Two below those that clients get: one who tries until somebody listens could connect to itself."""
    found = []
    for port in random.sample(range(20000, 32000), 1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(str(port))
        if len(found) == 2:
            return found
    raise AssertionError("no ports are free")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of who has the library, in which pkg-config finds it."""
    root = os.environ.get("WEIR_PREFIX")
    if root is None:
        root = tmp_path_factory.mktemp("root")
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root],
                       check=True, capture_output=True, timeout=120)
    (found,) = pathlib.Path(root).rglob("weir.pc")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WEIR_", "DEBUGINFOD"))}
    return {**kept, "PKG_CONFIG_PATH": str(found.parent), "LC_ALL": "C"}


def as_pattern(line):
    """Numbers and blanks may be others, but for lines of the program; … is anything."""
    pattern = ""
    for word in re.findall(r"wrong\.c:\d+|…|0x[0-9a-f]+|\d+|\s+|.", line.strip()):
        if word == "…":
            pattern += ".*"
        elif re.match(r"0x[0-9a-f]*[1-9a-f]", word):
            pattern += "0x[0-9a-f]+"
        elif re.fullmatch(r"\d+", word):
            pattern += r"\d+"
        else:
            pattern += r"\s+" if word.isspace() else re.escape(word)
    return pattern.replace(r"\s+.*", r"\s.*") + (r"(?!\d)" if pattern[-1].isdigit() else "")


def run(commands, environment, folder):
    first, second = free_ports()
    script = "\n".join(["set -e", *blocks(PROGRAM, "sh"), "set +e", commands])
    script = re.sub(r"\b8080\b", first, re.sub(r"\b8081\b", second, script))
    output = folder / "output"
    with open(output, "w") as file:
        shell = subprocess.Popen(["bash", "-c", script], cwd=folder, env=environment,
                                 stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                 start_new_session=True)
        try:
            shell.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not over after {PATIENCE} s\n{output.read_text()[-8000:]}") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # and what it has left behind
            shell.wait()
    return output.read_text(errors="replace")


def has_guard_regions():
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        try:
            page.madvise(102)  # MADV_GUARD_INSTALL, Linux 6.13
        except OSError:
            return False
    return True


def why_not(section):
    """What this machine does not let, which is not the page's fault."""
    if section == "perf":
        probe = subprocess.run(["perf", "record", "-q", "-o", "/dev/null", "true"], capture_output=True,
                               text=True)
        return f"perf may not count here: {probe.stderr.strip()[:200]}" if probe.returncode else None
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if section == "Cores" and pattern.startswith(("|", "/")):
        return f"cores go elsewhere here: {pattern}"
    if section == "gdb and a fiber that hibernates" and not has_guard_regions():
        return "fibers do not hibernate on this kernel"
    return None


@pytest.mark.parametrize("section", WITH_COMMANDS)
def test_it_says_what_the_page_says(section, installed, tmp_path):
    reason = why_not(section)
    if reason:
        pytest.skip(reason)
    (tmp_path / "wrong.c").write_text(blocks(PROGRAM, "c")[0])
    part = SECTIONS[section]
    commands, shown = blocks(part, "sh"), blocks(part, "text")
    output = run("\n".join(commands), installed, tmp_path)
    rest = output
    for line in "".join(shown).splitlines():
        found = re.search(as_pattern(line), rest)
        assert found, f"no {line!r} after what came before it in\n{output[-20000:]}"
        rest = rest[found.end():]


def test_each_section_is_run():
    assert len(WITH_COMMANDS) == 8
    for name, part in SECTIONS.items():
        assert len(blocks(part, "sh")) == len(blocks(part, "text")) or part is PROGRAM, name
