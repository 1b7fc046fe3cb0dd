/*
 * JSON text into a struct, in one pass. Each function takes the place where it stands in the text
 * and returns the place behind what it has read, or NULL when reading cannot go on (broken syntax,
 * no memory). A wrong value is no such case: it is reported, skipped with its syntax checked, and
 * reading goes on, so that one answer names every bad field.
 *
 * The fast path: members mostly come in the model's order, so the next one's `name":` is compared
 * with 16 bytes of the text at once, before any hashing; strings are scanned 16 bytes a step and
 * kept as views; nothing is allocated.
 *
 * Recursion is as deep as the model's nesting; values that are skipped need none. Both are held to
 * WEIR_JSON_DEPTH_MAX. Keys that no model knows are noted (json_keys.h), to refuse them twice too.
 */
#include "base/json_decode.h"

#include "base/json_decode_inside.h"
#include "base/num.h"
#include "base/value.h"

enum { BYTES_MAX_DEFAULT = 1 << 20 };

/* --- values ----------------------------------------------------------------------------------- */

static const char *type_at(char ch)
{
    switch (ch) {
    case '{':
        return "an object";
    case '[':
        return "an array";
    case '"':
        return "a string";
    case 't':
    case 'f':
        return "a boolean";
    case 'n':
        return "null";
    default:
        return "a number";
    }
}

/* A value of another type than the member's: reports it once its syntax is known to be right. */
static const char *wrong_type(struct decoder *d, const char *p, const struct weir__path *path,
                              const char *wanted)
{
    const char *behind = skip_value(d, p, path);
    if (behind == NULL)
        return NULL;
    d->report.at = p;
    weir__report_add(&d->report, path, "must be %s, is %s", wanted, type_at(*p));
    return behind;
}

static const char *read_null(struct decoder *d, const char *p, const struct weir__path *path,
                             const struct weir__member *m, void *object)
{
    const char *behind = read_literal(d, p, "null", 4);
    bool is_item = path == NULL || path->member == NULL;
    if (behind != NULL && (is_item || (m->rules & WEIR__RULE_REQUIRED) != 0))
        weir__report_add(&d->report, path, "must not be null");
    else if (behind != NULL)
        weir__member_mark_null(m, object);
    return behind;
}

/* A number that is no integer, or too long: `p` is at its start. */
static const char *bad_integer(struct decoder *d, const char *p, const struct weir__path *path,
                               const struct weir__member *m)
{
    const char *behind = skip_number(d, p);
    if (behind == NULL)
        return NULL;
    bool is_integer = true;
    for (const char *q = p; q < behind; q++)
        is_integer &= *q == '-' || weir__json_is_digit(*q);
    d->report.at = p;
    if (is_integer)
        weir__report_past_range(&d->report, path, m, *p == '-');
    else
        weir__report_add(&d->report, path, "must be an integer, is %.*s%s",
                         behind - p > QUOTE_MAX ? QUOTE_MAX : (int)(behind - p), p,
                         behind - p > QUOTE_MAX ? "…" : "");
    return behind;
}

static const char *read_integer(struct decoder *d, const char *p, const struct weir__path *path,
                                const struct weir__member *m, void *object)
{
    bool is_negative = *p == '-', is_past = false;
    const char *digits = p + is_negative, *q = digits;
    uint64_t u = 0;

    for (; weir__json_is_digit(peek(d, q)); q++) {
        uint64_t digit = (uint64_t)(*q - '0');
        if (WEIR_UNLIKELY(q - digits >= 19))
            is_past |= u > (UINT64_MAX - digit) / 10;
        u = u * 10 + digit;
    }
    char next = peek(d, q);
    if (q == digits || (*digits == '0' && q - digits > 1) || next == '.' || (next | 0x20) == 'e')
        return bad_integer(d, p, path, m);
    bool is_signed = m->kind == WEIR_KIND_INT;
    uint64_t max = is_signed ? (uint64_t)INT64_MAX + is_negative : is_negative ? 0 : UINT64_MAX;
    if (WEIR_UNLIKELY(is_past || u > max))
        return bad_integer(d, p, path, m);
    if (is_negative)
        u = 0 - u;
    if (is_signed ? weir__check_int(&d->report, path, m, (int64_t)u)
                  : weir__check_uint(&d->report, path, m, u)) {
        weir__member_put_int(m, object, u);
        weir__member_mark(m, object, true);
    }
    return q;
}

static const char *read_float(struct decoder *d, const char *p, const struct weir__path *path,
                              const struct weir__member *m, void *object)
{
    double v;
    const char *behind = skip_number(d, p);
    if (behind == NULL)
        return NULL;
    weir__num_get_double(p, behind, &v);
    if (weir__check_float(&d->report, path, m, v))
        (void)!weir__field_set_double(m, object, v);
    return behind;
}

static const char *read_bool(struct decoder *d, const char *p, const struct weir__member *m,
                             void *object)
{
    bool v = *p == 't';
    p = read_literal(d, p, v ? "true" : "false", v ? 4 : 5);
    if (p != NULL) {
        *((bool *)object + m->offset) = v;
        weir__member_mark(m, object, true);
    }
    return p;
}

static inline const char *read_text(struct decoder *d, const char *p, const struct weir__path *path,
                                    const struct weir__member *m, void *object)
{
    weir_str s;
    p = read_string(d, p, &s);
    if (p == NULL)
        return NULL;
    if ((m->rules & (WEIR__RULE_LEN | WEIR__RULE_TEXT)) == 0 ||
        weir__check_text(&d->report, path, m, s)) {
        *(weir_str *)(void *)((char *)object + m->offset) = s;
        weir__member_mark(m, object, true);
    }
    return p;
}

static const char *read_object(struct decoder *d, const char *p, const weir_model *model,
                               void *object, const struct weir__path *up);
static const char *read_array(struct decoder *d, const char *p, const struct weir__member *m,
                              struct weir__array *a, const struct weir__path *path);
static const char *read_map(struct decoder *d, const char *p, const struct weir__member *m,
                            struct weir__array *a, const struct weir__path *path);

/* A point of time, a UUID, bytes: strings. A decimal: a string, or a number. */
static const char *read_text_value(struct decoder *d, const char *p, const struct weir__path *path,
                                   const struct weir__member *m, void *object)
{
    char ch = peek(d, p);
    weir_str s;
    const char *behind;
    if (ch == '"') {
        behind = read_string(d, p, &s);
    } else if (m->kind == WEIR_KIND_DECIMAL && (ch == '-' || weir__json_is_digit(ch))) {
        behind = skip_number(d, p);
        s = (weir_str){p, behind != NULL ? (size_t)(behind - p) : 0};
    } else {
        return wrong_type(d, p, path,
                          m->kind == WEIR_KIND_DECIMAL ? "a number or a string" : "a string");
    }
    if (behind != NULL && weir__value_bind(&d->report, path, m, s, object))
        weir__member_mark(m, object, true);
    return behind;
}

/* Whatever JSON is there, as the text that it is. */
static const char *read_raw(struct decoder *d, const char *p, const struct weir__path *path,
                            const struct weir__member *m, void *object)
{
    const char *behind = skip_value(d, p, path);
    if (behind == NULL)
        return NULL;
    d->report.at = p;
    if (weir__value_set_json(&d->report, path, m, (weir_str){p, (size_t)(behind - p)}, object))
        weir__member_mark(m, object, true);
    return behind;
}

/* The struct behind a pointer, in the arena. */
static const char *read_optional(struct decoder *d, const char *p, const struct weir__path *path,
                                 const struct weir__member *m, void **out)
{
    if (peek(d, p) != '{')
        return wrong_type(d, p, path, "an object");
    void *object = weir__arena_alloc(d->report.arena, m->sub->size);
    if (object == NULL)
        return no_memory(d);
    memset(object, 0, m->sub->size);
    *out = object;
    return read_object(d, p, m->sub, object, path);
}

static const char *read_nested(struct decoder *d, const char *p, const struct weir__path *path,
                               const struct weir__member *m, void *object)
{
    void *at = (char *)object + m->offset;
    if (m->kind == WEIR_KIND_ARRAY)
        p = peek(d, p) == '[' ? read_array(d, p, m, at, path) : wrong_type(d, p, path, "an array");
    else if (m->kind == WEIR_KIND_MAP)
        p = peek(d, p) == '{' ? read_map(d, p, m, at, path) : wrong_type(d, p, path, "an object");
    else if (m->kind == WEIR_KIND_OPTIONAL)
        p = read_optional(d, p, path, m, at);
    else
        p = peek(d, p) == '{' ? read_object(d, p, m->sub, at, path)
                              : wrong_type(d, p, path, "an object");
    if (p != NULL)
        weir__member_mark(m, object, true);
    return p;
}

/* The kinds that are rare. */
static __attribute__((noinline)) const char *read_rare(struct decoder *d, const char *p,
                                                       const struct weir__path *path,
                                                       const struct weir__member *m, void *object)
{
    switch (m->kind) {
    case WEIR_KIND_WALL:
    case WEIR_KIND_UUID:
    case WEIR_KIND_DECIMAL:
    case WEIR_KIND_BLOB:
        return read_text_value(d, p, path, m, object);
    case WEIR_KIND_RAW_JSON:
        return read_raw(d, p, path, m, object);
    default:
        return read_nested(d, p, path, m, object);
    }
}

/* Reads the value of a member of `object`; `p` is at its first byte. */
static inline const char *read_value(struct decoder *d, const char *p,
                                     const struct weir__path *path, const struct weir__member *m,
                                     void *object)
{
    char ch = peek(d, p);
    d->report.at = p;
    if (WEIR_LIKELY(m->kind == WEIR_KIND_STR && ch == '"'))
        return read_text(d, p, path, m, object);
    if (WEIR_UNLIKELY(ch == 'n'))
        return read_null(d, p, path, m, object);
    bool is_number = ch == '-' || weir__json_is_digit(ch);
    switch (m->kind) {
    case WEIR_KIND_BOOL:
        return ch == 't' || ch == 'f' ? read_bool(d, p, m, object)
                                      : wrong_type(d, p, path, "a boolean");
    case WEIR_KIND_INT:
    case WEIR_KIND_UINT:
        return is_number ? read_integer(d, p, path, m, object)
                         : wrong_type(d, p, path, "an integer");
    case WEIR_KIND_FLOAT:
        return is_number ? read_float(d, p, path, m, object) : wrong_type(d, p, path, "a number");
    case WEIR_KIND_STR:
        return wrong_type(d, p, path, "a string");
    case WEIR_KIND_MODEL:
    case WEIR_KIND_ARRAY:
        return read_nested(d, p, path, m, object);
    default:
        return read_rare(d, p, path, m, object);
    }
}

/* --- objects and arrays ----------------------------------------------------------------------- */

/* True when `p`, at a quote, is at the key of `m` as compact JSON writes it. */
static inline bool is_key_of(const struct decoder *d, const char *p, const struct weir__member *m)
{
#ifdef __SSE2__
    if (d->end - p < 17 || *p != '"')
        return false;
    __m128i text = _mm_loadu_si128((const __m128i *)(const void *)(p + 1));
    __m128i key = _mm_loadu_si128((const __m128i *)(const void *)m->pattern);
    unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, key));
    return (same & m->pattern_mask) == m->pattern_mask && m->pattern_mask != 0;
#else
    return d->end - p > m->pattern_len && *p == '"' && m->pattern_len != 0 &&
           memcmp(p + 1, m->pattern, m->pattern_len) == 0;
#endif
}

/* Reads any key and its colon; *m is NULL when the model has no such member. */
static const char *read_key(struct decoder *d, const char *p, const struct weir__model_tables *t,
                            const struct weir__member **m, weir_str *key)
{
    if (peek(d, p) != '"')
        return unexpected(d, p, "a key is expected");
    p = read_string(d, p, key);
    if (p == NULL)
        return NULL;
    *m = weir__tables_find(t, *key);
    return read_colon(d, p);
}

/* Reports a key that may not be there (`at` is its place), and skips its value. */
static const char *refuse_member(struct decoder *d, const char *at, const char *p,
                                 const struct weir__path *path, const char *problem)
{
    d->report.at = at;
    weir__report_add(&d->report, path, "%s", problem);
    return skip_value(d, p, path);
}

/* A key that the model does not know, of the object that begins at `object`. */
static const char *skip_member(struct decoder *d, const char *at, const char *p,
                               const struct weir__path *path, const weir_model *model,
                               const char *object)
{
    if (model->is_strict)
        return refuse_member(d, at, p, path, "is not known");
    return note_key(d, object, d->depth, path->key, at, path) ? skip_value(d, p, path) : NULL;
}

/* Reads one member, key and value; *next is the one that is expected, and moves on. */
static inline const char *read_member(struct decoder *d, const char *p,
                                      const struct weir__model_tables *t,
                                      const struct weir__member **next,
                                      struct weir__member_set *set, const char *start, void *object,
                                      const struct weir__path *up)
{
    const struct weir__member *m = *next;
    const char *at = p;
    weir_str key = {0};
    if (WEIR_LIKELY(is_key_of(d, p, m))) {
        p = skip_blanks(d, p + 1 + m->pattern_len);
    } else {
        p = read_key(d, p, t, &m, &key);
        if (p == NULL)
            return NULL;
    }
    struct weir__path path = {.up = up, .member = m, .key = key};
    if (WEIR_UNLIKELY(m == NULL))
        return skip_member(d, at, p, &path, t->model, start);
    uint64_t *seen = &set->word[m->word];
    if (WEIR_UNLIKELY((*seen & m->bit) != 0))
        return refuse_member(d, at, p, &path, "is given twice");
    *seen |= m->bit;
    *next = m->next;
    return read_value(d, p, &path, m, object);
}

static const char *read_object(struct decoder *d, const char *p, const weir_model *model,
                               void *object, const struct weir__path *up)
{
    const struct weir__model_tables *t = weir__model_tables(model);
    const char *start = p;
    const struct weir__member *next;
    struct weir__member_set seen = {{0}};

    if (t == NULL)
        return no_memory(d);
    if (d->depth >= d->depth_max)
        return too_deep(d, p);
    d->depth++;
    next = t->members;
    p = skip_blanks(d, p + 1);
    if (peek(d, p) != '}') {
        for (;;) {
            p = read_member(d, p, t, &next, &seen, start, object, up);
            if (p == NULL)
                return NULL;
            p = skip_blanks(d, p);
            char ch = peek(d, p);
            if (ch != ',') {
                if (WEIR_LIKELY(ch == '}'))
                    break;
                return unexpected(d, p, "',' or '}' is expected");
            }
            p = skip_blanks(d, p + 1);
        }
    }
    d->depth--;
    if (WEIR_UNLIKELY(weir__tables_lack(t, &seen))) {
        d->report.at = start;
        weir__check_required(&d->report, up, t, &seen);
    }
    return p + 1;
}

static const char *read_item(struct decoder *d, const char *p, const struct weir__path *path,
                             const weir_model *model, const struct weir__model_tables *t,
                             void *item)
{
    const struct weir__member *m = &t->members[0];
    if (model->is_scalar) {
        if (WEIR_UNLIKELY(m->kind == WEIR_KIND_RAW_JSON))
            return read_raw(d, p, path, m, item); /* of which null is one */
        return read_value(d, p, path, m, item);
    }
    d->report.at = p;
    if (WEIR_LIKELY(peek(d, p) == '{'))
        return read_object(d, p, model, item, path);
    if (peek(d, p) == 'n')
        return read_null(d, p, path, m, item);
    return wrong_type(d, p, path, "an object");
}

/* Reads the items of an array up to its ']'; what is past the array's maximum is only counted. */
static const char *read_items(struct decoder *d, const char *p, const struct weir__member *m,
                              struct weir__array *a, const struct weir__path *path, size_t *count)
{
    const struct weir__model_tables *t = weir__model_tables(m->sub);
    if (t == NULL)
        return no_memory(d);
    for (;;) {
        if (++*count <= m->bound.len.max) {
            struct weir__path at = {.up = path, .index = a->len};
            void *item = weir__array_next(&d->report, a, m->sub->size);
            if (item == NULL)
                return NULL;
            a->len++;
            p = read_item(d, p, &at, m->sub, t, item);
        } else {
            struct weir__path at = {.up = path, .index = *count - 1};
            p = skip_value(d, p, &at);
        }
        if (p == NULL)
            return NULL;
        p = skip_blanks(d, p);
        if (peek(d, p) == ']')
            return p;
        if (peek(d, p) != ',')
            return unexpected(d, p, "',' or ']' is expected");
        p = skip_blanks(d, p + 1);
    }
}

static const char *read_array(struct decoder *d, const char *p, const struct weir__member *m,
                              struct weir__array *a, const struct weir__path *path)
{
    const char *start = p;
    size_t count = 0;
    if (d->depth >= d->depth_max)
        return too_deep(d, p);
    d->depth++;
    p = skip_blanks(d, p + 1);
    if (peek(d, p) != ']')
        p = read_items(d, p, m, a, path, &count);
    if (p == NULL)
        return NULL;
    d->depth--;
    d->report.at = start;
    weir__check_items(&d->report, path, m, count);
    return p + 1;
}

/* Reads one entry of a map, key and value; its key may not be there already. */
static const char *read_entry(struct decoder *d, const char *p, const struct weir__member *m,
                              const struct weir__model_tables *t, struct weir__array *a,
                              const struct weir__path *up, const char *start)
{
    const char *at = p;
    struct weir__path path = {.up = up};
    size_t before = d->report.total;
    if (peek(d, p) != '"')
        return unexpected(d, p, "a key is expected");
    p = read_string(d, p, &path.key);
    if (p == NULL || !note_key(d, start, d->depth, path.key, at, &path))
        return NULL;
    p = read_colon(d, p);
    if (p == NULL || d->report.total != before)
        return p != NULL ? skip_value(d, p, &path) : NULL;
    char *entry = weir__array_next(&d->report, a, weir__member_stride(m));
    if (entry == NULL)
        return NULL;
    *(weir_str *)(void *)entry = path.key;
    a->len++;
    return read_item(d, p, &path, m->sub, t, entry + weir__member_value_at(m));
}

/* The entries of a map up to its '}'; what is past the map's maximum is reported at the end. */
static const char *read_entries(struct decoder *d, const char *p, const struct weir__member *m,
                                struct weir__array *a, const struct weir__path *path,
                                const char *start)
{
    const struct weir__model_tables *t = weir__model_tables(m->sub);
    if (t == NULL)
        return no_memory(d);
    for (;;) {
        p = read_entry(d, p, m, t, a, path, start);
        if (p == NULL)
            return NULL;
        p = skip_blanks(d, p);
        if (peek(d, p) == '}')
            return p;
        if (peek(d, p) != ',')
            return unexpected(d, p, "',' or '}' is expected");
        p = skip_blanks(d, p + 1);
    }
}

static const char *read_map(struct decoder *d, const char *p, const struct weir__member *m,
                            struct weir__array *a, const struct weir__path *path)
{
    const char *start = p;
    if (d->depth >= d->depth_max)
        return too_deep(d, p);
    d->depth++;
    p = skip_blanks(d, p + 1);
    if (peek(d, p) != '}')
        p = read_entries(d, p, m, a, path, start);
    if (p == NULL)
        return NULL;
    d->depth--;
    d->report.at = start;
    weir__check_items(&d->report, path, m, a->len);
    return p + 1;
}

/* --- the whole -------------------------------------------------------------------------------- */

static weir_err decoder_init(struct decoder *d, struct weir__arena *arena, weir_str text,
                             const weir_json_limits *limits, weir_json_errors *errors)
{
    size_t bytes_max = limits != NULL ? limits->bytes_max : 0;
    uint32_t depth_max = limits != NULL ? limits->depth_max : 0;
    if (bytes_max == 0)
        bytes_max = BYTES_MAX_DEFAULT;
    if (depth_max == 0 || depth_max > WEIR_JSON_DEPTH_MAX)
        depth_max = WEIR_JSON_DEPTH_MAX;
    if (text.ptr == NULL)
        text.ptr = "";
    *d = (struct decoder){.end = text.ptr + text.len, .depth_max = depth_max};
    weir__report_init(&d->report, arena, errors);
    d->report.text = d->report.at = text.ptr;
    if (text.len <= bytes_max)
        return WEIR_OK;
    weir__report_add(&d->report, NULL, "must have at most %zu bytes, has %zu", bytes_max, text.len);
    return WEIR_ETOOLARGE;
}

/* Nothing may follow the value. */
static weir_err finish(struct decoder *d, const char *p)
{
    if (p != NULL) {
        p = skip_blanks(d, p);
        if (p != d->end)
            broken(d, p, "something follows the value");
    }
    return weir__report_result(&d->report);
}

weir_err weir__json_decode(struct weir__arena *arena, weir_str text, const weir_model *model,
                           void *out, const weir_json_limits *limits, weir_json_errors *errors)
{
    struct decoder d;
    memset(out, 0, model->size);
    weir_err err = decoder_init(&d, arena, text, limits, errors);
    if (err < 0)
        return err;
    const char *p = skip_blanks(&d, d.report.text);
    p = WEIR_LIKELY(peek(&d, p) == '{') ? read_object(&d, p, model, out, NULL)
                                        : wrong_type(&d, p, NULL, "an object");
    return finish(&d, p);
}

weir_err weir__json_decode_array(struct weir__arena *arena, weir_str text,
                                 const weir_model *item_model, void **out_ptr, size_t *out_len,
                                 const weir_json_limits *limits, weir_json_errors *errors)
{
    struct decoder d;
    struct weir__array a = {0};
    const struct weir__member whole = {
        .kind = WEIR_KIND_ARRAY, .sub = item_model, .bound.len.max = SIZE_MAX};
    weir_err err = decoder_init(&d, arena, text, limits, errors);
    if (err == WEIR_OK) {
        const char *p = skip_blanks(&d, d.report.text);
        p = peek(&d, p) == '[' ? read_array(&d, p, &whole, &a, NULL)
                               : wrong_type(&d, p, NULL, "an array");
        err = finish(&d, p);
    }
    *out_ptr = a.ptr;
    *out_len = a.len;
    return err;
}

bool weir__json_is_value(weir_str text)
{
    if (text.ptr == NULL)
        return false;
    struct decoder d = {.end = text.ptr + text.len, .depth_max = WEIR_JSON_DEPTH_MAX};
    d.report.text = d.report.at = text.ptr;
    const char *p = skip_value(&d, skip_blanks(&d, text.ptr), NULL);
    return p != NULL && skip_blanks(&d, p) == d.end;
}
