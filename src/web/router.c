/*
 * The look-up in a frozen router. The table is a trie of segments, one root a method, in one block.
 *
 * A path is split at its slashes 16 bytes at a time. A segment that meets literals becomes a number
 * (one probe of one table that all literals share; it does not wait for the trie), and a literal
 * child is one load and one compare: edges[base + number], where the nodes' ranges overlap like the
 * teeth of combs. A node that has only a parameter does not look at the segment at all. Measured on
 * the 203 GitHub routes, see bench/: … ns a look-up.
 *
 * The hard thing is backtracking: a literal may lead into a dead end where a parameter would not.
 * Choices left are kept on a stack. Every node is reached by one way only, so a look-up visits a node
 * at most once and is bounded by the size of the table, whatever the path.
 */
#include "base/assert.h"
#include "web/router.h"
#include "web/router_table.h"
#include "wire/url.h"
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* A path that was split: segment i lies between slash[i] and slash[i + 1], both exclusive. */
struct split {
    const char *bytes; /* the path, or its copy with room behind it when it is short */
    size_t load_max;   /* the last offset in `bytes` from which 8 of them may be loaded */
    size_t len;
    uint32_t count;  /* segments, at most one more than any pattern has */
    bool is_whole;   /* no segment was left out */
    bool is_suspect; /* there is a '%', or a '.' behind a '/' */
    uint16_t slash[WEIR__ROUTE_SEGMENTS_MAX + 4];
    char copy[32];
};

/* Where the bytes are that matter, a bit for each byte of a block of 64, the first byte's lowest. */
struct marks {
    uint64_t slashes, dots, percents;
};

/* What is tried at a segment, in this order. */
enum stage { LITERAL, PARAMETER, WILDCARD };

/* A choice that was left out on the way down: what else `node` has for segment `depth`. */
struct choice {
    uint32_t node;
    uint8_t depth, params;
    bool has_param; /* its parameter is still to be tried, not only its wildcard */
};

/* How far a look-up has got. */
struct walk {
    uint32_t node, depth, params, choices;
    struct choice choice[WEIR__ROUTE_SEGMENTS_MAX + 1];
};

/* 1 to 15 bytes in two words, zeroes behind them, without touching a byte more. */
static inline void load_short(const char *p, size_t n, uint64_t words[2])
{
    words[1] = 0;
    if (n >= 8) {
        memcpy(&words[0], p, 8);
        memcpy(&words[1], p + n - 8, 8);
        words[1] = n == 8 ? 0 : words[1] >> (8 * (16 - n));
    } else if (n >= 4) {
        uint32_t first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        words[0] = first | (uint64_t)last << (8 * (n - 4));
    } else {
        words[0] = (uint64_t)(uint8_t)p[0] | (uint64_t)(uint8_t)p[n / 2] << (8 * (n / 2)) |
                   (uint64_t)(uint8_t)p[n - 1] << (8 * (n - 1));
    }
}

#if defined(__SSE2__)
static inline uint64_t bits_of(__m128i bytes, char ch)
{
    return (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(ch)));
}

/* Marks 16 bytes as those from `at` on. */
static inline void mark_16(struct marks *m, const char *p, unsigned at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    m->slashes |= bits_of(bytes, '/') << at;
    m->dots |= bits_of(bytes, '.') << at;
    m->percents |= bits_of(bytes, '%') << at;
}

/* Marks n bytes, 1 to 64; there are 16 bytes or more from `start` to p + n. */
static inline struct marks mark_block(const char *p, size_t n)
{
    struct marks m = {0, 0, 0};
    unsigned at = 0;
    for (; n - at >= 16; at += 16)
        mark_16(&m, p + at, at);
    if (at < n) {
        struct marks last = {0, 0, 0};
        size_t seen = 16 - (n - at);
        mark_16(&last, p + n - 16, 0);
        m.slashes |= last.slashes >> seen << at;
        m.dots |= last.dots >> seen << at;
        m.percents |= last.percents >> seen << at;
    }
    return m;
}
#else
static inline struct marks mark_block(const char *p, size_t n)
{
    struct marks m = {0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        m.slashes |= (uint64_t)(p[i] == '/') << i;
        m.dots |= (uint64_t)(p[i] == '.') << i;
        m.percents |= (uint64_t)(p[i] == '%') << i;
    }
    return m;
}
#endif

/* Splits a path of 1 to PATH_MAX bytes that begins with '/', up to `count_max` segments. */
static inline void split_path(struct split *s, weir_str path, uint32_t count_max)
{
    uint64_t suspects = 0, behind = 0;
    uint32_t count = 0;
    size_t len = path.len;
    s->bytes = path.ptr;
    s->load_max = len - 8;
    if (len < 16) {
        uint64_t words[4] = {0, 0, 0, 0};
        load_short(path.ptr, len, words);
        memcpy(s->copy, words, sizeof s->copy);
        s->bytes = s->copy;
        s->load_max = sizeof s->copy - 8;
    }
    for (size_t at = 0; at < len; at += 64) {
        size_t n = len - at < 64 ? len - at : 64;
        struct marks m = mark_block(s->bytes + at, len < 16 ? 16 : n);
        suspects |= m.percents | (m.dots & (m.slashes << 1 | behind));
        behind = m.slashes >> 63;
        for (uint64_t bits = m.slashes; bits != 0 && count <= count_max; bits &= bits - 1)
            s->slash[count++] = (uint16_t)(at + (size_t)__builtin_ctzll(bits));
    }
    s->len = len;
    s->is_suspect = suspects != 0;
    s->is_whole = count <= count_max;
    s->count = s->is_whole ? count : count_max;
    if (s->is_whole)
        s->slash[count] = (uint16_t)len;
}

/* 8 bytes from `off` on, zeroes for those behind the path. */
static inline uint64_t load_8(const struct split *s, size_t off)
{
    size_t from = off < s->load_max ? off : s->load_max;
    uint64_t word;
    memcpy(&word, s->bytes + from, 8);
    return word >> (8 * (off - from) & 63);
}

static inline uint64_t low_bytes(uint64_t word, size_t n)
{
    static const uint64_t mask[9] = {
        0,     0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
        ~0ULL,
    };
    return word & mask[n < 8 ? n : 8];
}

static inline bool same_rest(const struct weir__router *r, const struct weir__router_literal *l,
                             const char *bytes, size_t len)
{
    uint64_t tail;
    if (len <= 8)
        return true;
    memcpy(&tail, bytes + len - 8, 8);
    return tail == l->tail &&
           (len <= 16 || memcmp(r->text + l->text + 8, bytes + 8, len - 16) == 0);
}

/* The number of the literal with these bytes; 0 when no pattern has it. */
static inline uint32_t literal_of(const struct weir__router *r, const char *bytes, uint64_t head,
                                  size_t len)
{
    for (uint32_t i = weir__router_hash(r, head, len);; i = (i + 1) & r->literal_mask) {
        const struct weir__router_literal *l = &r->literals[i];
        if (l->head == head && l->len == len && same_rest(r, l, bytes, len))
            return l->id;
        if (l->id == 0)
            return 0;
    }
}

/* The same for an encoded segment: it is the literal when it is so after decoding. */
static __attribute__((noinline)) uint32_t literal_of_encoded(const struct weir__router *r,
                                                             const char *bytes, size_t len)
{
    char plain[WEIR__ROUTE_LITERAL_MAX * 3 + 8];
    uint64_t head;
    if (len > 3 * WEIR__ROUTE_LITERAL_MAX)
        return 0;
    memset(plain, 0, 8);
    int n = weir__url_decode((weir_str){bytes, len}, plain);
    if (n < 0)
        return 0;
    memcpy(&head, plain, 8);
    return literal_of(r, plain, low_bytes(head, (size_t)n), (size_t)n);
}

static inline uint32_t literal_at(const struct weir__router *r, const struct split *s, size_t off,
                                  size_t len, bool is_encoded)
{
    const char *bytes = s->bytes + off;
    if (is_encoded && memchr(bytes, '%', len) != NULL)
        return literal_of_encoded(r, bytes, len);
    return literal_of(r, bytes, low_bytes(load_8(s, off), len), len);
}

/* Remembers what else `n` has, for when the way that is taken now ends nowhere. */
static inline void leave_choice(struct walk *w, const struct weir__router_node *n, bool has_param)
{
    if (WEIR_LIKELY((n->wild | (has_param ? n->param : 0)) == 0))
        return;
    w->choice[w->choices++] =
        (struct choice){w->node, (uint8_t)w->depth, (uint8_t)w->params, has_param};
}

static inline void step(struct walk *w, uint32_t node)
{
    w->node = node;
    w->depth++;
}

static inline struct weir__route_span segment(const struct split *s, uint32_t i)
{
    uint16_t off = (uint16_t)(s->slash[i] + 1);
    return (struct weir__route_span){off, (uint16_t)(s->slash[i + 1] - off)};
}

/* The literal child of `n` for a segment; 0 when there is none. */
static inline uint32_t literal_child(const struct weir__router *r, const struct walk *w,
                                     const struct weir__router_node *n, const struct split *s,
                                     struct weir__route_span seg, bool is_encoded)
{
    if (n->base == 0)
        return 0;
    const struct weir__router_edge *e =
        &r->edges[n->base + literal_at(r, s, seg.off, seg.len, is_encoded)];
    return e->parent == w->node ? e->child : 0;
}

/* Goes on at a segment, literals first or (after a step back) from the parameter on. False: dead end. */
static inline bool advance(const struct weir__router *r, const struct split *s, struct walk *w,
                           struct weir__route_match *m, enum stage from, bool is_encoded)
{
    const struct weir__router_node *n = &r->nodes[w->node];
    struct weir__route_span seg = segment(s, w->depth);
    uint32_t next = from == LITERAL ? literal_child(r, w, n, s, seg, is_encoded) : 0;
    if (next != 0) {
        leave_choice(w, n, true);
    } else if (from != WILDCARD && n->param != 0 && seg.len != 0) {
        leave_choice(w, n, false);
        m->params[w->params++] = seg;
        next = n->param;
    } else {
        return false;
    }
    step(w, next);
    return true;
}

/* What answers at the end of the path, or with all the rest of it. */
static inline uint32_t leaf_here(const struct weir__router *r, const struct split *s,
                                 struct walk *w, struct weir__route_match *m)
{
    const struct weir__router_node *n = &r->nodes[w->node];
    bool is_end = w->depth == s->count;
    if (is_end && n->leaf != 0)
        return n->leaf;
    if (n->wild == 0 || (is_end && r->slash != WEIR__ROUTE_SLASH_IGNORE))
        return 0;
    size_t off = is_end ? s->len : s->slash[w->depth] + 1U;
    m->params[w->params++] = (struct weir__route_span){(uint16_t)off, (uint16_t)(s->len - off)};
    return n->wild;
}

/* The leaf for a path below `root`, its parameters in `m`; 0 when there is none. */
static inline uint32_t walk(const struct weir__router *r, uint32_t root, const struct split *s,
                            struct weir__route_match *m, bool is_encoded)
{
    struct walk w;
    enum stage from = LITERAL;
    w.node = root;
    w.depth = w.params = w.choices = 0;
    for (;;) {
        while (w.depth < s->count && advance(r, s, &w, m, from, is_encoded))
            from = LITERAL;
        uint32_t leaf = leaf_here(r, s, &w, m);
        if (leaf != 0) {
            m->param_count = (uint16_t)w.params;
            return leaf;
        }
        if (w.choices == 0)
            return 0;
        const struct choice *c = &w.choice[--w.choices];
        w.node = c->node;
        w.depth = c->depth;
        w.params = c->params;
        from = c->has_param ? PARAMETER : WILDCARD;
        m->backtracks++;
    }
}

static __attribute__((noinline)) uint32_t walk_encoded(const struct weir__router *r, uint32_t root,
                                                       const struct split *s,
                                                       struct weir__route_match *m)
{
    return walk(r, root, s, m, true);
}

static __attribute__((noinline)) uint32_t look_again(const struct weir__router *r, uint32_t root,
                                                     const struct split *s,
                                                     struct weir__route_match *m)
{
    return s->is_suspect ? walk_encoded(r, root, s, m) : walk(r, root, s, m, false);
}

static inline enum weir__route_kind found(const struct weir__router *r, uint32_t leaf,
                                          struct weir__route_match *m)
{
    m->route = r->leaves[leaf - 1].route;
    m->names = r->leaves[leaf - 1].names;
    return m->kind = WEIR__ROUTE_FOUND;
}

static enum weir__route_kind bad_path(struct weir__route_match *m, const char *reason)
{
    m->reason = reason;
    return m->kind = WEIR__ROUTE_BAD_PATH;
}

/* The methods that have a route for the path, a bit each. */
static unsigned methods_of(const struct weir__router *r, const struct split *s,
                           struct weir__route_match *m)
{
    unsigned methods = 0;
    for (unsigned i = WEIR_HTTP1_GET; i < WEIR__ROUTER_METHODS; i++) {
        if (look_again(r, r->roots[i], s, m) != 0)
            methods |= 1U << i;
    }
    return methods;
}

/*
 * True when the path with its slash added or taken off has a route. Never for a path that a browser
 * would take for another host's when it stands in Location ("/\host/"; "//host" has no such route).
 */
static bool has_other_form(const struct weir__router *r, enum weir__http1_method method,
                           weir_str path, struct split *s, struct weir__route_match *m)
{
    if (r->slash != WEIR__ROUTE_SLASH_REDIRECT || !s->is_whole || path.len < 2 ||
        path.ptr[1] == '\\')
        return false;
    m->adds_slash = path.ptr[path.len - 1] != '/';
    uint32_t count = s->count;
    if (m->adds_slash)
        s->slash[++s->count] = (uint16_t)(path.len + 1);
    else
        s->count--;
    bool has = look_again(r, r->roots[method], s, m) != 0 ||
               (method == WEIR_HTTP1_HEAD && look_again(r, r->roots[WEIR_HTTP1_GET], s, m) != 0);
    s->count = count;
    return has;
}

/* The method has no route for the path: what else is there to say? */
static __attribute__((noinline)) enum weir__route_kind not_found(const struct weir__router *r,
                                                                 enum weir__http1_method method,
                                                                 weir_str path, struct split *s,
                                                                 struct weir__route_match *m)
{
    bool is_known = method > WEIR_HTTP1_OTHER && method <= WEIR_HTTP1_OPTIONS;
    if (method == WEIR_HTTP1_HEAD) {
        uint32_t leaf = look_again(r, r->roots[WEIR_HTTP1_GET], s, m);
        if (leaf != 0)
            return found(r, leaf, m);
    }
    unsigned methods = methods_of(r, s, m);
    if (is_known && has_other_form(r, method, path, s, m)) {
        m->status = method == WEIR_HTTP1_GET || method == WEIR_HTTP1_HEAD ? 301 : 308;
        return m->kind = WEIR__ROUTE_REDIRECT;
    }
    /* A route for OPTIONS alone, such as one for all paths, does not make a path known. */
    if ((methods & ~(1U << WEIR_HTTP1_OPTIONS)) == 0)
        return m->kind = WEIR__ROUTE_NOT_FOUND;
    m->allow = r->allow[methods];
    return m->kind =
               method == WEIR_HTTP1_OPTIONS ? WEIR__ROUTE_AUTO_OPTIONS : WEIR__ROUTE_NOT_ALLOWED;
}

enum weir__route_kind weir__router_match(const struct weir__router *r,
                                         enum weir__http1_method method, weir_str path,
                                         struct weir__route_match *m)
{
    struct split s;
    uint32_t leaf = 0;
    WEIR_ASSERT(r->is_frozen, "a router is frozen before the first look-up");
    m->backtracks = 0;
    if (WEIR_UNLIKELY(path.len == 0 || path.ptr[0] != '/'))
        return bad_path(m, "the path does not begin with '/'");
    if (WEIR_UNLIKELY(path.len > WEIR__ROUTE_PATH_MAX))
        return bad_path(m, "the path is too long");
    split_path(&s, path, r->depth_max + 1);
    if (WEIR_UNLIKELY(s.is_suspect)) {
        int err = weir__url_path_check(path);
        if (err != 0)
            return bad_path(m, weir__url_error_text(err));
    }
    if (r->slash == WEIR__ROUTE_SLASH_IGNORE && s.is_whole && s.count > 1)
        s.count -= path.ptr[path.len - 1] == '/';
    if (WEIR_LIKELY((unsigned)method <= WEIR_HTTP1_OPTIONS))
        leaf = s.is_suspect ? walk_encoded(r, r->roots[method], &s, m)
                            : walk(r, r->roots[method], &s, m, false);
    return WEIR_LIKELY(leaf != 0) ? found(r, leaf, m) : not_found(r, method, path, &s, m);
}
