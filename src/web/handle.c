/*
 * Handles: application-wide objects by name and type. Each handle of the program gets a number when
 * it is first provided or needed; the service keeps a table by number, so that the look-up in a
 * request is two loads. The numbers belong to the process, the tables to services: tests may have
 * many of them.
 */
#include <stdatomic.h>

#include "base/assert.h"
#include "base/given.h"
#include "rt/panic.h"
#include "web/web.h"

static atomic_uint last_number;

/* The number of a handle, given once; 0 past the most there may be. */
static unsigned number_of(weir_handle *h)
{
    unsigned n = __atomic_load_n(&h->number, __ATOMIC_ACQUIRE);
    if (n != 0)
        return n;
    unsigned fresh = atomic_fetch_add(&last_number, 1) + 1;
    if (fresh >= WEIR_HANDLES_MAX)
        return 0;
    unsigned none = 0;
    bool is_ours = __atomic_compare_exchange_n(&h->number, &none, fresh, false, __ATOMIC_ACQ_REL,
                                               __ATOMIC_ACQUIRE);
    return is_ours ? fresh : none;
}

void weir_provide_at(const weir_site *site, weir_group *group, weir_handle *handle, void *object)
{
    WEIR__BEFORE_START(group != NULL && group->web->is_frozen);
    struct weir__web *web = weir__web_building(group, &site, "weir_provide");
    if (!weir__web_has(web, site, handle, "weir_provide", "the handle"))
        return;
    unsigned n = number_of(handle);
    if (n == 0)
        weir__web_mistake(web, site, "handle %s: there are more than %d", handle->name,
                          WEIR_HANDLES_MAX - 1);
    else if (object == NULL)
        weir__web_mistake(web, site, "weir_provide: the object of handle %s is NULL", handle->name);
    else if (web->handles[n] != NULL)
        weir__web_mistake(web, site, "handle %s is provided already, at %s:%d", handle->name,
                          web->handle_sites[n]->file, web->handle_sites[n]->line);
    else {
        web->handles[n] = object;
        web->handle_sites[n] = site;
    }
}

void weir_needs_at(const weir_site *site, weir_group *group, weir_handle *handle)
{
    WEIR__BEFORE_START(group != NULL && group->web->is_frozen);
    struct weir__web *web = weir__web_building(group, &site, "weir_needs");
    if (!weir__web_has(web, site, handle, "weir_needs", "the handle"))
        return;
    struct weir__web_need *need = weir__web_alloc(web, sizeof *need);
    if (need == NULL)
        return;
    *need = (struct weir__web_need){web->needs, handle, site};
    web->needs = need;
}

/* In a request its service, elsewhere the one that the worker belongs to. */
static const struct weir__web *service_of(const struct weir__ctx *c)
{
    const struct weir__exchange *x = c->exchange;
    if (WEIR_LIKELY(x != NULL && x->user != NULL))
        return ((const struct weir__request *)x->user)->web;
    return weir__self != NULL ? weir__self->slots[WEIR__SLOT_WEB] : NULL;
}

void *weir_handle_get(weir_ctx *c, const weir_handle *handle)
{
    WEIR__FIBERS_ONLY(NULL);
    weir__given(handle, "the handle");
    const struct weir__web *web = service_of(weir__ctx_of(c));
    unsigned n = __atomic_load_n(&handle->number, __ATOMIC_RELAXED);
    void *object = web != NULL && n != 0 ? web->handles[n] : NULL;
    if (WEIR_UNLIKELY(object == NULL))
        weir__misuse(handle->name,
                     "nothing was provided under this name: weir_provide(app, %s, …) "
                     "before the start, and weir_needs to have that checked",
                     handle->name);
    return object;
}

void weir__web_attach(struct weir__worker *w, void *arg)
{
    w->slots[WEIR__SLOT_WEB] = arg;
}
