"""Faults of the CPU in handlers, with the archive and with the shared library: what may be contained
costs one request, what may not ends the process as the signal's default does, and says for whom."""
import json
import os
import re
import signal

import pytest
from conftest import IS_SANITIZED

pytestmark = pytest.mark.skipif(IS_SANITIZED, reason="faults are the sanitizer's to report")

FLAGS = "pkg-config --cflags weir"
LIBRARIES = ["faults", "faults-shared"]
CONTAINED = {
    "/null/7": "null pointer dereference",
    "/call-null": "null pointer dereference",
    "/divide": "arithmetic fault",
    "/overflow": "stack overflow",
    "/frame": "stack overflow",
}
if "WEIR_NO_GUARDS" in os.environ:  # an overflow is no fault there
    del CONTAINED["/overflow"], CONTAINED["/frame"]
NOT_CONTAINED = {
    "/strlen-null": signal.SIGSEGV,  # libc is on the way
    "/sort": signal.SIGSEGV,
    "/wild": signal.SIGSEGV,  # not near NULL
    "/abort": signal.SIGABRT,
}


def last_words(service):
    lines = [json.loads(line) for line in service.out if ": the process ends" in line]
    assert len(lines) == 1, service.text()
    return lines[0]


def ends_by(service, number, ask=None):
    service.is_clean = False
    service.expected_status = -number
    if ask is not None:
        with service.connect() as connection:
            connection.sendall(f"GET {ask} HTTP/1.1\r\nHost: a\r\nX-Request-Id: r-77\r\n\r\n".encode())
            assert connection.recv(100) == b""
    assert service.wait_end() == -number, service.text()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_handlers_own_fault_costs_its_request(services, library):
    service = services(library, "--workers=1", "--contain-faults")
    for _ in range(3):
        for path, what in CONTAINED.items():
            assert service.get(path).status == 500, path
            assert service.get("/hello").status == 200
            service.wait_said(f"panic in .*{what}")
    assert service.metric("weir_panics_total") == 3 * len(CONTAINED)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("path", NOT_CONTAINED)
def test_what_libraries_may_hold_is_not_contained(services, library, path):
    service = services(library, "--workers=1", "--contain-faults")
    ends_by(service, NOT_CONTAINED[path], path)
    words = last_words(service)
    assert words["route"] == "GET " + path
    assert words["request_id"] == "r-77"
    if path == "/strlen-null":
        assert words["not_contained"].startswith("it is in libc.so")
    if path == "/sort":  # libc has no frame pointers
        assert re.match("on the way is libc|code without frame pointers", words["not_contained"])


@pytest.mark.parametrize("path,function", [("/offload-null", "reads_null_elsewhere"),
                                           ("/offload-overflow", "recurse")])
def test_an_offloaded_functions_fault_has_last_words(services, path, function):
    """Its thread's stack may be used up: the words are said on another."""
    service = services("faults", "--workers=1", "--contain-faults")
    ends_by(service, signal.SIGSEGV, path)
    assert last_words(service)["thread"].startswith("offload")
    assert any(function in line for line in service.out if "where that was" in line), service.text()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("path", CONTAINED)
def test_without_the_option_it_ends_the_process(services, library, path):
    service = services(library, "--workers=1")
    ends_by(service, signal.SIGFPE if path == "/divide" else signal.SIGSEGV, path)
    words = last_words(service)
    assert CONTAINED[path] in words["msg"]
    assert words["not_contained"] == "contain_faults is off"
    assert words["route"] == "GET " + path.replace("7", ":id")
    assert f"{library}+0x" in words["stack"]
    named = [json.loads(line) for line in service.out if "where that was" in line]
    assert "faults.c:" in named[0]["stack"], service.text()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT])
@pytest.mark.parametrize("option", ["--contain-faults", "--contain-faults=false"])
def test_a_signal_that_was_sent_is_no_fault(services, number, option):
    service = services("faults", "--workers=1", option)
    with service.connect() as connection:
        connection.sendall(b"GET /waits HTTP/1.1\r\nHost: a\r\n\r\n")
        service.wait_metric("weir_http_connections", lambda n: n == 1, state="active")
        service.signal(number)
        ends_by(service, number)
    assert f"{number.name} sent by process" in last_words(service)["msg"]


def test_a_program_without_the_flags_is_told_once(services):
    bare = services("faults-bare", "--workers=2")
    assert bare.get("/hello").status == 200
    bare.wait_said(FLAGS)
    assert bare.stop() == 0
    assert len([line for line in bare.out if FLAGS in line]) == 1
    told = services("faults")
    assert told.get("/hello").status == 200
    assert told.stop() == 0
    assert FLAGS not in told.text()
