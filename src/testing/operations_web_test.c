/*
 * Requests and responses tried everywhere, as operations_test.c tries the rest, and with a client
 * that leaves: each way to take a body and to answer, in a service of a few routes.
 */
#include "http/over_testing.h"
#include "testing/operations_testing.h"
#include "testing/testing.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <weir/weir.h>

/* What is asked is longer than what a connection reads at a time: it comes in parts. */
enum { BODY_BYTES = 100 << 10 };
static char body[BODY_BYTES + 1];
static char folder[64], path[96];

/* --- the routes --------------------------------------------------------------------------- */

static weir_err keep_whole(weir_ctx *c)
{
    weir_str whole;
    if (weir_body(c, 0, &whole) < 0)
        return weir_fail_bind(c);
    return weir_bytes(c, 200, "application/octet-stream", whole);
}

static weir_err spool_body(weir_ctx *c, weir_file *f)
{
    char bytes[16 << 10];
    ssize_t n;
    weir_err err = WEIR_OK;
    while (err == WEIR_OK && (n = weir_body_read(c, bytes, sizeof bytes)) != 0)
        err = n > 0 ? weir_file_write(c, f, bytes, (size_t)n) : (weir_err)n;
    return err;
}

static weir_err send_spooled(weir_ctx *c, weir_file *f)
{
    char bytes[16 << 10];
    ssize_t n;
    uint64_t at = 0;
    weir_stream *out = weir_stream_begin(c, 200, "application/octet-stream");
    while ((n = weir_file_pread(c, f, bytes, sizeof bytes, at)) > 0) {
        if (weir_stream_write(out, (weir_str){bytes, (size_t)n}) < 0)
            break;
        if (at == 0)
            (void)weir_stream_flush(out);
        at += (uint64_t)n;
    }
    return weir_stream_end(out, n < 0 ? (weir_err)n : WEIR_OK);
}

/* Through a temporary file, in parts both ways. */
static weir_err keep_in_parts(weir_ctx *c)
{
    weir_file *f = weir_file_temp(c, .folder = folder);
    weir_err err = spool_body(c, f);
    return err < 0 ? err : send_spooled(c, f);
}

/* The file is there, whatever the kernel says in a run: who does not find it is to blame. */
static weir_err give_file(weir_ctx *c)
{
    weir_err err = weir_file(c, weir_param(c, "name"), .root = folder, .download = "it.bin");
    const weir_error *e = weir_last_error(c);
    if (err == WEIR_OK || e == NULL || e->status != 404)
        return err;
    weir_error_clear(c);
    return weir_fail(c, 500, "the file is gone");
}

typedef struct {
    weir_str name;
    int64_t age;
} person;
WEIR_MODEL(person, (name, .required = true), (age, .min = 0));

static weir_err take_form(weir_ctx *c)
{
    person in;
    if (weir_bind_form(c, person, &in) < 0)
        return weir_fail_bind(c);
    weir_str age = weir_sprintf(c, "%lld", (long long)in.age);
    weir_err err = age.ptr != NULL ? weir_set_header(c, "X-Age", age) : -ENOMEM;
    if (err == WEIR_OK)
        err = weir_cookie_set(c, "name", in.name, .max_age = weir_hour(1));
    return err < 0 ? err : weir_redirect(c, 303, WEIR_S("/thanks"));
}

static weir_err list_people(weir_ctx *c)
{
    weir_stream *out = weir_json_array(c, 200);
    for (int64_t i = 0; i < 3; i++)
        weir_stream_put(out, person, (&(person){WEIR_S("Ada"), i}));
    return weir_stream_end(out, WEIR_OK);
}

static weir_app *new_app(void *arg)
{
    static char *argv[] = {(char *)"operations", (char *)"--log-level=warn", NULL};
    (void)arg;
    weir_app *app = weir_app_new(2, argv, .name = "operations");
    weir_use(app, weir_mw_recover);
    weir_post(app, "/whole", keep_whole);
    weir_post(app, "/parts", keep_in_parts);
    weir_get(app, "/file/:name", give_file);
    weir_post(app, "/form", take_form);
    weir_get(app, "/people", list_people);
    return app;
}

/* --- what is asked ------------------------------------------------------------------------ */

/* A response that says it is fine is the right one. */
static weir_err is_body(weir_ctx *c, const weir_test_reply *r, void *arg)
{
    (void)arg;
    bool is_right = r->body.len == BODY_BYTES && memcmp(r->body.ptr, body, BODY_BYTES) == 0;
    if (r->is_whole && r->status == 200 && !is_right)
        return weir_raise(c, WEIR_EFAIL, "%zu other bytes than those asked for", r->body.len);
    return WEIR_OK;
}

static weir_err is_list(weir_ctx *c, const weir_test_reply *r, void *arg)
{
    static const char list[] = "[{\"name\":\"Ada\",\"age\":0},{\"name\":\"Ada\",\"age\":1},"
                               "{\"name\":\"Ada\",\"age\":2}]";
    (void)arg;
    if (r->is_whole && r->status == 200 && !weir_str_eq(r->body, weir_str_from(list)))
        return weir_raise(c, WEIR_EFAIL, "the list is " WEIR_STR_FMT, WEIR_STR_ARG(r->body));
    return WEIR_OK;
}

static weir_err is_greeting(weir_ctx *c, const weir_test_reply *r, void *arg)
{
    (void)arg;
    if (r->status == 303 && (weir_test_header(r, "Set-Cookie").ptr == NULL ||
                             !weir_str_eq(weir_test_header(r, "X-Age"), WEIR_S("36"))))
        return weir_raise(c, WEIR_EFAIL, "redirected without its headers");
    return WEIR_OK;
}

static int make_folder(void **state)
{
    (void)state;
    const char *ram = "/dev/shm"; /* where a flush costs nothing */
    for (size_t i = 0; i < BODY_BYTES; i++)
        body[i] = (char)('a' + i * 31 % 25);
    snprintf(folder, sizeof folder, "%s/weir-operations-XXXXXX",
             access(ram, W_OK) == 0 ? ram : "/tmp");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/it", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, body, BODY_BYTES) == BODY_BYTES;
    return fd >= 0 && close(fd) == 0 && is_written ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

struct asked {
    const char *name;
    int status; /* when nothing fails */
    const char *method, *target, *headers;
    weir_str body;
    weir_err (*after)(weir_ctx *c, const weir_test_reply *r, void *arg);
    struct least least;
};

static void ask_everywhere(const struct asked *a)
{
    weir_test_report r =
        weir_test_everywhere(.name = a->name, .app = new_app, .method = a->method,
                             .target = a->target, .with = {.headers = a->headers, .body = a->body},
                             .after = a->after);
    /* Over TLS and HTTP/2 the server reads in larger parts, and waits less often. */
    struct least least = a->least;
    bool is_h1 = !over_is(OVER_TLS | OVER_H2);
    check(a->name, r,
          is_h1 ? least
                : (struct least){least.waits / 2, least.allocations, least.calls / 2, 0, 0});
    if (getenv("WEIR_TEST_REPLAY") != NULL)
        return;
    assert_int_equal(r.status, a->status);
    assert_int_equal(r.gone, r.waits);
}

static void requests_everywhere(void **state)
{
    static const char form[] = "Content-Type: application/x-www-form-urlencoded";
    static const char range[] = "Range: bytes=10-19";
    const weir_str whole = {body, BODY_BYTES};
    const struct asked asked[] = {
        {"a body as a whole", 200, "POST", "/whole", NULL, whole, is_body, {12, 5, 140, 0, 0}},
        {"a body in parts", 200, "POST", "/parts", NULL, whole, is_body, {23, 6, 280, 0, 0}},
        {"a file", 200, "GET", "/file/it", NULL, {0}, is_body, {6, 8, 200, 0, 0}},
        {"a part of a file", 206, "GET", "/file/it", range, {0}, NULL, {0, 9, 80, 0, 0}},
        {"a form",
         303,
         "POST",
         "/form",
         form,
         WEIR_S("name=Ada%2DL&age=36"),
         is_greeting,
         {0, 6, 40, 0, 0}},
        {"a list", 200, "GET", "/people", NULL, {0}, is_list, {0, 4, 40, 0, 0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        ask_everywhere(&asked[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(requests_everywhere)};
    over_begin();
    weir__test_prepares = over_server;
    return cmocka_run_group_tests_name("operations on requests", tests, make_folder, remove_folder);
}
