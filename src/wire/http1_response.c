/*
 * The strict parser of response heads: a status line of its own, then the lines and the decisions
 * that it shares with requests. It owns nothing: the bytes are the connection's.
 *
 * The status line has exactly one blank on each side of the code (RFC 9112 section 4); that the
 * last one is left out where there is no reason is put up with, for many servers do so and it can
 * be read in one way only. Nothing may stand before it: an empty line there is the rest of another
 * response.
 */
#include "wire/http1_response.h"
#include "base/assert.h"
#include "wire/http1_framing.h"
#include "wire/http1_lines.h"

/* Reads "HTTP/1.x " and returns 0 or an error. */
static int read_version(struct weir__http1_response *r, const char *p, size_t len)
{
    bool is_http = len >= 9 && memcmp(p, "HTTP/", 5) == 0 && p[6] == '.' && p[8] == ' ' &&
                   weir__http_byte_is(p[5], WEIR_BYTE_DIGIT) &&
                   weir__http_byte_is(p[7], WEIR_BYTE_DIGIT);
    if (!is_http)
        return WEIR_HTTP1_ESTATUSLINE;
    if (p[5] != '1')
        return WEIR_HTTP1_ESTATUSVERSION;
    r->head.minor = p[7] != '0';
    return 0;
}

/* Reads a whole status line [p, end). Returns 1 or an error. */
static int read_status_line(struct weir__http1_response *r, const struct weir__http1_input *in,
                            const char *p, const char *end)
{
    int rc = read_version(r, p, (size_t)(end - p));
    if (rc != 0)
        return rc;
    const char *code = p + 9;
    unsigned status = 0;
    for (; code < end && weir__http_byte_is(*code, WEIR_BYTE_DIGIT) && status < 1000; code++)
        status = status * 10 + ((unsigned char)*code - (unsigned)'0');
    if (code != p + 12 || status < 100)
        return WEIR_HTTP1_ESTATUSCODE;
    if (code < end && *code != ' ')
        return WEIR_HTTP1_ESTATUSCODE;
    r->status = (uint16_t)status;
    r->reason = weir__http1_span_of(in, code < end ? code + 1 : end, end);
    return 1;
}

/* Finds and reads the status line. Returns as weir__http1_response_parse, with 1 for done. */
static int status_line(struct weir__http1_response *r, const struct weir__http1_input *in)
{
    struct weir__http_head *h = &r->head;
    const char *stop;
    int rc = weir__http1_find_line_end(in, in->buf + h->scanned, &stop);
    if (stop - in->buf > in->line_bytes_max || rc == WEIR_HTTP1_EHEADLONG)
        return WEIR_HTTP1_ESTATUSLONG;
    h->scanned = (uint16_t)(stop - in->buf);
    if (rc <= 0)
        return rc;
    h->scanned = h->line = (uint16_t)(stop + 2 - in->buf);
    return read_status_line(r, in, in->buf, stop);
}

int weir__http1_response_parse(struct weir__http1_response *r, const char *buf, size_t len,
                               const struct weir__http_limits *limits)
{
    struct weir__http_head *h = &r->head;
    WEIR_ASSERT(h->stage != WEIR__HTTP1_AT_END, "W1: a head is parsed once");
    struct weir__http1_input in = weir__http1_input_of(buf, len, limits);
    WEIR_ASSERT(buf + h->scanned <= in.end, "W2: a head's bytes only become more");
    if (h->stage == WEIR__HTTP1_AT_FIRST_LINE) {
        int rc = status_line(r, &in);
        if (rc <= 0)
            return rc;
        h->stage = WEIR__HTTP1_AT_FIELDS;
    }
    int used = weir__http1_read_fields(h, &in);
    if (used <= 0)
        return used;
    h->stage = WEIR__HTTP1_AT_END;
    int rc = weir__http1_framing_decide_response(r, buf);
    return WEIR_LIKELY(rc == 0) ? used : rc;
}

/* ---- errors ---- */

const char *weir__http1_response_error_text(int err)
{
    switch (err) {
    case WEIR_HTTP1_ESTATUSLINE:
        return "the answer does not begin with a status line of HTTP";
    case WEIR_HTTP1_ESTATUSVERSION:
        return "the answer's version of HTTP is not 1.x";
    case WEIR_HTTP1_ESTATUSCODE:
        return "the status is not three digits from 100 on";
    case WEIR_HTTP1_ESTATUSLONG:
        return "the status line is too long";
    case WEIR_HTTP1_EHEADLONG:
        return "the answer's head is too long";
    case WEIR_HTTP1_ECODINGIN10:
        return "Transfer-Encoding in an HTTP/1.0 answer";
    default:
        return weir__http1_error_text(err);
    }
}
