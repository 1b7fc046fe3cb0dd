/*
 * Images of values: a struct and all that its members point to, in one piece of memory, so that an
 * entry is one allocation, a copy two moves, and nothing in it points out of it. Pure; what a
 * member is its model says.
 *
 *     | the struct | texts, bytes, items, structs behind pointers |
 *     0            weir__image_tail_at(model)
 *
 * Members that the model does not name are zero in an image: what they point to nobody knows.
 */
#ifndef WEIR_DATA_CACHE_IMAGE_H
#define WEIR_DATA_CACHE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/model.h"

enum { WEIR__IMAGE_DEPTH_MAX = 32 };

/* The tables of the model and those of all that it refers to are built. False: no memory. */
bool weir__image_prepare(const weir_model *model);

/* True when no member points to anything: the struct is all of it. */
bool weir__image_is_flat(const weir_model *model);

/*
 * What tells models apart whose values are not the same: names, kinds and sizes of members, and of
 * those of the models that they refer to. The same in every process, and of every build.
 */
uint64_t weir__image_version(const weir_model *model);

/* Where in an image the rest begins. */
static inline size_t weir__image_tail_at(const weir_model *model)
{
    return (model->size + 15) & ~(size_t)15;
}

/*
 * Bytes of the rest that `value` needs. WEIR_ETOOLARGE: over `most`, or structs behind pointers are
 * nested deeper than WEIR__IMAGE_DEPTH_MAX, as in a ring.
 */
WEIR_MUST_USE weir_err weir__image_measure(const weir_model *model, const void *value, size_t most,
                                           size_t *tail_bytes);

/* Makes the image of a value that has been measured; `image` is aligned to 16. */
void weir__image_make(const weir_model *model, const void *value, void *image);

/*
 * `value` and `tail` are copies of an image's parts, whose rest is at `was`: what points there
 * points into `tail` from now on.
 */
void weir__image_settle(const weir_model *model, void *value, const void *was, void *tail);

#endif
