/* Waiting in line for a pool: order, refusals, deadlocks, closing; all on virtual time. */
#include "net/pool_testing.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "net/pool_inside.h"
#include "rt/log.h"
#include "watch/watch.h"
#include <weir/chan.h>

#define NOW_MS() (weir_now().ns / 1000000)

/* --- the line --------------------------------------------------------------------------------- */

struct line {
    struct weir__pool *pool;
    int order[16];
    int count;
    weir_err errs[16];
};

struct person {
    struct line *line;
    int number;
    weir_dur arrives, stays;
};

static weir_err stand(weir_ctx *c, void *arg)
{
    struct person *p = arg;
    struct weir__lease a;
    if (p->arrives.ns > 0)
        assert_int_equal(weir_sleep(c, p->arrives), WEIR_OK);
    weir_err err = ACQUIRE(c, p->line->pool, &a);
    p->line->errs[p->number] = err;
    if (err != WEIR_OK) {
        weir_error_clear(c);
        return WEIR_OK;
    }
    p->line->order[p->line->count++] = p->number;
    (void)!weir_sleep(c, p->stays); /* one test cancels it */
    weir__lease_release(&a);
    return WEIR_OK;
}

static weir_err stands_in_line(weir_ctx *c, void *arg)
{
    struct line line = {.pool = FAKE_POOL(c, arg, .max_open = 1)};
    struct person people[10];
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 10; i++) {
        people[i] = (struct person){&line, i, weir_ms(i), weir_ms(100)};
        assert_int_equal(WEIR_GO(group, stand, &people[i]), WEIR_OK);
    }
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(line.count, 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(line.order[i], i);
    weir_pool_stats s = stats_of(line.pool);
    assert_int_equal(s.waits, 9);
    assert_int_equal(s.opened, 1);
    assert_true(s.wait_ns > 9 * 50 * UINT64_C(1000000));
    return WEIR_OK;
}

static void test_who_waits_is_served_in_order(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(stands_in_line, &f), WEIR_OK);
}

static weir_err line_is_full(weir_ctx *c, void *arg)
{
    struct line line = {.pool = FAKE_POOL(c, arg, .max_open = 1, .waiters_max = 2)};
    struct person people[4];
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++) {
        people[i] = (struct person){&line, i, weir_ms(0), weir_ms(100)};
        assert_int_equal(WEIR_GO(group, stand, &people[i]), WEIR_OK);
    }
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    int64_t before = weir_now().ns;
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, line.pool, &a), WEIR_ELIMIT);
    assert_int_equal(weir_now().ns, before);
    assert_int_equal(weir_last_error(c)->status, 503);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "orders"));
    weir_error_clear(c);
    assert_int_equal(stats_of(line.pool).refused, 1);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    return WEIR_OK;
}

static void test_a_full_line_refuses_at_once(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(line_is_full, &f), WEIR_OK);
}

/* L22: the request's deadline, or wait_max where that is nearer. */
static weir_err waits_too_long(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 1, .wait_max = weir_ms(400));
    struct line line = {.pool = pool};
    struct person first = {&line, 0, weir_ms(0), weir_sec(10)};
    struct weir__lease a;
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, stand, &first), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    int64_t before = NOW_MS();
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(100));
    assert_int_equal(ACQUIRE(hasty, pool, &a), WEIR_ETIMEDOUT);
    assert_int_equal(weir_last_error(hasty)->status, 503);
    assert_in_range(NOW_MS() - before, 100, 102);
    (void)weir_ctx_close(hasty);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_ETIMEDOUT);
    assert_in_range(NOW_MS() - before, 500, 504);
    weir_error_clear(c);
    assert_int_equal(stats_of(pool).timeouts, 2);
    assert_int_equal(stats_of(pool).waiting, 0);
    (void)weir_ctx_close(group);
    return WEIR_OK;
}

static void test_nobody_waits_for_ever(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(waits_too_long, &f), WEIR_OK);
}

/* The room of one that could not be opened, or came back broken, goes to the next in line. */
static weir_err break_it(weir_ctx *c, void *arg)
{
    struct line *line = arg;
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, line->pool, &a), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(50)), WEIR_OK);
    weir__lease_break(&a);
    weir__lease_release(&a);
    return WEIR_OK;
}

static weir_err hands_room_on(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct line line = {.pool = FAKE_POOL(c, f, .max_open = 1)};
    struct person next = {&line, 0, weir_ms(1), weir_ms(1)};
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, break_it, &line), WEIR_OK);
    assert_int_equal(WEIR_GO(group, stand, &next), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(line.count, 1);
    assert_int_equal(f->opened, 2);
    (void)weir_ctx_close(group);
    return WEIR_OK;
}

static void test_room_goes_to_the_next_in_line(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(hands_room_on, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* Cancelled while it is being opened: nothing leaks, the next one gets the room. */
static weir_err is_cancelled_opening(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    f->open_takes = weir_ms(100);
    struct weir__pool *pool = FAKE_POOL(c, f, .max_open = 1);
    struct weir__lease a;
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(10));
    assert_int_equal(ACQUIRE(hasty, pool, &a), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(hasty);
    assert_int_equal(stats_of(pool).open, 0);
    borrow_once(c, pool, false);
    return WEIR_OK;
}

static void test_cancelled_while_opening(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(is_cancelled_opening, &f), WEIR_OK);
    assert_int_equal(f.live, 0);
}

/* The wait says which pool and which place. */
static weir_err describes_the_line(weir_ctx *c, void *arg)
{
    struct line line = {.pool = FAKE_POOL(c, arg, .max_open = 1)};
    struct person people[4];
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 4; i++) {
        people[i] = (struct person){&line, i, weir_ms(i), weir_ms(100)};
        assert_int_equal(WEIR_GO(group, stand, &people[i]), WEIR_OK);
    }
    assert_int_equal(weir_sleep(c, weir_ms(20)), WEIR_OK);
    int found = 0;
    WEIR_LIST_EACH(node, &weir__self->fibers) {
        struct weir__fiber *f = WEIR_CONTAINER(node, struct weir__fiber, in_all);
        char bytes[128];
        weir_buf text;
        weir_buf_init_fixed(&text, bytes, sizeof bytes);
        if (f->wait == NULL || strcmp(f->wait->type->name, "pool") != 0)
            continue;
        f->wait->type->describe(f->wait, &text);
        weir_str s = weir_buf_str(&text);
        found |= weir_str_eq(s, WEIR_S("orders, 1st in line")) ? 1 : 0;
        found |= weir_str_eq(s, WEIR_S("orders, 3rd in line")) ? 4 : 0;
    }
    assert_int_equal(found, 5);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    return WEIR_OK;
}

static void test_waits_tell_their_place(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(describes_the_line, &f), WEIR_OK);
}

/* --- closing (E15) ---------------------------------------------------------------------------- */

static weir_err closes(weir_ctx *c, void *arg)
{
    struct fake *f = arg;
    struct line line = {.pool = FAKE_POOL(c, f, .max_open = 2)};
    struct person people[3];
    struct weir__lease a;
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++) {
        people[i] = (struct person){&line, i, weir_ms(i), weir_ms(100)};
        assert_int_equal(WEIR_GO(group, stand, &people[i]), WEIR_OK);
    }
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    int64_t before = NOW_MS();
    weir_time soon = weir_time_add(weir_now(), weir_ms(20));
    assert_int_equal(weir__pool_close(line.pool, weir__ctx_of(c), soon), WEIR_ETIMEDOUT);
    assert_in_range(NOW_MS() - before, 20, 22);
    assert_int_equal(line.errs[2], WEIR_ECLOSED);
    assert_int_equal(stats_of(line.pool).waiting, 0);
    assert_int_equal(ACQUIRE(c, line.pool, &a), WEIR_ECLOSED);
    assert_int_equal(weir__pool_close(line.pool, weir__ctx_of(c), weir_never()), WEIR_OK);
    assert_in_range(NOW_MS() - before, 90, 94);
    assert_int_equal(f->live, 0);
    assert_int_equal(stats_of(line.pool).closed[WEIR_POOL_CLOSED_SHUTDOWN], 2);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    return WEIR_OK;
}

static void test_closing_waits_for_leases(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(closes, &f), WEIR_OK);
}

/* --- deadlocks (N5, N6) ----------------------------------------------------------------------- */

static weir_err wants_it_twice(weir_ctx *c, void *arg)
{
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 1);
    struct weir__lease a, b;
    int64_t before = weir_now().ns;
    char bytes[4096], text[64];
    weir_buf log;
    weir_buf_init_fixed(&log, bytes, sizeof bytes - 1);
    weir__log_capture(&log);
    int held = __LINE__ + 1;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    int wanted = __LINE__ + 1;
    assert_int_equal(ACQUIRE(c, pool, &b), -EDEADLK);
    weir__log_capture(NULL);
    bytes[log.len] = '\0';
    const char *stack = strstr(bytes, "wants_it_twice at "); /* of who holds it, and of who wants */
    assert_non_null(stack);
    const char *second = strstr(stack, "wanted again");
    assert_non_null(second);
    assert_non_null(strstr(second, "wants_it_twice at "));
    snprintf(text, sizeof text, "pool_line_test.c:%d", held);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, text));
    snprintf(text, sizeof text, "pool_line_test.c:%d", wanted);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, text));
    assert_int_equal(weir_now().ns, before);
    weir_error_clear(c);
    assert_int_equal(stats_of(pool).deadlocks, 1);
    weir__lease_release(&a);
    return WEIR_OK;
}

/* Returned each time, and told as often as a log may be for one mistake. */
static weir_err wants_it_for_ever(weir_ctx *c, void *arg)
{
    static char bytes[256 << 10];
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 1);
    struct weir__lease a, b;
    struct timespec before, after;
    weir_buf log;
    weir_buf_init_fixed(&log, bytes, sizeof bytes - 1);
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    weir__log_capture(&log);
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (int i = 0; i < 500; i++)
        assert_int_equal(ACQUIRE(c, pool, &b), -EDEADLK);
    clock_gettime(CLOCK_MONOTONIC, &after);
    weir__log_capture(NULL);
    bytes[log.len] = '\0';
    int lines = 0;
    for (const char *at = bytes; (at = strstr(at, "wanted again at")) != NULL; at++)
        lines++;
    assert_in_range(lines, 1, 1 + 10 * (after.tv_sec - before.tv_sec + 1));
    assert_int_equal(stats_of(pool).deadlocks, 500);
    weir_error_clear(c);
    weir__lease_release(&a);
    return WEIR_OK;
}

static void test_a_second_lease_of_an_exhausted_pool(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(wants_it_twice, &f), WEIR_OK);
    assert_int_equal(weir__sim_run(wants_it_for_ever, &f), WEIR_OK);
}

/* The HikariCP case: each of two fibers holds one of two and wants another. */
struct hog {
    struct weir__pool *pool;
    weir_err err;
};

static weir_err hold_and_want(weir_ctx *c, void *arg)
{
    struct hog *h = arg;
    struct weir__lease a, b;
    assert_int_equal(ACQUIRE(c, h->pool, &a), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    h->err = ACQUIRE(c, h->pool, &b);
    if (h->err == WEIR_OK)
        weir__lease_release(&b);
    weir__lease_release(&a);
    weir_error_clear(c);
    return WEIR_OK;
}

static weir_err hogs(weir_ctx *c, void *arg)
{
    struct hog h[2];
    struct weir__pool *pool = FAKE_POOL(c, arg, .max_open = 2);
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 2; i++) {
        h[i] = (struct hog){pool, 0};
        assert_int_equal(WEIR_GO(group, hold_and_want, &h[i]), WEIR_OK);
    }
    int64_t before = NOW_MS();
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_in_range(NOW_MS() - before, 10, 12);
    (void)weir_ctx_close(group);
    assert_int_equal(h[0].err + h[1].err,
                     -EDEADLK); /* one is refused, which lets the other go on */
    return WEIR_OK;
}

static void test_fibers_that_hold_and_want(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(hogs, &f), WEIR_OK);
}

/* The holder joins the fiber that wants one. */
static weir_err child_wants(weir_ctx *c, void *arg)
{
    struct hog *h = arg;
    struct weir__lease a;
    h->err = ACQUIRE(c, h->pool, &a);
    weir_error_clear(c);
    return WEIR_OK;
}

static weir_err parent_holds(weir_ctx *c, void *arg)
{
    struct hog h = {FAKE_POOL(c, arg, .max_open = 1), 0};
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, h.pool, &a), WEIR_OK);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, child_wants, &h), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(h.err, -EDEADLK);
    weir__lease_release(&a);
    return WEIR_OK;
}

static void test_a_child_wants_what_its_parent_holds(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(parent_holds, &f), WEIR_OK);
}

/* Three children of one request and a pool of two: nobody is stuck, so the third one waits. */
static weir_err fan_out(weir_ctx *c, void *arg)
{
    struct line line = {.pool = FAKE_POOL(c, arg, .max_open = 2)};
    struct person people[3];
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++) {
        people[i] = (struct person){&line, i, weir_ms(0), weir_ms(10)};
        assert_int_equal(WEIR_GO(group, stand, &people[i]), WEIR_OK);
    }
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    assert_int_equal(line.count, 3);
    assert_int_equal(stats_of(line.pool).deadlocks, 0);
    return WEIR_OK;
}

static void test_siblings_are_no_deadlock(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(fan_out, &f), WEIR_OK);
}

/* Who holds one and wants another waits for it, as long as somebody may still give one back. */
static weir_err holds_one_wants_another(weir_ctx *c, void *arg)
{
    struct line line = {.pool = FAKE_POOL(c, arg, .max_open = 2)};
    struct person other = {&line, 0, weir_ms(0), weir_ms(50)};
    struct weir__lease a, b;
    assert_int_equal(ACQUIRE(c, line.pool, &a), WEIR_OK);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, stand, &other), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(ACQUIRE(c, line.pool, &b), WEIR_OK);
    assert_int_equal(stats_of(line.pool).waits, 1);
    assert_int_equal(stats_of(line.pool).deadlocks, 0);
    weir__lease_release(&a);
    weir__lease_release(&b);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    return WEIR_OK;
}

static void test_what_comes_back_is_no_deadlock(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(holds_one_wants_another, &f), WEIR_OK);
}

/* One has the only lease and waits for the other, which waits for a lease: detached, so a tree. */
struct pair {
    struct weir__pool *pool;
    weir_chan *done;
    weir_err *results;
};

static weir_err wants_one(weir_ctx *c, void *arg)
{
    struct pair *p = arg;
    struct weir__lease lease;
    p->results[1] = ACQUIRE(c, p->pool, &lease);
    weir_error_clear(c);
    return WEIR_OK;
}

static weir_err holds_the_only_one(weir_ctx *c, void *arg)
{
    struct pair *p = weir_new(c, struct pair);
    struct weir__lease lease;
    int n;
    *p = *(struct pair *)arg;
    p->done = weir_chan_new(c, int, 0);
    assert_int_equal(ACQUIRE(c, p->pool, &lease), WEIR_OK);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, wants_one, p), WEIR_OK);
    p->results[0] = weir_chan_recv(c, p->done, &n);
    weir__lease_release(&lease);
    return WEIR_OK;
}

static weir_err lends_to_a_deadlock(weir_ctx *c, void *arg)
{
    static weir_err results[2];
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    struct weir__pool *pool = FAKE_POOL(app, arg, .max_open = 1, .wait_max = weir_sec(20));
    struct pair p = {.pool = pool, .results = results};
    results[0] = results[1] = 1;
    assert_int_equal(weir_detach(c, holds_the_only_one, &p, sizeof p), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(500)), WEIR_OK);
    assert_int_equal(results[0], WEIR_EDEADLK);
    assert_int_equal(results[1], WEIR_EDEADLK);
    assert_int_equal(stats_of(pool).in_use, 0);
    return WEIR_OK;
}

static void test_a_tree_that_waits_for_its_own_lease(void **state)
{
    (void)state; /* N6 */
    struct fake f = {0};
    assert_int_equal(weir__sim_run(lends_to_a_deadlock, &f), WEIR_OK);
}

/* Who was served by another worker holds the lease already, and waits on until its wake arrives. */
static weir_err sees_one_served(weir_ctx *c, void *arg)
{
    struct pair *p = weir_new(c, struct pair);
    const struct weir__ctx *top = weir__ctx_of(c)->top;
    struct weir__lease lease;
    *p = *(struct pair *)arg;
    WEIR_SCOPE(group, c);
    assert_int_equal(ACQUIRE(c, p->pool, &lease), WEIR_OK);
    assert_int_equal(WEIR_GO(group, wants_one, p), WEIR_OK);
    assert_int_equal(weir_yield(c), WEIR_OK);
    struct weir__wait *w = WEIR_CONTAINER(p->pool->waiters.next, struct weir__wait, in_object);
    assert_true(w->type->is_stuck(w, top));
    weir__list_remove(&w->in_object); /* as serving does, under the lock */
    assert_false(w->type->is_stuck(w, top));
    weir__list_push_back(&p->pool->waiters, &w->in_object);
    weir__lease_release(&lease);
    p->results[0] = weir_join(group);
    return WEIR_OK;
}

static weir_err serves_one(weir_ctx *c, void *arg)
{
    static weir_err results[2];
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    struct pair p = {.pool = FAKE_POOL(app, arg, .max_open = 1), .results = results};
    results[0] = results[1] = WEIR_EFAIL;
    assert_int_equal(weir_detach(c, sees_one_served, &p, sizeof p), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(500)), WEIR_OK);
    assert_int_equal(results[0], WEIR_OK);
    assert_int_equal(results[1], WEIR_OK);
    return WEIR_OK;
}

static void test_who_is_served_is_not_stuck(void **state)
{
    (void)state;
    struct fake f = {0};
    assert_int_equal(weir__sim_run(serves_one, &f), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_waits_is_served_in_order),
        cmocka_unit_test(test_a_full_line_refuses_at_once),
        cmocka_unit_test(test_nobody_waits_for_ever),
        cmocka_unit_test(test_room_goes_to_the_next_in_line),
        cmocka_unit_test(test_cancelled_while_opening),
        cmocka_unit_test(test_waits_tell_their_place),
        cmocka_unit_test(test_closing_waits_for_leases),
        cmocka_unit_test(test_a_second_lease_of_an_exhausted_pool),
        cmocka_unit_test(test_fibers_that_hold_and_want),
        cmocka_unit_test(test_a_child_wants_what_its_parent_holds),
        cmocka_unit_test(test_siblings_are_no_deadlock),
        cmocka_unit_test(test_what_comes_back_is_no_deadlock),
        cmocka_unit_test(test_a_tree_that_waits_for_its_own_lease),
        cmocka_unit_test(test_who_is_served_is_not_stuck),
    };
    weir__watch_install();
    return cmocka_run_group_tests_name("pool_line", tests, NULL, NULL);
}
