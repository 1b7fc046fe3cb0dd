/*
 * HMAC: the vectors of RFC 4231 section 4 and RFC 2202, every length of a key around a block, any
 * way to cut the text, and each allocation planned to fail.
 */
#include "crypto/testing.h"

#include <openssl/hmac.h>

#include "base/alloc.h"
#include "crypto/hmac.h"

enum { BYTES_MAX = 160 };

/* A text, `n` times the same byte, or the bytes 1 to `n`. */
struct bytes {
    const char *text;
    int byte;
    size_t n;
};

#define TEXT(s)                                                                                    \
    {                                                                                              \
        s, 0, sizeof(s) - 1                                                                        \
    }
#define SAME(byte, n)                                                                              \
    {                                                                                              \
        NULL, byte, n                                                                              \
    }
#define UP(n)                                                                                      \
    {                                                                                              \
        NULL, 0, n                                                                                 \
    }

static weir_str written(const struct bytes *b, unsigned char *room)
{
    for (size_t i = 0; i < b->n; i++)
        room[i] = b->text != NULL ? (unsigned char)b->text[i]
                  : b->byte != 0  ? (unsigned char)b->byte
                                  : (unsigned char)(i + 1);
    return view(room, b->n);
}

#define LONG_KEY "Test Using Larger Than Block-Size Key - Hash Key First"
#define LONG_BOTH                                                                                  \
    "This is a test using a larger than block-size key and a larger than block-size data. The key" \
    " needs to be hashed before being used by the HMAC algorithm."

static const struct vector {
    enum weir__crypto_kind kind;
    struct bytes key, text;
    const char *code; /* cut to 128 bits in RFC 4231's fifth case, as there */
} vectors[] = {
    {WEIR__CRYPTO_SHA256, SAME(0x0b, 20), TEXT("Hi There"),
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {WEIR__CRYPTO_SHA384, SAME(0x0b, 20), TEXT("Hi There"),
     "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa"
     "9cb6"},
    {WEIR__CRYPTO_SHA512, SAME(0x0b, 20), TEXT("Hi There"),
     "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3"
     "f4e4be9d914eeb61f1702e696c203a126854"},
    {WEIR__CRYPTO_SHA256, TEXT("Jefe"), TEXT("what do ya want for nothing?"),
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {WEIR__CRYPTO_SHA384, TEXT("Jefe"), TEXT("what do ya want for nothing?"),
     "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab2"
     "1649"},
    {WEIR__CRYPTO_SHA512, TEXT("Jefe"), TEXT("what do ya want for nothing?"),
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0"
     "e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    {WEIR__CRYPTO_SHA256, SAME(0xaa, 20), SAME(0xdd, 50),
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {WEIR__CRYPTO_SHA384, SAME(0xaa, 20), SAME(0xdd, 50),
     "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a3"
     "4f27"},
    {WEIR__CRYPTO_SHA512, SAME(0xaa, 20), SAME(0xdd, 50),
     "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67"
     "c807b946a337bee8942674278859e13292fb"},
    {WEIR__CRYPTO_SHA256, UP(25), SAME(0xcd, 50),
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {WEIR__CRYPTO_SHA384, UP(25), SAME(0xcd, 50),
     "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674"
     "cffb"},
    {WEIR__CRYPTO_SHA512, UP(25), SAME(0xcd, 50),
     "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc578"
     "8063a5f19741120c4f2de2adebeb10a298dd"},
    {WEIR__CRYPTO_SHA256, SAME(0x0c, 20), TEXT("Test With Truncation"),
     "a3b6167473100ee06e0c796c2955552b"},
    {WEIR__CRYPTO_SHA384, SAME(0x0c, 20), TEXT("Test With Truncation"),
     "3abf34c3503b2a23a46efc619baef897"},
    {WEIR__CRYPTO_SHA512, SAME(0x0c, 20), TEXT("Test With Truncation"),
     "415fad6271580a531d4179bc891d87a6"},
    {WEIR__CRYPTO_SHA256, SAME(0xaa, 131), TEXT(LONG_KEY),
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {WEIR__CRYPTO_SHA384, SAME(0xaa, 131), TEXT(LONG_KEY),
     "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f4"
     "4952"},
    {WEIR__CRYPTO_SHA512, SAME(0xaa, 131), TEXT(LONG_KEY),
     "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a"
     "1e5295e64f73f63f0aec8b915a985d786598"},
    {WEIR__CRYPTO_SHA256, SAME(0xaa, 131), TEXT(LONG_BOTH),
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    {WEIR__CRYPTO_SHA384, SAME(0xaa, 131), TEXT(LONG_BOTH),
     "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46"
     "523e"},
    {WEIR__CRYPTO_SHA512, SAME(0xaa, 131), TEXT(LONG_BOTH),
     "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4"
     "de15134676fb6de0446065c97440fa8c6a58"},
    {WEIR__CRYPTO_SHA1, SAME(0x0b, 20), TEXT("Hi There"),
     "b617318655057264e28bc0b6fb378c8ef146be00"},
    {WEIR__CRYPTO_SHA1, TEXT("Jefe"), TEXT("what do ya want for nothing?"),
     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {WEIR__CRYPTO_SHA1, SAME(0xaa, 80), TEXT(LONG_KEY), "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
    {WEIR__CRYPTO_MD5, SAME(0x0b, 16), TEXT("Hi There"), "9294727a3638bb1c13f48ef8158bfc9d"},
    {WEIR__CRYPTO_MD5, TEXT("Jefe"), TEXT("what do ya want for nothing?"),
     "750c783e6ab0b503eaa86e310a5db738"},
    {WEIR__CRYPTO_MD5, SAME(0xaa, 80), TEXT(LONG_KEY), "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"},
};

static void the_codes_are_those_of_the_rfcs(void **state)
{
    (void)state;
    unsigned char key[BYTES_MAX], text[BYTES_MAX], out[WEIR__CRYPTO_DIGEST_BYTES_MAX];
    for (size_t i = 0; i < COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        weir_str piece = written(&v->text, text);
        assert_int_equal(weir__crypto_hmac(v->kind, written(&v->key, key), &piece, 1, out),
                         WEIR_OK);
        assert_hex(out, strlen(v->code) / 2, v->code);
    }
}

/* Held against libcrypto's own, since the RFCs have no key of a block's length, or of none. */
static void keys_of_every_length(void **state)
{
    (void)state;
    unsigned char key[BYTES_MAX], out[WEIR__CRYPTO_DIGEST_BYTES_MAX], theirs[sizeof out];
    const unsigned char text[] = "what do ya want for nothing?";
    weir_str piece = view(text, sizeof text);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (unsigned char)(i * 11 + 3);
    for (unsigned kind = 0; kind < WEIR__CRYPTO_KINDS; kind++) {
        EVP_MD *md = EVP_MD_fetch(NULL, weir__crypto_kind_name(kind), NULL);
        for (size_t n = 0; n <= sizeof key; n++) {
            assert_int_equal(weir__crypto_hmac(kind, view(key, n), &piece, 1, out), WEIR_OK);
            assert_non_null(HMAC(md, key, (int)n, text, sizeof text, theirs, NULL));
            assert_memory_equal(out, theirs, weir__crypto_digest_bytes(kind));
        }
        EVP_MD_free(md);
    }
}

static void an_absent_key_is_an_empty_one(void **state)
{
    (void)state;
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
    assert_int_equal(weir__crypto_hmac(WEIR__CRYPTO_SHA256, (weir_str){NULL, 0}, NULL, 0, out),
                     WEIR_OK);
    assert_hex(out, sizeof out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void how_the_text_is_cut_changes_nothing(void **state)
{
    (void)state;
    const char text[] = "what do ya want for nothing?";
    unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
    for (size_t at = 0; at < sizeof text; at++) {
        weir_str pieces[] = {view(text, at), view(text + at, sizeof text - 1 - at)};
        assert_int_equal(weir__crypto_hmac(WEIR__CRYPTO_SHA256, WEIR_S("Jefe"), pieces, 2, out),
                         WEIR_OK);
        assert_hex(out, sizeof out,
                   "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}

/* SCRAM's keys become the next ones in place. */
static void the_code_may_lie_where_key_and_text_were(void **state)
{
    (void)state;
    unsigned char both[WEIR__CRYPTO_SHA256_BYTES] = "Jefe", wanted[sizeof both];
    weir_str piece = view(both, 4);
    assert_int_equal(
        weir__crypto_hmac(WEIR__CRYPTO_SHA256, WEIR_S("Jefe"), &WEIR_S("Jefe"), 1, wanted),
        WEIR_OK);
    assert_int_equal(weir__crypto_hmac(WEIR__CRYPTO_SHA256, piece, &piece, 1, both), WEIR_OK);
    assert_memory_equal(both, wanted, sizeof both);
}

/* A key longer than a block needs one digest more. */
static void each_allocation_may_fail(void **state)
{
    (void)state;
    static const unsigned char long_key[WEIR__CRYPTO_BLOCK_BYTES_MAX + 1];
    const weir_str keys[] = {WEIR_S("Jefe"), view(long_key, sizeof long_key)};
    unsigned char out[WEIR__CRYPTO_SHA512_BYTES];
    for (uint64_t i = 0; i < COUNT(keys); i++) {
        for (uint64_t n = 1; n <= 2 + i; n++) {
            memset(out, 7, sizeof out);
            weir__alloc_fail_nth(n);
            assert_int_equal(weir__crypto_hmac(WEIR__CRYPTO_SHA512, keys[i], NULL, 0, out),
                             -ENOMEM);
            assert_zeroes(out, sizeof out);
        }
        weir__alloc_fail_nth(3 + i);
        assert_int_equal(weir__crypto_hmac(WEIR__CRYPTO_SHA512, keys[i], NULL, 0, out), WEIR_OK);
        weir__alloc_fail_nth(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_codes_are_those_of_the_rfcs),
        cmocka_unit_test(keys_of_every_length),
        cmocka_unit_test(an_absent_key_is_an_empty_one),
        cmocka_unit_test(how_the_text_is_cut_changes_nothing),
        cmocka_unit_test(the_code_may_lie_where_key_and_text_were),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("hmac", tests, NULL, NULL);
}
