/*
 * Fields of HTTP/2 to heads, as tables from RFC 9113: what is taken and where it lies, what is
 * malformed, what costs too much.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "base/alloc.h"
#include "http/h2/fields.h"

#define MANY 12

static const struct weir__h2_fields_limits limits = {
    .bytes_max = 16384, .path_bytes_max = 8192, .fields_max = WEIR_HTTP_FIELDS_MAX};

struct made {
    struct weir__http_head head;
    struct weir__h2_fields fields;
    char room[64]; /* little, so that it grows */
    int err;
};

/* Fields as "name\0value" pairs: each in memory of exactly its size, which goes at once. */
static void add(struct weir__h2_fields *f, const char *name, const char *value, size_t value_len)
{
    size_t name_len = strlen(name);
    char *n = malloc(name_len + 1), *v = malloc(value_len + 1);
    if (n == NULL || v == NULL)
        abort();
    memcpy(n, name, name_len);
    memcpy(v, value, value_len);
    weir__h2_fields_add(f, (weir_str){n, name_len}, (weir_str){v, value_len});
    free(n);
    free(v);
}

static void begin(struct made *m)
{
    weir__h2_fields_init(&m->fields, &m->head, &limits, m->room, sizeof m->room);
}

static int make(struct made *m, const char *const fields[][2], bool is_end)
{
    begin(m);
    for (size_t i = 0; fields[i][0] != NULL; i++)
        add(&m->fields, fields[i][0], fields[i][1], strlen(fields[i][1]));
    m->err = weir__h2_fields_end(&m->fields, is_end);
    return m->err;
}

static void assert_span(const struct made *m, struct weir__http_span s, const char *text)
{
    weir_str is = weir__http_head_str(m->fields.bytes, s);
    if (!weir_str_eq(is, weir_str_from(text)))
        fail_msg("\"" WEIR_STR_FMT "\" is not \"%s\"", WEIR_STR_ARG(is), text);
}

static void assert_field(const struct made *m, enum weir__http_field_id id, const char *text)
{
    weir_str is = weir__http_head_field(&m->head, m->fields.bytes, id);
    if (!weir_str_eq(is, weir_str_from(text)))
        fail_msg("\"" WEIR_STR_FMT "\" is not \"%s\"", WEIR_STR_ARG(is), text);
}

/* --- what is taken ---------------------------------------------------------------------------- */

static void test_a_request_is_a_head(void **state)
{
    (void)state;
    struct made m;
    static const char *const fields[][2] = {{":method", "GET"},
                                            {":scheme", "https"},
                                            {":authority", "example.org:8443"},
                                            {":path", "/a/b%20c?x=1&y"},
                                            {"user-agent", "test"},
                                            {"x-own", ""},
                                            {"te", "trailers"},
                                            {NULL, NULL}};
    assert_int_equal(make(&m, fields, true), 0);
    assert_int_equal(m.head.method, WEIR_HTTP_GET);
    assert_span(&m, m.head.method_token, "GET");
    assert_span(&m, m.head.target, "/a/b%20c?x=1&y");
    assert_span(&m, m.head.path, "/a/b%20c");
    assert_span(&m, m.head.query, "x=1&y");
    assert_span(&m, m.head.host, "example.org");
    assert_true(m.head.has_port && m.head.is_https && m.head.has_query && !m.head.path_is_plain);
    assert_int_equal(m.head.port, 8443);
    assert_int_equal(m.head.form, WEIR_HTTP_ORIGIN);
    assert_int_equal(m.head.body, WEIR_HTTP_BODY_NONE);
    assert_field(&m, WEIR_FIELD_USER_AGENT, "test");
    assert_field(&m, WEIR_FIELD_HOST, "example.org:8443");
    assert_int_equal(m.head.nfields, 4);
    weir_str own = weir__http_head_name(&m.head, m.fields.bytes, 1);
    assert_true(weir_str_eq(own, WEIR_S("x-own")));
    assert_int_equal(weir__http_head_value(&m.head, m.fields.bytes, 1).len, 0);
    weir__h2_fields_fini(&m.fields);
}

static void test_host_stands_in_for_authority(void **state)
{
    (void)state;
    struct made m;
    static const char *const fields[][2] = {{":path", "*"},
                                            {":method", "OPTIONS"},
                                            {":scheme", "http"},
                                            {"host", "[::1]:80"},
                                            {NULL, NULL}};
    assert_int_equal(make(&m, fields, true), 0);
    assert_span(&m, m.head.host, "[::1]");
    assert_int_equal(m.head.form, WEIR_HTTP_ASTERISK);
    assert_int_equal(m.head.nfields, 1);
    weir__h2_fields_fini(&m.fields);
}

static void test_connect_has_an_authority_alone(void **state)
{
    (void)state;
    struct made m;
    static const char *const fields[][2] = {
        {":method", "CONNECT"}, {":authority", "db:5432"}, {NULL, NULL}};
    assert_int_equal(make(&m, fields, false), 0);
    assert_int_equal(m.head.form, WEIR_HTTP_AUTHORITY);
    assert_span(&m, m.head.host, "db");
    assert_int_equal(m.head.port, 5432);
    weir__h2_fields_fini(&m.fields);
}

#define START                                                                                      \
    {":method", "POST"}, {":scheme", "http"}, {":path", "/"},                                      \
    {                                                                                              \
        ":authority", "a"                                                                          \
    }

static void test_bodies(void **state)
{
    (void)state;
    struct made m;
    static const char *const sized[][2] = {
        START, {"content-length", "10"}, {"expect", "100-continue"}, {NULL, NULL}};
    assert_int_equal(make(&m, sized, false), 0);
    assert_int_equal(m.head.body, WEIR_HTTP_BODY_LENGTH);
    assert_int_equal(m.head.content_length, 10);
    assert_true(m.head.expect_continue);
    weir__h2_fields_fini(&m.fields);
    assert_int_equal(make(&m, sized, true), WEIR_H2_ELENGTHDIFFERS);
    weir__h2_fields_fini(&m.fields);

    static const char *const unsized[][2] = {START, {NULL, NULL}};
    assert_int_equal(make(&m, unsized, false), 0);
    assert_int_equal(m.head.body, WEIR_HTTP_BODY_UNSIZED);
    weir__h2_fields_fini(&m.fields);

    static const char *const empty[][2] = {START, {"content-length", "0"}, {NULL, NULL}};
    assert_int_equal(make(&m, empty, true), 0);
    assert_int_equal(m.head.body, WEIR_HTTP_BODY_LENGTH);
    weir__h2_fields_fini(&m.fields);
}

/* Section 8.2.3. */
static void test_crumbs_become_one_cookie(void **state)
{
    (void)state;
    struct made m;
    static const char *const fields[][2] = {
        START,          {"cookie", "a=b"}, {"accept", "text/html"},  {"cookie", "c=d"},
        {"x-own", "1"}, {"cookie", "e=f"}, {"referer", "http://r/"}, {NULL, NULL}};
    assert_int_equal(make(&m, fields, true), 0);
    assert_field(&m, WEIR_FIELD_COOKIE, "a=b; c=d; e=f");
    assert_field(&m, WEIR_FIELD_ACCEPT, "text/html");
    assert_field(&m, WEIR_FIELD_REFERER, "http://r/");
    assert_field(&m, WEIR_FIELD_HOST, "a");
    assert_int_equal(m.head.nfields, 5);
    assert_int_equal(weir__http_head_find(&m.head, m.fields.bytes, WEIR_S("cookie"), 1), -1);
    assert_int_equal(weir__http_head_find(&m.head, m.fields.bytes, WEIR_S("x-own"), 0), 2);
    weir__h2_fields_fini(&m.fields);

    /* One in which there is nothing leaves no "; ". */
    static const char *const holes[][2] = {START,          {"cookie", ""}, {"cookie", "a=b"},
                                           {"cookie", ""}, {"cookie", ""}, {NULL, NULL}};
    assert_int_equal(make(&m, holes, true), 0);
    assert_field(&m, WEIR_FIELD_COOKIE, "a=b");
    weir__h2_fields_fini(&m.fields);
}

static void test_trailers_are_lines(void **state)
{
    (void)state;
    struct weir__h2_fields f;
    weir__h2_fields_init(&f, NULL, &limits, NULL, 0);
    add(&f, "grpc-status", "0", 1);
    add(&f, "x-sum", "", 0);
    assert_int_equal(weir__h2_fields_end(&f, true), 0);
    assert_true(weir_str_eq((weir_str){f.bytes, f.len}, WEIR_S("grpc-status: 0\r\nx-sum: \r\n")));
    weir__h2_fields_fini(&f);
}

/* --- what is refused -------------------------------------------------------------------------- */

struct bad {
    int err;
    const char *fields[MANY][2];
};

static const struct bad all_bad[] = {
    /* section 8.3: before all others, once, and none but those of requests */
    {WEIR_H2_EPSEUDOLATE, {{":method", "GET"}, {"a", "b"}, {":path", "/"}, {0}}},
    {WEIR_H2_EPSEUDOTWICE, {START, {":path", "/"}, {0}}},
    {WEIR_H2_EPSEUDOTWICE, {START, {":authority", "a"}, {0}}},
    {WEIR_H2_EPSEUDOUNKNOWN, {START, {":status", "200"}, {0}}},
    {WEIR_H2_EPSEUDOUNKNOWN, {START, {":protocol", "websocket"}, {0}}},
    {WEIR_H2_EPSEUDOUNKNOWN, {START, {":", "x"}, {0}}},
    {WEIR_H2_EPSEUDOUNKNOWN, {START, {":PATH", "x"}, {0}}},
    {WEIR_H2_EPSEUDOMISSING, {{":scheme", "http"}, {":path", "/"}, {":authority", "a"}, {0}}},
    {WEIR_H2_EPSEUDOMISSING, {{":method", "GET"}, {":path", "/"}, {":authority", "a"}, {0}}},
    {WEIR_H2_EPSEUDOMISSING, {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {0}}},
    {WEIR_H2_EPSEUDOMISSING, {{"a", "b"}, {0}}},
    {WEIR_H2_EPSEUDOMISSING, {{0}}},
    /* section 8.3.1 */
    {WEIR_H2_EMETHOD, {{":method", ""}, {0}}},
    {WEIR_H2_EMETHOD, {{":method", "G T"}, {0}}},
    {WEIR_H2_ESCHEME, {{":method", "GET"}, {":scheme", "ftp"}, {":path", "/"}, {0}}},
    {WEIR_H2_ESCHEME, {{":method", "GET"}, {":scheme", ""}, {":path", "/"}, {0}}},
    {WEIR_H2_EPATH, {{":method", "GET"}, {":scheme", "http"}, {":path", ""}, {0}}},
    {WEIR_H2_EPATH, {{":method", "GET"}, {":scheme", "http"}, {":path", "a"}, {0}}},
    {WEIR_H2_EPATH, {{":method", "GET"}, {":scheme", "http"}, {":path", "*"}, {0}}},
    {WEIR_H2_EPATH, {{":method", "GET"}, {":scheme", "http"}, {":path", "/a b"}, {0}}},
    {WEIR_H2_EPATH, {{":method", "GET"}, {":scheme", "http"}, {":path", "/a#b"}, {0}}},
    {WEIR_H2_EPATH, {{":method", "GET"}, {":scheme", "http"}, {":path", "/\xc3\xa9"}, {0}}},
    {WEIR_H2_EPATH, {{":method", "GET"}, {":scheme", "http"}, {":path", "http://a/"}, {0}}},
    {WEIR_H2_ENOAUTHORITY, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {0}}},
    {WEIR_H2_EAUTHORITY,
     {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", ""}, {0}}},
    {WEIR_H2_EAUTHORITY,
     {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "u@a"}, {0}}},
    {WEIR_H2_EAUTHORITY,
     {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a:99999"}, {0}}},
    {WEIR_H2_EHOST, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", ""}, {0}}},
    {WEIR_H2_EHOST, {START, {"host", "a b"}, {0}}},
    {WEIR_H2_EHOSTTWICE, {START, {"host", "a"}, {"host", "a"}, {0}}},
    {WEIR_H2_EHOSTDIFFERS, {START, {"host", "b"}, {0}}},
    {WEIR_H2_EHOSTDIFFERS, {START, {"host", "a:81"}, {0}}},
    /* section 8.5 */
    {WEIR_H2_ECONNECT, {{":method", "CONNECT"}, {":authority", "a:1"}, {":path", "/"}, {0}}},
    {WEIR_H2_ECONNECT, {{":method", "CONNECT"}, {":authority", "a:1"}, {":scheme", "http"}, {0}}},
    {WEIR_H2_ECONNECT, {{":method", "CONNECT"}, {":authority", "a"}, {0}}},
    {WEIR_H2_ECONNECT, {{":method", "CONNECT"}, {"host", "a:1"}, {0}}},
    /* section 8.2.1 */
    {WEIR_H2_EUPPERCASE, {START, {"Accept", "a"}, {0}}},
    {WEIR_H2_EUPPERCASE, {START, {"x-A", "a"}, {0}}},
    {WEIR_H2_ENAME, {START, {"", "a"}, {0}}},
    {WEIR_H2_ENAME, {START, {"a b", "a"}, {0}}},
    {WEIR_H2_ENAME, {START, {"a:b", "a"}, {0}}},
    {WEIR_H2_ENAME, {START, {"a\x7f", "a"}, {0}}},
    {WEIR_H2_ENAME, {START, {"a\x80", "a"}, {0}}},
    {WEIR_H2_EVALUE, {START, {"a", "b\r\nc: d"}, {0}}},
    {WEIR_H2_EVALUE, {START, {"a", "b\nc"}, {0}}},
    {WEIR_H2_EVALUE, {START, {"a", " b"}, {0}}},
    {WEIR_H2_EVALUE, {START, {"a", "b\t"}, {0}}},
    {WEIR_H2_EVALUE, {START, {"a", "\x01"}, {0}}},
    /* section 8.2.2 */
    {WEIR_H2_ECONNECTION, {START, {"connection", "close"}, {0}}},
    {WEIR_H2_ECONNECTION, {START, {"keep-alive", "1"}, {0}}},
    {WEIR_H2_ECONNECTION, {START, {"proxy-connection", "close"}, {0}}},
    {WEIR_H2_ECONNECTION, {START, {"transfer-encoding", "chunked"}, {0}}},
    {WEIR_H2_ECONNECTION, {START, {"upgrade", "h2c"}, {0}}},
    {WEIR_H2_ETE, {START, {"te", "gzip"}, {0}}},
    {WEIR_H2_ETE, {START, {"te", "trailers, gzip"}, {0}}},
    {WEIR_H2_ETE, {START, {"te", ""}, {0}}},
    /* section 8.1.1 */
    {WEIR_H2_ELENGTHTWICE, {START, {"content-length", "1"}, {"content-length", "1"}, {0}}},
    {WEIR_H2_ELENGTH, {START, {"content-length", ""}, {0}}},
    {WEIR_H2_ELENGTH, {START, {"content-length", "+1"}, {0}}},
    {WEIR_H2_ELENGTH, {START, {"content-length", "1, 1"}, {0}}},
    {WEIR_H2_ELENGTH, {START, {"content-length", "9223372036854775808"}, {0}}},
    {WEIR_H2_ELENGTHDIFFERS, {START, {"content-length", "1"}, {0}}},
    /* well-formed, and not served: as over HTTP/1.1 */
    {WEIR_H2_EPATHDOTS, {{":method", "GET"}, {":scheme", "http"}, {":path", "/a/../b"}, {0}}},
    {WEIR_H2_EPATHDOTS, {{":method", "GET"}, {":scheme", "http"}, {":path", "/%2e%2E/b"}, {0}}},
    {WEIR_H2_EPATHNUL, {{":method", "GET"}, {":scheme", "http"}, {":path", "/a%00"}, {0}}},
    {WEIR_H2_EPATHPERCENT, {{":method", "GET"}, {":scheme", "http"}, {":path", "/a%2"}, {0}}},
    {WEIR_H2_EEXPECT, {START, {"expect", "200-ok"}, {0}}},
};

static void test_what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all_bad / sizeof all_bad[0]; i++) {
        struct made m;
        int err = make(&m, all_bad[i].fields, true);
        if (err != all_bad[i].err)
            fail_msg("%zu: %s, not %s", i, weir__h2_fields_text(err),
                     weir__h2_fields_text(all_bad[i].err));
        assert_int_equal(weir__h2_fields_status(err) != 0, err >= WEIR_H2_EPATHPERCENT);
        weir__h2_fields_fini(&m.fields);
    }
}

static void test_a_value_may_not_hold_nul(void **state)
{
    (void)state;
    struct made m;
    begin(&m);
    add(&m.fields, "a", "b\0c", 3);
    assert_int_equal(weir__h2_fields_end(&m.fields, true), WEIR_H2_EVALUE);
    weir__h2_fields_fini(&m.fields);
}

static void test_bad_trailers(void **state)
{
    (void)state;
    static const struct {
        int err;
        const char *name, *value;
    } bad[] = {{WEIR_H2_EPSEUDOINTRAILER, ":path", "/"},
               {WEIR_H2_EPSEUDOINTRAILER, ":status", "200"},
               {WEIR_H2_ECONNECTION, "connection", "x"},
               {WEIR_H2_EUPPERCASE, "X-A", "x"},
               {WEIR_H2_EVALUE, "x-a", "x\r"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct weir__h2_fields f;
        weir__h2_fields_init(&f, NULL, &limits, NULL, 0);
        add(&f, bad[i].name, bad[i].value, strlen(bad[i].value));
        assert_int_equal(weir__h2_fields_end(&f, true), bad[i].err);
        weir__h2_fields_fini(&f);
    }
}

/* --- what it costs ---------------------------------------------------------------------------- */

static void start(struct weir__h2_fields *f)
{
    static const char *const fields[][2] = {START};
    for (size_t i = 0; i < 4; i++)
        add(f, fields[i][0], fields[i][1], strlen(fields[i][1]));
}

static void test_the_number_of_fields_is_bounded(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct made m;
        begin(&m);
        start(&m.fields);
        for (int i = 0; i < 99 + over; i++)
            add(&m.fields, i % 2 ? "cookie" : "x", "y", 1);
        assert_int_equal(weir__h2_fields_end(&m.fields, true), over ? WEIR_H2_EMANY : 0);
        weir__h2_fields_fini(&m.fields);
    }
    struct made m; /* with a host there is room for the 100th */
    begin(&m);
    start(&m.fields);
    add(&m.fields, "host", "A:80", 4);
    for (int i = 0; i < 99; i++)
        add(&m.fields, "x", "y", 1);
    assert_int_equal(weir__h2_fields_end(&m.fields, true), 0);
    assert_int_equal(m.head.nfields, 100);
    weir__h2_fields_fini(&m.fields);
}

static void test_each_field_costs_32_bytes_more(void **state)
{
    (void)state;
    static const struct weir__h2_fields_limits tight = {
        .bytes_max = 400, .path_bytes_max = 10, .fields_max = 50};
    static const char rest[64] = "0123456789012345678901234567890123456789";
    for (size_t over = 0; over < 2; over++) {
        struct made m;
        weir__h2_fields_init(&m.fields, &m.head, &tight, m.room, sizeof m.room);
        start(&m.fields);
        uint32_t so_far = m.fields.counted;
        assert_int_equal(so_far, 4 * 32 + strlen(":methodPOST:schemehttp:path/:authoritya"));
        for (int i = 0; i < 5; i++)
            add(&m.fields, "x", "y", 1);
        assert_int_equal(m.fields.counted, so_far + 5 * 34);
        add(&m.fields, "x", rest, 400 - m.fields.counted - 33 + over);
        assert_int_equal(weir__h2_fields_end(&m.fields, true), over ? WEIR_H2_ELONG : 0);
        weir__h2_fields_fini(&m.fields);
    }
}

/* One byte on the wire each: nothing is kept of what is too much, and nothing wraps around. */
static void test_a_bomb_is_counted_and_not_kept(void **state)
{
    (void)state;
    static char value[4096];
    memset(value, 'v', sizeof value);
    struct made m;
    begin(&m);
    start(&m.fields);
    for (int i = 0; i < 2000000; i++)
        weir__h2_fields_add(&m.fields, WEIR_S("x"), (weir_str){value, sizeof value});
    assert_int_equal(m.fields.counted, UINT32_MAX);
    assert_int_equal(weir__h2_fields_end(&m.fields, true), WEIR_H2_ELONG);
    assert_true(m.fields.cap <= 32768);
    weir__h2_fields_fini(&m.fields);
}

static void test_a_path_is_bounded(void **state)
{
    (void)state;
    static char path[9000];
    memset(path, 'p', sizeof path);
    path[0] = '/';
    for (size_t len = 8192; len <= 8193; len++) {
        struct made m;
        begin(&m);
        add(&m.fields, ":path", path, len);
        add(&m.fields, ":method", "GET", 3);
        add(&m.fields, ":scheme", "http", 4);
        add(&m.fields, ":authority", "a", 1);
        assert_int_equal(weir__h2_fields_end(&m.fields, true), len > 8192 ? WEIR_H2_EPATHLONG : 0);
        weir__h2_fields_fini(&m.fields);
    }
}

static void test_the_longest_cookie_has_offsets(void **state)
{
    (void)state;
    static const struct weir__h2_fields_limits wide = {
        .bytes_max = WEIR__H2_FIELDS_BYTES_MAX, .path_bytes_max = 10, .fields_max = 100};
    static char crumb[16200];
    memset(crumb, 'c', sizeof crumb);
    struct made m;
    weir__h2_fields_init(&m.fields, &m.head, &wide, m.room, sizeof m.room);
    start(&m.fields);
    add(&m.fields, "cookie", crumb, sizeof crumb);
    add(&m.fields, "cookie", crumb, sizeof crumb - 300);
    assert_int_equal(weir__h2_fields_end(&m.fields, true), 0);
    weir_str cookie = weir__http_head_field(&m.head, m.fields.bytes, WEIR_FIELD_COOKIE);
    assert_int_equal(cookie.len, sizeof crumb + sizeof crumb - 300 + 2);
    weir__h2_fields_fini(&m.fields);
}

static void test_no_memory_is_an_error(void **state)
{
    (void)state;
    static const char *const fields[][2] = {START,
                                            {"cookie", "0123456789012345678901234567890123456789"},
                                            {"cookie", "1"},
                                            {NULL, NULL}};
    unsigned failed = 0;
    for (uint64_t nth = 1; nth < 4; nth++) {
        struct made m;
        weir__alloc_fail_nth(nth);
        int err = make(&m, fields, true);
        weir__alloc_fail_nth(0);
        assert_true(err == 0 || err == WEIR_H2_ENOMEM);
        failed += err != 0;
        weir__h2_fields_fini(&m.fields);
    }
    assert_in_range(failed, 1, 2);
    assert_int_equal(weir__h2_fields_status(WEIR_H2_ENOMEM), 503);
}

/* Fields, whether the message ends with them and whether it is to HEAD; what comes of it. */
static const struct response_row {
    const char *fields[4][2];
    bool is_end, is_bodiless;
    int err;
    unsigned status, body;
} response_rows[] = {
    {{{":status", "200"}, {"x-a", "b"}}, false, false, 0, 200, WEIR_HTTP_BODY_UNSIZED},
    {{{":status", "200"}}, true, false, 0, 200, WEIR_HTTP_BODY_NONE},
    {{{":status", "200"}, {"content-length", "7"}}, false, false, 0, 200, WEIR_HTTP_BODY_LENGTH},
    {{{":status", "200"}, {"content-length", "7"}}, true, true, 0, 200, WEIR_HTTP_BODY_NONE},
    {{{":status", "304"}, {"content-length", "7"}}, true, false, 0, 304, WEIR_HTTP_BODY_NONE},
    {{{":status", "204"}}, false, false, 0, 204, WEIR_HTTP_BODY_NONE},
    {{{":status", "103"}}, false, false, 0, 103, WEIR_HTTP_BODY_NONE},
    {{{":status", "999"}}, true, false, 0, 999, WEIR_HTTP_BODY_NONE},
    {{{":status", "200"}, {"cookie", "a"}, {"cookie", "b"}},
     true,
     false,
     0,
     200,
     WEIR_HTTP_BODY_NONE},
    {{{":status", "200"}, {"content-length", "7"}}, true, false, WEIR_H2_ELENGTHDIFFERS, 0, 0},
    {{{":status", "100"}}, true, false, WEIR_H2_ESTATUS, 0, 0},
    {{{":status", "099"}}, true, false, WEIR_H2_ESTATUS, 0, 0},
    {{{":status", "1000"}}, true, false, WEIR_H2_ESTATUS, 0, 0},
    {{{":status", "2 0"}}, true, false, WEIR_H2_ESTATUS, 0, 0},
    {{{":status", ""}}, true, false, WEIR_H2_ESTATUS, 0, 0},
    {{{"x-a", "b"}}, true, false, WEIR_H2_ESTATUS, 0, 0},
    {{{":method", "GET"}}, true, false, WEIR_H2_EPSEUDOUNKNOWN, 0, 0},
    {{{"x-a", "b"}, {":status", "200"}}, true, false, WEIR_H2_EPSEUDOLATE, 0, 0},
    {{{":status", "200"}, {":status", "200"}}, true, false, WEIR_H2_EPSEUDOTWICE, 0, 0},
    {{{":status", "200"}, {"te", "trailers"}}, true, false, WEIR_H2_ECONNECTION, 0, 0},
    {{{":status", "200"}, {"connection", "close"}}, true, false, WEIR_H2_ECONNECTION, 0, 0},
};

static void test_responses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof response_rows / sizeof response_rows[0]; i++) {
        const struct response_row *row = &response_rows[i];
        struct made m;
        weir__h2_fields_init_response(&m.fields, &m.head, &limits);
        for (size_t k = 0; k < 4 && row->fields[k][0] != NULL; k++)
            add(&m.fields, row->fields[k][0], row->fields[k][1], strlen(row->fields[k][1]));
        int err = weir__h2_fields_end_response(&m.fields, row->is_end, row->is_bodiless);
        if (err != row->err)
            fail_msg("row %zu: %s", i, weir__h2_fields_text(err));
        assert_int_equal(weir__h2_fields_status(err), 0);
        if (err == 0 && (m.fields.status != row->status || m.head.body != row->body))
            fail_msg("row %zu: %u, %u", i, m.fields.status, m.head.body);
        weir__h2_fields_fini(&m.fields);
    }
}

static void test_the_end_of_what_was_never_begun(void **state)
{
    (void)state;
    struct weir__h2_fields f = {0};
    weir__h2_fields_fini(&f);
    weir__h2_fields_fini(&f);
    assert_int_equal(weir__h2_fields_status(-1), 0);
    assert_string_equal(weir__h2_fields_text(-1), "a malformed request");
    for (int err = WEIR_H2_EPSEUDOLATE; err < WEIR_H2_FIELDS_ERROR_END; err++)
        assert_true(strlen(weir__h2_fields_text(err)) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_a_head),
        cmocka_unit_test(test_host_stands_in_for_authority),
        cmocka_unit_test(test_connect_has_an_authority_alone),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_crumbs_become_one_cookie),
        cmocka_unit_test(test_trailers_are_lines),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_a_value_may_not_hold_nul),
        cmocka_unit_test(test_bad_trailers),
        cmocka_unit_test(test_the_number_of_fields_is_bounded),
        cmocka_unit_test(test_each_field_costs_32_bytes_more),
        cmocka_unit_test(test_a_bomb_is_counted_and_not_kept),
        cmocka_unit_test(test_a_path_is_bounded),
        cmocka_unit_test(test_the_longest_cookie_has_offsets),
        cmocka_unit_test(test_no_memory_is_an_error),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_the_end_of_what_was_never_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
