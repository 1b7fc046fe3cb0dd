/*
 * Four ways to choose. Owns its memory and nothing else; the clock is the caller's, and chance
 * comes from a seed.
 *
 * What is the same in all: each pick asks once how much of its share each target is to get (0:
 * out), and works on these numbers, so that a target that comes back slowly does so whatever the
 * policy. The hard thing is to make "a tenth of its share" mean that in each: by credit where turns
 * are taken, by chance where targets are drawn, by a part of the keys where they are hashed.
 *
 * Limits: WEIR__EJECTOR_MEMBERS_MAX targets, POINTS_MAX places on the circle. Context: one thread
 * at a time.
 */
#include "guard/balance.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/map.h"

#define FULL 1000u

enum { POINTS_EACH = 160, POINTS_MAX = 65536, DRAWS_MAX = 8 };

/* --- hashes ----------------------------------------------------------------------------------- */

uint64_t weir__balance_key(weir_str s)
{
    static const uint64_t key[2] = {0x7765697220626c6eu, 0x636e6f6e73697374u};
    return weir__siphash13(key, s.ptr, s.len);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    struct weir__random r = {a ^ b * 0x9e3779b97f4a7c15u};
    return weir__random_next(&r);
}

static int by_hash(const void *a, const void *b)
{
    const struct weir__balance_point *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->target < y->target ? -1 : x->target > y->target;
}

/* So many of each that the heaviest has POINTS_EACH, or what there is room for. */
static uint32_t points_of(uint32_t weight, uint32_t heaviest, uint32_t count)
{
    uint32_t most = POINTS_MAX / count < POINTS_EACH ? POINTS_MAX / count : POINTS_EACH;
    uint32_t n = most * weight / heaviest;
    return n > 0 ? n : 1;
}

static weir_err draw_circle(struct weir__balance *b, const struct weir__balance_target *targets)
{
    uint32_t heaviest = 1, n = 0;
    for (uint32_t i = 0; i < b->count; i++)
        heaviest = b->of[i].weight > heaviest ? b->of[i].weight : heaviest;
    for (uint32_t i = 0; i < b->count; i++)
        b->point_count += points_of(b->of[i].weight, heaviest, b->count);
    b->points = weir__calloc(b->point_count, sizeof *b->points);
    if (b->points == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < b->count; i++) {
        uint64_t name = weir__balance_key(targets[i].name);
        for (uint32_t p = 0; p < points_of(b->of[i].weight, heaviest, b->count); p++)
            b->points[n++] = (struct weir__balance_point){mix(name, p + 1), i};
    }
    WEIR_ASSERT(n == b->point_count, "T5: the circle has each point of each target once");
    qsort(b->points, n, sizeof *b->points, by_hash);
    return WEIR_OK;
}

/* --- making ----------------------------------------------------------------------------------- */

struct weir__balance *weir__balance_new(const struct weir__balance_options *o,
                                        const struct weir__balance_target *targets, uint32_t count)
{
    WEIR_ASSERT(count > 0 && count <= WEIR__EJECTOR_MEMBERS_MAX, "T6: targets are bounded");
    WEIR_ASSERT(o->ejector == NULL || o->ejector->members == count,
                "T6: the ejector is of the same members");
    struct weir__balance *b = weir__calloc(1, sizeof *b + count * sizeof b->of[0]);
    if (b == NULL)
        return NULL;
    b->o = *o;
    b->o.load_percent_max = o->load_percent_max != 0 ? o->load_percent_max : 125;
    b->random.state = o->seed;
    b->count = count;
    WEIR_ASSERT(b->o.load_percent_max > 100, "T4: all bounds together are more than what runs");
    for (uint32_t i = 0; i < count; i++) {
        b->of[i].weight = targets[i].weight != 0 ? targets[i].weight : 1;
        WEIR_ASSERT(b->of[i].weight <= WEIR__BALANCE_WEIGHT_MAX, "T6: weights are bounded");
    }
    if (o->policy == WEIR__BALANCE_HASH && draw_circle(b, targets) != WEIR_OK) {
        weir__free(b);
        return NULL;
    }
    return b;
}

void weir__balance_free(struct weir__balance *b)
{
    if (b == NULL)
        return;
    WEIR_ASSERT(b->running == 0, "T2: what was picked is done before the balancer goes");
    weir__free(b->points);
    weir__free(b);
}

/* --- shares ----------------------------------------------------------------------------------- */

/* Of ejection and health the lesser. */
static uint32_t share_of(const struct weir__balance *b, uint32_t i, weir_time now)
{
    uint32_t share = FULL;
    if (b->o.ejector != NULL)
        share = weir__ejector_weight(b->o.ejector, i, now);
    if (b->o.health == NULL || b->o.health[i] == NULL)
        return share;
    uint32_t healthy = weir__health_share(b->o.health[i], b->o.healths, now);
    return healthy < share ? healthy : share;
}

static bool was_tried(const struct weir__balance_call *call, uint32_t target)
{
    for (uint32_t i = 0; i < call->tried_count; i++) {
        if (call->tried[i] == target)
            return true;
    }
    return false;
}

/* Looks at all, and how much they weigh together: 0, nobody may be called. */
static uint64_t look(struct weir__balance *b, const struct weir__balance_call *call, weir_time now)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        struct weir__balance_seat *t = &b->of[i];
        bool is_out = t->is_draining || was_tried(call, i);
        t->share = is_out ? 0 : share_of(b, i, now);
        sum += (uint64_t)t->weight * t->share;
    }
    return sum;
}

static uint64_t weight_of(const struct weir__balance *b, uint32_t i)
{
    return (uint64_t)b->of[i].weight * b->of[i].share;
}

enum weir__target_state weir__balance_state(const struct weir__balance *b, uint32_t target,
                                            weir_time now)
{
    WEIR_ASSERT(target < b->count, "T6: a target of the group");
    if (b->of[target].is_draining)
        return WEIR__TARGET_DRAINING;
    uint32_t share = share_of(b, target, now);
    return share == 0     ? WEIR__TARGET_EJECTED
           : share < FULL ? WEIR__TARGET_PROBING
                          : WEIR__TARGET_HEALTHY;
}

/* --- the policies ----------------------------------------------------------------------------- */

/* Each in turn; who has a part of its share misses turns. One round adds to all at most FULL. */
static uint32_t pick_in_turn(struct weir__balance *b)
{
    for (;;) {
        struct weir__balance_seat *t = &b->of[b->next];
        uint32_t i = b->next;
        b->next = b->next + 1 < b->count ? b->next + 1 : 0;
        t->credit += t->share;
        if (t->credit < (int64_t)FULL)
            continue;
        t->credit -= FULL;
        return i;
    }
}

/*
 * nginx's smooth weighting: each gets its weight as credit, who has most is picked and pays what
 * all have got. So the turns of a heavy one are spread among those of the others.
 */
static uint32_t pick_weighted(struct weir__balance *b, uint64_t sum)
{
    uint32_t best = WEIR__BALANCE_NONE;
    for (uint32_t i = 0; i < b->count; i++) {
        struct weir__balance_seat *t = &b->of[i];
        t->credit += (int64_t)weight_of(b, i);
        if (t->share > 0 && (best == WEIR__BALANCE_NONE || t->credit > b->of[best].credit))
            best = i;
    }
    WEIR_ASSERT(best != WEIR__BALANCE_NONE, "T1: there is one that has a share");
    b->of[best].credit -= (int64_t)sum;
    return best;
}

/* One by weight. */
static uint32_t draw(struct weir__balance *b, uint64_t sum)
{
    uint64_t at = weir__random_upto(&b->random, sum - 1);
    uint32_t i = 0;
    for (; at >= weight_of(b, i); i++) {
        at -= weight_of(b, i);
        WEIR_ASSERT(i + 1 < b->count, "T1: what is drawn lies within the sum");
    }
    return i;
}

/*
 * Fewer calls for its weight. Not with the one that would come, as that would count the weight
 * twice where little runs: who is drawn seldom would lose as well.
 */
static bool is_less_busy(const struct weir__balance *b, uint32_t x, uint32_t y)
{
    return b->of[x].running * weight_of(b, y) < b->of[y].running * weight_of(b, x);
}

static uint32_t pick_less_busy(struct weir__balance *b, uint64_t sum)
{
    uint32_t first = draw(b, sum), second = first;
    for (int i = 0; i < DRAWS_MAX && second == first && weight_of(b, first) < sum; i++)
        second = draw(b, sum);
    return is_less_busy(b, second, first) ? second : first;
}

/* The first point from `hash` on; the circle is closed. */
static uint32_t find_point(const struct weir__balance *b, uint64_t hash)
{
    uint32_t low = 0, high = b->point_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (b->points[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->point_count ? low : 0;
}

/* So many calls at a time, at least one, rounded up: together more than there are. */
static bool has_load_left(const struct weir__balance *b, uint32_t i, uint64_t sum)
{
    uint64_t all = (b->running + 1) * b->o.load_percent_max;
    uint64_t most = (all * weight_of(b, i) + 100 * sum - 1) / (100 * sum);
    return b->of[i].running < most;
}

/* A part of a target's keys is its own while it comes back, more and more, and stays so. */
static bool takes_key(const struct weir__balance *b, uint32_t i, uint64_t key)
{
    return mix(key, UINT64_C(1) + i) % FULL < b->of[i].share;
}

/*
 * Clockwise to the first that may have it (Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with
 * Bounded Loads, 2016). Where only those are left that come back and do not take this key yet, the
 * first of them.
 */
static uint32_t pick_hashed(const struct weir__balance *b, uint64_t key, uint64_t sum)
{
    uint32_t at = find_point(b, mix(key, 0)), otherwise = WEIR__BALANCE_NONE;
    for (uint32_t n = 0; n < b->point_count; n++) {
        uint32_t i = b->points[at].target;
        at = at + 1 < b->point_count ? at + 1 : 0;
        if (b->of[i].share == 0 || !has_load_left(b, i, sum))
            continue;
        if (takes_key(b, i, key))
            return i;
        otherwise = otherwise == WEIR__BALANCE_NONE ? i : otherwise;
    }
    WEIR_ASSERT(otherwise != WEIR__BALANCE_NONE, "T4: there is one below its bound");
    return otherwise;
}

static uint32_t pick_by(struct weir__balance *b, const struct weir__balance_call *call,
                        uint64_t sum)
{
    switch (b->o.policy) {
    case WEIR__BALANCE_WEIGHTED:
        return pick_weighted(b, sum);
    case WEIR__BALANCE_LEAST:
        return pick_less_busy(b, sum);
    case WEIR__BALANCE_HASH:
        return pick_hashed(b, call->key, sum);
    case WEIR__BALANCE_ROUND_ROBIN:
    default:
        return pick_in_turn(b);
    }
}

uint32_t weir__balance_pick(struct weir__balance *b, const struct weir__balance_call *call,
                            weir_time now)
{
    static const struct weir__balance_call none = {0};
    if (call == NULL)
        call = &none;
    uint64_t sum = look(b, call, now);
    if (sum == 0 && call->tried_count > 0) {
        const struct weir__balance_call again = {.key = call->key};
        sum = look(b, &again, now);
    }
    if (sum == 0)
        return WEIR__BALANCE_NONE;
    uint32_t i = pick_by(b, call, sum);
    WEIR_ASSERT(b->of[i].share > 0 && !b->of[i].is_draining,
                "T1: who is out or draining gets no call");
    b->of[i].running++;
    b->running++;
    return i;
}

void weir__balance_done(struct weir__balance *b, uint32_t target)
{
    WEIR_ASSERT(target < b->count && b->of[target].running > 0, "T2: what is done was picked");
    b->of[target].running--;
    b->running--;
}

void weir__balance_drain(struct weir__balance *b, uint32_t target, bool is_draining)
{
    WEIR_ASSERT(target < b->count, "T6: a target of the group");
    b->of[target].is_draining = is_draining;
}

uint32_t weir__balance_running(const struct weir__balance *b, uint32_t target)
{
    WEIR_ASSERT(target < b->count, "T6: a target of the group");
    return b->of[target].running;
}
