/*
 * Panics. weir_panic fills the worker's panic record, then lets the unwinder walk the fiber's
 * stack: each frame's clean-ups (__attribute__((cleanup)), C++ destructors) run, until the frame of
 * the nearest weir__try is reached, which then returns "it panicked".
 *
 * The hard thing: the stop function must recognise the frame to stop at. The unwinder tells each
 * frame's stack pointer at its call; weir__try_raw has noted its own in the recovery point, and
 * stacks grow down, so the first frame that is not below it is the one.
 *
 * Before a frame is left the fibers are joined that may have been given its locals: those of the
 * contexts that were opened since the recovery point. A contained fault cannot wait for them, being
 * on the signal stack; there the clean-ups of the scopes do it, each in its frame.
 *
 * Clean-ups may wait, so several fibers of a thread may be unwinding at a time: each panic has a
 * record of its own from its beginning until it is caught. It cannot be on the fiber's stack, whose
 * dead frames the clean-ups write over.
 */
#include "rt/panic.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/given.h"
#include "os/symbol.h"
#include "rt/exception.h"
#include "rt/log.h"
#include "rt/outside.h"
#include "rt/places.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/switch.h"
#include "rt/try.h"
#include <weir/fiber.h>
#include <weir/log.h>

void weir__try_landing(void);
WEIR_NORETURN void weir__catch_jump(struct weir__catch *k);

enum { MESSAGE_MAX = sizeof((struct weir__panic_info *)0)->message };

#define RECORDS 4 /* panics of a thread that unwind at a time without asking for memory */

struct record {
    struct _Unwind_Exception exception;
    struct weir__panic_info info;
    const struct weir__catch *catcher; /* NULL: the record is free */
    const void *foreign;               /* the exception that became this panic; NULL: none */
    struct record *next;
};

/* The innermost recovery point of code that has no fiber (weir__try_outside). */
static _Thread_local struct weir__catch *outside;
static _Thread_local struct record records[RECORDS];
static _Thread_local struct record *on_heap;         /* those that were more */
static _Thread_local struct weir__panic_info caught; /* the last one, until its fiber runs on */
static atomic_uint_fast64_t total;
static struct weir__places told;

/* Somebody's catch (...) has ended what unwound: it is no panic any more. */
static void swallowed(_Unwind_Reason_Code reason, struct _Unwind_Exception *ex)
{
    (void)reason;
    WEIR_CONTAINER(ex, struct record, exception)->catcher = NULL;
}

static struct weir__catch *innermost(const struct weir__fiber *f)
{
    return f != NULL ? f->catcher : outside;
}

/* What a thread without a fiber has begun is counted when a fiber has it. */
static void count(const struct weir__fiber *f)
{
    if (f != NULL)
        atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
}

static struct record *take_record(const struct weir__catch *catcher)
{
    struct record *r = NULL;
    WEIR_ASSERT(catcher != NULL, "P1: a panic has somewhere to go");
    for (int i = 0; i < RECORDS && r == NULL; i++)
        r = records[i].catcher == NULL ? &records[i] : NULL;
    if (r == NULL) {
        r = weir__malloc(sizeof *r);
        WEIR_ASSERT(r != NULL, "P2: there is memory for one more panic that unwinds");
        *r = (struct record){.next = on_heap};
        on_heap = r;
    }
    r->catcher = catcher;
    r->foreign = NULL;
    return r;
}

/* Of the panic that is caught, and of those that it has overtaken, whose clean-up it began in. */
static void give_records(const struct weir__catch *catcher)
{
    for (int i = 0; i < RECORDS; i++)
        if (records[i].catcher == catcher)
            records[i].catcher = NULL;
    for (struct record **at = &on_heap, *r; (r = *at) != NULL;) {
        if (r->catcher != catcher) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        weir__free(r);
    }
}

/*
 * The personality of weir__try_raw's frame. A panic passes: it knows where it goes. An exception of
 * C++ that has come as far in the search has met no handler, and has unwound nothing yet: it
 * becomes a panic here and now, with the stack of who threw it; so fibers that may have its locals
 * are joined here and now.
 */
_Unwind_Reason_Code weir__try_personality(int version, _Unwind_Action actions,
                                          _Unwind_Exception_Class class,
                                          struct _Unwind_Exception *ex,
                                          struct _Unwind_Context *context)
{
    struct weir__fiber *f = weir__fiber_self();
    if (version != 1 || (actions & _UA_FORCE_UNWIND) != 0)
        return _URC_CONTINUE_UNWIND;
    if ((actions & _UA_SEARCH_PHASE) != 0) {
        if (f != NULL)
            weir__scope_join_since(f->catcher->seq);
        struct record *r = take_record(innermost(f));
        r->foreign = ex;
        weir__exception_describe(class, ex, r->info.message, sizeof r->info.message);
        r->info.site = NULL;
        r->info.depth =
            weir__exception_stack(r->info.stack, sizeof r->info.stack / sizeof r->info.stack[0]);
        count(f);
        return _URC_HANDLER_FOUND;
    }
    if ((actions & _UA_HANDLER_FRAME) == 0)
        return _URC_CONTINUE_UNWIND;
    _Unwind_SetGR(context, __builtin_eh_return_data_regno(0), (_Unwind_Word)(uintptr_t)ex);
    _Unwind_SetIP(context, (_Unwind_Ptr)weir__try_landing);
    return _URC_INSTALL_CONTEXT;
}

/* An exception has arrived at its recovery point. */
static void end_exception(struct _Unwind_Exception *ex, const struct weir__catch *k)
{
    const struct record *found = on_heap;
    while (found != NULL && !(found->catcher == k && found->foreign == ex))
        found = found->next;
    for (int i = 0; i < RECORDS && found == NULL; i++)
        if (records[i].catcher == k && records[i].foreign == ex)
            found = &records[i];
    WEIR_ASSERT(found != NULL, "P2: an exception has become a panic before it arrives");
    caught = found->info;
    give_records(k);
    weir__exception_end(ex);
}

/*
 * Scopes are open whose frames are gone: a panic has passed code without clean-ups, or a longjmp
 * has left them, which then is the panic. True: there is one.
 */
static bool settle_scopes(uint64_t seq, bool has_panicked)
{
    struct weir__panic_info info = caught; /* others may panic meanwhile */
    const weir_site *site = NULL;
    bool has_jumped = weir__scope_left_since(seq, &site);
    if (!has_panicked && has_jumped) {
        info = (struct weir__panic_info){.site = site};
        snprintf(info.message, sizeof info.message, "WEIR_SCOPE: %s", WEIR__SCOPE_LEFT);
        info.depth = weir__stack_capture(info.stack, 1);
        atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
    }
    caught = info;
    return has_panicked || has_jumped;
}

bool weir__try_ended(const struct weir__catch *k, uintptr_t result, struct weir__panic_info *info)
{
    const struct weir__fiber *f = weir__self->current;
    bool has_panicked = result != 0;
    WEIR_ASSERT(f->catcher == k->outer, "P3: the innermost recovery point is left first");
    if (result > 1)
        end_exception((struct _Unwind_Exception *)result, k);
    if (f->scope != NULL && f->scope->seq > k->seq)
        has_panicked = settle_scopes(k->seq, has_panicked);
    if (has_panicked && info != NULL)
        *info = caught;
    return !has_panicked;
}

bool weir__try_outside(void (*fn)(void *arg), void *arg, struct weir__panic_info *info)
{
    struct weir__catch k;
    k.outer = outside;
    k.seq = 0;
    outside = &k;
    uintptr_t result = weir__try_raw(fn, arg, &k);
    WEIR_ASSERT(outside == &k, "P3: the innermost recovery point is left first");
    outside = k.outer;
    if (result > 1)
        end_exception((struct _Unwind_Exception *)result, &k);
    if (result != 0)
        *info = caught;
    return result == 0;
}

void weir__panic_last(struct weir__panic_info *out)
{
    *out = caught;
}

static _Unwind_Reason_Code stop_at_catch(int version, _Unwind_Action actions,
                                         _Unwind_Exception_Class class,
                                         struct _Unwind_Exception *ex,
                                         struct _Unwind_Context *context, void *arg)
{
    (void)version, (void)class;
    const struct record *r = WEIR_CONTAINER(ex, const struct record, exception);
    struct weir__catch *k = arg;
    const struct weir__fiber *f = weir__fiber_self();
    uintptr_t sp = _Unwind_GetCFA(context);
    /*
     * A fault is handled on the thread's signal stack: those frames are passed, wherever they lie.
     */
    bool is_on_fiber = f == NULL || (sp >= (uintptr_t)f->stack_lo && sp < (uintptr_t)f->stack_hi);
    if ((!is_on_fiber || sp < (uintptr_t)k->regs[WEIR__CATCH_SP]) &&
        (actions & _UA_END_OF_STACK) == 0)
        return _URC_NO_REASON;
    WEIR_ASSERT(r->catcher == k, "P1: a panic arrives where it goes");
    caught = r->info;
    give_records(k);
    if (weir__has_asan())
        __asan_handle_no_return();
    weir__catch_jump(k);
}

static WEIR_NORETURN void unwind(struct record *r, struct weir__fiber *f)
{
    WEIR_ASSERT(r->catcher == innermost(f), "P1: a panic goes to the innermost recovery point");
    WEIR_ASSERT(r->info.depth <= sizeof r->info.stack / sizeof r->info.stack[0],
                "P5: a stack has the frames that there is room for");
    count(f);
    memset(&r->exception, 0, sizeof r->exception);
    r->exception.exception_cleanup = swallowed;
    _Unwind_ForcedUnwind(&r->exception, stop_at_catch, innermost(f));
    weir__assert_failed("unwind", "a panic finds its recovery point", __FILE__, __LINE__);
}

/* With `message`, `site`, and the stack of who calls. */
static inline WEIR_NORETURN __attribute__((always_inline)) void begin(const char *message,
                                                                      const weir_site *site)
{
    struct weir__fiber *f = weir__fiber_self();
    if (innermost(f) == NULL) {
        fprintf(stderr, "weir: panic outside of a fiber: %s (%s:%d)\n", message,
                site != NULL ? site->file : "?", site != NULL ? site->line : 0);
        abort();
    }
    if (f != NULL)
        weir__scope_join_since(f->catcher->seq);
    struct record *r = take_record(innermost(f));
    const size_t most = sizeof r->info.stack / sizeof r->info.stack[0];
    snprintf(r->info.message, sizeof r->info.message, "%s", message);
    r->info.site = site;
    r->info.depth = f != NULL ? weir__stack_capture(r->info.stack, most)
                              : weir__exception_stack(r->info.stack, most);
    unwind(r, f);
}

void weir__panic_again(const struct weir__panic_info *info)
{
    struct weir__fiber *f = weir__fiber_self();
    WEIR_ASSERT(f != NULL && f->catcher != NULL, "P1: a panic goes on where it can be caught");
    weir__scope_join_since(f->catcher->seq);
    struct record *r = take_record(f->catcher);
    r->info = *info;
    unwind(r, f);
}

void weir_panic_at(const weir_site *site, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
    weir__given(format, "the format");
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    begin(message, site);
}

/* weir_lock_at is called weir_lock by who reads the message. */
static int name_length(const char *function)
{
    size_t n = strlen(function);
    return (int)(n > 3 && strcmp(function + n - 3, "_at") == 0 ? n - 3 : n);
}

void weir__misuse(const char *function, const char *format, ...)
{
    char message[MESSAGE_MAX];
    int n = snprintf(message, sizeof message, "%.*s: ", name_length(function), function);
    WEIR_ASSERT(n > 0 && n < MESSAGE_MAX, "P6: a function's name leaves room for what is wrong");
    va_list args;
    va_start(args, format);
    vsnprintf(message + n, sizeof message - (size_t)n, format, args);
    va_end(args);
    begin(message, NULL);
}

void weir__panic_fault(const char *message, void *pc, void *const *frame)
{
    struct weir__fiber *f = weir__fiber_self();
    struct record *r = take_record(f->catcher);
    snprintf(r->info.message, sizeof r->info.message, "%s", message);
    r->info.site = NULL;
    r->info.stack[0] = pc;
    r->info.depth = 1 + weir__stack_walk(f, frame, r->info.stack + 1,
                                         sizeof r->info.stack / sizeof r->info.stack[0] - 1);
    unwind(r, f);
}

uint64_t weir__panic_total(void)
{
    return atomic_load_explicit(&total, memory_order_relaxed);
}

uint64_t weir__panic_untold(void)
{
    uint64_t untold = 0;
    (void)weir__places_total(&told, &untold);
    return untold;
}

/* --- telling people ----------------------------------------------------------------------- */

/*
 * What is known by its place is told by it; misuse and faults by who was called from where. Names
 * are found once, and a place that panics all the time is not told all the time.
 */
static void log_panic(const struct weir__ctx *c, const char *where,
                      const struct weir__panic_info *info)
{
    char bytes[3000];
    struct weir__log_line l;
    struct weir__untold untold = {0};
    weir_buf text;
    uintptr_t pc = 0;
    for (size_t i = 0; info->site == NULL && i < info->depth && i < 6; i++)
        pc ^= (uintptr_t)info->stack[i] << i;
    if (!weir__places_count(&told, "panic", info->site, (const void *)pc, &untold) ||
        !weir__log_wants(WEIR_LOG_ERROR))
        return;
    WEIR_ASSERT(info->depth <= sizeof info->stack / sizeof info->stack[0],
                "P5: a stack that is told has no more frames than were kept");
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    weir_buf_printf(&text, "panic in %s: %s", where, info->message);
    if (info->site != NULL)
        weir_buf_printf(&text, " (%s at %s:%d)", info->site->func, info->site->file,
                        info->site->line);
    weir_buf_puts(&text, WEIR_S("; stack: "));
    weir__symbolise_stack(weir__symbolise, info->stack, info->depth, false, &text);
    weir__log_begin(&l, WEIR_LOG_ERROR, weir_buf_str(&text), info->site, c);
    if (untold.here > 0)
        weir__log_int(&l, "more_like_this", (int64_t)untold.here);
    weir__log_end(&l);
}

void weir__panic_log(struct weir__fiber *f, const struct weir__panic_info *info)
{
    log_panic(NULL, f->name, info);
}

static weir_err raise_panic(const struct weir__panic_info *info, struct weir__ctx *c,
                            const char *format, ...) WEIR_PRINTF(3, 4);

static weir_err raise_panic(const struct weir__panic_info *info, struct weir__ctx *c,
                            const char *format, ...)
{
    va_list args;
    va_start(args, format);
    weir_err err = weir__ctx_raise(info->site, c, WEIR_EPANIC, 500, format, args);
    va_end(args);
    return err;
}

void weir__panic_record(struct weir__ctx *c, const struct weir__panic_info *info)
{
    WEIR_ASSERT(weir__ctx_is_shared(c) || c->worker == weir__self,
                "C2: its worker writes a context's record");
    c->error = NULL;
    (void)raise_panic(info, c, "%s", info->message);
    WEIR_ASSERT(c->error != NULL, "P6: a panic that was caught has left a record");
    log_panic(c, weir__self->current->name, info);
}

struct protected_call {
    weir_fiber_fn fn;
    weir_ctx *c;
    void *arg;
    weir_err err;
};

static void call_protected(void *arg)
{
    struct protected_call *p = arg;
    p->err = p->fn(p->c, p->arg);
}

weir_err weir_protect(weir_ctx *handle, weir_fiber_fn fn, void *arg)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(fn, "the function");
    struct weir__ctx *c = weir__ctx_of(handle);
    struct weir__worker *w = weir__self;
    uint64_t seq = w->next_ctx_seq;
    struct protected_call call = {fn, handle, arg, WEIR_OK};
    struct weir__panic_info info;
    if (WEIR_LIKELY(weir__try(call_protected, &call, &info)))
        return call.err;
    WEIR_ASSERT(w == weir__self, "F1: a panic is caught on the worker that it began on");
    w->current->ctx = c;
    weir__panic_record(c, &info);
    weir__ctx_end_since(c, seq);
    return WEIR_EPANIC;
}
