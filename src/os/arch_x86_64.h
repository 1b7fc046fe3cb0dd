/*
 * x86-64, System V (arch.h says what this is).
 */
#ifndef WEIR_OS_ARCH_X86_64_H
#define WEIR_OS_ARCH_X86_64_H

/* r15 r14 r13 r12 rbx rbp, then the return address. */
#define WEIR__SWITCH_WORDS 7
#define WEIR__SWITCH_FN 4
#define WEIR__SWITCH_FP 5
#define WEIR__SWITCH_PC 6

/* rbx rbp r12 r13 r14 r15 rsp */
#define WEIR__CATCH_WORDS 7
#define WEIR__CATCH_FP 1
#define WEIR__CATCH_SP 6

static inline uint64_t weir__ticks(void)
{
    return __builtin_ia32_rdtsc();
}

static inline void weir__pause(void)
{
    __builtin_ia32_pause();
}

/* Loads are not reordered; and gcc refuses the fence of threads to who has its ThreadSanitizer. */
static inline void weir__load_fence(void)
{
    __atomic_signal_fence(__ATOMIC_ACQUIRE);
}

static inline __attribute__((always_inline)) const char *weir__stack_pointer(void)
{
    const char *sp;
    __asm__("mov %%rsp, %0" : "=r"(sp));
    return sp;
}

static inline long weir__system_call(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = 0;
    register long r9 __asm__("r9") = 0;
    long result = number;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* --- what a signal has interrupted ---------------------------------------------------------- */

static inline uintptr_t weir__machine_pc(const ucontext_t *u)
{
    return (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
}

static inline uintptr_t weir__machine_sp(const ucontext_t *u)
{
    return (uintptr_t)u->uc_mcontext.gregs[REG_RSP];
}

static inline void *const *weir__machine_fp(const ucontext_t *u)
{
    return (void *const *)(uintptr_t)u->uc_mcontext.gregs[REG_RBP];
}

static inline void weir__machine_set(ucontext_t *u, uintptr_t pc, uintptr_t sp)
{
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
    u->uc_mcontext.gregs[REG_RSP] = (greg_t)sp;
}

/*
 * Where a call that has only just been made returns to, and `sp` as it was before it. 0: its stack
 * pointer does not lie between `lo` and `hi`.
 */
static inline uintptr_t weir__machine_caller(const ucontext_t *u, const char *lo, const char *hi,
                                             uintptr_t *sp)
{
    uintptr_t at = weir__machine_sp(u);
    *sp = at + sizeof at;
    if (at < (uintptr_t)lo || at + sizeof at > (uintptr_t)hi)
        return 0;
    return *(const uintptr_t *)at;
}

#endif
