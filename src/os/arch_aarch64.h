/*
 * aarch64, AAPCS64 (arch.h says what this is).
 */
#ifndef WEIR_OS_ARCH_AARCH64_H
#define WEIR_OS_ARCH_AARCH64_H

/* x29 x30, x19 to x28, d8 to d15 */
#define WEIR__SWITCH_WORDS 20
#define WEIR__SWITCH_FP 0
#define WEIR__SWITCH_PC 1
#define WEIR__SWITCH_FN 2

/* x19 to x28, x29, sp, d8 to d15 */
#define WEIR__CATCH_WORDS 20
#define WEIR__CATCH_FP 10
#define WEIR__CATCH_SP 11

/* The generic timer, some 25 MHz to 1 GHz by what it says of itself, as nanoseconds. */
static inline uint64_t weir__ticks(void)
{
    uint64_t count, hertz;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hertz));
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count) : : "memory");
    uint64_t each = 1000000000 / (hertz != 0 ? hertz : 1000000000);
    return count * (each != 0 ? each : 1);
}

static inline void weir__pause(void)
{
    __asm__ volatile("yield" : : : "memory");
}

static inline void weir__load_fence(void)
{
    __asm__ volatile("dmb ishld" : : : "memory");
}

static inline __attribute__((always_inline)) const char *weir__stack_pointer(void)
{
    const char *sp;
    __asm__("mov %0, sp" : "=r"(sp));
    return sp;
}

static inline long weir__system_call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = 0;
    register long x5 __asm__("x5") = 0;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

/* --- what a signal has interrupted ---------------------------------------------------------- */

static inline uintptr_t weir__machine_pc(const ucontext_t *u)
{
    return (uintptr_t)u->uc_mcontext.pc;
}

static inline uintptr_t weir__machine_sp(const ucontext_t *u)
{
    return (uintptr_t)u->uc_mcontext.sp;
}

static inline void *const *weir__machine_fp(const ucontext_t *u)
{
    return (void *const *)(uintptr_t)u->uc_mcontext.regs[29];
}

static inline void weir__machine_set(ucontext_t *u, uintptr_t pc, uintptr_t sp)
{
    u->uc_mcontext.pc = pc;
    u->uc_mcontext.sp = sp;
}

/* A call leaves nothing on the stack: where it returns to is in x30. */
static inline uintptr_t weir__machine_caller(const ucontext_t *u, const char *lo, const char *hi,
                                             uintptr_t *sp)
{
    *sp = weir__machine_sp(u);
    if (*sp < (uintptr_t)lo || *sp > (uintptr_t)hi)
        return 0;
    return (uintptr_t)u->uc_mcontext.regs[30];
}

#endif
