/*
 * The strict parser of request heads. It owns nothing: the bytes are the connection's, the results
 * are offsets into them.
 *
 * The hard thing is to be strict, incremental and fast at once. A line is parsed only when its CRLF
 * is there, and the search for it stops at any control character; so a bad byte is answered when it
 * comes, however the bytes were split, no byte is searched twice, and the code that reads a line
 * knows that it has no controls in it and where it ends. What depends on several lines (Host,
 * framing) is decided once, at the blank line, in http1_framing.c.
 *
 * Bare LF is refused everywhere, lines are never folded, and a request line has exactly two blanks.
 */
#include "wire/http1_head.h"
#include "base/assert.h"
#include "wire/http1_framing.h"
#include "wire/http1_lines.h"
#include "wire/url.h"

/* ---- the request line ---- */

/* Reads "METHOD SP" and returns where the target begins, or NULL. */
static const char *read_any_method(struct weir__http_head *h, const struct weir__http1_input *in,
                                   const char *p, const char *end)
{
    const char *m = p;
    while (m < end && weir__http_byte_is(*m, WEIR_BYTE_TOKEN))
        m++;
    if (m == p || m == end || *m != ' ')
        return NULL;
    h->method_token = weir__http1_span_of(in, p, m);
    h->method = (uint8_t)weir__http_method_of((weir_str){p, (size_t)(m - p)});
    return m + 1;
}

/* The same, with a short way for the two methods that most requests have. */
static inline const char *read_method(struct weir__http_head *h, const struct weir__http1_input *in,
                                      const char *p, const char *end)
{
    uint32_t four = end - p > 4 ? weir__load32(p) : 0;
    if (WEIR_LIKELY(four == weir__load32("GET "))) {
        h->method = WEIR_HTTP_GET;
        h->method_token = weir__http1_span_of(in, p, p + 3);
        return p + 4;
    }
    if (four == weir__load32("POST") && p[4] == ' ') {
        h->method = WEIR_HTTP_POST;
        h->method_token = weir__http1_span_of(in, p, p + 4);
        return p + 5;
    }
    return read_any_method(h, in, p, end);
}

/* "GET /path" was a request once; nothing else without a version ever was. */
static bool is_request_of_09(const struct weir__http_head *h, const char *target, const char *end)
{
    bool is_path = h->method == WEIR_HTTP_GET && *target == '/';
    while (is_path && target < end)
        is_path = weir__http_byte_is(*target++, WEIR_BYTE_TARGET);
    return is_path;
}

/* What is wrong with a line that does not end in " HTTP/1.0" or " HTTP/1.1"; 1 when nothing is,
 * because it ends in a later 1.x, which is answered as 1.1 (RFC 9110 section 2.5). */
static int other_version(const struct weir__http_head *h, const char *target, const char *end)
{
    const char *v = memrchr(target, ' ', (size_t)(end - target));
    if (target == end)
        return WEIR_HTTP1_EREQUESTLINE;
    if (v == NULL)
        return is_request_of_09(h, target, end) ? WEIR_HTTP1_EVERSION09 : WEIR_HTTP1_EREQUESTLINE;
    if (end - v != 9 || memcmp(v, " HTTP/", 6) != 0 || v[7] != '.' ||
        !weir__http_byte_is(v[6], WEIR_BYTE_DIGIT) || !weir__http_byte_is(v[8], WEIR_BYTE_DIGIT))
        return WEIR_HTTP1_EVERSIONFORM;
    if (v[6] == '1')
        return 1;
    bool is_preface = h->method_token.len == 3 && memcmp(target - 4, "PRI * HTTP/2.0", 14) == 0;
    return is_preface ? WEIR_HTTP1_EVERSION2 : WEIR_HTTP1_EVERSION;
}

/* Where a target's parts are, as one pass over it finds them. */
struct target_scan {
    const char *query; /* the first '?', or the target's end */
    bool is_bad;       /* a byte that may not be there */
    bool is_special;   /* a '%' or '.' before the query */
};

static inline struct target_scan scan_target(const struct weir__http1_input *in, const char *t,
                                             const char *te)
{
    struct target_scan s = {te, false, false};
    for (const char *p = t; p < te; p += 16) {
        unsigned shift;
        __m128i v = weir__scan_at(p, in->end, in->buf, &shift);
        unsigned valid = te - p >= 16 ? 0xffff : (1u << (te - p)) - 1;
        if (WEIR_UNLIKELY(weir__scan_not_target(v) >> shift & valid))
            s.is_bad = true;
        if (s.query != te)
            continue;
        unsigned query = weir__scan_byte(v, '?') >> shift & valid;
        unsigned special = (weir__scan_byte(v, '%') | weir__scan_byte(v, '.')) >> shift & valid;
        if (query != 0) {
            s.query = p + __builtin_ctz(query);
            special &= (query & -query) - 1;
        }
        s.is_special |= special != 0;
    }
    return s;
}

/* Stores a path and a query, and checks the path when it has anything to check. */
static inline int take_path(struct weir__http_head *h, const struct weir__http1_input *in,
                            const char *p, const char *query, const char *end, bool is_special)
{
    h->path = weir__http1_span_of(in, p, query);
    h->path_is_plain = true;
    if (query < end) {
        h->has_query = true;
        h->query = weir__http1_span_of(in, query + 1, end);
    }
    if (WEIR_LIKELY(!is_special) || query == p)
        return 1;
    weir_str path = {p, (size_t)(query - p)};
    h->path_is_plain = memchr(path.ptr, '%', path.len) == NULL;
    switch (weir__url_path_check(path)) {
    case 0:
        return 1;
    case WEIR_URL_EDOTS:
        return WEIR_HTTP1_EPATHDOTS;
    case WEIR_URL_ENUL:
        return WEIR_HTTP1_EPATHNUL;
    default:
        return WEIR_HTTP1_EPATHPERCENT;
    }
}

static void take_authority(struct weir__http_head *h, const struct weir__http1_input *in,
                           const struct weir__url_authority *a)
{
    h->host = weir__http1_span_of(in, a->host.ptr, a->host.ptr + a->host.len);
    h->has_port = a->has_port;
    h->port = a->port;
}

/* CONNECT: host and port, nothing else (RFC 9112 section 3.2.3). */
static int take_connect(struct weir__http_head *h, const struct weir__http1_input *in,
                        weir_str target)
{
    struct weir__url_authority a;
    h->form = WEIR_HTTP_AUTHORITY;
    if (weir__url_authority_parse(target, &a) != 0)
        return WEIR_HTTP1_EAUTHORITY;
    if (a.host.len == 0 || !a.has_port)
        return WEIR_HTTP1_ETARGETFORM;
    take_authority(h, in, &a);
    return 1;
}

/* The forms that a target has that does not begin with '/'. */
static int take_other_target(struct weir__http_head *h, const struct weir__http1_input *in,
                             weir_str target)
{
    if (h->method == WEIR_HTTP_CONNECT)
        return take_connect(h, in, target);
    if (target.len == 1 && target.ptr[0] == '*') {
        h->form = WEIR_HTTP_ASTERISK;
        return h->method == WEIR_HTTP_OPTIONS ? 1 : WEIR_HTTP1_ETARGETFORM;
    }
    struct weir__url url;
    int rc = weir__url_absolute_parse(target, &url);
    if (rc == WEIR_URL_ESCHEME)
        return WEIR_HTTP1_ETARGETFORM;
    if (rc != 0)
        return WEIR_HTTP1_EAUTHORITY;
    h->form = WEIR_HTTP_ABSOLUTE;
    h->is_https = url.is_https;
    take_authority(h, in, &url.parts);
    const char *path_end = url.path.ptr + url.path.len;
    return take_path(h, in, url.path.ptr, path_end, target.ptr + target.len, true);
}

static inline int take_target(struct weir__http_head *h, const struct weir__http1_input *in,
                              const char *t, const char *te)
{
    struct target_scan s = scan_target(in, t, te);
    if (WEIR_UNLIKELY(s.is_bad))
        return WEIR_HTTP1_ETARGET;
    h->target = weir__http1_span_of(in, t, te);
    if (WEIR_UNLIKELY(*t != '/'))
        return take_other_target(h, in, (weir_str){t, (size_t)(te - t)});
    if (WEIR_UNLIKELY(h->method == WEIR_HTTP_CONNECT))
        return WEIR_HTTP1_ETARGETFORM;
    return take_path(h, in, t, s.query, te, s.is_special);
}

/* Reads a whole request line [p, end). Returns 1 or an error. */
static int read_request_line(struct weir__http_head *h, const struct weir__http1_input *in,
                             const char *p, const char *end)
{
    const char *t = read_method(h, in, p, end);
    if (WEIR_UNLIKELY(t == NULL))
        return p == end ? WEIR_HTTP1_EREQUESTLINE : WEIR_HTTP1_EMETHOD;
    h->minor = 1;
    if (WEIR_UNLIKELY(end - t < 9 || end[-9] != ' ' ||
                      weir__load64(end - 8) != weir__load64("HTTP/1.1"))) {
        if (end - t >= 9 && memcmp(end - 9, " HTTP/1.0", 9) == 0) {
            h->minor = 0;
        } else {
            int rc = other_version(h, t, end);
            if (rc < 0)
                return rc;
        }
    }
    if (end - t == 9)
        return WEIR_HTTP1_EREQUESTLINE;
    return take_target(h, in, t, end - 9);
}

/* Finds and reads the request line, past one empty line before it (RFC 9112 section 2.2).
 * Returns as weir__http1_head_parse, with 1 for done. */
static inline int request_line(struct weir__http_head *h, const struct weir__http1_input *in)
{
    for (;;) {
        const char *line = in->buf + h->line, *stop;
        int rc = weir__http1_find_line_end(in, in->buf + h->scanned, &stop);
        if (stop - line > in->line_bytes_max || rc == WEIR_HTTP1_EHEADLONG)
            return WEIR_HTTP1_ELINELONG;
        h->scanned = (uint16_t)(stop - in->buf);
        if (rc <= 0)
            return rc;
        bool is_leading_crlf = stop == in->buf;
        h->scanned = h->line = (uint16_t)(stop + 2 - in->buf);
        if (!is_leading_crlf)
            return read_request_line(h, in, line, stop);
    }
}

int weir__http1_head_parse(struct weir__http_head *h, const char *buf, size_t len,
                           const struct weir__http_limits *limits)
{
    WEIR_ASSERT(h->stage != WEIR__HTTP1_AT_END, "W1: a head is parsed once");
    struct weir__http1_input in = weir__http1_input_of(buf, len, limits);
    WEIR_ASSERT(buf + h->scanned <= in.end, "W2: a head's bytes only become more");
    if (h->stage == WEIR__HTTP1_AT_FIRST_LINE) {
        int rc = request_line(h, &in);
        if (rc <= 0)
            return rc;
        h->stage = WEIR__HTTP1_AT_FIELDS;
    }
    int used = weir__http1_read_fields(h, &in);
    if (used <= 0)
        return used;
    h->stage = WEIR__HTTP1_AT_END;
    int rc = weir__http1_framing_decide(h, buf, (size_t)used);
    return WEIR_LIKELY(rc == 0) ? used : rc;
}
