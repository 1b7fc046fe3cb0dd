/*
 * S3-FIFO: step by step against a naive one that keeps its queues in plain arrays, the bounds under
 * ten times as much as they allow, and what a scan costs those that are asked for again and again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "data/cache/policy_testing.h"

enum { KEYS = 400, ENTRIES = 60, BYTES = 6000 };

/* --- the naive one ---------------------------------------------------------------------------- */

struct naive_entry {
    uint32_t key, bytes;
    int uses;
};

struct naive_queue {
    size_t count;
    struct naive_entry entries[KEYS];
};

static struct naive_queue small, large;
static size_t ghost_count;
static int64_t ghosts[KEYS * 4]; /* -1: a hole, which keeps its place until its turn */

static size_t naive_bytes(const struct naive_queue *q)
{
    size_t sum = 0;
    for (size_t i = 0; i < q->count; i++)
        sum += q->entries[i].bytes;
    return sum;
}

static struct naive_entry naive_take(struct naive_queue *q, size_t i)
{
    struct naive_entry e = q->entries[i];
    memmove(&q->entries[i], &q->entries[i + 1], (--q->count - i) * sizeof e);
    return e;
}

static struct naive_entry *naive_find(struct naive_queue *q, uint32_t key)
{
    for (size_t i = 0; i < q->count; i++) {
        if (q->entries[i].key == key)
            return &q->entries[i];
    }
    return NULL;
}

static bool naive_evict(void)
{
    for (;;) {
        bool is_full = small.count >= ENTRIES / 10 || naive_bytes(&small) >= BYTES / 10;
        if (small.count > 0 && (large.count == 0 || is_full)) {
            struct naive_entry e = naive_take(&small, 0);
            if (e.uses > 1) {
                e.uses = 0;
                large.entries[large.count++] = e;
                continue;
            }
            size_t most = small.count + large.count + 1;
            most = most < 16 ? 16 : most;
            while (ghost_count >= most)
                memmove(ghosts, ghosts + 1, --ghost_count * sizeof ghosts[0]);
            ghosts[ghost_count++] = e.key;
            return true;
        }
        if (large.count == 0)
            return false;
        struct naive_entry e = naive_take(&large, 0);
        if (e.uses == 0)
            return true;
        e.uses--;
        large.entries[large.count++] = e;
    }
}

static bool naive_ask(uint32_t key, uint32_t bytes)
{
    struct naive_entry *e = naive_find(&small, key);
    e = e != NULL ? e : naive_find(&large, key);
    if (e != NULL) {
        e->uses += e->uses < 3;
        return true;
    }
    while (small.count + large.count + 1 > ENTRIES ||
           naive_bytes(&small) + naive_bytes(&large) + bytes > BYTES) {
        if (!naive_evict())
            return false;
    }
    struct naive_queue *q = &small;
    for (size_t i = ghost_count; i-- > 0;) {
        if (ghosts[i] != key)
            continue;
        ghosts[i] = -1;
        q = &large;
        break;
    }
    q->entries[q->count++] = (struct naive_entry){key, bytes, 0};
    return false;
}

static void naive_remove(uint32_t key)
{
    struct naive_queue *queues[] = {&small, &large};
    for (int i = 0; i < 2; i++) {
        struct naive_entry *e = naive_find(queues[i], key);
        if (e != NULL)
            (void)naive_take(queues[i], (size_t)(e - queues[i]->entries));
    }
}

static void does_as_the_naive_one_does(void **state)
{
    (void)state;
    struct weir__policy_cache c;
    struct weir__random r = {7};
    weir__policy_cache_init(&c, &weir__cache_s3fifo, KEYS, ENTRIES, BYTES);
    for (int step = 0; step < 40000; step++) {
        /* Few keys are asked for often, and how large they are changes what bounds them. */
        uint32_t key = (uint32_t)weir__random_upto(&r, weir__random_upto(&r, KEYS - 1));
        uint32_t bytes = (uint32_t)(step / 5000 % 2 ? 1 + weir__random_upto(&r, 900) : 40);
        if (weir__random_upto(&r, 19) == 0) {
            weir__policy_cache_remove(&c, key);
            naive_remove(key);
        } else {
            assert_int_equal(weir__policy_cache_ask(&c, key, bytes), naive_ask(key, bytes));
        }
        assert_int_equal(c.entries, small.count + large.count);
        assert_int_equal(c.bytes, naive_bytes(&small) + naive_bytes(&large));
    }
    for (uint32_t key = 0; key < KEYS; key++)
        assert_int_equal(c.is_in[key],
                         naive_find(&small, key) != NULL || naive_find(&large, key) != NULL);
    assert_true(c.hits > 5000 && c.misses > 5000);
    weir__policy_cache_fini(&c);
}

/* --- bounds ----------------------------------------------------------------------------------- */

static void ten_times_the_bounds_stay_within_them(void **state)
{
    (void)state;
    struct weir__policy_cache c;
    weir__policy_cache_init(&c, &weir__cache_s3fifo, 10000, 1000, 50000);
    for (uint32_t key = 0; key < 10000; key++) {
        assert_false(weir__policy_cache_ask(&c, key, 1 + key % 100));
        assert_true(c.entries <= 1000 && c.bytes <= 50000);
    }
    assert_true(c.entries > 900 || c.bytes > 49000);
    assert_false(weir__policy_cache_ask(&c, 9, 50001)); /* larger than all of it */
    assert_int_equal(c.entries, 0);
    assert_false(weir__policy_cache_make_room(&c, 50001));
    weir__policy_cache_fini(&c);
}

static void one_entry_is_a_cache_too(void **state)
{
    (void)state;
    struct weir__policy_cache c;
    weir__policy_cache_init(&c, &weir__cache_s3fifo, 3, 1, 100);
    for (int round = 0; round < 50; round++) {
        for (uint32_t key = 0; key < 3; key++) {
            assert_false(weir__policy_cache_ask(&c, key, 10));
            assert_true(weir__policy_cache_ask(&c, key, 10));
        }
    }
    assert_int_equal(c.entries, 1);
    weir__policy_cache_fini(&c);
}

/* --- a scan ----------------------------------------------------------------------------------- */

enum { ROOM = 1000, HOT = 800, SCAN = 10 * ROOM };

/* Hit ratio, in thousandths, of `asks` for the hot keys, each as likely as any other. */
static int ask_hot(struct weir__policy_cache *c, struct weir__random *r, int asks)
{
    int hits = 0;
    for (int i = 0; i < asks; i++)
        hits += weir__policy_cache_ask(c, (uint32_t)weir__random_upto(r, HOT - 1), 1);
    return hits * 1000 / asks;
}

/*
 * Between two keys of the scan one of the hot ones is asked for, as when a report reads through a
 * table of ten times the cache's size while the service goes on.
 */
static void a_scan_costs_the_hot_set_five_points_at_most(void **state)
{
    (void)state;
    struct weir__policy_cache c;
    struct weir__random r = {11};
    weir__policy_cache_init(&c, &weir__cache_s3fifo, HOT + SCAN, ROOM, UINT32_MAX);
    (void)ask_hot(&c, &r, 20 * HOT);
    int before = ask_hot(&c, &r, SCAN), hits = 0;
    assert_true(before >= 950);
    for (uint32_t i = 0; i < SCAN; i++) {
        assert_false(weir__policy_cache_ask(&c, HOT + i, 1));
        hits += ask_hot(&c, &r, 1) == 1000;
    }
    int during = hits * 1000 / SCAN, after = ask_hot(&c, &r, HOT);
    print_message("hot set: %d before, %d during, %d after the scan (of 1000)\n", before, during,
                  after);
    assert_true(before - during <= 50);
    assert_true(before - after <= 50);
    /* The same at one stroke, with nobody asking meanwhile. */
    for (uint32_t i = 0; i < SCAN; i++)
        (void)weir__policy_cache_ask(&c, HOT + i, 1);
    assert_true(before - ask_hot(&c, &r, HOT) <= 50);
    weir__policy_cache_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_as_the_naive_one_does),
        cmocka_unit_test(ten_times_the_bounds_stay_within_them),
        cmocka_unit_test(one_entry_is_a_cache_too),
        cmocka_unit_test(a_scan_costs_the_hot_set_five_points_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
