"""What our services ask in the tests: servers of Python's, and sockets that do as they are written."""
import contextlib
import http.server
import socket
import sys
import threading

from conftest import PATIENCE

BODY = bytes(range(256)) * 4000


class Handler(http.server.BaseHTTPRequestHandler):
    """A request of HTTP/1.1 with whatever body, and ways to answer it."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunks(self, trailer=b""):
        """All of BODY, in chunks."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(BODY), 70001):
            piece = BODY[at:at + 70001]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n" + trailer + b"\r\n")

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    connections = asked = 0
    slow = None
    is_down = False
    pause = 0

    def __init__(self, *args):
        super().__init__(*args)
        self.times, self.is_over = [], threading.Event()

    def handle_error(self, *_):
        """A client that goes in the middle of an answer is no error of this one's."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*_)

    def who(self):
        self.asked += 1
        self.is_over.wait(self.pause)

    def get_request(self):
        self.connections += 1
        return super().get_request()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def serving(handler):
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.is_over.set()
        server.shutdown()
        thread.join(timeout=PATIENCE)


class Talker:
    """Talks to whoever connects, each in a thread, as `talk` of a class below says."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.accepted = 0
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(timeout=PATIENCE)
