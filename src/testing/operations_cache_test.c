/*
 * A cache's operations, each tried everywhere: a wait cancelled, an allocation failed, a line that
 * is full, fibers in every order. Whatever happens, who gets a value gets the right one, no load is
 * waited for that nobody makes, and what is in the cache is within its bounds.
 */
#include "testing/operations_testing.h"

#include <string.h>

#include "rt/context.h"
#include "rt/runtime.h"
#include <weir/weir.h>

typedef struct user {
    int64_t id;
    weir_str name;
} user;
WEIR_MODEL(user, (id), (name));

/* One for each run, in the application: made before what is tried, so that only its use fails. */
struct errand {
    weir_cache *cache;
    int loading; /* at a time; more than one of a key must not be */
};

static weir_err load(weir_ctx *c, weir_str key, void *out, void *arg)
{
    struct errand *e = arg;
    user *u = out;
    MUST(e->loading == 0);
    e->loading++;
    weir_err err = weir_sleep(c, weir_ms(1));
    e->loading--;
    if (err < 0)
        return err;
    u->id = 7;
    u->name = weir_sprintf(c, "user " WEIR_STR_FMT, WEIR_STR_ARG(key));
    return u->name.ptr != NULL ? WEIR_OK : -ENOMEM;
}

static void must_be_right(weir_err err, const user *u)
{
    MUST(err < 0 || (u->id == 7 && weir_str_eq(u->name, WEIR_S("user seven"))));
}

static weir_err open_cache(weir_cache **cache)
{
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    *cache = weir_cache_new(app, .name = "users", .entries_max = 100, .bytes_max = 64 << 10,
                            .ttl = weir_min(1), .waiters_max = 100);
    weir_error_clear(app);
    return weir_cache_err(*cache);
}

static weir_err ask(weir_ctx *c, void *arg)
{
    struct errand *e = arg;
    user u;
    weir_err err = weir_cache_get(c, e->cache, WEIR_S("seven"), user, &u, load, e);
    must_be_right(err, &u);
    return err;
}

static weir_err ask_pinned(weir_ctx *c, void *arg)
{
    struct errand *e = arg;
    const user *u;
    weir_err err = weir_cache_pin(c, e->cache, WEIR_S("seven"), user, &u, load, e);
    must_be_right(err, u);
    if (err < 0)
        return err;
    err = weir_cache_remove(c, e->cache, WEIR_S("seven"));
    must_be_right(WEIR_OK, u);
    weir_cache_unpin(c, u);
    return err;
}

/* Nobody waits, nothing is pinned, and the bounds are held. */
static void must_be_even(weir_cache *cache)
{
    weir_cache_stats s;
    weir_cache_numbers(cache, &s);
    MUST(s.pinned_bytes == 0);
    MUST(s.entries <= 1 && s.bytes <= s.bytes_max);
}

static weir_err many_ask(weir_ctx *c, void *arg)
{
    struct errand e = {0};
    (void)arg;
    weir_err err = open_cache(&e.cache);
    if (err < 0)
        return err;
    WEIR_SCOPE(group, c, .timeout = weir_sec(1));
    for (int i = 0; i < 3 && err == WEIR_OK; i++)
        err = WEIR_GO(group, ask, &e);
    weir_err joined = weir_join_as(group, WEIR_JOIN_ALL);
    (void)weir_ctx_close(group);
    MUST(e.loading == 0);
    must_be_even(e.cache);
    user u;
    weir_err there = weir_cache_get(c, e.cache, WEIR_S("seven"), user, &u, NULL, NULL);
    must_be_right(there, &u);
    return err < 0 ? err : joined;
}

/* Some pin what others get, and take it out. */
static weir_err some_pin(weir_ctx *c, void *arg)
{
    struct errand e = {0};
    (void)arg;
    weir_err err = open_cache(&e.cache);
    if (err < 0)
        return err;
    err = ask_pinned(c, &e);
    weir_err again = ask(c, &e);
    if (err == WEIR_OK)
        err = again;
    MUST(e.loading == 0);
    must_be_even(e.cache);
    return err;
}

static weir_err puts_and_gets(weir_ctx *c, void *arg)
{
    user mine = {.id = 7, .name = WEIR_S("user seven")}, u;
    weir_cache *cache;
    (void)arg;
    weir_err err = open_cache(&cache);
    if (err < 0)
        return err;
    err = weir_cache_put(c, cache, WEIR_S("seven"), user, &mine);
    weir_err got = weir_cache_get(c, cache, WEIR_S("seven"), user, &u, NULL, NULL);
    must_be_right(got, &u);
    MUST(err == WEIR_OK || got == WEIR_ENOTFOUND || got == -ENOMEM); /* whole, or not at all */
    weir_cache_clear(c, cache);
    must_be_even(cache);
    return err < 0 ? err : got;
}

static void caches_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(many_ask, NULL, .waits = 3, .allocations = 4, .orders = 1, .refusals = 2);
    EVERYWHERE(some_pin, NULL, .waits = 2, .allocations = 4);
    EVERYWHERE(puts_and_gets, NULL, .allocations = 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caches_everywhere),
    };
    return cmocka_run_group_tests_name("operations of caches", tests, NULL, NULL);
}
