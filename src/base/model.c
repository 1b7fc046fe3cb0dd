/*
 * Models: checking a definition and turning it into tables. The tables of a model are one block of
 * memory, made on first use and published with a compare-and-swap: two threads may build at the
 * same time, one of them throws its work away. They are kept for ever, as the model itself is.
 *
 * What a definition has wrong is found here, before any value is touched: nothing that decodes or
 * encodes has to ask whether a member's size fits its kind.
 */
#include "base/model.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "base/value.h"

enum { KEY_BYTES_MAX = 200 };

#define SCALAR_MODEL(type, of_kind)                                                                \
    static const weir_field field_##type = {.name = {"", 0},                                       \
                                            .size = sizeof(type),                                  \
                                            .kind = (of_kind),                                     \
                                            .min = -__builtin_infl(),                              \
                                            .max = __builtin_infl()};                              \
    static weir_model_link link_##type;                                                            \
    const weir_model weir_model_##type = {.name = #type,                                           \
                                          .size = sizeof(type),                                    \
                                          .fields = &field_##type,                                 \
                                          .field_count = 1,                                        \
                                          .field_size = sizeof(weir_field),                        \
                                          .is_scalar = true,                                       \
                                          .link = &link_##type}

SCALAR_MODEL(bool, WEIR_KIND_BOOL);
SCALAR_MODEL(int8_t, WEIR_KIND_INT);
SCALAR_MODEL(uint8_t, WEIR_KIND_UINT);
SCALAR_MODEL(int16_t, WEIR_KIND_INT);
SCALAR_MODEL(uint16_t, WEIR_KIND_UINT);
SCALAR_MODEL(int32_t, WEIR_KIND_INT);
SCALAR_MODEL(uint32_t, WEIR_KIND_UINT);
SCALAR_MODEL(int64_t, WEIR_KIND_INT);
SCALAR_MODEL(uint64_t, WEIR_KIND_UINT);
SCALAR_MODEL(float, WEIR_KIND_FLOAT);
SCALAR_MODEL(double, WEIR_KIND_FLOAT);
SCALAR_MODEL(weir_str, WEIR_KIND_STR);
SCALAR_MODEL(weir_wall, WEIR_KIND_WALL);
SCALAR_MODEL(weir_uuid, WEIR_KIND_UUID);
SCALAR_MODEL(weir_decimal, WEIR_KIND_DECIMAL);
SCALAR_MODEL(weir_blob, WEIR_KIND_BLOB);
SCALAR_MODEL(weir_raw_json, WEIR_KIND_RAW_JSON);

/*
 * A field as this library knows it: programs may have been compiled with fewer options. What their
 * options do not have is none.
 */
static weir_field field_at(const weir_model *model, size_t i)
{
    weir_field f = {.min = -__builtin_infl(), .max = __builtin_infl()};
    size_t size = model->field_size < sizeof f ? model->field_size : sizeof f;
    memcpy(&f, (const char *)model->fields + i * model->field_size, size);
    return f;
}

static weir_str key_of(const weir_field *f)
{
    return f->json != NULL ? weir_str_from(f->json) : f->name;
}

static weir_kind kind_of(const weir_field *f)
{
    if (f->kind != WEIR_KIND_OTHER)
        return f->kind;
    return f->array_of != NULL ? WEIR_KIND_ARRAY
           : f->map_of != NULL ? WEIR_KIND_MAP
           : f->model != NULL  ? WEIR_KIND_MODEL
                               : WEIR_KIND_OTHER;
}

static const weir_model *sub_of(const weir_field *f)
{
    return f->model != NULL ? f->model : f->array_of != NULL ? f->array_of : f->map_of;
}

static bool is_number(weir_kind kind)
{
    return kind == WEIR_KIND_INT || kind == WEIR_KIND_UINT || kind == WEIR_KIND_FLOAT ||
           kind == WEIR_KIND_DECIMAL;
}

static bool has_len(weir_kind kind)
{
    return kind == WEIR_KIND_STR || kind == WEIR_KIND_BLOB || kind == WEIR_KIND_RAW_JSON ||
           kind == WEIR_KIND_ARRAY || kind == WEIR_KIND_MAP;
}

static size_t present_of(const weir_field *f)
{
    return f->present & ~WEIR__PRESENT_TELLS_NULL;
}

/* --- checking a definition: each rule is a sentence, or NULL --------------------------------- */

static const char *key_error(const weir_field *f)
{
    weir_str key = key_of(f);
    if (key.len == 0 || key.len > KEY_BYTES_MAX)
        return "the JSON key must have 1 to 200 bytes";
    for (size_t i = 0; i < key.len; i++)
        if (key.ptr[i] == '"' || key.ptr[i] == '\\' || (unsigned char)key.ptr[i] < 0x20)
            return "the JSON key has a quote, a backslash or a control character";
    return weir__utf8_is_valid(key) ? NULL : "the JSON key is not UTF-8";
}

static const char *type_error(const weir_field *f)
{
    weir_kind kind = kind_of(f);
    int count = (f->model != NULL) + (f->array_of != NULL) + (f->map_of != NULL);
    if (count > 1)
        return ".model, .array_of and .map_of exclude each other";
    if (kind == WEIR_KIND_OTHER || (kind == WEIR_KIND_OPTIONAL && count == 0))
        return "its type is not one a model can hold; a struct and a pointer to one need .model, "
               "an array .array_of, a map .map_of";
    if (kind == WEIR_KIND_OPTIONAL && f->model == NULL)
        return f->array_of != NULL ? ".array_of needs a member made with WEIR_ARRAY"
                                   : ".map_of needs a member made with WEIR_MAP";
    if (f->kind != WEIR_KIND_OTHER && f->kind != WEIR_KIND_OPTIONAL && count != 0)
        return ".model, .array_of and .map_of are for structs, arrays and maps only";
    if (kind == WEIR_KIND_ARRAY && f->size != sizeof(struct weir__array))
        return ".array_of needs a member made with WEIR_ARRAY";
    if (kind == WEIR_KIND_MAP && f->size != sizeof(struct weir__map_member))
        return ".map_of needs a member made with WEIR_MAP";
    if (f->model != NULL && f->model->is_scalar)
        return ".model is not the model of a struct";
    if (kind == WEIR_KIND_MODEL && f->model != NULL && f->model->size != f->size)
        return ".model is the model of another type";
    return NULL;
}

/*
 * As doubles: what ends a long double's range is itself infinite where long double has no 80 bits,
 * under valgrind. Bounds past a double's range are none.
 */
static bool has_bounds(const weir_field *f)
{
    return !isinf((double)f->min) || !isinf((double)f->max);
}

static const char *range_error(const weir_field *f)
{
    weir_kind kind = kind_of(f);
    if (!is_number(kind) && has_bounds(f))
        return ".min and .max are for numbers";
    if (!(f->min <= f->max))
        return ".min is over .max";
    long double type_max = __builtin_ldexpl(1, (int)f->size * 8 - (kind == WEIR_KIND_INT));
    if (kind == WEIR_KIND_INT && (f->min >= type_max || f->max < -type_max))
        return ".min and .max allow no value of its type";
    if (kind == WEIR_KIND_UINT && (f->min >= type_max || f->max < 0))
        return ".min and .max allow no value of its type";
    if (kind == WEIR_KIND_FLOAT)
        type_max = f->size == sizeof(float) ? (long double)FLT_MAX : (long double)DBL_MAX;
    if (kind == WEIR_KIND_FLOAT && (f->min > type_max || f->max < -type_max))
        return ".min and .max allow no value of its type";
    return NULL;
}

static const char *option_error(const weir_field *f)
{
    weir_kind kind = kind_of(f);
    if (!has_len(kind) && (f->len_min != 0 || f->len_max != 0))
        return ".len_min and .len_max are for texts, bytes, raw JSON, arrays and maps";
    if (f->len_max != 0 && f->len_min > f->len_max)
        return ".len_min is over .len_max";
    if (kind != WEIR_KIND_STR &&
        (f->format != WEIR_FORMAT_NONE || f->one_of != NULL || f->pattern != NULL))
        return ".format, .one_of and .pattern are for texts";
    return NULL;
}

static const char *place_error(const weir_model *model, const weir_field *f)
{
    if ((size_t)f->offset + f->size > model->size)
        return "it lies outside its struct";
    return present_of(f) > model->size ? ".present lies outside the struct" : NULL;
}

static const char *duplicate_error(const weir_model *model, size_t i)
{
    weir_field f = field_at(model, i);
    for (size_t j = 0; j < i; j++) {
        weir_field other = field_at(model, j);
        if (weir_str_eq(key_of(&f), key_of(&other)))
            return "another member has the same JSON key";
    }
    return NULL;
}

static weir_err compile_pattern(const weir_field *f, regex_t *regex, char *text, size_t size)
{
    int rc = regcomp(regex, f->pattern, REG_EXTENDED | REG_NOSUB);
    if (rc == 0)
        return WEIR_OK;
    if (rc == REG_ESPACE)
        return -ENOMEM;
    int n = snprintf(text, size, ".pattern %s: ", f->pattern);
    if (n > 0 && (size_t)n < size)
        regerror(rc, regex, text + n, size - (size_t)n);
    return WEIR_EINVALID;
}

static const char *pattern_error(const weir_field *f, char *text, size_t size)
{
    regex_t regex;
    if (f->pattern == NULL)
        return NULL;
    weir_err err = compile_pattern(f, &regex, text, size);
    if (err == WEIR_OK)
        regfree(&regex);
    return err == WEIR_EINVALID ? text : NULL;
}

/* A line of the report; without an error, none. */
static size_t add_mistake(weir_buf *report, const weir_model *model, const weir_field *f,
                          const char *error)
{
    if (error == NULL)
        return 0;
    if (model->file != NULL)
        weir_buf_printf(report, "%s:%d: ", model->file, model->line);
    weir_buf_printf(report, "model %s", model->name);
    if (f != NULL)
        weir_buf_printf(report, ", member " WEIR_STR_FMT, WEIR_STR_ARG(f->name));
    weir_buf_printf(report, ": %s\n", error);
    return 1;
}

static size_t check_field(const weir_model *model, size_t i, weir_buf *report)
{
    weir_field f = field_at(model, i);
    char text[200];
    const char *type = type_error(&f);
    size_t count = add_mistake(report, model, &f, type);
    if (!model->is_scalar)
        count += add_mistake(report, model, &f, key_error(&f));
    count += add_mistake(report, model, &f, duplicate_error(model, i));
    count += add_mistake(report, model, &f, place_error(model, &f));
    if (type != NULL)
        return count; /* what its options may be is not known */
    count += add_mistake(report, model, &f, range_error(&f));
    count += add_mistake(report, model, &f, option_error(&f));
    return count + add_mistake(report, model, &f, pattern_error(&f, text, sizeof text));
}

weir_err weir__model_check(const weir_model *model, weir_buf *report)
{
    size_t count = 0, members = model->field_count;
    if (members < 1 || members > WEIR_MODEL_FIELDS_MAX) {
        count += add_mistake(report, model, NULL, "it must have 1 to 128 members");
        members = 0;
    }
    for (size_t i = 0; i < members; i++)
        count += check_field(model, i, report);
    return count == 0 ? WEIR_OK : WEIR_EINVALID;
}

/* --- making the tables ----------------------------------------------------------------------- */

/* The smallest integer not below `v`, held to [low, high]. */
static int64_t int_at_least(long double v, int64_t low, int64_t high)
{
    if (v <= (long double)low)
        return low;
    if (v >= (long double)high)
        return high;
    int64_t n = (int64_t)v;
    return (long double)n < v ? n + 1 : n;
}

static uint64_t uint_at_least(long double v, uint64_t high)
{
    if (v <= 0)
        return 0;
    if (v >= (long double)high)
        return high;
    uint64_t n = (uint64_t)v;
    return (long double)n < v ? n + 1 : n;
}

/* A bound as the member's type has it, so that the value 0.1f is not over a bound of 0.1. */
static double float_bound(long double v, uint32_t size)
{
    return size == sizeof(float) ? (double)(float)v : (double)v;
}

static void set_bounds(struct weir__member *m, const weir_field *f)
{
    unsigned bits = (unsigned)f->size * 8;
    if (m->kind == WEIR_KIND_INT) {
        int64_t high = (int64_t)(UINT64_MAX >> (65 - bits)), low = -high - 1;
        m->bound.i.min = int_at_least(f->min, low, high);
        m->bound.i.max = -int_at_least(-f->max, -high, high);
        if (f->max <= (long double)low)
            m->bound.i.max = low;
    } else if (m->kind == WEIR_KIND_UINT) {
        uint64_t high = UINT64_MAX >> (64 - bits);
        m->bound.u.min = uint_at_least(f->min, high);
        m->bound.u.max = uint_at_least(f->max, high);
        if ((long double)m->bound.u.max > f->max && m->bound.u.max > 0)
            m->bound.u.max--;
    } else if (m->kind == WEIR_KIND_FLOAT) {
        m->bound.f.min = float_bound(f->min, f->size);
        m->bound.f.max = float_bound(f->max, f->size);
    } else if (m->kind != WEIR_KIND_DECIMAL) {
        m->bound.len.min = f->len_min;
        m->bound.len.max = f->len_max != 0 ? f->len_max : SIZE_MAX;
    }
}

static uint8_t rules_of(const weir_field *f)
{
    uint8_t rules = 0;
    if (f->len_min != 0 || f->len_max != 0)
        rules |= WEIR__RULE_LEN;
    if (f->format != WEIR_FORMAT_NONE || f->one_of != NULL || f->pattern != NULL)
        rules |= WEIR__RULE_TEXT;
    if (f->required)
        rules |= WEIR__RULE_REQUIRED;
    if (f->omit_empty)
        rules |= WEIR__RULE_OMIT_EMPTY;
    if (f->present != 0)
        rules |= WEIR__RULE_FLAG;
    if ((f->present & WEIR__PRESENT_TELLS_NULL) != 0)
        rules |= WEIR__RULE_TELLS_NULL;
    return rules;
}

/* Writes `,"key":` to `text` and the pattern that the decoder looks for; returns its length. */
static size_t set_key(struct weir__member *m, weir_str key, char *text)
{
    memcpy(text, ",\"", 2);
    memcpy(text + 2, key.ptr, key.len);
    memcpy(text + 2 + key.len, "\":", 2);
    m->fragment = text;
    m->fragment_len = (uint16_t)(key.len + 4);
    if (key.len + 2 <= WEIR__KEY_PATTERN) {
        m->pattern_len = (uint8_t)(key.len + 2);
        m->pattern_mask = (uint16_t)((1u << m->pattern_len) - 1);
        memcpy(m->pattern, text + 2, m->pattern_len);
    }
    return key.len + 4;
}

static weir_err set_regex(struct weir__member *m, const weir_field *f)
{
    char text[200];
    if (f->pattern == NULL)
        return WEIR_OK;
    m->regex = weir__malloc(sizeof *m->regex);
    if (m->regex == NULL)
        return -ENOMEM;
    if (compile_pattern(f, m->regex, text, sizeof text) == WEIR_OK)
        return WEIR_OK;
    weir__free(m->regex);
    m->regex = NULL;
    return -ENOMEM;
}

static unsigned name_hash(weir_str s)
{
    if (s.len == 0)
        return 0;
    const unsigned char *p = (const unsigned char *)s.ptr;
    unsigned h = (unsigned)s.len * 29 + p[0] * 7u + p[s.len - 1] * 31u + p[s.len / 2] * 13u;
    return (h ^ h >> 6) % WEIR__MEMBER_SLOTS;
}

static void enter(uint8_t slots[WEIR__MEMBER_SLOTS], weir_str name, size_t index)
{
    unsigned i = name_hash(name);
    while (slots[i] != 0)
        i = (i + 1) % WEIR__MEMBER_SLOTS;
    slots[i] = (uint8_t)(index + 1);
}

/* What a decimal member is held to, in memory of its own. */
static weir_err set_decimal_bounds(struct weir__member *m, const weir_field *f)
{
    if (m->kind != WEIR_KIND_DECIMAL || !has_bounds(f))
        return WEIR_OK;
    weir_decimal *bounds = weir__malloc(2 * sizeof *bounds);
    if (bounds == NULL)
        return -ENOMEM;
    m->decimals = bounds;
    m->bound.d.min = weir__decimal_bound(f->min, &bounds[0]) ? &bounds[0] : NULL;
    m->bound.d.max = weir__decimal_bound(f->max, &bounds[1]) ? &bounds[1] : NULL;
    return WEIR_OK;
}

static weir_err fill_member(struct weir__member *m, const weir_field *f, size_t i)
{
    *m = (struct weir__member){
        .kind = (uint8_t)kind_of(f),
        .rules = rules_of(f),
        .index = (uint8_t)i,
        .word = (uint8_t)(i / 64),
        .bit = (uint64_t)1 << i % 64,
        .offset = f->offset,
        .size = f->size,
        .present = (uint32_t)present_of(f),
        .sub = sub_of(f),
        .field = f,
    };
    set_bounds(m, f);
    weir_err err = set_decimal_bounds(m, f);
    return err == WEIR_OK ? set_regex(m, f) : err;
}

static weir_err fill(struct weir__model_tables *t, const weir_model *model, char *text)
{
    t->model = model;
    t->count = (uint32_t)model->field_count;
    for (size_t i = 0; i < model->field_count; i++) {
        weir_field *f = &t->fields[i];
        struct weir__member *m = &t->members[i];
        *f = field_at(model, i);
        if (fill_member(m, f, i) < 0)
            return -ENOMEM;
        m->next = &t->members[i + 1 < model->field_count ? i + 1 : 0];
        text += set_key(m, key_of(f), text);
        enter(t->by_key, key_of(f), i);
        enter(t->by_name, f->name, i);
        if (f->required)
            t->required.word[m->word] |= m->bit;
    }
    return WEIR_OK;
}

static void tables_free(struct weir__model_tables *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->members[i].regex != NULL) {
            regfree(t->members[i].regex);
            weir__free(t->members[i].regex);
        }
        weir__free(t->members[i].decimals);
    }
    weir__free(t);
}

static void check_or_die(const weir_model *model)
{
    char text[4096];
    weir_buf report;
    weir_buf_init_fixed(&report, text, sizeof text);
    weir_buf_puts(&report, WEIR_S("weir: wrong definition:\n"));
    if (weir__model_check(model, &report) == WEIR_OK)
        return;
    if (write(STDERR_FILENO, report.ptr, report.len) < 0)
        abort();
    abort();
}

const struct weir__model_tables *weir__model_build(const weir_model *model)
{
    check_or_die(model);
    size_t members = sizeof(struct weir__model_tables);
    members += model->field_count * sizeof(struct weir__member);
    members = (members + 15) & ~(size_t)15;
    size_t fields = model->field_count * sizeof(weir_field), text = 0;
    for (size_t i = 0; i < model->field_count; i++) {
        weir_field f = field_at(model, i);
        text += key_of(&f).len + 4;
    }

    /* 16 spare bytes: the encoder copies fragments by 16, past their end */
    struct weir__model_tables *t = weir__calloc(1, members + fields + text + 16);
    if (t == NULL)
        return NULL;
    t->fields = (weir_field *)(void *)((char *)t + members);
    if (fill(t, model, (char *)t + members + fields) < 0) {
        tables_free(t);
        return NULL;
    }
    void *none = NULL;
    if (!__atomic_compare_exchange_n(&model->link->tables, &none, t, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        tables_free(t);
        return none;
    }
    return t;
}

/* --- finding members ------------------------------------------------------------------------- */

const struct weir__member *weir__tables_find(const struct weir__model_tables *t, weir_str key)
{
    for (unsigned i = name_hash(key); t->by_key[i] != 0; i = (i + 1) % WEIR__MEMBER_SLOTS) {
        const struct weir__member *m = &t->members[t->by_key[i] - 1];
        if (weir_str_eq(weir__member_key(m), key))
            return m;
    }
    return NULL;
}

const struct weir__member *weir__model_find(const weir_model *model, weir_str key)
{
    const struct weir__model_tables *t = weir__model_tables(model);
    return t != NULL ? weir__tables_find(t, key) : NULL;
}

const struct weir__member *weir__model_find_name(const weir_model *model, weir_str name)
{
    const struct weir__model_tables *t = weir__model_tables(model);
    if (t == NULL)
        return NULL;
    for (unsigned i = name_hash(name); t->by_name[i] != 0; i = (i + 1) % WEIR__MEMBER_SLOTS) {
        const struct weir__member *m = &t->members[t->by_name[i] - 1];
        if (weir_str_eq(m->field->name, name))
            return m;
    }
    return NULL;
}
