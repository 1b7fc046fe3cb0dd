/*
 * PBKDF2: the vectors of RFC 6070 (SHA-1) and RFC 7914 section 11 (SHA-256), and its limits. The
 * one of 16,777,216 iterations is over ours.
 */
#include "crypto/testing.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "crypto/pbkdf2.h"

static void the_keys_are_those_of_the_rfcs(void **state)
{
    (void)state;
    static const struct {
        enum weir__crypto_kind kind;
        weir_str password, salt;
        uint32_t iterations;
        const char *key;
    } rows[] = {
        {WEIR__CRYPTO_SHA1,
         {"password", 8},
         {"salt", 4},
         1,
         "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
        {WEIR__CRYPTO_SHA1,
         {"password", 8},
         {"salt", 4},
         2,
         "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"},
        {WEIR__CRYPTO_SHA1,
         {"password", 8},
         {"salt", 4},
         4096,
         "4b007901b765489abead49d926f721d065a429c1"},
        {WEIR__CRYPTO_SHA1,
         {"passwordPASSWORDpassword", 24},
         {"saltSALTsaltSALTsaltSALTsaltSALTsalt", 36},
         4096,
         "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"},
        {WEIR__CRYPTO_SHA1,
         {"pass\0word", 9},
         {"sa\0lt", 5},
         4096,
         "56fa6aa75548099dcc37d7f03425e0c3"},
        {WEIR__CRYPTO_SHA256,
         {"passwd", 6},
         {"salt", 4},
         1,
         "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
         "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"},
        {WEIR__CRYPTO_SHA256,
         {"Password", 8},
         {"NaCl", 4},
         80000,
         "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
         "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d"},
    };
    unsigned char out[WEIR__CRYPTO_PBKDF2_BYTES_MAX];
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct weir__crypto_pbkdf2 p = {rows[i].kind, rows[i].password, rows[i].salt,
                                        rows[i].iterations};
        size_t n = strlen(rows[i].key) / 2;
        assert_int_equal(weir__crypto_pbkdf2(&p, out, n, NULL), WEIR_OK);
        assert_hex(out, n, rows[i].key);
    }
}

/* A server may have stored one; it is not ours to refuse. */
static void empty_passwords_and_salts_have_keys(void **state)
{
    (void)state;
    struct weir__crypto_pbkdf2 empty = {WEIR__CRYPTO_SHA256, WEIR_S(""), WEIR_S(""), 2};
    struct weir__crypto_pbkdf2 absent = {.kind = WEIR__CRYPTO_SHA256, .iterations = 2};
    unsigned char a[WEIR__CRYPTO_SHA256_BYTES], b[sizeof a];
    assert_int_equal(weir__crypto_pbkdf2(&empty, a, sizeof a, NULL), WEIR_OK);
    assert_int_equal(weir__crypto_pbkdf2(&absent, b, sizeof b, NULL), WEIR_OK);
    assert_hex(a, sizeof a, "97398411d6aea43a77acef92226ab8278d4db0668bd1d7a76a725f7680ac45c5");
    assert_memory_equal(a, b, sizeof a);
}

static void what_is_not_allowed_is_told(void **state)
{
    (void)state;
    static const struct {
        uint32_t iterations;
        size_t n;
        const char *why;
    } rows[] = {
        {0, 32, "PBKDF2: 0 iterations; allowed: 1 to 1000000"},
        {1000001, 32, "PBKDF2: 1000001 iterations; allowed: 1 to 1000000"},
        {16777216, 20, "PBKDF2: 16777216 iterations"},
        {UINT32_MAX, 32, "PBKDF2: 4294967295 iterations"},
        {1, 0, "PBKDF2: 0 bytes; allowed: 1 to 64"},
        {1, 65, "PBKDF2: 65 bytes; allowed: 1 to 64"},
    };
    unsigned char out[WEIR__CRYPTO_PBKDF2_BYTES_MAX + 1];
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct said s;
        struct weir__crypto_pbkdf2 p = {WEIR__CRYPTO_SHA256, WEIR_S("pencil"), WEIR_S("salt"),
                                        rows[i].iterations};
        memset(out, 7, sizeof out);
        assert_int_equal(weir__crypto_pbkdf2(&p, out, rows[i].n, listen_to(&s)), WEIR_ELIMIT);
        assert_said(&s, rows[i].why);
        assert_zeroes(out, rows[i].n);
        assert_int_equal(weir__crypto_pbkdf2(&p, out, rows[i].n, NULL), WEIR_ELIMIT);
    }
}

/* Past its checks it asks for memory; computed it would take a while. */
static void the_most_that_is_allowed_is(void **state)
{
    (void)state;
    struct weir__crypto_pbkdf2 p = {WEIR__CRYPTO_SHA256, WEIR_S("pencil"), WEIR_S("salt"),
                                    WEIR__CRYPTO_PBKDF2_ITERATIONS_MAX};
    unsigned char out[WEIR__CRYPTO_PBKDF2_BYTES_MAX];
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__crypto_pbkdf2(&p, out, sizeof out, NULL), -ENOMEM);
}

static void a_planned_failure_is_told(void **state)
{
    (void)state;
    struct said s;
    struct weir__crypto_pbkdf2 p = {WEIR__CRYPTO_SHA256, WEIR_S("pencil"), WEIR_S("salt"), 1};
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES] = {7};
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__crypto_pbkdf2(&p, out, sizeof out, listen_to(&s)), -ENOMEM);
    assert_said(&s, "PBKDF2: out of memory");
    assert_zeroes(out, sizeof out);
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__crypto_pbkdf2_require(listen_to(&s)), -ENOMEM);
    assert_said(&s, "PBKDF2: out of memory");
    assert_int_equal(weir__crypto_pbkdf2_require(NULL), WEIR_OK);
}

/* As digest_test.c does it, in a process where nothing was fetched. */
static int try_without(void)
{
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
    struct weir__crypto_pbkdf2 p = {WEIR__CRYPTO_SHA256, WEIR_S("pencil"), WEIR_S("salt"), 1};
    char text[512] = "";
    weir_buf why;
    weir_buf_init_fixed(&why, text, sizeof text);
    if (EVP_set_default_properties(NULL, "provider=none") != 1)
        return 1;
    if (weir__crypto_pbkdf2_require(&why) != -ENOTSUP || strncmp(text, "PBKDF2: error:", 14) != 0)
        return 2;
    if (weir__crypto_pbkdf2(&p, out, sizeof out, NULL) != -ENOTSUP || ERR_peek_error() != 0)
        return 3;
    return 0;
}

static void what_libcrypto_does_not_offer_is_told(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(try_without());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_libcrypto_does_not_offer_is_told), /* nothing is fetched yet */
        cmocka_unit_test(the_keys_are_those_of_the_rfcs),
        cmocka_unit_test(empty_passwords_and_salts_have_keys),
        cmocka_unit_test(what_is_not_allowed_is_told),
        cmocka_unit_test(the_most_that_is_allowed_is),
        cmocka_unit_test(a_planned_failure_is_told),
    };
    return cmocka_run_group_tests_name("pbkdf2", tests, NULL, NULL);
}
