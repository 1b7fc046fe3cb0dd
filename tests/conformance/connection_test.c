/*
 * RFC 9112, section 9: how long a connection lives, who ends it, and that answers come in the order
 * of their requests. First a table, then every pipeline of up to three requests out of a dozen,
 * good and bad ones: each of the 1,884 is sent whole, in two, and in crumbs, and what has to come
 * back is put together from what its parts have to.
 */
#include "conformance.h"

static const struct rule persistence[] = {
    RULE("9112 9.3", "1.1 goes on", HELLO, "200", KEPT),
    RULE("9112 9.3", "1.0 does not", "GET /hello HTTP/1.0\r\n\r\n", "200", CLOSED),
    RULE("9112 9.3", "unless it asks to", "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         "200", KEPT, HAS("\r\nConnection: keep-alive\r\n")),
    RULE("9112 9.3", "in any case of letters",
         "GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "200", KEPT),
    RULE("9112 9.3", "close goes before keep-alive",
         GET("/hello") "Connection: keep-alive, close\r\n\r\n", "200", CLOSED),
    RULE("9112 9.3", "also in 1.0", "GET /hello HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n",
         "200", CLOSED),
    RULE("9112 9.6", "close", GET("/hello") "Connection: close\r\n\r\n", "200", CLOSED),
    RULE("9112 9.6", "in any case of letters", GET("/hello") "connection: CLOSE\r\n\r\n", "200",
         CLOSED),
    RULE("9112 9.6", "among others", GET("/hello") "Connection: X-A ,\tclose\t, X-B\r\n\r\n", "200",
         CLOSED),
    RULE("9112 9.6", "on a second line",
         GET("/hello") "Connection: X-A\r\nConnection: close\r\n\r\n", "200", CLOSED),
    RULE("9112 9.6", "behind empty ones", GET("/hello") "Connection: , ,close\r\n\r\n", "200",
         CLOSED),
    RULE("9112 9.6", "behind a quote that hides nothing",
         GET("/hello") "Connection: \"x, close, y\"\r\n\r\n", "200", CLOSED),
    RULE("9112 9.6", "a word that has it in it is not it",
         GET("/hello") "Connection: closed, not-close\r\n\r\n", "200", KEPT),
    RULE("9112 9.6", "a body goes before the end",
         POST("/echo") "Connection: close\r\nContent-Length: 2\r\n\r\nok", "200", CLOSED,
         HAS("\r\n\r\nok")),
    RULE("9112 9.6", "an error of a handler ends nothing", ASK("GET", "/status?code=500"), "500",
         KEPT),
    RULE("9112 9.6", "a body that nobody wants is read, up to a limit",
         POST("/hello") "Content-Length: 35\r\n\r\n" GET("/smuggled") "\r\n", "200", KEPT),
    RULE("9112 9.6", "past it the connection ends, and says so",
         POST("/hello") "Content-Length: 99999999\r\n\r\n" GET("/smuggled") "\r\n", "200", CLOSED),
    RULE("9112 9.3.2", "answers come in order",
         ASK("GET", "/status?code=201") ASK("GET", "/status?code=404")
             ASK("GET", "/status?code=202"),
         "201 404 202", KEPT),
    RULE("9112 9.3.2", "also with bodies between",
         POST("/echo") "Content-Length: 3\r\n\r\none" HEAD("/hello") "\r\n" POST("/echo") CHUNKED
         "3\r\ntwo\r\n0\r\n\r\n",
         "200 200h 200", KEPT, HAS("\r\n\r\ntwo")),
    RULE("9112 9.3.2", "nothing is answered behind the last",
         HELLO GET("/hello") "Connection: close\r\n\r\n" ASK("GET", "/smuggled"), "200 200",
         CLOSED),
    RULE("9112 9.3.2", "nor behind what is malformed", HELLO "GET\r\n\r\n" ASK("GET", "/smuggled"),
         "200 400", CLOSED),
    RULE("9112 9.3.2", "a panic is answered, and its connection over",
         HELLO ASK("GET", "/panic") ASK("GET", "/smuggled"), "200 500", CLOSED),
};

TABLE_TEST(persistence)

/* --- pipelines -------------------------------------------------------------------------------- */

/* A request and what it adds to the answers; `ends`: nothing behind it is looked at. */
struct part {
    weir_str send;
    const char *want;
    bool ends;
};

#define PART(text, want, ends)                                                                     \
    {                                                                                              \
        {text, sizeof(text) - 1}, want, ends                                                       \
    }

static const struct part parts[] = {
    PART(HELLO, "200", false),
    PART(ASK("HEAD", "/hello"), "200h", false),
    PART(POST("/echo") "Content-Length: 5\r\n\r\nGET /", "200", false),
    PART(POST("/echo") CHUNKED "5;a=b\r\nGET /\r\n0\r\nX: y\r\n\r\n", "200", false),
    PART(POST("/hello") "Content-Length: 5\r\n\r\nGET /", "200", false),
    PART(POST("/hello") CHUNKED "5\r\nGET /\r\n0\r\n\r\n", "200", false),
    PART("\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "404", false),
    PART(ASK("OPTIONS", "*"), "204", false),
    PART("GET /rows HTTP/1.1\r\nHost: a\r\n\r\n", "200", false),
    PART("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200", false),
    PART("GET /hello HTTP/1.1\r\n\r\n", "400", true),
    PART(GET("/hello") "Connection: close\r\n\r\n", "200", true),
};

enum { PARTS = sizeof parts / sizeof parts[0], LENGTH_MAX = 3 };

struct pipeline {
    char send[2048], want[64], name[32];
    struct rule rule;
};

/* The pipeline of `n` parts that is number `number` of them. */
static void compose(struct pipeline *p, unsigned n, unsigned number)
{
    bool is_over = false;
    size_t len = 0;
    p->want[0] = '\0';
    snprintf(p->name, sizeof p->name, "of %u, number %u", n, number);
    for (unsigned i = 0; i < n; i++, number /= PARTS) {
        const struct part *part = &parts[number % PARTS];
        memcpy(p->send + len, part->send.ptr, part->send.len);
        len += part->send.len;
        if (is_over)
            continue;
        snprintf(p->want + strlen(p->want), sizeof p->want - strlen(p->want), "%s%s",
                 p->want[0] != '\0' ? " " : "", part->want);
        is_over = part->ends;
    }
    p->rule = (struct rule){.section = "9112 9.3.2",
                            .name = p->name,
                            .send = {p->send, len},
                            .want = p->want,
                            .fate = is_over ? CLOSED : KEPT};
    present = &p->rule;
}

/* Whole, in two at a place that differs from one to the next, in crumbs of 1 to 7 bytes. */
static void try_pipeline(struct kit *k, unsigned n, unsigned number)
{
    static struct pipeline p;
    compose(&p, n, number);
    try_cut(k, &p.rule, 0);
    try_cut(k, &p.rule, 1 + number * 31 % (p.rule.send.len - 1));
    try_pieces(k, &p.rule, 1 + number % 7);
}

/* Which pipelines: all of so many parts that begin with this one. */
static unsigned pipeline_length, pipeline_first;

static void use_pipelines(struct kit *k)
{
    unsigned count = 1, step = is_sanitized() ? 7 : 1;
    for (unsigned n = 1; n < pipeline_length; n++)
        count *= PARTS;
    smuggled = 0;
    for (unsigned part = 0; part < PARTS; part++)
        try_pipeline(k, 1, part); /* afterwards all is warm */
    struct living before = living_now(k);
    for (unsigned i = 0; i < count; i += step)
        try_pipeline(k, pipeline_length, pipeline_first + PARTS * i);
    check_living(k, &before);
}

static void test_pipelines_of_good_and_bad(void **state)
{
    (void)state;
    for (pipeline_length = 1; pipeline_length <= LENGTH_MAX; pipeline_length++)
        for (pipeline_first = 0; pipeline_first < PARTS; pipeline_first++)
            kit_run(build_service, use_pipelines);
}

/* --- what a server may decide by itself ------------------------------------------------------- */

static const struct rule few[] = {
    RULE("9112 9.6", "the server ends it when it has answered enough", HELLO HELLO, "200 200",
         CLOSED),
    RULE("9112 9.6", "and looks at nothing behind that", HELLO HELLO ASK("GET", "/smuggled"),
         "200 200", CLOSED),
    RULE("9112 9.6", "also when that is malformed", HELLO HELLO "G(T\r\n\r\n", "200 200", CLOSED),
    RULE("9112 9.6", "a malformed one may be the last", HELLO "G(T / HTTP/1.1\r\n\r\n", "200 400",
         CLOSED),
};

static void test_few(void **state)
{
    static const struct weir__http_server_options two = {.requests_max = 2};
    (void)state;
    limits = &two;
    run_rules(few);
    limits = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_persistence),
        cmocka_unit_test(test_pipelines_of_good_and_bad),
        cmocka_unit_test(test_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
