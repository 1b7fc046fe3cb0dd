/*
 * RSA: what is encrypted is what the holder of the private key reads; whatever is no public key of
 * a reasonable size is refused, with the reason.
 */
#include "crypto/rsa_testing.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <pthread.h>

#include "base/alloc.h"
#include "crypto/rsa.h"

enum { PEM_ROOM = WEIR__CRYPTO_RSA_PEM_BYTES_MAX + 64 };

static char room[PEM_ROOM];

/* --- encryption ------------------------------------------------------------------------------- */

/* The other side: OAEP with SHA-1, written out. Bytes of the message; -1: it is not one. */
static int decrypted(const unsigned char *bytes, size_t n, unsigned char *message, size_t size)
{
    EVP_PKEY *key = private_key();
    EVP_PKEY_CTX *state = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    assert_int_equal(EVP_PKEY_decrypt_init(state), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(state, RSA_PKCS1_OAEP_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_oaep_md(state, EVP_sha1()), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md(state, EVP_sha1()), 1);
    int is_good = EVP_PKEY_decrypt(state, message, &size, bytes, n);
    EVP_PKEY_CTX_free(state);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return is_good == 1 ? (int)size : -1;
}

static struct weir__crypto_rsa our_key(void)
{
    struct weir__crypto_rsa key;
    weir_str pem = public_pem(private_key(), room, sizeof room);
    assert_int_equal(weir__crypto_rsa_init(&key, pem, NULL), WEIR_OK);
    assert_int_equal(key.bytes, 256);
    return key;
}

static void the_holder_of_the_key_reads_it(void **state)
{
    (void)state;
    unsigned char text[214], out[256], message[256];
    struct weir__crypto_rsa key = our_key();
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)(i * 13);
    for (size_t n = 0; n <= sizeof text; n += n < 2 || n >= 212 ? 1 : 35) {
        assert_int_equal(weir__crypto_rsa_encrypt(&key, view(text, n), out, NULL), WEIR_OK);
        assert_int_equal(decrypted(out, sizeof out, message, sizeof message), n);
        assert_memory_equal(message, text, n);
    }
    out[100] ^= 1;
    assert_int_equal(decrypted(out, sizeof out, message, sizeof message), -1);
    weir__crypto_rsa_fini(&key);
}

static void each_time_it_looks_different(void **state)
{
    (void)state;
    unsigned char a[256], b[256];
    struct weir__crypto_rsa key = our_key();
    assert_int_equal(weir__crypto_rsa_encrypt(&key, WEIR_S("pencil"), a, NULL), WEIR_OK);
    assert_int_equal(weir__crypto_rsa_encrypt(&key, WEIR_S("pencil"), b, NULL), WEIR_OK);
    assert_memory_not_equal(a, b, sizeof a);
    weir__crypto_rsa_fini(&key);
}

static void a_message_that_is_too_long_is_refused(void **state)
{
    (void)state;
    static const unsigned char text[215];
    unsigned char out[256];
    struct said s;
    struct weir__crypto_rsa key = our_key();
    memset(out, 7, sizeof out);
    assert_int_equal(weir__crypto_rsa_encrypt(&key, view(text, sizeof text), out, listen_to(&s)),
                     WEIR_ETOOLARGE);
    assert_said(&s, "RSA: 215 bytes; allowed: up to 214");
    assert_zeroes(out, sizeof out);
    weir__crypto_rsa_fini(&key);
}

/* With an even modulus nobody can compute; libcrypto notices only now. */
static void what_libcrypto_refuses_is_told(void **state)
{
    (void)state;
    unsigned char out[256];
    struct said s;
    struct weir__crypto_rsa key;
    BIGNUM *n = BN_new(), *e = BN_new();
    assert_true(BN_set_bit(n, 2047) && BN_set_word(e, RSA_F4));
    assert_int_equal(weir__crypto_rsa_init(&key, public_pem(key_of(n, e), room, sizeof room), NULL),
                     WEIR_OK);
    memset(out, 7, sizeof out);
    assert_int_equal(weir__crypto_rsa_encrypt(&key, WEIR_S("pencil"), out, listen_to(&s)),
                     -ENOTSUP);
    assert_said(&s, "RSA: error:");
    assert_zeroes(out, sizeof out);
    assert_int_equal(ERR_peek_error(), 0);
    weir__crypto_rsa_fini(&key);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void refuse(weir_str pem, weir_err err, const char *why)
{
    struct said s;
    struct weir__crypto_rsa key;
    memset(&key, 7, sizeof key);
    assert_int_equal(weir__crypto_rsa_init(&key, pem, listen_to(&s)), err);
    assert_said(&s, why);
    assert_null(key.key);
    assert_int_equal(key.bytes, 0);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(weir__crypto_rsa_init(&key, pem, NULL), err);
}

static void what_is_no_pem_text_is_refused(void **state)
{
    (void)state;
    static const struct {
        weir_str pem;
        const char *why;
    } rows[] = {
        {{NULL, 0}, "RSA public key: error:"},
        {{"", 0}, "no start line"},
        {{"secret", 6}, "no start line"},
        {{"\0\0\0\0", 4}, "no start line"},
        {{"-----BEGIN PUBLIC KEY-----", 26}, "RSA public key: error:"},
        {{"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", 52}, "RSA public key: error:"},
        {{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 57}, "RSA public key: "},
        {{"-----BEGIN PUBLIC KEY-----\n%%%%\n-----END PUBLIC KEY-----\n", 57}, "RSA public key: "},
        {{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 58},
         "RSA public key: error:"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        refuse(rows[i].pem, WEIR_EINVALID, rows[i].why);
}

/* The same bytes under another label, and with headers that say that they are encrypted. */
static void other_blocks_are_refused(void **state)
{
    (void)state;
    static const char headers[] = "Proc-Type: 4,ENCRYPTED\n"
                                  "DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n";
    static char other[PEM_ROOM];
    weir_str pem = public_pem(private_key(), room, sizeof room);
    const char *body = strchr(pem.ptr, '\n') + 1, *end = strstr(pem.ptr, "-----END");
    int n = snprintf(other, sizeof other,
                     "-----BEGIN CERTIFICATE-----\n%.*s-----END CERTIFICATE-----\n",
                     (int)(end - body), body);
    refuse(view(other, (size_t)n), WEIR_EINVALID,
           "RSA public key: a PEM block \"CERTIFICATE\"; wanted: \"PUBLIC KEY\"");
    n = snprintf(other, sizeof other, "-----BEGIN PUBLIC KEY-----\n%s%s", headers, body);
    refuse(view(other, (size_t)n), WEIR_EINVALID,
           "RSA public key: a PEM block with headers; wanted: none");
    refuse(weir_str_from(private_pem), WEIR_EINVALID, "a PEM block \"PRIVATE KEY\"");
}

/* Every prefix and every flipped bit: an answer, and nothing of it is read where it is not. */
static void damaged_texts_are_no_keys(void **state)
{
    (void)state;
    weir_str pem = public_pem(private_key(), room, sizeof room);
    size_t last = (size_t)(strstr(pem.ptr, "\n-----END") - pem.ptr);
    for (size_t n = 0; n <= last; n++)
        refuse(view(pem.ptr, n), WEIR_EINVALID, "RSA public key: ");
    for (size_t i = 0; i < pem.len; i++) {
        struct weir__crypto_rsa key;
        room[i] ^= 1;
        (void)!weir__crypto_rsa_init(&key, pem, NULL);
        assert_int_equal(ERR_peek_error(), 0);
        weir__crypto_rsa_fini(&key);
        room[i] ^= 1;
    }
}

static void bytes_behind_the_key_are_refused(void **state)
{
    (void)state;
    EVP_PKEY *ours = private_key();
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(ours, &der);
    unsigned char longer[512];
    char *text = NULL;
    assert_in_range(n, 1, sizeof longer - 3);
    memcpy(longer, der, (size_t)n);
    memset(longer + n, 0, 3);
    BIO *out = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio(out, "PUBLIC KEY", "", longer, n + 3) > 0);
    long len = BIO_get_mem_data(out, &text);
    refuse(view(text, (size_t)len), WEIR_EINVALID, "RSA public key: 3 bytes behind it");
    BIO_free(out);
    OPENSSL_free(der);
    EVP_PKEY_free(ours);
}

static void other_kinds_of_keys_are_refused(void **state)
{
    (void)state;
    EVP_PKEY *ec = EVP_EC_gen("P-256"), *edwards = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_non_null(ec);
    assert_non_null(edwards);
    refuse(public_pem(ec, room, sizeof room), WEIR_EINVALID,
           "RSA public key: a key of type EC; wanted: RSA");
    refuse(public_pem(edwards, room, sizeof room), WEIR_EINVALID,
           "RSA public key: a key of type ED25519; wanted: RSA");
}

static void sizes_have_limits(void **state)
{
    (void)state;
    static const struct {
        int bits, exponent_bits;
        unsigned rest;
        weir_err err;
        const char *why;
    } rows[] = {
        {2048, 17, 1, WEIR_OK, ""},
        {2048, 2, 1, WEIR_OK, ""},
        {2048, 64, 1, WEIR_OK, ""},
        {8192, 17, 1, WEIR_OK, ""},
        {512, 17, 1, WEIR_ELIMIT, "RSA public key: 512 bits; allowed: 2048 to 8192"},
        {1024, 17, 1, WEIR_ELIMIT, "RSA public key: 1024 bits; allowed: 2048 to 8192"},
        {2047, 17, 1, WEIR_ELIMIT, "RSA public key: 2047 bits"},
        {8193, 17, 1, WEIR_ELIMIT, "RSA public key: 8193 bits"},
        {16384, 17, 1, WEIR_ELIMIT, "RSA public key: 16384 bits"},
        {2048, 0, 0, WEIR_ELIMIT, "RSA public key: an exponent of 0 bits; allowed: odd numbers"},
        {2048, 0, 1, WEIR_ELIMIT, "RSA public key: an exponent of 1 bits"},
        {2048, 17, 0, WEIR_ELIMIT, "RSA public key: an exponent of 17 bits"},
        {2048, 65, 1, WEIR_ELIMIT,
         "RSA public key: an exponent of 65 bits; allowed: odd numbers "
         "from 3 up, of at most 64 bits"},
        {3072, 3000, 1, WEIR_ELIMIT, "RSA public key: an exponent of 3000 bits"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        EVP_PKEY *made = made_key(rows[i].bits, rows[i].exponent_bits, rows[i].rest);
        weir_str pem = public_pem(made, room, sizeof room);
        struct weir__crypto_rsa key;
        if (rows[i].err != WEIR_OK) {
            refuse(pem, rows[i].err, rows[i].why);
            continue;
        }
        assert_int_equal(weir__crypto_rsa_init(&key, pem, NULL), WEIR_OK);
        assert_int_equal(key.bytes, rows[i].bits / 8);
        weir__crypto_rsa_fini(&key);
        weir__crypto_rsa_fini(&key);
    }
}

static void texts_have_a_limit(void **state)
{
    (void)state;
    static char longest[WEIR__CRYPTO_RSA_PEM_BYTES_MAX + 1];
    struct weir__crypto_rsa key;
    weir_str pem = public_pem(private_key(), room, sizeof room);
    memset(longest, '\n', sizeof longest);
    memcpy(longest + sizeof longest - 1 - pem.len, pem.ptr, pem.len);
    assert_int_equal(weir__crypto_rsa_init(&key, view(longest, sizeof longest - 1), NULL), WEIR_OK);
    weir__crypto_rsa_fini(&key);
    refuse(view(longest, sizeof longest), WEIR_ETOOLARGE,
           "RSA public key: 16385 bytes; allowed: up to 16384");
}

static void a_planned_failure_is_told(void **state)
{
    (void)state;
    struct said s;
    unsigned char out[256];
    struct weir__crypto_rsa key = our_key(), other;
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__crypto_rsa_encrypt(&key, WEIR_S("pencil"), out, listen_to(&s)), -ENOMEM);
    assert_said(&s, "RSA: out of memory");
    assert_zeroes(out, sizeof out);
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__crypto_rsa_init(&other, weir_str_from(room), listen_to(&s)), -ENOMEM);
    assert_said(&s, "RSA public key: out of memory");
    assert_null(other.key);
    weir__crypto_rsa_fini(&key);
}

/* --- threads ---------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 25 };

static void *encrypt_often(void *arg)
{
    const struct weir__crypto_rsa *key = arg;
    unsigned char out[256];
    for (int i = 0; i < ROUNDS; i++)
        if (weir__crypto_rsa_encrypt(key, WEIR_S("pencil"), out, NULL) != WEIR_OK)
            return NULL;
    return arg;
}

static void threads_share_a_key(void **state)
{
    (void)state;
    struct weir__crypto_rsa key = our_key();
    pthread_t threads[THREADS];
    void *result = NULL;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encrypt_often, &key), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, &key);
    }
    weir__crypto_rsa_fini(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_holder_of_the_key_reads_it),
        cmocka_unit_test(each_time_it_looks_different),
        cmocka_unit_test(a_message_that_is_too_long_is_refused),
        cmocka_unit_test(what_libcrypto_refuses_is_told),
        cmocka_unit_test(what_is_no_pem_text_is_refused),
        cmocka_unit_test(other_blocks_are_refused),
        cmocka_unit_test(damaged_texts_are_no_keys),
        cmocka_unit_test(bytes_behind_the_key_are_refused),
        cmocka_unit_test(other_kinds_of_keys_are_refused),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(texts_have_a_limit),
        cmocka_unit_test(a_planned_failure_is_told),
        cmocka_unit_test(threads_share_a_key),
    };
    return cmocka_run_group_tests_name("rsa", tests, NULL, NULL);
}
