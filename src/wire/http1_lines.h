/*
 * Lines of a head, for the parsers of requests and of responses: finding where one ends, and
 * reading header lines. In a header because both are inlined into their parser's loop.
 */
#ifndef WEIR_WIRE_HTTP1_LINES_H
#define WEIR_WIRE_HTTP1_LINES_H

#include "wire/http1_head.h"
#include "wire/http_field_table.h"
#include "wire/scan.h"

/* Defaults of the limits. */
enum { WEIR__HTTP1_HEAD_BYTES = 16384, WEIR__HTTP1_LINE_BYTES = 8192 };

/* weir__http1_head.stage: what is read next. */
enum { WEIR__HTTP1_AT_FIRST_LINE, WEIR__HTTP1_AT_FIELDS, WEIR__HTTP1_AT_END };

/* What a call was given, cut to the limits. */
struct weir__http1_input {
    const char *buf;
    const char *end;
    uint32_t line_bytes_max;
    uint32_t fields_max;
    bool is_cut; /* the head may not go on past `end` */
};

static inline uint32_t weir__http1_limit_or(uint32_t limit, uint32_t otherwise, uint32_t max)
{
    if (limit == 0)
        return otherwise;
    return limit < max ? limit : max;
}

static inline struct weir__http1_input weir__http1_input_of(const char *buf, size_t len,
                                                            const struct weir__http_limits *l)
{
    uint32_t head_bytes_max = WEIR__HTTP1_HEAD_BYTES;
    struct weir__http1_input in = {buf, NULL, WEIR__HTTP1_LINE_BYTES, WEIR_HTTP_FIELDS_MAX, false};
    if (l != NULL) {
        const uint32_t max = WEIR_HTTP_HEAD_BYTES_MAX;
        head_bytes_max = weir__http1_limit_or(l->head_bytes_max, WEIR__HTTP1_HEAD_BYTES, max);
        in.line_bytes_max = weir__http1_limit_or(l->line_bytes_max, WEIR__HTTP1_LINE_BYTES, max);
        in.fields_max =
            weir__http1_limit_or(l->fields_max, WEIR_HTTP_FIELDS_MAX, WEIR_HTTP_FIELDS_MAX);
    }
    in.is_cut = len >= head_bytes_max;
    in.end = buf + (in.is_cut ? head_bytes_max : len);
    return in;
}

static inline struct weir__http_span weir__http1_span_of(const struct weir__http1_input *in,
                                                         const char *from, const char *to)
{
    return (struct weir__http_span){(uint16_t)(from - in->buf), (uint16_t)(to - from)};
}

/* What the control character at `p` means: 1 for the CR of a CRLF, 0 for a CR whose LF has not
 * come. */
static inline int weir__http1_line_end(const struct weir__http1_input *in, const char *p)
{
    if (WEIR_UNLIKELY(*p != '\r'))
        return *p == '\n' ? WEIR_HTTP1_EBARELF : WEIR_HTTP1_ECONTROL;
    if (WEIR_UNLIKELY(p + 1 == in->end))
        return in->is_cut ? WEIR_HTTP1_EHEADLONG : 0;
    return WEIR_LIKELY(p[1] == '\n') ? 1 : WEIR_HTTP1_EBARECR;
}

/* Looks for the end of a line from `from` on. Returns 1 with *stop at its CR, 0 with *stop where
 * to go on when there are more bytes, or an error with *stop at the byte. */
static inline int weir__http1_find_line_end(const struct weir__http1_input *in, const char *from,
                                            const char **stop)
{
    for (const char *p = from; p < in->end; p += 16) {
        unsigned shift;
        __m128i v = weir__scan_at(p, in->end, in->buf, &shift);
        unsigned mask = weir__scan_control(v) >> shift;
        if (mask != 0) {
            *stop = p + __builtin_ctz(mask);
            return weir__http1_line_end(in, *stop);
        }
    }
    *stop = in->end;
    return in->is_cut ? WEIR_HTTP1_EHEADLONG : 0;
}

/* ---- header lines ---- */

/* What is wrong with a name that is no token. */
static inline int weir__http1_bad_name(const char *p, size_t len)
{
    char last = len > 0 ? p[len - 1] : 'a';
    if (len == 0)
        return WEIR_HTTP1_ENAMEEMPTY;
    return last == ' ' || last == '\t' ? WEIR_HTTP1_ENAMESPACE : WEIR_HTTP1_ENAME;
}

/* The first ':' of [p, end), or end. */
static inline const char *weir__http1_find_colon(const struct weir__http1_input *in, const char *p,
                                                 const char *end)
{
    for (; p < end; p += 16) {
        unsigned shift;
        __m128i v = weir__scan_at(p, in->end, in->buf, &shift);
        unsigned mask = weir__scan_byte(v, ':') >> shift;
        if (WEIR_LIKELY(mask != 0)) {
            p += __builtin_ctz(mask);
            return p < end ? p : end;
        }
    }
    return end;
}

static inline bool weir__http1_is_token(const char *p, size_t len)
{
    unsigned all = WEIR_BYTE_TOKEN;
    for (size_t i = 0; i < len; i++)
        all &= weir__http_bytes[(unsigned char)p[i]];
    return all != 0;
}

/* Gives a known field its slot; an error when it may come only once and has come before. */
static inline int weir__http1_take_slot(struct weir__http_head *h, unsigned id)
{
    static const int16_t twice[] = {
        [WEIR_FIELD_HOST] = WEIR_HTTP1_EHOSTTWICE,
        [WEIR_FIELD_CONTENT_LENGTH] = WEIR_HTTP1_ELENGTHTWICE,
        [WEIR_FIELD_TRANSFER_ENCODING] = WEIR_HTTP1_ECODINGTWICE,
    };
    if (h->slots[id] == 0)
        h->slots[id] = (uint8_t)(h->nfields + 1);
    else if (WEIR_UNLIKELY(id <= WEIR_FIELD_TRANSFER_ENCODING))
        return twice[id];
    return 1;
}

/* Reads one whole, not empty header line [p, end). Returns 1 or an error. */
static inline int weir__http1_read_field(struct weir__http_head *h,
                                         const struct weir__http1_input *in, const char *p,
                                         const char *end)
{
    if (WEIR_UNLIKELY(*p == ' ' || *p == '\t'))
        return WEIR_HTTP1_EFOLD;
    const char *colon = weir__http1_find_colon(in, p, end);
    if (WEIR_UNLIKELY(colon == end))
        return WEIR_HTTP1_ENOCOLON;
    size_t name_len = (size_t)(colon - p);
    unsigned id = name_len > 0 ? weir__http_known_find(p, name_len) : WEIR_FIELD_OTHER;
    if (id == WEIR_FIELD_OTHER) {
        if (WEIR_UNLIKELY(name_len == 0 || !weir__http1_is_token(p, name_len)))
            return weir__http1_bad_name(p, name_len);
    }
    if (WEIR_UNLIKELY(h->nfields >= in->fields_max))
        return WEIR_HTTP1_EFIELDS;
    int rc = id != WEIR_FIELD_OTHER ? weir__http1_take_slot(h, id) : 1;
    const char *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    struct weir__http_line *f = &h->fields[h->nfields++];
    f->name = weir__http1_span_of(in, p, colon);
    f->value = weir__http1_span_of(in, value, end);
    f->id = (uint16_t)id;
    return rc;
}

/* Reads header lines up to the blank one. Returns as weir__http1_head_parse. */
static inline int weir__http1_read_fields(struct weir__http_head *h,
                                          const struct weir__http1_input *in)
{
    const char *line = in->buf + h->line, *from = in->buf + h->scanned, *stop;
    for (;;) {
        int rc = weir__http1_find_line_end(in, from, &stop);
        if (rc <= 0) {
            h->line = (uint16_t)(line - in->buf);
            h->scanned = (uint16_t)(stop - in->buf);
            return rc;
        }
        from = stop + 2;
        if (stop == line)
            return (int)(from - in->buf);
        rc = weir__http1_read_field(h, in, line, stop);
        if (WEIR_UNLIKELY(rc < 0))
            return rc;
        line = from;
    }
}

#endif
