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
        for name in ("libweir.so", "libweir.a"):
            self.assertTrue((self.library_folder / name).exists(), name)
        for name in ("README.md", "LICENSE", "CHANGELOG.md"):
            self.assertTrue((self.prefix / "share" / "doc" / "weir" / name).is_file(), name)

    def test_shared_library_shows_the_public_functions_alone(self):
        library = self.library_folder / "libweir.so"
        symbols = run("nm", "-D", "--defined-only", "--format=posix", str(library)).splitlines()
        names = {line.split()[0].split("@")[0] for line in symbols}
        self.assertIn("weir_strerror", names)
        self.assertEqual([n for n in names if not n.startswith("weir_")], [])

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
