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

#include "web/router_reference.h"

enum { TABLES = 2000, LOOKUPS = 50, SEGMENTS_MAX = 6 };

static uint64_t seed = 1;

static int below(int n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (int)(seed % (uint64_t)n);
}

static enum weir__http_method some_method(void)
{
    static const enum weir__http_method methods[] = {
        WEIR_HTTP_GET,    WEIR_HTTP_GET,     WEIR_HTTP_GET,  WEIR_HTTP_POST,
        WEIR_HTTP_DELETE, WEIR_HTTP_OPTIONS, WEIR_HTTP_HEAD,
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
    "it\\:ms",
    "",
};

/* Parameters are named after their depth, so that names never conflict. */
static void some_pattern(struct parts *p)
{
    int count = 1 + below(SEGMENTS_MAX - 1);
    char name[16];
    p->len = 0;
    p->count = 0;
    for (int i = 0; i < count; i++) {
        int kind = below(10);
        snprintf(name, sizeof name, "%cp%d", kind < 4 ? ':' : '*', i);
        if (kind < 4 || (kind == 4 && i == count - 1))
            parts_add(p, weir_str_from(name));
        else
            parts_add(p, weir_str_from(words[below(i == count - 1 ? 11 : 10)]));
    }
}

static void some_path(struct parts *p, const struct model *m)
{
    static const char *const others[] = {"zz",          "%61", "us%65rs", "a.b",
                                         "abcdefgh%69", "%2F", "a%2Fb",   "it:ms"};
    const struct parts *like = &m->routes[below(m->count)].pattern;
    int count = like->count - 1 + below(3);
    p->len = 0;
    p->count = 0;
    for (int i = 0; i < count || i == 0; i++) {
        int kind = below(10);
        bool is_like = i < like->count && rank_of(like->part[i]) == 0 && like->part[i].len > 0;
        parts_add(p, kind < 7 && is_like ? like->part[i]
                     : kind < 9          ? weir_str_from(words[below(11)])
                                         : weir_str_from(others[below(8)]));
    }
}

static struct weir__router *some_table(struct model *m)
{
    m->slash = (enum weir__route_slash)below(3);
    m->count = 0;
    struct weir__router *r = weir__router_new(m->slash);
    assert_non_null(r);
    for (int wanted = 1 + below(MODEL_ROUTES_MAX); wanted > 0; wanted--) {
        struct model_route *route = &m->routes[m->count];
        some_pattern(&route->pattern);
        route->method = some_method();
        if (conflicts(m, route->method, &route->pattern))
            continue;
        weir__router_add(r, route->method, parts_text(&route->pattern), route, "model", ++m->count);
    }
    if (weir__router_freeze(r) != WEIR_OK)
        fail_msg("%s", weir__router_mistake(r, 0));
    return r;
}

static void check_lookup(const struct weir__router *r, const struct model *m, unsigned seen[6])
{
    struct parts path;
    struct weir__route_match found;
    enum weir__http_method method = some_method();
    some_path(&path, m);
    enum weir__route_kind kind = weir__router_match(r, method, parts_text(&path), &found);
    const char *differs = match_differs(m, method, &path, &found);
    if (differs != NULL)
        fail_msg(WEIR_STR_FMT ": %s", WEIR_STR_ARG(parts_text(&path)), differs);
    seen[kind]++;
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
