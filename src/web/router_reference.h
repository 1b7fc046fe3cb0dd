/*
 * A router that is too simple to be wrong, for tests and fuzzers: it splits the path, looks at
 * every route in turn and takes the best. It also says which tables are refused, by the rules of
 * router.h.
 */
#ifndef WEIR_WEB_ROUTER_REFERENCE_H
#define WEIR_WEB_ROUTER_REFERENCE_H

#include <ctype.h>
#include <stdlib.h>

#include "web/router.h"

enum { MODEL_ROUTES_MAX = 24, MODEL_PARTS_MAX = 80, MODEL_BYTES_MAX = 2200 };

/* A pattern or a path, and what stands between its slashes. */
struct parts {
    char text[MODEL_BYTES_MAX];
    size_t len;
    weir_str part[MODEL_PARTS_MAX];
    int count;
};

struct model_route {
    enum weir__http_method method;
    struct parts pattern;
};

struct model {
    enum weir__route_slash slash;
    struct model_route routes[MODEL_ROUTES_MAX];
    int count;
};

static inline weir_str parts_text(const struct parts *p)
{
    return (weir_str){p->text, p->len};
}

static inline void parts_add(struct parts *p, weir_str part)
{
    p->text[p->len++] = '/';
    if (part.len > 0)
        memcpy(p->text + p->len, part.ptr, part.len);
    p->part[p->count++] = (weir_str){p->text + p->len, part.len};
    p->len += part.len;
}

/* Splits a text at its slashes; false when it does not begin with one, or does not fit. */
static inline bool parts_of(struct parts *p, weir_str text)
{
    p->len = 0;
    p->count = 0;
    if (text.len == 0 || text.ptr[0] != '/' || text.len > MODEL_BYTES_MAX)
        return false;
    for (size_t at = 1, end; at <= text.len; at = end + 1) {
        for (end = at; end < text.len && text.ptr[end] != '/'; end++)
            ;
        if (p->count == MODEL_PARTS_MAX - 1)
            return false;
        parts_add(p, (weir_str){text.ptr + at, end - at});
    }
    return true;
}

/* ---- which tables are refused ---- */

/* 0: a literal, 1: a parameter, 2: a wildcard. */
static inline int rank_of(weir_str pattern_part)
{
    if (pattern_part.len == 0)
        return 0;
    return pattern_part.ptr[0] == ':' ? 1 : pattern_part.ptr[0] == '*' ? 2 : 0;
}

static bool is_all_in(weir_str s, const char *set)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\0' || strchr(set, s.ptr[i]) == NULL)
            return false;
    }
    return true;
}

/* A literal without the backslashes of "\:" and "\*", in `plain`. */
static weir_str literal_plain(weir_str s, char plain[MODEL_BYTES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        bool is_escape =
            s.ptr[i] == '\\' && i + 1 < s.len && (s.ptr[i + 1] == ':' || s.ptr[i + 1] == '*');
        if (!is_escape)
            plain[n++] = s.ptr[i];
    }
    return (weir_str){plain, n};
}

static bool is_good_literal(weir_str s)
{
    char plain[MODEL_BYTES_MAX];
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        bool is_escaped = i > 0 && s.ptr[i - 1] == '\\';
        if ((ch == ':' || ch == '*') && is_escaped)
            continue;
        if (ch == '\\' && i + 1 < s.len && (s.ptr[i + 1] == ':' || s.ptr[i + 1] == '*'))
            continue;
        if (ch <= ' ' || ch == 0x7f || strchr("\"#%<>?[\\]^`{|}:*", ch) != NULL)
            return false;
    }
    return literal_plain(s, plain).len <= WEIR__ROUTE_LITERAL_MAX && !weir_str_eq(s, WEIR_S(".")) &&
           !weir_str_eq(s, WEIR_S(".."));
}

static inline bool is_good_pattern(const struct parts *p)
{
    int names = 0;
    for (int i = 0; i < p->count; i++) {
        weir_str part = p->part[i], name = {part.ptr + 1, part.len - 1};
        bool is_last = i == p->count - 1;
        if (rank_of(part) == 0 ? !is_good_literal(part) || (part.len == 0 && !is_last)
                               : name.len == 0 || (rank_of(part) == 2 && !is_last))
            return false;
        if (rank_of(part) == 0)
            continue;
        if (!is_all_in(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"))
            return false;
        for (int k = 0; k < i; k++) {
            if (rank_of(p->part[k]) != 0 &&
                weir_str_eq((weir_str){p->part[k].ptr + 1, p->part[k].len - 1}, name))
                return false;
        }
        names++;
    }
    return names <= WEIR__ROUTE_PARAMS_MAX && p->count <= WEIR__ROUTE_SEGMENTS_MAX;
}

/* How many parts count, when a slash at the end may not. */
static inline int count_of(const struct model *m, const struct parts *p)
{
    bool ends_empty = p->count > 1 && p->part[p->count - 1].len == 0;
    return p->count - (m->slash == WEIR__ROUTE_SLASH_IGNORE && ends_empty);
}

/* True when two routes of one method are the same, or name one parameter in two ways. */
static inline bool is_conflict(const struct model *m, const struct parts *a, const struct parts *b)
{
    int na = count_of(m, a), nb = count_of(m, b), i = 0;
    for (; i < na && i < nb; i++) {
        int rank = rank_of(a->part[i]);
        if (rank != rank_of(b->part[i]))
            return false;
        if (rank == 2)
            return true;
        if (!weir_str_eq(a->part[i], b->part[i]))
            return rank == 1;
    }
    return na == nb;
}

static inline bool conflicts(const struct model *m, enum weir__http_method method,
                             const struct parts *p)
{
    for (int i = 0; i < m->count; i++) {
        if (m->routes[i].method == method && is_conflict(m, &m->routes[i].pattern, p))
            return true;
    }
    return false;
}

/* ---- which route is the best ---- */

/* Decodes a part of a path; -1 when it is no encoding, or stands for what no path may have. */
static int slow_plain(weir_str part, char *plain)
{
    int n = 0;
    for (size_t i = 0; i < part.len; i++) {
        char hex[3] = {0};
        plain[n] = part.ptr[i];
        if (part.ptr[i] == '%') {
            memcpy(hex, part.ptr + i + 1, part.len - i - 1 < 2 ? part.len - i - 1 : 2);
            if (!isxdigit((unsigned char)hex[0]) || !isxdigit((unsigned char)hex[1]))
                return -1;
            plain[n] = (char)strtol(hex, NULL, 16);
            if (plain[n] == '\0')
                return -1;
            i += 2;
        }
        n++;
    }
    bool is_dots = (n == 1 && plain[0] == '.') || (n == 2 && plain[0] == '.' && plain[1] == '.');
    return is_dots ? -1 : n;
}

static inline bool is_good_path(const struct parts *path)
{
    char plain[MODEL_BYTES_MAX];
    for (int i = 0; i < path->count; i++) {
        if (slow_plain(path->part[i], plain) < 0)
            return false;
    }
    return true;
}

/* True when the segment of a path says the literal. */
static bool says(weir_str part, weir_str literal)
{
    char plain[MODEL_BYTES_MAX], wanted[MODEL_BYTES_MAX];
    int n = slow_plain(part, plain);
    return n >= 0 && weir_str_eq((weir_str){plain, (size_t)n}, literal_plain(literal, wanted));
}

static inline bool fits(const struct model *m, const struct parts *pattern,
                        const struct parts *path)
{
    int patterns = count_of(m, pattern), paths = count_of(m, path);
    for (int i = 0; i < patterns; i++) {
        int rank = rank_of(pattern->part[i]);
        if (rank == 2)
            return i < paths || (i == paths && m->slash == WEIR__ROUTE_SLASH_IGNORE);
        if (i >= paths)
            return false;
        if (rank == 1 ? path->part[i].len == 0 : !says(path->part[i], pattern->part[i]))
            return false;
    }
    return patterns == paths;
}

/* True when `a` goes before `b`; both fit the same path. The end goes before a wildcard. */
static inline bool is_before(const struct model *m, const struct parts *a, const struct parts *b)
{
    int na = count_of(m, a), nb = count_of(m, b);
    for (int i = 0; i < na && i < nb; i++) {
        int ra = rank_of(a->part[i]), rb = rank_of(b->part[i]);
        if (ra != rb)
            return ra < rb;
    }
    return na < nb;
}

static inline int best(const struct model *m, enum weir__http_method method,
                       const struct parts *path)
{
    int found = -1;
    for (int i = 0; i < m->count; i++) {
        const struct model_route *route = &m->routes[i];
        if (route->method == method && fits(m, &route->pattern, path) &&
            (found < 0 || is_before(m, &route->pattern, &m->routes[found].pattern)))
            found = i;
    }
    return found;
}

static inline int best_or_get(const struct model *m, enum weir__http_method method,
                              const struct parts *path)
{
    int found = best(m, method, path);
    return found < 0 && method == WEIR_HTTP_HEAD ? best(m, WEIR_HTTP_GET, path) : found;
}

/* True when the path has a route once its last slash is taken off, or one is added. */
static inline bool has_other_slash(const struct model *m, enum weir__http_method method,
                                   const struct parts *path)
{
    struct parts other = *path;
    bool is_method = method > WEIR_HTTP_OTHER && method <= WEIR_HTTP_OPTIONS;
    /* "/\host" in Location would be another host's to a browser. */
    if (!is_method || m->slash != WEIR__ROUTE_SLASH_REDIRECT || path->len < 2 ||
        path->text[1] == '\\')
        return false;
    if (other.count > 1 && other.part[other.count - 1].len == 0)
        other.count--;
    else
        other.part[other.count++] = (weir_str){"", 0};
    return best_or_get(m, method, &other) >= 0;
}

static inline enum weir__route_kind expected_kind(const struct model *m,
                                                  enum weir__http_method method,
                                                  const struct parts *path)
{
    bool is_known = false;
    if (!is_good_path(path))
        return WEIR__ROUTE_BAD_PATH;
    if (best_or_get(m, method, path) >= 0)
        return WEIR__ROUTE_FOUND;
    if (has_other_slash(m, method, path))
        return WEIR__ROUTE_REDIRECT;
    for (enum weir__http_method i = WEIR_HTTP_GET; i < WEIR_HTTP_OPTIONS; i++)
        is_known |= best(m, i, path) >= 0;
    if (!is_known)
        return WEIR__ROUTE_NOT_FOUND;
    return method == WEIR_HTTP_OPTIONS ? WEIR__ROUTE_AUTO_OPTIONS : WEIR__ROUTE_NOT_ALLOWED;
}

/* ---- a look-up against the model; NULL when they agree, else what differs ---- */

/* The parameters of a route that was found, against the parts of the path. */
static inline const char *params_differ(const struct weir__route_match *found,
                                        const struct parts *pattern, const struct parts *path)
{
    size_t count = 0, off = 1;
    for (int i = 0; i < pattern->count; i++) {
        int rank = rank_of(pattern->part[i]);
        if (rank != 0) {
            const struct weir__route_span *span = &found->params[count];
            size_t from = off < path->len ? off : path->len;
            size_t len = rank == 1 ? path->part[i].len : path->len - from;
            weir_str name = found->names[count++];
            if (span->off != from || span->len != len)
                return "a parameter";
            if (!weir_str_eq(name, (weir_str){pattern->part[i].ptr + 1, pattern->part[i].len - 1}))
                return "the name of a parameter";
        }
        off += i < path->count ? path->part[i].len + 1 : 0;
    }
    return found->param_count == count ? NULL : "the number of parameters";
}

static inline const char *allow_differs(const struct model *m, const struct parts *path,
                                        weir_str allow)
{
    char text[128] = "";
    bool has_get = best(m, WEIR_HTTP_GET, path) >= 0;
    for (enum weir__http_method i = WEIR_HTTP_GET; i <= WEIR_HTTP_OPTIONS; i++) {
        if (best(m, i, path) < 0 && i != WEIR_HTTP_OPTIONS && !(i == WEIR_HTTP_HEAD && has_get))
            continue;
        strcat(text, text[0] != '\0' ? ", " : "");
        strncat(text, weir__http_method_name(i).ptr, weir__http_method_name(i).len);
    }
    return weir_str_eq(allow, weir_str_from(text)) ? NULL : "the methods that are allowed";
}

/* `found` is what the router said; routes carry their model_route. */
static inline const char *match_differs(const struct model *m, enum weir__http_method method,
                                        const struct parts *path,
                                        const struct weir__route_match *found)
{
    if (found->kind != expected_kind(m, method, path))
        return "the kind of answer";
    if (found->kind == WEIR__ROUTE_FOUND) {
        const struct model_route *route = &m->routes[best_or_get(m, method, path)];
        return found->route == route ? params_differ(found, &route->pattern, path) : "the route";
    }
    if (found->kind == WEIR__ROUTE_REDIRECT) {
        bool is_safe = method == WEIR_HTTP_GET || method == WEIR_HTTP_HEAD;
        if (found->adds_slash != (path->text[path->len - 1] != '/'))
            return "which way the slash goes";
        return found->status == (is_safe ? 301 : 308) ? NULL : "the status";
    }
    if (found->kind == WEIR__ROUTE_NOT_ALLOWED || found->kind == WEIR__ROUTE_AUTO_OPTIONS)
        return allow_differs(m, path, found->allow);
    return NULL;
}

#endif
