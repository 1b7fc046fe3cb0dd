/*
 * PBKDF2 by libcrypto's EVP_KDF. Fetched once for the process; what is derived is set for each
 * call, so nothing of a password is kept. libcrypto copies password and salt, and wipes them.
 */
#include "crypto/pbkdf2.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "crypto/refusal.h"

static _Atomic(EVP_KDF *) fetched;

/* As for digests: whoever comes first publishes (C3). */
static EVP_KDF *kdf(void)
{
    EVP_KDF *theirs = NULL, *mine = atomic_load_explicit(&fetched, memory_order_acquire);
    if (mine != NULL)
        return mine;
    mine = EVP_KDF_fetch(NULL, "PBKDF2", NULL);
    if (mine == NULL || atomic_compare_exchange_strong_explicit(
                            &fetched, &theirs, mine, memory_order_release, memory_order_acquire))
        return mine;
    EVP_KDF_free(mine);
    return theirs;
}

weir_err weir__crypto_pbkdf2_require(weir_buf *why)
{
    if (weir__alloc_pretend())
        return weir__crypto_refuse(-ENOMEM, why, "PBKDF2: out of memory");
    weir__crypto_forget();
    return kdf() != NULL ? WEIR_OK : weir__crypto_refused(-ENOTSUP, "PBKDF2", why);
}

/* libcrypto's parameters point to what is only read; their type does not say so. */
static OSSL_PARAM bytes(const char *key, weir_str s)
{
    return OSSL_PARAM_construct_octet_string(key, (void *)(uintptr_t)s.ptr, s.len);
}

static weir_err derive(const struct weir__crypto_pbkdf2 *p, unsigned char *out, size_t n,
                       weir_buf *why)
{
    unsigned iterations = p->iterations;
    int is_pkcs5 = 1; /* without the minima of SP 800-132, which old protocols are below */
    char *kind = (char *)(uintptr_t)weir__crypto_kind_name(p->kind);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, kind, 0),
        bytes(OSSL_KDF_PARAM_PASSWORD, p->password),
        bytes(OSSL_KDF_PARAM_SALT, p->salt),
        OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ITER, &iterations),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &is_pkcs5),
        OSSL_PARAM_construct_end(),
    };
    weir__crypto_forget();
    EVP_KDF *how = kdf();
    EVP_KDF_CTX *state = how != NULL ? EVP_KDF_CTX_new(how) : NULL;
    weir_err err = WEIR_OK;
    if (state == NULL || EVP_KDF_derive(state, out, n, params) != 1)
        err = weir__crypto_refused(-ENOTSUP, "PBKDF2", why);
    EVP_KDF_CTX_free(state);
    return err;
}

static weir_err check(const struct weir__crypto_pbkdf2 *p, size_t n, weir_buf *why)
{
    if (p->iterations < 1 || p->iterations > WEIR__CRYPTO_PBKDF2_ITERATIONS_MAX)
        return weir__crypto_refuse(WEIR_ELIMIT, why, "PBKDF2: %u iterations; allowed: 1 to %d",
                                   p->iterations, WEIR__CRYPTO_PBKDF2_ITERATIONS_MAX);
    if (n < 1 || n > WEIR__CRYPTO_PBKDF2_BYTES_MAX)
        return weir__crypto_refuse(WEIR_ELIMIT, why, "PBKDF2: %zu bytes; allowed: 1 to %d", n,
                                   WEIR__CRYPTO_PBKDF2_BYTES_MAX);
    if (weir__alloc_pretend())
        return weir__crypto_refuse(-ENOMEM, why, "PBKDF2: out of memory");
    return WEIR_OK;
}

weir_err weir__crypto_pbkdf2(const struct weir__crypto_pbkdf2 *p, unsigned char *out, size_t n,
                             weir_buf *why)
{
    weir_err err = check(p, n, why);
    if (err == WEIR_OK)
        err = derive(p, out, n, why);
    if (err < 0)
        memset(out, 0, n);
    return err;
}
