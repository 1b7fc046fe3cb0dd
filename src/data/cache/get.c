/*
 * Asking a cache: a look under the shard's lock, and on a miss the flight of the key, which this
 * fiber makes or joins. A hit copies small flat values under the lock, anything else outside of it,
 * under a reference.
 *
 * G1: who makes a load ends it or hands it on, on every way out of the load function (F2).
 */
#include <stdio.h>

#include "base/given.h"
#include "base/map.h"
#include "data/cache/flight.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"
#include "rt/worker.h"

enum { COPIED_LOCKED_MAX = 256, VALUE_BYTES_MAX = 1 << 30 };

/* A question, and who asks. */
struct ask {
    const char *function;
    struct weir_cache *cache;
    struct weir__cache_shard *shard;
    struct weir__ctx *c;
    const weir_site *site;
    weir_str key;
    uint64_t hash;
    const weir_model *model;
    weir_cache_load load;
    void *arg;
    void *value;    /* where a load puts it */
    bool is_loaded; /* this fiber has loaded it there */
};

/* --- loading ---------------------------------------------------------------------------------- */

/* One call of the load function, which may end by a panic. */
struct run {
    struct ask *a;
    struct weir__cache_flight *f;
    weir_err err;
    struct weir__cache_entry *entry; /* what came of it; the caller's reference */
    weir_dur left;                   /* of what was found in the second level; 0: it was loaded */
    struct weir__second_mark mark;   /* … where nothing was found */
    bool is_kept;
    bool is_fresh; /* nobody has written the key meanwhile */
};

/* What the others are told of a failure: the record that the load function has left in `c`. */
static void note_failure(struct weir__cache_flight *f, const struct weir__ctx *c, weir_err err)
{
    const struct weir_error *e = c->error;
    f->err = err;
    f->message[0] = '\0';
    if (err == WEIR_EPANIC) {
        f->site = f->cache->owned.site;
        f->status = 0;
        (void)snprintf(f->message, sizeof f->message, "cache %s: a load has panicked",
                       f->cache->name);
    } else if (e != NULL && e->code == err) {
        f->site = e->site;
        f->status = e->status;
        (void)snprintf(f->message, sizeof f->message, WEIR_STR_FMT, WEIR_STR_ARG(e->message));
    }
}

/* A load that failed because its own request has ended says nothing about the value. */
static bool is_own_end(struct weir__ctx *c, weir_err err)
{
    return err < 0 && err != WEIR_ENOTFOUND && err != WEIR_EPANIC &&
           (c->reason != WEIR_REASON_NONE || weir__ctx_check(c) != WEIR_OK);
}

static weir_time ends_at(const struct run *r, weir_dur most)
{
    const struct ask *a = r->a;
    bool is_missing = r->entry->is_missing;
    weir_dur ttl = is_missing ? a->cache->o.ttl_missing : a->cache->o.ttl;
    ttl = weir__shard_jitter(a->shard, ttl);
    if (r->left.ns > 0 && r->left.ns < ttl.ns)
        ttl = r->left;
    if (most.ns < ttl.ns)
        ttl = most;
    return weir_time_add(weir__self->now, ttl);
}

static void end_run(struct run *r)
{
    struct weir__cache_flight *f = r->f;
    struct weir__cache_shard *s = r->a->shard;
    struct weir__cache_entry *gone = NULL;
    struct weir__flight_waiter *woken = NULL;
    bool is_failed = r->err != WEIR_OK && r->err != WEIR_ENOTFOUND;
    bool is_handed_on = is_own_end(r->a->c, r->err);
    weir_dur most = weir__second_may_keep(r->a->cache, r->left.ns > 0);
    if (is_failed)
        note_failure(f, r->a->c, r->err);
    weir__lock_take(&s->lock);
    weir__counter_add(&s->n.load_errors, is_failed);
    if (is_handed_on)
        woken = weir__flight_hand_on(f);
    if (woken == NULL) {
        r->is_fresh = !f->is_stale;
        if (r->entry != NULL && most.ns > 0 && r->is_fresh)
            r->is_kept = weir__shard_put(s, r->entry, ends_at(r, most), &gone);
        if (r->entry != NULL) {
            r->entry->refs++;
            f->entry = r->entry;
        }
        woken = weir__flight_end(f);
    }
    bool is_last = weir__flight_unref(f, &gone);
    weir__lock_give(&s->lock);
    weir__flight_wake(woken);
    weir__entries_free(gone);
    if (is_last)
        weir__flight_free(f);
    if (r->is_kept)
        weir__cache_sweep(r->a->cache);
}

static void count_load(struct weir__cache_shard *s)
{
    weir__lock_take(&s->lock);
    weir__counter_add(&s->n.loads, 1);
    weir__lock_give(&s->lock);
}

/* The value from the second level or the load function, into a->value. */
static weir_err fetch(struct run *r)
{
    struct ask *a = r->a;
    weir_err err = weir__ctx_check(a->c);
    if (err != WEIR_OK)
        return err; /* cancelled while it waited for its turn */
    memset(a->value, 0, a->model->size);
    if (a->cache->second != NULL) {
        enum weir__second_found found =
            weir__second_read(a->cache, a->c, a->key, a->model, a->value, &r->left, &r->mark);
        if (found != WEIR__SECOND_NOTHING)
            return found == WEIR__SECOND_VALUE ? WEIR_OK : WEIR_ENOTFOUND;
        r->left.ns = 0;
        if ((err = weir__ctx_check(a->c)) != WEIR_OK)
            return err;
    }
    count_load(a->shard);
    err = a->load(weir__ctx_handle(a->c), a->key, a->value, a->arg);
    return err <= 0 ? err : WEIR_EINVALID;
}

static void end_run_ref(struct run **r)
{
    end_run(*r);
}

static void make_run(struct run *r)
{
    struct run *ends __attribute__((cleanup(end_run_ref))) = r;
    struct ask *a = r->a;
    weir_err err = fetch(r);
    if (err == WEIR_OK || err == WEIR_ENOTFOUND) {
        const void *value = err == WEIR_OK ? a->value : NULL;
        weir_err made =
            weir__entry_new(a->key, a->hash, a->model, value, VALUE_BYTES_MAX, &ends->entry);
        if (made != WEIR_OK)
            note_failure(r->f, a->c, made);
    }
    ends->err = err;
}

static void unref(struct weir__cache_shard *s, struct weir__cache_entry *e)
{
    struct weir__cache_entry *gone = NULL;
    weir__lock_take(&s->lock);
    weir__shard_unref(s, e, &gone);
    weir__lock_give(&s->lock);
    weir__entries_free(gone);
}

/* On the way out of a panic of the second level, which is told of it last. */
static void drop_entry(struct run *r)
{
    if (r->entry != NULL)
        unref(r->a->shard, r->entry);
}

/* Loads for all; the entry is the caller's, NULL when there is no memory for one. */
static weir_err run_load(struct ask *a, struct weir__cache_flight *f,
                         struct weir__cache_entry **entry)
{
    struct run r __attribute__((cleanup(drop_entry))) = {.a = a, .f = f, .err = WEIR_EPANIC};
    make_run(&r);
    a->is_loaded = r.err == WEIR_OK;
    bool has_come = r.err == WEIR_OK || r.err == WEIR_ENOTFOUND;
    if (has_come && r.is_fresh && r.left.ns == 0 && a->cache->second != NULL)
        weir__second_fill(a->cache, a->c, a->key, a->model, r.err == WEIR_OK ? a->value : NULL,
                          &r.mark);
    *entry = r.entry;
    r.entry = NULL;
    return r.err;
}

/* --- missing ---------------------------------------------------------------------------------- */

static bool is_denied(const struct weir_cache *cache, uint64_t hash)
{
    return atomic_load_explicit(&cache->is_guarded, memory_order_acquire) &&
           !weir__bloom_may_have(&cache->guard, hash);
}

/* The error of a load that another has made, with its record. */
static weir_err raise_failure(const struct ask *a, const struct weir__cache_flight *f)
{
    if (f->message[0] == '\0')
        return f->err;
    return weir_raise_at(f->site, weir__ctx_handle(a->c), f->err, f->status, "%s", f->message);
}

/* Waits for the flight that it has joined. `*entry`: what came, with a reference. */
static weir_err await(struct ask *a, struct weir__flight_waiter *w,
                      struct weir__cache_entry **entry)
{
    struct weir__cache_flight *f = w->flight;
    struct weir__cache_entry *gone = NULL;
    weir_err err = weir__flight_wait(w);
    if (err == WEIR_OK && w->is_heir)
        return run_load(a, f, entry);
    struct weir__cache_entry *e = err == WEIR_OK ? f->entry : NULL;
    if (err == WEIR_OK && e == NULL)
        err = raise_failure(a, f);
    weir__lock_take(&a->shard->lock);
    if (e != NULL) {
        e->refs++;
        err = e->is_missing ? WEIR_ENOTFOUND : WEIR_OK;
    }
    *entry = e;
    bool is_last = weir__flight_unref(f, &gone);
    weir__lock_give(&a->shard->lock);
    weir__entries_free(gone);
    if (is_last)
        weir__flight_free(f);
    return err;
}

static weir_err refuse(const struct ask *a, weir_err err)
{
    if (err == WEIR_ELIMIT)
        (void)weir_raise_at(a->site, weir__ctx_handle(a->c), err, 503,
                            "cache %s: %u fibers wait for one load", a->cache->name,
                            a->cache->o.waiters_max);
    else if (err == WEIR_EDEADLK)
        (void)weir_raise_at(a->site, weir__ctx_handle(a->c), err, 0,
                            "cache %s: the load of key %.*s asks for what waits for it",
                            a->cache->name, a->key.len < 64 ? (int)a->key.len : 64, a->key.ptr);
    return weir__wait_refused(err);
}

/*
 * A miss, after the first look. `*entry`, with a reference, where there is one; without one the
 * value was loaded here, and there was no memory to keep it.
 */
static weir_err miss(struct ask *a, struct weir__cache_entry **entry)
{
    struct weir__cache_shard *s = a->shard;
    struct weir__cache_entry *gone = NULL;
    struct weir__flight_waiter me;
    weir_err err = weir__may_wait(a->c);
    if (err != WEIR_OK)
        return err;
    struct weir__cache_flight *own = weir__flight_new(a->cache, s, a->hash, a->key);
    if (own == NULL)
        return -ENOMEM;
    weir__lock_take(&s->lock);
    struct weir__cache_entry *e = weir__shard_find(s, a->hash, a->key, weir__self->now, &gone);
    struct weir__cache_flight *f = weir__flight_find(s, a->hash, a->key);
    if (e != NULL)
        e->refs++;
    else if (f == NULL)
        weir__flight_begin(own);
    else if ((err = weir__flight_join(f, &me, a->c, a->site)) == WEIR_OK)
        weir__counter_add(&s->n.waits, 1);
    weir__lock_give(&s->lock);
    weir__entries_free(gone);
    *entry = e;
    if (e == NULL && f == NULL)
        return run_load(a, own, entry);
    weir__flight_free(own);
    if (err != WEIR_OK)
        return refuse(a, err);
    if (e != NULL)
        return e->is_missing ? WEIR_ENOTFOUND : WEIR_OK;
    return await(a, &me, entry);
}

/* Not there, and nobody is asked: it was told by the guard, or there is no load function. */
static bool is_plain_miss(struct ask *a)
{
    bool by_guard = is_denied(a->cache, a->hash);
    weir__counter_add(&a->shard->n.misses, 1);
    weir__counter_add(&a->shard->n.guarded, by_guard);
    return by_guard || a->load == NULL;
}

/* --- getting ---------------------------------------------------------------------------------- */

static void *room_in(struct weir__ctx *c, size_t size)
{
    return weir__ctx_is_shared(c) ? weir__ctx_object(c, size) : weir__ctx_alloc(c, size);
}

static weir_err no_room(const struct weir__ctx *c)
{
    return c->arena.is_over_budget ? WEIR_EBUDGET : -ENOMEM;
}

/* Copies the value of an entry, of which the caller has a reference, into the context. */
static weir_err copy_out(const struct ask *a, const struct weir__cache_entry *e)
{
    const char *image = weir__entry_image(e), *was = image + weir__image_tail_at(a->model);
    char *tail = NULL;
    if (e->tail_bytes > 0) {
        tail = room_in(a->c, e->tail_bytes);
        if (tail == NULL)
            return no_room(a->c);
        memcpy(tail, was, e->tail_bytes);
    }
    memcpy(a->value, image, a->model->size);
    if (tail != NULL)
        weir__image_settle(a->model, a->value, was, tail);
    return WEIR_OK;
}

static weir_err begin(struct ask *a, weir_ctx *c, weir_cache *cache)
{
    a->c = weir__ctx_of_at(c, a->function);
    a->cache = weir__cache_of(cache, a->function);
    weir_err err = weir__cache_check_key(a->cache, &a->key);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return weir__wait_refused(err);
    if (WEIR_UNLIKELY(!weir__cache_is_of(a->cache, a->model, a->function)))
        return -ENOMEM;
    a->hash = weir__str_hash(a->key);
    a->shard = weir__cache_shard_of(a->cache, a->hash);
    return WEIR_OK;
}

/*
 * The look that every question begins with, counted. A flat value that is not large is copied at
 * once, if it is wanted; else a hit has a reference.
 */
static weir_err look(struct ask *a, bool is_copied, struct weir__cache_entry **entry)
{
    struct weir__cache_shard *s = a->shard;
    struct weir__cache_entry *gone = NULL;
    weir_err err = WEIR_OK;
    weir__lock_take(&s->lock);
    struct weir__cache_entry *e = weir__shard_find(s, a->hash, a->key, weir__self->now, &gone);
    if (WEIR_LIKELY(e != NULL)) {
        weir__counter_add(&s->n.hits, 1);
        if (e->is_missing) {
            err = WEIR_ENOTFOUND;
            e = NULL;
        } else if (is_copied) {
            memcpy(a->value, weir__entry_image(e), a->model->size);
            e = NULL;
        } else {
            e->refs++;
        }
    } else {
        err = is_plain_miss(a) ? WEIR_ENOTFOUND : -EAGAIN;
    }
    weir__lock_give(&s->lock);
    if (WEIR_UNLIKELY(gone != NULL))
        weir__entries_free(gone);
    *entry = e;
    return err;
}

static weir_err get(struct ask *a)
{
    struct weir__cache_entry *e;
    bool is_copied = a->model->size <= COPIED_LOCKED_MAX &&
                     atomic_load_explicit(&a->cache->is_flat, memory_order_relaxed);
    weir_err err = look(a, is_copied, &e);
    if (err == -EAGAIN)
        err = miss(a, &e);
    if (e == NULL)
        return err;
    if (err == WEIR_OK && !a->is_loaded)
        err = copy_out(a, e);
    unref(a->shard, e);
    return err;
}

weir_err weir_cache_get_at(const weir_site *site, weir_ctx *c, weir_cache *cache, weir_str key,
                           const weir_model *model, void *out, weir_cache_load load, void *arg)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to("weir_cache_get", model, "the model");
    weir__given_to("weir_cache_get", out, "the value");
    struct ask a = {.function = "weir_cache_get",
                    .site = site,
                    .key = key,
                    .model = model,
                    .load = load,
                    .arg = arg,
                    .value = out};
    weir_err err = begin(&a, c, cache);
    if (WEIR_LIKELY(err == WEIR_OK))
        err = get(&a);
    if (err != WEIR_OK)
        memset(out, 0, model->size);
    return err;
}

/* --- pins ------------------------------------------------------------------------------------- */

struct pin {
    struct weir__owned owned;
    struct weir_cache *cache;
    struct weir__cache_shard *shard;
    struct weir__cache_entry *entry; /* NULL: not yet, or not any more */
};

static void release_pin(struct weir__owned *o)
{
    struct pin *p = WEIR_CONTAINER(o, struct pin, owned);
    if (p->entry != NULL)
        unref(p->shard, p->entry);
    p->entry = NULL;
}

static void describe_pin(const struct weir__owned *o, weir_buf *out)
{
    weir_buf_printf(out, "of cache %s", WEIR_CONTAINER(o, const struct pin, owned)->cache->name);
}

/* It kept what the cache could have given to others. */
static bool is_old(const struct weir__owned *o)
{
    const struct pin *p = WEIR_CONTAINER(o, const struct pin, owned);
    return weir_time_sub(weir__self->now, o->since).ns > p->cache->o.pin_threshold.ns;
}

static const struct weir__owned_type pin_type = {
    .name = "pin", .release = release_pin, .describe = describe_pin, .is_mistake = is_old};

static weir_err pin(struct ask *a, struct pin *p, const void **out)
{
    struct weir__cache_entry *e;
    weir_err err = look(a, false, &e);
    if (err == -EAGAIN) {
        a->value = room_in(a->c, a->model->size);
        err = a->value != NULL ? miss(a, &e) : no_room(a->c);
    }
    if (err == WEIR_OK && e == NULL)
        return -ENOMEM; /* it was loaded, and there was no memory to keep it */
    if (err != WEIR_OK && e != NULL)
        unref(a->shard, e);
    if (err != WEIR_OK)
        return err;
    p->shard = a->shard;
    p->entry = e;
    *out = weir__entry_image(e);
    return WEIR_OK;
}

weir_err weir_cache_pin_at(const weir_site *site, weir_ctx *c, weir_cache *cache, weir_str key,
                           const weir_model *model, const void **out, weir_cache_load load,
                           void *arg)
{
    static const char function[] = "weir_cache_pin";
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to(function, model, "the model");
    weir__given_to(function, out, "the value");
    struct ask a = {
        .function = function, .site = site, .key = key, .model = model, .load = load, .arg = arg};
    *out = NULL;
    weir_err err = begin(&a, c, cache);
    if (err != WEIR_OK)
        return err;
    if (weir__ctx_is_shared(a.c))
        weir__misuse(function, "the application's context would keep it for ever: pin it in a "
                               "request's, or copy it with weir_cache_get");
    struct pin *p = weir__ctx_object(a.c, sizeof *p);
    if (p == NULL)
        return no_room(a.c);
    p->cache = a.cache;
    weir__own(a.c, &p->owned, &pin_type, site);
    err = pin(&a, p, out);
    if (err != WEIR_OK)
        weir__disown(&p->owned);
    return err;
}

void weir_cache_unpin(weir_ctx *handle, const void *value)
{
    WEIR__FIBERS_ONLY();
    struct weir__ctx *c = weir__ctx_of(handle);
    if (value == NULL)
        return;
    WEIR_LIST_EACH(node, &c->owned) {
        struct weir__owned *o = WEIR_CONTAINER(node, struct weir__owned, link);
        struct pin *p = WEIR_CONTAINER(o, struct pin, owned);
        if (o->type != &pin_type || p->entry == NULL || weir__entry_image(p->entry) != value)
            continue;
        weir__disown(o);
        release_pin(o);
        return;
    }
    weir__misuse("weir_cache_unpin", "this context has no pin of that value: it was given back "
                                     "before, or is another context's");
}
