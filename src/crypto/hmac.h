/* Keyed codes (HMAC, RFC 2104): SCRAM, JWT's HS256 to HS512, signed cookies. */
#ifndef WEIR_CRYPTO_HMAC_H
#define WEIR_CRYPTO_HMAC_H

#include "crypto/digest.h"

/*
 * The code of all pieces, one behind the other, under `key`, of any length: as many bytes of `out`
 * as the digest has. `out` may be the key or one of the pieces. -ENOMEM, -ENOTSUP: `out` is zeroes.
 *
 * A code that came from outside is compared with weir__crypto_equal, never with memcmp.
 */
WEIR_MUST_USE weir_err weir__crypto_hmac(enum weir__crypto_kind kind, weir_str key,
                                         const weir_str *pieces, size_t count, unsigned char *out);

#endif
