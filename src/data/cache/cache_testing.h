/*
 * What tests of the cache have in common: a value with a text, a load function that counts, sleeps
 * and fails as it is told, and a cache in the simulation's application.
 */
#ifndef WEIR_DATA_CACHE_CACHE_TESTING_H
#define WEIR_DATA_CACHE_CACHE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "data/cache/cache.h"
#include "rt/log.h"
#include "rt/sim.h"
#include <weir/cache.h>
#include <weir/fiber.h>

#define SIM(fn) assert_int_equal(weir__sim_run(fn, NULL), WEIR_OK)
#define OK(call) assert_int_equal(call, WEIR_OK)

typedef struct user {
    int64_t id;
    weir_str name;
} user;
WEIR_MODEL(user, (id), (name));

/* What the load function does, and how often it was called. */
struct loading {
    weir_dur takes;
    weir_err fails; /* WEIR_OK: it does not */
    const char *message;
    bool panics;
    int calls, done;
    size_t name_len; /* of what it loads; 0: "user KEY" */
};

static inline weir_err load_user(weir_ctx *c, weir_str key, void *out, void *arg)
{
    struct loading *l = arg;
    user *u = out;
    assert_true(u->id == 0 && u->name.ptr == NULL);
    l->calls++;
    if (l->takes.ns > 0) {
        weir_err err = weir_sleep(c, l->takes);
        if (err < 0)
            return err;
    }
    if (l->panics)
        weir_panic("the load panics");
    if (l->message != NULL)
        return weir_raise_at(WEIR_HERE, c, l->fails, 502, "%s", l->message);
    if (l->fails != WEIR_OK)
        return l->fails;
    u->id = l->calls;
    u->name = weir_sprintf(c, "user " WEIR_STR_FMT, WEIR_STR_ARG(key));
    if (l->name_len > 0) {
        u->name.len = l->name_len;
        u->name.ptr = memset(weir_alloc(c, l->name_len), 'x', l->name_len);
    }
    l->done++;
    return WEIR_OK;
}

static inline weir_ctx *the_app(void)
{
    return weir__ctx_handle(weir__self->runtime->app);
}

#define NEW_CACHE(...)                                                                             \
    weir_cache_new(the_app(), .name = "users", .entries_max = 1000, .bytes_max = 1 << 20,          \
                   .ttl = weir_min(5), ##__VA_ARGS__)

static inline weir_cache_stats numbers_of(weir_cache *cache)
{
    weir_cache_stats s;
    weir_cache_numbers(cache, &s);
    return s;
}

/* One who asks, in a fiber of its own. */
struct asker {
    weir_cache *cache;
    const char *key;
    struct loading *loading;
    weir_dur after;
    weir_err err;
    int64_t id;
    char name[32], message[64];
    int status;
    bool is_over;
};

static inline weir_err ask(weir_ctx *c, void *arg)
{
    struct asker *a = arg;
    user u;
    if (a->after.ns > 0)
        OK(weir_sleep(c, a->after));
    a->err = weir_cache_get(c, a->cache, weir_str_from(a->key), user, &u, load_user, a->loading);
    a->id = u.id;
    if (a->err == WEIR_OK)
        (void)snprintf(a->name, sizeof a->name, WEIR_STR_FMT, WEIR_STR_ARG(u.name));
    const weir_error *e = weir_last_error(c);
    if (e != NULL) {
        (void)snprintf(a->message, sizeof a->message, WEIR_STR_FMT, WEIR_STR_ARG(e->message));
        a->status = e->status;
    }
    a->is_over = true;
    return WEIR_OK;
}

#endif
