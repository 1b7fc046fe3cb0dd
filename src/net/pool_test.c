/* Lending, giving back, what people see of a pool; all on virtual time. */
#include "net/pool_testing.h"

#include <string.h>

#include "base/metric_testing.h"
#include "net/pool_inside.h"
#include "rt/log.h"
#include "watch/watch.h"
#include <weir/chan.h>

#define NOW_MS() (weir_now().ns / 1000000)

/* --- lending and giving back ------------------------------------------------------------------ */

static weir_err lends_and_reuses(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 2);
    struct weir__lease a, b;
    assert_int_equal(f->opened, 0);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    assert_int_equal(ACQUIRE(c, pool, &b), WEIR_OK);
    assert_int_equal(number_of(&a), 1);
    assert_int_equal(number_of(&b), 2);
    assert_int_equal(stats_of(pool).in_use, 2);
    weir__lease_release(&a);
    assert_int_equal(stats_of(pool).in_use, 1);
    assert_int_equal(stats_of(pool).idle, 1);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    assert_int_equal(number_of(&a), 1);
    weir__lease_release(&a);
    weir__lease_release(&b);
    weir_pool_stats s = stats_of(pool);
    assert_int_equal(s.open, 2);
    assert_int_equal(s.opened, 2);
    assert_int_equal(s.acquired, 3);
    assert_int_equal(s.in_use, 0);
    return WEIR_OK;
}

static void test_lends_and_reuses(void **state)
{
    (void)state;
    struct fake f = {0};
    uint64_t leaks = weir__leak_total();
    assert_int_equal(weir__sim_run(lends_and_reuses, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
    assert_int_equal(f.closed, 2);
    assert_int_equal(weir__leak_total(), leaks);
}

static weir_err releases_twice(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 1);
    struct weir__lease a, copy;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    copy = a;
    weir__lease_release(&a);
    weir__lease_release(&a);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    weir__lease_release(&copy); /* of an earlier turn: not the lease that is out now */
    assert_int_equal(stats_of(pool).in_use, 1);
    weir__lease_release(&a);
    return WEIR_OK;
}

static void test_release_is_idempotent(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(releases_twice, &f), WEIR_OK);
}

static weir_err use_after_release(weir_ctx *c, void *arg)
{
    struct weir__lease *lease = arg;
    (void)c;
    (void)weir__lease_resource(lease, "query");
    return WEIR_OK;
}

static weir_err keeps_handles_dead(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 1);
    struct weir__lease a, copy;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    copy = a;
    weir__lease_release(&a);
    assert_int_equal(weir_protect(c, use_after_release, &copy), WEIR_EPANIC);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "given back"));
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_a_dead_handle_is_noticed(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(keeps_handles_dead, &f), WEIR_OK);
}

/* L25: the lease knows its fiber. */
static weir_err use_of_other(weir_ctx *c, void *arg)
{
    weir_err err = weir_protect(c, use_after_release, arg);
    assert_int_equal(err, WEIR_EPANIC);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "another fiber"));
    return WEIR_OK;
}

static weir_err shares_a_lease(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 1);
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, use_of_other, &a), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    weir__lease_release(&a);
    return WEIR_OK;
}

static void test_two_fibers_never_share_a_lease(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(shares_a_lease, &f), WEIR_OK);
}

/* N1, L05: given back at the end, and reported with the line that acquired it. */
static int forgetful_line;

static weir_err forgets(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = arg;
    struct weir__lease a;
    forgetful_line = __LINE__ + 1;
    return ACQUIRE(c, pool, &a);
}

static weir_err runs_forgetful(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 1);
    for (int i = 0; i < 10; i++) {
        WEIR_SCOPE(group, c);
        assert_int_equal(WEIR_GO(group, forgets, pool), WEIR_OK);
        assert_int_equal(weir_join(group), WEIR_OK);
        (void)weir_ctx_close(group);
        assert_int_equal(stats_of(pool).in_use, 0);
    }
    return WEIR_OK;
}

static void test_forgotten_leases_come_back_and_are_reported(void **state)
{
    (void)state;
    struct fake f = {0};
    struct weir__leak_site sites[64];
    uint64_t leaks = weir__leak_total();
    assert_int_equal(weir__sim_run(runs_forgetful, &f), WEIR_OK);
    assert_int_equal(weir__leak_total() - leaks, 10);
    assert_int_equal(f.opened, 1);
    size_t n = weir__leak_sites(sites, 64);
    assert_true(n > 0);
    assert_string_equal(sites[n - 1].kind, "lease");
    assert_int_equal(sites[n - 1].site->line, forgetful_line);
    assert_int_equal(sites[n - 1].count, 10);
}

static weir_err fails_with_lease(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = arg;
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    return -EIO; /* an early return: no report, it is what contexts are for */
}

static weir_err returns_early(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 1);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, fails_with_lease, pool), WEIR_OK);
    assert_int_equal(weir_join(group), -EIO);
    (void)weir_ctx_close(group);
    assert_int_equal(stats_of(pool).in_use, 0);
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_an_error_path_gives_back_silently(void **state)
{
    (void)state;
    struct fake f = {0};
    uint64_t leaks = weir__leak_total();
    assert_int_equal(weir__sim_run(returns_early, &f), WEIR_OK);
    assert_int_equal(weir__leak_total(), leaks);
}

/* --- dirty, broken, failing ------------------------------------------------------------------- */

static weir_err returns_dirty(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 1);
    f->is_dirty = true;
    borrow_once(c, pool, false);
    assert_int_equal(f->reset, 1);
    assert_int_equal(f->closed, 0);
    assert_false(weir__ctx_of(c)->is_shielded); /* that was for the reset alone */
    f->reset_err = -EIO;
    borrow_once(c, pool, false);
    assert_int_equal(f->closed, 1);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_BROKEN], 1);
    f->is_dirty = false;
    borrow_once(c, pool, true);
    assert_int_equal(f->closed, 2);
    assert_int_equal(f->opened, 2);
    assert_int_equal(stats_of(pool).closed[WEIR_POOL_CLOSED_BROKEN], 2);
    borrow_once(c, pool, false);
    assert_int_equal(f->opened, 3);
    return WEIR_OK;
}

/* L27 */
static void test_dirty_ones_are_reset_or_closed(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(returns_dirty, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

static weir_err opens_badly(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 1);
    struct weir__lease a;
    f->open_err = -ECONNREFUSED;
    assert_int_equal(ACQUIRE(c, pool, &a), -ECONNREFUSED);
    weir_pool_stats s = stats_of(pool);
    assert_int_equal(s.open + s.in_use + s.idle, 0);
    assert_int_equal(s.open_errors, 1);
    f->open_err = WEIR_OK;
    borrow_once(c, pool, false);
    return WEIR_OK;
}

static void test_a_failure_to_open_leaves_nothing(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(opens_badly, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* --- what is on its way out counts (P5) ------------------------------------------------------- */

static weir_err acquires_one(weir_ctx *c, void *arg)
{
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, arg, &a), WEIR_OK);
    weir__lease_release(&a);
    return WEIR_OK;
}

/* Given back broken: who wants one waits until the other side has let go. */
static weir_err closes_slowly(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 1, .idle_timeout = weir_sec(10));
    struct weir__lease a;
    f->close_takes = weir_ms(200);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    weir__lease_break(&a);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, acquires_one, pool), WEIR_OK);
    int64_t before = NOW_MS();
    weir__lease_release(&a);
    assert_in_range(NOW_MS() - before, 200, 202);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(stats_of(pool).waits, 1);
    assert_int_equal(f->opened, 2);
    assert_int_equal(weir_sleep(c, weir_ms(10100)), WEIR_OK); /* the keeper closes it */
    assert_int_equal(stats_of(pool).idle, 0);
    assert_int_equal(stats_of(pool).open, 1);
    assert_int_equal(acquires_one(c, pool), WEIR_OK);
    assert_int_equal(stats_of(pool).waits, 2);
    assert_int_equal(f->opened, 3);
    assert_int_equal(f->live_max, 1);
    return weir_ctx_close(group);
}

static void test_what_is_being_closed_counts(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(closes_slowly, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* A storm of requests that give up: the server works on each of them for longer than they wait. */
static weir_err gives_up(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = arg;
    struct weir__lease a;
    WEIR_SCOPE(step, c, .timeout = weir_ms(5));
    if (ACQUIRE(step, pool, &a) == WEIR_OK)
        take_time(step, weir_sec(1));
    (void)weir_ctx_close(step);
    weir_error_clear(c);
    return WEIR_OK;
}

static weir_err storms(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 3);
    f->is_dirty = true;
    f->open_takes = weir_ms(2);
    f->reset_takes = weir_ms(30);
    f->close_takes = weir_ms(50);
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 200; i++) {
        f->reset_err = i % 2 == 0 ? -EIO : WEIR_OK;
        assert_int_equal(WEIR_GO(group, gives_up, pool), WEIR_OK);
        assert_int_equal(weir_sleep(c, weir_ms(3)), WEIR_OK);
        weir_pool_stats s = stats_of(pool);
        assert_true((uint64_t)f->live <= s.open && s.open <= 3);
    }
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_true(f->reset > 6 && f->closed > 3);
    assert_int_equal(f->live_max, 3);
    return weir_ctx_close(group);
}

static void test_a_storm_of_cancellations_stays_below_the_maximum(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(storms, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* --- what people see -------------------------------------------------------------------------- */

static void find_orders(const weir_pool_stats *s, void *arg)
{
    if (strcmp(s->name, "orders") == 0)
        *(weir_pool_stats *)arg = *s;
}

static weir_err lists_pools(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 7);
    weir_pool_stats s = {0};
    borrow_once(c, pool, false);
    weir__pool_each(find_orders, &s);
    assert_int_equal(s.max_open, 7);
    assert_int_equal(s.idle, 1);
    return WEIR_OK;
}

static weir_err shows_pools(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 7);
    struct weir__metrics m = {.count = 0};
    weir__pool_metrics(&m);
    (void)FAKE_POOL(c, arg, .max_open = 3);
    borrow_once(c, pool, false);
    assert_true(metric_lines_has(&m, "\nweir_pool_max_open pool=orders 7 pool=orders#2 3\n"));
    assert_true(metric_lines_has(&m, "\nweir_pool_acquired_total pool=orders 1 pool=orders#2 0\n"));
    assert_true(metric_lines_has(&m, "\nweir_pool_closed_total pool=orders reason=lifetime 0 "
                                     "pool=orders reason=idle 0 pool=orders reason=broken 0 "
                                     "pool=orders reason=shutdown 0 pool=orders reason=retired 0 "
                                     "pool=orders#2"));
    return WEIR_OK;
}

static void test_pools_of_one_name_are_told_apart(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(shows_pools, &f), WEIR_OK);
}

static void test_pools_are_listed(void **state)
{
    (void)state;
    struct fake f = {0};
    weir_pool_stats s = {0};
    assert_int_equal(weir__sim_run(lists_pools, &f), WEIR_OK);
    weir__pool_each(find_orders, &s);
    assert_null(s.name);
}

/* A cancelled context gets nothing, though one is idle, and does not wait for a pool to close. */
static weir_err is_cancelled(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 2);
    struct weir__lease a, b;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    weir__lease_release(&a);
    WEIR_SCOPE(step, c);
    weir_cancel(step);
    assert_int_equal(ACQUIRE(step, pool, &b), WEIR_ECANCELED);
    assert_null(b.slot);
    assert_int_equal(stats_of(pool).acquired, 1);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    weir_time before = weir_now();
    assert_int_equal(weir__pool_close(pool, weir__ctx_of(step), weir_time_add(before, weir_sec(5))),
                     WEIR_ECANCELED);
    assert_int_equal(weir_time_sub(weir_now(), before).ns, 0);
    weir__lease_release(&a);
    return weir_ctx_close(step);
}

static void test_a_cancelled_context_gets_nothing(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(is_cancelled, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lends_and_reuses),
        cmocka_unit_test(test_release_is_idempotent),
        cmocka_unit_test(test_a_dead_handle_is_noticed),
        cmocka_unit_test(test_two_fibers_never_share_a_lease),
        cmocka_unit_test(test_forgotten_leases_come_back_and_are_reported),
        cmocka_unit_test(test_an_error_path_gives_back_silently),
        cmocka_unit_test(test_dirty_ones_are_reset_or_closed),
        cmocka_unit_test(test_a_failure_to_open_leaves_nothing),
        cmocka_unit_test(test_what_is_being_closed_counts),
        cmocka_unit_test(test_a_storm_of_cancellations_stays_below_the_maximum),
        cmocka_unit_test(test_pools_are_listed),
        cmocka_unit_test(test_pools_of_one_name_are_told_apart),
        cmocka_unit_test(test_a_cancelled_context_gets_nothing),
    };
    weir__watch_install();
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
