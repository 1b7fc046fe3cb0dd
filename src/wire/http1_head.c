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
#include "wire/http_field_table.h"
#include "wire/scan.h"
#include "wire/url.h"

#define HEAD_BYTES_DEFAULT 16384
#define LINE_BYTES_DEFAULT 8192

enum { STAGE_REQUEST_LINE, STAGE_FIELDS, STAGE_DONE };

/* What a call was given, cut to the limits. */
struct input {
    const char *buf;
    const char *end;
    uint32_t line_bytes_max;
    uint32_t fields_max;
    bool is_cut; /* the head may not go on past `end` */
};

static uint32_t limit_or(uint32_t limit, uint32_t otherwise, uint32_t max)
{
    if (limit == 0)
        return otherwise;
    return limit < max ? limit : max;
}

static struct input input_of(const char *buf, size_t len, const struct weir__http_limits *l)
{
    uint32_t head_bytes_max = HEAD_BYTES_DEFAULT;
    struct input in = {buf, NULL, LINE_BYTES_DEFAULT, WEIR_HTTP_FIELDS_MAX, false};
    if (l != NULL) {
        const uint32_t max = WEIR_HTTP_HEAD_BYTES_MAX;
        head_bytes_max = limit_or(l->head_bytes_max, HEAD_BYTES_DEFAULT, max);
        in.line_bytes_max = limit_or(l->line_bytes_max, LINE_BYTES_DEFAULT, max);
        in.fields_max = limit_or(l->fields_max, WEIR_HTTP_FIELDS_MAX, WEIR_HTTP_FIELDS_MAX);
    }
    in.is_cut = len >= head_bytes_max;
    in.end = buf + (in.is_cut ? head_bytes_max : len);
    return in;
}

static inline struct weir__http_span span_of(const struct input *in, const char *from,
                                             const char *to)
{
    return (struct weir__http_span){(uint16_t)(from - in->buf), (uint16_t)(to - from)};
}

/* What the control character at `p` means: 1 for the CR of a CRLF, 0 for a CR whose LF has not
 * come. */
static inline int line_end(const struct input *in, const char *p)
{
    if (WEIR_UNLIKELY(*p != '\r'))
        return *p == '\n' ? WEIR_HTTP1_EBARELF : WEIR_HTTP1_ECONTROL;
    if (WEIR_UNLIKELY(p + 1 == in->end))
        return in->is_cut ? WEIR_HTTP1_EHEADLONG : 0;
    return WEIR_LIKELY(p[1] == '\n') ? 1 : WEIR_HTTP1_EBARECR;
}

/* Looks for the end of a line from `from` on. Returns 1 with *stop at its CR, 0 with *stop where
 * to go on when there are more bytes, or an error with *stop at the byte. */
static inline int find_line_end(const struct input *in, const char *from, const char **stop)
{
    for (const char *p = from; p < in->end; p += 16) {
        unsigned shift;
        __m128i v = weir__scan_at(p, in->end, in->buf, &shift);
        unsigned mask = weir__scan_control(v) >> shift;
        if (mask != 0) {
            *stop = p + __builtin_ctz(mask);
            return line_end(in, *stop);
        }
    }
    *stop = in->end;
    return in->is_cut ? WEIR_HTTP1_EHEADLONG : 0;
}

/* ---- the request line ---- */

/* Reads "METHOD SP" and returns where the target begins, or NULL. */
static const char *read_any_method(struct weir__http_head *h, const struct input *in, const char *p,
                                   const char *end)
{
    const char *m = p;
    while (m < end && weir__http_byte_is(*m, WEIR_BYTE_TOKEN))
        m++;
    if (m == p || m == end || *m != ' ')
        return NULL;
    h->method_token = span_of(in, p, m);
    h->method = (uint8_t)weir__http_method_of((weir_str){p, (size_t)(m - p)});
    return m + 1;
}

/* The same, with a short way for the two methods that most requests have. */
static inline const char *read_method(struct weir__http_head *h, const struct input *in,
                                      const char *p, const char *end)
{
    uint32_t four = end - p > 4 ? weir__load32(p) : 0;
    if (WEIR_LIKELY(four == weir__load32("GET "))) {
        h->method = WEIR_HTTP_GET;
        h->method_token = span_of(in, p, p + 3);
        return p + 4;
    }
    if (four == weir__load32("POST") && p[4] == ' ') {
        h->method = WEIR_HTTP_POST;
        h->method_token = span_of(in, p, p + 4);
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

static inline struct target_scan scan_target(const struct input *in, const char *t, const char *te)
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
static inline int take_path(struct weir__http_head *h, const struct input *in, const char *p,
                            const char *query, const char *end, bool is_special)
{
    h->path = span_of(in, p, query);
    h->path_is_plain = true;
    if (query < end) {
        h->has_query = true;
        h->query = span_of(in, query + 1, end);
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

static void take_authority(struct weir__http_head *h, const struct input *in,
                           const struct weir__url_authority *a)
{
    h->host = span_of(in, a->host.ptr, a->host.ptr + a->host.len);
    h->has_port = a->has_port;
    h->port = a->port;
}

/* CONNECT: host and port, nothing else (RFC 9112 section 3.2.3). */
static int take_connect(struct weir__http_head *h, const struct input *in, weir_str target)
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
static int take_other_target(struct weir__http_head *h, const struct input *in, weir_str target)
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

static inline int take_target(struct weir__http_head *h, const struct input *in, const char *t,
                              const char *te)
{
    struct target_scan s = scan_target(in, t, te);
    if (WEIR_UNLIKELY(s.is_bad))
        return WEIR_HTTP1_ETARGET;
    h->target = span_of(in, t, te);
    if (WEIR_UNLIKELY(*t != '/'))
        return take_other_target(h, in, (weir_str){t, (size_t)(te - t)});
    if (WEIR_UNLIKELY(h->method == WEIR_HTTP_CONNECT))
        return WEIR_HTTP1_ETARGETFORM;
    return take_path(h, in, t, s.query, te, s.is_special);
}

/* Reads a whole request line [p, end). Returns 1 or an error. */
static int read_request_line(struct weir__http_head *h, const struct input *in, const char *p,
                             const char *end)
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
static inline int request_line(struct weir__http_head *h, const struct input *in)
{
    for (;;) {
        const char *line = in->buf + h->line, *stop;
        int rc = find_line_end(in, in->buf + h->scanned, &stop);
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

/* ---- header lines ---- */

/* What is wrong with a name that is no token. */
static int bad_name(const char *p, size_t len)
{
    char last = len > 0 ? p[len - 1] : 'a';
    if (len == 0)
        return WEIR_HTTP1_ENAMEEMPTY;
    return last == ' ' || last == '\t' ? WEIR_HTTP1_ENAMESPACE : WEIR_HTTP1_ENAME;
}

/* The first ':' of [p, end), or end. */
static inline const char *find_colon(const struct input *in, const char *p, const char *end)
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

static inline bool is_token(const char *p, size_t len)
{
    unsigned all = WEIR_BYTE_TOKEN;
    for (size_t i = 0; i < len; i++)
        all &= weir__http_bytes[(unsigned char)p[i]];
    return all != 0;
}

/* Gives a known field its slot; an error when it may come only once and has come before. */
static inline int take_slot(struct weir__http_head *h, unsigned id)
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
static inline int read_field(struct weir__http_head *h, const struct input *in, const char *p,
                             const char *end)
{
    if (WEIR_UNLIKELY(*p == ' ' || *p == '\t'))
        return WEIR_HTTP1_EFOLD;
    const char *colon = find_colon(in, p, end);
    if (WEIR_UNLIKELY(colon == end))
        return WEIR_HTTP1_ENOCOLON;
    size_t name_len = (size_t)(colon - p);
    unsigned id = name_len > 0 ? weir__http_known_find(p, name_len) : WEIR_FIELD_OTHER;
    if (id == WEIR_FIELD_OTHER) {
        if (WEIR_UNLIKELY(name_len == 0 || !is_token(p, name_len)))
            return bad_name(p, name_len);
    }
    if (WEIR_UNLIKELY(h->nfields >= in->fields_max))
        return WEIR_HTTP1_EFIELDS;
    int rc = id != WEIR_FIELD_OTHER ? take_slot(h, id) : 1;
    const char *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    struct weir__http_line *f = &h->fields[h->nfields++];
    f->name = span_of(in, p, colon);
    f->value = span_of(in, value, end);
    f->id = (uint16_t)id;
    return rc;
}

/* Reads header lines up to the blank one. Returns as weir__http1_head_parse. */
static inline int fields(struct weir__http_head *h, const struct input *in)
{
    const char *line = in->buf + h->line, *from = in->buf + h->scanned, *stop;
    for (;;) {
        int rc = find_line_end(in, from, &stop);
        if (rc <= 0) {
            h->line = (uint16_t)(line - in->buf);
            h->scanned = (uint16_t)(stop - in->buf);
            return rc;
        }
        from = stop + 2;
        if (stop == line)
            return (int)(from - in->buf);
        rc = read_field(h, in, line, stop);
        if (WEIR_UNLIKELY(rc < 0))
            return rc;
        line = from;
    }
}

int weir__http1_head_parse(struct weir__http_head *h, const char *buf, size_t len,
                           const struct weir__http_limits *limits)
{
    WEIR_ASSERT(h->stage != STAGE_DONE, "W1: a head is parsed once");
    struct input in = input_of(buf, len, limits);
    WEIR_ASSERT(buf + h->scanned <= in.end, "W2: a head's bytes only become more");
    if (h->stage == STAGE_REQUEST_LINE) {
        int rc = request_line(h, &in);
        if (rc <= 0)
            return rc;
        h->stage = STAGE_FIELDS;
    }
    int used = fields(h, &in);
    if (used <= 0)
        return used;
    h->stage = STAGE_DONE;
    int rc = weir__http1_framing_decide(h, buf, (size_t)used);
    return WEIR_LIKELY(rc == 0) ? used : rc;
}
