/*
 * What the room is for, put together from its pieces as its users will: the examples of SCRAM (RFC
 * 5802 section 5, RFC 7677 section 3), PostgreSQL's md5 passwords, MySQL's three exchanges, the
 * accept of WebSocket (RFC 6455 section 1.3), JWT's HS256 (RFC 7515 appendix A.1).
 */
#include "crypto/rsa_testing.h"

#include <openssl/rsa.h>

#include "base/value.h"
#include "crypto/hmac.h"
#include "crypto/pbkdf2.h"
#include "crypto/rsa.h"
#include "crypto/secret.h"

static weir_str base64(const unsigned char *bytes, size_t n, char *text)
{
    weir__base64_put(text, bytes, n);
    return view(text, (n + 2) / 3 * 4);
}

static void assert_text(weir_str text, const char *wanted)
{
    if (!weir_str_eq(text, weir_str_from(wanted)))
        fail_msg("\"" WEIR_STR_FMT "\" is not \"%s\"", WEIR_STR_ARG(text), wanted);
}

/* --- SCRAM ------------------------------------------------------------------------------------ */

struct scram {
    enum weir__crypto_kind kind;
    const char *first, *challenge, *last; /* without what begins and ends them */
    const char *salt, *proof, *signature; /* in base64 */
};

static const struct scram exchanges[] = {
    {WEIR__CRYPTO_SHA1, "n=user,r=fyko+d2lbbFgONRv9qkxdawL",
     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92",
     "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    {WEIR__CRYPTO_SHA256, "n=user,r=rOprNGfwEbeRWgbNEkqO",
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
     "W22ZaJ0SNY7soEsUEjb6gQ==", "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

static void scram(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(exchanges); i++) {
        const struct scram *x = &exchanges[i];
        unsigned char salt[32], salted[32], key[32], stored[32], proof[32], signature[32];
        char text[64];
        size_t salt_len = 0, n = weir__crypto_digest_bytes(x->kind);
        weir_str piece,
            messages[] = {weir_str_from(x->first), WEIR_S(","), weir_str_from(x->challenge),
                          WEIR_S(","), weir_str_from(x->last)};
        assert_int_equal(weir__base64_get(weir_str_from(x->salt), salt, &salt_len), WEIR_OK);
        struct weir__crypto_pbkdf2 p = {x->kind, WEIR_S("pencil"), view(salt, salt_len), 4096};
        assert_int_equal(weir__crypto_pbkdf2(&p, salted, n, NULL), WEIR_OK);

        piece = WEIR_S("Client Key");
        assert_int_equal(weir__crypto_hmac(x->kind, view(salted, n), &piece, 1, key), WEIR_OK);
        piece = view(key, n);
        assert_int_equal(weir__crypto_digest(x->kind, &piece, 1, stored), WEIR_OK);
        assert_int_equal(weir__crypto_hmac(x->kind, view(stored, n), messages, 5, proof), WEIR_OK);
        for (size_t k = 0; k < n; k++)
            proof[k] ^= key[k];
        assert_text(base64(proof, n, text), x->proof);

        piece = WEIR_S("Server Key");
        assert_int_equal(weir__crypto_hmac(x->kind, view(salted, n), &piece, 1, key), WEIR_OK);
        assert_int_equal(weir__crypto_hmac(x->kind, view(key, n), messages, 5, signature), WEIR_OK);
        assert_true(weir__crypto_equal(base64(signature, n, text), weir_str_from(x->signature)));
    }
}

/* --- databases -------------------------------------------------------------------------------- */

static weir_str hex(const unsigned char *bytes, size_t n, char *text)
{
    for (size_t i = 0; i < n; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return view(text, 2 * n);
}

/* What PostgreSQL keeps: "md5" and this; what is sent is the same once more, with a salt. */
static void postgres_md5(void **state)
{
    (void)state;
    unsigned char out[WEIR__CRYPTO_MD5_BYTES];
    char text[2 * sizeof out + 1];
    weir_str kept[] = {WEIR_S("postgres"), WEIR_S("postgres")};
    assert_int_equal(weir__crypto_digest(WEIR__CRYPTO_MD5, kept, 2, out), WEIR_OK);
    weir_str sent[] = {hex(out, sizeof out, text), WEIR_S("\x01\x02\x03\x04")};
    assert_text(sent[0], "3175bce1d3201d16594cebf9d7eb3f9d");
    assert_int_equal(weir__crypto_digest(WEIR__CRYPTO_MD5, sent, 2, out), WEIR_OK);
    assert_hex(out, sizeof out, "68be9ed08db75f318087ab337aaea044");
}

/* The password's digest, hidden by one that server and client both know. */
static void scramble(enum weir__crypto_kind kind, weir_str password, weir_str nonce,
                     bool nonce_is_last, unsigned char *out)
{
    unsigned char twice[WEIR__CRYPTO_SHA256_BYTES];
    size_t n = weir__crypto_digest_bytes(kind);
    weir_str once = view(out, n), pieces[2] = {nonce, view(twice, n)};
    if (nonce_is_last) {
        pieces[0] = view(twice, n);
        pieces[1] = nonce;
    }
    assert_int_equal(weir__crypto_digest(kind, &password, 1, out), WEIR_OK);
    assert_int_equal(weir__crypto_digest(kind, &once, 1, twice), WEIR_OK);
    assert_int_equal(weir__crypto_digest(kind, pieces, 2, twice), WEIR_OK);
    for (size_t i = 0; i < n; i++)
        out[i] ^= twice[i];
}

static void mysql_native_and_caching_sha2(void **state)
{
    (void)state;
    const weir_str nonce = WEIR_S("abcdefghijklmnopqrst");
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
    scramble(WEIR__CRYPTO_SHA1, WEIR_S("secret"), nonce, false, out);
    assert_hex(out, WEIR__CRYPTO_SHA1_BYTES, "8817c50fa779daef010ee7577825b0847df9842e");
    scramble(WEIR__CRYPTO_SHA256, WEIR_S("secret"), nonce, true, out);
    assert_hex(out, WEIR__CRYPTO_SHA256_BYTES,
               "c76e2898612a4cf042c77fa8c4702c4c64c0c2c557c53c4d75595aaa6abae809");
}

/* Full authentication without TLS: the password and its NUL, hidden by the nonce, under the key. */
static void mysql_full_authentication(void **state)
{
    (void)state;
    static const char nonce[] = "abcdefghijklmnopqrst";
    char pem[2048], message[] = "secret";
    unsigned char out[256], read[256];
    size_t n = sizeof read;
    struct weir__crypto_rsa key;
    EVP_PKEY *server = private_key();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, server, NULL);
    for (size_t i = 0; i < sizeof message; i++)
        message[i] ^= nonce[i];
    assert_int_equal(weir__crypto_rsa_init(&key, public_pem(private_key(), pem, sizeof pem), NULL),
                     WEIR_OK);
    assert_int_equal(weir__crypto_rsa_encrypt(&key, view(message, sizeof message), out, NULL),
                     WEIR_OK);
    assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING), 1);
    assert_int_equal(EVP_PKEY_decrypt(ctx, read, &n, out, key.bytes), 1);
    assert_int_equal(n, sizeof message);
    for (size_t i = 0; i < n; i++)
        read[i] ^= (unsigned char)nonce[i];
    assert_string_equal((char *)read, "secret");
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(server);
    weir__crypto_rsa_fini(&key);
}

/* --- the web ---------------------------------------------------------------------------------- */

static void websocket_accept(void **state)
{
    (void)state;
    unsigned char out[WEIR__CRYPTO_SHA1_BYTES];
    char text[32];
    weir_str pieces[] = {WEIR_S("dGhlIHNhbXBsZSBub25jZQ=="),
                         WEIR_S("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")};
    assert_int_equal(weir__crypto_digest(WEIR__CRYPTO_SHA1, pieces, 2, out), WEIR_OK);
    assert_text(base64(out, sizeof out, text), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void jwt_hs256(void **state)
{
    (void)state;
    unsigned char key[80], out[WEIR__CRYPTO_SHA256_BYTES], wanted[48];
    size_t key_len = 0, wanted_len = 0;
    weir_str signed_part =
        WEIR_S("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzO"
               "DAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ");
    assert_int_equal(weir__base64_get(WEIR_S("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH7"
                                             "5aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
                                      key, &key_len),
                     WEIR_OK);
    assert_int_equal(weir__base64_get(WEIR_S("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), wanted,
                                      &wanted_len),
                     WEIR_OK);
    assert_int_equal(
        weir__crypto_hmac(WEIR__CRYPTO_SHA256, view(key, key_len), &signed_part, 1, out), WEIR_OK);
    assert_true(weir__crypto_equal(view(out, sizeof out), view(wanted, wanted_len)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scram),
        cmocka_unit_test(postgres_md5),
        cmocka_unit_test(mysql_native_and_caching_sha2),
        cmocka_unit_test(mysql_full_authentication),
        cmocka_unit_test(websocket_accept),
        cmocka_unit_test(jwt_hs256),
    };
    return cmocka_run_group_tests_name("crypto put together", tests, NULL, NULL);
}
