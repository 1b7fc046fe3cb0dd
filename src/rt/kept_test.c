/*
 * Data that leads into the memory of a request may not leave it: the table of where it may lie, and
 * of the ways out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "rt/context.h"
#include "rt/log.h"
#include "rt/runtime.h"
#include "rt/sim.h"
#include "rt/worker.h"
#include <weir/chan.h>
#include <weir/fiber.h>
#include <weir/timer.h>
#include <weir/topic.h>

/* What is handed over: an address among other things. */
struct message {
    int64_t id;
    weir_str text;
    int64_t last;
};

struct shared {
    weir_chan *chan;
    weir_topic *topic;
    const char *text;
    int64_t ran;
};

static weir_err works(weir_ctx *c, void *arg)
{
    const struct message *m = arg;
    (void)c;
    return m->text.len > 0 ? WEIR_OK : WEIR_EINVALID;
}

static weir_err detaches(weir_ctx *c, void *arg)
{
    const struct shared *s = arg;
    struct message m = {.text = {s->text, 3}};
    return weir_detach(c, works, &m, sizeof m);
}

static weir_err sends(weir_ctx *c, void *arg)
{
    const struct shared *s = arg;
    struct message m = {.text = {s->text, 3}};
    return weir_chan_send(c, s->chan, &m);
}

static weir_err tries_to_send(weir_ctx *c, void *arg)
{
    const struct shared *s = arg;
    struct message m = {.text = {s->text, 3}};
    return weir_chan_try_send(c, s->chan, &m);
}

static weir_err selects(weir_ctx *c, void *arg)
{
    const struct shared *s = arg;
    struct message m = {.text = {s->text, 3}};
    weir_select_case arm = {.chan = s->chan, .send = &m};
    return weir_select(c, &arm, 1, weir_ms(1), NULL);
}

static weir_err publishes(weir_ctx *c, void *arg)
{
    const struct shared *s = arg;
    struct message m = {.text = {s->text, 3}};
    return weir_publish(c, s->topic, &m);
}

static const struct {
    const char *name;
    weir_fiber_fn fn;
} ways[] = {{"weir_detach", detaches},
            {"weir_chan_send", sends},
            {"weir_chan_try_send", tries_to_send},
            {"weir_select", selects},
            {"weir_publish", publishes}};

/* Stands for the room http. */
static char received[100] = "GET / HTTP/1.1";
static const int exchange;

static size_t piece(const void *x, size_t nth, const void **at)
{
    assert_ptr_equal(x, &exchange);
    *at = received;
    return nth == 0 ? sizeof received : 0;
}

static void assert_refused(weir_ctx *c, struct shared *s, const char *text, const char *what)
{
    s->text = text;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        assert_int_equal(weir_protect(c, ways[i].fn, s), WEIR_EPANIC);
        const char *message = weir_last_error(c)->message.ptr;
        if (strstr(message, ways[i].name) == NULL || strstr(message, what) == NULL)
            fail_msg("%s, %s: %s", ways[i].name, what, message);
        assert_non_null(strstr(message, "byte 8 of the data"));
        weir_error_clear(c);
    }
}

static void assert_allowed(weir_ctx *c, struct shared *s, const char *text)
{
    struct message m;
    s->text = text;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        weir_err err = ways[i].fn(c, s);
        if (err < 0)
            fail_msg("%s: %d", ways[i].name, err);
    }
    while (weir_chan_try_recv(c, s->chan, &m) == WEIR_OK)
        assert_ptr_equal(m.text.ptr, text);
}

/* --- arguments whose address alone counts ------------------------------------------------- */

static struct to {
    weir_ctx *context;
    void *arg;
} to;

static int noted;

static void note(void *arg)
{
    (void)arg;
    noted++;
}

static weir_err does_nothing(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return WEIR_OK;
}

static weir_err goes(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return WEIR_GO(to.context, does_nothing, to.arg);
}

static weir_err defers(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return weir_defer(to.context, note, to.arg);
}

static weir_err starts_a_timer(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return weir_timer_after(to.context, weir_hour(1), does_nothing, to.arg, NULL);
}

static weir_err repeats(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return weir_timer_every(to.context, weir_hour(1), does_nothing, to.arg, NULL);
}

static const struct {
    const char *name;
    weir_fiber_fn fn;
} keepers[] = {{"WEIR_GO", goes},
               {"weir_defer", defers},
               {"weir_timer_after", starts_a_timer},
               {"weir_timer_every", repeats}};
#define KEEPERS (sizeof keepers / sizeof keepers[0])

static void is_not_kept(weir_ctx *c, weir_ctx *context, const void *arg, const char *what)
{
    to = (struct to){context, (void *)(uintptr_t)arg};
    for (size_t i = 0; i < KEEPERS; i++) {
        noted = 0;
        assert_int_equal(weir_protect(c, keepers[i].fn, NULL), WEIR_EPANIC);
        const char *message = weir_last_error(c)->message.ptr;
        if (strstr(message, keepers[i].name) != message || strstr(message, what) == NULL)
            fail_msg("%s, %s: %s", keepers[i].name, what, message);
        assert_int_equal(noted, keepers[i].fn == defers); /* as wherever it is not kept */
        weir_error_clear(c);
    }
}

static void is_kept(weir_ctx *c, weir_ctx *context, const void *arg)
{
    to = (struct to){context, (void *)(uintptr_t)arg};
    for (size_t i = 0; i < KEEPERS; i++)
        assert_int_equal(keepers[i].fn(c, NULL), WEIR_OK);
}

static weir_err child(weir_ctx *c, void *arg)
{
    weir_ctx *request = arg;
    const void *own = weir_alloc(c, 8), *above = weir_alloc(request, 8);
    is_not_kept(c, request, own, "ends before this");
    is_kept(c, request, above);
    is_kept(c, c, own);
    is_kept(c, c, above);
    return WEIR_OK;
}

static weir_ctx *application;

static weir_err keeps(weir_ctx *c, void *arg)
{
    static char constant[8];
    char local[8];
    (void)arg;
    weir__ctx_of(c)->exchange = (void *)(uintptr_t)&exchange;
    weir_ctx *step = weir_ctx_open(c), *beside = weir_ctx_open(c);
    const void *whole = weir_alloc(c, 8), *part = weir_alloc(step, 100000);
    char *on_heap = malloc(8);
    const char *const before = "ends before this";
    is_not_kept(c, application, whole, before);
    is_not_kept(c, application, part, before);
    is_not_kept(c, application, received + 4, before);
    is_not_kept(c, application, local, "local variable");
    is_not_kept(c, c, part, before);
    is_not_kept(c, beside, (const char *)part + 99999, before);
    is_kept(c, c, whole);
    is_kept(c, step, whole);
    is_kept(c, step, part);
    is_kept(c, step, received + 4);
    is_kept(c, application, constant);
    is_kept(c, application, on_heap);
    is_kept(c, application, NULL);
    assert_int_equal(WEIR_GO(c, child, c), WEIR_OK);
    assert_int_equal(weir_join(c), WEIR_OK);
    free(on_heap);
    (void)weir_ctx_close(beside);
    return weir_ctx_close(step);
}

static weir_err of_an_application(weir_ctx *c, void *arg)
{
    (void)arg;
    application = weir__ctx_handle(weir__self->runtime->app);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, keeps, NULL), WEIR_OK);
    return weir_join(group);
}

static void test_no_argument_outlives_its_memory(void **state)
{
    (void)state;
    weir_buf log;
    weir_buf_init(&log, 1 << 20);
    weir__log_capture(&log);
    weir__exchange_piece = piece;
    assert_int_equal(weir__sim_run(of_an_application, NULL), WEIR_OK);
    weir__exchange_piece = NULL;
    weir__log_capture(NULL);
    weir_buf_fini(&log);
}

/* --- data --------------------------------------------------------------------------------- */

static weir_err request(weir_ctx *c, void *arg)
{
    struct shared *s = arg;
    char local[8] = "abc";
    static char constant[8] = "abc";
    char *on_heap = strdup("abc");
    assert_non_null(on_heap);
    weir__ctx_of(c)->exchange = (void *)(uintptr_t)&exchange;
    weir_ctx *step = weir_ctx_open(c);
    char *large = weir_alloc(c, 100000);
    assert_non_null(large);
    assert_refused(c, s, local, "the stack of this fiber");
    assert_refused(c, s, weir_strdup(c, WEIR_S("abc")).ptr, "memory of its context");
    assert_refused(c, s, large + 99999, "memory of its context");
    assert_refused(step, s, weir_strdup(c, WEIR_S("abc")).ptr, "memory of its context");
    assert_refused(step, s, weir_strdup(step, WEIR_S("abc")).ptr, "memory of its context");
    assert_refused(step, s, received + 4, "the bytes that were received");
    assert_allowed(c, s, constant);
    assert_allowed(c, s, on_heap);
    assert_allowed(step, s, NULL);
    /* Within the request's own tree anything goes: it ends before the memory does. */
    struct shared own = {.chan = weir_chan_new(c, struct message, 10),
                         .topic = weir_topic_new(c, struct message),
                         .text = weir_strdup(c, WEIR_S("abc")).ptr};
    assert_int_equal(sends(c, &own), WEIR_OK);
    assert_int_equal(sends(step, &own), WEIR_OK);
    assert_int_equal(publishes(step, &own), WEIR_OK);
    free(on_heap);
    s->ran++;
    return WEIR_OK;
}

static weir_err service(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_ctx *app = weir__ctx_handle(weir__self->runtime->app);
    struct shared s = {.chan = weir_chan_new(app, struct message, 100),
                       .topic = weir_topic_new(app, struct message)};
    weir__exchange_piece = piece;
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, request, &s), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(group);
    weir__exchange_piece = NULL;
    assert_int_equal(s.ran, 1);
    return WEIR_OK;
}

static void test_nothing_of_a_request_leaves_it(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(service, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_of_a_request_leaves_it),
        cmocka_unit_test(test_no_argument_outlives_its_memory),
    };
    return cmocka_run_group_tests_name("kept", tests, NULL, NULL);
}
