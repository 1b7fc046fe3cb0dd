/*
 * Prometheus' text: families, escaping, and histograms whose buckets agree with their count.
 */
#include "obs/prom.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *text_of(weir_buf *b)
{
    weir_buf_putc(b, '\0');
    assert_int_equal(b->err, WEIR_OK);
    return b->ptr;
}

static void families_and_samples(void **state)
{
    (void)state;
    static const struct weir__family panics = {
        .name = "weir_panics_total", .help = "Panics.", .type = WEIR_METRIC_COUNTER};
    static const struct weir__family pool = {.name = "weir_pool",
                                             .help = "Pools.",
                                             .type = WEIR_METRIC_GAUGE,
                                             .labels = {"pool", "state"}};
    static const struct weir__family age = {.name = "weir_age_seconds_total",
                                            .help = "Age.",
                                            .type = WEIR_METRIC_COUNTER,
                                            .unit = WEIR_METRIC_SECONDS,
                                            .labels = {"pool"}};
    const weir_str values[] = {WEIR_S("orders"), WEIR_S("idle")};
    struct weir__prom prom;
    weir_buf b;
    weir_buf_init(&b, 1 << 16);
    weir__prom_init(&prom, &b);
    weir__family_put(&prom.sink, &panics, UINT64_MAX);
    prom.sink.number(&prom.sink, &pool, values, 7);
    prom.sink.number(&prom.sink, &age, values, 1500000000);
    assert_string_equal(text_of(&b), "# HELP weir_panics_total Panics.\n"
                                     "# TYPE weir_panics_total counter\n"
                                     "weir_panics_total 18446744073709551615\n"
                                     "weir_pool{pool=\"orders\",state=\"idle\"} 7\n"
                                     "weir_age_seconds_total{pool=\"orders\"} 1.5\n");
    weir_buf_fini(&b);
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    static const struct weir__family m = {
        .name = "m", .help = "M.", .type = WEIR_METRIC_GAUGE, .labels = {"a"}};
    const weir_str odd = WEIR_S("q\" b\\ n\n \xc3\xa9"), bad = WEIR_S("x\xff");
    struct weir__prom prom;
    weir_buf b;
    weir_buf_init(&b, 1 << 16);
    weir__prom_init(&prom, &b);
    prom.sink.number(&prom.sink, &m, &odd, 1);
    prom.sink.number(&prom.sink, &m, &bad, 1);
    assert_string_equal(text_of(&b), "m{a=\"q\\\" b\\\\ n\\n \xc3\xa9\"} 1\nm{a=\"x?\"} 1\n");
    weir_buf_fini(&b);
}

static void histograms_agree_with_themselves(void **state)
{
    (void)state;
    static const struct weir__family d = {.name = "d",
                                          .help = "D.",
                                          .type = WEIR_METRIC_HISTOGRAM,
                                          .unit = WEIR_METRIC_SECONDS,
                                          .first_bit = 17,
                                          .last_bit = 36};
    static struct weir__histo h;
    weir__histo_record(&h, 1000);           /* below the first bucket's end */
    weir__histo_record(&h, 200000);         /* in the second one */
    weir__histo_record(&h, 90000000000ULL); /* past the last one */
    struct weir__prom prom;
    weir_buf b;
    weir_buf_init(&b, 1 << 16);
    weir__prom_init(&prom, &b);
    prom.sink.histo(&prom.sink, &d, NULL, &h);
    const char *text = text_of(&b);
    assert_non_null(strstr(text, "d_bucket{le=\"0.000131072\"} 1\n"));
    assert_non_null(strstr(text, "d_bucket{le=\"0.000262144\"} 2\n"));
    assert_non_null(strstr(text, "d_bucket{le=\"68.719476736\"} 2\n"));
    assert_non_null(strstr(text, "d_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "d_count 3\n"));
    assert_non_null(strstr(text, "d_sum 90.000201\n"));
    weir_buf_fini(&b);
}

static void a_registry_is_written(void **state)
{
    (void)state;
    static const struct weir__family gauge = {
        .name = "g_seconds", .help = "G.", .type = WEIR_METRIC_GAUGE, .unit = WEIR_METRIC_SECONDS};
    static const struct weir__family depth = {
        .name = "depth", .help = "D.", .type = WEIR_METRIC_GAUGE, .labels = {"a", "b"}};
    static const struct weir__family items = {.name = "items",
                                              .help = "I.",
                                              .type = WEIR_METRIC_HISTOGRAM,
                                              .labels = {"a"},
                                              .first_bit = 1,
                                              .last_bit = 3};
    static struct weir__histo h;
    const weir_str values[] = {WEIR_S("x"), WEIR_S("y")};
    struct weir__prom prom;
    weir_buf b;
    weir_buf_init(&b, 1 << 16);
    weir__prom_init(&prom, &b);
    weir__family_put(&prom.sink, &gauge, (uint64_t)-1500000000);
    prom.sink.family(&prom.sink, &depth);
    prom.sink.number(&prom.sink, &depth, values, (uint64_t)-3);
    for (uint64_t v = 1; v <= 9; v++)
        weir__histo_record(&h, v);
    prom.sink.family(&prom.sink, &items);
    prom.sink.histo(&prom.sink, &items, values, &h);
    assert_string_equal(text_of(&b), "# HELP g_seconds G.\n"
                                     "# TYPE g_seconds gauge\n"
                                     "g_seconds -1.5\n"
                                     "# HELP depth D.\n"
                                     "# TYPE depth gauge\n"
                                     "depth{a=\"x\",b=\"y\"} -3\n"
                                     "# HELP items I.\n"
                                     "# TYPE items histogram\n"
                                     "items_bucket{a=\"x\",le=\"2\"} 2\n"
                                     "items_bucket{a=\"x\",le=\"4\"} 4\n"
                                     "items_bucket{a=\"x\",le=\"8\"} 8\n"
                                     "items_bucket{a=\"x\",le=\"+Inf\"} 9\n"
                                     "items_sum{a=\"x\"} 45\n"
                                     "items_count{a=\"x\"} 9\n");
    weir_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_and_samples),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(histograms_agree_with_themselves),
        cmocka_unit_test(a_registry_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
