/*
 * Clients that leave: after every byte of what they send, and in the middle of what they get, by
 * closing, by a reset, or by shutting their side alone. Whatever the server is doing then (nothing,
 * reading a head, a body, waiting in a handler, writing to somebody slow, throwing away what is
 * left), everything that the connection had is given back, at once or when its patience is over.
 *
 * Who shuts its side alone is still there, and gets a whole answer and the end, or the end alone
 * (RFC 9112 sections 8 and 9.6).
 */
#include "conformance.h"

#define SMALL 2048u /* bytes that a socket holds here: large answers have to wait */

/* What is sent, and what is answered to all of it, if its sender only shuts its side. */
struct talk {
    const char *name;
    weir_str send;
    const char *want; /* NULL: it is not answered, as the answer takes a wait */
};

#define TALK(name, text, want)                                                                     \
    {                                                                                              \
        name, {text, sizeof(text) - 1}, want                                                       \
    }

static const struct talk talks[] = {
    TALK("a request", HELLO, "200"),
    TALK("one of 1.0", "GET /hello HTTP/1.0\r\n\r\n", "200"),
    TALK("a body with a length", POST("/echo") "Content-Length: 5\r\n\r\nhello", "200"),
    TALK("chunks and a trailer", POST("/echo") CHUNKED "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
         "200"),
    TALK("a body that is answered while it comes",
         POST("/pieces") CHUNKED "10\r\n0123456789abcdef\r\n0\r\n\r\n", "200"),
    TALK("a body that is waited for",
         POST("/echo") "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "200"),
    TALK("a body that nobody reads", POST("/hello") "Content-Length: 5\r\n\r\nhello", "200"),
    TALK("a handler that waits", ASK("GET", "/sleep"), NULL),
    TALK("a handler that panics", ASK("GET", "/panic"), "500"),
    TALK("a large answer", ASK("GET", "/rows"), NULL),
    TALK("a large answer, whole", ASK("GET", "/large"), NULL),
    TALK("a large answer to 1.0", "GET /rows HTTP/1.0\r\n\r\n", NULL),
    TALK("a pipeline", HELLO POST("/echo") "Content-Length: 2\r\n\r\nok" HELLO, "200 200 200"),
    TALK("a pipeline that waits in the middle", HELLO ASK("GET", "/sleep") HELLO, NULL),
    TALK("what is malformed", HELLO "G(T / HTTP/1.1\r\nHost: a\r\n\r\n and what it goes on with",
         "200 400"),
    TALK("chunks that are malformed", POST("/echo") CHUNKED "5\r\nhelloX\r\n", "400"),
    TALK("a body that is too large",
         POST("/echo") "Content-Length: 99999999\r\n\r\nand so it begins", "413"),
};

enum leaving { CLOSES, RESETS, SHUTS, LEAVINGS };
static const char *const leaving_names[] = {"closes", "is reset", "shuts its side"};

/* Both are right for a client that has shut its side: it will not ask again. */
static bool says_close(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n"),
               *close = strstr(answer, "\r\nConnection: close\r\n");
    return end != NULL && close != NULL && close < end;
}

/* What a client that has only shut its side gets: whole answers, then the end. */
static void check_after_shut(const struct talk *t, bool is_all)
{
    if (got.end != 0)
        wrong("the connection is not closed in order");
    if (is_all && t->want != NULL) {
        const char *at = got.bytes, *want = t->want;
        for (int status; *want != '\0'; want += 3 + (want[3] == ' ')) {
            at = read_answer(at, got.bytes + got.len, false, says_close(at), &status);
            if (status != atoi(want))
                wrong("%d, not %.3s", status, want);
        }
        if (at != got.bytes + got.len)
            wrong("there are bytes behind the last answer");
    }
}

/* Sends `sent` bytes, takes `taken` bytes of the answer, leaves. */
static void leave(struct kit *k, const struct talk *t, size_t sent, size_t taken, enum leaving how)
{
    int client = weir__sim_connect(k->listener, SMALL);
    snprintf(way, sizeof way, "%s after %zu and %zu bytes", leaving_names[how], sent, taken);
    got.len = 0;
    got.end = -EAGAIN;
    (void)put_bytes(k, client, (weir_str){t->send.ptr, sent});
    settle(k, 1);
    if (taken > 0) {
        ssize_t n = weir__sim_read(client, got.bytes, taken);
        got.len = n > 0 ? (size_t)n : 0;
        settle(k, 1);
    }
    if (how == RESETS)
        weir__sim_reset(client);
    if (how == SHUTS) {
        weir__sim_shutdown(client);
        for (int i = 0; i < 200 && got.end != 0; i++)
            take_bytes(k, client);
        check_after_shut(t, sent == t->send.len);
    }
    if (how != RESETS)
        weir__sim_close(client);
    settle(k, how == CLOSES && sent < t->send.len ? 2 : 5000);
    struct weir__http_stats stats = stats_of(k);
    if (stats.open != 0 || stats.active != 0)
        wrong("the connection is still open");
}

static const struct talk *talk;

static void leave_everywhere(struct kit *k)
{
    for (int how = 0; how < LEAVINGS; how++) {
        for (size_t sent = 0; sent <= talk->send.len; sent++)
            leave(k, talk, sent, 0, (enum leaving)how);
        for (size_t taken = 1; taken < 3000; taken += taken < 40 ? 1 : 97)
            leave(k, talk, talk->send.len, taken, (enum leaving)how);
    }
}

static void use_talk(struct kit *k)
{
    struct rule r = {.section = "leaving", .name = talk->name, .send = talk->send};
    present = &r;
    leave_everywhere(k); /* afterwards all is warm */
    struct living before = living_now(k);
    leave_everywhere(k);
    check_living(k, &before);
}

static weir_err serve_large(weir_ctx *c)
{
    static char bytes[100000];
    memset(bytes, 'x', sizeof bytes);
    return weir_bytes(c, 200, "text/plain", (weir_str){bytes, sizeof bytes});
}

static void build_leaving(weir_group *app)
{
    build_service(app);
    weir_get(app, "/large", serve_large);
}

static void test_who_leaves_leaves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
        talk = &talks[i];
        kit_run(build_leaving, use_talk);
    }
}

/* Those that stay are not touched: between two requests of one, a hundred others leave. */
static void use_neighbours(struct kit *k)
{
    static const struct rule r = {.section = "leaving", .name = "a neighbour"};
    present = &r;
    int neighbour = dial(k);
    for (size_t i = 0; i < 100; i++) {
        const struct talk *t = &talks[i % (sizeof talks / sizeof talks[0])];
        int client = weir__sim_connect(k->listener, SMALL);
        (void)put_bytes(k, client, (weir_str){t->send.ptr, t->send.len - i % 3});
        settle(k, 1);
        if (i % 2 == 0)
            weir__sim_reset(client);
        else
            weir__sim_close(client);
        got.len = 0;
        (void)put_bytes(k, neighbour, WEIR_S(PROBE));
        take_bytes(k, neighbour);
        check_probe(got.bytes);
    }
    weir__sim_close(neighbour);
}

static void test_who_stays_is_not_touched(void **state)
{
    (void)state;
    kit_run(build_leaving, use_neighbours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_leaves_leaves_nothing),
        cmocka_unit_test(test_who_stays_is_not_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
