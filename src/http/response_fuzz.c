/*
 * Responses through the whole server. The input is a program for a handler: a byte says what to do
 * (set, add, or take back a header line; set a long one), texts up to a byte 0xff what with (so
 * that they may hold any line end); the rest is the body. The client gets, taken apart at every
 * CRLF, the lines that a plain list of them holds, beside those that the server writes itself, and
 * a body of the length that it was told. A call that fails changes nothing.
 *
 * Each input has a runtime of its own on the simulated poller, so this one is slow: some hundred
 * inputs a second.
 */
#include "base/fuzz.h"
#include "http/common/conn.h"
#include "http/common/exchange.h"
#include "http/http.h"
#include "rt/sim.h"
#include <weir/fiber.h>
#include <weir/time.h>

enum {
    STOP = 0xff,
    BYTES_MAX = 1500,
    LINES_MAX = 64,
    RESPONSE_MAX = 32 << 10,
    CAPACITY = 64 << 10
};

/* The header lines that the client must get, and what the response is. */
struct plan {
    struct fuzz_input in;
    struct {
        weir_str name, value;
    } line[LINES_MAX];
    int count;
    weir_str body;
};

static bool is_framing(weir_str name)
{
    return weir_str_ieq(name, WEIR_S("Connection")) || weir_str_ieq(name, WEIR_S("Date")) ||
           weir_str_ieq(name, WEIR_S("Content-Length")) || weir_str_ieq(name, WEIR_S("Trailer")) ||
           weir_str_ieq(name, WEIR_S("Transfer-Encoding")) ||
           weir_str_ieq(name, WEIR_S("Keep-Alive"));
}

/* ---- the handler ---- */

static int plan_find(const struct plan *p, weir_str name)
{
    for (int i = 0; i < p->count; i++) {
        if (weir_str_ieq(p->line[i].name, name))
            return i;
    }
    return -1;
}

static void plan_remove(struct plan *p, weir_str name)
{
    for (int i; (i = plan_find(p, name)) >= 0; p->count--)
        memmove(&p->line[i], &p->line[i + 1], (size_t)(p->count - i - 1) * sizeof p->line[0]);
}

static void check_lines_kept(const struct weir__exchange *x, const struct plan *p)
{
    for (int i = 0; i < p->count; i++) {
        int first = plan_find(p, p->line[i].name);
        weir_str value = weir__exchange_header_added(x, p->line[i].name);
        FUZZ_CHECK(value.ptr != NULL && weir_str_eq(value, p->line[first].value), "line %d", i);
    }
}

/* A value of up to 4 KiB, so that short inputs come to where no more fit. */
static weir_str long_value(struct fuzz_input *in)
{
    static char text[256 * 16];
    memset(text, 'v', sizeof text);
    return (weir_str){text, fuzz_byte(in) * (size_t)16};
}

static void add_line(struct weir__exchange *x, struct plan *p, bool is_set, bool is_long)
{
    weir_str name = fuzz_until(&p->in, STOP);
    weir_str value = is_long ? long_value(&p->in) : fuzz_until(&p->in, STOP);
    weir_err err = is_set ? weir__exchange_header_set(x, name, value)
                          : weir__exchange_header_add(x, name, value);
    bool is_good =
        weir__http_name_is_valid(name) && weir__http_value_is_valid(value) && !is_framing(name);
    FUZZ_CHECK((err == WEIR_EINVALID) == !is_good, "%d for a line", err);
    if (err == WEIR_OK) {
        if (is_set)
            plan_remove(p, name);
        p->line[p->count].name = name;
        p->line[p->count++].value = value;
    }
    check_lines_kept(x, p);
}

static void serve(struct weir__exchange *x, void *arg)
{
    struct plan *p = arg;
    while (p->in.at < p->in.end && p->count < LINES_MAX) {
        unsigned op = fuzz_byte(&p->in) % 8;
        if (op == 7)
            break;
        if (op == 6) {
            weir_str name = fuzz_until(&p->in, STOP);
            bool was_there = plan_find(p, name) >= 0;
            FUZZ_CHECK(weir__exchange_header_remove(x, name) == was_there, "there: %d", was_there);
            plan_remove(p, name);
        } else {
            add_line(x, p, op < 3 || op == 5, op == 5);
        }
    }
    p->body = (weir_str){(const char *)p->in.at, (size_t)(p->in.end - p->in.at)};
    weir_err err = weir__exchange_respond(x, 200, WEIR_S("text/fuzz"), p->body);
    FUZZ_CHECK(err == WEIR_OK, "%d for the response", err);
}

/* ---- the client ---- */

/* Takes the line at *at; false at the blank one. */
static bool next_line(const char **at, const char *end, weir_str *line)
{
    const char *cr = memmem(*at, (size_t)(end - *at), "\r\n", 2);
    FUZZ_CHECK(cr != NULL, "a line without its end");
    *line = (weir_str){*at, (size_t)(cr - *at)};
    for (size_t i = 0; i < line->len; i++)
        FUZZ_CHECK(line->ptr[i] != '\r' && line->ptr[i] != '\n' && line->ptr[i] != '\0',
                   "a byte that ends lines elsewhere");
    *at = cr + 2;
    return line->len > 0;
}

/* True when the line is the i-th that was planned. */
static bool is_planned(const struct plan *p, int i, weir_str line)
{
    size_t name = i < p->count ? p->line[i].name.len : 0;
    return i < p->count && line.len == name + 2 + p->line[i].value.len &&
           memcmp(line.ptr, p->line[i].name.ptr, name) == 0 &&
           memcmp(line.ptr + name, ": ", 2) == 0 &&
           weir_str_eq((weir_str){line.ptr + name + 2, p->line[i].value.len}, p->line[i].value);
}

static void check_response(const struct plan *p, const char *bytes, size_t len)
{
    char length[40], type[] = "Content-Type: text/fuzz";
    const char *at = bytes, *end = bytes + len;
    int planned = 0, lengths = 0, dates = 0, types = 0;
    weir_str line;
    snprintf(length, sizeof length, "Content-Length: %zu", p->body.len);
    FUZZ_CHECK(next_line(&at, end, &line) && weir_str_eq(line, WEIR_S("HTTP/1.1 200 OK")),
               "the first line is " WEIR_STR_FMT, WEIR_STR_ARG(line));
    while (next_line(&at, end, &line)) {
        if (is_planned(p, planned, line))
            planned++;
        else if (weir_str_eq(line, weir_str_from(length)))
            lengths++;
        else if (weir_str_starts(line, WEIR_S("Date: ")) && line.len == 6 + WEIR_DATE_LEN)
            dates++;
        else if (weir_str_eq(line, weir_str_from(type)))
            types++;
        else
            FUZZ_CHECK(false, "nobody wrote the line " WEIR_STR_FMT, WEIR_STR_ARG(line));
    }
    FUZZ_CHECK(planned == p->count && lengths == 1 && dates == 1, "%d of %d lines, %d, %d", planned,
               p->count, lengths, dates);
    FUZZ_CHECK(types == (plan_find(p, WEIR_S("Content-Type")) < 0), "%d types", types);
    FUZZ_CHECK(weir_str_eq((weir_str){at, (size_t)(end - at)}, p->body), "another body");
}

static weir_err run(weir_ctx *c, void *arg)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    static char response[RESPONSE_MAX];
    const struct weir__http_app app = {.serve = serve, .arg = arg};
    const struct weir__http_server_options options = {0};
    int listener = weir__sim_listen();
    struct weir__http_server *server = weir__http_server_new(weir__self->runtime, &options, &app);
    FUZZ_CHECK(server != NULL && weir__http_server_adopt_listener(server, listener) == 0 &&
                   weir__http_server_start(server, weir__ctx_of(c)) == 0,
               "no server");
    int client = weir__sim_connect(listener, CAPACITY);
    weir__sim_write(client, request, sizeof request - 1);
    FUZZ_CHECK(weir_sleep(c, weir_ms(1)) == WEIR_OK, "a sleep");
    ssize_t n = weir__sim_read(client, response, sizeof response);
    FUZZ_CHECK(n > 0, "no response: %zd", n);
    check_response(arg, response, (size_t)n);
    weir__sim_close(client);
    weir__http_server_free(server, weir__ctx_of(c));
    return WEIR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan plan = {.in = {data, data + size}};
    if (size > BYTES_MAX)
        return 0;
    FUZZ_CHECK(weir__sim_run(run, &plan) == WEIR_OK, "the runtime");
    return 0;
}
