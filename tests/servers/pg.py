"""PostgreSQL of Debian, from a folder of its own.

Users, all with the password `secret`: weir owns the database weir; bench needs none; by their names clear, md5, scram,
tlsonly (scram, over TLS alone), certuser (by certificate), odd (another password), few (two connections at the most),
nobody (refused). Over the Unix socket everybody is believed.
"""
import contextlib
import pathlib
import re
import signal
import subprocess
import urllib.parse

from place import ODD_SECRET, SECRET, Server, Trouble, as_user, call, template

HBA = """\
local     all          all       trust
local     replication  all       trust
host      replication  all       127.0.0.1/32 trust
host      all          bench     127.0.0.1/32 trust
host      all          clear     127.0.0.1/32 password
host      all          md5       127.0.0.1/32 md5
hostssl   all          certuser  127.0.0.1/32 cert
hostssl   all          tlsonly   127.0.0.1/32 scram-sha-256
host      all          tlsonly   127.0.0.1/32 reject
host      all          certuser  127.0.0.1/32 reject
host      all          nobody    127.0.0.1/32 reject
host      all          all       127.0.0.1/32 scram-sha-256
"""

# Nothing of this has to survive a power cut, and several of these run beside each other. What was committed has to
# survive the server's own end, by a signal too: so a commit waits for the kernel, which has it for nothing.
SETTINGS = """\
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = on
full_page_writes = off
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
max_connections = 120
max_wal_senders = 4
wal_level = replica
wal_keep_size = 64MB
autovacuum_naptime = 1h
ssl = on
lc_messages = 'C'
log_min_messages = warning
"""

USERS = f"""
CREATE USER weir PASSWORD '{SECRET}';
CREATE USER bench;
CREATE USER clear PASSWORD '{SECRET}';
CREATE USER scram PASSWORD '{SECRET}';
CREATE USER tlsonly PASSWORD '{SECRET}';
CREATE USER certuser;
CREATE USER nobody PASSWORD '{SECRET}';
CREATE USER few PASSWORD '{SECRET}' CONNECTION LIMIT 2;
CREATE USER odd PASSWORD '{ODD_SECRET}';
SET password_encryption = md5;
CREATE USER md5 PASSWORD '{SECRET}';
GRANT pg_read_all_stats TO weir;
CREATE DATABASE weir OWNER weir;
GRANT ALL ON SCHEMA public TO bench;
"""


def programs():
    """The newest version's folder of programs."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if not found:
        raise Trouble("there is no PostgreSQL; tools/install-packages servers installs it")
    return found[-1].parent


class Postgres(Server):
    """options: settings, a dict of postgresql.conf; standby_of, another Postgres that this one follows."""

    name = "postgres"
    users = ("postgres",)
    stops_by = signal.SIGINT  # "fast": who is connected is cut off, and told so
    death = "QUIT"  # at once, with all of its processes

    def make(self, folder):
        bin_ = programs()
        call(*as_user(self.user), bin_ / "initdb", "-D", folder, "-U", "postgres", "--auth=trust", "--no-sync",
             "--encoding=UTF8", "--locale=C.UTF-8")
        ask = [*as_user(self.user), bin_ / "postgres", "--single", "-D", folder, "-F", "-j", "postgres"]
        out = call(*ask, text="".join(line + ";\n\n" for line in USERS.split(";\n") if line.strip()))
        if "ERROR" in out:
            raise Trouble(out)

    def prepare(self):
        primary = self.options.get("standby_of")
        if primary is None:
            version = call(programs() / "postgres", "--version")
            self.copy_template(template(self.name, version, __file__, self.make, self.user))
        else:
            call(*as_user(self.user), programs() / "pg_basebackup", "-h", primary.run, "-p", primary.port, "-U",
                 "postgres", "-D", self.data, "-R", "-c", "fast", "-X", "stream", "--no-sync")
        settings = {"unix_socket_directories": self.run, "ssl_ca_file": self.tls / "ca.pem",
                    "ssl_cert_file": self.tls / "server.pem", "ssl_key_file": self.tls / "server.key",
                    **self.options.get("settings", {})}
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        (self.data / "pg_hba.conf").write_text(HBA)
        (self.data / "postgresql.conf").write_text(SETTINGS + "".join(lines))

    def command(self):
        return [programs() / "postgres", "-D", self.data, "-p", self.port]

    def is_ready(self):
        done = subprocess.run([programs() / "pg_isready", "-q", "-h", self.run, "-p", str(self.port)], check=False)
        return done.returncode == 0

    def sql(self, text, database="weir"):
        """Rows as lists of texts, asked as the superuser."""
        out = call("psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", self.run, "-p", self.port,
                   "-U", "postgres", "-d", database, text=text)
        return [line.split("\t") for line in out.splitlines()]

    def standby(self, **options):
        return Postgres(standby_of=self, **options)

    def promote(self):
        self.sql("SELECT pg_promote()")

    def read_only(self, is_on=True):
        """As on a standby, as far as those see it who come from now on."""
        self.sql(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if is_on else 'off'}")
        self.sql("SELECT pg_reload_conf()")

    def empty(self):
        """The database of weir as it was at first."""
        self.sql("DROP OWNED BY weir; GRANT ALL ON SCHEMA public TO weir")

    def connections(self, user="weir"):
        """Those of a user, as the server counts them."""
        return int(self.sql(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}'")[0][0])

    def url(self, user="weir", secret=SECRET, database="weir", port=None, **more):
        return address("postgres", user, secret, port or self.port, database, {"sslmode": "disable", **more})

    def urls(self):
        yield "url", self.url()
        yield "tls", self.url(sslmode="verify-full", sslrootcert=self.tls / "ca.pem")
        yield "bench", self.url("bench", None, "postgres")

    def clean(self):
        """A memory segment of the system's outlives a server that was killed; its file says which."""
        with contextlib.suppress(OSError, IndexError, Trouble):
            words = (self.data / "postmaster.pid").read_text().splitlines()[6].split()
            call("ipcrm", "-m", words[1])


def address(scheme, user, secret, port, database, query):
    who = urllib.parse.quote(user, "") + ("" if secret is None else ":" + urllib.parse.quote(secret, ""))
    what = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None}, safe="/")
    return re.sub(r"[?]$", "", f"{scheme}://{who}@127.0.0.1:{port}/{database}?{what}")
