/*
 * W-TinyLFU (Einziger, Friedman, Manes: TinyLFU, ACM TOS 2017): a window of a hundredth in which
 * what is new waits, a main part of two LRU lists (four fifths for what was asked for there), and a
 * sketch of counts that decides between the oldest of the window and the oldest of the main part.
 * The window's share is fixed; Caffeine's climbs.
 */
#include "cache.h"

enum { WINDOW, PROBATION, PROTECTED, LISTS };
enum { ROWS = 4, COUNT_MAX = 15, SAMPLE = 10 };

struct list {
    struct weir__list nodes;
    uint32_t count;
};

struct tinylfu {
    struct list lists[LISTS];
    uint32_t window_max, protected_max;
    uint64_t added, sample; /* counts are halved when so many were added */
    uint32_t mask;
    uint8_t *counts; /* ROWS times mask + 1 */
};

/* --- the sketch ------------------------------------------------------------------------------- */

static uint32_t width_of(const struct weir__cache_bounds *bounds)
{
    uint32_t n = 64;
    while (n < bounds->entries_max)
        n *= 2;
    return n;
}

static uint8_t *count_at(struct tinylfu *t, uint64_t hash, unsigned row)
{
    uint64_t mixed = (hash + row * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    return &t->counts[row * ((size_t)t->mask + 1) + (mixed >> 32 & t->mask)];
}

static uint8_t count_of(struct tinylfu *t, uint64_t hash)
{
    uint8_t least = COUNT_MAX;
    for (unsigned row = 0; row < ROWS; row++) {
        uint8_t n = *count_at(t, hash, row);
        least = n < least ? n : least;
    }
    return least;
}

static void count(struct tinylfu *t, uint64_t hash)
{
    for (unsigned row = 0; row < ROWS; row++) {
        uint8_t *n = count_at(t, hash, row);
        *n = (uint8_t)(*n + (*n < COUNT_MAX));
    }
    if (++t->added < t->sample)
        return;
    t->added /= 2;
    for (size_t i = 0; i < ROWS * ((size_t)t->mask + 1); i++)
        t->counts[i] /= 2;
}

/* --- the lists -------------------------------------------------------------------------------- */

static void push(struct tinylfu *t, struct weir__cache_node *node, uint8_t list)
{
    node->queue = list;
    weir__list_push_back(&t->lists[list].nodes, &node->link);
    t->lists[list].count++;
}

static void take_off(void *state, struct weir__cache_node *node)
{
    struct tinylfu *t = state;
    weir__list_remove(&node->link);
    t->lists[node->queue].count--;
}

static struct weir__cache_node *oldest(struct tinylfu *t, unsigned list)
{
    struct weir__list *nodes = &t->lists[list].nodes;
    return weir__list_empty(nodes) ? NULL
                                   : WEIR_CONTAINER(nodes->next, struct weir__cache_node, link);
}

/* The oldest of a list becomes one that may go. */
static void demote(struct tinylfu *t, unsigned list)
{
    struct weir__cache_node *node = oldest(t, list);
    if (node == NULL)
        return;
    take_off(t, node);
    push(t, node, PROBATION);
}

static void hit(void *state, struct weir__cache_node *node)
{
    struct tinylfu *t = state;
    count(t, node->hash);
    take_off(t, node);
    push(t, node, node->queue == WINDOW ? WINDOW : PROTECTED);
    if (t->lists[PROTECTED].count > t->protected_max)
        demote(t, PROTECTED);
}

static void add(void *state, struct weir__cache_node *node)
{
    struct tinylfu *t = state;
    count(t, node->hash);
    push(t, node, WINDOW);
    if (t->lists[WINDOW].count <= t->window_max)
        return;
    /* While there is room for all, what leaves the window need not be better than anything. */
    demote(t, WINDOW);
}

static struct weir__cache_node *victim(void *state)
{
    struct tinylfu *t = state;
    struct weir__cache_node *is = oldest(t, WINDOW);
    struct weir__cache_node *was = oldest(t, PROBATION);
    was = was != NULL ? was : oldest(t, PROTECTED);
    struct weir__cache_node *gone = was != NULL ? was : is;
    if (is != NULL && was != NULL && t->lists[WINDOW].count >= t->window_max) {
        gone = count_of(t, is->hash) > count_of(t, was->hash) ? was : is;
        if (gone == was)
            demote(t, WINDOW);
    }
    if (gone != NULL)
        take_off(t, gone);
    return gone;
}

static size_t state_bytes(const struct weir__cache_bounds *bounds)
{
    return sizeof(struct tinylfu) + (size_t)ROWS * width_of(bounds);
}

static void init(void *state, const struct weir__cache_bounds *bounds)
{
    struct tinylfu *t = state;
    for (int i = 0; i < LISTS; i++)
        weir__list_init(&t->lists[i].nodes);
    t->window_max = bounds->entries_max / 100 > 0 ? bounds->entries_max / 100 : 1;
    t->protected_max = (bounds->entries_max - t->window_max) / 5 * 4;
    t->sample = (uint64_t)SAMPLE * bounds->entries_max;
    t->mask = width_of(bounds) - 1;
    t->counts = (uint8_t *)(t + 1);
}

const struct weir__cache_policy tinylfu_policy = {.name = "W-TinyLFU",
                                                  .state_bytes = state_bytes,
                                                  .init = init,
                                                  .add = add,
                                                  .hit = hit,
                                                  .remove = take_off,
                                                  .victim = victim};
