/*
 * Use after the end: every public function that takes a context, or something that a context owns,
 * is called with a dead one, and must panic with a message that names function, argument and rule.
 * The rows stand in ended_calls.h; they are compared with the public headers, so that a function
 * that is added without a row fails here.
 *
 * The dead things are those of a request that has been answered: its handler leaves them behind.
 */
#include "web/web_test_kit.h"

#include <glob.h>
#include <unistd.h>

#include <weir/weir.h>

WEIR_HANDLE(anything, int);

static struct things {
    weir_ctx *c;
    weir_chan *chan;
    weir_mutex *mutex;
    weir_sem *sem;
    weir_cond *cond;
    weir_wait_group *group;
    weir_once *once;
    weir_stream *stream;
    weir_db *db;
    weir_rows *rows;
    weir_tx *tx;
    weir_file *file;
    weir_socket *socket;
    weir_topic *topic;
    weir_subscription *subscription;
} live, dead;

static const weir_key number_key = {"number", sizeof(int)};
static int number;
static int64_t big;
static double real;
static bool truth;
static weir_str text;
static char folder[] = "/tmp/weir-ended-XXXXXX";

/* What a constructor returns is of no interest: it must not return. */
static void use(const void *p)
{
    __asm__ volatile("" ::"r"(p) : "memory");
}

static weir_err nothing(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return WEIR_OK;
}

static weir_err compute(void *arg)
{
    (void)arg;
    return WEIR_OK;
}

static int select_one(weir_ctx *c, weir_chan *ch)
{
    weir_select_case arms[] = {{.chan = ch, .recv = &number}};
    return weir_select(c, arms, 1, weir_ms(0), NULL);
}

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

static void make_things(struct things *t, weir_ctx *c, const char *db_name)
{
    static char path[128];
    t->c = c;
    t->chan = weir_chan_new(c, int, 4);
    t->mutex = weir_mutex_new(c);
    t->sem = weir_sem_new(c, 4);
    t->cond = weir_cond_new(c);
    t->group = weir_wait_group_new(c);
    t->once = weir_once_new(c);
    snprintf(path, sizeof path, "%s/%s.db", folder, db_name);
    t->db = weir_sqlite_open(c, .path = path, .create = true, .pool = {.max_open = 2});
    assert_int_equal(weir_db_err(t->db), WEIR_OK);
    t->rows = weir_query(c, t->db, "SELECT 1");
    t->file = weir_file_temp(c);
    t->socket = weir_dial(c, "no address");
    t->topic = weir_topic_new(c, int);
    t->subscription = weir_subscribe(c, t->topic);
    weir_error_clear(c);
    t->tx = weir_begin(c, t->db);
    assert_int_equal(weir_exec(t->tx, "CREATE TABLE IF NOT EXISTS t(i INTEGER)"), WEIR_OK);
}

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

/* The function as those who read the message call it: the macro's name, where there is one. */
static const char *name_of(const char *function)
{
    static char name[64];
    if (strcmp(function, "weir_go_at") == 0)
        return "WEIR_GO";
    if (strcmp(function, "weir_join_as") == 0)
        return "weir_join";
    snprintf(name, sizeof name, "%s", function);
    size_t n = strlen(name);
    if (strcmp(name + n - 3, "_at") == 0)
        name[n - 3] = '\0';
    return name;
}

static bool says(const char *message, const struct row *r)
{
    char beginning[160];
    snprintf(beginning, sizeof beginning, "%s: the %s ", name_of(r->function), r->argument);
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
    weir_ctx *sub = weir_ctx_open(c);
    weir_chan *ch = weir_chan_new(sub, int, capacity);
    assert_int_equal(weir_chan_send(sub, ch, &number), WEIR_OK);
    (void)weir_ctx_close(sub);
    return ch;
}

static weir_err takes_its_place(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *old = channel_of(c, 4);
    weir_ctx *sub = weir_ctx_open(c);
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

/* The functions of a header: after WEIR_API, up to the semicolon, the first "weir_…(". */
static int check_header(const char *path, size_t *functions)
{
    static char source[1 << 20];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    source[fread(source, 1, sizeof source - 1, f)] = '\0';
    fclose(f);
    int missing = 0;
    for (char *at = source; (at = strstr(at, "\nWEIR_API ")) != NULL; at++) {
        char *end = strchr(at, ';'), *paren = strchr(at, '(');
        if (paren == NULL || paren > end || strncmp(at + 10, "extern", 6) == 0)
            continue; /* no function */
        while (strncmp(at, "weir_", 5) != 0 || strcspn(at, " *(") != (size_t)(paren - at)) {
            at++;
            if (at >= paren) /* an attribute comes first */
                paren = strchr(paren + 1, '(');
            assert_true(paren != NULL && paren < end);
        }
        ++*functions;
        if (!is_listed(at, (size_t)(paren - at))) {
            print_error("%.*s (%s) has no row in ended_calls.h\n", (int)(paren - at), at, path);
            missing++;
        }
    }
    return missing;
}

static void test_no_public_function_is_without_a_row(void **state)
{
    (void)state;
    char pattern[512];
    glob_t found;
    const char *root = getenv("WEIR_SOURCE");
    size_t functions = 0;
    int missing = 0;
    snprintf(pattern, sizeof pattern, "%s/include/weir/*.h", root != NULL ? root : ".");
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        missing += check_header(found.gl_pathv[i], &functions);
    globfree(&found);
    assert_int_equal(missing, 0);
    assert_in_range(functions, 120, ROWS); /* the scan sees them */
}

static int clean_up(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
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
