/*
 * Forms: their bytes and length, files of any size, what is refused, files that change, peers that
 * answer early, and that a retry sends the same.
 */
#include "http/client/testing.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include <weir/file.h>

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define LARGE 100000

static bool was_sent(const struct peer *p, size_t i, const char *part)
{
    return strstr(p->requests[i], part) != NULL;
}

/* The boundary of a request, which its type tells. */
static const char *boundary_of(const struct peer *p, size_t i)
{
    static char boundary[80];
    const char *at = strstr(p->requests[i], "\r\nContent-Type: multipart/form-data; boundary=");
    assert_non_null(at);
    assert_int_equal(sscanf(strstr(at, "boundary="), "boundary=%70[^\r]", boundary), 1);
    return boundary;
}

/* The ith request's body is `format`, in which "--%s" is a delimiter. */
static void assert_form(const struct peer *p, size_t i, const char *format)
{
    char expected[2000], length[60];
    const char *b = boundary_of(p, i), *body = strstr(p->requests[i], "\r\n\r\n") + 4;
    snprintf(expected, sizeof expected, format, b, b, b);
    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", strlen(expected));
    assert_string_equal(body, expected);
    assert_true(was_sent(p, i, length));
    assert_false(was_sent(p, i, "chunked"));
}

static weir_file *file_of(weir_ctx *c, const char *text, size_t size)
{
    weir_file *f = weir_file_temp(c);
    assert_int_equal(weir_file_write(c, f, text, size), WEIR_OK);
    return f;
}

/* --- what is sent ----------------------------------------------------------------------------- */

#define FORM                                                                                       \
    "--%s\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\na text\r\n"                      \
    "--%s\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a%%22.jpg\"\r\n"           \
    "Content-Type: image/jpeg\r\n\r\nbytes of it\r\n--%s--\r\n"

static weir_reply *send_form(weir_ctx *c, weir_http *http, weir_file *f, bool expects)
{
    return weir_http_do(
        c, http, "POST", "/", .expect_continue = expects,
        .parts = WEIR_HTTP_PARTS(
            {.name = "note", .body = WEIR_S("a text")},
            {.name = "photo", .file = f, .filename = "a\".jpg", .type = "image/jpeg"}));
}

static void is_sent(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_file *f = file_of(c, "bytes of it", 11);
    assert_body(send_form(c, http, f, false), "hi");
    assert_form(p, 0, FORM);
    assert_body(send_form(c, http, f, false), "hi"); /* the program's place in it does not count */
    assert_form(p, 1, FORM);
    assert_body(weir_http_do(c, http, "POST", "/", .parts = WEIR_HTTP_PARTS({.name = NULL})), "hi");
    assert_form(p, 2, "--%s--\r\n");
    assert_int_equal(p->accepted, 1);
}

static void waits_for_the_word(weir_ctx *c, weir_http *http, struct peer *p)
{
    assert_body(send_form(c, http, file_of(c, "bytes of it", 11), true), "hi");
    assert_true(was_sent(p, 0, "Expect: 100-continue\r\n"));
    assert_true(was_sent(p, 1, "bytes of it\r\n"));
}

static void test_forms_are_sent(void **state)
{
    (void)state;
    const char *boundary = "weir--01234567890123456789012345678901";
    size_t len = (size_t)snprintf(NULL, 0, FORM, boundary, boundary, boundary);
    PLAY(is_sent, {.answer = OK});
    PLAY(waits_for_the_word, {.answer = "HTTP/1.1 100 Continue\r\n\r\n", .is_early = true},
         {.answer = OK, .takes = len});
}

static void is_large(weir_ctx *c, weir_http *http, struct peer *p)
{
    static char bytes[LARGE];
    memset(bytes, 'x', sizeof bytes);
    weir_file *f = file_of(c, bytes, sizeof bytes);
    weir_reply *r =
        weir_http_do(c, http, "PUT", "/", .parts = WEIR_HTTP_PARTS({.name = "f", .file = f}));
    assert_body(r, "hi");
    const char *at = strstr(p->requests[0], "name=\"f\"\r\n\r\n") + 12;
    assert_memory_equal(at, bytes, sizeof bytes);
    assert_int_equal(strncmp(at + sizeof bytes, "\r\n--", 4), 0);
}

static void test_files_are_sent_in_pieces(void **state)
{
    (void)state;
    PLAY(is_large, {.answer = OK});
}

/* --- again ------------------------------------------------------------------------------------ */

static void is_sent_again(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_file *f = file_of(c, "bytes of it", 11);
    weir_http *http = weir_http_open(c, .base = p->base, .retries_max = 1);
    weir_reply *r = weir_http_do(
        c, http, "PUT", "/",
        .parts = WEIR_HTTP_PARTS(
            {.name = "note", .body = WEIR_S("a text")},
            {.name = "photo", .file = f, .filename = "a\".jpg", .type = "image/jpeg"}));
    assert_body(r, "hi");
    assert_int_equal(p->request_count, 2);
    assert_form(p, 0, FORM);
    assert_form(p, 1, FORM);
}

static void becomes_a_get(weir_ctx *c, weir_http *http, struct peer *p)
{
    assert_body(send_form(c, http, file_of(c, "bytes of it", 11), false), "hi");
    assert_int_equal(strncmp(p->requests[1], "GET /x ", 7), 0);
    assert_false(was_sent(p, 1, "Content-"));
}

static void test_a_form_is_sent_again(void **state)
{
    (void)state;
    PLAY(is_sent_again, {.answer = "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"}, {.answer = OK});
    PLAY(is_sent_again, {.answer = "HTTP/1.1 307 x\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"},
         {.answer = OK});
    PLAY(becomes_a_get, {.answer = "HTTP/1.1 303 x\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"},
         {.answer = OK});
}

/* --- what is refused -------------------------------------------------------------------------- */

static void refuse(weir_ctx *c, weir_reply *r, weir_err err, const char *told)
{
    assert_int_equal(weir_reply_err(r), err);
    assert_told(c, err, told);
}

static void is_refused(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_file *f = file_of(c, "x", 1), *closed = file_of(c, "x", 1);
    static weir_http_part many[1002];
    refuse(c, weir_http_do(c, http, "POST", "/", .parts = WEIR_HTTP_PARTS({.name = ""})),
           WEIR_EINVALID, "the part \"\": its name is empty");
    refuse(c,
           weir_http_do(c, http, "POST", "/",
                        .parts = WEIR_HTTP_PARTS({.name = "a", .type = "b\r\nc"})),
           WEIR_EINVALID, "the part \"a\"");
    refuse(c,
           weir_http_do(c, http, "POST", "/",
                        .parts = WEIR_HTTP_PARTS({.name = "a", .body = WEIR_S("x"), .file = f})),
           WEIR_EINVALID, "the part \"a\": it has a .body and a .file");
    refuse(c,
           weir_http_do(c, http, "POST", "/", .body = WEIR_S("x"),
                        .parts = WEIR_HTTP_PARTS({.name = "a"})),
           WEIR_EINVALID, "there are .parts, and beside them");
    for (size_t i = 0; i < 1001; i++)
        many[i].name = "a";
    refuse(c, weir_http_do(c, http, "POST", "/", .parts = many), WEIR_EINVALID,
           "more than 1000 parts");
    assert_int_equal(weir_file_close(c, closed), WEIR_OK);
    weir_reply *r =
        weir_http_do(c, http, "POST", "/", .parts = WEIR_HTTP_PARTS({.name = "a", .file = closed}));
    assert_true(weir_reply_err(r) < 0);
    assert_told(c, weir_reply_err(r), "the part \"a\": ");
    assert_int_equal(p->accepted, 0);
    many[1000].name = NULL;
    assert_body(weir_http_do(c, http, "POST", "/", .parts = many), "hi");
}

static void test_bad_parts_are_told(void **state)
{
    (void)state;
    PLAY(is_refused, {.answer = OK});
}

/* --- what happens meanwhile ------------------------------------------------------------------- */

static char path[] = "/tmp/weir-form-XXXXXX";

/* When the length has been told, and the peer has not said yet that it may come. */
static weir_err shorten(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_err err = weir_sleep(c, weir_ms(1));
    assert_int_equal(truncate(path, 1000), 0);
    return err;
}

static void becomes_shorter(weir_ctx *c, weir_http *http, struct peer *p)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, LARGE) | close(fd), 0);
    weir_file *f = weir_file_open(c, path);
    assert_int_equal(WEIR_GO(c, shorten, NULL), WEIR_OK);
    weir_reply *r = weir_http_do(c, http, "PUT", "/", .expect_continue = true,
                                 .parts = WEIR_HTTP_PARTS({.name = "f", .file = f}));
    assert_int_equal(unlink(path), 0);
    refuse(c, r, WEIR_EINVALID, "the part \"f\": its file has become shorter");
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void test_a_file_that_becomes_shorter_is_told(void **state)
{
    (void)state;
    PLAY(becomes_shorter,
         {.answer = "HTTP/1.1 100 Continue\r\n\r\n", .is_early = true, .after = {10000000}},
         {.answer = OK, .takes = LARGE});
}

static void is_answered_early(weir_ctx *c, weir_http *http, struct peer *p)
{
    static const char bytes[4 * LARGE];
    weir_file *f = file_of(c, bytes, sizeof bytes);
    weir_reply *r =
        weir_http_do(c, http, "PUT", "/", .parts = WEIR_HTTP_PARTS({.name = "f", .file = f}));
    assert_int_equal(weir_reply_err(r), WEIR_OK);
    assert_int_equal(weir_reply_status(r), 413);
    assert_nothing_left(http, p);
}

static void test_an_early_answer_counts(void **state)
{
    (void)state;
    PLAY(is_answered_early, {.answer = "HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n",
                             .is_early = true,
                             .then = PEER_CLOSES});
}

static uint64_t fails_nth, cancels_nth;
static unsigned failed;

static void survives(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_file *f = file_of(c, "bytes of it", 11);
    WEIR_SCOPE(inner, c);
    weir__alloc_fail_nth(fails_nth);
    weir__wait_cancel_nth(cancels_nth);
    weir_reply *r = send_form(inner, http, f, false);
    weir__alloc_fail_nth(0);
    weir__wait_cancel_nth(0);
    failed += weir_reply_err(r) < 0;
    (void)weir_ctx_close(inner);
    weir_error_clear(c);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void test_nothing_stays(void **state)
{
    (void)state;
    failed = 0;
    cancels_nth = 0;
    for (fails_nth = 1; fails_nth < 16; fails_nth++)
        PLAY(survives, {.answer = OK});
    fails_nth = 0;
    for (cancels_nth = 1; cancels_nth < 5; cancels_nth++)
        PLAY(survives, {.answer = OK});
    assert_true(failed > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_are_sent),
        cmocka_unit_test(test_files_are_sent_in_pieces),
        cmocka_unit_test(test_a_form_is_sent_again),
        cmocka_unit_test(test_bad_parts_are_told),
        cmocka_unit_test(test_a_file_that_becomes_shorter_is_told),
        cmocka_unit_test(test_an_early_answer_counts),
        cmocka_unit_test(test_nothing_stays),
    };
    peer_over();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
