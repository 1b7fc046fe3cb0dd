/*
 * The kinds in which pools fail in the field, 1 to 8, each against a fake server on virtual time:
 * what the pool decides of them. The others are in pool_kinds_more_test.c.
 */
#include "net/pool_testing.h"

#include <stdio.h>
#include <string.h>

#include "net/pool_inside.h"
#include "watch/watch.h"

#define NOW_MS() (weir_now().ns / 1000000)

static bool cause_has(weir_ctx *c, const char *text)
{
    weir_str cause = weir_last_error(c)->cause;
    return cause.ptr != NULL && strstr(cause.ptr, text) != NULL;
}

static bool message_has(weir_ctx *c, const char *text)
{
    return strstr(weir_last_error(c)->message.ptr, text) != NULL;
}

/* --- 1: rows or a transaction never closed: the pool empties silently, nothing names the line - */

static int forgetful_line;

static weir_err forgets_rows(weir_ctx *c, void *arg)
{
    struct weir__lease a;
    forgetful_line = __LINE__ + 1;
    assert_int_equal(ACQUIRE(c, arg, &a), WEIR_OK);
    return weir_sleep(c, weir_sec(2)); /* and never closes them */
}

static weir_err kind_01(weir_ctx *c, void *arg)
{
    struct weir__pool *pool =
        FAKE_DIALLING(c, arg, DIAL(.dials_max = 4), .max_open = 2, .wait_max = weir_ms(300));
    struct weir__lease a;
    char place[64];
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 2; i++)
        assert_int_equal(WEIR_GO(group, forgets_rows, pool), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_ETIMEDOUT);
    assert_true(message_has(c, "waited 300 ms for pool orders: all 2 are in use"));
    assert_true(cause_has(c, "held by forgets_rows for 400 ms at "));
    (void)snprintf(place, sizeof place, "pool_kinds_test.c:%d", forgetful_line);
    assert_true(cause_has(c, place));
    weir_error_clear(c);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(stats_of(pool).in_use, 0);
    borrow_once(c, pool, false);
    return WEIR_OK;
}

static void test_kind_01_rows_never_closed(void **state)
{
    (void)state;
    struct fake f = {0};
    uint64_t leaks = weir__leak_total();
    assert_int_equal(weir__sim_run(kind_01, &f), WEIR_OK);
    assert_int_equal(weir__leak_total() - leaks, 2);
    assert_int_equal(f.live, 0);
}

/* --- 2: no recovery after a restart, until the process restarts ------------------------------- */

static weir_err kind_02(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.retry_cap = weir_sec(1)), .max_open = 4);
    struct weir__lease leases[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(ACQUIRE(c, pool, &leases[i]), WEIR_OK);
    f->open_err = -ECONNREFUSED;
    f->dead_upto = f->opened;
    for (int i = 0; i < 4; i++) {
        weir__lease_break(&leases[i]); /* each query has found it gone */
        weir__lease_release(&leases[i]);
    }
    assert_int_equal(ACQUIRE(c, pool, &leases[0]), WEIR_EUNREACHABLE);
    weir_error_clear(c);
    assert_int_equal(weir_sleep(c, weir_sec(60)), WEIR_OK);
    assert_in_range(f->tries - f->opened, 100, 180); /* one at a time, at last about one a second */
    f->open_err = WEIR_OK;
    assert_int_equal(weir_sleep(c, weir_ms(1010)), WEIR_OK);
    assert_int_equal(stats_of(pool).is_down, 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ACQUIRE(c, pool, &leases[i]), WEIR_OK);
        assert_true((int)number_of(&leases[i]) > f->dead_upto);
    }
    for (int i = 0; i < 4; i++)
        weir__lease_release(&leases[i]);
    assert_int_equal(f->live, 4);
    return WEIR_OK;
}

static void test_kind_02_no_recovery_after_a_restart(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_02, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* --- 3: the server has closed what lay idle; the next query fails ----------------------------- */

static weir_err kind_03(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.dials_max = 8), .max_open = 4);
    struct weir__lease leases[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(ACQUIRE(c, pool, &leases[i]), WEIR_OK);
    for (int i = 0; i < 4; i++)
        weir__lease_release(&leases[i]);
    assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK);
    f->dead_upto = f->opened; /* all four, while nobody looked */
    assert_int_equal(ACQUIRE(c, pool, &leases[0]), WEIR_OK);
    assert_int_equal(number_of(&leases[0]), 5);
    weir_pool_stats s = stats_of(pool);
    assert_int_equal(s.closed[WEIR_POOL_CLOSED_BROKEN], 4);
    assert_int_equal(s.acquired, 5); /* what was no good was not lent */
    assert_int_equal(s.in_use, 1);
    weir__lease_release(&leases[0]);
    return WEIR_OK;
}

static void test_kind_03_closed_while_it_lay_idle(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_03, &f), WEIR_OK);
    assert_int_equal(f.live_max, 4);
    assert_int_equal(f.live, 0);
}

/* --- 4: cancel storms: each cancelled one is replaced while the server still works on it ------ */

struct storm {
    struct weir__pool *pool;
    int served;
};

static weir_err is_cancelled_in_a_query(weir_ctx *c, void *arg)
{
    struct storm *s = arg;
    struct weir__lease a;
    WEIR_SCOPE(request, c, .timeout = weir_ms(7));
    weir_err err = ACQUIRE(request, s->pool, &a);
    if (err == WEIR_OK) {
        s->served++;
        err = weir_sleep(request, weir_sec(10)); /* its deadline passes in the middle */
        assert_int_equal(err, WEIR_ETIMEDOUT);
        weir__lease_release(&a);
    }
    weir_error_clear(request);
    return WEIR_OK;
}

static weir_err kind_04(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct storm s = {FAKE_DIALLING(c, f, DIAL(.dials_max = 16), .max_open = 5), 0};
    f->is_dirty = true;
    f->reset_takes = weir_ms(40); /* the server needs its time to let go */
    f->close_takes = weir_ms(15);
    f->open_takes = weir_ms(3);
    for (int round = 0; round < 100; round++) {
        f->reset_err = round % 3 == 0 ? -EPIPE : WEIR_OK;
        WEIR_SCOPE(group, c);
        for (int i = 0; i < 12; i++)
            assert_int_equal(WEIR_GO(group, is_cancelled_in_a_query, &s), WEIR_OK);
        assert_int_equal(weir_join(group), WEIR_OK);
        (void)weir_ctx_close(group);
        assert_true(stats_of(s.pool).open <= 5);
        assert_int_equal(stats_of(s.pool).in_use, 0);
    }
    assert_true(s.served > 300);
    assert_true(f->live_max <= 5);
    return WEIR_OK;
}

static void test_kind_04_cancel_storm(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_04, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
    assert_true(f.closed > 100 && f.reset > 300);
}

/* --- 5: each request waits its whole time, although it is known to be down -------------------- */

static weir_err kind_05(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.retry_cap = weir_sec(1)), .max_open = 10,
                                            .wait_max = weir_sec(30));
    struct weir__lease a;
    f->open_takes = weir_ms(20);
    f->open_err = -ECONNREFUSED;
    int64_t before = NOW_MS();
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_EUNREACHABLE);
    assert_in_range(NOW_MS() - before, 20, 21); /* the first finds out */
    weir_error_clear(c);
    assert_int_equal(weir_sleep(c, weir_ms(4300)), WEIR_OK);
    for (int i = 0; i < 500; i++) {
        before = weir_now().ns;
        assert_int_equal(ACQUIRE(c, pool, &a), WEIR_EUNREACHABLE);
        assert_int_equal(weir_now().ns, before);
        assert_int_equal(weir_last_error(c)->status, 503);
        assert_true(message_has(c, "pool orders: unreachable since 4.3 s ago"));
        assert_true(cause_has(c, " ago: nobody answers at port 5432"));
        weir_error_clear(c);
        if (i % 100 == 0)
            (void)!weir_sleep(c, weir_ms(1)); /* the others have their turn */
    }
    assert_int_equal(stats_of(pool).unreachable, 501);
    assert_int_equal(f->dialing_max, 1);
    f->open_err = WEIR_OK;
    assert_int_equal(weir_sleep(c, weir_ms(1100)), WEIR_OK);
    borrow_once(c, pool, false);
    return WEIR_OK;
}

static void test_kind_05_acquiring_waits_though_it_is_known_to_be_down(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_05, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* --- 6: a second lease inside of the first: all holders wait for each other ------------------- */

static weir_err takes_two(weir_ctx *c, void *arg)
{
    struct storm *s = arg;
    struct weir__lease a, b;
    assert_int_equal(ACQUIRE(c, s->pool, &a), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    weir_err err = ACQUIRE(c, s->pool, &b);
    assert_true(err == WEIR_OK || err == WEIR_EDEADLK);
    s->served += err == WEIR_OK;
    weir_error_clear(c);
    weir__lease_release(&b);
    weir__lease_release(&a);
    return WEIR_OK;
}

static weir_err kind_06(weir_ctx *c, void *arg)
{
    struct storm s = {FAKE_DIALLING(c, arg, DIAL(.dials_max = 4), .max_open = 3), 0};
    int64_t before = NOW_MS();
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(group, takes_two, &s), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_in_range(NOW_MS() - before, 10, 20); /* nobody waits for wait_max */
    assert_int_equal(stats_of(s.pool).deadlocks, 1);
    assert_int_equal(s.served, 2);
    return WEIR_OK;
}

static void test_kind_06_second_lease_inside_of_the_first(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_06, &f), WEIR_OK);
}

/* --- 7: a dial that ends after its asker's time: kept by nobody, open at the server ----------- */

static weir_err kind_07(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.dial_max = weir_sec(5)), .max_open = 2);
    struct weir__lease a;
    f->open_takes = weir_ms(200);
    for (int i = 0; i < 3; i++) { /* in turn, each with less time than a dial takes */
        WEIR_SCOPE(hasty, c, .timeout = weir_ms(90));
        weir_err err = ACQUIRE(hasty, pool, &a);
        assert_int_equal(err, i < 2 ? WEIR_ETIMEDOUT : WEIR_OK);
        if (err != WEIR_OK)
            assert_non_null(strstr(weir_last_error(hasty)->message.ptr, "1 are being opened"));
        weir_error_clear(hasty);
        weir__lease_release(&a);
        (void)weir_ctx_close(hasty);
    }
    weir_pool_stats s = stats_of(pool);
    assert_int_equal(f->tries, 1); /* it was not begun anew for each */
    assert_int_equal(s.idle, 1);
    assert_int_equal(s.open, 1);
    f->open_takes = weir_ms(300);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    WEIR_SCOPE(gone, c, .timeout = weir_ms(10));
    struct weir__lease b;
    assert_int_equal(ACQUIRE(gone, pool, &b), WEIR_ETIMEDOUT);
    weir__lease_release(&a);
    (void)weir__pool_close(pool, weir__ctx_of(c), weir_never());
    assert_int_equal(weir_sleep(c, weir_sec(1)), WEIR_OK);
    assert_int_equal(f->live, 0); /* at a closed pool what is late is closed */
    assert_int_equal(f->opened, 2);
    assert_int_equal(stats_of(pool).open, 0);
    weir_error_clear(gone);
    return weir_ctx_close(gone);
}

static void test_kind_07_late_dials_are_kept_or_closed(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_07, &f), WEIR_OK);
}

/* --- 8: a dial hangs in the name, TLS or the log-in: no time-out covers that ------------------ */

static weir_err kind_08(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.dial_max = weir_sec(3)), .max_open = 10,
                                            .wait_max = weir_sec(30));
    struct weir__lease a;
    f->open_takes = weir_min(30);
    int64_t before = NOW_MS();
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_EUNREACHABLE);
    assert_in_range(NOW_MS() - before, 3000, 3002);
    assert_true(cause_has(c, "none could be opened in 3000 ms"));
    weir_error_clear(c);
    assert_int_equal(stats_of(pool).open, 0);
    assert_int_equal(stats_of(pool).open_errors, 1);
    f->open_takes = weir_ms(0);
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    borrow_once(c, pool, false);
    return WEIR_OK;
}

static void test_kind_08_dial_hangs(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_08, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kind_01_rows_never_closed),
        cmocka_unit_test(test_kind_02_no_recovery_after_a_restart),
        cmocka_unit_test(test_kind_03_closed_while_it_lay_idle),
        cmocka_unit_test(test_kind_04_cancel_storm),
        cmocka_unit_test(test_kind_05_acquiring_waits_though_it_is_known_to_be_down),
        cmocka_unit_test(test_kind_06_second_lease_inside_of_the_first),
        cmocka_unit_test(test_kind_07_late_dials_are_kept_or_closed),
        cmocka_unit_test(test_kind_08_dial_hangs),
    };
    weir__watch_install();
    return cmocka_run_group_tests_name("pool kinds", tests, NULL, NULL);
}
