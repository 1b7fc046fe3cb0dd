/*
 * Panics. weir_panic fills the worker's panic record, then lets the unwinder walk the fiber's
 * stack: each frame's clean-ups (__attribute__((cleanup)), C++ destructors) run, until the frame of
 * the nearest weir__try is reached, which then returns "it panicked".
 *
 * The hard thing: the stop function must recognise the frame to stop at. The unwinder tells each
 * frame's stack pointer at its call; weir__try_raw has noted its own in the recovery point, and
 * stacks grow down, so the first frame that is not below it is the one.
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
#include "rt/runtime.h"
#include "rt/switch.h"
#include "rt/symbol.h"
#include <weir/fiber.h>
#include <weir/log.h>

int weir__try_raw(void (*fn)(void *arg), void *arg, struct weir__catch *k);
WEIR_NORETURN void weir__catch_jump(struct weir__catch *k);

enum { REG_RSP = 6, MESSAGE_MAX = sizeof((struct weir__panic_info *)0)->message };

#define RECORDS 4 /* panics of a thread that unwind at a time without asking for memory */

struct record {
    struct _Unwind_Exception exception;
    struct weir__panic_info info;
    const struct weir__catch *catcher; /* NULL: the record is free */
    struct record *next;
};

static _Thread_local struct record records[RECORDS];
static _Thread_local struct record *on_heap;         /* those that were more */
static _Thread_local struct weir__panic_info caught; /* the last one, until its fiber runs on */
static atomic_uint_fast64_t total;

static struct record *take_record(const struct weir__fiber *f)
{
    struct record *r = NULL;
    for (int i = 0; i < RECORDS && r == NULL; i++)
        r = records[i].catcher == NULL ? &records[i] : NULL;
    if (r == NULL) {
        r = weir__malloc(sizeof *r);
        WEIR_ASSERT(r != NULL, "there is memory for one more panic that unwinds");
        *r = (struct record){.next = on_heap};
        on_heap = r;
    }
    r->catcher = f->catcher;
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

bool weir__try(void (*fn)(void *arg), void *arg, struct weir__panic_info *info)
{
    struct weir__fiber *f = weir__self->current;
    struct weir__catch k;
    k.outer = f->catcher;
    f->catcher = &k;
    int has_panicked = weir__try_raw(fn, arg, &k);
    f->catcher = k.outer;
    if (WEIR_UNLIKELY(has_panicked) && info != NULL)
        *info = caught;
    return !has_panicked;
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
    const struct weir__fiber *f = weir__self->current;
    uintptr_t sp = _Unwind_GetCFA(context);
    /*
     * A fault is handled on the thread's signal stack: those frames are passed, wherever they lie.
     */
    bool is_on_fiber = sp >= (uintptr_t)f->stack_lo && sp < (uintptr_t)f->stack_hi;
    if ((!is_on_fiber || sp < (uintptr_t)k->regs[REG_RSP]) && (actions & _UA_END_OF_STACK) == 0)
        return _URC_NO_REASON;
    caught = r->info;
    give_records(k);
#ifdef WEIR__ASAN
    __asan_handle_no_return();
#endif
    weir__catch_jump(k);
}

static WEIR_NORETURN void unwind(struct record *r, struct weir__fiber *f)
{
    atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
    memset(&r->exception, 0, sizeof r->exception);
    _Unwind_ForcedUnwind(&r->exception, stop_at_catch, f->catcher);
    weir__assert_failed("unwind", "a panic finds its recovery point", __FILE__, __LINE__);
}

/* With `message`, `site`, and the stack of who calls. */
static inline WEIR_NORETURN __attribute__((always_inline)) void begin(const char *message,
                                                                      const weir_site *site)
{
    struct weir__fiber *f = weir__fiber_self();
    if (f == NULL || f->catcher == NULL) {
        fprintf(stderr, "weir: panic outside of a fiber: %s (%s:%d)\n", message,
                site != NULL ? site->file : "?", site != NULL ? site->line : 0);
        abort();
    }
    struct record *r = take_record(f);
    snprintf(r->info.message, sizeof r->info.message, "%s", message);
    r->info.site = site;
    r->info.depth =
        weir__stack_capture(r->info.stack, sizeof r->info.stack / sizeof r->info.stack[0]);
    unwind(r, f);
}

void weir_panic_at(const weir_site *site, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
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
    va_list args;
    va_start(args, format);
    vsnprintf(message + n, sizeof message - (size_t)n, format, args);
    va_end(args);
    begin(message, NULL);
}

void weir__panic_fault(const char *message, void *pc, void *const *frame)
{
    struct weir__fiber *f = weir__fiber_self();
    struct record *r = take_record(f);
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

/* --- telling people ----------------------------------------------------------------------- */

static void add_stack(weir_buf *out, void *const *pcs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            weir_buf_puts(out, WEIR_S(" < "));
        weir__symbolise(pcs[i], out);
    }
}

static void log_panic(weir_ctx *c, const char *where, const struct weir__panic_info *info)
{
    char bytes[3000];
    weir_buf text;
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    weir_buf_printf(&text, "panic in %s: %s", where, info->message);
    if (info->site != NULL)
        weir_buf_printf(&text, " (%s at %s:%d)", info->site->func, info->site->file,
                        info->site->line);
    weir_buf_puts(&text, WEIR_S("; stack: "));
    add_stack(&text, info->stack, info->depth);
    weir_str s = weir_buf_str(&text);
    weir_log_at(info->site, c, WEIR_LOG_ERROR, WEIR_STR_FMT, WEIR_STR_ARG(s));
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
    c->error = NULL;
    (void)raise_panic(info, c, "%s", info->message);
    log_panic(weir__ctx_handle(c), weir__self->current->name, info);
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
    struct weir__ctx *c = weir__ctx_of(handle);
    struct weir__worker *w = weir__self;
    uint64_t seq = w->next_ctx_seq;
    struct protected_call call = {fn, handle, arg, WEIR_OK};
    struct weir__panic_info info;
    if (WEIR_LIKELY(weir__try(call_protected, &call, &info)))
        return call.err;
    w->current->ctx = c;
    weir__panic_record(c, &info);
    weir__ctx_end_since(c, seq);
    return WEIR_EPANIC;
}
