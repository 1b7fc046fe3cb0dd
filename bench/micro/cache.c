/* Asking a cache for what is there: a number, a struct with texts that are copied, a pin. */
#include "micro.h"

#include "rt/runtime.h"
#include <weir/cache.h>

enum { KEYS = 1024, TURNS = 256 };

typedef struct entry {
    int64_t id;
    weir_str name, email;
} entry;
WEIR_MODEL(entry, (id), (name), (email));

struct asking {
    weir_ctx *c;
    weir_cache *cache;
    weir_str keys[KEYS];
    weir_ctx *sub; /* where copies go, for some turns */
};

static void make_cache(struct asking *a, weir_ctx *c)
{
    a->c = c;
    a->cache = weir_cache_new(weir__ctx_handle(weir__self->runtime->app), .name = "micro",
                              .entries_max = 2 * KEYS, .bytes_max = 16 << 20, .ttl = weir_hour(1));
    must(weir_cache_err(a->cache), "weir_cache_new");
    for (int i = 0; i < KEYS; i++)
        a->keys[i] = weir_sprintf(c, "%d", 1000000 + i);
}

static void get_numbers(void *env, uint64_t n)
{
    struct asking *a = env;
    int64_t value = 0;
    for (uint64_t i = 0; i < n; i++)
        must(weir_cache_get(a->c, a->cache, a->keys[i % KEYS], int64_t, &value, NULL, NULL),
             "weir_cache_get");
    sink = (uintptr_t)value;
}

double cache_hit(weir_ctx *c)
{
    struct asking *a = weir_new(c, struct asking);
    make_cache(a, c);
    for (int64_t i = 0; i < KEYS; i++)
        must(weir_cache_put(c, a->cache, a->keys[i], int64_t, &i), "weir_cache_put");
    return best_ns(get_numbers, a);
}

static void fill_with_entries(struct asking *a)
{
    for (int64_t i = 0; i < KEYS; i++) {
        entry e = {i, WEIR_S("Ada Lovelace"), WEIR_S("ada@example.org")};
        must(weir_cache_put(a->c, a->cache, a->keys[i], entry, &e), "weir_cache_put");
    }
}

/* Their memory goes after some of them, as that of a request does. */
static void get_entries(void *env, uint64_t n)
{
    struct asking *a = env;
    for (uint64_t i = 0; i < n;) {
        WEIR_SCOPE(sub, a->c);
        for (uint64_t end = i + TURNS; i < n && i < end; i++) {
            entry e;
            must(weir_cache_get(sub, a->cache, a->keys[i % KEYS], entry, &e, NULL, NULL),
                 "weir_cache_get");
            sink = e.name.len;
        }
    }
}

double cache_hit_texts(weir_ctx *c)
{
    struct asking *a = weir_new(c, struct asking);
    make_cache(a, c);
    fill_with_entries(a);
    return best_ns(get_entries, a);
}

static void pin_entries(void *env, uint64_t n)
{
    struct asking *a = env;
    for (uint64_t i = 0; i < n;) {
        WEIR_SCOPE(sub, a->c);
        for (uint64_t end = i + TURNS; i < n && i < end; i++) {
            const entry *e;
            must(weir_cache_pin(sub, a->cache, a->keys[i % KEYS], entry, &e, NULL, NULL),
                 "weir_cache_pin");
            sink = e->name.len;
            weir_cache_unpin(sub, e);
        }
    }
}

double cache_pin(weir_ctx *c)
{
    struct asking *a = weir_new(c, struct asking);
    make_cache(a, c);
    fill_with_entries(a);
    return best_ns(pin_entries, a);
}
