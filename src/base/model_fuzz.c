/*
 * Models. The input is a description of a struct, and behind it a text. A description that is wrong
 * is refused with a sentence; one that is not drives everything: the text is read into the struct
 * as JSON, and bound to it as a form, in memory of exactly the struct's size. Whatever the text,
 * what can be read from the struct afterwards is whole; what was accepted passes validation, and
 * reads as the same once it is written; and errors are bounded and say where.
 *
 * A description is a byte for the number of members and eight bytes for each, see some_field.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/json_decode.h"
#include "base/json_encode.h"
#include "base/json_reference.h"
#include "base/model.h"
#include "base/validate.h"

enum { BYTES_MAX = 2048, MEMBERS_MAX = 8, SLOT = 48, MEMORY_MAX = 4 << 20, TEXT_MAX = 1 << 20 };

typedef struct {
    int8_t x;
    weir_str tag;
    bool has_tag;
} point;
WEIR_MODEL_STRICT(point, (x, .required = true, .min = -5),
                  (tag, .len_max = 3, .present = weir_flag_of(point, has_tag)));

/* ---- a model of the input ---- */

/* A struct of up to MEMBERS_MAX slots, and a flag for each behind them. */
struct drawn {
    weir_field fields[MEMBERS_MAX];
    weir_model model;
    weir_model_link link;
    bool is_marked; /* whether a member was there can be told of each */
    bool is_whole;  /* what is required is never left out */
};

static const struct {
    weir_kind kind;
    uint32_t size;
    const weir_model *model, *array_of, *map_of;
} kinds[] = {
    {WEIR_KIND_BOOL, sizeof(bool), NULL, NULL, NULL},
    {WEIR_KIND_INT, 1, NULL, NULL, NULL},
    {WEIR_KIND_INT, 2, NULL, NULL, NULL},
    {WEIR_KIND_INT, 4, NULL, NULL, NULL},
    {WEIR_KIND_INT, 8, NULL, NULL, NULL},
    {WEIR_KIND_UINT, 1, NULL, NULL, NULL},
    {WEIR_KIND_UINT, 2, NULL, NULL, NULL},
    {WEIR_KIND_UINT, 4, NULL, NULL, NULL},
    {WEIR_KIND_UINT, 8, NULL, NULL, NULL},
    {WEIR_KIND_FLOAT, sizeof(float), NULL, NULL, NULL},
    {WEIR_KIND_FLOAT, sizeof(double), NULL, NULL, NULL},
    {WEIR_KIND_STR, sizeof(weir_str), NULL, NULL, NULL},
    {WEIR_KIND_STR, sizeof(weir_str), NULL, NULL, NULL},
    {WEIR_KIND_OTHER, sizeof(point), weir_model_of(point), NULL, NULL},
    {WEIR_KIND_OTHER, sizeof(struct weir__array), NULL, weir_model_of(weir_str), NULL},
    {WEIR_KIND_OTHER, sizeof(struct weir__array), NULL, weir_model_of(int32_t), NULL},
    {WEIR_KIND_OTHER, sizeof(struct weir__array), NULL, weir_model_of(double), NULL},
    {WEIR_KIND_OTHER, sizeof(struct weir__array), NULL, weir_model_of(point), NULL},
    {WEIR_KIND_OTHER, 8, NULL, NULL, NULL},                 /* wrong: nobody says what it is */
    {WEIR_KIND_OTHER, 8, weir_model_of(point), NULL, NULL}, /* wrong: of another size */
    {WEIR_KIND_WALL, sizeof(weir_wall), NULL, NULL, NULL},
    {WEIR_KIND_UUID, sizeof(weir_uuid), NULL, NULL, NULL},
    {WEIR_KIND_DECIMAL, sizeof(weir_decimal), NULL, NULL, NULL},
    {WEIR_KIND_BLOB, sizeof(weir_blob), NULL, NULL, NULL},
    {WEIR_KIND_RAW_JSON, sizeof(weir_raw_json), NULL, NULL, NULL},
    {WEIR_KIND_OPTIONAL, sizeof(point *), weir_model_of(point), NULL, NULL},
    {WEIR_KIND_OTHER, sizeof(struct weir__map_member), NULL, NULL, weir_model_of(point)},
    {WEIR_KIND_OTHER, sizeof(struct weir__map_member), NULL, NULL, weir_model_of(weir_decimal)},
    {WEIR_KIND_OTHER, sizeof(struct weir__array), NULL, weir_model_of(weir_wall), NULL},
    {WEIR_KIND_OTHER, sizeof(struct weir__array), NULL, NULL, weir_model_of(point)}, /* wrong */
};

static const weir_str names[] = {
    {"a", 1},
    {"b", 1},
    {"name", 4},
    {"id", 2},
    {"x/y~z", 5},
    {"a key of over 16 bytes", 22},
    {"caf\xc3\xa9", 5},
    {"exactly14bytes", 14},
    {"fifteen bytes !", 15},
    {"", 0},
    {"\"", 1},
    {"\xff", 1},
};

static const long double bounds[] = {
    -HUGE_VALL,
    -1e300L,
    -9223372036854775808.0L,
    -2147483648.0L,
    -128,
    -1,
    -0.5L,
    0,
    0.1L,
    0.5L,
    1,
    7.5L,
    127,
    255,
    65536,
    4294967295.0L,
    9223372036854775807.0L,
    18446744073709551615.0L,
    18446744073709551616.0L,
    1e300L,
    HUGE_VALL,
};

static const char *const patterns[] = {"^[a-z]+$", "b", "^(a|b)*c?$",
                                       "^.{2,4}$", "(", "[[:digit:]]"};

static const char *const words[] = {"new", "paid", "", NULL};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* kind; name; flags; min and max; len_min and len_max; what a text must be. */
static weir_field some_field(struct fuzz_input *in, unsigned index, bool *is_marked, bool *is_whole)
{
    unsigned kind = fuzz_byte(in) % COUNT(kinds), name = fuzz_byte(in) % COUNT(names);
    unsigned flags = fuzz_byte(in), min = fuzz_byte(in), max = fuzz_byte(in);
    unsigned len_min = fuzz_byte(in), len_max = fuzz_byte(in), rule = fuzz_byte(in) % 16;
    weir_field f = {
        .name = names[name], .offset = index * SLOT, .min = -HUGE_VALL, .max = HUGE_VALL};
    f.kind = kinds[kind].kind;
    f.size = kinds[kind].size;
    f.model = kinds[kind].model;
    f.array_of = kinds[kind].array_of;
    f.map_of = kinds[kind].map_of;
    f.required = flags & 1;
    f.omit_empty = (flags & 2) != 0;
    if ((flags & 4) == 0)
        f.present = ((size_t)MEMBERS_MAX * SLOT + index + 1) |
                    ((flags & 32) != 0 ? WEIR__PRESENT_TELLS_NULL : 0);
    if ((flags & 8) != 0) {
        f.min = bounds[min % COUNT(bounds)];
        f.max = bounds[max % COUNT(bounds)];
    }
    if ((flags & 16) != 0) {
        f.len_min = len_min % 6;
        f.len_max = len_max % 8;
    }
    f.format = rule == 1 ? WEIR_EMAIL : rule == 2 ? WEIR_UUID : WEIR_FORMAT_NONE;
    if (rule == 3)
        f.one_of = words;
    if (rule >= 4 && rule - 4 < COUNT(patterns))
        f.pattern = patterns[rule - 4];
    *is_marked &= f.present != 0 || f.required;
    *is_whole &= !(f.required && f.omit_empty);
    return f;
}

static void draw(struct drawn *d, struct fuzz_input *in)
{
    unsigned first = fuzz_byte(in);
    *d = (struct drawn){.is_marked = true, .is_whole = true};
    d->model = (weir_model){.name = "drawn", .fields = d->fields, .link = &d->link};
    d->model.field_size = sizeof d->fields[0];
    d->model.size = (size_t)MEMBERS_MAX * SLOT + MEMBERS_MAX;
    d->model.field_count = 1 + first % MEMBERS_MAX;
    d->model.is_strict = (first & 0x80) != 0;
    for (unsigned i = 0; i < d->model.field_count; i++)
        d->fields[i] = some_field(in, i, &d->is_marked, &d->is_whole);
}

/* The tables of real models stay for ever. */
static void drawn_free(struct drawn *d)
{
    struct weir__model_tables *t = d->link.tables;
    for (uint32_t i = 0; t != NULL && i < t->count; i++) {
        if (t->members[i].regex != NULL)
            regfree(t->members[i].regex);
        weir__free(t->members[i].regex);
        weir__free(t->members[i].decimals);
    }
    weir__free(t);
}

/* ---- what must hold ---- */

static struct weir__arena arena;
static weir_json_errors errors;

static void arena_again(void)
{
    weir__arena_fini(&arena);
    weir__arena_init(&arena, NULL, 0, MEMORY_MAX);
}

#define FIRST_ERROR WEIR_STR_ARG(errors.items[0].pointer), WEIR_STR_ARG(errors.items[0].message)

/* Writes the object; whatever it holds, that is JSON. */
static void write_object(const struct drawn *d, const void *object, weir_buf *out)
{
    weir_buf_init(out, TEXT_MAX);
    weir_err err = weir_json_encode(out, &d->model, object);
    FUZZ_CHECK(err == WEIR_OK && slow_is_json(weir_buf_str(out)), "%d: %.*s", err, (int)out->len,
               out->ptr);
}

static size_t slow_count(weir_str s)
{
    size_t count = 0;
    for (const char *p = s.ptr; s.len > 0 && p < s.ptr + s.len; p += slow_utf8(p, s.ptr + s.len))
        count++;
    return count;
}

static bool is_listed(const char *const *list, weir_str s)
{
    while (*list != NULL && !weir_str_eq(weir_str_from(*list), s))
        list++;
    return *list != NULL;
}

/* False when its flag says that it was not, or was null. */
static bool is_there(const weir_field *f, const char *object)
{
    size_t at = f->present & ~WEIR__PRESENT_TELLS_NULL;
    return at == 0 || object[at - 1] == WEIR_PRESENT;
}

/* A member that was there obeys what its field says, one option at a time. */
static void check_obeyed(const weir_field *f, const char *object)
{
    const struct weir__array *a = (const void *)(object + f->offset);
    const weir_str *s = (const void *)(object + f->offset);
    bool has_items = f->array_of != NULL || f->map_of != NULL;
    size_t len = has_items ? a->len : f->kind == WEIR_KIND_STR ? slow_count(*s) : s->len;
    bool has_len = has_items || f->kind == WEIR_KIND_STR || f->kind == WEIR_KIND_BLOB ||
                   f->kind == WEIR_KIND_RAW_JSON;
    if (!is_there(f, object))
        return;
    if (has_len) {
        FUZZ_CHECK(len >= f->len_min, "%zu, at least %zu", len, f->len_min);
        FUZZ_CHECK(f->len_max == 0 || len <= f->len_max, "%zu, at most %zu", len, f->len_max);
    }
    if (f->one_of != NULL)
        FUZZ_CHECK(is_listed(f->one_of, *s), "one of those: " WEIR_STR_FMT, WEIR_STR_ARG(*s));
    if (f->format == WEIR_UUID)
        FUZZ_CHECK(s->len == 36 && s->ptr[8] == '-' && s->ptr[23] == '-', "a UUID");
    if (f->format == WEIR_EMAIL)
        FUZZ_CHECK(memchr(s->ptr, '@', s->len) != NULL && s->len <= 254, "an address");
}

static void check_in_bounds(const weir_field *f, const struct weir__member *m, const char *object)
{
    long double v = 0, min = f->min, max = f->max;
    if (!is_there(f, object))
        return;
    if (f->kind == WEIR_KIND_INT)
        v = weir__member_get_int(m, object);
    else if (f->kind == WEIR_KIND_UINT)
        v = weir__member_get_uint(m, object);
    else if (f->kind == WEIR_KIND_FLOAT)
        v = (long double)weir__member_get_float(m, object);
    else
        return;
    if (f->kind == WEIR_KIND_FLOAT && f->size == sizeof(float)) {
        min = (long double)(float)min;
        max = (long double)(float)max;
    } else if (f->kind == WEIR_KIND_FLOAT) {
        min = (long double)(double)min;
        max = (long double)(double)max;
    }
    FUZZ_CHECK(v >= min && v <= max, "%Lg is not in %Lg to %Lg", v, min, max);
}

/* What was accepted is valid, and the same after it was written and read. */
static void check_accepted(const struct drawn *d, const void *object)
{
    weir_buf first, second;
    weir_err err = weir__model_validate(&arena, &d->model, object, &errors);
    FUZZ_CHECK(err == WEIR_OK, "accepted, but not valid: " WEIR_STR_FMT " " WEIR_STR_FMT,
               FIRST_ERROR);
    for (size_t i = 0; i < d->model.field_count; i++) {
        check_obeyed(&d->fields[i], object);
        check_in_bounds(&d->fields[i], weir__model_find(&d->model, d->fields[i].name), object);
    }
    if (!d->is_whole)
        return;
    char *again = fuzz_alloc(d->model.size);
    write_object(d, object, &first);
    arena_again();
    err = weir__json_decode(&arena, weir_buf_str(&first), &d->model, again, NULL, &errors);
    FUZZ_CHECK(err == WEIR_OK, "its own text is refused: %.*s: " WEIR_STR_FMT " " WEIR_STR_FMT,
               (int)first.len, first.ptr, FIRST_ERROR);
    write_object(d, again, &second);
    FUZZ_CHECK(weir_str_eq(weir_buf_str(&first), weir_buf_str(&second)), "%.*s became %.*s",
               (int)first.len, first.ptr, (int)second.len, second.ptr);
    weir_buf_fini(&first);
    weir_buf_fini(&second);
    free(again);
}

static void check_json(const struct drawn *d, weir_str text)
{
    weir_buf out;
    char *object = fuzz_alloc(d->model.size);
    arena_again();
    weir_err err = weir__json_decode(&arena, text, &d->model, object, NULL, &errors);
    check_errors(err, &errors, text);
    FUZZ_CHECK(is_broken_syntax(&errors) == !slow_is_json(text), "broken: %d", err);
    write_object(d, object, &out);
    weir_buf_fini(&out);
    if (err == WEIR_OK && d->is_marked)
        check_accepted(d, object);
    free(object);
}

/* The text as "key=value&key=value". */
static void check_form(const struct drawn *d, weir_str text)
{
    struct weir__binder b;
    weir_buf out;
    char *object = fuzz_alloc(d->model.size);
    struct fuzz_input in = {(const uint8_t *)text.ptr, (const uint8_t *)text.ptr + text.len};
    arena_again();
    weir__bind_begin(&b, &arena, &d->model, object, &errors);
    while (in.at < in.end) {
        weir_str pair = fuzz_until(&in, '&');
        struct fuzz_input part = {(const uint8_t *)pair.ptr, (const uint8_t *)pair.ptr + pair.len};
        weir_str key = fuzz_until(&part, '=');
        weir__bind_text(&b, key, (weir_str){(const char *)part.at, (size_t)(part.end - part.at)});
    }
    weir_err err = weir__bind_end(&b);
    check_errors(err, &errors, (weir_str){NULL, 0});
    write_object(d, object, &out);
    weir_buf_fini(&out);
    if (err == WEIR_OK && d->is_marked)
        check_accepted(d, object);
    free(object);
}

/* Every member is found by its key and its name, and no other text is. */
static void check_names(const struct drawn *d)
{
    for (size_t i = 0; i < d->model.field_count; i++) {
        const struct weir__member *m = weir__model_find(&d->model, d->fields[i].name);
        FUZZ_CHECK(m != NULL && m->index == i, "member %zu is not found", i);
        FUZZ_CHECK(weir__model_find_name(&d->model, d->fields[i].name) == m, "nor by its name");
    }
    FUZZ_CHECK(weir__model_find(&d->model, WEIR_S("nobody")) == NULL, "nobody is found");
}

static void check_set_int(const struct weir__member *m, char *object, int64_t n)
{
    if (weir__field_set_int(m, object, n) != WEIR_OK || m->kind >= WEIR_KIND_WALL)
        return;
    double read = m->kind == WEIR_KIND_FLOAT ? weir__member_get_float(m, object) : 0;
    int64_t held = m->kind == WEIR_KIND_FLOAT  ? (int64_t)read
                   : m->kind == WEIR_KIND_BOOL ? *((const bool *)object + m->offset)
                   : m->kind == WEIR_KIND_INT  ? weir__member_get_int(m, object)
                                               : (int64_t)weir__member_get_uint(m, object);
    FUZZ_CHECK(held == n, "%lld became %lld", (long long)n, (long long)held);
}

/* A typed value is refused, or is what the member holds. */
static void check_set(const struct drawn *d, uint64_t bits)
{
    char *object = fuzz_alloc(d->model.size);
    double v, read;
    memcpy(&v, &bits, sizeof v);
    memset(object, 0, d->model.size);
    for (size_t i = 0; i < d->model.field_count; i++) {
        const struct weir__member *m = weir__model_find(&d->model, d->fields[i].name);
        check_set_int(m, object, (int64_t)bits >> (bits & 63));
        for (unsigned shift = 0; shift < 63; shift++) {
            for (int64_t by = -1; by <= 1; by++) {
                check_set_int(m, object, ((int64_t)1 << shift) + by);
                check_set_int(m, object, -((int64_t)1 << shift) + by);
            }
        }
        if (weir__field_set_double(m, object, v) == WEIR_OK && isfinite(v) &&
            m->kind < WEIR_KIND_WALL) {
            read = m->kind == WEIR_KIND_FLOAT ? weir__member_get_float(m, object)
                   : m->kind == WEIR_KIND_INT ? (double)weir__member_get_int(m, object)
                                              : (double)weir__member_get_uint(m, object);
            double held = m->kind == WEIR_KIND_FLOAT && m->size == sizeof(float) ? (float)v : v;
            FUZZ_CHECK(!(read < held) && !(read > held), "%a became %a", v, read);
        }
        weir__field_set_null(m, object);
    }
    for (size_t i = 0; i < d->model.size; i++)
        FUZZ_CHECK(object[i] == 0 || (i >= (size_t)MEMBERS_MAX * SLOT && object[i] == WEIR_IS_NULL),
                   "byte %zu is not what it was", i);
    free(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct drawn d;
    static char why[16 << 10];
    struct fuzz_input in = {data, data + size};
    if (size > BYTES_MAX)
        return 0;
    draw(&d, &in);
    weir_buf report;
    weir_buf_init_fixed(&report, why, sizeof why);
    if (weir__model_check(&d.model, &report) != WEIR_OK) {
        weir_str lines = weir_buf_str(&report);
        FUZZ_CHECK(weir_str_starts(lines, WEIR_S("model drawn")) && why[lines.len - 1] == '\n',
                   WEIR_STR_FMT, WEIR_STR_ARG(lines));
        return 0;
    }
    size_t n = (size_t)(in.end - in.at);
    char *bytes = fuzz_copy(in.at, n);
    check_names(&d);
    check_json(&d, (weir_str){bytes, n});
    check_form(&d, (weir_str){bytes, n});
    check_set(&d, fuzz_dice_of(data, size).state);
    weir__arena_fini(&arena);
    drawn_free(&d);
    free(bytes);
    return 0;
}
