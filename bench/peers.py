"""The servers that bench/protocols measures, and how each is started: in the foreground, one thread, one process that does
the work, with its configuration in a temporary folder. All answer GET /plaintext with the same 13 bytes, which each
has ready in the fastest way that its configuration knows.
"""
import os

from measuring import LOAD_CORE, SERVER_CORE, Failed, Server, build_c, build_go, free_port, output_of

BODY = "Hello, World!"
CONNECTIONS_MAX = 16384

# One process: it ends with its parent, and what it spends is all there is.
NGINX = """
daemon off;
master_process off;
pid {work}/nginx.pid;
error_log stderr error;
worker_rlimit_nofile {most};
events {{ worker_connections {most}; }}
http {{
    access_log off;
    default_type text/plain;
    keepalive_timeout 3600;
    keepalive_requests 1000000000;
    client_body_temp_path {work}/nginx.body;
    proxy_temp_path {work}/nginx.proxy;
    fastcgi_temp_path {work}/nginx.fastcgi;
    uwsgi_temp_path {work}/nginx.uwsgi;
    scgi_temp_path {work}/nginx.scgi;
    {inside}
}}
"""

NGINX_ANSWERS = """
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{h2c} http2;
        listen 127.0.0.1:{tls} ssl http2;
        ssl_certificate {work}/cert.pem;
        ssl_certificate_key {work}/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        location = /plaintext {{ return 200 "{body}"; }}
    }}
"""

NGINX_PASSES = """
    upstream behind {{
        server 127.0.0.1:{to};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{plain};
        location / {{
            proxy_pass http://behind;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
"""

HAPROXY_PASSES = """
global
    maxconn 4096
    nbthread 1
defaults
    mode http
    option forwardfor
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen front
    bind 127.0.0.1:{plain}
    server behind 127.0.0.1:{to}
"""

# A file: its other way without code of one's own, mruby, takes twice the time.
H2O_ANSWERS = """
num-threads: 1
max-connections: {most}
http1-request-timeout: 3600
http2-idle-timeout: 3600
hosts:
  default:
    listen:
      host: 127.0.0.1
      port: {plain}
    listen:
      host: 127.0.0.1
      port: {tls}
      ssl: {{certificate-file: {work}/cert.pem, key-file: {work}/key.pem, ocsp-update-interval: 0}}
    paths:
      /: {{file.dir: {work}/h2o.www}}
"""

# What a load generator offers: one suite, so that no server can choose a dearer one.
OFFERED = """
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = offered
[offered]
Ciphersuites = TLS_AES_128_GCM_SHA256
"""

KEYS = {"P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "RSA-2048": ["-newkey", "rsa:2048"]}


class Peers:
    """Starts servers. Each has its ports in `at`: "plain" and, where it answers itself, "h2c" and "tls"."""

    def __init__(self, build, work, key):
        self.build, self.work = build / "bench", work
        self.cert, self.key = work / "cert.pem", work / "key.pem"
        output_of("openssl", "req", "-x509", *KEYS[key], "-nodes", "-keyout", self.key, "-out", self.cert, "-days", "30",
                  "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        (work / "h2o.www").mkdir()
        (work / "h2o.www" / "plaintext").write_text(BODY)
        work.chmod(0o755)  # who starts h2o as root has it read its file as somebody else
        self.offering = dict(os.environ, OPENSSL_CONF=str(self.written("offered.cnf", OFFERED)))

    def written(self, name, text, **values):
        path = self.work / name
        path.write_text(text.format(work=self.work, most=CONNECTIONS_MAX, **values))
        return path

    def c(self, name, *libraries):
        return build_c(self.build / "anchors", name, *libraries)

    def go(self, name):
        return build_go(self.build / "anchors", name)

    def own(self, name):
        if not (self.build / name).exists():
            raise Failed(f"{name} is not built")
        return self.build / name

    def nginx(self, inside):
        return ["nginx", "-p", self.work, "-e", "stderr", "-c", self.written("nginx.conf", NGINX, inside=inside)]

    def started(self, name, command, at, core=SERVER_CORE):
        server = Server(command, list(at.values()), self.work / f"{name}.log", core)
        server.at = at
        return server

    def start(self, name, is_tls, under=()):
        """A server that answers; ours with TLS only where that is what is measured, since a build may have none."""
        at = {"plain": free_port(), "tls": free_port()}
        at["h2c"] = free_port() if name == "nginx" else at["plain"]
        if name == "nginx":
            command = self.nginx(NGINX_ANSWERS.format(work=self.work, body=BODY, **at))
        elif name == "h2o":
            command = ["h2o", "-c", self.written("h2o.conf", H2O_ANSWERS, **at)]
        else:
            command = [*self.service(name), "--port", at["plain"]]
            if is_tls or name != "weir":
                command += ["--tls-port", at["tls"], "--tls-cert", self.cert, "--tls-key", self.key]
            else:
                del at["tls"]
        return self.started(name, [*under, *command], at)

    def service(self, name):
        """A server of this tree, which take the same options."""
        if name == "go":
            return [self.go("peer"), "serve"]
        return [self.go("gin")] if name == "gin" else [self.own("server"), "--workers", 1]

    def start_limit(self):
        """The fixed reply, on the core of the load: what a client or a proxy asks."""
        at = {"plain": free_port()}
        return self.started("limit", [self.c("limit"), at["plain"]], at, LOAD_CORE)

    def start_proxy(self, name, to):
        at = {"plain": free_port()}
        if name == "nginx":
            command = self.nginx(NGINX_PASSES.format(to=to, **at))
        elif name == "haproxy":
            command = ["haproxy", "-db", "-f", self.written("haproxy.cfg", HAPROXY_PASSES, to=to, **at)]
        else:
            command = [self.own("proxy"), "--port", at["plain"], "--to", to]
        return self.started(f"{name}-proxy", command, at)

    def client(self, name):
        """The start of a command line that asks: --url, --many and --seconds follow."""
        return [self.go("peer"), "fetch"] if name == "go" else [self.own("client")]
