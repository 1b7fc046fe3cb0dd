/*
 * A cache that several real workers use at a time: one load for all of them, bounds that hold for
 * the process, writing and pinning among hits, and its end.
 */
#include "data/cache/cache_testing.h"
#include "data/cache/list.h"

#include "net/pool_workers_testing.h"

enum { ASKERS = 250, KEYS = 300, STEPS = 4000 };

struct test {
    struct crew crew;
    weir_cache *cache;
    atomic_int calls, failures;
};

/* --- one load --------------------------------------------------------------------------------- */

/* Goes on when all of the others wait for it. */
static weir_err load_when_all_wait(weir_ctx *c, weir_str key, void *out, void *arg)
{
    struct test *t = arg;
    (void)key;
    atomic_fetch_add(&t->calls, 1);
    while (numbers_of(t->cache).waits < WORKERS * ASKERS - 1)
        OK(weir_sleep(c, weir_ms(1)));
    ((user *)out)->name = WEIR_S("only one");
    return WEIR_OK;
}

static weir_err ask_one(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    user u;
    OK(weir_cache_get(c, t->cache, WEIR_S("7"), user, &u, load_when_all_wait, t));
    assert_true(weir_str_eq(u.name, WEIR_S("only one")));
    return WEIR_OK;
}

static void ask_many(weir_ctx *c, void *arg)
{
    WEIR_SCOPE(g, c);
    for (int i = 0; i < ASKERS; i++)
        OK(WEIR_GO(g, ask_one, arg));
    OK(weir_join(g));
}

static weir_err a_thousand(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    crew_init(&t->crew, app, t);
    t->cache = NEW_CACHE();
    work_on_all(&t->crew, ask_many);
    assert_int_equal(t->calls, 1);
    assert_int_equal(numbers_of(t->cache).loads, 1);
    return WEIR_OK;
}

static void test_a_thousand_misses_of_all_workers_make_one_load(void **state)
{
    (void)state;
    struct test t = {0};
    run_crew(a_thousand, &t);
}

/* --- those that leave ------------------------------------------------------------------------- */

/* Loads never end by themselves: each is cancelled, and hands on to one of another worker's. */
static weir_err load_for_ever(weir_ctx *c, weir_str key, void *out, void *arg)
{
    struct test *t = arg;
    (void)key;
    if (atomic_fetch_add(&t->calls, 1) + 1 == WORKERS) {
        ((user *)out)->id = 77;
        return WEIR_OK;
    }
    return weir_sleep(c, weir_hour(1));
}

static void ask_in_haste(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    user u = {0};
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(20 + 20 * (int)weir__self->index));
    weir_err err = weir_cache_get(hasty, t->cache, WEIR_S("7"), user, &u, load_for_ever, t);
    assert_true(err == WEIR_ETIMEDOUT || (err == WEIR_OK && u.id == 77));
    atomic_fetch_add(&t->failures, err != WEIR_OK);
}

static weir_err in_haste(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    crew_init(&t->crew, app, t);
    t->cache = NEW_CACHE();
    for (int round = 0; round < 20; round++) {
        t->calls = 0;
        work_on_all(&t->crew, ask_in_haste);
        OK(weir_cache_remove(app, t->cache, WEIR_S("7")));
    }
    return WEIR_OK;
}

static void test_a_load_goes_from_worker_to_worker(void **state)
{
    (void)state;
    struct test t = {0};
    run_crew(in_haste, &t);
}

/* --- everything at a time --------------------------------------------------------------------- */

static weir_err load_any(weir_ctx *c, weir_str key, void *out, void *arg)
{
    struct test *t = arg;
    user *u = out;
    int n = atomic_fetch_add(&t->calls, 1);
    if (n % 5 == 0)
        OK(weir_yield(c));
    if (n % 11 == 0)
        return WEIR_ENOTFOUND;
    if (n % 13 == 0)
        return WEIR_EDB;
    u->id = n;
    u->name = key;
    return WEIR_OK;
}

static void check(weir_str key, weir_err err, const user *u)
{
    assert_true(err == WEIR_OK || err == WEIR_ENOTFOUND || err == WEIR_EDB);
    if (err == WEIR_OK)
        assert_true(weir_str_eq(u->name, key));
}

static void do_anything(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    struct weir__random r = {weir__self->index};
    for (int i = 0; i < STEPS; i++) {
        char text[8];
        weir_str key = {
            text, (size_t)snprintf(text, sizeof text, "%d", (int)weir__random_upto(&r, KEYS - 1))};
        WEIR_SCOPE(turn, c);
        user u = {.id = -1, .name = key};
        const user *pinned = NULL;
        switch (weir__random_upto(&r, 9)) {
        case 0:
            OK(weir_cache_remove(turn, t->cache, key));
            break;
        case 1:
            OK(weir_cache_put(turn, t->cache, key, user, &u));
            break;
        case 2:
        case 3: {
            weir_err err = weir_cache_pin(turn, t->cache, key, user, &pinned, load_any, t);
            if (err == WEIR_OK && i % 3 == 0)
                OK(weir_yield(turn));
            check(key, err, pinned);
            break;
        }
        case 4:
            if (i % 500 == 4)
                weir_cache_clear(turn, t->cache);
            break;
        default:
            check(key, weir_cache_get(turn, t->cache, key, user, &u, load_any, t), &u);
            break;
        }
        weir_cache_stats s = numbers_of(t->cache);
        assert_true(s.entries <= s.entries_max);
        if (i % 100 == 0)
            OK(weir_sleep(c, weir_ms(1)));
    }
}

static weir_err anything(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    crew_init(&t->crew, app, t);
    t->cache = weir_cache_new(app, .name = "small", .entries_max = 100, .bytes_max = 1 << 20,
                              .ttl = weir_ms(20), .guard_keys = 1000);
    work_on_all(&t->crew, do_anything);
    weir_cache_stats s = numbers_of(t->cache);
    assert_true(s.hits > 0 && s.evicted + s.expired > 0);
    assert_int_equal(s.pinned_bytes, 0);
    return WEIR_OK;
}

static void test_all_at_a_time(void **state)
{
    (void)state;
    struct test t = {0};
    run_crew(anything, &t);
    weir_buf out;
    weir_buf_init(&out, 1000);
    weir__caches_text(&out);
    assert_true(weir_str_eq(weir_buf_str(&out), WEIR_S("no caches\n")));
    weir_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_misses_of_all_workers_make_one_load),
        cmocka_unit_test(test_a_load_goes_from_worker_to_worker),
        cmocka_unit_test(test_all_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
