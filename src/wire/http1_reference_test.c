/*
 * The head parser against a slow, obvious one that is written in another way: it searches byte by
 * byte, copies every line into a C string and takes it apart with the C library. Both are shown
 * 200,000 requests that were made by damaging good ones, and must agree on the status, the length
 * and all that was read; the parser under test also gets each of them in random pieces.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "wire/http1_head.h"
#include "wire/http1_testing.h"

enum { LINE = 700, LINES = 20, ROUNDS = 200000, REQUEST_MAX = 1200 };

/* ---- the reference ---- */

struct ref {
    int status; /* 0: more, 200: read, else the refusal */
    size_t used;
    char method[LINE], target[LINE], path[LINE], query[LINE], host[LINE];
    bool has_query, has_host, https, keep_alive, expect, upgrade;
    int minor, port, nfields, body;
    unsigned long long length;
    char names[LINES][LINE], values[LINES][LINE];
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

/* Splits "host:port"; false when malformed. Port -1 is none. */
static bool ref_authority(const char *s, char *host, int *port)
{
    char copy[LINE], v6[LINE];
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
        return ref_all(copy, ALPHA DIGITS "-._~");
    size_t n = strlen(copy);
    if (n < 2 || copy[n - 1] != ']')
        return false;
    memcpy(v6, copy + 1, n - 2);
    v6[n - 2] = '\0';
    return inet_pton(AF_INET6, v6, &addr) == 1;
}

static bool ref_path_is_good(const char *path)
{
    char decoded[LINE] = "", *at = decoded;
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
    char authority[LINE];
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

static int ref_header_line(struct ref *r, char *line, const struct weir__http1_limits *limits)
{
    const char *once[] = {"host", "content-length", "transfer-encoding", "expect"};
    char *colon = strchr(line, ':');
    if (colon == NULL || colon == line)
        return 400;
    *colon = '\0';
    if (!ref_all(line, TCHARS))
        return 400;
    if (r->nfields >= (int)limits->fields_max)
        return 431;
    for (size_t i = 0; i < 4; i++) {
        if (strcasecmp(line, once[i]) == 0 && ref_field(r, line, 0) >= 0)
            return 400;
    }
    char *value = colon + 1 + strspn(colon + 1, " \t");
    strcpy(r->names[r->nfields], line);
    strcpy(r->values[r->nfields], value);
    char *end = r->values[r->nfields] + strlen(value);
    while (end > r->values[r->nfields] && strchr(" \t", end[-1]) != NULL)
        *--end = '\0';
    /* A tab beside a framing value is refused later; remember it as part of the value. */
    bool frames =
        strcasecmp(line, "content-length") == 0 || strcasecmp(line, "transfer-encoding") == 0;
    if (frames && strchr(colon + 1, '\t') != NULL)
        strcpy(r->values[r->nfields], "\t");
    r->nfields++;
    return 200;
}

/* The option is an element of any Connection header. */
static bool ref_option(const struct ref *r, const char *option)
{
    for (int i = -1; (i = ref_field(r, "connection", i + 1)) >= 0;) {
        char copy[LINE], *save, *element;
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
    char host[LINE];
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
    if (strcmp(r->method, "CONNECT") == 0)
        return 200;
    int usual = r->https ? 443 : 80;
    bool same = (port < 0 ? usual : port) == (r->port < 0 ? usual : r->port);
    return same && strcasecmp(host, r->host) == 0 ? 200 : 400;
}

/* "chunked" 200; a list of tokens that ends in its only "chunked" 501; else 400. */
static int ref_coding(const char *value)
{
    char copy[LINE], *at = copy;
    if (strcasecmp(value, "chunked") == 0)
        return 200;
    snprintf(copy, sizeof copy, "%s,", value);
    bool chunked = false;
    while (*at != '\0') {
        size_t n = strcspn(at, ",");
        char *next = at + n + 1;
        at[n] = '\0';
        at += strspn(at, " ");
        for (n = strlen(at); n > 0 && at[n - 1] == ' '; n--)
            at[n - 1] = '\0';
        if (chunked || *at == '\0' || !ref_all(at, TCHARS))
            return 400;
        chunked = strcasecmp(at, "chunked") == 0;
        at = next;
    }
    return chunked ? 501 : 400;
}

static int ref_body(struct ref *r)
{
    int te = ref_field(r, "transfer-encoding", 0), cl = ref_field(r, "content-length", 0);
    if (te >= 0) {
        if (r->minor == 0 || cl >= 0)
            return 400;
        r->body = WEIR_HTTP1_BODY_CHUNKED;
        return ref_coding(r->values[te]);
    }
    if (cl < 0)
        return 200;
    r->body = WEIR_HTTP1_BODY_LENGTH;
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
    bool has_body = r->body == WEIR_HTTP1_BODY_CHUNKED || r->length > 0;
    r->keep_alive = (r->minor == 1 || ref_option(r, "keep-alive")) && !ref_option(r, "close");
    r->upgrade =
        r->minor == 1 && !has_body && ref_option(r, "upgrade") && ref_field(r, "upgrade", 0) >= 0;
    int expect = ref_field(r, "expect", 0);
    if (expect < 0 || r->minor == 0)
        return 200;
    r->expect = has_body;
    return strcasecmp(r->values[expect], "100-continue") == 0 ? 200 : 417;
}

/* Copies the line at `pos` without its CRLF. Returns 200, 0 for more, or a refusal. */
static int ref_line(const char *buf, size_t len, size_t pos, bool first,
                    const struct weir__http1_limits *limits, char *line)
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

static void ref_parse(struct ref *r, const char *buf, size_t len,
                      const struct weir__http1_limits *limits)
{
    char line[REQUEST_MAX + 1];
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

/* ---- damaging requests ---- */

static const char *const corpus[] = {
    "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:9100\r\n\r\n",
    "POST /echo?x=1 HTTP/1.1\r\nHost: a.example\r\nContent-Type: application/json\r\n"
    "Content-Length: 12\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
    "PUT /a%20b/%2F/c HTTP/1.1\r\nHost: [::1]:8080\r\nTransfer-Encoding: chunked\r\n"
    "Trailer: X-Sum\r\nTE: trailers\r\nConnection: TE, keep-alive\r\n\r\n",
    "GET http://a.example:81/x/..y?z HTTP/1.1\r\nHost: a.example:81\r\nAccept: */*\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost:\r\nOrigin: https://b.example\r\n\r\n",
    "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
    "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nUser-Agent: ab/2\r\n\r\n",
    "\r\nDELETE /users/42 HTTP/1.1\r\nHost: a\r\nCookie: s=1; t=2\r\nX-Request-Id: 7\r\n\r\n",
    "POST /u HTTP/1.1\r\nhost:a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "BREW /pot HTTP/1.1\r\nHost: a\r\nConnection: x\r\nAccept-Encoding: gzip\r\n\r\n",
    "GET https://b?q HTTP/1.0\r\nHost: b:443\r\nIf-None-Match: \"x\"\r\n\r\n",
};
enum { CORPUS = sizeof corpus / sizeof corpus[0] };

static const char *const snippets[] = {
    "\r\n",
    "\r",
    "\n",
    "\t",
    " ",
    ":",
    "%2e",
    "..",
    "/../",
    "%00",
    "%",
    "?",
    "#",
    "\x80",
    "\x7f",
    "Host: b\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding:\tchunked\r\n",
    ", chunked",
    "chunked",
    "HTTP/1.0",
    "HTTP/2.0",
    "1.1",
    "Expect: x\r\n",
    "Connection: close\r\n",
    "[::1]",
    "@",
    ":80",
    ":0",
    "http://",
    "https://a",
    "*",
    "/",
    " : ",
    "\r\n ",
    "a",
    "0",
    "X: y\r\n",
    ",",
    "-",
    "+",
};
enum { SNIPPETS = sizeof snippets / sizeof snippets[0] };

static uint64_t seed;

static size_t below(size_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % n;
}

static size_t splice(char *r, size_t len, size_t at, size_t cut, const char *in, size_t n)
{
    char copy[REQUEST_MAX];
    if (len - cut + n > REQUEST_MAX)
        return len;
    memcpy(copy, in, n);
    memmove(r + at + n, r + at + cut, len - at - cut);
    memcpy(r + at, copy, n);
    return len - cut + n;
}

static size_t damage(char *r, size_t len)
{
    size_t at = below(len + 1), rest = len - at, cut = below(8);
    const char *snippet = snippets[below(SNIPPETS)];
    cut = cut < rest ? cut : rest;
    switch (below(6)) {
    case 0: /* another byte */
        if (rest > 0)
            r[at] = (char)below(256);
        return len;
    case 1: /* another case */
        if (rest > 0)
            r[at] ^= 0x20;
        return len;
    case 2: /* less, sometimes all of the rest */
        if (below(4) == 0)
            return at;
        return splice(r, len, at, cut, snippet, 0);
    case 3: { /* a piece of itself again */
        size_t from = below(len + 1), n = below(40);
        return splice(r, len, at, 0, r + from, n < len - from ? n : len - from);
    }
    default:
        return splice(r, len, at, below(2) * cut, snippet, strlen(snippet));
    }
}

/* ---- comparing ---- */

static bool is(weir_str s, const char *expected)
{
    return weir_str_eq(s, weir_str_from(expected));
}

static bool agrees(const struct weir__http1_head *h, const char *buf, int rc, const struct ref *r)
{
    if (rc <= 0)
        return r->status == (rc == 0 ? 0 : weir__http1_error_status(rc));
    bool same =
        r->status == 200 && (size_t)rc == r->used && h->minor == r->minor && h->body == r->body &&
        h->content_length == r->length && h->keep_alive == r->keep_alive &&
        h->expect_continue == r->expect && h->upgrade == r->upgrade && h->is_https == r->https &&
        h->has_query == r->has_query && (h->has_port ? h->port : -1) == r->port &&
        h->nfields == r->nfields && is(weir__http1_str(buf, h->method_token), r->method) &&
        is(weir__http1_str(buf, h->target), r->target) && is(weir__http1_path(h, buf), r->path) &&
        is(weir__http1_str(buf, h->query), r->query) && is(weir__http1_str(buf, h->host), r->host);
    for (unsigned i = 0; same && i < h->nfields; i++) {
        weir_str name = weir__http1_field_name(h, buf, i);
        int first = ref_field(r, r->names[i], 0);
        enum weir__http_field_id id = weir__http_field_id(name);
        same = is(name, r->names[i]) && h->fields[i].id == id &&
               (r->values[i][0] == '\t' || is(weir__http1_field_value(h, buf, i), r->values[i])) &&
               (id == WEIR_FIELD_OTHER || h->slots[id] == first + 1);
    }
    return same;
}

static void report(const char *buf, size_t len, int rc, const struct ref *r, int round)
{
    printf("round %d: parser %d (%s), reference %d, used %zu, port %d\n", round, rc,
           rc < 0 ? weir__http1_error_text(rc) : "", r->status, r->used, r->port);
    for (size_t i = 0; i < len; i++)
        printf(buf[i] >= 0x20 && buf[i] < 0x7f ? "%c" : "\\x%02x", (unsigned char)buf[i]);
    printf("\n");
    fflush(stdout);
    fail();
}

static struct weir__http1_limits some_limits(void)
{
    struct weir__http1_limits l = {16384, 8192, LINES};
    if (below(8) == 0)
        l.head_bytes_max = (uint32_t)(20 + below(300));
    if (below(8) == 0)
        l.line_bytes_max = (uint32_t)(10 + below(60));
    if (below(8) == 0)
        l.fields_max = (uint32_t)(1 + below(8));
    return l;
}

static void agrees_on_damaged_requests(void **state)
{
    (void)state;
    static struct weir__http1_head h, pieces;
    static struct ref r;
    int counts[3] = {0};
    seed = 20240917;
    for (int round = 0; round < ROUNDS; round++) {
        char *buf = malloc(REQUEST_MAX);
        assert_non_null(buf);
        const char *from = corpus[below(CORPUS)];
        size_t len = strlen(from);
        memcpy(buf, from, len);
        for (size_t n = below(5); n > 0; n--)
            len = damage(buf, len);
        struct weir__http1_limits limits = some_limits();
        char *exact = malloc(len > 0 ? len : 1);
        assert_non_null(exact);
        memcpy(exact, buf, len);
        weir__http1_head_init(&h);
        int rc = weir__http1_head_parse(&h, exact, len, &limits);
        ref_parse(&r, exact, len, &limits);
        if (!agrees(&h, exact, rc, &r))
            report(exact, len, rc, &r, round);
        int again = parse_in_pieces(&pieces, exact, len, below(len + 1), 1 + below(30), &limits);
        if (again != rc)
            report(exact, len, again, &r, round);
        if (rc > 0)
            assert_same_head(&h, &pieces);
        counts[rc > 0 ? 0 : rc == 0 ? 1 : 2]++;
        free(exact);
        free(buf);
    }
    /* The damage is neither too little nor too much to say something. */
    assert_true(counts[0] > ROUNDS / 5 && counts[1] > ROUNDS / 50 && counts[2] > ROUNDS / 5);
}

static void agrees_on_every_prefix_of_the_corpus(void **state)
{
    (void)state;
    static struct weir__http1_head h;
    static struct ref r;
    const struct weir__http1_limits limits = {16384, 8192, LINES};
    for (int i = 0; i < CORPUS; i++) {
        for (size_t len = 0; len <= strlen(corpus[i]); len++) {
            int rc = parse_all_ways(&h, (weir_str){corpus[i], len}, &limits);
            ref_parse(&r, corpus[i], len, &limits);
            if (!agrees(&h, corpus[i], rc, &r))
                report(corpus[i], len, rc, &r, i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_on_every_prefix_of_the_corpus),
        cmocka_unit_test(agrees_on_damaged_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
