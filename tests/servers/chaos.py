"""A proxy between a client and a server that does what networks do, at the byte or the message that a test names.

    with Chaos(server.port, "postgres") as chaos:
        chaos.next(Fault("cut", "down", at_byte=37))      # of the next connection that is opened
        …                                                 # the client is told to use chaos.port
        chaos.mode = "black hole"                          # from now on, for all connections
        chaos.wait_idle()

A Fault belongs to one connection and strikes once: when the byte `at_byte` of its direction is due, or the first of
message `at_message`, both counted from 0; what comes before it is handed on as always. A mode belongs to the proxy.
Directions are "up" (to the server) and "down" (to the client). It counts what it has carried, so that a test can try
every byte of a conversation, once each; messages are told apart while nothing is encrypted. A thread for each
connection; everything ends with the block.
"""
import collections
import contextlib
import dataclasses
import select
import socket
import struct
import threading
import time

PIECE = 65536
MODES = ("pass", "refuse", "close", "black hole", "slow")
KINDS = ("cut", "reset", "half-close", "corrupt", "swallow", "delay", "freeze")
SLOW = 2000  # bytes a second


@dataclasses.dataclass
class Fault:
    """
    cut         both ends are closed, in order
    reset       both ends are reset
    half-close  this direction ends, the other goes on
    corrupt     `length` bytes have their bits turned over
    swallow     `length` bytes are lost; all that follow if it is 0
    delay       this direction waits `seconds`
    freeze      both directions say nothing more, and nothing is closed
    """

    kind: str
    direction: str = "down"
    at_byte: int | None = None
    at_message: int | None = None
    length: int = 1
    seconds: float = 0.2
    has_struck: bool = False

    def __post_init__(self):
        if self.kind not in KINDS or self.direction not in ("up", "down"):
            raise ValueError(f"{self.kind} {self.direction}")
        if (self.at_byte is None) == (self.at_message is None):
            raise ValueError("either a byte or a message")


# --- where messages end -----------------------------------------------------------------------------


def postgres_length(direction, held, count):
    """Of the first message in `held`, or None while that cannot be told. `count` came before it."""
    if direction == "up" and count == 0:
        return int.from_bytes(held[:4], "big") if len(held) >= 4 else None
    if direction == "down" and count == 0 and held[:1] in (b"S", b"N") and len(held) == 1:
        return 1  # the answer to a question for TLS
    return 1 + int.from_bytes(held[1:5], "big") if len(held) >= 5 else None


def mysql_length(direction, held, count):
    return 4 + int.from_bytes(held[:3], "little") if len(held) >= 4 else None


def resp_length(direction, held, count):
    """A value with all that is in it, RESP 2 or 3."""
    at, wanted = 0, 1
    while wanted > 0:
        end = held.find(b"\r\n", at)
        if end < 0:
            return None
        kind, text, at = held[at:at + 1], held[at + 1:end], end + 2
        wanted -= 1
        number = int(text) if text.lstrip(b"-").isdigit() else 0
        if kind in b"$=!" and number >= 0:
            at += number + 2
            if at > len(held):
                return None
        elif kind in b"*~>":
            wanted += max(number, 0)
        elif kind in b"%|":
            wanted += 2 * number + (kind == b"|")
    return at


LENGTHS = {"postgres": postgres_length, "mysql": mysql_length, "redis": resp_length}


class Way:
    """One direction of a connection: what it has carried, and where its messages begin."""

    def __init__(self, name, length_of):
        self.name, self.length_of = name, length_of
        self.bytes, self.starts, self.held, self.next_start = 0, [0], b"", 0
        self.is_open = True

    def count(self, data):
        """Notes the bytes; the offsets of messages are those at which one begins."""
        self.held += data
        self.bytes += len(data)
        while self.length_of is not None and self.held:
            length = self.length_of(self.name, self.held, len(self.starts) - 1)
            if length is None or length > len(self.held):
                return
            self.held = self.held[length:]
            self.next_start += length
            self.starts.append(self.next_start)

    def strikes_at(self, fault, coming):
        """How many of the bytes that are coming may still pass; None: all of them."""
        if fault is None or fault.has_struck or fault.direction != self.name:
            return None
        at = fault.at_byte
        if at is None:
            look = Way(self.name, self.length_of)
            look.bytes, look.starts, look.held, look.next_start = (self.bytes, list(self.starts), self.held,
                                                                   self.next_start)
            look.count(coming)
            if len(look.starts) <= fault.at_message:
                return None
            at = look.starts[fault.at_message]
        return at - self.bytes if self.bytes <= at < self.bytes + len(coming) else None


class Link(threading.Thread):
    """A connection with both of its ends, carried by a thread."""

    def __init__(self, chaos, client, fault):
        super().__init__(daemon=True)
        self.chaos, self.client, self.fault = chaos, client, fault
        self.server = None
        self.is_frozen = self.is_cut = False
        self.ways = {name: Way(name, chaos.length_of) for name in ("up", "down")}

    def run(self):
        try:
            self.carry()
        except OSError:
            pass
        finally:
            for end in (self.client, self.server):
                if end is not None:
                    end.close()
            self.chaos.forget(self)

    def carry(self):
        if self.chaos.mode == "close":
            return
        self.server = socket.create_connection(("127.0.0.1", self.chaos.upstream), 10)
        for end in (self.client, self.server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pairs = {self.client: ("up", self.server), self.server: ("down", self.client)}
        while pairs and not self.chaos.is_over.is_set():
            if self.is_frozen or self.chaos.mode == "black hole":
                # Nothing is read either: the client's windows fill.
                if self.is_cut:
                    return
                self.chaos.is_over.wait(0.01)
                continue
            ready, _, _ = select.select(list(pairs), [], [], 0.05)
            for source in ready:
                name, target = pairs[source]
                data = source.recv(PIECE)
                if not self.hand_on(self.ways[name], data, target):
                    pairs.pop(source)

    def hand_on(self, way, data, target):
        """Whether this direction goes on."""
        if not data or not way.is_open:
            if way.is_open:
                way.is_open = False
                with contextlib.suppress(OSError):
                    target.shutdown(socket.SHUT_WR)
            return False
        if self.chaos.mode == "slow":
            time.sleep(len(data) / SLOW)
        passing = way.strikes_at(self.fault, data)
        if passing is None:
            way.count(data)
            target.sendall(data)
            return True
        before, after = data[:passing], data[passing:]
        way.count(before)
        target.sendall(before)
        self.fault.has_struck = True
        return getattr(self, "do_" + self.fault.kind.replace("-", "_"))(way, after, target)

    # What can happen; each returns whether the direction goes on.

    def do_cut(self, way, after, target):
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        raise OSError("cut")

    def do_reset(self, way, after, target):
        for end in (self.client, self.server):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise OSError("reset")

    def do_half_close(self, way, after, target):
        target.shutdown(socket.SHUT_WR)
        way.is_open = False
        return True  # what comes after it is read and lost

    def do_corrupt(self, way, after, target):
        length = self.fault.length
        turned = bytes(byte ^ 0xff for byte in after[:length])
        way.count(after)
        target.sendall(turned + after[length:])
        return True

    def do_swallow(self, way, after, target):
        rest = after[self.fault.length:] if self.fault.length else b""
        way.count(after)
        if rest:
            target.sendall(rest)
        elif self.fault.length == 0:
            self.fault.has_struck = False
            self.fault.at_byte, self.fault.at_message = way.bytes, None
        return True

    def do_delay(self, way, after, target):
        self.chaos.is_over.wait(self.fault.seconds)
        way.count(after)
        target.sendall(after)
        return True

    def do_freeze(self, way, after, target):
        self.is_frozen = True
        return True


class Chaos:
    """upstream: the server's port, which may change; protocol: whose messages are counted, None for bytes alone."""

    def __init__(self, upstream, protocol=None):
        self.upstream, self.length_of = upstream, LENGTHS.get(protocol)
        self._mode = "pass"
        self.planned = collections.deque()
        self.links, self.lock = set(), threading.Condition()
        self.accepted, self.last, self.every = 0, None, None
        self.is_over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    @property
    def mode(self):
        return self._mode

    @mode.setter
    def mode(self, mode):
        """refuse: nobody listens, and who is connected is cut; close: who comes is closed at once."""
        if mode not in MODES:
            raise ValueError(mode)
        before, self._mode = self._mode, mode
        if mode == "refuse" and before != "refuse":
            self.listener.close()
            self.thread.join()
            self.cut_all()
        elif before == "refuse" and mode != "refuse":
            self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
            self.thread = threading.Thread(target=self.accept, daemon=True)
            self.thread.start()

    def next(self, *faults):
        """Of the next connections, one each; None lets one pass."""
        self.planned.extend(faults)

    def each(self, fault):
        """Of all connections from now on, a copy each; None ends it."""
        self.every = fault

    def accept(self):
        while not self.is_over.is_set() and self._mode != "refuse":
            try:
                if not select.select([self.listener], [], [], 0.05)[0]:
                    continue
                client, _ = self.listener.accept()
            except (OSError, ValueError):
                return
            with self.lock:
                fault = self.planned.popleft() if self.planned else self.every and dataclasses.replace(self.every)
                link = Link(self, client, fault)
                self.links.add(link)
                self.accepted += 1
                self.last = link
            link.start()

    def forget(self, link):
        with self.lock:
            self.links.discard(link)
            self.lock.notify_all()

    def calm(self):
        """Nothing is planned any more, and whoever has met a fault is cut with all others: the next connections pass."""
        with self.lock:
            self.planned.clear()
            self.cut_all()

    def cut_all(self):
        """All connections that there are."""
        with self.lock:
            links = list(self.links)
        for link in links:
            link.is_cut = True
            for end in (link.client, link.server):
                with contextlib.suppress(OSError, AttributeError):
                    end.shutdown(socket.SHUT_RDWR)

    def freeze_all(self):
        """All connections that there are: nothing more is said, and nothing is closed."""
        with self.lock:
            for link in self.links:
                link.is_frozen = True

    def wait_links(self, count, patience=20):
        """Until there are so many connections."""
        with self.lock:
            if not self.lock.wait_for(lambda: len(self.links) == count, patience):
                raise AssertionError(f"{len(self.links)} connections instead of {count}")

    def close(self):
        self.is_over.set()
        if self._mode != "refuse":
            self.thread.join()
        self.listener.close()
        self.cut_all()
        with self.lock:
            links = list(self.links)
        for link in links:
            link.join(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
