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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/utf8.h"

enum { KEY_BYTES_MAX = 200 };

#define SCALAR_MODEL(type, of_kind)                                                                \
    static const weir_field field_##type = {.name = {"", 0},                                       \
                                            .size = sizeof(type),                                  \
                                            .kind = (of_kind),                                     \
                                            .min = -__builtin_infl(),                              \
                                            .max = __builtin_infl()};                              \
    static void *tables_##type;                                                                    \
    const weir_model weir_model_##type = {.name = #type,                                           \
                                          .size = sizeof(type),                                    \
                                          .fields = &field_##type,                                 \
                                          .field_count = 1,                                        \
                                          .is_scalar = true,                                       \
                                          .tables = &tables_##type}

SCALAR_MODEL(bool, WEIR_KIND_BOOL);
SCALAR_MODEL(int32_t, WEIR_KIND_INT);
SCALAR_MODEL(uint32_t, WEIR_KIND_UINT);
SCALAR_MODEL(int64_t, WEIR_KIND_INT);
SCALAR_MODEL(uint64_t, WEIR_KIND_UINT);
SCALAR_MODEL(double, WEIR_KIND_FLOAT);
SCALAR_MODEL(weir_str, WEIR_KIND_STR);

static weir_str key_of(const weir_field *f)
{
    return f->json != NULL ? weir_str_from(f->json) : f->name;
}

static weir_kind kind_of(const weir_field *f)
{
    if (f->kind != WEIR_KIND_OTHER)
        return f->kind;
    return f->array_of != NULL ? WEIR_KIND_ARRAY
           : f->model != NULL  ? WEIR_KIND_MODEL
                               : WEIR_KIND_OTHER;
}

static bool is_number(weir_kind kind)
{
    return kind == WEIR_KIND_INT || kind == WEIR_KIND_UINT || kind == WEIR_KIND_FLOAT;
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
    if (kind == WEIR_KIND_OTHER)
        return "its type is not one a model can hold; a struct needs .model, an array .array_of";
    if (f->kind != WEIR_KIND_OTHER && (f->model != NULL || f->array_of != NULL))
        return ".model and .array_of are for structs and arrays only";
    if (f->model != NULL && f->array_of != NULL)
        return ".model and .array_of exclude each other";
    if (kind == WEIR_KIND_ARRAY && f->size != sizeof(struct weir__array))
        return ".array_of needs a member made with WEIR_ARRAY";
    if (f->model != NULL && (f->model->is_scalar || f->model->size != f->size))
        return ".model is the model of another type";
    return NULL;
}

static const char *range_error(const weir_field *f)
{
    weir_kind kind = kind_of(f);
    if (!is_number(kind) && (!isinf(f->min) || !isinf(f->max)))
        return ".min and .max are for numbers";
    if (isnan(f->min) || isnan(f->max) || f->min > f->max)
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
    if (kind != WEIR_KIND_STR && kind != WEIR_KIND_ARRAY && (f->len_min != 0 || f->len_max != 0))
        return ".len_min and .len_max are for texts and arrays";
    if (f->len_max != 0 && f->len_min > f->len_max)
        return ".len_min is over .len_max";
    if (kind != WEIR_KIND_STR &&
        (f->format != WEIR_FORMAT_NONE || f->one_of != NULL || f->pattern != NULL))
        return ".format, .one_of and .pattern are for texts";
    return NULL;
}

static const char *field_error(const weir_model *model, const weir_field *f)
{
    const char *error = model->is_scalar ? NULL : key_error(f);
    if (error == NULL)
        error = type_error(f);
    if (error == NULL)
        error = range_error(f);
    if (error == NULL)
        error = option_error(f);
    if (error == NULL && (size_t)f->offset + f->size > model->size)
        error = "it lies outside its struct";
    if (error == NULL && f->present > model->size)
        error = ".present lies outside the struct";
    return error;
}

static const char *duplicate_error(const weir_model *model, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (weir_str_eq(key_of(&model->fields[i]), key_of(&model->fields[j])))
            return "another member has the same JSON key";
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

static weir_err pattern_error(const weir_field *f, char *text, size_t size)
{
    regex_t regex;
    if (f->pattern == NULL)
        return WEIR_OK;
    weir_err err = compile_pattern(f, &regex, text, size);
    if (err == WEIR_OK)
        regfree(&regex);
    return err == WEIR_EINVALID ? err : WEIR_OK;
}

static weir_err check_field(const weir_model *model, size_t i, char *text, size_t size)
{
    const weir_field *f = &model->fields[i];
    char pattern_text[200];
    const char *error = field_error(model, f);
    if (error == NULL)
        error = duplicate_error(model, i);
    if (error == NULL && pattern_error(f, pattern_text, sizeof pattern_text) < 0)
        error = pattern_text;
    if (error != NULL) {
        snprintf(text, size, "model %s, member " WEIR_STR_FMT ": %s", model->name,
                 WEIR_STR_ARG(f->name), error);
        return WEIR_EINVALID;
    }
    if (f->model != NULL)
        return weir__model_check(f->model, text, size);
    return f->array_of != NULL ? weir__model_check(f->array_of, text, size) : WEIR_OK;
}

weir_err weir__model_check(const weir_model *model, char *text, size_t size)
{
    if (model->field_count < 1 || model->field_count > WEIR_MODEL_FIELDS_MAX) {
        snprintf(text, size, "model %s: it must have 1 to %d members", model->name,
                 WEIR_MODEL_FIELDS_MAX);
        return WEIR_EINVALID;
    }
    for (size_t i = 0; i < model->field_count; i++) {
        weir_err err = check_field(model, i, text, size);
        if (err < 0)
            return err;
    }
    return WEIR_OK;
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
    } else {
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

static weir_err fill(struct weir__model_tables *t, const weir_model *model, char *text)
{
    t->model = model;
    t->count = (uint32_t)model->field_count;
    for (size_t i = 0; i < model->field_count; i++) {
        const weir_field *f = &model->fields[i];
        struct weir__member *m = &t->members[i];
        *m = (struct weir__member){
            .kind = (uint8_t)kind_of(f),
            .rules = rules_of(f),
            .index = (uint8_t)i,
            .offset = f->offset,
            .size = f->size,
            .present = (uint32_t)f->present,
            .sub = f->model != NULL ? f->model : f->array_of,
            .field = f,
        };
        set_bounds(m, f);
        text += set_key(m, key_of(f), text);
        enter(t->by_key, key_of(f), i);
        enter(t->by_name, f->name, i);
        if (f->required)
            t->required |= (uint32_t)1 << i;
        if (set_regex(m, f) < 0)
            return -ENOMEM;
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
    }
    weir__free(t);
}

static void check_or_die(const weir_model *model)
{
    char text[400], line[480];
    if (weir__model_check(model, text, sizeof text) == WEIR_OK)
        return;
    int n = snprintf(line, sizeof line, "weir: wrong definition: %s\n", text);
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        abort();
    abort();
}

const struct weir__model_tables *weir__model_build(const weir_model *model)
{
    check_or_die(model);
    size_t members = sizeof(struct weir__model_tables);
    members += model->field_count * sizeof(struct weir__member);
    size_t text = 0;
    for (size_t i = 0; i < model->field_count; i++)
        text += key_of(&model->fields[i]).len + 4;

    /* 16 spare bytes: the encoder copies fragments by 16, past their end */
    struct weir__model_tables *t = weir__calloc(1, members + text + 16);
    if (t == NULL)
        return NULL;
    if (fill(t, model, (char *)t + members) < 0) {
        tables_free(t);
        return NULL;
    }
    void *none = NULL;
    if (!__atomic_compare_exchange_n(model->tables, &none, t, false, __ATOMIC_ACQ_REL,
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

/* --- reading and writing members -------------------------------------------------------------- */

static const void *at_const(const struct weir__member *m, const void *object)
{
    return (const char *)object + m->offset;
}

static void *at(const struct weir__member *m, void *object)
{
    return (char *)object + m->offset;
}

int64_t weir__member_get_int(const struct weir__member *m, const void *object)
{
    const void *p = at_const(m, object);
    switch (m->size) {
    case 1:
        return *(const int8_t *)p;
    case 2:
        return *(const int16_t *)p;
    case 4:
        return *(const int32_t *)p;
    default:
        return *(const int64_t *)p;
    }
}

uint64_t weir__member_get_uint(const struct weir__member *m, const void *object)
{
    const void *p = at_const(m, object);
    switch (m->size) {
    case 1:
        return *(const uint8_t *)p;
    case 2:
        return *(const uint16_t *)p;
    case 4:
        return *(const uint32_t *)p;
    default:
        return *(const uint64_t *)p;
    }
}

double weir__member_get_float(const struct weir__member *m, const void *object)
{
    const void *p = at_const(m, object);
    return m->size == sizeof(float) ? (double)*(const float *)p : *(const double *)p;
}

void weir__member_put_int(const struct weir__member *m, void *object, uint64_t value)
{
    void *p = at(m, object);
    switch (m->size) {
    case 1:
        *(uint8_t *)p = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)p = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)p = (uint32_t)value;
        break;
    default:
        *(uint64_t *)p = value;
        break;
    }
}

/* True when an integer of the member's size holds `v`; `v` below 0 is for signed ones only. */
static bool fits(const struct weir__member *m, int64_t v)
{
    unsigned bits = m->size * 8;
    if (m->kind == WEIR_KIND_UINT)
        return v >= 0 && (bits == 64 || v < (int64_t)1 << bits);
    return bits == 64 || (v >= -((int64_t)1 << (bits - 1)) && v < (int64_t)1 << (bits - 1));
}

static weir_err put_float(const struct weir__member *m, void *object, double v)
{
    if (m->size == sizeof(float)) {
        if (isfinite(v) && !isfinite((float)v))
            return -ERANGE;
        *(float *)at(m, object) = (float)v;
    } else {
        *(double *)at(m, object) = v;
    }
    weir__member_mark(m, object, true);
    return WEIR_OK;
}

static bool is_exact(const struct weir__member *m, int64_t v)
{
    double d = m->size == sizeof(float) ? (double)(float)v : (double)v;
    return d < 0x1p63 && (int64_t)d == v;
}

weir_err weir__field_set_int(const struct weir__member *m, void *object, int64_t v)
{
    switch (m->kind) {
    case WEIR_KIND_BOOL:
        if (v != 0 && v != 1)
            return -ERANGE;
        *(bool *)at(m, object) = v != 0;
        break;
    case WEIR_KIND_INT:
    case WEIR_KIND_UINT:
        if (!fits(m, v))
            return -ERANGE;
        weir__member_put_int(m, object, (uint64_t)v);
        break;
    case WEIR_KIND_FLOAT:
        return is_exact(m, v) ? put_float(m, object, (double)v) : -ERANGE;
    default:
        return WEIR_EINVALID;
    }
    weir__member_mark(m, object, true);
    return WEIR_OK;
}

weir_err weir__field_set_double(const struct weir__member *m, void *object, double v)
{
    if (m->kind == WEIR_KIND_FLOAT)
        return put_float(m, object, v);
    if (m->kind != WEIR_KIND_INT && m->kind != WEIR_KIND_UINT)
        return WEIR_EINVALID;
    if (!(v >= -0x1p63 && v < 0x1p63))
        return -ERANGE;
    if ((double)(int64_t)v != v)
        return WEIR_EINVALID;
    return weir__field_set_int(m, object, (int64_t)v);
}

weir_err weir__field_set_text(const struct weir__member *m, void *object, weir_str v)
{
    if (m->kind != WEIR_KIND_STR)
        return WEIR_EINVALID;
    *(weir_str *)at(m, object) = v;
    weir__member_mark(m, object, true);
    return WEIR_OK;
}

void weir__field_set_null(const struct weir__member *m, void *object)
{
    memset(at(m, object), 0, m->size);
    weir__member_mark(m, object, false);
}
