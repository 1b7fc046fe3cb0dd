/* Cryptography of the crypto room; beside each, the same by libcrypto alone. */
#include "micro.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "crypto/hmac.h"
#include "crypto/pbkdf2.h"
#include "crypto/random.h"

/* What is digested, and the key: 64 and 32 bytes. Beside each, the same by libcrypto alone. */
static const weir_str digested = {
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopqnopqrstu", 64};
static const weir_str mac_key = {"0123456789abcdefghijklmnopqrstuv", 32};

static void digest(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        must(weir__crypto_digest(WEIR__CRYPTO_SHA256, &digested, 1, env), "weir__crypto_digest");
}

double sha256(weir_ctx *c)
{
    (void)c;
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
    return best_ns(digest, out);
}

struct plain {
    EVP_MD *md;
    EVP_MD_CTX *state;
    EVP_MAC *mac;
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
};

/* As well as it goes: fetched once, one context. */
static void digest_plainly(void *env, uint64_t n)
{
    struct plain *p = env;
    for (uint64_t i = 0; i < n; i++) {
        if (EVP_DigestInit_ex2(p->state, p->md, NULL) != 1 ||
            EVP_DigestUpdate(p->state, digested.ptr, digested.len) != 1 ||
            EVP_DigestFinal_ex(p->state, p->out, NULL) != 1)
            give_up("a digest", WEIR_EINVALID);
    }
}

double sha256_plain(weir_ctx *c)
{
    (void)c;
    struct plain p = {.md = EVP_MD_fetch(NULL, "SHA-256", NULL), .state = EVP_MD_CTX_new()};
    double ns = best_ns(digest_plainly, &p);
    EVP_MD_CTX_free(p.state);
    EVP_MD_free(p.md);
    return ns;
}

static void sign(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        must(weir__crypto_hmac(WEIR__CRYPTO_SHA256, mac_key, &digested, 1, env),
             "weir__crypto_hmac");
}

double hmac_sha256(weir_ctx *c)
{
    (void)c;
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
    return best_ns(sign, out);
}

/* Fetched once; a context for each code, since it holds the key. */
static void sign_plainly(void *env, uint64_t n)
{
    struct plain *p = env;
    char name[] = "SHA-256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    for (uint64_t i = 0; i < n; i++) {
        size_t len = 0;
        EVP_MAC_CTX *state = EVP_MAC_CTX_new(p->mac);
        if (EVP_MAC_init(state, (const unsigned char *)mac_key.ptr, mac_key.len, params) != 1 ||
            EVP_MAC_update(state, (const unsigned char *)digested.ptr, digested.len) != 1 ||
            EVP_MAC_final(state, p->out, &len, sizeof p->out) != 1)
            give_up("a code", WEIR_EINVALID);
        EVP_MAC_CTX_free(state);
    }
}

double hmac_sha256_plain(weir_ctx *c)
{
    (void)c;
    struct plain p = {.mac = EVP_MAC_fetch(NULL, "HMAC", NULL)};
    double ns = best_ns(sign_plainly, &p);
    EVP_MAC_free(p.mac);
    return ns;
}

static void draw(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        weir__crypto_random(env, 32);
}

double random_32(weir_ctx *c)
{
    (void)c;
    unsigned char out[32];
    return best_ns(draw, out);
}

static void draw_plainly(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (RAND_bytes(env, 32) != 1)
            give_up("RAND_bytes", WEIR_EINVALID);
}

double random_32_plain(weir_ctx *c)
{
    (void)c;
    unsigned char out[32];
    return best_ns(draw_plainly, out);
}

static void derive(void *env, uint64_t n)
{
    static const struct weir__crypto_pbkdf2 scram = {
        WEIR__CRYPTO_SHA256, {"pencil", 6}, {"W22ZaJ0SNY7soEs", 15}, 4096};
    for (uint64_t i = 0; i < n; i++)
        must(weir__crypto_pbkdf2(&scram, env, WEIR__CRYPTO_SHA256_BYTES, NULL),
             "weir__crypto_pbkdf2");
}

double pbkdf2_4096(weir_ctx *c)
{
    (void)c;
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
    return best_ns(derive, out);
}
