/* What is made of libcrypto's queue of errors: a code, a sentence, and nothing left on it. */
#include "crypto/testing.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/refusal.h"

static void the_oldest_entry_is_the_reason(void **state)
{
    (void)state;
    struct said s;
    weir__crypto_forget();
    ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT);
    ERR_raise(ERR_LIB_EVP, EVP_R_INVALID_KEY);
    assert_int_equal(weir__crypto_refused(WEIR_EINVALID, "a key", listen_to(&s)), WEIR_EINVALID);
    assert_said(&s, "a key: error:");
    assert_said(&s, "bad decrypt");
    assert_int_equal(ERR_peek_error(), 0);
}

static void lack_of_memory_is_found_wherever_it_stands(void **state)
{
    (void)state;
    for (int at = 0; at < 3; at++) {
        struct said s;
        weir__crypto_forget();
        for (int i = 0; i < 3; i++)
            ERR_raise(ERR_LIB_EVP, i == at ? ERR_R_MALLOC_FAILURE : EVP_R_INVALID_KEY);
        assert_int_equal(weir__crypto_refused(WEIR_EINVALID, "a key", listen_to(&s)), -ENOMEM);
        assert_said(&s, "a key: out of memory");
        assert_int_equal(ERR_peek_error(), 0);
    }
}

/* libcrypto says "unsupported" then, or nothing at all. */
static void lack_of_memory_is_known_by_errno_too(void **state)
{
    (void)state;
    for (int entries = 0; entries < 2; entries++) {
        weir__crypto_forget();
        if (entries > 0)
            ERR_raise(ERR_LIB_EVP, ERR_R_UNSUPPORTED);
        errno = ENOMEM;
        assert_int_equal(weir__crypto_refused(WEIR_EINVALID, "a key", NULL), -ENOMEM);
    }
}

static void what_others_have_left_is_forgotten(void **state)
{
    (void)state;
    ERR_raise(ERR_LIB_EVP, EVP_R_BAD_DECRYPT);
    errno = ENOMEM;
    weir__crypto_forget();
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(weir__crypto_refused(WEIR_EINVALID, "a key", NULL), WEIR_EINVALID);
}

static void a_rule_of_our_own_has_its_text(void **state)
{
    (void)state;
    struct said s;
    assert_int_equal(weir__crypto_refuse(WEIR_ELIMIT, listen_to(&s), "%d of %s", 7, "these"),
                     WEIR_ELIMIT);
    assert_said(&s, "7 of these");
    assert_int_equal(weir__crypto_refuse(WEIR_ELIMIT, NULL, "%d", 7), WEIR_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_entry_is_the_reason),
        cmocka_unit_test(lack_of_memory_is_found_wherever_it_stands),
        cmocka_unit_test(lack_of_memory_is_known_by_errno_too),
        cmocka_unit_test(what_others_have_left_is_forgotten),
        cmocka_unit_test(a_rule_of_our_own_has_its_text),
    };
    return cmocka_run_group_tests_name("refusal", tests, NULL, NULL);
}
