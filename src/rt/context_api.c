/*
 * The public side of contexts: cancellation, time, shields, memory, deferred calls,
 * values. Each function resolves its handle and says in the language of rt what is wanted.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/given.h"
#include "os/thread.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/slip.h"
#include <weir/ctx.h>

#define SHIELD_NS_MAX 10000000000LL

const char *weir_reason_name(weir_reason reason)
{
    static const char *const names[] = {"none",   "deadline",      "client gone", "shutdown",
                                        "caller", "memory budget", "deadlock"};
    return (unsigned)reason < sizeof names / sizeof names[0] ? names[reason] : "unknown";
}

/*
 * Below the application's context a worker opens things under its own root: contexts take no locks.
 */
struct weir__ctx *weir__ctx_local(struct weir__ctx *c)
{
    return weir__ctx_is_shared(c) ? weir__self->root : c;
}

/* --- cancellation and time ---------------------------------------------------------------- */

static void refuse_shared(const struct weir__ctx *c, const char *function)
{
    if (weir__ctx_is_shared(c))
        weir__misuse(function, "the application's context is all workers': open a context below it "
                               "with weir_ctx_open and use that");
}

void weir_cancel(weir_ctx *handle)
{
    WEIR__FIBERS_ONLY();
    struct weir__ctx *c = weir__ctx_of(handle);
    refuse_shared(c, __func__);
    weir__ctx_cancel(c, WEIR_REASON_CALLER);
}

weir_err weir_check(weir_ctx *handle)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *c = weir__ctx_of(handle);
    if (c->deadline.ns != INT64_MAX)
        weir__worker_now(weir__self);
    return weir__ctx_check(c);
}

weir_reason weir_cancel_reason(weir_ctx *handle)
{
    WEIR__FIBERS_ONLY(WEIR_REASON_NONE);
    struct weir__ctx *c = weir__ctx_of(handle);
    (void)!weir_check(handle);
    return (weir_reason)weir__ctx_local(c)->reason;
}

weir_time weir_deadline(weir_ctx *handle)
{
    WEIR__FIBERS_ONLY(weir_never());
    return weir__ctx_of(handle)->deadline;
}

weir_dur weir_remaining(weir_ctx *handle)
{
    WEIR__FIBERS_ONLY((weir_dur){0});
    weir_time deadline = weir__ctx_of(handle)->deadline;
    if (deadline.ns == INT64_MAX)
        return (weir_dur){INT64_MAX};
    weir_dur left = weir_time_sub(deadline, weir__worker_now(weir__self));
    return left.ns > 0 ? left : (weir_dur){0};
}

weir_time weir_now(void)
{
    return weir__self != NULL ? weir__worker_now(weir__self) : weir__clock();
}

void weir_shield(weir_ctx *handle, weir_dur limit)
{
    WEIR__FIBERS_ONLY();
    struct weir__ctx *c = weir__ctx_of(handle);
    refuse_shared(c, __func__);
    if (limit.ns <= 0 || limit.ns > SHIELD_NS_MAX)
        weir__misuse(__func__, "the limit is %lld ns; a shield lasts at least 1 ns, at most 10 s",
                     (long long)limit.ns);
    if (c->is_shielded)
        return;
    c->is_shielded = true;
    c->shield_until = weir_time_add(weir__worker_now(weir__self), limit);
}

void weir_unshield(weir_ctx *handle)
{
    WEIR__FIBERS_ONLY();
    struct weir__ctx *c = weir__ctx_of(handle);
    if (!c->is_closing)
        c->is_shielded = false;
}

/* --- memory ------------------------------------------------------------------------------- */

void *weir_alloc(weir_ctx *handle, size_t size)
{
    WEIR__FIBERS_ONLY(NULL);
    return weir__ctx_object(weir__ctx_of(handle), size);
}

weir_str weir_strdup(weir_ctx *handle, weir_str s)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    char *copy = weir__ctx_object(weir__ctx_of(handle), s.len + 1);
    if (copy == NULL)
        return (weir_str){NULL, 0};
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return (weir_str){copy, s.len};
}

weir_str weir__ctx_vprintf(struct weir__ctx *c, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : weir__ctx_object(c, (size_t)n + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text != NULL ? (weir_str){text, (size_t)n} : (weir_str){NULL, 0};
}

weir_str weir_sprintf(weir_ctx *handle, const char *format, ...)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    weir__given(format, "the format");
    struct weir__ctx *c = weir__ctx_of(handle);
    va_list args;
    va_start(args, format);
    weir_str s = weir__ctx_vprintf(c, format, args);
    va_end(args);
    return s;
}

/* --- deferred calls ----------------------------------------------------------------------- */

struct deferred {
    struct weir__owned owned;
    void (*fn)(void *arg);
    void *arg;
};

static void run_deferred(struct weir__owned *o)
{
    struct deferred *d = WEIR_CONTAINER(o, struct deferred, owned);
    void (*fn)(void *arg) = d->fn;
    WEIR_ASSERT(fn != NULL, "C12: what was deferred is called once");
    d->fn = NULL;
    fn(d->arg);
}

/*
 * The one too many tells of a loop that defers: all of it is held until the context ends. The
 * application's context is no loop's, and shared: what it has is not counted.
 */
static void count_deferred(struct weir__ctx *c, struct weir__owned *o)
{
    if (weir__ctx_is_shared(c) || c->deferred > WEIR_DEFERRED_MAX)
        return;
    if (c->deferred++ < WEIR_DEFERRED_MAX)
        return;
    WEIR_ASSERT(c->deferred == WEIR_DEFERRED_MAX + 1, "C12: the one too many is told once");
    o->stack[weir__stack_capture(o->stack, WEIR__STACK_DEPTH - 1)] = NULL;
    weir__report_leak(o, "is one of more than 1000 in one context, all held until it ends: give "
                         "each turn of a loop its own (WEIR_WITH)");
}

weir_err weir_defer_at(const weir_site *site, weir_ctx *handle, void (*fn)(void *arg), void *arg)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(fn, "the function");
    static const struct weir__owned_type type = {.name = "deferred call", .release = run_deferred};
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_defer");
    if (WEIR_UNLIKELY(weir__is_short_lived(c, arg))) {
        fn(arg); /* as wherever it is not kept */
        weir__refuse_short_lived(c, arg, "weir_defer");
    }
    struct deferred *d = weir__ctx_object(c, sizeof *d);
    if (d == NULL) {
        fn(arg);
        return c->arena.is_over_budget ? WEIR_EBUDGET : -ENOMEM;
    }
    d->fn = fn;
    d->arg = arg;
    weir__own(c, &d->owned, &type, site);
    count_deferred(c, &d->owned);
    return WEIR_OK;
}

/* --- values ------------------------------------------------------------------------------- */

static void *value_bytes(struct weir__value *v)
{
    return v + 1;
}

weir_err weir_set(weir_ctx *handle, const weir_key *key, const void *value)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(key, "the key");
    weir__given(value, "the value");
    struct weir__ctx *c = weir__ctx_of(handle);
    if (key->size > WEIR_VALUE_BYTES_MAX)
        return weir_raise(handle, WEIR_ETOOLARGE,
                          "the value %s has %zu bytes, a context carries at most %d: keep it in a "
                          "cache and its id in the context",
                          key->name, key->size, WEIR_VALUE_BYTES_MAX);
    struct weir__value *v = c->values;
    while (v != NULL && v->key != key)
        v = v->next;
    if (v == NULL) {
        if (WEIR_UNLIKELY(weir__is_local(key)))
            weir__misuse(
                __func__,
                "the key is a local variable, and names by its address: declare it "
                "outside of functions, static const weir_key name = {\"name\", sizeof(…)}");
        v = weir__ctx_object(c, sizeof *v + key->size);
        if (v == NULL)
            return c->arena.is_over_budget ? WEIR_EBUDGET : -ENOMEM;
        v->key = key;
        v->next = c->values;
        c->values = v;
    }
    memcpy(value_bytes(v), value, key->size);
    return WEIR_OK;
}

const void *weir_get_value(weir_ctx *handle, const weir_key *key)
{
    WEIR__FIBERS_ONLY(NULL);
    weir__given(key, "the key");
    for (struct weir__ctx *c = weir__ctx_of(handle); c != NULL; c = c->parent) {
        for (struct weir__value *v = c->values; v != NULL; v = v->next) {
            if (v->key == key)
                return value_bytes(v);
        }
    }
    return NULL;
}

/* --- the error record --------------------------------------------------------------------- */

weir_err weir__ctx_raise(const weir_site *site, struct weir__ctx *c, weir_err code, int status,
                         const char *format, va_list args)
{
    WEIR_ASSERT(weir__ctx_is_shared(c) || c->worker == weir__self,
                "C2: its worker writes a context's record");
    if (c->error != NULL)
        return code;
    static const weir_error no_memory = {
        .code = -ENOMEM, .status = 500, .message = {"out of memory", 13}};
    weir_error *e = weir__ctx_object(c, sizeof *e);
    if (e == NULL) {
        c->error = &no_memory;
        return code;
    }
    *e = (weir_error){.code = code, .status = status, .site = site};
    e->message = weir__ctx_vprintf(c, format, args);
    c->error = e;
    return code;
}

weir_err weir_raise_at(const weir_site *site, weir_ctx *handle, weir_err code, int status,
                       const char *format, ...)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(format, "the format");
    va_list args;
    va_start(args, format);
    weir_err err = weir__ctx_raise(site, weir__ctx_of(handle), code, status, format, args);
    va_end(args);
    return err;
}

static weir_str copy_into(struct weir__ctx *c, weir_str s)
{
    char *copy = s.ptr != NULL ? weir__ctx_object(c, s.len + 1) : NULL;
    return copy != NULL ? (weir_str){memcpy(copy, s.ptr, s.len), s.len} : (weir_str){0};
}

/*
 * A fiber's error becomes its parent's, with copies of its texts: the fiber's memory ends with it.
 */
void weir__ctx_hand_up_error(const struct weir__ctx *from, struct weir__ctx *to)
{
    WEIR_ASSERT(from != to, "C13: an error is handed to another context");
    if (from->error == NULL || to->error != NULL)
        return;
    weir_error *e = weir__ctx_object(to, sizeof *e);
    if (e == NULL)
        return;
    *e = *from->error;
    e->message = copy_into(to, e->message);
    e->cause = copy_into(to, e->cause);
    e->constraint = copy_into(to, e->constraint);
    to->error = e;
}

/* A copy of the record, in its place: the one of out of memory is nobody's own. NULL: none. */
static weir_error *own_error(struct weir__ctx *c)
{
    WEIR_ASSERT(weir__ctx_is_shared(c) || c->worker == weir__self,
                "C2: its worker writes a context's record");
    weir_error *e = c->error != NULL ? weir__ctx_object(c, sizeof *e) : NULL;
    if (e == NULL)
        return NULL;
    *e = *c->error;
    c->error = e;
    return e;
}

void weir__ctx_error_constraint(struct weir__ctx *c, weir_str constraint)
{
    weir_error *e = own_error(c);
    if (e != NULL)
        e->constraint = copy_into(c, constraint);
}

void weir__ctx_error_cause(struct weir__ctx *c, weir_str cause)
{
    weir_error *e = cause.len > 0 ? own_error(c) : NULL;
    if (e != NULL)
        e->cause = copy_into(c, cause);
}

const weir_error *weir_last_error(weir_ctx *handle)
{
    WEIR__FIBERS_ONLY(NULL);
    return weir__ctx_of(handle)->error;
}

void weir_error_clear(weir_ctx *handle)
{
    WEIR__FIBERS_ONLY();
    weir__ctx_of(handle)->error = NULL;
}
