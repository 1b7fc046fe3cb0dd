/*
 * The page of pools on the simulation: text and JSON say the same of a pool that is full, of one
 * that nobody answers, and of who holds what.
 */
#include "obs/pools.h"

#include <string.h>

#include "net/pool_testing.h"
#include "rt/runtime.h"

static weir_err holds_one(weir_ctx *c, void *arg)
{
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, arg, &a), WEIR_OK);
    weir_err err = weir_sleep(c, weir_sec(60));
    weir__lease_release(&a);
    return err;
}

static weir_err stands_in_line(weir_ctx *c, void *arg)
{
    struct weir__lease a;
    weir_err err = ACQUIRE(c, arg, &a);
    weir__lease_release(&a);
    return err;
}

static void expect_parts(const char *text, const char *const *parts)
{
    for (; *parts != NULL; parts++) {
        if (strstr(text, *parts) == NULL)
            fail_msg("no \"%s\" in\n%s", *parts, text);
    }
}

static void look(weir_ctx *c, void (*put)(const struct weir__pools *, weir_buf *),
                 const char *const *parts)
{
    struct weir__pools p;
    weir_buf b;
    assert_int_equal(weir__pools_collect(weir__ctx_of(c), weir_ms(100), &p), WEIR_OK);
    weir_buf_init(&b, 1 << 20);
    put(&p, &b);
    weir_buf_putc(&b, '\0');
    expect_parts(b.ptr, parts);
    weir_buf_fini(&b);
    weir__pools_fini(&p);
}

static weir_err looks(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.dials_max = 2), .max_open = 2);
    struct weir__lease a;
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 2; i++)
        assert_int_equal(WEIR_GO(group, holds_one, pool), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(500)), WEIR_OK);
    assert_int_equal(WEIR_GO(group, stands_in_line, pool), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(2000)), WEIR_OK);
    f->open_err = -ECONNREFUSED;
    struct weir__pool *dead = FAKE_DIALLING(c, f, DIAL(.dials_max = 2), .max_open = 7);
    assert_int_equal(ACQUIRE(c, dead, &a), WEIR_EUNREACHABLE);
    weir_error_clear(c);
    weir__pool_suspend(pool);
    look(c, weir__pools_text,
         (const char *const[]){
             "2 pools\n", "pool orders: 2 of 2 open, 2 lent, 0 idle, 0 being opened, 1 in line",
             "suspended for 0.000 s",
             "  lease of holds_one for 2.500 s, from src/obs/pools_test.c:",
             " waits for sleep for 2.500 s\n", "    holds_one at ", "pool orders: 0 of 7 open",
             "unreachable for 0.000 s",
             "the last of 1 tries to open one, 0.000 s ago: nobody answers", NULL});
    look(c, weir__pools_json,
         (const char *const[]){
             "{\"not_listed\":0,\"pools\":[{\"name\":\"orders\"", "\"in_use\":2", "\"waiting\":1",
             "\"kind\":\"lease\"", "\"age_ms\":2500", "\"waits_for\":\"sleep", "\"waits_ms\":2500",
             "\"site\":\"src/obs/pools_test.c:", "\"stack\":[", "holds_one at ", "\"down_ms\":0",
             "\"failure\":\"nobody answers at port 5432\"", "\"leases\":[]", NULL});
    f->note = "replica, 12 ms behind";
    look(c, weir__pools_text,
         (const char *const[]){"\npool orders (replica, 12 ms behind): 2 of 2 open", NULL});
    look(c, weir__pools_json, (const char *const[]){"\"note\":\"replica, 12 ms behind\"", NULL});
    weir_cancel(group);
    return weir_ctx_close(group) == WEIR_ECANCELED ? WEIR_OK : WEIR_EFAIL;
}

static void text_and_json(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(looks, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_and_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
