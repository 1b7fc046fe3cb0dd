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

/* Everything that builds passes here: after the start nothing may change any more (S1). */
static struct weir__web *building(weir_group *group, const char *function)
{
    if (group->web->is_frozen)
        weir__misuse(function, "the service runs already; routes and handles are made before");
    return group->web;
}
#define BUILDING(group) building((group), __func__)

/* --- middleware --------------------------------------------------------------------------- */

/* The `i`-th of the arguments as they are written, "auth, limit, .timeout = x". */
static weir_str name_of(const char *names, size_t i)
{
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
    struct weir__web *web = BUILDING(group);
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

static weir_str checked_prefix(struct weir__web *web, const weir_site *site, const char *prefix)
{
    weir_str s = weir_str_from(prefix != NULL ? prefix : "");
    if (s.len > 0 && s.ptr[0] != '/') {
        weir__web_mistake(web, site, "the prefix \"%s\" does not begin with '/'", prefix);
        return WEIR_S("");
    }
    if (s.len > 0 && s.ptr[s.len - 1] == '/')
        s.len--;
    if (s.len > 0 && memchr(s.ptr, '*', s.len) != NULL)
        weir__web_mistake(web, site, "the prefix \"%s\" has a wildcard, which ends a pattern",
                          prefix);
    return s;
}

weir_group *weir_group_new_at(const weir_site *site, weir_group *above, const char *prefix,
                              const char *names, const weir_group_options *o)
{
    struct weir__web *web = BUILDING(above);
    weir_group *g = weir__web_alloc(web, sizeof *g);
    if (g == NULL)
        return above;
    g->web = web;
    g->above = above;
    g->site = site;
    g->prefix = join(web, above->prefix, checked_prefix(web, site, prefix));
    g->last_use = &g->first_use;
    g->timeout = o->timeout;
    g->body_bytes_max = o->body_bytes_max;
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
        weir__web_mistake(web, site, "the route \"%s\" has no handler",
                          pattern != NULL ? pattern : "");
    else if (pattern == NULL || (pattern[0] != '\0' && pattern[0] != '/'))
        weir__web_mistake(web, site, "the pattern \"%s\" does not begin with '/'",
                          pattern != NULL ? pattern : "(NULL)");
    else if (method < WEIR_GET || method > WEIR_OPTIONS)
        weir__web_mistake(web, site, "the route \"%s\" has no known method", pattern);
    else
        return true;
    return false;
}

void weir_route_at(const weir_site *site, weir_group *group, weir_method method,
                   const char *pattern, const char *names, const weir_route_options *o)
{
    struct weir__web *web = BUILDING(group);
    if (!is_plausible(web, site, method, pattern, o->handler))
        return;
    struct weir__route *r = add_route(web, site, group, method, pattern);
    if (r == NULL)
        return;
    r->handler = o->handler;
    r->handler_name = name_of(names, 0);
    r->timeout = o->timeout;
    r->body_bytes_max = o->body_bytes_max;
    const weir_handler uses[OPTION_USES] = {o->use0, o->use1, o->use2, o->use3,
                                            o->use4, o->use5, o->use6, o->use7};
    add_option_uses(web, &r->last_use, uses, names, 1, site);
}

void weir_static_at(const weir_site *site, weir_group *group, const char *pattern,
                    const char *folder)
{
    struct weir__web *web = BUILDING(group);
    weir_str prefix = checked_prefix(web, site, pattern);
    weir_str whole = join(web, prefix, WEIR_S("/*path"));
    struct weir__route *r = add_route(web, site, group, WEIR_GET, whole.ptr);
    if (r == NULL)
        return;
    r->handler = weir__web_static;
    r->handler_name = WEIR_S("weir_static");
    r->folder = folder;
}

void weir_slash_policy_of(weir_group *group, weir_slash policy)
{
    BUILDING(group)->slash = policy;
}

void weir_fallback_at(const weir_site *site, weir_group *group, weir_handler handler,
                      const char *name)
{
    struct weir__web *web = BUILDING(group);
    if (web->fallback != NULL)
        weir__web_mistake(web, site, "a second fallback; the first one is at %s:%d",
                          web->fallback_site->file, web->fallback_site->line);
    web->fallback = handler;
    web->fallback_name = weir_str_from(name);
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

void weir_error_table_at(const weir_site *site, weir_group *group, const weir_error_entry *entries,
                         size_t count)
{
    struct weir__web *web = BUILDING(group);
    for (size_t i = 0; i < count; i++) {
        check_entry(web, site, &entries[i]);
        struct weir__web_error *e = weir__web_alloc(web, sizeof *e);
        if (e == NULL)
            return;
        e->entry = entries[i];
        e->site = site;
        e->next = web->errors;
        web->errors = e;
    }
}
