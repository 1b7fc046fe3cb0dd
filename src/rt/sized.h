/*
 * Options of programs that were compiled with other headers, at the doors of calls: see
 * base/sized.h. Those of the same size, which is nearly all, are used where they are.
 */
#ifndef WEIR_RT_SIZED_H
#define WEIR_RT_SIZED_H

#include <stddef.h>
#include <weir/api.h>

/* The same for those of another size: copied into the `size` bytes of `room`, or misuse, as it is
 * when there are none. */
const void *weir__options_copied(const void *given, void *room, size_t size, const char *function);

/*
 * The options to be used for `given`, whose first member is their size: these, or `room` with what
 * is in them. Misuse when they have what this library does not know, or no size.
 */
static inline const void *weir__options(const void *given, void *room, size_t size,
                                        const char *function)
{
    if (WEIR_LIKELY(given != NULL && *(const size_t *)given == size))
        return given;
    return weir__options_copied(given, room, size, function);
}

#endif
