#!/usr/bin/python3
"""The house's own tools, tried on small trees with planted mistakes."""
import importlib.machinery
import importlib.util
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent
TABLE = """
base:
wire: base
rt: base
http: wire rt base
web: http base
outside: examples
tests: rt/sim.h
header base: str
header web: web
"""


class Tree(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.write("tools/rooms.txt", TABLE)
        self.write("include/weir/str.h", "")
        self.write("include/weir/web.h", "#include <weir/str.h>\n")
        for header in ("base/list.h", "wire/h1.h", "rt/sim.h", "rt/wait.h", "http/conn.h", "web/router.h"):
            self.write("src/" + header, "")

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def call(self, tool, *arguments):
        done = subprocess.run([TOOLS / tool, *arguments, self.root], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, 1 if done.stdout else 0)
        return done.stdout.splitlines()


class Rooms(Tree):
    def check(self, path, include, *expected):
        self.write(path, f"/* first line */\n#include {include}\n")
        errors = self.call("check-rooms")
        self.assertEqual(len(errors), 1 if expected else 0, errors)
        for text in expected:
            self.assertIn(text, errors[0])

    def test_arrows_of_the_table(self):
        self.check("src/http/a.c", '"wire/h1.h"')

    def test_own_room(self):
        self.check("src/wire/a.c", '"wire/h1.h"')

    def test_neighbour_without_folder(self):
        self.check("src/wire/a.c", '"h1.h"')

    def test_system_header(self):
        self.check("src/base/a.c", "<stdio.h>")

    def test_upward(self):
        self.check("src/base/a.c", '"web/router.h"', "src/base/a.c:2:", "base -> web", "may include: nothing")

    def test_sideways(self):
        self.check("src/wire/a.h", '"rt/wait.h"', "src/wire/a.h:2:", "wire -> rt", "may include: base")

    def test_not_even_what_is_reached_indirectly(self):
        self.check("src/web/a.c", '"wire/h1.h"', "web -> wire")

    def test_assembler(self):
        self.check("src/base/a.S", '"rt/wait.h"', "base -> rt")

    def test_public_header_upward(self):
        self.check("src/rt/a.c", "<weir/web.h>", "rt -> web")

    def test_between_public_headers(self):
        self.check("include/weir/str.h", "<weir/web.h>", "include/weir/str.h:2:", "base -> web")

    def test_public_header_includes_private(self):
        self.check("include/weir/web.h", '"web/router.h"', "include/weir/web.h:2:", "write <weir/...>")

    def test_unknown_public_header(self):
        self.check("src/base/a.c", "<weir/nope.h>", "no public header <weir/nope.h>")

    def test_unlisted_public_header(self):
        self.check("include/weir/extra.h", "<stdio.h>", "include/weir/extra.h:1:", "belongs to no room")

    def test_unknown_room(self):
        self.check("src/attic/a.c", "<stdio.h>", "room attic is not in tools/rooms.txt")

    def test_include_of_unknown_room(self):
        self.check("src/base/a.c", '"attic/box.h"', '"attic/box.h" is in no room')

    def test_missing_file(self):
        self.check("src/rt/a.c", '"base/nope.h"', "no file src/base/nope.h")

    def test_climbing(self):
        self.check("src/base/a.c", '"../rt/wait.h"', "climbs out")

    def test_commented_out(self):
        self.check("src/base/a.c", '<stdio.h>\n/*\n#include "rt/wait.h"\n*/\n// #include "rt/wait.h"')

    def test_tests_see_all_below(self):
        self.check("src/web/a_test.c", '"wire/h1.h"')

    def test_tests_see_the_simulator(self):
        self.check("src/wire/a_test.c", '"rt/sim.h"')

    def test_tests_see_nothing_else_above(self):
        self.check("src/wire/a_test.c", '"rt/wait.h"', "wire -> rt")

    def test_example_sees_public(self):
        self.check("examples/shop/a.c", "<weir/web.h>")

    def test_example_sees_nothing_private(self):
        self.check("examples/shop/a.c", '"base/list.h"', "examples/shop/a.c:2:", "only <weir/...>")

    def test_tests_folder_sees_all(self):
        self.check("tests/leaks/a_test.c", '"rt/wait.h"')

    def test_table_with_unknown_room(self):
        self.write("tools/rooms.txt", "base:\nrt: base attic\n")
        done = subprocess.run([TOOLS / "check-rooms", self.root], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("rt may include attic, which is no room", done.stderr)


class Docs(Tree):
    def check(self, text, *expected):
        self.write("include/weir/str.h", text)
        errors = self.call("check-docs", "--no-compile")
        self.assertEqual([error.split(" has no")[0] for error in errors], list(expected))

    def test_documented(self):
        self.check("/** Does a thing. */\nWEIR_API int weir_a(void);\n")

    def test_group(self):
        self.check("/** Two things. */\nWEIR_API int weir_a(void);\nWEIR_API int weir_b(void);\n")

    def test_blank_line_ends_a_group(self):
        self.check("/** One thing. */\nWEIR_API int weir_a(void);\n\nWEIR_API int weir_b(void);\n",
                   "include/weir/str.h:4: weir_b")

    def test_blank_line_after_comment(self):
        self.check("/** One thing. */\n\nWEIR_API int weir_a(void);\n", "include/weir/str.h:3: weir_a")

    def test_no_comment(self):
        self.check("WEIR_API int weir_a(void);\n", "include/weir/str.h:1: weir_a")

    def test_plain_comment(self):
        self.check("/* A banner, no more. */\nWEIR_API int weir_a(void);\n", "include/weir/str.h:2: weir_a")

    def test_empty_comment(self):
        self.check("/** */\nWEIR_API int weir_a(void);\n", "include/weir/str.h:2: weir_a")

    def test_long_declaration(self):
        self.check("WEIR_API\nstruct x *\nweir_a(int a,\n       int b);\n", "include/weir/str.h:1: weir_a")

    def test_inline(self):
        self.check("static inline int weir_a(void)\n{\n    return 0;\n}\n", "include/weir/str.h:1: weir_a")

    def test_macro(self):
        self.check("#define WEIR_A 1\n", "include/weir/str.h:1: WEIR_A")

    def test_macro_with_trailing_comment(self):
        self.check("\n#define WEIR_A 1 /** not before it */\n", "include/weir/str.h:2: WEIR_A")

    def test_documented_macro(self):
        self.check("/**\n * Makes one.\n */\n#define WEIR_A(x) \\\n    x\n")

    def test_guard_and_internal_names(self):
        self.check("#ifndef WEIR_STR_H\n#define WEIR_STR_H\n#define WEIR__CAT(a) a\n#endif\n")

    def silent(self, text, *expected):
        """`f` and its kin in the header; what nothing is said of."""
        types = ("/* First. */\n/** Opaque. */\ntypedef struct weir_thing weir_thing;\n\n"
                 "/** In the open. */\ntypedef struct weir_str { const char *ptr; } weir_str;\n\n")
        self.write("include/weir/str.h", types + text)
        errors = self.call("check-docs", "--no-compile")
        self.assertEqual([error.removeprefix("include/weir/str.h: ") for error in errors], list(expected))

    def test_a_pointer_that_nobody_speaks_of(self):
        for kind in ("const char *a", "weir_str a", "void **a", "const struct stat *a"):
            self.silent(f"/** Reads b, copied; a string. */\nWEIR_API int weir_f(weir_thing *t, {kind}, int n);\n",
                        "weir_f: what becomes of `a`?")

    def test_a_pointer_that_has_its_word(self):
        for comment in (" * Reads.\n *\n * a        copied\n * returns  0", " * Reads `a`, which is borrowed.",
                        " * Reads.\n *\n * a, b  read during\n *       the call\n"):
            self.silent(f"/**\n{comment}\n */\nWEIR_API int weir_f(const char *a);\n")

    def test_the_word_of_another(self):
        self.silent("/**\n * Reads.\n *\n * a  any text\n * b  copied\n */\nWEIR_API int weir_f(const char *a);\n",
                    "weir_f: what becomes of `a`?")
        self.silent("/** Reads `a`. What `b` is, is copied. */\nWEIR_API int weir_f(const char *a);\n",
                    "weir_f: what becomes of `a`?")

    def test_two_lines_of_one_group(self):
        self.silent("/** Both copy: `a` is copied. */\nWEIR_API int weir_f(const char *a);\n"
                    "WEIR_API int weir_g(const char *b);\n", "weir_g: what becomes of `b`?")

    def test_the_macro_speaks_for_its_function(self):
        macro = "/**\n * Opens.\n *\n * path  copied\n */\n#define weir_open(path) weir_open_at(path)\n"
        self.silent(macro + "/** The function behind weir_open. */\nWEIR_API int weir_open_at(const char *path);\n")
        self.silent(macro + "/** Another. */\nWEIR_API int weir_read_at(const char *path);\n",
                    "weir_read_at: what becomes of `path`?")

    def test_the_header_speaks_for_all(self):
        self.write("include/weir/str.h", "/*\n * A `name` is not kept.\n */\n/** Finds. */\n"
                                         "WEIR_API int weir_f(const char *name, const char *value);\n")
        self.assertEqual(self.call("check-docs", "--no-compile"),
                         ["include/weir/str.h: weir_f: what becomes of `value`?"])

    def test_a_result_that_points(self):
        for kind in ("weir_str ", "const char *", "weir_thing *"):
            self.silent(f"/** Finds it. */\nWEIR_API {kind}weir_f(int n);\n",
                        "weir_f: who owns the result, and until when?")
            self.silent(f"/** Finds it. Borrowed from the thing. */\nWEIR_API {kind}weir_f(int n);\n")

    def test_options_that_point(self):
        options = "typedef struct weir_f_options {\n    size_t size;\n    const char *name;\n} weir_f_options;\n"
        self.silent("/** Options. */\n" + options, "weir_f_options: what becomes of what its members point to?")
        self.silent("/** Options. Strings are copied. */\n" + options)

    def test_functions_and_formats_are_no_such_pointers(self):
        self.silent("/** Calls. */\nWEIR_API int weir_f(weir_thing *t, void (*fn)(void *arg), const char *format, ...);\n")

    def test_header_that_does_not_compile(self):
        self.write("include/weir/str.h", "size_t a;\n")
        errors = "\n".join(self.call("check-docs"))
        for language in ("-std=c17", "-std=c++17"):
            self.assertIn(language, errors)

    def test_header_that_is_not_cxx(self):
        self.write("include/weir/str.h", "#ifndef A\n#define A\nstatic const int *class;\n#endif\n")
        errors = "\n".join(self.call("check-docs"))
        self.assertIn("does not compile alone with g++", errors)
        self.assertNotIn("with gcc", errors)


class Lines(Tree):
    def check(self, path, text, *expected):
        self.write(path, text)
        self.assertEqual(self.call("check-lines"), list(expected))

    def test_full_line(self):
        self.check("src/base/a.c", "/* " + 94 * "x" + " */\n")

    def test_long_comment(self):
        self.check("src/base/a.c", "int a;\n/* " + 95 * "x" + " */\n", "src/base/a.c:2: 101 columns")

    def test_columns_are_not_bytes(self):
        self.check("include/weir/str.h", "/* " + 94 * "…" + " */\n")

    def test_assembly_and_tests(self):
        self.write("src/rt/a.S", 101 * "#" + "\n")
        self.check("tests/deep/a_test.c", 102 * "/", "src/rt/a.S:1: 101 columns",
                   "tests/deep/a_test.c:1: 102 columns")


class Asserts(Tree):
    def check(self, text, bound, *expected):
        self.write("tools/asserts.txt", f"# what for\nsync {bound}\n")
        self.write("src/sync/README.md", "- **Q1** A waiter is somewhere.\n- N12: plain.\n")
        self.write("src/sync/a.c", text)
        self.write("src/sync/a_test.c", "void t(void)\n{\n}\n" * 9)
        self.assertEqual(self.call("check-asserts"), list(expected))

    def test_enough(self):
        self.check('void a(void)\n{\n    WEIR_ASSERT(f(1) == 2,\n                "Q1: yes");\n}\n'
                   'void b(void)\n{\n}\n', 0.5)

    def test_too_few(self):
        self.check('void a(void)\n{\n    WEIR_ASSERT(x, "N12: yes");\n}\nvoid b(void)\n{\n}\n', 0.6,
                   "src/sync: 0.500 assertions a function; it has had 0.600")

    def test_without_a_number(self):
        self.check('void a(void)\n{\n    WEIR_ASSERT(x, "it is so");\n}\n', 0.1,
                   "src/sync: 0.000 assertions a function; it has had 0.100")

    def test_number_of_nothing(self):
        self.check('void a(void)\n{\n    WEIR_ASSERT(x, "Q2: yes");\n}\n', 0,
                   "src/sync/a.c:3: Q2 is no invariant of src/sync/README.md")

    def test_room_inside_another(self):
        self.write("tools/asserts.txt", "http 0.5\nhttp/h1 0.6\n")
        self.write("src/http/README.md", "- N1: plain.\n")
        self.write("src/http/a.c", 'void a(void)\n{\n    WEIR_ASSERT(x, "N1: yes");\n}\n')
        self.write("src/http/h1/README.md", "- B1: plain.\n")
        self.write("src/http/h1/a.c", 'void a(void)\n{\n    WEIR_ASSERT(x, "B1: yes");\n}\n'
                                      'void b(void)\n{\n    WEIR_ASSERT(x, "N1: no");\n}\n'
                                      "void c(void)\n{\n}\n")
        self.assertEqual(self.call("check-asserts"),
                         ["src/http/h1/a.c:7: N1 is no invariant of src/http/h1/README.md"])
        self.write("src/http/h1/a.c", "void a(void)\n{\n}\n")
        self.assertEqual(self.call("check-asserts"),
                         ["src/http/h1: 0.000 assertions a function; it has had 0.600"])


class Packages(unittest.TestCase):
    def call(self, *arguments, **environment):
        return subprocess.run([TOOLS / "install-packages", *arguments], capture_output=True, text=True,
                              env={"PATH": "/usr/bin:/bin", **environment})

    def test_nothing_to_do(self):
        with tempfile.TemporaryDirectory() as folder:
            stamp = pathlib.Path(folder) / "stamp"
            for _ in range(2):
                done = self.call("--stamp", str(stamp), "build")
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            self.assertTrue(stamp.is_file())

    def test_unknown_group(self):
        done = self.call("nonsense")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no group 'nonsense'", done.stderr)

    def test_not_debian(self):
        with tempfile.TemporaryDirectory() as folder:
            for tool in ("bash", "sort", "xargs", "dirname", "stat", "echo"):
                (pathlib.Path(folder) / tool).symlink_to(shutil.which(tool))
            done = self.call("build", PATH=folder)
            self.assertEqual(done.returncode, 1)
            self.assertIn("libjemalloc-dev", done.stderr)


class Fuzz(unittest.TestCase):
    """tools/fuzz over programs that only look like fuzzers."""

    def setUp(self):
        self.build = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.build)
        (self.build / "tests" / "fuzz").mkdir(parents=True)

    def fuzzer(self, name, script):
        program = self.build / "tests" / "fuzz" / name
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)

    def call(self, *arguments):
        return subprocess.run([TOOLS / "fuzz", self.build, "--seconds", "1", *arguments],
                              capture_output=True, text=True)

    def test_a_good_run(self):
        self.fuzzer("wire-url", "echo '#9 DONE cov: 7 ft: 8 corp: 3/9b'\n"
                                "echo 'stat::number_of_executed_units: 1234'\n")
        done = self.call("wire-url")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1,234 executions, 7 edges, 3 inputs", done.stdout)
        self.assertTrue(done.stdout.endswith("1 passed, 0 failed\n"))

    def test_a_crash_fails_and_says_how_to_see_it_again(self):
        crash = self.build / "crashes" / "wire-url" / "crash-1"
        self.fuzzer("wire-url", f"echo 'a.c:1: x == y does not hold: 3'\necho x > {crash}\nexit 77\n")
        done = self.call("wire-url")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{crash}: a.c:1: x == y does not hold: 3", done.stdout)
        self.assertIn(f"again: {self.build}/tests/fuzz/wire-url {crash}", done.stdout)
        self.assertTrue(done.stdout.endswith("0 passed, 1 failed\n"))

    def test_an_end_without_a_crash_fails_too(self):
        self.fuzzer("wire-url", "exit 1\n")
        self.assertIn("0 passed, 1 failed", self.call("wire-url").stdout)

    def test_unknown_fuzzer(self):
        done = self.call("wire-nothing")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no fuzzer 'wire-nothing', there are: ", done.stderr)


HARDENED = ["-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong", "-fstack-clash-protection", "-fPIE",
            "-pie", "-Wl,-z,relro,-z,now,-z,noexecstack"]
SPOILED = {
    "position independent": ["-no-pie", "-fno-pie"],
    "RELRO": ["-Wl,-z,norelro"],
    "bound at the start": ["-Wl,-z,lazy"],
    "stack that can be executed": ["-Wl,-z,execstack"],
    "stack protector": ["-fno-stack-protector"],
    "fortified": ["-U_FORTIFY_SOURCE"],
    "probe large frames": ["-fno-stack-clash-protection"],
    "search path": ["-Wl,-rpath,/home/builder/lib"],
}


class Hardening(unittest.TestCase):
    def said_of(self, *flags):
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        (folder / "it.c").write_text("""
            #include <stdio.h>
            #include <string.h>
            __asm__(".text; .skip 300000; .previous");
            __attribute__((noinline)) static int large(const char *from)
            {
                char text[100000];
                strcpy(text, from);
                return puts(text);
            }
            int main(int argc, char **argv) { return large(argv[argc - 1]); }
        """)
        subprocess.run(["gcc", "-w", *HARDENED, *flags, "it.c", "-o", "it"], cwd=folder, check=True)
        return subprocess.run([TOOLS / "check-hardening", folder / "it"], capture_output=True,
                              text=True).stdout

    def test_what_is_hardened_passes(self):
        self.assertEqual(self.said_of(), "1 files are hardened\n")

    def test_each_spoiled_flag_is_seen(self):
        for what, flags in SPOILED.items():
            said = self.said_of(*flags)
            self.assertIn(what, said, flags)


class Coverage(unittest.TestCase):
    def test_counts_a_line_over_all_programs(self):
        root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, root)
        for folder in ("tools", "src/room", "build"):
            (root / folder).mkdir(parents=True)
        shutil.copy(TOOLS / "coverage", root / "tools")
        (root / "src/room/twice.c").write_text("int main(int argc, char **argv)\n{\n    if (argc > 1)\n"
                                               "        return argc - 2;\n    return argv[0] == 0;\n}\n")
        for name, arguments in (("one", []), ("two", []), ("three", ["x"])):
            subprocess.run(["gcc", "--coverage", "-o", name, "../src/room/twice.c"], cwd=root / "build", check=True)
            subprocess.run([f"./{name}", *arguments], cwd=root / "build", check=True)
            if name == "two":
                self.assertEqual(self.count(root)["src/room/twice.c"], {1: 2, 3: 2, 4: 0, 5: 2})
        self.assertEqual(self.count(root)["src/room/twice.c"], {1: 3, 3: 3, 4: 1, 5: 2})

    def count(self, root):
        loader = importlib.machinery.SourceFileLoader("coverage", str(root / "tools/coverage"))
        tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("coverage", loader))
        loader.exec_module(tool)
        return tool.counted(root / "build")


if __name__ == "__main__":
    unittest.main()
