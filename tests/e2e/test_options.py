"""Starting: options from three sources, and every mistake said in words before anything runs."""
import pathlib
import re
import socket

from conftest import run


def test_flags_win_over_environment(services):
    service = services("nasty", "--workers=2", env={"WEIR_WORKERS": "1", "WEIR_LOG_LEVEL": "warn"})
    assert service.metric("weir_workers") == 3  # and the admin's
    assert not any('"level":"info"' in line for line in service.out)
    service.is_clean = False  # its last words are of level info


def test_help_and_version_end_well():
    status, out = run("nasty", "--help")
    assert status == 0
    for option in ("--listen", "--drain-timeout", "--conflict", "--log-level"):
        assert option in out
    assert "(10s)" in out
    assert run("hello", "--version") == (0, "hello 0.1.0\n")


def test_every_mistake_is_listed():
    status, out = run("nasty", "--workers=many", "--listen", "nowhere", "--colour=red",
                      "--idle-timeout=5", "--conflict",
                      env={"WEIR_LOG_LEVEL": "loud", "WEIR_ADMIN": "6060"})
    assert status == 1
    for part in ('--workers: "many"', '--listen: "nowhere"', "--colour", '--idle-timeout: "5"',
                 'WEIR_LOG_LEVEL: "loud" is not allowed; want one of debug, info, warn, error',
                 'WEIR_ADMIN: "6060"', "no-slash"):
        assert part in out, (part, out)
    # Both places of a conflict are named.
    assert len(set(re.findall(r"nasty\.c:(\d+)", out))) >= 2, out


def test_times_under_a_millisecond_are_refused():
    """Those of Weir's own, whichever there are: `.stall = 5` in a program is 5 ns."""
    _, help_text = run("hello", "--help")
    names = re.findall(r"^  --([a-z-]+) .*\(\d+(?:ms|s|m|h)\)$", help_text, re.M)
    assert len(names) > 8, help_text
    status, out = run("hello", *(f"--{name}=5us" for name in names))
    assert status == 1
    for name in names:
        assert f'--{name}: "5us" is not allowed; want 1ms or more; weir_ms(5000)' in out, out


def test_a_handle_that_nobody_provides_stops_the_start():
    status, out = run("nasty", "--need")
    assert status == 1
    assert re.search(r"nasty\.c:\d+.*nasty", out), out


def test_a_busy_port_is_named():
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        where = f"127.0.0.1:{busy.getsockname()[1]}"
        for flags in ((f"--listen={where}", "--admin=off"),
                      ("--listen=127.0.0.1:0", f"--admin={where}")):
            status, out = run("hello", *flags)
            assert status == 1
            lines = [line for line in out.splitlines() if not line.startswith("{")]
            assert len(lines) == 1 and where in lines[0] and "in use" in lines[0], out


def test_a_failed_start_says_why():
    status, out = run("nasty", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0",
                      env={"NASTY_START_FAILS": "1"})
    assert status == 1
    assert "cannot start: no such thing as luck" in out
    assert "listens on" not in out


def test_more_connections_than_descriptors_are_refused(services):
    import resource
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    service = services("hello", "--connections-max=5000", file_limit=1024, is_ready=False)
    service.expected_status = 1
    assert service.wait_end() == 1
    assert "1024" in service.text() and "50" in service.text(), service.text()
    assert limit == resource.RLIM_INFINITY or limit > 1024


def test_kernel_settings_are_looked_at(services):
    """What is too small is said, with the command; what is not is not mentioned."""
    service = services("hello")
    for path, is_small, word in (
            ("net/core/somaxconn", lambda n: n[0] < 4096, "somaxconn"),
            ("net/ipv4/ip_local_port_range", lambda n: n[1] - n[0] < 20000, "ip_local_port_range"),
            ("net/ipv4/tcp_tw_reuse", lambda n: n[0] == 0, "tcp_tw_reuse")):
        file = pathlib.Path("/proc/sys") / path
        if file.exists():
            numbers = [int(word) for word in file.read_text().split()]
            assert (word in service.text()) == is_small(numbers), (word, service.text())
