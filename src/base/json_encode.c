/*
 * Writing JSON into a window. Two things make it fast: the text between two values, `,"name":`, is
 * ready in the model's tables and copied 16 bytes a step; and a string that fits the window is
 * copied and looked through at the same time, and only when something in it needs an escape is it
 * written again byte by byte.
 *
 * The window may end anywhere. Every piece asks for the room it needs (at most
 * WEIR__JSON_WINDOW_MIN bytes at once); when the sink fails, the window becomes empty and every
 * later piece fails the same way.
 */
#include "base/json_encode.h"

#include <math.h>

#include "base/assert.h"
#include "base/given.h"
#include "base/json_decode.h"
#include "base/json_scan.h"
#include "base/model.h"
#include "base/num.h"
#include "base/utf8.h"
#include "base/value.h"

#define EVERY_BYTE(b) (0x0101010101010101u * (b))

/* --- the window ------------------------------------------------------------------------------- */

static char *fail(struct weir__json_writer *w, weir_err err)
{
    if (w->err == WEIR_OK)
        w->err = err;
    w->at = w->end = w->start;
    return NULL;
}

static __attribute__((noinline)) char *flush(struct weir__json_writer *w)
{
    if (w->err < 0)
        return NULL;
    weir_err err = w->flush != NULL ? w->flush(w) : WEIR_ETOOLARGE;
    if (err < 0)
        return fail(w, err);
    WEIR_ASSERT(w->end - w->at >= WEIR__JSON_WINDOW_MIN, "a flushed window has its least room");
    return w->at;
}

/* Where the next `n` bytes (at most WEIR__JSON_WINDOW_MIN) go; NULL after an error. */
static inline char *room(struct weir__json_writer *w, size_t n)
{
    return WEIR_LIKELY((size_t)(w->end - w->at) >= n) ? w->at : flush(w);
}

static inline void put_char(struct weir__json_writer *w, char ch)
{
    if (WEIR_LIKELY(room(w, 1) != NULL))
        *w->at++ = ch;
}

static void put_bytes(struct weir__json_writer *w, const char *p, size_t n)
{
    while (n > 0 && room(w, 1) != NULL) {
        size_t part = (size_t)(w->end - w->at) < n ? (size_t)(w->end - w->at) : n;
        memcpy(w->at, p, part);
        w->at += part;
        p += part;
        n -= part;
    }
}

/* --- strings ---------------------------------------------------------------------------------- */

/* Other than 0 when one of 8 bytes is not ASCII, a control character, a quote or a backslash. */
static inline uint64_t special8(uint64_t x)
{
    uint64_t quote = x ^ EVERY_BYTE('"'), slash = x ^ EVERY_BYTE('\\');
    uint64_t low = x - EVERY_BYTE(0x20);
    return (x | low | (quote - EVERY_BYTE(1)) | (slash - EVERY_BYTE(1))) & EVERY_BYTE(0x80);
}

/* Copies 1 to 15 bytes; false when one of them needs an escape or a look (or may need one). */
static inline bool copy_short(char *to, const char *p, size_t n)
{
    uint64_t a = EVERY_BYTE('a'), b = EVERY_BYTE('a');
    if (n >= 8) {
        memcpy(&a, p, 8);
        memcpy(&b, p + n - 8, 8);
        memcpy(to, &a, 8);
        memcpy(to + n - 8, &b, 8);
    } else if (n >= 4) {
        memcpy(&a, p, 4);
        memcpy(&b, p + n - 4, 4);
        memcpy(to, &a, 4);
        memcpy(to + n - 4, &b, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = p[i];
        memcpy(&a, to, 1);
        memcpy((char *)&a + 1, to + n / 2, 1);
        memcpy((char *)&a + 2, to + n - 1, 1);
    }
    return (special8(a) | special8(b)) == 0;
}

/* Copies a string that the window has room for; false when it must be looked at byte by byte. */
static inline bool copy_plain(char *to, const char *p, size_t n)
{
#ifdef __SSE2__
    if (n >= 16) {
        const char *last = p + n - 16;
        for (;;) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
            _mm_storeu_si128((__m128i *)(void *)to, bytes);
            if (weir__json_special_mask(bytes) != 0 || _mm_movemask_epi8(bytes) != 0)
                return false;
            if (p == last)
                return true;
            size_t step = (size_t)(last - p) < 16 ? (size_t)(last - p) : 16;
            p += step;
            to += step;
        }
    }
#else
    for (; n > 15; n -= 8, p += 8, to += 8) {
        uint64_t bytes;
        memcpy(&bytes, p, 8);
        memcpy(to, &bytes, 8);
        if (special8(bytes) != 0)
            return false;
    }
#endif
    return n == 0 || copy_short(to, p, n);
}

static void put_escape(struct weir__json_writer *w, unsigned char ch)
{
    static const char hex[] = "0123456789abcdef";
    static const char names[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char *at = room(w, 6);
    if (at == NULL)
        return;
    at[0] = '\\';
    if (ch >= 0x20 || names[ch] != 0) {
        at[1] = ch >= 0x20 ? (char)ch : names[ch];
        w->at += 2;
        return;
    }
    memcpy(at + 1, "u00", 3);
    at[4] = hex[ch >> 4];
    at[5] = hex[ch & 15];
    w->at += 6;
}

/*
 * Writes any bytes as the inside of a string: escapes, and U+FFFD for each byte that is not UTF-8.
 */
static void put_text(struct weir__json_writer *w, const char *p, const char *end)
{
    while (p < end && w->err == WEIR_OK) {
        const char *start = p;
        while (p < end && (unsigned char)*p < 0x80 && !weir__json_is_special((unsigned char)*p))
            p++;
        put_bytes(w, start, (size_t)(p - start));
        if (p == end)
            return;
        if ((unsigned char)*p < 0x80) {
            put_escape(w, (unsigned char)*p++);
            continue;
        }
        unsigned n = weir__utf8_step(p, end);
        put_bytes(w, n != 0 ? p : "\xef\xbf\xbd", n != 0 ? n : 3);
        p += n != 0 ? n : 1;
    }
}

static inline void put_string(struct weir__json_writer *w, weir_str s)
{
    if (WEIR_LIKELY((size_t)(w->end - w->at) > s.len + 1)) {
        w->at[0] = '"';
        if (WEIR_LIKELY(copy_plain(w->at + 1, s.ptr, s.len))) {
            w->at[s.len + 1] = '"';
            w->at += s.len + 2;
            return;
        }
    }
    put_char(w, '"');
    if (s.len > 0) /* a key may be absent */
        put_text(w, s.ptr, s.ptr + s.len);
    put_char(w, '"');
}

/* --- values without their commas -------------------------------------------------------------- */

static void put_null(struct weir__json_writer *w)
{
    put_bytes(w, "null", 4);
}

static inline void put_int(struct weir__json_writer *w, int64_t v)
{
    char *at = room(w, WEIR__INT_TEXT_MAX);
    if (WEIR_LIKELY(at != NULL))
        w->at += weir__num_put_i64(at, v);
}

static inline void put_uint(struct weir__json_writer *w, uint64_t v)
{
    char *at = room(w, WEIR__INT_TEXT_MAX);
    if (WEIR_LIKELY(at != NULL))
        w->at += weir__num_put_u64(at, v);
}

static void put_float(struct weir__json_writer *w, double v, bool is_float)
{
    char *at = room(w, WEIR__DOUBLE_TEXT_MAX);
    if (at == NULL)
        return;
    if (!isfinite(v))
        put_null(w);
    else
        w->at += is_float ? weir__num_put_float(at, (float)v) : weir__num_put_double(at, v);
}

static void put_bool(struct weir__json_writer *w, bool v)
{
    put_bytes(w, v ? "true" : "false", v ? 4 : 5);
}

/* --- models ----------------------------------------------------------------------------------- */

static void put_object(struct weir__json_writer *w, const weir_model *model, const void *object);

static inline void put_value(struct weir__json_writer *w, const struct weir__member *m,
                             const void *object);

static __attribute__((noinline)) void put_rare(struct weir__json_writer *w,
                                               const struct weir__member *m, const void *object);

static void put_items(struct weir__json_writer *w, const weir_model *model,
                      const struct weir__array *a)
{
    const struct weir__model_tables *t = weir__model_tables(model);
    if (t == NULL) {
        fail(w, -ENOMEM);
        return;
    }
    put_char(w, '[');
    for (size_t i = 0; i < a->len && w->err == WEIR_OK; i++) {
        const void *item = (const char *)a->ptr + i * model->size;
        if (i != 0)
            put_char(w, ',');
        if (model->is_scalar)
            put_value(w, &t->members[0], item);
        else
            put_object(w, model, item);
    }
    put_char(w, ']');
}

static inline void put_value(struct weir__json_writer *w, const struct weir__member *m,
                             const void *object)
{
    const void *at = (const char *)object + m->offset;
    const weir_str *s = at;
    switch (m->kind) {
    case WEIR_KIND_STR:
        if (WEIR_LIKELY(s->ptr != NULL))
            put_string(w, *s);
        else
            put_null(w);
        break;
    case WEIR_KIND_BOOL:
        put_bool(w, *(const bool *)at);
        break;
    case WEIR_KIND_INT:
        put_int(w, weir__member_get_int(m, object));
        break;
    case WEIR_KIND_UINT:
        put_uint(w, weir__member_get_uint(m, object));
        break;
    case WEIR_KIND_FLOAT:
        put_float(w, weir__member_get_float(m, object), m->size == sizeof(float));
        break;
    case WEIR_KIND_MODEL:
        put_object(w, m->sub, at);
        break;
    case WEIR_KIND_ARRAY:
        put_items(w, m->sub, at);
        break;
    default:
        put_rare(w, m, object);
        break;
    }
}

static void put_blob(struct weir__json_writer *w, const weir_blob *b)
{
    const unsigned char *p = b->ptr;
    put_char(w, '"');
    for (size_t left = b->len; left > 0 && w->err == WEIR_OK;) {
        char text[64];
        size_t n = left < 48 ? left : 48;
        weir__base64_put(text, p, n);
        put_bytes(w, text, (n + 2) / 3 * 4);
        p += n;
        left -= n;
    }
    put_char(w, '"');
}

/* A point of time, a UUID, a decimal: as their texts; null for a time that has none. */
static void put_text_value(struct weir__json_writer *w, const struct weir__member *m,
                           const void *object)
{
    char text[WEIR__VALUE_TEXT_MAX];
    size_t n = weir__value_put(m, object, text);
    if (n == 0) {
        put_null(w);
        return;
    }
    put_char(w, '"');
    put_bytes(w, text, n);
    put_char(w, '"');
}

static void put_raw(struct weir__json_writer *w, weir_str text)
{
    if (weir__json_is_value(text))
        put_bytes(w, text.ptr, text.len);
    else
        fail(w, WEIR_EINVALID);
}

static void put_map(struct weir__json_writer *w, const struct weir__member *m,
                    const struct weir__array *a)
{
    const struct weir__model_tables *t = weir__model_tables(m->sub);
    size_t stride = weir__member_stride(m), value_at = weir__member_value_at(m);
    if (t == NULL) {
        fail(w, -ENOMEM);
        return;
    }
    put_char(w, '{');
    for (size_t i = 0; i < a->len && w->err == WEIR_OK; i++) {
        const char *entry = (const char *)a->ptr + i * stride;
        if (i != 0)
            put_char(w, ',');
        put_string(w, *(const weir_str *)(const void *)entry);
        put_char(w, ':');
        if (m->sub->is_scalar)
            put_value(w, &t->members[0], entry + value_at);
        else
            put_object(w, m->sub, entry + value_at);
    }
    put_char(w, '}');
}

static void put_rare(struct weir__json_writer *w, const struct weir__member *m, const void *object)
{
    const void *at = (const char *)object + m->offset;
    switch (m->kind) {
    case WEIR_KIND_WALL:
    case WEIR_KIND_UUID:
    case WEIR_KIND_DECIMAL:
        put_text_value(w, m, object);
        break;
    case WEIR_KIND_BLOB:
        ((const weir_blob *)at)->ptr != NULL ? put_blob(w, at) : put_null(w);
        break;
    case WEIR_KIND_RAW_JSON:
        ((const weir_str *)at)->ptr != NULL ? put_raw(w, *(const weir_str *)at) : put_null(w);
        break;
    case WEIR_KIND_OPTIONAL:
        at = *(const void *const *)at;
        at != NULL ? put_object(w, m->sub, at) : put_null(w);
        break;
    default:
        put_map(w, m, at);
        break;
    }
}

static bool is_zero(const void *p, size_t size)
{
    const char *bytes = p;
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* True when `omit_empty` leaves the member out. */
static bool is_empty(const struct weir__member *m, const void *object)
{
    const void *at = (const char *)object + m->offset;
    switch (m->kind) {
    case WEIR_KIND_BOOL:
        return !*(const bool *)at;
    case WEIR_KIND_INT:
    case WEIR_KIND_UINT:
        return weir__member_get_uint(m, object) == 0;
    case WEIR_KIND_FLOAT:
        return fpclassify(weir__member_get_float(m, object)) == FP_ZERO;
    case WEIR_KIND_STR:
    case WEIR_KIND_BLOB:
    case WEIR_KIND_RAW_JSON:
        return ((const weir_str *)at)->len == 0;
    case WEIR_KIND_ARRAY:
    case WEIR_KIND_MAP:
        return ((const struct weir__array *)at)->len == 0;
    case WEIR_KIND_WALL:
    case WEIR_KIND_UUID:
    case WEIR_KIND_OPTIONAL:
        return is_zero(at, m->size);
    case WEIR_KIND_DECIMAL:
        return weir_decimal_cmp(*(const weir_decimal *)at, (weir_decimal){.scale = 0}) == 0;
    default:
        return false;
    }
}

/* What is written of a member that has a flag or `omit_empty`: nothing, its value, or null. */
static weir_presence look_at(const struct weir__member *m, const void *object)
{
    weir_presence p = m->present != 0 ? weir__member_presence(m, object) : WEIR_PRESENT;
    if (p == WEIR_PRESENT && (m->rules & WEIR__RULE_OMIT_EMPTY) != 0 && is_empty(m, object))
        return WEIR_ABSENT;
    return p;
}

/* Copies `,"name":`, with what its first byte is to be. */
static inline void put_fragment(struct weir__json_writer *w, const struct weir__member *m,
                                char first)
{
    size_t n = m->fragment_len;
    if (WEIR_UNLIKELY((size_t)(w->end - w->at) < n + 16)) {
        put_char(w, first);
        put_bytes(w, m->fragment + 1, n - 1);
        return;
    }
    for (size_t i = 0; i < n; i += 16) /* the tables have 16 spare bytes behind the last one */
        memcpy(w->at + i, m->fragment + i, 16);
    *w->at = first;
    w->at += n;
}

static void put_object(struct weir__json_writer *w, const weir_model *model, const void *object)
{
    const struct weir__model_tables *t = weir__model_tables(model);
    char first = '{';
    if (t == NULL) {
        fail(w, -ENOMEM);
        return;
    }
    const struct weir__member *m = t->members, *end = m + t->count;
    for (; m < end; m++) {
        weir_presence p = WEIR_PRESENT;
        if (WEIR_UNLIKELY((m->rules & (WEIR__RULE_FLAG | WEIR__RULE_OMIT_EMPTY)) != 0))
            p = look_at(m, object);
        if (p == WEIR_ABSENT)
            continue;
        put_fragment(w, m, first);
        first = ',';
        if (WEIR_LIKELY(p != WEIR_IS_NULL))
            put_value(w, m, object);
        else
            put_null(w);
    }
    if (first == '{')
        put_char(w, '{');
    put_char(w, '}');
}

/* --- pieces ----------------------------------------------------------------------------------- */

/* Before a value or a key: the comma that is due. */
static inline void put_comma(struct weir__json_writer *w)
{
    uint64_t bit = w->depth > 0 ? (uint64_t)1 << (w->depth - 1) : 0;
    if ((w->has_items & bit) != 0)
        put_char(w, ',');
    w->has_items |= bit;
}

static inline void begin_value(struct weir__json_writer *w)
{
    if (w->after_key)
        w->after_key = false;
    else
        put_comma(w);
}

static void begin(struct weir__json_writer *w, char ch)
{
    begin_value(w);
    if (w->depth >= WEIR_JSON_DEPTH_MAX) {
        fail(w, WEIR_EINVALID);
        return;
    }
    w->has_items &= ~((uint64_t)1 << w->depth++);
    put_char(w, ch);
}

static void end(struct weir__json_writer *w, char ch)
{
    if (w->depth == 0 || w->after_key) {
        fail(w, WEIR_EINVALID);
        return;
    }
    w->depth--;
    put_char(w, ch);
}

void weir__json_begin_object(struct weir__json_writer *w)
{
    begin(w, '{');
}

void weir__json_end_object(struct weir__json_writer *w)
{
    end(w, '}');
}

void weir__json_begin_array(struct weir__json_writer *w)
{
    begin(w, '[');
}

void weir__json_end_array(struct weir__json_writer *w)
{
    end(w, ']');
}

void weir__json_key(struct weir__json_writer *w, weir_str key)
{
    put_comma(w);
    put_string(w, key);
    put_char(w, ':');
    w->after_key = true;
}

void weir__json_string(struct weir__json_writer *w, weir_str s)
{
    begin_value(w);
    if (s.ptr != NULL)
        put_string(w, s);
    else
        put_null(w);
}

void weir__json_int(struct weir__json_writer *w, int64_t v)
{
    begin_value(w);
    put_int(w, v);
}

void weir__json_uint(struct weir__json_writer *w, uint64_t v)
{
    begin_value(w);
    put_uint(w, v);
}

void weir__json_double(struct weir__json_writer *w, double v)
{
    begin_value(w);
    put_float(w, v, false);
}

void weir__json_bool(struct weir__json_writer *w, bool v)
{
    begin_value(w);
    put_bool(w, v);
}

void weir__json_null(struct weir__json_writer *w)
{
    begin_value(w);
    put_null(w);
}

void weir__json_raw(struct weir__json_writer *w, weir_str json)
{
    begin_value(w);
    put_bytes(w, json.ptr, json.len);
}

void weir__json_write_model(struct weir__json_writer *w, const weir_model *model,
                            const void *object)
{
    begin_value(w);
    put_object(w, model, object);
}

/* --- into a buffer ---------------------------------------------------------------------------- */

/* Takes the window's bytes into the buffer: they are there already, or in `scratch`. */
static weir_err take_window(struct weir__json_writer *w)
{
    weir_buf *b = w->sink;
    size_t n = (size_t)(w->at - w->start);
    if (w->start == w->scratch)
        weir_buf_add(b, w->scratch, n);
    else
        b->len += n;
    w->start = w->at = w->end = NULL;
    return b->err;
}

/* A window on the buffer's free bytes; near its maximum `scratch`, so that it can be filled up. */
static weir_err open_window(struct weir__json_writer *w)
{
    weir_buf *b = w->sink;
    if (b->err < 0)
        return b->err;
    if (b->bytes_max - b->len < WEIR__JSON_WINDOW_MIN) {
        w->start = w->at = w->scratch;
        w->end = w->scratch + sizeof w->scratch;
        return WEIR_OK;
    }
    w->start = w->at = weir_buf_reserve(b, WEIR__JSON_WINDOW_MIN);
    if (w->start == NULL)
        return b->err;
    w->end = b->ptr + b->cap;
    return WEIR_OK;
}

static weir_err flush_to_buf(struct weir__json_writer *w)
{
    weir_err err = take_window(w);
    return err < 0 ? err : open_window(w);
}

void weir__json_writer_init_buf(struct weir__json_writer *w, weir_buf *b)
{
    w->start = w->at = w->end = NULL;
    w->flush = flush_to_buf;
    w->sink = b;
    w->depth = 0;
    w->has_items = 0;
    w->after_key = false;
    w->err = open_window(w);
}

weir_err weir__json_writer_fini_buf(struct weir__json_writer *w)
{
    weir_buf *b = w->sink;
    if (w->err == WEIR_OK)
        w->err = take_window(w);
    else if (b->err == WEIR_OK)
        b->err = w->err;
    return w->err;
}

weir_err weir_json_encode(weir_buf *out, const weir_model *model, const void *object)
{
    weir__given(out, "the buffer");
    weir__given(model, "the model");
    weir__given(object, "the object");
    struct weir__json_writer w;
    weir__json_writer_init_buf(&w, out);
    put_object(&w, model, object);
    return weir__json_writer_fini_buf(&w);
}
