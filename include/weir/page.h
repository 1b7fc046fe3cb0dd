/*
 * Pages by key: the next page begins behind the last row of this one, wherever that is by now.
 * Unlike OFFSET it costs the same on every page, and rows that come or go meanwhile neither repeat
 * nor hide others. A cursor is the text of the last row's key, for an URL:
 *
 *     weir_wall at = {WEIR_WALL_MAX};
 *     int64_t id = INT64_MAX, limit = 20;
 *     if (weir_page_read(c, weir_query_param(c, "after"), &at, &id) < 0)
 *         return weir_fail(c, 400, "after is no cursor of ours");
 *     rows = weir_query(c, db,
 *                       "SELECT … WHERE (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?",
 *                       at, id, limit);
 *     …
 *     weir_str next = weir_page_cursor(c, last.at, last.id);
 *
 * The key is unique, and an index begins with its columns. A cursor is no secret and no permission:
 * who writes one by hand asks for another place of the same list.
 */
#ifndef WEIR_PAGE_H
#define WEIR_PAGE_H

#include <weir/sql.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The most values of a cursor, and the most bytes of its texts together. */
#define WEIR_PAGE_VALUES_MAX 16
#define WEIR_PAGE_BYTES_MAX 1024

/** Where a value of a cursor goes; made from a pointer by weir_page_out_of. */
typedef struct weir_page_out {
    weir_arg_kind kind;
    void *out;
} weir_page_out;

/**
 * The cursor behind a row: letters, digits, '-' and '_'.
 *
 * ...      the values of its key, 1 to 16: integers up to INT64_MAX, double, weir_str,
 *          const char *, weir_wall, weir_uuid, weir_decimal; none is NULL. Texts up to 1024 bytes
 *          together
 * returns  the text; absent where there is no memory, or a value is none of these, as the record
 *          says (WEIR_EINVALID)
 * owner    the context
 * context  fiber
 */
#define weir_page_cursor(c, ...) weir_page_cursor_at(WEIR_HERE, (c), WEIR__PAGE_VALUES(__VA_ARGS__))
/** The function behind weir_page_cursor. `values` are read during the call, and not kept. */
WEIR_API weir_str weir_page_cursor_at(const weir_site *site, weir_ctx *c, const weir_arg *values,
                                      size_t count) WEIR_MUST_USE WEIR_NONNULL(2, 3);

/**
 * Reads a cursor.
 *
 * cursor   absent or empty: the first page. Read during the call, and not kept
 * ...      pointers to what gets its values, of the types that it was made of: int64_t *, double *,
 *          weir_str *, weir_wall *, weir_uuid *, weir_decimal *. For the first page they are left
 *          as they are: give them what is before all rows
 * returns  WEIR_OK; WEIR_EINVALID: it is no cursor, or of other types; then all are as they were.
 *          -ENOMEM
 * owner    texts are the context's
 * context  fiber
 */
#define weir_page_read(c, cursor, ...)                                                             \
    weir_page_read_at((c), (cursor), WEIR__PAGE_OUTS(__VA_ARGS__))
/** The function behind weir_page_read. `outs` are written to during the call. */
WEIR_API weir_err weir_page_read_at(weir_ctx *c, weir_str cursor, const weir_page_out *outs,
                                    size_t count) WEIR_MUST_USE WEIR_NONNULL(1, 3);

/* What follows is how the macros are made; nothing in it is for use. */

/** A place for a value; `out` is borrowed for the call. */
static inline weir_page_out weir_page_int(int64_t *out)
{
    weir_page_out o = {WEIR_ARG_INT, out};
    return o;
}
/** A place for a value; `out` is borrowed for the call. */
static inline weir_page_out weir_page_double(double *out)
{
    weir_page_out o = {WEIR_ARG_DOUBLE, out};
    return o;
}
/** A place for a value; `out` is borrowed for the call. */
static inline weir_page_out weir_page_str(weir_str *out)
{
    weir_page_out o = {WEIR_ARG_TEXT, out};
    return o;
}
/** A place for a value; `out` is borrowed for the call. */
static inline weir_page_out weir_page_wall(weir_wall *out)
{
    weir_page_out o = {WEIR_ARG_WALL, out};
    return o;
}
/** A place for a value; `out` is borrowed for the call. */
static inline weir_page_out weir_page_uuid(weir_uuid *out)
{
    weir_page_out o = {WEIR_ARG_UUID, out};
    return o;
}
/** A place for a value; `out` is borrowed for the call. */
static inline weir_page_out weir_page_decimal(weir_decimal *out)
{
    weir_page_out o = {WEIR_ARG_DECIMAL, out};
    return o;
}

#define WEIR__PAGE_OUT(unused, p) weir_page_out_of(p)

#ifndef __cplusplus
/** A place for a value, from a pointer of one of the types above. */
#define weir_page_out_of(p)                                                                        \
    _Generic((p), int64_t *                                                                        \
             : weir_page_int, double *                                                             \
             : weir_page_double, weir_str *                                                        \
             : weir_page_str, weir_wall *                                                          \
             : weir_page_wall, weir_uuid *                                                         \
             : weir_page_uuid, weir_decimal *                                                      \
             : weir_page_decimal)(p)
#define WEIR__PAGE_VALUES(...)                                                                     \
    (const weir_arg[]){WEIR__EACH(WEIR__SQL_ARG, , __VA_ARGS__)}, WEIR__EACH_COUNT(__VA_ARGS__)
#define WEIR__PAGE_OUTS(...)                                                                       \
    (const weir_page_out[]){WEIR__EACH(WEIR__PAGE_OUT, , __VA_ARGS__)},                            \
        WEIR__EACH_COUNT(__VA_ARGS__)
#else
#define WEIR__PAGE_VALUES(...)                                                                     \
    (weir__args<WEIR__EACH_COUNT(__VA_ARGS__)>{{WEIR__EACH(WEIR__SQL_ARG, , __VA_ARGS__)}}).items, \
        WEIR__EACH_COUNT(__VA_ARGS__)
#define WEIR__PAGE_OUTS(...)                                                                       \
    (weir__page_outs<WEIR__EACH_COUNT(__VA_ARGS__)>{{WEIR__EACH(WEIR__PAGE_OUT, , __VA_ARGS__)}})  \
        .items,                                                                                    \
        WEIR__EACH_COUNT(__VA_ARGS__)
#endif

#ifdef __cplusplus
}
template <size_t count> struct weir__page_outs {
    weir_page_out items[count];
};
#define WEIR__PAGE_OUT_OF(type, make)                                                              \
    static inline weir_page_out weir_page_out_of(type *out)                                        \
    {                                                                                              \
        return make(out);                                                                          \
    }
WEIR__PAGE_OUT_OF(int64_t, weir_page_int)
WEIR__PAGE_OUT_OF(double, weir_page_double)
WEIR__PAGE_OUT_OF(weir_str, weir_page_str)
WEIR__PAGE_OUT_OF(weir_wall, weir_page_wall)
WEIR__PAGE_OUT_OF(weir_uuid, weir_page_uuid)
WEIR__PAGE_OUT_OF(weir_decimal, weir_page_decimal)
#endif
#endif
