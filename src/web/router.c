/*
 * The look-up in a frozen router. The table is a trie of segments, one root a method, in one block.
 *
 * A path's slashes become bits of a word, 16 bytes at a time. A segment that meets literals becomes
 * a number (one probe of one table that all literals share, and which does not wait for the trie),
 * and a literal child is one load and one compare: edges[base + number], where the nodes' ranges
 * lie in each other like the teeth of combs. A node that has only a parameter does not look at the
 * segment at all. The first way is gone without remembering choices; only where it ends does a walk
 * begin that can go back. The 203 GitHub routes, on a machine where Gin takes 45 ns a look-up: 32
 * ns with choices always kept, 25 without them, 22 with bits in place of an array of slashes. Paths
 * over 63 bytes, or with '%' or '.', are split into such an array and take the walk at once.
 *
 * The hard thing is backtracking: a literal may lead into a dead end where a parameter would not.
 * Choices left are kept on a stack. Every node is reached by one way only, so a look-up visits a
 * node at most once and is bounded by the size of the table, whatever the path.
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
    bool is_suspect; /* there is a '%' or a '.' */
    bool has_percent;
    uint16_t slash[WEIR__ROUTE_SEGMENTS_MAX + 4];
    char copy[32];
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

/*
 * What was seen in a block of up to 64 bytes: its slashes, a bit each, and if there is '%' or '.'.
 */
struct seen {
    uint64_t slashes;
    bool is_suspect;
};

#if defined(__SSE2__)
static inline uint64_t slashes_16(const char *p, __m128i *suspects)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i percents = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('%'));
    __m128i dots = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('.'));
    *suspects = _mm_or_si128(*suspects, _mm_or_si128(percents, dots));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('/')));
}

/* Looks at 16 to 64 bytes. Blocks may overlap: the same bits are then found twice. */
static inline struct seen look_at(const char *p, size_t n)
{
    __m128i suspects = _mm_setzero_si128();
    uint64_t slashes = slashes_16(p, &suspects) | slashes_16(p + n - 16, &suspects) << (n - 16);
    if (n > 32)
        slashes |= slashes_16(p + 16, &suspects) << 16;
    if (n > 48)
        slashes |= slashes_16(p + 32, &suspects) << 32;
    return (struct seen){slashes, _mm_movemask_epi8(suspects) != 0};
}
#else
static inline struct seen look_at(const char *p, size_t n)
{
    struct seen seen = {0, false};
    for (size_t i = 0; i < n; i++) {
        seen.slashes |= (uint64_t)(p[i] == '/') << i;
        seen.is_suspect |= p[i] == '%' || p[i] == '.';
    }
    return seen;
}
#endif

/* Splits a path of 1 to PATH_MAX bytes that begins with '/', up to `count_max` segments. */
static inline void split_path(struct split *s, weir_str path, uint32_t count_max)
{
    size_t len = path.len;
    uint32_t count = 0;
    s->bytes = path.ptr;
    s->load_max = len - 8;
    s->len = len;
    s->is_suspect = false;
    if (len < 16) {
        uint64_t words[4] = {0, 0, 0, 0};
        load_short(path.ptr, len, words);
        memcpy(s->copy, words, sizeof s->copy);
        s->bytes = s->copy;
        s->load_max = sizeof s->copy - 8;
    }
    for (size_t at = 0; at < len; at += 64) {
        /* The last block is made 16 bytes long with bytes before it, whose bits are shifted out. */
        size_t n = len - at < 64 ? len - at : 64;
        size_t early = n < 16 && at > 0 ? 16 - n : 0;
        struct seen seen = look_at(s->bytes + at - early, n < 16 ? 16 : n);
        uint64_t bits = seen.slashes >> early;
        s->is_suspect |= seen.is_suspect;
        for (; bits != 0 && count <= count_max; bits &= bits - 1)
            s->slash[count++] = (uint16_t)(at + (size_t)__builtin_ctzll(bits));
    }
    s->is_whole = count <= count_max;
    s->count = s->is_whole ? count : count_max;
    if (s->is_whole)
        s->slash[count] = (uint16_t)len;
}

/* 8 bytes from `off` on, of which those beyond load_max + 8 are zeroes. */
static inline uint64_t load_8(const char *bytes, size_t off, size_t load_max)
{
    size_t from = off < load_max ? off : load_max;
    uint64_t word;
    memcpy(&word, bytes + from, 8);
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

/* True when the literal, which has the same head and length, has the same last 8 bytes. */
static inline bool same_tail(const struct weir__router_literal *l, const char *bytes, size_t len)
{
    uint64_t tail;
    if (len <= 8)
        return true;
    memcpy(&tail, bytes + len - 8, 8);
    return tail == l->tail;
}

/* The number of the literal with these bytes, from slot `i` on; 0 when no pattern has it. */
static __attribute__((noinline)) uint32_t literal_from(const struct weir__router *r, uint32_t i,
                                                       const char *bytes, uint64_t head, size_t len)
{
    for (;; i = (i + 1) & r->literal_mask) {
        const struct weir__router_literal *l = &r->literals[i];
        if (l->head == head && l->len == len && memcmp(r->text + l->text, bytes, len) == 0)
            return l->id;
        if (l->id == 0)
            return 0;
    }
}

/* The same from its hash; nearly always the first slot tells. */
static inline uint32_t literal_of(const struct weir__router *r, const char *bytes, uint64_t head,
                                  size_t len)
{
    uint32_t i = weir__router_hash(r, head, len);
    const struct weir__router_literal *l = &r->literals[i];
    if (WEIR_LIKELY(l->head == head && l->len == len && len <= 16 && same_tail(l, bytes, len)))
        return l->id;
    return l->id == 0 ? 0 : literal_from(r, i, bytes, head, len);
}

/* The same for an encoded segment: it is the literal when it is so after decoding. */
static __attribute__((noinline)) uint32_t literal_of_encoded(const struct weir__router *r,
                                                             const char *bytes, size_t len)
{
    char plain[WEIR__ROUTE_LITERAL_MAX * 3 + 8];
    uint64_t head;
    if (len > sizeof plain - 8)
        return 0;
    memset(plain, 0, 8);
    int n = weir__url_decode((weir_str){bytes, len}, plain);
    if (n < 0)
        return 0;
    memcpy(&head, plain, 8);
    return literal_of(r, plain, low_bytes(head, (size_t)n), (size_t)n);
}

static inline uint32_t literal_at(const struct weir__router *r, const struct split *s, size_t off,
                                  size_t len)
{
    const char *bytes = s->bytes + off;
    if (s->has_percent && memchr(bytes, '%', len) != NULL)
        return literal_of_encoded(r, bytes, len);
    return literal_of(r, bytes, low_bytes(load_8(s->bytes, off, s->load_max), len), len);
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
                                     struct weir__route_span seg)
{
    if (n->base == 0)
        return 0;
    const struct weir__router_edge *e = &r->edges[n->base + literal_at(r, s, seg.off, seg.len)];
    return e->parent == w->node ? e->child : 0;
}

/*
 * Goes on at a segment, literals first or (after a step back) from the parameter on. False: dead
 * end.
 */
static inline bool advance(const struct weir__router *r, const struct split *s, struct walk *w,
                           struct weir__route_match *m, enum stage from)
{
    const struct weir__router_node *n = &r->nodes[w->node];
    struct weir__route_span seg = segment(s, w->depth);
    uint32_t next = from == LITERAL ? literal_child(r, w, n, s, seg) : 0;
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
static __attribute__((noinline)) uint32_t walk(const struct weir__router *r, uint32_t root,
                                               const struct split *s, struct weir__route_match *m)
{
    struct walk w;
    enum stage from = LITERAL;
    w.node = root;
    w.depth = w.params = w.choices = 0;
    for (;;) {
        while (w.depth < s->count && advance(r, s, &w, m, from))
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

/* The same for a method, of which nothing is asked when it has no route at all. */
static inline uint32_t leaf_for(const struct weir__router *r, unsigned method,
                                const struct split *s, struct weir__route_match *m)
{
    uint32_t root = r->roots[method];
    return root != 0 ? walk(r, root, s, m) : 0;
}

/* The wildcard of `n` takes the path from `off` on as its last parameter. 0: there is none. */
static inline uint32_t take_rest(const struct weir__router_node *n, size_t off, size_t path_len,
                                 struct weir__route_span *param, struct weir__route_match *m)
{
    if (n->wild == 0)
        return 0;
    *param++ = (struct weir__route_span){(uint16_t)off, (uint16_t)(path_len - off)};
    m->param_count = (uint16_t)(param - m->params);
    return n->wild;
}

/*
 * Goes the first way that a walk would try, which is nearly always the right one, so nothing is
 * remembered for going back. `ends` has a bit for each slash and one for the end. 0: ask walk.
 */
static inline uint32_t walk_straight(const struct weir__router *r, uint32_t node, const char *bytes,
                                     size_t load_max, uint64_t ends, size_t path_len,
                                     struct weir__route_match *m)
{
    struct weir__route_span *param = m->params;
    const struct weir__router_node *n = &r->nodes[node];
    size_t off = (size_t)__builtin_ctzll(ends) + 1;
    while ((ends &= ends - 1) != 0) {
        size_t end = (size_t)__builtin_ctzll(ends), len = end - off, begin = off;
        off = end + 1;
        if (n->base != 0) {
            uint64_t head = low_bytes(load_8(bytes, begin, load_max), len);
            const struct weir__router_edge *e =
                &r->edges[n->base + literal_of(r, bytes + begin, head, len)];
            if (WEIR_LIKELY(e->parent == node)) {
                node = e->child;
                n = &r->nodes[node];
                continue;
            }
        }
        if (len == 0)
            return 0;
        if (n->param == 0)
            return take_rest(n, begin, path_len, param, m);
        *param++ = (struct weir__route_span){(uint16_t)begin, (uint16_t)len};
        node = n->param;
        n = &r->nodes[node];
    }
    m->param_count = (uint16_t)(param - m->params);
    return n->leaf;
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
    for (unsigned i = WEIR_HTTP_GET; i < WEIR__ROUTER_METHODS; i++) {
        if (leaf_for(r, i, s, m) != 0)
            methods |= 1U << i;
    }
    return methods;
}

/*
 * True when the path with its slash added or taken off has a route. Never for a path that a browser
 * would take for another host's when it stands in Location ("/\host/"; "//host" has no such route).
 */
static bool has_other_form(const struct weir__router *r, enum weir__http_method method,
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
    bool has = leaf_for(r, method, s, m) != 0 ||
               (method == WEIR_HTTP_HEAD && leaf_for(r, WEIR_HTTP_GET, s, m) != 0);
    s->count = count;
    return has;
}

/* The method has no route for the path: what else is there to say? */
static __attribute__((noinline)) enum weir__route_kind not_found(const struct weir__router *r,
                                                                 enum weir__http_method method,
                                                                 weir_str path, struct split *s,
                                                                 struct weir__route_match *m)
{
    bool is_known = method > WEIR_HTTP_OTHER && method <= WEIR_HTTP_OPTIONS;
    if (method == WEIR_HTTP_HEAD) {
        uint32_t leaf = leaf_for(r, WEIR_HTTP_GET, s, m);
        if (leaf != 0)
            return found(r, leaf, m);
    }
    unsigned methods = methods_of(r, s, m);
    if (is_known && has_other_form(r, method, path, s, m)) {
        m->status = method == WEIR_HTTP_GET || method == WEIR_HTTP_HEAD ? 301 : 308;
        return m->kind = WEIR__ROUTE_REDIRECT;
    }
    /* A route for OPTIONS alone, such as one for all paths, does not make a path known. */
    if ((methods & ~(1U << WEIR_HTTP_OPTIONS)) == 0)
        return m->kind = WEIR__ROUTE_NOT_FOUND;
    m->allow = r->allow[methods];
    return m->kind =
               method == WEIR_HTTP_OPTIONS ? WEIR__ROUTE_AUTO_OPTIONS : WEIR__ROUTE_NOT_ALLOWED;
}

/* Everything that match_short cannot do. */
static __attribute__((noinline)) enum weir__route_kind match_any(const struct weir__router *r,
                                                                 enum weir__http_method method,
                                                                 weir_str path,
                                                                 struct weir__route_match *m)
{
    struct split s;
    uint32_t leaf = 0;
    if (path.len == 0 || path.ptr[0] != '/')
        return bad_path(m, "the path does not begin with '/'");
    if (path.len > WEIR__ROUTE_PATH_MAX)
        return bad_path(m, "the path is too long");
    split_path(&s, path, r->depth_max + 1);
    s.has_percent = s.is_suspect && memchr(path.ptr, '%', path.len) != NULL;
    if (s.is_suspect) {
        int err = weir__url_path_check(path);
        if (err != 0)
            return bad_path(m, weir__url_error_text(err));
    }
    if (r->slash == WEIR__ROUTE_SLASH_IGNORE && s.is_whole && s.count > 1)
        s.count -= path.ptr[path.len - 1] == '/';
    if ((unsigned)method <= WEIR_HTTP_OPTIONS)
        leaf = leaf_for(r, method, &s, m);
    return leaf != 0 ? found(r, leaf, m) : not_found(r, method, path, &s, m);
}

/* The leaf for a path of up to 63 bytes without '%' and '.' that needs no going back; else 0. */
static inline uint32_t match_short(const struct weir__router *r, enum weir__http_method method,
                                   weir_str path, struct weir__route_match *m)
{
    char copy[32];
    const char *bytes = path.ptr;
    size_t len = path.len, load_max = len - 8, n = len;
    if (len < 16) {
        uint64_t words[4] = {0, 0, 0, 0};
        load_short(path.ptr, len, words);
        memcpy(copy, words, sizeof copy);
        bytes = copy;
        load_max = sizeof copy - 8;
        n = 16;
    }
    struct seen seen = look_at(bytes, n);
    if (seen.is_suspect || (seen.slashes & 1) == 0)
        return 0;
    return walk_straight(r, r->roots[method], bytes, load_max, seen.slashes | 1ULL << len, len, m);
}

enum weir__route_kind weir__router_match(const struct weir__router *r,
                                         enum weir__http_method method, weir_str path,
                                         struct weir__route_match *m)
{
    WEIR_ASSERT(r->is_frozen, "a router is frozen before the first look-up");
    m->backtracks = 0;
    if (path.len - 1 < 63 && (unsigned)method <= WEIR_HTTP_OPTIONS) {
        uint32_t leaf = match_short(r, method, path, m);
        if (WEIR_LIKELY(leaf != 0))
            return found(r, leaf, m);
    }
    return match_any(r, method, path, m);
}
