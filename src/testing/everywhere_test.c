/*
 * The driver finds what is planted: a leak at the third wait, at an allocation, at a system call,
 * in one order of two children, when the client goes; an answer that blames the client, a process
 * that dies. Each with the seed that replays it, and beside each a twin without the mistake, of
 * which nothing is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/sys.h"
#include "rt/fiber.h"
#include <weir/test.h>
#include <weir/weir.h>

static char *argv[] = {(char *)"planted", NULL};
static bool is_planted; /* the mistake is in */

static weir_app *app_of(weir_handler handler)
{
    weir_app *app = weir_app_new(1, argv, .name = "planted");
    weir_use(app, weir_mw_recover);
    weir_get(app, "/", handler);
    weir_post(app, "/", handler);
    return app;
}

#define APP(handler)                                                                               \
    static weir_app *app_##handler(void *arg)                                                      \
    {                                                                                              \
        (void)arg;                                                                                 \
        return app_of(handler);                                                                    \
    }

/*
 * Memory that the compiler cannot see through, and that the leak finder of a sanitizer still sees:
 * at the end of this process it is to say nothing.
 */
static __attribute__((noinline)) char *take(size_t n)
{
    static char *taken[1 << 16];
    static size_t count;
    char *p = malloc(n);
    __asm__ volatile("" : "+r"(p)::"memory");
    taken[count++ % (sizeof taken / sizeof taken[0])] = p;
    return p;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* --- at a wait ---------------------------------------------------------------------------- */

static weir_err three_waits(weir_ctx *c)
{
    char *name = take(112);
    weir_err err = weir_sleep(c, weir_ms(1));
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_ms(1));
    if (err == WEIR_OK) {
        err = weir_sleep(c, weir_ms(1));
        if (err < 0 && is_planted)
            return err; /* and `name`? */
    }
    free(name);
    return err < 0 ? err : weir_text(c, 200, "done\n");
}
APP(three_waits)

static void a_leak_at_wait_3_is_found(void **state)
{
    (void)state;
    is_planted = true;
    weir_test_report r =
        weir_test_everywhere(.app = app_three_waits, .method = "GET", .target = "/");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.waits, 3);
    assert_int_equal(r.gone, 3);
    assert_int_equal(r.failures, 2); /* the client that leaves cancels that wait as well */
    assert_has(r.text, "WEIR_TEST_REPLAY='GET /: wait 3'\n    112 bytes of the heap are not given "
                       "back\n    it was: sleep\n");
    assert_has(r.text, "three_waits at src/testing/everywhere_test.c:");
    assert_has(r.text, "WEIR_TEST_REPLAY='GET /: gone 3'\n");
    is_planted = false;
    r = weir_test_everywhere(.app = app_three_waits, .method = "GET", .target = "/");
    assert_string_equal(r.text, "");
    assert_int_equal(r.failures, 0);
    assert_int_equal(r.waits, 3);
    assert_true(r.allocations > 2 && r.calls > 10);
}

/* --- at a limit --------------------------------------------------------------------------- */

static weir_err sleeps(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_sleep(c, weir_ms(1));
}

static weir_err two_sleepers(weir_ctx *c)
{
    char *name = take(112);
    WEIR_SCOPE(group, c);
    weir_err err = WEIR_GO(group, sleeps, NULL);
    if (err == WEIR_OK) {
        err = WEIR_GO(group, sleeps, NULL);
        if (err == WEIR_ELIMIT && is_planted)
            return err; /* and `name`? */
    }
    weir_err joined = weir_join(group);
    free(name);
    err = err < 0 ? err : joined;
    return err < 0 ? err : weir_text(c, 200, "done\n");
}
APP(two_sleepers)

static void a_leak_where_the_second_fiber_is_refused_is_found(void **state)
{
    (void)state;
    is_planted = true;
    weir_test_report r =
        weir_test_everywhere(.app = app_two_sleepers, .method = "GET", .target = "/");
    assert_int_equal(r.refusals, 2);
    assert_has(r.text, "WEIR_TEST_REPLAY='GET /: refusal 2'\n    112 bytes of the heap are not "
                       "given back\n    it was: fibers\n");
    is_planted = false;
    r = weir_test_everywhere(.app = app_two_sleepers, .method = "GET", .target = "/");
    assert_string_equal(r.text, "");
    assert_int_equal(r.refusals, 2);
}

static void a_seed_replays_its_run_alone(void **state)
{
    (void)state;
    is_planted = true;
    setenv("WEIR_TEST_REPLAY", "GET /: wait 3", 1);
    weir_test_report r =
        weir_test_everywhere(.app = app_three_waits, .method = "GET", .target = "/");
    assert_int_equal(r.failures, 1);
    assert_int_equal(r.waits + r.calls + r.allocations, 0);
    assert_has(r.text, "wait 3");
    setenv("WEIR_TEST_REPLAY", "GET /: wait 2", 1);
    r = weir_test_everywhere(.app = app_three_waits, .method = "GET", .target = "/");
    assert_string_equal(r.text, "");
    setenv("WEIR_TEST_REPLAY", "GET /: wait 4", 1);
    r = weir_test_everywhere(.app = app_three_waits, .method = "GET", .target = "/");
    assert_has(r.text, "nothing to hit");
    setenv("WEIR_TEST_REPLAY", "GET /: weight 3", 1);
    r = weir_test_everywhere(.app = app_three_waits, .method = "GET", .target = "/");
    assert_has(r.text, "'weight 3' is no seed");
    setenv("WEIR_TEST_REPLAY", "another: wait 3", 1);
    r = weir_test_everywhere(.app = app_three_waits, .method = "GET", .target = "/");
    assert_string_equal(r.text, "");
    assert_int_equal(r.status, 0);
    unsetenv("WEIR_TEST_REPLAY");
}

/* --- at an allocation --------------------------------------------------------------------- */

static weir_err two_pieces(weir_ctx *c)
{
    char *outside = take(50), *inside = weir_alloc(c, 50);
    if (inside == NULL && is_planted)
        return -ENOMEM; /* and `outside`? */
    free(outside);
    return inside == NULL ? -ENOMEM : weir_text(c, 200, "done\n");
}
APP(two_pieces)

static void a_leak_at_an_allocation_is_found(void **state)
{
    (void)state;
    is_planted = true;
    weir_test_report r =
        weir_test_everywhere(.app = app_two_pieces, .method = "GET", .target = "/");
    assert_int_equal(r.failures, 1);
    assert_has(r.text, "WEIR_TEST_REPLAY='GET /: allocation ");
    assert_has(r.text, "bytes of the heap are not given back");
    assert_has(r.text, "it was: memory\n");
    assert_has(r.text, "two_pieces at src/testing/everywhere_test.c:");
    is_planted = false;
    r = weir_test_everywhere(.app = app_two_pieces, .method = "GET", .target = "/");
    assert_string_equal(r.text, "");
}

/* --- at a system call --------------------------------------------------------------------- */

static weir_err reads_a_file(weir_ctx *c)
{
    char byte = 0;
    int fd = weir__sys_open("/dev/zero", O_RDONLY, 0);
    if (fd < 0)
        return fd;
    ssize_t n = weir__sys_read(fd, &byte, 1);
    if (n == -EIO && is_planted)
        return -EIO; /* and `fd`? */
    weir__sys_close(fd);
    return n < 0 ? (weir_err)n : weir_text(c, 200, "read\n");
}
APP(reads_a_file)

static void a_leak_at_a_system_call_is_found(void **state)
{
    (void)state;
    is_planted = true;
    weir_test_report r =
        weir_test_everywhere(.app = app_reads_a_file, .method = "GET", .target = "/");
    assert_int_equal(r.failures, 1);
    assert_has(r.text, "WEIR_TEST_REPLAY='GET /: call ");
    assert_has(r.text, " EIO'\n    1 descriptors are left\n    it was: read\n");
    is_planted = false;
    r = weir_test_everywhere(.app = app_reads_a_file, .method = "GET", .target = "/");
    assert_string_equal(r.text, "");
    assert_true(r.calls > 20);
}

/* --- in an order of two children ---------------------------------------------------------- */

struct race {
    int finished;
    char *last_words;
};

static weir_err first(weir_ctx *c, void *arg)
{
    struct race *race = arg;
    weir_err err = weir_sleep(c, weir_ms(1));
    race->finished++;
    return err;
}

/* Thinks that it is always the second one. */
static weir_err second(weir_ctx *c, void *arg)
{
    struct race *race = arg;
    weir_err err = weir_sleep(c, weir_ms(1));
    if (race->finished++ == 0 && is_planted && err == WEIR_OK)
        race->last_words = take(30);
    return err;
}

static weir_err two_children(weir_ctx *c)
{
    struct race race = {0, NULL};
    WEIR_SCOPE(group, c);
    weir_err err = WEIR_GO(group, first, &race);
    if (err == WEIR_OK)
        err = WEIR_GO(group, second, &race);
    if (err == WEIR_OK)
        err = weir_join(group);
    if (err == WEIR_OK)
        err = weir_ctx_close(group);
    return err < 0 ? err : weir_text(c, 200, "both\n");
}
APP(two_children)

static void a_leak_in_an_order_is_found(void **state)
{
    (void)state;
    is_planted = true;
    weir_test_report r =
        weir_test_everywhere(.app = app_two_children, .method = "GET", .target = "/");
    assert_true(r.failures > 0);
    assert_has(r.text, "WEIR_TEST_REPLAY='GET /: order ");
    char seed[64];
    const char *at = strstr(r.text, "GET /: order ");
    snprintf(seed, sizeof seed, "%.*s", (int)strcspn(at, "'"), at);
    setenv("WEIR_TEST_REPLAY", seed, 1);
    r = weir_test_everywhere(.app = app_two_children, .method = "GET", .target = "/");
    unsetenv("WEIR_TEST_REPLAY");
    assert_int_equal(r.failures, 1);
    assert_has(r.text, "bytes of the heap");
    is_planted = false;
    r = weir_test_everywhere(.app = app_two_children, .method = "GET", .target = "/");
    assert_string_equal(r.text, "");
    assert_true(r.orders >= 3); /* which begins, and which ends first */
}

/* --- what is no leak, and wrong all the same ---------------------------------------------- */

static weir_err blames(weir_ctx *c)
{
    if (weir_alloc(c, 10) == NULL)
        return is_planted ? weir_fail(c, 404, "there is no such thing") : -ENOMEM;
    return weir_text(c, 200, "found\n");
}
APP(blames)

static void an_answer_that_blames_the_client_is_found(void **state)
{
    (void)state;
    is_planted = true;
    weir_test_report r = weir_test_everywhere(.app = app_blames, .method = "GET", .target = "/");
    assert_int_equal(r.failures, 1);
    assert_has(r.text, "answered 404, and 200 when nothing failed");
    is_planted = false;
    r = weir_test_everywhere(.app = app_blames, .method = "GET", .target = "/");
    assert_string_equal(r.text, "");
}

static weir_err forgets(weir_ctx *c)
{
    weir_mutex *m = weir_mutex_new(c);
    weir_err err = weir_lock(c, m);
    if (err == WEIR_OK && !is_planted)
        weir_unlock(c, m);
    return err < 0 ? err : weir_text(c, 200, "locked\n");
}
APP(forgets)

static void a_mistake_without_any_fault_is_found(void **state)
{
    (void)state;
    is_planted = true;
    weir_test_report r = weir_test_everywhere(.app = app_forgets, .method = "GET", .target = "/");
    assert_int_equal(r.failures, 1);
    assert_has(r.text, "WEIR_TEST_REPLAY='GET /: nothing'\n    1 things were left open by mistake");
    r = weir_test_everywhere(.app = app_forgets, .method = "GET", .target = "/",
                             .leaves_open = true);
    assert_string_equal(r.text, "");
    is_planted = false;
    r = weir_test_everywhere(.app = app_forgets, .method = "GET", .target = "/");
    assert_string_equal(r.text, "");
}

static int written;

static weir_err writes_twice(weir_ctx *c)
{
    written++;
    weir_err err = weir_sleep(c, weir_ms(1));
    if (err < 0) {
        written -= !is_planted;
        return err;
    }
    written++;
    return weir_text(c, 200, "written\n");
}
APP(writes_twice)

static weir_err writes_nothing(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    written = 0;
    return WEIR_OK;
}

static weir_err is_whole(weir_ctx *c, const weir_test_reply *r, void *arg)
{
    (void)r, (void)arg;
    return written == 1 ? weir_raise(c, WEIR_EFAIL, "only half of it is written") : WEIR_OK;
}

static void the_world_is_looked_at(void **state)
{
    (void)state;
    is_planted = true;
    weir_test_report r =
        weir_test_everywhere(.app = app_writes_twice, .before = writes_nothing, .method = "GET",
                             .target = "/", .after = is_whole, .name = "writing");
    assert_has(r.text, "WEIR_TEST_REPLAY='writing: wait 1'\n    afterwards:");
    assert_has(r.text, "only half of it is written");
    is_planted = false;
    r = weir_test_everywhere(.app = app_writes_twice, .before = writes_nothing, .method = "GET",
                             .target = "/", .after = is_whole);
    assert_string_equal(r.text, "");
}

static weir_err never_told(weir_ctx *c, void *arg)
{
    weir_err err = weir_sleep(c, weir_ms(1));
    if (err < 0 && is_planted)
        abort();
    (void)arg;
    return err;
}

static weir_err never_opened(weir_ctx *c, void *arg)
{
    weir_err err = weir_file_err(weir_file_temp(c));
    if (err == -ELOOP && is_planted)
        abort();
    (void)arg;
    return err;
}

/* In a process of its own; what it wrote. */
static void die_of(weir_fiber_fn fn, char *text, size_t size)
{
    int out[2];
    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], 2);
        is_planted = true;
        (void)weir_test_everywhere(.run = fn, .name = "deadly");
        _exit(0);
    }
    close(out[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(out[0], text + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    close(out[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void the_process_dies_with_its_seed(void **state)
{
    (void)state;
    char text[4096];
    die_of(never_told, text, sizeof text);
    assert_has(text, "the process dies with WEIR_TEST_REPLAY='deadly: wait 1'");
    die_of(never_opened, text, sizeof text); /* the third error that this call is failed with */
    assert_has(text, "the process dies with WEIR_TEST_REPLAY='deadly: call 1 ELOOP'");
    is_planted = false;
    weir_test_report r = weir_test_everywhere(.run = never_told, .name = "deadly");
    assert_string_equal(r.text, "");
    assert_int_equal(r.waits, 1);
}

static weir_err waits_often(weir_ctx *c, void *arg)
{
    weir_err err = WEIR_OK;
    (void)arg;
    for (int i = 0; i < 100 && err == WEIR_OK; i++)
        err = weir_sleep(c, weir_ms(1));
    return err;
}

static void what_is_left_out_is_told(void **state)
{
    (void)state;
    weir_test_report r = weir_test_everywhere(.run = waits_often, .runs_max = 10);
    assert_string_equal(r.text, "");
    assert_in_range(r.waits, 11, 16);
    assert_int_equal(r.waits + r.skipped >= 64, true);
    setenv("WEIR_TEST_RUNS_MAX", "20", 1);
    r = weir_test_everywhere(.run = waits_often);
    unsetenv("WEIR_TEST_RUNS_MAX");
    assert_in_range(r.waits, 21, 26);
}

static int set_up(void **state)
{
    (void)state;
    return unsetenv("WEIR_TEST_RUNS_MAX");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leak_at_wait_3_is_found),
        cmocka_unit_test(a_leak_where_the_second_fiber_is_refused_is_found),
        cmocka_unit_test(a_seed_replays_its_run_alone),
        cmocka_unit_test(a_leak_at_an_allocation_is_found),
        cmocka_unit_test(a_leak_at_a_system_call_is_found),
        cmocka_unit_test(a_leak_in_an_order_is_found),
        cmocka_unit_test(an_answer_that_blames_the_client_is_found),
        cmocka_unit_test(a_mistake_without_any_fault_is_found),
        cmocka_unit_test(the_world_is_looked_at),
        cmocka_unit_test(the_process_dies_with_its_seed),
        cmocka_unit_test(what_is_left_out_is_told),
    };
    return cmocka_run_group_tests_name("everywhere", tests, set_up, NULL);
}
