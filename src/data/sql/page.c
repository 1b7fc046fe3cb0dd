/*
 * Cursors of pages: a byte for the form, then each value as a byte of its kind and its bytes, in
 * base64 for URLs. What is read is a stranger's: kinds, lengths and the end must be right, and
 * nothing is written before all of it is.
 */
#include <string.h>
#include <weir/page.h>

#include "base/given.h"
#include "base/value.h"
#include "data/sql/sql.h"
#include "rt/outside.h"

enum {
    FORM = 1,
    VALUE = 1 + 2 + WEIR_DECIMAL_TEXT_MAX, /* bytes of the longest one that is no text */
    ROOM = 1 + WEIR_PAGE_VALUES_MAX * VALUE + WEIR_PAGE_BYTES_MAX,
    TEXT_MAX = (ROOM + 2) / 3 * 4
};

/* --- writing ---------------------------------------------------------------------------------- */

static size_t put_u64(unsigned char *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)(v >> (56 - 8 * i));
    return 8;
}

static size_t put_text(unsigned char *out, const char *ptr, size_t len)
{
    out[0] = (unsigned char)(len >> 8);
    out[1] = (unsigned char)len;
    memcpy(out + 2, ptr, len);
    return 2 + len;
}

/* The value's bytes; 0: it is of no kind that goes, or there is no room for it. */
static size_t put_value(unsigned char *out, size_t room, const weir_arg *a)
{
    char text[WEIR_DECIMAL_TEXT_MAX];
    uint64_t bits;
    switch (a->kind) {
    case WEIR_ARG_INT:
        return put_u64(out, (uint64_t)a->u.i);
    case WEIR_ARG_DOUBLE:
        memcpy(&bits, &a->u.d, sizeof bits);
        return put_u64(out, bits);
    case WEIR_ARG_WALL:
        return put_u64(out, (uint64_t)a->u.wall.us);
    case WEIR_ARG_UUID:
        memcpy(out, a->u.uuid.bytes, sizeof a->u.uuid.bytes);
        return sizeof a->u.uuid.bytes;
    case WEIR_ARG_DECIMAL:
        return put_text(out, text, weir_decimal_text(a->u.decimal, text));
    case WEIR_ARG_TEXT:
        return a->u.s.len + 2 <= room ? put_text(out, a->u.s.ptr, a->u.s.len) : 0;
    default:
        return 0;
    }
}

/* Room for any value but texts is kept for each of those that follow. */
static size_t put_all(unsigned char *out, const weir_arg *values, size_t count)
{
    size_t len = 0, texts = WEIR_PAGE_BYTES_MAX;
    out[len++] = FORM;
    for (size_t i = 0; i < count; i++) {
        out[len++] = (unsigned char)values[i].kind;
        size_t n = put_value(out + len, texts + 2, &values[i]);
        if (n == 0)
            return 0;
        texts -= values[i].kind == WEIR_ARG_TEXT ? values[i].u.s.len : 0;
        len += n;
    }
    return len;
}

weir_str weir_page_cursor_at(const weir_site *site, weir_ctx *c, const weir_arg *values,
                             size_t count)
{
    const weir_str absent = {NULL, 0};
    WEIR__FIBERS_ONLY(absent);
    weir__given(values, "the array of values");
    (void)weir__ctx_of_at(c, "weir_page_cursor");
    unsigned char bytes[ROOM];
    char text[TEXT_MAX];
    size_t len = count > 0 && count <= WEIR_PAGE_VALUES_MAX ? put_all(bytes, values, count) : 0;
    if (len == 0) {
        (void)weir_raise_at(site, c, WEIR_EINVALID, 0,
                            "weir_page_cursor: 1 to %d values that are numbers, texts of %d bytes "
                            "together, times, UUIDs or decimals, and not NULL",
                            WEIR_PAGE_VALUES_MAX, WEIR_PAGE_BYTES_MAX);
        return absent;
    }
    weir__base64_put(text, bytes, len);
    size_t text_len = (len * 4 + 2) / 3; /* without the padding */
    for (size_t i = 0; i < text_len; i++)
        text[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    return weir_strdup(c, (weir_str){text, text_len});
}

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t get_u64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

/* The length of a value of that kind at `p`; 0: there is none. Texts' begins with its own. */
static size_t length_of(weir_arg_kind kind, const unsigned char *p, size_t left)
{
    size_t len = 8;
    if (kind == WEIR_ARG_UUID)
        len = sizeof(weir_uuid);
    else if (kind == WEIR_ARG_TEXT || kind == WEIR_ARG_DECIMAL)
        len = left >= 2 ? 2 + ((size_t)p[0] << 8 | p[1]) : 2;
    return len <= left ? len : 0;
}

static weir_str text_at(const unsigned char *p)
{
    return (weir_str){(const char *)p + 2, (size_t)p[0] << 8 | p[1]};
}

/* Whether it can be what it says it is, and was written: `texts` is what those may still have. */
static bool is_good(weir_arg_kind kind, const unsigned char *p, size_t *texts)
{
    weir_decimal ignored;
    int64_t us = (int64_t)get_u64(p);
    weir_str text = text_at(p);
    if (kind == WEIR_ARG_DECIMAL)
        return text.len < WEIR_DECIMAL_TEXT_MAX && weir_decimal_parse(text, &ignored) == WEIR_OK;
    if (kind == WEIR_ARG_TEXT) {
        bool has_room = text.len <= *texts;
        *texts -= has_room ? text.len : 0;
        return has_room;
    }
    return kind != WEIR_ARG_WALL || (us >= WEIR_WALL_MIN && us <= WEIR_WALL_MAX);
}

static weir_err set(weir_ctx *c, const weir_page_out *o, const unsigned char *p)
{
    uint64_t bits = 0;
    switch (o->kind) {
    case WEIR_ARG_INT:
        *(int64_t *)o->out = (int64_t)get_u64(p);
        return WEIR_OK;
    case WEIR_ARG_DOUBLE:
        bits = get_u64(p);
        memcpy(o->out, &bits, sizeof bits);
        return WEIR_OK;
    case WEIR_ARG_WALL:
        ((weir_wall *)o->out)->us = (int64_t)get_u64(p);
        return WEIR_OK;
    case WEIR_ARG_UUID:
        memcpy(o->out, p, sizeof(weir_uuid));
        return WEIR_OK;
    case WEIR_ARG_DECIMAL:
        return weir_decimal_parse(text_at(p), o->out);
    default:
        *(weir_str *)o->out = weir_strdup(c, text_at(p));
        return ((weir_str *)o->out)->ptr != NULL ? WEIR_OK : -ENOMEM;
    }
}

/* Where each value is, when the bytes are those of a cursor of these kinds. */
static bool find(const unsigned char *bytes, size_t len, const weir_page_out *outs, size_t count,
                 size_t *places)
{
    size_t at = 1, texts = WEIR_PAGE_BYTES_MAX;
    if (len == 0 || bytes[0] != FORM)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (at == len || bytes[at] != outs[i].kind)
            return false;
        places[i] = ++at;
        size_t n = length_of(outs[i].kind, bytes + at, len - at);
        if (n == 0 || !is_good(outs[i].kind, bytes + at, &texts))
            return false;
        at += n;
    }
    return at == len;
}

weir_err weir_page_read_at(weir_ctx *c, weir_str cursor, const weir_page_out *outs, size_t count)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(outs, "the array of places");
    (void)weir__ctx_of_at(c, "weir_page_read");
    unsigned char bytes[TEXT_MAX + 8] = {0}; /* eight may be looked at behind a short one */
    size_t len = 0, places[WEIR_PAGE_VALUES_MAX];
    if (cursor.len == 0)
        return WEIR_OK;
    if (count == 0 || count > WEIR_PAGE_VALUES_MAX || cursor.len > TEXT_MAX ||
        weir__base64_get(cursor, bytes, &len) != WEIR_OK || !find(bytes, len, outs, count, places))
        return WEIR_EINVALID;
    weir_err err = WEIR_OK;
    for (size_t i = 0; i < count && err == WEIR_OK; i++)
        err = set(c, &outs[i], bytes + places[i]);
    return err;
}
