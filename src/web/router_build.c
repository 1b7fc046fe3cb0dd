/*
 * Builds a router: takes routes, checks each alone and all against each other. router_compile.c
 * makes of the result what router.c looks up in.
 *
 * Every mistake of every route is collected, one line each with its place in the source, so that a
 * service with a wrong table says all of it at once and does not start. Two routes of one method
 * conflict when no path could tell them apart, or when they name the same parameter differently,
 * which is a slip more often than a wish.
 *
 * Routes, trie and mistakes live in the router's arena; it ends when the router is frozen, or with
 * a router that has mistakes. Its chunks are then given back to the heap: the thread that builds
 * the router seldom needs as much again.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "web/router.h"
#include "web/router_table.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARENA_BYTES_MAX ((size_t)256 << 20)

struct weir__router *weir__router_new(enum weir__route_slash slash)
{
    struct weir__router *r = weir__calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    weir__arena_init(&r->arena, NULL, 0, ARENA_BYTES_MAX);
    r->slash = slash;
    r->routes_end = &r->routes;
    return r;
}

static void end_arena(struct weir__router *r)
{
    weir__arena_fini(&r->arena);
    weir__arena_trim();
}

void weir__router_free(struct weir__router *r)
{
    if (r == NULL)
        return;
    end_arena(r);
    weir__free(r->block);
    weir__free(r);
}

size_t weir__router_mistake_count(const struct weir__router *r)
{
    return r->mistake_count;
}

const char *weir__router_mistake(const struct weir__router *r, size_t i)
{
    return i < r->mistake_count && i < WEIR__ROUTER_MISTAKES_MAX ? r->mistakes[i] : NULL;
}

/* Writes one line about a route: "file:line: GET /path: …". */
static __attribute__((format(printf, 3, 4))) void mistake(struct weir__router *r,
                                                          const struct weir__router_route *route,
                                                          const char *format, ...)
{
    char text[1024];
    weir_str method = weir__http_method_name(route->method);
    int at = snprintf(text, sizeof text, "%s:%d: " WEIR_STR_FMT " %.400s: ", route->file,
                      route->line, WEIR_STR_ARG(method), route->pattern.ptr);
    if (at > 0 && (size_t)at < sizeof text) {
        va_list values;
        va_start(values, format);
        vsnprintf(text + at, sizeof text - (size_t)at, format, values);
        va_end(values);
    }
    if (r->mistake_count < WEIR__ROUTER_MISTAKES_MAX) {
        weir_str copy = weir__arena_str(&r->arena, weir_str_from(text));
        r->mistakes[r->mistake_count] = copy.ptr;
        if (copy.ptr == NULL)
            r->err = -ENOMEM;
    }
    r->mistake_count++;
}

static bool is_name_byte(unsigned char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '_' || ch == '-';
}

/* Literals are written decoded: what must be encoded in a URL and is ASCII may not stand in one. */
static bool is_literal_byte(unsigned char ch)
{
    return ch > ' ' && ch != 0x7f && strchr("\"#%<>?[\\]^`{|}:*", ch) == NULL;
}

static void mistake_byte(struct weir__router *r, const struct weir__router_route *route,
                         unsigned char ch)
{
    if (ch == ':' || ch == '*')
        mistake(r, route,
                "'%c' may stand at the beginning of a segment only; the character itself is "
                "\"\\\\%c\" in C",
                ch, ch);
    else if (ch == '\\')
        mistake(r, route,
                "'\\' stands before ':' or '*' only, to make them text; a backslash itself may not "
                "stand in a pattern");
    else if (ch > ' ' && ch < 0x7f)
        mistake(r, route, "'%c' may not stand in a pattern", ch);
    else
        mistake(r, route, "the byte 0x%02x may not stand in a pattern", ch);
}

/* True when "\:" or "\*" stands at `i`. A NUL is in every set that strchr looks in. */
static bool is_escape(weir_str s, size_t i)
{
    return s.ptr[i] == '\\' && i + 1 < s.len && (s.ptr[i + 1] == ':' || s.ptr[i + 1] == '*');
}

/*
 * A literal without its escapes, "\:" and "\*". A backslash before another byte stays, and is a
 * mistake for check_literal to find. Absent when there is no memory.
 */
static weir_str unescaped(struct weir__router *r, weir_str s)
{
    if (s.len == 0 || memchr(s.ptr, '\\', s.len) == NULL)
        return s;
    char *plain = weir__arena_alloc(&r->arena, s.len);
    size_t n = 0;
    if (plain == NULL) {
        r->err = -ENOMEM;
        return (weir_str){NULL, 0};
    }
    for (size_t i = 0; i < s.len; i++)
        plain[n++] = s.ptr[is_escape(s, i) ? ++i : i];
    return (weir_str){plain, n};
}

/* `s` as it is written: what stands in it without an escape must be allowed to. */
static void check_bytes(struct weir__router *r, const struct weir__router_route *route, weir_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (is_escape(s, i)) {
            i++;
        } else if (!is_literal_byte((unsigned char)s.ptr[i])) {
            mistake_byte(r, route, (unsigned char)s.ptr[i]);
            return;
        }
    }
}

/* `plain` is `s` without its escapes. */
static void check_literal(struct weir__router *r, const struct weir__router_route *route,
                          weir_str s, weir_str plain)
{
    if (weir_str_eq(s, WEIR_S(".")) || weir_str_eq(s, WEIR_S(".."))) {
        mistake(r, route, "no path may have the segment '" WEIR_STR_FMT "'", WEIR_STR_ARG(s));
        return;
    }
    if (plain.len > WEIR__ROUTE_LITERAL_MAX)
        mistake(r, route, "a segment has more than %d bytes", WEIR__ROUTE_LITERAL_MAX);
    check_bytes(r, route, s);
}

static bool has_name(const struct weir__router_route *route, weir_str name)
{
    for (uint32_t i = 0; i < route->segment_count; i++) {
        const struct weir__router_segment *s = &route->segments[i];
        if (s->kind != WEIR__ROUTER_LITERAL && weir_str_eq(s->text, name))
            return true;
    }
    return false;
}

/* `sigil` is ':' or '*'; the segments before this one are in the route already. */
static void check_name(struct weir__router *r, struct weir__router_route *route, char sigil,
                       weir_str name)
{
    if (name.len == 0) {
        mistake(r, route, "'%c' without a name", sigil);
        return;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!is_name_byte((unsigned char)name.ptr[i])) {
            mistake(r, route,
                    "the name in '%c" WEIR_STR_FMT "' may have letters, digits, '_' and '-' only",
                    sigil, WEIR_STR_ARG(name));
            return;
        }
    }
    if (has_name(route, name))
        mistake(r, route, "two parameters are named '" WEIR_STR_FMT "'", WEIR_STR_ARG(name));
    if (++route->name_count == WEIR__ROUTE_PARAMS_MAX + 1)
        mistake(r, route, "more than %d parameters", WEIR__ROUTE_PARAMS_MAX);
}

static void check_segment(struct weir__router *r, struct weir__router_route *route, weir_str s,
                          bool is_last)
{
    struct weir__router_segment seg = {s, WEIR__ROUTER_LITERAL};
    if (s.len == 0 && !is_last)
        mistake(r, route, "an empty segment: '//'");
    if (s.len > 0 && (s.ptr[0] == ':' || s.ptr[0] == '*')) {
        seg.kind = s.ptr[0] == ':' ? WEIR__ROUTER_PARAM : WEIR__ROUTER_WILD;
        seg.text = (weir_str){s.ptr + 1, s.len - 1};
        if (seg.kind == WEIR__ROUTER_WILD && !is_last)
            mistake(r, route, "'" WEIR_STR_FMT "' must be the last segment", WEIR_STR_ARG(s));
        check_name(r, route, s.ptr[0], seg.text);
    } else {
        seg.text = unescaped(r, s);
        check_literal(r, route, s, seg.text);
    }
    route->segments[route->segment_count++] = seg;
}

/* Splits the pattern into the route's segments, which have room for all allowed. */
static void check_pattern(struct weir__router *r, struct weir__router_route *route)
{
    const char *at = route->pattern.ptr, *end = at + route->pattern.len;
    if (at == end || *at != '/') {
        mistake(r, route, "a pattern begins with '/'");
        return;
    }
    for (bool is_last = false; !is_last;) {
        at++;
        const char *slash = memchr(at, '/', (size_t)(end - at));
        is_last = slash == NULL;
        weir_str s = {at, (size_t)((is_last ? end : slash) - at)};
        if (route->segment_count == WEIR__ROUTE_SEGMENTS_MAX) {
            mistake(r, route, "more than %d segments", WEIR__ROUTE_SEGMENTS_MAX);
            return;
        }
        check_segment(r, route, s, is_last);
        at = slash;
    }
    bool ends_empty = route->segments[route->segment_count - 1].text.len == 0;
    if (r->slash == WEIR__ROUTE_SLASH_IGNORE && route->segment_count > 1 && ends_empty)
        route->segment_count--;
}

static struct weir__router_route *new_route(struct weir__router *r, weir_str pattern)
{
    struct weir__router_route *route = weir__arena_alloc(&r->arena, sizeof *route);
    size_t count = 1;
    if (route == NULL)
        return NULL;
    for (size_t i = 0; i < pattern.len; i++)
        count += pattern.ptr[i] == '/';
    count = count < WEIR__ROUTE_SEGMENTS_MAX ? count : WEIR__ROUTE_SEGMENTS_MAX;
    memset(route, 0, sizeof *route);
    route->pattern = weir__arena_str(&r->arena, pattern);
    route->segments = weir__arena_alloc(&r->arena, count * sizeof *route->segments);
    return route->pattern.ptr != NULL && route->segments != NULL ? route : NULL;
}

void weir__router_add(struct weir__router *r, enum weir__http_method method, weir_str pattern,
                      void *data, const char *file, int line)
{
    WEIR_ASSERT(!r->is_frozen, "no route is added to a frozen router");
    if (r->route_count > WEIR__ROUTER_ROUTES_MAX)
        return;
    struct weir__router_route *route = new_route(r, pattern);
    if (route == NULL) {
        r->err = -ENOMEM;
        return;
    }
    size_t mistakes = r->mistake_count;
    route->route = data;
    route->file = file;
    route->line = line;
    route->method = method;
    if (method <= WEIR_HTTP_OTHER || method > WEIR_HTTP_OPTIONS)
        mistake(r, route, "routes cannot have this method");
    if (++r->route_count > WEIR__ROUTER_ROUTES_MAX)
        mistake(r, route, "more than %d routes", WEIR__ROUTER_ROUTES_MAX);
    check_pattern(r, route);
    route->has_mistake = r->mistake_count != mistakes;
    *r->routes_end = route;
    r->routes_end = &route->next;
}

static uint32_t new_node(struct weir__router_trie *t)
{
    memset(&t->nodes[t->node_count], 0, sizeof *t->nodes);
    return t->node_count++;
}

static uint64_t text_hash(weir_str s)
{
    uint64_t h = 14695981039346656037ULL;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.ptr[i]) * 1099511628211ULL;
    return h ^ h >> 32;
}

/* The number of a literal, a new one if it is new. */
static uint32_t number_of(struct weir__router_trie *t, weir_str text)
{
    uint32_t i = (uint32_t)text_hash(text) & t->slot_mask;
    for (; t->slots[i] != 0; i = (i + 1) & t->slot_mask) {
        if (weir_str_eq(t->literals[t->slots[i]], text))
            return t->slots[i];
    }
    t->slots[i] = ++t->literal_count;
    t->literals[t->literal_count] = text;
    return t->literal_count;
}

static uint32_t literal_child(struct weir__router_trie *t, uint32_t node, weir_str text)
{
    uint32_t number = number_of(t, text);
    uint32_t child = t->nodes[node].first;
    while (child != 0 && t->nodes[child].literal != number)
        child = t->nodes[child].next;
    if (child == 0) {
        child = new_node(t);
        t->nodes[child].literal = number;
        t->nodes[child].next = t->nodes[node].first;
        t->nodes[node].first = child;
    }
    return child;
}

/* The node after a parameter; 0 when another route has named it differently. */
static uint32_t param_child(struct weir__router *r, struct weir__router_trie *t, uint32_t node,
                            const struct weir__router_route *route, weir_str name)
{
    if (t->nodes[node].param == 0) {
        uint32_t child = new_node(t);
        t->nodes[node].param = child;
        t->nodes[node].param_route = route;
        t->nodes[node].param_name = name;
    }
    const struct weir__router_route *first = t->nodes[node].param_route;
    weir_str first_name = t->nodes[node].param_name;
    if (weir_str_eq(first_name, name))
        return t->nodes[node].param;
    weir_str method = weir__http_method_name(first->method);
    mistake(r, route,
            "':" WEIR_STR_FMT "' stands where " WEIR_STR_FMT " %.400s at %s:%d has ':" WEIR_STR_FMT
            "'",
            WEIR_STR_ARG(name), WEIR_STR_ARG(method), first->pattern.ptr, first->file, first->line,
            WEIR_STR_ARG(first_name));
    return 0;
}

/* Puts the route at its place, which must be free. */
static void settle(struct weir__router *r, const struct weir__router_trie *t, uint32_t *place,
                   uint32_t index)
{
    if (*place == 0) {
        *place = index + 1;
        return;
    }
    const struct weir__router_route *first = t->routes[*place - 1];
    weir_str method = weir__http_method_name(first->method);
    mistake(r, t->routes[index], "the same path as " WEIR_STR_FMT " %.400s at %s:%d",
            WEIR_STR_ARG(method), first->pattern.ptr, first->file, first->line);
}

static void plant(struct weir__router *r, struct weir__router_trie *t, uint32_t index)
{
    const struct weir__router_route *route = t->routes[index];
    uint32_t *root = &r->roots[route->method];
    if (*root == 0)
        *root = new_node(t);
    uint32_t node = *root;
    for (uint32_t i = 0; i < route->segment_count; i++) {
        const struct weir__router_segment *s = &route->segments[i];
        if (s->kind == WEIR__ROUTER_WILD) {
            settle(r, t, &t->nodes[node].wild, index);
            return;
        }
        node = s->kind == WEIR__ROUTER_PARAM ? param_child(r, t, node, route, s->text)
                                             : literal_child(t, node, s->text);
        if (node == 0)
            return;
    }
    settle(r, t, &t->nodes[node].leaf, index);
}

/* Room for everything that all routes can need together. */
static weir_err make_room(struct weir__router *r, struct weir__router_trie *t)
{
    size_t segments = 0, slots = 16;
    for (const struct weir__router_route *route = r->routes; route != NULL; route = route->next)
        segments += route->segment_count;
    while (slots < 2 * segments)
        slots *= 2;
    size_t nodes = segments + 1 + WEIR__ROUTER_METHODS;
    t->routes = weir__arena_alloc(&r->arena, (r->route_count + 1) * sizeof *t->routes);
    t->nodes = weir__arena_alloc(&r->arena, nodes * sizeof *t->nodes);
    t->literals = weir__arena_alloc(&r->arena, (segments + 1) * sizeof *t->literals);
    t->slots = weir__arena_alloc(&r->arena, slots * sizeof *t->slots);
    if (t->routes == NULL || t->nodes == NULL || t->literals == NULL || t->slots == NULL)
        return -ENOMEM;
    memset(t->slots, 0, slots * sizeof *t->slots);
    t->slot_mask = (uint32_t)(slots - 1);
    t->node_count = t->literal_count = 0;
    new_node(t); /* nobody, and the root of methods without routes */
    return WEIR_OK;
}

/* Routes with mistakes of their own are left out: they would only cause others. */
static void plant_all(struct weir__router *r, struct weir__router_trie *t)
{
    uint32_t index = 0;
    for (const struct weir__router_route *route = r->routes; route != NULL; route = route->next) {
        t->routes[index] = route;
        if (!route->has_mistake)
            plant(r, t, index);
        index++;
    }
}

weir_err weir__router_freeze(struct weir__router *r)
{
    struct weir__router_trie t;
    WEIR_ASSERT(!r->is_frozen, "a router is frozen once");
    if (r->err == WEIR_OK)
        r->err = make_room(r, &t);
    if (r->err != WEIR_OK)
        return r->err;
    plant_all(r, &t);
    if (r->err == WEIR_OK && r->mistake_count > 0)
        r->err = WEIR_EINVALID;
    if (r->err == WEIR_OK)
        r->err = weir__router_compile(r, &t);
    if (r->err != WEIR_OK)
        return r->err;
    end_arena(r);
    r->routes = NULL;
    r->is_frozen = true;
    return WEIR_OK;
}
