/*
 * HTTP status codes: their reason phrases, their ready-made status lines, and which of them may
 * carry a body. One table, read by the server, the router and the access log.
 */
#ifndef WEIR_WIRE_HTTP_STATUS_H
#define WEIR_WIRE_HTTP_STATUS_H

#include <stdbool.h>
#include <weir/str.h>

/* "HTTP/1.1 599 " + the longest phrase + CRLF fits; a status line's storage is always this long, so
 * that a writer with room may copy this many bytes without asking for the length first. */
#define WEIR_HTTP_STATUS_LINE_MAX 64

/* A status line with its CRLF: "HTTP/1.1 404 Not Found\r\n". */
struct weir__http_status_line {
    unsigned char len;
    char text[WEIR_HTTP_STATUS_LINE_MAX];
};

/* The line of a status; for a code without an entry the one of its class ("499" -> 400's), for one
 * outside 100..599 that of 500. Use weir__http_status_is_known where that matters. */
const struct weir__http_status_line *weir__http_status_line(int status);

/* "Not Found"; "" for a code without an entry. */
weir_str weir__http_status_reason(int status);

/* True when the table has the code. */
bool weir__http_status_is_known(int status);

/* False for 1xx, 204 and 304: such a response ends with its head, whatever its headers say
 * (RFC 9112 section 6.3). A response to HEAD has none either; that is the caller's to know. A 205
 * has one that is empty, and says so (RFC 9110 section 15.3.6). */
static inline bool weir__http_status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

#endif
