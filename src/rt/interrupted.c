/*
 * Stacks that signal handlers take. The unwinder of the C++ runtime finds its tables without a lock
 * (_dl_find_object) and needs no memory, so it may run anywhere; what it cannot read, a jump
 * through a wild pointer above all, is left to frame pointers.
 */
#include "rt/interrupted.h"

#include <stdint.h>
#include <unwind.h>

#include "base/assert.h"
#include "os/arch.h"
#include "rt/fiber.h"

struct unwinding {
    uintptr_t from; /* the interrupted instruction: frames before it are the handler's */
    void **pcs;
    size_t depth, max;
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *arg)
{
    struct unwinding *u = arg;
    uintptr_t pc = _Unwind_GetIP(context);
    if (u->depth == 0 && pc != u->from)
        return _URC_NO_REASON;
    if (u->depth == u->max || pc == 0)
        return _URC_END_OF_STACK;
    WEIR_ASSERT(u->depth < u->max, "G4: a stack has the frames that there is room for");
    u->pcs[u->depth++] = (void *)pc;
    return _URC_NO_REASON;
}

size_t weir__interrupted_stack(const ucontext_t *u, const struct weir__fiber *f, bool is_quick,
                               void **pcs, size_t max)
{
    uintptr_t pc = weir__machine_pc(u);
    struct unwinding unwinding = {.from = pc, .pcs = pcs, .max = max};
    if (!is_quick)
        _Unwind_Backtrace(note_frame, &unwinding);
    WEIR_ASSERT(unwinding.depth == 0 || pcs[0] == (void *)pc,
                "G4: a stack begins where it was interrupted");
    if (unwinding.depth > 1 || (unwinding.depth == 1 && f == NULL) || max == 0)
        return unwinding.depth;
    pcs[0] = (void *)pc;
    return 1 + (f != NULL ? weir__stack_walk(f, weir__machine_fp(u), pcs + 1, max - 1) : 0);
}

static _Unwind_Reason_Code stop_at_once(struct _Unwind_Context *context, void *arg)
{
    (void)context, (void)arg;
    return _URC_END_OF_STACK;
}

void weir__interrupted_prepare(void)
{
    _Unwind_Backtrace(stop_at_once, NULL);
}
