/*
 * Calls to a group: which target the next try gets, and what its end says of that target.
 *
 * The one hard thing is what a failure is. Of the caller's own mistakes, his cancellation, a pool
 * that is full, a target knows nothing; of a connection that was refused, an answer that did not
 * come or was none, and a status that speaks of the server, it does.
 *
 * Owns nothing. Context: the exchange's fiber; waits for nothing.
 */
#include "http/client/upstream.h"

#include <stdlib.h>
#include <string.h>

#include "base/given.h"
#include "rt/log.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/worker.h"

static struct weir__upstream *upstream_of(const weir_reply *r)
{
    return r->target.is_base ? r->http->upstream : NULL;
}

/* The running worker's. */
static struct weir__balance *balance_of(const struct weir__upstream_set *set)
{
    return set->balances[weir__self->index];
}

bool weir__upstream_has(const struct weir__upstream *u, weir_str origin)
{
    for (uint32_t i = 0; i < u->source_count; i++)
        if (weir_str_eq(u->sources[i].at.origin, origin))
            return true;
    return false;
}

bool weir__upstream_is_https(const struct weir__upstream *u)
{
    for (uint32_t i = 0; i < u->source_count; i++)
        if (u->sources[i].at.is_https)
            return true;
    return false;
}

/* --- choosing --------------------------------------------------------------------------------- */

static weir_str path_of(const weir_reply *r)
{
    weir_str path = r->target.path;
    const char *query = path.len > 0 ? memchr(path.ptr, '?', path.len) : NULL;
    return query != NULL ? (weir_str){path.ptr, (size_t)(query - path.ptr)} : path;
}

/* What a call by hash is held to be the same by. */
static weir_str key_of(const weir_reply *r)
{
    const char *name = r->http->o.group.key_header;
    if (r->call->key.ptr != NULL)
        return r->call->key;
    weir_str said = {NULL, 0};
    if (name != NULL)
        said = weir__client_line_of(r, weir_str_from(name));
    return said.ptr != NULL ? said : path_of(r);
}

/* What was said on any worker holds on this one too. */
static void heed_drains(const struct weir__upstream_set *set, struct weir__balance *b)
{
    for (uint32_t i = 0; i < set->count; i++) {
        bool drains =
            atomic_load_explicit(&set->of[i].target->source->is_draining, memory_order_relaxed);
        if (drains != b->of[i].is_draining)
            weir__balance_drain(b, i, drains);
    }
}

/* Why, for people: below 0 an error, above a status. */
static void put_trouble(weir_buf *out, int what)
{
    if (what > 0)
        weir_buf_printf(out, "the last answer was %d", what);
    else
        weir_buf_printf(out, "%s", what < 0 ? weir_strerror(what) : "taken out of use");
}

/* Of all targets that are out since when, and why. */
static void tell(const struct weir__upstream_set *set, weir_buf *out)
{
    weir_time now = weir__worker_now(weir__self);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct weir__upstream_target *t = set->of[i].target;
        int64_t since = atomic_load_explicit(&t->out_since, memory_order_relaxed);
        weir_buf_printf(out, "%s%s ", i > 0 ? "; " : "", t->name);
        if (atomic_load_explicit(&t->source->is_draining, memory_order_relaxed)) {
            weir_buf_puts(out, WEIR_S("drained"));
            continue;
        }
        weir_buf_printf(out, "for %lld ms (", (long long)((now.ns - since) / 1000000));
        put_trouble(out, atomic_load_explicit(&t->trouble, memory_order_relaxed));
        weir_buf_putc(out, ')');
    }
}

static weir_err fail_all_out(weir_reply *r, const struct weir__upstream_set *set)
{
    char bytes[500];
    weir_buf text;
    weir_buf_init_fixed(&text, bytes, sizeof bytes - 1);
    tell(set, &text);
    bytes[text.len] = '\0';
    return weir__client_fail(r, -EHOSTUNREACH, "all %u targets are out: %s", set->count, bytes);
}

/* Those that have failed it, as far as they are in that set. */
static uint32_t seats_of_tried(const weir_reply *r, const struct weir__upstream_set *set,
                               uint32_t seats[WEIR__CLIENT_TRIED_MAX])
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < r->tried_count; n++) {
        uint32_t i = weir__upstream_seat_of(set, r->tried[n]);
        if (i != WEIR__UPSTREAM_NOT_THERE)
            seats[count++] = i;
    }
    return count;
}

weir_err weir__upstream_choose(weir_reply *r)
{
    struct weir__upstream *u = upstream_of(r);
    if (u == NULL)
        return WEIR_OK;
    weir__upstream_leave(r);
    struct weir__upstream_set *set = weir__upstream_here(u);
    struct weir__balance *b = balance_of(set);
    uint32_t tried[WEIR__CLIENT_TRIED_MAX];
    const struct weir__balance_call call = {
        .key = r->http->o.group.policy == WEIR_HTTP_HASH ? weir__balance_key(key_of(r)) : 0,
        .tried = tried,
        .tried_count = seats_of_tried(r, set, tried),
    };
    heed_drains(set, b);
    uint32_t i = weir__balance_pick(b, &call, weir__worker_now(weir__self));
    if (i == WEIR__BALANCE_NONE)
        return fail_all_out(r, set);
    r->seat = i;
    r->set = set;
    r->sits_at = set->of[i].target->id;
    weir_str path = r->target.path;
    r->target = set->of[i].target->at;
    r->target.path = path;
    return WEIR_OK;
}

void weir__upstream_leave(weir_reply *r)
{
    struct weir__upstream_set *set = r->set;
    if (set == NULL)
        return;
    r->set = NULL;
    r->target.key = (weir_str){NULL, 0}; /* the target's memory, which may go now */
    weir__upstream_done(set, r->seat);
}

bool weir__upstream_is_gone(const weir_reply *r)
{
    return r->set != NULL &&
           atomic_load_explicit(&r->set->of[r->seat].target->is_gone, memory_order_relaxed);
}

static bool is_tried(const weir_reply *r, const struct weir__upstream_target *t)
{
    for (uint32_t n = 0; n < r->tried_count; n++)
        if (r->tried[n] == t->id)
            return true;
    return false;
}

bool weir__upstream_has_other(const weir_reply *r)
{
    struct weir__upstream *u = upstream_of(r);
    const struct weir__upstream_set *set = u != NULL ? weir__upstream_here(u) : NULL;
    for (uint32_t i = 0; set != NULL && i < set->count; i++) {
        enum weir__target_state state = weir__balance_state(balance_of(set), i, weir__self->now);
        bool is_given = state == WEIR__TARGET_HEALTHY || state == WEIR__TARGET_PROBING;
        if (is_given && !is_tried(r, set->of[i].target))
            return true;
    }
    return false;
}

/* --- what calls tell -------------------------------------------------------------------------- */

/* Says it nothing of the target? */
static bool is_ours(const weir_reply *r, weir_err err)
{
    return weir__ctx_check(r->c) != WEIR_OK || err == WEIR_EINVALID || err == WEIR_ELIMIT ||
           err == WEIR_EDEADLK || err == -ENOMEM || err == WEIR_EBUDGET || err == WEIR_ECANCELED ||
           err == WEIR_ESHUTDOWN || err == WEIR_ENOTBUILT || err == WEIR_ETOOLARGE;
}

/* The server is in trouble: not what it cannot do at all (501), nor how it is spoken to (505). */
static bool is_trouble(int status)
{
    return status >= 500 && status != 501 && status != 505;
}

void weir__upstream_note(struct weir__upstream_target *t, bool is_up, const char *what)
{
    char bytes[200];
    weir_buf text;
    weir_buf_init_fixed(&text, bytes, sizeof bytes - 1);
    if (!is_up) {
        atomic_store_explicit(&t->out_since, weir__self->now.ns, memory_order_relaxed);
        put_trouble(&text, atomic_load_explicit(&t->trouble, memory_order_relaxed));
    }
    bytes[text.len] = '\0';
    weir_log(NULL, is_up ? WEIR_LOG_INFO : WEIR_LOG_WARN, "HTTP client %s: %s %s%s%s",
             t->source->upstream->http->name, t->name, what, is_up ? "" : ": ", bytes);
}

/* Somebody was ejected, by this call or at the end of a window: each is told of once. */
static void tell_ejected(const struct weir__upstream_set *set)
{
    struct weir__ejector_view view;
    for (uint32_t i = 0; i < set->count; i++) {
        struct weir__upstream_target *t = set->of[i].target;
        weir__ejector_read(set->ejector, i, weir__self->now, &view);
        uint64_t told = atomic_exchange(&t->ejections, view.ejections);
        if (view.ejections > told)
            weir__upstream_note(t, false,
                                view.cause == WEIR__EJECTED_FOR_ROW
                                    ? "is left alone for a while, for failures in a row"
                                    : "is left alone for a while, for a share of failures");
    }
}

void weir__upstream_report(weir_reply *r, weir_err err)
{
    struct weir__upstream *u = upstream_of(r);
    if (u == NULL || r->tries == 0 || (err != WEIR_OK && is_ours(r, err)))
        return;
    struct weir__upstream_set *set = weir__upstream_here(u);
    const uint32_t i = weir__upstream_seat_of(set, r->sits_at);
    bool is_ok = err == WEIR_OK && !is_trouble(r->status);
    if (!is_ok && r->tried_count < WEIR__CLIENT_TRIED_MAX)
        r->tried[r->tried_count++] = r->sits_at;
    if (i == WEIR__UPSTREAM_NOT_THERE)
        return; /* it is in the group no more */
    struct weir__upstream_target *t = set->of[i].target;
    if (!is_ok)
        weir__upstream_trouble(t, err != WEIR_OK ? err : r->status);
    if (set->health[i] != NULL && weir__health_called(&t->health, &u->healths, is_ok))
        weir__upstream_note(t, false, "is down");
    weir_time now = weir__worker_now(weir__self);
    if (weir__ejector_report(set->ejector, weir__self->index, i, is_ok, now) > 0)
        tell_ejected(set);
}

/* --- draining --------------------------------------------------------------------------------- */

weir_err weir_http_drain(weir_ctx *c, weir_http *handle, const char *url, bool drains)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    (void)weir__ctx_of(c);
    weir__given(url, "the URL");
    const weir_http *http = weir__token_must(handle, WEIR__KIND_HTTP, __func__, "the HTTP client");
    struct weir__upstream *u = http->upstream;
    if (http->err < 0)
        return http->err;
    for (uint32_t i = 0; u != NULL && i < u->source_count; i++) {
        struct weir__upstream_source *s = &u->sources[i];
        if (strcmp(s->url, url) != 0)
            continue;
        atomic_store_explicit(&s->is_draining, drains, memory_order_relaxed);
        return WEIR_OK;
    }
    return WEIR_ENOTFOUND;
}
