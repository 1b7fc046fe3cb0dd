/*
 * Loops that do not look at what their calls return, of the rooms above rt: streams whose client
 * has gone, transactions and rows that are dead, lines before a pool that is full, bodies that have
 * failed or ended. Others go on beside them, and the fiber panics in the end: after a thousand
 * calls, or after a hundred thousand where the first error is kept and need only be looked at last.
 * Those of rt are in rt/refused_test.c.
 */
#include "app/folder_testing.h"
#include "web/web_test_kit.h"

#include <unistd.h>

#include <weir/client.h>
#include <weir/socket.h>
#include <weir/weir.h>

static char folder[] = "/tmp/weir-refused-XXXXXX";
static weir_ctx *c;
static weir_stream *bytes, *array;
static weir_db *db, *no_db;
static weir_tx *dead, *ended;
static weir_cache *no_cache;
static weir_rows *rows;
static weir_socket *gone;
static weir_http *http;
static weir_reply *reply, *asked;
static int64_t big;
static weir_str text;
static char byte;

#define KINDS(KIND)                                                                                \
    KIND(stream_write, 100000, (void)weir_stream_write(bytes, WEIR_S("x")))                        \
    KIND(stream_flush, 100000, (void)weir_stream_flush(bytes))                                     \
    KIND(stream_put, 100000, (void)weir_stream_put(array, int64_t, &big))                          \
    KIND(exec, 100000, weir_exec(dead, "SELECT 1"))                                                \
    KIND(exec_ended, 100000, weir_exec(ended, "SELECT 1"))                                         \
    KIND(commit, 100000, (void)!weir_commit(ended))                                                \
    KIND(query_one, 100000, (void)!weir_query_one(c, dead, int64_t, &big, "SELECT 1"))             \
    KIND(no_database, 100000, (void)!weir_query_one(c, no_db, int64_t, &big, "SELECT 1"))          \
    KIND(rows_next, 100000, (void)!weir_rows_next(rows, int64_t, &big))                            \
    KIND(body, 1000, (void)!weir_body(c, 1, &text))                                                \
    KIND(body_read, 1000, (void)!weir_body_read(c, &byte, 1))                                      \
    KIND(body_end, 1000, (void)!weir_body_read(c, &byte, 1))                                       \
    KIND(pool_line, 1000, (void)!weir_db_exec(c, db, NULL, "SELECT 1"))                            \
    KIND(cache_get, 1000, (void)!weir_cache_get(c, no_cache, text, int64_t, &big, NULL, NULL))     \
    KIND(cache_put, 1000, (void)!weir_cache_put(c, no_cache, text, int64_t, &big))                 \
    KIND(dial, 1000, gone = weir_dial(c, "no address"))                                            \
    KIND(http_do, 1000, asked = weir_http_get(c, http, "no target"))                               \
    KIND(http_write, 100000, (void)!weir_http_write(reply, "x", 1))                                \
    KIND(http_finish, 100000, weir_http_finish(reply))                                             \
    KIND(reply_read, 100000, (void)!weir_reply_read(reply, &byte, 1))                              \
    KIND(reply_json, 100000, (void)!weir_reply_json(reply, int64_t, &big))

struct kind {
    const char *name;
    int most;
    void (*call)(void);
};

#define KIND(name, most, call)                                                                     \
    static void call_##name(void)                                                                  \
    {                                                                                              \
        call;                                                                                      \
    }
KINDS(KIND)
#undef KIND
#define KIND(name, most, call) {#name, most, call_##name},
static const struct kind kinds[] = {KINDS(KIND)};
#undef KIND
#define COUNT (sizeof kinds / sizeof kinds[0])

static bool is(const struct kind *k, const char *name)
{
    return strcmp(k->name, name) == 0;
}

static void make_things(const struct kind *k)
{
    char path[128];
    snprintf(path, sizeof path, "%s/db", folder);
    db = weir_sqlite_open(c, .path = path, .create = true,
                          .pool = {.max_open = 1, .waiters_max = 1});
    no_db = weir_sqlite_open(c, .path = "/no folder/db");
    no_cache = weir_cache_new(weir__ctx_handle(weir__self->runtime->app), .name = "no bounds");
    dead = weir_begin(c, db);
    weir_exec(dead, "no statement");
    ended = dead;
    http = weir_http_open(c, .base = "unix:/no socket");
    reply = weir_http_get(c, http, "no target");
    rows = weir_query(c, db, "SELECT 1 AS x WHERE 0");
    assert_false(weir_rows_next(rows, int64_t, &big));
    bytes = weir_stream_begin(c, 200, "text/plain"); /* a second one is dead */
    bytes = weir_stream_begin(c, 200, "text/plain");
    array = weir_json_array(c, 200);
    weir_error_clear(c);
    if (is(k, "body_end"))
        assert_int_equal(weir_body_read(c, &byte, 1), 1);
    if (is(k, "exec_ended") || is(k, "commit"))
        weir_rollback(ended);
}

static int calls;

static weir_err looks_at_nothing(weir_ctx *own, void *arg)
{
    const struct kind *k = arg;
    (void)own;
    for (calls = 0; calls < 10 * k->most; calls++)
        k->call();
    return WEIR_OK;
}

static int beside;
static bool is_over;

static weir_err lives_beside(weir_ctx *own, void *arg)
{
    (void)arg;
    for (beside = 0; !is_over; beside++) {
        weir_err err = weir_yield(own);
        if (err < 0)
            return err;
    }
    return WEIR_OK;
}

static weir_err spins(weir_ctx *handler)
{
    WEIR_SCOPE(others, handler);
    is_over = false;
    int64_t i = 0;
    c = handler;
    assert_int_equal(weir_param_i64(c, "kind", &i), WEIR_OK);
    const struct kind *k = &kinds[i];
    make_things(k);
    assert_int_equal(WEIR_GO(others, lives_beside, NULL), WEIR_OK);
    weir_err err = weir_protect(c, looks_at_nothing, (void *)(uintptr_t)k);
    const weir_error *e = weir_last_error(c);
    char said[64];
    snprintf(said, sizeof said, "%d waits in a row have failed at once", k->most);
    if (err != WEIR_EPANIC || strstr(e->message.ptr, said) == NULL || calls > k->most ||
        beside < k->most / 10 * 9)
        fail_msg("%s: %d calls, %d turns of the other, %s", k->name, calls, beside,
                 err < 0 && e != NULL ? e->message.ptr : "no panic");
    is_over = true;
    return WEIR_OK;
}

static void build(weir_group *app)
{
    weir_post(app, "/spin/:kind", spins, .body_bytes_max = 4);
}

static void ask_each(struct kit *k)
{
    for (size_t i = 0; i < COUNT; i++) {
        char path[32];
        snprintf(path, sizeof path, "/spin/%zu", i);
        (void)kit_post_json(k, path, is(&kinds[i], "body_end") ? "1" : "123456789");
        assert_true(is_over);
    }
}

static void test_others_go_on_and_it_ends(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    kit_run(build, ask_each);
}

static int clean_up(void **state)
{
    (void)state;
    return folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_others_go_on_and_it_ends)};
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
