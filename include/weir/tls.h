/*
 * TLS for outgoing connections: whom a client trusts, and what it shows of itself. Made once, as a
 * rule at the start, and used by any number of connections:
 *
 *     weir_tls *tls = weir_tls_new(c, .ca_file = "/etc/shop/ca.pem");
 *     weir_socket *s = weir_dial(c, "db.example:5433", .tls = tls);
 *
 * Certificates are verified and held to the name that was dialled unless it is said otherwise: one
 * of their alternative names must be it (RFC 9525), what the subject says is not looked at. A
 * connection to a server that was there before goes on with its session, which is several times
 * cheaper. In a build without TLS all of it exists, and yields WEIR_ENOTBUILT.
 */
#ifndef WEIR_TLS_H
#define WEIR_TLS_H

#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Whom a client trusts, and its own certificate. */
typedef struct weir_tls weir_tls;

/** What weir_tls_new may be given; zero means the default. Texts are copied. */
typedef struct weir_tls_options {
    size_t size; /* the macro's */
    /*
     * A file of certificates (PEM) to be trusted, and no others; default: the system's, or those of
     * SSL_CERT_FILE and SSL_CERT_DIR.
     */
    const char *ca_file;
    const char *cert_file;   /* the client's own, with what vouches for it (PEM), if it is asked */
    const char *key_file;    /* of that certificate (PEM), without a password */
    const char *min;         /* "1.2" (default), "1.3": versions below are refused */
    const char *ciphers;     /* of 1.2, in OpenSSL's words; default: ECDHE with AEAD */
    const char *suites;      /* of 1.3; default: OpenSSL's */
    const char *const *alpn; /* protocols to be offered (RFC 7301), best first, NULL at the end */
    /*
     * Whoever answers is believed, so anybody on the way may read and change what is sent: for a
     * test against a server that has no certificate worth the name.
     */
    bool unverified;
} weir_tls_options;

/**
 * Reads the files, checks them, and keeps what connections need.
 *
 * c        its owner: the application's context for one that all workers use
 * ...      members of weir_tls_options
 * returns  never NULL. Where something was wrong each weir_dial with it fails with that error, and
 *          the error record has one line with the file and what is wrong: -ENOENT …,
 *          WEIR_EINVALID, -ENOMEM, WEIR_ENOTBUILT
 * owner    the context; connections that stand go on without it
 * context  fiber; blocks for the files: for the start
 */
#define weir_tls_new(...) WEIR__TLS_NEW(__VA_ARGS__, )
#define WEIR__TLS_NEW(c, ...)                                                                      \
    WEIR__CALL(weir_tls_new_at, (WEIR_HERE, (c)), weir_tls_options, __VA_ARGS__)
/** The function behind weir_tls_new. */
WEIR_API weir_tls *weir_tls_new_at(const weir_site *site, weir_ctx *c,
                                   const weir_tls_options *options) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(2, 3);

/** The error that weir_tls_new has met, and that every weir_dial with it returns; else WEIR_OK. */
WEIR_API weir_err weir_tls_err(const weir_tls *tls) WEIR_NONNULL(1);

#ifdef __cplusplus
}
#endif
#endif
