/*
 * Response heads. The input is a byte that says what was asked, then what a server sends. The
 * parser and a slow reader here must agree on whether it is one, where it ends and where its body
 * does; any split gives the same result, errors included (W3); what follows the head changes
 * nothing.
 */
#include "base/fuzz.h"
#include "wire/http1_response.h"

enum { BYTES_MAX = 20000, FIELDS_MAX = 100 };

static int parse_moved(struct weir__http1_response *r, enum weir__http_method asked,
                       const char *bytes, size_t len, size_t cut, size_t step)
{
    weir__http1_response_init(r, asked);
    for (size_t have = cut;; have += step) {
        have = have < len ? have : len;
        char *copy = fuzz_copy((const uint8_t *)bytes, have);
        int rc = weir__http1_response_parse(r, copy, have, NULL);
        free(copy);
        if (rc != 0 || have == len)
            return rc;
    }
}

/* ---- a slow reader: cuts the head at its blank line, and looks for each thing apart ---- */

struct slow {
    size_t used; /* 0: refused, or not whole */
    bool is_refused;
    int status;
    enum weir__http_body body;
    uint64_t length;
    bool is_until_close, keeps;
};

/* The value of the `nth` field of that name, as it stands between colon and CR. */
static bool field(weir_str fields, const char *name, int nth, weir_str *value)
{
    weir_str wanted = weir_str_from(name);
    while (fields.len > 0) {
        const char *end = memmem(fields.ptr, fields.len, "\r\n", 2);
        size_t len = (size_t)(end - fields.ptr);
        bool is_it = len > wanted.len && fields.ptr[wanted.len] == ':' &&
                     weir_str_ieq((weir_str){fields.ptr, wanted.len}, wanted);
        if (is_it && nth-- == 0) {
            *value = (weir_str){fields.ptr + wanted.len + 1, len - wanted.len - 1};
            return true;
        }
        fields = (weir_str){end + 2, fields.len - len - 2};
    }
    return false;
}

static bool is_field_line(const char *p, size_t len)
{
    static const char tchars[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "!#$%&'*+-.^_`|~";
    const char *colon = len > 0 ? memchr(p, ':', len) : NULL;
    if (colon == NULL || colon == p)
        return false;
    for (const char *at = p; at < colon; at++)
        if (memchr(tchars, *at, sizeof tchars - 1) == NULL)
            return false;
    return true;
}

/* All lines are lines: no stray control or line end; *fields is how many follow the first. */
static bool are_lines(weir_str head, int *fields)
{
    *fields = -1;
    for (size_t i = 0, line = 0; i < head.len; i++) {
        unsigned char ch = (unsigned char)head.ptr[i];
        if (ch == '\r' && i + 1 < head.len && head.ptr[i + 1] == '\n') {
            if (*fields >= 0 && i > line && !is_field_line(head.ptr + line, i - line))
                return false;
            if (i > line)
                ++*fields;
            line = i + 2;
            i++;
        } else if ((ch < 0x20 && ch != '\t') || ch == 0x7f) {
            return false;
        }
    }
    return *fields <= FIELDS_MAX;
}

static bool read_status(weir_str head, struct slow *s, int *minor)
{
    int used = 0, status = 0;
    char copy[16] = "";
    memcpy(copy, head.ptr, head.len < 15 ? head.len : 15);
    if (sscanf(copy, "HTTP/1.%1d%n", minor, &used) != 1 || used != 8 || copy[8] != ' ')
        return false;
    for (int i = 9; i < 12; i++) {
        if (copy[i] < '0' || copy[i] > '9')
            return false;
        status = status * 10 + copy[i] - '0';
    }
    s->status = status;
    return status >= 100 && (copy[12] == ' ' || copy[12] == '\r');
}

static bool has_option(weir_str fields, const char *option)
{
    weir_str value;
    for (int i = 0; field(fields, "connection", i, &value); i++) {
        while (value.len > 0) {
            const char *comma = memchr(value.ptr, ',', value.len);
            size_t n = comma != NULL ? (size_t)(comma - value.ptr) : value.len;
            if (weir_str_ieq(weir_str_trim((weir_str){value.ptr, n}), weir_str_from(option)))
                return true;
            n += comma != NULL;
            value = (weir_str){value.ptr + n, value.len - n};
        }
    }
    return false;
}

/* "chunked", maybe among empty elements, with blanks alone. */
static bool is_chunked(weir_str value)
{
    char word[9] = "";
    size_t n = 0;
    bool is_over = false;
    for (size_t i = 0; i < value.len; i++) {
        char ch = value.ptr[i];
        if (ch == ' ' || ch == ',') {
            is_over = n > 0;
        } else if (is_over || n == 7) {
            return false;
        } else {
            word[n++] = ch;
        }
    }
    return weir_str_ieq(weir_str_from(word), WEIR_S("chunked"));
}

static bool read_length(weir_str value, uint64_t *out)
{
    value = weir_str_trim(value);
    unsigned __int128 n = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9' || n > INT64_MAX)
            return false;
        n = n * 10 + (unsigned)(value.ptr[i] - '0');
    }
    *out = (uint64_t)n;
    return value.len > 0 && n <= INT64_MAX;
}

/* What the head says of a body, before the method and the status are looked at. False: refused. */
static bool read_framing(weir_str fields, int minor, struct slow *s)
{
    weir_str value, second;
    bool has_coding = field(fields, "transfer-encoding", 0, &value);
    if (has_coding)
        s->body = WEIR_HTTP_BODY_UNSIZED;
    if (has_coding && (minor == 0 || !is_chunked(value)))
        return false;
    if (field(fields, "transfer-encoding", 1, &second) ||
        field(fields, "content-length", 1, &second) || field(fields, "host", 1, &second))
        return false;
    if (!field(fields, "content-length", 0, &value))
        return true;
    s->body = WEIR_HTTP_BODY_LENGTH;
    return !has_coding && read_length(value, &s->length);
}

static void read_ending(struct slow *s, enum weir__http_method asked)
{
    bool has_bytes = s->body == WEIR_HTTP_BODY_UNSIZED || s->length > 0;
    if (asked == WEIR_HTTP_CONNECT && s->status >= 200 && s->status < 300) {
        s->body = WEIR_HTTP_BODY_NONE;
        s->length = 0;
    } else if (asked == WEIR_HTTP_HEAD || s->status == 304) {
        s->body = WEIR_HTTP_BODY_NONE;
    } else if (s->status < 200 || s->status == 204) {
        s->body = WEIR_HTTP_BODY_NONE;
        s->length = 0;
        s->keeps = s->keeps && !has_bytes;
    } else if (s->body == WEIR_HTTP_BODY_NONE) {
        s->is_until_close = true;
        s->keeps = false;
    }
}

static struct slow read_slowly(weir_str in, enum weir__http_method asked)
{
    struct slow s = {.is_refused = true};
    int minor, fields;
    const char *end = in.len >= 4 ? memmem(in.ptr, in.len, "\r\n\r\n", 4) : NULL;
    if (end == NULL || end + 4 - in.ptr > 16384) {
        s.is_refused = false; /* nothing is said */
        return s;
    }
    weir_str head = {in.ptr, (size_t)(end + 4 - in.ptr)};
    if (!are_lines(head, &fields) || !read_status(head, &s, &minor))
        return s;
    const char *first = memmem(head.ptr, head.len, "\r\n", 2);
    if (first - head.ptr > 8192)
        return s;
    weir_str rest = {first + 2, (size_t)(head.ptr + head.len - 2 - (first + 2))};
    if (!read_framing(rest, minor, &s))
        return s;
    s.keeps = (minor != 0 || has_option(rest, "keep-alive")) && !has_option(rest, "close");
    read_ending(&s, asked);
    s.is_refused = false;
    s.used = head.len;
    return s;
}

/* ---- the fuzzer ---- */

static void check_same(const struct weir__http1_response *a, const struct weir__http1_response *b)
{
    FUZZ_CHECK(
        a->status == b->status && a->is_until_close == b->is_until_close &&
            a->is_tunnel == b->is_tunnel && a->head.body == b->head.body &&
            a->head.content_length == b->head.content_length &&
            a->head.keep_alive == b->head.keep_alive && a->head.nfields == b->head.nfields &&
            memcmp(a->head.fields, b->head.fields, a->head.nfields * sizeof a->head.fields[0]) == 0,
        "in pieces it is another response: %d", b->status);
}

/* The parser and the slow reader say the same. */
static void check_meaning(const struct weir__http1_response *r, int rc, const struct slow *s)
{
    FUZZ_CHECK((rc > 0) == (s->used > 0) && (rc <= 0 || (size_t)rc == s->used),
               "%d (%s), slowly %zu bytes", rc, weir__http1_response_error_text(rc), s->used);
    FUZZ_CHECK(!s->is_refused || rc < 0, "%d where it is to be refused", rc);
    if (rc > 0)
        FUZZ_CHECK(r->status == s->status && r->head.body == s->body &&
                       r->head.content_length == s->length &&
                       r->is_until_close == s->is_until_close && r->head.keep_alive == s->keeps,
                   "another end than slowly: body %d %d, keeps %d %d", r->head.body, s->body,
                   r->head.keep_alive, s->keeps);
}

static void check_split(const struct weir__http1_response *whole, int rc, weir_str in, size_t cut,
                        size_t step)
{
    static struct weir__http1_response other;
    int again =
        parse_moved(&other, (enum weir__http_method)whole->asked, in.ptr, in.len, cut, step);
    FUZZ_CHECK(again == rc, "whole %d; first %zu bytes, then %zu at a time: %d", rc, cut, step,
               again);
    if (rc > 0)
        check_same(whole, &other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum weir__http_method methods[] = {WEIR_HTTP_GET, WEIR_HTTP_HEAD,
                                                     WEIR_HTTP_CONNECT, WEIR_HTTP_POST};
    static struct weir__http1_response whole;
    if (size < 2 || size > BYTES_MAX)
        return 0;
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    enum weir__http_method asked = methods[data[0] % 4];
    char *bytes = fuzz_copy(data + 1, size - 1);
    weir_str in = {bytes, size - 1};
    int rc = parse_moved(&whole, asked, in.ptr, in.len, in.len, 1);
    struct slow s = read_slowly(in, asked);
    check_meaning(&whole, rc, &s);
    check_split(&whole, rc, in, 1, 1);
    for (int i = 0; i < 4; i++)
        check_split(&whole, rc, in, fuzz_below(&dice, in.len + 1), 1 + fuzz_below(&dice, 40));
    if (rc > 0)
        check_split(&whole, rc, (weir_str){in.ptr, (size_t)rc}, (size_t)rc, 1);
    free(bytes);
    return 0;
}
