/*
 * Response heads: what is read out of good ones, where each kind of response ends, and each thing
 * that is refused, with the section that says so. Every head is parsed whole, cut at every byte,
 * and a byte at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "wire/http1_pieces.h"
#include "wire/http1_response.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define ASK(method) WEIR_HTTP_##method

static struct weir__http1_response r;

static int parse_part(struct weir__http1_response *into, const char *bytes, size_t len,
                      const struct weir__http_limits *limits)
{
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    int rc = weir__http1_response_parse(into, copy, len, limits);
    free(copy);
    return rc;
}

static int parse_pieces(struct weir__http1_response *into, enum weir__http_method asked,
                        weir_str in, size_t cut, size_t step,
                        const struct weir__http_limits *limits)
{
    weir__http1_response_init(into, asked);
    for (size_t have = cut;; have += step) {
        have = have < in.len ? have : in.len;
        int rc = parse_part(into, in.ptr, have, limits);
        if (rc != 0 || have == in.len)
            return rc;
    }
}

/* In all ways, with one result (W3, W4). */
static int parse_with(enum weir__http_method asked, const char *text,
                      const struct weir__http_limits *limits)
{
    static struct weir__http1_response other;
    weir_str in = weir_str_from(text);
    int rc = parse_pieces(&r, asked, in, in.len, 1, limits);
    for (size_t cut = 0; cut <= in.len; cut++) {
        int again = parse_pieces(&other, asked, in, cut, cut == 0 ? 1 : in.len, limits);
        assert_int_equal(again, rc);
        if (rc <= 0)
            continue;
        assert_true(is_same_head(&other.head, &r.head));
        assert_int_equal(other.status, r.status);
        assert_int_equal(other.is_until_close, r.is_until_close);
    }
    return rc;
}

static const char *accept(enum weir__http_method asked, const char *text)
{
    int rc = parse_with(asked, text, NULL);
    if (rc != (int)strlen(text))
        fail_msg("%d (%s) for:\n%s", rc, weir__http1_response_error_text(rc), text);
    return text;
}

static void refuse(const char *text, int err)
{
    int rc = parse_with(ASK(GET), text, NULL);
    if (rc != err)
        fail_msg("%d (%s) instead of %d for:\n%s", rc, weir__http1_response_error_text(rc), err,
                 text);
    assert_true(strlen(weir__http1_response_error_text(err)) > 10);
}

static void assert_str(weir_str s, const char *expected)
{
    if (!weir_str_eq(s, weir_str_from(expected)))
        fail_msg("\"" WEIR_STR_FMT "\" instead of \"%s\"", WEIR_STR_ARG(s), expected);
}

/* ---- good ones ---- */

static void reads_a_small_response(void **state)
{
    (void)state;
    const char *t =
        accept(ASK(GET), "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nX-A:  b \r\n\r\n");
    assert_int_equal(r.status, 404);
    assert_str(weir__http_head_str(t, r.reason), "Not Found");
    assert_int_equal(r.head.nfields, 2);
    assert_int_equal(r.head.body, WEIR_HTTP_BODY_LENGTH);
    assert_int_equal(r.head.content_length, 5);
    assert_true(r.head.keep_alive);
    assert_false(r.is_until_close || r.is_tunnel);
    int i = weir__http_head_find(&r.head, t, WEIR_S("x-a"), 0);
    assert_int_equal(i, 1);
    assert_str(weir__http_head_value(&r.head, t, 1), "b");
}

/* RFC 9112 section 4; that the last blank is missing is put up with. */
static void s4_reads_status_lines(void **state)
{
    (void)state;
    const char *t = accept(ASK(GET), "HTTP/1.1 200\r\n\r\n");
    assert_int_equal(r.status, 200);
    assert_str(weir__http_head_str(t, r.reason), "");
    t = accept(ASK(GET), "HTTP/1.1 299 \r\n\r\n");
    assert_str(weir__http_head_str(t, r.reason), "");
    t = accept(ASK(GET), "HTTP/1.1 999  two  \tblanks\xe9\r\n\r\n");
    assert_str(weir__http_head_str(t, r.reason), " two  \tblanks\xe9");
    assert_int_equal(r.status, 999);
    accept(ASK(GET), "HTTP/1.0 100 Continue\r\n\r\n");
    assert_int_equal(r.head.minor, 0);
    accept(ASK(GET), "HTTP/1.7 200 OK\r\n\r\n");
    assert_int_equal(r.head.minor, 1);
}

static void s4_refuses_other_first_lines(void **state)
{
    (void)state;
    static const char *const bad[] = {"\r\n" OK "\r\n",           "HTTP/1.1\r\n\r\n",
                                      "http/1.1 200 OK\r\n\r\n",  " HTTP/1.1 200 OK\r\n\r\n",
                                      "HTTP/1.1\t200 OK\r\n\r\n", "HTTP/11 200 OK\r\n\r\n",
                                      "HTTP/1.1200 OK\r\n\r\n",   "ICY 200 OK\r\n\r\n",
                                      "SSH-2.0-OpenSSH\r\n\r\n",  "HTTP/1.11 200 OK\r\n\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuse(bad[i], WEIR_HTTP1_ESTATUSLINE);
    static const char *const codes[] = {"20",
                                        "2000",
                                        "099",
                                        "000",
                                        "2x0",
                                        "-20",
                                        "+20",
                                        " 200",
                                        "200x",
                                        "0200",
                                        "99999999999999999999",
                                        "200\tOK",
                                        ""};
    char text[80];
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        snprintf(text, sizeof text, "HTTP/1.1 %s\r\n\r\n", codes[i]);
        refuse(text, WEIR_HTTP1_ESTATUSCODE);
    }
    refuse("HTTP/2.0 200 OK\r\n\r\n", WEIR_HTTP1_ESTATUSVERSION);
    refuse("HTTP/0.9 200 OK\r\n\r\n", WEIR_HTTP1_ESTATUSVERSION);
    refuse("HTTP/1.1 200 O\x01K\r\n\r\n", WEIR_HTTP1_ECONTROL);
    refuse("HTTP/1.1 200 OK\n\r\n", WEIR_HTTP1_EBARELF);
    refuse("HTTP/1.1 200 OK\rX: y\r\n\r\n", WEIR_HTTP1_EBARECR);
}

/* ---- where it ends ---- */

struct ending {
    enum weir__http_method asked;
    const char *text;
    enum weir__http_body body;
    uint64_t length;
    bool is_until_close, keeps;
};

#define NONE WEIR_HTTP_BODY_NONE
#define LENGTH WEIR_HTTP_BODY_LENGTH
#define CHUNKED WEIR_HTTP_BODY_UNSIZED

static const struct ending endings[] = {
    /* rule 1: no body, whatever is said */
    {ASK(HEAD), OK "Content-Length: 70\r\n\r\n", NONE, 70, false, true},
    {ASK(HEAD), OK "Transfer-Encoding: chunked\r\n\r\n", NONE, 0, false, true},
    {ASK(HEAD), OK "\r\n", NONE, 0, false, true},
    {ASK(GET), "HTTP/1.1 304 x\r\nContent-Length: 70\r\n\r\n", NONE, 70, false, true},
    {ASK(GET), "HTTP/1.1 204 x\r\n\r\n", NONE, 0, false, true},
    {ASK(GET), "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", NONE, 0, false, true},
    {ASK(GET), "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", NONE, 0, false, false},
    {ASK(GET), "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n", NONE, 0, false, false},
    {ASK(GET), "HTTP/1.1 100 x\r\nContent-Length: 5\r\n\r\n", NONE, 0, false, false},
    {ASK(GET), "HTTP/1.1 103 x\r\nLink: </a>\r\n\r\n", NONE, 0, false, true},
    /* rule 2: a tunnel */
    {ASK(CONNECT), OK "Content-Length: 5\r\n\r\n", NONE, 0, false, true},
    {ASK(CONNECT), "HTTP/1.1 407 x\r\nContent-Length: 5\r\n\r\n", LENGTH, 5, false, true},
    /* rules 4 and 6 */
    {ASK(GET), OK "Transfer-Encoding: chunked\r\n\r\n", CHUNKED, 0, false, true},
    {ASK(GET), OK "Transfer-Encoding: , Chunked\r\n\r\n", CHUNKED, 0, false, true},
    {ASK(GET), OK "Content-Length: 0\r\n\r\n", LENGTH, 0, false, true},
    {ASK(POST), OK "Content-Length: 00012\r\n\r\n", LENGTH, 12, false, true},
    {ASK(GET), "HTTP/1.1 205 x\r\nContent-Length: 5\r\n\r\n", LENGTH, 5, false, true},
    /* rule 8: to the end of the connection */
    {ASK(GET), OK "\r\n", NONE, 0, true, false},
    {ASK(GET), OK "Connection: keep-alive\r\n\r\n", NONE, 0, true, false},
    {ASK(GET), "HTTP/1.0 200 OK\r\n\r\n", NONE, 0, true, false},
    /* section 9.3: what stays */
    {ASK(GET), OK "Content-Length: 1\r\nConnection: a, Close\r\n\r\n", LENGTH, 1, false, false},
    {ASK(GET), "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", LENGTH, 1, false, false},
    {ASK(GET), "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", LENGTH, 1,
     false, true},
};

static void s6_3_knows_where_each_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const struct ending *e = &endings[i];
        accept(e->asked, e->text);
        bool is_right = r.head.body == e->body && r.head.content_length == e->length &&
                        r.is_until_close == e->is_until_close && r.head.keep_alive == e->keeps;
        if (!is_right)
            fail_msg("body %d of %lu, until close %d, keeps %d for:\n%s", r.head.body,
                     (unsigned long)r.head.content_length, r.is_until_close, r.head.keep_alive,
                     e->text);
        assert_int_equal(r.is_tunnel, e->asked == ASK(CONNECT) && r.status == 200);
    }
}

/* What two readers could take in two ways: sections 5.1, 5.2, 6.1, 6.3. */
static void s6_3_refuses_what_can_be_read_in_two_ways(void **state)
{
    (void)state;
    refuse(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", WEIR_HTTP1_ELENGTHTWICE);
    refuse(OK "Content-Length: 5\r\ncontent-length: 6\r\n\r\n", WEIR_HTTP1_ELENGTHTWICE);
    refuse(OK "Content-Length: 5, 5\r\n\r\n", WEIR_HTTP1_ELENGTH);
    refuse(OK "Content-Length: +5\r\n\r\n", WEIR_HTTP1_ELENGTH);
    refuse(OK "Content-Length: -5\r\n\r\n", WEIR_HTTP1_ELENGTH);
    refuse(OK "Content-Length: 0x5\r\n\r\n", WEIR_HTTP1_ELENGTH);
    refuse(OK "Content-Length:\r\n\r\n", WEIR_HTTP1_ELENGTH);
    refuse(OK "Content-Length: 9223372036854775808\r\n\r\n", WEIR_HTTP1_ELENGTH);
    refuse(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
           WEIR_HTTP1_ELENGTHANDCODING);
    refuse(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
           WEIR_HTTP1_ECODINGTWICE);
    refuse(OK "Transfer-Encoding: gzip, chunked\r\n\r\n", WEIR_HTTP1_ECODINGUNKNOWN);
    refuse(OK "Transfer-Encoding: chunked, gzip\r\n\r\n", WEIR_HTTP1_ECODING);
    refuse(OK "Transfer-Encoding: identity\r\n\r\n", WEIR_HTTP1_ECODING);
    refuse(OK "Transfer-Encoding: \tchunked\r\n\r\n", WEIR_HTTP1_ECODING);
    refuse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", WEIR_HTTP1_ECODINGIN10);
    refuse(OK "Content-Length : 5\r\n\r\n", WEIR_HTTP1_ENAMESPACE);
    refuse(OK "X: a\r\n Content-Length: 5\r\n\r\n", WEIR_HTTP1_EFOLD);
    refuse(OK "Content-Length: 5\n\r\n", WEIR_HTTP1_EBARELF);
    refuse(OK "X: a\rContent-Length: 5\r\n\r\n", WEIR_HTTP1_EBARECR);
    refuse(OK ": 5\r\n\r\n", WEIR_HTTP1_ENAMEEMPTY);
    refuse(OK "X\r\n\r\n", WEIR_HTTP1_ENOCOLON);
    refuse(OK "X(: a\r\n\r\n", WEIR_HTTP1_ENAME);
    refuse(OK "X: \x7f\r\n\r\n", WEIR_HTTP1_ECONTROL);
}

/* The same holds for what has no body: the head is not to be trusted. */
static void refuses_lies_in_any_response(void **state)
{
    (void)state;
    assert_int_equal(parse_with(ASK(HEAD), OK "Content-Length: x\r\n\r\n", NULL),
                     WEIR_HTTP1_ELENGTH);
    assert_int_equal(parse_with(ASK(GET),
                                "HTTP/1.1 204 x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                                NULL),
                     WEIR_HTTP1_ELENGTHTWICE);
}

static void has_limits(void **state)
{
    (void)state;
    const char *text = OK "A: 1\r\nB: 2\r\n\r\n";
    const struct weir__http_limits two = {.fields_max = 2}, one = {.fields_max = 1};
    assert_int_equal(parse_with(ASK(GET), text, &two), strlen(text));
    assert_int_equal(parse_with(ASK(GET), text, &one), WEIR_HTTP1_EFIELDS);
    const struct weir__http_limits line = {.line_bytes_max = 14};
    assert_int_equal(parse_with(ASK(GET), text, &line), WEIR_HTTP1_ESTATUSLONG);
    for (uint32_t max = 1; max <= strlen(text); max++) {
        const struct weir__http_limits limits = {.head_bytes_max = max};
        int rc = parse_with(ASK(GET), text, &limits);
        assert_int_equal(rc, max == strlen(text)   ? (int)max
                             : max < sizeof OK - 1 ? WEIR_HTTP1_ESTATUSLONG
                                                   : WEIR_HTTP1_EHEADLONG);
    }
    assert_string_equal(weir__http1_response_error_text(WEIR_HTTP1_EHEADLONG),
                        "the answer's head is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_small_response),
        cmocka_unit_test(s4_reads_status_lines),
        cmocka_unit_test(s4_refuses_other_first_lines),
        cmocka_unit_test(s6_3_knows_where_each_ends),
        cmocka_unit_test(s6_3_refuses_what_can_be_read_in_two_ways),
        cmocka_unit_test(refuses_lies_in_any_response),
        cmocka_unit_test(has_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
