/*
 * The text of an RSA public key, as a database's server may send it. Whatever it is, there is an
 * answer: a code of those that are promised, with a sentence, and nothing kept; or a key, which
 * libcrypto's own reader finds in it too, which is in bounds, which is the same when it was written
 * and read again, and with which something can be encrypted or is refused.
 */
#include "base/fuzz.h"
#include "crypto/rsa.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static int no_password(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing, (void)arg;
    return -1;
}

static void check_refusal(const struct weir__crypto_rsa *k, weir_str pem, weir_err err,
                          weir_str why)
{
    static const char begin[] = "RSA public key: ";
    bool is_long = pem.len > WEIR__CRYPTO_RSA_PEM_BYTES_MAX;
    FUZZ_CHECK(err == WEIR_EINVALID || err == WEIR_ELIMIT || err == WEIR_ETOOLARGE, "%d", err);
    FUZZ_CHECK((err == WEIR_ETOOLARGE) == is_long, "%d of %zu bytes", err, pem.len);
    FUZZ_CHECK(k->key == NULL && k->bytes == 0, "something is kept");
    FUZZ_CHECK(why.len > sizeof begin - 1 && memcmp(why.ptr, begin, sizeof begin - 1) == 0,
               WEIR_STR_FMT, WEIR_STR_ARG(why));
}

static void check_bounds(const struct weir__crypto_rsa *k)
{
    int bits = EVP_PKEY_get_bits(k->key);
    FUZZ_CHECK(EVP_PKEY_get_base_id(k->key) == EVP_PKEY_RSA, "it is no RSA key");
    FUZZ_CHECK(bits >= WEIR__CRYPTO_RSA_BITS_MIN && bits <= WEIR__CRYPTO_RSA_BITS_MAX, "%d bits",
               bits);
    FUZZ_CHECK(k->bytes == (size_t)(bits + 7) / 8, "%zu bytes of %d bits", k->bytes, bits);
}

static void check_reader(const struct weir__crypto_rsa *k, weir_str pem)
{
    BIO *text = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *theirs = PEM_read_bio_PUBKEY(text, NULL, no_password, NULL);
    FUZZ_CHECK(theirs != NULL && EVP_PKEY_eq(theirs, k->key) == 1, "libcrypto reads another key");
    EVP_PKEY_free(theirs);
    BIO_free(text);
}

static void check_round_trip(const struct weir__crypto_rsa *k)
{
    struct weir__crypto_rsa again;
    char *pem = NULL;
    BIO *text = BIO_new(BIO_s_mem());
    FUZZ_CHECK(PEM_write_bio_PUBKEY(text, k->key) == 1, "it cannot be written");
    long n = BIO_get_mem_data(text, &pem);
    weir_err err = weir__crypto_rsa_init(&again, (weir_str){pem, (size_t)n}, NULL);
    FUZZ_CHECK(err == WEIR_OK && EVP_PKEY_eq(again.key, k->key) == 1, "read again: %d", err);
    weir__crypto_rsa_fini(&again);
    BIO_free(text);
}

static void check_encryption(const struct weir__crypto_rsa *k)
{
    unsigned char *out = (unsigned char *)fuzz_alloc(k->bytes);
    weir_err err = weir__crypto_rsa_encrypt(k, WEIR_S("a password"), out, NULL);
    FUZZ_CHECK(err == WEIR_OK || err == -ENOTSUP, "%d", err);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = fuzz_copy(data, size), words[512];
    weir_str pem = {bytes, size};
    struct weir__crypto_rsa k;
    weir_buf why;
    weir_buf_init_fixed(&why, words, sizeof words);
    weir_err err = weir__crypto_rsa_init(&k, pem, &why);
    FUZZ_CHECK(ERR_peek_error() == 0, "something is left on the queue");
    if (err != WEIR_OK) {
        check_refusal(&k, pem, err, weir_buf_str(&why));
    } else {
        check_bounds(&k);
        check_reader(&k, pem);
        check_round_trip(&k);
        check_encryption(&k);
    }
    ERR_clear_error();
    weir__crypto_rsa_fini(&k);
    free(bytes);
    return 0;
}
