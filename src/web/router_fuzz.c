/*
 * The router. The input is a table and what is looked up in it: the first line is the policy for
 * slashes (its first letter), then a line "METHOD /pattern" for each route, an empty line, and a
 * line "METHOD /path" for each look-up. A table is refused exactly when the model of
 * router_reference.h refuses it, with a text about it; and every look-up says what a search through
 * all routes says.
 */
#include "base/fuzz.h"
#include "web/router_reference.h"

enum { BYTES_MAX = 2048, LOOKUPS_MAX = 40 };

static enum weir__route_slash slash_of(weir_str line)
{
    if (line.len == 0 || line.ptr[0] == 'r')
        return WEIR__ROUTE_SLASH_REDIRECT;
    return line.ptr[0] == 'i' ? WEIR__ROUTE_SLASH_IGNORE : WEIR__ROUTE_SLASH_STRICT;
}

/* "METHOD text"; the text is what follows the first blank. */
static enum weir__http_method split_line(weir_str line, weir_str *text)
{
    const char *blank = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;
    size_t n = blank != NULL ? (size_t)(blank - line.ptr) : line.len;
    *text = blank != NULL ? (weir_str){blank + 1, line.len - n - 1} : (weir_str){"", 0};
    return weir__http_method_of((weir_str){line.ptr, n});
}

/* Gives one route to both; false when the model refuses it. */
static bool add_route(struct weir__router *r, struct model *m, weir_str line)
{
    weir_str text;
    struct model_route *route = &m->routes[m->count];
    route->method = split_line(line, &text);
    char *bytes = fuzz_copy(text.ptr, text.len);
    weir__router_add(r, route->method, (weir_str){bytes, text.len}, route, "table", m->count + 1);
    free(bytes);
    bool is_good = route->method > WEIR_HTTP_OTHER && route->method <= WEIR_HTTP_OPTIONS &&
                   parts_of(&route->pattern, text) && is_good_pattern(&route->pattern) &&
                   !conflicts(m, route->method, &route->pattern);
    m->count += is_good;
    return is_good;
}

static void check_refused(struct weir__router *r)
{
    size_t count = weir__router_mistake_count(r);
    FUZZ_CHECK(weir__router_freeze(r) == WEIR_EINVALID, "a wrong table is accepted");
    FUZZ_CHECK(weir__router_mistake_count(r) >= count, "a mistake is forgotten");
    FUZZ_CHECK(weir__router_mistake_count(r) > 0, "it is refused without a reason");
    for (size_t i = 0; i < weir__router_mistake_count(r) && i < WEIR__ROUTER_MISTAKES_MAX; i++)
        FUZZ_CHECK(strstr(weir__router_mistake(r, i), "table:") == weir__router_mistake(r, i),
                   "mistake %zu does not begin with its place", i);
}

static void check_lookup(const struct weir__router *r, const struct model *m, weir_str line)
{
    static struct parts path;
    struct weir__route_match found;
    weir_str text;
    enum weir__http_method method = split_line(line, &text);
    char *bytes = fuzz_copy(text.ptr, text.len);
    enum weir__route_kind kind = weir__router_match(r, method, (weir_str){bytes, text.len}, &found);
    free(bytes);
    FUZZ_CHECK(kind == found.kind, "%d and %d", kind, found.kind);
    if (text.len == 0 || text.ptr[0] != '/') {
        FUZZ_CHECK(kind == WEIR__ROUTE_BAD_PATH, "a path without its slash: %d", kind);
        return;
    }
    if (!parts_of(&path, text))
        return;
    const char *differs = match_differs(m, method, &path, &found);
    FUZZ_CHECK(differs == NULL, WEIR_STR_FMT ": %s differs, it is %d", WEIR_STR_ARG(text), differs,
               kind);
    FUZZ_CHECK(found.backtracks <= 4096, "%u times back", found.backtracks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model m;
    struct fuzz_input in = {data, data + size};
    bool is_good = true;
    if (size > BYTES_MAX)
        return 0;
    m.slash = slash_of(fuzz_until(&in, '\n'));
    m.count = 0;
    struct weir__router *r = weir__router_new(m.slash);
    FUZZ_CHECK(r != NULL, "no memory");
    while (in.at < in.end && m.count < MODEL_ROUTES_MAX) {
        weir_str line = fuzz_until(&in, '\n');
        if (line.len == 0)
            break;
        is_good &= add_route(r, &m, line);
    }
    if (!is_good) {
        check_refused(r);
    } else {
        weir_err err = weir__router_freeze(r);
        FUZZ_CHECK(err == WEIR_OK, "%d: %s", err, weir__router_mistake(r, 0));
        for (int i = 0; i < LOOKUPS_MAX && in.at < in.end; i++)
            check_lookup(r, &m, fuzz_until(&in, '\n'));
    }
    weir__router_free(r);
    return 0;
}
