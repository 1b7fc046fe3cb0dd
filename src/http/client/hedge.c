/*
 * Hedging: the same request once more, when the first takes longer than most do. Each is an
 * exchange of its own, in a fiber and a context of its own below the caller's; whichever is read
 * whole first is copied into the reply that the caller has, and the other's context is cancelled,
 * which breaks it off. Both are over before the call returns, so no connection changes its fiber.
 *
 * The one hard thing is the load that this makes where everything is slow: the second request is
 * taken out of the budget of retries, and is never tried again itself.
 *
 * Owns the context of both. Context: the caller's fiber.
 */
#include "http/client/client.h"

#include <string.h>

#include "guard/retry_budget.h"
#include "rt/fiber.h"
#include "rt/scope.h"
#include "rt/worker.h"
#include <weir/fiber.h>

struct hedge;

struct attempt {
    struct hedge *hedge;
    weir_ctx *c;  /* while it waits for its turn */
    bool is_late; /* it has one */
};

struct hedge {
    weir_reply *r; /* the caller's */
    bool has_won;
    weir_err first_err;
    struct attempt first, second;
};

bool weir__client_is_hedged(const weir_reply *r)
{
    bool is_safe =
        r->method == WEIR_HTTP_GET || r->method == WEIR_HTTP_HEAD || r->method == WEIR_HTTP_OPTIONS;
    return r->call->hedge_after.ns > 0 && is_safe && !r->is_streamed && r->form == NULL &&
           !r->c->is_shielded;
}

/* --- what the winner has ---------------------------------------------------------------------- */

/* In the caller's memory; absent: there is none. */
static weir_str copied(weir_reply *r, weir_str s)
{
    char *to = weir__ctx_object(r->c, s.len + 1);
    if (to != NULL && s.len > 0)
        memcpy(to, s.ptr, s.len);
    return (weir_str){to, s.len};
}

static size_t head_end(const weir_reply *r)
{
    size_t end = 0;
    for (unsigned i = 0; i < r->field_count; i++) {
        const struct weir__http_line *f = &r->fields[i];
        size_t at = f->value.off + f->value.len, name = f->name.off + f->name.len;
        end = at > end ? at : end;
        end = name > end ? name : end;
    }
    return end;
}

/* All of an answer that was read whole, into the caller's. */
static weir_err hand_over(weir_reply *to, const weir_reply *from)
{
    weir_str fields = {(const char *)from->fields, from->field_count * sizeof *from->fields};
    weir_str lines = copied(to, fields);
    weir_str head = copied(to, (weir_str){from->head, head_end(from)});
    weir_str whole = copied(to, from->whole);
    weir_str trailers = copied(to, (weir_str){from->trailers, from->trailers_len});
    if (lines.ptr == NULL || head.ptr == NULL || whole.ptr == NULL || trailers.ptr == NULL)
        return weir__client_no_memory(to);
    to->fields = (struct weir__http_line *)(uintptr_t)lines.ptr;
    to->field_count = from->field_count;
    to->head = (char *)(uintptr_t)head.ptr;
    to->whole = whole;
    to->trailers = (char *)(uintptr_t)trailers.ptr;
    to->trailers_len = trailers.len;
    to->status = from->status;
    to->major = from->major;
    to->minor = from->minor;
    return WEIR_OK;
}

/* --- the two ---------------------------------------------------------------------------------- */

static weir_err ask(weir_ctx *c, struct attempt *a)
{
    struct hedge *h = a->hedge;
    weir_reply *r = weir__client_same(h->r, weir__ctx_of(c));
    if (r == NULL)
        return -ENOMEM;
    if (a->is_late)
        r->retries = UINT8_MAX;
    weir__client_ask(r);
    if (r->err == WEIR_OK)
        (void)weir__client_read_whole(r);
    r->call = NULL;
    if (r->err < 0 || h->has_won)
        return r->err;
    weir_err err = hand_over(h->r, r);
    h->has_won = err == WEIR_OK;
    return err;
}

static weir_err ask_first(weir_ctx *c, void *arg)
{
    struct attempt *a = arg;
    struct hedge *h = a->hedge;
    weir_err err = ask(c, a);
    h->first_err = err;
    if (err < 0 && h->second.c != NULL)
        weir_cancel(h->second.c); /* a failure is a retry's to mend, not a hedge's */
    return err;
}

static weir_err ask_second(weir_ctx *c, void *arg)
{
    struct attempt *a = arg;
    struct weir__client_cells *cells = weir__client_cells(a->hedge->r->http);
    a->c = c;
    weir_err err =
        a->hedge->first_err < 0 ? WEIR_ECANCELED : weir_sleep(c, a->hedge->r->call->hedge_after);
    a->c = NULL;
    if (err < 0)
        return err;
    if (!weir__retry_budget_take(a->hedge->r->http->budget, weir__self->index,
                                 weir__worker_now(weir__self)))
        return WEIR_ELIMIT;
    weir__counter_add(&cells->retries, 1);
    return ask(c, a);
}

/* The error of the one that failed first, as it was told below. */
static void fail(weir_reply *r, const struct weir__ctx *group, weir_err err)
{
    const weir_error *e = group->error;
    r->err = err;
    if (r->c->reason == WEIR_REASON_NONE && e != NULL)
        (void)weir_raise_at(r->site, weir__ctx_handle(r->c), e->code, 0, WEIR_STR_FMT,
                            WEIR_STR_ARG(e->message));
}

static weir_err run(struct hedge *h, struct weir__ctx *group)
{
    weir_ctx *both = weir__ctx_handle(group);
    weir_err err = weir_go_at(h->r->site, both, ask_first, &h->first, "ask");
    if (err == WEIR_OK && weir_go_at(h->r->site, both, ask_second, &h->second, "ask again") < 0)
        weir_error_clear(both); /* without the second the first is as good */
    weir_err joined = weir_join_as(both, WEIR_JOIN_FIRST_OK);
    if (err == WEIR_OK && joined < 0)
        err = h->first_err < 0 ? h->first_err : joined;
    return err;
}

/* In the memory of the context that both are in. */
static struct hedge *new_hedge(weir_reply *r, struct weir__ctx *group)
{
    struct hedge *h = group != NULL ? weir__ctx_object(group, sizeof *h) : NULL;
    if (h != NULL)
        *h = (struct hedge){.r = r, .first = {.hedge = h}, .second = {.hedge = h, .is_late = true}};
    return h;
}

void weir__client_hedge(weir_reply *r)
{
    struct weir__ctx *group = weir__ctx_new(r->c, weir_never(), 0, r->site);
    struct hedge *h = new_hedge(r, group);
    weir_err err = h != NULL ? run(h, group) : -ENOMEM;
    if (h == NULL)
        (void)weir__client_fail(r, err, "%s", weir_strerror(err));
    else if (!h->has_won)
        fail(r, group, err);
    if (group != NULL)
        weir__ctx_end(group);
    weir__client_end(r);
    weir__disown(&r->owned);
}
