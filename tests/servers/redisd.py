"""Redis of Debian, from a folder of its own.

Whoever names no user may do everything; weir may as well, by the password `secret`; reader may only read, nobody
nothing at all. There is a port for TLS, which asks for no certificate.
"""
import subprocess

from pg import address
from place import SECRET, Server, call, free_port

CONFIG = """\
bind 127.0.0.1
port {port}
tls-port {tls_port}
tls-cert-file {tls}/server.pem
tls-key-file {tls}/server.key
tls-ca-cert-file {tls}/ca.pem
tls-auth-clients optional
unixsocket {run}/redis.sock
unixsocketperm 777
dir {data}
save ""
appendonly no
daemonize no
loglevel notice
enable-debug-command local
repl-diskless-sync yes
repl-diskless-sync-delay 0
user default on nopass ~* &* +@all
user weir on >{secret} ~* &* +@all
user reader on >{secret} ~* &* -@all +@read +@connection
user nobody off
"""


class Redis(Server):
    """options: settings, a dict of redis.conf; replica_of, another Redis that this one follows."""

    name = "redis"
    users = ("redis",)

    def prepare(self):
        """It begins with nothing."""

    def choose_ports(self):
        self.port, self.tls_port = free_port(), free_port()

    def command(self):
        text = CONFIG.format(port=self.port, tls_port=self.tls_port, tls=self.tls, run=self.run, data=self.data,
                             secret=SECRET)
        primary = self.options.get("replica_of")
        settings = {**({"replicaof": f"127.0.0.1 {primary.port}"} if primary else {}), **self.options.get("settings", {})}
        config = self.folder / "redis.conf"
        config.write_text(text + "".join(f"{name} {value}\n" for name, value in settings.items()))
        return ["redis-server", config]

    @property
    def socket(self):
        return self.run / "redis.sock"

    def is_ready(self):
        done = subprocess.run(["redis-cli", "-s", self.socket, "ping"], capture_output=True, text=True, check=False)
        return done.stdout.strip() == "PONG"

    def ask(self, *words):
        """Lines of a command's answer."""
        return call("redis-cli", "-s", self.socket, *words).splitlines()

    def replica(self, **options):
        return Redis(replica_of=self, **options)

    def promote(self):
        self.ask("replicaof", "no", "one")

    def read_only(self, is_on=True):
        """As a replica of nobody who could be reached."""
        self.ask("replicaof", *(("127.0.0.1", "1") if is_on else ("no", "one")))

    def connections(self, name=None):
        """Those over TCP, or those of a name, as the server counts them."""
        lines = [line for line in self.ask("client", "list") if "addr=127.0.0.1:" in line and "flags=S" not in line]
        return sum(name is None or f" name={name} " in line for line in lines)

    def url(self, user="", secret=None, database="0", port=None, **more):
        url = address("redis", user, secret, port or self.port, database, more)
        return url if user or secret else url.replace("//@", "//")

    def urls(self):
        yield "url", self.url()
        yield "tls", self.url(port=self.tls_port).replace("redis://", "rediss://")
        yield "socket", str(self.socket)
