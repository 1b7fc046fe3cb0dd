/*
 * The status codes that are in use (the IANA registry without its drafts), each with its status
 * line ready to be copied. One table of lines, by code; the reason phrase is the part of the line
 * after the code, so that the two cannot differ.
 */
#include "wire/http_status.h"

#define WEIR_LINE(code, text)                                                                      \
    [(code)-100] = {sizeof("HTTP/1.1 " #code " " text "\r\n") - 1,                                 \
                    "HTTP/1.1 " #code " " text "\r\n"}

static const struct weir__http_status_line lines[500] = {
    WEIR_LINE(100, "Continue"),
    WEIR_LINE(101, "Switching Protocols"),
    WEIR_LINE(102, "Processing"),
    WEIR_LINE(103, "Early Hints"),
    WEIR_LINE(200, "OK"),
    WEIR_LINE(201, "Created"),
    WEIR_LINE(202, "Accepted"),
    WEIR_LINE(203, "Non-Authoritative Information"),
    WEIR_LINE(204, "No Content"),
    WEIR_LINE(205, "Reset Content"),
    WEIR_LINE(206, "Partial Content"),
    WEIR_LINE(207, "Multi-Status"),
    WEIR_LINE(208, "Already Reported"),
    WEIR_LINE(226, "IM Used"),
    WEIR_LINE(300, "Multiple Choices"),
    WEIR_LINE(301, "Moved Permanently"),
    WEIR_LINE(302, "Found"),
    WEIR_LINE(303, "See Other"),
    WEIR_LINE(304, "Not Modified"),
    WEIR_LINE(305, "Use Proxy"),
    WEIR_LINE(307, "Temporary Redirect"),
    WEIR_LINE(308, "Permanent Redirect"),
    WEIR_LINE(400, "Bad Request"),
    WEIR_LINE(401, "Unauthorized"),
    WEIR_LINE(402, "Payment Required"),
    WEIR_LINE(403, "Forbidden"),
    WEIR_LINE(404, "Not Found"),
    WEIR_LINE(405, "Method Not Allowed"),
    WEIR_LINE(406, "Not Acceptable"),
    WEIR_LINE(407, "Proxy Authentication Required"),
    WEIR_LINE(408, "Request Timeout"),
    WEIR_LINE(409, "Conflict"),
    WEIR_LINE(410, "Gone"),
    WEIR_LINE(411, "Length Required"),
    WEIR_LINE(412, "Precondition Failed"),
    WEIR_LINE(413, "Content Too Large"),
    WEIR_LINE(414, "URI Too Long"),
    WEIR_LINE(415, "Unsupported Media Type"),
    WEIR_LINE(416, "Range Not Satisfiable"),
    WEIR_LINE(417, "Expectation Failed"),
    WEIR_LINE(421, "Misdirected Request"),
    WEIR_LINE(422, "Unprocessable Content"),
    WEIR_LINE(423, "Locked"),
    WEIR_LINE(424, "Failed Dependency"),
    WEIR_LINE(425, "Too Early"),
    WEIR_LINE(426, "Upgrade Required"),
    WEIR_LINE(428, "Precondition Required"),
    WEIR_LINE(429, "Too Many Requests"),
    WEIR_LINE(431, "Request Header Fields Too Large"),
    WEIR_LINE(451, "Unavailable For Legal Reasons"),
    WEIR_LINE(499, "Client Closed Request"), /* nginx's; for logs, it never reaches a client */
    WEIR_LINE(500, "Internal Server Error"),
    WEIR_LINE(501, "Not Implemented"),
    WEIR_LINE(502, "Bad Gateway"),
    WEIR_LINE(503, "Service Unavailable"),
    WEIR_LINE(504, "Gateway Timeout"),
    WEIR_LINE(505, "HTTP Version Not Supported"),
    WEIR_LINE(506, "Variant Also Negotiates"),
    WEIR_LINE(507, "Insufficient Storage"),
    WEIR_LINE(508, "Loop Detected"),
    WEIR_LINE(511, "Network Authentication Required"),
};

bool weir__http_status_is_known(int status)
{
    return status >= 100 && status < 600 && lines[status - 100].len > 0;
}

const struct weir__http_status_line *weir__http_status_line(int status)
{
    if (WEIR_LIKELY(weir__http_status_is_known(status)))
        return &lines[status - 100];
    if (status < 100 || status > 599)
        return &lines[500 - 100];
    return &lines[status / 100 * 100 - 100];
}

weir_str weir__http_status_reason(int status)
{
    const size_t before = sizeof("HTTP/1.1 404 ") - 1;
    if (!weir__http_status_is_known(status))
        return WEIR_S("");
    const struct weir__http_status_line *line = &lines[status - 100];
    return (weir_str){line->text + before, line->len - before - 2};
}
