/*
 * The router against a model that is too simple to be wrong: it splits the path, looks at every
 * route in turn and takes the best. 100,000 look-ups in random tables, the same ones each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "web/router.h"

enum { TABLES = 2000, LOOKUPS = 50, ROUTES_MAX = 24, SEGMENTS_MAX = 6 };

struct parts {
    char text[SEGMENTS_MAX * 32];
    char part[SEGMENTS_MAX + 1][32];
    int count;
};

struct model_route {
    enum weir__http1_method method;
    struct parts pattern;
};

struct model {
    enum weir__route_slash slash;
    struct model_route routes[ROUTES_MAX];
    int count;
};

static uint64_t seed = 1;

static int below(int n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (int)(seed % (uint64_t)n);
}

static enum weir__http1_method some_method(void)
{
    static const enum weir__http1_method methods[] = {
        WEIR_HTTP1_GET,    WEIR_HTTP1_GET,     WEIR_HTTP1_GET,  WEIR_HTTP1_POST,
        WEIR_HTTP1_DELETE, WEIR_HTTP1_OPTIONS, WEIR_HTTP1_HEAD,
    };
    return methods[below(7)];
}

static const char *const words[] = {
    "a",
    "b",
    "ab",
    "users",
    "abcdefgh",
    "abcdefghi",
    "abcdefghj",
    "abcdefghijklmnopq",
    "abcdefghXjklmnopq",
    "items",
    "",
};

static void parts_add(struct parts *p, const char *part)
{
    snprintf(p->part[p->count++], sizeof p->part[0], "%s", part);
    strcat(p->text, "/");
    strcat(p->text, part);
}

/* Parameters are named after their depth, so that names never conflict. */
static void some_pattern(struct parts *p)
{
    int count = 1 + below(SEGMENTS_MAX - 1);
    char name[16];
    memset(p, 0, sizeof *p);
    for (int i = 0; i < count; i++) {
        int kind = below(10);
        snprintf(name, sizeof name, "%cp%d", kind < 4 ? ':' : '*', i);
        if (kind < 4 || (kind == 4 && i == count - 1))
            parts_add(p, name);
        else
            parts_add(p, words[below(i == count - 1 ? 11 : 10)]);
    }
}

static void some_path(struct parts *p, const struct model *m)
{
    static const char *const others[] = {"zz",          "%61", "us%65rs", "a.b",
                                         "abcdefgh%69", "%2F", "a%2Fb"};
    const struct parts *like = &m->routes[below(m->count)].pattern;
    int count = like->count - 1 + below(3);
    memset(p, 0, sizeof *p);
    for (int i = 0; i < count || i == 0; i++) {
        int kind = below(10);
        bool is_like = i < like->count && strchr(":*", like->part[i][0]) == NULL;
        parts_add(p, kind < 7 && is_like ? like->part[i]
                     : kind < 9          ? words[below(11)]
                                         : others[below(7)]);
    }
}

/* True when the segment of a path says the literal; decodes it the slow way. */
static bool says(const char *part, const char *literal)
{
    char plain[32];
    int n = 0;
    for (; *part != '\0'; part++) {
        unsigned byte = (unsigned char)*part;
        if (byte == '%' && sscanf(part + 1, "%2x", &byte) == 1)
            part += 2;
        plain[n++] = (char)byte;
    }
    plain[n] = '\0';
    return strcmp(plain, literal) == 0;
}

static int rank_of(const char *pattern_part)
{
    return pattern_part[0] == ':' ? 1 : pattern_part[0] == '*' ? 2 : 0;
}

/* How many parts count, when a slash at the end may not. */
static int count_of(const struct model *m, const struct parts *p)
{
    bool ends_empty = p->count > 1 && p->part[p->count - 1][0] == '\0';
    return p->count - (m->slash == WEIR__ROUTE_SLASH_IGNORE && ends_empty);
}

static bool fits(const struct model *m, const struct parts *pattern, const struct parts *path)
{
    int patterns = count_of(m, pattern), paths = count_of(m, path);
    for (int i = 0; i < patterns; i++) {
        int rank = rank_of(pattern->part[i]);
        if (rank == 2)
            return i < paths || (i == paths && m->slash == WEIR__ROUTE_SLASH_IGNORE);
        if (i >= paths)
            return false;
        if (rank == 1 ? path->part[i][0] == '\0' : !says(path->part[i], pattern->part[i]))
            return false;
    }
    return patterns == paths;
}

/* True when `a` goes before `b`; both fit the same path. The end goes before a wildcard. */
static bool is_before(const struct model *m, const struct parts *a, const struct parts *b)
{
    int na = count_of(m, a), nb = count_of(m, b);
    for (int i = 0; i < na && i < nb; i++) {
        int ra = rank_of(a->part[i]), rb = rank_of(b->part[i]);
        if (ra != rb)
            return ra < rb;
    }
    return na < nb;
}

static int best(const struct model *m, enum weir__http1_method method, const struct parts *path)
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

static int best_or_get(const struct model *m, enum weir__http1_method method,
                       const struct parts *path)
{
    int found = best(m, method, path);
    return found < 0 && method == WEIR_HTTP1_HEAD ? best(m, WEIR_HTTP1_GET, path) : found;
}

static bool has_shape(const struct model *m, enum weir__http1_method method, const struct parts *p)
{
    for (int i = 0; i < m->count; i++) {
        const struct parts *other = &m->routes[i].pattern;
        int count = count_of(m, p), k = 0;
        if (m->routes[i].method != method || count_of(m, other) != count)
            continue;
        while (k < count &&
               (rank_of(p->part[k]) != 0 ? rank_of(p->part[k]) == rank_of(other->part[k])
                                         : strcmp(p->part[k], other->part[k]) == 0))
            k++;
        if (k == count)
            return true;
    }
    return false;
}

static struct weir__router *some_table(struct model *m)
{
    m->slash = (enum weir__route_slash)below(3);
    m->count = 0;
    struct weir__router *r = weir__router_new(m->slash);
    assert_non_null(r);
    for (int wanted = 1 + below(ROUTES_MAX); wanted > 0; wanted--) {
        struct model_route *route = &m->routes[m->count];
        some_pattern(&route->pattern);
        route->method = some_method();
        if (has_shape(m, route->method, &route->pattern))
            continue;
        weir__router_add(r, route->method, weir_str_from(route->pattern.text), route, "model",
                         ++m->count);
    }
    if (weir__router_freeze(r) != WEIR_OK)
        fail_msg("%s", weir__router_mistake(r, 0));
    return r;
}

/* The parameters of a route that was found, against the parts of the path. */
static void check_params(const struct weir__route_match *found, const struct parts *pattern,
                         const struct parts *path)
{
    size_t count = 0, off = 1;
    for (int i = 0; i < pattern->count; i++) {
        int rank = rank_of(pattern->part[i]);
        if (rank != 0) {
            assert_int_equal(found->params[count].off,
                             off < strlen(path->text) ? off : strlen(path->text));
            size_t rest = strlen(path->text) - found->params[count].off;
            assert_int_equal(found->params[count].len, rank == 1 ? strlen(path->part[i]) : rest);
            weir_str name = found->names[count++];
            assert_true(weir_str_eq(name, weir_str_from(pattern->part[i] + 1)));
        }
        off += i < path->count ? strlen(path->part[i]) + 1 : 0;
    }
    assert_int_equal(found->param_count, count);
}

static void check_allow(const struct model *m, const struct parts *path, weir_str allow)
{
    char text[128] = "";
    bool has_get = best(m, WEIR_HTTP1_GET, path) >= 0;
    for (enum weir__http1_method i = WEIR_HTTP1_GET; i <= WEIR_HTTP1_OPTIONS; i++) {
        if (best(m, i, path) < 0 && i != WEIR_HTTP1_OPTIONS && !(i == WEIR_HTTP1_HEAD && has_get))
            continue;
        strcat(text, text[0] != '\0' ? ", " : "");
        strncat(text, weir__http1_method_name(i).ptr, weir__http1_method_name(i).len);
    }
    assert_true(weir_str_eq(allow, weir_str_from(text)));
}

static enum weir__route_kind expected_kind(const struct model *m, enum weir__http1_method method,
                                           const struct parts *path)
{
    struct parts other = *path;
    bool is_known = false;
    if (best_or_get(m, method, path) >= 0)
        return WEIR__ROUTE_FOUND;
    if (other.count > 1 && other.part[other.count - 1][0] == '\0')
        other.count--;
    else
        parts_add(&other, "");
    if (m->slash == WEIR__ROUTE_SLASH_REDIRECT && path->text[1] != '\0' &&
        best_or_get(m, method, &other) >= 0)
        return WEIR__ROUTE_REDIRECT;
    for (enum weir__http1_method i = WEIR_HTTP1_GET; i < WEIR_HTTP1_OPTIONS; i++)
        is_known |= best(m, i, path) >= 0;
    if (!is_known)
        return WEIR__ROUTE_NOT_FOUND;
    return method == WEIR_HTTP1_OPTIONS ? WEIR__ROUTE_AUTO_OPTIONS : WEIR__ROUTE_NOT_ALLOWED;
}

static void check_lookup(const struct weir__router *r, const struct model *m, unsigned seen[6])
{
    struct parts path;
    struct weir__route_match found;
    enum weir__http1_method method = some_method();
    some_path(&path, m);
    enum weir__route_kind kind = weir__router_match(r, method, weir_str_from(path.text), &found);
    if (kind != expected_kind(m, method, &path))
        fail_msg("%s: %d instead of %d", path.text, kind, expected_kind(m, method, &path));
    seen[kind]++;
    if (kind == WEIR__ROUTE_FOUND) {
        const struct model_route *route = &m->routes[best_or_get(m, method, &path)];
        assert_ptr_equal(found.route, route);
        check_params(&found, &route->pattern, &path);
    } else if (kind == WEIR__ROUTE_REDIRECT) {
        assert_int_equal(found.adds_slash, path.text[strlen(path.text) - 1] != '/');
        bool is_safe = method == WEIR_HTTP1_GET || method == WEIR_HTTP1_HEAD;
        assert_int_equal(found.status, is_safe ? 301 : 308);
    } else if (kind != WEIR__ROUTE_NOT_FOUND) {
        check_allow(m, &path, found.allow);
    }
}

static void the_router_agrees_with_the_model(void **state)
{
    (void)state;
    static struct model m;
    unsigned seen[6] = {0};
    for (int table = 0; table < TABLES; table++) {
        struct weir__router *r = some_table(&m);
        for (int i = 0; i < LOOKUPS; i++)
            check_lookup(r, &m, seen);
        weir__router_free(r);
    }
    /* The draw is worth something: each kind of answer but 400 came up often. */
    for (int kind = 0; kind < WEIR__ROUTE_BAD_PATH; kind++)
        assert_in_range(seen[kind], 300, TABLES * LOOKUPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_router_agrees_with_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
