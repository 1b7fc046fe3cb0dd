/*
 * What router.c (looks up) and router_build.c (checks and compiles) share: the frozen table, which
 * is one block of memory with indices in it, and the routes as they were added.
 */
#ifndef WEIR_WEB_ROUTER_TABLE_H
#define WEIR_WEB_ROUTER_TABLE_H

#include "base/arena.h"
#include "web/router.h"

enum {
    WEIR__ROUTER_METHODS = WEIR_HTTP_OPTIONS + 1,   /* by enum weir__http_method; OTHER is unused */
    WEIR__ROUTER_ALLOWS = 1 << WEIR__ROUTER_METHODS /* Allow texts, by a bit for each method */
};

/* A place in the trie. Zero stands for "none": no node has the root as its child. */
struct weir__router_node {
    uint32_t base;  /* literal children are edges[base + literal]; 0: there are none */
    uint32_t param; /* the node after a parameter */
    uint32_t leaf;  /* 1 + the route that ends here */
    uint32_t wild;  /* 1 + the route whose wildcard begins here */
};

/*
 * `child` comes after `parent` and the literal that led to this edge; someone else's if parent
 * differs.
 */
struct weir__router_edge {
    uint32_t parent;
    uint32_t child;
};

/* A slot of the table of literals: open addressing, at most half full, `id` 0 is an empty slot. */
struct weir__router_literal {
    uint64_t head; /* its first 8 bytes, zeroes behind a shorter one */
    uint64_t tail; /* its last 8 bytes when it is longer than 8 */
    uint32_t text; /* where it stands in `text` */
    uint32_t id;
    uint32_t len;
    uint32_t unused;
};

struct weir__router_leaf {
    void *route;
    const weir_str *names;
};

enum weir__router_segment_kind { WEIR__ROUTER_LITERAL, WEIR__ROUTER_PARAM, WEIR__ROUTER_WILD };

/* A segment of a pattern: a literal's text, or a name. */
struct weir__router_segment {
    weir_str text;
    enum weir__router_segment_kind kind;
};

/* A route as it was added; lives in the router's arena until that is frozen. */
struct weir__router_route {
    struct weir__router_route *next;
    void *route;
    weir_str pattern;
    const char *file;
    int line;
    enum weir__http_method method;
    struct weir__router_segment *segments;
    uint32_t segment_count;
    uint32_t name_count;
    bool has_mistake; /* of its own, not with another */
};

/* A node of the trie under construction; index 0 is nobody. */
struct weir__router_branch {
    uint32_t first, next;                         /* literal children; siblings */
    uint32_t literal;                             /* that leads here, by number */
    uint32_t param;                               /* the node after a parameter … */
    const struct weir__router_route *param_route; /* … who named it first … */
    weir_str param_name;                          /* … and how */
    uint32_t leaf, wild;                          /* 1 + index of the route */
    uint32_t base;
};

/* The trie under construction, in the router's arena. */
struct weir__router_trie {
    const struct weir__router_route **routes; /* by index */
    struct weir__router_branch *nodes;
    uint32_t node_count;
    weir_str *literals; /* by number, from 1 on */
    uint32_t literal_count;
    uint32_t *slots, slot_mask; /* numbers of literals by hash */
};

struct weir__router {
    /* The frozen table. Pointers go into `block`. */
    const struct weir__router_node *nodes;
    const struct weir__router_edge *edges;
    const struct weir__router_literal *literals;
    const char *text;
    const struct weir__router_leaf *leaves;
    uint64_t hash_multiplier;
    unsigned hash_shift;
    uint32_t literal_mask;
    uint32_t depth_max; /* segments of the longest pattern */
    enum weir__route_slash slash;
    uint32_t roots[WEIR__ROUTER_METHODS];
    void *block;
    weir_str allow[WEIR__ROUTER_ALLOWS];

    /* The builder. The arena lives as long as the router, for the mistakes. */
    struct weir__arena arena;
    struct weir__router_route *routes, **routes_end;
    uint32_t route_count;
    size_t mistake_count;
    const char *mistakes[WEIR__ROUTER_MISTAKES_MAX];
    weir_err err;
    bool is_frozen;
};

/* Compiles a trie without mistakes into r's block. WEIR_OK or -ENOMEM. */
weir_err weir__router_compile(struct weir__router *r, struct weir__router_trie *t);

/* The hash of a literal: `head` and `len` as in its slot. */
static inline uint32_t weir__router_hash(const struct weir__router *r, uint64_t head, size_t len)
{
    return (uint32_t)(((head + len) * r->hash_multiplier) >> r->hash_shift);
}

#endif
