/* Packets: cut anywhere, out of order, too long, in several parts; numbers and strings in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/mysql_packet.h"

#define BOUND (64u << 20)

static int64_t read_all(weir_buf *b, uint8_t number, struct weir__mysql_packet *p)
{
    return weir__mysql_packet_read(b->ptr, b->len, number, BOUND, p);
}

static void reads_one_cut_at_every_byte(void **state)
{
    static const char bytes[] = "\x05\0\0\x01hello\x01\0\0\2x";
    struct weir__mysql_packet p;
    (void)state;
    for (size_t n = 0; n < 9; n++) {
        char *copy = malloc(n > 0 ? n : 1);
        assert_non_null(copy);
        memcpy(copy, bytes, n);
        assert_int_equal(weir__mysql_packet_read(copy, n, 1, 100, &p), 0);
        assert_int_equal(p.missing, n < 4 ? 4 - n : 9 - n);
        free(copy);
    }
    char all[sizeof bytes];
    memcpy(all, bytes, sizeof bytes);
    assert_int_equal(weir__mysql_packet_read(all, sizeof bytes - 1, 1, 100, &p), 9);
    assert_true(weir_str_eq(p.body, WEIR_S("hello")));
    assert_int_equal(p.next, 2);
    assert_int_equal(weir__mysql_packet_read(all + 9, 5, p.next, 100, &p), 5);
    assert_true(weir_str_eq(p.body, WEIR_S("x")));
}

static void refuses_what_is_out_of_turn_or_too_long(void **state)
{
    struct weir__mysql_packet p;
    char turn[] = "\1\0\0\3x", huge[] = "\xff\xff\xff\0", edge[] = "\5\0\0\0hello";
    (void)state;
    assert_int_equal(weir__mysql_packet_read(turn, 5, 2, 100, &p), WEIR_MYSQL_ESEQUENCE);
    assert_int_equal(weir__mysql_packet_read(turn, 4, 2, 100, &p), WEIR_MYSQL_ESEQUENCE);
    assert_int_equal(weir__mysql_packet_read(huge, 4, 0, 100, &p), WEIR_MYSQL_ELENGTH);
    assert_int_equal(weir__mysql_packet_read(edge, 9, 0, 5, &p), 9);
    assert_int_equal(weir__mysql_packet_read(edge, 4, 0, 4, &p), WEIR_MYSQL_ELENGTH);
}

static void takes_an_error_with_number_0(void **state)
{
    struct weir__mysql_packet p;
    char error[] = "\3\0\0\0\xff\xbf\x0f", other[] = "\3\0\0\0\0\0\0", none[] = "\0\0\0\0";
    (void)state;
    assert_int_equal(weir__mysql_packet_read(error, 4, 1, 100, &p), 0);
    assert_true(p.missing > 0);
    assert_int_equal(weir__mysql_packet_read(error, 7, 1, 100, &p), 7);
    assert_int_equal(p.next, 1);
    assert_int_equal(weir__mysql_packet_read(other, 7, 1, 100, &p), WEIR_MYSQL_ESEQUENCE);
    assert_int_equal(weir__mysql_packet_read(none, 4, 1, 100, &p), WEIR_MYSQL_ESEQUENCE);
}

static void round_trip(size_t n, size_t parts)
{
    struct weir__mysql_packet p;
    weir_buf b;
    weir_buf_init(&b, BOUND);
    size_t at = weir__mysql_packet_begin(&b);
    for (size_t i = 0; i < n; i += 1 << 20) {
        size_t some = n - i < 1 << 20 ? n - i : 1 << 20;
        char *to = weir_buf_reserve(&b, some);
        assert_non_null(to);
        memset(to, 'a' + (int)(i >> 20), some);
        b.len += some;
    }
    assert_int_equal(weir__mysql_packet_end(&b, at, 254), (254 + parts) & 255);
    assert_int_equal(b.len, n + parts * WEIR__MYSQL_HEAD);
    assert_int_equal(weir__mysql_packet_read(b.ptr, b.len - 1, 254, BOUND, &p), 0);
    assert_int_equal(p.missing, 1);
    assert_int_equal(read_all(&b, 254, &p), b.len);
    assert_int_equal(p.body.len, n);
    for (size_t i = 0; i < n; i++)
        if (p.body.ptr[i] != (char)('a' + (int)(i >> 20)))
            fail_msg("byte %zu of %zu is another", i, n);
    assert_int_equal(p.next, (uint8_t)(254 + parts));
    weir_buf_fini(&b);
}

static void a_body_of_16_mib_goes_in_several(void **state)
{
    (void)state;
    round_trip(0, 1);
    round_trip(WEIR__MYSQL_PART_MAX - 1, 1);
    round_trip(WEIR__MYSQL_PART_MAX, 2);
    round_trip(WEIR__MYSQL_PART_MAX + 1, 2);
    round_trip((size_t)2 * WEIR__MYSQL_PART_MAX, 3);
    round_trip((size_t)2 * WEIR__MYSQL_PART_MAX + 5, 3);
}

static void numbers_say_their_length(void **state)
{
    static const struct {
        uint64_t v;
        weir_str bytes;
    } cases[] = {
        {0, {"\0", 1}},
        {250, {"\xfa", 1}},
        {251, {"\xfc\xfb\0", 3}},
        {65535, {"\xfc\xff\xff", 3}},
        {65536, {"\xfd\0\0\1", 4}},
        {16777216, {"\xfe\0\0\0\1\0\0\0\0", 9}},
        {UINT64_MAX, {"\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 9}},
    };
    char room[16];
    weir_buf b;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_buf_init_fixed(&b, room, sizeof room);
        weir__mysql_put_lenenc(&b, cases[i].v);
        assert_true(weir_str_eq(weir_buf_str(&b), cases[i].bytes));
        for (size_t n = 0; n <= b.len; n++) {
            struct weir__mysql_reader r = weir__mysql_reader_of((weir_str){room, n});
            assert_int_equal(weir__mysql_get_lenenc(&r, NULL), n == b.len ? cases[i].v : 0);
            assert_int_equal(r.is_cut, n < b.len);
        }
    }
}

static void what_is_cut_stays_so(void **state)
{
    bool is_null;
    (void)state;
    struct weir__mysql_reader r = weir__mysql_reader_of(WEIR_S("\x05helloab\0c"));
    assert_true(weir_str_eq(weir__mysql_get_string(&r), WEIR_S("hello")));
    assert_true(weir_str_eq(weir__mysql_get_text(&r), WEIR_S("ab")));
    assert_int_equal(weir__mysql_get_text(&r).len, 0); /* without its NUL */
    assert_true(r.is_cut);
    assert_int_equal(weir__mysql_get(&r, 1), 0);
    r = weir__mysql_reader_of(WEIR_S("\xfe\xff\xff\xff\xff\xff\xff\xff\xffxx"));
    assert_int_equal(weir__mysql_get_string(&r).len, 0);
    assert_true(r.is_cut);
    r = weir__mysql_reader_of(WEIR_S("\xfb\xfb\xff"));
    assert_int_equal(weir__mysql_get_lenenc(&r, &is_null), 0);
    assert_true(is_null && !r.is_cut);
    assert_int_equal(weir__mysql_get_lenenc(&r, NULL), 0);
    assert_true(r.is_cut);
}

static void every_error_has_a_text(void **state)
{
    (void)state;
    for (int err = WEIR_MYSQL_ESEQUENCE; err < WEIR_MYSQL_ERROR_END; err++)
        assert_non_null(weir__mysql_error_text(err));
    assert_string_equal(weir__mysql_error_text(0), "something else");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_one_cut_at_every_byte),
        cmocka_unit_test(refuses_what_is_out_of_turn_or_too_long),
        cmocka_unit_test(takes_an_error_with_number_0),
        cmocka_unit_test(a_body_of_16_mib_goes_in_several),
        cmocka_unit_test(numbers_say_their_length),
        cmocka_unit_test(what_is_cut_stays_so),
        cmocka_unit_test(every_error_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
