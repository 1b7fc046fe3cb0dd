/*
 * The application: options, listeners, the admin's port, start and drain. It is what main is made
 * of.
 *
 *     int main(int argc, char **argv)
 *     {
 *         weir_app *app = weir_app_new(argc, argv, .name = "hello", .listen = ":8080");
 *         weir_get(app, "/hello/:name", hello);
 *         return weir_app_run(app);
 *     }
 *
 * Every plain value among the options is also an option of the program: `.drain_timeout` is
 * WEIR_DRAIN_TIMEOUT in the environment and --drain-timeout as a flag. A flag wins over the
 * environment, that over the initialiser. All mistakes are shown at once, each with its source.
 */
#ifndef WEIR_APP_H
#define WEIR_APP_H

#include <weir/conf.h>
#include <weir/ctx.h>
#include <weir/fiber.h>
#include <weir/route.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What an application may be given; zero means the default. Limits and time-outs are those of the
 * whole service; a time-out below zero means none, and one of less than a millisecond stops the
 * start (`.stall = 5` is 5 ns: write weir_ms(5)). Strings, `arg` and `options` are kept, not
 * copied: they must live until weir_app_run returns.
 */
typedef struct weir_app_options {
    size_t size;          /* the macro's */
    unsigned built_with;  /* the macro's: WEIR__BUILT_WITH */
    unsigned option_size; /* the macro's: of one of `options` */
    const char *name;     /* of the service, in logs and messages; default: the program's */
    const char *version;  /* for --version; default: Weir's */

    /*
     * Where to serve: ":8080" (default), "127.0.0.1:0", "[::1]:80"; a local socket, whose file is
     * taken away at the end: "unix:/run/shop.sock", with a mode "unix:/run/shop.sock,mode=0660",
     * or "unix:@shop" for a name without a file; "fd:3" is a socket that was inherited and listens.
     * Sockets that systemd hands over (LISTEN_FDS) take the place of both, unless a flag or the
     * environment says otherwise: the one named "admin" is the admin's, the others are for traffic.
     */
    const char *listen;
    const char *admin; /* health, metrics, fibers: "127.0.0.1:6060" (default), or "off" */

    /* Called once in a fiber, before the service listens, with the application's context: opens
     * what lives as long as the service, into what weir_provide named. An error ends the
     * service; its record's message is the line that is shown. */
    weir_fiber_fn start;
    /*
     * Called in a fiber at each SIGHUP while the service is ready, in a context of its own, on the
     * worker that has called `start`, so that what was opened there may be used: reads again what
     * may have changed. One call at a time; may wait. An error is logged, and changes
     * nothing else: keep what you had. NULL: the program has nothing to read again.
     */
    weir_fiber_fn reload;
    /*
     * Called once the service listens, for what is to be said then; `url` is where:
     * "http://127.0.0.1:8080", "unix:/run/shop.sock", borrowed for the call. Must not wait.
     */
    void (*ready)(const char *url, void *arg);
    void *arg;                  /* for these three */
    const weir_option *options; /* options of your own, ended by a zeroed one; borrowed */

    int64_t workers;         /* threads that serve; default: the processors that it may use */
    int64_t offload_threads; /* for work that blocks; default: two a worker, at least 4 */
    const char *log_level;   /* "debug", "info" (default), "warn", "error" */
    bool contain_faults;     /* a null dereference or stack overflow of a handler is a panic */
    bool trap_ended; /* for tests: memory of requests that have ended faults when it is touched, so
                        that what was kept past them is found; slow */

    weir_dur drain_delay;   /* from SIGTERM, which fails readiness, to no longer accepting; 0 s */
    weir_dur drain_timeout; /* then for requests and background work to end; 10 s */
    weir_dur stall;         /* a fiber that runs longer than this is reported; 50 ms */
    weir_dur fd_audit;      /* how often descriptors that belong to nobody are looked for; 30 s */

    weir_dur head_timeout; /* 10 s */
    weir_dur body_timeout; /* 30 s */
    /* For a client to take something, while its answer is sent. 30 s. What it has not taken in this
     * and linger_timeout together the kernel throws away, also after the connection's end. */
    weir_dur write_timeout;
    weir_dur idle_timeout;    /* 75 s */
    weir_dur handler_timeout; /* the deadline of a request's context; 30 s */
    /*
     * For a client to stop sending after its last answer, as one does whose upload was refused;
     * what comes is thrown away, so that the answer reaches it. 30 s, and 5 s of silence; below
     * zero: it is not waited for.
     */
    weir_dur linger_timeout;
    int64_t linger_bytes_max; /* what is thrown away at most; 256 MiB */

    int64_t connections_max; /* 100,000, or what the limit of descriptors allows */
    /*
     * On a connection, the last says "Connection: close"; 10,000. Of HTTP/2 a hundred times as many
     * until GOAWAY.
     */
    int64_t requests_max;
    /*
     * A client that shuts its sending side is not taken to be gone: its request goes on. By default
     * its handler's waits end with WEIR_ECLIENTGONE. Routes and groups may say otherwise.
     */
    bool half_close;
    int64_t head_bytes_max;     /* 16 KiB; at most 65,535 */
    int64_t body_bytes_max;     /* 8 MiB */
    int64_t request_memory_max; /* of a request's context; 64 MiB */
    int64_t fibers_max;         /* in the process; 1,000,000 */
    int64_t detached_max;       /* background work a worker; 1,000 */

    /*
     * HTTPS beside `listen`: "auto" (default), where tls_cert is given; "dev", with a certificate
     * for localhost by an authority that is made for this machine, and a line that says how to
     * trust it; "off". The files are read again at SIGHUP, and looked at every minute; connections
     * that stand keep what they have.
     */
    const char *tls;
    const char *tls_listen;    /* where; as `listen`; ":8443" */
    const char *tls_cert;      /* a certificate, then those that vouch for it (PEM) */
    const char *tls_key;       /* its key (PEM), without a password */
    const char *tls_staple;    /* an answer of OCSP for it (DER), made outside; default: none */
    const char *tls_min;       /* "1.2" (default), "1.3" */
    const char *tls_ciphers;   /* of 1.2, in OpenSSL's words; default: ECDHE with AEAD */
    const char *tls_client;    /* certificates of clients: "none" (default), "ask", "require" */
    const char *tls_client_ca; /* who may have signed them (PEM) */
    const char *tls_dev_dir;   /* the folder in which tls=dev keeps its authority; default: $HOME */

    /* How names are found (<weir/socket.h>); both files are read again after 5 s. */
    const char
        *resolv_conf;  /* "/etc/resolv.conf"; a server may have a port there: "10.0.0.1:5353" */
    const char *hosts; /* "/etc/hosts" */

    /*
     * Peers whose word is taken, as balancers and services of one's own: networks, "10.0.0.0/8,
     * fd00::/8", single addresses, "unix" for those of a local socket; at most 64. Default: nobody.
     * Whoever else sends what follows is not believed.
     */
    const char *trusted;
    /*
     * They begin each connection with a header of HAProxy's PROXY protocol, version 1 or 2, and the
     * connection is from whom that says. One without is closed, with a line in the log.
     */
    bool proxy_protocol;
    /*
     * Where they name the client, whom weir_request_ip and the access log then tell:
     * "x-forwarded-for" (default) or "forwarded" (RFC 7239). One of the two: a proxy that adds to
     * the one passes the other on as the client wrote it.
     */
    const char *client_field;
    /*
     * The header in which they say how many milliseconds of their own deadline are left: 1 to 9
     * digits. The request's deadline is that, where it is earlier than the service's. As weir_http
     * sends it: "Weir-Deadline-Ms" (default); "off": none.
     */
    const char *deadline_header;
} weir_app_options;

/*
 * What weir.pc says when it gives its flags: without them a handler's large frame may step over its
 * stack's guard, a fault runs no clean-ups, and reports have short stacks. No macro of the
 * compiler's tells; weir_app_run warns of a program that was built without.
 */
#ifdef WEIR_CFLAGS
#define WEIR__BUILT_WITH WEIR_CFLAGS
#else
#define WEIR__BUILT_WITH 0
#endif

/**
 * Makes an application: reads its options from the environment and the flags, checks them.
 *
 *     weir_app_new(argc, argv, .name = "shop", .start = open_shop, .arg = &config)
 *
 * argc, argv   main's; borrowed for ever
 * ...          members of weir_app_options
 * returns      the application; never NULL: mistakes are kept for weir_app_run, which shows them
 *              together with those of the routes
 * owner        weir_app_run frees it
 * context      main, once a process
 */
#define weir_app_new(argc, ...) WEIR__APP_NEW(argc, __VA_ARGS__, )
#define WEIR__APP_NEW(argc, argv, ...)                                                             \
    WEIR__CALL(weir_app_new_at, ((argc), (argv)), weir_app_options,                                \
               .built_with = WEIR__BUILT_WITH, .option_size = sizeof(weir_option), __VA_ARGS__)
/** The function behind weir_app_new. */
WEIR_API weir_app *weir_app_new_at(int argc, char **argv,
                                   const weir_app_options *options) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(2, 3);

/**
 * Runs the service until SIGTERM or SIGINT. Then readiness fails; after drain_delay no connection
 * is accepted any more, connections at rest are closed, and what runs may end within drain_timeout;
 * what still runs after that is cancelled and listed. The process is over a second after that,
 * whatever it is stuck in; a second signal ends it at once. SIGHUP has things read again, and
 * SIGUSR2 does nothing yet.
 *
 * app      freed
 * returns  main's exit status: 0 when all that was begun has ended, and nothing is left; 1 when
 *          there were mistakes (all are on standard error) or the start failed; 2 when something
 *          had to be cancelled, or is left. It does not return, and the status is 3, when what was
 *          cancelled did not end; 128 and the signal's number after a second signal
 * context  main
 */
WEIR_API int weir_app_run(weir_app *app) WEIR_MUST_USE WEIR_NONNULL(1);
/* What weir_app_new made ends there; said here, where the compiler knows what that is. */
/* NOLINTNEXTLINE(readability-redundant-declaration) */
weir_app *weir_app_new_at(int argc, char **argv, const weir_app_options *options)
    WEIR_ENDED_BY(weir_app_run);

#ifdef __cplusplus
}
#endif
#endif
