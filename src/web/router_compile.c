/*
 * Compiles a trie of routes into the one block in which router.c looks up: nodes, edges, the table
 * of literals, what each route hands back, names and texts. The block belongs to the router.
 *
 * The hard thing is laying out the edges. A node's literal children take the places base + number
 * of one array, and a base is searched for each node so that its places are free, like the teeth of
 * combs put into each other. Literals are numbered in the order in which they turn up, so siblings
 * are close together. The search for a literal's nodes goes on where the last one with the same
 * smallest literal ended, so that tables with many like branches compile in linear time.
 */
#include "base/alloc.h"
#include "web/router_table.h"
#include <string.h>

enum { MULTIPLIERS = 64 };

/* The edges while they are laid out; on the heap, because they grow. */
struct comb {
    struct weir__router_edge *edges;
    uint32_t count, cap;
    uint32_t *hint; /* by literal: no node whose smallest literal it is has its base below */
};

/* Where the parts of the block begin, and its size. */
struct layout {
    size_t nodes, edges, literals, leaves, names, text, size;
    uint32_t literal_slots;
};

static bool comb_grow(struct comb *c, uint32_t count)
{
    if (c->edges == NULL || count > c->cap) {
        uint32_t cap = count + count / 2;
        struct weir__router_edge *edges = weir__realloc(c->edges, cap * sizeof *edges);
        if (edges == NULL)
            return false;
        memset(edges + c->cap, 0, (cap - c->cap) * sizeof *edges);
        c->edges = edges;
        c->cap = cap;
    }
    c->count = count > c->count ? count : c->count;
    return true;
}

static bool is_free(const struct comb *c, uint32_t place)
{
    return place >= c->cap || c->edges[place].parent == 0;
}

static bool fits(const struct comb *c, const struct weir__router_trie *t, uint32_t first,
                 uint32_t base)
{
    for (uint32_t i = first; i != 0; i = t->nodes[i].next) {
        if (!is_free(c, base + t->nodes[i].literal))
            return false;
    }
    return true;
}

/* Finds a base for the children of `node` and puts their edges there. */
static bool comb_put(struct comb *c, struct weir__router_trie *t, uint32_t node)
{
    uint32_t first = t->nodes[node].first, least = t->nodes[first].literal;
    for (uint32_t i = first; i != 0; i = t->nodes[i].next)
        least = t->nodes[i].literal < least ? t->nodes[i].literal : least;
    uint32_t base = c->hint[least];
    while (!is_free(c, base + least))
        base++;
    c->hint[least] = base;
    while (!fits(c, t, first, base))
        base++;
    if (!comb_grow(c, base + t->literal_count + 1))
        return false;
    for (uint32_t i = first; i != 0; i = t->nodes[i].next)
        c->edges[base + t->nodes[i].literal] = (struct weir__router_edge){node, i};
    t->nodes[node].base = base;
    return true;
}

static bool comb_make(struct weir__router *r, struct comb *c, struct weir__router_trie *t)
{
    c->hint = weir__arena_alloc(&r->arena, (t->literal_count + 1) * sizeof *c->hint);
    if (c->hint == NULL)
        return false;
    for (uint32_t i = 0; i <= t->literal_count; i++)
        c->hint[i] = 1;
    for (uint32_t node = 1; node < t->node_count; node++) {
        if (t->nodes[node].first != 0 && !comb_put(c, t, node))
            return false;
    }
    return true;
}

/*
 * Writes the value of Allow for a set of methods, unless `out` is NULL. Returns its length. GET
 * comes with HEAD, and OPTIONS is always answered.
 */
static size_t allow_text(char *out, size_t methods)
{
    size_t len = 0;
    methods |= 1U << WEIR_HTTP_OPTIONS;
    if ((methods & 1U << WEIR_HTTP_GET) != 0)
        methods |= 1U << WEIR_HTTP_HEAD;
    for (unsigned i = WEIR_HTTP_GET; i < WEIR__ROUTER_METHODS; i++) {
        if ((methods & 1U << i) == 0)
            continue;
        weir_str name = weir__http_method_name((enum weir__http_method)i);
        weir_str parts[2] = {WEIR_S(", "), name};
        for (size_t p = len == 0; p < 2; len += parts[p++].len) {
            if (out != NULL)
                memcpy(out + len, parts[p].ptr, parts[p].len);
        }
    }
    return len;
}

static size_t take(size_t *at, size_t bytes)
{
    size_t from = *at;
    *at += (bytes + 63) & ~(size_t)63;
    return from;
}

static struct layout measure(const struct weir__router *r, const struct weir__router_trie *t,
                             const struct comb *c)
{
    struct layout l = {.literal_slots = 16};
    size_t names = 0, text = 0;
    while (l.literal_slots < 2 * t->literal_count)
        l.literal_slots *= 2;
    for (uint32_t i = 1; i <= t->literal_count; i++)
        text += t->literals[i].len;
    for (uint32_t i = 0; i < r->route_count; i++) {
        names += t->routes[i]->name_count;
        text += t->routes[i]->pattern.len; /* its names are shorter */
    }
    for (size_t i = 0; i < WEIR__ROUTER_ALLOWS; i++)
        text += allow_text(NULL, i);
    l.nodes = take(&l.size, t->node_count * sizeof *r->nodes);
    l.edges = take(&l.size, c->count * sizeof *r->edges);
    l.literals = take(&l.size, l.literal_slots * sizeof *r->literals);
    l.leaves = take(&l.size, r->route_count * sizeof *r->leaves);
    l.names = take(&l.size, names * sizeof(weir_str));
    l.text = take(&l.size, text + 1);
    return l;
}

/* A literal as its slot has it, but for its number. */
static struct weir__router_literal slot_of(weir_str text)
{
    struct weir__router_literal l = {.len = (uint32_t)text.len};
    memcpy(&l.head, text.ptr, text.len < 8 ? text.len : 8);
    if (text.len > 8)
        memcpy(&l.tail, text.ptr + text.len - 8, 8);
    return l;
}

/*
 * How many literals do not get the slot of their hash with r's multiplier. `slots` is overwritten.
 */
static uint32_t misplaced(const struct weir__router *r, const struct weir__router_trie *t,
                          struct weir__router_literal *slots)
{
    uint32_t count = 0;
    memset(slots, 0, (r->literal_mask + 1) * sizeof *slots);
    for (uint32_t id = 1; id <= t->literal_count; id++) {
        struct weir__router_literal l = slot_of(t->literals[id]);
        uint32_t i = weir__router_hash(r, l.head, l.len);
        count += slots[i].id != 0;
        while (slots[i].id != 0)
            i = (i + 1) & r->literal_mask;
        slots[i] = l;
        slots[i].id = id;
    }
    return count;
}

/* Fills the table of literals with the best of some multipliers; most tables get a perfect one. */
static void place_literals(struct weir__router *r, const struct weir__router_trie *t,
                           struct weir__router_literal *slots, char **text)
{
    uint64_t tried = 0x9e3779b97f4a7c15, best = tried;
    uint32_t least = UINT32_MAX;
    for (int i = 0; i < MULTIPLIERS && least > 0; i++) {
        r->hash_multiplier = tried;
        uint32_t count = misplaced(r, t, slots);
        best = count < least ? tried : best;
        least = count < least ? count : least;
        tried = (tried * 0xbf58476d1ce4e5b9 + 0x94d049bb133111eb) | 1;
    }
    r->hash_multiplier = best;
    misplaced(r, t, slots);
    for (uint32_t i = 0; i <= r->literal_mask; i++) {
        if (slots[i].id == 0)
            continue;
        weir_str literal = t->literals[slots[i].id];
        slots[i].text = (uint32_t)(*text - r->text);
        memcpy(*text, literal.ptr, literal.len);
        *text += literal.len;
    }
}

static void place_leaves(const struct weir__router *r, const struct weir__router_trie *t,
                         struct weir__router_leaf *leaves, weir_str *names, char **text)
{
    for (uint32_t i = 0; i < r->route_count; i++) {
        const struct weir__router_route *route = t->routes[i];
        leaves[i] = (struct weir__router_leaf){route->route, names};
        for (uint32_t k = 0; k < route->segment_count; k++) {
            const struct weir__router_segment *s = &route->segments[k];
            if (s->kind == WEIR__ROUTER_LITERAL)
                continue;
            memcpy(*text, s->text.ptr, s->text.len);
            *names++ = (weir_str){*text, s->text.len};
            *text += s->text.len;
        }
    }
}

static void place_nodes(struct weir__router *r, const struct weir__router_trie *t,
                        struct weir__router_node *nodes)
{
    for (uint32_t i = 0; i < t->node_count; i++) {
        const struct weir__router_branch *b = &t->nodes[i];
        nodes[i] = (struct weir__router_node){b->base, b->param, b->leaf, b->wild};
    }
    for (uint32_t i = 0; i < r->route_count; i++) {
        if (t->routes[i]->segment_count > r->depth_max)
            r->depth_max = t->routes[i]->segment_count;
    }
}

static void fill(struct weir__router *r, const struct weir__router_trie *t, const struct comb *c,
                 const struct layout *l, char *block)
{
    char *text = block + l->text;
    struct weir__router_node *nodes = (void *)(block + l->nodes);
    struct weir__router_literal *literals = (void *)(block + l->literals);
    struct weir__router_leaf *leaves = (void *)(block + l->leaves);
    memset(block, 0, l->size);
    memcpy(block + l->edges, c->edges, c->count * sizeof *c->edges);
    r->block = block;
    r->nodes = nodes;
    r->edges = (void *)(block + l->edges);
    r->literals = literals;
    r->leaves = leaves;
    r->text = text;
    r->literal_mask = l->literal_slots - 1;
    r->hash_shift = 64 - (unsigned)__builtin_ctz(l->literal_slots);
    place_nodes(r, t, nodes);
    place_literals(r, t, literals, &text);
    place_leaves(r, t, leaves, (void *)(block + l->names), &text);
    for (size_t i = 0; i < WEIR__ROUTER_ALLOWS; i++) {
        r->allow[i] = (weir_str){text, allow_text(text, i)};
        text += r->allow[i].len;
    }
}

weir_err weir__router_compile(struct weir__router *r, struct weir__router_trie *t)
{
    struct comb c = {0};
    weir_err err = -ENOMEM;
    if (comb_make(r, &c, t) && comb_grow(&c, t->literal_count + 1)) {
        struct layout l = measure(r, t, &c);
        char *block = weir__memalign(64, l.size);
        if (block != NULL) {
            fill(r, t, &c, &l, block);
            err = WEIR_OK;
        }
    }
    weir__free(c.edges);
    return err;
}
