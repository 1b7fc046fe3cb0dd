/*
 * <weir/metric.h>: counting by workers and other threads, labels and their bound, what is refused,
 * and what is read.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cells.h"
#include "base/metric_testing.h"

#include <cmocka.h>

static WEIR_COUNTER(placed, "t_placed_total", "Placed.");
static WEIR_COUNTER(spent, "t_spent_seconds_total", "Spent.", .unit = WEIR_METRIC_SECONDS);
static WEIR_COUNTER(refused, "t_refused_total", "Refused.", .labels = {"reason"}, .series_max = 3);
static WEIR_COUNTER(two, "t_two_total", "Two labels.", .labels = {"a", "b"});
static WEIR_GAUGE(carts, "t_carts", "Carts.");
static WEIR_GAUGE(rooms, "t_rooms", "Rooms.", .labels = {"house"});
static WEIR_HISTOGRAM(lines, "t_lines", "Lines.");
static WEIR_HISTOGRAM(took, "t_took_seconds", "Took.", .unit = WEIR_METRIC_SECONDS,
                      .labels = {"step"});
static WEIR_HISTOGRAM(sizes, "t_size_bytes", "Sizes.", .unit = WEIR_METRIC_BYTES, .bucket_min = 100,
                      .bucket_max = 1000);

static int64_t answer(void *arg)
{
    return *(int64_t *)arg;
}

static int64_t seen = -5;
static WEIR_GAUGE(asked, "t_asked", "Asked.", .read = answer, .arg = &seen);

/* True when the page has this line. */
static bool shows(const char *line)
{
    char text[256];
    struct metric_lines l;
    metric_lines_init(&l);
    weir__program_metrics_read(&l.sink);
    snprintf(text, sizeof text, "\n%s\n", line);
    return metric_lines_end(&l, text);
}

/* --- counting ------------------------------------------------------------------------------- */

static void *work(void *arg)
{
    bool is_worker = arg != NULL;
    if (is_worker)
        weir__cells_enter();
    for (uint64_t i = 0; i < 10000; i++) {
        weir_counter_add(&placed, 1);
        weir_counter_add(weir_counter_of(&two, WEIR_S("x"), i % 2 == 0 ? WEIR_S("y") : WEIR_S("z")),
                         1);
        weir_gauge_add(&carts, i % 2 == 0 ? 3 : -1);
        weir_histogram_record(&lines, i % 10);
    }
    if (is_worker)
        weir__cells_leave();
    return NULL;
}

static void workers_and_other_threads_lose_nothing(void **state)
{
    (void)state;
    pthread_t t[6];
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&t[i], NULL, work, i % 2 == 0 ? &t : NULL), 0);
    uint64_t last = 0;
    for (int i = 0; i < 200; i++) {
        uint64_t now = weir_counter_read(&placed) + weir_histogram_count(&lines);
        assert_true(now >= last);
        last = now;
    }
    for (int i = 0; i < 6; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(weir_counter_read(&placed), 60000);
    assert_int_equal(weir_counter_read(weir_counter_of(&two, WEIR_S("x"), WEIR_S("y"))), 30000);
    assert_int_equal(weir_counter_read(weir_counter_of(&two, WEIR_S("x"), WEIR_S("z"))), 30000);
    assert_int_equal(weir_gauge_read(&carts), 60000);
    assert_int_equal(weir_histogram_count(&lines), 60000);
    assert_true(shows("t_placed_total 60000"));
    assert_true(shows("t_carts 60000"));
    assert_true(shows("t_lines 2^0-2^16 270000/60000"));
    assert_true(shows("t_asked -5"));
    assert_true(shows("weir_metrics_lost_total 0"));
}

static void gauges_and_times(void **state)
{
    (void)state;
    weir_gauge_set(&carts, -7);
    weir_gauge_add(&carts, 2);
    assert_int_equal(weir_gauge_read(&carts), -5);
    weir_gauge_set(weir_gauge_of(&rooms, WEIR_S("red")), 4);
    assert_true(shows("t_rooms house=red 4"));
    weir_counter_add(&spent, (uint64_t)weir_ms(3).ns);
    assert_int_equal(weir_counter_read(&spent), 3000000);
    weir_histogram *step = weir_histogram_of(&took, WEIR_S("pay"));
    weir_histogram_record_time(step, weir_ms(5));
    weir_histogram_record_time(step, (weir_dur){-1});
    assert_int_equal(weir_histogram_count(step), 2);
    assert_true(shows("t_took_seconds 2^17-2^36 step=pay 5000000/2"));
    weir_histogram_record(&sizes, 300);
    assert_true(shows("t_size_bytes 2^7-2^10 300/1"));
    seen = 9;
    assert_int_equal(weir_gauge_read(&asked), 9);
}

/* --- labels --------------------------------------------------------------------------------- */

static void what_has_no_room_is_counted_together(void **state)
{
    (void)state;
    static const char *const reasons[] = {"stock", "age", "", "d", "e", "stock"};
    for (size_t i = 0; i < 6; i++)
        weir_counter_add(weir_counter_of(&refused, weir_str_from(reasons[i])), 1);
    assert_int_equal(weir_counter_read(weir_counter_of(&refused, WEIR_S("stock"))), 2);
    assert_int_equal(weir_counter_read(weir_counter_of(&refused, WEIR_S(""))), 1);
    assert_ptr_equal(weir_counter_of(&refused, WEIR_S("d")),
                     weir_counter_of(&refused, WEIR_S("f")));
    assert_int_equal(weir_counter_read(weir_counter_of(&refused, WEIR_S("(other)"))), 2);
    assert_true(shows("weir_metrics_overflowed_total metric=t_refused_total 5 "
                      "metric=t_two_total 0 metric=t_rooms 0 metric=t_took_seconds 0") ||
                shows("weir_metrics_overflowed_total metric=t_took_seconds 0 metric=t_rooms 0 "
                      "metric=t_two_total 0 metric=t_refused_total 5"));
}

static void values_are_as_they_are_shown(void **state)
{
    (void)state;
    char longer[300], at_a_character[WEIR_METRIC_VALUE_MAX + 1];
    memset(longer, 'a', sizeof longer);
    assert_ptr_equal(weir_counter_of(&two, (weir_str){longer, sizeof longer}, WEIR_S("")),
                     weir_counter_of(&two, (weir_str){longer, WEIR_METRIC_VALUE_MAX}, WEIR_S("")));
    memset(at_a_character, 'b', sizeof at_a_character);
    memcpy(at_a_character + sizeof at_a_character - 2, "\xc3\xa9", 2); /* é over the end */
    assert_ptr_equal(
        weir_counter_of(&two, (weir_str){at_a_character, sizeof at_a_character}, WEIR_S("")),
        weir_counter_of(&two, (weir_str){at_a_character, sizeof at_a_character - 2}, WEIR_S("")));
    assert_ptr_equal(weir_counter_of(&two, WEIR_S("x\xff"), WEIR_S("")),
                     weir_counter_of(&two, WEIR_S("x?"), WEIR_S("")));
    assert_ptr_not_equal(weir_counter_of(&two, WEIR_S("ab"), WEIR_S("c")),
                         weir_counter_of(&two, WEIR_S("a"), WEIR_S("bc")));
}

static WEIR_COUNTER(racing, "t_racing_total", "Racing.", .labels = {"n"}, .series_max = 100);

static void *race(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i % 90);
        weir_counter_add(weir_counter_of(&racing, weir_str_from(text)), 1);
    }
    return arg;
}

static void threads_that_make_the_same_series_share_it(void **state)
{
    (void)state;
    pthread_t t[4];
    uint64_t sum = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, race, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < 90; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        sum += weir_counter_read(weir_counter_of(&racing, weir_str_from(text)));
    }
    assert_int_equal(sum, 8000);
}

/* --- without memory ------------------------------------------------------------------------- */

static WEIR_COUNTER(poor, "t_poor_total", "Poor.", .labels = {"a"});
static WEIR_HISTOGRAM(poor_histo, "t_poor", "Poor.");

static void what_finds_no_memory_is_counted_as_lost(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 3; nth++) { /* the table, its last series, this one */
        weir__alloc_fail_nth(nth);
        weir_counter *c = weir_counter_of(&poor, WEIR_S("x"));
        weir__alloc_fail_nth(0);
        weir_counter_add(c, 1);
    }
    assert_true(shows("t_poor_total"));
    weir_counter_add(weir_counter_of(&poor, WEIR_S("x")), 1);
    assert_true(shows("t_poor_total a=x 1"));
    assert_true(shows("weir_metrics_lost_total 3"));
    weir__alloc_fail_nth(1);
    weir_histogram_record(&poor_histo, 1); /* no worker: the shared one */
    weir__alloc_fail_nth(0);
    assert_true(shows("weir_metrics_lost_total 4"));
    weir__cells_enter();
    weir_counter_add(&placed, 0); /* makes the page */
    weir__alloc_fail_nth(1);
    weir_histogram_record(&poor_histo, 1); /* falls back to the shared one */
    weir__alloc_fail_nth(0);
    weir_histogram_record(&poor_histo, 1);
    weir__cells_leave();
    assert_true(shows("t_poor 2^0-2^16 2/2"));
    assert_true(shows("weir_metrics_lost_total 4"));
}

/* --- misuse and mistakes ---------------------------------------------------------------------- */

static void add_without_labels(void)
{
    weir_counter_add(&refused, 1);
}

static void set_without_labels(void)
{
    weir_gauge_set(&rooms, 1);
}

static void record_without_labels(void)
{
    weir_histogram_record(&took, 1);
}

static void read_without_labels(void)
{
    (void)weir_counter_read(&refused);
}

static void read_gauge_without_labels(void)
{
    (void)weir_gauge_read(&rooms);
}

static void count_without_labels(void)
{
    (void)weir_histogram_count(&took);
}

static void give_too_many(void)
{
    weir_counter_add(weir_counter_of(&refused, WEIR_S("a"), WEIR_S("b")), 1);
}

static void give_to_none(void)
{
    weir_counter_add(weir_counter_of(&placed, WEIR_S("a")), 1);
}

static void misuse_is_told(void **state)
{
    (void)state;
    static const struct {
        void (*call)(void);
        const char *text;
    } cases[] = {
        {add_without_labels, "weir: weir_counter_add: it has labels: their values say which one is "
                             "meant\n"},
        {set_without_labels, "weir: weir_gauge_set: it has labels: their values say which one is "
                             "meant\n"},
        {record_without_labels,
         "weir: weir_histogram_record: it has labels: their values say which "
         "one is meant\n"},
        {read_without_labels,
         "weir: weir_counter_read: it has labels: their values say which one is meant\n"},
        {read_gauge_without_labels,
         "weir: weir_gauge_read: it has labels: their values say which one is meant\n"},
        {count_without_labels,
         "weir: weir_histogram_count: it has labels: their values say which one is meant\n"},
        {give_too_many, "weir: weir_counter_of_at: there is not a value for each of its labels\n"},
        {give_to_none, "weir: weir_counter_of_at: there is not a value for each of its labels\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fds[2], status;
        char said[256] = "";
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) {
            (void)dup2(fds[1], 2);
            cases[i].call();
            _exit(0);
        }
        close(fds[1]);
        assert_true(read(fds[0], said, sizeof said - 1) > 0);
        close(fds[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        assert_string_equal(said, cases[i].text);
    }
}

static void mistakes_are_told_with_their_places(void **state)
{
    (void)state;
    weir_buf report;
    weir_buf_init(&report, 1 << 16);
    assert_int_equal(weir__program_metrics_check(&report), WEIR_OK);
    assert_int_equal(report.len, 0);
    static weir_metric wrong[] = {
        {.name = "t_b", .type = WEIR_METRIC_COUNTER, .help = "B."},
        {.name = "weir_x", .type = WEIR_METRIC_GAUGE, .help = "X.", .series_max = 10001},
        {.name = "t_y", .type = WEIR_METRIC_HISTOGRAM, .help = "Y.", .read = answer},
        {.name = "t_z", .type = WEIR_METRIC_GAUGE, .help = "Z.", .bucket_min = 1},
        {.name = "t_carts", .type = WEIR_METRIC_GAUGE, .help = "Carts."},
        {.name = "t_h",
         .type = WEIR_METRIC_HISTOGRAM,
         .help = "H.",
         .bucket_max = (1ull << 42) + 1},
    };
    static struct {
        weir_metric metric;
        uint64_t option;
    } newer = {{.name = "t_new", .type = WEIR_METRIC_GAUGE, .help = "N.", .line = 9}, 1};
    newer.metric.size = sizeof newer;
    newer.metric.file = "a.c";
    weir_metric_register(&newer.metric);
    for (int i = 5; i >= 0; i--) {
        wrong[i].size = sizeof wrong[i];
        wrong[i].file = "a.c";
        wrong[i].line = i + 1;
        weir_metric_register(&wrong[i]);
        weir_metric_register(&wrong[i]);
    }
    char text[1024];
    snprintf(text, sizeof text,
             "a.c:1: metric t_b: a counter's name ends in _total\n"
             "a.c:2: metric weir_x: names that begin with weir_ and process_ are Weir's\n"
             "a.c:2: metric weir_x: .series_max is at most 10000\n"
             "a.c:2: metric weir_x: .series_max is for those with labels\n"
             "a.c:3: metric t_y: .read is for a gauge without labels\n"
             "a.c:4: metric t_z: .bucket_min and .bucket_max are a histogram's\n"
             "a.c:5: metric t_carts: the same name is at %s:%d\n"
             "a.c:6: metric t_h: its buckets end at 2^0 to 2^43; the last is at most 2^42, and not "
             "before the first\n"
             "a.c:9: metric t_new: it has an option that this library does not know\n",
             carts.metric.file, carts.metric.line);
    assert_int_equal(weir__program_metrics_check(&report), WEIR_EINVALID);
    weir_buf_putc(&report, '\0');
    assert_string_equal(report.ptr, text);
    weir_buf_fini(&report);
    assert_true(shows("t_carts -5")); /* the first one of the name is shown still */
    assert_false(shows("t_z 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_and_other_threads_lose_nothing),
        cmocka_unit_test(gauges_and_times),
        cmocka_unit_test(what_has_no_room_is_counted_together),
        cmocka_unit_test(values_are_as_they_are_shown),
        cmocka_unit_test(threads_that_make_the_same_series_share_it),
        cmocka_unit_test(what_finds_no_memory_is_counted_as_lost),
        cmocka_unit_test(misuse_is_told),
        cmocka_unit_test(mistakes_are_told_with_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
