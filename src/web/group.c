/*
 * Building a service: groups, middleware, routes, handles and error tables as main() states them.
 * Nothing is judged here but what needs no other part to be judged; that is freeze.c's. A mistake
 * is noted with its source line and the building goes on, so that all mistakes are shown at once.
 *
 * All memory is the service's arena. When it fails a stand-in is handed out, and freeze says so.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/given.h"
#include "base/sized.h"
#include "base/slip.h"
#include "rt/sized.h"
#include "web/web.h"

enum { START_BYTES_MAX = 64 << 20, OPTION_USES = 8 };

void weir__web_init(struct weir__web *web)
{
    weir__arena_init(&web->arena, NULL, 0, START_BYTES_MAX);
    web->root.web = web;
    web->root.prefix = WEIR_S("");
    web->root.last_use = &web->root.first_use;
    web->last_route = &web->routes;
    web->last_mistake = &web->mistakes;
}

void weir__web_fini(struct weir__web *web)
{
    for (size_t i = 0; i < WEIR__WORKERS_MAX; i++) {
        struct weir__web_worker *ww = atomic_load(&web->workers[i]);
        for (uint32_t r = 0; ww != NULL && r <= web->route_count; r++)
            weir__free(atomic_load(&ww->stats[r]));
        weir__free(ww);
        atomic_store(&web->workers[i], NULL);
    }
    weir__router_free(web->router);
    web->router = NULL;
    weir__arena_fini(&web->arena);
}

/* --- memory and mistakes ------------------------------------------------------------------ */

void *weir__web_alloc(struct weir__web *web, size_t size)
{
    void *p = weir__arena_alloc(&web->arena, size);
    if (p == NULL)
        web->is_out_of_memory = true;
    else
        memset(p, 0, size);
    return p;
}

static weir_str copy_str(struct weir__web *web, weir_str s)
{
    weir_str copy = weir__arena_str(&web->arena, s);
    if (copy.ptr == NULL)
        web->is_out_of_memory = true;
    return copy.ptr != NULL ? copy : WEIR_S("");
}

void weir__web_mistake(struct weir__web *web, const weir_site *site, const char *format, ...)
{
    char text[512];
    int n = site != NULL ? snprintf(text, sizeof text, "%s:%d: ", site->file, site->line) : 0;
    if (n < 0 || (size_t)n >= sizeof text)
        n = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    struct weir__web_mistake *m = weir__web_alloc(web, sizeof *m);
    if (m == NULL)
        return;
    m->text = copy_str(web, weir_str_from(text));
    *web->last_mistake = m;
    web->last_mistake = &m->next;
}

struct weir__web *weir__web_building(weir_group *group, const weir_site **site,
                                     const char *function)
{
    static const weir_site unknown = {"?", "?", 0};
    if (*site == NULL)
        *site = &unknown;
    if (group == NULL) {
        char noun[256];
        snprintf(noun, sizeof noun, "the application or group, at %s:%d,", (*site)->file,
                 (*site)->line);
        weir__missing(function, noun);
    }
    if (group->web->is_frozen)
        weir__misuse(function, "the service runs already; routes and handles are made before");
    return group->web;
}

bool weir__web_has(struct weir__web *web, const weir_site *site, const void *p,
                   const char *function, const char *noun)
{
    if (p == NULL)
        weir__web_mistake(web, site, "%s: %s is NULL", function, noun);
    return p != NULL;
}

/* --- middleware --------------------------------------------------------------------------- */

/* The `i`-th of the arguments as they are written, "auth, limit, .timeout = x". */
static weir_str name_of(const char *names, size_t i)
{
    if (names == NULL)
        return WEIR_S("?");
    for (; i > 0; i--) {
        const char *comma = strchr(names, ',');
        if (comma == NULL)
            return WEIR_S("?");
        names = comma + 1;
    }
    weir_str name = {names, strcspn(names, ",")};
    return weir_str_trim(name);
}

static void add_use(struct weir__web *web, struct weir__web_use ***last, weir_handler handler,
                    weir_str name, const weir_site *site)
{
    struct weir__web_use *use = weir__web_alloc(web, sizeof *use);
    if (use == NULL)
        return;
    *use = (struct weir__web_use){.handler = handler, .name = name, .site = site};
    **last = use;
    *last = &use->next;
}

void weir_use_at(const weir_site *site, weir_group *group, const char *names,
                 const weir_handler *handlers, size_t count)
{
    WEIR__BEFORE_START(group != NULL && group->web->is_frozen);
    struct weir__web *web = weir__web_building(group, &site, "weir_use");
    if (count > 0 && !weir__web_has(web, site, handlers, "weir_use", "the list of handlers"))
        return;
    for (size_t i = 0; i < count; i++) {
        if (handlers[i] == NULL)
            weir__web_mistake(web, site, "a middleware is NULL");
        else
            add_use(web, &group->last_use, handlers[i], name_of(names, i), site);
    }
}

/*
 * The middleware among the options of a group or route; `first` is the place of their first name.
 */
static void add_option_uses(struct weir__web *web, struct weir__web_use ***last,
                            const weir_handler uses[OPTION_USES], const char *names, size_t first,
                            const weir_site *site)
{
    for (size_t i = 0; i < OPTION_USES; i++) {
        if (uses[i] != NULL)
            add_use(web, last, uses[i], name_of(names, first + i), site);
    }
}

/* A time-out that was given without its unit. */
static void check_dur(struct weir__web *web, const weir_site *site, const char *what,
                      weir_str pattern, weir_dur timeout)
{
    if (weir__dur_is_slip(timeout))
        weir__web_mistake(web, site, "%s \"%.*s\": .timeout" WEIR__SLIP_FMT, what,
                          WEIR_STR_ARG(pattern), WEIR__SLIP_ARG(timeout));
}

/* --- groups ------------------------------------------------------------------------------- */

/* `prefix` and `rest` as one path; a slash at the end of the prefix does not count twice. */
static weir_str join(struct weir__web *web, weir_str prefix, weir_str rest)
{
    weir_str path = weir__arena_printf(&web->arena, WEIR_STR_FMT WEIR_STR_FMT, WEIR_STR_ARG(prefix),
                                       WEIR_STR_ARG(rest));
    if (path.ptr == NULL)
        web->is_out_of_memory = true;
    return path.ptr != NULL ? path : WEIR_S("");
}

/* A '*' that is not the byte itself, "\*". */
static bool has_wildcard(weir_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '*' && (i == 0 || s.ptr[i - 1] != '\\'))
            return true;
    }
    return false;
}

static weir_str checked_prefix(struct weir__web *web, const weir_site *site, const char *prefix)
{
    weir_str s = weir_str_from(prefix != NULL ? prefix : "");
    if (s.len > 0 && s.ptr[0] != '/') {
        weir__web_mistake(web, site, "the prefix \"%s\" does not begin with '/'", prefix);
        return WEIR_S("");
    }
    if (s.len > 0 && s.ptr[s.len - 1] == '/')
        s.len--;
    if (has_wildcard(s))
        weir__web_mistake(web, site, "the prefix \"%s\" has a wildcard, which ends a pattern",
                          prefix);
    return s;
}

weir_group *weir_group_new_at(const weir_site *site, weir_group *above, const char *prefix,
                              const char *names, const weir_group_options *o)
{
    WEIR__BEFORE_START(above != NULL && above->web->is_frozen, above);
    struct weir__web *web = weir__web_building(above, &site, "weir_group_new");
    static const weir_group_options none = {.size = sizeof none};
    weir_group_options room;
    if (!weir__web_has(web, site, o, "weir_group_new", "the pointer to the options"))
        o = &none;
    o = weir__options(o, &room, sizeof room, "weir_group_new");
    weir_group *g = weir__web_alloc(web, sizeof *g);
    if (g == NULL)
        return above;
    g->web = web;
    g->above = above;
    g->site = site;
    g->prefix = join(web, above->prefix, checked_prefix(web, site, prefix));
    g->last_use = &g->first_use;
    g->timeout = o->timeout;
    check_dur(web, site, "the group", g->prefix, o->timeout);
    g->body_bytes_max = o->body_bytes_max;
    g->half_close = o->half_close;
    const weir_handler uses[OPTION_USES] = {o->use0, o->use1, o->use2, o->use3,
                                            o->use4, o->use5, o->use6, o->use7};
    add_option_uses(web, &g->last_use, uses, names, 0, site);
    return g;
}

/* --- routes ------------------------------------------------------------------------------- */

static struct weir__route *add_route(struct weir__web *web, const weir_site *site,
                                     weir_group *group, weir_method method, const char *pattern)
{
    struct weir__route *r = weir__web_alloc(web, sizeof *r);
    if (r == NULL)
        return NULL;
    r->site = site;
    r->group = group;
    r->method = method;
    r->last_use = &r->first_use;
    r->pattern = join(web, group->prefix, weir_str_from(pattern));
    if (r->pattern.len == 0)
        r->pattern = WEIR_S("/");
    r->index = ++web->route_count;
    *web->last_route = r;
    web->last_route = &r->next;
    return r;
}

/* What can be said of a route by itself; the rest is the router's to say. */
static bool is_plausible(struct weir__web *web, const weir_site *site, weir_method method,
                         const char *pattern, weir_handler handler)
{
    if (handler == NULL)
        weir__web_mistake(web, site, "the route \"%s\" has no handler", pattern);
    else if (pattern[0] != '\0' && pattern[0] != '/')
        weir__web_mistake(web, site, "the pattern \"%s\" does not begin with '/'", pattern);
    else if (method < WEIR_GET || method > WEIR_OPTIONS)
        weir__web_mistake(web, site, "the route \"%s\" has no known method", pattern);
    else
        return true;
    return false;
}

void weir_route_at(const weir_site *site, weir_group *group, weir_method method,
                   const char *pattern, const char *names, const weir_route_options *o)
{
    WEIR__BEFORE_START(group != NULL && group->web->is_frozen);
    struct weir__web *web = weir__web_building(group, &site, "weir_route");
    weir_route_options room;
    if (!weir__web_has(web, site, pattern, "weir_route", "the pattern") ||
        !weir__web_has(web, site, o, "weir_route", "the pointer to the options"))
        return;
    o = weir__options(o, &room, sizeof room, "weir_route");
    if (!is_plausible(web, site, method, pattern, o->handler))
        return;
    struct weir__route *r = add_route(web, site, group, method, pattern);
    if (r == NULL)
        return;
    r->handler = o->handler;
    r->handler_name = name_of(names, 0);
    r->timeout = o->timeout;
    check_dur(web, site, "the route", r->pattern, o->timeout);
    r->body_bytes_max = o->body_bytes_max;
    r->half_close = o->half_close;
    const weir_handler uses[OPTION_USES] = {o->use0, o->use1, o->use2, o->use3,
                                            o->use4, o->use5, o->use6, o->use7};
    add_option_uses(web, &r->last_use, uses, names, 1, site);
}

void weir_static_at(const weir_site *site, weir_group *group, const char *pattern,
                    const char *folder, const weir_static_options *options)
{
    WEIR__BEFORE_START(group != NULL && group->web->is_frozen);
    struct weir__web *web = weir__web_building(group, &site, "weir_static");
    weir_static_options room;
    if (!weir__web_has(web, site, pattern, "weir_static", "the pattern") ||
        !weir__web_has(web, site, folder, "weir_static", "the folder") ||
        !weir__web_has(web, site, options, "weir_static", "the pointer to the options"))
        return;
    options = weir__options(options, &room, sizeof room, "weir_static");
    weir_str prefix = checked_prefix(web, site, pattern);
    weir_str whole = join(web, prefix, WEIR_S("/*path"));
    struct weir__route *r = add_route(web, site, group, WEIR_GET, whole.ptr);
    if (r == NULL)
        return;
    r->handler = weir__web_static;
    r->handler_name = WEIR_S("weir_static");
    r->folder = folder;
    r->files = *options;
    r->timeout = options->timeout;
    check_dur(web, site, "the folder", whole, options->timeout);
}

void weir_slash_policy_of(weir_group *group, weir_slash policy)
{
    WEIR__BEFORE_START(group != NULL && group->web->is_frozen);
    const weir_site *nowhere = NULL;
    weir__web_building(group, &nowhere, __func__)->slash = policy;
}

void weir_fallback_at(const weir_site *site, weir_group *group, weir_handler handler,
                      const char *name)
{
    WEIR__BEFORE_START(group != NULL && group->web->is_frozen);
    struct weir__web *web = weir__web_building(group, &site, "weir_fallback");
    if (!weir__web_has(web, site, (const void *)(uintptr_t)handler, "weir_fallback", "the handler"))
        return;
    if (web->fallback != NULL)
        weir__web_mistake(web, site, "a second fallback; the first one is at %s:%d",
                          web->fallback_site->file, web->fallback_site->line);
    web->fallback = handler;
    web->fallback_name = weir_str_from(name != NULL ? name : "?");
    web->fallback_site = site;
}

/* --- the table of errors ------------------------------------------------------------------ */

static void check_entry(struct weir__web *web, const weir_site *site, const weir_error_entry *e)
{
    if (e->code >= 0)
        weir__web_mistake(web, site, "error %d: codes are below 0; your own are WEIR_DOMAIN(n)",
                          e->code);
    if (e->status < 400 || e->status > 599)
        weir__web_mistake(web, site, "error %d has status %d; allowed are 400 to 599", e->code,
                          e->status);
    if (e->name == NULL || e->name[0] == '\0')
        weir__web_mistake(web, site, "error %d has no name", e->code);
    for (const struct weir__web_error *o = web->errors; o != NULL; o = o->next) {
        if (o->entry.code == e->code)
            weir__web_mistake(web, site, "error %d is in the table already, from %s:%d", e->code,
                              o->site->file, o->site->line);
    }
}

void weir_error_table_at(const weir_site *site, weir_group *group, size_t stride,
                         const weir_error_entry *entries, size_t count)
{
    WEIR__BEFORE_START(group != NULL && group->web->is_frozen);
    struct weir__web *web = weir__web_building(group, &site, "weir_error_table");
    if (count > 0 && !weir__web_has(web, site, entries, "weir_error_table", "the list of entries"))
        return;
    for (size_t i = 0; i < count; i++) {
        weir_error_entry entry;
        if (!weir__sized_copy(&entry, sizeof entry, (const char *)entries + i * stride, stride))
            weir__web_mistake(web, site,
                              "error %d has what this library does not know: the program was "
                              "compiled with a newer Weir",
                              entry.code);
        check_entry(web, site, &entry);
        struct weir__web_error *e = weir__web_alloc(web, sizeof *e);
        if (e == NULL)
            return;
        e->entry = entry;
        e->site = site;
        e->next = web->errors;
        web->errors = e;
    }
}
