/*
 * Families and the registry: what is put, in which order, and each rule of names with its line.
 */
#include "base/metric_testing.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct numbers {
    uint64_t accepted, head, body;
};

static const struct weir__family families[] = {
    {"a_accepted_total", "Accepted.", WEIR_METRIC_COUNTER,
     WEIR__ROWS({NULL, offsetof(struct numbers, accepted)})},
    {"a_timeouts_total", "Too slow.", WEIR_METRIC_COUNTER, .labels = {"kind"},
     WEIR__ROWS({"head", offsetof(struct numbers, head)},
                {"body", offsetof(struct numbers, body)})},
};

static const struct weir__family by_pool[] = {
    {"b_open", "Open.", WEIR_METRIC_GAUGE, .labels = {"pool"},
     WEIR__ROWS({NULL, offsetof(struct numbers, head)})},
    {"b_closed_total", "Closed.", WEIR_METRIC_COUNTER, .labels = {"pool", "reason"},
     WEIR__ROWS({"old", offsetof(struct numbers, body)})},
};

static void read_first(struct weir__metric_sink *to, void *arg)
{
    weir__families_put_one(to, families, 2, arg);
}

static void read_pools(struct weir__metric_sink *to, void *arg)
{
    const struct weir__metric_subject pools[] = {{WEIR_S("x"), arg}, {WEIR_S("y"), arg}};
    weir__families_put(to, by_pool, 2, pools, 2);
}

static void sources_are_read_in_their_order(void **state)
{
    (void)state;
    static struct weir__metrics m;
    struct numbers n = {7, 2, 3};
    assert_true(metric_lines_has(&m, "\n"));
    weir__metrics_add(&m, families, 2, read_first, &n);
    weir__metrics_add(&m, by_pool, 2, read_pools, &n);
    assert_true(metric_lines_has(&m, "\na_accepted_total 7\n"
                                     "a_timeouts_total kind=head 2 kind=body 3\n"
                                     "b_open pool=x 2 pool=y 2\n"
                                     "b_closed_total pool=x reason=old 3 pool=y reason=old 3\n"));
}

/* The process ends in an assertion whose line holds `what`. */
static void assert_dies(const struct weir__family *first, const struct weir__family *second,
                        const char *what)
{
    int fds[2], status;
    char said[1024] = "";
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        static struct weir__metrics m;
        (void)dup2(fds[1], 2);
        (void)signal(SIGABRT, SIG_DFL);
        weir__metrics_add(&m, first, 1, read_first, NULL);
        weir__metrics_add(&m, second, 1, read_first, NULL);
        _exit(0);
    }
    close(fds[1]);
    assert_true(read(fds[0], said, sizeof said - 1) > 0);
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_non_null(strstr(said, what));
}

static void rooms_that_break_the_rules_end_the_process(void **state)
{
    (void)state;
    static const struct weir__family bad = {.name = "c", .help = "C.", .type = WEIR_METRIC_COUNTER};
    assert_dies(&families[0], &families[0], "I12");
    assert_dies(&families[0], &bad, "a counter's name ends in _total");
}

static void every_rule_has_its_line(void **state)
{
    (void)state;
    const weir_metric_type counter = WEIR_METRIC_COUNTER, gauge = WEIR_METRIC_GAUGE,
                           histogram = WEIR_METRIC_HISTOGRAM;
    static char long_name[WEIR__METRIC_NAME_MAX + 2];
    memset(long_name, 'x', WEIR__METRIC_NAME_MAX + 1);
    const struct {
        struct weir__family f;
        const char *text;
    } cases[] = {
        {{.name = "a_total", .help = "A.", .type = counter}, ""},
        {{.name = "A_9_seconds",
          .help = "A.",
          .type = gauge,
          .unit = WEIR_METRIC_SECONDS,
          .labels = {"a_b", "_c"}},
         ""},
        {{.name = "a_bytes",
          .help = "A.",
          .type = histogram,
          .unit = WEIR_METRIC_BYTES,
          .last_bit = 42},
         ""},
        {{.name = NULL, .help = "A.", .type = gauge}, "m: it has no name\n"},
        {{.name = "", .help = "A.", .type = gauge}, "m: it has no name\n"},
        {{.name = long_name, .help = "A.", .type = gauge},
         "m: its name has 121 bytes; at most 120\n"},
        {{.name = "a b", .help = "A.", .type = gauge},
         "m: its name holds ' '; letters, digits and '_' are allowed, no digit first\n"},
        {{.name = "9a", .help = "A.", .type = gauge},
         "m: its name holds '9' at its beginning; letters, digits and '_' are allowed, no digit "
         "first\n"},
        {{.name = "a\xc3", .help = "A.", .type = gauge},
         "m: its name holds byte 0xc3; letters, digits and '_' are allowed, no digit first\n"},
        {{.name = "a:b", .help = "A.", .type = gauge},
         "m: its name holds ':'; letters, digits and '_' are allowed, no digit first\n"},
        {{.name = "a", .help = "A.", .type = counter}, "m: a counter's name ends in _total\n"},
        {{.name = "a_total", .help = "A.", .type = gauge},
         "m: only a counter's name ends in _total\n"},
        {{.name = "a_count", .help = "A.", .type = gauge},
         "m: a name that ends in _count is a part of a histogram\n"},
        {{.name = "a_total", .help = "A.", .type = counter, .unit = WEIR_METRIC_SECONDS},
         "m: of seconds, its name ends in _seconds or _seconds_total\n"},
        {{.name = "a", .help = "A.", .type = gauge, .unit = WEIR_METRIC_BYTES},
         "m: of bytes, its name ends in _bytes or _bytes_total\n"},
        {{.name = "a", .help = NULL, .type = gauge}, "m: it has no line of help\n"},
        {{.name = "a", .help = "A\nb", .type = gauge},
         "m: its help is one line, without a backslash\n"},
        {{.name = "a", .help = "A.", .type = gauge, .labels = {""}}, "m: label 1 has no name\n"},
        {{.name = "a", .help = "A.", .type = gauge, .labels = {"x-y"}},
         "m: label \"x-y\" holds '-'; letters, digits and '_' are allowed, no digit first\n"},
        {{.name = "a", .help = "A.", .type = gauge, .labels = {"__x"}},
         "m: label \"__x\" begins with __, which is Prometheus' own\n"},
        {{.name = "a", .help = "A.", .type = histogram, .labels = {"le"}},
         "m: label \"le\" is a histogram's own\n"},
        {{.name = "a", .help = "A.", .type = gauge, .labels = {"x", "y", "x"}},
         "m: label \"x\" is there twice\n"},
        {{.name = "a", .help = "A.", .type = gauge, .labels = {"x", NULL, "y"}},
         "m: label \"y\" stands behind one without a name\n"},
        {{.name = "a", .help = "A.", .type = histogram, .first_bit = 4, .last_bit = 3},
         "m: its buckets end at 2^4 to 2^3; the last is at most 2^42, and not before the first\n"},
        {{.name = "a", .help = "A.", .type = histogram, .last_bit = 43},
         "m: its buckets end at 2^0 to 2^43; the last is at most 2^42, and not before the first\n"},
        {{.name = "a", .help = "A.", .type = (weir_metric_type)4}, "m: there is no type 4\n"},
        {{.name = "a", .help = "A.", .type = gauge, .unit = (weir_metric_unit)3},
         "m: there is no unit 3\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_buf report;
        weir_buf_init(&report, 4096);
        unsigned count = weir__family_check(&cases[i].f, "m: ", &report);
        weir_buf_putc(&report, '\0');
        assert_string_equal(report.ptr, cases[i].text);
        assert_int_equal(count, cases[i].text[0] != '\0');
        weir_buf_fini(&report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_read_in_their_order),
        cmocka_unit_test(rooms_that_break_the_rules_end_the_process),
        cmocka_unit_test(every_rule_has_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
