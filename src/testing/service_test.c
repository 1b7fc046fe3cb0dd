/*
 * Requests without a socket: what goes in, what comes out, time that costs nothing, and what is
 * said of a service that leaves things behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/test.h>
#include <weir/weir.h>

typedef struct {
    weir_str name;
    int64_t age;
} person;
WEIR_MODEL(person, (name, .required = true), (age, .min = 0));

static weir_err hello(weir_ctx *c)
{
    weir_str name = weir_param(c, "name");
    weir_err err = weir_set_header(c, "X-Greeting", WEIR_S("yes"));
    return err < 0 ? err : weir_textf(c, 200, "hello, " WEIR_STR_FMT "\n", WEIR_STR_ARG(name));
}

static weir_err echo(weir_ctx *c)
{
    person p;
    if (weir_bind_json(c, person, &p) < 0)
        return weir_fail_bind(c);
    return weir_json(c, 201, person, &p);
}

static weir_err bytes(weir_ctx *c)
{
    weir_str body;
    if (weir_body(c, 0, &body) < 0)
        return weir_fail_bind(c);
    return weir_textf(c, 200, "%zu", body.len);
}

static weir_err people(weir_ctx *c)
{
    weir_stream *out = weir_json_array(c, 200);
    for (int64_t i = 0; i < 5000; i++)
        weir_stream_put(out, person, (&(person){WEIR_S("somebody"), i}));
    return weir_stream_end(out, WEIR_OK);
}

static weir_err slow(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_sec(20));
    return err < 0 ? err : weir_text(c, 200, "at last\n");
}

static int gone;

static weir_err wait_for_client(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_sec(20));
    gone += err == WEIR_ECLIENTGONE;
    return err;
}

static weir_err work(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_sleep(c, weir_sec(5));
}

static weir_err detach(weir_ctx *c)
{
    weir_err err = weir_detach(c, work, NULL, 0, .timeout = weir_sec(3600));
    return err < 0 ? err : weir_text(c, 202, "under way\n");
}

static weir_err forgetful(weir_ctx *c)
{
    weir_mutex *m = weir_mutex_new(c);
    weir_err err = weir_lock(c, m);
    return err < 0 ? err : weir_text(c, 200, "locked\n");
}

static weir_err chat(weir_ctx *c)
{
    weir_log(c, WEIR_LOG_INFO, "somebody came");
    return weir_no_content(c);
}

static char *argv[] = {(char *)"test", NULL};

static weir_app *make_app(void)
{
    weir_app *app = weir_app_new(1, argv, .name = "test");
    weir_use(app, weir_mw_recover);
    weir_get(app, "/hello/:name", hello);
    weir_post(app, "/echo", echo);
    weir_post(app, "/bytes", bytes);
    weir_get(app, "/people", people);
    weir_get(app, "/slow", slow);
    weir_get(app, "/late", slow, .timeout = weir_sec(2));
    weir_get(app, "/wait", wait_for_client);
    weir_post(app, "/detach", detach);
    weir_get(app, "/forgetful", forgetful);
    weir_get(app, "/chat", chat);
    return app;
}

static int set_up(void **state)
{
    *state = weir_test_open(make_app());
    return strcmp(weir_test_error(*state), "") == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    assert_string_equal(weir_test_close(*state), "");
    return 0;
}

static void asks(void **state)
{
    weir_test *t = *state;
    weir_test_reply r = weir_test_request(t, "GET", "/hello/Ada");
    assert_int_equal(r.status, 200);
    assert_true(r.is_whole);
    assert_string_equal(r.body.ptr, "hello, Ada\n");
    assert_true(weir_str_eq(weir_test_header(&r, "x-greeting"), WEIR_S("yes")));
    assert_null(weir_test_header(&r, "X-Other").ptr);
    assert_int_equal(weir_test_request(t, "GET", "/nowhere").status, 404);
    assert_int_equal(weir_test_request(t, "DELETE", "/hello/Ada").status, 405);
    assert_string_equal(weir_test_leaks(t), "");
}

static void heads_have_no_body(void **state)
{
    weir_test_reply r = weir_test_request(*state, "HEAD", "/hello/Ada");
    assert_int_equal(r.status, 200);
    assert_true(r.is_whole);
    assert_true(weir_str_eq(weir_test_header(&r, "Content-Length"), WEIR_S("11")));
    assert_string_equal(r.body.ptr, "");
}

static void sends_bodies(void **state)
{
    weir_test *t = *state;
    weir_test_reply r =
        weir_test_request(t, "POST", "/echo", .json = "{\"name\":\"Ada\",\"age\":36}");
    assert_int_equal(r.status, 201);
    assert_string_equal(r.body.ptr, "{\"name\":\"Ada\",\"age\":36}");
    assert_int_equal(weir_test_request(t, "POST", "/echo", .json = "{}").status, 400);
    r = weir_test_request(t, "POST", "/echo", .body = WEIR_S("{}"),
                          .headers = "Content-Type: text/plain\nX-More: 1");
    assert_int_equal(r.status, 415);
    static char large[300000];
    memset(large, 'x', sizeof large);
    r = weir_test_request(t, "POST", "/bytes", .body = {large, sizeof large});
    assert_string_equal(r.body.ptr, "300000");
    r = weir_test_request(t, "POST", "/bytes", .body = {large, sizeof large},
                          .headers = "Expect: 100-continue");
    assert_string_equal(r.body.ptr, "300000");
}

static void streams_are_put_together(void **state)
{
    weir_test_reply r = weir_test_request(*state, "GET", "/people");
    assert_int_equal(r.status, 200);
    assert_true(r.is_whole);
    assert_true(weir_str_eq(weir_test_header(&r, "Transfer-Encoding"), WEIR_S("chunked")));
    assert_true(r.body.len > 100000);
    assert_memory_equal(r.body.ptr, "[{\"name\":\"somebody\",\"age\":0},", 29);
    assert_memory_equal(r.body.ptr + r.body.len - 13, ",\"age\":4999}]", 13);
}

static weir_err read_clock(weir_ctx *c, void *out)
{
    (void)c;
    *(weir_time *)out = weir_now();
    return WEIR_OK;
}

static void time_is_virtual(void **state)
{
    weir_test *t = *state;
    weir_time began, ended;
    assert_int_equal(weir_test_run(t, read_clock, &began), WEIR_OK);
    assert_int_equal(weir_test_request(t, "GET", "/slow").status, 200);
    assert_int_equal(weir_test_run(t, read_clock, &ended), WEIR_OK);
    assert_in_range(weir_time_sub(ended, began).ns, 20000000000, 20100000000);
    assert_int_equal(weir_test_request(t, "GET", "/late").status, 504);
    weir_test_advance(t, weir_sec(1000));
    assert_int_equal(weir_test_run(t, read_clock, &began), WEIR_OK);
    assert_in_range(weir_time_sub(began, ended).ns, 1002000000000, 1003000000000);
}

static void clients_go(void **state)
{
    weir_test_reply r = weir_test_request(*state, "GET", "/wait", .gone_after = weir_ms(50));
    assert_int_equal(r.status, 0);
    assert_string_equal(weir_test_leaks(*state), "");
    assert_int_equal(gone, 1);
}

static void background_work_is_waited_for(void **state)
{
    assert_int_equal(weir_test_request(*state, "POST", "/detach").status, 202);
    assert_string_equal(weir_test_leaks(*state), "");
}

static void mistakes_are_leaks(void **state)
{
    assert_int_equal(weir_test_request(*state, "GET", "/forgetful").status, 200);
    assert_non_null(strstr(weir_test_leaks(*state), "1 things were left open by mistake"));
    assert_non_null(strstr(weir_test_log(*state), "\"func\":\"forgetful\""));
}

static void the_log_is_kept(void **state)
{
    assert_null(strstr(weir_test_log(*state), "somebody came"));
    assert_int_equal(weir_test_request(*state, "GET", "/chat").status, 204);
    assert_non_null(strstr(weir_test_log(*state), "somebody came"));
}

static weir_err fails(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_raise(c, -EIO, "the printer is on fire");
}

static weir_err panics(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    weir_panic("as asked");
}

static void functions_run_in_fibers(void **state)
{
    assert_int_equal(weir_test_run(*state, fails, NULL), -EIO);
    assert_non_null(strstr(weir_test_log(*state), "the printer is on fire"));
    assert_int_equal(weir_test_run(*state, panics, NULL), WEIR_EPANIC);
    assert_string_equal(weir_test_leaks(*state), "");
}

static void needs_no_service(void **state)
{
    (void)state;
    weir_test *t = weir_test_open(NULL);
    assert_string_equal(weir_test_error(t), "");
    assert_int_equal(weir_test_run(t, work, NULL), WEIR_OK);
    assert_int_equal(weir_test_request(t, "GET", "/").status, 0);
    assert_string_equal(weir_test_leaks(t), "");
    assert_string_equal(weir_test_close(t), "");
}

static weir_err cannot_start(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_raise(c, -EIO, "no paper");
}

static void says_why_it_does_not_start(void **state)
{
    (void)state;
    weir_test *t = weir_test_open(weir_app_new(1, argv, .name = "test", .start = cannot_start));
    assert_string_equal(weir_test_error(t), "cannot start: no paper\n");
    assert_int_equal(weir_test_request(t, "GET", "/").status, 0);
    assert_string_equal(weir_test_close(t), "cannot start: no paper\n");

    weir_app *app = weir_app_new(1, argv, .name = "test");
    weir_get(app, "/twice", hello);
    weir_get(app, "/twice", chat);
    t = weir_test_open(app);
    assert_non_null(strstr(weir_test_error(t), "/twice"));
    assert_non_null(strstr(weir_test_close(t), "/twice"));
}

static void a_second_test_ends_the_first(void **state)
{
    (void)state;
    weir_test *t = weir_test_open(make_app());
    assert_int_equal(weir_test_request(t, "GET", "/chat").status, 204);
    t = weir_test_open(make_app());
    assert_int_equal(weir_test_request(t, "GET", "/chat").status, 204);
    assert_string_equal(weir_test_close(t), "");
}

static weir_err opens(weir_ctx *c)
{
    int fd = open("/dev/null", O_RDONLY);
    return weir_textf(c, 200, "%d", fd);
}

static void descriptors_are_counted(void **state)
{
    (void)state;
    weir_app *app = weir_app_new(1, argv, .name = "test");
    weir_get(app, "/", opens);
    weir_test *t = weir_test_open(app);
    int fd = atoi(weir_test_request(t, "GET", "/").body.ptr);
    assert_string_equal(weir_test_close(t), "1 descriptors are left\n");
    close(fd);
    assert_string_equal(weir_test_close(NULL), "");
}

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(asks),
        SERVICE_TEST(heads_have_no_body),
        SERVICE_TEST(sends_bodies),
        SERVICE_TEST(streams_are_put_together),
        SERVICE_TEST(time_is_virtual),
        SERVICE_TEST(clients_go),
        SERVICE_TEST(background_work_is_waited_for),
        SERVICE_TEST(mistakes_are_leaks),
        SERVICE_TEST(the_log_is_kept),
        SERVICE_TEST(functions_run_in_fibers),
        cmocka_unit_test(needs_no_service),
        cmocka_unit_test(says_why_it_does_not_start),
        cmocka_unit_test(a_second_test_ends_the_first),
        cmocka_unit_test(descriptors_are_counted),
    };
    return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
