/*
 * The head parser against the slow one of http1_reference.h. Both are shown 200,000 requests that
 * were made by damaging good ones, and must agree on the status, the length and all that was read;
 * the parser under test also gets each of them in random pieces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "wire/http1_reference.h"
#include "wire/http1_testing.h"

enum { ROUNDS = 200000 };

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
    char copy[REF_BYTES_MAX];
    if (len - cut + n > REF_BYTES_MAX)
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

static struct weir__http_limits some_limits(void)
{
    struct weir__http_limits l = {16384, 8192, REF_FIELDS_MAX};
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
    static struct weir__http_head h, pieces;
    static struct ref r;
    int counts[3] = {0};
    seed = 20240917;
    for (int round = 0; round < ROUNDS; round++) {
        char *buf = malloc(REF_BYTES_MAX);
        assert_non_null(buf);
        const char *from = corpus[below(CORPUS)];
        size_t len = strlen(from);
        memcpy(buf, from, len);
        for (size_t n = below(5); n > 0; n--)
            len = damage(buf, len);
        struct weir__http_limits limits = some_limits();
        char *exact = malloc(len > 0 ? len : 1);
        assert_non_null(exact);
        memcpy(exact, buf, len);
        weir__http_head_init(&h);
        int rc = weir__http1_head_parse(&h, exact, len, &limits);
        ref_parse(&r, exact, len, &limits);
        if (!ref_agrees(&h, exact, rc, &r))
            report(exact, len, rc, &r, round);
        int again = parse_in_pieces(&pieces, exact, len, below(len + 1), 1 + below(30), &limits);
        if (again != rc)
            report(exact, len, again, &r, round);
        if (rc > 0)
            assert_true(is_same_head(&h, &pieces));
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
    static struct weir__http_head h;
    static struct ref r;
    const struct weir__http_limits limits = {16384, 8192, REF_FIELDS_MAX};
    for (int i = 0; i < CORPUS; i++) {
        for (size_t len = 0; len <= strlen(corpus[i]); len++) {
            int rc = parse_all_ways(&h, (weir_str){corpus[i], len}, &limits);
            ref_parse(&r, corpus[i], len, &limits);
            if (!ref_agrees(&h, corpus[i], rc, &r))
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
