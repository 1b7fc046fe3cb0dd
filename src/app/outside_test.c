/*
 * Threads that run no fibers: every public function is called from one, with live things of a
 * request, while that goes on. What is for fibers is refused, with a line that names function and
 * thread; nothing happens to the things, and nobody dies. What is for any thread works.
 *
 * The calls stand in ended_calls.h and, what that has no call of, in outside_calls.h: a function
 * that is in neither fails here or in ended_test.c.
 */
#include "app/public_things.h"

#include "app/declared_testing.h"

#include <pthread.h>
#include <sys/prctl.h>

#include "rt/outside.h"

static weir_group *built;
static const weir_checked_sql *statements[1];
static weir_buf buf;
static char bytes[WEIR_DECIMAL_TEXT_MAX + 100];
static weir_decimal decimal;
static weir_uuid uuid;
static weir_wall wall;

static weir_err answer_nothing(weir_ctx *c)
{
    return weir_no_content(c);
}

/* --- the rows ----------------------------------------------------------------------------- */

struct row {
    const char *function;
    void (*call)(void); /* NULL: it is not called */
    bool is_refused;
};

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#define CALL(function, argument, ...)                                                              \
    static void JOIN(call_, __LINE__)(void)                                                        \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }
#define NONE(function, why)
#include "app/ended_calls.h"
#undef CALL
#undef NONE

#define CALL(function, argument, ...) {#function, JOIN(call_, __LINE__), true},
#define NONE(function, why) {#function, NULL, false},
static const struct row rows[] = {
#include "app/ended_calls.h"
};
#define ROWS (sizeof rows / sizeof rows[0])
#undef CALL
#undef NONE

#define ANY(function, ...)                                                                         \
    static void JOIN(other_, __LINE__)(void)                                                       \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }
#define FIBERS(function, ...) ANY(function, __VA_ARGS__)
#define SKIP(function, why)
#include "app/outside_calls.h"
#undef ANY
#undef FIBERS
#undef SKIP

#define ANY(function, ...) {#function, JOIN(other_, __LINE__), false},
#define FIBERS(function, ...) {#function, JOIN(other_, __LINE__), true},
#define SKIP(function, why) {#function, NULL, false},
static const struct row others[] = {
#include "app/outside_calls.h"
};
#define OTHERS (sizeof others / sizeof others[0])

/* --- the thread --------------------------------------------------------------------------- */

static weir_buf *said; /* what is logged */
static int wrong;

static bool is_told(size_t from, const char *function)
{
    char beginning[160];
    snprintf(beginning, sizeof beginning, "\"msg\":\"%s was called on a thread that runs no fibers",
             declared_as_called(function));
    weir_buf_putc(said, '\0');
    said->len--;
    const char *line = said->ptr + from;
    return strstr(line, beginning) != NULL && strstr(line, "\"thread\":\"foreign\"") != NULL &&
           kit_count(line, "\n") == 1;
}

static void complain(const char *function, const char *what)
{
    wrong++;
    print_error("%s on a foreign thread: %s\n", function, what);
}

static const struct row *other_call_of(const char *function)
{
    for (size_t i = 0; i < OTHERS; i++) {
        if (strcmp(others[i].function, function) == 0)
            return &others[i];
    }
    return NULL;
}

static void call_row(const struct row *r)
{
    uint64_t refused = weir__outside_total();
    size_t from = said->len;
    r->call();
    refused = weir__outside_total() - refused;
    if (refused != (r->is_refused ? 1 : 0))
        complain(r->function, r->is_refused ? "not refused" : "refused");
    else if (r->is_refused && !is_told(from, r->function))
        complain(r->function, "not told");
    else if (!r->is_refused && said->len != from)
        complain(r->function, "told");
}

static void *call_all(void *arg)
{
    (void)arg;
    prctl(PR_SET_NAME, "foreign");
    const char *last = "";
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].call != NULL && strcmp(rows[i].function, last) != 0 &&
            other_call_of(rows[i].function) == NULL)
            call_row(&rows[i]);
        last = rows[i].function;
    }
    for (size_t i = 0; i < OTHERS; i++) {
        if (others[i].call != NULL)
            call_row(&others[i]);
    }
    return NULL;
}

/* What its caller sees of a refusal, for one function of each kind of result. */
static void *look_at_results(void *arg)
{
    (void)arg;
    bool is_right =
        weir_exec(live.tx, "SELECT 1") == WEIR_ETHREAD &&
        !weir_rows_next(live.rows, int64_t, &big) &&
        weir_chan_try_send(live.c, live.chan, &number) == WEIR_ETHREAD &&
        weir_chan_len(live.chan) == 0 && weir_alloc(live.c, 8) == NULL &&
        weir_strdup(live.c, WEIR_S("x")).ptr == NULL &&
        weir_file_size(live.c, live.file) == WEIR_ETHREAD &&
        weir_select(live.c, &(weir_select_case){.chan = NULL}, 1, weir_ms(0), NULL) == WEIR_ETHREAD;
    weir_ctx *none = weir_ctx_open(live.c);
    weir_chan *nothing_to_send_to = weir_chan_new(none, int, 1);
    is_right &= none != NULL && nothing_to_send_to != NULL &&
                weir_chan_send(none, nothing_to_send_to, &number) == WEIR_ETHREAD;
    live.stream = (weir_stream *)(void *)none; /* for a look from a fiber */
    live.c = is_right ? live.c : NULL;
    return NULL;
}

static void run_thread(void *(*fn)(void *arg))
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fn, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* --- the request -------------------------------------------------------------------------- */

static weir_err use_none(weir_ctx *c, void *arg)
{
    (void)c;
    return weir_check(arg);
}

static weir_err hold(weir_ctx *c)
{
    make_things(&live, c, "live");
    assert_int_equal(weir_chan_send(c, live.chan, &number), WEIR_OK);
    live.stream = weir_stream_begin(c, 200, "text/plain");
    dead = live; /* all of it is alive */
    weir_stream *stream = live.stream;
    said->len = 0;
    run_thread(call_all);
    assert_int_equal(wrong, 0);
    run_thread(look_at_results);
    assert_non_null(live.c);
    assert_int_equal(weir_protect(c, use_none, live.stream), WEIR_EPANIC);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "weir_check: the context has ended"));
    weir_error_clear(c);
    /* As it was. */
    assert_int_equal(weir_chan_len(live.chan), 1);
    assert_int_equal(weir_topic_subscribers(live.topic), 1);
    assert_true(weir_rows_next(live.rows, int64_t, &big));
    assert_int_equal(weir_exec(live.tx, "INSERT INTO t VALUES (1)"), WEIR_OK);
    assert_int_equal(weir_commit(live.tx), WEIR_OK);
    weir_err err = weir_stream_write(stream, WEIR_S("well"));
    return err < 0 ? err : weir_stream_end(stream, WEIR_OK);
}

static void build(weir_group *app)
{
    built = app;
    weir_get(app, "/hold", hold);
}

static void serve_one(struct kit *k)
{
    said = &k->log;
    live.shared = weir_chan_new(weir__ctx_handle(weir__self->runtime->app), int, 1);
    assert_int_equal(kit_status(kit_get(k, "/hold")), 200);
    assert_int_equal(weir_chan_len(live.shared), 1); /* what was posted */
}

static void test_every_function_on_a_foreign_thread(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    kit_run(build, serve_one);
}

static void test_no_function_is_without_a_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].call == NULL && other_call_of(rows[i].function) == NULL)
            fail_msg("%s has no row in outside_calls.h", rows[i].function);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_function_on_a_foreign_thread),
        cmocka_unit_test(test_no_function_is_without_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
