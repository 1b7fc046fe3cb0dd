/*
 * The chunked coding. The input is what follows a head that says "chunked". A slow reader of the
 * grammar, which wants all bytes at once, must come to the same end with the same data and
 * trailers; any split gives the same, and so does decoding in place; a body that was read and is
 * written again in chunks of any sizes reads as the same.
 */
#include "base/fuzz.h"
#include "wire/chunked.h"
#include "wire/http_field.h"

enum { BYTES_MAX = 4096 };

/* What a whole body comes to. */
struct outcome {
    int event; /* MORE, END, or an error */
    size_t used;
    char data[BYTES_MAX], trailer[BYTES_MAX];
    size_t data_len, trailer_len;
};

/* ---- the reference: each function reads one rule of RFC 9112 section 7.1 ---- */

enum { OK, MORE = -1, BAD = -2, LONG = -3 }; /* LONG: 431, or too many bytes of extensions */

struct ref {
    const char *at, *end;
    size_t ext_left, trailer_left;
    struct outcome *out;
};

/* One byte that must be there. */
static int ref_byte(struct ref *r, char wanted)
{
    if (r->at == r->end)
        return MORE;
    return *r->at++ == wanted ? OK : BAD;
}

static int ref_line_end(struct ref *r)
{
    int rc = ref_byte(r, '\r');
    return rc == OK ? ref_byte(r, '\n') : rc;
}

static bool is_in(char ch, const char *set)
{
    return ch != '\0' && strchr(set, ch) != NULL;
}

#define ALNUM "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool is_tchar(char ch)
{
    return is_in(ch, ALNUM "!#$%&'*+-.^_`|~");
}

static bool is_text(char ch)
{
    return ch == '\t' || ((unsigned char)ch >= 0x20 && ch != 0x7f);
}

/* 1*HEXDIG of at most 63 bits and 16 digits. */
static int ref_size(struct ref *r, uint64_t *size)
{
    int digits = 0;
    *size = 0;
    for (; r->at < r->end && is_in(*r->at, "0123456789abcdefABCDEF"); r->at++) {
        char digit[2] = {*r->at, '\0'};
        if (++digits > 16 || *size >= (uint64_t)1 << 59)
            return BAD;
        *size = *size * 16 + strtoul(digit, NULL, 16);
    }
    if (r->at < r->end)
        return digits > 0 ? OK : BAD;
    return MORE;
}

/* A byte of an extension, which costs one of those that are allowed; the line's CR is one. */
static int ref_ext_byte(struct ref *r, char *ch)
{
    if (r->at == r->end)
        return MORE;
    if (r->ext_left == 0)
        return LONG;
    r->ext_left--;
    *ch = *r->at++;
    return OK;
}

static int ref_ext_token(struct ref *r, char first, char *behind)
{
    int rc = OK;
    if (!is_tchar(first))
        return BAD;
    while ((rc = ref_ext_byte(r, behind)) == OK && is_tchar(*behind))
        ;
    return rc;
}

static int ref_ext_quoted(struct ref *r, char *behind)
{
    for (;;) {
        char ch;
        int rc = ref_ext_byte(r, &ch);
        if (rc != OK)
            return rc;
        if (ch == '"')
            return ref_ext_byte(r, behind);
        if (is_text(ch) && ch == '\\')
            rc = ref_ext_byte(r, &ch);
        if (rc != OK || !is_text(ch))
            return rc != OK ? rc : BAD;
    }
}

static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

/* Goes on to the next byte that is no blank. */
static int ref_blanks(struct ref *r, char *ch)
{
    int rc = OK;
    while (rc == OK && is_blank(*ch))
        rc = ref_ext_byte(r, ch);
    return rc;
}

/* *( BWS ";" BWS name [ BWS "=" BWS value ] ) CRLF, from behind the size. */
static int ref_extensions(struct ref *r)
{
    char ch;
    if (r->at == r->end)
        return MORE;
    if (*r->at == '\r')
        return ref_line_end(r);
    ch = *r->at++;
    bool has_blank = is_blank(ch);
    int rc = ref_blanks(r, &ch);
    if (rc == OK && has_blank && ch != ';')
        return BAD;
    while (rc == OK && ch == ';') {
        rc = ref_ext_byte(r, &ch);
        if (rc == OK)
            rc = ref_blanks(r, &ch);
        if (rc == OK)
            rc = ref_ext_token(r, ch, &ch);
        has_blank = rc == OK && is_blank(ch);
        if (rc == OK)
            rc = ref_blanks(r, &ch);
        if (rc == OK && ch == '=') {
            rc = ref_ext_byte(r, &ch);
            if (rc == OK)
                rc = ref_blanks(r, &ch);
            if (rc == OK)
                rc = ch == '"' ? ref_ext_quoted(r, &ch) : ref_ext_token(r, ch, &ch);
            has_blank = rc == OK && is_blank(ch);
            if (rc == OK)
                rc = ref_blanks(r, &ch);
        }
        if (rc == OK && has_blank && ch != ';')
            return BAD;
    }
    if (rc != OK)
        return rc;
    return ch == '\r' ? ref_byte(r, '\n') : BAD;
}

static int ref_data(struct ref *r, uint64_t size)
{
    size_t n = (size_t)(r->end - r->at);
    n = n < size ? n : (size_t)size;
    memcpy(r->out->data + r->out->data_len, r->at, n);
    r->out->data_len += n;
    r->at += n;
    return n < size ? MORE : ref_line_end(r);
}

/* A byte of the trailer section, kept as it is. */
static int ref_trailer_byte(struct ref *r, char *ch)
{
    if (r->at == r->end)
        return MORE;
    if (r->trailer_left == 0)
        return LONG;
    r->trailer_left--;
    *ch = *r->at++;
    return OK;
}

static int ref_trailer_line(struct ref *r)
{
    char ch = 0;
    int rc, names = 0;
    while ((rc = ref_trailer_byte(r, &ch)) == OK && is_tchar(ch))
        names++;
    if (rc != OK || ch != ':' || names == 0)
        return rc != OK ? rc : BAD;
    while ((rc = ref_trailer_byte(r, &ch)) == OK && is_text(ch))
        ;
    if (rc != OK || ch != '\r')
        return rc != OK ? rc : BAD;
    rc = ref_trailer_byte(r, &ch);
    return rc == OK && ch != '\n' ? BAD : rc;
}

static int ref_trailers(struct ref *r)
{
    const char *from = r->at;
    int rc = OK;
    while (rc == OK && r->at < r->end && *r->at != '\r')
        rc = ref_trailer_line(r);
    r->out->trailer_len = (size_t)(r->at - from);
    memcpy(r->out->trailer, from, r->out->trailer_len);
    if (rc != OK)
        return rc;
    return ref_line_end(r);
}

static int ref_body(struct ref *r)
{
    for (;;) {
        uint64_t size;
        int rc = ref_size(r, &size);
        if (rc == OK)
            rc = ref_extensions(r);
        if (rc == OK && size == 0)
            return ref_trailers(r);
        if (rc == OK)
            rc = ref_data(r, size);
        if (rc != OK)
            return rc;
    }
}

/* ---- the decoder ---- */

static void keep(char *to, size_t *len, weir_str s)
{
    FUZZ_CHECK(*len + s.len <= BYTES_MAX, "more comes out than went in");
    memcpy(to + *len, s.ptr, s.len);
    *len += s.len;
}

/* Feeds one piece that lies in memory of its size. Returns the event. */
static int feed(struct weir__chunked *d, weir_str piece, struct outcome *out)
{
    char *bytes = fuzz_copy(piece.ptr, piece.len);
    weir_str in = {bytes, piece.len}, part;
    int event;
    while ((event = weir__chunked_next(d, &in, &part)) == WEIR_CHUNKED_DATA ||
           event == WEIR_CHUNKED_TRAILER) {
        FUZZ_CHECK(part.ptr >= bytes && part.ptr + part.len <= bytes + piece.len,
                   "a view of other memory");
        FUZZ_CHECK(part.len > 0, "an event without a byte");
        if (event == WEIR_CHUNKED_DATA)
            keep(out->data, &out->data_len, part);
        else
            keep(out->trailer, &out->trailer_len, part);
    }
    out->used += piece.len - in.len;
    free(bytes);
    return event;
}

static void decode(struct weir__chunked d, weir_str in, size_t step, struct outcome *out)
{
    out->used = out->data_len = out->trailer_len = 0;
    for (size_t at = 0;; at += step) {
        size_t n = in.len - at < step ? in.len - at : step;
        out->event = feed(&d, (weir_str){in.ptr + at, n}, out);
        if (out->event != WEIR_CHUNKED_MORE || at + n == in.len)
            return;
        FUZZ_CHECK(out->used == at + n, "it wants more, but has not used what it got");
    }
}

static void check_same(const struct outcome *a, const struct outcome *b, const char *how)
{
    FUZZ_CHECK(a->event == b->event, "%s: %d became %d", how, a->event, b->event);
    FUZZ_CHECK(a->data_len == b->data_len && memcmp(a->data, b->data, a->data_len) == 0,
               "%s: %zu bytes of data became %zu", how, a->data_len, b->data_len);
    if (a->event == WEIR_CHUNKED_END)
        FUZZ_CHECK(a->used == b->used, "%s: it ends at %zu and at %zu", how, a->used, b->used);
    if (a->event >= 0)
        FUZZ_CHECK(a->trailer_len == b->trailer_len &&
                       memcmp(a->trailer, b->trailer, a->trailer_len) == 0,
                   "%s: other trailers", how);
}

static void check_reference(struct weir__chunked d, weir_str in, const struct outcome *out)
{
    static struct outcome expected;
    struct ref r = {in.ptr, in.ptr + in.len, d.ext_bytes_left, d.trailer_bytes_left, &expected};
    expected.data_len = expected.trailer_len = 0;
    int rc = ref_body(&r);
    expected.used = (size_t)(r.at - in.ptr);
    expected.event = rc == OK ? WEIR_CHUNKED_END : rc == MORE ? WEIR_CHUNKED_MORE : out->event;
    FUZZ_CHECK(rc == OK || rc == MORE || out->event < 0, "%d, but the reference refuses",
               out->event);
    FUZZ_CHECK((rc == LONG) ==
                   (out->event == WEIR_CHUNKED_EEXTLONG || out->event == WEIR_CHUNKED_ETRAILERLONG),
               "%d (%s), the reference %d", out->event, weir__chunked_error_text(out->event), rc);
    check_same(&expected, out, "the reference");
}

static void check_in_place(struct weir__chunked d, weir_str in, const struct outcome *out)
{
    char *bytes = fuzz_copy(in.ptr, in.len);
    size_t len = in.len, used;
    int event = weir__chunked_compact(&d, bytes, &len, &used);
    FUZZ_CHECK(event == out->event && len == out->data_len && memcmp(bytes, out->data, len) == 0 &&
                   used == out->used,
               "in place: %d, %zu bytes", event, len);
    free(bytes);
}

/* Each line of the trailers is a name and a value, and together they are all of it. */
static void check_trailers(const struct outcome *out)
{
    weir_str rest = {out->trailer, out->trailer_len}, name, value;
    while (weir__trailer_next(&rest, &name, &value))
        FUZZ_CHECK(weir__http_name_is_valid(name) && weir__http_value_is_valid(value),
                   "a trailer that no header could be");
    FUZZ_CHECK(rest.len == 0, "%zu bytes of the trailers are no line", rest.len);
}

static void check_written_again(const struct outcome *out, struct fuzz_dice *dice)
{
    static struct outcome again;
    static char text[BYTES_MAX * (WEIR_CHUNK_HEAD_MAX + 3) + 8];
    struct weir__chunked d;
    size_t n = 0;
    for (size_t at = 0, size; at < out->data_len; at += size) {
        size_t left = out->data_len - at;
        size = 1 + fuzz_below(dice, left < 300 ? left : 300);
        n += weir__chunk_head(text + n, size);
        memcpy(text + n, out->data + at, size);
        n += size;
        memcpy(text + n, WEIR_CHUNK_TAIL, 2);
        n += 2;
    }
    memcpy(text + n, WEIR_CHUNK_LAST, sizeof WEIR_CHUNK_LAST - 1);
    n += sizeof WEIR_CHUNK_LAST - 1;
    weir__chunked_init(&d, 0, 0);
    decode(d, (weir_str){text, n}, n, &again);
    FUZZ_CHECK(again.event == WEIR_CHUNKED_END && again.used == n, "written again: %d",
               again.event);
    FUZZ_CHECK(again.data_len == out->data_len && memcmp(again.data, out->data, out->data_len) == 0,
               "written again it is another body");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, pieces;
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    struct weir__chunked d;
    weir_str in = {(const char *)data, size};
    if (size > BYTES_MAX)
        return 0;
    bool is_tight = fuzz_below(&dice, 4) == 0;
    weir__chunked_init(&d, is_tight ? 1 + (uint32_t)fuzz_below(&dice, 24) : 0,
                       is_tight ? 1 + (uint32_t)fuzz_below(&dice, 40) : 0);
    decode(d, in, size > 0 ? size : 1, &whole);
    check_reference(d, in, &whole);
    decode(d, in, 1, &pieces);
    check_same(&whole, &pieces, "a byte at a time");
    decode(d, in, 1 + fuzz_below(&dice, 60), &pieces);
    check_same(&whole, &pieces, "in pieces");
    check_in_place(d, in, &whole);
    if (whole.event == WEIR_CHUNKED_END) {
        check_trailers(&whole);
        check_written_again(&whole, &dice);
    }
    return 0;
}
