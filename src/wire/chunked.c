/*
 * The chunked coding. The decoder reads the framing byte by byte and the data in spans; its state
 * is one byte, so any split of the input works, and nothing is kept that the input may not do
 * without.
 *
 * The hard thing is not the grammar but what must not be let in (RFC 9112 section 7.1, RFC errata
 * 7633): a bare LF or CR as a line's end, a sign about the size, a blank without an extension, an
 * extension that hides a line end from another reader. Extensions are read by their grammar, and
 * then ignored; the bytes spent on them are bounded for the body as a whole, as are its trailers.
 */
#include "wire/chunked.h"
#include "wire/http_field.h"

#define SIZE_DIGITS_MAX 16

enum state {
    SIZE,       /* the first digit of a size */
    SIZE_MORE,  /* further digits, ';' or CR */
    EXT_BEFORE, /* blanks, then the ';' of an extension */
    EXT_NAME,   /* the first byte of an extension's name */
    EXT_NAME_MORE,
    EXT_EQUALS, /* blanks behind a name, then '=', or the ';' of the next one */
    EXT_VALUE,  /* the first byte of its value */
    EXT_TOKEN,
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_AFTER_QUOTE,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* the first byte of a trailer line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    END
};

void weir__chunked_init(struct weir__chunked *d, uint32_t ext_bytes_max, uint32_t trailer_bytes_max)
{
    *d = (struct weir__chunked){
        .ext_bytes_left = ext_bytes_max != 0 ? ext_bytes_max : WEIR_CHUNKED_EXT_BYTES_MAX,
        .trailer_bytes_left =
            trailer_bytes_max != 0 ? trailer_bytes_max : WEIR_CHUNKED_TRAILER_BYTES_MAX,
        .state = SIZE,
    };
}

static int hex_digit(char ch)
{
    if (!weir__http_byte_is(ch, WEIR_BYTE_HEX))
        return -1;
    return ch <= '9' ? ch - '0' : (ch | 0x20) - 'a' + 10;
}

static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

/* ---- the chunk's line: each step takes one byte and returns 0 or an error ---- */

static int step_size(struct weir__chunked *d, char ch)
{
    int digit = hex_digit(ch);
    if (digit < 0) {
        if (d->state == SIZE || (ch != ';' && ch != '\r' && !is_blank(ch)))
            return ch == '\n' ? WEIR_CHUNKED_ELINEEND : WEIR_CHUNKED_ESIZE;
        d->state = ch == ';' ? EXT_NAME : ch == '\r' ? SIZE_LF : EXT_BEFORE;
        return 0;
    }
    if (d->digits == SIZE_DIGITS_MAX || d->left > (uint64_t)INT64_MAX >> 4)
        return WEIR_CHUNKED_ESIZELONG;
    d->left = d->left << 4 | (unsigned)digit;
    d->digits++;
    d->state = SIZE_MORE;
    return 0;
}

/*
 * After a name or a value: the next extension, the line's end, or blanks, behind which only an
 * extension may stand. "Bad" blanks are read wherever the grammar has them (RFC 9110 section
 * 5.6.3).
 */
static int step_ext_end(struct weir__chunked *d, char ch)
{
    if (is_blank(ch)) {
        d->state = d->state == EXT_NAME_MORE || d->state == EXT_EQUALS ? EXT_EQUALS : EXT_BEFORE;
        return 0;
    }
    bool is_end = ch == '\r' && d->state != EXT_BEFORE && d->state != EXT_EQUALS;
    if (ch != ';' && !is_end)
        return ch == '\n' ? WEIR_CHUNKED_ELINEEND : WEIR_CHUNKED_EEXT;
    d->state = ch == ';' ? EXT_NAME : SIZE_LF;
    return 0;
}

static int step_ext_token(struct weir__chunked *d, char ch, enum state more)
{
    if (!weir__http_byte_is(ch, WEIR_BYTE_TOKEN))
        return WEIR_CHUNKED_EEXT;
    d->state = (uint8_t)more;
    return 0;
}

static int step_ext_quoted(struct weir__chunked *d, char ch)
{
    if (!weir__http_byte_is(ch, WEIR_BYTE_VALUE))
        return WEIR_CHUNKED_EEXT;
    if (d->state == EXT_ESCAPED)
        d->state = EXT_QUOTED;
    else if (ch == '\\')
        d->state = EXT_ESCAPED;
    else if (ch == '"')
        d->state = EXT_AFTER_QUOTE;
    return 0;
}

static int step_ext(struct weir__chunked *d, char ch)
{
    bool is_token = weir__http_byte_is(ch, WEIR_BYTE_TOKEN);
    if (d->ext_bytes_left == 0)
        return WEIR_CHUNKED_EEXTLONG;
    d->ext_bytes_left--;
    switch (d->state) {
    case EXT_NAME:
        return is_blank(ch) ? 0 : step_ext_token(d, ch, EXT_NAME_MORE);
    case EXT_NAME_MORE:
    case EXT_EQUALS:
        if (ch == '=')
            d->state = EXT_VALUE;
        else if (!is_token || d->state == EXT_EQUALS)
            return step_ext_end(d, ch);
        return 0;
    case EXT_VALUE:
        if (is_blank(ch))
            return 0;
        if (ch != '"')
            return step_ext_token(d, ch, EXT_TOKEN);
        d->state = EXT_QUOTED;
        return 0;
    case EXT_TOKEN:
        return is_token ? 0 : step_ext_end(d, ch);
    case EXT_BEFORE:
    case EXT_AFTER_QUOTE:
        return step_ext_end(d, ch);
    default:
        return step_ext_quoted(d, ch);
    }
}

/* ---- the trailer section: the grammar of header lines ---- */

static int step_trailer(struct weir__chunked *d, char ch)
{
    if (d->trailer_bytes_left == 0)
        return WEIR_CHUNKED_ETRAILERLONG;
    d->trailer_bytes_left--;
    if (d->state == TRAILER_VALUE) {
        if (ch == '\r')
            d->state = TRAILER_LF;
        else if (!weir__http_byte_is(ch, WEIR_BYTE_VALUE))
            return WEIR_CHUNKED_ETRAILER;
        return 0;
    }
    if (d->state == TRAILER_LF) {
        d->state = TRAILER;
        return ch == '\n' ? 0 : WEIR_CHUNKED_ETRAILER;
    }
    if (d->state == TRAILER_NAME && ch == ':') {
        d->state = TRAILER_VALUE;
        return 0;
    }
    d->state = TRAILER_NAME;
    return weir__http_byte_is(ch, WEIR_BYTE_TOKEN) ? 0 : WEIR_CHUNKED_ETRAILER;
}

/* Checks trailer bytes from `at` on; returns how many, or an error. Stops before the last CRLF. */
static int take_trailers(struct weir__chunked *d, weir_str *in, weir_str *out)
{
    size_t n = 0;
    for (; n < in->len; n++) {
        if (d->state == TRAILER && in->ptr[n] == '\r')
            break;
        int rc = step_trailer(d, in->ptr[n]);
        if (rc < 0)
            return rc;
    }
    *out = (weir_str){in->ptr, n};
    *in = (weir_str){in->ptr + n, in->len - n};
    return WEIR_CHUNKED_TRAILER;
}

/* ---- the whole ---- */

static int expect(struct weir__chunked *d, char ch, char wanted, enum state next, int err)
{
    d->state = (uint8_t)next;
    return ch == wanted ? 0 : err;
}

/* One byte of framing. Returns 0 or an error. */
static int step(struct weir__chunked *d, char ch)
{
    switch ((enum state)d->state) {
    case SIZE:
    case SIZE_MORE:
        return step_size(d, ch);
    case SIZE_LF:
        return expect(d, ch, '\n', d->left > 0 ? DATA : TRAILER, WEIR_CHUNKED_ELINEEND);
    case DATA_CR:
        return expect(d, ch, '\r', DATA_LF, WEIR_CHUNKED_EDATAEND);
    case DATA_LF:
        d->digits = 0;
        return expect(d, ch, '\n', SIZE, WEIR_CHUNKED_EDATAEND);
    case TRAILER: /* only a CR comes here, see take_trailers */
        return expect(d, ch, '\r', LAST_LF, WEIR_CHUNKED_ETRAILER);
    case LAST_LF:
        return expect(d, ch, '\n', END, WEIR_CHUNKED_ETRAILER);
    default:
        return step_ext(d, ch);
    }
}

static int take_data(struct weir__chunked *d, weir_str *in, weir_str *out)
{
    size_t n = in->len < d->left ? in->len : (size_t)d->left;
    *out = (weir_str){in->ptr, n};
    *in = (weir_str){in->ptr + n, in->len - n};
    d->left -= n;
    if (d->left == 0)
        d->state = DATA_CR;
    return WEIR_CHUNKED_DATA;
}

static bool is_in_trailer(const struct weir__chunked *d, char ch)
{
    return (d->state == TRAILER && ch != '\r') || d->state == TRAILER_NAME ||
           d->state == TRAILER_VALUE || d->state == TRAILER_LF;
}

int weir__chunked_next(struct weir__chunked *d, weir_str *in, weir_str *out)
{
    *out = (weir_str){in->ptr, 0};
    while (d->err == 0 && d->state != END && in->len > 0) {
        int rc;
        if (d->state == DATA)
            return take_data(d, in, out);
        if (is_in_trailer(d, in->ptr[0])) {
            rc = take_trailers(d, in, out);
            if (rc == WEIR_CHUNKED_TRAILER)
                return rc;
        } else {
            rc = step(d, in->ptr[0]);
            *in = (weir_str){in->ptr + 1, in->len - 1};
        }
        if (rc < 0)
            d->err = (int16_t)rc;
    }
    if (d->err != 0)
        return d->err;
    return d->state == END ? WEIR_CHUNKED_END : WEIR_CHUNKED_MORE;
}

int weir__chunked_compact(struct weir__chunked *d, char *buf, size_t *len, size_t *used)
{
    weir_str in = {buf, *len}, out;
    size_t n = 0;
    int event;
    for (;;) {
        event = weir__chunked_next(d, &in, &out);
        if (event == WEIR_CHUNKED_DATA) {
            memmove(buf + n, out.ptr, out.len);
            n += out.len;
        } else if (event != WEIR_CHUNKED_TRAILER) {
            break;
        }
    }
    *used = *len - in.len;
    *len = n;
    return event;
}

/* ---- errors ---- */

int weir__chunked_error_status(int err)
{
    return err == WEIR_CHUNKED_ETRAILERLONG ? 431 : 400;
}

const char *weir__chunked_error_text(int err)
{
    static const char *const texts[] = {
        [0] = "malformed chunk size",
        [WEIR_CHUNKED_ESIZELONG - WEIR_CHUNKED_ESIZE] = "chunk size too large",
        [WEIR_CHUNKED_EEXT - WEIR_CHUNKED_ESIZE] = "malformed chunk extension",
        [WEIR_CHUNKED_EEXTLONG - WEIR_CHUNKED_ESIZE] = "too many bytes of chunk extensions",
        [WEIR_CHUNKED_ELINEEND - WEIR_CHUNKED_ESIZE] = "a chunk's line does not end in CRLF",
        [WEIR_CHUNKED_EDATAEND - WEIR_CHUNKED_ESIZE] = "a chunk's data does not end in CRLF",
        [WEIR_CHUNKED_ETRAILER - WEIR_CHUNKED_ESIZE] = "malformed trailer",
        [WEIR_CHUNKED_ETRAILERLONG - WEIR_CHUNKED_ESIZE] = "the trailers are too long",
    };
    if (err < WEIR_CHUNKED_ESIZE || err >= WEIR_CHUNKED_ERROR_END)
        return "malformed chunk";
    return texts[err - WEIR_CHUNKED_ESIZE];
}

/* ---- trailers that were collected ---- */

static weir_str trim(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return (weir_str){from, (size_t)(to - from)};
}

bool weir__trailer_next(weir_str *rest, weir_str *name, weir_str *value)
{
    if (rest->len == 0)
        return false;
    const char *at = rest->ptr, *end = rest->ptr + rest->len;
    const char *cr = memchr(at, '\r', rest->len);
    if (cr == NULL || end - cr < 2)
        return false;
    const char *colon = memchr(at, ':', (size_t)(cr - at));
    if (colon == NULL)
        return false;
    *name = (weir_str){at, (size_t)(colon - at)};
    *value = trim(colon + 1, cr);
    *rest = (weir_str){cr + 2, (size_t)(end - cr - 2)};
    return true;
}

/* ---- encoding ---- */

char *weir__chunk_head_before(char *data, uint64_t size)
{
    static const char hex[] = "0123456789abcdef";
    char *at = data;
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = hex[size & 15];
        size >>= 4;
    } while (size != 0);
    return at;
}

size_t weir__chunk_head(char out[WEIR_CHUNK_HEAD_MAX], uint64_t size)
{
    size_t len = 3;
    for (uint64_t rest = size >> 4; rest != 0; rest >>= 4)
        len++;
    weir__chunk_head_before(out + len, size);
    return len;
}
