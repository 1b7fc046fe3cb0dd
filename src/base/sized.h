/*
 * Structs that programs hand over: options, arrays of entries, room for results. Each says by its
 * first member, or by a stride or size beside it, how large it was when the program was compiled,
 * so that structs may grow while programs stay as they are (docs/design/api.md).
 *
 * Of options, what is smaller than the library's is filled up with zeroes, which mean "the
 * default". What is larger, from a program that is newer than the library, is taken when nothing is
 * in what the library does not know, and refused otherwise: an option must not be lost without a
 * word.
 */
#ifndef WEIR_BASE_SIZED_H
#define WEIR_BASE_SIZED_H

#include <stdbool.h>
#include <stddef.h>
#include <weir/api.h>

/*
 * Copies `given_size` bytes of `given` into the `size` bytes of `to`. False when it has what the
 * library does not know; `to` then holds the rest.
 */
bool weir__sized_copy(void *to, size_t size, const void *given, size_t given_size);

/*
 * The same for options, whose first member is their size. False too where no macro has set it, and
 * for NULL.
 */
bool weir__sized_options(void *to, size_t size, const void *given);

/*
 * The other way: a result of the library's into the `to_size` bytes that the program has for it.
 * What the library does not know is zeroed.
 */
void weir__sized_fill(void *to, size_t to_size, const void *from, size_t from_size);

#endif
