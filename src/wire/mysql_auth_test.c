/* Who proves what: proofs that MariaDB took, each way of the conversation, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/rsa_testing.h"
#include "wire/mysql_auth.h"
#include "wire/mysql_testing.h"

/* Of "secret" and the nonce, by another implementation (Python's hashlib). */
#define NATIVE_PROOF                                                                               \
    "\x75\x06\xbc\x6c\x13\x37\x27\x04\x7e\x48\x65\x08\xc3\xa8\x0d\x32\x1a\x3e\xe9\xf4"
#define SHA2_PROOF                                                                                 \
    "\x55\xdb\x2f\x31\xc0\xfc\xe7\xd7\x2f\x8b\xc3\x78\x95\x25\x65\xf7\x79\x3b\xc7\x12"             \
    "\x7e\xb7\xc1\xf9\xed\xd8\xb5\x94\xd5\xed\x78\x97"

static char out_bytes[1024], why_bytes[1024];
static weir_buf out, why;

static struct weir__mysql_auth begin(const char *password, const char *plugin,
                                     enum weir__mysql_carrier carrier)
{
    struct weir__mysql_auth a = {.password = weir_str_from(password), .carrier = carrier};
    weir_buf_init_fixed(&out, out_bytes, sizeof out_bytes);
    weir_buf_init_fixed(&why, why_bytes, sizeof why_bytes);
    assert_int_equal(
        weir__mysql_auth_begin(&a, weir_str_from(plugin), (const uint8_t *)mysql_nonce, &out), 0);
    return a;
}

static int step(struct weir__mysql_auth *a, weir_str body)
{
    weir_buf_reset(&out);
    weir_buf_reset(&why);
    return weir__mysql_auth_step(a, body, &out, &why);
}

static void proofs(void **state)
{
    uint8_t proof[WEIR__MYSQL_PROOF_MAX];
    (void)state;
    assert_int_equal(weir__mysql_native_proof(WEIR_S(""), (const uint8_t *)mysql_nonce, proof), 0);
    assert_int_equal(weir__mysql_sha2_proof(WEIR_S(""), (const uint8_t *)mysql_nonce, proof), 0);
    assert_int_equal(
        weir__mysql_native_proof(WEIR_S("secret"), (const uint8_t *)mysql_nonce, proof), 20);
    assert_memory_equal(proof, NATIVE_PROOF, 20);
    assert_int_equal(weir__mysql_sha2_proof(WEIR_S("secret"), (const uint8_t *)mysql_nonce, proof),
                     32);
    assert_memory_equal(proof, SHA2_PROOF, 32);
}

static void fast(void **state)
{
    (void)state;
    struct weir__mysql_auth a = begin("secret", "caching_sha2_password", WEIR__MYSQL_PLAIN);
    assert_int_equal(out.len, 32);
    assert_memory_equal(out.ptr, SHA2_PROOF, 32);
    assert_int_equal(step(&a, WEIR_S("\1\3")), WEIR__MYSQL_AUTH_READ);
    assert_int_equal(step(&a, WEIR_S("\0\0\0\2\0\0\0")), WEIR__MYSQL_AUTH_DONE);
}

static void full_over_tls_and_locally(void **state)
{
    (void)state;
    for (int carrier = WEIR__MYSQL_TLS; carrier <= WEIR__MYSQL_LOCAL; carrier++) {
        struct weir__mysql_auth a =
            begin("secret", "caching_sha2_password", (enum weir__mysql_carrier)carrier);
        assert_int_equal(step(&a, WEIR_S("\1\4")), WEIR__MYSQL_AUTH_SEND);
        assert_true(weir_str_eq(weir_buf_str(&out), WEIR_S("secret\0")));
    }
}

/* What was sent under the key is the password, mixed with the nonce. */
static void assert_encrypted(void)
{
    unsigned char text[WEIR__CRYPTO_RSA_BYTES_MAX];
    size_t n = sizeof text;
    EVP_PKEY *key = private_key();
    EVP_PKEY_CTX *state = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_decrypt_init(state), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(state, RSA_PKCS1_OAEP_PADDING), 1);
    assert_int_equal(EVP_PKEY_decrypt(state, text, &n, (const unsigned char *)out.ptr, out.len), 1);
    assert_int_equal(n, 7);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(text[i] ^ mysql_nonce[i], "secret"[i]);
    EVP_PKEY_CTX_free(state);
    EVP_PKEY_free(key);
}

static void full_by_the_servers_key(void **state)
{
    char body[2048] = "\1";
    weir_str pem = public_pem(private_key(), body + 1, sizeof body - 1);
    struct weir__crypto_rsa key;
    (void)state;
    struct weir__mysql_auth a = begin("secret", "caching_sha2_password", WEIR__MYSQL_PLAIN);
    assert_int_equal(step(&a, WEIR_S("\1\4")), WEIR__MYSQL_AUTH_SEND);
    assert_true(weir_str_eq(weir_buf_str(&out), WEIR_S("\2")));
    assert_int_equal(step(&a, (weir_str){body, pem.len + 1}), WEIR__MYSQL_AUTH_SEND);
    assert_encrypted();
    /* one that was configured: nobody is asked */
    assert_int_equal(weir__crypto_rsa_init(&key, pem, NULL), WEIR_OK);
    a = begin("secret", "caching_sha2_password", WEIR__MYSQL_PLAIN);
    a.key = &key;
    assert_int_equal(step(&a, WEIR_S("\1\4")), WEIR__MYSQL_AUTH_SEND);
    assert_encrypted();
    weir__crypto_rsa_fini(&key);
}

static void a_key_that_is_none(void **state)
{
    (void)state;
    struct weir__mysql_auth a = begin("secret", "caching_sha2_password", WEIR__MYSQL_PLAIN);
    assert_int_equal(step(&a, WEIR_S("\1\4")), WEIR__MYSQL_AUTH_SEND);
    assert_int_equal(step(&a, WEIR_S("\1no key")), WEIR_EINVALID);
    assert_true(why.len > 0);
}

static void changes(void **state)
{
    (void)state;
    struct weir__mysql_auth a = begin("secret", "some_new_plugin", WEIR__MYSQL_PLAIN);
    assert_int_equal(out.len, 20); /* as the usual one: the server asks again */
    char body[64] = "\xfemysql_native_password";
    memcpy(body + 23, mysql_nonce, 20);
    assert_int_equal(step(&a, (weir_str){body, 44}), WEIR__MYSQL_AUTH_SEND);
    assert_memory_equal(out.ptr, NATIVE_PROOF, 20);
    assert_int_equal(step(&a, (weir_str){body, 30}), WEIR_MYSQL_ECUT);
    assert_int_equal(step(&a, (weir_str){body, 10}), WEIR_MYSQL_EFORM);
    a = begin("secret", "mysql_native_password", WEIR__MYSQL_LOCAL);
    assert_int_equal(step(&a, WEIR_S("\xfeunix_socket\0")), WEIR__MYSQL_AUTH_SEND);
    assert_int_equal(out.len, 0);
    assert_int_equal(step(&a, WEIR_S("\xff\x15\4#28000Access denied")), WEIR__MYSQL_AUTH_ERR);
}

static void the_clear_password_goes_through_tls_alone(void **state)
{
    static const weir_str asks = WEIR_S("\xfemysql_clear_password\0");
    (void)state;
    struct weir__mysql_auth a = begin("secret", "mysql_native_password", WEIR__MYSQL_TLS);
    assert_int_equal(step(&a, asks), WEIR__MYSQL_AUTH_SEND);
    assert_true(weir_str_eq(weir_buf_str(&out), WEIR_S("secret\0")));
    a = begin("secret", "mysql_native_password", WEIR__MYSQL_PLAIN);
    assert_int_equal(step(&a, asks), WEIR_ENOTBUILT);
    assert_int_equal(out.len, 0);
    assert_non_null(memmem(why.ptr, why.len, "mysql_clear_password", 20));
}

static void what_is_not_supported_is_named(void **state)
{
    (void)state;
    struct weir__mysql_auth a = begin("secret", "mysql_native_password", WEIR__MYSQL_TLS);
    assert_int_equal(step(&a, WEIR_S("\xfe"
                                     "client_ed25519\0"
                                     "12345678901234567890123456789012")),
                     WEIR_ENOTBUILT);
    assert_non_null(memmem(why.ptr, why.len, "client_ed25519", 14));
    assert_int_equal(step(&a, WEIR_S("\xfe")), WEIR_ENOTBUILT); /* the old way */
    assert_int_equal(step(&a, WEIR_S("\xfe"
                                     "dialog\0\2Password: ")),
                     WEIR_ENOTBUILT);
}

static void a_server_that_does_not_end(void **state)
{
    int rc = 0;
    (void)state;
    struct weir__mysql_auth a = begin("secret", "caching_sha2_password", WEIR__MYSQL_TLS);
    for (int i = 0; i < 20 && rc >= 0; i++)
        rc = step(&a, WEIR_S("\1\4"));
    assert_int_equal(rc, WEIR_MYSQL_EFORM);
    a = begin("secret", "mysql_native_password", WEIR__MYSQL_TLS);
    assert_int_equal(step(&a, WEIR_S("\1\4")), WEIR_MYSQL_EFORM);
    assert_int_equal(step(&a, WEIR_S("")), WEIR_MYSQL_EFORM);
    assert_int_equal(step(&a, WEIR_S("\7")), WEIR_MYSQL_EFORM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proofs),
        cmocka_unit_test(fast),
        cmocka_unit_test(full_over_tls_and_locally),
        cmocka_unit_test(full_by_the_servers_key),
        cmocka_unit_test(a_key_that_is_none),
        cmocka_unit_test(changes),
        cmocka_unit_test(the_clear_password_goes_through_tls_alone),
        cmocka_unit_test(what_is_not_supported_is_named),
        cmocka_unit_test(a_server_that_does_not_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
