"""Programs that were compiled with other headers than the library's.

The headers are copied and members taken out of their structs, or put in; a program is compiled with
these and linked with the library as it is. What it gives lies before a page that cannot be read or
written: a byte that its structs do not have is a fault.
"""
import os
import re
import shutil
import subprocess

import pytest
from conftest import SOURCE, pkg_config

# The members that an older header has not yet: always the last ones.
OLDER = {
    "ctx.h": {"weir_ctx_options": ["fibers_max"]},
    "fiber.h": {"weir_detach_options": ["timeout"]},
    "socket.h": {"weir_dial_options": ["timeout", "tls", "tls_name"]},
    "offload.h": {"weir_offload_options": ["interrupt"]},
    "file.h": {"weir_file_open_options": ["mode"], "weir_file_temp_options": ["bytes_max"]},
    "topic.h": {"weir_topic_options": ["policy", "subscribers_max"],
                "weir_subscription_options": ["policy"]},
    "sqlite.h": {"weir_sqlite_options": ["mmap_bytes"]},
    "route.h": {"weir_group_options": ["body_bytes_max", "half_close"]},
    "fail.h": {"weir_error_entry": ["message"]},
    "app.h": {"weir_app_options": ["deadline_header"]},
    "conf.h": {"weir_option": ["one_of", "check"]},
    "process.h": {"weir_spawn_options": ["grace"]},
    "response.h": {"weir_static_options": ["dot_files"]},
    "pool.h": {"weir_pool_stats": ["is_suspended"]},
    "sql.h": {"weir_result": ["last_id"]},
}
NEWER = {"ctx.h": {"weir_ctx_options": "uint64_t from_later;"},
         "app.h": {"weir_app_options": "uint64_t from_later;"},
         "fail.h": {"weir_error_entry": "uint64_t from_later;"}}

PROGRAM = (SOURCE / "tests/e2e/older.c.txt").read_text()


def body_of(text, struct):
    match = re.search(rf"typedef struct {struct} {{\n(.*?)^}} {struct};", text, re.S | re.M)
    assert match, struct
    return match


def without(text, struct, members):
    match = body_of(text, struct)
    body = re.sub(r"/\*.*?\*/", "", match.group(1), flags=re.S)
    declarations = [d.strip() for d in body.split(";") if d.strip()]
    for member in reversed(members):
        last = declarations.pop()
        assert re.search(rf"\b{member}\b", last), f"{struct}: {member} is not its last member"
    body = "".join(f"    {d};\n" for d in declarations)
    return text[:match.start(1)] + body + text[match.end(1):]


def with_more(text, struct, declaration):
    end = body_of(text, struct).end(1)
    return text[:end] + f"    {declaration}\n" + text[end:]


def headers(folder, changes, change):
    shutil.copytree(SOURCE / "include/weir", folder / "include/weir")
    for name, structs in changes.items():
        path = folder / "include/weir" / name
        for struct, what in structs.items():
            path.write_text(change(path.read_text(), struct, what))
    return folder / "include"


def compile_and_run(folder, include, *defines):
    sanitize = os.environ.get("WEIR_SANITIZE", "none")
    flags = [f"-fsanitize={sanitize}"] if sanitize != "none" else []
    own = [f for f in pkg_config("--cflags", "--libs", "weir")]
    (folder / "program.c").write_text(PROGRAM)
    done = subprocess.run(["gcc", "-std=gnu17", "-O1", "-Wall", "-Werror", *flags, *defines,
                           f"-I{include}", folder / "program.c", "-o", folder / "program", *own],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return subprocess.run([folder / "program", str(folder)], capture_output=True, text=True,
                          timeout=60)


def test_an_older_program_works(tmp_path):
    include = headers(tmp_path, OLDER, without)
    done = compile_and_run(tmp_path, include, "-DOLDER")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well" in done.stdout.splitlines(), done.stdout + done.stderr


def test_todays_program_works(tmp_path):
    """The same without a change: what the other test shows is not the program's doing."""
    done = compile_and_run(tmp_path, headers(tmp_path, {}, without))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well" in done.stdout.splitlines(), done.stdout + done.stderr


def test_a_newer_program_that_asks_for_nothing_new_works(tmp_path):
    done = compile_and_run(tmp_path, headers(tmp_path, NEWER, with_more))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well" in done.stdout.splitlines(), done.stdout + done.stderr


@pytest.mark.parametrize("what", ["CTX", "APP", "ENTRY"])
def test_a_newer_option_is_refused(tmp_path, what):
    """By name, not dropped."""
    done = compile_and_run(tmp_path, headers(tmp_path, NEWER, with_more), f"-DLATER_{what}")
    assert done.returncode != 0
    assert "does not know" in done.stderr and "newer Weir" in done.stderr, done.stderr
    assert "all is well" not in done.stdout
