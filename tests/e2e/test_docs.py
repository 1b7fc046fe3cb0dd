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
from conftest import SOURCE, pkg_config

FLAGS = ["-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
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
    done = subprocess.run([compiler, *FLAGS, *pkg_config("--cflags", "weir"), "-c", source, "-o",
                           tmp_path / "out.o"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("place", [p for p, text in BLOCKS.items() if "int main(" in text])
def test_programs_link_and_start(place, tmp_path):
    source = tmp_path / "program.c"
    source.write_text(BLOCKS[place])
    library = "weir-test" if "weir/test.h" in BLOCKS[place] else "weir"
    sanitize = os.environ.get("WEIR_SANITIZE", "none")
    flags = FLAGS + ([f"-fsanitize={sanitize}"] if sanitize != "none" else [])
    if os.environ.get("WEIR_COVERAGE") == "true":  # the archive that tests are linked with counts
        flags = [*flags, "--coverage"]
    done = subprocess.run(["gcc", *flags, source, "-o", tmp_path / "program",
                           *pkg_config("--cflags", "--libs", library)],
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


CASE = r"([\w/.]+\.(?:c|py)):(\w+)"


def is_run(name, case):
    """Whether that file of the tree has a test of that name which is run."""
    path = SOURCE / name
    text = path.read_text() if path.is_file() else ""
    pattern = (rf"^ *def {case}\(" if name.endswith(".py")
               else rf"(?:cmocka_unit_test\w*|[A-Z]*TEST|MATRIX)\(\s*{case}\b")
    return re.search(pattern, text, re.M) is not None


def test_the_tests_that_are_named_are_there():
    """Every file:case of tests/README.md and the designs is a file of the tree and a test that is run."""
    pages = [SOURCE / "tests/README.md", *SOURCE.glob("docs/design/*.md")]
    named = [found for page in pages for found in re.findall(f"`{CASE}`", page.read_text())]
    assert len(named) > 80
    assert not [f"{name}:{case}" for name, case in named if not is_run(name, case)]


def test_names_that_are_chosen_for_what_comes_are_free():
    """No public name begins with a prefix that docs/design/api.md keeps for something else."""
    text = (SOURCE / "docs/design/api.md").read_text()
    table = text[text.index("## Names that are chosen"):text.index("## Names that could have")]
    prefixes = re.findall(r"`(weir_\w+_)`", "".join(row.split("|")[2] for row in table.splitlines()
                                                    if row.startswith("| ")))
    assert len(prefixes) > 10
    headers = "\n".join(re.sub(r"/\*.*?\*/", "", p.read_text(), flags=re.S)
                        for p in (SOURCE / "include/weir").glob("*.h"))
    assert not [name for name in re.findall(r"\bweir_\w+", headers) if name.startswith(tuple(prefixes))]


def promises():
    """What the README and the guide promise: a part of a page, and its text in the source."""
    text = (SOURCE / "README.md").read_text()
    text = text[text.index("## What it does that others don't"):text.index("## Requirements")]
    for paragraph in re.findall(r"(?:<!--.*?-->\n)?\*\*.*?(?=\n\n)", text, re.S):
        yield "README.md: " + re.search(r"\*\*(.*?)\*\*", paragraph).group(1), paragraph
    for page in sorted((SOURCE / "docs/guide").glob("*.md")):
        for section in re.split(r"^## ", page.read_text(), flags=re.M)[1:]:
            yield f"{page.name}: {section.splitlines()[0]}", section


def test_every_promise_names_its_test():
    """In a comment of its source, and the tests are there."""
    found = list(promises())
    assert len(found) > 50
    wrong = []
    for where, text in found:
        comments = " ".join(re.findall(r"<!-- proved by(.*?)-->", text, re.S))
        named = re.findall(CASE, comments)
        programs = re.findall(r"[\w/]+\.cc", comments)
        wrong += [f"{where}: {name}" for name in programs if not (SOURCE / name).is_file()]
        wrong += [where] if not named + programs else []
        wrong += [f"{where}: {name}:{case}" for name, case in named if not is_run(name, case)]
    assert not wrong
