/*
 * Exceptions of other languages, C++ above all, that nobody has caught on their way to a recovery
 * point: they are panics there.
 */
#ifndef WEIR_RT_EXCEPTION_H
#define WEIR_RT_EXCEPTION_H

#include <stddef.h>
#include <unwind.h>

/*
 * What C++ keeps of a thread (its ABI's __cxa_eh_globals): exceptions that are being handled, and
 * how many are on their way. Each fiber has its own.
 */
struct weir__cxx {
    void *handled;
    unsigned thrown;
};

/* The calling thread's; NULL: the process has no C++ library. */
struct weir__cxx *weir__exception_state(void);

/*
 * What `ex` is, in one line: "uncaught exception std::runtime_error: no such file". For one that
 * nobody has begun to catch.
 */
void weir__exception_describe(_Unwind_Exception_Class class, struct _Unwind_Exception *ex,
                              char *text, size_t size);

/* Return addresses from who threw it on; for the search for a handler. Returns their number. */
size_t weir__exception_stack(void **pcs, size_t max);

/* The exception has been caught, and is over. */
void weir__exception_end(struct _Unwind_Exception *ex);

#endif
