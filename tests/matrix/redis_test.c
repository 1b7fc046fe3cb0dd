/* The matrix: what a request may hold of Redis, with a server that is a fiber. */
#include "data/redis/redis.h"
#include "matrix.h"
#include "rt/io.h"

enum { ROOM = 4096 };

/* --- the server ------------------------------------------------------------------------------- */

static int number;        /* of its listener */
static int calls[64];     /* connections, one after the other */
static unsigned accepted; /* of them */

static const char *answer_to(const char *word)
{
    static const struct {
        const char *name, *answer;
    } answers[] = {
        {"HELLO", "%1\r\n$5\r\nproto\r\n:3\r\n"},
        {"PING", "+PONG\r\n"},
        {"WATCH", "+OK\r\n"},
        {"UNWATCH", "+OK\r\n"},
        {"SUBSCRIBE", ">3\r\n+subscribe\r\n$1\r\nc\r\n:1\r\n"},
        {"UNSUBSCRIBE", ">3\r\n+unsubscribe\r\n$1\r\nc\r\n:0\r\n"},
        {"XGROUP", "+OK\r\n"},
        {"XREADGROUP", "%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n"},
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (strncmp(word, answers[i].name, strlen(answers[i].name)) == 0)
            return answers[i].answer;
    }
    return NULL;
}

/* What is answered by and by: with what comes next. */
struct visit {
    struct weir__stream stream;
    char bytes[ROOM];
    size_t len;
    unsigned late;
};

static weir_err say(weir_ctx *c, struct visit *v, const char *text)
{
    size_t sent;
    return weir__stream_send(weir__ctx_of(c), &v->stream, text, strlen(text), &sent, weir_never());
}

static weir_err answer(weir_ctx *c, struct visit *v)
{
    const char *word = strchr(strchr(v->bytes, '$'), '\n') + 1;
    const char *text = answer_to(word);
    weir_err err = WEIR_OK;
    if (text == NULL) { /* GET: late */
        v->late++;
        return WEIR_OK;
    }
    for (; v->late > 0 && err == WEIR_OK; v->late--)
        err = say(c, v, "$5\r\nhello\r\n");
    return err == WEIR_OK ? say(c, v, text) : err;
}

static weir_err serve(weir_ctx *c, void *arg)
{
    static const struct weir__resp_limits limits = {.bytes_max = ROOM, .items_max = 100};
    struct visit v = {.len = 0};
    weir_err err =
        weir__stream_attach(&v.stream, (struct weir__detached){.num = *(int *)arg}, NULL);
    while (err == WEIR_OK) {
        ssize_t n = weir__stream_recv(weir__ctx_of(c), &v.stream, v.bytes + v.len, ROOM - v.len,
                                      weir_never());
        if (n <= 0)
            break;
        v.len += (size_t)n;
        for (ptrdiff_t whole = 1; whole > 0 && err == WEIR_OK && v.len > 0;) {
            struct weir__resp_scan scan;
            weir__resp_scan_init(&scan);
            whole = weir__resp_scan(&scan, &limits, v.bytes, v.len);
            if (whole <= 0)
                break;
            err = answer(c, &v);
            v.len -= (size_t)whole;
            memmove(v.bytes, v.bytes + whole, v.len);
        }
    }
    weir__stream_close(&v.stream);
    return WEIR_OK;
}

static weir_err take_calls(weir_ctx *c, void *arg)
{
    struct weir__fd listener;
    (void)arg;
    weir_err err = weir__fd_watch(&listener, number, NULL);
    while (err == WEIR_OK) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &listener};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        if (num < 0)
            break;
        int *call = &calls[accepted++ % (sizeof calls / sizeof calls[0])];
        *call = (int)num;
        err = WEIR_GO(c, serve, call);
    }
    weir__fd_close(&listener);
    return WEIR_OK;
}

/* --- the client ------------------------------------------------------------------------------- */

static weir_redis *redis(const struct cell *cell)
{
    return cell->shared;
}

static void prepare(weir_ctx *app, struct cell *cell)
{
    char url[64];
    number = weir__sim_listen();
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", number);
    weir_err err = WEIR_GO(app, take_calls, cell);
    cell->shared = weir_redis_open(app, .url = url, .pool = {.max_open = 1},
                                   .answer_timeout = weir_min(43)); /* no run is as long */
    WEIR_ASSERT(err == WEIR_OK && weir_redis_err(redis(cell)) == WEIR_OK, "there is a server");
    /* The hub's connection stays, so that no run makes another one. */
    weir_redis_message m;
    weir_redis_subscription *keeper = weir_redis_subscribe(app, redis(cell), "keeper");
    WEIR_WITH(soon, app, .timeout = weir_ms(1))
        err = weir_redis_recv(soon, keeper, &m);
    WEIR_ASSERT(err == WEIR_ETIMEDOUT, "the subscription stands");
    err = weir_sleep(app, weir_min(30)); /* what pools have to look at first is done */
    WEIR_ASSERT(err == WEIR_OK, "time passes");
}

/* All answers have come, whoever they were for. */
static bool is_even(weir_ctx *c, struct cell *cell)
{
    weir_redis_stats s;
    weir_err err = WEIR_EFAIL;
    WEIR_WITH(turn, c)
        err = weir_redis_cmd(turn, redis(cell), NULL, "PING");
    weir_redis_numbers(redis(cell), &s);
    return err == WEIR_OK && s.in_flight == 0 && s.abandoned == 0 && s.connections <= 3 &&
           s.subscriptions == 1;
}

/* --- a command on its way --------------------------------------------------------------------- */

static weir_err get(weir_ctx *c, void *arg)
{
    weir_str text;
    return weir_redis_get(c, arg, "k", &text);
}

static weir_err take_command(weir_ctx *c, struct cell *cell)
{
    weir_err err = WEIR_GO(c, get, redis(cell));
    return err == WEIR_OK ? weir_yield(c) : err;
}

static bool is_in_flight(weir_ctx *c, struct cell *cell)
{
    weir_redis_stats s = {.in_flight = 0};
    for (int i = 0; i < TURNS_MAX && s.in_flight == 0; i++) {
        (void)!weir_yield(c);
        weir_redis_numbers(redis(cell), &s);
    }
    return s.in_flight == 1;
}

/* --- a transaction that watches --------------------------------------------------------------- */

static weir_err take_watch(weir_ctx *c, struct cell *cell)
{
    weir_redis_pipe *tx = weir_redis_multi(c, redis(cell));
    cell->held = tx;
    weir_err err = weir_redis_watch(tx, "k");
    return err == WEIR_OK ? weir_redis_add(tx, "INCR", "k") : err;
}

static bool is_lent(struct cell *cell)
{
    weir_pool_stats s;
    weir__pool_stats(weir__redis_of(redis(cell), "the matrix")->leases, &s);
    return s.in_use == 1;
}

static bool is_watching(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return is_lent(cell);
}

static bool is_not_lent(weir_ctx *c, struct cell *cell)
{
    return !is_lent(cell) && is_even(c, cell);
}

/* --- a subscription, a consumer --------------------------------------------------------------- */

static weir_err take_subscription(weir_ctx *c, struct cell *cell)
{
    cell->held = weir_redis_subscribe(c, redis(cell), "c");
    return WEIR_OK;
}

/* Beside the keeper. */
static bool is_subscribed(weir_ctx *c, struct cell *cell)
{
    weir_redis_stats s;
    (void)c;
    weir_redis_numbers(redis(cell), &s);
    return s.subscriptions == 2;
}

static weir_err wait_for_message(weir_ctx *c, struct cell *cell)
{
    weir_redis_message m;
    return weir_redis_recv(c, cell->held, &m);
}

static weir_err take_consumer(weir_ctx *c, struct cell *cell)
{
    cell->held = weir_redis_consume(c, redis(cell), "s", .group = "g", .consumer = "me");
    return WEIR_OK;
}

static bool is_consuming(weir_ctx *c, struct cell *cell)
{
    weir_redis_entry e;
    (void)c;
    return weir_redis_consumer_next(cell->held, &e) == WEIR_OK;
}

static const struct resource resources[] = {
    RESOURCE("redis command", take_command, .prepare = prepare, .is_held = is_in_flight,
             .is_back = is_even),
    RESOURCE("redis transaction", take_watch, .prepare = prepare, .is_held = is_watching,
             .is_back = is_not_lent),
    RESOURCE("redis subscription", take_subscription, .prepare = prepare, .is_held = is_subscribed,
             .wait = wait_for_message, .is_back = is_even),
    RESOURCE("redis consumer", take_consumer, .prepare = prepare, .is_held = is_consuming,
             .is_back = is_even),
};

int main(void)
{
    return MATRIX(resources);
}
