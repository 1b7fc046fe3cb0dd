/* Pools by key: limits of a key and of all, keys that come and go; on virtual time. */
#include "net/pool_testing.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "net/pool_inside.h"
#include "rt/runtime.h"
#include "watch/watch.h"

#define NOW_MS() (weir_now().ns / 1000000)

/* --- a server for each key -------------------------------------------------------------------- */

struct servers {
    struct fake fake; /* all of them */
    struct weir__pool_group *group;
    weir_str last; /* whose was opened last */
};

static weir_err open_keyed(void *driver, struct weir__ctx *c, void **resource)
{
    const struct weir__pool_key *key = driver;
    struct servers *s = key->driver;
    s->last = key->name;
    return fake_open(&s->fake, c, resource);
}

static void close_keyed(void *driver, struct weir__ctx *c, void *resource)
{
    const struct weir__pool_key *key = driver;
    struct servers *s = key->driver;
    fake_close(&s->fake, c, resource);
}

static const struct weir__pool_ops keyed_ops = {.open = open_keyed, .close = close_keyed};

#define GROUP(c, s, ...)                                                                           \
    ((s)->group = weir__pool_group_new(weir__ctx_of(c), "hosts",                                   \
                                       &(struct weir__pool_group_options){__VA_ARGS__},            \
                                       &keyed_ops, (s), WEIR_HERE))

#define LEASE(c, s, key, lease)                                                                    \
    weir__pool_group_acquire((s)->group, weir__ctx_of(c), weir_str_from(key), WEIR_HERE, NULL,     \
                             (lease))

static void use(weir_ctx *c, struct servers *s, const char *key)
{
    struct weir__lease a;
    assert_int_equal(LEASE(c, s, key, &a), WEIR_OK);
    weir__lease_release(&a);
}

static bool is_there(struct servers *s, const char *key, weir_pool_stats *out)
{
    return weir__pool_group_key_stats(s->group, weir_str_from(key), out);
}

static struct weir__pool_group_stats group_stats(struct servers *s)
{
    struct weir__pool_group_stats out;
    weir__pool_group_stats(s->group, &out);
    return out;
}

static void run(weir_fiber_fn fn)
{
    struct servers s = {.fake = {0}};
    assert_int_equal(weir__sim_run(fn, &s), WEIR_OK);
    assert_int_equal(s.fake.live, 0);
    assert_int_equal(s.fake.opened, s.fake.closed);
}

/* --- keys ------------------------------------------------------------------------------------- */

static weir_err lends_by_key(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    struct weir__lease a, b;
    weir_pool_stats stats;
    assert_non_null(GROUP(c, s, .each = {.max_open = 2}));
    assert_int_equal(LEASE(c, s, "a:80", &a), WEIR_OK);
    assert_true(weir_str_eq(s->last, WEIR_S("a:80")));
    assert_int_equal(LEASE(c, s, "b:80", &b), WEIR_OK);
    assert_true(weir_str_eq(s->last, WEIR_S("b:80")));
    weir__lease_release(&b);
    assert_int_equal(LEASE(c, s, "b:80", &b), WEIR_OK);
    assert_int_equal(number_of(&b), 2); /* the same again */
    assert_true(is_there(s, "b:80", &stats));
    assert_string_equal(stats.name, "hosts b:80");
    assert_int_equal(stats.acquired, 2);
    assert_int_equal(stats.in_use, 1);
    assert_false(is_there(s, "c:80", &stats));
    assert_int_equal(group_stats(s).keys, 2);
    assert_int_equal(group_stats(s).open, 2);
    weir__lease_release(&a);
    weir__lease_release(&b);
    return WEIR_OK;
}

static void test_each_key_has_its_own(void **state)
{
    (void)state;
    run(lends_by_key);
}

static weir_err asks_in_vain(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    struct weir__lease lease;
    for (int i = 0; i < 2000; i++)
        assert_int_not_equal(LEASE(c, s, "a", &lease), WEIR_OK);
    return WEIR_OK;
}

/* Its key is free for others then, and the group can end. */
static weir_err panics_on_the_way(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    struct weir__lease a;
    assert_non_null(GROUP(c, s, .each = {.max_open = 1}, .keys_max = 1));
    assert_int_equal(LEASE(c, s, "a", &a), WEIR_OK);
    assert_int_equal(weir_protect(c, asks_in_vain, s), WEIR_EPANIC);
    weir__lease_release(&a);
    weir_error_clear(c);
    use(c, s, "b");
    return WEIR_OK;
}

static void test_who_panics_on_the_way_leaves_nothing(void **state)
{
    (void)state;
    run(panics_on_the_way);
}

static weir_err has_few_keys(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    struct weir__lease a, old;
    weir_pool_stats stats;
    assert_non_null(GROUP(c, s, .each = {.max_open = 2}, .keys_max = 2));
    use(c, s, "a");
    use(c, s, "b");
    use(c, s, "a");
    assert_int_equal(LEASE(c, s, "c", &a), WEIR_OK); /* b goes */
    old = a;
    assert_int_equal(number_of(&a), 3); /* nothing of b's is lent to c */
    assert_false(is_there(s, "b", &stats));
    assert_true(is_there(s, "a", &stats));
    assert_true(is_there(s, "c", &stats));
    assert_int_equal(stats.acquired, 1); /* none of b's */
    use(c, s, "d");                      /* a goes: c is in use */
    assert_false(is_there(s, "a", &stats));
    assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
    assert_int_equal(s->fake.live, 2); /* what was left idle is closed soon */
    weir__lease_release(&a);
    weir__lease_release(&old); /* dead, and told so, whatever became of the key */
    use(c, s, "e");
    weir__lease_release(&old);
    assert_int_equal(group_stats(s).evicted, 3);
    assert_int_equal(group_stats(s).keys, 2);
    return WEIR_OK;
}

static void test_the_key_used_least_recently_goes(void **state)
{
    (void)state;
    run(has_few_keys);
}

/* What lies idle is closed soon and lent no more; what is lent, and the key, go on. */
static weir_err retires(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    struct weir__lease a, b, d;
    weir_pool_stats stats;
    assert_non_null(GROUP(c, s, .each = {.max_open = 3, .idle_timeout = weir_hour(1)}));
    assert_int_equal(LEASE(c, s, "a", &a), WEIR_OK);
    assert_int_equal(LEASE(c, s, "a", &b), WEIR_OK);
    weir__lease_release(&b);
    weir__pool_group_retire(s->group, WEIR_S("a"));
    weir__pool_group_retire(s->group, WEIR_S("nobody"));
    assert_int_equal(LEASE(c, s, "a", &d), WEIR_OK);
    assert_true(is_there(s, "a", &stats));
    assert_int_equal(stats.opened, 3); /* another one than that which lay idle */
    weir__lease_release(&d);
    weir__pool_group_retire(s->group, WEIR_S("a"));
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_true(is_there(s, "a", &stats));
    assert_int_equal(stats.open, 1);
    weir__lease_release(&a);
    assert_true(is_there(s, "a", &stats));
    assert_int_equal(stats.idle, 1);
    return WEIR_OK;
}

static void test_what_lies_idle_for_a_key_can_be_retired(void **state)
{
    (void)state;
    run(retires);
}

static weir_err uses_all_keys(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    struct weir__lease a, b, d;
    assert_non_null(GROUP(c, s, .each = {.max_open = 2}, .keys_max = 2));
    assert_int_equal(LEASE(c, s, "a", &a), WEIR_OK);
    assert_int_equal(LEASE(c, s, "b", &b), WEIR_OK);
    assert_int_equal(LEASE(c, s, "d", &d), WEIR_ELIMIT);
    assert_int_equal(weir_last_error(c)->status, 503);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "all 2 keys are in use"));
    weir_error_clear(c);
    use(c, s, "a"); /* those that are there are not the worse for it */
    use(c, s, "b");
    weir__lease_release(&b);
    assert_int_equal(LEASE(c, s, "d", &d), WEIR_OK);
    weir__lease_release(&d);
    weir__lease_release(&a);
    return WEIR_OK;
}

static void test_keys_in_use_stay(void **state)
{
    (void)state;
    run(uses_all_keys);
}

static weir_err asks_wrongly(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    struct weir__lease a;
    char key[WEIR__POOL_KEY_MAX + 2];
    assert_null(GROUP(c, s, .each = {.max_open = 0}, .keys_max = 5000, .open_max = 10001));
    const char *text = weir_last_error(c)->message.ptr;
    assert_non_null(strstr(text, "pool hosts: keys_max is 5000; allowed: 1 to 1000"));
    assert_non_null(strstr(text, "pool hosts: open_max is 10001; allowed: 1 to 10000"));
    assert_non_null(strstr(text, "pool hosts: max_open is 0; allowed: 1 to 10000"));
    weir_error_clear(c);
    assert_non_null(GROUP(c, s, .each = {.max_open = 2}));
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = '\0';
    assert_int_equal(LEASE(c, s, "", &a), WEIR_EINVALID);
    assert_int_equal(LEASE(c, s, key, &a), WEIR_EINVALID);
    key[WEIR__POOL_KEY_MAX] = '\0';
    use(c, s, key);
    return WEIR_OK;
}

static void test_mistakes_are_told(void **state)
{
    (void)state;
    run(asks_wrongly);
}

/* Each allocation of a new key fails once: an error, and it is there when it is wanted again. */
static weir_err lacks_memory(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    assert_non_null(GROUP(app, s, .each = {.max_open = 2}, .keys_max = 4));
    for (uint64_t nth = 3; nth > 0; nth--) { /* the map, the pool, what is beside it */
        struct weir__lease a;
        char key[2] = {(char)('a' + nth), '\0'};
        weir__alloc_fail_nth(nth);
        assert_int_equal(LEASE(c, s, key, &a), -ENOMEM);
        weir__alloc_fail_nth(0);
        use(c, s, key);
    }
    use(c, s, "e"); /* in the place that was made, and had no key */
    assert_int_equal(group_stats(s).keys, 4);
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_a_key_that_gets_no_memory(void **state)
{
    (void)state;
    run(lacks_memory);
}

/* --- room over all keys (P8) ------------------------------------------------------------------ */

struct eater {
    struct servers *s;
    const char *key;
    int64_t at;
    weir_err err;
};

static weir_err eat(weir_ctx *c, void *arg)
{
    struct eater *e = arg;
    struct weir__lease a;
    e->err = LEASE(c, e->s, e->key, &a);
    e->at = NOW_MS();
    if (e->err == WEIR_OK) {
        assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
        weir__lease_release(&a);
    }
    weir_error_clear(c);
    return WEIR_OK;
}

/* Others have all: who is hungry first gets first what comes free. */
static weir_err is_hungry(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    struct eater e[4];
    static const char *const keys[] = {"a", "a", "b", "c"};
    assert_non_null(GROUP(c, s, .each = {.max_open = 4}, .open_max = 2));
    int64_t start = NOW_MS();
    WEIR_SCOPE(eaters, c);
    for (int i = 0; i < 4; i++) {
        e[i] = (struct eater){s, keys[i], 0, WEIR_EFAIL};
        assert_int_equal(WEIR_GO(eaters, eat, &e[i]), WEIR_OK);
        assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
        assert_true(group_stats(s).open <= 2);
    }
    assert_int_equal(weir_join(eaters), WEIR_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(e[i].err, WEIR_OK);
    assert_in_range(e[2].at - start, 100, 103);
    assert_in_range(e[3].at - start, 110, 113);
    assert_int_equal(s->fake.live_max, 2);
    assert_int_equal(s->fake.closed, 2); /* what came back made room */
    assert_int_equal(group_stats(s).open, 2);
    return weir_ctx_close(eaters);
}

static void test_the_hungry_get_what_comes_free(void **state)
{
    (void)state;
    run(is_hungry);
}

/* What lies idle for another key is closed at once. */
static weir_err finds_it_idle(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    assert_non_null(GROUP(c, s, .each = {.max_open = 4}, .open_max = 1));
    use(c, s, "a");
    int64_t start = NOW_MS();
    for (int i = 0; i < 10; i++)
        use(c, s, i % 2 == 0 ? "b" : "a");
    assert_in_range(NOW_MS() - start, 0, 30);
    assert_int_equal(s->fake.opened, 11);
    assert_int_equal(s->fake.live_max, 1);
    return WEIR_OK;
}

static void test_what_is_idle_makes_room(void **state)
{
    (void)state;
    run(finds_it_idle);
}

/* Who gives up while it is hungry loses nothing for others; nor does who cannot open. */
static weir_err gives_up_hungry(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    struct weir__lease a, b;
    assert_non_null(GROUP(c, s, .each = {.max_open = 4}, .open_max = 1));
    assert_int_equal(LEASE(c, s, "a", &a), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        WEIR_SCOPE(hasty, c, .timeout = weir_ms(10));
        assert_int_equal(LEASE(hasty, s, "b", &b), WEIR_ETIMEDOUT);
        (void)weir_ctx_close(hasty);
    }
    struct eater e = {s, "c", 0, WEIR_EFAIL};
    WEIR_SCOPE(eaters, c);
    assert_int_equal(WEIR_GO(eaters, eat, &e), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    int64_t start = NOW_MS();
    weir__lease_release(&a);
    assert_int_equal(weir_join(eaters), WEIR_OK);
    assert_int_equal(e.err, WEIR_OK);
    assert_in_range(e.at - start, 0, 2);
    s->fake.open_err = -ECONNREFUSED;
    assert_int_equal(LEASE(c, s, "d", &b), -ECONNREFUSED);
    s->fake.open_err = WEIR_OK;
    weir_error_clear(c);
    assert_int_equal(group_stats(s).open, 0);
    use(c, s, "a");
    assert_int_equal(s->fake.live_max, 1);
    return weir_ctx_close(eaters);
}

static void test_who_gives_up_takes_no_room_along(void **state)
{
    (void)state;
    run(gives_up_hungry);
}

/* --- what time does --------------------------------------------------------------------------- */

static weir_err is_kept(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    weir_pool_stats stats;
    assert_non_null(GROUP(c, s, .each = {.max_open = 4, .min_idle = 2}, .open_max = 5));
    use(c, s, "a");
    use(c, s, "b");
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(s->fake.live, 4); /* two ahead each */
    use(c, s, "c");
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(s->fake.live, 5); /* and no more than there is room for */
    assert_true(is_there(s, "c", &stats));
    assert_int_equal(stats.idle, 1);
    assert_ptr_equal(s->group->members[0]->pool->keeper, s->group->members[2]->pool->keeper);
    assert_int_equal(weir_sleep(c, weir_min(40)), WEIR_OK);
    assert_true(is_there(s, "a", &stats));
    assert_int_equal(stats.closed[WEIR_POOL_CLOSED_LIFETIME], 2);
    return WEIR_OK;
}

static void test_one_keeper_for_all(void **state)
{
    (void)state;
    run(is_kept);
}

static weir_err closes(weir_ctx *c, void *arg)
{
    struct servers *s = arg;
    struct eater e = {s, "a", 0, WEIR_EFAIL};
    struct weir__lease a;
    assert_non_null(GROUP(c, s, .each = {.max_open = 4}));
    use(c, s, "b");
    WEIR_SCOPE(eaters, c);
    assert_int_equal(WEIR_GO(eaters, eat, &e), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    weir_time soon = weir_time_add(weir_now(), weir_ms(20));
    assert_int_equal(weir__pool_group_close(s->group, weir__ctx_of(c), soon), WEIR_ETIMEDOUT);
    assert_int_equal(s->fake.live, 1);
    assert_int_equal(LEASE(c, s, "b", &a), WEIR_ECLOSED);
    assert_int_equal(LEASE(c, s, "new", &a), WEIR_ECLOSED);
    assert_int_equal(weir__pool_group_close(s->group, weir__ctx_of(c), weir_never()), WEIR_OK);
    assert_int_equal(s->fake.live, 0);
    assert_int_equal(weir_join(eaters), WEIR_OK);
    return weir_ctx_close(eaters);
}

static void test_closing_is_of_all(void **state)
{
    (void)state;
    run(closes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_key_has_its_own),
        cmocka_unit_test(test_the_key_used_least_recently_goes),
        cmocka_unit_test(test_what_lies_idle_for_a_key_can_be_retired),
        cmocka_unit_test(test_keys_in_use_stay),
        cmocka_unit_test(test_who_panics_on_the_way_leaves_nothing),
        cmocka_unit_test(test_mistakes_are_told),
        cmocka_unit_test(test_a_key_that_gets_no_memory),
        cmocka_unit_test(test_the_hungry_get_what_comes_free),
        cmocka_unit_test(test_what_is_idle_makes_room),
        cmocka_unit_test(test_who_gives_up_takes_no_room_along),
        cmocka_unit_test(test_one_keeper_for_all),
        cmocka_unit_test(test_closing_is_of_all),
    };
    weir__watch_install();
    return cmocka_run_group_tests_name("pool_group", tests, NULL, NULL);
}
