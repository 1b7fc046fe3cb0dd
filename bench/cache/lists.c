/*
 * Two policies that are a list each: LRU, which moves what was asked for to the young end; and
 * SIEVE (Zhang et al.: SIEVE is Simpler than LRU, NSDI 2024), which marks it, and has a hand that
 * goes from the old end to the young, clears marks, and takes the first without one.
 */
#include "cache.h"

struct list {
    struct weir__list nodes; /* weir__cache_node.link, oldest first */
    struct weir__list *hand; /* SIEVE's: the next that it looks at; NULL: the oldest */
};

static size_t state_bytes(const struct weir__cache_bounds *bounds)
{
    (void)bounds;
    return sizeof(struct list);
}

static void init(void *state, const struct weir__cache_bounds *bounds)
{
    struct list *l = state;
    (void)bounds;
    weir__list_init(&l->nodes);
}

static void add(void *state, struct weir__cache_node *node)
{
    struct list *l = state;
    node->uses = 0;
    weir__list_push_back(&l->nodes, &node->link);
}

static void take_off(void *state, struct weir__cache_node *node)
{
    struct list *l = state;
    if (l->hand == &node->link)
        l->hand = node->link.next != &l->nodes ? node->link.next : NULL;
    weir__list_remove(&node->link);
}

static void lru_hit(void *state, struct weir__cache_node *node)
{
    struct list *l = state;
    weir__list_remove(&node->link);
    weir__list_push_back(&l->nodes, &node->link);
}

static struct weir__cache_node *lru_victim(void *state)
{
    struct list *l = state;
    struct weir__list *node = weir__list_pop_front(&l->nodes);
    return node != NULL ? WEIR_CONTAINER(node, struct weir__cache_node, link) : NULL;
}

static void sieve_hit(void *state, struct weir__cache_node *node)
{
    (void)state;
    node->uses = 1;
}

/* Each of them is looked at twice at most: the first time takes its mark. */
static struct weir__cache_node *sieve_victim(void *state)
{
    struct list *l = state;
    struct weir__list *at = l->hand != NULL ? l->hand : l->nodes.next;
    while (at != &l->nodes && WEIR_CONTAINER(at, struct weir__cache_node, link)->uses != 0) {
        WEIR_CONTAINER(at, struct weir__cache_node, link)->uses = 0;
        at = at->next != &l->nodes ? at->next : l->nodes.next;
    }
    if (at == &l->nodes)
        return NULL;
    l->hand = at;
    struct weir__cache_node *node = WEIR_CONTAINER(at, struct weir__cache_node, link);
    take_off(l, node);
    return node;
}

const struct weir__cache_policy lru_policy = {.name = "LRU",
                                              .state_bytes = state_bytes,
                                              .init = init,
                                              .add = add,
                                              .hit = lru_hit,
                                              .remove = take_off,
                                              .victim = lru_victim};
const struct weir__cache_policy sieve_policy = {.name = "SIEVE",
                                                .state_bytes = state_bytes,
                                                .init = init,
                                                .add = add,
                                                .hit = sieve_hit,
                                                .remove = take_off,
                                                .victim = sieve_victim};
