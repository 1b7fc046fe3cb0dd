/*
 * RSA by libcrypto's EVP interface. The text of a key comes from a stranger, so it goes a narrow
 * way: the PEM block is taken out by itself, whose label and headers are looked at here.
 * libcrypto's readers of whole keys would also take certificates, private keys and encrypted
 * blocks, and ask the terminal for the password of these.
 *
 * Its bounds are ours as well: libcrypto lets an exponent be as long as the modulus up to 3,072
 * bits, which costs hundreds of times what one of 17 bits does.
 */
#include "crypto/rsa.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "crypto/digest.h"
#include "crypto/refusal.h"

enum { EXPONENT_BITS_MAX = 64, OAEP_BYTES = 2 * WEIR__CRYPTO_SHA1_BYTES + 2 };

static const char what[] = "RSA public key";

/* What stands between BEGIN and END, undone. All three are libcrypto's to free. */
struct block {
    char *label, *headers;
    unsigned char *bytes;
    long len;
};

static void free_block(struct block *b)
{
    OPENSSL_free(b->label);
    OPENSSL_free(b->headers);
    OPENSSL_free(b->bytes);
}

static weir_err read_block(weir_str pem, struct block *b, weir_buf *why)
{
    *b = (struct block){.len = 0};
    BIO *text = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    int has_block = text != NULL && PEM_read_bio(text, &b->label, &b->headers, &b->bytes, &b->len);
    BIO_free(text);
    if (!has_block)
        return weir__crypto_refused(WEIR_EINVALID, what, why);
    if (strcmp(b->label, PEM_STRING_PUBLIC) != 0)
        return weir__crypto_refuse(WEIR_EINVALID, why, "%s: a PEM block \"%.40s\"; wanted: \"%s\"",
                                   what, b->label, PEM_STRING_PUBLIC);
    if (b->headers[0] != '\0')
        return weir__crypto_refuse(WEIR_EINVALID, why, "%s: a PEM block with headers; wanted: none",
                                   what);
    return WEIR_OK;
}

static weir_err read_key(struct weir__crypto_rsa *k, weir_str pem, weir_buf *why)
{
    struct block b;
    weir_err err = read_block(pem, &b, why);
    if (err == WEIR_OK) {
        const unsigned char *end = b.bytes;
        k->key = d2i_PUBKEY(NULL, &end, b.len);
        if (k->key == NULL)
            err = weir__crypto_refused(WEIR_EINVALID, what, why);
        else if (end != b.bytes + b.len)
            err = weir__crypto_refuse(WEIR_EINVALID, why, "%s: %zu bytes behind it", what,
                                      (size_t)(b.bytes + b.len - end));
    }
    free_block(&b);
    return err;
}

static weir_err check_exponent(const EVP_PKEY *key, weir_buf *why)
{
    BIGNUM *e = NULL;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
        return weir__crypto_refused(WEIR_EINVALID, what, why);
    int bits = BN_num_bits(e);
    bool is_good = BN_is_odd(e) && !BN_is_one(e) && bits <= EXPONENT_BITS_MAX;
    BN_free(e);
    if (is_good)
        return WEIR_OK;
    return weir__crypto_refuse(WEIR_ELIMIT, why,
                               "%s: an exponent of %d bits; allowed: odd numbers from 3 up, of at "
                               "most %d bits",
                               what, bits, EXPONENT_BITS_MAX);
}

/* Without memory libcrypto may give half a key, of no bits and of no type. */
static weir_err check_key(const EVP_PKEY *key, weir_buf *why)
{
    bool is_rsa = EVP_PKEY_is_a(key, "RSA");
    int bits = EVP_PKEY_get_bits(key);
    if (weir__crypto_lacked_memory())
        return weir__crypto_refused(-ENOMEM, what, why);
    if (!is_rsa)
        return weir__crypto_refuse(WEIR_EINVALID, why, "%s: a key of type %.40s; wanted: RSA", what,
                                   EVP_PKEY_get0_type_name(key));
    if (bits < WEIR__CRYPTO_RSA_BITS_MIN || bits > WEIR__CRYPTO_RSA_BITS_MAX)
        return weir__crypto_refuse(WEIR_ELIMIT, why, "%s: %d bits; allowed: %d to %d", what, bits,
                                   WEIR__CRYPTO_RSA_BITS_MIN, WEIR__CRYPTO_RSA_BITS_MAX);
    return check_exponent(key, why);
}

weir_err weir__crypto_rsa_init(struct weir__crypto_rsa *k, weir_str pem, weir_buf *why)
{
    *k = (struct weir__crypto_rsa){.bytes = 0};
    if (pem.len > WEIR__CRYPTO_RSA_PEM_BYTES_MAX)
        return weir__crypto_refuse(WEIR_ETOOLARGE, why, "%s: %zu bytes; allowed: up to %d", what,
                                   pem.len, WEIR__CRYPTO_RSA_PEM_BYTES_MAX);
    if (weir__alloc_pretend())
        return weir__crypto_refuse(-ENOMEM, why, "%s: out of memory", what);
    weir__crypto_forget();
    weir_err err = read_key(k, pem, why);
    if (err == WEIR_OK)
        err = check_key(k->key, why);
    if (err == WEIR_OK)
        k->bytes = (size_t)EVP_PKEY_get_size(k->key);
    else
        weir__crypto_rsa_fini(k);
    return err;
}

void weir__crypto_rsa_fini(struct weir__crypto_rsa *k)
{
    EVP_PKEY_free(k->key);
    *k = (struct weir__crypto_rsa){.bytes = 0};
}

/* SHA-1 for OAEP and MGF1 is libcrypto's default, and named all the same: it must not change. */
static bool encrypt(EVP_PKEY_CTX *state, weir_str message, unsigned char *out, size_t size)
{
    return EVP_PKEY_encrypt_init(state) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(state, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_oaep_md_name(state, "SHA-1", NULL) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md_name(state, "SHA-1", NULL) == 1 &&
           EVP_PKEY_encrypt(state, out, &size, (const unsigned char *)message.ptr, message.len) ==
               1;
}

weir_err weir__crypto_rsa_encrypt(const struct weir__crypto_rsa *k, weir_str message,
                                  unsigned char *out, weir_buf *why)
{
    WEIR_ASSERT(k->key != NULL && k->bytes > OAEP_BYTES, "C6: who encrypts has a key");
    memset(out, 0, k->bytes);
    if (message.len > k->bytes - OAEP_BYTES)
        return weir__crypto_refuse(WEIR_ETOOLARGE, why, "RSA: %zu bytes; allowed: up to %zu",
                                   message.len, k->bytes - OAEP_BYTES);
    if (weir__alloc_pretend())
        return weir__crypto_refuse(-ENOMEM, why, "RSA: out of memory");
    weir__crypto_forget();
    EVP_PKEY_CTX *state = EVP_PKEY_CTX_new_from_pkey(NULL, k->key, NULL);
    weir_err err = WEIR_OK;
    if (state == NULL || !encrypt(state, message, out, k->bytes)) {
        err = weir__crypto_refused(-ENOTSUP, "RSA", why);
        memset(out, 0, k->bytes);
    }
    EVP_PKEY_CTX_free(state);
    return err;
}
