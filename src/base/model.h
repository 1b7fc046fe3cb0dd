/*
 * What is derived from a model on first use: a table of members with everything that decoding,
 * encoding, binding and checking need in one place, and two small hash tables over their names.
 *
 * Setting members from typed values is in model_set.c, texts of values in value.h.
 */
#ifndef WEIR_BASE_MODEL_H
#define WEIR_BASE_MODEL_H

#include <regex.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/buf.h>
#include <weir/json.h>
#include <weir/model.h>

/* Which checks a member needs after its value has been read. */
enum weir__member_rules {
    WEIR__RULE_LEN = 1,  /* len_min, len_max */
    WEIR__RULE_TEXT = 2, /* format, one_of, pattern */
    WEIR__RULE_REQUIRED = 4,
    WEIR__RULE_OMIT_EMPTY = 8,
    WEIR__RULE_FLAG = 16,      /* it has a flag */
    WEIR__RULE_TELLS_NULL = 32 /* which is a weir_presence */
};

enum {
    WEIR__KEY_PATTERN = 16,
    WEIR__MEMBER_SLOTS = 256, /* twice the most members */
    WEIR__MEMBER_WORDS = WEIR_MODEL_FIELDS_MAX / 64
};

/* Some of a model's members, a bit each: m->bit of word m->word. */
struct weir__member_set {
    uint64_t word[WEIR__MEMBER_WORDS];
};

/* One member, ready for use. Constant once its model's tables are published. */
struct weir__member {
    char pattern[WEIR__KEY_PATTERN]; /* `name":` as it stands in compact JSON, zero-filled */
    uint16_t pattern_mask;           /* a bit for each byte of `pattern`; 0: the key is too long */
    uint8_t pattern_len;
    uint8_t kind; /* weir_kind */
    uint8_t rules;
    uint8_t index;
    uint8_t word; /* index / 64 */
    uint16_t fragment_len;
    uint64_t bit; /* 1 << index % 64 */
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
            const weir_decimal *min, *max; /* NULL: none */
        } d;
        struct {
            size_t min, max;
        } len; /* of texts (code points), bytes and JSON (bytes), arrays and maps (items) */
    } bound;
    const struct weir__member *next; /* in the model's order; behind the last the first */
    const weir_model *sub;           /* of a nested struct, or of the items of an array or a map */
    const weir_field *field;
    regex_t *regex;
    weir_decimal *decimals; /* what `bound.d` points to */
};

struct weir__model_tables {
    const weir_model *model;
    uint32_t count;
    struct weir__member_set required;
    weir_field *fields;                  /* copies, as this library has them */
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
    void *tables = __atomic_load_n(&model->link->tables, __ATOMIC_ACQUIRE);
    return WEIR_LIKELY(tables != NULL) ? (const struct weir__model_tables *)tables
                                       : weir__model_build(model);
}

/*
 * Appends what is wrong with a definition, a line each: "users.c:12: model user, member age: .min
 * is over .max". Not of the models that it refers to. WEIR_EINVALID, or WEIR_OK.
 */
weir_err weir__model_check(const weir_model *model, weir_buf *report);

/* The same for all models of the process, those of one place once, in the order of their places. */
weir_err weir__models_check(weir_buf *report);

/* The member with a JSON key, or with a name in C (for columns of rows); NULL: there is none. */
const struct weir__member *weir__model_find(const weir_model *model, weir_str key);
const struct weir__member *weir__model_find_name(const weir_model *model, weir_str name);

/* The same on tables at hand. */
const struct weir__member *weir__tables_find(const struct weir__model_tables *t, weir_str key);

/* True when a required member is not among `seen`. */
static inline bool weir__tables_lack(const struct weir__model_tables *t,
                                     const struct weir__member_set *seen)
{
    uint64_t missing = 0;
    for (int i = 0; i < WEIR__MEMBER_WORDS; i++)
        missing |= t->required.word[i] & ~seen->word[i];
    return missing != 0;
}

static inline weir_str weir__member_key(const struct weir__member *m)
{
    return (weir_str){m->fragment + 2, (size_t)m->fragment_len - 4};
}

/* The memory of a WEIR_ARRAY, whatever its items are. */
struct weir__array {
    void *ptr;
    size_t len;
};

/*
 * The memory of a WEIR_MAP: an array of entries, of a weir_str and the value behind it. What is
 * told of an array holds for the first two members.
 */
struct weir__map_member {
    struct weir__array entries;
    size_t unused;
};

/* Bytes from one item of an array or a map to the next, and of an item before its value. */
static inline size_t weir__member_value_at(const struct weir__member *m)
{
    return m->kind == WEIR_KIND_MAP ? sizeof(weir_str) : 0;
}
static inline size_t weir__member_stride(const struct weir__member *m)
{
    return m->kind == WEIR_KIND_MAP ? sizeof(weir_str) + ((m->sub->size + 7) & ~(size_t)7)
                                    : m->sub->size;
}

/* Reading and writing a member's integer by its size. */
int64_t weir__member_get_int(const struct weir__member *m, const void *object);
uint64_t weir__member_get_uint(const struct weir__member *m, const void *object);
double weir__member_get_float(const struct weir__member *m, const void *object);
void weir__member_put_int(const struct weir__member *m, void *object, uint64_t value);

/* Sets the `.present` flag of a member, if it has one; what `null` is to it. */
static inline void weir__member_mark(const struct weir__member *m, void *object, bool is_present)
{
    if (m->present != 0)
        *((bool *)object + m->present - 1) = is_present;
}
static inline void weir__member_mark_null(const struct weir__member *m, void *object)
{
    if (m->present != 0)
        *((uint8_t *)object + m->present - 1) =
            (m->rules & WEIR__RULE_TELLS_NULL) != 0 ? WEIR_IS_NULL : WEIR_ABSENT;
}

/* The flag of a member that has one. */
static inline weir_presence weir__member_presence(const struct weir__member *m, const void *object)
{
    return (weir_presence) * ((const uint8_t *)object + m->present - 1);
}

/*
 * Setting one member from a value that is already typed, as rows are scanned. Checks only what the
 * C type needs, none of the options. Texts and bytes are kept as views: they must outlive the
 * object. WEIR_EINVALID: the kinds do not go together (a text for a number), or a text is not what
 * the member holds; -ERANGE: it does not fit.
 *
 * An integer member takes a double without a fraction, a bool 0 and 1, a double any integer it
 * holds exactly; a decimal takes integers, texts, and doubles that 15 digits tell from all others;
 * a point of time takes Unix seconds, and texts as databases write them, in UTC where they name no
 * zone; a UUID takes a text or its 16 bytes; a text takes bytes, and bytes a text. NULL zeroes the
 * member.
 */
WEIR_MUST_USE weir_err weir__field_set_int(const struct weir__member *m, void *object, int64_t v);
WEIR_MUST_USE weir_err weir__field_set_uint(const struct weir__member *m, void *object, uint64_t v);
WEIR_MUST_USE weir_err weir__field_set_wall(const struct weir__member *m, void *object,
                                            weir_wall v);
WEIR_MUST_USE weir_err weir__field_set_double(const struct weir__member *m, void *object, double v);
WEIR_MUST_USE weir_err weir__field_set_text(const struct weir__member *m, void *object, weir_str v);
WEIR_MUST_USE weir_err weir__field_set_bytes(const struct weir__member *m, void *object,
                                             weir_str v);
/* A decimal number in digits, which is also a text, and any number that it fits without loss. */
WEIR_MUST_USE weir_err weir__field_set_number(const struct weir__member *m, void *object,
                                              weir_str v);
void weir__field_set_null(const struct weir__member *m, void *object);

#endif
