/*
 * Options of programs that were compiled with other headers: what is done with those that ask for
 * too much. A call that was given an option must not go on without it, so it is misuse, which says
 * what to do. Owns nothing; any thread, though outside of a fiber misuse ends the process.
 */
#include "rt/sized.h"

#include "base/assert.h"
#include "base/given.h"
#include "base/sized.h"
#include "rt/panic.h"

const void *weir__options_copied(const void *given, void *room, size_t size, const char *function)
{
    WEIR_ASSERT(size >= sizeof size, "Z1: the library's own options begin with their size");
    weir__given_to(function, given, "the pointer to the options");
    if (weir__sized_options(room, size, given))
        return room;
    size_t given_size = *(const size_t *)given;
    WEIR_ASSERT(given_size != size, "Z1: options of the size that is known here are taken");
    if (given_size < sizeof size)
        weir__misuse(function,
                     "the options have no size: make them with the macro, or set .size to sizeof");
    weir__misuse(function,
                 "an option is used that this library does not know: the program was compiled with "
                 "a newer Weir (%zu bytes of options, %zu here)",
                 given_size, size);
}
