/*
 * What is derived from a model on first use: a table of members with everything that decoding,
 * encoding, binding and checking need in one place, and two small hash tables over their names.
 */
#ifndef WEIR_BASE_MODEL_H
#define WEIR_BASE_MODEL_H

#include <regex.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/json.h>
#include <weir/model.h>

/* Which checks a member needs after its value has been read. */
enum weir__member_rules {
    WEIR__RULE_LEN = 1,  /* len_min, len_max */
    WEIR__RULE_TEXT = 2, /* format, one_of, pattern */
    WEIR__RULE_REQUIRED = 4,
    WEIR__RULE_OMIT_EMPTY = 8
};

enum { WEIR__KEY_PATTERN = 16, WEIR__MEMBER_SLOTS = 64 };

/* One member, ready for use. Constant once its model's tables are published. */
struct weir__member {
    char pattern[WEIR__KEY_PATTERN]; /* `name":` as it stands in compact JSON, zero-filled */
    uint16_t pattern_mask;           /* a bit for each byte of `pattern`; 0: the key is too long */
    uint8_t pattern_len;
    uint8_t kind; /* weir_kind */
    uint8_t rules;
    uint8_t index;
    uint16_t fragment_len;
    uint32_t offset, size;
    uint32_t present;     /* offset of the flag plus 1, 0: none */
    const char *fragment; /* `,"name":`; the key begins at its third byte */
    union {
        struct {
            int64_t min, max;
        } i;
        struct {
            uint64_t min, max;
        } u;
        struct {
            double min, max;
        } f;
        struct {
            size_t min, max;
        } len; /* of texts (code points) and arrays (items) */
    } bound;
    const weir_model *sub; /* of a nested struct, or of an array's items */
    const weir_field *field;
    regex_t *regex;
};

struct weir__model_tables {
    const weir_model *model;
    uint32_t count;
    uint32_t required;                   /* a bit for each required member */
    uint8_t by_key[WEIR__MEMBER_SLOTS];  /* index + 1 of a member, 0: free */
    uint8_t by_name[WEIR__MEMBER_SLOTS]; /* the same by the names in C */
    struct weir__member members[];
};

const struct weir__model_tables *weir__model_build(const weir_model *model);

/*
 * The tables of a model, built on first use and kept for ever; NULL when there is no memory. Any
 * thread. A wrong definition ends the process. Call it early (when a route is made) to have that
 * at the start.
 */
static inline const struct weir__model_tables *weir__model_tables(const weir_model *model)
{
    void *tables = __atomic_load_n(model->tables, __ATOMIC_ACQUIRE);
    return WEIR_LIKELY(tables != NULL) ? (const struct weir__model_tables *)tables
                                       : weir__model_build(model);
}

/*
 * Says what is wrong with a definition, as "member age: min is over max", for a list of errors at
 * the start of a program; WEIR_EINVALID and a text, or WEIR_OK. Its nested models too.
 */
weir_err weir__model_check(const weir_model *model, char *text, size_t size);

/* The member with a JSON key, or with a name in C (for columns of rows); NULL: there is none. */
const struct weir__member *weir__model_find(const weir_model *model, weir_str key);
const struct weir__member *weir__model_find_name(const weir_model *model, weir_str name);

/* The same on tables at hand. */
const struct weir__member *weir__tables_find(const struct weir__model_tables *t, weir_str key);

static inline weir_str weir__member_key(const struct weir__member *m)
{
    return (weir_str){m->fragment + 2, (size_t)m->fragment_len - 4};
}

/* The memory of a WEIR_ARRAY, whatever its items are. */
struct weir__array {
    void *ptr;
    size_t len;
};

/* Reading and writing a member's integer by its size. */
int64_t weir__member_get_int(const struct weir__member *m, const void *object);
uint64_t weir__member_get_uint(const struct weir__member *m, const void *object);
double weir__member_get_float(const struct weir__member *m, const void *object);
void weir__member_put_int(const struct weir__member *m, void *object, uint64_t value);

/* Sets the `.present` flag of a member, if it has one. */
static inline void weir__member_mark(const struct weir__member *m, void *object, bool is_present)
{
    if (m->present != 0)
        *((bool *)object + m->present - 1) = is_present;
}

/*
 * Setting one member from a value that is already typed, as rows are scanned. Checks only what the
 * C type needs, none of the options. A text is kept as a view: its bytes must outlive the object.
 * WEIR_EINVALID: the kinds do not go together (a text for a number); -ERANGE: it does not fit.
 * An integer member takes a double without a fraction, a bool 0 and 1, a double any integer it
 * holds exactly. NULL zeroes the member.
 */
WEIR_MUST_USE weir_err weir__field_set_int(const struct weir__member *m, void *object, int64_t v);
WEIR_MUST_USE weir_err weir__field_set_double(const struct weir__member *m, void *object, double v);
WEIR_MUST_USE weir_err weir__field_set_text(const struct weir__member *m, void *object, weir_str v);
void weir__field_set_null(const struct weir__member *m, void *object);

#endif
