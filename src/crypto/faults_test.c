/*
 * libcrypto without memory. In this process alone its allocations go through the heap's door, so
 * that each of them can be planned to fail: a call then says so or does its work, leaves nothing
 * behind, and the next one works. And what libcrypto keeps can be looked into.
 */
#include "crypto/testing.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "crypto/hmac.h"
#include "crypto/pbkdf2.h"
#include "crypto/rsa.h"
#include "crypto/rsa_testing.h"

/* --- libcrypto's memory ----------------------------------------------------------------------- */

static _Atomic int64_t live;   /* pieces that libcrypto holds */
static _Atomic uint64_t taken; /* that it has ever taken */

enum { PIECES_MAX = 64 };

/* Those of one thread, while somebody wants to look into them. */
static _Thread_local struct {
    bool is_on;
    struct {
        void *at;
        size_t size;
    } pieces[PIECES_MAX];
} watch;

static void note_piece(void *from, void *to, size_t size)
{
    for (size_t i = 0; watch.is_on && i < PIECES_MAX; i++) {
        if (watch.pieces[i].at == from) {
            watch.pieces[i].at = to;
            watch.pieces[i].size = size;
            return;
        }
    }
}

static void *take(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    void *p = weir__malloc(size);
    if (p != NULL) {
        live++;
        taken++;
        note_piece(NULL, p, size);
    }
    return p;
}

static void give(void *p, const char *file, int line)
{
    (void)file, (void)line;
    live -= p != NULL;
    if (p != NULL)
        note_piece(p, NULL, 0);
    weir__free(p);
}

static void *take_again(void *p, size_t size, const char *file, int line)
{
    if (p == NULL)
        return take(size, file, line);
    if (size > 0)
        return weir__realloc(p, size);
    give(p, file, line);
    return NULL;
}

/* --- what there is to do ---------------------------------------------------------------------- */

static weir_err digest(unsigned char *out)
{
    weir_str piece = WEIR_S("abc");
    weir_err err = WEIR_OK;
    for (unsigned kind = 0; kind < WEIR__CRYPTO_KINDS && err == WEIR_OK; kind++)
        err = weir__crypto_digest(kind, &piece, 1, out);
    return err;
}

static weir_err code(unsigned char *out)
{
    weir_str piece = WEIR_S("what do ya want for nothing?");
    return weir__crypto_hmac(WEIR__CRYPTO_SHA256, WEIR_S("Jefe"), &piece, 1, out);
}

static weir_err derive(unsigned char *out)
{
    struct weir__crypto_pbkdf2 p = {WEIR__CRYPTO_SHA256, WEIR_S("pencil"), WEIR_S("salt"), 2};
    return weir__crypto_pbkdf2(&p, out, WEIR__CRYPTO_SHA256_BYTES, NULL);
}

static char pem[2048];

static weir_err encrypt(unsigned char *out)
{
    struct weir__crypto_rsa key;
    weir_err err = weir__crypto_rsa_init(&key, weir_str_from(pem), NULL);
    if (err == WEIR_OK)
        err = weir__crypto_rsa_encrypt(&key, WEIR_S("a password"), out, NULL);
    weir__crypto_rsa_fini(&key);
    return err;
}

static const struct operation {
    const char *name;
    weir_err (*run)(unsigned char *out);
    uint64_t taken_max; /* pieces of memory that it may take when it is warm */
    int64_t lost_max;   /* of them that libcrypto 3.0 itself loses, over all failures */
} operations[] = {
    {"digest", digest, WEIR__CRYPTO_KINDS, 0},
    {"code", code, 2, 0},
    {"derive", derive, 100, 0},
    {"encrypt", encrypt, 3000, 8}, /* in d2i_PUBKEY: four, at three places */
};

static unsigned char out[WEIR__CRYPTO_RSA_BYTES_MAX];

/* True when the planned allocation has been asked for. */
static bool has_failed;

static void note_failure(size_t size)
{
    (void)size;
    has_failed = true;
}

/* The operation with its n-th allocation failing, be it libcrypto's or the room's own. */
static weir_err run_failing(const struct operation *op, uint64_t n)
{
    has_failed = false;
    weir__alloc_tell_planned(note_failure);
    weir__alloc_fail_nth(n);
    weir_err err = op->run(out);
    weir__alloc_fail_nth(0);
    weir__alloc_tell_planned(NULL);
    return err;
}

/* --- tests ------------------------------------------------------------------------------------ */

/*
 * Digests before any was made, once libcrypto itself has come up, which main sees to: without
 * memory in the middle of that libcrypto 3.0 ends in a fault, or lacks for ever what it has not
 * found. Each run in a process of its own, whose exit status is what went wrong.
 */
static int first_time(const struct operation *op, uint64_t n)
{
    weir_err err = run_failing(op, n);
    if (err != WEIR_OK && err != -ENOMEM)
        return 1;
    if (err != WEIR_OK && ERR_peek_error() != 0)
        return 2;
    return op->run(out) != WEIR_OK ? 3 : has_failed ? 0 : 99;
}

static void the_first_time_may_lack_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int status = 0;
        for (uint64_t n = 1; status != 99; n++) {
            pid_t child = fork();
            assert_true(child >= 0);
            if (child == 0)
                _exit(first_time(&operations[i], n));
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(WIFEXITED(status));
            status = WEXITSTATUS(status);
            if (status != 0 && status != 99)
                fail_msg("%s, allocation %ju: %d", operations[i].name, n, status);
        }
    }
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(operations); i++) {
        const struct operation *op = &operations[i];
        assert_int_equal(op->run(out), WEIR_OK);
        int64_t before = live;
        uint64_t n = 1, refused = 0;
        for (; n == 1 || has_failed; n++) {
            weir_err err = run_failing(op, n);
            if (err != WEIR_OK && err != -ENOMEM)
                fail_msg("%s, allocation %ju: %s", op->name, n, weir_strerror(err));
            refused += err != WEIR_OK;
            assert_int_equal(ERR_peek_error(), 0);
            if (err != WEIR_OK || live != before)
                assert_int_equal(op->run(out), WEIR_OK);
            assert_in_range(live - before, 0, op->lost_max);
        }
        assert_true(refused > 0 && refused < n);
    }
}

static void what_is_warm_takes_little(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(operations); i++) {
        assert_int_equal(operations[i].run(out), WEIR_OK);
        uint64_t before = taken;
        assert_int_equal(operations[i].run(out), WEIR_OK);
        assert_in_range(taken - before, 0, operations[i].taken_max);
    }
}

static void *digest_and_end(void *arg)
{
    unsigned char room[WEIR__CRYPTO_DIGEST_BYTES_MAX];
    return digest(room) == WEIR_OK ? arg : NULL;
}

static void a_thread_leaves_nothing(void **state)
{
    (void)state;
    int64_t before = 0;
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        void *result = NULL;
        assert_int_equal(pthread_create(&thread, NULL, digest_and_end, out), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, out);
        if (i > 0)
            assert_int_equal(live, before);
        before = live;
    }
}

static bool is_kept(const void *bytes, size_t n)
{
    for (size_t i = 0; i < PIECES_MAX; i++)
        if (watch.pieces[i].at != NULL &&
            memmem(watch.pieces[i].at, watch.pieces[i].size, bytes, n) != NULL)
            return true;
    return false;
}

/* SHA-256's digest as its context has it: in words of this machine. */
static void as_words(unsigned char *digest)
{
    for (size_t i = 0; i < WEIR__CRYPTO_SHA256_BYTES; i += 4) {
        uint32_t word;
        memcpy(&word, digest + i, sizeof word);
        word = __builtin_bswap32(word);
        memcpy(digest + i, &word, sizeof word);
    }
}

/* C2, of a context that was made while its thread is watched. */
static void *digest_secrets(void *arg)
{
    static const char secret[] = "a password that is digested";
    bool *was_kept = arg;
    struct weir__crypto_hash h;
    unsigned char sum[WEIR__CRYPTO_SHA256_BYTES];
    watch.is_on = true;
    weir__crypto_hash_begin(&h, WEIR__CRYPTO_SHA256);
    weir__crypto_hash_add(&h, secret, sizeof secret);
    was_kept[0] = is_kept(secret, sizeof secret);
    was_kept[1] = weir__crypto_hash_end(&h, sum) == WEIR_OK;
    as_words(sum);
    was_kept[2] = is_kept(secret, sizeof secret) || is_kept(sum, sizeof sum);
    weir__crypto_hash_begin(&h, WEIR__CRYPTO_SHA256);
    weir__crypto_hash_add(&h, secret, sizeof secret);
    was_kept[3] = is_kept(secret, sizeof secret);
    weir__crypto_hash_fini(&h);
    was_kept[4] = is_kept(secret, sizeof secret);
    return NULL;
}

static void a_spare_holds_nothing_of_what_it_was_fed(void **state)
{
    (void)state;
    bool was_kept[5] = {false};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, digest_secrets, was_kept), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(was_kept[0] && was_kept[1] && was_kept[3]);
    assert_false(was_kept[2]);
    assert_false(was_kept[4]);
}

int main(void)
{
    if (CRYPTO_set_mem_functions(take, take_again, give) != 1)
        return 1; /* somebody has taken memory before */
    if (weir__crypto_require(WEIR__CRYPTO_SHA256, NULL) != WEIR_OK)
        return 1;
    (void)public_pem(private_key(), pem, sizeof pem);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_time_may_lack_memory),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(what_is_warm_takes_little),
        cmocka_unit_test(a_thread_leaves_nothing),
        cmocka_unit_test(a_spare_holds_nothing_of_what_it_was_fed),
    };
    return cmocka_run_group_tests_name("crypto without memory", tests, NULL, NULL);
}
