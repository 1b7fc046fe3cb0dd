"""The installed library as a stranger meets it: headers, libraries and weir.pc in some folder.

Installs the build directory WEIR_BUILD into a temporary one, builds hello outside of the tree with
what pkg-config says, asks it with curl, and builds and runs a C++17 program.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
BUILD = os.environ["WEIR_BUILD"]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]


def run(*command, **options):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", str(cls.folder / "root"))
        (weir_pc,) = (cls.folder / "root").rglob("weir.pc")
        cls.prefix = weir_pc.parent.parent.parent
        if not (cls.prefix / "include").is_dir():
            cls.prefix = cls.prefix.parent
        cls.library_folder = weir_pc.parent.parent
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": str(weir_pc.parent),
                           "LD_LIBRARY_PATH": str(cls.library_folder)}
        cls.flags = run("pkg-config", "--cflags", "--libs", "weir", env=cls.environment).split()

    def test_flags_let_handlers_unwind(self):
        for flag in ("-fexceptions", "-fnon-call-exceptions", "-fasynchronous-unwind-tables"):
            self.assertIn(flag, self.flags)

    def test_what_is_installed(self):
        for header in (SOURCE / "include" / "weir").glob("*.h"):
            self.assertTrue((self.prefix / "include" / "weir" / header.name).is_file(), header.name)
        for name in ("libweir.so", "libweir.a", "libweir-test.a"):
            self.assertTrue((self.library_folder / name).exists(), name)
        for name in ("README.md", "LICENSE", "CHANGELOG.md"):
            self.assertTrue((self.prefix / "share" / "doc" / "weir" / name).is_file(), name)
        script = run("pkg-config", "--variable=gdb", "weir", env=self.environment).strip()
        self.assertTrue(pathlib.Path(script).is_file(), script)

    def names(self, *arguments):
        lines = run("nm", "--defined-only", "--format=posix", *arguments).splitlines()
        # A file of what another build would leave out has none.
        fields = [line.split() for line in lines if line and not line.endswith((":", ": no symbols"))]
        return {f[0].split("@")[0] for f in fields if f[1] not in "atrbdn"}

    def test_shared_library_shows_what_the_headers_declare_and_nothing_else(self):
        headers = sorted((self.prefix / "include" / "weir").glob("*.h"))
        declared = run(str(SOURCE / "tools" / "exports"), *map(str, headers)).split()
        shown = self.names("-D", str(self.library_folder / "libweir.so")) - {"WEIR_0"}
        self.assertEqual(sorted(shown), declared)
        self.assertIn("weir_strerror", shown)
        self.assertEqual([name for name in shown if name.startswith("weir__")], [])

    def test_archives_take_no_names_but_their_own(self):
        for archive in ("libweir.a", "libweir-test.a"):
            names = self.names("--extern-only", str(self.library_folder / archive))
            foreign = [n for n in names if not n.startswith(("weir_", "DW.ref."))]
            self.assertEqual(foreign, [])

    def needed(self, program):
        return re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", str(program)))

    def test_the_heap_stays_where_the_linker_takes_what_is_named_alone(self):
        """Debian's gcc links --as-needed, and no object of a program names jemalloc."""
        if "jemalloc" not in " ".join(self.flags):
            self.skipTest("built for the system's heap")
        source = self.folder / "heap.c"
        source.write_text("#include <weir/weir.h>\nint main(void) { return weir_version()[0] == 0; }\n")
        run("gcc", "-Wl,--as-needed", str(source), "-o", str(self.folder / "heap"), *self.flags)
        needed = self.needed(self.folder / "heap")
        self.assertTrue(any("jemalloc" in n for n in needed), needed)

    def hello(self, name, *arguments):
        source = SOURCE / "examples" / "hello" / "hello.c"
        program = self.folder / name
        run("gcc", "-O2", *WARNINGS, str(source), "-o", str(program), *arguments,
            cwd=self.folder, env=self.environment)
        self.ask(program, "/hello/world")
        return self.needed(program)

    def pkg_config(self, *arguments, folder=None):
        environment = {**os.environ, "PKG_CONFIG_PATH": str(folder or self.library_folder / "pkgconfig")}
        return run("pkg-config", *arguments, env=environment).split()

    def test_the_archive_with_shared_libraries_beneath(self):
        flags = self.pkg_config("--static", "--cflags", "--libs", "weir")
        at = flags.index("-lweir")
        flags[at:at + 1] = ["-Wl,-Bstatic", "-lweir", "-Wl,-Bdynamic"]
        needed = self.hello("archive", *flags)
        self.assertFalse([n for n in needed if "weir" in n], needed)

    def test_all_static(self):
        flags = self.pkg_config("--static", "--cflags", "--libs", "weir")
        self.assertEqual(self.hello("static", "-static", *flags), [])

    def test_the_build_tree_serves_programs_too(self):
        folder = pathlib.Path(BUILD) / "meson-uninstalled"
        flags = self.pkg_config("--cflags", "--libs", "weir", folder=folder)
        self.hello("uninstalled", *flags, f"-Wl,-rpath,{BUILD}")

    def test_tests_are_a_library_of_their_own(self):
        text = (SOURCE / "docs" / "guide" / "testing.md").read_text()
        source = self.folder / "notes_test.c"
        source.write_text(re.search(r"```c\n(// file: notes_test.c\n.*?)```", text, re.S).group(1))
        for names in (["weir-test"], ["weir", "weir-test"]):
            program = self.folder / "notes_test"
            run("gcc", "-std=gnu17", str(source), "-o", str(program),
                *self.pkg_config("--cflags", "--libs", *names))
            run(str(program), env=self.environment)
        self.assertNotIn("weir_test_open", self.names(str(self.library_folder / "libweir.a")))

    def test_hello_in_c17(self):
        source = self.folder / "hello.c"
        shutil.copy(SOURCE / "examples" / "hello" / "hello.c", source)
        program = self.folder / "hello"
        run("gcc", "-std=c17", "-O2", *WARNINGS, str(source), "-o", str(program), *self.flags,
            cwd=self.folder, env=self.environment)
        route = re.search(r'weir_get\(\s*\w+,\s*"([^"]+)"', source.read_text()).group(1)
        self.ask(program, re.sub(r":\w+", "world", route))

    def ask(self, program, path):
        port = free_port()
        server = subprocess.Popen([program], cwd=self.folder, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True,
                                  env={**self.environment, "WEIR_LISTEN": f"127.0.0.1:{port}",
                                       "WEIR_ADMIN": f"127.0.0.1:{free_port()}"})
        try:
            answer = run("curl", "-sS", "-f", "-i", "--retry", "50", "--retry-delay", "0",
                         "--retry-connrefused", "--retry-max-time", "20",
                         f"http://127.0.0.1:{port}{path}")
            self.assertRegex(answer, r"(?m)^HTTP/1.1 200")
            self.assertRegex(answer.lower(), r"\r?\n\r?\n[\s\S]*hello")
            server.send_signal(signal.SIGTERM)
            output = server.communicate(timeout=30)[0]
            self.assertEqual(server.returncode, 0, output)
        except BaseException:
            server.kill()
            print(server.communicate()[0])
            raise

    def test_headers_in_cxx17(self):
        program = self.folder / "plusplus"
        run(os.environ.get("CXX", "g++"), "-std=c++17", *WARNINGS, str(HERE / "plusplus.cc"), "-o",
            str(program), *self.flags, cwd=self.folder, env=self.environment)
        self.assertEqual(run(str(program), env=self.environment), "works\n")


if __name__ == "__main__":
    unittest.main()
