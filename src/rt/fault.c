/*
 * Containing CPU faults. A fault becomes a panic only if all of this holds: the service asked for
 * it; the fiber is in a handler (it has a recovery point); the address is near NULL or in this
 * fiber's own guard; it came from the CPU, not from kill(); and every frame from the fault to the
 * recovery point belongs to the program's own object, none to libc or a client library, whose locks
 * may be held. Otherwise the default action follows and the process dies, as it must. (A Weir that
 * is linked statically is part of that object: a NULL given to one of its functions counts as the
 * caller's.)
 *
 * Faults in the stack of a hibernating fiber are none: that comes back (hibernate.h).
 *
 * The hard thing: the handler runs on the thread's signal stack and unwinds from there through the
 * signal frame. So the code must have been compiled with -fnon-call-exceptions for the clean-ups of
 * the faulting frame to run (weir.pc says so).
 */
#include "rt/fault.h"

#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/alloc.h"
#include "rt/hibernate.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/stack.h"
#include "rt/switch.h"
#include "rt/sys.h"

#define SIGNAL_STACK_BYTES (64u << 10)
#define NEAR_NULL (64u << 10)
#define FRAMES_MAX 16384 /* a stack is full of the smallest frames */
#define RANGES_MAX 8

enum { CATCH_RBP = 1 }; /* weir__try_raw's frame pointer in its recovery point */

static bool is_containing;
static atomic_uint_fast64_t total;
static _Thread_local void *signal_stack;

/* Executable addresses of the program's main object. */
static struct range {
    uintptr_t lo, hi;
} ranges[RANGES_MAX];
static size_t range_count;

static int note_main_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    for (int i = 0; i < info->dlpi_phnum && range_count < RANGES_MAX; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || (p->p_flags & PF_X) == 0)
            continue;
        ranges[range_count].lo = info->dlpi_addr + p->p_vaddr;
        ranges[range_count].hi = info->dlpi_addr + p->p_vaddr + p->p_memsz;
        range_count++;
    }
    return 1; /* the first object is the program */
}

static bool is_program_code(uintptr_t pc)
{
    for (size_t i = 0; i < range_count; i++) {
        if (pc >= ranges[i].lo && pc < ranges[i].hi)
            return true;
    }
    return false;
}

/*
 * All frames between the fault and the innermost recovery point, by frame pointers: the walk must
 * arrive exactly at weir__try_raw's frame, else some frame on the way has none and is not the
 * program's.
 */
static bool only_program_frames(const struct weir__fiber *f, uintptr_t pc, uintptr_t *fp)
{
    if (!is_program_code(pc))
        return false;
    uintptr_t stop = (uintptr_t)f->catcher->regs[CATCH_RBP];
    for (int i = 0; i < FRAMES_MAX; i++) {
        if ((uintptr_t)fp == stop)
            return true;
        if ((char *)fp < f->stack_lo || (char *)(fp + 2) > f->stack_hi ||
            (uintptr_t)fp % sizeof(uintptr_t) != 0 || fp[0] <= (uintptr_t)fp ||
            !is_program_code(fp[1]))
            return false;
        fp = (uintptr_t *)fp[0];
    }
    return false;
}

static const char *explain(const struct weir__fiber *f, int sig, const siginfo_t *info)
{
    struct weir__stack s = {f->stack_lo, f->stack_hi};
    if (sig == SIGFPE)
        return "arithmetic fault (division by zero or overflow)";
    if ((uintptr_t)info->si_addr < NEAR_NULL)
        return "null pointer dereference";
    if (weir__stack_in_guard(&s, info->si_addr))
        return "stack overflow";
    return NULL;
}

static void (*tell_last)(void);

void weir__fault_tell_last(void (*told)(void))
{
    tell_last = told;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    uintptr_t pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
    bool is_jump = pc == (uintptr_t)info->si_addr; /* no stack that is shown can be executed */
    if (info->si_code > 0 && !is_jump && weir__hibernate_touched(info->si_addr))
        return; /* the instruction runs again, and finds what it wants */
    struct weir__fiber *f = weir__fiber_self();
    const char *what = NULL;
    if (f != NULL && f->catcher != NULL && info->si_code > 0)
        what = explain(f, sig, info);
    uintptr_t *fp = (uintptr_t *)u->uc_mcontext.gregs[REG_RBP];
    if (what == NULL || !is_containing || !only_program_frames(f, pc, fp)) {
        if (what != NULL)
            (void)!dprintf(2, "weir: %s in fiber %s: not contained\n", what, f->name);
        if (tell_last != NULL)
            tell_last();
        signal(sig, SIG_DFL); /* the instruction runs again and ends the process, with a core */
        return;
    }
    atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    weir__panic_fault(what, (void *)pc, (void *const *)fp);
}

void weir__fault_install(bool contain)
{
    is_containing = contain;
#if defined(WEIR__ASAN) || defined(WEIR__TSAN)
    return;
#endif
    if (range_count == 0)
        dl_iterate_phdr(note_main_object, NULL);
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    sigaction(SIGFPE, &sa, NULL);
}

void weir__fault_enter_thread(void)
{
#if defined(WEIR__ASAN) || defined(WEIR__TSAN)
    return;
#endif
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
