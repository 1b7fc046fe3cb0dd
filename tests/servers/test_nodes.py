"""A database of two servers, a primary and a replica that follows it: which of them answers, by what they say
themselves; the replica is killed and comes back, the primary is killed and the replica promoted."""
import os
import pathlib
import subprocess
import time

import pytest
from place import PATIENCE, SECRET, until

PROGRAM = pathlib.Path(os.environ["WEIR_BUILD"]) / "tests" / "servers-nodes"
PORT = {"postgres": "SELECT inet_server_port()::int8", "mariadb": "SELECT @@port"}
SCHEME = {"postgres": "postgres", "mariadb": "mysql"}


class Client:
    """The program of nodes.c."""

    def __init__(self, servers):
        self.port = PORT[servers[0].name]
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        url = f"{SCHEME[servers[0].name]}://weir:{SECRET}@{hosts}/weir"
        self.process = subprocess.Popen([PROGRAM, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.answer() == "ok"

    def answer(self):
        line = self.process.stdout.readline()
        assert line, f"it ended, with {self.process.wait()}"
        return line.strip()

    def __call__(self, words):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        return self.answer()

    def reads(self, count=10):
        """The ports that have answered, or the error."""
        said = self(f"read {self.port} {count}")
        return said if said.startswith("error") else set(map(int, said.split()))

    def write(self):
        return self("write")

    def both(self):
        return int(self(f"both {self.port}"))

    def pools(self):
        """By port: what is known of the node, in use, open."""
        found = {}
        for pool in self("leases").split(";"):
            name, note, in_use, open_ = pool.split("|")
            if not name.endswith("kills"):
                found[int(name.rpartition(":")[2])] = (note, int(in_use), int(open_))
        return found

    def agrees(self, server):
        """What it has open at a server, and what that one counts."""
        _, in_use, open_ = self.pools()[server.port]
        return in_use == 0 and server.connections() == open_

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_primary_and_a_replica(request, kind):
    make = request.getfixturevalue(f"own_{kind}")
    primary = make()
    primary.sql("CREATE TABLE weir_nodes(n INT)" + ("; ALTER TABLE weir_nodes OWNER TO weir" * (kind == "postgres")))
    replica = make(**{"standby_of" if kind == "postgres" else "replica_of": primary})
    count = "SELECT count(*) FROM weir_nodes"

    def has_all():
        with_table = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'weir_nodes'"
        return replica.sql(with_table) != [["0"]] and replica.sql(count) == primary.sql(count)

    until(has_all, "the replica does not follow")
    client = Client([replica, primary])  # their order says nothing

    # Who is who.
    assert client.write() == "ok"
    until(lambda: client.reads() == {replica.port}, "reads do not go to the replica")
    assert client.both() == primary.port, "a request does not read what it has written"
    assert client.reads() == {replica.port}
    pools = client.pools()
    assert pools[primary.port][0] == "primary" and pools[replica.port][0].startswith("replica, "), pools
    until(has_all, "the replica does not follow")

    # Without the replica the primary reads. What reaches it while its processes end breaks, and is told; then nobody
    # notices.
    replica.kill()
    until(lambda: client.reads(4) == {primary.port}, "reads do not go to the primary")
    for _ in range(5):
        assert client.reads(4) == {primary.port}
    assert client.write() == "ok"
    until(lambda: client.agrees(primary), "connections that one has and the other has not")
    replica.start()
    until(lambda: client.reads() == {replica.port}, "reads do not come back to the replica")
    until(has_all, "the replica does not follow")

    # Without the primary writes fail at once, and reads go on.
    primary.kill()
    until(lambda: "no primary is up" in client.write(), "writes go somewhere")
    began = time.monotonic()
    for _ in range(10):
        assert "no primary is up" in client.write()
    assert time.monotonic() - began < PATIENCE / 6, "writes wait"
    assert client.reads() == {replica.port}
    replica.promote()
    until(lambda: client.write() == "ok", "the new primary is not found")
    until(lambda: client.pools()[replica.port][0] == "primary", "it is not known who the primary is")
    assert client.reads() == {replica.port} and client.both() == replica.port
    until(lambda: client.agrees(replica), "connections that one has and the other has not")
    assert int(replica.sql(count)[0][0]) >= 4
    client.close()
    until(lambda: replica.connections() == 0, "something stays")
