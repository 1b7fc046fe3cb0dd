/* Comparing and wiping, by the functions that libcrypto has for it. */
#include "crypto/secret.h"

#include <openssl/crypto.h>

bool weir__crypto_equal(weir_str a, weir_str b)
{
    return a.len == b.len && CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0;
}

void weir__crypto_wipe(void *bytes, size_t n)
{
    OPENSSL_cleanse(bytes, n);
}
