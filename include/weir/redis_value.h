/*
 * What Redis answers: values of its protocol RESP, in versions 2 and 3, as a tree. What an answer
 * of version 2 cannot say (a map, a boolean) comes as what it says instead (an array, an integer);
 * weir_redis_map_get finds a key in either.
 */
#ifndef WEIR_REDIS_VALUE_H
#define WEIR_REDIS_VALUE_H

#include <stdint.h>
#include <weir/api.h>
#include <weir/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a value is. */
typedef enum weir_redis_kind {
    WEIR_REDIS_NULL,     /* there is none */
    WEIR_REDIS_BOOL,     /* u.i: 0, 1 */
    WEIR_REDIS_INT,      /* u.i */
    WEIR_REDIS_DOUBLE,   /* u.d, infinite and NaN too */
    WEIR_REDIS_TEXT,     /* u.s: any bytes */
    WEIR_REDIS_STATUS,   /* u.s: one line, such as "OK" */
    WEIR_REDIS_ERROR,    /* u.s: a code in capitals, and the server's words */
    WEIR_REDIS_BIG,      /* u.s: an integer of any size, its digits */
    WEIR_REDIS_VERBATIM, /* u.s: three letters that say what it is, ':', and the text: "txt:…" */
    WEIR_REDIS_ARRAY,    /* u.list */
    WEIR_REDIS_SET,      /* u.list */
    WEIR_REDIS_MAP,      /* u.list: a key, its value, the next key … */
    WEIR_REDIS_PUSH      /* u.list: nobody has asked for it */
} weir_redis_kind;

/** A value. Zeroed: null. */
typedef struct weir_redis_value {
    weir_redis_kind kind;
    union {
        int64_t i;
        double d;
        weir_str s;
        struct {
            const struct weir_redis_value *items;
            size_t len; /* of a map twice the number of its keys */
        } list;
    } u;
    const struct weir_redis_value *attributes; /* a map that the server has sent with it; NULL */
} weir_redis_value;

/** Is there a text of any kind in `u.s`? `v` is read during the call. */
static inline bool weir_redis_is_text(const weir_redis_value *v)
{
    return v->kind >= WEIR_REDIS_TEXT && v->kind <= WEIR_REDIS_VERBATIM;
}

/** Is there a list in `u.list`? `v` is read during the call. */
static inline bool weir_redis_is_list(const weir_redis_value *v)
{
    return v->kind >= WEIR_REDIS_ARRAY;
}

/**
 * The value of a key in a map, or in an array of keys and values by turns, as version 2 has it.
 *
 * map      any value; NULL, and what is no list, have no keys
 * key      compared byte by byte; read during the call
 * returns  the value, borrowed from `map`; NULL: there is none
 * context  anywhere
 */
WEIR_API const weir_redis_value *weir_redis_map_get(const weir_redis_value *map, weir_str key);

#ifdef __cplusplus
}
#endif
#endif
