/*
 * HMAC as RFC 2104 section 2 writes it, over this room's digests: H(K ^ opad, H(K ^ ipad, text)).
 * libcrypto has it ready (EVP_MAC), but looks the digest up under its locks for each context,
 * copies the key, and takes twelve pieces of memory for a code; this takes the two of its digests
 * and a third of the time (bench/RESULTS.md). What is derived from the key is wiped.
 */
#include "crypto/hmac.h"

#include <string.h>

#include "crypto/secret.h"

enum { INNER = 0x36, OUTER = 0x5c };

/* A hash that begins with the block, each byte of which has been changed by `mask`. */
static void begin(struct weir__crypto_hash *h, enum weir__crypto_kind kind, unsigned char *block,
                  unsigned char mask)
{
    size_t n = weir__crypto_block_bytes(kind);
    for (size_t i = 0; i < n; i++)
        block[i] ^= mask;
    weir__crypto_hash_begin(h, kind);
    weir__crypto_hash_add(h, block, n);
}

/* The key in a block, filled up with zeroes; one that does not fit is digested first. */
static weir_err set_key(enum weir__crypto_kind kind, weir_str key, unsigned char *block)
{
    memset(block, 0, WEIR__CRYPTO_BLOCK_BYTES_MAX);
    if (key.len > weir__crypto_block_bytes(kind))
        return weir__crypto_digest(kind, &key, 1, block);
    if (key.len > 0)
        memcpy(block, key.ptr, key.len);
    return WEIR_OK;
}

weir_err weir__crypto_hmac(enum weir__crypto_kind kind, weir_str key, const weir_str *pieces,
                           size_t count, unsigned char *out)
{
    unsigned char block[WEIR__CRYPTO_BLOCK_BYTES_MAX], inner[WEIR__CRYPTO_DIGEST_BYTES_MAX];
    size_t n = weir__crypto_digest_bytes(kind);
    struct weir__crypto_hash h;
    weir_err err = set_key(kind, key, block);
    if (err == WEIR_OK) {
        begin(&h, kind, block, INNER);
        for (size_t i = 0; i < count; i++)
            weir__crypto_hash_add(&h, pieces[i].ptr, pieces[i].len);
        err = weir__crypto_hash_end(&h, inner);
    }
    if (err == WEIR_OK) {
        begin(&h, kind, block, INNER ^ OUTER); /* the inner mask comes off */
        weir__crypto_hash_add(&h, inner, n);
        err = weir__crypto_hash_end(&h, out);
    }
    if (err < 0)
        memset(out, 0, n);
    weir__crypto_wipe(block, sizeof block);
    weir__crypto_wipe(inner, sizeof inner);
    return err;
}
