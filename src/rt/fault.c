/*
 * Containing CPU faults. A fault becomes a panic only if all of this holds: the service asked for
 * it; the fiber is in a handler (it has a recovery point); the address is near NULL or in this
 * fiber's own guard; it came from the CPU, not from kill(); the faulting instruction is the
 * program's own; and every frame from there to the recovery point belongs to the program or to
 * Weir, whose middleware, routers and recovery points call handlers: none to libc or a client
 * library, whose locks may be held. Otherwise the process dies, as it must, with last words. (A
 * Weir that is linked statically is part of the program: a NULL given to one of its functions
 * counts as the caller's.)
 *
 * Signals that others send are not the CPU's: they end the process as they do without a handler.
 * Faults in the stack of a hibernating fiber are none: that comes back (hibernate.h). Who had a
 * handler before (a sanitizer, above all) is called for all that is neither.
 *
 * The hard thing: the handler runs on the thread's signal stack and unwinds from there through the
 * signal frame. So the code must have been compiled with -fnon-call-exceptions for the clean-ups of
 * the faulting frame to run (weir.pc says so).
 */
#include "rt/fault.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/trap.h"
#include "os/arch.h"
#include "os/stack.h"
#include "os/symbol.h"
#include "os/sys.h"
#include "rt/hibernate.h"
#include "rt/interrupted.h"
#include "rt/last_words.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/switch.h"

#define SIGNAL_STACK_BYTES (64u << 10)
#define NEAR_NULL (64u << 10)
#define RANGES_MAX 8

static bool is_containing;
static atomic_uint_fast64_t total;
static _Thread_local void *signal_stack;

/* Executable addresses of the program's main object, and of Weir's where that is another. */
struct code {
    struct range {
        uintptr_t lo, hi;
    } ranges[RANGES_MAX];
    size_t count;
};
static struct code program, library;

static bool is_in(const struct code *code, uintptr_t pc)
{
    for (size_t i = 0; i < code->count; i++) {
        if (pc >= code->ranges[i].lo && pc < code->ranges[i].hi)
            return true;
    }
    return false;
}

static void note_object(struct code *code, const struct dl_phdr_info *info)
{
    code->count = 0;
    for (int i = 0; i < info->dlpi_phnum && code->count < RANGES_MAX; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || (p->p_flags & PF_X) == 0)
            continue;
        struct range *r = &code->ranges[code->count++];
        r->lo = info->dlpi_addr + p->p_vaddr;
        r->hi = r->lo + p->p_memsz;
        WEIR_ASSERT(r->lo <= r->hi, "G3: code does not pass the end of the addresses");
    }
}

static int find_code(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    struct code code;
    note_object(&code, info);
    if (program.count == 0)
        program = code; /* the first object is the program */
    else if (is_in(&code, (uintptr_t)weir__fault_install))
        library = code;
    return 0;
}

/*
 * All frames between the fault and the innermost recovery point, by frame pointers: the walk must
 * arrive exactly at weir__try_raw's frame, else some frame on the way has none and is not the
 * program's. NULL: they all are; else why not, and the place.
 */
static const char *obstacle(const struct weir__fiber *f, uintptr_t pc, uintptr_t *fp, uintptr_t *at)
{
    WEIR_ASSERT(f->catcher != NULL, "P1: what a fault is to become has somewhere to go");
    uintptr_t stop = (uintptr_t)f->catcher->regs[WEIR__CATCH_FP];
    *at = pc;
    if (!is_in(&program, pc))
        return "it is in ";
    while ((uintptr_t)fp != stop) {
        if ((char *)fp < f->stack_lo || (char *)(fp + 2) > f->stack_hi ||
            (uintptr_t)fp % sizeof(uintptr_t) != 0 || fp[0] <= (uintptr_t)fp)
            return "code without frame pointers has called ";
        *at = fp[1];
        if (!is_in(&program, *at) && !is_in(&library, *at))
            return "on the way is ";
        fp = (uintptr_t *)fp[0];
    }
    return NULL;
}

/* What the CPU has found, where that can be a handler's mistake and no more; NULL: it cannot. */
static const char *explain(const struct weir__fiber *f, int sig, const siginfo_t *info)
{
    if (sig == SIGFPE && info->si_code > 0)
        return "arithmetic fault (division by zero or overflow)";
    /* SI_KERNEL has no address: that of a wild pointer is no address at all. */
    if (sig != SIGSEGV || (info->si_code != SEGV_MAPERR && info->si_code != SEGV_ACCERR))
        return NULL;
    if ((uintptr_t)info->si_addr < NEAR_NULL)
        return "null pointer dereference";
    if (weir__trap_holds(info->si_addr))
        return "memory of a request that has ended, which was kept past it";
    struct weir__stack s = weir__fiber_slot(f);
    return weir__stack_in_guard(&s, info->si_addr) ? "stack overflow" : NULL;
}

/* --- the end of the process ----------------------------------------------------------------- */

static const int watched[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { WATCHED = sizeof watched / sizeof watched[0] };
static struct sigaction before[WATCHED]; /* who had it before us */

static struct sigaction *before_of(int sig)
{
    size_t i = 0;
    while (watched[i] != sig) {
        i++;
        WEIR_ASSERT(i < WATCHED, "G2: only signals that are handled arrive");
    }
    return &before[i];
}

/* With the default action, which is the end. */
static void die_by(int sig, bool is_sent)
{
    sigset_t set;
    signal(sig, SIG_DFL);
    if (!is_sent)
        return; /* the instruction runs again */
    sigemptyset(&set);
    sigaddset(&set, sig);
    raise(sig);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void add_message(weir_buf *b, int sig, const siginfo_t *info, const char *what)
{
    static const char *const names[] = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT"};
    weir_buf_puts(b, weir_str_from(names[before_of(sig) - before]));
    if (info->si_code <= 0 && info->si_pid != getpid())
        weir_buf_printf(b, " sent by process %d", (int)info->si_pid);
    else if (info->si_code > 0)
        weir_buf_printf(b, " at %p", info->si_addr);
    if (what != NULL)
        weir_buf_printf(b, ", %s", what);
    weir_buf_puts(b, WEIR_S(": the process ends"));
}

/* `why` (may be NULL) with the place that it is about. */
static void tell(int sig, const siginfo_t *info, const char *what, const char *why, uintptr_t at,
                 const ucontext_t *u)
{
    char bytes[160], why_bytes[160];
    weir_buf message, reason;
    weir_buf_init_fixed(&message, bytes, sizeof bytes);
    add_message(&message, sig, info, what);
    weir_buf_init_fixed(&reason, why_bytes, sizeof why_bytes - 1);
    weir_buf_puts(&reason, weir_str_from(why != NULL ? why : "contain_faults is off"));
    if (why != NULL)
        weir__symbol_raw((void *)at, &reason);
    WEIR_ASSERT(reason.len < sizeof why_bytes, "G4: why is cut to the bytes that there are for it");
    why_bytes[reason.len] = '\0';
    if (!weir__last_words(weir_buf_str(&message), what != NULL ? why_bytes : NULL, u))
        signal(sig, SIG_DFL);
}

static void (*tell_last)(void);

void weir__fault_tell_last(void (*told)(void))
{
    tell_last = told;
}

/* --- the handler ---------------------------------------------------------------------------- */

/*
 * A call through a wild pointer, NULL above all, has faulted behind the call: back to its
 * instruction, whose frame is the caller's.
 */
static void step_back(ucontext_t *u, const struct weir__fiber *f)
{
    uintptr_t pc = weir__machine_pc(u), sp;
    if (f == NULL || is_in(&program, pc) || is_in(&library, pc))
        return;
    uintptr_t caller = weir__machine_caller(u, f->stack_lo, f->stack_hi, &sp);
    if (is_in(&program, caller) || is_in(&library, caller))
        weir__machine_set(u, caller - 1, sp);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    ucontext_t *u = context;
    bool is_sent = info->si_code <= 0;
    bool is_jump = weir__machine_pc(u) == (uintptr_t)info->si_addr;
    if (!is_sent && !is_jump && sig != SIGABRT && weir__hibernate_touched(info->si_addr)) {
        errno = saved_errno;
        return; /* the instruction runs again, and finds what it wants */
    }
    const struct sigaction *old = before_of(sig);
    if (is_sent && old->sa_handler == SIG_IGN)
        return;
    struct weir__fiber *f = weir__fiber_self();
    const uintptr_t pc = weir__machine_pc(u), sp = weir__machine_sp(u);
    const char *what = NULL, *why = NULL;
    uintptr_t at = 0;
    if (!is_sent && is_jump)
        step_back(u, f);
    if (f != NULL && f->catcher != NULL)
        what = explain(f, sig, info);
    if (what != NULL && is_containing) {
        void *const *fp = weir__machine_fp(u);
        why = obstacle(f, weir__machine_pc(u), (uintptr_t *)(uintptr_t)fp, &at);
        if (why == NULL) {
            WEIR_ASSERT(f->state == WEIR__FIBER_RUNNING, "F1: whose handler faults runs");
            atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
            weir__panic_fault(what, (void *)weir__machine_pc(u), fp);
        }
    }
    tell(sig, info, what, why, at, u);
    if (tell_last != NULL)
        tell_last();
    weir__machine_set(u, pc, sp); /* the core has it as it was */
    if ((old->sa_flags & SA_SIGINFO) != 0 && old->sa_sigaction != NULL)
        old->sa_sigaction(sig, info, context);
    else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN)
        old->sa_handler(sig);
    else
        die_by(sig, is_sent);
}

void weir__fault_install(bool contain)
{
    is_containing = contain;
    if (weir__is_sanitized())
        return;
    if (program.count == 0)
        dl_iterate_phdr(find_code, NULL);
    WEIR_ASSERT(program.count > 0, "G3: where the program's code lies is known before it faults");
    weir__interrupted_prepare();
    /* Not deferred: a panic leaves the handler, and a fault in here must not go unheard. */
    struct sigaction sa = {.sa_sigaction = on_fault,
                           .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&sa.sa_mask);
    for (int i = 0; i < WATCHED; i++) {
        struct sigaction old;
        if (sigaction(watched[i], &sa, &old) == 0 &&
            ((old.sa_flags & SA_SIGINFO) == 0 || old.sa_sigaction != on_fault))
            before[i] = old;
    }
}

void weir__fault_enter_thread(void)
{
    /*
     * Valgrind takes the way to another stack and back for growth of the present one, and calls
     * what a fiber then writes on its own an error. It tells of faults itself, as the sanitizers
     * do.
     */
    if (weir__is_sanitized() || weir__on_valgrind)
        return;
    signal_stack =
        weir__sys_mmap(SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    stack_t ss = {.ss_sp = signal_stack, .ss_size = SIGNAL_STACK_BYTES};
    if (signal_stack != NULL)
        sigaltstack(&ss, NULL);
}

void weir__fault_leave_thread(void)
{
    if (signal_stack == NULL)
        return;
    stack_t ss = {.ss_flags = SS_DISABLE};
    sigaltstack(&ss, NULL);
    weir__sys_munmap(signal_stack, SIGNAL_STACK_BYTES);
    signal_stack = NULL;
}

uint64_t weir__fault_total(void)
{
    return atomic_load_explicit(&total, memory_order_relaxed);
}
