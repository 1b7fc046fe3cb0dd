#!/usr/bin/python3
"""The lane `make installed`: the matrix, then everything end to end, shared and static.

    tests/install/lane.py BUILD [--sample]

With --sample each is a part that changes with the commit. The last line is `N passed, N failed`.
"""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main():
    build, is_sample = sys.argv[1], "--sample" in sys.argv[2:]
    parts = [["matrix.py", build] + (["--sample"] if is_sample else [])]
    for link in ["shared"] if is_sample else ["shared", "static"]:
        parts.append(["everything.py", build, "--link", link] + (["--sample", "5"] if is_sample else []))
    passed = failed = 0
    for script, *arguments in parts:
        print(f"-- {script} {' '.join(arguments[1:])}", flush=True)
        process = subprocess.Popen(["/usr/bin/python3", HERE / script, *arguments],
                                   stdout=subprocess.PIPE, text=True)
        last = ""
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line
        counts = re.fullmatch(r"(\d+) passed, (\d+) failed\n", last)
        good, bad = map(int, counts.groups()) if counts else (0, 0)
        passed, failed = passed + good, failed + (bad or int(process.wait() != 0 or not good))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
