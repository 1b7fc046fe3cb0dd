/*
 * TLS 1.2 and 1.3, both ends, as a layer on a stream (RFC 8446, RFC 5246). What an end is made of
 * is a configuration: a server's certificates, or whom a client trusts. A layer is put on an
 * attached stream; the handshake goes on step by step, without a wait, or in a fiber; from then on
 * the stream's own calls receive and send.
 *
 * Nothing of the library behind it (OpenSSL 3, libssl) shows here, so that another can take its
 * place. In a build without it every call that makes something returns WEIR_ENOTBUILT.
 *
 * T1: sealed bytes leave the worker's buffer before another connection is served: it is empty
 *     between two calls.
 * T2: what a set of certificates was published for never changes; who has it keeps it.
 * T3: a key of tickets seals for as long as it is the newest, and opens while it is kept.
 */
#ifndef WEIR_NET_TLS_H
#define WEIR_NET_TLS_H

#include "net/stream.h"
#include <weir/buf.h>
#include <weir/str.h>

struct weir__metrics;
struct weir__metric_sink;

enum { WEIR__TLS_NAMES_MAX = 256, WEIR__TLS_FILE_BYTES_MAX = 4 << 20 };

/* --- configurations --------------------------------------------------------------------------- */

/* PEM text: a file's, or bytes. Zeroed: none. A server's configuration borrows it, while it is. */
struct weir__tls_source {
    const char *file;
    weir_str bytes; /* when `file` is NULL */
};

/* A certificate with what it is used with. */
struct weir__tls_pair {
    struct weir__tls_source chain;  /* its own first, then those that vouch for it */
    struct weir__tls_source key;    /* without a password */
    struct weir__tls_source staple; /* an answer of OCSP (RFC 6960), DER; zeroed: none */
};

enum weir__tls_version { WEIR__TLS_ANY, WEIR__TLS_1_2, WEIR__TLS_1_3 };

/* What both ends may choose; zeroed: the defaults. Borrowed as sources are. */
struct weir__tls_choice {
    enum weir__tls_version version_min, version_max; /* any: 1.2, 1.3 */
    const char *ciphers;     /* of 1.2, as OpenSSL names them; default: ECDHE with AEAD */
    const char *suites;      /* of 1.3; default: OpenSSL's */
    const char *const *alpn; /* protocols, best first, NULL at the end; NULL: it is not asked for */
};

enum weir__tls_ask { WEIR__TLS_ASK_NOBODY, WEIR__TLS_ASK, WEIR__TLS_REQUIRE };

struct weir__tls_server_options {
    struct weir__tls_choice choice;
    const struct weir__tls_pair *pairs; /* borrowed; the first serves who names none of them */
    size_t pair_count;                  /* 1 and more */
    enum weir__tls_ask clients;         /* for a certificate of theirs */
    struct weir__tls_source client_ca;  /* who may have signed it */
    unsigned workers;                   /* of the runtime */
};

struct weir__tls_server;

/*
 * Reads all that the options name; a mistake is one line in `why`. Blocks for the files. The
 * configuration ends after the last weir__tls_accept; connections may go on without it.
 */
weir_err weir__tls_server_new(const struct weir__tls_server_options *o,
                              struct weir__tls_server **out, weir_buf *why);
void weir__tls_server_free(struct weir__tls_server *server);

/*
 * Reads them again: what has changed (`*is_new`) serves every connection accepted from then on, on
 * all workers; those that stand keep what they have. On an error what was there stays. Blocks for
 * the files; one call at a time.
 */
weir_err weir__tls_server_reload(struct weir__tls_server *server, bool *is_new, weir_buf *why);

/*
 * From then on it is read again when that is asked for (rt/reload.h), and looked at every minute,
 * by a fiber of `c`, which ends before the configuration. One at a time. Fiber.
 */
weir_err weir__tls_server_watch(struct weir__tls_server *server, weir_ctx *c);

struct weir__tls_client_options {
    struct weir__tls_choice choice;
    bool is_unverified;         /* whoever answers is believed: for tests of others */
    bool takes_any_name;        /* of a certificate that is trusted: PostgreSQL's "verify-ca" */
    struct weir__tls_source ca; /* whom it trusts; zeroed: the system's store */
    struct weir__tls_pair own;  /* its certificate, for servers that ask; zeroed: none */
};

struct weir__tls_client;

/*
 * As a server's, but what is pointed to is read during the call, or copied. It is shared by
 * workers, and remembers sessions, to go on with them (1.2, 1.3).
 */
weir_err weir__tls_client_new(const struct weir__tls_client_options *o,
                              struct weir__tls_client **out, weir_buf *why);
struct weir__tls_client *weir__tls_client_ref(struct weir__tls_client *client);
void weir__tls_client_unref(struct weir__tls_client *client); /* NULL is allowed */

/* --- connections ------------------------------------------------------------------------------ */

/* Puts the layer on an attached stream, as the server's end. Sends nothing yet. */
weir_err weir__tls_accept(struct weir__stream *s, struct weir__tls_server *server);

/*
 * The same as the client's end. `name`: the server's, which its certificate must have; a host's
 * name, which is told to it (SNI), or an address. `port`: where it serves, 0 for a path: sessions
 * are remembered by both, for another server may have the same name at another port.
 */
weir_err weir__tls_connect(struct weir__stream *s, struct weir__tls_client *client, weir_str name,
                           uint16_t port);

/*
 * Of a client's end before its handshake: it offers these protocols (RFC 7301), best first, NULL at
 * the end, and not the configuration's. -ENOMEM; WEIR_EINVALID for what may not be offered.
 */
weir_err weir__tls_offer(struct weir__stream *s, const char *const *alpn);

/*
 * Goes on with the handshake as far as that takes no wait: WEIR_OK when it is over, -EAGAIN while
 * the peer, or room (weir__stream_has_unsent), is waited for, else why it failed: WEIR_ETLS,
 * WEIR_EPROTO for what is no TLS, -errno of the socket, -ENOMEM. `why` gets a line; may be NULL.
 */
weir_err weir__tls_handshake(struct weir__stream *s, weir_buf *why);

/* The same, waiting in `c` up to `until`. Fiber. */
weir_err weir__tls_await_handshake(struct weir__ctx *c, struct weir__stream *s, weir_time until,
                                   weir_buf *why);

/* What went wrong; counted in the metrics by these. */
enum weir__tls_failure {
    WEIR__TLS_WELL,
    WEIR__TLS_PLAIN,          /* a plain request came: text where a record should begin */
    WEIR__TLS_CUT,            /* the connection ended without a farewell (RFC 8446 section 6.1) */
    WEIR__TLS_MALFORMED,      /* what came is no TLS, or breaks its rules */
    WEIR__TLS_VERSION,        /* no version in common */
    WEIR__TLS_CIPHER,         /* no cipher, group or signature in common */
    WEIR__TLS_PROTOCOL,       /* no protocol in common (ALPN, RFC 7301) */
    WEIR__TLS_CERTIFICATE,    /* the peer's is refused */
    WEIR__TLS_NO_CERTIFICATE, /* the peer has none, and needs one */
    WEIR__TLS_REFUSED,        /* the peer says so, by an alert */
    WEIR__TLS_OTHER,          /* memory, the socket */
    WEIR__TLS_FAILURES
};
const char *weir__tls_failure_name(enum weir__tls_failure f);

/* Of a stream with the layer on it. */
enum weir__tls_failure weir__tls_failure(const struct weir__stream *s);

/* Is it TLS? Not before it was put on, nor after it was stripped off. */
bool weir__tls_is_on(const struct weir__stream *s);

/* What is known of a connection once its handshake is over. Borrowed from it. */
struct weir__tls_facts {
    const char *version;              /* "TLSv1.3" */
    const char *cipher;               /* "TLS_AES_128_GCM_SHA256" */
    weir_str alpn;                    /* what was agreed on; absent: nothing was */
    weir_str name;                    /* that the client asked for (SNI); absent: none */
    bool is_resumed, has_certificate; /* of the peer */
};
void weir__tls_facts(const struct weir__stream *s, struct weir__tls_facts *out);

/* Appends whose certificate the peer has shown, as RFC 2253 writes it; nothing when it has none. */
void weir__tls_peer_subject(const struct weir__stream *s, weir_buf *out);

/*
 * What a client binds its authentication to (RFC 5929 section 4, tls-server-end-point): the digest
 * of the server's certificate, by the hash that it is signed with, SHA-256 for the two that are
 * broken. Its bytes, in `out`; 0: there is none (no certificate, a signature without a hash).
 */
enum { WEIR__TLS_END_POINT_MAX = 64 };
size_t weir__tls_end_point(const struct weir__stream *s,
                           unsigned char out[WEIR__TLS_END_POINT_MAX]);

/* Gives back the buffers of a connection at rest; they come again with the next byte. */
void weir__tls_rest(struct weir__stream *s);

/* --- handshakes in line ----------------------------------------------------------------------- */

/* A handshake costs what a hundred requests do: who is served already comes in between. */
#define WEIR__TLS_BEGUN_MAX 8 /* handshakes in a turn of a worker; the rest stand in line */

/* In line while its handshake may not begin; leaves it with its owner. Zeroed: not in it. */
struct weir__tls_place {
    struct weir__list link;
    void (*begin)(struct weir__tls_place *place);
};

/*
 * May a handshake begin now? False: it is in line, and `begin` will be called in a later turn, on
 * the worker's own stack.
 */
bool weir__tls_may_begin(struct weir__tls_place *place,
                         void (*begin)(struct weir__tls_place *place));
void weir__tls_leave_line(struct weir__tls_place *place); /* idempotent */

/* --- metrics ---------------------------------------------------------------------------------- */

/* Adds handshakes, failures, reloads and the days that certificates have left. */
void weir__tls_metrics(struct weir__metrics *to);

#endif
