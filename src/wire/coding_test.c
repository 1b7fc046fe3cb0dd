/* Names of codings, the choice of one (RFC 9110 section 12.5.3), and lists (section 8.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/coding.h"

enum { PLAIN = WEIR_CODING_IDENTITY, GZIP = WEIR_CODING_GZIP, BR = WEIR_CODING_BROTLI };

static void names_are_read_and_written(void **state)
{
    (void)state;
    for (int i = 0; i < WEIR_CODING_RAW; i++)
        assert_int_equal(weir__coding_of(weir__coding_name((enum weir__coding)i)), i);
    assert_int_equal(weir__coding_of(WEIR_S("GZip")), WEIR_CODING_GZIP);
    assert_int_equal(weir__coding_of(WEIR_S("x-gzip")), WEIR_CODING_GZIP); /* 8.4.1.3 */
    assert_int_equal(weir__coding_of(WEIR_S("zstd")), WEIR_CODING_COUNT);
    assert_int_equal(weir__coding_of(WEIR_S("")), WEIR_CODING_COUNT);
    assert_int_equal(weir__coding_of(WEIR_S("gzi")), WEIR_CODING_COUNT);
    assert_int_equal(weir__coding_name(WEIR_CODING_RAW).len, 0);
    assert_int_equal(weir__coding_name(WEIR_CODING_MESSAGE).len, 0);
}

static void each_error_has_its_text(void **state)
{
    (void)state;
    for (int a = WEIR_CODING_EFORMAT; a < WEIR_CODING_ERROR_END; a++) {
        assert_non_null(weir__coding_error_text(a));
        for (int b = WEIR_CODING_EFORMAT; b < a; b++)
            assert_string_not_equal(weir__coding_error_text(a), weir__coding_error_text(b));
    }
    assert_string_equal(weir__coding_error_text(WEIR_ENOTBUILT), weir_strerror(WEIR_ENOTBUILT));
    assert_string_equal(weir__coding_error_text(-ENOMEM), weir_strerror(-ENOMEM));
}

/* What is offered: gzip, br; and where it says so identity first. */
static const struct {
    const char *accept;
    bool is_plain_first;
    int chosen;
    bool is_allowed;
} choices[] = {
    {NULL, false, PLAIN, true}, /* no field: any, and plain is what all can read */
    {"", false, PLAIN, true},   /* an empty one: nothing but identity */
    {"gzip", false, GZIP, true},
    {"x-gzip", false, GZIP, true},
    {"GZIP", false, GZIP, true},
    {"zstd", false, PLAIN, true},
    {"br, gzip", false, GZIP, true}, /* as much: the first that is offered */
    {"gzip;q=0.5, br;q=0.8", false, WEIR_BROTLI ? BR : GZIP, true},
    {"gzip;q=0, br;q=0", false, PLAIN, true},
    {"*", false, GZIP, true},
    {"*;q=0.2, gzip;q=0", false, WEIR_BROTLI ? BR : PLAIN, true},
    {"gzip;q=0.5, identity", false, PLAIN, true},
    {"gzip;q=0.5, identity;q=0.5", false, GZIP, true},
    {"gzip;q=0.5, identity;q=0.5", true, PLAIN, true},
    {"gzip, identity;q=0", false, GZIP, true},
    {"gzip, *;q=0", false, GZIP, true},
    {"zstd, identity;q=0", false, PLAIN, false},
    {"*;q=0", false, PLAIN, false},
    {"identity;q=0", true, PLAIN, false},
    {"gzip;q=0.001", false, GZIP, true},
    {"gzip;q=0.000", false, PLAIN, true},
    {"gzip;q=rubbish", false, PLAIN, true}, /* a weight that is none is 0 */
    {",, gzip ;q=1,", false, GZIP, true},
};

static void the_heaviest_is_chosen(void **state)
{
    (void)state;
    static const enum weir__coding offers[] = {WEIR_CODING_IDENTITY, WEIR_CODING_GZIP,
                                               WEIR_CODING_BROTLI};
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        enum weir__coding out;
        size_t skip = choices[i].is_plain_first ? 0 : 1;
        bool is_allowed =
            weir__coding_choose(weir_str_from(choices[i].accept), offers + skip, 3 - skip, &out);
        if ((int)out != choices[i].chosen || is_allowed != choices[i].is_allowed)
            fail_msg("\"%s\": %d, allowed: %d", choices[i].accept, out, is_allowed);
    }
}

static void lists_are_read_in_order(void **state)
{
    (void)state;
    enum weir__coding out[WEIR__CODINGS_MAX];
    size_t n;
    assert_int_equal(weir__coding_list_parse((weir_str){NULL, 0}, out, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(weir__coding_list_parse(WEIR_S("identity"), out, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(weir__coding_list_parse(WEIR_S("deflate, identity,, GZIP"), out, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(out[0], WEIR_CODING_DEFLATE);
    assert_int_equal(out[1], WEIR_CODING_GZIP);
    assert_int_equal(weir__coding_list_parse(WEIR_S("gzip,gzip,gzip"), out, &n), 0);
    assert_int_equal(weir__coding_list_parse(WEIR_S("gzip,gzip,gzip,gzip"), out, &n),
                     WEIR_CODING_ECHAIN);
    assert_int_equal(weir__coding_list_parse(WEIR_S("gzip, zstd"), out, &n), WEIR_CODING_EUNKNOWN);
    assert_int_equal(weir__coding_list_parse(WEIR_S("gzip;q=1"), out, &n), WEIR_CODING_EUNKNOWN);
    assert_int_equal(weir__coding_list_parse(WEIR_S("br"), out, &n),
                     WEIR_BROTLI ? 0 : WEIR_ENOTBUILT);
}

static void what_is_accepted_can_be_read(void **state)
{
    (void)state;
    enum weir__coding out[WEIR__CODINGS_MAX];
    size_t n;
    assert_int_equal(weir__coding_list_parse(weir__coding_accepted(), out, &n), 0);
    assert_int_equal(n, WEIR_BROTLI ? 3 : 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_and_written),   cmocka_unit_test(each_error_has_its_text),
        cmocka_unit_test(the_heaviest_is_chosen),       cmocka_unit_test(lists_are_read_in_order),
        cmocka_unit_test(what_is_accepted_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
