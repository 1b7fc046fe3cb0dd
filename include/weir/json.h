/*
 * JSON driven by models: what every JSON call shares. Decoding accepts exactly RFC 8259 and what
 * the model says; whatever is wrong is reported as one line a field.
 */
#ifndef WEIR_JSON_H
#define WEIR_JSON_H

#include <stdint.h>
#include <weir/buf.h>
#include <weir/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The most errors that are kept; more are counted only. */
#define WEIR_JSON_ERRORS_MAX 16

/** The deepest nesting of objects and arrays that can be decoded or encoded. */
#define WEIR_JSON_DEPTH_MAX 64

/** One thing that is wrong with an input. */
typedef struct weir_json_error {
    weir_str pointer; /* where: a JSON pointer (RFC 6901), "/items/2/qty"; "" is the whole input */
    weir_str message; /* what, to be read behind the pointer: "must be at least 1, is 0" */
    uint32_t line; /* place in the text, both from 1, columns in bytes; 0 where there is no text */
    uint32_t column;
} weir_json_error;

/**
 * What is wrong with an input; the caller's storage. The strings are in the context's memory, and
 * live as long as the values.
 */
typedef struct weir_json_errors {
    size_t count; /* in `items` */
    size_t total; /* found; more than `count` when there were more than fit */
    weir_json_error items[WEIR_JSON_ERRORS_MAX];
} weir_json_errors;

/** Limits of one decoding; zero means the default. */
typedef struct weir_json_limits {
    size_t bytes_max;   /* of the text; default 1 MiB */
    uint32_t depth_max; /* of nesting; default and maximum WEIR_JSON_DEPTH_MAX */
} weir_json_limits;

/**
 * Appends a struct as JSON: members in the model's order, no blanks, the shortest text of every
 * double; times, UUIDs, decimals and bytes as strings; `null` for what is absent or NULL, for
 * numbers that are not finite and times outside of the years 1 to 9999; U+FFFD for what is not
 * UTF-8. Members whose `.present` flag says that they are absent are left out.
 *
 * out      the buffer, the caller's; its error is sticky
 * object   read, and not kept
 * owner    what is appended is copied: nothing in `out` points into `object`
 * returns  WEIR_OK; WEIR_EINVALID: a raw JSON member holds something else; the buffer's error:
 *          WEIR_ETOOLARGE, -ENOMEM; on error `out` holds a prefix
 * context  anywhere
 */
WEIR_API weir_err weir_json_encode(weir_buf *out, const weir_model *model, const void *object)
    WEIR_NONNULL(1, 2, 3) WEIR_ACCESS(read_write, 1);

#ifdef __cplusplus
}
#endif
#endif
