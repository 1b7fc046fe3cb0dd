/*
 * Texts that are given to calls are the caller's again when they return: here each lies in one page
 * that is overwritten behind the call, and what was made must do as it was told. HTTP clients have
 * theirs in http/client/open_test.c, TLS in net/tls_handle_test.c; what is kept says so in its
 * header (<weir/app.h>, weir_error_table, weir_static, <weir/metric.h>).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rt/sim.h"
#include <weir/test.h>
#include <weir/weir.h>

static char folder[] = "/tmp/weir-texts-XXXXXX";

/* --- what is given ---------------------------------------------------------------------------- */

static char page[4096];
static size_t page_used;

static const char *give(const char *text)
{
    size_t size = strlen(text) + 1;
    assert_true(size <= sizeof page - page_used);
    char *copy = memcpy(page + page_used, text, size);
    page_used += size;
    return copy;
}

static const char *give_path(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return give(path);
}

/* Without a NUL, but for the last: who still reads them reads nonsense. */
static void take_back(void)
{
    memset(page, '~', sizeof page - 1);
    page_used = 0;
}

/* --- what is opened --------------------------------------------------------------------------- */

static weir_err has_record_of(weir_ctx *c, const char *part)
{
    const weir_error *e = weir_last_error(c);
    assert_non_null(e);
    if (strstr(e->message.ptr, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, e->message.ptr);
    weir_error_clear(c);
    return WEIR_OK;
}

typedef struct {
    int64_t a;
} row;
WEIR_MODEL(row, (a));

/* Connections are opened later too, so a path that changes is another file. */
static weir_err opens_a_database(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_db *db =
        weir_sqlite_open(c, .path = give_path("t.db"), .create = true, .pool.max_open = 2);
    take_back();
    assert_int_equal(weir_db_err(db), WEIR_OK);
    assert_int_equal(weir_exec_script(c, db, give("CREATE TABLE t(a); INSERT INTO t VALUES (7);")),
                     WEIR_OK);
    take_back();
    weir_rows *rows = weir_query(c, db, give("SELECT a FROM t WHERE a = ?"), 7);
    take_back();
    row found = {0};
    assert_true(weir_rows_next(rows, row, &found));
    assert_int_equal(found.a, 7);
    return WEIR_OK;
}

static weir_err opens_files(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_file *f = weir_file_open(c, give_path("none"));
    take_back();
    assert_int_equal(weir_file_err(f), -ENOENT);
    weir_error_clear(c);
    f = weir_file_open(c, give_path("some"), .flags = O_RDONLY | O_CREAT, .mode = 0600);
    take_back();
    assert_int_equal(weir_file_write(c, f, "x", 1), -EBADF);
    (void)has_record_of(c, "/some");
    f = weir_file_temp(c, .folder = give(folder), .bytes_max = 4);
    take_back();
    assert_int_equal(weir_file_write(c, f, "12345", 5), WEIR_ETOOLARGE);
    return has_record_of(c, folder);
}

static weir_err starts_a_program(weir_ctx *c, void *arg)
{
    char out[32] = "";
    (void)arg;
    const char *const argv[] = {give("/bin/sh"), give("-c"), give("sleep 0.1; echo $TEXT; pwd"),
                                NULL};
    const char *const env[] = {give("TEXT=given"), NULL};
    weir_process *p = weir_spawn(c, argv, .env = env, .dir = give("/"));
    take_back();
    ssize_t n, at = 0;
    while ((n = weir_process_read(c, p, out + at, sizeof out - 1 - (size_t)at)) > 0)
        at += n;
    assert_string_equal(out, "given\n/\n");
    return WEIR_OK;
}

static weir_err dials(weir_ctx *c, void *arg)
{
    char where[32];
    (void)arg;
    snprintf(where, sizeof where, "127.0.0.1:%d", weir__sim_listen());
    weir_socket *s = weir_dial(c, give(where));
    take_back();
    assert_int_equal(weir_socket_err(s), WEIR_OK);
    weir_socket *none = weir_dial(c, give("127.0.0.1:1"));
    take_back();
    assert_int_equal(weir_socket_err(none), -ECONNREFUSED);
    return has_record_of(c, "127.0.0.1:1");
}

static void test_what_is_opened(void **state)
{
    (void)state;
    static const weir_fiber_fn all[] = {opens_a_database, opens_files, starts_a_program, dials};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_int_equal(weir__sim_run(all[i], NULL), WEIR_OK);
}

/* --- what is said before the start, and in a handler ------------------------------------------ */

static weir_err greet(weir_ctx *c)
{
    weir_str name = weir_param(c, "name");
    weir_err err = weir_set_header(c, give("X-Greeting"), weir_str_from(give("yes")));
    if (err == WEIR_OK)
        err = weir_add_header(c, give("X-Greeting"), weir_str_from(give("indeed")));
    if (err == WEIR_OK)
        err = weir_cookie_set(c, give("seen"), weir_str_from(give("1")), .path = give("/here"));
    take_back();
    return err < 0 ? err : weir_textf(c, 200, "hello, " WEIR_STR_FMT, WEIR_STR_ARG(name));
}

static weir_err refuse(weir_ctx *c)
{
    weir_err err = weir_fail(c, 409, "%s", give("out of it"));
    take_back();
    return err;
}

static weir_err count(weir_ctx *c)
{
    int64_t n = 0;
    weir_err err = weir_query_param_i64(c, give("count"), &n);
    take_back();
    return err < 0 ? weir_fail_bind(c) : weir_no_content(c);
}

static void test_what_is_said(void **state)
{
    (void)state;
    char *argv[] = {(char[]){"texts"}, NULL};
    weir_app *app = weir_app_new(1, argv);
    weir_group *group = weir_group_new(app, give("/group"));
    weir_get(group, give("/greet/:name"), greet);
    weir_get(app, give("/refuse"), refuse);
    weir_get(app, give("/count"), count);
    take_back();
    weir_test *t = weir_test_open(app);
    weir_test_reply r = weir_test_request(t, "GET", "/group/greet/Ada");
    assert_int_equal(r.status, 200);
    assert_true(weir_str_eq(r.body, WEIR_S("hello, Ada")));
    assert_true(weir_str_eq(weir_test_header(&r, "X-Greeting"), WEIR_S("yes")));
    assert_non_null(strstr(weir_test_header(&r, "Set-Cookie").ptr, "seen=1; Path=/here"));
    r = weir_test_request(t, "GET", "/refuse");
    assert_int_equal(r.status, 409);
    assert_non_null(strstr(r.body.ptr, "out of it"));
    r = weir_test_request(t, "GET", "/count?count=many");
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body.ptr, "/count"));
    assert_string_equal(weir_test_close(t), "");
}

/* --- all -------------------------------------------------------------------------------------- */

static int make(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int unmake(void **state)
{
    static const char *const names[] = {"t.db", "t.db-wal", "t.db-shm", "some"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder); /* fails, and the test with it, when something else was made */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_opened),
        cmocka_unit_test(test_what_is_said),
    };
    return cmocka_run_group_tests_name("texts", tests, make, unmake);
}
