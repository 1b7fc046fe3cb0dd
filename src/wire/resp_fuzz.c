/*
 * RESP: whatever comes, the result does not depend on how it was cut; what was read has bounds that
 * hold, views its own bytes, and written again it is read as the same.
 */
#include "base/fuzz.h"
#include "wire/resp.h"

static const struct weir__resp_limits limits = {.bytes_max = 4096, .items_max = 256};

static ptrdiff_t scan(struct weir__resp_scan *s, const uint8_t *data, size_t n)
{
    char *exact = fuzz_copy(data, n);
    ptrdiff_t rc = weir__resp_scan(s, &limits, exact, n);
    free(exact);
    return rc;
}

static uint32_t count(const weir_redis_value *v, weir_str whole, unsigned depth)
{
    uint32_t n = 1;
    FUZZ_CHECK(depth <= WEIR__RESP_DEPTH_MAX, "%u", depth);
    if (v->attributes != NULL)
        n += count(v->attributes, whole, depth);
    if (weir_redis_is_text(v)) {
        FUZZ_CHECK(v->u.s.ptr >= whole.ptr && v->u.s.ptr + v->u.s.len <= whole.ptr + whole.len,
                   "%zu bytes", v->u.s.len);
    } else if (weir_redis_is_list(v)) {
        for (size_t i = 0; i < v->u.list.len; i++)
            n += count(&v->u.list.items[i], whole, depth + 1);
    }
    return n;
}

/* Written, read, and written again: the same bytes. */
static void check_written(const weir_redis_value *v, struct weir__arena *arena, bool is_resp3)
{
    static const struct weir__resp_limits wide = {.bytes_max = 1 << 20, .items_max = 1 << 16};
    struct weir__resp_scan s;
    weir_redis_value again;
    weir_buf first, second;
    weir_buf_init(&first, 1 << 20);
    weir_buf_init(&second, 1 << 20);
    weir__resp_put(&first, v, is_resp3);
    weir__resp_scan_init(&s);
    ptrdiff_t n = weir__resp_scan(&s, &wide, first.ptr, first.len);
    FUZZ_CHECK(n == (ptrdiff_t)first.len, "%td of %zu", n, first.len);
    FUZZ_CHECK(weir__resp_read(weir_buf_str(&first), arena, &again), "no memory");
    weir__resp_put(&second, &again, is_resp3);
    FUZZ_CHECK(weir_str_eq(weir_buf_str(&first), weir_buf_str(&second)), "version %d",
               is_resp3 ? 3 : 2);
    weir_buf_fini(&first);
    weir_buf_fini(&second);
}

static void check_read(const uint8_t *data, size_t n, uint32_t items)
{
    struct weir__arena arena;
    weir_redis_value v;
    char *exact = fuzz_copy(data, n);
    weir_str whole = {exact, n};
    weir__arena_init(&arena, NULL, 0, 1 << 24);
    FUZZ_CHECK(weir__resp_read(whole, &arena, &v), "no memory");
    uint32_t found = count(&v, whole, 0);
    FUZZ_CHECK(found == items, "%u values, %u were scanned", found, items);
    check_written(&v, &arena, true);
    check_written(&v, &arena, false);
    weir__arena_fini(&arena);
    free(exact);
}

/* Nothing is known of it after `n` bytes: what it needs is more, and no more than there is. */
static void check_needs(const struct weir__resp_scan *s, const uint8_t *data, size_t n,
                        ptrdiff_t rc)
{
    size_t needs = weir__resp_needs(s, (const char *)data, n);
    FUZZ_CHECK(needs > n && (rc <= 0 || needs <= (size_t)rc), "%zu at %zu", needs, n);
}

static bool is_same(ptrdiff_t a, ptrdiff_t b)
{
    return a == b || (a < 0 && b < 0);
}

/* `rc` is what came of it at once. */
static void check_byte_by_byte(const uint8_t *data, size_t size, ptrdiff_t rc)
{
    struct weir__resp_scan s;
    ptrdiff_t now = 0;
    weir__resp_scan_init(&s);
    for (size_t n = 0; n <= size && now == 0; n++) {
        now = scan(&s, data, n);
        if (now == 0)
            check_needs(&s, data, n, rc);
    }
    FUZZ_CHECK(is_same(now, rc), "%td byte by byte, %td at once", now, rc);
}

static void check_cut(const uint8_t *data, size_t size, ptrdiff_t rc)
{
    struct weir__resp_scan s;
    size_t at = size > 0 ? data[size / 2] % (size + 1) : 0;
    weir__resp_scan_init(&s);
    ptrdiff_t cut = scan(&s, data, at);
    if (cut == 0)
        cut = scan(&s, data, size);
    FUZZ_CHECK(is_same(cut, rc), "cut at %zu: %td, not %td", at, cut, rc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir__resp_scan whole;
    if (size > 5000)
        return 0;
    weir__resp_scan_init(&whole);
    ptrdiff_t rc = scan(&whole, data, size);
    FUZZ_CHECK(rc <= (ptrdiff_t)size && rc <= (ptrdiff_t)limits.bytes_max, "%td", rc);
    check_byte_by_byte(data, size, rc);
    check_cut(data, size, rc);
    if (rc > 0)
        check_read(data, (size_t)rc, whole.items);
    return 0;
}
