/*
 * The router: what answers which path, what it refuses at the start, and that a look-up is bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "web/github_routes.h"
#include "web/router.h"

/* Adds "GET /path" as route number `line`, which is also its line in "app.c". */
static void add(struct weir__router *r, const char *text, int line)
{
    const char *blank = strchr(text, ' ');
    weir_str method = {text, (size_t)(blank - text)};
    weir__router_add(r, weir__http_method_of(method), weir_str_from(blank + 1),
                     (void *)(uintptr_t)line, "app.c", line);
}

static struct weir__router *build(enum weir__route_slash slash, const char *const *routes)
{
    struct weir__router *r = weir__router_new(slash);
    assert_non_null(r);
    for (int i = 0; routes[i] != NULL; i++)
        add(r, routes[i], i + 1);
    if (weir__router_freeze(r) != WEIR_OK)
        fail_msg("%s", weir__router_mistake(r, 0));
    return r;
}

#define ROUTES(...)                                                                                \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void print_found(const struct weir__route_match *m, weir_str path, char *out, size_t size)
{
    int at = snprintf(out, size, "%d", (int)(uintptr_t)m->route);
    for (size_t i = 0; i < m->param_count; i++) {
        weir_str value = weir__route_param(m, path, i);
        at += snprintf(out + at, size - (size_t)at, " " WEIR_STR_FMT "=" WEIR_STR_FMT,
                       WEIR_STR_ARG(m->names[i]), WEIR_STR_ARG(value));
    }
}

/*
 * What the router says to "GET /path", as text: "3 id=42", "404", "405 GET, HEAD, OPTIONS", "301
 * +/".
 */
static const char *answer(const struct weir__router *r, const char *request)
{
    static char out[1024];
    struct weir__route_match m;
    const char *blank = strchr(request, ' ');
    weir_str method = {request, (size_t)(blank - request)}, path;
    /* On the heap, exactly as long as the path: a byte read beyond it shows under ASan. */
    path.len = strlen(blank + 1);
    char *bytes = malloc(path.len > 0 ? path.len : 1);
    assert_non_null(bytes);
    memcpy(bytes, blank + 1, path.len);
    path.ptr = bytes;
    memset(&m, 0xa5, sizeof m);
    enum weir__route_kind kind = weir__router_match(r, weir__http_method_of(method), path, &m);
    assert_int_equal(kind, m.kind);
    switch (kind) {
    case WEIR__ROUTE_FOUND:
        print_found(&m, path, out, sizeof out);
        break;
    case WEIR__ROUTE_NOT_FOUND:
        snprintf(out, sizeof out, "404");
        break;
    case WEIR__ROUTE_NOT_ALLOWED:
        snprintf(out, sizeof out, "405 " WEIR_STR_FMT, WEIR_STR_ARG(m.allow));
        break;
    case WEIR__ROUTE_AUTO_OPTIONS:
        snprintf(out, sizeof out, "204 " WEIR_STR_FMT, WEIR_STR_ARG(m.allow));
        break;
    case WEIR__ROUTE_REDIRECT:
        snprintf(out, sizeof out, "%d %s", m.status, m.adds_slash ? "+/" : "-/");
        break;
    case WEIR__ROUTE_BAD_PATH:
        snprintf(out, sizeof out, "400 %s", m.reason);
        break;
    }
    free(bytes);
    return out;
}

struct expectation {
    const char *request, *answer;
};

static void expect(enum weir__route_slash slash, const char *const *routes,
                   const struct expectation *expected)
{
    struct weir__router *r = build(slash, routes);
    for (; expected->request != NULL; expected++) {
        const char *found = answer(r, expected->request);
        if (strcmp(found, expected->answer) != 0)
            fail_msg("%s: expected '%s', found '%s'", expected->request, expected->answer, found);
    }
    weir__router_free(r);
}

#define EXPECT(...)                                                                                \
    (const struct expectation[])                                                                   \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

static void literals_parameters_and_wildcards_answer_in_this_order(void **state)
{
    (void)state;
    expect(WEIR__ROUTE_SLASH_STRICT,
           ROUTES("GET /", "GET /users", "GET /users/:id", "GET /users/new", "GET /users/:id/posts",
                  "GET /files/*path", "GET /files/readme", "GET /files/:name/raw", "POST /users",
                  "GET /a-segment-of-more-than-sixteen-bytes", "GET /exactly8",
                  "GET /exactly16bytes__"),
           EXPECT({"GET /", "1"}, {"GET /users", "2"}, {"GET /users/42", "3 id=42"},
                  {"GET /users/new", "4"}, {"GET /users/new/posts", "5 id=new"},
                  {"GET /users/newer", "3 id=newer"}, {"GET /users/ne", "3 id=ne"},
                  {"GET /files/", "6 path="}, {"GET /files/a", "6 path=a"},
                  {"GET /files/a/b.c//d/", "6 path=a/b.c//d/"}, {"GET /files/readme", "7"},
                  {"GET /files/readme/raw", "8 name=readme"}, {"GET /files/x/raw", "8 name=x"},
                  {"GET /files/x/raw/", "6 path=x/raw/"}, {"POST /users", "9"},
                  {"GET /a-segment-of-more-than-sixteen-bytes", "10"},
                  {"GET /a-segment-of-more-than-sixteen-bytez", "404"},
                  {"GET /a-segment-of-XXXX-than-sixteen-bytes", "404"}, {"GET /exactly8", "11"},
                  {"GET /exactly16bytes__", "12"}, {"GET /exactly16bytes_", "404"},
                  {"GET /files", "404"}, {"GET //", "404"}, {"GET /users//posts", "404"},
                  {"GET /user", "404"}, {"GET /Users", "404"}));
}

static void going_back_finds_what_the_first_way_misses(void **state)
{
    (void)state;
    expect(WEIR__ROUTE_SLASH_STRICT,
           ROUTES("GET /a/b/c", "GET /a/:x/d", "GET /:y/b/e", "GET /:y/:z/f", "GET /*all",
                  "POST /a/b/c"),
           EXPECT({"GET /a/b/c", "1"}, {"GET /a/b/d", "2 x=b"}, {"GET /a/b/e", "3 y=a"},
                  {"GET /a/b/f", "4 y=a z=b"}, {"GET /a/b/g", "5 all=a/b/g"},
                  {"GET /q/b/e", "3 y=q"}, {"GET /a/q/d", "2 x=q"}, {"GET /a/q/f", "4 y=a z=q"},
                  {"GET /", "5 all="}, {"GET /a//f", "5 all=a//f"}));
}

static void the_longest_patterns_and_paths_work(void **state)
{
    (void)state;
    char pattern[512] = "GET ", path[70000] = "GET ";
    for (int i = 0; i < 16; i++) {
        size_t at = strlen(pattern);
        snprintf(pattern + at, sizeof pattern - at, "/p%d/:n%d", i, i);
        at = strlen(path);
        snprintf(path + at, sizeof path - at, "/p%d/value-%d", i, i);
    }
    struct weir__router *r = build(WEIR__ROUTE_SLASH_REDIRECT, ROUTES(pattern, "GET /p0/*rest"));
    assert_memory_equal(answer(r, path), "1 n0=value-0 n1=value-1 ", 24);
    strcat(path, "/");
    assert_string_equal(answer(r, path),
                        "2 rest=value-0/p1/value-1/p2/value-2/p3/value-3/p4/value-4/"
                        "p5/value-5/p6/value-6/p7/value-7/p8/value-8/p9/value-9/"
                        "p10/value-10/p11/value-11/p12/value-12/p13/value-13/"
                        "p14/value-14/p15/value-15/");
    weir__router_free(r);

    struct weir__route_match m;
    r = build(WEIR__ROUTE_SLASH_REDIRECT, ROUTES("GET /long/:name", "GET /*all"));
    memset(path, 'x', sizeof path);
    memcpy(path, "/long/", 6);
    for (size_t len = 7; len <= 65535; len += len < 300 ? 1 : 7247) {
        assert_int_equal(weir__router_match(r, WEIR_HTTP_GET, (weir_str){path, len}, &m),
                         WEIR__ROUTE_FOUND);
        assert_int_equal((uintptr_t)m.route, 1);
        assert_int_equal(m.params[0].off, 6);
        assert_int_equal(m.params[0].len, len - 6);
    }
    assert_int_equal(weir__router_match(r, WEIR_HTTP_GET, (weir_str){path, 65535}, &m),
                     WEIR__ROUTE_FOUND);
    assert_int_equal(weir__router_match(r, WEIR_HTTP_GET, (weir_str){path, 65536}, &m),
                     WEIR__ROUTE_BAD_PATH);
    weir__router_free(r);
}

static void slashes_are_found_wherever_they_stand(void **state)
{
    (void)state;
    struct weir__router *r =
        build(WEIR__ROUTE_SLASH_STRICT, ROUTES("GET /:a/:b", "GET /:a/end/:b"));
    char path[200], expected[256];
    for (int first = 1; first < 90; first++) {
        for (int second = 1; second < 90; second++) {
            memset(path, 'x', sizeof path);
            memcpy(path, "GET /", 5);
            path[5 + first] = '/';
            path[5 + first + 1 + second] = '\0';
            snprintf(expected, sizeof expected, "1 a=%.*s b=%s", first, path + 5, path + 6 + first);
            assert_string_equal(answer(r, path), expected);
            path[5 + first] = 'x';
            assert_string_equal(answer(r, path), "404");
        }
    }
    weir__router_free(r);
}

static void a_known_path_with_another_method_is_405(void **state)
{
    (void)state;
    expect(WEIR__ROUTE_SLASH_REDIRECT,
           ROUTES("GET /users", "POST /users", "DELETE /users/:id", "PUT /users/me",
                  "PATCH /users/*rest", "OPTIONS /explicit", "GET /explicit", "HEAD /head",
                  "GET /gone/:x", "HEAD /gone/:x", "OPTIONS /any/*path"),
           EXPECT({"PUT /users", "405 GET, HEAD, POST, OPTIONS"}, {"HEAD /users", "1"},
                  {"OPTIONS /users", "204 GET, HEAD, POST, OPTIONS"},
                  {"BREW /users", "405 GET, HEAD, POST, OPTIONS"},
                  {"TRACE /users", "405 GET, HEAD, POST, OPTIONS"},
                  /* Of all patterns that the path fits, not only the first. */
                  {"GET /users/me", "405 PUT, DELETE, PATCH, OPTIONS"},
                  {"GET /users/7", "405 DELETE, PATCH, OPTIONS"},
                  {"HEAD /users/7/x", "405 PATCH, OPTIONS"},
                  {"OPTIONS /users/me", "204 PUT, DELETE, PATCH, OPTIONS"},
                  {"OPTIONS /explicit", "6"}, {"POST /explicit", "405 GET, HEAD, OPTIONS"},
                  {"GET /head", "405 HEAD, OPTIONS"}, {"HEAD /head", "8"},
                  {"HEAD /gone/1", "10 x=1"}, {"GET /gone/1", "9 x=1"}, {"OPTIONS /nowhere", "404"},
                  {"BREW /nowhere", "404"}, {"GET /nowhere", "404"}, {"GET /any/where", "404"},
                  {"OPTIONS /any/where", "11 path=where"}));
}

static void the_last_slash_follows_the_policy(void **state)
{
    (void)state;
    const char *const *routes = ROUTES("GET /a", "GET /b/", "POST /a", "GET /c/*rest", "GET /d/:x",
                                       "GET /d/:x/e/", "GET /both", "GET /both/", "POST /b/");
    expect(WEIR__ROUTE_SLASH_REDIRECT, routes,
           EXPECT({"GET /a/", "301 -/"}, {"HEAD /a/", "301 -/"}, {"POST /a/", "308 -/"},
                  {"POST /b", "308 +/"}, {"GET /b", "301 +/"}, {"GET /c", "301 +/"},
                  {"GET /c/", "4 rest="}, {"GET /d/1/", "301 -/"}, {"GET /d/1/e", "301 +/"},
                  {"GET /both", "7"}, {"GET /both/", "8"}, {"GET /a//", "404"}, {"GET //a/", "404"},
                  {"PUT /a/", "404"}, {"GET /", "404"}, {"GET /d/", "404"},
                  {"GET /d/\\evil.example/", "301 -/"}));
    expect(WEIR__ROUTE_SLASH_STRICT, routes,
           EXPECT({"GET /a/", "404"}, {"GET /b", "404"}, {"GET /c", "404"}, {"GET /a", "1"},
                  {"GET /b/", "2"}, {"POST /a/", "404"}, {"GET /both/", "8"}));
    expect(WEIR__ROUTE_SLASH_IGNORE,
           ROUTES("GET /a", "GET /b/", "GET /c/*rest", "GET /d/:x", "POST /b", "GET /", "GET /e",
                  "GET /e/*rest"),
           EXPECT({"GET /a/", "1"}, {"GET /a", "1"}, {"GET /b", "2"}, {"GET /b/", "2"},
                  {"GET /c", "3 rest="}, {"GET /c/", "3 rest="}, {"GET /c/x/", "3 rest=x/"},
                  {"GET /c//", "3 rest=/"}, {"GET /d/x/", "4 x=x"}, {"GET /d/", "404"},
                  {"POST /b/", "5"}, {"PUT /b/", "405 GET, HEAD, POST, OPTIONS"}, {"GET /", "6"},
                  {"GET //", "6"}, {"GET /a//", "404"}, {"GET /e", "7"}, {"GET /e/", "7"},
                  {"GET /e/x", "8 rest=x"}));
}

static void a_redirect_never_leads_to_another_host(void **state)
{
    (void)state;
    expect(WEIR__ROUTE_SLASH_REDIRECT, ROUTES("GET /:host", "GET /:host/x/"),
           EXPECT({"GET //evil.example/", "404"}, {"GET /\\evil.example/", "404"},
                  {"GET /\\evil.example/x", "404"}, {"GET /kind.example/", "301 -/"}));
}

static void encoded_bytes_are_data(void **state)
{
    (void)state;
    expect(WEIR__ROUTE_SLASH_REDIRECT,
           ROUTES("GET /users", "GET /users/:id", "GET /caf\xc3\xa9", "GET /files/*path",
                  "GET /file.name", "GET /a-segment-of-more-than-sixteen-bytes",
                  "GET /users/me/it"),
           EXPECT({"GET /us%65rs", "1"}, {"GET /%75%73%65%72%73", "1"},
                  {"GET /users/a%2Fb", "2 id=a%2Fb"}, {"GET /users%2Fa", "404"},
                  {"GET /users/%6d%65/it", "7"}, {"GET /users/m%65", "2 id=m%65"},
                  {"GET /users/100%25", "2 id=100%25"}, {"GET /caf%C3%A9", "3"},
                  {"GET /caf\xc3\xa9", "3"}, {"GET /%61-segment-of-more-than-sixteen-bytes", "6"},
                  {"GET /files/%41/b", "4 path=%41/b"}, {"GET /file.name", "5"},
                  {"GET /file%2Ename", "5"}, {"GET /users/.hidden", "2 id=.hidden"},
                  {"GET /users/...", "2 id=..."}, {"GET /us%65rs/", "301 -/"},
                  {"POST /us%65rs", "405 GET, HEAD, OPTIONS"},
                  {"GET /%%75sers", "400 percent sign without two hex digits"},
                  {"GET /users/%", "400 percent sign without two hex digits"},
                  {"GET /users/%4", "400 percent sign without two hex digits"},
                  {"GET /users/%zz", "400 percent sign without two hex digits"},
                  {"GET /users/a%00", "400 encoded NUL in a path"},
                  {"GET /users/.", "400 dot segment in a path"},
                  {"GET /users/..", "400 dot segment in a path"},
                  {"GET /../users", "400 dot segment in a path"},
                  {"GET /users/./x", "400 dot segment in a path"},
                  {"GET /users/%2e%2E", "400 dot segment in a path"},
                  {"GET /files/a/.%2e/b", "400 dot segment in a path"},
                  {"GET ", "400 the path does not begin with '/'"},
                  {"GET users", "400 the path does not begin with '/'"},
                  {"OPTIONS *", "400 the path does not begin with '/'"}));
}

/* The lines about a table, in order, and nothing else. */
static void expect_mistakes(enum weir__route_slash slash, const char *const *routes,
                            const char *const *lines)
{
    struct weir__router *r = weir__router_new(slash);
    size_t count = 0;
    assert_non_null(r);
    for (int i = 0; routes[i] != NULL; i++)
        add(r, routes[i], i + 1);
    assert_int_equal(weir__router_freeze(r), WEIR_EINVALID);
    for (; lines[count] != NULL && count < weir__router_mistake_count(r); count++)
        assert_string_equal(weir__router_mistake(r, count), lines[count]);
    assert_int_equal(weir__router_mistake_count(r), count);
    assert_null(lines[count]);
    assert_null(weir__router_mistake(r, count));
    weir__router_free(r);
}

/* A text that did not come from C may have any byte; this one is no escape. */
static void a_backslash_before_a_nul_is_refused(void **state)
{
    (void)state;
    struct weir__router *r = weir__router_new(WEIR__ROUTE_SLASH_REDIRECT);
    assert_non_null(r);
    weir__router_add(r, WEIR_HTTP_GET, WEIR_S("/users\\\0id"), NULL, "app.c", 1);
    assert_int_equal(weir__router_freeze(r), WEIR_EINVALID);
    assert_string_equal(weir__router_mistake(r, 0),
                        "app.c:1: GET /users\\: '\\' stands before ':' or '*' only, to make them "
                        "text; a backslash itself may not stand in a pattern");
    weir__router_free(r);
}

static void conflicts_name_both_places(void **state)
{
    (void)state;
    expect_mistakes(
        WEIR__ROUTE_SLASH_REDIRECT,
        ROUTES("GET /users/:id", "GET /users/:id", "POST /users/:id", "GET /users/:name/posts",
               "GET /f/*path", "GET /f/*rest", "GET /users/new", "DELETE /users/:name", "GET /a",
               "GET /a/"),
        ROUTES(
            "app.c:2: GET /users/:id: the same path as GET /users/:id at app.c:1",
            "app.c:4: GET /users/:name/posts: ':name' stands where GET /users/:id at app.c:1 has "
            "':id'",
            "app.c:6: GET /f/*rest: the same path as GET /f/*path at app.c:5"));
    expect_mistakes(WEIR__ROUTE_SLASH_IGNORE, ROUTES("GET /a", "GET /a/"),
                    ROUTES("app.c:2: GET /a/: the same path as GET /a at app.c:1"));
}

static void bad_patterns_are_all_listed(void **state)
{
    (void)state;
    char deep[128] = "GET ", wide[256] = "GET ", segment[300] = "GET /";
    char wide_line[300], deep_line[256], segment_line[400];
    for (int i = 0; i < 33; i++)
        strcat(deep, "/x");
    for (int i = 0; i < 17; i++)
        snprintf(wide + strlen(wide), sizeof wide - strlen(wide), "/:p%d", i);
    memset(segment + 5, 's', 256);
    snprintf(wide_line, sizeof wide_line, "app.c:14: %s: more than 16 parameters", wide);
    snprintf(deep_line, sizeof deep_line, "app.c:15: %s: more than 32 segments", deep);
    snprintf(segment_line, sizeof segment_line, "app.c:16: %s: a segment has more than 255 bytes",
             segment);
    expect_mistakes(
        WEIR__ROUTE_SLASH_REDIRECT,
        ROUTES("GET users", "GET ", "GET //", "GET /a//b", "GET /:", "GET /*", "GET /*all/more",
               "GET /:id/x/:id", "GET /a?b", "GET /a b", "GET /a%20b", "GET /v:id", "GET /:a.b",
               wide, deep, segment, "GET /./a", "GET /a/..", "GET /{id}/*/:x*y", "CONNECT /x",
               "GET /fine", "GET /\t"),
        ROUTES("app.c:1: GET users: a pattern begins with '/'",
               "app.c:2: GET : a pattern begins with '/'",
               "app.c:3: GET //: an empty segment: '//'",
               "app.c:4: GET /a//b: an empty segment: '//'", "app.c:5: GET /:: ':' without a name",
               "app.c:6: GET /*: '*' without a name",
               "app.c:7: GET /*all/more: '*all' must be the last segment",
               "app.c:8: GET /:id/x/:id: two parameters are named 'id'",
               "app.c:9: GET /a?b: '?' may not stand in a pattern",
               "app.c:10: GET /a b: the byte 0x20 may not stand in a pattern",
               "app.c:11: GET /a%20b: '%' may not stand in a pattern",
               "app.c:12: GET /v:id: ':' may stand at the beginning of a segment only; the "
               "character itself is \"\\\\:\" in C",
               "app.c:13: GET /:a.b: the name in ':a.b' may have letters, digits, '_' and '-' only",
               wide_line, deep_line, segment_line,
               "app.c:17: GET /./a: no path may have the segment '.'",
               "app.c:18: GET /a/..: no path may have the segment '..'",
               "app.c:19: GET /{id}/*/:x*y: '{' may not stand in a pattern",
               "app.c:19: GET /{id}/*/:x*y: '*' must be the last segment",
               "app.c:19: GET /{id}/*/:x*y: '*' without a name",
               "app.c:19: GET /{id}/*/:x*y: the name in ':x*y' may have letters, digits, '_' and "
               "'-' only",
               "app.c:20: CONNECT /x: routes cannot have this method",
               "app.c:22: GET /\t: the byte 0x09 may not stand in a pattern"));
}

/* "\:" and "\*" are these bytes and no parameter, at the beginning of a segment and within. */
static void escaped_bytes_are_text(void **state)
{
    (void)state;
    expect(WEIR__ROUTE_SLASH_REDIRECT,
           ROUTES("GET /v1/jobs\\:batch", "GET /v1/\\:all", "GET /v1/:id", "GET /\\*", "GET /*rest",
                  "POST /v1/:id/\\:cancel"),
           EXPECT({"GET /v1/jobs:batch", "1"}, {"GET /v1/jobs%3Abatch", "1"}, {"GET /v1/:all", "2"},
                  {"GET /v1/%3aall", "2"}, {"GET /v1/all", "3 id=all"},
                  {"GET /v1/jobs\\:batch", "3 id=jobs\\:batch"}, {"GET /*", "4"}, {"GET /%2A", "4"},
                  {"GET /x", "5 rest=x"}, {"POST /v1/7/:cancel", "6 id=7"},
                  {"GET /v1/jobs:batch/", "5 rest=v1/jobs:batch/"}));
    expect_mistakes(
        WEIR__ROUTE_SLASH_REDIRECT,
        ROUTES("GET /a\\:b", "GET /a\\:b", "GET /a\\b", "GET /a\\", "GET /\\\\", "GET /:a\\:b",
               "GET /a*b", "GET /\\::"),
        ROUTES(
            "app.c:3: GET /a\\b: '\\' stands before ':' or '*' only, to make them text; a "
            "backslash itself may not stand in a pattern",
            "app.c:4: GET /a\\: '\\' stands before ':' or '*' only, to make them text; a "
            "backslash itself may not stand in a pattern",
            "app.c:5: GET /\\\\: '\\' stands before ':' or '*' only, to make them text; a "
            "backslash itself may not stand in a pattern",
            "app.c:6: GET /:a\\:b: the name in ':a\\:b' may have letters, digits, '_' and '-' "
            "only",
            "app.c:7: GET /a*b: '*' may stand at the beginning of a segment only; the character "
            "itself is \"\\\\*\" in C",
            "app.c:8: GET /\\::: ':' may stand at the beginning of a segment only; the character "
            "itself is \"\\\\:\" in C",
            "app.c:2: GET /a\\:b: the same path as GET /a\\:b at app.c:1"));
}

static void mistakes_beyond_the_list_are_counted(void **state)
{
    (void)state;
    struct weir__router *r = weir__router_new(WEIR__ROUTE_SLASH_STRICT);
    assert_non_null(r);
    for (int i = 1; i <= 100; i++)
        add(r, "GET nothing", i);
    assert_int_equal(weir__router_freeze(r), WEIR_EINVALID);
    assert_int_equal(weir__router_mistake_count(r), 100);
    assert_non_null(weir__router_mistake(r, 63));
    assert_null(weir__router_mistake(r, 64));
    weir__router_free(r);
}

/* All 2^10 patterns of ten segments that are 'a' or a parameter: the widest going back there is. */
static void going_back_is_bounded_by_the_table(void **state)
{
    (void)state;
    enum { DEPTH = 10 };
    struct weir__router *r = weir__router_new(WEIR__ROUTE_SLASH_STRICT);
    struct weir__route_match m;
    char text[128], path[4096];
    assert_non_null(r);
    for (int set = 0; set < 1 << DEPTH; set++) {
        strcpy(text, "GET ");
        for (int i = 0; i < DEPTH; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text),
                     (set & 1 << i) != 0 ? "/:p%d" : "/a", i);
        strcat(text, "/end");
        add(r, text, set + 1);
    }
    assert_int_equal(weir__router_freeze(r), WEIR_OK);
    strcpy(path, "/a/a/a/a/a/a/a/a/a/a/end");
    assert_int_equal(weir__router_match(r, WEIR_HTTP_GET, weir_str_from(path), &m),
                     WEIR__ROUTE_FOUND);
    assert_int_equal((uintptr_t)m.route, 1);
    assert_int_equal(m.backtracks, 0);
    strcpy(path, "/a/a/a/a/a/a/a/a/a/a/dead");
    assert_int_equal(weir__router_match(r, WEIR_HTTP_GET, weir_str_from(path), &m),
                     WEIR__ROUTE_NOT_FOUND);
    /* Once for the method and once for Allow; a choice at each inner node. */
    assert_in_range(m.backtracks, (1 << DEPTH) - 1, 2 << DEPTH);
    for (int i = 0; i < 1000; i++)
        strcpy(path + 2 * i, "/a");
    assert_int_equal(weir__router_match(r, WEIR_HTTP_GET, weir_str_from(path), &m),
                     WEIR__ROUTE_NOT_FOUND);
    assert_in_range(m.backtracks, (1 << DEPTH) - 1, 2 << DEPTH);
    weir__router_free(r);
}

static struct weir__router *build_github(void)
{
    struct weir__router *r = weir__router_new(WEIR__ROUTE_SLASH_REDIRECT);
    if (r == NULL)
        return NULL;
    for (int i = 0; i < GITHUB_ROUTE_COUNT; i++)
        weir__router_add(r, weir__http_method_of(weir_str_from(github_routes[i].method)),
                         weir_str_from(github_routes[i].pattern), (void *)(uintptr_t)(i + 1),
                         "github_routes.h", i + 1);
    return r;
}

static void all_github_routes_find_themselves_without_memory(void **state)
{
    (void)state;
    struct weir__router *r = build_github();
    struct weir__route_match m;
    assert_non_null(r);
    assert_int_equal(GITHUB_ROUTE_COUNT, 203);
    assert_int_equal(weir__router_freeze(r), WEIR_OK);
    uint64_t allocs = weir__alloc_stats().allocs;
    for (int i = 0; i < GITHUB_ROUTE_COUNT; i++) {
        weir_str path = weir_str_from(github_routes[i].path);
        assert_int_equal(
            weir__router_match(r, weir__http_method_of(weir_str_from(github_routes[i].method)),
                               path, &m),
            WEIR__ROUTE_FOUND);
        assert_int_equal((uintptr_t)m.route, i + 1);
        assert_int_equal(m.backtracks, 0);
    }
    weir_str path = weir_str_from("/repos/weir-project/weir/issues/1347/labels/bug");
    assert_int_equal(weir__router_match(r, WEIR_HTTP_DELETE, path, &m), WEIR__ROUTE_FOUND);
    assert_int_equal(weir__alloc_stats().allocs, allocs);
    weir_str number = weir__route_param_find(&m, path, WEIR_S("number"));
    assert_true(weir_str_eq(number, WEIR_S("1347")));
    assert_null(weir__route_param_find(&m, path, WEIR_S("branch")).ptr);
    weir__router_free(r);
}

static void a_failed_allocation_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    weir_err err = -ENOMEM;
    for (uint64_t nth = 1; err != WEIR_OK; nth++) {
        assert_in_range(nth, 1, 1000);
        weir__alloc_fail_nth(nth);
        struct weir__router *r = build_github();
        err = r != NULL ? weir__router_freeze(r) : -ENOMEM;
        weir__alloc_fail_nth(0);
        assert_true(err == WEIR_OK || err == -ENOMEM);
        weir__router_free(r);
    }
    weir__router_free(NULL);
}

static void large_tables_compile(void **state)
{
    (void)state;
    struct weir__router *r = weir__router_new(WEIR__ROUTE_SLASH_REDIRECT);
    char text[64];
    assert_non_null(r);
    for (int i = 0; i < WEIR__ROUTER_ROUTES_MAX; i++) {
        snprintf(text, sizeof text, "GET /group%d/:id/item%d", i / 64, i % 64);
        add(r, text, i + 1);
    }
    assert_int_equal(weir__router_freeze(r), WEIR_OK);
    assert_string_equal(answer(r, "GET /group7/x/item9"), "458 id=x");
    assert_string_equal(answer(r, "GET /group255/x/item63"), "16384 id=x");
    assert_string_equal(answer(r, "GET /group256/x/item63"), "404");
    weir__router_free(r);
    r = weir__router_new(WEIR__ROUTE_SLASH_REDIRECT);
    assert_non_null(r);
    for (int i = 0; i < WEIR__ROUTER_ROUTES_MAX + 2; i++) {
        snprintf(text, sizeof text, "GET /%d", i);
        add(r, text, i + 1);
    }
    assert_int_equal(weir__router_freeze(r), WEIR_EINVALID);
    assert_string_equal(weir__router_mistake(r, 0),
                        "app.c:16385: GET /16384: more than 16384 routes");
    assert_int_equal(weir__router_mistake_count(r), 1);
    weir__router_free(r);
}

static void an_empty_router_knows_nothing(void **state)
{
    (void)state;
    struct weir__router *r = weir__router_new(WEIR__ROUTE_SLASH_REDIRECT);
    assert_non_null(r);
    assert_int_equal(weir__router_freeze(r), WEIR_OK);
    assert_string_equal(answer(r, "GET /"), "404");
    assert_string_equal(answer(r, "OPTIONS /"), "404");
    assert_string_equal(answer(r, "GET /a/b/c?d"), "404");
    weir__router_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_parameters_and_wildcards_answer_in_this_order),
        cmocka_unit_test(going_back_finds_what_the_first_way_misses),
        cmocka_unit_test(the_longest_patterns_and_paths_work),
        cmocka_unit_test(slashes_are_found_wherever_they_stand),
        cmocka_unit_test(a_known_path_with_another_method_is_405),
        cmocka_unit_test(the_last_slash_follows_the_policy),
        cmocka_unit_test(a_redirect_never_leads_to_another_host),
        cmocka_unit_test(encoded_bytes_are_data),
        cmocka_unit_test(escaped_bytes_are_text),
        cmocka_unit_test(a_backslash_before_a_nul_is_refused),
        cmocka_unit_test(conflicts_name_both_places),
        cmocka_unit_test(bad_patterns_are_all_listed),
        cmocka_unit_test(mistakes_beyond_the_list_are_counted),
        cmocka_unit_test(going_back_is_bounded_by_the_table),
        cmocka_unit_test(all_github_routes_find_themselves_without_memory),
        cmocka_unit_test(a_failed_allocation_is_an_error_and_leaks_nothing),
        cmocka_unit_test(large_tables_compile),
        cmocka_unit_test(an_empty_router_knows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
