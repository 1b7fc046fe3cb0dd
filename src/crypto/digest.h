/*
 * Digests: MD5 and SHA-1, which old protocols ask for and nothing new may, and SHA-2. In one call,
 * or piece by piece.
 *
 * There is one error that a caller can meet once weir__crypto_require has had no complaint:
 * -ENOMEM. It is kept until the end, where it is read, and the digest is zeroes then.
 */
#ifndef WEIR_CRYPTO_DIGEST_H
#define WEIR_CRYPTO_DIGEST_H

#include <weir/buf.h>

enum weir__crypto_kind {
    WEIR__CRYPTO_MD5,    /* RFC 1321: PostgreSQL's "md5" passwords, and nothing else */
    WEIR__CRYPTO_SHA1,   /* FIPS 180-4: WebSocket's accept, mysql_native_password, OAEP */
    WEIR__CRYPTO_SHA256, /* FIPS 180-4, RFC 6234, as the next two */
    WEIR__CRYPTO_SHA384,
    WEIR__CRYPTO_SHA512,
    WEIR__CRYPTO_KINDS
};

/* Bytes of a digest, of the longest one, and of the longest block that one works on. */
enum {
    WEIR__CRYPTO_MD5_BYTES = 16,
    WEIR__CRYPTO_SHA1_BYTES = 20,
    WEIR__CRYPTO_SHA256_BYTES = 32,
    WEIR__CRYPTO_SHA384_BYTES = 48,
    WEIR__CRYPTO_SHA512_BYTES = 64,
    WEIR__CRYPTO_DIGEST_BYTES_MAX = 64,
    WEIR__CRYPTO_BLOCK_BYTES_MAX = 128
};
size_t weir__crypto_digest_bytes(enum weir__crypto_kind kind);
size_t weir__crypto_block_bytes(enum weir__crypto_kind kind);

/* "SHA-256", for messages. */
const char *weir__crypto_kind_name(enum weir__crypto_kind kind);

/*
 * Has it ready. -ENOTSUP: libcrypto does not offer it as the machine is configured (openssl.cnf may
 * allow FIPS' choice alone, without MD5), -ENOMEM; `why`, unless NULL, gets a sentence then.
 *
 * Once, when what needs it is opened: the process' first call has libcrypto read its configuration
 * and takes about a millisecond. Digests do it by themselves when they must.
 */
WEIR_MUST_USE weir_err weir__crypto_require(enum weir__crypto_kind kind, weir_buf *why);

/*
 * The digest of all pieces, one behind the other, into weir__crypto_digest_bytes(kind) bytes of
 * `out`, which may be one of the pieces. -ENOMEM, -ENOTSUP: `out` is zeroes.
 */
WEIR_MUST_USE weir_err weir__crypto_digest(enum weir__crypto_kind kind, const weir_str *pieces,
                                           size_t count, unsigned char *out);

/* A digest that grows. Of one thread at a time; it may be ended on another than it was begun on. */
struct weir__crypto_hash {
    struct evp_md_ctx_st *state; /* libcrypto's; NULL: ended, or never begun */
    enum weir__crypto_kind kind;
    weir_err err;
};

/*
 * Begins; what goes wrong is told at the end. It holds memory of libcrypto's from here to
 * weir__crypto_hash_end or weir__crypto_hash_fini. A fiber that waits in between must see to that,
 * as with all that it owns.
 */
void weir__crypto_hash_begin(struct weir__crypto_hash *h, enum weir__crypto_kind kind);
void weir__crypto_hash_add(struct weir__crypto_hash *h, const void *bytes, size_t n);

/* The digest, into `out`. Ends the hash, whatever the result. Errors as weir__crypto_digest. */
WEIR_MUST_USE weir_err weir__crypto_hash_end(struct weir__crypto_hash *h, unsigned char *out);

/* Ends it without a result. Nothing happens to one that has ended, or is zeroed. */
void weir__crypto_hash_fini(struct weir__crypto_hash *h);

#endif
