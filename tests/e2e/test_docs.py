"""The code in the documents compiles as it stands there, and the programs among it link and start.

Each ```c block of README.md and of docs begins with a line `// file: name.c`; links between the
documents lead somewhere.
"""
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import BUILD, SOURCE

FLAGS = ["-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-fexceptions",
         "-fnon-call-exceptions"]
DOCUMENTS = sorted(p for p in [SOURCE / "README.md", SOURCE / "ARCHITECTURE.md",
                               *SOURCE.glob("docs/**/*.md"), *SOURCE.glob("src/*/README.md"),
                               SOURCE / "tests/README.md"]
                   if p.is_file())


def blocks():
    for document in DOCUMENTS:
        for number, match in enumerate(re.finditer(r"^```c\n(.*?)^```", document.read_text(),
                                                   re.M | re.S), 1):
            yield f"{document.relative_to(SOURCE)}:{number}", match.group(1)


BLOCKS = dict(blocks())


@pytest.mark.parametrize("place", BLOCKS)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_compiles(place, compiler, tmp_path):
    text = BLOCKS[place]
    match = re.match(r"// file: ([\w-]+\.c)\n", text)
    assert match, f"{place} does not begin with // file: name.c"
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not here")
    source = tmp_path / match.group(1)
    source.write_text(text)
    done = subprocess.run([compiler, *FLAGS, "-I", SOURCE / "include", "-c", source, "-o",
                           tmp_path / "out.o"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("place", [p for p, text in BLOCKS.items() if "int main(" in text])
def test_programs_link_and_start(place, tmp_path):
    source = tmp_path / "program.c"
    source.write_text(BLOCKS[place])
    (library,) = list(BUILD.glob("libweir.so"))
    sanitize = os.environ.get("WEIR_SANITIZE", "none")
    flags = FLAGS + ([f"-fsanitize={sanitize}"] if sanitize != "none" else [])
    done = subprocess.run(["gcc", *flags, "-I", SOURCE / "include", source, "-o",
                           tmp_path / "program", library, f"-Wl,-rpath,{BUILD}"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    if "weir/test.h" in BLOCKS[place]:  # a test: it passes
        done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return
    if "weir_app_new" not in BLOCKS[place]:
        return
    done = subprocess.run([tmp_path / "program", "--help"], capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == 0 and "usage:" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(SOURCE)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text()):
        if not re.match(r"[a-z]+:", target):
            assert (document.parent / pathlib.PurePosixPath(target)).exists(), target


def test_the_tour_names_what_is_there():
    """Every function and file that ARCHITECTURE.md names is in the sources."""
    text = (SOURCE / "ARCHITECTURE.md").read_text()
    code = "\n".join(p.read_text() for folder in ("src", "include") for p in
                     (SOURCE / folder).rglob("*") if p.suffix in (".c", ".h", ".S"))
    missing = []
    for name in set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))):
        if re.fullmatch(r"(src|include|tools|docs)/[\w/.]+", name):
            if not (SOURCE / name).exists():
                missing.append(name)
        elif (SOURCE / name).is_dir():
            pass
        elif re.fullmatch(r"[a-zA-Z]\w+", name) and not re.search(rf"\b{name}\b", code):
            missing.append(name)
    assert not missing


def test_the_tests_that_are_named_are_there():
    """Every file:case of tests/README.md is a file of the tree and a test that is run."""
    named = re.findall(r"`([\w/.]+\.(?:c|py)):(\w+)`", (SOURCE / "tests/README.md").read_text())
    assert len(named) > 80
    missing = []
    for name, case in named:
        path = SOURCE / name
        text = path.read_text() if path.is_file() else ""
        is_run = (rf"^def {case}\(" if name.endswith(".py")
                  else rf"(?:cmocka_unit_test\w*|[A-Z]*TEST|MATRIX)\(\s*{case}\b")
        if not re.search(is_run, text, re.M):
            missing.append(f"{name}:{case}")
    assert not missing
