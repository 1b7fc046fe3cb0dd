/*
 * Models: one description of a struct that drives JSON decoding and encoding, validation, the
 * binding of query, path and form values, and the scanning of rows. A model is a constant that the
 * macros below make at compile time; what is derived from it (key tables, compiled patterns) is
 * built on first use, by any thread. A wrong description ends the process on that first use, with
 * one line that names the model, the member and the rule.
 *
 *     typedef struct { weir_str name, email; int64_t age; } user_in;
 *     WEIR_MODEL(user_in, (name,  .required = true, .len_max = 64),
 *                         (email, .required = true, .format = WEIR_EMAIL),
 *                         (age,   .min = 0, .max = 150));
 */
#ifndef WEIR_MODEL_H
#define WEIR_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/err.h>
#include <weir/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a member holds; found from its C type by WEIR_MODEL. */
typedef enum weir_kind {
    WEIR_KIND_OTHER, /* a struct: must have `.model` (or `.array_of`, for a WEIR_ARRAY) */
    WEIR_KIND_BOOL,
    WEIR_KIND_INT,   /* signed, 8 to 64 bits by the member's size; enums count as unsigned int */
    WEIR_KIND_UINT,  /* unsigned, 8 to 64 bits */
    WEIR_KIND_FLOAT, /* float or double */
    WEIR_KIND_STR,   /* weir_str */
    WEIR_KIND_MODEL, /* a nested struct */
    WEIR_KIND_ARRAY  /* a WEIR_ARRAY */
} weir_kind;

/** Formats that a text member can be held to. */
typedef enum weir_format {
    WEIR_FORMAT_NONE,
    WEIR_EMAIL, /* an e-mail address: ASCII, at most 254 bytes, a domain with a dot */
    WEIR_UUID   /* 8-4-4-4-12 hexadecimal digits */
} weir_format;

typedef struct weir_model weir_model;

/**
 * One member of a model. `name`, `offset`, `size` and `kind` are set by WEIR_MODEL; the rest are
 * the options, given by name, all of them optional.
 */
typedef struct weir_field {
    weir_str name; /* the member's name in C */
    uint32_t offset, size;
    weir_kind kind;

    bool required;    /* the key must be there and not null; for rows it means nothing */
    bool omit_empty;  /* encoding leaves out zero, false, absent and empty */
    const char *json; /* the key in JSON, forms and queries, where it is not the member's name */

    long double min, max;      /* bounds of a number, both allowed values; exact over 64 bits */
    size_t len_min, len_max;   /* of a text in code points, of an array in items; 0: no bound */
    weir_format format;        /* of a text */
    const char *const *one_of; /* the allowed texts: WEIR_ONE_OF("new", "paid", "sent") */
    const char *pattern;       /* a POSIX extended regular expression that a text must match
                                  somewhere: anchor it with ^ and $. It is the program's, never a
                                  user's; bytes are compared in the process's locale; a match takes
                                  up to 20 KiB of stack, and texts over 4096 bytes do not match. */

    const weir_model *model;    /* a nested struct's model: weir_model_of(address) */
    const weir_model *array_of; /* an array's item model: weir_model_of(item), or of a scalar */
    size_t
        present; /* weir_flag_of(type, has_nick): a bool member that says "was there, not null" */
} weir_field;

/** A described struct. Made by WEIR_MODEL, named by weir_model_of; constant for ever. */
struct weir_model {
    const char *name;
    size_t size;
    const weir_field *fields;
    size_t field_count;
    bool is_strict; /* JSON keys that are not in the model are refused, not ignored */
    bool is_scalar; /* stands for a bare value, as an array's item: weir_model_of(int64_t) */
    void **tables;  /* what was derived from it; the library's */
};

/** The most members a model can have. */
#define WEIR_MODEL_FIELDS_MAX 32

/**
 * The models of bare values, for arrays: `.array_of = weir_model_of(int64_t)`. No other types.
 */
WEIR_API extern const weir_model weir_model_bool;
WEIR_API extern const weir_model weir_model_int32_t;
WEIR_API extern const weir_model weir_model_uint32_t;
WEIR_API extern const weir_model weir_model_int64_t;
WEIR_API extern const weir_model weir_model_uint64_t;
WEIR_API extern const weir_model weir_model_double;
WEIR_API extern const weir_model weir_model_weir_str;

/** The model of a type: a `const weir_model *`. */
#define weir_model_of(type) (&weir_model_##type)

/** An array member: `WEIR_ARRAY(item) items;` is a struct of `item *ptr` and `size_t len`. */
#define WEIR_ARRAY(item)                                                                           \
    struct {                                                                                       \
        item *ptr;                                                                                 \
        size_t len;                                                                                \
    }

/** The texts that a member may have: `.one_of = WEIR_ONE_OF("new", "paid", "sent")`. */
#define WEIR_ONE_OF(...) ((const char *const[]){__VA_ARGS__, NULL})

#ifndef __cplusplus

/** For `.present`: a bool member of `type`, set by decoding, obeyed by encoding. */
#define weir_flag_of(type, member)                                                                 \
    (offsetof(type, member) + 1 + 0 * sizeof(char[_Generic(((type *)0)->member, bool : 1)]))

/**
 * Describes a struct: its typedef name, then a parenthesised member with its options for each of up
 * to 32 members. Members that are not named stay out of JSON and rows. Keys of JSON objects that
 * are not in the model are ignored. Stands at file scope, after the models that it refers to.
 */
#define WEIR_MODEL(type, ...) WEIR__MODEL(type, false, __VA_ARGS__)

/** The same, but keys that are not in the model are refused. */
#define WEIR_MODEL_STRICT(type, ...) WEIR__MODEL(type, true, __VA_ARGS__)

/* What follows is how the macros are made; nothing in it is for use. */

#define WEIR__MODEL(type, strict, ...)                                                             \
    _Pragma("GCC diagnostic push")                                                                 \
        _Pragma("GCC diagnostic ignored \"-Woverride-init\"") static const weir_field              \
            weir__fields_##type[] = {WEIR__EACH(type, __VA_ARGS__)};                               \
    _Pragma("GCC diagnostic pop") _Static_assert(sizeof weir__fields_##type <=                     \
                                                     WEIR_MODEL_FIELDS_MAX * sizeof(weir_field),   \
                                                 "model " #type " has more than 32 members");      \
    static void *weir__tables_##type;                                                              \
    static const weir_model weir_model_##type __attribute__((unused)) = {                          \
        .name = #type,                                                                             \
        .size = sizeof(type),                                                                      \
        .fields = weir__fields_##type,                                                             \
        .field_count = sizeof weir__fields_##type / sizeof(weir_field),                            \
        .is_strict = strict,                                                                       \
        .tables = &weir__tables_##type,                                                            \
    }

#define WEIR__KIND(x)                                                                              \
    _Generic((x), bool                                                                             \
             : WEIR_KIND_BOOL, signed char                                                         \
             : WEIR_KIND_INT, short                                                                \
             : WEIR_KIND_INT, int                                                                  \
             : WEIR_KIND_INT, long                                                                 \
             : WEIR_KIND_INT, long long                                                            \
             : WEIR_KIND_INT, unsigned char                                                        \
             : WEIR_KIND_UINT, unsigned short                                                      \
             : WEIR_KIND_UINT, unsigned                                                            \
             : WEIR_KIND_UINT, unsigned long                                                       \
             : WEIR_KIND_UINT, unsigned long long                                                  \
             : WEIR_KIND_UINT, float                                                               \
             : WEIR_KIND_FLOAT, double                                                             \
             : WEIR_KIND_FLOAT, weir_str                                                           \
             : WEIR_KIND_STR, default                                                              \
             : WEIR_KIND_OTHER)

#define WEIR__UNPAREN(...) __VA_ARGS__
#define WEIR__FIELD(type, tuple) WEIR__FIELD_OF(type, WEIR__UNPAREN tuple, )
#define WEIR__FIELD_OF(...) WEIR__FIELD_IS(__VA_ARGS__)
#define WEIR__FIELD_IS(type, member, ...)                                                          \
    {                                                                                              \
        .name = {#member, sizeof #member - 1}, .offset = offsetof(type, member),                   \
        .size = sizeof(((type *)0)->member), .kind = WEIR__KIND(((type *)0)->member),              \
        .min = -__builtin_infl(), .max = __builtin_infl(), __VA_ARGS__                             \
    }

/* WEIR__EACH(type, (a), (b) …): WEIR__FIELD for each, one macro a count. */
#define WEIR__EACH_1(t, f) WEIR__FIELD(t, f)
#define WEIR__EACH_2(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_1(t, __VA_ARGS__)
#define WEIR__EACH_3(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_2(t, __VA_ARGS__)
#define WEIR__EACH_4(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_3(t, __VA_ARGS__)
#define WEIR__EACH_5(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_4(t, __VA_ARGS__)
#define WEIR__EACH_6(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_5(t, __VA_ARGS__)
#define WEIR__EACH_7(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_6(t, __VA_ARGS__)
#define WEIR__EACH_8(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_7(t, __VA_ARGS__)
#define WEIR__EACH_9(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_8(t, __VA_ARGS__)
#define WEIR__EACH_10(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_9(t, __VA_ARGS__)
#define WEIR__EACH_11(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_10(t, __VA_ARGS__)
#define WEIR__EACH_12(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_11(t, __VA_ARGS__)
#define WEIR__EACH_13(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_12(t, __VA_ARGS__)
#define WEIR__EACH_14(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_13(t, __VA_ARGS__)
#define WEIR__EACH_15(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_14(t, __VA_ARGS__)
#define WEIR__EACH_16(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_15(t, __VA_ARGS__)
#define WEIR__EACH_17(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_16(t, __VA_ARGS__)
#define WEIR__EACH_18(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_17(t, __VA_ARGS__)
#define WEIR__EACH_19(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_18(t, __VA_ARGS__)
#define WEIR__EACH_20(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_19(t, __VA_ARGS__)
#define WEIR__EACH_21(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_20(t, __VA_ARGS__)
#define WEIR__EACH_22(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_21(t, __VA_ARGS__)
#define WEIR__EACH_23(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_22(t, __VA_ARGS__)
#define WEIR__EACH_24(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_23(t, __VA_ARGS__)
#define WEIR__EACH_25(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_24(t, __VA_ARGS__)
#define WEIR__EACH_26(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_25(t, __VA_ARGS__)
#define WEIR__EACH_27(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_26(t, __VA_ARGS__)
#define WEIR__EACH_28(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_27(t, __VA_ARGS__)
#define WEIR__EACH_29(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_28(t, __VA_ARGS__)
#define WEIR__EACH_30(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_29(t, __VA_ARGS__)
#define WEIR__EACH_31(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_30(t, __VA_ARGS__)
#define WEIR__EACH_32(t, f, ...) WEIR__FIELD(t, f), WEIR__EACH_31(t, __VA_ARGS__)
#define WEIR__EACH_TOO_MANY(t, ...) weir_model_has_more_than_32_members
#define WEIR__PICK_64(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17,  \
                      _18, _19, _20, _21, _22, _23, _24, _25, _26, _27, _28, _29, _30, _31, _32,   \
                      _33, _34, _35, _36, _37, _38, _39, _40, _41, _42, _43, _44, _45, _46, _47,   \
                      _48, _49, _50, _51, _52, _53, _54, _55, _56, _57, _58, _59, _60, _61, _62,   \
                      _63, _64, pick, ...)                                                         \
    pick
#define WEIR__COUNT(...)                                                                           \
    WEIR__PICK_64(__VA_ARGS__, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY,         \
                  TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY,  \
                  TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY,  \
                  TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY,  \
                  TOO_MANY, TOO_MANY, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,  \
                  17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, )
#define WEIR__CAT(a, b) WEIR__CAT_OF(a, b)
#define WEIR__CAT_OF(a, b) a##b
#define WEIR__EACH(t, ...) WEIR__CAT(WEIR__EACH_, WEIR__COUNT(__VA_ARGS__))(t, __VA_ARGS__)

#endif /* __cplusplus */

#ifdef __cplusplus
}
#endif
#endif
