"""MariaDB of Debian, from a folder of its own.

Users, all by mysql_native_password with `secret` if nothing else is said: weir has the database weir, bench (password
bench) the database bench; admin may do everything; ed25519 by that plugin; tlsonly needs TLS, certuser a certificate,
odd has another password, few two connections at the most. Whoever runs the tests gets in over the Unix socket by name,
as unix_socket lets him.
"""
import getpass
import subprocess

from pg import address
from place import ODD_SECRET, SECRET, Server, as_user, call, template

USERS = f"""\
SET sql_log_bin = 0;
DELETE FROM mysql.global_priv WHERE User = '';
FLUSH PRIVILEGES;
CREATE DATABASE IF NOT EXISTS weir CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS bench CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS admin IDENTIFIED BY '{SECRET}';
GRANT ALL ON *.* TO admin WITH GRANT OPTION;
CREATE USER IF NOT EXISTS weir IDENTIFIED BY '{SECRET}';
GRANT ALL ON weir.* TO weir;
GRANT PROCESS, REPLICATION SLAVE, REPLICATION SLAVE ADMIN, SLAVE MONITOR ON *.* TO weir;
CREATE USER IF NOT EXISTS bench IDENTIFIED BY 'bench';
GRANT ALL ON bench.* TO bench;
CREATE USER IF NOT EXISTS tlsonly IDENTIFIED BY '{SECRET}' REQUIRE SSL;
GRANT ALL ON weir.* TO tlsonly;
CREATE USER IF NOT EXISTS certuser IDENTIFIED BY '{SECRET}' REQUIRE X509;
GRANT ALL ON weir.* TO certuser;
CREATE USER IF NOT EXISTS odd IDENTIFIED BY '{ODD_SECRET}';
GRANT ALL ON weir.* TO odd;
CREATE USER IF NOT EXISTS few IDENTIFIED BY '{SECRET}' WITH MAX_USER_CONNECTIONS 2;
GRANT ALL ON weir.* TO few;
INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519';
CREATE USER IF NOT EXISTS ed25519 IDENTIFIED VIA ed25519 USING PASSWORD('{SECRET}');
GRANT ALL ON weir.* TO ed25519;
CREATE OR REPLACE USER '{getpass.getuser()}'@localhost IDENTIFIED VIA unix_socket;
GRANT ALL ON *.* TO '{getpass.getuser()}'@localhost WITH GRANT OPTION;
"""


class MariaDB(Server):
    """options: settings, a dict of the server's flags; replica_of, another MariaDB that this one follows."""

    name = "mariadb"
    users = ("mysql",)

    def make(self, folder):
        call(*as_user(self.user), "mariadb-install-db", "--no-defaults", f"--datadir={folder}", "--skip-test-db",
             "--auth-root-authentication-method=normal", "--innodb-log-file-size=16M")

    def prepare(self):
        version = call("mariadbd", "--version")
        self.copy_template(template(self.name, version, __file__, self.make, self.user))
        (self.folder / "users.sql").write_text(USERS)

    def start(self):
        super().start()
        primary = self.options.get("replica_of")
        if primary is not None and not hasattr(self, "follows"):
            self.follows = primary
            self.sql(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, MASTER_USER='admin', "
                     f"MASTER_PASSWORD='{SECRET}', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1; START SLAVE;")
        return self

    @property
    def socket(self):
        return self.run / "mariadb.sock"

    def command(self):
        number = self.options.get("server_id", 2 if "replica_of" in self.options else 1)
        settings = {"read-only": int("replica_of" in self.options), **self.options.get("settings", {})}
        # Nothing has to survive a power cut; the log is there for a replica that may come.
        return ["mariadbd", "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}",
                f"--pid-file={self.run}/pid", f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve",
                f"--init-file={self.folder}/users.sql", f"--tmpdir={self.run}", "--innodb-buffer-pool-size=32M",
                "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync",
                "--log-bin=binlog", "--log-warnings=1", f"--server-id={number}", "--sync-binlog=0",
                "--max-connections=120", "--character-set-server=utf8mb4", f"--ssl-ca={self.tls}/ca.pem",
                f"--ssl-cert={self.tls}/server.pem", f"--ssl-key={self.tls}/server.key",
                *(f"--{name}={value}" for name, value in settings.items())]

    def ask(self, *words):
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "-u", "admin", f"-p{SECRET}", "-N", "-B", *words]

    def is_ready(self):
        """Once the users are there, which the file makes before it listens."""
        done = subprocess.run(self.ask("-e", "SELECT 1"), capture_output=True, check=False)
        return done.returncode == 0

    def sql(self, text, database="weir"):
        """Rows as lists of texts, asked as the administrator."""
        return [line.split("\t") for line in call(*self.ask(database), text=text).splitlines()]

    def replica(self, **options):
        return MariaDB(replica_of=self, **options)

    def promote(self):
        self.sql("STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0")

    def read_only(self, is_on=True):
        self.sql(f"SET GLOBAL read_only = {int(is_on)}")

    def empty(self):
        """The database of weir as it was at first."""
        tables = [row[0] for row in self.sql("SHOW TABLES")]
        if tables:
            self.sql(f"SET foreign_key_checks = 0; DROP TABLE {', '.join(tables)}")

    def connections(self, user="weir"):
        """Those of a user, as the server counts them."""
        return int(self.sql(f"SELECT count(*) FROM information_schema.processlist WHERE user = '{user}'")[0][0])

    def url(self, user="weir", secret=SECRET, database="weir", port=None, **more):
        return address("mysql", user, secret, port or self.port, database, more)

    def urls(self):
        yield "url", self.url()
        yield "bench", self.url("bench", "bench", "bench")
        yield "socket", str(self.socket)
