/*
 * A slow, obvious parser of request heads, for tests and fuzzers: it searches byte by byte, copies
 * every line into a C string and takes it apart with the C library. It is written in another way
 * than the parser on purpose, so that a mistake is not made twice. Requests that are shown to it
 * have at most REF_BYTES_MAX bytes, and its limits at most REF_FIELDS_MAX fields.
 */
#ifndef WEIR_WIRE_HTTP1_REFERENCE_H
#define WEIR_WIRE_HTTP1_REFERENCE_H

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "wire/http1_head.h"

enum { REF_BYTES_MAX = 1200, REF_LINE = REF_BYTES_MAX + 2, REF_FIELDS_MAX = 20 };

struct ref {
    int status; /* 0: more, 200: read, else the refusal */
    size_t used;
    char method[REF_LINE], target[REF_LINE], path[REF_LINE], query[REF_LINE], host[REF_LINE];
    bool has_query, has_host, https, keep_alive, expect, upgrade;
    int minor, port, nfields, body;
    unsigned long long length;
    char names[REF_FIELDS_MAX][REF_LINE], values[REF_FIELDS_MAX][REF_LINE];
};

static int ref_field(const struct ref *r, const char *name, int from)
{
    for (int i = from; i < r->nfields; i++) {
        if (strcasecmp(r->names[i], name) == 0)
            return i;
    }
    return -1;
}

static bool ref_all(const char *s, const char *allowed)
{
    return s[strspn(s, allowed)] == '\0';
}

#define ALPHA "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define TCHARS ALPHA DIGITS "!#$%&'*+-.^_`|~"

/* RFC 3986: *( unreserved / pct-encoded / sub-delims ); but no encoded NUL. */
static bool ref_reg_name(const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '%') {
            if (!isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2]) ||
                (s[1] == '0' && s[2] == '0'))
                return false;
            s += 2;
        } else if (strchr(ALPHA DIGITS "-._~!$&'()*+,;=", *s) == NULL) {
            return false;
        }
    }
    return true;
}

/* Splits "host:port"; false when malformed. Port -1 is none. */
static bool ref_authority(const char *s, char *host, int *port)
{
    char copy[REF_LINE], v6[REF_LINE];
    struct in6_addr addr;
    strcpy(copy, s);
    char *colon = strrchr(copy, ':');
    if (copy[0] == '[' && strchr(copy, ']') != NULL && colon < strchr(copy, ']'))
        colon = NULL;
    *port = -1;
    if (colon != NULL) {
        if (!ref_all(colon + 1, DIGITS) || strlen(colon + 1) > 5)
            return false;
        if (colon[1] != '\0' && (atoi(colon + 1) < 1 || atoi(colon + 1) > 65535))
            return false;
        *port = colon[1] != '\0' ? atoi(colon + 1) : -1;
        *colon = '\0';
    }
    strcpy(host, copy);
    if (copy[0] != '[')
        return ref_reg_name(copy);
    size_t n = strlen(copy);
    if (n < 2 || copy[n - 1] != ']')
        return false;
    memcpy(v6, copy + 1, n - 2);
    v6[n - 2] = '\0';
    return inet_pton(AF_INET6, v6, &addr) == 1;
}

static bool ref_path_is_good(const char *path)
{
    char decoded[REF_LINE] = "", *at = decoded;
    for (const char *p = path; *p != '\0'; p++) {
        if (*p != '%') {
            *at++ = *p;
            continue;
        }
        if (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]))
            return false;
        char hex[3] = {p[1], p[2], '\0'};
        char byte = (char)strtol(hex, NULL, 16);
        if (byte == '\0')
            return false;
        *at++ = byte == '/' ? 'x' : byte; /* an encoded slash separates nothing */
        p += 2;
    }
    strcpy(at, "/");
    return strstr(decoded, "/./") == NULL && strstr(decoded, "/../") == NULL;
}

/* Path and query of `s`, which begins where the path does. */
static int ref_path(struct ref *r, const char *s)
{
    strcpy(r->path, s);
    char *query = strchr(r->path, '?');
    if (query != NULL) {
        *query = '\0';
        r->has_query = true;
        strcpy(r->query, query + 1);
    }
    return ref_path_is_good(r->path) ? 200 : 400;
}

static int ref_absolute(struct ref *r, const char *target)
{
    char authority[REF_LINE];
    const char *rest;
    if (strncasecmp(target, "http://", 7) == 0)
        rest = target + 7;
    else if (strncasecmp(target, "https://", 8) == 0)
        rest = target + 8, r->https = true;
    else
        return 400;
    size_t n = strcspn(rest, "/?");
    memcpy(authority, rest, n);
    authority[n] = '\0';
    if (!ref_authority(authority, r->host, &r->port) || r->host[0] == '\0')
        return 400;
    r->has_host = true;
    int status = ref_path(r, rest + n);
    if (r->path[0] == '\0')
        strcpy(r->path, "/");
    return status;
}

static int ref_target(struct ref *r)
{
    const char *t = r->target;
    for (const char *p = t; *p != '\0'; p++) {
        if (!isgraph((unsigned char)*p) || *p == '#')
            return 400;
    }
    if (strcmp(r->method, "CONNECT") == 0) {
        r->has_host = true;
        return ref_authority(t, r->host, &r->port) && r->host[0] != '\0' && r->port > 0 ? 200 : 400;
    }
    if (t[0] == '/')
        return ref_path(r, t);
    if (strcmp(t, "*") != 0)
        return ref_absolute(r, t);
    strcpy(r->path, "*");
    return strcmp(r->method, "OPTIONS") == 0 ? 200 : 400;
}

/* "GET /path", which was a whole request in 0.9. */
static bool ref_is_09(const char *method, const char *target)
{
    for (const char *p = target; *p != '\0'; p++) {
        if (!isgraph((unsigned char)*p) || *p == '#')
            return false;
    }
    return strcmp(method, "GET") == 0 && *target == '/';
}

static int ref_request_line(struct ref *r, char *line)
{
    char *blank = strchr(line, ' ');
    if (blank == NULL || blank == line)
        return 400;
    *blank = '\0';
    strcpy(r->method, line);
    if (!ref_all(r->method, TCHARS))
        return 400;
    char *target = blank + 1;
    if (*target == '\0')
        return 400;
    blank = strrchr(target, ' ');
    if (blank == NULL)
        return ref_is_09(r->method, target) ? 505 : 400;
    const char *v = blank + 1;
    if (strlen(v) != 8 || strncmp(v, "HTTP/", 5) != 0 || !isdigit((unsigned char)v[5]) ||
        v[6] != '.' || !isdigit((unsigned char)v[7]))
        return 400;
    if (v[5] != '1')
        return 505;
    r->minor = v[7] == '0' ? 0 : 1;
    *blank = '\0';
    strcpy(r->target, target);
    return *target != '\0' ? ref_target(r) : 400;
}

static int ref_header_line(struct ref *r, char *line, const struct weir__http_limits *limits)
{
    const char *once[] = {"host", "content-length", "transfer-encoding"};
    char *colon = strchr(line, ':');
    if (colon == NULL || colon == line)
        return 400;
    *colon = '\0';
    if (!ref_all(line, TCHARS))
        return 400;
    if (r->nfields >= (int)limits->fields_max)
        return 431;
    for (size_t i = 0; i < 3; i++) {
        if (strcasecmp(line, once[i]) == 0 && ref_field(r, line, 0) >= 0)
            return 400;
    }
    char *value = colon + 1 + strspn(colon + 1, " \t");
    strcpy(r->names[r->nfields], line);
    strcpy(r->values[r->nfields], value);
    char *end = r->values[r->nfields] + strlen(value);
    while (end > r->values[r->nfields] && strchr(" \t", end[-1]) != NULL)
        *--end = '\0';
    /* A tab beside a coding is refused later; remember it as part of the value. */
    if (strcasecmp(line, "transfer-encoding") == 0 && strchr(colon + 1, '\t') != NULL)
        strcpy(r->values[r->nfields], "\t");
    r->nfields++;
    return 200;
}

/* The option is an element of any Connection header. */
static bool ref_option(const struct ref *r, const char *option)
{
    for (int i = -1; (i = ref_field(r, "connection", i + 1)) >= 0;) {
        char copy[REF_LINE], *save, *element;
        strcpy(copy, r->values[i]);
        for (element = strtok_r(copy, ",", &save); element != NULL;
             element = strtok_r(NULL, ",", &save)) {
            element += strspn(element, " \t");
            for (size_t n = strlen(element); n > 0 && strchr(" \t", element[n - 1]); n--)
                element[n - 1] = '\0';
            if (strcasecmp(element, option) == 0)
                return true;
        }
    }
    return false;
}

static int ref_host(struct ref *r)
{
    char host[REF_LINE];
    int port, i = ref_field(r, "host", 0);
    if (i < 0)
        return r->minor == 0 ? 200 : 400;
    if (!ref_authority(r->values[i], host, &port))
        return 400;
    if (!r->has_host) {
        strcpy(r->host, host);
        r->port = port;
        r->has_host = true;
        return 200;
    }
    return 200; /* the target's wins */
}

/* "chunked" 200; a list of tokens that ends in its only "chunked" 501; else 400. Empty elements do
 * not count. */
static int ref_coding(const char *value)
{
    char copy[REF_LINE], *at = copy;
    if (strcasecmp(value, "chunked") == 0)
        return 200;
    snprintf(copy, sizeof copy, "%s,", value);
    bool chunked = false, others = false;
    while (*at != '\0') {
        size_t n = strcspn(at, ",");
        char *next = at + n + 1;
        at[n] = '\0';
        at += strspn(at, " ");
        for (n = strlen(at); n > 0 && at[n - 1] == ' '; n--)
            at[n - 1] = '\0';
        if (*at == '\0') {
            at = next;
            continue;
        }
        if (chunked || !ref_all(at, TCHARS))
            return 400;
        chunked = strcasecmp(at, "chunked") == 0;
        others = others || !chunked;
        at = next;
    }
    return !chunked ? 400 : others ? 501 : 200;
}

static int ref_body(struct ref *r)
{
    int te = ref_field(r, "transfer-encoding", 0), cl = ref_field(r, "content-length", 0);
    if (te >= 0) {
        if (r->minor == 0 || cl >= 0)
            return 400;
        r->body = WEIR_HTTP_BODY_UNSIZED;
        return ref_coding(r->values[te]);
    }
    if (cl < 0)
        return 200;
    r->body = WEIR_HTTP_BODY_LENGTH;
    if (r->values[cl][0] == '\0' || !ref_all(r->values[cl], DIGITS))
        return 400;
    errno = 0;
    r->length = strtoull(r->values[cl], NULL, 10);
    return errno == 0 && r->length <= INT64_MAX ? 200 : 400;
}

static int ref_finish(struct ref *r)
{
    int status = ref_host(r);
    if (status == 200)
        status = ref_body(r);
    if (status != 200)
        return status;
    bool has_body = r->body == WEIR_HTTP_BODY_UNSIZED || r->length > 0;
    r->keep_alive = (r->minor == 1 || ref_option(r, "keep-alive")) && !ref_option(r, "close");
    r->upgrade =
        r->minor == 1 && !has_body && ref_option(r, "upgrade") && ref_field(r, "upgrade", 0) >= 0;
    if (r->minor == 0)
        return 200;
    for (int i = -1; (i = ref_field(r, "expect", i + 1)) >= 0;) {
        char copy[REF_LINE], *save, *element;
        strcpy(copy, r->values[i]);
        for (element = strtok_r(copy, ",", &save); element != NULL;
             element = strtok_r(NULL, ",", &save)) {
            element += strspn(element, " \t");
            for (size_t n = strlen(element); n > 0 && strchr(" \t", element[n - 1]); n--)
                element[n - 1] = '\0';
            if (*element != '\0' && strcasecmp(element, "100-continue") != 0)
                return 417;
            r->expect = r->expect || (*element != '\0' && has_body);
        }
    }
    return 200;
}

/* Copies the line at `pos` without its CRLF. Returns 200, 0 for more, or a refusal. */
static int ref_line(const char *buf, size_t len, size_t pos, bool first,
                    const struct weir__http_limits *limits, char *line)
{
    for (size_t i = pos;; i++) {
        if (first && i - pos > limits->line_bytes_max)
            return 414;
        if (i >= limits->head_bytes_max)
            return first ? 414 : 431;
        if (i == len)
            return 0;
        unsigned char ch = (unsigned char)buf[i];
        if (ch != '\r' && ch != '\t' && iscntrl(ch))
            return 400;
        line[i - pos] = buf[i];
        if (ch != '\r')
            continue;
        line[i - pos] = '\0';
        if (i + 1 >= limits->head_bytes_max)
            return first ? 414 : 431;
        if (i + 1 == len)
            return 0;
        return buf[i + 1] == '\n' ? 200 : 400;
    }
}

static inline void ref_parse(struct ref *r, const char *buf, size_t len,
                             const struct weir__http_limits *limits)
{
    char line[REF_LINE];
    size_t pos = 0;
    memset(r, 0, offsetof(struct ref, names));
    r->port = -1;
    for (int n = 0;; n++) {
        bool first = r->method[0] == '\0';
        r->status = ref_line(buf, len, pos, first, limits, line);
        if (r->status != 200)
            return;
        size_t begin = pos;
        pos += strlen(line) + 2;
        if (first && begin == 0 && line[0] == '\0')
            continue;
        if (!first && line[0] == '\0')
            break;
        r->status = first ? ref_request_line(r, line) : ref_header_line(r, line, limits);
        if (r->status != 200)
            return;
    }
    r->used = pos;
    r->status = ref_finish(r);
}

/* ---- comparing ---- */

static bool ref_is(weir_str s, const char *expected)
{
    return weir_str_eq(s, weir_str_from(expected));
}

/* True when the parser's result and all that it read are the reference's. */
static inline bool ref_agrees(const struct weir__http_head *h, const char *buf, int rc,
                              const struct ref *r)
{
    if (rc <= 0)
        return r->status == (rc == 0 ? 0 : weir__http1_error_status(rc));
    bool same =
        r->status == 200 && (size_t)rc == r->used && h->minor == r->minor && h->body == r->body &&
        h->content_length == r->length && h->keep_alive == r->keep_alive &&
        h->expect_continue == r->expect && h->upgrade == r->upgrade && h->is_https == r->https &&
        h->has_query == r->has_query && (h->has_port ? h->port : -1) == r->port &&
        h->nfields == r->nfields && ref_is(weir__http_head_str(buf, h->method_token), r->method) &&
        ref_is(weir__http_head_str(buf, h->target), r->target) &&
        ref_is(weir__http_head_path(h, buf), r->path) &&
        ref_is(weir__http_head_str(buf, h->query), r->query) &&
        ref_is(weir__http_head_str(buf, h->host), r->host);
    for (unsigned i = 0; same && i < h->nfields; i++) {
        weir_str name = weir__http_head_name(h, buf, i);
        int first = ref_field(r, r->names[i], 0);
        enum weir__http_field_id id = weir__http_field_id(name);
        same =
            ref_is(name, r->names[i]) && h->fields[i].id == id &&
            (r->values[i][0] == '\t' || ref_is(weir__http_head_value(h, buf, i), r->values[i])) &&
            (id == WEIR_FIELD_OTHER || h->slots[id] == first + 1);
    }
    return same;
}

#endif
