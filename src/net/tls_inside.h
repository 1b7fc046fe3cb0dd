/* What the files of TLS share, and nobody else sees: libssl's types. */
#ifndef WEIR_NET_TLS_INSIDE_H
#define WEIR_NET_TLS_INSIDE_H

#include "net/tls.h"

#if WEIR_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>

#include "os/lock.h"

/* --- tls_context.c: SSL_CTX of what was read -------------------------------------------------- */

/* A pair's files as they were read. The key is wiped at the end. */
struct weir__tls_texts {
    weir_buf chain, key, staple;
};

/* Reads a source whole; nothing for a zeroed one. `what` it is, for the message. */
weir_err weir__tls_read(const struct weir__tls_source *s, const char *what, weir_buf *out,
                        weir_buf *why);
weir_err weir__tls_read_pair(const struct weir__tls_pair *pair, struct weir__tls_texts *out,
                             weir_buf *why);
void weir__tls_texts_fini(struct weir__tls_texts *texts);

/* One of an end with what it may choose in it; NULL: see `why` and `*err`. */
SSL_CTX *weir__tls_context_new(const struct weir__tls_choice *choice, bool is_server, weir_err *err,
                               weir_buf *why);
weir_err weir__tls_use_pair(SSL_CTX *ctx, const struct weir__tls_pair *pair,
                            const struct weir__tls_texts *texts, weir_buf *why);

/* Adds certificates to those that are trusted. At least one. */
weir_err weir__tls_trust(X509_STORE *store, const struct weir__tls_source *from, weir_str pem,
                         weir_buf *why);

/* The protocols as they are sent (RFC 7301): each with its length before it. How many bytes. */
size_t weir__tls_alpn(const char *const *protocols, unsigned char *out, size_t size);

/* A source's name, for messages. */
const char *weir__tls_source_name(const struct weir__tls_source *s);

/* --- tls_names.c: which certificate for which name ------------------------------------------- */

/* Names of certificates, each with the context that serves it. Of one SSL_CTX, which frees it. */
struct weir__tls_names;

struct weir__tls_names *weir__tls_names_new(size_t held_max);

/* A context that lives as long as the table: not that which has the table. Taken over. */
void weir__tls_names_hold(struct weir__tls_names *names, SSL_CTX *ctx);
void weir__tls_names_free(struct weir__tls_names *names);

/* Adds those of a certificate; the first that has a name keeps it. */
weir_err weir__tls_names_add(struct weir__tls_names *names, const X509 *certificate, SSL_CTX *ctx);

/* Exactly that name, else a wildcard of one label (RFC 6125 section 6.4.3); NULL: neither. */
SSL_CTX *weir__tls_names_find(const struct weir__tls_names *names, weir_str name);

/* Calls `see` with each name of a certificate: of its alternative names, else its common name. */
void weir__tls_names_of(const X509 *certificate, void (*see)(weir_str name, void *arg), void *arg);

/* --- tls_server.c, tls_client.c --------------------------------------------------------------- */

/* The running worker's; a reference more on it. NULL: no memory. */
SSL_CTX *weir__tls_server_context(struct weir__tls_server *server);
SSL_CTX *weir__tls_client_context(struct weir__tls_client *client);
bool weir__tls_client_takes_any_name(const struct weir__tls_client *client);

/* For tls_metrics.c: calls `see` with each certificate's name and the days that it has left. */
void weir__tls_each_certificate(void (*see)(const char *name, int64_t days, void *arg), void *arg);

/* Whom a client has connected to; the name is borrowed. */
struct weir__tls_peer {
    weir_str name;
    uint16_t port;
};

/* A session to go on with, or NULL; one of 1.3 is given once (RFC 8446 appendix C.4). */
SSL_SESSION *weir__tls_session_take(struct weir__tls_client *client, struct weir__tls_peer of);

/* Keeps one for later; the reference is taken over. */
void weir__tls_session_keep(struct weir__tls_client *client, struct weir__tls_peer of,
                            SSL_SESSION *session);

/* --- tls_hello.c: what comes first ------------------------------------------------------------ */

/* How far the first message of a server's connection was looked at. Zeroed at first. */
struct weir__tls_hello {
    bool has_begun;
    uint8_t record_at, message_at; /* in the heads of the record and of the message */
    uint16_t record_left;          /* bytes of the record */
    uint32_t length;               /* that the message says to have */
};

/* What it means that these came: WEIR__TLS_WELL, _PLAIN, or _MALFORMED for a hello too large. */
enum weir__tls_failure weir__tls_hello_see(struct weir__tls_hello *h, const char *bytes,
                                           size_t len);

/* --- tls_refusal.c: why ----------------------------------------------------------------------- */

/* What the oldest entry of libcrypto's queue means in a handshake. */
enum weir__tls_failure weir__tls_failure_of(unsigned long error);

/* The name of what the peer said, for an error that is an alert of its; NULL: it is none. */
const char *weir__tls_alert_of(unsigned long error);

/* Appends why a certificate is refused, and whose it is. */
void weir__tls_tell_certificate(X509_STORE_CTX *state, weir_buf *out);

/* --- tls_metrics.c ---------------------------------------------------------------------------- */

enum weir__tls_side { WEIR__TLS_SERVER, WEIR__TLS_CLIENT, WEIR__TLS_SIDES };

struct weir__tls_counts {
    _Atomic uint64_t full, resumed, failures[WEIR__TLS_FAILURES];
};

struct weir__tls_numbers {
    struct weir__tls_counts sides[WEIR__TLS_SIDES];
    _Atomic uint64_t reloads, reloads_refused, in_line;
};
extern struct weir__tls_numbers weir__tls_numbers;

static inline void weir__tls_count(_Atomic uint64_t *n)
{
    atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

/* --- tls.c ------------------------------------------------------------------------------------ */

/* Whom the client of `ssl`, which is in a call now, has connected to. */
struct weir__tls_peer weir__tls_peer_of(const SSL *ssl, struct weir__tls_client **client);

/* One more record has come to the connection in a call. */
void weir__tls_see_record(void);

/* Where a refused certificate of the handshake that goes on is told. */
weir_buf *weir__tls_words(void);

#endif
#endif
