/*
 * Encrypting for the holder of an RSA key: how a password goes to a MySQL server without TLS
 * (caching_sha2_password, full authentication). The key is a stranger's: whoever stands between can
 * put his own there, so a key that was given by configuration is better than one that was asked
 * for.
 */
#ifndef WEIR_CRYPTO_RSA_H
#define WEIR_CRYPTO_RSA_H

#include <weir/buf.h>

enum {
    WEIR__CRYPTO_RSA_PEM_BYTES_MAX = 16384,
    WEIR__CRYPTO_RSA_BITS_MIN = 2048, /* NIST SP 800-131A: less is no protection any more */
    WEIR__CRYPTO_RSA_BITS_MAX = 8192, /* what this takes is a third of a millisecond */
    WEIR__CRYPTO_RSA_BYTES_MAX = WEIR__CRYPTO_RSA_BITS_MAX / 8
};

/* A public key. Read only, by any number of threads; its end is its owner's business. */
struct weir__crypto_rsa {
    struct evp_pkey_st *key; /* libcrypto's; NULL: none */
    size_t bytes;            /* of its modulus, and of what it encrypts */
};

/*
 * Reads the first block of a PEM text (RFC 7468), which must be a PUBLIC KEY. What stands before
 * and behind it is skipped, as openssl does.
 *
 * Errors: WEIR_EINVALID for what is no such text or no such key, WEIR_ETOOLARGE past
 * WEIR__CRYPTO_RSA_PEM_BYTES_MAX, WEIR_ELIMIT for a modulus that is shorter or longer than allowed
 * or an exponent that is not an odd number from 3 up, of at most 64 bits; -ENOMEM. `k` is zeroed
 * then, and `why`, unless NULL, gets a sentence.
 */
WEIR_MUST_USE weir_err weir__crypto_rsa_init(struct weir__crypto_rsa *k, weir_str pem,
                                             weir_buf *why);

/* Frees it. A zeroed one is none. */
void weir__crypto_rsa_fini(struct weir__crypto_rsa *k);

/*
 * Encrypts `message` with OAEP (RFC 8017 section 7.1; SHA-1 and MGF1 with SHA-1, no label: what
 * MySQL asks for) into k->bytes bytes of `out`; each time they are others. 50 to 300 microseconds:
 * it need not be offloaded.
 *
 * Errors: WEIR_ETOOLARGE for a message of more than k->bytes - 42 bytes, -ENOMEM, -ENOTSUP where
 * libcrypto refuses the key; `out` is zeroes then, and `why`, unless NULL, gets a sentence.
 */
WEIR_MUST_USE weir_err weir__crypto_rsa_encrypt(const struct weir__crypto_rsa *k, weir_str message,
                                                unsigned char *out, weir_buf *why);

#endif
