/*
 * Options: which source wins, what is refused and in which words, and that nothing is lost when
 * several things are wrong.
 */
#include "conf/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    const char *listen, *level;
    int64_t workers;
    weir_dur drain;
    bool verbose;
    struct weir__option_set set;
    struct weir__mistakes mistakes;
};

static const char *const levels[] = {"debug", "info", NULL};

static const char *check_listen(const char *text)
{
    return strchr(text, ':') != NULL ? NULL : "HOST:PORT";
}

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){.listen = ":8080", .level = "info", .workers = 2, .drain = weir_sec(10)};
    weir__mistakes_init(&f->mistakes);
    const weir_option options[] = {
        {.name = "listen", .text = &f->listen, .check = check_listen, .help = "where to serve"},
        {.name = "log-level", .text = &f->level, .one_of = levels},
        {.name = "workers", .number = &f->workers, .max = 256},
        {.name = "drain", .duration = &f->drain, .max = weir_min(10).ns},
        {.name = "verbose", .toggle = &f->verbose},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        weir__option_add(&f->set, &options[i], &f->mistakes);
    assert_int_equal(f->mistakes.count, 0);
}

static void read_args(struct fixture *f, int argc, char **argv)
{
    weir__options_read(&f->set, argc, argv, &f->mistakes);
}
#define READ(f, ...)                                                                               \
    read_args(f, (int)(sizeof((char *[]){"prog", __VA_ARGS__}) / sizeof(char *)),                  \
              (char *[]){"prog", __VA_ARGS__})

static void expect_mistakes(struct fixture *f, const char *lines)
{
    weir_buf_putc(&f->mistakes.lines, '\0');
    assert_string_equal(f->mistakes.lines.ptr, lines);
    weir__mistakes_fini(&f->mistakes);
}

static void flags_win_over_environment_and_initialiser(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    setenv("WEIR_WORKERS", "7", 1);
    setenv("WEIR_LOG_LEVEL", "debug", 1);
    READ(&f, "--workers", "9", "--listen=127.0.0.1:0", "--drain=250ms", "--verbose");
    unsetenv("WEIR_WORKERS");
    unsetenv("WEIR_LOG_LEVEL");
    assert_int_equal(f.workers, 9);
    assert_string_equal(f.level, "debug");
    assert_string_equal(f.listen, "127.0.0.1:0");
    assert_int_equal(f.drain.ns, 250000000);
    assert_true(f.verbose);
    expect_mistakes(&f, "");
}

static void defaults_stay(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    read_args(&f, 1, (char *[]){"prog"});
    assert_int_equal(f.workers, 2);
    assert_string_equal(f.listen, ":8080");
    assert_false(f.verbose);
    expect_mistakes(&f, "");
}

static void every_mistake_is_listed_with_its_source(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    f.drain = weir_hour(2);
    setenv("WEIR_WORKERS", "many", 1);
    READ(&f, "--listen=nowhere", "--log-level", "loud", "--verbose=maybe", "--colour", "extra",
         "--workers");
    unsetenv("WEIR_WORKERS");
    expect_mistakes(
        &f,
        "WEIR_WORKERS: \"many\" is not allowed; want a whole number (k, M, G allowed) from 0 to "
        "256\n"
        "--listen: \"nowhere\" is not allowed; want HOST:PORT\n"
        "--log-level: \"loud\" is not allowed; want one of debug, info\n"
        "--verbose: \"maybe\" is not allowed; want true or false\n"
        "--colour: there is no such option; --help lists all\n"
        "extra: not an option; --help lists all\n"
        "--workers: has no value; want --workers=VALUE\n"
        ".drain: \"2h\" is not allowed; want a time such as 250ms, 10s or 5m from 0s to 10m\n");
}

static void numbers_have_bounds_and_suffixes(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    int64_t size = 1;
    weir__option_add(&f.set, &(weir_option){.name = "size", .number = &size}, &f.mistakes);
    READ(&f, "--size=64k");
    assert_int_equal(size, 65536);
    READ(&f, "--size=2G");
    assert_int_equal(size, 2147483648);
    READ(&f, "--size=-3");
    assert_int_equal(size, -3);
    READ(&f, "--size=9999999999G", "--size=", "--size=k", "--workers=257", "--workers=-1");
    assert_int_equal(size, -3);
    assert_int_equal(f.workers, 2);
    assert_int_equal(f.mistakes.count, 5);
    weir__mistakes_fini(&f.mistakes);
}

static void wrong_descriptions_are_mistakes(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    const weir_option wrong[] = {
        {.name = "Db", .text = &f.level},
        {.name = "both", .text = &f.level, .number = &f.workers},
        {.name = "listen", .text = &f.listen},
        {.name = "help", .text = &f.level},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        weir__option_add(&f.set, &wrong[i], &f.mistakes);
    expect_mistakes(&f, ".options: \"Db\" is not a name; want small letters, digits and '-'\n"
                        ".options: \"both\" must have exactly one of .text, .number, .duration and "
                        ".toggle\n"
                        ".options: \"listen\" is there already\n"
                        ".options: \"help\" is there already\n");
}

static void durations_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        weir_err err;
        int64_t ns;
        const char *back;
    } cases[] = {
        {"250ms", 0, 250000000, "250ms"},
        {"90s", 0, 90000000000, "90s"},
        {"120s", 0, 120000000000, "2m"},
        {"1h", 0, 3600000000000, "1h"},
        {"0", 0, 0, "0s"},
        {"0s", 0, 0, "0s"},
        {"5", WEIR_EINVALID, 0, NULL},
        {"1.5s", WEIR_EINVALID, 0, NULL},
        {"s", WEIR_EINVALID, 0, NULL},
        {"", WEIR_EINVALID, 0, NULL},
        {"3 s", WEIR_EINVALID, 0, NULL},
        {"9999999999h", -ERANGE, 0, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_dur d = {-1};
        assert_int_equal(weir__duration_parse(cases[i].text, &d), cases[i].err);
        if (cases[i].err < 0)
            continue;
        assert_int_equal(d.ns, cases[i].ns);
        char text[32] = {0};
        weir_buf b;
        weir_buf_init_fixed(&b, text, sizeof text);
        weir__duration_print(d, &b);
        assert_string_equal(text, cases[i].back);
    }
}

static void help_lists_all_with_defaults(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    weir_buf b;
    weir_buf_init(&b, 1 << 16);
    weir__options_help(&f.set, "prog", &b);
    weir_buf_putc(&b, '\0');
    assert_non_null(strstr(b.ptr, "usage: prog"));
    assert_non_null(strstr(b.ptr, "--listen                 where to serve (:8080)\n"));
    assert_non_null(strstr(b.ptr, "--drain                   (10s)\n"));
    assert_non_null(strstr(b.ptr, "--help"));
    weir_buf_fini(&b);
    expect_mistakes(&f, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_win_over_environment_and_initialiser),
        cmocka_unit_test(defaults_stay),
        cmocka_unit_test(every_mistake_is_listed_with_its_source),
        cmocka_unit_test(numbers_have_bounds_and_suffixes),
        cmocka_unit_test(wrong_descriptions_are_mistakes),
        cmocka_unit_test(durations_are_read_and_written),
        cmocka_unit_test(help_lists_all_with_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
