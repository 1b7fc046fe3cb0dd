"""What has to come of each kind of tests/floods/kinds_*.c, and what it may hold meanwhile.

Of its fields `outcome` is what a client's connection was told, in the order of coming: a status, `alert N` (RFC 8446
section 6), `rst N` and `goaway N` (RFC 9113 section 7), then how it went. `metrics` are the samples whose
sum grows by `times` for each of them. `bytes_max` is what one of them may make the service hold, by its limits: see
docs/design/floods.md.
"""
import dataclasses
import re

KIB = 1 << 10
AT_REST = 24 * KIB  # the connection, and half a head: up to head_bytes_max
ACTIVE = 96 * KIB  # in and out of 16 KiB and a little, a fiber's stack, its context
TLS = 96 * KIB  # libssl's own
SESSION = 64 * KIB  # nghttp2's, with its tables
STREAM = 24 * KIB  # an exchange, its context, the pages of a stack that waits
ANSWER = 16 * KIB  # of a stream that has begun one: its buffer


@dataclasses.dataclass
class Row:
    outcome: str
    metrics: str | tuple
    bytes_max: int
    times: int = 1

    def counted(self, samples):
        names = (self.metrics,) if isinstance(self.metrics, str) else self.metrics
        return sum(samples[name] for name in names)


def http(name, kind):
    return f'weir_http_{name}_total{{kind="{kind}"}}'


def tls(kind):
    return f'weir_tls_failures_total{{side="server",kind="{kind}"}}'


ANY_END = r"(end|reset)\."  # a reset throws away what was not read before: who reads late is told less
MALFORMED = http("failures", "malformed")
GONE = http("failures", "client_gone")
ACCEPTED = "weir_http_connections_accepted_total"

ASKED = "weir_http_received_requests_total"

# Of `polite` nothing is wrong: they are the yardstick for what the others cost.
H1 = {
    "h1-polite": Row(r"200\. end\.", ASKED, ACTIVE, 10),
    "h1-half-head": Row(r"408\. end\.", http("timeouts", "head"), AT_REST),
    "h1-slow-head": Row(rf"408\. {ANY_END}", http("timeouts", "head"), AT_REST),
    "h1-giant-head": Row(rf"431\. {ANY_END}", MALFORMED, ACTIVE),
    "h1-garbage": Row(rf"400\. {ANY_END}", MALFORMED, ACTIVE),
    # Its bodies stop as well, once the kernel has no memory for them.
    "h1-pipeline-unread": Row(rf"(200\. )?{ANY_END}", (http("timeouts", "write"), http("timeouts", "body")), ACTIVE),
    "h1-answer-unread": Row(rf"(200\. )?{ANY_END}", http("timeouts", "write"), ACTIVE),
    "h1-body-stalls": Row(r"408\. end\.", http("timeouts", "body"), ACTIVE),
    "h1-body-short": Row(ANY_END, GONE, ACTIVE),
    "h1-chunked-nonsense": Row(rf"400\. {ANY_END}", MALFORMED, ACTIVE),
    "h1-two-lengths": Row(rf"400\. {ANY_END}", MALFORMED, ACTIVE),
    "h1-connect-reset": Row(r"left\.", ACCEPTED, AT_REST),
    "h1-silent": Row(r"end\.", http("timeouts", "idle"), AT_REST),
    "h1-upgrade": Row(rf"200\. 400\. {ANY_END}", MALFORMED, ACTIVE),
}

GREETS = r"greeting\. " + ANY_END
SECURE = AT_REST + TLS

S = {
    "tls-garbage": Row(ANY_END, tls("malformed"), SECURE),  # to who speaks no TLS no alert is sent
    "tls-plain": Row(rf"400\. {ANY_END}", tls("plain"), SECURE),
    "tls-long-record": Row(rf"alert 22\. {ANY_END}", tls("malformed"), SECURE),
    "tls-half-hello": Row(r"end\.", http("timeouts", "handshake"), SECURE),
    "tls-stalls": Row(r"end\.", http("timeouts", "handshake"), SECURE),
    "tls-silent": Row(r"end\.", http("timeouts", "handshake"), SECURE),
    "tls-reset": Row(r"left\.", ACCEPTED, SECURE),
    "tls-version": Row(rf"alert 70\. {GREETS}", tls("version"), SECURE),
    "tls-cipher": Row(rf"alert 40\. {GREETS}", tls("cipher"), SECURE),
    "tls-protocol": Row(rf"alert 120\. {GREETS}", tls("protocol"), SECURE),
    "tls-certificate": Row(rf"alert (42|48)\. {ANY_END}", tls("certificate"), SECURE),
    "tls-changed-record": Row(rf"alert 20\. {ANY_END}", tls("malformed"), SECURE),
    "tls-no-farewell": Row(rf"(alert 50\. )?{ANY_END}", tls("cut"), SECURE),
    "tls-renegotiates": Row(rf"no renegotiation\. {ANY_END}", tls("refused"), SECURE),
    "tls-key-updates": Row(ANY_END, tls("malformed"), SECURE + 64 * KIB),
}


def h2(outcome, metric, streams=1, answers=0, times=1):
    """A kind that has so many streams at a time, and so many of them with an answer that has begun."""
    return Row(outcome, metric, SECURE + SESSION + streams * STREAM + answers * ANSWER, times)


WRONG = http("connections_ended", "error")
FLOOD = http("connections_ended", "flood")

S2 = {
    "h2-polite": h2(r"200\. left\.", ASKED, 50, 50, times=50),
    "h2-half-preface": h2(r"goaway 0\. end\.", http("timeouts", "idle")),
    "h2-wrong-preface": h2(rf"goaway 1\. {ANY_END}", WRONG),
    "h2-no-frames": h2(rf"goaway 1\. {ANY_END}", WRONG),
    "h2-silent": h2(r"goaway 0\. end\.", http("timeouts", "idle")),
    "h2-even-id": h2(rf"goaway 1\. {ANY_END}", WRONG),
    "h2-long-frame": h2(rf"goaway 6\. {ANY_END}", WRONG),
    "h2-short-ping": h2(rf"goaway 6\. {ANY_END}", WRONG),
    "h2-push": h2(rf"goaway 1\. {ANY_END}", WRONG),
    "h2-data-on-idle": h2(rf"goaway 1\. {ANY_END}", WRONG),
    "h2-wrong-setting": h2(rf"goaway 3\. {ANY_END}", WRONG),
    "h2-no-such-index": h2(rf"goaway 9\. {ANY_END}", WRONG),
    "h2-long-fields": h2(r"431\. left\.", MALFORMED),
    "h2-bomb": h2(rf"goaway 11\. {ANY_END}", FLOOD),
    "h2-slow-fields": h2(rf"goaway 11\. {ANY_END}", http("timeouts", "head")),
    "h2-continuations": h2(rf"goaway 11\. {ANY_END}", FLOOD),
    "h2-empty-continuations": h2(rf"goaway 11\. {ANY_END}", FLOOD),
    "h2-settings": h2(rf"goaway 11\. {ANY_END}", FLOOD),
    "h2-pings": h2(rf"goaway 11\. {ANY_END}", FLOOD),
    "h2-priorities": h2(rf"goaway 11\. {ANY_END}", FLOOD),
    "h2-updates": h2(rf"goaway 11\. {ANY_END}", FLOOD),
    "h2-empty-data": h2(rf"(408\. )?goaway 11\. {ANY_END}", FLOOD),
    "h2-rapid-resets": h2(rf"(200\. )?goaway 11\. {ANY_END}", FLOOD, streams=100),
    "h2-provoked-resets": h2(rf"(rst 3\. )?(rst 7\. )?goaway 11\. {ANY_END}", FLOOD, streams=100),
    "h2-malformed-requests": h2(rf"(rst 1\. )?(rst 7\. )?goaway 11\. {ANY_END}", FLOOD, streams=100),
    "h2-update-of-nothing": h2(rf"goaway 1\. {ANY_END}", WRONG),
    "h2-update-too-far": h2(rf"goaway 3\. {ANY_END}", WRONG),
    "h2-stalled-window": h2(r"(200\. |rst 7\. )+rst 8\. left\.", http("timeouts", "write"), 10, 10),
    "h2-unfinished": h2(r"408\. left\.", http("timeouts", "body"), 50, 50),
    "h2-too-many-streams": h2(r"rst 7\. (408\. )?left\.", http("streams_ended", "refused"), 100, times=50),
    "h2-unread": h2(rf"((rst 7|200)\. )*{ANY_END}", http("timeouts", "write"), 10, 10),
}

KINDS = {**H1, **S, **S2}
# These wait for idle_timeout, and are given a service with a short one.
IDLE_KINDS = {"h1-silent", "h2-silent"}


def tolerated(outcome):
    """What a machine that is late makes of a kind: its handshake had not come so far, or a reset came before
    it has read what it was told."""
    return re.fullmatch(r"(greeting\. )?(end|reset)\.", outcome) is not None
