/*
 * Assertions about Weir's own state. They stay on in release builds: a broken invariant ends the
 * process, because nothing after it can be trusted. Bytes from the network never reach one
 * unchecked.
 */
#ifndef WEIR_BASE_ASSERT_H
#define WEIR_BASE_ASSERT_H

#include <weir/api.h>

/*
 * Ends the process with one line on standard error that names the broken invariant and its place.
 */
WEIR_NORETURN void weir__assert_failed(const char *expr, const char *what, const char *file,
                                       int line);

/* `what` names the invariant, by its number in the room's README where it has one: "I3: …". */
#define WEIR_ASSERT(expr, what)                                                                    \
    (WEIR_LIKELY(expr) ? (void)0 : weir__assert_failed(#expr, what, __FILE__, __LINE__))

#endif
