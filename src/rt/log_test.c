/*
 * The log: lines that are always JSON, limits, levels, a ring that is full, a sink that refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "rt/log.h"
#include "rt/sim.h"

static char bytes[65536];
static weir_buf buf;

static int capture(void **state)
{
    (void)state;
    weir_buf_init_fixed(&buf, bytes, sizeof bytes - 1);
    weir__log_capture(&buf);
    return 0;
}

static int release(void **state)
{
    (void)state;
    weir__log_capture(NULL);
    weir__log_set_level(WEIR_LOG_INFO);
    return 0;
}

/* What was logged since the last look. */
static const char *logged(void)
{
    bytes[buf.len] = '\0';
    buf.len = 0;
    return bytes;
}

static void test_a_line_is_an_object(void **state)
{
    (void)state;
    weir_log(NULL, WEIR_LOG_WARN, "%d of %s", 3, "them");
    int line = __LINE__ - 1;
    char expected[256], *time = bytes + 9;
    snprintf(expected, sizeof expected,
             "\",\"level\":\"warn\",\"msg\":\"3 of them\",\"at\":\"%s:%d\"}\n", __FILE__, line);
    assert_memory_equal(logged(), "{\"time\":\"", 9);
    assert_string_equal(time + 24, expected);
    struct tm tm = {0};
    assert_non_null(strptime(time, "%Y-%m-%dT%H:%M:%S", &tm));
    assert_in_range(timegm(&tm), 1700000000, 4102444800);
    assert_int_equal(time[19], '.');
    assert_int_equal(time[23], 'Z');
}

static void test_dates_are_those_of_the_calendar(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 150000; day += 1 + day % 5) { /* to the year 2380 */
        time_t t = (time_t)(day * 86400 + day % 86400);
        char mine[WEIR__LOG_TIME_BYTES + 1] = {0}, theirs[64];
        struct tm tm;
        weir__log_time(mine, (int64_t)t * 1000 + 7);
        assert_non_null(gmtime_r(&t, &tm));
        assert_true(strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%S.007Z", &tm) > 0);
        assert_string_equal(mine, theirs);
    }
}

static void test_levels(void **state)
{
    (void)state;
    weir_log(NULL, WEIR_LOG_DEBUG, "unseen");
    assert_string_equal(logged(), "");
    weir__log_set_level(WEIR_LOG_DEBUG);
    weir_log(NULL, WEIR_LOG_DEBUG, "seen");
    assert_non_null(strstr(logged(), "\"level\":\"debug\""));
    weir__log_set_level(WEIR_LOG_ERROR);
    weir_log(NULL, WEIR_LOG_WARN, "unseen");
    assert_string_equal(logged(), "");
    assert_true(weir__log_wants(WEIR_LOG_ERROR));
}

static void test_text_is_escaped(void **state)
{
    (void)state;
    struct weir__log_line l;
    weir__log_begin(&l, WEIR_LOG_INFO, WEIR_S("a\"b\\c\nd\te\x01\x1f\x7f"), NULL, NULL);
    weir__log_str(&l, "utf8", WEIR_S("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
    weir__log_str(&l, "bad", WEIR_S("\xff|\xc3|\xed\xa0\x80"));
    weir__log_str(&l, "zero", WEIR_S("a\0b"));
    weir__log_str(&l, "absent", (weir_str){NULL, 0});
    weir__log_str(&l, "empty", WEIR_S(""));
    weir__log_int(&l, "n", INT64_MIN);
    weir__log_end(&l);
    const char *line = logged();
    assert_non_null(strstr(line, "\"msg\":\"a\\\"b\\\\c\\nd\\te\\u0001\\u001f\x7f\","));
    assert_non_null(strstr(line, "\"utf8\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\","));
    assert_non_null(strstr(line, "\"bad\":\"\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd"));
    assert_non_null(
        strstr(line, "\"zero\":\"a\\u0000b\",\"empty\":\"\",\"n\":-9223372036854775808}\n"));
    assert_null(strstr(line, "absent"));
    assert_true(weir__utf8_is_valid(weir_str_from(line)));
}

static void test_long_lines_are_cut(void **state)
{
    (void)state;
    char text[10000];
    for (size_t n = 2000; n < sizeof text; n += 137) {
        for (size_t i = 0; i + 1 < n; i++) /* of two bytes each, so cuts may fall between */
            text[i] = i % 2 == 0 ? '\xc3' : '\xa4';
        text[n - 1] = '\0';
        weir_log(NULL, WEIR_LOG_INFO, "%s", text);
        const char *line = logged();
        assert_true(strlen(line) <= WEIR__LOG_LINE_MAX);
        assert_true(weir__utf8_is_valid(weir_str_from(line)));
        assert_non_null(strstr(line, "\"at\":\""));
        bool is_cut = strstr(line, ",\"cut\":true}\n") != NULL;
        assert_int_equal(is_cut, n > 3000);
    }
    struct weir__log_line l;
    weir__log_begin(&l, WEIR_LOG_INFO, WEIR_S("fields"), NULL, NULL);
    for (int i = 0; i < 100; i++)
        weir__log_str(&l, "key", weir_str_from(text));
    for (int i = 0; i < 1000; i++)
        weir__log_int(&l, "number", i);
    weir__log_end(&l);
    const char *line = logged();
    assert_true(strlen(line) <= WEIR__LOG_LINE_MAX);
    assert_string_equal(line + strlen(line) - 13, ",\"cut\":true}\n");
}

/* A value with a bound, a message and a route of any length leave what comes behind them whole. */
static void test_long_values_leave_the_others(void **state)
{
    (void)state;
    static char text[9000];
    static const char *const fills[] = {"a", "\"", "\x01", "\xff", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof fills / sizeof fills[0]; i++) {
        struct weir__origin o = {.route = text, .request_id = WEIR_S("r-17")};
        struct weir__ctx c = {.origin = &o};
        struct weir__log_line l;
        for (size_t n = 0; n + 2 < sizeof text; n += strlen(fills[i]))
            memcpy(text + n, fills[i], strlen(fills[i]));
        weir__log_begin(&l, WEIR_LOG_INFO, weir_str_from(text), NULL, &c);
        size_t before = l.out.len;
        weir__log_str_upto(&l, "first", weir_str_from(text), 300);
        assert_in_range(l.out.len - before, 290 + strlen(",\"first\":\"\""),
                        300 + strlen(",\"first\":\"\""));
        weir__log_str(&l, "second", WEIR_S("there"));
        weir__log_int(&l, "third", 3);
        weir__log_end(&l);
        const char *line = logged();
        assert_non_null(strstr(line, "\"request_id\":\"r-17\""));
        assert_non_null(strstr(line, ",\"second\":\"there\",\"third\":3,\"cut\":true}\n"));
        assert_true(weir__utf8_is_valid(weir_str_from(line)));
    }
}

static weir_err logs_its_request(weir_ctx *c, void *arg)
{
    (void)arg;
    weir__ctx_originate(weir__ctx_of(c), "GET /users/:id");
    weir__ctx_of(c)->own_origin.request_id = WEIR_S("r-17");
    weir__ctx_of(c)->own_origin.caller = (struct weir__trace){{0x4b, [15] = 0xf3}, {1}, 0};
    weir_log(c, WEIR_LOG_INFO, "hello");
    assert_non_null(strstr(logged(), ",\"trace_id\":\"4b0000000000000000000000000000f3\","
                                     "\"request_id\":\"r-17\",\"route\":\"GET /users/:id\"}\n"));
    return WEIR_OK;
}

static void test_a_context_tells_request_and_route(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(logs_its_request, NULL), WEIR_OK);
}

/* --- the ring ----------------------------------------------------------------------------- */

struct flood {
    int fd;
    uint64_t infos, warns, before_lines, before_dropped;
};

static weir_err floods(weir_ctx *c, void *arg)
{
    struct flood *f = arg;
    char filler[900];
    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    struct weir__log_stats s = weir__log_stats(), at_start = s;
    weir__log_hold(true);
    while (s.dropped == at_start.dropped) { /* L17: it never grows, it never waits */
        weir_log(c, WEIR_LOG_INFO, "info %s", filler);
        f->infos++;
        s = weir__log_stats();
        assert_true(s.bytes_waiting <= WEIR__LOG_RING_BYTES);
    }
    f->infos--;
    assert_in_range(s.bytes_waiting, WEIR__LOG_RING_BYTES / 10 * 7, WEIR__LOG_RING_BYTES / 5 * 4);
    while (s.dropped == at_start.dropped + 1) { /* the last fifth is for what matters more */
        weir_log(c, WEIR_LOG_WARN, "warn %s", filler);
        f->warns++;
        s = weir__log_stats();
    }
    f->warns--;
    assert_in_range(s.bytes_waiting, WEIR__LOG_RING_BYTES / 10 * 9, WEIR__LOG_RING_BYTES);
    assert_false(weir__log_flush(weir_ms(2)));
    weir__log_hold(false);
    assert_true(weir__log_flush(weir_sec(20)));
    weir_log(c, WEIR_LOG_INFO, "there is room again");
    assert_true(weir__log_flush(weir_sec(20)));
    return WEIR_OK;
}

static uint64_t count(const char *text, const char *what)
{
    uint64_t n = 0;
    while ((text = strstr(text, what)) != NULL) {
        n++;
        text++;
    }
    return n;
}

static void run_for_real(weir_fiber_fn fn, void *arg)
{
    struct weir__runtime_options options = {.workers = 1, .stall = weir_ns(-1)};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, fn, arg), WEIR_OK);
    weir__runtime_free(rt);
}

static void test_L17_a_full_ring_drops_and_tells(void **state)
{
    (void)state;
    static char text[2 * WEIR__LOG_RING_BYTES];
    struct flood f = {.fd = memfd_create("log", MFD_CLOEXEC)};
    assert_true(f.fd >= 0);
    weir__log_set_fd(f.fd);
    run_for_real(floods, &f);
    weir__log_set_fd(2);
    ssize_t n = pread(f.fd, text, sizeof text - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_int_equal(count(text, "\"msg\":\"info x"), f.infos);
    assert_int_equal(count(text, "\"msg\":\"warn x"), f.warns);
    assert_int_equal(count(text, "\"msg\":\"log lines dropped\",\"count\":1}\n"), 2);
    assert_int_equal(count(text, "there is room again"), 1);
    assert_int_equal(count(text, "\n"), f.infos + f.warns + 3);
    assert_true(strstr(text, "log lines dropped") < strstr(text, "\"msg\":\"warn x"));
    assert_null(strstr(strstr(text, "there is room again"), "log lines dropped"));
    assert_int_equal(close(f.fd), 0);
}

/* A terminal or pipe that takes no more: the writer waits for it, who logs does not. */
static weir_err logs_into_a_full_pipe(weir_ctx *c, void *arg)
{
    int *ends = arg;
    char page[4096];
    for (int i = 0; i < 100; i++)
        weir_log(c, WEIR_LOG_INFO, "line %03d %1000s", i, "");
    uint64_t lines = 0;
    while (lines < 100) { /* the writer gets on as the reader does */
        ssize_t n = read(ends[0], page, sizeof page);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            lines += page[i] == '\n';
    }
    return WEIR_OK;
}

static void test_a_slow_sink_does_not_hold_up(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    weir__log_set_fd(ends[1]);
    run_for_real(logs_into_a_full_pipe, ends);
    assert_true(weir__log_flush(weir_sec(20)));
    weir__log_set_fd(2);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* A pipe whose reader is slow takes nothing. */
static void fill(int fd)
{
    static const char page[4096];
    int flags = fcntl(fd, F_GETFL);
    assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    while (write(fd, page, sizeof page) > 0)
        ;
    assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
}

static bool has_text(const char *path, const char *text)
{
    char is[20] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, is, sizeof is - 1) : -1;
    if (fd >= 0)
        (void)close(fd);
    return n > 0 && strcmp(is, text) == 0;
}

/* The thread of the log's writer, which names itself when it first runs. */
static pid_t writer_thread(void)
{
    static const char folder[] = "/proc/self/task/";
    pid_t found = 0;
    while (found == 0 && sched_yield() == 0) {
        glob_t names;
        assert_int_equal(glob("/proc/self/task/*/comm", 0, NULL, &names), 0);
        for (size_t i = 0; i < names.gl_pathc; i++)
            if (has_text(names.gl_pathv[i], "weir-log\n"))
                found = atoi(names.gl_pathv[i] + strlen(folder));
        globfree(&names);
    }
    return found;
}

static sem_t is_off;

/* Of the writer, which has no processor then, wherever it was. */
static void goes_without(int number)
{
    static const struct timespec nap = {.tv_nsec = 50000000};
    (void)number;
    (void)sem_post(&is_off);
    (void)nanosleep(&nap, NULL);
}

static void take_its_processor(void)
{
    /* A thread of ours takes no signal but faults. */
    const struct sigaction action = {.sa_handler = goes_without, .sa_flags = SA_RESTART};
    assert_int_equal(sem_init(&is_off, 0, 0), 0);
    assert_int_equal(sigaction(SIGFPE, &action, NULL), 0);
    assert_int_equal(tgkill(getpid(), writer_thread(), SIGFPE), 0);
    while (sem_wait(&is_off) != 0)
        ;
}

/* How often the text is in what has come up to now. */
static uint64_t came(int fd, const char *what)
{
    static char text[1 << 17];
    size_t len = 0;
    ssize_t n;
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while ((n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    for (size_t i = 0; i < len; i++)
        text[i] = text[i] != '\0' ? text[i] : ' ';
    text[len] = '\0';
    return count(text, what);
}

/* The end finds a writer that has not run since the line was put, between two lines. */
static int stops_a_writer_without_a_processor(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0 || weir__log_start() != WEIR_OK)
        return 1;
    weir__log_set_fd(ends[1]);
    take_its_processor();
    weir_log(NULL, WEIR_LOG_INFO, "the last line");
    if (!weir__log_stop(weir_ms(0)))
        return 2;
    return came(ends[0], "the last line") == 1 ? 0 : 3;
}

/* As above, but it has not come back from a write that is over. */
static int stops_a_writer_on_its_way_back(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0 || weir__log_start() != WEIR_OK)
        return 1;
    weir__log_set_fd(ends[1]);
    fill(ends[1]);
    weir_log(NULL, WEIR_LOG_INFO, "the line before");
    (void)weir__log_flush(weir_ms(20)); /* it is in the kernel by now, or will be without room */
    take_its_processor();
    if (came(ends[0], "line") != 0)
        return 2;
    weir_log(NULL, WEIR_LOG_INFO, "the last line");
    if (!weir__log_stop(weir_ms(0)))
        return 3;
    return came(ends[0], " line") == 2 ? 0 : 4;
}

/* In a process of its own, since the writer is left behind. 0: it did as it should. */
static int stops_with_a_stuck_sink(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0 || weir__log_start() != WEIR_OK)
        return 1;
    weir__log_set_fd(ends[1]); /* a sink that blocks, and that nobody reads */
    for (int i = 0; i < 100; i++)
        weir_log(NULL, WEIR_LOG_INFO, "line %03d %1000s", i, "");
    if (weir__log_flush(weir_ms(1)) || weir__log_stop(weir_ms(1)))
        return 2; /* a pipe does not hold as much */
    struct weir__log_stats before = weir__log_stats();
    weir_log(NULL, WEIR_LOG_INFO, "nobody is held by this");
    if (weir__log_stats().dropped != before.dropped + 1)
        return 3;
    struct weir__log_line l;
    weir__log_begin(&l, WEIR_LOG_INFO, WEIR_S("nor by this"), NULL, NULL);
    weir__log_last_words(&l, weir_ms(1));
    return 0;
}

static void in_a_process(int (*body)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(body());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Were it waited for the test would not end. */
static void test_a_stuck_sink_does_not_hold_the_end_up(void **state)
{
    (void)state;
    in_a_process(stops_with_a_stuck_sink);
}

/* On a machine with more to do than it can: whoever does not run has not failed. */
static void test_a_busy_machine_loses_no_last_line(void **state)
{
    (void)state;
    in_a_process(stops_a_writer_without_a_processor);
    in_a_process(stops_a_writer_on_its_way_back);
}

/* Must be last: after the stop who logs writes. */
static void test_after_the_stop_lines_are_written_at_once(void **state)
{
    (void)state;
    int fd = memfd_create("log", MFD_CLOEXEC);
    weir__log_set_fd(fd);
    weir__log_stop(weir_sec(20));
    weir__log_stop(weir_sec(20));
    weir_log(NULL, WEIR_LOG_INFO, "at once");
    ssize_t n = pread(fd, bytes, sizeof bytes - 1, 0);
    assert_true(n > 0);
    bytes[n] = '\0';
    assert_int_equal(count(bytes, "at once"), 1);
    struct weir__log_stats before = weir__log_stats();
    weir__log_set_fd(-1);
    weir_log(NULL, WEIR_LOG_INFO, "nowhere");
    assert_int_equal(weir__log_stats().dropped, before.dropped + 1);
    weir__log_set_fd(2);
    assert_int_equal(close(fd), 0);
}

/* --- who watches ---------------------------------------------------------------------------- */

static void note_line(weir_str line, void *arg)
{
    snprintf(arg, 256, WEIR_STR_FMT, WEIR_STR_ARG(line));
}

static void test_who_watches_sees_each_line(void **state)
{
    (void)state;
    char seen[256] = "";
    weir_log_watch(note_line, seen);
    weir_log(NULL, WEIR_LOG_DEBUG, "not logged"); /* below the level */
    assert_string_equal(seen, "");
    weir_log(NULL, WEIR_LOG_WARN, "seen");
    weir_log_watch(NULL, NULL);
    weir_log(NULL, WEIR_LOG_WARN, "not seen");
    assert_non_null(strstr(seen, "\"msg\":\"seen\""));
    assert_int_equal(seen[strlen(seen) - 1], '}');         /* without its line end */
    assert_non_null(strstr(logged(), "\"msg\":\"seen\"")); /* and written all the same */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, capture, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stuck_sink_does_not_hold_the_end_up), /* before there is a writer */
        cmocka_unit_test(test_a_busy_machine_loses_no_last_line),
        TEST(test_a_line_is_an_object),
        TEST(test_dates_are_those_of_the_calendar),
        TEST(test_levels),
        TEST(test_who_watches_sees_each_line),
        TEST(test_text_is_escaped),
        TEST(test_long_lines_are_cut),
        TEST(test_long_values_leave_the_others),
        TEST(test_a_context_tells_request_and_route),
        cmocka_unit_test(test_L17_a_full_ring_drops_and_tells),
        cmocka_unit_test(test_a_slow_sink_does_not_hold_up),
        cmocka_unit_test(test_after_the_stop_lines_are_written_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
