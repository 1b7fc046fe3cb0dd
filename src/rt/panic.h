/*
 * Panics: unwinding a fiber to the nearest recovery point, with all clean-ups on the way. The
 * unwinder is the C++ runtime's (_Unwind_ForcedUnwind), so __attribute__((cleanup)) works in code
 * compiled with -fexceptions.
 */
#ifndef WEIR_RT_PANIC_H
#define WEIR_RT_PANIC_H

#include <stdbool.h>
#include <stdint.h>
#include <unwind.h>
#include <weir/ctx.h>

#include "os/arch.h"

/* A recovery point; filled by weir__try (try.h). Its beginning is known to os/switch_*.S. */
struct weir__catch {
    void *regs[WEIR__CATCH_WORDS];
    struct weir__catch *outer;
    uint64_t seq; /* contexts of its worker that were opened before it */
};

struct weir__panic_info {
    char message[256];
    const weir_site *site;
    void *stack[24];
    size_t depth;
};

/*
 * The calling thread's last panic: right after weir__try, for callers whose own frame must stay
 * small.
 */
void weir__panic_last(struct weir__panic_info *out);

/* Of weir__try's frame (os/switch_*.S): exceptions of other languages end there, as panics. */
_Unwind_Reason_Code weir__try_personality(int version, _Unwind_Action actions,
                                          _Unwind_Exception_Class class,
                                          struct _Unwind_Exception *ex,
                                          struct _Unwind_Context *context);

/*
 * The same on a thread without a fiber, and without a line in the log: who has asked for the call
 * panics again with `*info`, on its fiber.
 */
bool weir__try_outside(void (*fn)(void *arg), void *arg, struct weir__panic_info *info);
WEIR_NORETURN void weir__panic_again(const struct weir__panic_info *info);

struct weir__fiber;
struct weir__ctx;

/*
 * Makes a caught panic the error of a context: WEIR_EPANIC, status 500, its message and place; logs
 * it with its stack.
 */
void weir__panic_record(struct weir__ctx *c, const struct weir__panic_info *info);

/*
 * The panic of a fault handler: the fault is at `pc`, in the frame with frame pointer `frame`.
 * Unwinds from the signal stack.
 */
WEIR_NORETURN void weir__panic_fault(const char *message, void *pc, void *const *frame);

/* Logs a panic that reached the fiber's start. */
void weir__panic_log(struct weir__fiber *f, const struct weir__panic_info *info);

/*
 * Misuse of the API: prints function, argument and rule, and panics. Outside of a fiber it aborts.
 */
WEIR_NORETURN void weir__misuse(const char *function, const char *format, ...) WEIR_PRINTF(2, 3);

/* Panics so far, by all threads. */
uint64_t weir__panic_total(void);

/* Those of which no line was written: too many of one place. */
uint64_t weir__panic_untold(void);

#endif
