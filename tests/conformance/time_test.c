/*
 * Time: heads, bodies, readers and handlers that are slow, connections that are idle, clients that
 * do not go. RFC 9112 section 9.5 and RFC 9110 sections 15.5.9 and 15.6.5, and what RFC 9112
 * section 9.6 says of closing. A row is a little play in virtual time.
 */
#include "conformance.h"

struct step {
    enum { DO_SEND = 1, DO_WAIT, DO_NOTHING, DO_ANSWER, DO_LAST, DO_END, DO_CUT } what;
    const char *text;
    int64_t ms;
};

/* One of them each. */
#define SEND(text)                                                                                 \
    {                                                                                              \
        DO_SEND, text, 0                                                                           \
    }
#define WAIT(ms)                                                                                   \
    {                                                                                              \
        DO_WAIT, NULL, ms                                                                          \
    }
#define NOTHING /* has come, and the connection is open */                                         \
    {                                                                                              \
        DO_NOTHING, NULL, 0                                                                        \
    }
#define ANSWER(want)                                                                               \
    {                                                                                              \
        DO_ANSWER, want, 0                                                                         \
    }
#define LAST(want) /* and then the end, in order */                                                \
    {                                                                                              \
        DO_LAST, want, 0                                                                           \
    }
#define END /* without a byte before it */                                                         \
    {                                                                                              \
        DO_END, NULL, 0                                                                            \
    }
#define CUT /* an answer that visibly lacks its end */                                             \
    {                                                                                              \
        DO_CUT, NULL, 0                                                                            \
    }

struct play {
    const char *section, *name;
    struct step steps[16];
};

static const struct play plays[] = {
    {"9110 15.5.9",
     "a head that stops",
     {SEND("GET /hel"), WAIT(9000), NOTHING, WAIT(3000), LAST("408")}},
    {"9110 15.5.9",
     "a head that goes on, too slowly",
     {SEND("GET /hel"), WAIT(5000), SEND("lo HTTP/1.1\r\n"), WAIT(4000), SEND("Host: a\r\n"),
      NOTHING, WAIT(3000), LAST("408")}},
    {"9110 15.5.9", "an empty line and no request", {SEND("\r\n"), WAIT(12000), LAST("408")}},
    {"9110 15.5.9",
     "half a head behind a request",
     {SEND(HELLO "GET /hel"), ANSWER("200"), WAIT(12000), LAST("408")}},
    {"9112 9.5",
     "every head has time of its own",
     {SEND(HELLO), ANSWER("200"), WAIT(60000), SEND("GET"), WAIT(9000),
      SEND(" /hello HTTP/1.1\r\nHost: a\r\n\r\n"), ANSWER("200")}},
    {"9110 15.5.9",
     "a body that stops",
     {SEND(POST("/echo") "Content-Length: 5\r\n\r\nhe"), WAIT(29000), NOTHING, WAIT(2000),
      LAST("408")}},
    {"9110 15.5.9",
     "a body that goes on, too slowly",
     {SEND(POST("/echo") "Content-Length: 5\r\n\r\nhe"), WAIT(20000), SEND("l"), WAIT(9000),
      SEND("l"), NOTHING, WAIT(2000), LAST("408")}},
    {"9110 15.5.9",
     "chunks that stop",
     {SEND(POST("/echo") CHUNKED "5\r\nhe"), WAIT(29000), NOTHING, WAIT(2000), LAST("408")}},
    {"9110 15.5.9",
     "a trailer that stops",
     {SEND(POST("/echo") CHUNKED "0\r\nX"), WAIT(31000), LAST("408")}},
    {"9110 10.1.1",
     "a body that was asked for and does not come",
     {SEND(POST("/echo") "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"), ANSWER("100"),
      WAIT(31000), LAST("408")}},
    {"9112 9.6",
     "a body that nobody wants and that does not come",
     {SEND(POST("/hello") "Content-Length: 5\r\n\r\nhe"), ANSWER("200"), WAIT(31000), WAIT(5000),
      END}},
    {"9112 9.5", "nothing at all", {WAIT(74000), NOTHING, WAIT(3000), END}},
    {"9112 9.5",
     "nothing behind a request",
     {SEND(HELLO), ANSWER("200"), WAIT(74000), NOTHING, WAIT(3000), END}},
    {"9110 15.6.5",
     "a handler that takes too long",
     {SEND(ASK("GET", "/sleep?ms=60000")), WAIT(31000), ANSWER("504"), SEND(HELLO), ANSWER("200")}},
    {"9112 9.3.2",
     "an answer does not wait for the next one",
     {SEND(HELLO ASK("GET", "/sleep?ms=5000") HELLO), ANSWER("200"), WAIT(5000),
      ANSWER("200 200")}},
    {"9112 9.6",
     "who goes on sending after the last answer is not reset",
     {SEND("G(T / HTTP/1.1\r\n\r\n"), LAST("400"), SEND(HELLO), WAIT(1000), SEND(HELLO), WAIT(1),
      END, WAIT(4000), END}},
    {"9112 9.6",
     "but not listened to for ever",
     {SEND("G(T / HTTP/1.1\r\n\r\n"), LAST("400"), WAIT(5000), SEND("x"), END}},
    {"9112 9.5", "a reader that stops", {SEND(ASK("GET", "/rows")), WAIT(62000), CUT}},
};

#undef SEND
#undef WAIT
#undef NOTHING
#undef ANSWER
#undef LAST
#undef END
#undef CUT

static const struct play *play;

static void check_answer(const char *want, bool is_last)
{
    if (check_wanted(want, is_last) != got.bytes + got.len)
        wrong("there are bytes behind the last answer");
    if (got.end != (is_last ? 0 : -EAGAIN))
        wrong("the connection's end is another one");
}

static void do_step(struct kit *k, int client, const struct step *s)
{
    if (s->what == DO_SEND) {
        (void)put_bytes(k, client, weir_str_from(s->text));
        return;
    }
    if (s->what == DO_WAIT) {
        settle(k, s->ms);
        return;
    }
    got.len = 0;
    take_bytes(k, client);
    if (s->what == DO_CUT) {
        if (got.len == 0 || got.end == -EAGAIN || strstr(got.bytes, "\r\n0\r\n\r\n") != NULL)
            wrong("the answer is not cut");
    } else if (s->what == DO_NOTHING || s->what == DO_END) {
        if (got.len != 0 || got.end != (s->what == DO_END ? 0 : -EAGAIN))
            wrong("something has come, or the connection's end is another one");
    } else {
        check_answer(s->text, s->what == DO_LAST);
    }
}

static void run_play(struct kit *k)
{
    int client = weir__sim_connect(k->listener, 4096);
    for (const struct step *s = play->steps; s->what != 0; s++) {
        snprintf(way, sizeof way, "step %td", s - play->steps + 1);
        do_step(k, client, s);
    }
    weir__sim_close(client);
    settle(k, 5000);
}

static void use_play(struct kit *k)
{
    struct rule r = {.section = play->section, .name = play->name};
    present = &r;
    run_play(k); /* afterwards all is warm */
    struct living before = living_now(k);
    for (int i = 0; i < 20; i++)
        run_play(k);
    check_living(k, &before);
}

static void test_plays(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plays / sizeof plays[0]; i++) {
        play = &plays[i];
        kit_run(build_service, use_play);
    }
}

/* --- slow, and yet not too slow --------------------------------------------------------------- */

/* A body of 300 bytes a second goes on for two minutes; so does a reader of 1 KiB a second. */
static void use_steady(struct kit *k)
{
    static const struct rule r = {.section = "9112 9.5", .name = "slow and steady"};
    static char piece[301];
    int client = weir__sim_connect(k->listener, 4096);
    present = &r;
    memset(piece, 'x', 300);
    (void)put_bytes(k, client, WEIR_S(POST("/echo") "Content-Length: 36000\r\n\r\n"));
    for (int i = 0; i < 120; i++) {
        settle(k, 1000);
        (void)put_bytes(k, client, weir_str_from(piece));
    }
    got.len = 0;
    for (int i = 0; i < 60; i++) {
        ssize_t n = weir__sim_read(client, got.bytes + got.len, 1024);
        got.len += n > 0 ? (size_t)n : 0;
        settle(k, 1000);
    }
    got.end = -EAGAIN;
    check_answer("200", false);
    weir__sim_close(client);
}

static void test_slow_and_steady_is_served(void **state)
{
    static const struct weir__http_server_options patient = {.handler_timeout = {-1}};
    (void)state;
    kit_run_with(&patient, build_service, use_steady);
}

/* Sixty clients that are slow in every way take nothing from one that is not. */
static void use_crowd(struct kit *k)
{
    static const struct rule r = {.section = "9112 9.4", .name = "a crowd"};
    static const char *const begun[] = {"GET /hel", POST("/echo") "Content-Length: 9\r\n\r\nhe",
                                        ASK("GET", "/rows"), ASK("GET", "/sleep?ms=9000"), ""};
    int crowd[60];
    present = &r;
    for (int i = 0; i < 60; i++) {
        crowd[i] = weir__sim_connect(k->listener, 4096);
        (void)put_bytes(k, crowd[i], weir_str_from(begun[i % 5]));
        settle(k, 1);
    }
    int client = dial(k);
    got.len = 0;
    (void)put_bytes(k, client, WEIR_S(PROBE));
    take_bytes(k, client);
    check_probe(got.bytes);
    for (int i = 0; i < 60; i++)
        weir__sim_reset(crowd[i]);
    weir__sim_close(client);
    settle(k, 5000);
    assert_int_equal(stats_of(k).open, 0);
}

static void test_a_crowd_holds_up_nobody(void **state)
{
    (void)state;
    kit_run(build_service, use_crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plays),
        cmocka_unit_test(test_slow_and_steady_is_served),
        cmocka_unit_test(test_a_crowd_holds_up_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
