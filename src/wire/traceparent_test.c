/*
 * "traceparent", rule by rule of W3C Trace Context Level 1, section 3.2. Each value lies in memory
 * of exactly its size, cut at every byte, and with every byte at every place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/traceparent.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define GOOD "00-" TRACE "-" SPAN "-01"

static const struct weir__trace trace = {{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3,
                                          0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36},
                                         {0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7},
                                         1};

/* What is refused leaves `out` alone. */
static weir_err parse(weir_str s, struct weir__trace *out)
{
    static const struct weir__trace untouched = {{0xee}, {0xee}, 0xee};
    char *exact = malloc(s.len > 0 ? s.len : 1);
    assert_non_null(exact);
    memcpy(exact, s.ptr, s.len);
    *out = untouched;
    weir_err err = weir__traceparent_parse((weir_str){exact, s.len}, out);
    free(exact);
    if (err != WEIR_OK)
        assert_memory_equal(out, &untouched, sizeof untouched);
    return err;
}

static const struct {
    const char *value;
    uint8_t flags;
} good[] = {
    {GOOD, 1},                        /* 3.2.3: it was sampled */
    {"00-" TRACE "-" SPAN "-00", 0},  /* 3.2.3: it was not */
    {"00-" TRACE "-" SPAN "-09", 1},  /* 3.2.2.5: flags are bits, others are dropped */
    {"00-" TRACE "-" SPAN "-fe", 0},  /* 3.2.2.5 */
    {"01-" TRACE "-" SPAN "-01", 1},  /* 3.2.4: later versions, as long */
    {"cc-" TRACE "-" SPAN "-01", 1},  /* 3.2.4 */
    {"fe-" TRACE "-" SPAN "-ff", 1},  /* 3.2.4: its sampled bit is looked at, no other */
    {"cc-" TRACE "-" SPAN "-01-", 1}, /* 3.2.4: longer, after a dash */
    {"cc-" TRACE "-" SPAN "-01-what-comes-X", 1}, /* 3.2.4: of what follows nothing is assumed */
};

static const char *const bad[] = {
    "",
    "00",
    "00-",
    /* 3.2.2.1: the version is two lower-case digits, and ff none */
    "ff-" TRACE "-" SPAN "-01",
    "ff-" TRACE "-" SPAN "-01-what-comes",
    "FE-" TRACE "-" SPAN "-01",
    ".0-" TRACE "-" SPAN "-01",
    "0.-" TRACE "-" SPAN "-01",
    "0-" TRACE "-" SPAN "-01",
    "0-" TRACE "-" SPAN "-011",
    "000-" TRACE "-" SPAN "-01",
    "0000-" TRACE "-" SPAN "-01",
    "cc" TRACE "-" SPAN "-01-x",
    /* 3.2.2.2: version 00 has 55 bytes */
    GOOD "-",
    GOOD "-what-comes",
    GOOD ".",
    GOOD " ",
    " " GOOD,
    "00-" TRACE "-" SPAN "-1",
    "00-" TRACE "-" SPAN "-",
    "00-" TRACE "-" SPAN,
    "00-" TRACE "-" SPAN "-001",
    GOOD "," GOOD,
    /* 3.2.2.3: the trace id is 32 lower-case digits that are not all zero */
    "00-00000000000000000000000000000000-" SPAN "-01",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
    "00-4bf92f3577b34da6a3ce929d0e0e473-" SPAN "-01",
    "00-4bf92f3577b34da6a3ce929d0e0e473-" SPAN "-011",
    "00-4bf92f3577b34da6a3ce929d0e0e47366-" SPAN "-01",
    "00-.bf92f3577b34da6a3ce929d0e0e4736-" SPAN "-01",
    "00-4bf92f3577b34da6a3ce929d0e0e473.-" SPAN "-01",
    "00-4bf92f35-77b3-4da6-a3ce-929d0e0e-" SPAN "-01",
    "00_" TRACE "_" SPAN "_01",
    /* 3.2.2.4: so are the sixteen of the sender's span */
    "00-" TRACE "-0000000000000000-01",
    "00-" TRACE "-00F067AA0BA902B7-01",
    "00-" TRACE "-00f067aa0ba902b-01",
    "00-" TRACE "-00f067aa0ba902b-011",
    "00-" TRACE "-00f067aa0ba902b77-01",
    "00-" TRACE "-.0f067aa0ba902b7-01",
    "00-" TRACE "-00f067aa0ba902b.-01",
    /* 3.2.2.5: and the two of the flags */
    "00-" TRACE "-" SPAN "-.1",
    "00-" TRACE "-" SPAN "-0.",
    "00-" TRACE "-" SPAN "-0A",
    /* 3.2.4: nor is a later version read where its places are not those of 00 */
    "cc-" TRACE "-" SPAN "-01.what-comes",
    "cc-" TRACE "-" SPAN "-01 ",
    "cc-" TRACE "-" SPAN "-011",
    "cc-" TRACE "-" SPAN "-0",
    "cc-" TRACE "-0000000000000000-01-x",
    "cc-00000000000000000000000000000000-" SPAN "-01-x",
};

static void reads_what_the_rules_allow(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct weir__trace t;
        if (parse(weir_str_from(good[i].value), &t) != WEIR_OK)
            fail_msg("%s is refused", good[i].value);
        assert_memory_equal(t.trace_id, trace.trace_id, sizeof t.trace_id);
        assert_memory_equal(t.span_id, trace.span_id, sizeof t.span_id);
        assert_int_equal(t.flags, good[i].flags);
    }
}

static void refuses_all_else(void **state)
{
    (void)state;
    struct weir__trace t;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(weir_str_from(bad[i]), &t) != WEIR_EINVALID)
            fail_msg("\"%s\" is read", bad[i]);
    }
    assert_int_equal(weir__traceparent_parse((weir_str){NULL, 0}, &t), WEIR_EINVALID);
}

static void no_part_is_a_whole(void **state)
{
    (void)state;
    struct weir__trace t;
    weir_str longer = weir_str_from(good[8].value);
    for (size_t n = 0; n < WEIR_TRACEPARENT_LEN; n++)
        assert_int_equal(parse((weir_str){longer.ptr, n}, &t), WEIR_EINVALID);
    for (size_t n = WEIR_TRACEPARENT_LEN; n <= longer.len; n++)
        assert_int_equal(parse((weir_str){longer.ptr, n}, &t), WEIR_OK);
}

static bool is_hex(int byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
}

/* In the middle of the ids, so that no change makes zeroes of one; 'f' at 0 is "f0", a version. */
static void each_place_takes_its_bytes_alone(void **state)
{
    (void)state;
    for (size_t at = 0; at < WEIR_TRACEPARENT_LEN; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char value[] = GOOD;
            bool is_dash = at == 2 || at == 35 || at == 52;
            struct weir__trace t;
            value[at] = (char)byte;
            weir_err err = parse((weir_str){value, WEIR_TRACEPARENT_LEN}, &t);
            if ((err == WEIR_OK) != (is_dash ? byte == '-' : is_hex(byte)))
                fail_msg("byte %d at %zu: %d", byte, at, err);
        }
    }
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    char out[WEIR_TRACEPARENT_LEN + 1] = "";
    struct weir__trace t = trace;
    weir__traceparent_write(out, &t);
    assert_string_equal(out, GOOD);
    t.flags = 0xfe; /* 3.2.2.5: what is not known is sent as zero */
    weir__traceparent_write(out, &t);
    assert_string_equal(out, "00-" TRACE "-" SPAN "-00");
    t.flags = 0xff;
    weir__traceparent_write(out, &t);
    assert_string_equal(out, GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_rules_allow),
        cmocka_unit_test(refuses_all_else),
        cmocka_unit_test(no_part_is_a_whole),
        cmocka_unit_test(each_place_takes_its_bytes_alone),
        cmocka_unit_test(writes_what_it_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
