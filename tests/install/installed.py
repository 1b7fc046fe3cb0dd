"""What a user of the installed library has: its folder, and the flags that pkg-config gives."""
import os
import pathlib
import subprocess


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=300, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


class Installed:
    """A build directory, installed below `folder`."""

    def __init__(self, build, folder):
        self.folder = pathlib.Path(folder)
        self.root = self.folder / "root"
        run("meson", "install", "-C", build, "--no-rebuild", "--destdir", self.root)
        (pc,) = self.root.rglob("weir.pc")
        self.environment = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}
        self.library_folder = pc.parent.parent

    def pkg_config(self, *arguments):
        return run("pkg-config", *arguments, env=self.environment).split()

    def flags(self, link):
        """For a program that is linked "shared", or "static": with the archive."""
        if link == "shared":
            return (self.pkg_config("--cflags", "--libs", "weir")
                    + [f"-Wl,-rpath,{self.library_folder}"])
        flags = self.pkg_config("--static", "--cflags", "--libs", "weir")
        at = flags.index("-lweir")
        return flags[:at] + ["-Wl,-Bstatic", "-lweir", "-Wl,-Bdynamic"] + flags[at + 1:]


def seed():
    """What a sample changes with: the commit."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=pathlib.Path(__file__).parent,
                          capture_output=True, text=True)
    return head.stdout.strip()
