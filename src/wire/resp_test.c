/*
 * RESP with literal bytes: each type of either version, each cut at every byte, what is refused,
 * limits that hold before anything is reserved, and what is written.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "wire/resp.h"

static const struct weir__resp_limits limits = {.bytes_max = 1 << 20, .items_max = 1000};

/* In memory of exactly that size. */
static ptrdiff_t scan_exact(struct weir__resp_scan *s, const struct weir__resp_limits *l,
                            const char *bytes, size_t len)
{
    char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    ptrdiff_t n = weir__resp_scan(s, l, exact, len);
    free(exact);
    return n;
}

/* The result of all, the same however the bytes come. */
static ptrdiff_t scan_every_way(const char *bytes, size_t len)
{
    struct weir__resp_scan whole, cut, slow;
    weir__resp_scan_init(&whole);
    ptrdiff_t rc = scan_exact(&whole, &limits, bytes, len);
    weir__resp_scan_init(&slow);
    ptrdiff_t by_byte = 0;
    for (size_t n = 0; n <= len && by_byte == 0; n++)
        by_byte = scan_exact(&slow, &limits, bytes, n);
    assert_int_equal(by_byte, rc);
    for (size_t at = 0; at <= len; at++) {
        weir__resp_scan_init(&cut);
        ptrdiff_t first = scan_exact(&cut, &limits, bytes, at);
        if (first == 0) {
            assert_true(weir__resp_needs(&cut, bytes, at) > at);
            assert_true(rc <= 0 || weir__resp_needs(&cut, bytes, at) <= (size_t)rc);
            first = scan_exact(&cut, &limits, bytes, len);
        }
        assert_int_equal(first, rc);
    }
    return rc;
}

static struct weir__arena arena;

static weir_redis_value read_all(const char *bytes, size_t len)
{
    weir_redis_value v;
    assert_int_equal(scan_every_way(bytes, len), len);
    assert_true(weir__resp_read((weir_str){bytes, len}, &arena, &v));
    return v;
}
#define READ(text) read_all(text, sizeof(text) - 1)

static void assert_text(const weir_redis_value *v, weir_redis_kind kind, const char *text)
{
    assert_int_equal(v->kind, kind);
    assert_int_equal(v->u.s.len, strlen(text));
    assert_memory_equal(v->u.s.ptr, text, v->u.s.len);
}

static void reads_what_is_flat(void **state)
{
    (void)state;
    weir_redis_value v = READ("+OK\r\n");
    assert_text(&v, WEIR_REDIS_STATUS, "OK");
    v = READ("-ERR unknown command\r\n");
    assert_text(&v, WEIR_REDIS_ERROR, "ERR unknown command");
    v = READ("$5\r\nhello\r\n");
    assert_text(&v, WEIR_REDIS_TEXT, "hello");
    v = READ("$2\r\n\r\n\r\n");
    assert_text(&v, WEIR_REDIS_TEXT, "\r\n");
    v = READ("$0\r\n\r\n");
    assert_text(&v, WEIR_REDIS_TEXT, "");
    v = READ("+a\0b\r\n");
    assert_int_equal(v.u.s.len, 3);
    v = READ("!11\r\nSYNTAX no\r\n\r\n");
    assert_text(&v, WEIR_REDIS_ERROR, "SYNTAX no\r\n");
    v = READ("=8\r\ntxt:text\r\n");
    assert_text(&v, WEIR_REDIS_VERBATIM, "txt:text");
    v = READ("(-3492890328409238509324850943850943825024385\r\n");
    assert_text(&v, WEIR_REDIS_BIG, "-3492890328409238509324850943850943825024385");
    assert_null(v.attributes);
}

static void reads_numbers(void **state)
{
    (void)state;
    assert_int_equal(READ(":0\r\n").u.i, 0);
    assert_int_equal(READ(":-42\r\n").u.i, -42);
    assert_int_equal(READ(":+42\r\n").u.i, 42);
    assert_true(READ(":9223372036854775807\r\n").u.i == INT64_MAX);
    assert_true(READ(":-9223372036854775808\r\n").u.i == INT64_MIN);
    assert_true(READ(",1.25\r\n").u.d == 1.25);
    assert_true(READ(",-1e+3\r\n").u.d == -1000.0);
    assert_true(READ(",10\r\n").u.d == 10.0);
    assert_true(isinf(READ(",inf\r\n").u.d));
    assert_true(READ(",-inf\r\n").u.d < 0);
    assert_true(isnan(READ(",nan\r\n").u.d));
    assert_int_equal(READ("#t\r\n").u.i, 1);
    assert_int_equal(READ("#f\r\n").u.i, 0);
    assert_int_equal(READ("#f\r\n").kind, WEIR_REDIS_BOOL);
}

static void reads_nulls(void **state)
{
    (void)state;
    assert_int_equal(READ("_\r\n").kind, WEIR_REDIS_NULL);
    assert_int_equal(READ("$-1\r\n").kind, WEIR_REDIS_NULL);
    assert_int_equal(READ("*-1\r\n").kind, WEIR_REDIS_NULL);
}

static void reads_lists(void **state)
{
    (void)state;
    weir_redis_value v = READ("*3\r\n:1\r\n*2\r\n$1\r\na\r\n_\r\n*0\r\n");
    assert_int_equal(v.kind, WEIR_REDIS_ARRAY);
    assert_int_equal(v.u.list.len, 3);
    assert_int_equal(v.u.list.items[0].u.i, 1);
    assert_text(&v.u.list.items[1].u.list.items[0], WEIR_REDIS_TEXT, "a");
    assert_int_equal(v.u.list.items[1].u.list.items[1].kind, WEIR_REDIS_NULL);
    assert_int_equal(v.u.list.items[2].u.list.len, 0);
    v = READ("~2\r\n+a\r\n+b\r\n");
    assert_int_equal(v.kind, WEIR_REDIS_SET);
    v = READ(">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n");
    assert_int_equal(v.kind, WEIR_REDIS_PUSH);
    v = READ("%2\r\n+a\r\n:1\r\n$1\r\nb\r\n%1\r\n:1\r\n#t\r\n");
    assert_int_equal(v.kind, WEIR_REDIS_MAP);
    assert_int_equal(v.u.list.len, 4);
    assert_int_equal(weir_redis_map_get(&v, WEIR_S("a"))->u.i, 1);
    assert_int_equal(weir_redis_map_get(&v, WEIR_S("b"))->kind, WEIR_REDIS_MAP);
    assert_null(weir_redis_map_get(&v, WEIR_S("c")));
    assert_null(weir_redis_map_get(&v.u.list.items[1], WEIR_S("c")));
    assert_null(weir_redis_map_get(NULL, WEIR_S("c")));
    v = READ("%0\r\n");
    assert_int_equal(v.u.list.len, 0);
}

static void reads_attributes(void **state)
{
    (void)state;
    weir_redis_value v = READ("|1\r\n+ttl\r\n:3600\r\n*2\r\n:1\r\n|1\r\n+x\r\n:2\r\n:3\r\n");
    assert_int_equal(v.kind, WEIR_REDIS_ARRAY);
    assert_int_equal(weir_redis_map_get(v.attributes, WEIR_S("ttl"))->u.i, 3600);
    assert_int_equal(v.u.list.len, 2);
    assert_int_equal(v.u.list.items[1].u.i, 3);
    assert_int_equal(weir_redis_map_get(v.u.list.items[1].attributes, WEIR_S("x"))->u.i, 2);
    v = READ("|0\r\n+OK\r\n");
    assert_text(&v, WEIR_REDIS_STATUS, "OK");
    v = READ("|1\r\n+a\r\n:1\r\n|1\r\n+b\r\n:2\r\n*1\r\n:3\r\n");
    assert_int_equal(weir_redis_map_get(v.attributes, WEIR_S("a"))->u.i, 1);
    assert_int_equal(weir_redis_map_get(v.attributes->attributes, WEIR_S("b"))->u.i, 2);
    assert_int_equal(v.u.list.items[0].u.i, 3);
}

static void leaves_what_follows(void **state)
{
    (void)state;
    struct weir__resp_scan s;
    weir__resp_scan_init(&s);
    assert_int_equal(weir__resp_scan(&s, &limits, "+OK\r\n+NEXT\r\n", 12), 5);
}

#define REFUSED(err, text) assert_int_equal(scan_every_way(text, sizeof(text) - 1), (err))

static void refuses_what_is_no_reply(void **state)
{
    (void)state;
    REFUSED(WEIR__RESP_ETYPE, "HTTP/1.1 400 Bad Request\r\n");
    REFUSED(WEIR__RESP_ETYPE, "J\0\0\0\12");
    REFUSED(WEIR__RESP_ETYPE, "*1\r\n\r\n");
    REFUSED(WEIR__RESP_ELINE, "+O\nK\r\n");
    REFUSED(WEIR__RESP_ELINE, "+O\rK\r\n");
    REFUSED(WEIR__RESP_ELINE, ":0000000000000000000000000000000\r\n");
    REFUSED(WEIR__RESP_ENUMBER, ":\r\n");
    REFUSED(WEIR__RESP_ENUMBER, ":1x\r\n");
    REFUSED(WEIR__RESP_ENUMBER, ":9223372036854775808\r\n");
    REFUSED(WEIR__RESP_ENUMBER, ":-9223372036854775809\r\n");
    REFUSED(WEIR__RESP_ENUMBER, ",1.2.3\r\n");
    REFUSED(WEIR__RESP_ENUMBER, ",--1\r\n");
    REFUSED(WEIR__RESP_ENUMBER, "(12a\r\n");
    REFUSED(WEIR__RESP_ENUMBER, "(-\r\n");
    REFUSED(WEIR__RESP_ENUMBER, "$x\r\n");
    REFUSED(WEIR__RESP_ELENGTH, "$-2\r\n");
    REFUSED(WEIR__RESP_ELENGTH, "!-1\r\n");
    REFUSED(WEIR__RESP_ELENGTH, "%-1\r\n");
    REFUSED(WEIR__RESP_ELENGTH, "$?\r\n");
    REFUSED(WEIR__RESP_ELENGTH, "*?\r\n");
    REFUSED(WEIR__RESP_EEND, "$2\r\nabc\r\n");
    REFUSED(WEIR__RESP_EEND, "$2\r\nab\rc\n");
    REFUSED(WEIR__RESP_EVALUE, "#x\r\n");
    REFUSED(WEIR__RESP_EVALUE, "_x\r\n");
    REFUSED(WEIR__RESP_EVALUE, "=3\r\ntxt\r\n");
    REFUSED(WEIR__RESP_EVALUE, "=5\r\ntextx\r\n");
    REFUSED(WEIR__RESP_EVALUE, "*1\r\n>1\r\n+a\r\n");
    REFUSED(WEIR__RESP_EVALUE, ">0\r\n");
    for (int err = WEIR__RESP_EVALUE; err < 0; err++)
        assert_true(strlen(weir__resp_error_text(err)) > 10);
}

/* Before a byte of what was promised has come. */
static void limits_hold_at_the_head(void **state)
{
    (void)state;
    REFUSED(WEIR__RESP_EBYTES, "$1048577\r\n");
    REFUSED(WEIR__RESP_EBYTES, "$9223372036854775807\r\n");
    REFUSED(WEIR__RESP_EITEMS, "*1000\r\n");
    REFUSED(WEIR__RESP_EITEMS, "*9223372036854775807\r\n");
    REFUSED(WEIR__RESP_EITEMS, "%9223372036854775807\r\n");
    REFUSED(WEIR__RESP_EITEMS, "%4611686018427387904\r\n");
    REFUSED(WEIR__RESP_EITEMS, "*500\r\n*500\r\n");
    REFUSED(0, "*999\r\n");
    char deep[4 * 18 + 1];
    for (size_t i = 0; i < 18; i++)
        memcpy(deep + 4 * i, "*1\r\n", 4);
    assert_int_equal(scan_every_way(deep, (size_t)4 * 16), 0);
    assert_int_equal(scan_every_way(deep, (size_t)4 * 17), WEIR__RESP_EDEPTH);
}

/* Its end may be cut as well. */
static void heads_have_a_longest(void **state)
{
    (void)state;
    assert_int_equal(READ(":+00000000000000000042\r\n").u.i, 42);
    REFUSED(WEIR__RESP_ELINE, ":+000000000000000000042\r\n");
}

static void needs_what_is_known(void **state)
{
    (void)state;
    struct weir__resp_scan s;
    weir__resp_scan_init(&s);
    assert_int_equal(weir__resp_scan(&s, &limits, "*2\r\n$1000\r\nab", 13), 0);
    assert_int_equal(weir__resp_needs(&s, "*2\r\n$1000\r\nab", 13), 4 + 7 + 1002);
}

static void assert_written(const char *text, size_t len, const char *resp3, const char *resp2)
{
    char bytes[256];
    weir_buf b;
    weir_redis_value v = read_all(text, len);
    weir_buf_init_fixed(&b, bytes, sizeof bytes);
    weir__resp_put(&b, &v, true);
    assert_int_equal(b.len, strlen(resp3));
    assert_memory_equal(b.ptr, resp3, b.len);
    weir_buf_reset(&b);
    weir__resp_put(&b, &v, false);
    assert_int_equal(b.len, strlen(resp2));
    assert_memory_equal(b.ptr, resp2, b.len);
}
#define WRITTEN(text, resp2) assert_written(text, sizeof(text) - 1, text, resp2)

static void writes_either_version(void **state)
{
    (void)state;
    WRITTEN("+OK\r\n", "+OK\r\n");
    WRITTEN("-ERR x\r\n", "-ERR x\r\n");
    WRITTEN(":-5\r\n", ":-5\r\n");
    WRITTEN("$3\r\na\r\n\r\n", "$3\r\na\r\n\r\n");
    WRITTEN("!3\r\na\nb\r\n", "$3\r\na\nb\r\n");
    WRITTEN("_\r\n", "$-1\r\n");
    WRITTEN("#t\r\n", ":1\r\n");
    WRITTEN(",1.5\r\n", "$3\r\n1.5\r\n");
    WRITTEN(",-inf\r\n", "$4\r\n-inf\r\n");
    WRITTEN(",nan\r\n", "$3\r\nnan\r\n");
    WRITTEN("(123\r\n", "$3\r\n123\r\n");
    WRITTEN("=5\r\ntxt:a\r\n", "$1\r\na\r\n");
    WRITTEN("%1\r\n+a\r\n~1\r\n:1\r\n", "*2\r\n+a\r\n*1\r\n:1\r\n");
    WRITTEN(">1\r\n+a\r\n", "*1\r\n+a\r\n");
    WRITTEN("|1\r\n+a\r\n:1\r\n*1\r\n:2\r\n", "*1\r\n:2\r\n");
}

static void writes_commands(void **state)
{
    (void)state;
    char bytes[64];
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes);
    weir__resp_put_head(&b, '*', 2);
    weir__resp_put_word(&b, WEIR_S("GET"));
    weir__resp_put_word(&b, (weir_str){"a\0b", 3});
    assert_int_equal(b.len, 22);
    assert_memory_equal(b.ptr, "*2\r\n$3\r\nGET\r\n$3\r\na\0b\r\n", 22);
}

/* Who reads into one piece knows its size: attributes are values, too. */
static void counts_values(void **state)
{
    (void)state;
    static const char text[] = "|1\r\n+a\r\n:1\r\n|0\r\n*2\r\n|1\r\n+b\r\n:2\r\n:3\r\n_\r\n";
    struct weir__resp_scan s;
    struct weir__arena exact;
    weir_redis_value v, *room;
    weir__resp_scan_init(&s);
    assert_int_equal(weir__resp_scan(&s, &limits, text, sizeof text - 1), sizeof text - 1);
    assert_int_equal(s.items, 1 + 3 + 1 + 2 + 3);
    room = malloc((s.items - 1) * sizeof *room);
    weir__arena_init(&exact, room, (s.items - 1) * sizeof *room, 0);
    assert_true(weir__resp_read((weir_str){text, sizeof text - 1}, &exact, &v));
    assert_null(exact.chunks);
    free(room);
}

/* However many there are, reading goes no deeper. */
static void attributes_are_no_depth(void **state)
{
    (void)state;
    enum { MANY = 200000 };
    const size_t heads = (size_t)4 * MANY;
    const struct weir__resp_limits wide = {.bytes_max = 1 << 20, .items_max = MANY + 1};
    struct weir__resp_scan s;
    weir_redis_value v;
    char *text = malloc(heads + 4);
    assert_non_null(text);
    for (size_t at = 0; at < heads; at += 4)
        memcpy(text + at, "|0\r\n", 4);
    memcpy(text + heads, ":1\r\n", 4);
    weir__resp_scan_init(&s);
    assert_int_equal(weir__resp_scan(&s, &wide, text, heads + 4), heads + 4);
    assert_true(weir__resp_read((weir_str){text, heads + 4}, &arena, &v));
    assert_int_equal(v.u.i, 1);
    weir__resp_scan_init(&s);
    assert_int_equal(weir__resp_scan(&s, &limits, text, heads + 4), WEIR__RESP_EITEMS);
    free(text);
}

/* No memory for a list, at each of its allocations; what is flat needs none. */
static void memory_fails(void **state)
{
    (void)state;
    struct weir__arena none;
    weir_redis_value v;
    weir__arena_init(&none, NULL, 0, 1);
    assert_false(weir__resp_read(WEIR_S("*1\r\n:1\r\n"), &none, &v));
    assert_false(weir__resp_read(WEIR_S("|1\r\n:1\r\n:1\r\n:1\r\n"), &none, &v));
    assert_true(weir__resp_read(WEIR_S("*0\r\n"), NULL, &v));
    assert_true(weir__resp_read(WEIR_S("$1\r\na\r\n"), NULL, &v));
    weir__arena_fini(&none);
}

static int open_arena(void **state)
{
    (void)state;
    weir__arena_init(&arena, NULL, 0, 1 << 24);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    weir__arena_fini(&arena);
    weir__arena_trim();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_flat),
        cmocka_unit_test(reads_numbers),
        cmocka_unit_test(reads_nulls),
        cmocka_unit_test(reads_lists),
        cmocka_unit_test(reads_attributes),
        cmocka_unit_test(leaves_what_follows),
        cmocka_unit_test(refuses_what_is_no_reply),
        cmocka_unit_test(limits_hold_at_the_head),
        cmocka_unit_test(heads_have_a_longest),
        cmocka_unit_test(needs_what_is_known),
        cmocka_unit_test(writes_either_version),
        cmocka_unit_test(writes_commands),
        cmocka_unit_test(memory_fails),
        cmocka_unit_test(counts_values),
        cmocka_unit_test(attributes_are_no_depth),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
