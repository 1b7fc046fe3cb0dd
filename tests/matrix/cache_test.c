/* The matrix: pins of a cache, and loads that others wait for. */
#include "matrix.h"
#include <weir/cache.h>

static weir_cache *cache(const struct cell *cell)
{
    return cell->shared;
}

static weir_cache_stats numbers(const struct cell *cell)
{
    weir_cache_stats s;
    weir_cache_numbers(cache(cell), &s);
    return s;
}

static void prepare_cache(weir_ctx *app, struct cell *cell)
{
    cell->shared = weir_cache_new(app, .name = "texts", .entries_max = 10, .bytes_max = 64 << 10,
                                  .ttl = weir_hour(1));
    WEIR_ASSERT(weir_cache_err(cache(cell)) == WEIR_OK, "there is memory for a cache");
}

/* --- a pin ------------------------------------------------------------------------------------ */

static weir_err take_pin(weir_ctx *c, struct cell *cell)
{
    weir_str text = WEIR_S("pinned");
    const weir_str *pinned;
    weir_err err = weir_cache_put(c, cache(cell), WEIR_S("x"), weir_str, &text);
    if (err == WEIR_OK)
        err = weir_cache_pin(c, cache(cell), WEIR_S("x"), weir_str, &pinned, NULL, NULL);
    if (err == WEIR_OK)
        err = weir_cache_remove(c, cache(cell), WEIR_S("x"));
    return err;
}

/* The cache has let go of it, so it is this request's alone. */
static bool is_pinned(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return numbers(cell).pinned_bytes > 0 && numbers(cell).entries == 0;
}

static bool is_unpinned(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return numbers(cell).pinned_bytes == 0 && numbers(cell).entries == 0;
}

/* --- a load ----------------------------------------------------------------------------------- */

static weir_err load_slowly(weir_ctx *c, weir_str key, void *out, void *arg)
{
    (void)key, (void)arg;
    *(weir_str *)out = WEIR_S("loaded");
    return weir_sleep(c, weir_sec(20));
}

/* A child loads what the handler asks for, too; both end with it. */
static weir_err load(weir_ctx *c, struct cell *cell)
{
    weir_str text;
    return weir_cache_get(c, cache(cell), WEIR_S("slow"), weir_str, &text, load_slowly, NULL);
}

static weir_err load_in_a_child(weir_ctx *c, void *cell)
{
    return load(c, cell);
}

static weir_err take_load(weir_ctx *c, struct cell *cell)
{
    cell->note = (int64_t)numbers(cell).loads;
    weir_err err = WEIR_GO(c, load_in_a_child, cell);
    let_them_wait(c);
    return err;
}

static bool is_loading(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return (int64_t)numbers(cell).loads == cell->note + 1;
}

static weir_err load_nothing(weir_ctx *c, weir_str key, void *out, void *arg)
{
    (void)c, (void)key, (void)out, (void)arg;
    return WEIR_EFAIL;
}

/* Nobody is left who loads it: who asks now makes a load of his own. */
static bool is_free(weir_ctx *c, struct cell *cell)
{
    weir_str text;
    uint64_t before = numbers(cell).loads;
    weir_err err =
        weir_cache_get(c, cache(cell), WEIR_S("slow"), weir_str, &text, load_nothing, NULL);
    return err == WEIR_EFAIL && numbers(cell).loads == before + 1 && numbers(cell).entries == 0;
}

static const struct resource resources[] = {
    RESOURCE("cache pin", take_pin, .prepare = prepare_cache, .is_held = is_pinned,
             .is_back = is_unpinned),
    RESOURCE("cache load", take_load, .prepare = prepare_cache, .is_held = is_loading, .wait = load,
             .is_back = is_free),
};

int main(void)
{
    return MATRIX(resources);
}
