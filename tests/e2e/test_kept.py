"""N17: what is kept past its request is noticed, and is never another client's bytes."""
import http.client

import pytest

from conftest import IS_SANITIZED


def ask(connection, path):
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.parametrize("way", ["/keep", "/keep-decoded"])
@pytest.mark.skipif(IS_SANITIZED, reason="the sanitizer's own report ends the process")
def test_a_kept_string_faults_where_it_is_read(services, way):
    """On one connection, so that the first request's memory has been given back for certain."""
    kept = services("kept", "--trap-ended")
    one = http.client.HTTPConnection("127.0.0.1", kept.port)
    other = http.client.HTTPConnection("127.0.0.1", kept.port)
    assert ask(one, f"{way}?text=secret-of-the-first") == (200, "kept\n")
    assert ask(other, "/hello?text=secret-of-the-second") == (200, "hello\n")
    status, body = ask(one, "/touch")
    assert status == 500
    kept.wait_said(r'"msg":"panic in .*memory of a request that has ended.*touch_kept')
    assert ask(other, "/hello") == (200, "hello\n")
    # Within the library a fault ends the process, and says for whom.
    with pytest.raises(http.client.RemoteDisconnected):
        ask(other, "/read")
    kept.wait_said("SIGSEGV at .*memory of a request that has ended.*the process ends")
    kept.expected_status = -11
    one.close()
    other.close()


def test_detached_work_gets_no_view_of_its_request(services):
    kept = services("kept")
    answer = kept.get("/detach?text=secret")
    assert answer.status == 500
    kept.wait_said(r"weir_detach: byte 8 of the data begins an address of this request's memory "
                   r"\(the bytes that were received\)")
    assert kept.get("/hello").text == "hello\n"
    assert "note: secret" not in kept.text()
