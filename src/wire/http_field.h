/*
 * Header fields: which bytes may stand in names and values, which names the house knows, and
 * readers for the grammars that values share (lists, parameters, quality, entity tags, ranges,
 * cookies). All readers borrow: what they yield are views of what they were given. None allocates.
 */
#ifndef WEIR_WIRE_HTTP_FIELD_H
#define WEIR_WIRE_HTTP_FIELD_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/str.h>

/* Fields that have a slot in a parsed head, so that finding them costs nothing. */
enum weir__http_field_id {
    WEIR_FIELD_OTHER,
    WEIR_FIELD_HOST,
    WEIR_FIELD_CONTENT_LENGTH,
    WEIR_FIELD_TRANSFER_ENCODING,
    WEIR_FIELD_EXPECT, /* up to here: at most one a head */
    WEIR_FIELD_CONNECTION,
    WEIR_FIELD_UPGRADE,
    WEIR_FIELD_CONTENT_TYPE,
    WEIR_FIELD_CONTENT_ENCODING,
    WEIR_FIELD_ACCEPT,
    WEIR_FIELD_ACCEPT_ENCODING,
    WEIR_FIELD_ACCEPT_LANGUAGE,
    WEIR_FIELD_AUTHORIZATION,
    WEIR_FIELD_COOKIE,
    WEIR_FIELD_USER_AGENT,
    WEIR_FIELD_REFERER,
    WEIR_FIELD_ORIGIN,
    WEIR_FIELD_RANGE,
    WEIR_FIELD_IF_RANGE,
    WEIR_FIELD_IF_MATCH,
    WEIR_FIELD_IF_NONE_MATCH,
    WEIR_FIELD_IF_MODIFIED_SINCE,
    WEIR_FIELD_IF_UNMODIFIED_SINCE,
    WEIR_FIELD_CACHE_CONTROL,
    WEIR_FIELD_TE,
    WEIR_FIELD_TRAILER,
    WEIR_FIELD_FORWARDED,
    WEIR_FIELD_X_FORWARDED_FOR,
    WEIR_FIELD_X_FORWARDED_PROTO,
    WEIR_FIELD_X_REAL_IP,
    WEIR_FIELD_X_REQUEST_ID,
    WEIR_FIELD_TRACEPARENT,
    WEIR_FIELD_TRACESTATE,
    WEIR_FIELD_LAST_EVENT_ID,
    WEIR_FIELD_SEC_WEBSOCKET_KEY,
    WEIR_FIELD_SEC_WEBSOCKET_VERSION,
    WEIR_FIELD_SEC_WEBSOCKET_PROTOCOL,
    WEIR_FIELD_SEC_WEBSOCKET_EXTENSIONS,
    WEIR_FIELD_ACCESS_CONTROL_REQUEST_METHOD,
    WEIR_FIELD_ACCESS_CONTROL_REQUEST_HEADERS,
    WEIR_FIELD_COUNT
};

/* The id of a name in any case; WEIR_FIELD_OTHER for names without one. Any bytes may be given. */
enum weir__http_field_id weir__http_field_id(weir_str name);

/* The lower-case name of an id; "" for WEIR_FIELD_OTHER. */
weir_str weir__http_field_name(enum weir__http_field_id id);

/* Classes of bytes, as bits of weir__http_bytes[byte]. */
#define WEIR_BYTE_TOKEN 1  /* tchar, RFC 9110 section 5.6.2 */
#define WEIR_BYTE_VALUE 2  /* may stand in a field value: HTAB, SP, VCHAR, obs-text */
#define WEIR_BYTE_TARGET 4 /* may stand in a request target: VCHAR without '#' */
#define WEIR_BYTE_PATH 8   /* pchar or '/' without '%': stands in a path as it is */
#define WEIR_BYTE_HEX 16
#define WEIR_BYTE_PLAIN 32 /* unreserved, RFC 3986 section 2.3: never percent-encoded */
#define WEIR_BYTE_DIGIT 64
#define WEIR_BYTE_COOKIE 128 /* cookie-octet, and the blank and comma that browsers send as well */
extern const unsigned char weir__http_bytes[256];

static inline bool weir__http_byte_is(char ch, unsigned cls)
{
    return (weir__http_bytes[(unsigned char)ch] & cls) != 0;
}

/* True when `s` is not empty and each byte may stand in a field name (a token). */
bool weir__http_name_is_valid(weir_str s);

/* True when `s` may be sent or received as a field value: no CR, LF, NUL or other control but HTAB,
 * and no blank at either end. Empty is valid. This is the door against response splitting. */
bool weir__http_value_is_valid(weir_str s);

/* True when `s` is not empty, and visible ASCII without a "#": what a target in a head may be. */
bool weir__http_target_is_valid(weir_str s);

/* The next element of a comma-separated list, trimmed; commas inside quoted strings do not
 * separate. Empty elements are skipped. False at the end. `rest` is advanced. */
bool weir__http_list_next(weir_str *rest, weir_str *element);

/* True when the list has `token` as an element, in any case. */
bool weir__http_list_has(weir_str list, weir_str token);

/* The next ";name=value" of `rest` (what follows an element's first part). The value may be a
 * token or a quoted string, which is yielded with its quotes (see weir__http_unquote). False at
 * the end or at what is not a parameter, then `rest` is empty or stands at the offending byte. */
bool weir__http_param_next(weir_str *rest, weir_str *name, weir_str *value);

/* Copies a token, or a quoted string without quotes and backslashes, to `out` (room for s.len
 * bytes). Returns the length, or WEIR_EINVALID for an unfinished or misplaced quote. */
int weir__http_unquote(weir_str s, char *out);

/* "type/subtype; charset=utf-8". `charset` is absent when not given, and without its quotes. */
struct weir__media_type {
    weir_str type;
    weir_str subtype;
    weir_str params; /* for weir__http_param_next */
    weir_str charset;
};

/* Reads a Content-Type. WEIR_EINVALID when it is none. */
weir_err weir__media_type_parse(weir_str s, struct weir__media_type *out);

/* True when both parts agree in any case; a "+suffix" is part of the subtype. */
bool weir__media_type_is(const struct weir__media_type *m, weir_str type, weir_str subtype);

/* Quality that an Accept-like list gives `token`, in thousandths: its own entry, else that of
 * the wild cards that cover it (for media types first the type's, then the one for all), else
 * -1. An absent list yields 1000: all is accepted. A malformed weight counts as 0. */
int weir__http_accept_q(weir_str list, weir_str token);

/* Compares two entity tags, quotes included. Weak: W/ is ignored; strong: both must be without. */
bool weir__etag_eq_weak(weir_str a, weir_str b);
bool weir__etag_eq_strong(weir_str a, weir_str b);

/* True when `etag` is in an If-None-Match (weak) or If-Match (strong) list, or the list is "*". */
bool weir__etag_list_has(weir_str list, weir_str etag, bool is_strong);

enum weir__range_result {
    WEIR_RANGE_NONE,         /* no range, several, another unit or malformed: send it whole (200) */
    WEIR_RANGE_ONE,          /* send first..last, both included (206) */
    WEIR_RANGE_UNSATISFIABLE /* 416 */
};

/* Reads "bytes=a-b", "bytes=a-", "bytes=-n" for a body of `size` bytes. */
enum weir__range_result weir__range_parse(weir_str s, uint64_t size, uint64_t *first,
                                          uint64_t *last);

/* The next "name=value" of a Cookie header; quotes around a value are removed, pairs that are not
 * RFC 6265 cookies are skipped. False at the end. */
bool weir__cookie_next(weir_str *rest, weir_str *name, weir_str *value);

#endif
