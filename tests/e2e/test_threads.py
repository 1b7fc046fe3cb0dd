"""A3: threads that Weir has not made, in a service that runs, ends, and has ended."""
import json

FUNCTIONS = ["weir_sleep", "weir_exec", "weir_rows_next", "weir_chan_try_send", "weir_text_z",
             "weir_alloc", "weir_chan_post"]


def test_a_library_reports_to_fibers(services):
    service = services("library")
    expected = 0
    for n in (10, 1000, 5000):
        expected += n * (n + 1) // 2
        assert service.get(f"/reports?n={n}").text == f"{expected}\n"


def test_what_is_for_fibers_is_refused(services):
    service = services("library")
    for _ in range(3):
        assert service.get("/misuses").text == f"{2 * len(FUNCTIONS)} refused, 0 sent\n"
    for function in FUNCTIONS:
        line = json.loads(service.wait_line(f"{function} was called on a thread").string)
        assert line["level"] == "error"
        assert "library.c" in line["caller"]
        assert line["thread"]
    service.wait_said('"msg":"said by a thread"')


def test_its_thread_outlives_the_service(services):
    service = services("library")
    assert service.get("/reports?n=100").text == "5050\n"
    assert service.stop() == 0  # main has waited until that thread had posted for long in vain
