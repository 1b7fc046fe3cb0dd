/*
 * The timer wheel: eight levels of 64 slots, the tick of the lowest is a millisecond.
 *
 * A timer's level is that of the highest group of six bits in which its tick differs from the
 * wheel's; its slot is that group. So all timers of a level come before those of the next, the
 * slots of a level lie ahead of the wheel's place and never wrap around, and the first occupied
 * slot of the lowest occupied level is next: finding it takes a few bit operations however far
 * away it is. That is why an advance over years of virtual time costs no more than the timers
 * that fire in it.
 *
 * The one hard thing is a timer that is armed again, or disarmed, by one that fires: all that is
 * due is first moved to a list of its own, from which disarming removes as from any other; what is
 * armed meanwhile waits for the next advance, so an advance ends.
 *
 * T1: each armed timer's tick is at or after wheel.tick; each occupied slot starts at or after it.
 * T2: no occupied slot starts before wheel.first, so most advances need not look; while the slot
 *     that starts there has timers, the next one is known without a search.
 * Limits: none. Context: one worker's thread.
 */
#include "rt/timer.h"

#include "base/assert.h"

#define TICK_NS 1000000
#define SLOT_MASK (WEIR__WHEEL_SLOTS - 1)

/* A slot that has timers, and the first tick that it stands for. */
struct place {
    unsigned level, slot;
    int64_t start;
};

void weir__wheel_init(struct weir__wheel *w, weir_time now)
{
    w->tick = now.ns > 0 ? now.ns / TICK_NS : 0;
    w->first = INT64_MAX;
    for (unsigned level = 0; level < WEIR__WHEEL_LEVELS; level++) {
        w->occupied[level] = 0;
        for (unsigned slot = 0; slot < WEIR__WHEEL_SLOTS; slot++)
            weir__list_init(&w->slots[level][slot]);
    }
}

/* Puts a timer into the slot of its tick, as seen from the wheel's. */
static void place(struct weir__wheel *w, struct weir__timer *t)
{
    uint64_t differs = (uint64_t)(t->tick ^ w->tick) | SLOT_MASK;
    unsigned level = (63u - (unsigned)__builtin_clzll(differs)) / WEIR__WHEEL_BITS;
    unsigned shift = level * WEIR__WHEEL_BITS;
    WEIR_ASSERT(t->tick >= w->tick && level < WEIR__WHEEL_LEVELS, "T1: no timer is in the past");
    int64_t start = t->tick >> shift << shift;
    unsigned slot = (unsigned)(t->tick >> shift) & SLOT_MASK;
    struct weir__list *timers = &w->slots[level][slot];
    if (start < w->first) {
        w->first = start;
        w->first_slot = timers;
    }
    w->occupied[level] |= (uint64_t)1 << slot;
    weir__list_push_back(timers, &t->link);
}

void weir__timer_arm(struct weir__wheel *w, struct weir__timer *t, weir_time at)
{
    int64_t tick = at.ns / TICK_NS + (at.ns % TICK_NS > 0);
    weir__list_remove(&t->link);
    t->tick = tick > w->tick ? tick : w->tick;
    place(w, t);
}

/* The first occupied slot; forgets on the way the bits of those that have become empty. */
static bool find_first(struct weir__wheel *w, struct place *out)
{
    for (unsigned level = 0; level < WEIR__WHEEL_LEVELS; level++) {
        while (w->occupied[level] != 0) {
            unsigned slot = (unsigned)__builtin_ctzll(w->occupied[level]);
            if (weir__list_empty(&w->slots[level][slot])) {
                w->occupied[level] &= w->occupied[level] - 1;
                continue;
            }
            unsigned shift = level * WEIR__WHEEL_BITS;
            int64_t above = w->tick >> (shift + WEIR__WHEEL_BITS) << (shift + WEIR__WHEEL_BITS);
            *out = (struct place){level, slot, above | (int64_t)slot << shift};
            WEIR_ASSERT(out->start >= w->tick, "T1: no occupied slot lies behind the wheel");
            WEIR_ASSERT(out->start >= w->first, "T1: no occupied slot lies before the first");
            w->first = out->start;
            w->first_slot = &w->slots[level][slot];
            return true;
        }
    }
    w->first = INT64_MAX;
    return false;
}

/* Spreads the timers of a slot over the levels below it; the wheel stands at the slot's start. */
static void cascade(struct weir__wheel *w, const struct place *from)
{
    struct weir__list timers;
    WEIR_ASSERT(from->level > 0, "T1: the lowest level is spread no further");
    weir__list_init(&timers);
    weir__list_splice_back(&timers, &w->slots[from->level][from->slot]);
    w->occupied[from->level] &= ~((uint64_t)1 << from->slot);
    for (struct weir__list *node; (node = weir__list_pop_front(&timers)) != NULL;)
        place(w, WEIR_CONTAINER(node, struct weir__timer, link));
}

/* Moves what is due at or before `target` to `due`, earliest first, and the wheel with it. */
static void collect(struct weir__wheel *w, int64_t target, struct weir__list *due)
{
    struct place first;
    while (w->first <= target && find_first(w, &first) && first.start <= target) {
        WEIR_ASSERT(first.start >= w->tick, "T1: the wheel does not turn back");
        w->tick = first.start;
        if (first.level > 0) {
            cascade(w, &first);
            continue;
        }
        weir__list_splice_back(due, &w->slots[0][first.slot]);
        w->occupied[0] &= ~((uint64_t)1 << first.slot);
    }
    if (w->tick < target)
        w->tick = target;
}

void weir__wheel_advance(struct weir__wheel *w, weir_time now)
{
    struct weir__list due;
    weir__list_init(&due);
    collect(w, now.ns / TICK_NS, &due);
    for (struct weir__list *node; (node = weir__list_pop_front(&due)) != NULL;) {
        struct weir__timer *t = WEIR_CONTAINER(node, struct weir__timer, link);
        WEIR_ASSERT(t->tick <= w->tick, "T1: what fires is due");
        t->fire(t);
    }
}

weir_time weir__wheel_next(struct weir__wheel *w)
{
    struct place found;
    if (w->first == INT64_MAX)
        return weir_never();
    if (WEIR_UNLIKELY(weir__list_empty(w->first_slot)) && !find_first(w, &found))
        return weir_never();
    WEIR_ASSERT(w->first >= w->tick, "T2: the first slot is not behind the wheel");
    weir_time next = {weir_dur_of(w->first, TICK_NS).ns};
    return next;
}
