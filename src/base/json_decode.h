/*
 * JSON text into a struct, driven by its model.
 */
#ifndef WEIR_BASE_JSON_DECODE_H
#define WEIR_BASE_JSON_DECODE_H

#include <weir/json.h>

#include "base/arena.h"

/*
 * Decodes an object in one pass. `out` (model->size bytes) is zeroed first and safe to read
 * afterwards, whatever the result. Strings without escapes are views of `text`, which must outlive
 * `out`; others, items of arrays and maps, structs behind pointers and bytes, are in the arena.
 * `limits` and `errors` may be NULL.
 *
 * returns  WEIR_OK; WEIR_EINVALID: `errors` has what is wrong (a broken syntax is one error, with
 *          line and column); WEIR_ETOOLARGE: over bytes_max; WEIR_EBUDGET or -ENOMEM: the arena
 *
 * Refused: what RFC 8259 does not allow, text that is not UTF-8, lone surrogates, keys given twice
 * in an object, over 1,024 keys that no model knows in objects that are open, nesting over the
 * limit, anything behind the value, integers written with a fraction or an exponent, numbers over a
 * double's range. null is as if the key were absent, but for members whose flag tells it.
 */
WEIR_MUST_USE weir_err weir__json_decode(struct weir__arena *arena, weir_str text,
                                         const weir_model *model, void *out,
                                         const weir_json_limits *limits, weir_json_errors *errors);

/* The same for an array of objects or scalars at the top: `out` gets pointer and length. */
WEIR_MUST_USE weir_err weir__json_decode_array(struct weir__arena *arena, weir_str text,
                                               const weir_model *item_model, void **out_ptr,
                                               size_t *out_len, const weir_json_limits *limits,
                                               weir_json_errors *errors);

/*
 * True for one whole JSON value, blanks around it allowed; keys that are there twice are not seen.
 */
bool weir__json_is_value(weir_str text);

#endif
