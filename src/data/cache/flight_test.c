/*
 * One load for all who ask: on one worker in the simulation, with every way in which who loads and
 * who waits may end.
 */
#include "data/cache/cache_testing.h"

#include "rt/wait.h"

enum { MANY = 1000 };

static weir_err a_thousand(weir_ctx *c, void *arg)
{
    (void)arg;
    static struct asker askers[MANY];
    struct loading l = {.takes = weir_ms(20)};
    weir_cache *cache = NEW_CACHE();
    WEIR_SCOPE(g, c);
    for (int i = 0; i < MANY; i++) {
        askers[i] = (struct asker){.cache = cache, .key = "7", .loading = &l};
        OK(WEIR_GO(g, ask, &askers[i]));
    }
    OK(weir_join(g));
    for (int i = 0; i < MANY; i++) {
        OK(askers[i].err);
        assert_string_equal(askers[i].name, "user 7");
    }
    assert_int_equal(l.calls, 1);
    assert_int_equal(numbers_of(cache).waits, MANY - 1);
    assert_int_equal(numbers_of(cache).misses, MANY);
    return WEIR_OK;
}

static void test_a_thousand_misses_make_one_load(void **state)
{
    (void)state;
    SIM(a_thousand);
}

/* --- endings ---------------------------------------------------------------------------------- */

/* The first three of them have 5, 15 and no milliseconds; the load takes 20. */
static weir_err loaders_leave(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.takes = weir_ms(20)};
    weir_cache *cache = NEW_CACHE();
    struct asker a[4];
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(5));
    WEIR_SCOPE(next, c, .timeout = weir_ms(15));
    WEIR_SCOPE(g, c);
    weir_ctx *in[] = {hasty, next, g, g};
    for (int i = 0; i < 4; i++) {
        a[i] = (struct asker){.cache = cache, .key = "7", .loading = &l};
        OK(WEIR_GO(in[i], ask, &a[i]));
    }
    OK(weir_join(g));
    assert_int_equal(a[0].err, WEIR_ETIMEDOUT);
    assert_int_equal(a[1].err, WEIR_ETIMEDOUT);
    OK(a[2].err);
    OK(a[3].err);
    assert_int_equal(l.calls, 3);
    assert_int_equal(l.done, 1);
    (void)weir_ctx_close(hasty);
    return weir_ctx_close(next) == WEIR_OK ? WEIR_OK : WEIR_EFAIL;
}

static void test_who_waits_takes_over_from_who_is_cancelled(void **state)
{
    (void)state;
    SIM(loaders_leave);
}

static weir_err waiters_leave(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.takes = weir_ms(20)};
    weir_cache *cache = NEW_CACHE();
    struct asker a[3];
    WEIR_SCOPE(g, c);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(5));
    WEIR_SCOPE(cancelled, c);
    weir_ctx *in[] = {g, hasty, cancelled};
    for (int i = 0; i < 3; i++) {
        a[i] = (struct asker){.cache = cache, .key = "7", .loading = &l};
        OK(WEIR_GO(in[i], ask, &a[i]));
    }
    OK(weir_sleep(c, weir_ms(2)));
    weir_cancel(cancelled);
    OK(weir_sleep(c, weir_ms(5)));
    assert_true(a[1].is_over && a[2].is_over && !a[0].is_over);
    assert_int_equal(a[1].err, WEIR_ETIMEDOUT);
    assert_int_equal(a[2].err, WEIR_ECANCELED);
    OK(weir_join(g));
    OK(a[0].err);
    assert_int_equal(l.calls, 1);
    return WEIR_OK;
}

static void test_who_waits_may_leave(void **state)
{
    (void)state;
    SIM(waiters_leave);
}

/* All of them are cancelled at once, the one that loads first: nobody is left in line. */
static weir_err all_leave(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.takes = weir_ms(20)};
    weir_cache *cache = NEW_CACHE();
    struct asker a[5];
    WEIR_SCOPE(g, c);
    for (int i = 0; i < 5; i++) {
        a[i] = (struct asker){.cache = cache, .key = "7", .loading = &l};
        OK(WEIR_GO(g, ask, &a[i]));
    }
    OK(weir_sleep(c, weir_ms(2)));
    weir_cancel(g);
    (void)weir_ctx_close(g);
    for (int i = 0; i < 5; i++)
        assert_int_equal(a[i].err, WEIR_ECANCELED);
    assert_int_equal(l.calls, 1);
    user u;
    l.takes = weir_ns(0);
    return weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l);
}

static void test_all_may_leave(void **state)
{
    (void)state;
    SIM(all_leave);
}

static weir_err loads_fail(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.takes = weir_ms(20), .fails = WEIR_EDB, .message = "the table is gone"};
    weir_cache *cache = NEW_CACHE();
    struct asker a[3];
    for (int round = 0; round < 2; round++) {
        WEIR_SCOPE(g, c);
        for (int i = 0; i < 3; i++) {
            a[i] = (struct asker){.cache = cache, .key = "7", .loading = &l};
            OK(WEIR_GO(g, ask, &a[i]));
        }
        OK(weir_join(g));
        for (int i = 0; i < 3; i++) {
            assert_int_equal(a[i].err, WEIR_EDB);
            assert_string_equal(a[i].message, "the table is gone");
            assert_int_equal(a[i].status, 502);
        }
        assert_int_equal(l.calls, round + 1); /* it is not kept */
    }
    assert_int_equal(numbers_of(cache).load_errors, 2);
    assert_int_equal(numbers_of(cache).entries, 0);
    return WEIR_OK;
}

static void test_a_failure_is_everybodys_and_not_kept(void **state)
{
    (void)state;
    SIM(loads_fail);
}

/* A time-out of its own, of a context that goes on, is a failure like any other. */
static weir_err loads_are_late(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.takes = weir_ms(20), .fails = WEIR_ETIMEDOUT};
    weir_cache *cache = NEW_CACHE();
    struct asker a[3];
    WEIR_SCOPE(g, c);
    for (int i = 0; i < 3; i++) {
        a[i] = (struct asker){.cache = cache, .key = "7", .loading = &l};
        OK(WEIR_GO(g, ask, &a[i]));
    }
    OK(weir_join(g));
    for (int i = 0; i < 3; i++)
        assert_int_equal(a[i].err, WEIR_ETIMEDOUT);
    assert_int_equal(l.calls, 1);
    return WEIR_OK;
}

static void test_a_load_that_is_late_is_a_failure(void **state)
{
    (void)state;
    SIM(loads_are_late);
}

static weir_err ask_protected(weir_ctx *c, void *arg)
{
    struct asker *a = arg;
    a->err = WEIR_OK;
    weir_err err = weir_protect(c, ask, a);
    if (err < 0)
        a->err = err;
    return WEIR_OK;
}

static weir_err loads_panic(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.takes = weir_ms(20), .panics = true};
    weir_cache *cache = NEW_CACHE();
    struct asker a[3];
    WEIR_SCOPE(g, c);
    for (int i = 0; i < 3; i++) {
        a[i] = (struct asker){.cache = cache, .key = "7", .loading = &l};
        OK(WEIR_GO(g, ask_protected, &a[i]));
    }
    OK(weir_join(g));
    for (int i = 0; i < 3; i++)
        assert_int_equal(a[i].err, WEIR_EPANIC);
    assert_string_equal(a[1].message, "cache users: a load has panicked");
    assert_int_equal(l.calls, 1);
    l.panics = false;
    user u;
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    return WEIR_OK;
}

static void test_a_panic_is_everybodys(void **state)
{
    (void)state;
    weir_buf log;
    char bytes[8192];
    weir_buf_init_fixed(&log, bytes, sizeof bytes);
    weir__log_capture(&log);
    SIM(loads_panic);
    weir__log_capture(NULL);
}

/* --- rings ------------------------------------------------------------------------------------ */

struct nested {
    weir_cache *cache;
    const char *other;
    weir_err err;
    int calls;
};

static weir_err load_other(weir_ctx *c, weir_str key, void *out, void *arg)
{
    struct nested *n = arg;
    struct loading l = {0};
    user u;
    (void)key;
    n->calls++;
    OK(weir_sleep(c, weir_ms(5)));
    n->err = weir_cache_get(c, n->cache, weir_str_from(n->other), user, &u, load_user, &l);
    ((user *)out)->id = 9;
    return WEIR_OK;
}

static weir_err ask_nested(weir_ctx *c, void *arg)
{
    struct nested *n = arg;
    user u;
    const char *own = strcmp(n->other, "a") == 0 ? "b" : "a";
    return weir_cache_get(c, n->cache, weir_str_from(own), user, &u, load_other, n);
}

static weir_err loads_ask_themselves(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_cache *cache = NEW_CACHE(), *second = NEW_CACHE();
    struct nested own = {.cache = cache, .other = "a"};
    user u;
    OK(weir_cache_get(c, cache, WEIR_S("a"), user, &u, load_other, &own));
    assert_int_equal(own.err, WEIR_EDEADLK);
    OK(weir_cache_get(c, cache, WEIR_S("a"), user, &u, NULL, NULL)); /* and it has come */
    assert_int_equal(u.id, 9);
    own = (struct nested){.cache = cache, .other = "z"};
    OK(weir_cache_get(c, second, WEIR_S("y"), user, &u, load_other, &own));
    OK(own.err); /* another key may be asked for */
    /* Two that want each other's. */
    struct nested a = {.cache = cache, .other = "a"}, b = {.cache = cache, .other = "b"};
    OK(weir_cache_remove(c, cache, WEIR_S("a")));
    WEIR_SCOPE(g, c);
    OK(WEIR_GO(g, ask_nested, &a));
    OK(WEIR_GO(g, ask_nested, &b));
    OK(weir_join(g));
    assert_true((a.err == WEIR_EDEADLK) != (b.err == WEIR_EDEADLK));
    assert_true(a.err == WEIR_OK || b.err == WEIR_OK);
    assert_int_equal(a.calls + b.calls, 2);
    return WEIR_OK;
}

static void test_who_would_wait_for_itself_is_refused(void **state)
{
    (void)state;
    SIM(loads_ask_themselves);
}

/* --- writing meanwhile ------------------------------------------------------------------------ */

static weir_err writes_meanwhile(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading slow = {.takes = weir_ms(20)}, fast = {0};
    weir_cache *cache = NEW_CACHE();
    user u, mine = {.id = 100};
    struct asker a[2];
    for (int how = 0; how < 3; how++) {
        WEIR_SCOPE(g, c);
        for (int i = 0; i < 2; i++) {
            a[i] = (struct asker){.cache = cache, .key = "7", .loading = &slow};
            OK(WEIR_GO(g, ask, &a[i]));
        }
        OK(weir_sleep(c, weir_ms(5)));
        fast.calls = 50;
        if (how == 0)
            OK(weir_cache_remove(c, cache, WEIR_S("7")));
        else if (how == 1)
            weir_cache_clear(c, cache);
        else
            OK(weir_cache_put(c, cache, WEIR_S("7"), user, &mine));
        OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &fast));
        assert_int_equal(u.id, how == 2 ? 100 : 51);
        OK(weir_join(g));
        assert_int_equal(a[0].id, how + 1); /* who asked before gets what was read before */
        assert_int_equal(a[1].id, how + 1);
        OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &fast));
        assert_int_equal(u.id, how == 2 ? 100 : 51); /* and it is not kept */
        OK(weir_cache_remove(c, cache, WEIR_S("7")));
    }
    return WEIR_OK;
}

static void test_what_was_read_before_a_write_is_not_kept(void **state)
{
    (void)state;
    SIM(writes_meanwhile);
}

/* --- limits ----------------------------------------------------------------------------------- */

static weir_err the_line_is_full(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.takes = weir_ms(20)};
    weir_cache *cache = NEW_CACHE(.waiters_max = 2);
    struct asker a[4];
    WEIR_SCOPE(g, c);
    for (int i = 0; i < 4; i++) {
        a[i] = (struct asker){.cache = cache, .key = "7", .loading = &l};
        OK(WEIR_GO(g, ask, &a[i]));
    }
    OK(weir_join(g));
    OK(a[0].err);
    OK(a[1].err);
    OK(a[2].err);
    assert_int_equal(a[3].err, WEIR_ELIMIT);
    assert_int_equal(a[3].status, 503);
    return WEIR_OK;
}

static void test_a_line_has_a_bound(void **state)
{
    (void)state;
    SIM(the_line_is_full);
}

static weir_err giants_are_handed_on(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.takes = weir_ms(20), .name_len = 2 << 20};
    weir_cache *cache = NEW_CACHE();
    struct asker a[3];
    WEIR_SCOPE(g, c);
    for (int i = 0; i < 3; i++) {
        a[i] = (struct asker){.cache = cache, .key = "7", .loading = &l};
        OK(WEIR_GO(g, ask, &a[i]));
    }
    OK(weir_join(g));
    for (int i = 0; i < 3; i++)
        OK(a[i].err);
    assert_int_equal(l.calls, 1);
    assert_int_equal(numbers_of(cache).not_kept, 1);
    return WEIR_OK;
}

static void test_what_is_not_kept_is_everybodys_too(void **state)
{
    (void)state;
    SIM(giants_are_handed_on);
}

static weir_err hits_in_cancelled_contexts(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    weir_cache *cache = NEW_CACHE();
    user u;
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    WEIR_SCOPE(over, c);
    weir_cancel(over);
    OK(weir_cache_get(over, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(weir_cache_get(over, cache, WEIR_S("8"), user, &u, load_user, &l),
                     WEIR_ECANCELED);
    assert_int_equal(l.calls, 1);
    return WEIR_OK;
}

static void test_what_is_there_is_had_after_the_end(void **state)
{
    (void)state;
    SIM(hits_in_cancelled_contexts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_misses_make_one_load),
        cmocka_unit_test(test_who_waits_takes_over_from_who_is_cancelled),
        cmocka_unit_test(test_who_waits_may_leave),
        cmocka_unit_test(test_all_may_leave),
        cmocka_unit_test(test_a_failure_is_everybodys_and_not_kept),
        cmocka_unit_test(test_a_load_that_is_late_is_a_failure),
        cmocka_unit_test(test_a_panic_is_everybodys),
        cmocka_unit_test(test_who_would_wait_for_itself_is_refused),
        cmocka_unit_test(test_what_was_read_before_a_write_is_not_kept),
        cmocka_unit_test(test_a_line_has_a_bound),
        cmocka_unit_test(test_what_is_not_kept_is_everybodys_too),
        cmocka_unit_test(test_what_is_there_is_had_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
