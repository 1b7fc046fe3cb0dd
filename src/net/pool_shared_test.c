/* Shared pools: room, lines, carriers that leave and break, failures, age; on virtual time. */
#include "net/pool_shared_testing.h"

#include <errno.h>
#include <string.h>

#include "rt/runtime.h"
#include "watch/watch.h"
#include <weir/chan.h>

/* --- room ------------------------------------------------------------------------------------- */

static weir_err fills_up(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct weir__share s[5] = {{.broken = NULL}};
    assert_non_null(POOL(c, p, .each = {.max_open = 8}));
    for (int i = 0; i < 5; i++)
        assert_int_equal(SHARE(c, p, "", &s[i]), WEIR_OK);
    assert_int_equal(p->opened, 3); /* two a carrier */
    assert_true(carried_by(&s[0]) == 1 && carried_by(&s[1]) == 1);
    assert_true(carried_by(&s[2]) == 2 && carried_by(&s[3]) == 2 && carried_by(&s[4]) == 3);
    weir__share_release(&s[1]);
    weir__share_release(&s[1]); /* dead, and does nothing */
    assert_int_equal(SHARE(c, p, "", &s[1]), WEIR_OK);
    assert_int_equal(carried_by(&s[1]), 1); /* the oldest that has room */
    struct weir__shared_stats n = shared_stats(p);
    assert_int_equal(n.leases, 5);
    assert_int_equal(n.room, 6);
    assert_int_equal(n.pool.open, 3);
    assert_int_equal(n.pool.in_use, 3);
    assert_int_equal(n.pool.acquired, 6);
    struct weir__carrier_stats k;
    weir__carrier_stats(p->carriers[0], &k);
    assert_true(k.leases == 2 && k.room == 2 && k.carried == 3);
    for (int i = 0; i < 5; i++)
        weir__share_release(&s[i]);
    assert_int_equal(shared_stats(p).pool.idle, 3);
    return WEIR_OK;
}

static void test_another_is_opened_when_all_are_full(void **state)
{
    (void)state;
    run(fills_up);
}

/* All come at once, and nobody knows yet how many one carries. */
static weir_err comes_in_a_crowd(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct user u[100];
    p->room = 25;
    p->open_takes = weir_ms(10);
    assert_non_null(POOL(c, p, .each = {.max_open = 100}));
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 100; i++)
        come(group, &u[i], p, "", weir_ms(100));
    pass(c, 1);
    assert_int_equal(shared_stats(p).pool.open, 1);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(p->opened, 4);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(u[i].err, WEIR_OK);
        assert_int_equal(u[i].by, i / 25 + 1); /* first come first */
    }
    assert_in_range(u[99].at - u[0].at, 10, 12); /* the other three were opened together */
    return weir_ctx_close(group);
}

static void test_a_crowd_opens_what_it_fills(void **state)
{
    (void)state;
    run(comes_in_a_crowd);
}

static weir_err changes_room(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct weir__share s[4] = {{.broken = NULL}};
    struct user u[3];
    p->room = 4;
    assert_non_null(POOL(c, p, .each = {.max_open = 1}));
    for (int i = 0; i < 4; i++)
        assert_int_equal(SHARE(c, p, "", &s[i]), WEIR_OK);
    weir__carrier_set_room(p->carriers[0], 2); /* below what is lent: they go on */
    assert_int_equal(carried_by(&s[3]), 1);
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++)
        come(group, &u[i], p, "", weir_ms(1));
    pass(c, 1);
    weir__share_release(&s[0]);
    weir__share_release(&s[1]);
    pass(c, 1);
    assert_int_equal(shared_stats(p).pool.waiting, 3); /* two are out of two */
    weir__share_release(&s[2]);
    pass(c, 1);
    assert_int_equal(u[0].err, WEIR_OK);
    assert_int_equal(u[1].err, WEIR_EFAIL);
    weir__carrier_set_room(p->carriers[0], 0);
    weir__share_release(&s[3]);
    pass(c, 100);
    int waiting = (int)shared_stats(p).pool.waiting;
    assert_true(waiting >= 1);
    assert_int_equal(shared_stats(p).leases, 0);
    weir__carrier_set_room(p->carriers[0], 10);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_true(u[1].err == WEIR_OK && u[2].err == WEIR_OK);
    assert_int_equal(p->opened, 1);
    return weir_ctx_close(group);
}

static void test_room_shrinks_and_grows(void **state)
{
    (void)state;
    run(changes_room);
}

/* --- leaving and breaking --------------------------------------------------------------------- */

static weir_err goes_away(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct weir__share a = {.broken = NULL}, b = {.broken = NULL};
    assert_non_null(POOL(c, p, .each = {.max_open = 2}));
    assert_int_equal(SHARE(c, p, "", &a), WEIR_OK);
    weir__carrier_retire(p->carriers[0]);
    weir__carrier_retire(p->carriers[0]);
    assert_int_equal(SHARE(c, p, "", &b), WEIR_OK);
    assert_int_equal(carried_by(&b), 2); /* though the first has room */
    assert_int_equal(carried_by(&a), 1);
    pass(c, 10);
    assert_int_equal(p->closed, 0); /* what runs goes on */
    weir__share_release(&a);
    pass(c, 1);
    assert_int_equal(p->closed, 1);
    assert_int_equal(shared_stats(p).retired, 1);
    assert_int_equal(shared_stats(p).told, 0);
    weir__share_release(&b);
    return WEIR_OK;
}

static void test_one_that_goes_away_ends_with_its_last_lease(void **state)
{
    (void)state;
    run(goes_away);
}

/* All of a key at once; the key goes on with another one. */
static weir_err goes_with_its_key(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct weir__share a = {.broken = NULL}, b = {.broken = NULL};
    assert_non_null(POOL(c, p, .each = {.max_open = 2, .idle_timeout = weir_hour(1)}));
    assert_int_equal(SHARE(c, p, "x", &a), WEIR_OK);
    weir__share_release(&a);
    assert_int_equal(SHARE(c, p, "y", &b), WEIR_OK);
    weir__shared_pool_retire(p->pool, WEIR_S("x"));
    weir__shared_pool_retire(p->pool, WEIR_S("nobody"));
    pass(c, 1);
    assert_int_equal(p->closed, 1);
    assert_int_equal(carried_by(&b), 2);
    weir__shared_pool_retire(p->pool, WEIR_S("y"));
    assert_int_equal(SHARE(c, p, "y", &a), WEIR_OK);
    assert_int_equal(carried_by(&a), 3);
    weir__share_release(&a);
    assert_int_equal(p->closed, 1); /* what runs goes on */
    weir__share_release(&b);
    pass(c, 1);
    assert_int_equal(p->closed, 2);
    return WEIR_OK;
}

static void test_all_of_a_key_can_be_retired(void **state)
{
    (void)state;
    run(goes_with_its_key);
}

/* The only one goes away while others wait for it: its last lease opens the next one. */
static weir_err goes_away_before_a_line(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct user u[4];
    assert_non_null(POOL(c, p, .each = {.max_open = 1}));
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 4; i++)
        come(group, &u[i], p, "", weir_ms(50));
    pass(c, 1);
    weir__carrier_retire(p->carriers[0]);
    assert_int_equal(weir_join(group), WEIR_OK);
    for (int i = 0; i < 4; i++)
        assert_true(u[i].err == WEIR_OK && u[i].by == (uintptr_t)i / 2 + 1);
    assert_int_equal(p->live_max, 1); /* never more than may be */
    return weir_ctx_close(group);
}

static void test_who_waits_gets_the_next_one(void **state)
{
    (void)state;
    run(goes_away_before_a_line);
}

static int told_count;

static void hear(struct weir__share *share)
{
    told_count++;
    if (told_count == 1)
        weir__share_release(share); /* at once */
}

static weir_err breaks(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct weir__share s[3] = {{.broken = hear}, {.broken = hear}, {.broken = NULL}};
    told_count = 0;
    p->room = 3;
    assert_non_null(POOL(c, p, .each = {.max_open = 1}));
    for (int i = 0; i < 3; i++)
        assert_int_equal(SHARE(c, p, "", &s[i]), WEIR_OK);
    weir__carrier_break(p->carriers[0]);
    weir__carrier_break(p->carriers[0]);
    assert_int_equal(told_count, 2);
    assert_int_equal(shared_stats(p).told, 3);
    assert_int_equal(shared_stats(p).leases, 2);
    assert_true(s[1].is_broken && s[2].is_broken);
    assert_int_equal(carried_by(&s[1]), 1); /* there until the last one has looked at it */
    pass(c, 1);
    assert_int_equal(p->closed, 0);
    struct user u;
    WEIR_SCOPE(group, c);
    come(group, &u, p, "", weir_ms(1));
    pass(c, 1);
    weir__share_release(&s[1]);
    weir__share_release(&s[2]);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_true(u.err == WEIR_OK && u.by == 2);
    assert_int_equal(shared_stats(p).pool.closed[WEIR_POOL_CLOSED_BROKEN], 1);
    return weir_ctx_close(group);
}

static void test_all_leases_of_a_broken_one_are_told(void **state)
{
    (void)state;
    run(breaks);
}

/* The context ends the pool while a lease of it is out: it is told, and has nothing any more. */
static weir_err ends_below(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    static struct weir__share s;
    WEIR_SCOPE(inner, c);
    s = (struct weir__share){.broken = NULL};
    assert_non_null(POOL(inner, p, .each = {.max_open = 1}));
    assert_int_equal(SHARE(inner, p, "", &s), WEIR_OK);
    (void)weir_ctx_close(inner);
    assert_int_equal(p->closed, 1);
    assert_true(s.is_broken && s.pool == NULL);
    return WEIR_OK;
}

static void test_the_end_of_the_pool_cuts_leases(void **state)
{
    (void)state;
    run(ends_below);
}

/* --- giving up, failing ----------------------------------------------------------------------- */

static weir_err gives_up_in_line(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct weir__share a = {.broken = NULL}, b = {.broken = NULL};
    struct user u[2];
    p->room = 1;
    assert_non_null(POOL(c, p, .each = {.max_open = 1, .wait_max = weir_ms(400)}));
    WEIR_SCOPE(group, c);
    come(group, &u[0], p, "", weir_ms(100));
    pass(c, 1);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(10));
    int64_t start = NOW_MS();
    assert_int_equal(SHARE(hasty, p, "", &a), WEIR_ETIMEDOUT);
    assert_in_range(NOW_MS() - start, 10, 12);
    assert_int_equal(weir_last_error(hasty)->status, 503);
    (void)weir_ctx_close(hasty);
    assert_int_equal(shared_stats(p).pool.waiting, 0);
    assert_int_equal(SHARE(c, p, "", &b), WEIR_OK);
    come(group, &u[1], p, "", weir_ms(1));
    pass(c, 410);
    assert_int_equal(u[1].err, WEIR_ETIMEDOUT); /* wait_max */
    assert_non_null(strstr(u[1].text, "pool peers: none of 1 of this worker had room in 400 ms"));
    weir__share_release(&b);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(shared_stats(p).pool.timeouts, 2);
    return weir_ctx_close(group);
}

static void test_who_gives_up_in_line(void **state)
{
    (void)state;
    run(gives_up_in_line);
}

/* What was begun for one who has gone is there for the next. */
static weir_err gives_up_while_opening(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct weir__share a = {.broken = NULL};
    p->open_takes = weir_ms(100);
    assert_non_null(POOL(c, p, .each = {.max_open = 1}));
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(10));
    assert_int_equal(SHARE(hasty, p, "", &a), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(hasty);
    assert_int_equal(shared_stats(p).pool.open, 1);
    int64_t start = NOW_MS();
    assert_int_equal(SHARE(c, p, "", &a), WEIR_OK);
    assert_in_range(NOW_MS() - start, 88, 92);
    assert_int_equal(p->opened, 1);
    weir__share_release(&a);
    return WEIR_OK;
}

static void test_who_gives_up_while_one_is_opened(void **state)
{
    (void)state;
    run(gives_up_while_opening);
}

static weir_err cannot_open(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct user u[3], late;
    p->open_err = -ECONNREFUSED;
    p->open_takes = weir_ms(10);
    assert_non_null(POOL(c, p, .each = {.max_open = 4}));
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++)
        come(group, &u[i], p, "", weir_ms(1));
    assert_int_equal(weir_join(group), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(u[i].err, -ECONNREFUSED);
        assert_string_equal(u[i].text, "nobody answers at port 443");
    }
    assert_int_equal(shared_stats(p).pool.open_errors, 1);
    assert_int_equal(shared_stats(p).pool.open, 0);
    /* Where another one is open, who waits for a second one waits for that. */
    p->open_err = WEIR_OK;
    come(group, &u[0], p, "", weir_ms(100));
    come(group, &u[1], p, "", weir_ms(100));
    pass(c, 20);
    p->open_err = -ECONNREFUSED;
    come(group, &late, p, "", weir_ms(1));
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_true(late.err == WEIR_OK && late.by == 1);
    assert_int_equal(shared_stats(p).pool.open_errors, 2);
    return weir_ctx_close(group);
}

static void test_a_failure_to_open_is_told_to_all_in_line(void **state)
{
    (void)state;
    run(cannot_open);
}

static weir_err panics_opening(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct user u;
    p->panics = true;
    assert_non_null(POOL(c, p, .each = {.max_open = 1}));
    WEIR_SCOPE(group, c);
    come(group, &u, p, "", weir_ms(1));
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(u.err, WEIR_EPANIC);
    p->panics = false;
    come(group, &u, p, "", weir_ms(1));
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(u.err, WEIR_OK);
    return weir_ctx_close(group);
}

static void test_a_driver_that_panics_costs_an_error(void **state)
{
    (void)state;
    run(panics_opening);
}

static weir_err line_is_full(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct user u[3];
    struct weir__share a = {.broken = NULL};
    char key[WEIR__POOL_KEY_MAX + 2];
    p->room = 1;
    assert_non_null(POOL(c, p, .each = {.max_open = 1, .waiters_max = 2}));
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++) {
        come(group, &u[i], p, "", weir_ms(10));
        pass(c, 1);
    }
    assert_int_equal(SHARE(c, p, "", &a), WEIR_ELIMIT);
    assert_int_equal(weir_last_error(c)->status, 503);
    weir_error_clear(c);
    assert_int_equal(shared_stats(p).pool.refused, 1);
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = '\0';
    assert_int_equal(SHARE(c, p, key, &a), WEIR_EINVALID);
    assert_int_equal(weir_join(group), WEIR_OK);
    come(group, &u[0], p, "", weir_ms(10));
    pass(c, 1);
    weir__refuse_nth(1); /* as if it were full */
    assert_int_equal(SHARE(c, p, "", &a), WEIR_ELIMIT);
    weir_error_clear(c);
    assert_int_equal(weir_join(group), WEIR_OK);
    return weir_ctx_close(group);
}

static void test_a_full_line_refuses(void **state)
{
    (void)state;
    run(line_is_full);
}

static weir_err asks_in_vain(weir_ctx *c, void *arg)
{
    for (int i = 0; i < 2000; i++) {
        struct weir__share share = {.broken = NULL};
        assert_int_equal(SHARE(c, (struct peer *)arg, "", &share), -EDEADLK);
    }
    return WEIR_OK;
}

/* Its key is free for others then, and the pool can end. */
static weir_err panics_on_the_way(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct weir__share a = {.broken = NULL}, b = {.broken = NULL};
    assert_non_null(POOL(c, p, .each = {.max_open = 1}, .open_max = 1, .keys_max = 1));
    assert_int_equal(SHARE(c, p, "", &a), WEIR_OK);
    assert_int_equal(SHARE(c, p, "", &b), WEIR_OK);
    assert_int_equal(weir_protect(c, asks_in_vain, p), WEIR_EPANIC);
    weir_error_clear(c);
    weir__share_release(&a);
    weir__share_release(&b);
    assert_int_equal(SHARE(c, p, "other", &a), WEIR_OK);
    weir__share_release(&a);
    return WEIR_OK;
}

static void test_who_panics_on_the_way_leaves_nothing(void **state)
{
    (void)state;
    run(panics_on_the_way);
}

static weir_err waits_for_itself(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct weir__share a = {.broken = NULL}, b = {.broken = NULL}, d = {.broken = NULL};
    assert_non_null(POOL(c, p, .each = {.max_open = 1}, .open_max = 1));
    assert_int_equal(SHARE(c, p, "", &a), WEIR_OK);
    assert_int_equal(SHARE(c, p, "", &b), WEIR_OK);
    assert_int_equal(SHARE(c, p, "", &d), -EDEADLK);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "it would wait for itself"));
    weir_error_clear(c);
    assert_int_equal(SHARE(c, p, "other", &d), -EDEADLK); /* for the room that its own have */
    weir_error_clear(c);
    assert_int_equal(shared_stats(p).pool.deadlocks, 2);
    weir__share_release(&b);
    assert_int_equal(SHARE(c, p, "", &d), WEIR_OK); /* it has room */
    weir__share_release(&d);
    /* What somebody else holds comes back. */
    struct user u;
    WEIR_SCOPE(group, c);
    come(group, &u, p, "", weir_ms(50));
    pass(c, 1);
    assert_int_equal(SHARE(c, p, "", &d), WEIR_OK);
    weir__share_release(&d);
    weir__share_release(&a);
    assert_int_equal(weir_join(group), WEIR_OK);
    return weir_ctx_close(group);
}

static void test_nobody_waits_for_itself(void **state)
{
    (void)state;
    run(waits_for_itself);
}

/* One has the only lease and waits for the other, which waits for a lease: detached, so a tree. */
struct pair {
    struct peer *p;
    weir_chan *done;
    weir_err *results;
};

static weir_err wants_one(weir_ctx *c, void *arg)
{
    struct pair *pair = arg;
    struct weir__share s = {.broken = NULL};
    pair->results[1] = SHARE(c, pair->p, "", &s);
    weir_error_clear(c);
    return WEIR_OK;
}

static weir_err holds_the_only_one(weir_ctx *c, void *arg)
{
    struct pair *pair = weir_new(c, struct pair);
    struct weir__share s = {.broken = NULL};
    int n;
    *pair = *(struct pair *)arg;
    pair->done = weir_chan_new(c, int, 0);
    assert_int_equal(SHARE(c, pair->p, "", &s), WEIR_OK);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, wants_one, pair), WEIR_OK);
    pair->results[0] = weir_chan_recv(c, pair->done, &n);
    weir__share_release(&s);
    return WEIR_OK;
}

static weir_err lends_to_a_deadlock(weir_ctx *c, void *arg)
{
    static weir_err results[2];
    struct peer *p = arg;
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    struct pair pair = {.p = p, .results = results};
    p->room = 1;
    assert_non_null(POOL(app, p, .each = {.max_open = 1, .wait_max = weir_sec(20)}));
    results[0] = results[1] = 1;
    assert_int_equal(weir_detach(c, holds_the_only_one, &pair, sizeof pair), WEIR_OK);
    pass(c, 500);
    assert_int_equal(results[0], WEIR_EDEADLK);
    assert_int_equal(results[1], WEIR_EDEADLK);
    assert_int_equal(shared_stats(p).leases, 0);
    return WEIR_OK;
}

static void test_a_tree_that_waits_for_its_own_lease(void **state)
{
    (void)state;
    run(lends_to_a_deadlock);
}

/* --- what time does --------------------------------------------------------------------------- */

static weir_err grows_old(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct weir__share a = {.broken = NULL}, b = {.broken = NULL};
    assert_non_null(POOL(
        c, p, .each = {.max_open = 4, .idle_timeout = weir_sec(10), .max_lifetime = weir_sec(60)}));
    assert_int_equal(SHARE(c, p, "", &a), WEIR_OK);
    weir__share_release(&a);
    pass(c, 9900);
    assert_int_equal(p->live, 1);
    pass(c, 200);
    assert_int_equal(p->live, 0);
    assert_int_equal(shared_stats(p).pool.closed[WEIR_POOL_CLOSED_IDLE], 1);
    assert_int_equal(SHARE(c, p, "", &a), WEIR_OK);
    pass(c, 61000);
    assert_int_equal(p->live, 1); /* lent for longer than it lives */
    assert_int_equal(SHARE(c, p, "", &b), WEIR_OK);
    assert_int_equal(carried_by(&b), 3);
    weir__share_release(&a);
    pass(c, 1);
    assert_int_equal(shared_stats(p).pool.closed[WEIR_POOL_CLOSED_LIFETIME], 1);
    assert_int_equal(shared_stats(p).pool.leaked, 1); /* after 30 s */
    assert_int_equal(shared_stats(p).pool.leaks_returned, 1);
    weir__share_release(&b);
    return WEIR_OK;
}

static void test_age_idleness_and_leases_kept_too_long(void **state)
{
    (void)state;
    run(grows_old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_is_opened_when_all_are_full),
        cmocka_unit_test(test_a_crowd_opens_what_it_fills),
        cmocka_unit_test(test_room_shrinks_and_grows),
        cmocka_unit_test(test_one_that_goes_away_ends_with_its_last_lease),
        cmocka_unit_test(test_all_of_a_key_can_be_retired),
        cmocka_unit_test(test_who_waits_gets_the_next_one),
        cmocka_unit_test(test_all_leases_of_a_broken_one_are_told),
        cmocka_unit_test(test_the_end_of_the_pool_cuts_leases),
        cmocka_unit_test(test_who_gives_up_in_line),
        cmocka_unit_test(test_who_gives_up_while_one_is_opened),
        cmocka_unit_test(test_a_failure_to_open_is_told_to_all_in_line),
        cmocka_unit_test(test_a_driver_that_panics_costs_an_error),
        cmocka_unit_test(test_a_full_line_refuses),
        cmocka_unit_test(test_who_panics_on_the_way_leaves_nothing),
        cmocka_unit_test(test_nobody_waits_for_itself),
        cmocka_unit_test(test_a_tree_that_waits_for_its_own_lease),
        cmocka_unit_test(test_age_idleness_and_leases_kept_too_long),
    };
    weir__watch_install();
    return cmocka_run_group_tests_name("pool_shared", tests, NULL, NULL);
}
