/*
 * URLs: splitting, decoding, checking, encoding. Pure functions over borrowed bytes.
 *
 * Dot segments are refused and not resolved: clients resolve them before they send (RFC 3986
 * section 5.2.4), so one that arrives comes from an attack or a broken client, and a proxy in front
 * of us that did not resolve it has checked another path than the one we would serve. An encoded
 * '/' is data of its segment, which is why a path is split before it is decoded; an encoded NUL is
 * refused, because what comes after the wire ends strings there.
 */
#include "wire/url.h"
#include "wire/http_field.h"
#include <arpa/inet.h>

const char *weir__url_error_text(int err)
{
    static const char *const texts[] = {
        [0] = "percent sign without two hex digits",
        [WEIR_URL_ENUL - WEIR_URL_EPERCENT] = "encoded NUL in a path",
        [WEIR_URL_EDOTS - WEIR_URL_EPERCENT] = "dot segment in a path",
        [WEIR_URL_EBYTE - WEIR_URL_EPERCENT] = "a character that must be percent-encoded",
        [WEIR_URL_ESCHEME - WEIR_URL_EPERCENT] = "not an http or https URL",
        [WEIR_URL_EUSERINFO - WEIR_URL_EPERCENT] = "user information in a URL",
        [WEIR_URL_EHOST - WEIR_URL_EPERCENT] = "malformed host",
        [WEIR_URL_EPORT - WEIR_URL_EPERCENT] = "malformed port",
    };
    if (err < WEIR_URL_EPERCENT || err >= WEIR_URL_ERROR_END)
        return "malformed URL";
    return texts[err - WEIR_URL_EPERCENT];
}

/* ---- percent-encoding ---- */

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    char lower = (char)(ch | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte that "%xx" at s.ptr[i] stands for, or -1. */
static int encoded_byte(weir_str s, size_t i)
{
    if (s.len - i < 3)
        return -1;
    int high = hex_digit(s.ptr[i + 1]), low = hex_digit(s.ptr[i + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* `blank` is the byte that stands for a blank besides "%20"; '%' means none. */
static int decode(weir_str s, char *out, char blank)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        if (ch == '%') {
            int byte = encoded_byte(s, i);
            if (byte < 0)
                return WEIR_URL_EPERCENT;
            ch = (char)byte;
            i += 2;
        } else if (ch == blank) {
            ch = ' ';
        }
        out[n++] = ch;
    }
    return (int)n;
}

int weir__url_decode(weir_str s, char *out)
{
    return decode(s, out, '%');
}

int weir__url_decode_form(weir_str s, char *out)
{
    return decode(s, out, '+');
}

bool weir__url_is_plain(weir_str s)
{
    return s.len == 0 || memchr(s.ptr, '%', s.len) == NULL;
}

bool weir__url_form_is_plain(weir_str s)
{
    return weir__url_is_plain(s) && (s.len == 0 || memchr(s.ptr, '+', s.len) == NULL);
}

/* Encodes all but the bytes of class `keep`; a blank becomes `blank` unless that is '%'. */
static size_t encode(weir_str s, char *out, unsigned keep, char blank)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char byte = (unsigned char)s.ptr[i];
        if (weir__http_byte_is((char)byte, keep)) {
            out[n++] = (char)byte;
        } else if (byte == ' ' && blank != '%') {
            out[n++] = blank;
        } else {
            out[n++] = '%';
            out[n++] = hex[byte >> 4];
            out[n++] = hex[byte & 15];
        }
    }
    return n;
}

size_t weir__url_encode(weir_str s, char *out)
{
    return encode(s, out, WEIR_BYTE_PLAIN, '%');
}

size_t weir__url_encode_form(weir_str s, char *out)
{
    return encode(s, out, WEIR_BYTE_PLAIN, '+');
}

size_t weir__url_encode_path(weir_str s, char *out)
{
    return encode(s, out, WEIR_BYTE_PATH, '%');
}

/* ---- paths ---- */

/* True when a segment is "." or ".." once decoded. */
static bool is_dots(weir_str segment)
{
    size_t dots = 0;
    for (size_t i = 0; i < segment.len; i++, dots++) {
        if (segment.ptr[i] == '%' && encoded_byte(segment, i) == '.')
            i += 2;
        else if (segment.ptr[i] != '.')
            return false;
    }
    return dots == 1 || dots == 2;
}

static int check_percents(weir_str path)
{
    const char *at = path.ptr, *end = path.ptr + path.len;
    while (at < end && (at = memchr(at, '%', (size_t)(end - at))) != NULL) {
        int byte = encoded_byte(path, (size_t)(at - path.ptr));
        if (byte < 0)
            return WEIR_URL_EPERCENT;
        if (byte == 0)
            return WEIR_URL_ENUL;
        at += 3;
    }
    return 0;
}

int weir__url_path_check(weir_str path)
{
    if (path.len == 0 || path.ptr[0] != '/')
        return WEIR_URL_EBYTE;
    int rc = check_percents(path);
    if (rc != 0)
        return rc;
    for (weir_str segment; weir__url_segment_next(&path, &segment);) {
        if (is_dots(segment))
            return WEIR_URL_EDOTS;
    }
    return 0;
}

bool weir__url_segment_next(weir_str *rest, weir_str *segment)
{
    if (rest->len == 0)
        return false;
    const char *from = rest->ptr + 1, *end = rest->ptr + rest->len;
    const char *slash = from < end ? memchr(from, '/', (size_t)(end - from)) : NULL;
    if (slash == NULL)
        slash = end;
    *segment = (weir_str){from, (size_t)(slash - from)};
    *rest = (weir_str){slash, (size_t)(end - slash)};
    return true;
}

/* ---- queries and forms ---- */

bool weir__url_pair_next(weir_str *rest, weir_str *name, weir_str *value)
{
    while (rest->len > 0) {
        const char *from = rest->ptr, *end = from + rest->len;
        const char *amp = memchr(from, '&', rest->len);
        const char *stop = amp != NULL ? amp : end, *next = amp != NULL ? amp + 1 : end;
        *rest = (weir_str){next, (size_t)(end - next)};
        if (stop == from)
            continue;
        const char *eq = memchr(from, '=', (size_t)(stop - from));
        *name = (weir_str){from, (size_t)((eq != NULL ? eq : stop) - from)};
        *value = eq != NULL ? (weir_str){eq + 1, (size_t)(stop - eq - 1)} : (weir_str){NULL, 0};
        return true;
    }
    return false;
}

/* True when `encoded` decodes to `plain`; no copy is made. */
static bool decodes_to(weir_str encoded, weir_str plain)
{
    size_t n = 0;
    for (size_t i = 0; i < encoded.len; i++, n++) {
        int byte = (unsigned char)encoded.ptr[i];
        if (byte == '%') {
            byte = encoded_byte(encoded, i);
            i += 2;
        } else if (byte == '+') {
            byte = ' ';
        }
        if (byte < 0 || n >= plain.len || (unsigned char)plain.ptr[n] != byte)
            return false;
    }
    return n == plain.len;
}

bool weir__url_pair_find(weir_str *rest, weir_str name, weir_str *value)
{
    for (weir_str key; weir__url_pair_next(rest, &key, value);) {
        if (decodes_to(key, name))
            return true;
    }
    return false;
}

/* ---- authorities ---- */

/* Reads what follows a host: nothing, ":" or ":port" with a port of 1 to 65535. */
static int parse_port(weir_str s, struct weir__url_authority *out)
{
    unsigned port = 0;
    if (s.len == 0)
        return 0;
    if (s.ptr[0] != ':' || s.len > 6)
        return WEIR_URL_EPORT;
    for (size_t i = 1; i < s.len; i++) {
        if (!weir__http_byte_is(s.ptr[i], WEIR_BYTE_DIGIT))
            return WEIR_URL_EPORT;
        port = port * 10 + (unsigned)(s.ptr[i] - '0');
    }
    if (s.len > 1 && (port == 0 || port > 65535))
        return WEIR_URL_EPORT;
    out->has_port = s.len > 1;
    out->port = (uint16_t)port;
    return 0;
}

/* "[v6 address]" and maybe a port. No zones: they mean nothing to another machine. */
static int parse_v6(weir_str s, struct weir__url_authority *out)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;
    const char *close = memchr(s.ptr, ']', s.len);
    if (close == NULL || close - s.ptr > (ptrdiff_t)sizeof text)
        return WEIR_URL_EHOST;
    size_t len = (size_t)(close - s.ptr) - 1;
    memcpy(text, s.ptr + 1, len);
    text[len] = '\0';
    if (strlen(text) != len || inet_pton(AF_INET6, text, &addr) != 1)
        return WEIR_URL_EHOST;
    out->host = (weir_str){s.ptr, len + 2};
    return parse_port((weir_str){close + 1, s.len - len - 2}, out);
}

/*
 * The length of the registered name that `s` begins with: unreserved, sub-delims and escapes (RFC
 * 3986 section 3.2.2), but for that of NUL, which would end the name for some and not for others.
 */
static size_t name_length(weir_str s)
{
    size_t n = 0;
    while (n < s.len) {
        if (s.ptr[n] == '%') {
            if (encoded_byte(s, n) <= 0)
                break;
            n += 3;
        } else if (weir__http_byte_is(s.ptr[n], WEIR_BYTE_PLAIN) ||
                   (s.ptr[n] != '\0' && strchr("!$&'()*+,;=", s.ptr[n]) != NULL)) {
            n++;
        } else {
            break;
        }
    }
    return n;
}

int weir__url_authority_parse(weir_str s, struct weir__url_authority *out)
{
    *out = (struct weir__url_authority){{s.ptr, 0}, 0, false};
    if (s.len == 0)
        return 0;
    if (s.ptr[0] == '[')
        return parse_v6(s, out);
    size_t n = name_length(s);
    out->host.len = n;
    if (n < s.len && s.ptr[n] != ':')
        return memchr(s.ptr, '@', s.len) != NULL ? WEIR_URL_EUSERINFO : WEIR_URL_EHOST;
    return parse_port((weir_str){s.ptr + n, s.len - n}, out);
}

/* The length of "http://" or "https://" at the start, or 0. */
static size_t scheme_length(weir_str s)
{
    if (s.len >= 7 && weir_str_ieq((weir_str){s.ptr, 7}, WEIR_S("http://")))
        return 7;
    if (s.len >= 8 && weir_str_ieq((weir_str){s.ptr, 8}, WEIR_S("https://")))
        return 8;
    return 0;
}

int weir__url_absolute_parse(weir_str s, struct weir__url *out)
{
    *out = (struct weir__url){0};
    size_t scheme = scheme_length(s);
    if (scheme == 0)
        return WEIR_URL_ESCHEME;
    for (size_t i = scheme; i < s.len; i++) {
        if (!weir__http_byte_is(s.ptr[i], WEIR_BYTE_TARGET))
            return WEIR_URL_EBYTE;
    }
    const char *from = s.ptr + scheme, *end = s.ptr + s.len, *path = from;
    while (path < end && *path != '/' && *path != '?')
        path++;
    const char *query = memchr(path, '?', (size_t)(end - path));
    const char *path_end = query != NULL ? query : end;
    out->scheme = (weir_str){s.ptr, scheme - 3};
    out->is_https = scheme == 8;
    out->authority = (weir_str){from, (size_t)(path - from)};
    out->path = (weir_str){path, (size_t)(path_end - path)};
    if (query != NULL)
        out->query = (weir_str){query + 1, (size_t)(end - query - 1)};
    int rc = weir__url_authority_parse(out->authority, &out->parts);
    return rc != 0 || out->parts.host.len > 0 ? rc : WEIR_URL_EHOST;
}
