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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir__resp_scan whole, slow, cut;
    if (size > 5000)
        return 0;
    weir__resp_scan_init(&whole);
    ptrdiff_t rc = scan(&whole, data, size);
    FUZZ_CHECK(rc <= (ptrdiff_t)size && rc <= (ptrdiff_t)limits.bytes_max, "%td", rc);
    weir__resp_scan_init(&slow);
    for (size_t n = 0; n <= size; n++) {
        ptrdiff_t now = scan(&slow, data, n);
        if (now == 0) {
            FUZZ_CHECK(n < size || rc == 0, "nothing at the end, and %td at once", rc);
            size_t needs = weir__resp_needs(&slow, (const char *)data, n);
            FUZZ_CHECK(needs > n && (rc <= 0 || needs <= (size_t)rc), "%zu at %zu", needs, n);
            continue;
        }
        FUZZ_CHECK(now == rc || (now < 0 && rc < 0), "%td byte by byte, %td at once", now, rc);
        break;
    }
    size_t at = size > 0 ? data[size / 2] % (size + 1) : 0;
    weir__resp_scan_init(&cut);
    ptrdiff_t first = scan(&cut, data, at);
    if (first == 0)
        first = scan(&cut, data, size);
    FUZZ_CHECK(first == rc || (first < 0 && rc < 0), "cut at %zu: %td, not %td", at, first, rc);
    if (rc > 0)
        check_read(data, (size_t)rc, whole.items);
    return 0;
}
