/*
 * What depends on the processor: the switch, its unwind tables, recovery points, the counter and
 * what a signal has interrupted. Nothing else of Weir is in here, so that the same program is built
 * for each processor and run on it, or under an emulator (tools/aarch64).
 */
#include "os/arch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include "os/lock.h"

enum { STACK_BYTES = 256 << 10, DEPTH_MAX = 32 };

static _Alignas(16) char stack[STACK_BYTES];
static void *main_sp, *fiber_sp;
static void (*body)(void);

/* As a fiber's first frame: what it begins, and then again and again. */
static void begin(void)
{
    for (;;) {
        body();
        weir__switch(&fiber_sp, main_sp);
    }
}

static void start(void (*fn)(void))
{
    body = fn;
    fiber_sp = weir__switch_begin(stack + sizeof stack, begin);
}

static void go_on(void)
{
    weir__switch(&main_sp, fiber_sp);
}

/* --- the switch ----------------------------------------------------------------------------- */

static unsigned turns;

enum side { MINE, OTHER };

static volatile unsigned long numbers[][10] = {{3, 1, 4, 1, 5, 9, 2, 6, 5, 3},
                                               {2, 7, 1, 8, 2, 8, 1, 8, 2, 8}};
static volatile double shares[][8] = {{0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5},
                                      {0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75}};

/*
 * As much lives across `leave` as there are registers for it, integers and floating point; what
 * each side has there is of its own.
 */
__attribute__((noinline)) static double sums(enum side side, void (*leave)(void))
{
    const volatile unsigned long *n = numbers[side];
    const volatile double *d = shares[side];
    unsigned long a = n[0], b = n[1], c = n[2], e = n[3], f = n[4], g = n[5], h = n[6], i = n[7],
                  j = n[8], k = n[9];
    double p = d[0], q = d[1], r = d[2], s = d[3], t = d[4], u = d[5], v = d[6], w = d[7];
    leave();
    unsigned long whole =
        a + b * 2 + c * 3 + e * 5 + f * 7 + g * 11 + h * 13 + i * 17 + j * 19 + k * 23;
    return (double)whole + p + q * 2 + r * 3 + s * 5 + t * 7 + u * 11 + v * 13 + w * 17;
}

static void stay(void)
{
}

static double fiber_sum;

__attribute__((noinline)) static void leave_fiber(void)
{
    weir__switch(&fiber_sp, main_sp);
    __asm__ volatile("" : : : "memory"); /* no tail call: this frame is looked for */
}

static void sums_up(void)
{
    turns++;
    fiber_sum = sums(OTHER, leave_fiber);
}

static void test_what_lives_across_a_switch_is_kept(void **state)
{
    (void)state;
    turns = 0;
    start(sums_up);
    for (unsigned i = 1; i <= 100; i++) {
        fiber_sum = 0;
        double sum = sums(MINE, go_on); /* begins, and leaves in the middle */
        assert_true(sum == sums(MINE, stay));
        assert_true(fiber_sum == 0);
        go_on();
        assert_true(fiber_sum == sums(OTHER, stay));
        assert_int_equal(turns, i);
    }
}

static const char *seen_sp;

static void looks_where_it_is(void)
{
    seen_sp = weir__stack_pointer();
}

static void test_a_fiber_runs_on_its_stack(void **state)
{
    (void)state;
    start(looks_where_it_is);
    go_on();
    assert_true(seen_sp > stack && seen_sp < stack + sizeof stack);
    const char *mine = weir__stack_pointer();
    assert_true(mine < stack || mine > stack + sizeof stack);
}

/* --- unwinding ------------------------------------------------------------------------------ */

struct trace {
    uintptr_t pcs[DEPTH_MAX];
    size_t depth;
};

static struct trace trace;

static _Unwind_Reason_Code note(struct _Unwind_Context *context, void *arg)
{
    struct trace *t = arg;
    uintptr_t pc = _Unwind_GetIP(context);
    if (pc == 0 || t->depth == DEPTH_MAX)
        return _URC_END_OF_STACK;
    t->pcs[t->depth++] = pc;
    return _URC_NO_REASON;
}

static bool is_from(uintptr_t pc, void (*fn)(void))
{
    return (uintptr_t)_Unwind_FindEnclosingFunction((void *)pc) == (uintptr_t)fn;
}

__attribute__((noinline)) static void unwinds(void)
{
    trace.depth = 0;
    (void)_Unwind_Backtrace(note, &trace);
    __asm__ volatile("" : : : "memory");
}

static void test_the_tables_lead_to_the_first_frame(void **state)
{
    (void)state;
    start(unwinds);
    go_on();
    assert_int_equal(trace.depth, 3);
    assert_true(is_from(trace.pcs[0], unwinds));
    assert_true(is_from(trace.pcs[1], begin));
    assert_true(is_from(trace.pcs[2], weir__fiber_entry));
}

__attribute__((noinline)) static void waits_below(void)
{
    leave_fiber();
    __asm__ volatile("" : : : "memory");
}

static void waits(void)
{
    waits_below();
    __asm__ volatile("" : : : "memory");
}

/* What a dump does with a parked fiber: from what the switch has left, by frame pointers. */
static void test_a_parked_stack_can_be_walked(void **state)
{
    (void)state;
    start(waits);
    go_on();
    void *const *sp = fiber_sp, *const *fp = sp[WEIR__SWITCH_FP];
    assert_true(is_from((uintptr_t)sp[WEIR__SWITCH_PC], leave_fiber));
    void (*const expected[])(void) = {waits_below, waits, begin, weir__fiber_entry};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_true((const char *)fp > stack && (const char *)(fp + 2) <= stack + sizeof stack);
        assert_true(is_from((uintptr_t)fp[1], expected[i]));
        fp = fp[0];
    }
    assert_null(fp);
    go_on();
}

/* --- recovery points ------------------------------------------------------------------------ */

struct point {
    void *regs[WEIR__CATCH_WORDS];
    int cleaned;
};

uintptr_t weir__try_raw(void (*fn)(void *arg), void *arg, struct point *k);
_Noreturn void weir__catch_jump(struct point *k);
int weir__try_personality(int version, int actions, uint64_t class, void *ex, void *context);

/* Of weir__try_raw's frame; what the runtime has there is rt/panic.c's. */
int weir__try_personality(int version, int actions, uint64_t class, void *ex, void *context)
{
    (void)version, (void)actions, (void)class, (void)ex, (void)context;
    return _URC_CONTINUE_UNWIND;
}

static _Unwind_Reason_Code stop_at_point(int version, _Unwind_Action actions, uint64_t class,
                                         struct _Unwind_Exception *ex,
                                         struct _Unwind_Context *context, void *arg)
{
    struct point *k = arg;
    (void)version, (void)class, (void)ex;
    if (_Unwind_GetCFA(context) < (uintptr_t)k->regs[WEIR__CATCH_SP] &&
        (actions & _UA_END_OF_STACK) == 0)
        return _URC_NO_REASON;
    weir__catch_jump(k);
}

static void clean(struct point **k)
{
    (*k)->cleaned++;
}

static struct point point;

__attribute__((noinline)) static void falls(void)
{
    static struct _Unwind_Exception exception;
    __attribute__((cleanup(clean))) struct point *mine = &point;
    (void)_Unwind_ForcedUnwind(&exception, stop_at_point, mine);
}

/*
 * With other values in all registers than the frame has that is returned to; and no clean-up here,
 * since the unwinder would bring the right ones back for it.
 */
static void falls_among_others(void *arg)
{
    (void)arg;
    (void)sums(OTHER, falls);
    point.cleaned = 100; /* never */
}

static void returns(void *arg)
{
    ((struct point *)arg)->cleaned = 10;
}

static uintptr_t first, second;

static void falls_and_is_caught(void)
{
    first = weir__try_raw(falls_among_others, &point, &point);
    second = weir__try_raw(returns, &point, &point);
}

static void test_a_recovery_point_is_returned_to(void **state)
{
    (void)state;
    memset(&point, 0, sizeof point);
    first = second = 7;
    start(falls_and_is_caught);
    double sum = sums(MINE, go_on);
    assert_true(sum == sums(MINE, stay));
    assert_int_equal(first, 1);
    assert_int_equal(second, 0);
    assert_int_equal(point.cleaned, 10);
}

static void unwinds_below(void *arg)
{
    (void)arg;
    unwinds();
    __asm__ volatile("" : : : "memory");
}

static void unwinds_in_a_point(void)
{
    (void)weir__try_raw(unwinds_below, NULL, &point);
    __asm__ volatile("" : : : "memory");
}

static void test_the_tables_lead_through_a_recovery_point(void **state)
{
    (void)state;
    start(unwinds_in_a_point);
    go_on();
    assert_int_equal(trace.depth, 6);
    assert_true(is_from(trace.pcs[3], unwinds_in_a_point));
    assert_true(is_from(trace.pcs[4], begin));
}

static void falls_in_the_middle(void)
{
    (void)weir__try_raw(falls_among_others, &point, &point);
}

static void test_what_lives_across_a_fall_is_kept(void **state)
{
    (void)state;
    memset(&point, 0, sizeof point);
    assert_true(sums(MINE, falls_in_the_middle) == sums(MINE, stay));
    assert_int_equal(point.cleaned, 1);
}

/* --- what a signal has interrupted ---------------------------------------------------------- */

static sigjmp_buf back;
static volatile uintptr_t fault_pc, caller_pc, fault_sp;
static volatile bool was_called_from_here;

static void (*volatile nowhere)(void);

__attribute__((noinline)) static void calls_nowhere(void)
{
    nowhere();
    __asm__ volatile("" : : : "memory");
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    uintptr_t sp = 0;
    (void)sig, (void)info;
    fault_pc = weir__machine_pc(u);
    fault_sp = weir__machine_sp(u);
    const char *at = (const char *)fault_sp;
    caller_pc = weir__machine_caller(u, at, at + sizeof(void *), &sp);
    was_called_from_here = is_from(caller_pc, calls_nowhere) && sp >= fault_sp &&
                           (uintptr_t)weir__machine_fp(u) >= sp &&
                           weir__machine_caller(u, at + 1, at + 1, &sp) == 0;
    weir__machine_set(u, caller_pc - 1, sp);
    was_called_from_here = was_called_from_here && weir__machine_pc(u) == caller_pc - 1;
    siglongjmp(back, 1);
}

static void test_a_call_of_nothing_tells_its_caller(void **state)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old;
    (void)state;
    fault_pc = 1;
    was_called_from_here = false;
    assert_int_equal(sigaction(SIGSEGV, &action, &old), 0);
    if (sigsetjmp(back, 1) == 0)
        calls_nowhere();
    assert_int_equal(sigaction(SIGSEGV, &old, NULL), 0);
    assert_int_equal(fault_pc, 0);
    assert_true(was_called_from_here);
}

/* --- counter, pause, calls of the kernel ---------------------------------------------------- */

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Thresholds are written for processors of 1 GHz on; the rate is all that is asked of a counter. */
static void test_the_counter_goes_on_by_the_nanosecond(void **state)
{
    (void)state;
    int64_t began = clock_ns(), took = 0;
    uint64_t ticks = weir__ticks();
    for (; took < 20000000; took = clock_ns() - began)
        weir__pause();
    ticks = weir__ticks() - ticks;
    assert_true(ticks > (uint64_t)took / 2);
    assert_true(ticks < (uint64_t)took * 10);
}

static void test_a_lock_is_taken_and_given(void **state)
{
    struct weir__lock lock;
    (void)state;
    weir__lock_init(&lock);
    weir__lock_take(&lock);
    assert_false(weir__lock_try(&lock));
    weir__load_fence();
    weir__lock_give(&lock);
    assert_true(weir__lock_try(&lock));
}

static void test_the_kernel_is_called(void **state)
{
    int ends[2];
    char bytes[4] = "";
    (void)state;
    assert_int_equal(weir__system_call(SYS_getpid, 0, 0, 0, 0), getpid());
    assert_int_equal(weir__system_call(SYS_close, -1, 0, 0, 0), -EBADF);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(weir__system_call(SYS_write, ends[1], (long)"abc", 3, 0), 3);
    assert_int_equal(weir__system_call(SYS_read, ends[0], (long)bytes, sizeof bytes, 0), 3);
    assert_string_equal(bytes, "abc");
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    if (weir__is_sanitized()) {
        puts("skipped: sanitizers want to be told of each switch, which is rt/switch.h's");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_lives_across_a_switch_is_kept),
        cmocka_unit_test(test_a_fiber_runs_on_its_stack),
        cmocka_unit_test(test_the_tables_lead_to_the_first_frame),
        cmocka_unit_test(test_a_parked_stack_can_be_walked),
        cmocka_unit_test(test_a_recovery_point_is_returned_to),
        cmocka_unit_test(test_the_tables_lead_through_a_recovery_point),
        cmocka_unit_test(test_what_lives_across_a_fall_is_kept),
        cmocka_unit_test(test_a_call_of_nothing_tells_its_caller),
        cmocka_unit_test(test_the_counter_goes_on_by_the_nanosecond),
        cmocka_unit_test(test_a_lock_is_taken_and_given),
        cmocka_unit_test(test_the_kernel_is_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
