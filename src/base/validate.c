/*
 * Checks and their messages. A check that passes costs a comparison or two and touches nothing;
 * only a failure walks the path outwards, counts lines and takes memory, from the caller's arena.
 * The messages are written to be read behind the pointer: "/age must be at least 18, is 17".
 *
 * Values that came in are quoted only as numbers, so that a message needs no escaping.
 */
#include "base/validate.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/json_decode.h"
#include "base/num.h"
#include "base/utf8.h"
#include "base/value.h"

enum { MESSAGE_BYTES_MAX = 400, PATTERN_INPUT_MAX = 4096, EMAIL_BYTES_MAX = 254 };

/* --- reporting -------------------------------------------------------------------------------- */

void weir__report_init(struct weir__report *r, struct weir__arena *arena, weir_json_errors *errors)
{
    *r = (struct weir__report){.arena = arena, .errors = errors};
    if (errors != NULL)
        errors->count = errors->total = 0;
}

void weir__report_no_memory(struct weir__report *r)
{
    r->err = r->arena->is_over_budget ? WEIR_EBUDGET : -ENOMEM;
}

weir_err weir__report_result(const struct weir__report *r)
{
    return r->err < 0 ? r->err : r->total != 0 ? WEIR_EINVALID : WEIR_OK;
}

static weir_str step_name(const struct weir__path *path, char digits[WEIR__INT_TEXT_MAX])
{
    if (path->member != NULL)
        return weir__member_key(path->member);
    if (path->key.ptr != NULL)
        return path->key;
    return (weir_str){digits, weir__num_put_u64(digits, path->index)};
}

static size_t pointer_size(const struct weir__path *path)
{
    size_t size = 0;
    char digits[WEIR__INT_TEXT_MAX];
    for (; path != NULL; path = path->up) {
        weir_str name = step_name(path, digits);
        size += 1 + name.len;
        for (size_t i = 0; i < name.len; i++)
            size += name.ptr[i] == '~' || name.ptr[i] == '/';
    }
    return size;
}

/* Writes a step backwards, its end at `end`; returns its start. */
static char *write_step_before(char *end, const struct weir__path *path)
{
    char digits[WEIR__INT_TEXT_MAX];
    weir_str name = step_name(path, digits);
    for (size_t i = name.len; i-- > 0;) {
        char ch = name.ptr[i];
        if (ch == '~' || ch == '/') {
            *--end = ch == '~' ? '0' : '1';
            ch = '~';
        }
        *--end = ch;
    }
    *--end = '/';
    return end;
}

static weir_str pointer_text(struct weir__arena *arena, const struct weir__path *path)
{
    size_t size = pointer_size(path);
    char *text = weir__arena_alloc_aligned(arena, size + 1, 1);
    if (text == NULL)
        return WEIR_S("");
    char *end = text + size;
    *end = '\0';
    for (; path != NULL; path = path->up)
        end = write_step_before(end, path);
    return (weir_str){text, size};
}

static void set_place(const struct weir__report *r, weir_json_error *e)
{
    e->line = e->column = 0;
    if (r->text == NULL)
        return;
    const char *line = r->text;
    e->line = 1;
    for (const char *p = r->text; (p = memchr(p, '\n', (size_t)(r->at - p))) != NULL; line = ++p)
        e->line++;
    e->column = (uint32_t)(r->at - line) + 1;
}

void weir__report_add(struct weir__report *r, const struct weir__path *path, const char *format,
                      ...)
{
    r->total++;
    if (r->errors == NULL)
        return;
    r->errors->total++;
    if (r->errors->count == WEIR_JSON_ERRORS_MAX)
        return;

    char text[MESSAGE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;

    weir_json_error *e = &r->errors->items[r->errors->count++];
    e->pointer = pointer_text(r->arena, path);
    e->message = weir__arena_str(r->arena, (weir_str){text, weir__utf8_valid_prefix(text, len)});
    if (e->message.ptr == NULL)
        e->message = WEIR_S("is not valid");
    set_place(r, e);
}

/* --- numbers ---------------------------------------------------------------------------------- */

bool weir__check_int(struct weir__report *r, const struct weir__path *path,
                     const struct weir__member *m, int64_t v)
{
    if (WEIR_LIKELY(v >= m->bound.i.min && v <= m->bound.i.max))
        return true;
    bool is_small = v < m->bound.i.min;
    weir__report_add(r, path, "must be at %s %lld, is %lld", is_small ? "least" : "most",
                     (long long)(is_small ? m->bound.i.min : m->bound.i.max), (long long)v);
    return false;
}

bool weir__check_uint(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, uint64_t v)
{
    if (WEIR_LIKELY(v >= m->bound.u.min && v <= m->bound.u.max))
        return true;
    bool is_small = v < m->bound.u.min;
    weir__report_add(r, path, "must be at %s %llu, is %llu", is_small ? "least" : "most",
                     (unsigned long long)(is_small ? m->bound.u.min : m->bound.u.max),
                     (unsigned long long)v);
    return false;
}

void weir__report_past_range(struct weir__report *r, const struct weir__path *path,
                             const struct weir__member *m, bool is_negative)
{
    if (m->kind == WEIR_KIND_INT && is_negative)
        weir__report_add(r, path, "must be at least %lld", (long long)m->bound.i.min);
    else if (m->kind == WEIR_KIND_INT)
        weir__report_add(r, path, "must be at most %lld", (long long)m->bound.i.max);
    else if (is_negative)
        weir__report_add(r, path, "must be at least %llu", (unsigned long long)m->bound.u.min);
    else
        weir__report_add(r, path, "must be at most %llu", (unsigned long long)m->bound.u.max);
}

static size_t put_value(char *out, const struct weir__member *m, double v)
{
    return m->size == sizeof(float) ? weir__num_put_float(out, (float)v)
                                    : weir__num_put_double(out, v);
}

/* A float member is held to its options as what it will be: the nearest float. */
bool weir__check_float(struct weir__report *r, const struct weir__path *path,
                       const struct weir__member *m, double v)
{
    bool is_float = m->size == sizeof(float);
    if (is_float)
        v = (double)(float)v;
    if (WEIR_UNLIKELY(!isfinite(v))) {
        weir__report_add(r, path, "must be a number that a %s holds",
                         is_float ? "float" : "double");
        return false;
    }
    if (WEIR_LIKELY(v >= m->bound.f.min && v <= m->bound.f.max))
        return true;
    bool is_small = v < m->bound.f.min;
    char bound[WEIR__DOUBLE_TEXT_MAX], value[WEIR__DOUBLE_TEXT_MAX];
    size_t bound_len = put_value(bound, m, is_small ? m->bound.f.min : m->bound.f.max);
    size_t value_len = put_value(value, m, v);
    weir__report_add(r, path, "must be at %s %.*s, is %.*s", is_small ? "least" : "most",
                     (int)bound_len, bound, (int)value_len, value);
    return false;
}

/* --- texts and arrays ------------------------------------------------------------------------- */

bool weir__report_len(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, size_t len, const char *what)
{
    bool is_short = len < m->bound.len.min;
    size_t bound = is_short ? m->bound.len.min : m->bound.len.max;
    weir__report_add(r, path, "must have at %s %zu %s%s, has %zu", is_short ? "least" : "most",
                     bound, what, bound == 1 ? "" : "s", len);
    return false;
}

static bool check_len(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, weir_str s)
{
    /* n bytes are at most n and at least n / 4 code points: mostly nothing has to be counted */
    if (s.len <= m->bound.len.max && s.len / 4 >= m->bound.len.min)
        return true;
    size_t count = weir__utf8_count(s);
    if (count >= m->bound.len.min && count <= m->bound.len.max)
        return true;
    return weir__report_len(r, path, m, count, "character");
}

bool weir__check_items(struct weir__report *r, const struct weir__path *path,
                       const struct weir__member *m, size_t count)
{
    if (WEIR_LIKELY(count >= m->bound.len.min && count <= m->bound.len.max))
        return true;
    return weir__report_len(r, path, m, count, "item");
}

/* What addresses are made of: 1, RFC 5322 "atext", besides dots the local part; 2, domains. */
static const unsigned char address_char[256] = {
    ['0' ... '9'] = 3, ['a' ... 'z'] = 3, ['A' ... 'Z'] = 3, ['-'] = 3,  ['!'] = 1, ['#'] = 1,
    ['$'] = 1,         ['%'] = 1,         ['&'] = 1,         ['\''] = 1, ['*'] = 1, ['+'] = 1,
    ['/'] = 1,         ['='] = 1,         ['?'] = 1,         ['^'] = 1,  ['_'] = 1, ['`'] = 1,
    ['{'] = 1,         ['|'] = 1,         ['}'] = 1,         ['~'] = 1};

static inline bool is_in_address(char ch, unsigned part)
{
    return (address_char[(unsigned char)ch] & part) != 0;
}

static bool is_local_part(const char *p, const char *end)
{
    if (p == end || end - p > 64 || *p == '.' || end[-1] == '.')
        return false;
    for (; p < end; p++)
        if (!is_in_address(*p, 1) && (*p != '.' || p[-1] == '.'))
            return false;
    return true;
}

static bool is_domain(const char *p, const char *end)
{
    unsigned labels = 0;
    while (p < end) {
        const char *label = p;
        while (p < end && is_in_address(*p, 2))
            p++;
        if (p == label || p - label > 63 || *label == '-' || p[-1] == '-')
            return false;
        labels++;
        if (p == end)
            return labels >= 2;
        if (*p++ != '.')
            return false;
    }
    return false;
}

static bool is_email(weir_str s)
{
    const char *end = s.ptr + s.len;
    const char *at = s.len != 0 && s.len <= EMAIL_BYTES_MAX ? memchr(s.ptr, '@', s.len) : NULL;
    return at != NULL && is_local_part(s.ptr, at) && is_domain(at + 1, end);
}

static bool is_uuid(weir_str s)
{
    if (s.len != 36)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        char ch = s.ptr[i];
        bool is_hex = (ch >= '0' && ch <= '9') || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f');
        if (is_dash ? ch != '-' : !is_hex)
            return false;
    }
    return true;
}

static bool is_one_of(const char *const *list, weir_str s)
{
    for (; *list != NULL; list++)
        if (weir_str_eq(weir_str_from(*list), s))
            return true;
    return false;
}

static bool report_one_of(struct weir__report *r, const struct weir__path *path,
                          const char *const *list)
{
    char text[MESSAGE_BYTES_MAX - 40];
    size_t n = 0;
    for (size_t i = 0; list[i] != NULL; i++) {
        weir_str s = weir_str_from(list[i]);
        if (n + s.len + 6 > sizeof text) {
            memcpy(text + n, ", …", sizeof ", …" - 1);
            n += sizeof ", …" - 1;
            break;
        }
        if (i != 0) {
            memcpy(text + n, ", ", 2);
            n += 2;
        }
        memcpy(text + n, s.ptr, s.len);
        n += s.len;
    }
    weir__report_add(r, path, "must be one of %.*s", (int)n, text);
    return false;
}

/*
 * Matches a copy that ends in NUL: the range alone would do, but checkers of memory look for one.
 */
static bool matches(const regex_t *regex, weir_str s)
{
    char copy[PATTERN_INPUT_MAX + 1];
    regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)s.len};
    if (s.len > PATTERN_INPUT_MAX)
        return false;
    memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return regexec(regex, copy, 1, &range, REG_STARTEND) == 0;
}

static bool check_text_rules(struct weir__report *r, const struct weir__path *path,
                             const struct weir__member *m, weir_str s)
{
    const weir_field *f = m->field;
    if (f->format == WEIR_EMAIL && !is_email(s)) {
        weir__report_add(r, path, "must be an e-mail address");
        return false;
    }
    if (f->format == WEIR_UUID && !is_uuid(s)) {
        weir__report_add(r, path, "must be a UUID");
        return false;
    }
    if (f->one_of != NULL && !is_one_of(f->one_of, s))
        return report_one_of(r, path, f->one_of);
    if (m->regex != NULL && !matches(m->regex, s)) {
        weir__report_add(r, path, "must match %s", f->pattern);
        return false;
    }
    return true;
}

bool weir__check_text(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, weir_str s)
{
    if ((m->rules & WEIR__RULE_LEN) != 0 && !check_len(r, path, m, s))
        return false;
    return (m->rules & WEIR__RULE_TEXT) == 0 || check_text_rules(r, path, m, s);
}

void weir__check_required(struct weir__report *r, const struct weir__path *path,
                          const struct weir__model_tables *t, const struct weir__member_set *seen)
{
    for (uint32_t word = 0; word < WEIR__MEMBER_WORDS; word++) {
        uint64_t rest = t->required.word[word] & ~seen->word[word];
        for (; rest != 0; rest &= rest - 1) {
            uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(rest);
            struct weir__path at = {.up = path, .member = &t->members[i]};
            weir__report_add(r, &at, "is required");
        }
    }
}

/* --- whole structs ---------------------------------------------------------------------------- */

static void check_object(struct weir__report *r, const struct weir__path *up,
                         const weir_model *model, const void *object);

static void check_items(struct weir__report *r, const struct weir__path *path,
                        const struct weir__member *m, const struct weir__array *a)
{
    size_t stride = weir__member_stride(m), value_at = weir__member_value_at(m);
    weir__check_items(r, path, m, a->len);
    for (size_t i = 0; i < a->len && !m->sub->is_scalar; i++) {
        const void *item = (const char *)a->ptr + i * stride;
        struct weir__path at = {.up = path, .index = i};
        if (m->kind == WEIR_KIND_MAP)
            at.key = *(const weir_str *)item;
        check_object(r, &at, m->sub, (const char *)item + value_at);
    }
}

static bool is_absent(const struct weir__member *m, const void *object)
{
    const void *at = (const char *)object + m->offset;
    if (m->present != 0)
        return weir__member_presence(m, object) != WEIR_PRESENT;
    switch (m->kind) {
    case WEIR_KIND_STR:
    case WEIR_KIND_RAW_JSON:
        return ((const weir_str *)at)->ptr == NULL;
    case WEIR_KIND_BLOB:
        return ((const weir_blob *)at)->ptr == NULL;
    case WEIR_KIND_OPTIONAL:
        return *(const void *const *)at == NULL;
    default:
        return false;
    }
}

static void check_member(struct weir__report *r, const struct weir__path *path,
                         const struct weir__member *m, const void *object)
{
    const void *at = (const char *)object + m->offset;
    switch (m->kind) {
    case WEIR_KIND_INT:
        weir__check_int(r, path, m, weir__member_get_int(m, object));
        break;
    case WEIR_KIND_UINT:
        weir__check_uint(r, path, m, weir__member_get_uint(m, object));
        break;
    case WEIR_KIND_FLOAT:
        weir__check_float(r, path, m, weir__member_get_float(m, object));
        break;
    case WEIR_KIND_STR:
        weir__check_text(r, path, m, *(const weir_str *)at);
        break;
    case WEIR_KIND_MODEL:
        check_object(r, path, m->sub, at);
        break;
    case WEIR_KIND_ARRAY:
    case WEIR_KIND_MAP:
        check_items(r, path, m, at);
        break;
    case WEIR_KIND_OPTIONAL:
        if (*(const void *const *)at != NULL)
            check_object(r, path, m->sub, *(const void *const *)at);
        break;
    case WEIR_KIND_DECIMAL:
    case WEIR_KIND_BLOB:
    case WEIR_KIND_RAW_JSON:
        weir__value_check(r, path, m, object);
        break;
    default:
        break;
    }
}

static void check_object(struct weir__report *r, const struct weir__path *up,
                         const weir_model *model, const void *object)
{
    const struct weir__model_tables *t = weir__model_tables(model);
    if (t == NULL) {
        r->err = -ENOMEM;
        return;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        const struct weir__member *m = &t->members[i];
        struct weir__path path = {.up = up, .member = m};
        if (!is_absent(m, object))
            check_member(r, &path, m, object);
        else if ((m->rules & WEIR__RULE_REQUIRED) != 0)
            weir__report_add(r, &path, "is required");
    }
}

weir_err weir__model_validate(struct weir__arena *arena, const weir_model *model,
                              const void *object, weir_json_errors *errors)
{
    struct weir__report r;
    weir__report_init(&r, arena, errors);
    check_object(&r, NULL, model, object);
    return weir__report_result(&r);
}

/* --- binding texts ---------------------------------------------------------------------------- */

void *weir__array_next(struct weir__report *r, struct weir__array *a, size_t item_size)
{
    bool is_full = a->len == 0 || (a->len >= 4 && (a->len & (a->len - 1)) == 0);
    if (is_full) {
        size_t old_size = a->len * item_size; /* fits: so much memory is there */
        size_t new_size;
        void *grown = NULL;
        if (!__builtin_mul_overflow(a->len == 0 ? 4 : a->len * 2, item_size, &new_size))
            grown = weir__arena_grow(r->arena, a->ptr, old_size, new_size);
        if (grown == NULL) {
            weir__report_no_memory(r);
            return NULL;
        }
        a->ptr = grown;
    }
    void *item = (char *)a->ptr + a->len * item_size;
    memset(item, 0, item_size);
    return item;
}

weir_err weir__text_bool(weir_str text, bool *out)
{
    static const weir_str words[] = {{"false", 5}, {"true", 4}, {"0", 1},
                                     {"1", 1},     {"off", 3},  {"on", 2}};
    bool is_true = text.ptr == NULL;
    for (size_t i = 0; text.ptr != NULL; i++) {
        if (i == sizeof words / sizeof words[0])
            return WEIR_EINVALID;
        is_true = i % 2 == 1;
        if (weir_str_eq(text, words[i]))
            break;
    }
    *out = is_true;
    return WEIR_OK;
}

static bool bind_bool(struct weir__report *r, const struct weir__path *path, weir_str text,
                      bool *out)
{
    bool is_true;
    if (weir__text_bool(text, &is_true) < 0) {
        weir__report_add(r, path, "must be true or false");
        return false;
    }
    *out = is_true;
    return true;
}

static bool bind_int(struct weir__report *r, const struct weir__path *path,
                     const struct weir__member *m, weir_str text, void *object)
{
    int64_t i = 0;
    uint64_t u = 0;
    bool is_negative = text.len != 0 && text.ptr[0] == '-', is_fine;
    weir_err err = m->kind == WEIR_KIND_INT || is_negative ? weir_str_i64(text, &i)
                                                           : weir__num_text_u64(text, &u);
    if (err == WEIR_EINVALID) {
        weir__report_add(r, path, "must be an integer");
        return false;
    }
    if (err < 0 || (m->kind == WEIR_KIND_UINT && i < 0)) {
        weir__report_past_range(r, path, m, is_negative);
        return false;
    }
    is_fine =
        m->kind == WEIR_KIND_INT ? weir__check_int(r, path, m, i) : weir__check_uint(r, path, m, u);
    if (is_fine)
        weir__member_put_int(m, object, m->kind == WEIR_KIND_INT ? (uint64_t)i : u);
    return is_fine;
}

static bool bind_float(struct weir__report *r, const struct weir__path *path,
                       const struct weir__member *m, weir_str text, void *object)
{
    double v = 0;
    weir_err err = weir__num_text_double(text, &v);
    if (err == WEIR_EINVALID) {
        weir__report_add(r, path, "must be a number");
        return false;
    }
    if (err < 0)
        v = INFINITY; /* the check says so */
    return weir__check_float(r, path, m, v) && weir__field_set_double(m, object, v) == WEIR_OK;
}

static bool bind_str(struct weir__report *r, const struct weir__path *path,
                     const struct weir__member *m, weir_str text, void *object)
{
    if (text.ptr == NULL)
        text.ptr = "";
    if (!weir__utf8_is_valid(text)) {
        weir__report_add(r, path, "must be UTF-8 text");
        return false;
    }
    if (!weir__check_text(r, path, m, text))
        return false;
    *(weir_str *)(void *)((char *)object + m->offset) = text;
    return true;
}

static bool bind_json(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, weir_str text, void *object)
{
    if (weir__json_is_value(text)) /* blanks around it are allowed, and no part of it */
        return weir__value_set_json(r, path, m, weir_str_trim(text), object);
    weir__report_add(r, path, "must be JSON");
    return false;
}

static bool bind_item(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, weir_str text, void *object);

static bool bind_value(struct weir__report *r, const struct weir__path *path,
                       const struct weir__member *m, weir_str text, void *object)
{
    switch (m->kind) {
    case WEIR_KIND_BOOL:
        return bind_bool(r, path, text, (bool *)object + m->offset);
    case WEIR_KIND_INT:
    case WEIR_KIND_UINT:
        return bind_int(r, path, m, text, object);
    case WEIR_KIND_FLOAT:
        return bind_float(r, path, m, text, object);
    case WEIR_KIND_STR:
        return bind_str(r, path, m, text, object);
    case WEIR_KIND_WALL:
    case WEIR_KIND_UUID:
    case WEIR_KIND_DECIMAL:
    case WEIR_KIND_BLOB:
        return weir__value_bind(r, path, m, text, object);
    case WEIR_KIND_RAW_JSON:
        return bind_json(r, path, m, text, object);
    case WEIR_KIND_ARRAY:
        if (!m->sub->is_scalar)
            break;
        return bind_item(r, path, m, text, object);
    default:
        break;
    }
    weir__report_add(r, path, "cannot be given as text");
    return false;
}

static bool bind_item(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, weir_str text, void *object)
{
    struct weir__array *a = (void *)((char *)object + m->offset);
    const struct weir__model_tables *t = weir__model_tables(m->sub);
    void *item = t != NULL ? weir__array_next(r, a, m->sub->size) : NULL;
    if (item == NULL) {
        weir__report_no_memory(r);
        return false;
    }
    struct weir__path at = {.up = path, .index = a->len};
    if (!bind_value(r, &at, &t->members[0], text, item))
        return false;
    a->len++;
    return true;
}

weir_err weir__model_bind_text(struct weir__report *r, const struct weir__member *m, weir_str text,
                               void *object)
{
    struct weir__path path = {.member = m};
    size_t before = r->total;
    if (bind_value(r, &path, m, text, object))
        weir__member_mark(m, object, true);
    if (r->err < 0)
        return r->err;
    return r->total != before ? WEIR_EINVALID : WEIR_OK;
}

void weir__bind_begin(struct weir__binder *b, struct weir__arena *arena, const weir_model *model,
                      void *object, weir_json_errors *errors)
{
    *b = (struct weir__binder){.tables = weir__model_tables(model), .object = object};
    weir__report_init(&b->report, arena, errors);
    if (b->tables == NULL)
        b->err = -ENOMEM;
    memset(object, 0, model->size);
}

/* The member of a key that may still be given; NULL when there is none, reported if it must be. */
static const struct weir__member *take_member(struct weir__binder *b, weir_str key)
{
    const struct weir__member *m = weir__tables_find(b->tables, key);
    if (m == NULL) {
        struct weir__path path = {.key = key.ptr != NULL ? key : WEIR_S("")};
        if (b->tables->model->is_strict && weir__utf8_is_valid(path.key))
            weir__report_add(&b->report, &path, "is not known");
        else if (b->tables->model->is_strict)
            weir__report_add(&b->report, NULL, "has a key that is not UTF-8");
        return NULL;
    }
    uint64_t *seen = &b->seen.word[m->word];
    if ((*seen & m->bit) != 0 && m->kind != WEIR_KIND_ARRAY) {
        struct weir__path path = {.member = m};
        weir__report_add(&b->report, &path, "is given twice");
        return NULL;
    }
    *seen |= m->bit;
    return m;
}

void weir__bind_text(struct weir__binder *b, weir_str key, weir_str text)
{
    const struct weir__member *m = b->err < 0 ? NULL : take_member(b, key);
    if (m == NULL)
        return;
    weir_err err = weir__model_bind_text(&b->report, m, text, b->object);
    if (err < 0 && err != WEIR_EINVALID)
        b->err = err;
}

void weir__bind_bad(struct weir__binder *b, weir_str key, const char *what)
{
    const struct weir__member *m = b->err < 0 ? NULL : take_member(b, key);
    struct weir__path path = {.member = m, .key = weir__utf8_is_valid(key) ? key : WEIR_S("")};
    if (b->err == WEIR_OK)
        weir__report_add(&b->report, &path, "%s", what);
}

weir_err weir__bind_end(struct weir__binder *b)
{
    if (b->err < 0)
        return b->err;
    if (WEIR_UNLIKELY(weir__tables_lack(b->tables, &b->seen)))
        weir__check_required(&b->report, NULL, b->tables, &b->seen);
    for (uint32_t i = 0; i < b->tables->count; i++) {
        const struct weir__member *m = &b->tables->members[i];
        struct weir__path path = {.member = m};
        if (m->kind == WEIR_KIND_ARRAY && (b->seen.word[m->word] & m->bit) != 0)
            weir__check_items(&b->report, &path, m,
                              ((struct weir__array *)(void *)((char *)b->object + m->offset))->len);
    }
    return weir__report_result(&b->report);
}
