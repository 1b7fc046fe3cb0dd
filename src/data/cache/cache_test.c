/*
 * Caches in the simulation: what is kept, for how long, within which bounds; writing, pins, the
 * guard; what is refused.
 */
#include "data/cache/cache_testing.h"
#include "data/cache/list.h"

#include "base/alloc.h"
#include "base/metric_testing.h"

static char log_bytes[16384];
static weir_buf log_buf;

static const char *logged(void)
{
    log_bytes[log_buf.len] = '\0';
    return log_bytes;
}

static int capture(void **state)
{
    (void)state;
    weir_buf_init_fixed(&log_buf, log_bytes, sizeof log_bytes - 1);
    weir__log_capture(&log_buf);
    return 0;
}

static int release(void **state)
{
    (void)state;
    weir__log_capture(NULL);
    return 0;
}

/* --- getting ---------------------------------------------------------------------------------- */

static weir_err loads_once(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    weir_cache *cache = NEW_CACHE(.waiters_max = 5);
    OK(weir_cache_err(cache));
    user first, second;
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &first, load_user, &l));
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &second, load_user, &l));
    assert_int_equal(l.calls, 1);
    assert_true(weir_str_eq(second.name, WEIR_S("user 7")));
    assert_ptr_not_equal(second.name.ptr, first.name.ptr); /* each has its own copy */
    assert_int_equal(weir_cache_get(c, cache, WEIR_S("8"), user, &second, NULL, NULL),
                     WEIR_ENOTFOUND);
    assert_null(second.name.ptr);
    weir_cache_stats s = numbers_of(cache);
    assert_int_equal(s.hits, 1);
    assert_int_equal(s.misses, 2);
    assert_int_equal(s.loads, 1);
    assert_int_equal(s.entries, 1);
    return WEIR_OK;
}

static void test_a_value_is_loaded_once(void **state)
{
    (void)state;
    SIM(loads_once);
}

static weir_err allocates_nothing(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    weir_cache *cache = NEW_CACHE();
    user u;
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    uint64_t before = weir__alloc_stats().allocs;
    for (int i = 0; i < 10; i++)
        OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    const user *pinned;
    OK(weir_cache_pin(c, cache, WEIR_S("7"), user, &pinned, load_user, &l));
    assert_int_equal(weir__alloc_stats().allocs, before);
    return WEIR_OK;
}

static void test_a_hit_allocates_nothing(void **state)
{
    (void)state;
    SIM(allocates_nothing);
}

static weir_err bare_values(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_cache *texts = NEW_CACHE(), *numbers = NEW_CACHE();
    weir_str text = WEIR_S("a page"), got;
    int64_t number = 42, got_number;
    OK(weir_cache_put(c, texts, WEIR_S("/"), weir_str, &text));
    OK(weir_cache_get(c, texts, WEIR_S("/"), weir_str, &got, NULL, NULL));
    assert_true(weir_str_eq(got, text));
    OK(weir_cache_put(c, numbers, WEIR_S(""), int64_t, &number));
    weir_str absent = {NULL, 0};
    OK(weir_cache_get(c, numbers, absent, int64_t, &got_number, NULL, NULL));
    assert_int_equal(got_number, 42);
    return WEIR_OK;
}

static void test_bare_values_are_values(void **state)
{
    (void)state;
    SIM(bare_values);
}

static weir_err misses_are_kept(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.fails = WEIR_ENOTFOUND};
    weir_cache *cache = NEW_CACHE(.ttl_missing = weir_sec(10));
    user u;
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_cache_get(c, cache, WEIR_S("no"), user, &u, load_user, &l),
                         WEIR_ENOTFOUND);
    const user *pinned;
    assert_int_equal(weir_cache_pin(c, cache, WEIR_S("no"), user, &pinned, load_user, &l),
                     WEIR_ENOTFOUND);
    assert_null(pinned);
    assert_int_equal(l.calls, 1);
    assert_int_equal(numbers_of(cache).missing, 1);
    OK(weir_sleep(c, weir_sec(11)));
    l.fails = WEIR_OK;
    OK(weir_cache_get(c, cache, WEIR_S("no"), user, &u, load_user, &l));
    assert_int_equal(numbers_of(cache).missing, 0);
    return WEIR_OK;
}

static void test_that_there_is_none_is_kept_for_a_time(void **state)
{
    (void)state;
    SIM(misses_are_kept);
}

/* --- time ------------------------------------------------------------------------------------- */

static weir_err ends_in_time(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    weir_cache *cache = NEW_CACHE(.ttl_missing = weir_ms(1));
    user u;
    char key[16];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        OK(weir_cache_get(c, cache, weir_str_from(key), user, &u, load_user, &l));
    }
    OK(weir_sleep(c, weir_sec(269))); /* nobody's time is shortened by more than a tenth */
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        OK(weir_cache_get(c, cache, weir_str_from(key), user, &u, NULL, NULL));
    }
    int there = 0;
    OK(weir_sleep(c, weir_sec(15)));
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        there += weir_cache_get(c, cache, weir_str_from(key), user, &u, NULL, NULL) == WEIR_OK;
    }
    assert_true(there > 20 && there < 80); /* they do not go together */
    OK(weir_sleep(c, weir_sec(16)));
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        assert_int_equal(weir_cache_get(c, cache, weir_str_from(key), user, &u, NULL, NULL),
                         WEIR_ENOTFOUND);
    }
    return WEIR_OK;
}

static void test_a_time_is_shortened_by_up_to_a_tenth(void **state)
{
    (void)state;
    SIM(ends_in_time);
}

static weir_err gives_back_unasked(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    weir_cache *cache = weir_cache_new(the_app(), .name = "many", .entries_max = 100000,
                                       .bytes_max = 64 << 20, .ttl = weir_sec(10));
    user u;
    char key[16];
    uint64_t empty = numbers_of(cache).bytes;
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        WEIR_WITH(turn, c)
            OK(weir_cache_get(turn, cache, weir_str_from(key), user, &u, load_user, &l));
    }
    assert_int_equal(numbers_of(cache).entries, 20000);
    OK(weir_sleep(c, weir_ms(9700)));
    uint64_t some = numbers_of(cache).entries;
    assert_true(some < 20000 && some > 0);
    OK(weir_sleep(c, weir_ms(900)));
    assert_int_equal(numbers_of(cache).entries, 0);
    assert_int_equal(numbers_of(cache).bytes, empty);
    assert_int_equal(numbers_of(cache).expired, 20000);
    OK(weir_cache_get(c, cache, WEIR_S("x"), user, &u, load_user, &l)); /* and it goes on */
    OK(weir_sleep(c, weir_sec(11)));
    assert_int_equal(numbers_of(cache).entries, 0);
    return WEIR_OK;
}

static void test_what_is_over_is_given_back_unasked(void **state)
{
    (void)state;
    SIM(gives_back_unasked);
}

/* --- bounds ----------------------------------------------------------------------------------- */

static weir_err stays_at_the_cap(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    weir_cache *by_entries = NEW_CACHE();
    weir_cache *by_bytes = weir_cache_new(the_app(), .name = "bytes", .entries_max = 100000,
                                          .bytes_max = 256 << 10, .ttl = weir_min(5));
    user u;
    char key[16];
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        WEIR_WITH(turn, c) {
            OK(weir_cache_get(turn, by_entries, weir_str_from(key), user, &u, load_user, &l));
            l.name_len = (size_t)i % 2000;
            OK(weir_cache_get(turn, by_bytes, weir_str_from(key), user, &u, load_user, &l));
            l.name_len = 0;
        }
        weir_cache_stats e = numbers_of(by_entries), b = numbers_of(by_bytes);
        assert_true(e.entries <= 1000 && e.bytes <= e.bytes_max);
        assert_true(b.entries <= 100000 && b.bytes <= b.bytes_max);
    }
    assert_true(numbers_of(by_entries).entries > 900);
    assert_true(numbers_of(by_bytes).bytes > (240 << 10));
    assert_true(numbers_of(by_bytes).evicted > 5000);
    return WEIR_OK;
}

static void test_ten_times_the_cap_stays_at_the_cap(void **state)
{
    (void)state;
    SIM(stays_at_the_cap);
}

static weir_err hands_on_giants(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.name_len = 2 << 20};
    weir_cache *cache = NEW_CACHE();
    user u, small = {.id = 5};
    const user *pinned;
    OK(weir_cache_put(c, cache, WEIR_S("small"), user, &small));
    OK(weir_cache_get(c, cache, WEIR_S("big"), user, &u, load_user, &l));
    assert_int_equal(u.name.len, 2 << 20);
    OK(weir_cache_pin(c, cache, WEIR_S("big"), user, &pinned, load_user, &l));
    assert_int_equal(pinned->name.len, 2 << 20);
    assert_int_equal(l.calls, 2);
    assert_int_equal(numbers_of(cache).entries, 1); /* it has not made room in vain */
    assert_int_equal(numbers_of(cache).not_kept, 2);
    assert_int_equal(weir_cache_put(c, cache, WEIR_S("small"), user, &u), WEIR_ETOOLARGE);
    assert_int_equal(numbers_of(cache).entries, 0); /* what was there is older than what is not */
    return WEIR_OK;
}

static void test_what_is_too_large_is_handed_on(void **state)
{
    (void)state;
    SIM(hands_on_giants);
}

/* --- writing ---------------------------------------------------------------------------------- */

static weir_err is_forgotten(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    weir_cache *cache = NEW_CACHE();
    user u, mine = {.id = 100, .name = WEIR_S("mine")};
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    OK(weir_cache_remove(c, cache, WEIR_S("7")));
    OK(weir_cache_remove(c, cache, WEIR_S("8")));
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 2);
    OK(weir_cache_put(c, cache, WEIR_S("7"), user, &mine));
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 100);
    OK(weir_cache_put(c, cache, WEIR_S("9"), user, &mine));
    weir_cache_clear(c, cache);
    assert_int_equal(numbers_of(cache).entries, 0);
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 3);
    return WEIR_OK;
}

static void test_what_was_written_is_seen(void **state)
{
    (void)state;
    SIM(is_forgotten);
}

/* --- pins ------------------------------------------------------------------------------------- */

static weir_err pins_last(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.name_len = 1000};
    weir_cache *cache = NEW_CACHE();
    const user *u, *again;
    WEIR_WITH(turn, c) {
        OK(weir_cache_pin(turn, cache, WEIR_S("7"), user, &u, load_user, &l));
        OK(weir_cache_pin(turn, cache, WEIR_S("7"), user, &again, load_user, &l));
        assert_ptr_equal(u, again);
        OK(weir_cache_remove(c, cache, WEIR_S("7")));
        assert_int_equal(u->name.len, 1000);
        assert_int_equal(u->name.ptr[999], 'x');
        assert_true(numbers_of(cache).pinned_bytes > 1000);
        weir_cache_unpin(turn, again);
        weir_cache_unpin(turn, NULL);
        assert_true(numbers_of(cache).pinned_bytes > 1000);
        assert_int_equal(numbers_of(cache).entries, 0);
    }
    assert_int_equal(numbers_of(cache).pinned_bytes, 0);
    return WEIR_OK;
}

static void test_a_pin_keeps_what_the_cache_lets_go(void **state)
{
    (void)state;
    SIM(pins_last);
    assert_string_equal(logged(), "");
}

static weir_err pins_count(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {.name_len = 20000};
    weir_cache *cache = weir_cache_new(the_app(), .name = "pins", .entries_max = 100,
                                       .bytes_max = 256 << 10, .ttl = weir_min(5));
    const user *u;
    char key[16];
    for (int i = 0; i < 50; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        OK(weir_cache_pin(c, cache, weir_str_from(key), user, &u, load_user, &l));
        assert_true(numbers_of(cache).bytes <= 256 << 10);
    }
    assert_true(numbers_of(cache).not_kept > 30);
    return WEIR_OK;
}

static void test_pins_count_in_the_bounds(void **state)
{
    (void)state;
    SIM(pins_count);
}

static weir_err forgets_a_pin(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    weir_cache *cache = NEW_CACHE(.pin_threshold = weir_sec(1));
    const user *u;
    uint64_t before = weir__leak_total();
    WEIR_WITH(turn, c) {
        OK(weir_cache_pin(turn, cache, WEIR_S("7"), user, &u, load_user, &l));
        OK(weir_sleep(turn, weir_ms(500)));
    }
    assert_int_equal(weir__leak_total(), before);
    WEIR_WITH(turn, c) {
        OK(weir_cache_pin(turn, cache, WEIR_S("7"), user, &u, load_user, &l));
        OK(weir_sleep(turn, weir_ms(1500)));
    }
    assert_int_equal(weir__leak_total(), before + 1);
    return WEIR_OK;
}

static void test_a_pin_that_is_forgotten_is_reported(void **state)
{
    (void)state;
    SIM(forgets_a_pin);
}

/* --- the guard -------------------------------------------------------------------------------- */

static weir_err guards(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    weir_cache *cache = NEW_CACHE(.guard_keys = 1000);
    user u = {.id = 1};
    weir_cache_guard_add(c, cache, WEIR_S("a"));
    OK(weir_cache_get(c, cache, WEIR_S("b"), user, &u, load_user, &l)); /* not yet */
    OK(weir_cache_remove(c, cache, WEIR_S("b")));
    weir_cache_guard_ready(c, cache);
    OK(weir_cache_get(c, cache, WEIR_S("a"), user, &u, load_user, &l));
    assert_int_equal(weir_cache_get(c, cache, WEIR_S("b"), user, &u, load_user, &l),
                     WEIR_ENOTFOUND);
    OK(weir_cache_put(c, cache, WEIR_S("b"), user, &u));
    OK(weir_cache_remove(c, cache, WEIR_S("b")));
    OK(weir_cache_get(c, cache, WEIR_S("b"), user, &u, load_user, &l));
    assert_int_equal(numbers_of(cache).guarded, 1);
    assert_int_equal(l.calls, 3);
    weir_cache_clear(c, cache);
    OK(weir_cache_get(c, cache, WEIR_S("c"), user, &u, load_user, &l));
    return WEIR_OK;
}

static void test_the_guard_denies_what_does_not_exist(void **state)
{
    (void)state;
    SIM(guards);
}

/* --- what is refused -------------------------------------------------------------------------- */

static weir_err without_bounds(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_cache *cache = weir_cache_new(the_app(), .ttl_missing = weir_ns(5));
    assert_int_equal(weir_cache_err(cache), WEIR_EINVALID);
    const weir_error *e = weir_last_error(the_app());
    assert_non_null(e);
    const char *mistakes[] = {".name", "entries_max is 0; allowed: 1 to 100000000",
                              "bytes_max is 0; allowed: 16384 to 1099511627776", "ttl is 0",
                              "ttl_missing is 5 ns"};
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++)
        assert_non_null(memmem(e->message.ptr, e->message.len, mistakes[i], strlen(mistakes[i])));
    user u;
    assert_int_equal(weir_cache_get(c, cache, WEIR_S("x"), user, &u, NULL, NULL), WEIR_EINVALID);
    assert_int_equal(weir_cache_put(c, cache, WEIR_S("x"), user, &u), WEIR_EINVALID);
    assert_int_equal(weir_cache_remove(c, cache, WEIR_S("x")), WEIR_EINVALID);
    weir_cache_clear(c, cache);
    assert_int_equal(numbers_of(cache).bytes_max, 0);
    return WEIR_OK;
}

static void test_a_cache_without_bounds_is_refused(void **state)
{
    (void)state;
    SIM(without_bounds);
}

static weir_err keys_that_are_too_long(weir_ctx *c, void *arg)
{
    (void)arg;
    static char long_key[WEIR_CACHE_KEY_MAX + 1];
    weir_cache *cache = NEW_CACHE();
    user u = {.id = 1};
    weir_str key = {long_key, WEIR_CACHE_KEY_MAX};
    OK(weir_cache_put(c, cache, key, user, &u));
    OK(weir_cache_get(c, cache, key, user, &u, NULL, NULL));
    key.len++;
    assert_int_equal(weir_cache_put(c, cache, key, user, &u), WEIR_ETOOLARGE);
    assert_int_equal(weir_cache_get(c, cache, key, user, &u, NULL, NULL), WEIR_ETOOLARGE);
    assert_int_equal(weir_cache_remove(c, cache, key), WEIR_ETOOLARGE);
    return WEIR_OK;
}

static void test_a_key_has_a_longest_length(void **state)
{
    (void)state;
    SIM(keys_that_are_too_long);
}

static weir_cache *misused;

static weir_err of_another_type(weir_ctx *c, void *arg)
{
    (void)arg;
    int64_t n;
    return weir_cache_get(c, misused, WEIR_S("7"), int64_t, &n, NULL, NULL);
}

static weir_err of_a_request(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_cache_err(
        weir_cache_new(c, .name = "x", .entries_max = 1, .bytes_max = 1 << 20, .ttl = weir_sec(1)));
}

static weir_err pins_for_ever(weir_ctx *c, void *arg)
{
    (void)c;
    (void)arg;
    const user *u;
    return weir_cache_pin(the_app(), misused, WEIR_S("7"), user, &u, NULL, NULL);
}

static weir_err unpins_twice(weir_ctx *c, void *arg)
{
    (void)arg;
    const user *u;
    OK(weir_cache_pin(c, misused, WEIR_S("7"), user, &u, NULL, NULL));
    weir_cache_unpin(c, u);
    weir_cache_unpin(c, u);
    return WEIR_OK;
}

static weir_err tells_no_guard(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_cache_guard_add(c, misused, WEIR_S("7"));
    return WEIR_OK;
}

static weir_err misuses(weir_ctx *c, void *arg)
{
    (void)arg;
    user u = {.id = 1};
    misused = NEW_CACHE();
    OK(weir_cache_put(c, misused, WEIR_S("7"), user, &u));
    weir_fiber_fn each[] = {of_another_type, of_a_request, pins_for_ever, unpins_twice,
                            tells_no_guard};
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++)
        assert_int_equal(weir_protect(c, each[i], NULL), WEIR_EPANIC);
    return WEIR_OK;
}

static void test_misuse_is_told(void **state)
{
    (void)state;
    SIM(misuses);
    assert_non_null(strstr(logged(), "are of model user, not of int64_t"));
    assert_non_null(strstr(logged(), "would be empty for each"));
    assert_non_null(strstr(logged(), "would keep it for ever"));
    assert_non_null(strstr(logged(), "has no pin of that value"));
    assert_non_null(strstr(logged(), "give .guard_keys"));
}

/* --- the list --------------------------------------------------------------------------------- */

static weir_err lists(weir_ctx *c, void *arg)
{
    weir_buf *out = arg;
    user u = {.id = 1};
    weir__caches_text(out);
    weir_cache *cache = NEW_CACHE();
    OK(weir_cache_err(NEW_CACHE()));
    OK(weir_cache_put(c, cache, WEIR_S("7"), user, &u));
    weir__caches_text(out);
    weir__caches_json(out);
    return WEIR_OK;
}

static void test_all_caches_are_listed(void **state)
{
    (void)state;
    weir_buf out;
    weir_buf_init(&out, 1 << 16);
    OK(weir__sim_run(lists, &out));
    weir_buf_putc(&out, '\0');
    const char *text = weir_buf_str(&out).ptr;
    assert_int_equal(
        strncmp(text, "no caches\nusers: 1 of 1000 entries (0 say that there is none)", 60), 0);
    assert_non_null(strstr(text, "users: 0 of 1000 entries"));
    assert_non_null(strstr(text, "[{\"name\":\"users\",\"entries\":1,\"entries_max\":1000,"));
    weir_buf_fini(&out);
}

static weir_err shows_metrics(weir_ctx *c, void *arg)
{
    struct metric_lines *lines = arg;
    struct weir__metrics registry = {0};
    user u = {.id = 1};
    weir_cache *first = NEW_CACHE();
    OK(weir_cache_err(NEW_CACHE())); /* of the same name */
    OK(weir_cache_put(c, first, WEIR_S("7"), user, &u));
    OK(weir_cache_get(c, first, WEIR_S("7"), user, &u, NULL, NULL));
    weir__cache_metrics(&registry);
    weir__metrics_read(&registry, &lines->sink);
    return WEIR_OK;
}

static void test_its_numbers_are_metrics(void **state)
{
    (void)state;
    struct metric_lines lines;
    metric_lines_init(&lines);
    OK(weir__sim_run(shows_metrics, &lines));
    weir_buf_putc(&lines.out, '\0');
    const char *text = weir_buf_str(&lines.out).ptr;
    assert_non_null(strstr(text, "weir_cache_entries cache=users 1 cache=users#2 0\n"));
    assert_non_null(strstr(text, "weir_cache_hits_total cache=users 1 cache=users#2 0\n"));
    assert_non_null(strstr(text, "weir_cache_second_total cache=users result=hit 0"));
    weir_buf_fini(&lines.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_value_is_loaded_once),
        cmocka_unit_test(test_a_hit_allocates_nothing),
        cmocka_unit_test(test_bare_values_are_values),
        cmocka_unit_test(test_that_there_is_none_is_kept_for_a_time),
        cmocka_unit_test(test_a_time_is_shortened_by_up_to_a_tenth),
        cmocka_unit_test(test_what_is_over_is_given_back_unasked),
        cmocka_unit_test(test_ten_times_the_cap_stays_at_the_cap),
        cmocka_unit_test(test_what_is_too_large_is_handed_on),
        cmocka_unit_test(test_what_was_written_is_seen),
        cmocka_unit_test_setup_teardown(test_a_pin_keeps_what_the_cache_lets_go, capture, release),
        cmocka_unit_test(test_pins_count_in_the_bounds),
        cmocka_unit_test_setup_teardown(test_a_pin_that_is_forgotten_is_reported, capture, release),
        cmocka_unit_test(test_the_guard_denies_what_does_not_exist),
        cmocka_unit_test(test_a_cache_without_bounds_is_refused),
        cmocka_unit_test(test_a_key_has_a_longest_length),
        cmocka_unit_test_setup_teardown(test_misuse_is_told, capture, release),
        cmocka_unit_test(test_all_caches_are_listed),
        cmocka_unit_test(test_its_numbers_are_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
