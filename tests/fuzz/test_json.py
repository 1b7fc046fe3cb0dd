"""The JSON codec against Python's.

Generated texts (a fixed seed, so the same ones each time) and the inputs that are kept for the
fuzzers are read by both. Which texts are JSON, which members are wrong, and every value must be
the same. The model is src/base/json_thing.h's; what it asks of values is written down here once
more.
"""
import base64
import datetime
import json
import os
import pathlib
import random
import re
import struct
import subprocess
from fractions import Fraction

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = pathlib.Path(os.environ["WEIR_BUILD"]) / "tests" / "fuzz" / "json-answers"
TEXTS = 20000
DEPTH_MAX = 64
ERRORS_MAX = 16


class Broken(Exception):
    """Not JSON."""


class Number(str):
    """A number as it stands in the text."""


class Pairs(list):
    """An object: its keys and values, doubled ones too."""


def refuse(word):
    raise Broken(word)


def check(value, depth):
    """Refuses what Python lets pass: halves of surrogate pairs, and nesting without an end."""
    if isinstance(value, Number):
        return
    if isinstance(value, str):
        if any(0xD800 <= ord(ch) <= 0xDFFF for ch in value):
            raise Broken("a surrogate")
    elif isinstance(value, list):
        if depth == DEPTH_MAX:
            raise Broken("nesting")
        for item in value:
            for part in item if isinstance(value, Pairs) else [item]:
                check(part, depth + 1)


def parse(text):
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=Pairs, parse_int=Number,
                           parse_float=Number, parse_constant=refuse)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
        raise Broken(str(problem)) from None
    check(value, 0)
    return value


# --- values that are texts: each as it is written, or ValueError -----------------------------------

def wall(text):
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?"
                         r"(?:[Zz]|([+-])(\d\d):(\d\d))", text, re.ASCII)
    if found is None:
        raise ValueError(text)
    *parts, fraction, sign, hours, minutes = found.groups()
    if sign is not None and (int(hours) > 23 or int(minutes) > 59):
        raise ValueError(text)
    offset = datetime.timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    time = datetime.datetime(*map(int, parts), int((fraction or "0")[:6].ljust(6, "0")))
    time = time + offset if sign == "-" else time - offset
    return time.isoformat() + "Z"


def uuid(text):
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) is None:
        raise ValueError(text)
    return text.lower()


def decimal(text):
    found = re.fullmatch(r"(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?", text, re.ASCII)
    if found is None:
        raise ValueError(text)
    sign, whole, fraction, exponent = found.groups()
    digits = (whole + (fraction or "")).lstrip("0")
    scale = len(fraction or "") - max(-10**6, min(10**6, int(exponent or 0)))
    if scale < 0:
        digits += "0" * -scale if digits else ""
        scale = 0
    if len(digits) > 65 or scale > 65 or not -5 <= Fraction(int(sign + (digits or "0")), 10**scale) \
            <= Fraction("1000.5"):
        raise ValueError(text)
    sign = sign if digits else ""
    digits = digits.rjust(scale + 1, "0")
    return sign + (digits[:-scale] + "." + digits[-scale:] if scale else digits)


def data(text):
    bare = text.rstrip("=") if len(text) % 4 == 0 and len(text) - len(text.rstrip("=")) <= 2 else text
    if re.fullmatch(r"[A-Za-z0-9+/_-]*", bare) is None or len(bare) % 4 == 1:
        raise ValueError(text)
    read = base64.b64decode(bare.replace("-", "+").replace("_", "/") + "=" * (-len(bare) % 4))
    written = base64.b64encode(read).decode()
    if written.rstrip("=") != bare.replace("-", "+").replace("_", "/") or len(read) > 4:
        raise ValueError(text)
    return written


def plain(value):
    """Raw JSON as the answers are read."""
    if isinstance(value, Number):
        return (-0.0 if value == "-0" else int(value)) if re.fullmatch(r"-?\d+", value) \
            else float(value)
    if isinstance(value, Pairs):
        return {key: plain(item) for key, item in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


# --- the model: a function a kind, which returns a value or reports an error -----------------------

NOTHING = object()


class Reader:
    """What the codec should make of a parsed text."""

    def __init__(self):
        self.pointers = []

    def error(self, path):
        self.pointers.append("".join("/" + step.replace("~", "~0").replace("/", "~1")
                                     for step in path))
        return NOTHING

    def skip(self, value, path):
        """A value that is not read may still have a key twice."""
        if not isinstance(value, list):
            return
        seen = set()
        for item in value:
            if isinstance(value, Pairs):
                if item[0] in seen:
                    self.error(path)
                seen.add(item[0])
                self.skip(item[1], path)
            else:
                self.skip(item, path)

    def wrong(self, value, path):
        self.skip(value, path)
        return self.error(path)

    def members(self, pairs, path, kinds, required=(), nullable=(), is_strict=False):
        seen, unknown, values = set(), set(), {}
        for key, value in pairs:
            place = [*path, key]
            if key in kinds and key not in seen:
                seen.add(key)
                if value is None:
                    read = (self.error(place) if key in required
                            else None if key in nullable else NOTHING)
                else:
                    read = kinds[key](value, place)
                if read is not NOTHING:
                    values[key] = read
                continue
            if key in kinds or is_strict or key in unknown:
                self.error(place)
            if key not in kinds:
                unknown.add(key)
            self.skip(value, place)
        for key in kinds:
            if key in required and key not in seen:
                self.error([*path, key])
        return values

    def boolean(self, value, path):
        return value if isinstance(value, bool) else self.wrong(value, path)

    def integer(self, low, high):
        def read(value, path):
            if not isinstance(value, Number):
                return self.wrong(value, path)
            is_integer = re.fullmatch(r"-?\d+", value)
            return int(value) if is_integer and low <= int(value) <= high else self.error(path)
        return read

    def real(self, form):
        def read(value, path):
            if not isinstance(value, Number):
                return self.wrong(value, path)
            try:
                return struct.unpack(form, struct.pack(form, float(value)))[0] \
                    if abs(float(value)) != float("inf") else self.error(path)
            except OverflowError:
                return self.error(path)
        return read

    def text(self, is_good=lambda text: True):
        def read(value, path):
            if isinstance(value, Number) or not isinstance(value, str):
                return self.wrong(value, path)
            return value if is_good(value) else self.error(path)
        return read

    def value_text(self, parse_text, takes_numbers=False):
        """A value that is a text in JSON; `parse_text` returns how it is written, or raises."""
        def read(value, path):
            if not isinstance(value, str) or (isinstance(value, Number) and not takes_numbers):
                return self.wrong(value, path)
            try:
                return parse_text(str(value))
            except (ValueError, OverflowError):
                return self.error(path)
        return read

    def raw(self, value, path):
        before = len(self.pointers)
        self.skip(value, path)
        return repr(plain(value)) if len(self.pointers) == before else NOTHING

    def map(self, kind, count_max=None):
        def read(value, path):
            if not isinstance(value, Pairs):
                return self.wrong(value, path)
            entries = {}
            for key, item in value:
                place = [*path, key]
                if key in entries:
                    self.error(place)
                    self.skip(item, place)
                    continue
                entries[key] = self.error(place) if item is None else kind(item, place)
            if count_max is not None and len(entries) > count_max:
                self.error(path)
            return entries
        return read

    def point(self, value, path):
        if not isinstance(value, Pairs):
            return self.wrong(value, path)
        read = self.members(value, path, {
            "x": self.integer(-5, 127),
            "tag": self.text(lambda text: len(text) <= 3),
        }, required=("x",), is_strict=True)
        return {"x": 0, **read}

    def array(self, kind, count_max=None):
        def read(value, path):
            if not isinstance(value, list) or isinstance(value, Pairs):
                return self.wrong(value, path)
            items = []
            for index, item in enumerate(value):
                place = [*path, str(index)]
                if count_max is not None and index >= count_max:
                    self.skip(item, place)
                elif item is None:
                    self.error(place)
                else:
                    items.append(kind(item, place))
            if count_max is not None and len(value) > count_max:
                self.error(path)
            return items
        return read

    def thing(self, value):
        if not isinstance(value, Pairs):
            return self.wrong(value, [])
        read = self.members(value, [], {
            "b": self.boolean,
            "i": self.integer(-2**63, 2**63 - 1),
            "u": self.integer(0, 999),
            "d": self.real("<d"),
            "f": self.real("<f"),
            "a key of over 16 bytes": self.text(),
            "word": self.text(lambda text: text in ("new", "paid")),
            "code": self.text(lambda text: re.fullmatch("[A-Z]+", text) is not None
                              and len(text) <= 4096),
            "at": self.point,
            "points": self.array(self.point, 3),
            "names": self.array(self.text()),
            "ratios": self.array(self.real("<d")),
            "flags": self.array(self.boolean),
            "time": self.value_text(wall),
            "id": self.value_text(uuid),
            "price": self.value_text(decimal, takes_numbers=True),
            "data": self.value_text(data),
            "raw": self.raw,
            "note": self.text(),
            "words": self.map(self.text(), 3),
            "spots": self.map(self.point),
            "far": self.point,
        }, nullable=("note",))
        return {"b": False, "i": 0, "u": 0, "d": 0.0, "f": 0.0, "a key of over 16 bytes": None,
                "points": [], "names": [], "ratios": [], "flags": [],
                "time": "1970-01-01T00:00:00Z", "id": "00000000-0000-0000-0000-000000000000",
                "price": "0", "data": None, "raw": repr(None), "words": {}, "spots": {}, "far": None,
                **read}


def expected(text):
    """As json_answers.c writes it."""
    try:
        parsed = parse(text)
    except Broken:
        return {"broken": True, "pointers": [""]}
    reader = Reader()
    value = reader.thing(parsed)
    answer = {"broken": False, "pointers": reader.pointers[:ERRORS_MAX]}
    return answer if reader.pointers else {**answer, "value": value}


def bits(value, form="<d"):
    """Doubles as their bits, so that -0 is not 0; the float by what a float holds of it."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {key: bits(item, "<f" if key == "f" else "<d") for key, item in value.items()}
    if isinstance(value, list):
        return [bits(item) for item in value]
    return struct.pack(form, value) if isinstance(value, float) else value


def as_numbers(value):
    """Members that are doubles, whichever way they were written."""
    if value is not None:
        for key in ("d", "f"):
            value[key] = float(value[key])
        value["ratios"] = [float(item) for item in value["ratios"]]
        value["raw"] = repr(value["raw"])
    return value


# --- texts ----------------------------------------------------------------------------------------

class Generator:
    """Texts that are mostly near to what the model wants."""

    NUMBERS = ("0", "-0", "1", "-1", "7", "999", "1000", "127", "128", "-5", "-6", "65536",
               "9223372036854775807", "9223372036854775808", "-9223372036854775808",
               "-9223372036854775809", "18446744073709551616", "0.1", "1.5", "-2.5e3", "1e22",
               "1E-7", "5e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "1e-400",
               "1.7976931348623157e308", "1.7976931348623159e308", "1e400", "3.4028235e38",
               "3.4028236e38", "1e-46", "9007199254740993", "0." + "0" * 40 + "1" * 30,
               "1" * 40, "1.0", "1e2", "01", "1.", ".5", "+1", "1e", "0x1", "NaN", "-Infinity", "-")
    TEXTS = ("", "a", "new", "paid", "AB", "abc", "abcd", "é", "€", "𝄞", "\\n", '\\"', "\\\\",
             "\\/", "\\b\\f\\r\\t", "\\u0041", "\\u00e9", "\\ud83d\\ude39", "\\ud800", "\\udc00",
             "\\ud800\\u0041", "\\u0000", "\\u12", "\\x", "\x7f", "\t", "\x01", "x" * 30, "x" * 15,
             "x" * 16, "é" * 9, "a/b", "~")
    KEYS = ("b", "i", "u", "d", "f", "a key of over 16 bytes", "word", "code", "at", "points",
            "names", "ratios", "flags", "time", "id", "price", "data", "raw", "note", "words",
            "spots", "far", "x", "tag", "unknown", "", "a/b", "~", "\\u0062", "é")
    TIMES = ("2024-02-29T12:30:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999-00:00",
             "2024-02-29t13:30:00.25+01:30", "2023-02-29T00:00:00Z", "0001-01-01T00:00:00+00:01",
             "2024-01-01T00:00:60Z", "1969-12-31T23:59:59.999999z")
    BLANKS = ("", "", "", "", " ", "\n", "\t", "\r\n", "  ")
    BYTES = b'{}[],:"\\0129.eE+-tfn/u \n\t\r\x00\x1f\x7f\x80\xc3\xa9\xed\xf4\xff'

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def blank(self):
        return self.dice.choice(self.BLANKS)

    def string(self):
        return '"' + "".join(self.dice.choices(self.TEXTS, k=self.dice.choice((0, 1, 1, 1, 2)))) + '"'

    def plain_string(self):
        return '"' + self.dice.choice(self.TEXTS[:14]) + '"'

    def array(self, kind, most=5):
        items = [self.blank() + kind() + self.blank() for _ in range(self.dice.randrange(most))]
        return "[" + ",".join(items) + "]"

    def object(self, members):
        return "{" + ",".join(f'{self.blank()}"{key}"{self.blank()}:{self.blank()}{value}{self.blank()}'
                              for key, value in members) + "}"

    def map(self, kind):
        return self.object([(self.dice.choice(("a", "b", "é", "", "\\u0061", "/~")), kind())
                            for _ in range(self.dice.choice((0, 1, 1, 2, 3)))])

    def point(self):
        members = [("x", self.dice.choice(("0", "1", "-5", "127", "-6", "128")))]
        if self.dice.random() < 0.5:
            members.append(("tag", self.plain_string()))
        self.dice.shuffle(members)
        return self.object(members)

    def any(self, depth=0):
        kind = self.dice.randrange(9 if depth < 4 else 6)
        if kind == 6:
            return self.array(lambda: self.any(depth + 1))
        if kind >= 7:
            return self.object([(self.dice.choice(self.KEYS), self.any(depth + 1))
                                for _ in range(self.dice.randrange(4))])
        return (self.string(), self.plain_string(), self.dice.choice(self.NUMBERS), "true",
                "false", "null")[kind]

    def good_value(self, key):
        number = self.dice.choice
        return {
            "b": lambda: number(("true", "false")),
            "i": lambda: str(self.dice.randrange(-2**63, 2**63)),
            "u": lambda: str(self.dice.randrange(1000)),
            "d": lambda: repr(struct.unpack("<d", self.dice.randbytes(8))[0]),
            "f": lambda: repr(self.dice.uniform(-1e6, 1e6)),
            "word": lambda: '"new"',
            "code": lambda: '"ABC"',
            "at": self.point,
            "points": lambda: self.array(self.point, 4),
            "names": lambda: self.array(self.plain_string),
            "ratios": lambda: self.array(lambda: number(self.NUMBERS[:12])),
            "flags": lambda: self.array(lambda: number(("true", "false"))),
            "time": lambda: '"' + number(self.TIMES) + '"',
            "id": lambda: '"' + number(("f81d4fae-7dec-11d0-A765-00a0c91e6bf6", "0" * 36)) + '"',
            "price": lambda: number(("1.50", '"-4.999"', '"1000.50"', "0e-65", '"1e2"', "1001")),
            "data": lambda: '"' + number(("", "AA==", "AA", "-_8", "AAECAw==", "AAECAwQ=")) + '"',
            "raw": lambda: self.any(2),
            "note": lambda: number(("null", self.plain_string())),
            "words": lambda: self.map(self.plain_string),
            "spots": lambda: self.map(self.point),
            "far": lambda: number(("null", self.point())),
        }.get(key, self.plain_string)()

    def text(self):
        kind = self.dice.random()
        if kind < 0.1:
            text = self.any()
        else:
            keys = self.dice.sample(self.KEYS[:22], self.dice.randrange(14))
            if kind > 0.8:
                keys.append(self.dice.choice(self.KEYS))
            text = self.object([(key, self.any() if kind > 0.5 and self.dice.random() < 0.2
                                 else self.good_value(key)) for key in keys])
        data = bytearray((self.blank() + text + self.blank()).encode())
        if self.dice.random() < 0.25:
            for _ in range(self.dice.randrange(1, 4)):
                self.damage(data)
        return bytes(data)

    def damage(self, data):
        at = self.dice.randrange(len(data) + 1)
        kind = self.dice.randrange(4)
        if kind == 0:
            data[at:at + 1] = bytes([self.dice.choice(self.BYTES)])
        elif kind == 1:
            data[at:at] = bytes([self.dice.choice(self.BYTES)])
        elif kind == 2:
            del data[at:at + self.dice.randrange(1, 5)]
        else:
            del data[at:]


def kept():
    for folder in ("corpus/base-json_decode", "crashes/base-json_decode"):
        for path in sorted((HERE / folder).glob("*")):
            yield path.read_bytes()


def answers(texts):
    frames = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    done = subprocess.run([PROGRAM], input=frames, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    lines = done.stdout.split(b"\x1e")[:-1]
    assert len(lines) == len(texts)
    # Python's integers have no -0, which is how the double -0 is written.
    return [json.loads(line, parse_int=lambda text: -0.0 if text == "-0" else int(text))
            for line in lines]


def assert_same(texts):
    kinds = {"good": 0, "wrong": 0, "broken": 0}
    for text, answer in zip(texts, answers(texts)):
        wanted = expected(text)
        if "value" in answer:
            answer["value"] = as_numbers(answer["value"])
        assert bits(answer) == bits(wanted), text
        kinds["broken" if wanted["broken"] else "good" if "value" in wanted else "wrong"] += 1
    return kinds


def test_what_is_generated():
    generator = Generator(20241124)
    kinds = assert_same([generator.text() for _ in range(TEXTS)])
    # The draw is worth something: each kind came up often.
    assert min(kinds.values()) > TEXTS / 8, kinds


def test_what_is_kept():
    assert_same(list(kept()))


def test_deep_nesting():
    texts = []
    for depth in (1, DEPTH_MAX - 2, DEPTH_MAX - 1, DEPTH_MAX):
        texts += [b'{"u":' + b"[" * depth + b"]" * depth + b"}",
                  b'{"u":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"]
    assert_same(texts)
