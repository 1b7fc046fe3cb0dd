"""Descriptors that belong to nobody: found by the audit, named once, and never a false alarm."""
import re
import threading


OPENED_BEHIND = "opened behind the runtime's back"


def reports(service):
    return [line for line in service.out if OPENED_BEHIND in line]


def test_what_is_opened_behind_its_back_is_told_once(services):
    service = services("nasty", "--fd-audit=50ms")
    service.expected_status = 2  # three descriptors are left
    numbers = [service.get("/opens-behind").text.strip() for _ in range(3)]
    service.wait_metric("weir_descriptors_foreign", lambda n: n == 3)
    audits = service.metric("weir_descriptor_audits_total")
    service.wait_metric("weir_descriptor_audits_total", lambda n: n > audits + 5)
    told = reports(service)
    assert len(told) == 3, told
    for number in numbers:
        assert sum(f'"fd":{number},"what":"/dev/null"' in line for line in told) == 1
    page = service.admin("/debug/descriptors").text
    for number in numbers:
        assert re.search(rf"^ +{number} .* reported +/dev/null$", page, re.M), page
    assert service.metric("weir_descriptors_foreign_total") == 3
    assert '/debug/descriptors' in service.admin("/").text


def test_what_is_handed_over_is_closed_and_not_told(services):
    service = services("nasty", "--fd-audit=20ms")
    before = service.fewest_fds()
    for _ in range(3):
        assert service.get("/opens-behind?adopt=yes").status == 200
    audits = service.metric("weir_descriptor_audits_total")
    service.wait_metric("weir_descriptor_audits_total", lambda n: n > audits + 3)
    assert not reports(service)
    service.wait_fds(before)


def test_a_busy_service_is_no_alarm(services, tmp_path):
    """Connections, SQLite with its files, names of functions, log and metrics: all are known."""
    service = services("shop", f"--db={tmp_path}/shop.db", "--fd-audit=10ms")

    def work():
        for turn in range(30):
            service.get("/api/v1/products")
            service.post("/api/v1/users", {"name": f"user {turn}", "email": f"u{turn}@example.org"})
            service.admin("/debug/fibers")
        service.get("/api/v1/report")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert service.metric("weir_descriptor_audits_total") > 10
    assert service.metric("weir_descriptors_foreign") == 0
    assert not reports(service), reports(service)
