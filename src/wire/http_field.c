/*
 * Which bytes may stand where, and which names are known: the two tables that everything about
 * header fields reads, and the checks that are made of them. The byte table is what keeps response
 * splitting out: every name and value that a handler sets passes weir__http_name_is_valid and
 * weir__http_value_is_valid.
 *
 * The hash table is laid out by its own designators: two names that fell on one slot would not
 * compile (initialised twice). Its multipliers were found by trying; the test looks every name up.
 */
#include "wire/http_field.h"
#include "wire/http_field_table.h"
#include "wire/scan.h"

enum {
    LINE = WEIR_BYTE_VALUE | WEIR_BYTE_TARGET,
    MARK = LINE | WEIR_BYTE_COOKIE, /* punctuation with no further right */
    PATH = MARK | WEIR_BYTE_PATH,
    TOKEN = MARK | WEIR_BYTE_TOKEN,
    BOTH = PATH | WEIR_BYTE_TOKEN,
    PLAIN = BOTH | WEIR_BYTE_PLAIN,
    DIGIT = PLAIN | WEIR_BYTE_DIGIT | WEIR_BYTE_HEX,
    HEX = PLAIN | WEIR_BYTE_HEX
};

/* clang-format off */
const unsigned char weir__http_bytes[256] = {
    ['\t'] = WEIR_BYTE_VALUE,
    [' '] = WEIR_BYTE_VALUE | WEIR_BYTE_COOKIE,
    ['!'] = BOTH, ['"'] = LINE, ['#'] = WEIR_BYTE_TOKEN | WEIR_BYTE_VALUE | WEIR_BYTE_COOKIE,
    ['$'] = BOTH, ['%'] = TOKEN, ['&'] = BOTH, ['\''] = BOTH, ['('] = PATH, [')'] = PATH,
    ['*'] = BOTH, ['+'] = BOTH, [','] = PATH, ['-'] = PLAIN, ['.'] = PLAIN, ['/'] = PATH,
    ['0' ... '9'] = DIGIT,
    [':'] = PATH, [';'] = LINE | WEIR_BYTE_PATH, ['<'] = MARK, ['='] = PATH, ['>'] = MARK,
    ['?'] = MARK, ['@'] = PATH,
    ['A' ... 'F'] = HEX, ['G' ... 'Z'] = PLAIN,
    ['['] = MARK, ['\\'] = LINE, [']'] = MARK, ['^'] = TOKEN, ['_'] = PLAIN, ['`'] = TOKEN,
    ['a' ... 'f'] = HEX, ['g' ... 'z'] = PLAIN,
    ['{'] = MARK, ['|'] = TOKEN, ['}'] = MARK, ['~'] = PLAIN,
    [0x80 ... 0xff] = WEIR_BYTE_VALUE,
};
/* clang-format on */

#define WEIR_KNOWN(text)                                                                           \
    {                                                                                              \
        sizeof(text) - 1, text                                                                     \
    }

const struct weir__http_known_name weir__http_known_names[WEIR_FIELD_COUNT] = {
    [WEIR_FIELD_OTHER] = WEIR_KNOWN(""),
    [WEIR_FIELD_HOST] = WEIR_KNOWN("host"),
    [WEIR_FIELD_CONTENT_LENGTH] = WEIR_KNOWN("content-length"),
    [WEIR_FIELD_TRANSFER_ENCODING] = WEIR_KNOWN("transfer-encoding"),
    [WEIR_FIELD_EXPECT] = WEIR_KNOWN("expect"),
    [WEIR_FIELD_CONNECTION] = WEIR_KNOWN("connection"),
    [WEIR_FIELD_UPGRADE] = WEIR_KNOWN("upgrade"),
    [WEIR_FIELD_CONTENT_TYPE] = WEIR_KNOWN("content-type"),
    [WEIR_FIELD_CONTENT_ENCODING] = WEIR_KNOWN("content-encoding"),
    [WEIR_FIELD_ACCEPT] = WEIR_KNOWN("accept"),
    [WEIR_FIELD_ACCEPT_ENCODING] = WEIR_KNOWN("accept-encoding"),
    [WEIR_FIELD_ACCEPT_LANGUAGE] = WEIR_KNOWN("accept-language"),
    [WEIR_FIELD_AUTHORIZATION] = WEIR_KNOWN("authorization"),
    [WEIR_FIELD_COOKIE] = WEIR_KNOWN("cookie"),
    [WEIR_FIELD_USER_AGENT] = WEIR_KNOWN("user-agent"),
    [WEIR_FIELD_REFERER] = WEIR_KNOWN("referer"),
    [WEIR_FIELD_ORIGIN] = WEIR_KNOWN("origin"),
    [WEIR_FIELD_RANGE] = WEIR_KNOWN("range"),
    [WEIR_FIELD_IF_RANGE] = WEIR_KNOWN("if-range"),
    [WEIR_FIELD_IF_MATCH] = WEIR_KNOWN("if-match"),
    [WEIR_FIELD_IF_NONE_MATCH] = WEIR_KNOWN("if-none-match"),
    [WEIR_FIELD_IF_MODIFIED_SINCE] = WEIR_KNOWN("if-modified-since"),
    [WEIR_FIELD_IF_UNMODIFIED_SINCE] = WEIR_KNOWN("if-unmodified-since"),
    [WEIR_FIELD_CACHE_CONTROL] = WEIR_KNOWN("cache-control"),
    [WEIR_FIELD_TE] = WEIR_KNOWN("te"),
    [WEIR_FIELD_TRAILER] = WEIR_KNOWN("trailer"),
    [WEIR_FIELD_FORWARDED] = WEIR_KNOWN("forwarded"),
    [WEIR_FIELD_X_FORWARDED_FOR] = WEIR_KNOWN("x-forwarded-for"),
    [WEIR_FIELD_X_FORWARDED_PROTO] = WEIR_KNOWN("x-forwarded-proto"),
    [WEIR_FIELD_X_REAL_IP] = WEIR_KNOWN("x-real-ip"),
    [WEIR_FIELD_X_REQUEST_ID] = WEIR_KNOWN("x-request-id"),
    [WEIR_FIELD_TRACEPARENT] = WEIR_KNOWN("traceparent"),
    [WEIR_FIELD_TRACESTATE] = WEIR_KNOWN("tracestate"),
    [WEIR_FIELD_LAST_EVENT_ID] = WEIR_KNOWN("last-event-id"),
    [WEIR_FIELD_SEC_WEBSOCKET_KEY] = WEIR_KNOWN("sec-websocket-key"),
    [WEIR_FIELD_SEC_WEBSOCKET_VERSION] = WEIR_KNOWN("sec-websocket-version"),
    [WEIR_FIELD_SEC_WEBSOCKET_PROTOCOL] = WEIR_KNOWN("sec-websocket-protocol"),
    [WEIR_FIELD_SEC_WEBSOCKET_EXTENSIONS] = WEIR_KNOWN("sec-websocket-extensions"),
    [WEIR_FIELD_ACCESS_CONTROL_REQUEST_METHOD] = WEIR_KNOWN("access-control-request-method"),
    [WEIR_FIELD_ACCESS_CONTROL_REQUEST_HEADERS] = WEIR_KNOWN("access-control-request-headers"),
};

#define WEIR_SLOT(len, first, last) (((len)*37u + (first)*30u + (last)*28u) % WEIR_FIELD_HASH_SIZE)

const unsigned char weir__http_known_hash[WEIR_FIELD_HASH_SIZE] = {
    [WEIR_SLOT(4, 'h', 't')] = WEIR_FIELD_HOST,
    [WEIR_SLOT(14, 'c', 'h')] = WEIR_FIELD_CONTENT_LENGTH,
    [WEIR_SLOT(17, 't', 'g')] = WEIR_FIELD_TRANSFER_ENCODING,
    [WEIR_SLOT(6, 'e', 't')] = WEIR_FIELD_EXPECT,
    [WEIR_SLOT(10, 'c', 'n')] = WEIR_FIELD_CONNECTION,
    [WEIR_SLOT(7, 'u', 'e')] = WEIR_FIELD_UPGRADE,
    [WEIR_SLOT(12, 'c', 'e')] = WEIR_FIELD_CONTENT_TYPE,
    [WEIR_SLOT(16, 'c', 'g')] = WEIR_FIELD_CONTENT_ENCODING,
    [WEIR_SLOT(6, 'a', 't')] = WEIR_FIELD_ACCEPT,
    [WEIR_SLOT(15, 'a', 'g')] = WEIR_FIELD_ACCEPT_ENCODING,
    [WEIR_SLOT(15, 'a', 'e')] = WEIR_FIELD_ACCEPT_LANGUAGE,
    [WEIR_SLOT(13, 'a', 'n')] = WEIR_FIELD_AUTHORIZATION,
    [WEIR_SLOT(6, 'c', 'e')] = WEIR_FIELD_COOKIE,
    [WEIR_SLOT(10, 'u', 't')] = WEIR_FIELD_USER_AGENT,
    [WEIR_SLOT(7, 'r', 'r')] = WEIR_FIELD_REFERER,
    [WEIR_SLOT(6, 'o', 'n')] = WEIR_FIELD_ORIGIN,
    [WEIR_SLOT(5, 'r', 'e')] = WEIR_FIELD_RANGE,
    [WEIR_SLOT(8, 'i', 'e')] = WEIR_FIELD_IF_RANGE,
    [WEIR_SLOT(8, 'i', 'h')] = WEIR_FIELD_IF_MATCH,
    [WEIR_SLOT(13, 'i', 'h')] = WEIR_FIELD_IF_NONE_MATCH,
    [WEIR_SLOT(17, 'i', 'e')] = WEIR_FIELD_IF_MODIFIED_SINCE,
    [WEIR_SLOT(19, 'i', 'e')] = WEIR_FIELD_IF_UNMODIFIED_SINCE,
    [WEIR_SLOT(13, 'c', 'l')] = WEIR_FIELD_CACHE_CONTROL,
    [WEIR_SLOT(2, 't', 'e')] = WEIR_FIELD_TE,
    [WEIR_SLOT(7, 't', 'r')] = WEIR_FIELD_TRAILER,
    [WEIR_SLOT(9, 'f', 'd')] = WEIR_FIELD_FORWARDED,
    [WEIR_SLOT(15, 'x', 'r')] = WEIR_FIELD_X_FORWARDED_FOR,
    [WEIR_SLOT(17, 'x', 'o')] = WEIR_FIELD_X_FORWARDED_PROTO,
    [WEIR_SLOT(9, 'x', 'p')] = WEIR_FIELD_X_REAL_IP,
    [WEIR_SLOT(12, 'x', 'd')] = WEIR_FIELD_X_REQUEST_ID,
    [WEIR_SLOT(11, 't', 't')] = WEIR_FIELD_TRACEPARENT,
    [WEIR_SLOT(10, 't', 'e')] = WEIR_FIELD_TRACESTATE,
    [WEIR_SLOT(13, 'l', 'd')] = WEIR_FIELD_LAST_EVENT_ID,
    [WEIR_SLOT(17, 's', 'y')] = WEIR_FIELD_SEC_WEBSOCKET_KEY,
    [WEIR_SLOT(21, 's', 'n')] = WEIR_FIELD_SEC_WEBSOCKET_VERSION,
    [WEIR_SLOT(22, 's', 'l')] = WEIR_FIELD_SEC_WEBSOCKET_PROTOCOL,
    [WEIR_SLOT(24, 's', 's')] = WEIR_FIELD_SEC_WEBSOCKET_EXTENSIONS,
    [WEIR_SLOT(29, 'a', 'd')] = WEIR_FIELD_ACCESS_CONTROL_REQUEST_METHOD,
    [WEIR_SLOT(30, 'a', 's')] = WEIR_FIELD_ACCESS_CONTROL_REQUEST_HEADERS,
};

enum weir__http_field_id weir__http_field_id(weir_str name)
{
    if (!weir__http_name_is_valid(name))
        return WEIR_FIELD_OTHER;
    return weir__http_known_find(name.ptr, name.len);
}

weir_str weir__http_field_name(enum weir__http_field_id id)
{
    const struct weir__http_known_name *known =
        &weir__http_known_names[id < WEIR_FIELD_COUNT ? id : WEIR_FIELD_OTHER];
    return (weir_str){known->name, known->len};
}

/* Without a way out of the loop: names and values are short, and nearly all are good. */
static inline bool is_all(weir_str s, unsigned cls)
{
    unsigned all = cls;
    for (size_t i = 0; i < s.len; i++)
        all &= weir__http_bytes[(unsigned char)s.ptr[i]];
    return all != 0;
}

bool weir__http_name_is_valid(weir_str s)
{
    return s.len > 0 && is_all(s, WEIR_BYTE_TOKEN);
}

static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

/* Does `scan` find nothing in it, 16 bytes at a time? */
static inline bool is_clean(weir_str s, unsigned (*scan)(__m128i))
{
    const char *at = s.ptr, *end = s.ptr + s.len;
    for (; end - at >= 16; at += 16)
        if (scan(weir__scan_load(at)) != 0)
            return false;
    if (at == end)
        return true;
    unsigned shift;
    const __m128i rest = weir__scan_at(at, end, s.ptr, &shift);
    return scan(rest) >> shift == 0;
}

bool weir__http_target_is_valid(weir_str s)
{
    return s.len > 0 && is_clean(s, weir__scan_not_target);
}

bool weir__http_value_is_valid(weir_str s)
{
    if (s.len == 0)
        return true;
    return !is_blank(s.ptr[0]) && !is_blank(s.ptr[s.len - 1]) && is_clean(s, weir__scan_control);
}
