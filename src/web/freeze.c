/*
 * From what was stated to what serves: every route gets its chain (the middleware of its groups
 * from the outside in, its own, its handler, NULL) in one array, its limits, its label; the router
 * is filled and compiled; needs are held against what is provided. All mistakes are found before
 * anything is refused.
 */
#include <fcntl.h>

#include "os/sys.h"
#include "web/web.h"

/* --- chains ------------------------------------------------------------------------------- */

struct chain {
    struct weir__web_use *uses[WEIR_MIDDLEWARE_MAX];
    size_t count;
};

/*
 * A middleware that is in the chain already is a mistake with both lines; said once for the pair.
 */
static void check_twins(struct weir__web *web, const struct chain *chain, struct weir__web_use *use,
                        const struct weir__route *route)
{
    for (size_t i = 0; i < chain->count; i++) {
        const struct weir__web_use *twin = chain->uses[i];
        if (twin->handler != use->handler || use->twin_said == twin)
            continue;
        use->twin_said = twin;
        weir__web_mistake(
            web, use->site,
            "middleware " WEIR_STR_FMT " is twice in the chain of %s; the other one is at %s:%d",
            WEIR_STR_ARG(use->name), route->label[0] != '\0' ? route->label : "all requests",
            twin->site->file, twin->site->line);
    }
}

static void collect(struct weir__web *web, struct chain *chain, struct weir__web_use *first,
                    const struct weir__route *route)
{
    for (struct weir__web_use *use = first; use != NULL; use = use->next) {
        check_twins(web, chain, use, route);
        if (chain->count == WEIR_MIDDLEWARE_MAX) {
            weir__web_mistake(web, use->site, "more than %d middleware in the chain of %s",
                              WEIR_MIDDLEWARE_MAX, route->label);
            return;
        }
        chain->uses[chain->count++] = use;
    }
}

static void collect_groups(struct weir__web *web, struct chain *chain, const weir_group *g,
                           const struct weir__route *route)
{
    if (g->above != NULL)
        collect_groups(web, chain, g->above, route);
    collect(web, chain, g->first_use, route);
}

static void build_chain(struct weir__web *web, struct weir__route *r)
{
    struct chain chain = {.count = 0};
    collect_groups(web, &chain, r->group, r);
    collect(web, &chain, r->first_use, r);
    weir_handler *calls = weir__web_alloc(web, (chain.count + 2) * sizeof *calls);
    if (calls == NULL)
        return;
    for (size_t i = 0; i < chain.count; i++)
        calls[i] = chain.uses[i]->handler;
    calls[chain.count] = r->handler;
    r->chain = calls;
    r->chain_count = (uint16_t)(chain.count + 1);
}

/* --- routes ------------------------------------------------------------------------------- */

static void inherit_limits(struct weir__web *web, struct weir__route *r)
{
    for (const weir_group *g = r->group; g != NULL; g = g->above) {
        if (r->timeout.ns == 0)
            r->timeout = g->timeout;
        if (r->body_bytes_max == 0)
            r->body_bytes_max = g->body_bytes_max;
        if (r->half_close == WEIR_AS_ABOVE)
            r->half_close = g->half_close;
    }
    if (r->timeout.ns < 0 && r->timeout.ns != weir_no_timeout().ns)
        weir__web_mistake(web, r->site, "%s: a timeout below 0", r->label);
}

static void check_folder(struct weir__web *web, const struct weir__route *r)
{
    int fd = weir__sys_open(r->folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        weir__web_mistake(web, r->site, "the folder %s: %s", r->folder, strerror(-fd));
    else
        weir__sys_close(fd);
    if (r->files.version != NULL && !weir__web_is_version(r->files.version))
        weir__web_mistake(web, r->site,
                          "%s: .version has 1 to 64 printable characters but blanks and quotes",
                          r->label);
    if (r->files.cache_control != NULL &&
        !weir__http_value_is_valid(weir_str_from(r->files.cache_control)))
        weir__web_mistake(web, r->site, "%s: .cache_control is no header's value", r->label);
}

static void build_route(struct weir__web *web, struct weir__route *r)
{
    weir_str method = weir__http_method_name((enum weir__http_method)r->method);
    weir_str label = weir__arena_printf(&web->arena, WEIR_STR_FMT " " WEIR_STR_FMT,
                                        WEIR_STR_ARG(method), WEIR_STR_ARG(r->pattern));
    if (label.ptr == NULL) {
        web->is_out_of_memory = true;
        return;
    }
    r->label = label.ptr;
    inherit_limits(web, r);
    build_chain(web, r);
    if (r->folder != NULL)
        check_folder(web, r);
    weir__router_add(web->router, (enum weir__http_method)r->method, r->pattern, r, r->site->file,
                     r->site->line);
    web->by_index[r->index] = r;
}

/* What answers where no route does: behind the root's middleware, so that these are logged too. */
static void build_specials(struct weir__web *web)
{
    for (int i = 0; i < WEIR__WEB_SPECIALS; i++) {
        struct weir__route *r = &web->specials[i];
        r->label = "";
        r->group = &web->root;
        r->handler = weir__web_special_handlers[i];
        r->timeout = web->root.timeout;
        r->body_bytes_max = web->root.body_bytes_max;
        r->handler_name = WEIR_S("weir");
        if (i == WEIR__WEB_NOT_FOUND && web->fallback != NULL) {
            r->handler = web->fallback;
            r->handler_name = web->fallback_name;
        }
        build_chain(web, r);
    }
    web->by_index[0] = &web->specials[WEIR__WEB_NOT_FOUND];
}

/* --- all of it ---------------------------------------------------------------------------- */

static void check_needs(struct weir__web *web)
{
    for (const struct weir__web_need *n = web->needs; n != NULL; n = n->next) {
        unsigned number = n->handle->number;
        if (number == 0 || web->handles[number] == NULL)
            weir__web_mistake(web, n->site,
                              "handle %s is needed here, but nothing is provided under this name",
                              n->handle->name);
    }
}

static size_t report_mistakes(const struct weir__web *web, weir_buf *report)
{
    size_t count = 0;
    for (const struct weir__web_mistake *m = web->mistakes; m != NULL; m = m->next, count++)
        weir_buf_printf(report, "%s\n", m->text.ptr);
    size_t of_router = weir__router_mistake_count(web->router);
    for (size_t i = 0; i < of_router; i++) {
        const char *text = weir__router_mistake(web->router, i);
        if (text != NULL)
            weir_buf_printf(report, "%s\n", text);
    }
    return count + of_router;
}

static weir_err build(struct weir__web *web, weir_buf *report)
{
    for (struct weir__route *r = web->routes; r != NULL; r = r->next)
        build_route(web, r);
    build_specials(web);
    check_needs(web);
    weir_err err = weir__router_freeze(web->router);
    if (web->is_out_of_memory || err == -ENOMEM)
        return -ENOMEM;
    return report_mistakes(web, report) > 0 ? WEIR_EINVALID : WEIR_OK;
}

weir_err weir__web_freeze(struct weir__web *web, weir_buf *report)
{
    static const enum weir__route_slash policies[] = {
        [WEIR_SLASH_REDIRECT] = WEIR__ROUTE_SLASH_REDIRECT,
        [WEIR_SLASH_STRICT] = WEIR__ROUTE_SLASH_STRICT,
        [WEIR_SLASH_IGNORE] = WEIR__ROUTE_SLASH_IGNORE,
    };
    web->router = weir__router_new(policies[web->slash]);
    web->by_index = weir__web_alloc(web, (web->route_count + 1) * sizeof(void *));
    if (web->router == NULL || web->by_index == NULL)
        return -ENOMEM;
    web->is_frozen = true;
    return build(web, report);
}
