"""Requests made by a grammar: valid ones, ones with one thing wrong, and shapes that smuggle.

A request is a method, a target, a version, field lines and a body, each in pieces, so that a rule
can spoil one of them. What a rule did is the request's label; `valid` is none. Always the same
requests: the seed is fixed.
"""
import random

MARKER = b"GET /marker HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
METHODS = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"]
WITH_BODY = [b"POST", b"PUT", b"PATCH"]
NAMES = [b"Accept", b"User-Agent", b"X-One", b"x-two", b"Cookie", b"Referer", b"Accept-Language"]


class Request:
    """What is sent, in pieces; `content` is the body as it was meant."""

    def __init__(self, rng):
        self.rng = rng
        self.label = "valid"
        self.before = b""
        self.method = rng.choice(METHODS)
        self.blanks = [b" ", b" "]
        self.target = b"/" + b"/".join(self.word() for _ in range(rng.randrange(4)))
        if rng.random() < 0.3:
            self.target += b"?" + self.word() + b"=" + self.word()
        self.version = b"HTTP/1.1"
        self.line_end = b"\r\n"
        self.fields = [b"Host: a"]
        for _ in range(rng.randrange(5)):
            self.fields.append(rng.choice(NAMES) + b":" + rng.choice([b"", b" ", b"  "])
                               + self.word() + rng.choice([b"", b" "]))
        self.field_end = b"\r\n"
        self.head_end = b"\r\n"
        self.content = b""
        self.chunks = None
        self.framing()
        rng.shuffle(self.fields)

    def word(self):
        letters = b"abcdefghijklmnopqrstuvwxyz0123456789-._~"
        return bytes(self.rng.choice(letters) for _ in range(self.rng.randrange(1, 12))).strip(b".")\
            .replace(b"..", b"-") or b"w"

    def framing(self, kind=None):
        """Gives it a body: none, one with a length, one in chunks."""
        rng = self.rng
        if kind is None:
            kinds = ["length", "chunks", "empty"] if self.method in WITH_BODY else ["none"] * 5 + [
                "length", "chunks"]
            kind = rng.choice(kinds)
        self.fields = [f for f in self.fields if not f.lower().startswith((b"content-length",
                                                                           b"transfer-encoding"))]
        self.content, self.chunks = b"", None
        if kind == "length":
            self.content = self.word() * rng.randrange(1, 30)
            self.fields.append(b"Content-Length: %d" % len(self.content))
        elif kind == "empty":
            self.fields.append(b"Content-Length: 0")
        elif kind == "chunks":
            pieces = [self.word() for _ in range(rng.randrange(1, 4))]
            self.content = b"".join(pieces)
            self.chunks = [[b"%x" % len(p), b"", b"\r\n", p, b"\r\n"] for p in pieces]
            self.last = [b"0", b"", b"\r\n", b"", b"\r\n"]  # size, extension, end, trailers, end
            self.fields.append(b"Transfer-Encoding: chunked")

    def field(self, name):
        """The place of a field."""
        return next(i for i, f in enumerate(self.fields) if f.lower().startswith(name.lower()))

    def head(self):
        return (self.before + self.method + self.blanks[0] + self.target + self.blanks[1]
                + self.version + self.line_end + b"".join(f + self.field_end for f in self.fields)
                + self.head_end)

    def body(self):
        if self.chunks is None:
            return self.content
        return b"".join(b"".join(c) for c in self.chunks) + b"".join(self.last)

    def bytes(self):
        return self.head() + self.body() + MARKER


# --- rules: what is spoilt, by label ------------------------------------------------------------

RULES = {}


def rule(label, *arguments):
    def add(function):
        RULES[label] = (function, arguments)
        return function
    return add


def rules(function, labels):
    for label, argument in labels.items():
        RULES[label] = (function, (argument,))


def set_member(name):
    def change(r, value):
        setattr(r, name, value)
    return change


rules(set_member("before"), {
    "an empty line before": b"\r\n",
    "two empty lines before": b"\r\n\r\n",
    "a bare LF before": b"\n",
    "a blank before the method": b" ",
    "NUL before the method": b"\0",
})
rules(set_member("line_end"), {
    "a bare LF behind the request line": b"\n",
    "a bare CR behind the request line": b"\r",
    "CR CR LF behind the request line": b"\r\r\n",
    "a blank behind the version": b" \r\n",
    "a tab behind the version": b"\t\r\n",
})
rules(set_member("field_end"), {
    "bare LF behind fields": b"\n",
    "CR CR LF behind fields": b"\r\r\n",
})
rules(set_member("head_end"), {
    "a bare LF for the blank line": b"\n",
    "a blank in the blank line": b" \r\n",
    "a blank line of a bare CR": b"\r",
})
rules(set_member("blanks"), {
    "two blanks before the target": [b"  ", b" "],
    "two blanks before the version": [b" ", b"  "],
    "a tab before the target": [b"\t", b" "],
    "a tab before the version": [b" ", b"\t"],
    "a form feed before the version": [b" ", b"\f"],
})
rules(set_member("version"), {
    "version 1.2": b"HTTP/1.2",
    "version 1.9": b"HTTP/1.9",
    "version 2.0": b"HTTP/2.0",
    "version 0.9": b"HTTP/0.9",
    "version 1.10": b"HTTP/1.10",
    "version 01.1": b"HTTP/01.1",
    "version 1": b"HTTP/1",
    "version in lower case": b"http/1.1",
    "version without name": b"1.1",
    "version 1.1.1": b"HTTP/1.1.1",
    "version of another": b"HTTQ/1.1",
})
rules(set_member("method"), {
    "a method in lower case": b"get",
    "an unknown method": b"BREW",
    "a method with a digit": b"GET2",
    "a method with a dash": b"M-SEARCH",
    "a method with a delimiter": b"GE(T",
    "a method with a colon": b"GET:",
    "CONNECT and a path": b"CONNECT",
    "TRACE": b"TRACE",
})
rules(set_member("target"), {
    "an absolute target": b"http://a/x",
    "an absolute target with a port": b"http://a:80/x",
    "an absolute target of another host": b"http://b/x",
    "an absolute target without a path": b"http://a",
    "an absolute target with a user": b"http://me@a/x",
    "an absolute target without a host": b"http:///x",
    "an https target": b"https://a/x",
    "an ftp target": b"ftp://a/x",
    "a target without a slash": b"x",
    "an asterisk": b"*",
    "a target with a fragment": b"/x#y",
    "a target with a backslash": b"/x\\y",
    "a target with braces": b"/{x}",
    "a target with a blank": b"/x y",
    "a target with NUL": b"/x\0y",
    "a target with a control": b"/x\x01y",
    "a target with DEL": b"/x\x7fy",
    "a target that is not ASCII": b"/\xc3\xa9",
    "an encoded NUL": b"/x%00",
    "a broken escape": b"/x%zz",
    "a cut escape": b"/x%4",
    "dot segments": b"/x/../y",
    "encoded dot segments": b"/x/%2e%2e/y",
    "dot segments out of the root": b"/../x",
    "an encoded slash": b"/x%2Fy",
    "two slashes": b"//x",
    "a query with NUL encoded": b"/x?y=%00",
    "a long target": b"/" + b"x" * 7000,
    "a target that is too long": b"/" + b"x" * 40000,
})


@rule("CONNECT and an authority", b"CONNECT", b"a:80")
@rule("the authority form of GET", b"GET", b"a:80")
@rule("OPTIONS of the asterisk", b"OPTIONS", b"*")
def method_and_target(r, method, target):
    r.method, r.target = method, target


@rule("a request of 0.9", b"GET /x\r\n")
@rule("no version", b"POST /x\r\nHost: a\r\n\r\n")
@rule("no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n")
@rule("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
@rule("a hello of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32)
def all_of_it(r, text):
    r.head = lambda: text
    r.body = lambda: b""
    r.method, r.content = b"GET", b""


def host(r, lines):
    r.fields = [f for f in r.fields if not f.lower().startswith(b"host:")]
    r.fields += lines


rules(host, {
    "no Host": [],
    "two Hosts": [b"Host: a", b"Host: b"],
    "two equal Hosts": [b"Host: a", b"Host: a"],
    "an empty Host": [b"Host:"],
    "a Host with a port": [b"Host: a:8080"],
    "a Host with an empty port": [b"Host: a:"],
    "a Host with a bad port": [b"Host: a:http"],
    "a Host with a large port": [b"Host: a:99999"],
    "a Host with a user": [b"Host: me@a"],
    "a Host with a path": [b"Host: a/b"],
    "a Host with a blank": [b"Host: a b"],
    "a Host with a comma": [b"Host: a,b"],
    "an IPv6 Host": [b"Host: [::1]:80"],
    "a broken IPv6 Host": [b"Host: [::1"],
})


@rule("1.0")
def version_1_0(r):
    r.version = b"HTTP/1.0"
    r.framing(r.rng.choice(["none", "length"]))


@rule("1.0 that is kept")
def version_1_0_kept(r):
    version_1_0(r)
    r.fields.append(b"Connection: keep-alive")


@rule("1.0 in chunks")
def version_1_0_chunks(r):
    r.version = b"HTTP/1.0"
    r.framing("chunks")
    r.fields.append(b"Connection: keep-alive")


@rule("1.0 without Host")
def version_1_0_without_host(r):
    version_1_0(r)
    host(r, [])


def add_field(r, line):
    r.fields.insert(r.rng.randrange(len(r.fields) + 1), line)


rules(add_field, {
    "a blank before a colon": b"X : y",
    "a tab before a colon": b"X\t: y",
    "no colon": b"nonsense",
    "no name": b": y",
    "a name with a blank": b"X Y: z",
    "a name with a delimiter": b"X(Y): z",
    "a name that is not ASCII": b"X\xe4: y",
    "a name with NUL": b"X\0: y",
    "a name with a low line": b"X_Y: z",
    "a name with a dot": b"X.Y: z",
    "a folded field": b"X: y\r\n z",
    "a field folded by a tab": b"X: y\r\n\tz",
    "a control in a value": b"X: y\x01z",
    "NUL in a value": b"X: y\0z",
    "DEL in a value": b"X: y\x7fz",
    "a value that is not ASCII": b"X: \xe4",
    "a bare CR in a value": b"X: y\rz",
    "a bare LF in a value": b"X: y\nZ: z",
    "an empty value": b"X:",
    "a tab in a value": b"X: y\tz",
    "a quoted value": b'X: "y, \\"z"',
    "Connection close": b"Connection: close",
    "Connection close in a list": b"Connection: x, Close",
    "Connection of nothing": b"Connection:",
    "an upgrade to h2c": b"Connection: Upgrade\r\nUpgrade: h2c",
    "an upgrade to websocket": b"Connection: Upgrade\r\nUpgrade: websocket",
    "TE trailers": b"TE: trailers",
    "another expectation": b"Expect: a pony",
    "a long field": b"X: " + b"y" * 6000,
    "a field that is too long": b"X: " + b"y" * 40000,
    "a Range": b"Range: bytes=0-1",
    "an If-Match": b'If-Match: "x"',
    "an If-None-Match": b"If-None-Match: *",
})


@rule("a blank before the first field", b" X: y")
@rule("a tab before the first field", b"\tX: y")
def first_field(r, line):
    r.fields.insert(0, line)


@rule("200 fields")
def many_fields(r):
    r.fields += [b"X-%d: y" % i for i in range(200)]


@rule("90 fields")
def some_fields(r):
    r.fields += [b"X-%d: y" % i for i in range(90)]


@rule("an expectation")
def expectation(r):
    r.framing(r.rng.choice(["length", "chunks"]))
    r.fields.append(b"Expect: 100-continue")


def length(r, form):
    """A length that is written in another way."""
    r.framing("length")
    r.fields[r.field(b"content-length")] = form.replace(b"#", b"%d" % len(r.content))


rules(length, {
    "a length with a plus": b"Content-Length: +#",
    "a length with a minus": b"Content-Length: -#",
    "a length with zeroes": b"Content-Length: 000#",
    "a length with a blank": b"Content-Length: # 0",
    "a length with 0x": b"Content-Length: 0x#",
    "a length with a low line": b"Content-Length: 0_#",
    "a length with a fraction": b"Content-Length: #.0",
    "an empty length": b"Content-Length:",
    "a list of equal lengths": b"Content-Length: #, #",
    "a list of lengths": b"Content-Length: #, 0",
    "two equal lengths": b"Content-Length: #\r\nContent-Length: #",
    "two lengths": b"Content-Length: #\r\nContent-Length: 0",
    "two lengths in the other order": b"Content-Length: 0\r\nContent-Length: #",
    "a length of 64 bits": b"Content-Length: 9223372036854775808",
    "a length over 64 bits": b"Content-Length: 18446744073709551620",
    "a length behind a tab": b"Content-Length:\t#",
    "a length before a tab": b"Content-Length: #\t",
    "a blank before the colon of a length": b"Content-Length : #",
    "a folded length": b"Content-Length:\r\n #",
    "a length whose name has a low line": b"Content_Length: #",
    "a length over what comes": b"Content-Length: 1000#",
    "a length behind blanks": b"Content-Length:    #",
})


def coding(r, form):
    """A coding that is written in another way, and chunks behind it."""
    r.framing("chunks")
    r.fields[r.field(b"transfer-encoding")] = form.replace(b"#", b"%d" % len(r.body()))


rules(coding, {
    "a coding in upper case": b"Transfer-Encoding: CHUNKED",
    "chunked twice": b"Transfer-Encoding: chunked, chunked",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "gzip and chunked": b"Transfer-Encoding: gzip, chunked",
    "chunked and gzip": b"Transfer-Encoding: chunked, gzip",
    "identity and chunked": b"Transfer-Encoding: identity, chunked",
    "gzip": b"Transfer-Encoding: gzip",
    "identity": b"Transfer-Encoding: identity",
    "an empty coding": b"Transfer-Encoding:",
    "a quoted coding": b'Transfer-Encoding: "chunked"',
    "a coding with a parameter": b"Transfer-Encoding: chunked;x=y",
    "a comma behind chunked": b"Transfer-Encoding: chunked,",
    "a comma before chunked": b"Transfer-Encoding: ,chunked",
    "a tab before chunked": b"Transfer-Encoding:\tchunked",
    "a tab behind chunked": b"Transfer-Encoding: chunked\t",
    "a vertical tab before chunked": b"Transfer-Encoding: \vchunked",
    "almost chunked": b"Transfer-Encoding: xchunked",
    "a blank before the colon of a coding": b"Transfer-Encoding : chunked",
    "a folded coding": b"Transfer-Encoding:\r\n chunked",
    "a coding whose name has a low line": b"Transfer_Encoding: chunked",
    "a length before a coding": b"Content-Length: #\r\nTransfer-Encoding: chunked",
    "a length behind a coding": b"Transfer-Encoding: chunked\r\nContent-Length: #",
    "a length beside a coding with a blank": b"Content-Length: #\r\nTransfer-Encoding : chunked",
    "a length beside an unknown coding": b"Content-Length: #\r\nTransfer-Encoding: x",
})


def chunk(r, place, form):
    """A part of the first chunk in another way; # is its size."""
    r.framing("chunks")
    size = int(r.chunks[0][0], 16)
    r.chunks[0][place] = form.replace(b"#", b"%x" % size)


def chunk_rules(place, labels):
    for label, form in labels.items():
        RULES[label] = (chunk, (place, form))


chunk_rules(0, {
    "a size with a plus": b"+#",
    "a size with a minus": b"-#",
    "a size with 0x": b"0x#",
    "a size with a low line": b"0_#",
    "a size with zeroes": b"0000#",
    "a size with many zeroes": b"0" * 20 + b"#",
    "a blank before a size": b" #",
    "an empty size": b"",
    "a size that is no number": b"xyz",
    "a size over 64 bits": b"1000000000000000#",
    "a size of 64 bits": b"ffffffffffffffff",
    "a size over what comes": b"100#",
})
chunk_rules(1, {
    "an extension": b";x=y",
    "an extension without a value": b";x",
    "a quoted extension": b';x="y;z"',
    "a blank behind a size": b" ",
    "a tab behind a size": b"\t",
    "blanks around an extension": b" ; x = y",
    "an empty extension": b";",
    "an extension with a bare LF": b";x\ny",
    "an extension with a bare CR": b";x\ry",
    "an extension with a control": b";x\x01",
    "an extension with NUL": b";x\0",
    "an extension with a line end in quotes": b';x="\r\n"',
    "a long extension": b";" + b"x" * 2000,
    "an extension that is too long": b";" + b"x" * 30000,
})
chunk_rules(2, {
    "a bare LF behind a size": b"\n",
    "a bare CR behind a size": b"\r",
    "CR CR LF behind a size": b"\r\r\n",
})
chunk_rules(4, {
    "a bare LF behind data": b"\n",
    "a bare CR behind data": b"\r",
    "nothing behind data": b"",
    "a byte more than the size": b"x\r\n",
    "two bytes for CRLF behind data": b"xy",
})


def last_chunk(r, place, form):
    r.framing("chunks")
    r.last[place] = form


def last_rules(place, labels):
    for label, form in labels.items():
        RULES[label] = (last_chunk, (place, form))


last_rules(0, {
    "a last size of many zeroes": b"0000",
    "no last chunk": b"",
})
last_rules(1, {
    "an extension of the last chunk": b";x=y",
})
last_rules(2, {
    "a bare LF behind the last size": b"\n",
})
last_rules(3, {
    "a trailer": b"X: y\r\n",
    "two trailers": b"X: y\r\nZ: z\r\n",
    "a trailer that frames": b"Content-Length: 5\r\n",
    "a trailer without a colon": b"nonsense\r\n",
    "a folded trailer": b"X: y\r\n z\r\n",
    "a trailer with a bare LF": b"X: y\n",
    "a trailer with NUL": b"X: \0\r\n",
    "a trailer with a blank before its colon": b"X : y\r\n",
})
last_rules(4, {
    "a bare LF at the end of chunks": b"\n",
    "no end of chunks": b"",
})


@rule("cut short")
def cut_short(r):
    """All of it up to some byte, and nothing behind."""
    whole = r.head() + r.body()
    cut = r.rng.randrange(1, len(whole))
    r.head, r.body, r.is_cut = (lambda: whole[:cut]), (lambda: b""), True


@rule("a hidden request", b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n")
def hidden(r, text):
    """A body that looks like a request."""
    r.method = r.rng.choice(WITH_BODY + [b"GET"])
    r.framing("length")
    r.content = text
    r.fields[r.field(b"content-length")] = b"Content-Length: %d" % len(text)


@rule("a hidden request in chunks", b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n")
def hidden_chunks(r, text):
    r.framing("chunks")
    r.chunks, r.content = [[b"%x" % len(text), b"", b"\r\n", text, b"\r\n"]], text


def all_requests(count, seed):
    """So many requests: a quarter valid, the rest each rule in its turn."""
    rng = random.Random(seed)
    labels = list(RULES)
    made, turn = [], 0
    while len(made) < count:
        r = Request(rng)
        if len(made) % 4 != 3:
            label = labels[turn % len(labels)]
            turn += 1
            function, arguments = RULES[label]
            function(r, *arguments)
            r.label = label
        made.append(r)
    return made
