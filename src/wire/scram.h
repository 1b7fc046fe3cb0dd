/*
 * SCRAM-SHA-256 and -PLUS, the client's end (RFC 5802, RFC 7677; channel binding by RFC 5929): four
 * messages, of which two are read here and two written. Who uses it carries them, and derives the
 * key in between, which takes a millisecond and belongs on another thread.
 *
 *     begin ─ first ─▸ server ─ challenge ─ (PBKDF2) ─ final ─▸ server ─ verify
 *
 * Names and passwords are taken as they are: SASLprep (RFC 4013) changes nothing in ASCII; others
 * have to be normalised already.
 */
#ifndef WEIR_WIRE_SCRAM_H
#define WEIR_WIRE_SCRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/buf.h>

enum {
    WEIR__SCRAM_KEY_BYTES = 32,
    WEIR__SCRAM_NONCE_BYTES = 18, /* of chance; its text has a third more */
    WEIR__SCRAM_NONCE_TEXT = 24,
    WEIR__SCRAM_NONCE_MAX = 256, /* of both ends' together */
    WEIR__SCRAM_SALT_MAX = 256,
    WEIR__SCRAM_BINDING_MAX = 64,
    WEIR__SCRAM_MESSAGE_MAX = 1024, /* of the server's */
    WEIR__SCRAM_ITERATIONS_MAX = 1000000
};

/* What the client says of channel binding (RFC 5802, 7: gs2-cbind-flag). */
enum weir__scram_binding {
    WEIR__SCRAM_UNBOUND,   /* 'n': it could not */
    WEIR__SCRAM_UNOFFERED, /* 'y': it could, and the server did not offer it */
    WEIR__SCRAM_BOUND      /* 'p': to the server's certificate (tls-server-end-point) */
};

struct weir__scram {
    enum weir__scram_binding binding;
    uint8_t bound_to[WEIR__SCRAM_BINDING_MAX];
    size_t bound_to_len;
    char nonce[WEIR__SCRAM_NONCE_MAX]; /* the client's, then both ends' */
    size_t nonce_len;
    uint8_t salt[WEIR__SCRAM_SALT_MAX];
    size_t salt_len;
    uint32_t iterations;
    char challenge[WEIR__SCRAM_MESSAGE_MAX]; /* the server's first message, as it came */
    size_t challenge_len;
    uint8_t server_signature[WEIR__SCRAM_KEY_BYTES];
    uint8_t state;
};

/* `binding`: the certificate's digest of BOUND, at most WEIR__SCRAM_BINDING_MAX bytes. */
void weir__scram_begin(struct weir__scram *s, const uint8_t nonce[WEIR__SCRAM_NONCE_BYTES],
                       enum weir__scram_binding kind, weir_str binding);

/* Appends the first message, in which PostgreSQL wants no name. */
void weir__scram_first(struct weir__scram *s, weir_buf *out);

/*
 * Reads the server's first message: salt and iterations are set then. WEIR_EPROTO: it is none, or
 * its nonce does not go on from ours; WEIR_ELIMIT: more iterations than allowed. `why` gets a
 * constant text.
 */
WEIR_MUST_USE weir_err weir__scram_challenge(struct weir__scram *s, weir_str message,
                                             const char **why);

/*
 * Appends the last message, which proves the password; `salted` is PBKDF2 with SHA-256 of it, salt
 * and iterations. -ENOMEM, -ENOTSUP of the digests.
 */
WEIR_MUST_USE weir_err weir__scram_final(struct weir__scram *s,
                                         const uint8_t salted[WEIR__SCRAM_KEY_BYTES],
                                         weir_buf *out);

/*
 * Reads the server's last message: WEIR_OK only when it proves that the server knows the password's
 * key too. Else WEIR_EPROTO, with a constant text.
 */
WEIR_MUST_USE weir_err weir__scram_verify(struct weir__scram *s, weir_str message,
                                          const char **why);

/* Wipes what it holds. */
void weir__scram_fini(struct weir__scram *s);

#endif
