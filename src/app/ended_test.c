/*
 * Use after the end: every public function that takes a context, or something that a context owns,
 * is called with a dead one, and must panic with a message that names function, argument and rule.
 * The rows stand in ended_calls.h; they are compared with the public headers, so that a function
 * that is added without a row fails here.
 *
 * The dead things are those of a request that has been answered: its handler leaves them behind.
 */
#include "app/public_things.h"

#include "app/declared_testing.h"

/* --- the rows ----------------------------------------------------------------------------- */

struct row {
    const char *function, *argument;
    void (*call)(void);
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

#define CALL(function, argument, ...) {#function, #argument, JOIN(call_, __LINE__)},
#define NONE(function, why) {#function, why, NULL},
static const struct row rows[] = {
#include "app/ended_calls.h"
};
#define ROWS (sizeof rows / sizeof rows[0])

/* --- what is left behind ------------------------------------------------------------------ */

static weir_err leave_behind(weir_ctx *c)
{
    make_things(&dead, c, "dead");
    dead.stream = weir_stream_begin(c, 200, "text/plain");
    weir_err err = weir_stream_write(dead.stream, WEIR_S("left"));
    return err < 0 ? err : weir_stream_end(dead.stream, WEIR_OK);
}

static void build(weir_group *app)
{
    weir_get(app, "/leave", leave_behind);
}

/* --- the test ----------------------------------------------------------------------------- */

static weir_err call_row(weir_ctx *c, void *arg)
{
    (void)c;
    ((const struct row *)arg)->call();
    return WEIR_OK;
}

static bool says(const char *message, const struct row *r)
{
    char beginning[160];
    snprintf(beginning, sizeof beginning, "%s: the %s ", declared_as_called(r->function),
             r->argument);
    return strncmp(message, beginning, strlen(beginning)) == 0 &&
           strstr(message, "has ended") != NULL;
}

static void check_rows(void)
{
    int wrong = 0;
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        if (r->call == NULL)
            continue;
        weir_err err = weir_protect(live.c, call_row, (void *)(uintptr_t)r);
        const weir_error *e = weir_last_error(live.c);
        const char *message =
            err == WEIR_EPANIC && e != NULL ? e->message.ptr : "(it did not panic)";
        if (err == WEIR_EPANIC && says(message, r))
            continue;
        wrong++;
        print_error("%s with a dead %s: %s\n", r->function, r->argument, message);
    }
    assert_int_equal(wrong, 0);
}

static void use_the_dead(struct kit *k)
{
    make_things(&live, k->c, "live");
    weir_rows_close(live.rows);
    weir_rollback(live.tx);
    assert_int_equal(weir_lock(k->c, live.mutex), WEIR_OK);
    assert_int_equal(weir_sem_acquire(k->c, live.sem), WEIR_OK);
    assert_int_equal(kit_status(kit_get(k, "/leave")), 200);
    check_rows();
    /* The same once more, when other requests have used the memory. */
    struct things first = dead;
    for (int i = 0; i < 3; i++)
        assert_int_equal(kit_status(kit_get(k, "/leave")), 200);
    dead = first;
    check_rows();
    weir_sem_release(k->c, live.sem);
    weir_unlock(k->c, live.mutex);
}

static void test_the_dead_are_noticed_by_every_function(void **state)
{
    (void)state; /* A7, B10, L11, L12, L13 */
    assert_non_null(mkdtemp(folder));
    kit_run(build, use_the_dead);
}

/* --- an object in the place of a dead one ------------------------------------------------- */

static weir_chan *channel_of(weir_ctx *c, size_t capacity)
{
    WEIR_SCOPE(sub, c);
    weir_chan *ch = weir_chan_new(sub, int, capacity);
    assert_int_equal(weir_chan_send(sub, ch, &number), WEIR_OK);
    (void)weir_ctx_close(sub);
    return ch;
}

static weir_err takes_its_place(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *old = channel_of(c, 4);
    WEIR_SCOPE(sub, c);
    weir_chan *new = weir_chan_new(sub, int, 4);
    const uintptr_t address = 0xffffffffffffULL;
    assert_int_equal((uintptr_t)old & address, (uintptr_t) new &address);
    assert_ptr_not_equal(old, new);
    assert_int_equal(weir_chan_send(sub, new, &number), WEIR_OK);
    dead.chan = old;
    live.c = sub;
    const struct row r = {"weir_chan_send", "channel", NULL};
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].function, r.function) == 0 && strcmp(rows[i].argument, "channel") == 0)
            assert_int_equal(weir_protect(sub, call_row, (void *)(uintptr_t)&rows[i]), WEIR_EPANIC);
    }
    assert_true(says(weir_last_error(sub)->message.ptr, &r));
    assert_int_equal(weir_chan_len(new), 1);
    return weir_ctx_close(sub);
}

static void test_what_lies_in_its_place_is_not_taken_for_it(void **state)
{
    (void)state;
    weir_buf log;
    weir_buf_init(&log, 1 << 20);
    weir__log_capture(&log);
    assert_int_equal(weir__sim_run(takes_its_place, NULL), WEIR_OK);
    weir__log_capture(NULL);
    weir_buf_fini(&log);
}

/* --- the list is whole -------------------------------------------------------------------- */

static bool is_listed(const char *name, size_t len)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strncmp(rows[i].function, name, len) == 0 && rows[i].function[len] == '\0')
            return true;
    }
    return false;
}

static void check_listed(const struct declared *d, void *missing)
{
    if (is_listed(d->name, (size_t)d->name_len))
        return;
    print_error("%.*s (%s) has no row in ended_calls.h\n", d->name_len, d->name, d->header);
    ++*(int *)missing;
}

static void test_no_public_function_is_without_a_row(void **state)
{
    (void)state;
    int missing = 0;
    size_t functions = declared_each(check_listed, &missing);
    assert_int_equal(missing, 0);
    assert_in_range(functions, 120, ROWS); /* the scan sees them */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_dead_are_noticed_by_every_function),
        cmocka_unit_test(test_what_lies_in_its_place_is_not_taken_for_it),
        cmocka_unit_test(test_no_public_function_is_without_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
