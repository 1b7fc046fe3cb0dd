/*
 * Places where things go wrong. The table has a fixed size: at further places than 256 things count
 * in the total alone, and are told within the bound of lines a second.
 */
#include "rt/places.h"

#include <string.h>
#include <time.h>

#include "base/assert.h"

#define LINES_A_SECOND 10

static bool same_site(const weir_site *a, const weir_site *b)
{
    if (a == b)
        return true;
    return a != NULL && b != NULL && a->line == b->line && strcmp(a->file, b->file) == 0;
}

/* Its entry, moved to the end; NULL: the table is full. Looks at the most recent first. */
static struct weir__place *entry_for(struct weir__places *p, const struct weir__place *wanted)
{
    size_t i = p->place_count;
    WEIR_ASSERT(i <= WEIR__PLACES_MAX, "K2: no more places than there are entries for");
    while (i > 0 &&
           !(p->places[i - 1].pc == wanted->pc && same_site(p->places[i - 1].site, wanted->site) &&
             strcmp(p->places[i - 1].kind, wanted->kind) == 0))
        i--;
    if (i == 0 && p->place_count == WEIR__PLACES_MAX)
        return NULL;
    if (i == 0)
        p->places[(i = ++p->place_count) - 1] = *wanted;
    WEIR_ASSERT(p->place_count <= WEIR__PLACES_MAX, "K2: the last entry is the last place's");
    struct weir__place mine = p->places[i - 1];
    memmove(&p->places[i - 1], &p->places[i], (p->place_count - i) * sizeof mine);
    p->places[p->place_count - 1] = mine;
    return &p->places[p->place_count - 1];
}

bool weir__places_count(struct weir__places *p, const char *kind, const weir_site *site,
                        const void *pc, struct weir__untold *untold)
{
    struct timespec now;
    struct weir__place beyond = {0}, wanted = {.kind = kind, .site = site, .pc = pc};
    clock_gettime(CLOCK_MONOTONIC, &now);
    weir__lock_take(&p->lock);
    struct weir__place *place = entry_for(p, &wanted);
    if (place == NULL)
        place = &beyond;
    p->total++;
    bool is_first = ++place->count == 1 && place != &beyond;
    if (p->second != now.tv_sec) {
        p->second = now.tv_sec;
        p->lines = 0;
    }
    bool is_told = is_first || p->lines < LINES_A_SECOND;
    if (is_told) {
        *untold = (struct weir__untold){place->untold, p->untold};
        p->lines++;
        place->untold = p->untold = 0;
    } else {
        place->untold++;
        p->untold++;
        p->untold_total++;
    }
    WEIR_ASSERT(p->untold <= p->untold_total && p->untold_total <= p->total,
                "K4: what is not told is counted");
    weir__lock_give(&p->lock);
    return is_told;
}

uint64_t weir__places_total(struct weir__places *p, uint64_t *untold)
{
    weir__lock_take(&p->lock);
    uint64_t total = p->total;
    if (untold != NULL)
        *untold = p->untold_total;
    weir__lock_give(&p->lock);
    return total;
}
