/*
 * Pools that open by themselves: who gets what they open, starting, suspending, resizing, what
 * panics, and leases that are held across other waits. On virtual time; the kinds of failures have
 * tests of their own (pool_kinds_test.c).
 */
#include "net/pool_testing.h"

#include <string.h>

#include "net/pool_inside.h"
#include "rt/log.h"
#include "rt/runtime.h"
#include "watch/watch.h"

#define NOW_MS() (weir_now().ns / 1000000)

static size_t count_in(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        n++;
    return n;
}

/* Runs it, and returns what was logged meanwhile; borrowed until the next call. */
static const char *log_of(weir_fiber_fn fn, struct fake *f)
{
    static char text[65536];
    weir_buf log;
    weir_buf_init_fixed(&log, text, sizeof text - 1);
    weir__log_capture(&log);
    assert_int_equal(weir__sim_run(fn, f), WEIR_OK);
    weir__log_capture(NULL);
    text[log.len] = '\0';
    return text;
}

/* --- dialling --------------------------------------------------------------------------------- */

struct crowd {
    struct weir__pool *pool;
    int served;
};

static weir_err borrows(weir_ctx *c, void *arg)
{
    struct crowd *crowd = arg;
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, crowd->pool, &a), WEIR_OK);
    crowd->served++;
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    weir__lease_release(&a);
    return WEIR_OK;
}

/* L40: a crowd at an empty pool is no storm at the server's door. */
static weir_err bounds_storms(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct crowd crowd = {FAKE_DIALLING(c, f, DIAL(.dials_max = 5), .max_open = 50), 0};
    f->open_takes = weir_ms(10);
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 50; i++)
        assert_int_equal(WEIR_GO(group, borrows, &crowd), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(crowd.served, 50);
    assert_int_equal(f->dialing_max, 5);
    assert_true(f->opened <= 50);
    assert_int_equal(stats_of(crowd.pool).dialing, 0);
    return WEIR_OK;
}

static void test_storms_of_dials_are_bounded(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(bounds_storms, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* Who is away is tried often while that is new, and seldom when it lasts. */
static weir_err comes_back_soon(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.dials_max = 1), .max_open = 2);
    static const int64_t outages_ms[] = {200, 1000, 5000, 60000};
    for (size_t i = 0; i < sizeof outages_ms / sizeof outages_ms[0]; i++) {
        struct weir__lease a;
        int64_t tenth = outages_ms[i] / 10, most = tenth < 60 ? 60 : tenth > 1000 ? 1000 : tenth;
        assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
        f->open_err = -ECONNREFUSED;
        f->dead_upto = f->opened;
        weir__lease_break(&a);
        weir__lease_release(&a);
        assert_int_equal(ACQUIRE(c, pool, &a), WEIR_EUNREACHABLE);
        weir_error_clear(c);
        assert_int_equal(weir_sleep(c, weir_ms(outages_ms[i])), WEIR_OK);
        f->open_err = WEIR_OK;
        int64_t over = NOW_MS();
        while (stats_of(pool).is_down)
            assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
        assert_in_range(NOW_MS() - over, 0, most);
    }
    return WEIR_OK;
}

static void test_what_is_back_is_found_soon(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(comes_back_soon, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* Who waits gets what is first: here a lease comes back before the dial is over. */
static weir_err takes_what_is_first(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct crowd crowd = {FAKE_DIALLING(c, f, DIAL(.dials_max = 1), .max_open = 2), 0};
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, borrows, &crowd), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(50)), WEIR_OK);
    f->open_takes = weir_sec(2);
    struct weir__lease a;
    int64_t before = NOW_MS();
    assert_int_equal(ACQUIRE(c, crowd.pool, &a), WEIR_OK);
    assert_in_range(NOW_MS() - before, 49, 52);
    assert_int_equal(number_of(&a), 1);
    weir__lease_release(&a);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(3)), WEIR_OK);
    assert_int_equal(stats_of(crowd.pool).idle, 2); /* the other is there for the next */
    return weir_ctx_close(group);
}

static void test_who_waits_gets_what_is_first(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(takes_what_is_first, &f), WEIR_OK);
}

/* With something still open a failure is nobody's error: who waits may get that. */
static weir_err goes_on_waiting(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct crowd crowd = {FAKE_DIALLING(c, f, DIAL(.dials_max = 4), .max_open = 3), 0};
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, borrows, &crowd), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    f->open_err = -ECONNREFUSED;
    f->open_takes = weir_ms(2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(WEIR_GO(group, borrows, &crowd), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(f->dialing_max, 2);
    f->dialing_max = 0;
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(f->dialing_max, 1); /* one alone finds out whether it is well again */
    assert_int_equal(crowd.served, 3);
    assert_int_equal(stats_of(crowd.pool).unreachable, 0);
    assert_true(stats_of(crowd.pool).open_errors > 1);
    return WEIR_OK;
}

static void test_a_failure_beside_what_is_open_is_nobodys(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(goes_on_waiting, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

static weir_err open_panics(void *driver, struct weir__ctx *c, void **resource)
{
    struct fake *f = driver;
    if (f->tries++ == 0)
        weir_panic("a driver's bug");
    f->tries--;
    return fake_open(driver, c, resource);
}

static weir_err survives_panics(weir_ctx *c, void *arg)
{
    struct weir__pool_ops ops = fake_ops;
    ops.open = open_panics;
    weir_pool_options o = {.max_open = 2};
    struct weir__pool *pool =
        weir__pool_new_dialling(weir__ctx_of(c), "orders", &o, DIAL(0), &ops, arg, WEIR_HERE);
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_EUNREACHABLE);
    assert_non_null(strstr(weir_last_error(c)->cause.ptr, "has panicked"));
    weir_error_clear(c);
    assert_int_equal(stats_of(pool).open, 0);
    assert_int_equal(weir_sleep(c, weir_ms(60)), WEIR_OK);
    borrow_once(c, pool, false);
    (void)weir__pool_close(pool, weir__ctx_of(c), weir_never());
    return WEIR_OK;
}

static void test_a_drivers_panic_is_a_failure(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(survives_panics, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* A pool of the application: its dials are in the worker's root, and end with the service. */
static weir_err is_shared(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    struct weir__pool *pool = FAKE_DIALLING(app, f, DIAL(.dials_max = 2), .max_open = 2);
    struct weir__lease a;
    borrow_once(c, pool, false);
    f->open_takes = weir_sec(8);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(10));
    struct weir__lease b;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    assert_int_equal(ACQUIRE(hasty, pool, &b), WEIR_ETIMEDOUT);
    weir__lease_break(&a); /* nothing is open when it ends */
    weir__lease_release(&a);
    assert_int_equal(stats_of(pool).dialing, 1);
    weir_error_clear(hasty);
    return weir_ctx_close(hasty);
}

static void test_dials_end_with_the_service(void **state)
{
    (void)state;
    struct fake f = {0};
    const char *log = log_of(is_shared, &f);
    assert_int_equal(f.live, 0);
    assert_int_equal(f.opened, 1);
    assert_int_equal(count_in(log, "unreachable"), 0); /* it says nothing of the server */
}

/* What was asked whether it lives was not used by that: others come first, and it ages. */
static weir_err pings_and_ages(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.keep_alive = weir_sec(10)), .max_open = 2,
                                            .idle_timeout = weir_sec(25));
    struct weir__lease a, b;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    assert_int_equal(ACQUIRE(c, pool, &b), WEIR_OK);
    weir__lease_release(&a);
    weir__lease_release(&b);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weir_sleep(c, weir_sec(6)), WEIR_OK);
        assert_int_equal(ACQUIRE(c, pool, &b), WEIR_OK);
        assert_int_equal(number_of(&b), 2);
        weir__lease_release(&b);
    }
    assert_int_equal(f->pinged, 1);
    assert_int_equal(weir_sleep(c, weir_sec(8)), WEIR_OK);
    assert_int_equal(f->live, 1);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_IDLE], 1);
    return WEIR_OK;
}

static void test_a_ping_is_no_use(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(pings_and_ages, &f), WEIR_OK);
}

/* Slots that were never used are of the generation in which they are used first. */
static weir_err retires_early(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct crowd crowd = {FAKE_DIALLING(c, f, DIAL(.dials_max = 2), .max_open = 3), 0};
    weir__pool_retire_all(crowd.pool);
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(group, borrows, &crowd), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(f->opened, 3);
    assert_int_equal(f->live, 3);
    return weir_ctx_close(group);
}

static void test_what_is_opened_after_a_retirement_stays(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(retires_early, &f), WEIR_OK);
}

static weir_err is_told_who_holds(weir_ctx *c, void *arg)
{
    struct crowd *crowd = arg;
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, crowd->pool, &a), WEIR_ETIMEDOUT);
    crowd->served++;
    const char *cause = weir_last_error(c)->cause.ptr;
    const char *first = strstr(cause, " for 4.1 s at src/net/pool_dial_test.c:");
    const char *second = strstr(cause, " for 3.1 s at ");
    const char *third = strstr(cause, " for 2.1 s at ");
    assert_true(first != NULL && first < second && second < third);
    assert_non_null(strstr(third, ", and 2 more"));
    assert_null(strstr(cause, "100 ms"));
    weir_error_clear(c);
    return WEIR_OK;
}

/* The longest few, whatever slots they are in. */
static weir_err names_holders(weir_ctx *c, void *arg)
{
    struct weir__pool *pool =
        FAKE_DIALLING(c, arg, DIAL(.dials_max = 8), .max_open = 5, .wait_max = weir_ms(100));
    struct weir__lease a[5];
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ACQUIRE(c, pool, &a[i]), WEIR_OK);
        assert_int_equal(weir_sleep(c, weir_ms(1000)), WEIR_OK);
    }
    weir__lease_release(&a[0]);
    assert_int_equal(ACQUIRE(c, pool, &a[0]), WEIR_OK); /* the oldest slot has the youngest lease */
    WEIR_SCOPE(other, c);
    struct crowd crowd = {pool, 0};
    assert_int_equal(WEIR_GO(other, is_told_who_holds, &crowd), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(200)), WEIR_OK); /* joining would be a deadlock */
    assert_int_equal(crowd.served, 1);
    for (int i = 0; i < 5; i++)
        weir__lease_release(&a[i]);
    return weir_ctx_close(other);
}

static void test_who_holds_the_longest_is_named_first(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(names_holders, &f), WEIR_OK);
}

static weir_err goes_down_and_up(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool =
        FAKE_DIALLING(c, f, DIAL(.dials_max = 4), .max_open = 3, .idle_timeout = weir_sec(5));
    struct weir__lease a;
    f->open_err = -ECONNREFUSED;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ACQUIRE(c, pool, &a), WEIR_EUNREACHABLE);
        weir_error_clear(c);
        assert_int_equal(weir_sleep(c, weir_ms(400)), WEIR_OK);
    }
    f->open_err = WEIR_OK;
    assert_int_equal(weir_sleep(c, weir_ms(1100)), WEIR_OK);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    f->open_err = WEIR_ETOOMANY; /* beside one that is open: nobody is told */
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(10));
    struct weir__lease b;
    assert_int_equal(ACQUIRE(hasty, pool, &b), WEIR_ETIMEDOUT);
    assert_non_null(strstr(weir_last_error(hasty)->cause.ptr, "tries to open one"));
    weir_error_clear(hasty);
    f->open_err = WEIR_OK;
    weir__lease_release(&a);
    assert_int_equal(weir_sleep(c, weir_sec(60)), WEIR_OK);
    assert_int_equal(f->live, 0); /* unused for too long, and not down for that */
    assert_int_equal(stats_of(pool).is_down, 0);
    borrow_once(c, pool, false);
    return weir_ctx_close(hasty);
}

static void test_that_it_is_down_and_up_is_told_once(void **state)
{
    (void)state;
    struct fake f = {0};
    const char *log = log_of(goes_down_and_up, &f);
    assert_int_equal(count_in(log, "pool orders: unreachable, so acquiring fails at once"), 1);
    assert_int_equal(count_in(log, "nobody answers at port 5432 (Connection refused)"), 1);
    assert_int_equal(count_in(log, "pool orders: reached again after "), 1);
}

/* --- starting --------------------------------------------------------------------------------- */

static weir_err comes_up(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    assert_int_equal(weir_sleep(c, weir_ms(1700)), WEIR_OK);
    f->open_err = WEIR_OK;
    return WEIR_OK;
}

static weir_err starts(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    f->open_err = -ECONNREFUSED;
    int64_t before = NOW_MS();
    assert_non_null(FAKE_DIALLING(c, f, DIAL(.dials_max = 2), .max_open = 2)); /* lazy */
    assert_int_equal(f->tries, 0);
    assert_null(FAKE_DIALLING(c, f, DIAL(.start_max = weir_sec(3)), .max_open = 2));
    assert_in_range(NOW_MS() - before, 3000, 3002);
    assert_true(f->tries > 3);
    assert_int_equal(weir_last_error(c)->code, WEIR_EUNREACHABLE);
    assert_non_null(strstr(weir_last_error(c)->cause.ptr, "nobody answers at port 5432"));
    weir_error_clear(c);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, comes_up, f), WEIR_OK);
    before = NOW_MS();
    struct weir__pool *pool = FAKE_DIALLING(c, f, DIAL(.start_max = weir_sec(30)), .max_open = 2,
                                            .wait_max = weir_ms(100));
    assert_non_null(pool);
    assert_in_range(NOW_MS() - before, 1700, 2701);
    assert_int_equal(stats_of(pool).idle, 1);
    assert_int_equal(weir_join(group), WEIR_OK);
    return weir_ctx_close(group);
}

static void test_the_start_waits_for_one_or_not(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(starts, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

static weir_err refuses_options(weir_ctx *c, void *arg)
{
    assert_null(
        FAKE_DIALLING(c, arg, DIAL(.dial_max = weir_ms(1), .dials_max = 20000), .max_open = 0));
    const char *text = weir_last_error(c)->message.ptr;
    assert_non_null(strstr(text, "pool orders: dial_max is 1 ms; allowed: 10 ms to 10 min"));
    assert_non_null(strstr(text, "dials_max is 20000"));
    assert_non_null(strstr(text, "max_open is 0"));
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_all_mistakes_are_told(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(refuses_options, &f), WEIR_OK);
}

/* --- suspending, resizing --------------------------------------------------------------------- */

static weir_err suspends(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct crowd crowd = {FAKE_DIALLING(c, f, DIAL(.dials_max = 4), .max_open = 3), 0};
    struct weir__lease a;
    WEIR_SCOPE(group, c);
    assert_int_equal(ACQUIRE(c, crowd.pool, &a), WEIR_OK);
    weir__pool_suspend(crowd.pool);
    weir__pool_suspend(crowd.pool);
    for (int i = 0; i < 5; i++)
        assert_int_equal(WEIR_GO(group, borrows, &crowd), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(200)), WEIR_OK);
    weir__lease_release(&a); /* what is lent goes on, and is kept */
    assert_int_equal(weir_sleep(c, weir_ms(200)), WEIR_OK);
    assert_int_equal(weir__pool_resize(crowd.pool, 4, 0), WEIR_OK);
    assert_int_equal(weir__pool_resize(crowd.pool, 3, 0), WEIR_OK);
    assert_int_equal(crowd.served, 0);
    assert_int_equal(stats_of(crowd.pool).idle, 1);
    assert_int_equal(stats_of(crowd.pool).waiting, 5);
    assert_int_equal(stats_of(crowd.pool).is_suspended, 1);
    assert_int_equal(f->tries, 1);
    weir__pool_resume(crowd.pool);
    assert_int_equal(weir_sleep(c, weir_ms(50)), WEIR_OK);
    assert_int_equal(crowd.served, 3);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(crowd.served, 5);
    weir__pool_suspend(crowd.pool);
    assert_int_equal(weir__pool_close(crowd.pool, weir__ctx_of(c), weir_never()), WEIR_OK);
    assert_int_equal(ACQUIRE(c, crowd.pool, &a), WEIR_ECLOSED);
    weir_error_clear(c);
    return weir_ctx_close(group);
}

static void test_a_suspended_pool_lends_nothing(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(suspends, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

static weir_err resizes(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct crowd crowd = {FAKE_DIALLING(c, f, DIAL(.dials_max = 16), .max_open = 2), 0};
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 12; i++)
        assert_int_equal(WEIR_GO(group, borrows, &crowd), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(crowd.served, 2);
    assert_int_equal(weir__pool_resize(crowd.pool, 8, 0), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(crowd.served, 8); /* those in line had room at once */
    assert_int_equal(stats_of(crowd.pool).max_open, 8);
    assert_int_equal(weir__pool_resize(crowd.pool, 3, 0), WEIR_OK);
    assert_int_equal(stats_of(crowd.pool).in_use, 8); /* nothing is taken away */
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(crowd.served, 12);
    assert_int_equal(stats_of(crowd.pool).open, 3);
    assert_int_equal(f->live, 3);
    assert_int_equal(weir__pool_resize(crowd.pool, 1, 0), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(f->live, 1); /* the keeper closes what is idle beyond */
    assert_int_equal(weir__pool_resize(crowd.pool, 5, 0), WEIR_OK);
    f->live_max = f->live;
    for (int i = 0; i < 9; i++)
        assert_int_equal(WEIR_GO(group, borrows, &crowd), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(f->live_max, 5);
    assert_int_equal(weir__pool_resize(crowd.pool, 9, 7), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(200)), WEIR_OK);
    assert_int_equal(f->live, 7); /* kept ready from now on, */
    assert_int_equal(weir__pool_resize(crowd.pool, 2, 2), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(f->live, 2);
    assert_int_equal(weir__pool_resize(crowd.pool, 9, 2), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_min(10)), WEIR_OK);
    assert_int_equal(f->live, 2); /* and no more than that */
    assert_int_equal(weir__pool_resize(crowd.pool, 0, 0), WEIR_EINVALID);
    assert_int_equal(weir__pool_resize(crowd.pool, 3, 4), WEIR_EINVALID);
    assert_int_equal(weir__pool_resize(crowd.pool, 10001, 0), WEIR_EINVALID);
    return weir_ctx_close(group);
}

static void test_the_maximum_changes_while_it_runs(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(resizes, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* A pool that does not dial, as SQLite's: who was in line opens in the new room itself. */
static weir_err resizes_others(weir_ctx *c, void *arg)
{
    struct crowd crowd = {FAKE_POOL(c, arg, .max_open = 1), 0};
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(group, borrows, &crowd), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(crowd.served, 1);
    assert_int_equal(weir__pool_resize(crowd.pool, 3, 0), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(crowd.served, 3);
    weir__pool_retire_all(crowd.pool);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(stats_of(crowd.pool).closed[WEIR_POOL_CLOSED_RETIRED], 3);
    return weir_ctx_close(group);
}

static void test_a_pool_that_does_not_dial_is_resized_and_retired(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(resizes_others, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* --- held across another wait ----------------------------------------------------------------- */

static weir_err holds_and_waits(weir_ctx *c, void *arg)
{
    struct crowd *crowd = arg;
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, crowd->pool, &a), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1500)), WEIR_OK); /* an upstream, perhaps */
    weir__lease_release(&a);
    crowd->served++;
    return WEIR_OK;
}

static weir_err watches_holders(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct crowd crowd = {FAKE_DIALLING(c, f, DIAL(.held_wait_max = weir_sec(1)), .max_open = 4),
                          0};
    WEIR_SCOPE(group, c);
    f->is_waited_for = true; /* a long query: no more than that */
    assert_int_equal(WEIR_GO(group, holds_and_waits, &crowd), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK);
    assert_int_equal(stats_of(crowd.pool).held_waits, 0);
    f->is_waited_for = false;
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(group, holds_and_waits, &crowd), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(stats_of(crowd.pool).held_waits, 3);
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, crowd.pool, &a), WEIR_OK);
    for (int i = 0; i < 20; i++) /* none of these waits is long */
        assert_int_equal(weir_sleep(c, weir_ms(900)), WEIR_OK);
    weir__lease_release(&a);
    assert_int_equal(stats_of(crowd.pool).held_waits, 3);
    return weir_ctx_close(group);
}

static void test_a_lease_held_across_another_wait_is_told_once(void **state)
{
    (void)state;
    struct fake f = {0};
    const char *text = log_of(watches_holders, &f);
    assert_int_equal(count_in(text, "is held while its fiber waits for something else"), 1);
    assert_non_null(strstr(text, "a lease of pool orders, acquired at src/net/pool_dial_test.c:"));
    assert_non_null(strstr(text, "(sleep) for 1000 ms"));
    assert_non_null(strstr(text, "holds_and_waits"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_back_is_found_soon),
        cmocka_unit_test(test_storms_of_dials_are_bounded),
        cmocka_unit_test(test_who_waits_gets_what_is_first),
        cmocka_unit_test(test_a_failure_beside_what_is_open_is_nobodys),
        cmocka_unit_test(test_a_drivers_panic_is_a_failure),
        cmocka_unit_test(test_dials_end_with_the_service),
        cmocka_unit_test(test_a_ping_is_no_use),
        cmocka_unit_test(test_what_is_opened_after_a_retirement_stays),
        cmocka_unit_test(test_who_holds_the_longest_is_named_first),
        cmocka_unit_test(test_that_it_is_down_and_up_is_told_once),
        cmocka_unit_test(test_the_start_waits_for_one_or_not),
        cmocka_unit_test(test_all_mistakes_are_told),
        cmocka_unit_test(test_a_suspended_pool_lends_nothing),
        cmocka_unit_test(test_the_maximum_changes_while_it_runs),
        cmocka_unit_test(test_a_pool_that_does_not_dial_is_resized_and_retired),
        cmocka_unit_test(test_a_lease_held_across_another_wait_is_told_once),
    };
    weir__watch_install();
    return cmocka_run_group_tests_name("pools that dial", tests, NULL, NULL);
}
