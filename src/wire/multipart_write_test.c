/* multipart/form-data as it is written: RFC 7578, RFC 2046 section 5.1, the HTML standard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "wire/multipart_write.h"

static void fix(struct weir__multipart *m)
{
    weir__multipart_init(m);
    memcpy(m->boundary, "weir--0123456789abcdef0123456789abcdef", sizeof m->boundary);
}

#define B "weir--0123456789abcdef0123456789abcdef"
#define DISPOSITION "\r\nContent-Disposition: form-data; name="

static void a_form_is_heads_bytes_and_an_end(void **state)
{
    (void)state;
    static const char expected[] =
        "--" B DISPOSITION "\"a\"\r\n\r\none\r\n"
        "--" B DISPOSITION "\"f\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\ntwo\r\n"
        "--" B DISPOSITION "\"g\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        "\r\n--" B "--\r\n";
    static const struct weir__multipart_part parts[] = {
        {.name = {"a", 1}},
        {.name = {"f", 1}, .filename = {"x.png", 5}, .content_type = {"image/png", 9}},
        {.name = {"g", 1}, .filename = {"", 0}},
    };
    static const char *const bytes[] = {"one", "two", ""};
    static const uint64_t sizes[] = {3, 3, 0};
    struct weir__multipart m;
    uint64_t length;
    weir_buf b;
    weir_buf_init(&b, 4096);
    fix(&m);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(weir__multipart_part(&m, &parts[i], &b), 0);
        weir_buf_puts(&b, weir_str_from(bytes[i]));
    }
    assert_int_equal(weir__multipart_end(&m, &b), 0);
    assert_int_equal(b.len, sizeof expected - 1);
    assert_memory_equal(b.ptr, expected, b.len);
    assert_int_equal(weir__multipart_length(parts, sizes, 3, &length), 0);
    assert_int_equal(length, b.len);
    weir_buf_fini(&b);
}

static void a_form_without_parts_is_its_end(void **state)
{
    (void)state;
    struct weir__multipart m;
    uint64_t length;
    weir_buf b;
    weir_buf_init(&b, 4096);
    fix(&m);
    assert_int_equal(weir__multipart_end(&m, &b), 0);
    assert_true(weir_str_eq(weir_buf_str(&b), WEIR_S("--" B "--\r\n")));
    assert_int_equal(weir__multipart_length(NULL, NULL, 0, &length), 0);
    assert_int_equal(length, b.len);
    weir_buf_fini(&b);
}

static void names_cannot_end_their_quotes_or_lines(void **state)
{
    (void)state;
    static const struct {
        const char *name, *filename, *head;
    } rows[] = {
        {"a\"b", NULL, "\"a%22b\""},
        {"a\r\nb", NULL, "\"a%0D%0Ab\""},
        {"a\nb\r", NULL, "\"a%0D%0Ab%0D%0A\""}, /* as HTML normalises names */
        {"\n\r\n\r", NULL, "\"%0D%0A%0D%0A%0D%0A\""},
        {"n", "a\r\nb\"\n\r", "\"n\"; filename=\"a%0D%0Ab%22%0A%0D\""}, /* and not filenames */
        {"n", "\xc3\xbc b\\%.txt", "\"n\"; filename=\"\xc3\xbc b\\%.txt\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir__multipart m;
        char expected[256];
        weir_buf b;
        weir_buf_init(&b, 4096);
        fix(&m);
        struct weir__multipart_part part = {.name = weir_str_from(rows[i].name),
                                            .filename = weir_str_from(rows[i].filename)};
        assert_int_equal(weir__multipart_part(&m, &part, &b), 0);
        int n = snprintf(expected, sizeof expected, "--" B DISPOSITION "%s\r\n", rows[i].head);
        assert_true(b.len > (size_t)n);
        assert_memory_equal(b.ptr, expected, (size_t)n);
        weir_buf_fini(&b);
    }
}

static void what_cannot_be_said_is_refused(void **state)
{
    (void)state;
    static const struct weir__multipart_part bad[] = {
        {.name = {"", 0}},
        {.name = {"a\0b", 3}},
        {.name = {"a", 1}, .filename = {"\0", 1}},
        {.name = {"a", 1}, .content_type = {"text/plain\r\nX: y", 16}},
    };
    static const uint64_t size = 1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct weir__multipart m;
        uint64_t length;
        weir_buf b;
        weir_buf_init(&b, 4096);
        fix(&m);
        assert_int_equal(weir__multipart_part(&m, &bad[i], &b), WEIR_EINVALID);
        assert_int_equal(b.len, 0);
        assert_int_equal(weir__multipart_length(&bad[i], &size, 1, &length), WEIR_EINVALID);
        assert_int_equal(weir__multipart_end(&m, &b), 0);
        assert_memory_equal(b.ptr, "--", 2); /* nothing has begun */
        weir_buf_fini(&b);
    }
}

static void a_full_buffer_holds_what_it_did(void **state)
{
    (void)state;
    static const struct weir__multipart_part part = {.name = {"a", 1}};
    struct weir__multipart m;
    weir_buf b;
    weir_buf_init(&b, 80);
    fix(&m);
    weir_buf_putc(&b, '!');
    assert_int_equal(weir__multipart_part(&m, &part, &b), WEIR_ETOOLARGE);
    assert_int_equal(b.len, 1);
    assert_int_equal(b.err, 0);
    weir_buf_fini(&b);
    weir_buf_init(&b, 4096);
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__multipart_part(&m, &part, &b), -ENOMEM);
    weir__alloc_fail_nth(0);
    assert_int_equal(weir__multipart_part(&m, &part, &b), 0);
    assert_memory_equal(b.ptr, "--" B, 2); /* it is the first all the same */
    weir_buf_fini(&b);
}

static void lengths_have_an_end(void **state)
{
    (void)state;
    static const struct weir__multipart_part parts[] = {{.name = {"a", 1}}, {.name = {"b", 1}}};
    static const uint64_t sizes[][2] = {{UINT64_MAX, 0}, {INT64_MAX, 0}, {1, UINT64_MAX}};
    uint64_t length;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(weir__multipart_length(parts, sizes[i], 2, &length), WEIR_ETOOLARGE);
}

static void boundaries_differ_and_are_said(void **state)
{
    (void)state;
    struct weir__multipart a, b;
    char type[WEIR__MULTIPART_TYPE_LEN];
    weir__multipart_init(&a);
    weir__multipart_init(&b);
    assert_memory_not_equal(a.boundary, b.boundary, sizeof a.boundary);
    weir__multipart_type(&a, type);
    assert_memory_equal(type, "multipart/form-data; boundary=weir--", 36);
    assert_memory_equal(type + 30, a.boundary, sizeof a.boundary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_is_heads_bytes_and_an_end),
        cmocka_unit_test(a_form_without_parts_is_its_end),
        cmocka_unit_test(names_cannot_end_their_quotes_or_lines),
        cmocka_unit_test(what_cannot_be_said_is_refused),
        cmocka_unit_test(a_full_buffer_holds_what_it_did),
        cmocka_unit_test(lengths_have_an_end),
        cmocka_unit_test(boundaries_differ_and_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
