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

#include <stdio.h>

#include "base/json_keys.h"
#include "base/json_scan.h"
#include "base/num.h"
#include "base/utf8.h"
#include "base/validate.h"

enum { BYTES_MAX_DEFAULT = 1 << 20, QUOTE_MAX = 32 };

struct decoder {
    const char *end;
    uint32_t depth, depth_max;
    struct weir__json_keys unknown;
    struct weir__report report;
};

/* --- errors ----------------------------------------------------------------------------------- */

/* Broken syntax: the only error that is then reported. */
static const char *broken(struct decoder *d, const char *p, const char *what)
{
    if (d->report.errors != NULL)
        d->report.errors->count = d->report.errors->total = 0;
    const char *line = d->report.text;
    unsigned lines = 1;
    for (const char *q = line; (q = memchr(q, '\n', (size_t)(p - q))) != NULL; line = ++q)
        lines++;
    d->report.at = p;
    weir__report_add(&d->report, NULL, "is not JSON: %s at line %u, column %zu", what, lines,
                     (size_t)(p - line) + 1);
    return NULL;
}

static const char *unexpected(struct decoder *d, const char *p, const char *what)
{
    return broken(d, p, p == d->end ? "it ends too early" : what);
}

static const char *no_memory(struct decoder *d)
{
    weir__report_no_memory(&d->report);
    return NULL;
}

/* --- tokens ----------------------------------------------------------------------------------- */

/* The byte at `p`; 0, which no token begins with, at the end. */
static inline char peek(const struct decoder *d, const char *p)
{
    return WEIR_LIKELY(p < d->end) ? *p : '\0';
}

static inline const char *skip_blanks(const struct decoder *d, const char *p)
{
    while (p < d->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* Checks \uXXXX, and its second half where it is a surrogate; `p` is at the backslash. */
static const char *check_unicode_escape(struct decoder *d, const char *p)
{
    int32_t unit = weir__json_hex4(p + 2, d->end);
    if (unit < 0)
        return unexpected(d, p, "an escape without four hexadecimal digits");
    if (unit < 0xd800 || unit > 0xdfff)
        return p + 6;
    int32_t second =
        d->end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? weir__json_hex4(p + 8, d->end) : -1;
    if (unit > 0xdbff || second < 0xdc00 || second > 0xdfff)
        return broken(d, p, "a surrogate without its other half");
    return p + 12;
}

static const char *check_escape(struct decoder *d, const char *p)
{
    switch (peek(d, p + 1)) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        return check_unicode_escape(d, p);
    default:
        return broken(d, p, "an escape that JSON does not have");
    }
}

/* From behind the opening quote to the closing one; checks escapes and UTF-8. */
static inline const char *scan_string(struct decoder *d, const char *start, bool *has_escape)
{
    unsigned high = 0;
    const char *p = start;
    *has_escape = false;
    while ((p = weir__json_scan(p, d->end, &high)) < d->end && *p != '"') {
        if (*p != '\\')
            return broken(d, p, "a control character in a string");
        *has_escape = true;
        p = check_escape(d, p);
        if (p == NULL)
            return NULL;
    }
    if (p == d->end)
        return broken(d, p, "it ends too early");
    if (WEIR_UNLIKELY(high != 0)) {
        size_t valid = weir__utf8_valid_prefix(start, (size_t)(p - start));
        if (valid != (size_t)(p - start))
            return broken(d, start + valid, "a string that is not UTF-8");
    }
    return p;
}

/* Writes what one checked escape stands for; moves both places on. */
static void unescape_one(const char **from, char **to)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *p = *from;
    if (p[1] != 'u') {
        *(*to)++ = meant[strchr(plain, p[1]) - plain];
        *from += 2;
        return;
    }
    uint32_t unit = (uint32_t)weir__json_hex4(p + 2, p + 6);
    *from += 6;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        uint32_t second = (uint32_t)weir__json_hex4(p + 8, p + 12);
        unit = 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
        *from += 6;
    }
    *to += weir__utf8_put(*to, unit);
}

/* A copy of a checked string without its escapes; it is never longer. */
static bool unescape(struct decoder *d, weir_str *s)
{
    char *copy = weir__arena_alloc_aligned(d->report.arena, s->len, 1);
    if (copy == NULL) {
        no_memory(d);
        return false;
    }
    const char *from = s->ptr, *end = s->ptr + s->len;
    char *to = copy;
    while (from < end) {
        const char *slash = memchr(from, '\\', (size_t)(end - from));
        size_t n = (size_t)((slash != NULL ? slash : end) - from);
        memcpy(to, from, n);
        from += n;
        to += n;
        if (from < end)
            unescape_one(&from, &to);
    }
    *s = (weir_str){copy, (size_t)(to - copy)};
    return true;
}

/* Reads a string; `p` is at its opening quote. */
static inline const char *read_string(struct decoder *d, const char *p, weir_str *out)
{
    bool has_escape;
    const char *end = scan_string(d, p + 1, &has_escape);
    if (end == NULL)
        return NULL;
    *out = (weir_str){p + 1, (size_t)(end - p - 1)};
    if (WEIR_UNLIKELY(has_escape) && !unescape(d, out))
        return NULL;
    return end + 1;
}

static const char *read_literal(struct decoder *d, const char *p, const char *word, size_t n)
{
    if ((size_t)(d->end - p) < n || memcmp(p, word, n) != 0)
        return unexpected(d, p, "a word that is not true, false or null");
    return p + n;
}

/* The place behind a number, by the grammar alone. */
static const char *skip_number(struct decoder *d, const char *p)
{
    p += *p == '-';
    if (!weir__json_is_digit(peek(d, p)))
        return unexpected(d, p, "a number without digits");
    if (*p == '0' && weir__json_is_digit(peek(d, p + 1)))
        return broken(d, p, "a number that begins with 0");
    while (weir__json_is_digit(peek(d, p)))
        p++;
    if (peek(d, p) == '.') {
        if (!weir__json_is_digit(peek(d, ++p)))
            return unexpected(d, p, "a number without digits behind its point");
        while (weir__json_is_digit(peek(d, p)))
            p++;
    }
    if ((peek(d, p) | 0x20) == 'e') {
        p++;
        if (peek(d, p) == '+' || peek(d, p) == '-')
            p++;
        if (!weir__json_is_digit(peek(d, p)))
            return unexpected(d, p, "a number without digits in its exponent");
        while (weir__json_is_digit(peek(d, p)))
            p++;
    }
    return p;
}

/* --- skipping values -------------------------------------------------------------------------- */

static const char *skip_string(struct decoder *d, const char *p)
{
    bool has_escape;
    p = scan_string(d, p + 1, &has_escape);
    return p != NULL ? p + 1 : NULL;
}

static const char *skip_scalar(struct decoder *d, const char *p)
{
    switch (peek(d, p)) {
    case '"':
        return skip_string(d, p);
    case 't':
        return read_literal(d, p, "true", 4);
    case 'f':
        return read_literal(d, p, "false", 5);
    case 'n':
        return read_literal(d, p, "null", 4);
    default:
        break;
    }
    if (peek(d, p) == '-' || weir__json_is_digit(peek(d, p)))
        return skip_number(d, p);
    return unexpected(d, p, "a value is expected");
}

/* Behind a key there is a colon. */
static const char *read_colon(struct decoder *d, const char *p)
{
    p = skip_blanks(d, p);
    if (peek(d, p) != ':')
        return unexpected(d, p, "':' is expected");
    return skip_blanks(d, p + 1);
}

/* Containers that are open in a value that is being skipped. */
struct skipped {
    uint64_t objects; /* a bit for each: it is an object */
    unsigned level;
    const struct weir__path *path;          /* of the whole value */
    const char *begun[WEIR_JSON_DEPTH_MAX]; /* where each is in the text */
};

/* Notes a key that no model knows, at `at`, in the object at `object`. False: it is over. */
static bool note_key(struct decoder *d, const char *object, uint32_t depth, weir_str key,
                     const char *at, const struct weir__path *path)
{
    weir_err err = weir__json_keys_add(&d->unknown, d->report.arena, object, depth, key);
    d->report.at = at;
    if (err == WEIR_EINVALID && depth == d->depth)
        weir__report_add(&d->report, path, "is given twice");
    else if (err == WEIR_EINVALID)
        weir__report_add(&d->report, path, "has a key twice: %.*s%s",
                         key.len > QUOTE_MAX ? QUOTE_MAX : (int)key.len, key.ptr,
                         key.len > QUOTE_MAX ? "…" : "");
    else if (err == WEIR_ELIMIT)
        broken(d, at, "an object with too many unknown keys");
    else if (err < 0)
        no_memory(d);
    return err == WEIR_OK || err == WEIR_EINVALID;
}

static const char *skip_key(struct decoder *d, const char *p, const struct skipped *s)
{
    weir_str key;
    p = skip_blanks(d, p);
    if (peek(d, p) != '"')
        return unexpected(d, p, "a key is expected");
    const char *at = p;
    p = read_string(d, p, &key);
    if (p == NULL || !note_key(d, s->begun[s->level - 1], d->depth + s->level, key, at, s->path))
        return NULL;
    return read_colon(d, p);
}

static const char *too_deep(struct decoder *d, const char *p)
{
    char what[64];
    snprintf(what, sizeof what, "nesting over %u levels", (unsigned)d->depth_max);
    return broken(d, p, what);
}

/*
 * Behind a value in a container that is being skipped: goes on to where the next value is due, or
 * closes containers until none is left.
 */
static const char *skip_to_next(struct decoder *d, const char *p, struct skipped *s)
{
    while (s->level > 0) {
        bool is_object = (s->objects >> (s->level - 1) & 1) != 0;
        p = skip_blanks(d, p);
        char ch = peek(d, p);
        if (ch == ',')
            return is_object ? skip_key(d, p + 1, s) : skip_blanks(d, p + 1);
        if (ch != (is_object ? '}' : ']'))
            return unexpected(d, p,
                              is_object ? "',' or '}' is expected" : "',' or ']' is expected");
        p++;
        s->level--;
    }
    return p;
}

/* Skips any value, its syntax checked, without recursion; `p` is at its first byte. */
static const char *skip_value(struct decoder *d, const char *p, const struct weir__path *path)
{
    struct skipped s;
    s.objects = 0;
    s.level = 0;
    s.path = path;
    do {
        char ch = peek(d, p);
        if (ch != '{' && ch != '[') {
            p = skip_scalar(d, p);
        } else if (d->depth + s.level >= d->depth_max) {
            return too_deep(d, p);
        } else {
            bool is_object = ch == '{';
            s.objects = (s.objects & ~((uint64_t)1 << s.level)) | (uint64_t)is_object << s.level;
            s.begun[s.level++] = p;
            p = skip_blanks(d, p + 1);
            if (peek(d, p) != (is_object ? '}' : ']')) {
                p = is_object ? skip_key(d, p, &s) : p;
                continue;
            }
            p++;
            s.level--;
        }
        if (p != NULL)
            p = skip_to_next(d, p, &s);
    } while (p != NULL && s.level > 0);
    return p;
}

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
                             const struct weir__member *m)
{
    const char *behind = read_literal(d, p, "null", 4);
    bool is_item = path == NULL || path->member == NULL;
    if (behind != NULL && (is_item || (m->rules & WEIR__RULE_REQUIRED) != 0))
        weir__report_add(&d->report, path, "must not be null");
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

static const char *read_nested(struct decoder *d, const char *p, const struct weir__path *path,
                               const struct weir__member *m, void *object)
{
    void *at = (char *)object + m->offset;
    if (m->kind == WEIR_KIND_ARRAY)
        p = peek(d, p) == '[' ? read_array(d, p, m, at, path) : wrong_type(d, p, path, "an array");
    else
        p = peek(d, p) == '{' ? read_object(d, p, m->sub, at, path)
                              : wrong_type(d, p, path, "an object");
    if (p != NULL)
        weir__member_mark(m, object, true);
    return p;
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
        return read_null(d, p, path, m);
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
    default:
        return read_nested(d, p, path, m, object);
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
                                      const struct weir__model_tables *t, uint32_t *next,
                                      uint32_t *seen, const char *start, void *object,
                                      const struct weir__path *up)
{
    const struct weir__member *m = &t->members[*next];
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
    uint32_t bit = (uint32_t)1 << m->index;
    if (WEIR_UNLIKELY((*seen & bit) != 0))
        return refuse_member(d, at, p, &path, "is given twice");
    *seen |= bit;
    *next = m->index + 1u < t->count ? m->index + 1u : 0;
    return read_value(d, p, &path, m, object);
}

static const char *read_object(struct decoder *d, const char *p, const weir_model *model,
                               void *object, const struct weir__path *up)
{
    const struct weir__model_tables *t = weir__model_tables(model);
    const char *start = p;
    uint32_t next = 0, seen = 0;

    if (t == NULL)
        return no_memory(d);
    if (d->depth >= d->depth_max)
        return too_deep(d, p);
    d->depth++;
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
    if (WEIR_UNLIKELY((t->required & ~seen) != 0)) {
        d->report.at = start;
        weir__check_required(&d->report, up, t, ~seen);
    }
    return p + 1;
}

static const char *read_item(struct decoder *d, const char *p, const struct weir__path *path,
                             const weir_model *model, const struct weir__model_tables *t,
                             void *item)
{
    if (model->is_scalar)
        return read_value(d, p, path, &t->members[0], item);
    d->report.at = p;
    if (WEIR_LIKELY(peek(d, p) == '{'))
        return read_object(d, p, model, item, path);
    if (peek(d, p) == 'n')
        return read_null(d, p, path, &t->members[0]);
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
