/*
 * What was left open by mistake is counted here, by kind and place in a table of fixed size, and
 * told by who watches (watch.h).
 *
 * The first of each place is told in full, and only a few more of each second (places.h); the
 * others are counted, and the next line says how many there were.
 */
#include "base/assert.h"
#include "rt/context.h"
#include "rt/owned.h"
#include "rt/places.h"
#include "rt/wait.h"
#include "rt/watch.h"

static struct weir__places all;

/* Counts it; true when it is to be told, and somebody does. */
static bool count(const char *kind, const weir_site *site, uint64_t *untold)
{
    struct weir__untold u = {0};
    bool is_told = weir__places_count(&all, kind, site, NULL, &u);
    *untold = u.elsewhere;
    return is_told && weir__watch != NULL;
}

void weir__report_leak(const struct weir__owned *o, const char *what)
{
    uint64_t untold;
    WEIR_ASSERT(weir__ctx_is_shared(o->ctx) || o->ctx->worker == weir__self,
                "C2: its worker tells of what a context owns");
    if (count(o->type->name, o->site, &untold))
        weir__watch->leak(o, what, untold);
}

void weir__report_wait(const struct weir__wait *w)
{
    uint64_t untold;
    WEIR_ASSERT(w->type->made != NULL, "W4: told of is a wait for what was made somewhere");
    if (count(w->type->name, w->type->made(w), &untold))
        weir__watch->endless_wait(w, untold);
}

/* --- counts --------------------------------------------------------------------------------- */

size_t weir__leak_sites(struct weir__leak_site *out, size_t max)
{
    weir__lock_take(&all.lock);
    size_t n = all.place_count < max ? all.place_count : max;
    for (size_t i = 0; i < n; i++) {
        const struct weir__place *p = &all.places[all.place_count - n + i];
        WEIR_ASSERT(p->count > 0, "K4: a place is one where something was counted");
        out[i] = (struct weir__leak_site){p->kind, p->site, p->count};
    }
    weir__lock_give(&all.lock);
    return n;
}

uint64_t weir__leak_total(void)
{
    return weir__places_total(&all, NULL);
}
