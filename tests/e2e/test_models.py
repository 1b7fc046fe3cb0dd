"""Wrong models and metrics stop the start: all that is wrong with any of them, with file and line,
wherever in the program they are: in its own files, in an archive, in a shared library, in C++, used
or not."""
import os
import re
import subprocess

import pytest

from conftest import IS_SANITIZED, pkg_config

HEADER = """
#include <weir/weir.h>
typedef struct { weir_str name; int age; } in_header;
WEIR_MODEL(in_header, (name, .min = 1), (age));
"""
MAIN = """
#include "both.h"
int from_archive(void);
int from_library(void);
int from_cplusplus(void);
typedef struct { weir_str name; int age; int other; } unused;
WEIR_MODEL(unused, (name, .min = 1, .len_min = 3, .len_max = 2),
                   (age, .pattern = "("),
                   (other, .json = "age"));
typedef struct { int age; } good;
WEIR_MODEL(good, (age, .min = 1));
static WEIR_COUNTER(right, "right_total", "Right.", .labels = {"kind", "why"}, .series_max = 20);
static WEIR_GAUGE(shared, "archive_open", "It is in the archive as well.");
int main(int argc, char **argv)
{
    weir_app *app = weir_app_new(argc, argv, .name = "wrong");
    if (from_archive() + from_library() + from_cplusplus() != 3)
        return 2;
    return weir_app_run(app);
}
"""
PART = """
#include "both.h"
typedef struct { double ratio; } %(name)s_in;
WEIR_MODEL(%(name)s_in, (ratio, .min = 2, .max = 1));
static WEIR_COUNTER(counted, "%(name)s_count", "Counted.", .labels = {"a-b"});
static WEIR_GAUGE(opened, "%(name)s_open", "Open.");
%(extern)s int from_%(name)s(void);
int from_%(name)s(void) { return 1; }
"""


def build(folder, flags):
    def cc(*command):
        done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
    include = [*pkg_config("--cflags", "weir"), "-Wall", "-Wextra", "-Werror"]
    (folder / "both.h").write_text(HEADER)
    (folder / "main.c").write_text(MAIN)
    for name, ending in (("archive", "c"), ("library", "c"), ("cplusplus", "cc")):
        linkage = 'extern "C"' if ending == "cc" else ""
        (folder / f"{name}.{ending}").write_text(PART % {"name": name, "extern": linkage})
    cc("gcc", *flags, *include, "-c", "main.c", "archive.c")
    cc("g++", "-std=c++20", *flags, *include, "-c", "cplusplus.cc")
    cc("gcc-ar", "rcs", "libarchive.a", "archive.o")
    weir = [*pkg_config("--libs", "weir"), f"-Wl,-rpath,{folder}"]
    cc("gcc", *flags, *include, "-shared", "-fPIC", "library.c", "-o", "liblibrary.so", *weir)
    cc("gcc", *flags, "main.o", "cplusplus.o", "-L.", "-larchive", "-llibrary", "-o", "wrong",
       *weir)
    return folder / "wrong"


@pytest.mark.skipif(IS_SANITIZED, reason="programs of the test's own are built without sanitizers")
@pytest.mark.parametrize("flags", [
    ["-O0"],
    ["-O2", "-flto", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections,--as-needed"],
], ids=["plain", "lto"])
def test_every_mistake_of_every_model(tmp_path, flags):
    wrong = build(tmp_path, flags)
    done = subprocess.run([wrong, "--colour=red"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=20, env={**os.environ})
    assert done.returncode == 1, done.stdout
    assert "--colour" in done.stdout  # the options' are there too
    mistakes = [
        r"both\.h:4: model in_header, member name: \.min and \.max are for numbers",
        r"main\.c:\d+: model unused, member name: \.min and \.max are for numbers",
        r"main\.c:\d+: model unused, member name: \.len_min is over \.len_max",
        r"main\.c:\d+: model unused, member age: \.format, \.one_of and \.pattern are for texts",
        r"main\.c:\d+: model unused, member other: another member has the same JSON key",
        r"archive\.c:4: model archive_in, member ratio: \.min is over \.max",
        r"library\.c:4: model library_in, member ratio: \.min is over \.max",
        r"cplusplus\.cc:4: model cplusplus_in, member ratio: \.min is over \.max",
        r"archive\.c:5: metric archive_count: a counter's name ends in _total",
        r"library\.c:5: metric library_count: label \"a-b\" holds '-'",
        r"cplusplus\.cc:5: metric cplusplus_count: a counter's name ends in _total",
        r"metric archive_open: the same name is at ",
    ]
    for mistake in mistakes:
        assert len(re.findall(mistake, done.stdout)) == 1, (mistake, done.stdout)
    assert "model good" not in done.stdout and "right_total" not in done.stdout
