/* Keys from passwords (PBKDF2 with HMAC, RFC 8018 section 5.2): SCRAM, stored passwords. */
#ifndef WEIR_CRYPTO_PBKDF2_H
#define WEIR_CRYPTO_PBKDF2_H

#include "crypto/digest.h"

enum {
    WEIR__CRYPTO_PBKDF2_ITERATIONS_MAX = 1000000, /* a quarter of a second of a core for SHA-256 */
    WEIR__CRYPTO_PBKDF2_BYTES_MAX = 64
};

/*
 * Has PBKDF2 ready, as weir__crypto_require has digests, and with the same errors. Once, when what
 * needs it is opened.
 */
WEIR_MUST_USE weir_err weir__crypto_pbkdf2_require(weir_buf *why);

/* Views are read during the call. */
struct weir__crypto_pbkdf2 {
    enum weir__crypto_kind kind;
    weir_str password, salt;
    uint32_t iterations; /* 1 to WEIR__CRYPTO_PBKDF2_ITERATIONS_MAX */
};

/*
 * Derives `n` bytes, 1 to WEIR__CRYPTO_PBKDF2_BYTES_MAX, into `out`.
 *
 * It computes and does not return before: 4,096 iterations of SHA-256, SCRAM's least, are a
 * millisecond of a core, and as much again for each further digest's length in `n`. A worker would
 * stand still meanwhile: callers that run on one give it to the offload pool (weir_offload). The
 * number of iterations comes from the peer in SCRAM: hold it against a maximum of your own where
 * yours is lower.
 *
 * Errors: WEIR_ELIMIT for iterations or `n` outside of what is allowed, -ENOMEM, -ENOTSUP; `out` is
 * zeroes then, and `why`, unless NULL, gets a sentence.
 */
WEIR_MUST_USE weir_err weir__crypto_pbkdf2(const struct weir__crypto_pbkdf2 *p, unsigned char *out,
                                           size_t n, weir_buf *why);

#endif
