/* Ids of traces: the caller's go on, own ones are the same each time and no other request's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/origin.h"

enum { REQUESTS = 20000 };

static const struct weir__trace caller = {{0x4b, 0xf9, [15] = 0x36}, {0, 0xf0, [7] = 0xb7}, 1};

static void the_callers_trace_goes_on(void **state)
{
    (void)state;
    struct weir__origin o = {.number = 7, .caller = caller};
    struct weir__trace t = weir__origin_trace(&o);
    assert_memory_equal(t.trace_id, caller.trace_id, sizeof t.trace_id);
    assert_int_equal(t.flags, WEIR__TRACE_SAMPLED);
    assert_memory_not_equal(t.span_id, caller.span_id, sizeof t.span_id);
}

/* Whoever asks, and whatever else is known by then. */
static void an_own_trace_is_the_same_each_time(void **state)
{
    (void)state;
    struct weir__origin o = {.number = 7}, later = o;
    later.route = "GET /";
    later.request_id = WEIR_S("r-17");
    struct weir__trace a = weir__origin_trace(&o), b = weir__origin_trace(&later);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(a.flags, 0);
}

struct ids {
    uint8_t trace[WEIR__TRACE_ID_BYTES], span[WEIR__SPAN_ID_BYTES];
};

static int by_trace(const void *a, const void *b)
{
    return memcmp(((const struct ids *)a)->trace, ((const struct ids *)b)->trace,
                  WEIR__TRACE_ID_BYTES);
}

static int by_span(const void *a, const void *b)
{
    return memcmp(((const struct ids *)a)->span, ((const struct ids *)b)->span,
                  WEIR__SPAN_ID_BYTES);
}

/* Also of numbers that differ in one bit, and both halves of a trace id. */
static void no_two_requests_share_an_id(void **state)
{
    (void)state;
    static struct ids all[REQUESTS];
    for (uint64_t i = 0; i < REQUESTS; i++) {
        struct weir__origin o = {.number = i < 64 ? (uint64_t)1 << i : 3 * i};
        struct weir__trace t = weir__origin_trace(&o);
        assert_true(weir__trace_id_is_set(t.trace_id, sizeof t.trace_id));
        assert_true(weir__trace_id_is_set(t.span_id, sizeof t.span_id));
        assert_memory_not_equal(t.trace_id, t.trace_id + 8, 8);
        assert_memory_not_equal(t.trace_id, t.span_id, 8);
        memcpy(all[i].trace, t.trace_id, sizeof t.trace_id);
        memcpy(all[i].span, t.span_id, sizeof t.span_id);
    }
    qsort(all, REQUESTS, sizeof all[0], by_trace);
    for (size_t i = 1; i < REQUESTS; i++)
        assert_true(by_trace(&all[i - 1], &all[i]) < 0);
    qsort(all, REQUESTS, sizeof all[0], by_span);
    for (size_t i = 1; i < REQUESTS; i++)
        assert_true(by_span(&all[i - 1], &all[i]) < 0);
}

static void zeroes_are_no_id(void **state)
{
    (void)state;
    uint8_t id[WEIR__TRACE_ID_BYTES] = {0};
    assert_false(weir__trace_id_is_set(id, sizeof id));
    for (size_t i = 0; i < sizeof id; i++) {
        id[i] = 0x80;
        assert_true(weir__trace_id_is_set(id, sizeof id));
        assert_int_equal(weir__trace_id_is_set(id, i), false);
        id[i] = 0;
    }
    assert_int_equal(weir__trace_id_bits(0), 1);
    assert_int_equal(weir__trace_id_bits(2), 2);
}

/* A copy of a copy, after the bytes that it was made from are others. */
static void what_is_kept_outlives_its_request(void **state)
{
    (void)state;
    char id[80];
    for (size_t len = 0; len <= sizeof id; len += 16) {
        struct weir__origin o = {.route = "GET /", .request_id = {id, len}, .caller = caller};
        struct weir__origin_copy k, moved;
        memset(id, 'a', sizeof id);
        weir__origin_keep(&k, &o);
        memset(id, 'b', sizeof id);
        moved = k;
        memset(&k, 0, sizeof k);
        const struct weir__origin *kept = weir__origin_kept(&moved);
        assert_non_null(kept);
        assert_string_equal(kept->route, "GET /");
        assert_memory_equal(&kept->caller, &caller, sizeof caller);
        assert_int_equal(kept->request_id.len, len < 64 ? len : 64);
        for (size_t i = 0; i < kept->request_id.len; i++)
            assert_int_equal(kept->request_id.ptr[i], 'a');
    }
}

static void nothing_is_kept_as_such(void **state)
{
    (void)state;
    const struct weir__origin nameless = {.route = "GET /"};
    struct weir__origin_copy k;
    weir__origin_keep(&k, &nameless);
    assert_null(weir__origin_kept(&k)->request_id.ptr);
    weir__origin_keep(&k, NULL);
    assert_null(weir__origin_kept(&k));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_callers_trace_goes_on),
        cmocka_unit_test(an_own_trace_is_the_same_each_time),
        cmocka_unit_test(no_two_requests_share_an_id),
        cmocka_unit_test(zeroes_are_no_id),
        cmocka_unit_test(what_is_kept_outlives_its_request),
        cmocka_unit_test(nothing_is_kept_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
