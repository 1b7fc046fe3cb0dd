/*
 * The kinds in which pools fail in the field, 9 to 15, each against a fake server on virtual time:
 * what the pool decides of them. The others are in pool_kinds_test.c.
 */
#include "net/pool_testing.h"

#include <string.h>

#include "base/random.h"
#include "net/pool_inside.h"
#include "watch/watch.h"

#define NOW_MS() (weir_now().ns / 1000000)

static void open_some(weir_ctx *c, struct weir__pool *pool, int n)
{
    struct weir__lease leases[8];
    for (int i = 0; i < n; i++)
        assert_int_equal(ACQUIRE(c, pool, &leases[i]), WEIR_OK);
    for (int i = 0; i < n; i++)
        weir__lease_release(&leases[i]);
}

static bool error_has(weir_ctx *c, const char *text)
{
    const weir_error *e = weir_last_error(c);
    return strstr(e->message.ptr, text) != NULL ||
           (e->cause.ptr != NULL && strstr(e->cause.ptr, text) != NULL);
}

/* --- 9: a black hole: the peer has gone without a word, slots stay busy for hours ------------- */

static weir_err kind_09(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.keep_alive = weir_sec(10)), .max_open = 6,
                                            .idle_timeout = weir_min(10));
    struct weir__lease out;
    open_some(c, pool, 4);
    assert_int_equal(ACQUIRE(c, pool, &out), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10500)), WEIR_OK);
    assert_int_equal(f->pinged, 3); /* what lies idle, and nothing else */
    assert_int_equal(stats_of(pool).pinged, 3);
    assert_int_equal(f->live, 4);
    f->ping_takes = weir_min(60); /* nothing comes back any more */
    assert_int_equal(weir_sleep(c, weir_sec(16)), WEIR_OK);
    assert_int_equal(f->pinged, 4); /* the others were not believed without asking */
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_BROKEN], 1);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_RETIRED], 2);
    weir__lease_release(&out);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_RETIRED], 3);
    f->ping_takes = weir_ns(0);
    assert_int_equal(f->live, 0);
    assert_int_equal(ACQUIRE(c, pool, &out), WEIR_OK);
    assert_int_equal(number_of(&out), 5);
    weir__lease_release(&out);
    return WEIR_OK;
}

static void test_kind_09_black_hole(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_09, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* --- 10: after a failover the name points elsewhere, and old connections stay ----------------- */

static weir_err kind_10(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.dials_max = 4), .max_open = 5);
    struct weir__lease a, b, late;
    open_some(c, pool, 4);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    assert_int_equal(ACQUIRE(c, pool, &b), WEIR_OK);
    f->open_takes = weir_ms(50);
    open_some(c, pool, 2);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(10));
    struct weir__lease more[3];
    assert_int_equal(ACQUIRE(c, pool, &more[0]), WEIR_OK);
    assert_int_equal(ACQUIRE(c, pool, &more[1]), WEIR_OK);
    assert_int_equal(ACQUIRE(hasty, pool, &late), WEIR_ETIMEDOUT); /* a dial is on its way now */
    weir_error_clear(hasty);
    weir__lease_release(&more[0]);
    weir__lease_release(&more[1]);
    int old = f->tries;
    weir__pool_retire_all(pool); /* "read-only", says the server to one of them */
    weir__lease_release(&a);     /* 4 and less, and what was being dialled, are of the old one */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
        assert_true((int)number_of(&a) > old);
        assert_int_equal(weir_sleep(c, weir_ms(7)), WEIR_OK);
        weir__lease_release(&a);
    }
    weir__lease_release(&b);
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_RETIRED], old);
    assert_int_equal(f->live, (int)stats_of(pool).idle);
    return weir_ctx_close(hasty);
}

static void test_kind_10_failover_leaves_old_connections(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_10, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
    assert_true(f.live_max <= 5);
}

/* --- 11: cancelled in the middle of the protocol: lost permit, unread bytes for the next ------ */

struct query {
    struct weir__pool *pool;
    struct fake *server;
    uint64_t nth;
};

static weir_err is_cut_off(weir_ctx *c, void *arg)
{
    const struct query *q = arg;
    struct weir__lease a;
    weir_err err = ACQUIRE(c, q->pool, &a);
    if (err != WEIR_OK)
        return err;
    q->server->is_dirty = true;
    err = weir_sleep(c, weir_ms(20)); /* the answer */
    q->server->is_dirty = err != WEIR_OK;
    weir__lease_release(&a);
    q->server->is_dirty = false;
    return err;
}

static weir_err kind_11(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct query q = {FAKE_DIALLING(c, f, DIAL(.dials_max = 2), .max_open = 2), f, 0};
    f->open_takes = weir_ms(5);
    f->reset_takes = weir_ms(5);
    for (int ms = 1; ms < 40; ms++) {
        f->reset_err = ms % 2 == 0 ? -EPIPE : WEIR_OK;
        WEIR_SCOPE(group, c, .timeout = weir_ms(ms));
        for (int i = 0; i < 3; i++)
            assert_int_equal(WEIR_GO(group, is_cut_off, &q), WEIR_OK);
        (void)!weir_join(group); /* some have failed */
        weir_error_clear(group);
        (void)weir_ctx_close(group);
        assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
        weir_pool_stats s = stats_of(q.pool);
        assert_int_equal(s.in_use + s.waiting + s.dialing, 0);
        assert_int_equal(s.open, s.idle);
        assert_int_equal(s.idle, (uint64_t)f->live);
    }
    assert_true(f->reset > 20);
    open_some(c, q.pool, 2); /* both permits are there */
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_kind_11_cancelled_in_the_middle(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_11, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* --- 12: a blind repetition: the request had been sent ---------------------------------------- */

/* The pool's part: one that broke under its user is not exchanged under it, whoever asks again. */
static weir_err kind_12(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.dials_max = 4), .max_open = 3);
    struct weir__lease a, b;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    assert_int_equal(number_of(&a), 1);
    f->dead_upto = 1;
    weir__lease_break(&a);
    weir__pool_retire_all(pool);
    assert_int_equal(weir_sleep(c, weir_sec(3)), WEIR_OK);
    assert_int_equal(number_of(&a), 1); /* the same, for as long as it is lent */
    assert_int_equal(f->tries, 1);
    weir__lease_release(&a);
    assert_int_equal(f->live, 0);
    assert_int_equal(f->tries, 1); /* nobody has asked for another one */
    assert_int_equal(ACQUIRE(c, pool, &b), WEIR_OK);
    assert_int_equal(number_of(&b), 2);
    weir__lease_release(&b);
    return WEIR_OK;
}

static void test_kind_12_nothing_is_repeated_blindly(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_12, &f), WEIR_OK);
}

/* --- 13: a deadlock inside of the pool, under load and cancellation --------------------------- */

struct chaos {
    struct weir__pool *pool;
    struct fake *server;
    struct weir__random random;
    int served, failed;
    bool is_over;
};

static weir_dur some_ms(struct chaos *x, uint64_t most)
{
    return weir_ms((int64_t)weir__random_upto(&x->random, most));
}

static weir_err is_one_of_many(weir_ctx *c, void *arg)
{
    struct chaos *x = arg;
    for (int i = 0; i < 60; i++) {
        struct weir__lease a;
        WEIR_SCOPE(request, c, .timeout = some_ms(x, 40));
        weir_err err = ACQUIRE(request, x->pool, &a);
        x->served += err == WEIR_OK;
        x->failed += err != WEIR_OK;
        if (err == WEIR_OK && weir_sleep(request, some_ms(x, 15)) != WEIR_OK &&
            weir__random_upto(&x->random, 3) == 0)
            weir__lease_break(&a);
        weir__lease_release(&a);
        weir_error_clear(request);
        (void)weir_ctx_close(request);
        assert_int_equal(weir_sleep(c, some_ms(x, 5)), WEIR_OK);
    }
    return WEIR_OK;
}

static void do_something(struct chaos *x)
{
    switch (weir__random_upto(&x->random, 7)) {
    case 0:
        weir__pool_suspend(x->pool);
        break;
    case 1:
    case 2:
        weir__pool_resume(x->pool);
        break;
    case 3:
        weir__pool_retire_all(x->pool);
        break;
    case 4:
        assert_int_equal(
            weir__pool_resize(x->pool, 1 + (uint32_t)weir__random_upto(&x->random, 9), 1), WEIR_OK);
        break;
    case 5:
        x->server->open_err = weir__random_upto(&x->random, 2) == 0 ? -ECONNREFUSED : WEIR_OK;
        break;
    case 6:
        x->server->is_dirty = !x->server->is_dirty;
        break;
    default:
        x->server->dead_upto = x->server->opened - 2;
    }
}

static weir_err governs(weir_ctx *c, void *arg)
{
    struct chaos *x = arg;
    while (!x->is_over) {
        do_something(x);
        assert_int_equal(weir_sleep(c, some_ms(x, 9)), WEIR_OK);
    }
    return WEIR_OK;
}

static weir_err kind_13(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct chaos x = {.server = f, .random = {4711}};
    x.pool = FAKE_DIALLING(c, f, DIAL(.dials_max = 3, .retry_cap = weir_ms(60)), .max_open = 4,
                           .min_idle = 1, .check_after = weir_ms(3), .waiters_max = 9);
    f->open_takes = weir_ms(4);
    f->close_takes = weir_ms(2);
    f->reset_takes = weir_ms(3);
    WEIR_SCOPE(others, c);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(others, governs, &x), WEIR_OK);
    for (int i = 0; i < 12; i++)
        assert_int_equal(WEIR_GO(group, is_one_of_many, &x), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    x.is_over = true;
    assert_int_equal(weir_join(others), WEIR_OK);
    (void)weir_ctx_close(group);
    (void)weir_ctx_close(others);
    f->open_err = WEIR_OK;
    f->is_dirty = false;
    weir__pool_resume(x.pool);
    assert_int_equal(weir__pool_resize(x.pool, 4, 1), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK);
    weir_pool_stats s = stats_of(x.pool);
    assert_int_equal(s.in_use + s.waiting + s.dialing + s.is_down, 0);
    assert_int_equal(s.idle, s.open);
    assert_int_equal(s.idle, (uint64_t)f->live);
    assert_true(s.idle >= 1 && s.idle <= 4);
    assert_in_range(x.served, 30, 720); /* most of the time it is down or suspended */
    assert_in_range(x.failed, 60, 720);
    assert_int_equal(s.acquired, (uint64_t)x.served);
    open_some(c, x.pool, 4);
    return WEIR_OK;
}

static void test_kind_13_deadlock_inside_of_the_pool(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_13, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
    assert_true(f.live_max <= 10 && f.dialing_max <= 3);
}

/* --- 14: one error for five causes ------------------------------------------------------------ */

static weir_err waits_for(weir_ctx *c, void *arg)
{
    struct weir__lease a;
    weir_err err = ACQUIRE(c, arg, &a);
    weir__lease_release(&a);
    weir_error_clear(c);
    return err == WEIR_ETIMEDOUT ? WEIR_OK : err;
}

static weir_err kind_14(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.dial_max = weir_sec(1)), .max_open = 1,
                                            .waiters_max = 1, .wait_max = weir_ms(300));
    struct weir__lease a, b;

    f->open_takes = weir_ms(400); /* slow */
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_ETIMEDOUT);
    assert_true(error_has(c, "0 of 1 are in use, 1 are being opened"));
    weir_error_clear(c);
    assert_int_equal(weir_sleep(c, weir_ms(200)), WEIR_OK);
    f->open_takes = weir_ns(0);

    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK); /* full */
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, waits_for, pool), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(ACQUIRE(c, pool, &b), WEIR_ELIMIT);
    assert_true(error_has(c, "all 1 are in use and 1 wait for one"));
    assert_true(error_has(c, "held by "));
    weir_error_clear(c);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    weir__lease_release(&a);

    weir__pool_suspend(pool); /* by order */
    assert_int_equal(ACQUIRE(c, pool, &b), WEIR_ETIMEDOUT);
    assert_true(error_has(c, "waited 300 ms for pool orders: it is suspended since 300 ms ago"));
    weir_error_clear(c);
    weir__pool_resume(pool);
    borrow_once(c, pool, true);

    f->open_err = -ECONNREFUSED; /* the wrong port */
    assert_int_equal(ACQUIRE(c, pool, &b), WEIR_EUNREACHABLE);
    assert_true(error_has(c, "pool orders: unreachable since 0 ms ago"));
    assert_true(error_has(c, "the last of 1 tries to open one, 0 ms ago: nobody answers at port"));
    weir_error_clear(c);

    (void)weir__pool_close(pool, weir__ctx_of(c), weir_never());
    assert_int_equal(ACQUIRE(c, pool, &b), WEIR_ECLOSED);
    assert_true(error_has(c, "pool orders: it is closed"));
    assert_int_equal(weir_last_error(c)->status, 503);
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_kind_14_five_causes_are_five_errors(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_14, &f), WEIR_OK);
}

/* --- 15: an error at rest kills the process; or the search for leaks shoots a busy one -------- */

static weir_err kind_15(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.keep_alive = weir_sec(5)), .max_open = 3,
                                            .leak_threshold = weir_sec(1));
    struct weir__lease busy;
    open_some(c, pool, 3);
    assert_int_equal(ACQUIRE(c, pool, &busy), WEIR_OK);
    uintptr_t number = number_of(&busy);
    f->dead_upto = f->opened; /* all connections get a reset */
    assert_int_equal(weir_sleep(c, weir_sec(8)), WEIR_OK);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_BROKEN], 2); /* found by the keeper */
    assert_int_equal(stats_of(pool).leaked, 1); /* told, and that is all: */
    assert_int_equal(number_of(&busy), number);
    assert_int_equal(f->live, 1);
    weir__lease_release(&busy);
    assert_int_equal(stats_of(pool).leaks_returned, 1);
    assert_int_equal(ACQUIRE(c, pool, &busy), WEIR_OK);
    weir__lease_release(&busy);
    return WEIR_OK;
}

static void test_kind_15_errors_at_rest_and_leak_reports_harm_nobody(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(kind_15, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kind_09_black_hole),
        cmocka_unit_test(test_kind_10_failover_leaves_old_connections),
        cmocka_unit_test(test_kind_11_cancelled_in_the_middle),
        cmocka_unit_test(test_kind_12_nothing_is_repeated_blindly),
        cmocka_unit_test(test_kind_13_deadlock_inside_of_the_pool),
        cmocka_unit_test(test_kind_14_five_causes_are_five_errors),
        cmocka_unit_test(test_kind_15_errors_at_rest_and_leak_reports_harm_nobody),
    };
    weir__watch_install();
    return cmocka_run_group_tests_name("pool kinds, more", tests, NULL, NULL);
}
