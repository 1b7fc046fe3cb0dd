"""Statements in WEIR_SQL are noted however a program is put together.

Programs of several files, an archive, a shared library, one that is opened at run time, and a file of
C++, under each compiler and each way of linking that could lose a note: all statements are counted.
"""
import itertools
import os
import pathlib
import shutil
import sys
import tempfile
import textwrap
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from installed import Installed, run  # noqa: E402

BUILD = os.environ["WEIR_BUILD"]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror",
            "-Wno-unused-command-line-argument"]
WAYS = {
    "plain": ["-O0"],
    "optimized": ["-O2"],
    "not-pie": ["-O2", "-fno-pie", "-no-pie"],
    "sections": ["-O2", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"],
    "lto": ["-O2", "-flto"],
}

# A machine that builds and tests has the first; `make check` brings the other.
COMPILERS = ["gcc"] + ["clang"] * (shutil.which("clang") is not None)

SOURCES = {
    "common.h": """
        #include <weir/sql.h>
        typedef struct { int64_t id; } thing;
        WEIR_MODEL(thing, (id));
        static inline weir_rows *of_header(weir_ctx *c, weir_db *db)
        {
            return weir_query(c, db, WEIR_SQL(thing, "header"));
        }
        """,
    "main.c": """
        #include "common.h"
        #include <dlfcn.h>
        #include <stdio.h>
        int main(int argc, char **argv)
        {
            static const weir_checked_sql *all[64];
            if (argc > 1 && dlopen(argv[1], RTLD_NOW) == NULL)
                return puts(dlerror()), 1;
            size_t n = weir_checked_sql_list(all, 64);
            for (size_t i = 0; i < n; i++) {
                const weir_checked_call *call = all[i]->call;
                printf("%s %s", all[i]->sql, all[i]->model != NULL ? all[i]->model->name : "-");
                for (size_t k = 0; call != NULL && k < call->count; k++)
                    printf(" %d", call->kinds[k]);
                printf(" %s\\n", call != NULL && call->model != NULL ? call->model->name : "-");
            }
        }
        """,
    "calls.c": """
        #include "common.h"
        weir_err calls(weir_ctx *c, weir_db *db);
        weir_err calls(weir_ctx *c, weir_db *db)
        {
            thing t;
            weir_tx *tx = weir_begin(c, db);
            weir_exec(tx, WEIR_SQL("exec ? ?"), 1, "a");
            weir_rows_close(of_header(c, db));
            weir_err err = weir_query_one(c, tx, thing, &t, WEIR_SQL("one ?"), 1.5);
            if (err == WEIR_OK)
                err = weir_commit(tx);
            return err != WEIR_OK ? err : weir_db_exec(c, db, NULL, WEIR_SQL("alone"));
        }
        """,
    "archived.c": """
        #include "common.h"
        weir_rows *archived(weir_ctx *c, weir_db *db);
        weir_rows *archived(weir_ctx *c, weir_db *db)
        {
            weir_rows_close(of_header(c, db));
            return weir_query_max(c, db, 5, WEIR_SQL(thing, "archived ?"), WEIR_S("x"));
        }
        """,
    "uses.c": """
        #include "common.h"
        weir_rows *archived(weir_ctx *c, weir_db *db);
        weir_rows *(*const uses)(weir_ctx *, weir_db *) = archived;
        """,
    "shared.c": """
        #include "common.h"
        WEIR_API weir_rows *shared_one(weir_ctx *c, weir_db *db);
        weir_rows *shared_one(weir_ctx *c, weir_db *db)
        {
            return weir_query(c, db, WEIR_SQL("shared ?"), WEIR_NULL);
        }
        """,
    "opened.c": """
        #include "common.h"
        WEIR_API weir_rows *opened_one(weir_ctx *c, weir_db *db);
        weir_rows *opened_one(weir_ctx *c, weir_db *db)
        {
            return weir_query(c, db, WEIR_SQL("opened"));
        }
        """,
    "plus.cc": """
        #include <weir/sql.h>
        #include <string>
        struct other { int64_t id; };
        WEIR_MODEL(other, (id));
        template <class T> weir_rows *of_template(weir_ctx *c, weir_db *db, T value)
        {
            return weir_query(c, db, WEIR_SQL("template ?"), value);
        }
        inline weir_rows *of_inline(weir_ctx *c, weir_db *db)
        {
            return weir_query(c, db, WEIR_SQL(other, "inline"));
        }
        weir_err plus(weir_ctx *c, weir_db *db);
        weir_err plus(weir_ctx *c, weir_db *db)
        {
            other o = {};
            weir_rows_close(of_template(c, db, 1));
            weir_rows_close(of_template(c, db, "text"));
            weir_rows_close(of_inline(c, db));
            weir_rows_close(weir_query(c, db, std::string("built").c_str(), 1));
            return weir_query_one(c, db, other, &o, WEIR_SQL("plus ? ?"), 1.5,
                                  std::string("a").c_str());
        }
        """,
}
# weir_kind: 2 an integer, 4 a double, 5 a text, 13 a pointer, 0 what is known at run time.
OF_C = ["exec ? ? - 2 13 -", "header thing -", "one ? - 4 thing", "alone - -",
        "archived ? thing 5 -", "shared ? - 0 -"]
OPENED = ["opened - -"]
OF_CXX = ["template ? - 2 -", "template ? - 13 -", "inline other -", "plus ? ? - 4 13 other"]


class Checked(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.installed = Installed(BUILD, cls.folder)
        for name, text in SOURCES.items():
            (cls.folder / name).write_text(textwrap.dedent(text))

    def compiled(self, compiler, way, link):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        options = [*WARNINGS, *WAYS[way]]
        compiles, links = self.installed.pkg_config("--cflags", "weir"), self.installed.flags(link)

        def make(kind, output, *arguments):
            driver = {"gcc": "g++", "clang": "clang++"}[compiler] if kind == "cc" else compiler
            standard = "-std=c++17" if kind == "cc" else "-std=gnu17"
            run(driver, standard, *options, *arguments, "-o", folder / output, cwd=self.folder)

        for name in ("main", "calls", "archived", "uses"):
            make("c", f"{name}.o", "-c", f"{name}.c", *compiles)
        archiver = "gcc-ar" if compiler == "gcc" else shutil.which("llvm-ar") or "llvm-ar-14"
        run(archiver, "rcs", folder / "libarchived.a", folder / "archived.o")
        # With the archive the calls are the program's, which shows them to its libraries.
        exported = [] if link == "shared" else ["-rdynamic"]
        for name in ("shared", "opened"):
            make("c", f"lib{name}.so", "-shared", "-fPIC", f"{name}.c",
                 *(links if link == "shared" else compiles))
        make("cc", "plus.o", "-c", "plus.cc", *compiles)
        objects = [folder / f"{name}.o" for name in ("main", "calls", "uses", "plus")]
        make("cc", "program", *objects, folder / "libarchived.a", *exported,
             f"-L{folder}", "-Wl,--no-as-needed", "-lshared", f"-Wl,-rpath,{folder}", *links)
        return folder

    def noted(self, folder, *arguments):
        return sorted(run(folder / "program", *arguments).splitlines())

    def test_none_is_lost(self):
        for compiler, way, link in itertools.product(COMPILERS, WAYS, ("shared", "static")):
            if link == "static" and way not in ("sections", "lto"):
                continue
            with self.subTest(compiler=compiler, way=way, link=link):
                folder = self.compiled(compiler, way, link)
                expected = OF_C + OF_CXX
                self.assertEqual(self.noted(folder), sorted(expected))
                self.assertEqual(self.noted(folder, folder / "libopened.so"),
                                 sorted(expected + OPENED))

    def test_a_program_without_any(self):
        source = self.folder / "none.c"
        source.write_text("""
            #include <weir/sql.h>
            int main(void)
            {
                const weir_checked_sql *all[1];
                return (int)weir_checked_sql_list(all, 1);
            }
            """)
        for compiler, way, link in itertools.product(COMPILERS, WAYS, ("shared", "static")):
            with self.subTest(compiler=compiler, way=way, link=link):
                run(compiler, *WAYS[way], source, "-o", self.folder / "none",
                    *self.installed.flags(link))
                run(self.folder / "none")


if __name__ == "__main__":
    unittest.main()
