/*
 * S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you need for cache eviction, SOSP
 * 2023): three queues, no order but that of arrival, two bits an entry. What is new waits in a
 * small queue of a tenth of the room. Most of it is never asked for again, and goes from there
 * without having touched the main queue: so a scan costs the others nothing. What was asked for
 * meanwhile moves to the main queue, which gives each entry another round for each use of late. The
 * third queue, the ghosts, has nothing but hashes of what went unused: what comes back while its
 * ghost is there has earned the main queue at once.
 *
 * S1: an entry's node is on the queue that it names, and both queues' sums are those of their
 *     nodes.
 * S2: a ghost is in the ring and in the chain of its hash, or in neither.
 * S3: there are no more ghosts than entries, but for the few that a small cache is given.
 * Limits: as many ghosts as entries may be; the loop of `victim` takes each entry at most four
 * times.
 */
#include "data/cache/policy.h"

#include "base/assert.h"

enum {
    SMALL_PERCENT = 10,
    USES_MAX = 3,      /* two bits */
    USES_TO_STAY = 2,  /* in the small queue: the second use after it was put in */
    GHOSTS_ALWAYS = 16 /* a cache of a few entries learns from these */
};

enum { SMALL, MAIN };

struct queue {
    struct weir__list nodes; /* weir__cache_node.link, oldest first */
    uint32_t count;
    uint64_t bytes;
};

/* The last hashes that went unused, oldest first in a ring; found by chains. */
struct ghosts {
    uint32_t room, first, count; /* of the ring; `count` has holes too */
    uint32_t bucket_mask;
    uint32_t alive;
    uint64_t *hashes; /* 0: a hole */
    uint32_t *next;   /* in the chain: place + 1, 0: the end */
    uint32_t *heads;  /* of the chains */
};

struct s3fifo {
    struct queue queues[2];
    uint32_t small_entries; /* the share of the small queue: from there on it gives */
    uint64_t small_bytes;
    struct ghosts ghosts;
};

/* --- ghosts ----------------------------------------------------------------------------------- */

static uint32_t bucket_count(uint32_t room)
{
    uint32_t n = 16;
    while (n < room)
        n *= 2;
    return n;
}

static uint32_t ghost_room(const struct weir__cache_bounds *bounds)
{
    return bounds->entries_max > GHOSTS_ALWAYS ? bounds->entries_max : GHOSTS_ALWAYS;
}

/* Hashes that are 0 stand for holes, so none is. */
static uint64_t told(uint64_t hash)
{
    return hash | 1;
}

static uint32_t *chain_of(struct ghosts *g, uint64_t hash)
{
    return &g->heads[hash >> 32 & g->bucket_mask];
}

/* Takes the ghost at `place` out of its chain. */
static void unchain(struct ghosts *g, uint32_t place)
{
    uint32_t *at = chain_of(g, g->hashes[place]);
    while (*at != place + 1) {
        WEIR_ASSERT(*at != 0, "S2: a ghost is in the chain of its hash");
        at = &g->next[*at - 1];
    }
    *at = g->next[place];
    g->hashes[place] = 0;
    g->alive--;
}

static void drop_oldest(struct ghosts *g)
{
    WEIR_ASSERT(g->count > 0, "S2: the oldest ghost is in the ring");
    if (g->hashes[g->first] != 0)
        unchain(g, g->first);
    g->first = g->first + 1 == g->room ? 0 : g->first + 1;
    g->count--;
}

static void add_ghost(struct ghosts *g, uint64_t hash, uint32_t most)
{
    most = most < GHOSTS_ALWAYS ? GHOSTS_ALWAYS : most < g->room ? most : g->room;
    while (g->count >= most)
        drop_oldest(g);
    uint32_t place = g->first + g->count;
    place = place >= g->room ? place - g->room : place;
    g->hashes[place] = told(hash);
    uint32_t *head = chain_of(g, told(hash));
    g->next[place] = *head;
    *head = place + 1;
    g->count++;
    g->alive++;
    WEIR_ASSERT(g->alive <= g->count && g->count <= g->room, "S2: ghosts stand in the ring");
}

/* Was it there? It is not any more: its entry is back. */
static bool take_ghost(struct ghosts *g, uint64_t hash)
{
    for (uint32_t at = *chain_of(g, told(hash)); at != 0; at = g->next[at - 1]) {
        if (g->hashes[at - 1] != told(hash))
            continue;
        unchain(g, at - 1);
        return true;
    }
    return false;
}

/* --- queues ----------------------------------------------------------------------------------- */

static void push(struct s3fifo *s, struct weir__cache_node *node, uint8_t queue)
{
    struct queue *q = &s->queues[queue];
    node->queue = queue;
    weir__list_push_back(&q->nodes, &node->link);
    q->count++;
    q->bytes += node->bytes;
}

static void take_off(struct s3fifo *s, struct weir__cache_node *node)
{
    struct queue *q = &s->queues[node->queue];
    WEIR_ASSERT(q->count > 0 && q->bytes >= node->bytes, "S1: a node is on the queue it names");
    weir__list_remove(&node->link);
    q->count--;
    q->bytes -= node->bytes;
}

static struct weir__cache_node *oldest(const struct queue *q)
{
    return weir__list_empty(&q->nodes)
               ? NULL
               : WEIR_CONTAINER(q->nodes.next, struct weir__cache_node, link);
}

static bool is_small_full(const struct s3fifo *s)
{
    const struct queue *q = &s->queues[SMALL];
    return q->count >= s->small_entries || q->bytes >= s->small_bytes;
}

/* The oldest of the small queue goes, or moves to the main one: then NULL. */
static struct weir__cache_node *pass_small(struct s3fifo *s, struct weir__cache_node *node)
{
    take_off(s, node);
    if (node->uses >= USES_TO_STAY) {
        node->uses = 0;
        push(s, node, MAIN);
        return NULL;
    }
    add_ghost(&s->ghosts, node->hash, s->queues[SMALL].count + s->queues[MAIN].count + 1);
    return node;
}

/* The oldest of the main queue goes, or has another round: then NULL. */
static struct weir__cache_node *pass_main(struct s3fifo *s, struct weir__cache_node *node)
{
    take_off(s, node);
    if (node->uses == 0)
        return node;
    node->uses--;
    push(s, node, MAIN);
    return NULL;
}

/* --- the table -------------------------------------------------------------------------------- */

static size_t state_bytes(const struct weir__cache_bounds *bounds)
{
    size_t room = ghost_room(bounds);
    return sizeof(struct s3fifo) + room * (sizeof(uint64_t) + sizeof(uint32_t)) +
           bucket_count((uint32_t)room) * sizeof(uint32_t);
}

static void init(void *state, const struct weir__cache_bounds *bounds)
{
    struct s3fifo *s = state;
    struct ghosts *g = &s->ghosts;
    weir__list_init(&s->queues[SMALL].nodes);
    weir__list_init(&s->queues[MAIN].nodes);
    s->small_entries = (uint32_t)((uint64_t)bounds->entries_max * SMALL_PERCENT / 100);
    s->small_bytes = bounds->bytes_max / 100 * SMALL_PERCENT;
    g->room = ghost_room(bounds);
    g->bucket_mask = bucket_count(g->room) - 1;
    g->hashes = (uint64_t *)(s + 1);
    g->next = (uint32_t *)(g->hashes + g->room);
    g->heads = g->next + g->room;
}

static void add(void *state, struct weir__cache_node *node)
{
    struct s3fifo *s = state;
    node->uses = 0;
    push(s, node, take_ghost(&s->ghosts, node->hash) ? MAIN : SMALL);
}

static void hit(void *state, struct weir__cache_node *node)
{
    (void)state;
    if (node->uses < USES_MAX)
        node->uses++;
}

static void remove_node(void *state, struct weir__cache_node *node)
{
    take_off(state, node);
}

static struct weir__cache_node *victim(void *state)
{
    struct s3fifo *s = state;
    struct weir__cache_node *gone = NULL;
    while (gone == NULL) {
        struct weir__cache_node *small = oldest(&s->queues[SMALL]);
        struct weir__cache_node *main = oldest(&s->queues[MAIN]);
        if (small != NULL && (main == NULL || is_small_full(s)))
            gone = pass_small(s, small);
        else if (main != NULL)
            gone = pass_main(s, main);
        else
            return NULL;
    }
    return gone;
}

const struct weir__cache_policy weir__cache_s3fifo = {.name = "S3-FIFO",
                                                      .state_bytes = state_bytes,
                                                      .init = init,
                                                      .add = add,
                                                      .hit = hit,
                                                      .remove = remove_node,
                                                      .victim = victim};
