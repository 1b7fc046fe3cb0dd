/*
 * Response heads: their bytes, in windows of every size, and that nothing a handler sets can end a
 * line (rule 13, response splitting). Windows lie in memory of exactly their size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/http1_head.h"
#include "wire/http1_write.h"

static struct weir__http1_date a_date(void)
{
    struct weir__http1_date d = {0};
    weir__http1_date_update(&d, 784111777);
    return d;
}

static void write_ok(struct weir__http1_writer *w, const struct weir__http1_date *d)
{
    weir__http1_write_start(w, 200, d);
    weir__http1_write_field(w, WEIR_S("Content-Type"), WEIR_S("text/plain"));
    weir__http1_write_field_trusted(w, WEIR_S("X-Empty"), (weir_str){NULL, 0});
    weir__http1_write_length(w, 13);
    weir__http1_write_raw(w, WEIR_S("Connection: close\r\n"));
    weir__http1_write_end(w);
}

static const char ok_head[] = "HTTP/1.1 200 OK\r\n"
                              "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                              "Content-Type: text/plain\r\n"
                              "X-Empty: \r\n"
                              "Content-Length: 13\r\n"
                              "Connection: close\r\n\r\n";

/* What does not fit is refused whole: a window of any size holds the whole head or a prefix of
 * it. */
static void writes_into_windows_of_every_size(void **state)
{
    (void)state;
    const size_t full = sizeof ok_head - 1;
    struct weir__http1_date d = a_date();
    for (size_t size = 0; size < full + 100; size++) {
        char *window = malloc(size > 0 ? size : 1);
        assert_non_null(window);
        struct weir__http1_writer w;
        weir__http1_writer_init(&w, window, size);
        write_ok(&w, &d);
        size_t n = (size_t)(w.at - window);
        assert_int_equal(w.err, size >= full ? WEIR_OK : WEIR_ETOOLARGE);
        assert_true(size >= full ? n == full : n <= size);
        assert_memory_equal(window, ok_head, n);
        free(window);
    }
}

static void is_sticky(void **state)
{
    (void)state;
    char window[400];
    struct weir__http1_writer w;
    weir__http1_writer_init(&w, window, sizeof window);
    weir__http1_write_field(&w, WEIR_S("X"), WEIR_S("a\r\nb"));
    assert_int_equal(w.err, WEIR_EINVALID);
    write_ok(&w, NULL);
    weir__http1_write_length_end(&w, 1);
    weir__http1_write_start_custom(&w, 200, WEIR_S(""), NULL);
    weir__http1_write_field(&w, WEIR_S(""), WEIR_S(""));
    assert_ptr_equal(w.at, window);
    assert_int_equal(w.err, WEIR_EINVALID);
}

/* Every byte, at the start, in the middle and at the end of a name and a value. */
static void refuses_bytes_that_split_responses(void **state)
{
    (void)state;
    const char *tchars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int byte = 0; byte < 256; byte++) {
        for (int at = 0; at < 3; at++) {
            char window[100], text[3] = {'a', 'b', 'c'};
            struct weir__http1_writer w;
            text[at] = (char)byte;
            bool name_ok = byte != 0 && strchr(tchars, byte) != NULL;
            bool blank = byte == ' ' || byte == '\t';
            bool value_ok = blank ? at == 1 : byte > 0x20 && byte != 0x7f;
            weir__http1_writer_init(&w, window, sizeof window);
            weir__http1_write_field(&w, (weir_str){text, 3}, WEIR_S("v"));
            assert_int_equal(w.err, name_ok ? WEIR_OK : WEIR_EINVALID);
            weir__http1_writer_init(&w, window, sizeof window);
            weir__http1_write_field(&w, WEIR_S("X"), (weir_str){text, 3});
            assert_int_equal(w.err, value_ok ? WEIR_OK : WEIR_EINVALID);
            weir__http1_writer_init(&w, window, sizeof window);
            weir__http1_write_start_custom(&w, 200, (weir_str){text, 3}, NULL);
            assert_int_equal(w.err, value_ok ? WEIR_OK : WEIR_EINVALID);
        }
    }
}

static void assert_start(int status, weir_str reason, bool custom, const char *expected)
{
    char window[200];
    struct weir__http1_writer w;
    weir__http1_writer_init(&w, window, sizeof window);
    if (custom)
        weir__http1_write_start_custom(&w, status, reason, NULL);
    else
        weir__http1_write_start(&w, status, NULL);
    assert_int_equal(w.err, WEIR_OK);
    assert_int_equal(w.at - window, strlen(expected));
    assert_memory_equal(window, expected, strlen(expected));
}

static void writes_every_status(void **state)
{
    (void)state;
    for (int status = 100; status < 600; status++) {
        char expected[100];
        weir_str reason = weir__http_status_reason(status);
        snprintf(expected, sizeof expected, "HTTP/1.1 %d " WEIR_STR_FMT "\r\n", status,
                 WEIR_STR_ARG(reason));
        assert_start(status, reason, false, expected);
        assert_start(
            status, WEIR_S("My Way"), true,
            (snprintf(expected, sizeof expected, "HTTP/1.1 %d My Way\r\n", status), expected));
    }
    const int bad[] = {-1, 0, 99, 600, 1000};
    for (int i = 0; i < 5; i++) {
        char window[200];
        struct weir__http1_writer w;
        weir__http1_writer_init(&w, window, sizeof window);
        weir__http1_write_start(&w, bad[i], NULL);
        assert_int_equal(w.err, WEIR_EINVALID);
        assert_ptr_equal(w.at, window);
    }
}

static void keeps_the_date_up_to_date(void **state)
{
    (void)state;
    struct weir__http1_date d = {0};
    weir__http1_date_update(&d, 0);
    assert_int_equal(d.len, 37);
    assert_memory_equal(d.line, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 37);
    d.line[0] = 'X'; /* the same second: not written again */
    weir__http1_date_update(&d, 0);
    assert_int_equal(d.line[0], 'X');
    weir__http1_date_update(&d, 784111777);
    assert_memory_equal(d.line, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 37);
    char window[200];
    struct weir__http1_writer w;
    weir__http1_writer_init(&w, window, sizeof window);
    weir__http1_write_start_custom(&w, 299, WEIR_S("Fine"), &d);
    assert_memory_equal(window, "HTTP/1.1 299 Fine\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 56);
    assert_int_equal(w.at - window, 56);
}

static void writes_digits(void **state)
{
    (void)state;
    char expected[32], out[20];
    uint64_t random = 3;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t n = i < 10001 ? (uint64_t)i : random >> (i % 64);
        int len = snprintf(expected, sizeof expected, "%lu", (unsigned long)n);
        assert_int_equal(weir__http1_digits(out, n), len);
        assert_memory_equal(out, expected, (size_t)len);
    }
    uint64_t power = 1;
    for (int digits = 1; digits <= 20; digits++, power *= 10) {
        assert_int_equal(weir__http1_digits(out, power), digits);
        assert_int_equal(weir__http1_digits(out, power - 1), digits > 1 ? digits - 1 : 1);
    }
    assert_int_equal(weir__http1_digits(out, UINT64_MAX), 20);
    assert_memory_equal(out, "18446744073709551615", 20);
}

static void ends_with_the_length(void **state)
{
    (void)state;
    char window[100];
    struct weir__http1_writer w;
    weir__http1_writer_init(&w, window, sizeof window);
    weir__http1_write_length_end(&w, 18446744073709551615u);
    const char *expected = "Content-Length: 18446744073709551615\r\n\r\n";
    assert_int_equal(w.at - window, strlen(expected));
    assert_memory_equal(window, expected, strlen(expected));
}

static void writes_requests(void **state)
{
    (void)state;
    char window[100];
    struct weir__http1_writer w;
    weir__http1_writer_init(&w, window, sizeof window);
    weir__http1_write_request(&w, WEIR_S("GET"), WEIR_S("/a?b=%20"), WEIR_S("[::1]:80"));
    weir__http1_write_request(&w, WEIR_S("M-SEARCH"), WEIR_S("*"), WEIR_S(""));
    weir__http1_write_end(&w);
    assert_int_equal(w.err, WEIR_OK);
    const char *expected = "GET /a?b=%20 HTTP/1.1\r\nHost: [::1]:80\r\n"
                           "M-SEARCH * HTTP/1.1\r\nHost: \r\n\r\n";
    assert_int_equal(w.at - window, strlen(expected));
    assert_memory_equal(window, expected, strlen(expected));
    for (size_t size = 0; size < 43; size++) {
        weir__http1_writer_init(&w, window, size);
        weir__http1_write_request(&w, WEIR_S("GET"), WEIR_S("/a?b=%20"), WEIR_S("[::1]:80"));
        assert_int_equal(w.err, size < 39 ? WEIR_ETOOLARGE : WEIR_OK);
    }
}

/* A path or a host of a caller's makes no second line, and no second request. */
static void refuses_bytes_that_split_requests(void **state)
{
    (void)state;
    char window[200], text[4] = "/x";
    struct weir__http1_writer w;
    for (int ch = 0; ch < 256; ch++) {
        text[1] = (char)ch;
        weir__http1_writer_init(&w, window, sizeof window);
        weir__http1_write_request(&w, WEIR_S("GET"), (weir_str){text, 2}, WEIR_S("a"));
        assert_int_equal(w.err, ch > 0x20 && ch < 0x7f && ch != '#' ? WEIR_OK : WEIR_EINVALID);
    }
    static const struct {
        const char *method, *target, *host;
    } bad[] = {{"", "/", "a"},         {"G ET", "/", "a"},        {"GET\r\nX: y", "/", "a"},
               {"GET", "", "a"},       {"GET", "/", "a\r\nX: y"}, {"GET", "/", "a b"},
               {"GET", "/", "user@a"}, {"GET", "/", "a:70000"},   {"GET", "/", "a/b"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        weir__http1_writer_init(&w, window, sizeof window);
        weir__http1_write_request(&w, weir_str_from(bad[i].method), weir_str_from(bad[i].target),
                                  weir_str_from(bad[i].host));
        assert_int_equal(w.err, WEIR_EINVALID);
        assert_ptr_equal(w.at, window);
        weir__http1_write_field(&w, WEIR_S("a"), WEIR_S("b"));
        assert_ptr_equal(w.at, window);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_into_windows_of_every_size),
        cmocka_unit_test(is_sticky),
        cmocka_unit_test(refuses_bytes_that_split_responses),
        cmocka_unit_test(writes_every_status),
        cmocka_unit_test(keeps_the_date_up_to_date),
        cmocka_unit_test(writes_digits),
        cmocka_unit_test(ends_with_the_length),
        cmocka_unit_test(writes_requests),
        cmocka_unit_test(refuses_bytes_that_split_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
