"""As much of MySQL 8 as a log-in by caching_sha2_password needs, which MariaDB's server has not: fast where the password
was proved before, full by the server's RSA key else. Every SELECT has one row, 42. What sessions were set to is kept."""
import hashlib
import pathlib
import socket
import struct
import subprocess
import threading

NONCE = b"hiVT%Xj.CH~bQOx.xt5!"
USER, SECRET = "anna", b"a secret"
CAPABILITIES = sum(1 << bit for bit in (0, 1, 2, 3, 9, 13, 15, 16, 17, 18, 19, 20, 21, 23, 24))
OK = b"\0\0\0\2\0\0\0"
EOF = b"\xfe\0\0\2\0"
END = b"\xfe\0\0\2\0\0\0"
COLUMN = b"\3def\0\0\0\1a\0\x0c\x3f\0\x14\0\0\0\x08\x81\0\0\0\0"


def proof(secret):
    once = hashlib.sha256(secret).digest()
    return bytes(a ^ b for a, b in zip(once, hashlib.sha256(hashlib.sha256(once).digest() + NONCE).digest()))


class Fake:
    def __init__(self, folder):
        self.key = pathlib.Path(folder) / "rsa.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key],
                       check=True, capture_output=True)
        self.public = subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout"], check=True,
                                     capture_output=True).stdout
        self.is_known = False
        self.ways, self.settings = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=Session(self, connection).run, daemon=True).start()

    def close(self):
        self.listener.close()

    def decrypt(self, body):
        plain = subprocess.run(["openssl", "pkeyutl", "-decrypt", "-inkey", self.key, "-pkeyopt",
                                "rsa_padding_mode:oaep"], input=body, check=True, capture_output=True).stdout
        return bytes(byte ^ NONCE[i % 20] for i, byte in enumerate(plain))


class Session:
    def __init__(self, server, connection):
        self.server, self.connection, self.file = server, connection, connection.makefile("rb")
        self.number = 0

    def say(self, *bodies):
        for body in bodies:
            self.connection.sendall(struct.pack("<I", len(body))[:3] + bytes([self.number]) + body)
            self.number = self.number + 1 & 255

    def hear(self):
        head = self.file.read(4)
        if len(head) < 4:
            raise EOFError
        self.number = head[3] + 1 & 255
        return self.file.read(int.from_bytes(head[:3], "little"))

    def log_in(self):
        self.say(b"\x0a8.0.36\0" + struct.pack("<I", 7) + NONCE[:8] + b"\0" + struct.pack("<H", CAPABILITIES & 0xffff)
                 + b"\x2d\2\0" + struct.pack("<H", CAPABILITIES >> 16) + b"\x15" + bytes(10) + NONCE[8:] + b"\0"
                 + b"caching_sha2_password\0")
        body = self.hear()
        self.ends = [] if body[3] & 1 else [EOF]  # libmariadb wants an end behind columns, too
        user, _, rest = body[32:].partition(b"\0")
        given = rest[1:1 + rest[0]]
        if body[-1:] and b"mysql_native_password" in rest:  # who begins in another way is told
            self.say(b"\xfecaching_sha2_password\0" + NONCE + b"\0")
            given = self.hear()
        if user.decode() != USER or given != proof(SECRET):
            return False
        if self.server.is_known:
            self.server.ways.append("fast")
            self.say(b"\1\3", OK)
            return True
        self.say(b"\1\4")
        answer = self.hear()
        if answer == b"\2":
            self.server.ways.append("asked for the key")
            self.say(b"\1" + self.server.public)
            answer = self.hear()
        if self.server.decrypt(answer) != SECRET + b"\0":
            return False
        self.server.ways.append("full")
        self.server.is_known = True
        self.say(OK)
        return True

    def answer(self, body):
        text = body[1:].decode(errors="replace")
        if body[0] == 3 and text.lower().startswith("select"):
            self.say(b"\1", COLUMN, *self.ends, b"\x0242", *(self.ends or [END]))
        elif body[0] == 3:
            self.server.settings.append(text)
            self.say(OK)
        elif body[0] == 0x16:
            self.say(b"\0\1\0\0\0\1\0\0\0\0\0\0", COLUMN)
        elif body[0] == 0x17:
            self.say(b"\1", COLUMN, b"\0\0" + struct.pack("<q", 42), END)
        elif body[0] != 0x19:
            self.say(OK)

    def run(self):
        try:
            if not self.log_in():
                self.say(b"\xff\x15\x04#28000Access denied")
                return
            while (body := self.hear())[0] != 1:
                self.answer(body)
        except (EOFError, OSError):
            pass
        finally:
            self.connection.close()
