"""Exceptions of C++ that nobody catches, with the archive and with the shared library."""
import json
import signal
import threading

import pytest
from conftest import BUILD, IS_SANITIZED

pytestmark = pytest.mark.skipif(not (BUILD / "tests" / "throws").is_file(), reason="no C++ compiler")
LIBRARIES = ["throws", "throws-shared"]
UNCAUGHT = {
    "/error": "uncaught exception std::runtime_error: the kitchen is on fire",
    "/number": "uncaught exception int",
    "/offloads": "uncaught exception std::runtime_error: on a thread",
    "/beside": "uncaught exception std::runtime_error: beside a fiber",
    "/again": "uncaught exception std::out_of_range: far away",
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_exception_is_a_panic(services, library):
    service = services(library, "--workers=1")
    for path, message in UNCAUGHT.items():
        before = int(service.get("/counts").text)
        for _ in range(3):
            assert service.get(path).status == 500
        assert int(service.get("/counts").text) == before + 3
        line = json.loads(service.wait_line(f"panic in .*{message}").string)
        assert line["route"] == "GET " + path
        assert "throws.cc" in line["msg"]
    assert service.get("/dead").text == "0\n"  # fibers end before the locals that they were given
    assert service.metric("weir_panics_total") == 3 * len(UNCAUGHT)


@pytest.mark.parametrize("library", LIBRARIES)
def test_fibers_and_protected_calls_catch_them(services, library):
    service = services(library, "--workers=1")
    for _ in range(20):
        assert service.get("/joins").text == "1\n"
        assert service.get("/protects").text == "1\n"
    service.wait_said("uncaught exception std::logic_error: in a fiber")
    assert int(service.get("/counts").text) == 20


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_fiber_handles_its_own(services, library):
    service = services(library, "--workers=1")
    answers = []

    def ask(path):
        answers.append(service.get(path).text)

    threads = [threading.Thread(target=ask, args=("/waits" if i % 2 else "/again",))
               for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count("1\n") == 10


@pytest.mark.skipif(IS_SANITIZED, reason="the sanitizer reports it")
@pytest.mark.parametrize("library", LIBRARIES)
def test_what_may_not_throw_ends_the_process_and_says_for_whom(services, library):
    service = services(library, "--workers=1")
    service.is_clean = False
    service.expected_status = -signal.SIGABRT
    with service.connect() as connection:
        connection.sendall(b"GET /noexcept HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(100) == b""
    assert service.wait_end() == -signal.SIGABRT
    service.wait_said('SIGABRT: the process ends.*"route":"GET /noexcept"')
