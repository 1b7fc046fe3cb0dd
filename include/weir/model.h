/*
 * Models: one description of a struct that drives JSON decoding and encoding, validation, the
 * binding of query, path and form values, and the scanning of rows. A model is a constant that the
 * macros below make at compile time; what is derived from it (key tables, compiled patterns) is
 * built on first use, by any thread. A wrong description stops the start of the application; one
 * that is used without one ends the process on that first use, with a line for each mistake.
 *
 *     typedef struct { weir_str name, email; int64_t age; } user_in;
 *     WEIR_MODEL(user_in, (name,  .required = true, .len_max = 64),
 *                         (email, .required = true, .format = WEIR_EMAIL),
 *                         (age,   .min = 0, .max = 150));
 */
#ifndef WEIR_MODEL_H
#define WEIR_MODEL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/each.h>
#include <weir/err.h>
#include <weir/str.h>
#include <weir/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a member holds; found from its C type by WEIR_MODEL. */
typedef enum weir_kind {
    WEIR_KIND_OTHER, /* a struct: must have `.model`, or `.array_of`, or `.map_of` */
    WEIR_KIND_BOOL,
    WEIR_KIND_INT,   /* signed, 8 to 64 bits by the member's size */
    WEIR_KIND_UINT,  /* unsigned, 8 to 64 bits; an enum is the integer that the compiler makes it */
    WEIR_KIND_FLOAT, /* float or double */
    WEIR_KIND_STR,   /* weir_str */
    WEIR_KIND_MODEL, /* a nested struct */
    WEIR_KIND_ARRAY, /* a WEIR_ARRAY */
    WEIR_KIND_WALL,  /* weir_wall */
    WEIR_KIND_UUID,  /* weir_uuid */
    WEIR_KIND_DECIMAL,  /* weir_decimal */
    WEIR_KIND_BLOB,     /* weir_blob */
    WEIR_KIND_RAW_JSON, /* weir_raw_json */
    WEIR_KIND_OPTIONAL, /* a pointer to a struct; NULL: it is not there. Must have `.model` */
    WEIR_KIND_MAP       /* a WEIR_MAP */
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
 * the options, given by name, all of them optional. C++ wants them in this order. What they point
 * to is read as long as the process runs: literals and other models, nothing that ends.
 */
typedef struct weir_field {
    weir_str name; /* the member's name in C */
    uint32_t offset, size;
    weir_kind kind;

    /* the key must be there and not null; for rows it means nothing */
    bool required WEIR__DEFAULT(false);
    /* encoding leaves out zero, false, absent, empty and NULL */
    bool omit_empty WEIR__DEFAULT(false);
    /* the key in JSON, forms and queries, where it is not the member's name */
    const char *json WEIR__DEFAULT(NULL);

    /*
     * bounds of a number, both allowed values; exact over 64 bits. For a decimal number a bound
     * that is no integer is what a double prints as: 0.01 is 0.01
     */
    long double min WEIR__DEFAULT(-__builtin_infl());
    long double max WEIR__DEFAULT(__builtin_infl());
    /* of a text in code points, of bytes and JSON in bytes, of an array or a map in items; 0: no
     * bound */
    size_t len_min WEIR__DEFAULT(0);
    size_t len_max WEIR__DEFAULT(0);
    weir_format format WEIR__DEFAULT(WEIR_FORMAT_NONE); /* of a text */
    /* the allowed texts: WEIR_ONE_OF("new", "paid", "sent") */
    const char *const *one_of WEIR__DEFAULT(NULL);
    /* a POSIX extended regular expression that a text must match somewhere: anchor it with ^ and $.
     * It is the program's, never a user's; bytes are compared in the process's locale; a match
     * takes up to 20 KiB of stack, and texts over 4096 bytes do not match. */
    const char *pattern WEIR__DEFAULT(NULL);

    const weir_model *model WEIR__DEFAULT(NULL); /* a nested struct's, behind a pointer or not */
    const weir_model *array_of
        WEIR__DEFAULT(NULL);                      /* an array's items': a struct or a bare value */
    const weir_model *map_of WEIR__DEFAULT(NULL); /* a map's values': the same */
    /* weir_flag_of(type, has_nick): a member that says whether there was a value: a bool, or a
     * weir_presence, which also tells null from absent */
    size_t present WEIR__DEFAULT(0);
} weir_field;

/** What the library keeps beside a model; zeroed at the start. */
typedef struct weir_model_link {
    void *tables;                 /* what was derived from it */
    const weir_model *model;      /* once it is registered */
    struct weir_model_link *next; /* of all models of the process */
} weir_model_link;

/** A described struct. Made by WEIR_MODEL, named by weir_model_of; constant for ever. */
struct weir_model {
    const char *name;
    size_t size;
    const weir_field *fields; /* of `field_size` bytes each */
    size_t field_count;
    uint32_t field_size; /* as the program was compiled */
    int line;            /* where it is described; NULL, 0: in the library */
    const char *file;
    bool is_strict; /* JSON keys that are not in the model are refused, not ignored */
    bool is_scalar; /* stands for a bare value, as an array's item: weir_model_of(int64_t) */
    weir_model_link *link;
};

/** The most members a model can have. */
#define WEIR_MODEL_FIELDS_MAX 128

/**
 * Makes a model known, so that weir_app_run checks it. WEIR_MODEL calls it before main, or when a
 * shared library is opened. Idempotent; keeps the address, for ever: such a library stays loaded.
 */
WEIR_API void weir_model_register(const weir_model *model) WEIR_NONNULL(1);

/**
 * The models of bare values, for arrays and maps: `.array_of = weir_model_of(int64_t)`, and for the
 * one column of a query.
 */
WEIR_API extern const weir_model weir_model_bool;
WEIR_API extern const weir_model weir_model_int8_t;
WEIR_API extern const weir_model weir_model_uint8_t;
WEIR_API extern const weir_model weir_model_int16_t;
WEIR_API extern const weir_model weir_model_uint16_t;
WEIR_API extern const weir_model weir_model_int32_t;
WEIR_API extern const weir_model weir_model_uint32_t;
WEIR_API extern const weir_model weir_model_int64_t;
WEIR_API extern const weir_model weir_model_uint64_t;
WEIR_API extern const weir_model weir_model_float;
WEIR_API extern const weir_model weir_model_double;
WEIR_API extern const weir_model weir_model_weir_str;
WEIR_API extern const weir_model weir_model_weir_wall;
WEIR_API extern const weir_model weir_model_weir_uuid;
WEIR_API extern const weir_model weir_model_weir_decimal;
WEIR_API extern const weir_model weir_model_weir_blob;
WEIR_API extern const weir_model weir_model_weir_raw_json;

/** The model of a type: a `const weir_model *`. */
#define weir_model_of(type) (&weir_model_##type)

/** An array member: `WEIR_ARRAY(item) items;` is a struct of `item *ptr` and `size_t len`. */
#define WEIR_ARRAY(item)                                                                           \
    struct {                                                                                       \
        item *ptr;                                                                                 \
        size_t len;                                                                                \
    }

/**
 * A map member, from texts to values: `WEIR_MAP(item) prices;` is a struct of `ptr`, whose entries
 * have a `key` and a `value`, and `size_t len`. In the order of the JSON object, which has at most
 * 1,024 keys; what is written has the keys that it is given.
 */
#define WEIR_MAP(item)                                                                             \
    struct {                                                                                       \
        struct {                                                                                   \
            weir_str key;                                                                          \
            __attribute__((aligned(8))) item value;                                                \
        } * ptr;                                                                                   \
        size_t len;                                                                                \
        size_t unused; /* by its size a map is told from an array */                               \
    }

/** The texts that a member may have: `.one_of = WEIR_ONE_OF("new", "paid", "sent")`. */
#ifdef __cplusplus
#define WEIR_ONE_OF(...)                                                                           \
    ([]() -> const char *const * {                                                                 \
        static const char *const texts[] = {__VA_ARGS__, NULL};                                    \
        return texts;                                                                              \
    }())
#else
#define WEIR_ONE_OF(...) ((const char *const[]){__VA_ARGS__, NULL})
#endif

/**
 * For `.present`: a bool or a weir_presence among the members of `type`, set by decoding, obeyed by
 * encoding.
 */
#define weir_flag_of(type, member)                                                                 \
    (offsetof(type, member) + 1 + WEIR__FLAG_TELLS_NULL(((type *)0)->member))

/**
 * Describes a struct: its typedef name, then a parenthesised member with its options for each of up
 * to 128 members. Members that are not named stay out of JSON and rows. Keys of JSON objects that
 * are not in the model are ignored. Stands at file scope, after the models that it refers to. In
 * C++ the options of a member stand in the order of weir_field.
 *
 * A wrong description is found by weir_app_run, all of them at once, with file and line.
 */
#define WEIR_MODEL(type, ...) WEIR__MODEL(type, false, __VA_ARGS__)

/** The same, but keys that are not in the model are refused. */
#define WEIR_MODEL_STRICT(type, ...) WEIR__MODEL(type, true, __VA_ARGS__)

/* What follows is how the macros are made; nothing in it is for use. */

#define WEIR__PRESENT_TELLS_NULL ((size_t)1 << 31)

#define WEIR__MODEL(type, strict, ...)                                                             \
    WEIR__MODEL_QUIET_BEGIN                                                                        \
    __extension__ static const weir_field weir__fields_##type[] = {                                \
        WEIR__EACH(WEIR__FIELD, type, __VA_ARGS__)};                                               \
    WEIR__MODEL_QUIET_END                                                                          \
    static_assert(sizeof weir__fields_##type <= WEIR_MODEL_FIELDS_MAX * sizeof(weir_field),        \
                  "model " #type " has more than 128 members");                                    \
    static weir_model_link weir__link_##type;                                                      \
    __extension__ static const weir_model weir_model_##type = {                                    \
        .name = #type,                                                                             \
        .size = sizeof(type),                                                                      \
        .fields = weir__fields_##type,                                                             \
        .field_count = sizeof weir__fields_##type / sizeof(weir_field),                            \
        .field_size = sizeof(weir_field),                                                          \
        .line = __LINE__,                                                                          \
        .file = __FILE__,                                                                          \
        .is_strict = strict,                                                                       \
        .is_scalar = false,                                                                        \
        .link = &weir__link_##type,                                                                \
    };                                                                                             \
    static __attribute__((constructor)) void weir__register_##type(void)                           \
    {                                                                                              \
        weir_model_register(&weir_model_##type);                                                   \
    }                                                                                              \
    struct weir_model /* for the semicolon */

#define WEIR__FIELD(type, tuple) WEIR__FIELD_OF(type, WEIR__EACH_UNPAREN tuple, )
#define WEIR__FIELD_OF(...) WEIR__FIELD_IS(__VA_ARGS__)
#define WEIR__FIELD_IS(type, member, ...)                                                          \
    {                                                                                              \
        .name = {#member, sizeof #member - 1}, .offset = offsetof(type, member),                   \
        .size = sizeof(((type *)0)->member),                                                       \
        .kind = WEIR__KIND(((type *)0)->member) WEIR__FIELD_DEFAULTS, __VA_ARGS__                  \
    }

#ifdef __cplusplus
#define WEIR__MODEL_QUIET_BEGIN
#define WEIR__MODEL_QUIET_END
#define WEIR__FIELD_DEFAULTS
#define WEIR__KIND(x) weir__kind_of<__typeof__(x)>::kind
#define WEIR__FLAG_TELLS_NULL(x) weir__flag_of<__typeof__(x)>::bit
#else
#define WEIR__MODEL_QUIET_BEGIN                                                                    \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Woverride-init\"")
#define WEIR__MODEL_QUIET_END _Pragma("GCC diagnostic pop")
#define WEIR__FIELD_DEFAULTS , .min = -__builtin_infl(), .max = __builtin_infl()
#define WEIR__FLAG_TELLS_NULL(x) _Generic((x), bool : 0, weir_presence : WEIR__PRESENT_TELLS_NULL)
/* WEIR_KIND_OTHER is 0; cppcheck reads no ?: in here. */
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
             : WEIR_KIND_STR, weir_wall                                                            \
             : WEIR_KIND_WALL, weir_uuid                                                           \
             : WEIR_KIND_UUID, weir_decimal                                                        \
             : WEIR_KIND_DECIMAL, weir_blob                                                        \
             : WEIR_KIND_BLOB, weir_raw_json                                                       \
             : WEIR_KIND_RAW_JSON, default                                                         \
             : (weir_kind)(WEIR__IS_POINTER(x) * WEIR_KIND_OPTIONAL))
#define WEIR__IS_POINTER(x) (__builtin_classify_type(x) == 5)
#endif

#ifdef __cplusplus
}

template <class T, bool is_enum = __is_enum(T)> struct weir__kind_of {
    static constexpr weir_kind kind = WEIR_KIND_OTHER;
};
template <class T> struct weir__kind_of<T &, false> : weir__kind_of<T> {
};
template <class T> struct weir__kind_of<T, true> : weir__kind_of<__underlying_type(T)> {
};
template <class T> struct weir__kind_of<T *, false> {
    static constexpr weir_kind kind = WEIR_KIND_OPTIONAL;
};
#define WEIR__KIND_IS(type, of_kind)                                                               \
    template <> struct weir__kind_of<type, false> {                                                \
        static constexpr weir_kind kind = of_kind;                                                 \
    }
WEIR__KIND_IS(bool, WEIR_KIND_BOOL);
WEIR__KIND_IS(signed char, WEIR_KIND_INT);
WEIR__KIND_IS(short, WEIR_KIND_INT);
WEIR__KIND_IS(int, WEIR_KIND_INT);
WEIR__KIND_IS(long, WEIR_KIND_INT);
WEIR__KIND_IS(long long, WEIR_KIND_INT);
WEIR__KIND_IS(unsigned char, WEIR_KIND_UINT);
WEIR__KIND_IS(unsigned short, WEIR_KIND_UINT);
WEIR__KIND_IS(unsigned, WEIR_KIND_UINT);
WEIR__KIND_IS(unsigned long, WEIR_KIND_UINT);
WEIR__KIND_IS(unsigned long long, WEIR_KIND_UINT);
WEIR__KIND_IS(float, WEIR_KIND_FLOAT);
WEIR__KIND_IS(double, WEIR_KIND_FLOAT);
WEIR__KIND_IS(weir_str, WEIR_KIND_STR);
WEIR__KIND_IS(weir_wall, WEIR_KIND_WALL);
WEIR__KIND_IS(weir_uuid, WEIR_KIND_UUID);
WEIR__KIND_IS(weir_decimal, WEIR_KIND_DECIMAL);
WEIR__KIND_IS(weir_blob, WEIR_KIND_BLOB);
WEIR__KIND_IS(weir_raw_json, WEIR_KIND_RAW_JSON);

template <class T> struct weir__flag_of; /* other types are no flags */
template <class T> struct weir__flag_of<T &> : weir__flag_of<T> {
};
template <> struct weir__flag_of<bool> {
    static constexpr size_t bit = 0;
};
template <> struct weir__flag_of<weir_presence> {
    static constexpr size_t bit = WEIR__PRESENT_TELLS_NULL;
};
#endif

#endif
