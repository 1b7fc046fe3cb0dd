/*
 * The decisions of RFC 9112 section 6.3 and 9.3, made once and in one place: where the body ends,
 * and whether another request may follow. Whatever two readers could take in two ways is an error
 * here, and an error ends the connection: two lengths, a length beside a coding, a coding in
 * HTTP/1.0, two Hosts. What the RFC has a recipient put up with is put up with: empty elements of
 * lists, another Host than the target's, an expectation said twice.
 *
 * Which of several errors is reported does not depend on the order of the lines.
 */
#include "wire/http1_framing.h"
#include "wire/http1_response.h"
#include "wire/scan.h"
#include "wire/url.h"

static bool word_is(weir_str s, const char *lower, size_t len)
{
    if (s.len != len)
        return false;
    return weir_str_ieq(s, (weir_str){lower, len});
}

/* ---- Host, RFC 9112 section 3.2 ---- */

/* The length of the host name that `s` begins with, 16 bytes at a time; `end` is the head's. */
static inline size_t host_length(weir_str s, const char *buf, const char *end)
{
    for (size_t n = 0; n < s.len; n += 16) {
        unsigned shift;
        __m128i v = weir__scan_at(s.ptr + n, end, buf, &shift);
        unsigned mask = weir__scan_not_host(v) >> shift;
        if (mask != 0)
            return n + (unsigned)__builtin_ctz(mask); /* the line's CR at the latest */
    }
    return s.len;
}

/* As weir__url_authority_parse, with a short way for what nearly all requests have: a plain name
 * or an IPv4 address, and maybe a port of up to four digits. */
static inline int parse_host(weir_str s, const char *buf, const char *end,
                             struct weir__url_authority *a)
{
    size_t n = host_length(s, buf, end), port = 0;
    if (n < s.len) {
        if (s.ptr[n] != ':' || s.len - n > 5 || n == 0)
            return weir__url_authority_parse(s, a);
        for (size_t i = n + 1; i < s.len; i++) {
            unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';
            if (digit > 9)
                return WEIR_URL_EPORT;
            port = port * 10 + digit;
        }
        if (port == 0)
            return weir__url_authority_parse(s, a);
    }
    *a = (struct weir__url_authority){{s.ptr, n}, (uint16_t)port, port != 0};
    return 0;
}

static int decide_host(struct weir__http_head *h, const char *buf, const char *end)
{
    if (WEIR_UNLIKELY(h->slots[WEIR_FIELD_HOST] == 0))
        return h->minor == 0 ? 0 : WEIR_HTTP1_ENOHOST;
    struct weir__url_authority a;
    if (WEIR_UNLIKELY(parse_host(weir__http_head_field(h, buf, WEIR_FIELD_HOST), buf, end, &a) !=
                      0))
        return WEIR_HTTP1_EHOST;
    if (WEIR_UNLIKELY(h->form == WEIR_HTTP_ABSOLUTE || h->form == WEIR_HTTP_AUTHORITY))
        return 0; /* the target's wins (section 3.2.2); Host only has to be one */
    h->host = (struct weir__http_span){(uint16_t)(a.host.ptr - buf), (uint16_t)a.host.len};
    h->has_port = a.has_port;
    h->port = a.port;
    return 0;
}

/* ---- the body, RFC 9112 section 6 ---- */

/* 1*DIGIT, at most 63 bits. Leading zeros are digits. */
static int read_length(weir_str s, uint64_t *out)
{
    uint64_t n = 0;
    if (s.len == 0)
        return WEIR_HTTP1_ELENGTH;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';
        if (digit > 9 || n > ((uint64_t)INT64_MAX - digit) / 10)
            return WEIR_HTTP1_ELENGTH;
        n = n * 10 + digit;
    }
    *out = n;
    return 0;
}

/* Past empty elements of a list, which are read and ignored (RFC 9110 section 5.6.1.2). */
static const char *skip_empty(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == ','))
        at++;
    return at;
}

/*
 * A Transfer-Encoding that is not plainly "chunked": 0 when it is but for empty elements, 501 for a
 * list of plain codings that ends in chunked and has it once, 400 for all else (RFC 9112 section
 * 6.1).
 */
static int other_coding(weir_str value)
{
    const char *end = value.ptr + value.len, *at = skip_empty(value.ptr, end);
    bool ended_in_chunked = false, has_others = false;
    while (at < end) {
        const char *token = at;
        while (at < end && weir__http_byte_is(*at, WEIR_BYTE_TOKEN))
            at++;
        if (at == token || ended_in_chunked)
            return WEIR_HTTP1_ECODING;
        ended_in_chunked = word_is((weir_str){token, (size_t)(at - token)}, "chunked", 7);
        has_others = has_others || !ended_in_chunked;
        while (at < end && *at == ' ')
            at++;
        if (at < end && *at != ',')
            return WEIR_HTTP1_ECODING;
        at = skip_empty(at, end);
    }
    if (!ended_in_chunked)
        return WEIR_HTTP1_ECODING;
    return has_others ? WEIR_HTTP1_ECODINGUNKNOWN : 0;
}

/* True when a tab stands beside the coding: allowed by the grammar, but known to hide it from some
 * readers, who would then see no body, so it is refused. */
static bool has_tab_beside(const struct weir__http_head *h, const char *buf)
{
    const struct weir__http_line *f = &h->fields[h->slots[WEIR_FIELD_TRANSFER_ENCODING] - 1];
    const char *before = buf + f->name.off + f->name.len + 1, *value = buf + f->value.off;
    const char *after = value + f->value.len;
    while (before < value && *before == ' ')
        before++;
    while (*after == ' ')
        after++; /* ends at the line's CR */
    return before < value || *after == '\t';
}

static int decide_chunked(struct weir__http_head *h, const char *buf)
{
    const enum weir__http_field_id id = WEIR_FIELD_TRANSFER_ENCODING;
    if (h->minor == 0)
        return WEIR_HTTP1_ECODINGIN10;
    if (h->slots[WEIR_FIELD_CONTENT_LENGTH] != 0)
        return WEIR_HTTP1_ELENGTHANDCODING;
    if (has_tab_beside(h, buf))
        return WEIR_HTTP1_ECODING;
    weir_str value = weir__http_head_field(h, buf, id);
    int rc = WEIR_LIKELY(word_is(value, "chunked", 7)) ? 0 : other_coding(value);
    if (rc == 0)
        h->body = WEIR_HTTP_BODY_UNSIZED;
    return rc;
}

static int decide_body(struct weir__http_head *h, const char *buf)
{
    if (h->slots[WEIR_FIELD_TRANSFER_ENCODING] != 0)
        return decide_chunked(h, buf);
    if (h->slots[WEIR_FIELD_CONTENT_LENGTH] == 0)
        return 0;
    h->body = WEIR_HTTP_BODY_LENGTH;
    return read_length(weir__http_head_field(h, buf, WEIR_FIELD_CONTENT_LENGTH),
                       &h->content_length);
}

/* ---- the connection, RFC 9112 section 9.3, RFC 9110 section 7.8 and 10.1.1 ---- */

enum { OPTION_CLOSE = 1, OPTION_KEEP_ALIVE = 2, OPTION_UPGRADE = 4 };

/* The next element of a Connection or Expect value. Elements are tokens, so every comma separates:
 * a quote must not hide a "close" from us that a proxy has seen. */
static bool next_option(weir_str *rest, weir_str *option)
{
    if (rest->ptr == NULL)
        return false;
    const char *end = rest->ptr + rest->len;
    const char *comma = rest->len > 0 ? memchr(rest->ptr, ',', rest->len) : NULL;
    const char *stop = comma != NULL ? comma : end;
    *option = weir_str_trim((weir_str){rest->ptr, (size_t)(stop - rest->ptr)});
    *rest = comma != NULL ? (weir_str){comma + 1, (size_t)(end - comma - 1)} : (weir_str){NULL, 0};
    return true;
}

static unsigned connection_options(weir_str list)
{
    unsigned options = 0;
    for (weir_str option; next_option(&list, &option);) {
        if (word_is(option, "close", 5))
            options |= OPTION_CLOSE;
        else if (word_is(option, "keep-alive", 10))
            options |= OPTION_KEEP_ALIVE;
        else if (word_is(option, "upgrade", 7))
            options |= OPTION_UPGRADE;
    }
    return options;
}

/* The options of all Connection fields together. */
static unsigned all_connection_options(const struct weir__http_head *h, const char *buf)
{
    unsigned options = 0;
    for (unsigned i = h->slots[WEIR_FIELD_CONNECTION] - 1u; i < h->nfields; i++) {
        if (h->fields[i].id == WEIR_FIELD_CONNECTION)
            options |= connection_options(weir__http_head_value(h, buf, i));
    }
    return options;
}

static inline bool has_body_bytes(const struct weir__http_head *h)
{
    return h->content_length > 0 || h->body == WEIR_HTTP_BODY_UNSIZED;
}

static void decide_connection(struct weir__http_head *h, const char *buf)
{
    h->keep_alive = h->minor != 0;
    if (h->slots[WEIR_FIELD_CONNECTION] == 0)
        return;
    unsigned options = all_connection_options(h, buf);
    h->keep_alive = (h->keep_alive || (options & OPTION_KEEP_ALIVE)) && !(options & OPTION_CLOSE);
    h->upgrade = (options & OPTION_UPGRADE) && h->slots[WEIR_FIELD_UPGRADE] != 0 && h->minor != 0 &&
                 !has_body_bytes(h);
}

/*
 * 100-continue is the only expectation there is, said once or several times; HTTP/1.0 has none, and
 * without a body there is nothing to wait for.
 */
static int decide_expect(struct weir__http_head *h, const char *buf)
{
    bool is_expected = false;
    if (h->slots[WEIR_FIELD_EXPECT] == 0 || h->minor == 0)
        return 0;
    for (unsigned i = h->slots[WEIR_FIELD_EXPECT] - 1u; i < h->nfields; i++) {
        if (h->fields[i].id != WEIR_FIELD_EXPECT)
            continue;
        weir_str list = weir__http_head_value(h, buf, i);
        for (weir_str element; next_option(&list, &element);) {
            if (element.len == 0)
                continue;
            if (!word_is(element, "100-continue", 12))
                return WEIR_HTTP1_EEXPECT;
            is_expected = true;
        }
    }
    h->expect_continue = is_expected && has_body_bytes(h);
    return 0;
}

int weir__http1_framing_decide(struct weir__http_head *h, const char *buf, size_t used)
{
    int rc = decide_host(h, buf, buf + used);
    if (WEIR_LIKELY(rc == 0))
        rc = decide_body(h, buf);
    if (WEIR_UNLIKELY(rc != 0))
        return rc;
    decide_connection(h, buf);
    return decide_expect(h, buf);
}

/* ---- responses ---- */

/* The statuses that never have a body, whatever their fields say (rule 1). */
static bool is_bodiless(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/*
 * A length, or a coding, of a message that has no body is told of another one (HEAD, 304), or by
 * somebody who may well send it: nothing behind such a head is to be read as a response.
 */
static void decide_bodiless(struct weir__http1_response *r)
{
    struct weir__http_head *h = &r->head;
    bool may_tell = r->asked == WEIR_HTTP_HEAD || r->status == 304;
    if (!may_tell && has_body_bytes(h))
        h->keep_alive = false;
    if (!may_tell)
        h->content_length = 0;
    h->body = WEIR_HTTP_BODY_NONE;
}

int weir__http1_framing_decide_response(struct weir__http1_response *r, const char *buf)
{
    struct weir__http_head *h = &r->head;
    int rc = decide_body(h, buf);
    if (WEIR_UNLIKELY(rc != 0))
        return rc;
    decide_connection(h, buf);
    if (r->asked == WEIR_HTTP_CONNECT && r->status / 100 == 2) { /* rule 2 */
        r->is_tunnel = true;
        h->body = WEIR_HTTP_BODY_NONE;
        h->content_length = 0;
    } else if (r->asked == WEIR_HTTP_HEAD || is_bodiless(r->status)) {
        decide_bodiless(r);
    } else if (h->body == WEIR_HTTP_BODY_NONE) { /* rule 8 */
        r->is_until_close = true;
        h->keep_alive = false;
    }
    return 0;
}

/* ---- errors ---- */

struct error_info {
    int status;
    const char *text;
};

#define WEIR_ERROR(name) [WEIR_HTTP1_##name - WEIR_HTTP1_EBARELF]

static const struct error_info errors[WEIR_HTTP1_ERROR_END - WEIR_HTTP1_EBARELF] = {
    WEIR_ERROR(EBARELF) = {400, "line feed without carriage return"},
    WEIR_ERROR(EBARECR) = {400, "carriage return without line feed"},
    WEIR_ERROR(ECONTROL) = {400, "control character in the head"},
    WEIR_ERROR(EMETHOD) = {400, "the method is not a token followed by one blank"},
    WEIR_ERROR(EREQUESTLINE) = {400, "the request line is not: method, target, version"},
    WEIR_ERROR(ETARGET) = {400, "a character in the target that must be percent-encoded"},
    WEIR_ERROR(ETARGETFORM) = {400, "the form of the target does not fit the method"},
    WEIR_ERROR(EPATHPERCENT) = {400, "percent sign without two hex digits in the path"},
    WEIR_ERROR(EPATHNUL) = {400, "encoded NUL in the path"},
    WEIR_ERROR(EPATHDOTS) = {400, "dot segment in the path"},
    WEIR_ERROR(EAUTHORITY) = {400, "malformed host or port in the target"},
    WEIR_ERROR(EVERSIONFORM) = {400, "the request line does not end in a version like HTTP/1.1"},
    WEIR_ERROR(EFOLD) = {400, "header line begins with a blank"},
    WEIR_ERROR(ENOCOLON) = {400, "header line without a colon"},
    WEIR_ERROR(ENAMEEMPTY) = {400, "header without a name"},
    WEIR_ERROR(ENAMESPACE) = {400, "space before the colon of a header"},
    WEIR_ERROR(ENAME) = {400, "a character in a header name that is not allowed there"},
    WEIR_ERROR(ENOHOST) = {400, "HTTP/1.1 request without a Host header"},
    WEIR_ERROR(EHOSTTWICE) = {400, "more than one Host header"},
    WEIR_ERROR(EHOST) = {400, "malformed Host header"},
    WEIR_ERROR(ELENGTHTWICE) = {400, "more than one Content-Length header"},
    WEIR_ERROR(ELENGTH) = {400, "malformed Content-Length header"},
    WEIR_ERROR(ELENGTHANDCODING) = {400, "both Content-Length and Transfer-Encoding"},
    WEIR_ERROR(ECODINGTWICE) = {400, "more than one Transfer-Encoding header"},
    WEIR_ERROR(ECODING) = {400, "malformed Transfer-Encoding header"},
    WEIR_ERROR(ECODINGIN10) = {400, "Transfer-Encoding in an HTTP/1.0 request"},
    WEIR_ERROR(ELINELONG) = {414, "the request line is too long"},
    WEIR_ERROR(EEXPECT) = {417, "an expectation other than 100-continue"},
    WEIR_ERROR(EHEADLONG) = {431, "the request's head is too long"},
    WEIR_ERROR(EFIELDS) = {431, "too many header lines"},
    WEIR_ERROR(ECODINGUNKNOWN) = {501, "a transfer coding other than chunked"},
    WEIR_ERROR(EVERSION09) = {505, "HTTP/0.9 is not supported"},
    WEIR_ERROR(EVERSION2) = {505, "HTTP/2 without TLS is not supported"},
    WEIR_ERROR(EVERSION) = {505, "this version of HTTP is not supported"},
};

static const struct error_info *error_info(int err)
{
    static const struct error_info unknown = {400, "malformed request"};
    if (err < WEIR_HTTP1_EBARELF || err >= WEIR_HTTP1_ERROR_END)
        return &unknown;
    return &errors[err - WEIR_HTTP1_EBARELF];
}

int weir__http1_error_status(int err)
{
    return error_info(err)->status;
}

const char *weir__http1_error_text(int err)
{
    return error_info(err)->text;
}
