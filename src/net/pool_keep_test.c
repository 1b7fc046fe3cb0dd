/* What time does to a pool: each knob against a fake server, on virtual time. */
#include "net/pool_testing.h"

#include <stdio.h>
#include <string.h>

#include "net/pool_inside.h"
#include "rt/log.h"
#include "watch/watch.h"

static void turn(weir_ctx *c, struct weir__pool *pool)
{
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    weir__lease_release(&a);
}

/* Opens `n` at a time and gives them back. */
static void open_some(weir_ctx *c, struct weir__pool *pool, int n)
{
    struct weir__lease leases[8];
    for (int i = 0; i < n; i++)
        assert_int_equal(ACQUIRE(c, pool, &leases[i]), WEIR_OK);
    for (int i = 0; i < n; i++)
        weir__lease_release(&leases[i]);
}

static weir_err idles(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 4, .idle_timeout = weir_sec(10));
    open_some(c, pool, 3);
    assert_int_equal(weir_sleep(c, weir_ms(9900)), WEIR_OK);
    assert_int_equal(f->live, 3);
    turn(c, pool); /* one of them is used again */
    assert_int_equal(weir_sleep(c, weir_ms(200)), WEIR_OK);
    assert_int_equal(f->live, 1);
    assert_int_equal(weir_sleep(c, weir_sec(10)), WEIR_OK);
    assert_int_equal(f->live, 0);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_IDLE], 3);
    assert_int_equal(stats_of(pool).open, 0);
    return WEIR_OK;
}

static void test_idle_timeout(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(idles, &f), WEIR_OK);
}

static weir_err ages(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 8, .max_lifetime = weir_sec(100));
    open_some(c, pool, 8);
    assert_int_equal(weir_sleep(c, weir_sec(89)), WEIR_OK);
    assert_int_equal(f->live, 8);
    bool saw_some = false;
    for (int ms = 0; ms < 11100; ms += 100) {
        assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
        saw_some = saw_some || (f->live > 0 && f->live < 8);
    }
    assert_int_equal(f->live, 0);
    assert_true(saw_some); /* the jitter: not all at once */
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_LIFETIME], 8);
    return WEIR_OK;
}

static void test_max_lifetime_with_jitter(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(ages, &f), WEIR_OK);
}

/* One that ages while it is out is closed when it comes back. */
static weir_err ages_in_use(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 1, .max_lifetime = weir_sec(5));
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(6)), WEIR_OK);
    assert_int_equal(f->live, 1);
    weir__lease_release(&a);
    assert_int_equal(f->live, 0);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_LIFETIME], 1);
    return WEIR_OK;
}

static void test_lifetime_ends_on_return(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(ages_in_use, &f), WEIR_OK);
}

static weir_err has_too_many(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 5, .max_idle = 2);
    open_some(c, pool, 5);
    assert_int_equal(f->live, 2);
    assert_int_equal(stats_of(pool).idle, 2);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_IDLE], 3);
    return WEIR_OK;
}

static void test_max_idle(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(has_too_many, &f), WEIR_OK);
}

static weir_err is_prefilled(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__lease a;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 4, .min_idle = 3,
                                        .idle_timeout = weir_sec(5), .max_lifetime = weir_sec(60));
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(f->opened, 3);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(f->opened, 4); /* three are ready again */
    weir__lease_release(&a);
    assert_int_equal(weir_sleep(c, weir_sec(20)), WEIR_OK);
    assert_int_equal(f->live, 3); /* the time-out does not go below the minimum */
    assert_int_equal(f->opened, 4);
    assert_int_equal(weir_sleep(c, weir_sec(60)), WEIR_OK);
    assert_int_equal(f->live, 3); /* the lifetime does, and they are replaced */
    assert_true(f->opened >= 7);
    f->open_err = -ECONNREFUSED;
    assert_int_equal(weir_sleep(c, weir_sec(90)), WEIR_OK);
    assert_int_equal(f->live, 0);
    assert_true(stats_of(pool).open_errors > 20); /* it tries again, by the second */
    assert_true(stats_of(pool).open_errors < 100);
    f->open_err = WEIR_OK;
    assert_int_equal(weir_sleep(c, weir_ms(1100)), WEIR_OK);
    assert_int_equal(f->live, 3);
    return WEIR_OK;
}

static void test_min_idle_is_kept_ready(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(is_prefilled, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

static weir_err checks(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 1, .check_after = weir_sec(2));
    turn(c, pool);
    turn(c, pool);
    assert_int_equal(f->checked, 0);
    assert_int_equal(weir_sleep(c, weir_sec(3)), WEIR_OK);
    turn(c, pool);
    assert_int_equal(f->checked, 1);
    assert_int_equal(f->opened, 1);
    f->check_err = -EPIPE;
    assert_int_equal(weir_sleep(c, weir_sec(3)), WEIR_OK);
    turn(c, pool);
    assert_int_equal(f->opened, 2);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_BROKEN], 1);
    return WEIR_OK;
}

static void test_check_after_idling(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(checks, &f), WEIR_OK);
}

/* --- leaks (E3) ------------------------------------------------------------------------------- */

static int borrowed_at;

static weir_err keeps_too_long(weir_ctx *c, void *arg)
{
    weir__ctx_originate(weir__ctx_of(c), "GET /keeps");
    weir__ctx_of(c)->own_origin.request_id = WEIR_S("req-42");
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 1, .leak_threshold = weir_sec(5));
    struct weir__lease a;
    char bytes[8000];
    weir_buf log;
    weir_buf_init_fixed(&log, bytes, sizeof bytes - 1);
    weir__log_capture(&log);
    borrowed_at = __LINE__ + 1;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(4900)), WEIR_OK);
    assert_int_equal(stats_of(pool).leaked, 0);
    assert_int_equal(weir_sleep(c, weir_ms(200)), WEIR_OK);
    assert_int_equal(stats_of(pool).leaked, 1);
    bytes[log.len] = '\0';
    char place[64];
    snprintf(place, sizeof place, "pool_keep_test.c:%d", borrowed_at);
    assert_non_null(strstr(bytes, "lease of pool orders is out"));
    assert_non_null(strstr(bytes, place));
    assert_non_null(strstr(bytes, "\"request_id\":\"req-42\",\"route\":\"GET /keeps\""));
    assert_non_null(strstr(bytes, "\"trace_id\":\""));
    assert_non_null(strstr(bytes, "keeps_too_long")); /* the stack */
    assert_non_null(strstr(bytes, "waits in sleep"));
    assert_null(strstr(bytes, "is back"));
    assert_int_equal(weir_sleep(c, weir_sec(60)), WEIR_OK);
    assert_int_equal(stats_of(pool).leaked, 1); /* once is enough */
    assert_int_equal(stats_of(pool).leaks_returned, 0);
    weir__lease_release(&a);
    bytes[log.len] = '\0';
    assert_non_null(strstr(bytes, "is back after"));
    assert_int_equal(stats_of(pool).leaks_returned, 1);
    weir__log_capture(NULL);
    weir__ctx_of(c)->origin = NULL;
    return WEIR_OK;
}

static void test_leak_threshold_and_notice(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(keeps_too_long, &f), WEIR_OK);
}

/* One that is too old is never lent, also when the keeper has not come to it yet. */
static weir_err borrows_too_old(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 1);
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    weir__lease_release(&a);
    pool->slots[0].expires = weir_now();
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    assert_int_equal(f->opened, 2);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_LIFETIME], 1);
    assert_false(weir__ctx_of(c)->is_shielded); /* that was for the closing alone */
    weir__lease_release(&a);
    return WEIR_OK;
}

static void test_too_old_is_never_lent(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(borrows_too_old, &f), WEIR_OK);
}

/* More leaks than one look reports: the rest is not forgotten. */
static weir_err leaks_many(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 8, .leak_threshold = weir_ms(100));
    struct weir__lease leases[8];
    char bytes[8];
    weir_buf log;
    weir_buf_init_fixed(&log, bytes, sizeof bytes);
    weir__log_capture(&log);
    for (int i = 0; i < 8; i++)
        assert_int_equal(ACQUIRE(c, pool, &leases[i]), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(120)), WEIR_OK);
    assert_int_equal(stats_of(pool).leaked, 8);
    for (int i = 0; i < 8; i++)
        weir__lease_release(&leases[i]);
    assert_int_equal(stats_of(pool).leaks_returned, 8);
    weir__log_capture(NULL);
    return WEIR_OK;
}

static void test_all_leaks_are_reported(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(leaks_many, &f), WEIR_OK);
}

/* --- configuration (L21) ---------------------------------------------------------------------- */

static void test_options_have_defaults(void **state)
{
    (void)state;
    weir_pool_options o = {.max_open = 10};
    weir_buf out;
    char bytes[100];
    weir_buf_init_fixed(&out, bytes, sizeof bytes);
    assert_int_equal(weir__pool_options_settle("orders", &o, &out), WEIR_OK);
    assert_int_equal(o.max_idle, 10);
    assert_int_equal(o.waiters_max, 1000);
    assert_int_equal(o.max_lifetime.ns, weir_min(30).ns);
    assert_int_equal(o.leak_threshold.ns, weir_sec(30).ns);
    assert_int_equal(out.len, 0);
}

static void test_all_mistakes_are_told_at_once(void **state)
{
    (void)state;
    weir_pool_options o = {.max_idle = 20,
                           .waiters_max = 2000000,
                           .max_lifetime = weir_ms(-1),
                           .idle_timeout = weir_ms(10),
                           .leak_threshold = weir_hour(2)};
    weir_buf out;
    char bytes[1000];
    weir_buf_init_fixed(&out, bytes, sizeof bytes - 1);
    assert_int_equal(weir__pool_options_settle("orders", &o, &out), WEIR_EINVALID);
    bytes[out.len] = '\0';
    assert_non_null(strstr(bytes, "pool orders: max_open is 0; allowed: 1 to 10000"));
    assert_non_null(strstr(bytes, "waiters_max is 2000000; allowed: 1 to 1000000"));
    assert_non_null(strstr(bytes, "max_lifetime is -1 ms; allowed: 1 s to 24 h"));
    assert_non_null(strstr(bytes, "idle_timeout is 10 ms; allowed: 1 s to 24 h"));
    assert_non_null(strstr(bytes, "leak_threshold is 2 h; allowed: 10 ms to 1 h"));
    o = (weir_pool_options){.max_open = 5, .max_idle = 6, .min_idle = 9};
    weir_buf_reset(&out);
    assert_int_equal(weir__pool_options_settle("orders", &o, &out), WEIR_EINVALID);
    bytes[out.len] = '\0';
    assert_non_null(strstr(bytes, "max_idle is 6; allowed: 1 to 5"));
    assert_non_null(strstr(bytes, "min_idle is 9; allowed: 0 to 5"));
}

static weir_err makes_a_bad_one(weir_ctx *c, void *arg)
{
    assert_null(FAKE_POOL(c, arg, .max_idle = 3));
    assert_int_equal(weir_last_error(c)->code, WEIR_EINVALID);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "max_open is 0"));
    return WEIR_OK;
}

static void test_a_pool_without_a_maximum_is_refused(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(makes_a_bad_one, &f), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_timeout),
        cmocka_unit_test(test_max_lifetime_with_jitter),
        cmocka_unit_test(test_lifetime_ends_on_return),
        cmocka_unit_test(test_max_idle),
        cmocka_unit_test(test_min_idle_is_kept_ready),
        cmocka_unit_test(test_check_after_idling),
        cmocka_unit_test(test_leak_threshold_and_notice),
        cmocka_unit_test(test_too_old_is_never_lent),
        cmocka_unit_test(test_all_leaks_are_reported),
        cmocka_unit_test(test_options_have_defaults),
        cmocka_unit_test(test_all_mistakes_are_told_at_once),
        cmocka_unit_test(test_a_pool_without_a_maximum_is_refused),
    };
    weir__watch_install();
    return cmocka_run_group_tests_name("pool keeper", tests, NULL, NULL);
}
