/*
 * Digests: the vectors of RFC 1321 appendix A.5 and RFC 6234 section 8.5, any way to cut what is
 * fed, many threads at once from the first call on, and what is told where libcrypto offers less.
 */
#include "crypto/testing.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

#define TEST_1 "abc"
#define TEST_2_1 "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
#define TEST_2_2                                                                                   \
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmn"  \
    "opqrsmnopqrstnopqrstu"
#define TEST_4 "0123456701234567012345670123456701234567012345670123456701234567"

static const struct vector {
    enum weir__crypto_kind kind;
    const char *text;
    size_t times;
    const char *digest;
} vectors[] = {
    {WEIR__CRYPTO_MD5, "", 1, "d41d8cd98f00b204e9800998ecf8427e"},
    {WEIR__CRYPTO_MD5, "a", 1, "0cc175b9c0f1b6a831c399e269772661"},
    {WEIR__CRYPTO_MD5, TEST_1, 1, "900150983cd24fb0d6963f7d28e17f72"},
    {WEIR__CRYPTO_MD5, "message digest", 1, "f96b697d7cb7938d525a2f31aaf161d0"},
    {WEIR__CRYPTO_MD5, "abcdefghijklmnopqrstuvwxyz", 1, "c3fcd3d76192e4007dfb496cca67e13b"},
    {WEIR__CRYPTO_MD5, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 1,
     "d174ab98d277d9f5a5611c2c9f419d9f"},
    {WEIR__CRYPTO_MD5, "1234567890", 8, "57edf4a22be3c955ac49da2e2107b67a"},
    {WEIR__CRYPTO_SHA1, TEST_1, 1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {WEIR__CRYPTO_SHA1, TEST_2_1, 1, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    {WEIR__CRYPTO_SHA1, "a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"},
    {WEIR__CRYPTO_SHA1, TEST_4, 10, "dea356a2cddd90c7a7ecedc5ebb563934f460452"},
    {WEIR__CRYPTO_SHA256, "", 1,
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {WEIR__CRYPTO_SHA256, TEST_1, 1,
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {WEIR__CRYPTO_SHA256, TEST_2_1, 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {WEIR__CRYPTO_SHA256, "a", 1000000,
     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    {WEIR__CRYPTO_SHA256, TEST_4, 10,
     "594847328451bdfa85056225462cc1d867d877fb388df0ce35f25ab5562bfbb5"},
    {WEIR__CRYPTO_SHA384, TEST_1, 1,
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c8"
     "25a7"},
    {WEIR__CRYPTO_SHA384, TEST_2_2, 1,
     "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa9174"
     "6039"},
    {WEIR__CRYPTO_SHA384, "a", 1000000,
     "9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b07b8b3dc38ecc4ebae97ddd87f3d"
     "8985"},
    {WEIR__CRYPTO_SHA384, TEST_4, 10,
     "2fc64a4f500ddb6828f6a3430b8dd72a368eb7f3a8322a70bc84275b9c0b3ab00d27a5cc3c2d224aa6b61a0d79fb"
     "4596"},
    {WEIR__CRYPTO_SHA512, TEST_1, 1,
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fe"
     "ebbd454d4423643ce80e2a9ac94fa54ca49f"},
    {WEIR__CRYPTO_SHA512, TEST_2_2, 1,
     "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b5"
     "433ac7d329eeb6dd26545e96e55b874be909"},
    {WEIR__CRYPTO_SHA512, "a", 1000000,
     "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973ebde0ff244877ea60a4cb0432ce577"
     "c31beb009c5c2c49aa2e4eadb217ad8cc09b"},
    {WEIR__CRYPTO_SHA512, TEST_4, 10,
     "89d05ba632c699c31231ded4ffc127d5a894dad412c0e024db872d1abd2ba8141a0f85072a9be1e2aa04cf33c765"
     "cb510813a39cd5a84c4acaa64d3f3fb7bae9"},
};

/* Each vector's digest, of as many pieces as it has repetitions. False: it is another. */
static bool is_as_published(const struct vector *v)
{
    unsigned char out[WEIR__CRYPTO_DIGEST_BYTES_MAX];
    char hex[2 * sizeof out + 1] = "";
    struct weir__crypto_hash h;
    weir__crypto_hash_begin(&h, v->kind);
    for (size_t i = 0; i < v->times; i++)
        weir__crypto_hash_add(&h, v->text, strlen(v->text));
    if (weir__crypto_hash_end(&h, out) != WEIR_OK)
        return false;
    for (size_t i = 0; i < weir__crypto_digest_bytes(v->kind); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", out[i]);
    return strcmp(hex, v->digest) == 0;
}

/* --- threads, before all else: they meet a process in which nothing was fetched --------------- */

enum { THREADS = 8, ROUNDS = 20 };

static pthread_barrier_t start;

static void *digest_all(void *arg)
{
    size_t *right = arg;
    pthread_barrier_wait(&start);
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < COUNT(vectors); i++)
            if (vectors[i].times < 100)
                *right += is_as_published(&vectors[i]);
    return NULL;
}

static void threads_digest_at_once_from_the_first_call_on(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    size_t right[THREADS] = {0}, wanted = 0;
    for (size_t i = 0; i < COUNT(vectors); i++)
        wanted += vectors[i].times < 100 ? ROUNDS : 0;
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, digest_all, &right[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&start);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(right[i], wanted);
}

static void *finish(void *arg)
{
    static unsigned char out[WEIR__CRYPTO_SHA256_BYTES];
    return weir__crypto_hash_end(arg, out) == WEIR_OK ? out : NULL;
}

static void a_hash_may_end_on_another_thread(void **state)
{
    (void)state;
    struct weir__crypto_hash h;
    pthread_t thread;
    void *out = NULL;
    weir__crypto_hash_begin(&h, WEIR__CRYPTO_SHA256);
    weir__crypto_hash_add(&h, "abc", 3);
    assert_int_equal(pthread_create(&thread, NULL, finish, &h), 0);
    assert_int_equal(pthread_join(thread, &out), 0);
    assert_non_null(out);
    assert_hex(out, WEIR__CRYPTO_SHA256_BYTES,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* --- values ----------------------------------------------------------------------------------- */

static void the_digests_are_those_of_the_rfcs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++)
        if (!is_as_published(&vectors[i]))
            fail_msg("row %zu: not %s", i, vectors[i].digest);
}

static void how_it_is_cut_changes_nothing(void **state)
{
    (void)state;
    unsigned char text[300], whole[WEIR__CRYPTO_DIGEST_BYTES_MAX], cut[sizeof whole];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)(i * 7);
    for (unsigned kind = 0; kind < WEIR__CRYPTO_KINDS; kind++) {
        weir_str all = view(text, sizeof text);
        assert_int_equal(weir__crypto_digest(kind, &all, 1, whole), WEIR_OK);
        for (size_t at = 0; at <= sizeof text; at++) {
            weir_str pieces[] = {view(text, at), {NULL, 0}, view(text + at, sizeof text - at)};
            assert_int_equal(weir__crypto_digest(kind, pieces, 3, cut), WEIR_OK);
            assert_memory_equal(cut, whole, weir__crypto_digest_bytes(kind));
        }
    }
}

static void nothing_has_a_digest_too(void **state)
{
    (void)state;
    unsigned char out[WEIR__CRYPTO_DIGEST_BYTES_MAX];
    assert_int_equal(weir__crypto_digest(WEIR__CRYPTO_MD5, NULL, 0, out), WEIR_OK);
    assert_hex(out, WEIR__CRYPTO_MD5_BYTES, "d41d8cd98f00b204e9800998ecf8427e");
}

static void the_digest_may_lie_where_a_piece_was(void **state)
{
    (void)state;
    unsigned char secret[WEIR__CRYPTO_SHA1_BYTES] = "abc";
    weir_str piece = view(secret, 3);
    assert_int_equal(weir__crypto_digest(WEIR__CRYPTO_SHA1, &piece, 1, secret), WEIR_OK);
    assert_hex(secret, sizeof secret, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

/* More than one at a time of a kind, and one that is given up, whose bytes are in no other. */
static void hashes_do_not_touch_each_other(void **state)
{
    (void)state;
    struct weir__crypto_hash a, b, given_up;
    unsigned char out[WEIR__CRYPTO_SHA1_BYTES];
    weir__crypto_hash_begin(&given_up, WEIR__CRYPTO_SHA1);
    weir__crypto_hash_begin(&a, WEIR__CRYPTO_SHA1);
    weir__crypto_hash_add(&given_up, "a secret", 8);
    weir__crypto_hash_add(&a, "ab", 2);
    weir__crypto_hash_fini(&given_up);
    weir__crypto_hash_fini(&given_up);
    weir__crypto_hash_begin(&b, WEIR__CRYPTO_SHA1);
    weir__crypto_hash_add(&a, "c", 1);
    weir__crypto_hash_add(&b, "abc", 3);
    assert_int_equal(weir__crypto_hash_end(&a, out), WEIR_OK);
    assert_hex(out, sizeof out, "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_int_equal(weir__crypto_hash_end(&b, out), WEIR_OK);
    assert_hex(out, sizeof out, "a9993e364706816aba3e25717850c26c9cd0d89d");
    weir__crypto_hash_fini(&a);
    weir__crypto_hash_fini(&(struct weir__crypto_hash){.err = WEIR_OK});
}

static void sizes_and_names_are_those_of_the_kind(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t digest, block;
    } wanted[WEIR__CRYPTO_KINDS] = {
        {"MD5", 16, 64},      {"SHA-1", 20, 64},    {"SHA-256", 32, 64},
        {"SHA-384", 48, 128}, {"SHA-512", 64, 128},
    };
    for (unsigned kind = 0; kind < WEIR__CRYPTO_KINDS; kind++) {
        EVP_MD *md = EVP_MD_fetch(NULL, weir__crypto_kind_name(kind), NULL);
        assert_non_null(md);
        assert_string_equal(weir__crypto_kind_name(kind), wanted[kind].name);
        assert_int_equal(weir__crypto_digest_bytes(kind), wanted[kind].digest);
        assert_int_equal(weir__crypto_block_bytes(kind), wanted[kind].block);
        assert_int_equal(weir__crypto_digest_bytes(kind), EVP_MD_get_size(md));
        assert_int_equal(weir__crypto_block_bytes(kind), EVP_MD_get_block_size(md));
        EVP_MD_free(md);
    }
}

/* --- refusals --------------------------------------------------------------------------------- */

static void a_planned_failure_is_told_at_the_end(void **state)
{
    (void)state;
    unsigned char out[WEIR__CRYPTO_SHA512_BYTES];
    struct said s;
    weir_str piece = WEIR_S("abc");
    memset(out, 7, sizeof out);
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__crypto_digest(WEIR__CRYPTO_SHA512, &piece, 1, out), -ENOMEM);
    assert_zeroes(out, sizeof out);
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__crypto_require(WEIR__CRYPTO_SHA512, listen_to(&s)), -ENOMEM);
    assert_said(&s, "SHA-512: out of memory");
    assert_int_equal(weir__crypto_require(WEIR__CRYPTO_SHA512, NULL), WEIR_OK);
    assert_int_equal(weir__crypto_digest(WEIR__CRYPTO_SHA512, &piece, 1, out), WEIR_OK);
}

/*
 * What a machine is configured to refuse: here by a property that nothing has, as FIPS' is asked
 * for. In a process of its own, where nothing has been fetched yet; its exit status is the check
 * that failed.
 */
static int try_without_digests(void)
{
    unsigned char out[WEIR__CRYPTO_MD5_BYTES];
    weir_str piece = WEIR_S("abc");
    char text[512] = "";
    weir_buf why;
    weir_buf_init_fixed(&why, text, sizeof text);
    if (EVP_set_default_properties(NULL, "provider=none") != 1)
        return 1;
    if (weir__crypto_require(WEIR__CRYPTO_MD5, &why) != -ENOTSUP)
        return 2;
    if (strncmp(text, "MD5: error:", 11) != 0 || strstr(text, "unsupported") == NULL)
        return 3;
    if (weir__crypto_digest(WEIR__CRYPTO_MD5, &piece, 1, out) != -ENOTSUP)
        return 4;
    if (ERR_peek_error() != 0)
        return 5;
    /* Nothing of it is remembered. */
    if (EVP_set_default_properties(NULL, "") != 1 ||
        weir__crypto_require(WEIR__CRYPTO_MD5, NULL) != WEIR_OK)
        return 6;
    return weir__crypto_digest(WEIR__CRYPTO_MD5, &piece, 1, out) == WEIR_OK ? 0 : 7;
}

static void what_libcrypto_does_not_offer_is_told(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(try_without_digests());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_libcrypto_does_not_offer_is_told), /* nothing is fetched yet */
        cmocka_unit_test(threads_digest_at_once_from_the_first_call_on),
        cmocka_unit_test(a_hash_may_end_on_another_thread),
        cmocka_unit_test(the_digests_are_those_of_the_rfcs),
        cmocka_unit_test(how_it_is_cut_changes_nothing),
        cmocka_unit_test(nothing_has_a_digest_too),
        cmocka_unit_test(the_digest_may_lie_where_a_piece_was),
        cmocka_unit_test(hashes_do_not_touch_each_other),
        cmocka_unit_test(sizes_and_names_are_those_of_the_kind),
        cmocka_unit_test(a_planned_failure_is_told_at_the_end),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
