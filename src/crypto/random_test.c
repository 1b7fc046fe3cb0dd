/* Random bytes: that they come, all that were asked for and no more, and never twice. */
#include "crypto/testing.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/random.h"

/* Around the 256 bytes that the kernel gives in one piece whatever happens, and far past them. */
static void as_many_come_as_were_asked_for(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 16, 255, 256, 257, 4096, 1 << 20};
    static unsigned char out[(1 << 20) + 2];
    for (size_t i = 0; i < COUNT(lengths); i++) {
        size_t n = lengths[i], last_byte_came = n == 0;
        memset(out, 0, n + 2);
        for (int tries = 0; tries < 100 && !last_byte_came; tries++) {
            weir__crypto_random(out + 1, n);
            last_byte_came = out[n] != 0; /* one in 256 is 0 by chance */
        }
        if (n == 0)
            weir__crypto_random(out + 1, n);
        assert_true(last_byte_came);
        assert_int_equal(out[0], 0);
        assert_int_equal(out[n + 1], 0);
    }
}

/* Of 2^17 bits half are set, give or take 1,800: ten times what chance does. */
static void no_bit_is_rarer(void **state)
{
    (void)state;
    static unsigned char out[1 << 17];
    size_t set[8] = {0};
    weir__crypto_random(out, sizeof out);
    for (size_t i = 0; i < sizeof out; i++)
        for (unsigned bit = 0; bit < 8; bit++)
            set[bit] += out[i] >> bit & 1;
    for (unsigned bit = 0; bit < 8; bit++)
        assert_in_range(set[bit], sizeof out / 2 - 1800, sizeof out / 2 + 1800);
}

/* Neither in one process nor in its child: nothing of it is kept in the process' memory. */
static void a_child_draws_others(void **state)
{
    (void)state;
    unsigned char ours[32], theirs[sizeof ours], before[sizeof ours];
    int ends[2], status = 0;
    weir__crypto_random(before, sizeof before);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    weir__crypto_random(ours, sizeof ours);
    if (child == 0)
        _exit(write(ends[1], ours, sizeof ours) == sizeof ours ? 0 : 1);
    assert_int_equal(read(ends[0], theirs, sizeof theirs), sizeof theirs);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_memory_not_equal(ours, theirs, sizeof ours);
    assert_memory_not_equal(ours, before, sizeof ours);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_come_as_were_asked_for),
        cmocka_unit_test(no_bit_is_rarer),
        cmocka_unit_test(a_child_draws_others),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
