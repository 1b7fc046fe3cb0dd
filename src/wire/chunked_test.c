/*
 * The chunked coding: what it yields, each thing it refuses with its section of RFC 9112, its
 * bounds, and that no split of the bytes changes any of it. Pieces lie in memory of exactly their
 * size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/chunked.h"

/* What came out of decoding: the last event, the data, the trailers, how many bytes were used. */
struct result {
    int event;
    size_t used, data_len, trailer_len;
    char data[600], trailer[600];
};

static void collect(struct result *r, int event, weir_str out)
{
    char *to = event == WEIR_CHUNKED_DATA ? r->data : r->trailer;
    size_t *len = event == WEIR_CHUNKED_DATA ? &r->data_len : &r->trailer_len;
    assert_true(*len + out.len <= sizeof r->data);
    memcpy(to + *len, out.ptr, out.len);
    *len += out.len;
}

/* Decodes bytes that come in two pieces, the first of `cut` bytes, the others of `step`. */
static struct result decode_split(weir_str s, size_t cut, size_t step, struct weir__chunked d)
{
    struct result r = {.event = WEIR_CHUNKED_MORE};
    for (size_t at = 0, n = cut; at < s.len && r.event == WEIR_CHUNKED_MORE; at += n, n = step) {
        n = n < s.len - at ? n : s.len - at;
        char *piece = malloc(n > 0 ? n : 1);
        assert_non_null(piece);
        memcpy(piece, s.ptr + at, n);
        weir_str in = {piece, n}, out;
        while ((r.event = weir__chunked_next(&d, &in, &out)) == WEIR_CHUNKED_DATA ||
               r.event == WEIR_CHUNKED_TRAILER)
            collect(&r, r.event, out);
        r.used += n - in.len;
        assert_true(r.event != WEIR_CHUNKED_MORE || in.len == 0);
        free(piece);
    }
    return r;
}

static struct result decode_limited(weir_str s, uint32_t ext_max, uint32_t trailer_max)
{
    struct weir__chunked d;
    weir__chunked_init(&d, ext_max, trailer_max);
    struct result whole = decode_split(s, s.len, 1, d);
    for (size_t cut = 0; cut <= s.len; cut++) {
        struct result again = decode_split(s, cut, cut == 0 ? 1 : s.len, d);
        assert_int_equal(again.event, whole.event);
        assert_true(whole.event < 0 || again.used == whole.used);
        assert_int_equal(again.data_len, whole.data_len);
        assert_memory_equal(again.data, whole.data, whole.data_len);
        if (whole.event >= 0) {
            assert_int_equal(again.trailer_len, whole.trailer_len);
            assert_memory_equal(again.trailer, whole.trailer, whole.trailer_len);
        }
    }
    return whole;
}

static struct result decode(const char *s)
{
    return decode_limited(weir_str_from(s), 0, 0);
}

static void assert_data(const struct result *r, const char *expected)
{
    assert_int_equal(r->data_len, strlen(expected));
    assert_memory_equal(r->data, expected, r->data_len);
}

static void refuse(const char *const *cases, size_t n, int err)
{
    for (size_t i = 0; i < n; i++) {
        struct result r = decode(cases[i]);
        if (r.event != err)
            fail_msg("%d (%s) instead of %d (%s) for: %s", r.event,
                     weir__chunked_error_text(r.event), err, weir__chunked_error_text(err),
                     cases[i]);
        assert_int_equal(weir__chunked_error_status(err),
                         err == WEIR_CHUNKED_ETRAILERLONG ? 431 : 400);
    }
}

#define REFUSE(err, ...)                                                                           \
    do {                                                                                           \
        const char *const cases_[] = {__VA_ARGS__};                                                \
        refuse(cases_, sizeof cases_ / sizeof cases_[0], err);                                     \
    } while (0)

/* ---- good bodies ---- */

static void reads_chunks(void **state)
{
    (void)state;
    const char *body = "4\r\nWeir\r\n00b\r\n runs here \r\n0\r\n\r\n";
    struct result r = decode(body);
    assert_int_equal(r.event, WEIR_CHUNKED_END);
    assert_int_equal(r.used, strlen(body));
    assert_data(&r, "Weir runs here ");
    r = decode("A\r\n0123456789\r\na\r\n\r\n\r\n\r\n\r\n\r\n\r\n0000\r\n\r\n");
    assert_int_equal(r.event, WEIR_CHUNKED_END);
    assert_data(&r, "0123456789\r\n\r\n\r\n\r\n\r\n");
    r = decode("0\r\n\r\n");
    assert_int_equal(r.event, WEIR_CHUNKED_END);
    assert_data(&r, "");
}

static void leaves_the_next_request_alone(void **state)
{
    (void)state;
    struct result r = decode("1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
    assert_int_equal(r.event, WEIR_CHUNKED_END);
    assert_int_equal(r.used, 11);
    assert_data(&r, "a");
}

static void says_more_for_every_prefix(void **state)
{
    (void)state;
    const char *body = "3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n";
    for (size_t n = 0; n < strlen(body); n++)
        assert_int_equal(decode_limited((weir_str){body, n}, 0, 0).event, WEIR_CHUNKED_MORE);
}

static void ignores_well_formed_extensions(void **state)
{
    (void)state;
    struct result r = decode("1;a\r\nx\r\n1;a=b;c;d=\"q \\\" ; \xff\"\r\ny\r\n0;e=1\r\n\r\n");
    assert_int_equal(r.event, WEIR_CHUNKED_END);
    assert_data(&r, "xy");
}

/* RFC 9112 section 7.1.2: trailers come out apart, and only what is a trailer. */
static void yields_trailers_apart(void **state)
{
    (void)state;
    struct result r =
        decode("1\r\nx\r\n0\r\nX-Sum: 1 2 \r\nContent-Length: 7\r\nEmpty:\r\n\r\nrest");
    assert_int_equal(r.event, WEIR_CHUNKED_END);
    assert_data(&r, "x");
    weir_str rest = {r.trailer, r.trailer_len}, name, value;
    assert_true(weir__trailer_next(&rest, &name, &value));
    assert_true(weir_str_eq(name, WEIR_S("X-Sum")) && weir_str_eq(value, WEIR_S("1 2")));
    assert_true(weir__trailer_next(&rest, &name, &value));
    assert_true(weir_str_eq(name, WEIR_S("Content-Length")) && weir_str_eq(value, WEIR_S("7")));
    assert_true(weir__trailer_next(&rest, &name, &value));
    assert_true(weir_str_eq(name, WEIR_S("Empty")) && value.len == 0);
    assert_false(weir__trailer_next(&rest, &name, &value));
    rest = (weir_str){NULL, 0};
    assert_false(weir__trailer_next(&rest, &name, &value));
}

static void compacts_in_place(void **state)
{
    (void)state;
    const char *body = "4\r\nWeir\r\n6;x\r\n runs!\r\n0\r\nT: u\r\n\r\nNEXT";
    for (size_t cut = 0; cut <= strlen(body); cut++) {
        struct weir__chunked d;
        char buf[100], out[100];
        size_t len = cut, used = 0, total = 0;
        weir__chunked_init(&d, 0, 0);
        memcpy(buf, body, cut);
        int event = weir__chunked_compact(&d, buf, &len, &used);
        memcpy(out, buf, len);
        total = len;
        size_t taken = used;
        assert_true(event == WEIR_CHUNKED_END || used == cut);
        if (event == WEIR_CHUNKED_MORE) {
            len = strlen(body) - taken;
            memcpy(buf, body + taken, len);
            event = weir__chunked_compact(&d, buf, &len, &used);
            memcpy(out + total, buf, len);
            total += len;
            taken += used;
        }
        assert_int_equal(event, WEIR_CHUNKED_END);
        assert_int_equal(taken, strlen(body) - 4);
        assert_int_equal(total, 10);
        assert_memory_equal(out, "Weir runs!", 10);
    }
}

/* ---- refused: section 7.1, erratum 7633 ---- */

static void s7_1_refuses_malformed_sizes(void **state)
{
    (void)state;
    REFUSE(WEIR_CHUNKED_ESIZE, "\r\n", ";\r\n", "+5\r\n", "-5\r\n", "0x5\r\n", "x5\r\n", " 5\r\n",
           "1_0\r\n", "5g\r\n", "5,\r\n", "\"5\"\r\n", "5\v\r\n", "1\r\na\r\n\r\n0\r\n\r\n",
           "G\r\n", "\x80\r\n");
}

static void s7_1_refuses_sizes_that_do_not_fit(void **state)
{
    (void)state;
    REFUSE(WEIR_CHUNKED_ESIZELONG, "00000000000000001\r\na", "8000000000000000\r\n",
           "ffffffffffffffff\r\n", "10000000000000000\r\n", "fffffffffffffffff1\r\n");
    assert_int_equal(decode("0000000000000001\r\na\r\n0\r\n\r\n").event, WEIR_CHUNKED_END);
    assert_int_equal(decode("7fffffffffffffff\r\nab").data_len, 2);
}

static void s7_1_refuses_bare_line_ends(void **state)
{
    (void)state;
    REFUSE(WEIR_CHUNKED_ELINEEND, "1\na\r\n0\r\n\r\n", "1\ra\r\n0\r\n\r\n", "1\r\r\na", "0\n\n",
           "1;a\na\r\n", "1;a=b\na\r\n", "1;a=\"b\"\na\r\n", "1;a\rb\r\nx", "\n");
    REFUSE(WEIR_CHUNKED_EDATAEND, "1\r\na\n0\r\n\r\n", "1\r\na\r0\r\n\r\n", "1\r\nab\r\n0\r\n\r\n",
           "1\r\na0\r\n\r\n", "1\r\na\r\r\n", "1\r\naXX0\r\n\r\n");
    REFUSE(WEIR_CHUNKED_ETRAILER, "0\r\n\n", "0\r\n\rX", "0\r\nX: y\n\r\n", "0\r\nX: y\rZ\r\n\r\n",
           "0\r\nX: y\r\n\n");
}

static void s7_1_1_refuses_malformed_extensions(void **state)
{
    (void)state;
    REFUSE(WEIR_CHUNKED_EEXT, "1;\r\na", "1 \r\na", "1\t\r\na", "1;a \r\na", "1;a=\r\na",
           "1;a=b \r\na", "1;a b\r\na", "1; =b\r\na", "1; \r\na", "1;a=b =c\r\na", "1;=b\r\na",
           "1;a=b c\r\na", "1;a=\"b\r\na", "1;a=\"\n\"\r\na", "1;a=\"b\"c\r\na", "1;;a\r\na",
           "1;a\x01\r\na", "1;a=\"\x7f\"\r\na", "1;a=\"\\\r\na", "1;(\r\na", "1;a\x80\r\na");
}

/* RFC 9110 section 5.6.3: "bad" blanks are read wherever the grammar has them. */
static void s7_1_1_reads_blanks_in_extensions(void **state)
{
    (void)state;
    const char *good[] = {"1 ;a",       "1\t ; a", "1;a =b", "1;a= b", "1; a\t=\t\"b c\" ; d",
                          "1;a ;b=c ;d"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char body[100];
        snprintf(body, sizeof body, "%s\r\nx\r\n0 ;e = f\r\n\r\n", good[i]);
        if (decode(body).event != WEIR_CHUNKED_END)
            fail_msg("\"%s\" is refused", good[i]);
    }
}

static void s7_1_2_refuses_malformed_trailers(void **state)
{
    (void)state;
    REFUSE(WEIR_CHUNKED_ETRAILER, "0\r\nX\r\n\r\n", "0\r\n: y\r\n\r\n", "0\r\nX : y\r\n\r\n",
           "0\r\n X: y\r\n\r\n", "0\r\nX: y\r\n z\r\n\r\n", "0\r\nX: \x01\r\n\r\n",
           "0\r\nX Y: z\r\n\r\n", "0\r\nGET / HTTP/1.1\r\n");
}

/* ---- bounds ---- */

/* All extensions of a body count together: many small ones are no way around the limit. */
static void bounds_extension_bytes(void **state)
{
    (void)state;
    weir_str two = WEIR_S("1;abc\r\nx\r\n1;abc\r\ny\r\n0\r\n\r\n"); /* "abc" and CR, twice */
    assert_int_equal(decode_limited(two, 8, 0).event, WEIR_CHUNKED_END);
    assert_int_equal(decode_limited(two, 7, 0).event, WEIR_CHUNKED_EEXTLONG);
    struct weir__chunked d;
    weir_str out;
    weir__chunked_init(&d, 0, 0);
    int event = WEIR_CHUNKED_MORE;
    size_t n = 0;
    for (; event >= 0 && n < 100000; n++) {
        weir_str in = WEIR_S("1;a=b\r\nx\r\n");
        while ((event = weir__chunked_next(&d, &in, &out)) == WEIR_CHUNKED_DATA)
            ;
    }
    assert_int_equal(event, WEIR_CHUNKED_EEXTLONG);
    assert_int_equal(n, WEIR_CHUNKED_EXT_BYTES_MAX / 4 + 1);
}

static void bounds_trailer_bytes(void **state)
{
    (void)state;
    weir_str body = WEIR_S("0\r\nX: y\r\nZ: w\r\n\r\n"); /* two lines of 6 bytes */
    assert_int_equal(decode_limited(body, 0, 12).event, WEIR_CHUNKED_END);
    assert_int_equal(decode_limited(body, 0, 11).event, WEIR_CHUNKED_ETRAILERLONG);
    assert_int_equal(weir__chunked_error_status(WEIR_CHUNKED_ETRAILERLONG), 431);
}

static void errors_and_ends_stay(void **state)
{
    (void)state;
    struct weir__chunked d;
    weir_str in = WEIR_S("x"), out;
    weir__chunked_init(&d, 0, 0);
    assert_int_equal(weir__chunked_next(&d, &in, &out), WEIR_CHUNKED_ESIZE);
    in = WEIR_S("0\r\n\r\n");
    assert_int_equal(weir__chunked_next(&d, &in, &out), WEIR_CHUNKED_ESIZE);
    weir__chunked_init(&d, 0, 0);
    assert_int_equal(weir__chunked_next(&d, &in, &out), WEIR_CHUNKED_END);
    in = WEIR_S("GET");
    assert_int_equal(weir__chunked_next(&d, &in, &out), WEIR_CHUNKED_END);
    assert_int_equal(in.len, 3);
    for (int err = WEIR_CHUNKED_ESIZE; err < WEIR_CHUNKED_ERROR_END; err++)
        assert_true(strcmp(weir__chunked_error_text(err), "malformed chunk") != 0);
    assert_string_equal(weir__chunked_error_text(-1), "malformed chunk");
}

/* ---- encoding, and back ---- */

static void writes_heads(void **state)
{
    (void)state;
    const uint64_t sizes[] = {1, 15, 16, 255, 4096, 0xabcdef, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char expected[32], out[WEIR_CHUNK_HEAD_MAX], room[WEIR_CHUNK_HEAD_MAX + 1];
        int n = snprintf(expected, sizeof expected, "%lx\r\n", (unsigned long)sizes[i]);
        assert_int_equal(weir__chunk_head(out, sizes[i]), n);
        assert_memory_equal(out, expected, (size_t)n);
        char *at = weir__chunk_head_before(room + WEIR_CHUNK_HEAD_MAX, sizes[i]);
        assert_ptr_equal(at + n, room + WEIR_CHUNK_HEAD_MAX);
        assert_memory_equal(at, expected, (size_t)n);
    }
}

static void reads_what_it_writes(void **state)
{
    (void)state;
    char body[600];
    size_t len = 0;
    for (size_t n = 1; n < 20; n++) {
        len += weir__chunk_head(body + len, n);
        memset(body + len, (int)('a' + n), n);
        len += n;
        memcpy(body + len, WEIR_CHUNK_TAIL, 2);
        len += 2;
    }
    memcpy(body + len, WEIR_CHUNK_LAST, 5);
    struct result r = decode_limited((weir_str){body, len + 5}, 0, 0);
    assert_int_equal(r.event, WEIR_CHUNKED_END);
    assert_int_equal(r.data_len, 190);
    assert_true(r.data[0] == 'b' && r.data[189] == 'a' + 19);
}

/* ---- damage: no byte changes a body without being noticed or being data ---- */

/* A slow decoder that is written the other way round: it wants the whole body, as a C string. */
static int slow_decode(const char *s, char *data)
{
    for (;;) {
        size_t digits = strspn(s, "0123456789abcdefABCDEF");
        char *end;
        if (digits == 0 || digits > 16 || strncmp(s + digits, "\r\n", 2) != 0)
            return -1;
        unsigned long size = strtoul(s, &end, 16);
        s = end + 2;
        if (size == 0)
            return strncmp(s, "\r\n", 2) == 0 ? 0 : -1;
        if (strlen(s) < size + 2 || strncmp(s + size, "\r\n", 2) != 0)
            return -1;
        data = strncat(data, s, size);
        s += size + 2;
    }
}

static void agrees_with_a_slow_decoder(void **state)
{
    (void)state;
    const char *alphabet = "0123456789abcdefg\r\n; +x";
    const char *good = "5\r\nabcde\r\n3\r\nxyz\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";
    size_t len = strlen(good);
    for (size_t at = 0; at < len; at++) {
        for (const char *ch = alphabet; *ch != '\0'; ch++) {
            char damaged[100], expected[100] = "";
            memcpy(damaged, good, len + 1);
            damaged[at] = *ch;
            int ok = slow_decode(damaged, expected);
            struct result r = decode(damaged);
            assert_true((r.event == WEIR_CHUNKED_END) == (ok == 0));
            if (ok == 0)
                assert_data(&r, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_chunks),
        cmocka_unit_test(leaves_the_next_request_alone),
        cmocka_unit_test(says_more_for_every_prefix),
        cmocka_unit_test(ignores_well_formed_extensions),
        cmocka_unit_test(yields_trailers_apart),
        cmocka_unit_test(compacts_in_place),
        cmocka_unit_test(s7_1_refuses_malformed_sizes),
        cmocka_unit_test(s7_1_refuses_sizes_that_do_not_fit),
        cmocka_unit_test(s7_1_refuses_bare_line_ends),
        cmocka_unit_test(s7_1_1_refuses_malformed_extensions),
        cmocka_unit_test(s7_1_1_reads_blanks_in_extensions),
        cmocka_unit_test(s7_1_2_refuses_malformed_trailers),
        cmocka_unit_test(bounds_extension_bytes),
        cmocka_unit_test(bounds_trailer_bytes),
        cmocka_unit_test(errors_and_ends_stay),
        cmocka_unit_test(writes_heads),
        cmocka_unit_test(reads_what_it_writes),
        cmocka_unit_test(agrees_with_a_slow_decoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
