/*
 * A service with everything that must not hurt: handlers that spin, panic, sleep, leak, allocate
 * without end, wait for ever, respond twice or not at all. The tests in tests/e2e ask for it.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <weir/weir.h>

struct nasty {
    const char *path; /* of a database; NULL: none */
    weir_db *db;
    weir_chan *never; /* nobody ever sends */
    weir_mutex *mutex;
};
WEIR_HANDLE(nasty, struct nasty);

typedef struct {
    weir_str name;
    int64_t age;
} person;
WEIR_MODEL(person, (name, .required = true, .len_max = 8), (age, .min = 0, .max = 150));

static weir_err hello(weir_ctx *c)
{
    return weir_text(c, 200, "hello\n");
}

/* Opens a file behind the runtime's back and forgets it; with ?adopt=yes hands it over. */
static weir_err opens_behind(weir_ctx *c)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (weir_str_eq(weir_query_param(c, "adopt"), WEIR_S("yes")) && weir_fd_adopt(c, fd) < 0)
        return weir_fail(c, 500, "it could not be handed over");
    weir_err err = weir_sleep(c, weir_ms(300)); /* for some audits to see it */
    return err < 0 ? err : weir_textf(c, 200, "%d\n", fd);
}

/* Holds its worker for ?ms= without ever giving it away. */
static weir_err spin(weir_ctx *c)
{
    int64_t ms = 100;
    if (weir_query_param_i64(c, "ms", &ms) < 0)
        return weir_fail_bind(c);
    int64_t until = weir_now().ns + weir_ms(ms).ns;
    for (volatile uint64_t turns = 0; weir_now().ns < until;)
        for (int i = 0; i < 1000000; i++)
            turns++;
    return weir_text(c, 200, "spun\n");
}

static weir_err sleep_for(weir_ctx *c)
{
    int64_t ms = 100;
    if (weir_query_param_i64(c, "ms", &ms) < 0)
        return weir_fail_bind(c);
    weir_err err = weir_sleep(c, weir_ms(ms));
    return err < 0 ? err : weir_text(c, 200, "slept\n");
}

/* Asks the same service at another port, in the same trace. */
static weir_err relays(weir_ctx *c)
{
    int64_t port = 0;
    char bytes[4096];
    if (weir_query_param_i64(c, "port", &port) < 0)
        return weir_fail_bind(c);
    weir_str where = weir_sprintf(c, "127.0.0.1:%lld", (long long)port),
             field = weir_traceparent(c);
    weir_socket *s = weir_dial(c, where.ptr);
    weir_str ask = weir_sprintf(c,
                                "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                                "traceparent: " WEIR_STR_FMT "\r\n\r\n",
                                WEIR_STR_ARG(field));
    weir_err err = weir_socket_send(c, s, ask.ptr, ask.len);
    while (err == WEIR_OK && weir_socket_recv(c, s, bytes, sizeof bytes) > 0) {
    }
    return weir_socket_err(s) < 0 ? weir_socket_err(s) : weir_text(c, 200, "relayed\n");
}

/* Ignores what its waits return; the drain must end all the same. */
static weir_err stubborn(weir_ctx *c)
{
    for (int i = 0; i < 20; i++)
        if (weir_sleep(c, weir_sec(10)) < 0)
            continue;
    return weir_text(c, 200, "done\n");
}

static weir_err panics(weir_ctx *c)
{
    (void)c;
    weir_panic("the %s is on fire", "kitchen");
}

static weir_err wait_for_ever(weir_ctx *c)
{
    int value;
    weir_err err = weir_chan_recv(c, nasty(c)->never, &value);
    return err < 0 ? err : weir_text(c, 200, "?\n");
}

/* Keeps the mutex to the end of its context, and waits meanwhile. */
static weir_err holds(weir_ctx *c)
{
    weir_err err = weir_lock(c, nasty(c)->mutex);
    return err < 0 ? err : wait_for_ever(c);
}

static weir_err eats_memory(weir_ctx *c)
{
    for (;;) {
        char *bytes = weir_alloc(c, 1 << 20);
        if (bytes == NULL)
            return weir_check(c);
        bytes[0] = 1;
    }
}

static weir_err responds_twice(weir_ctx *c)
{
    weir_err err = weir_text(c, 200, "first\n");
    if (weir_text(c, 200, "second\n") != WEIR_ECLOSED)
        weir_panic("a second response was taken");
    return err;
}

static weir_err says_nothing(weir_ctx *c)
{
    (void)c;
    return WEIR_OK;
}

static weir_err fails(weir_ctx *c)
{
    return weir_fail(c, 409, "no, and that is %s", "final");
}

static weir_err echo(weir_ctx *c)
{
    person p;
    if (weir_bind_json(c, person, &p) < 0)
        return weir_fail_bind(c);
    return weir_json(c, 200, person, &p);
}

/* A stream whose source breaks half way: the client must notice. */
static weir_err breaks(weir_ctx *c)
{
    weir_stream *out = weir_json_array(c, 200);
    const person p = {WEIR_S("ann"), 7};
    for (int i = 0; i < 5000; i++)
        weir_stream_put(out, person, &p);
    return weir_stream_end(out, weir_raise(c, WEIR_EDB, "the source broke"));
}

static weir_err background(weir_ctx *c, void *data)
{
    int64_t ms;
    memcpy(&ms, data, sizeof ms);
    weir_err err = weir_sleep(c, weir_ms(ms));
    weir_log(c, WEIR_LOG_INFO, "background work: %s", err < 0 ? "cancelled" : "done");
    return err;
}

static weir_err detaches(weir_ctx *c)
{
    int64_t ms = 100;
    if (weir_query_param_i64(c, "ms", &ms) < 0)
        return weir_fail_bind(c);
    weir_err err = weir_detach(c, background, &ms, sizeof ms);
    return err < 0 ? err : weir_text(c, 202, "later\n");
}

/* A call that blocks the worker for 300 ms: what it returns, and how long it took. */
static int block(weir_str how)
{
    const struct timespec time = {.tv_nsec = 300000000};
    if (weir_str_eq(how, WEIR_S("sleep")))
        return (int)sleep(1);
    if (weir_str_eq(how, WEIR_S("usleep")))
        return usleep(300000);
    if (weir_str_eq(how, WEIR_S("poll")))
        return poll(NULL, 0, 300);
    if (!weir_str_eq(how, WEIR_S("read")))
        return nanosleep(&time, NULL);
    uint64_t ticks = 0;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    (void)timerfd_settime(fd, 0, &(struct itimerspec){.it_value = time}, NULL);
    int n = (int)read(fd, &ticks, sizeof ticks);
    close(fd);
    return n == sizeof ticks && ticks == 1 ? 0 : -1;
}

static weir_err blocks(weir_ctx *c)
{
    struct timespec from, to;
    weir_str how = weir_query_param(c, "how");
    clock_gettime(CLOCK_MONOTONIC, &from);
    int result = block(how);
    clock_gettime(CLOCK_MONOTONIC, &to);
    int64_t ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
    return weir_textf(c, 200, "%d %lld\n", result, (long long)ms);
}

static weir_err child(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_sleep(c, weir_sec(30));
}

/* Leaves without joining: the context does it. */
static weir_err leaves_children(weir_ctx *c)
{
    for (int i = 0; i < 10; i++)
        if (WEIR_GO(c, child, NULL) < 0)
            return weir_fail(c, 500, "no fiber");
    weir_err err = weir_yield(c);
    return err < 0 ? err : weir_text(c, 200, "left\n");
}

/* Reads the body to its end and says how much there was. */
/* The body as it comes, and behind it how long it was and what was behind that. */
static weir_err gives_back(weir_ctx *c)
{
    char bytes[4096];
    ssize_t n;
    size_t sum = 0;
    (void)weir_announce_trailer(c, "x-sum");
    weir_stream *out = weir_stream_begin(c, 200, "application/octet-stream");
    while ((n = weir_body_read(c, bytes, sizeof bytes)) > 0) {
        sum += (size_t)n;
        weir_stream_write(out, (weir_str){bytes, (size_t)n});
        weir_stream_flush(out);
    }
    (void)weir_add_trailer(c, "x-sum", weir_sprintf(c, "%zu", sum));
    for (weir_header_iter t = {0}; weir_trailer_next(c, &t);)
        (void)weir_add_trailer(c, "x-came", t.value);
    return weir_stream_end(out, n < 0 ? (weir_err)n : WEIR_OK);
}

static weir_err counts(weir_ctx *c)
{
    char bytes[4096];
    int64_t total = 0;
    ssize_t n;
    while ((n = weir_body_read(c, bytes, sizeof bytes)) > 0)
        total += n;
    return n < 0 ? weir_fail_bind(c) : weir_textf(c, 200, "%lld\n", (long long)total);
}

/* Reads one of many rows, and forgets the rest. */
static weir_err leaks_rows(weir_ctx *c)
{
    int64_t i = 0;
    weir_rows *rows = weir_query(c, nasty(c)->db, "SELECT i FROM t");
    if (!weir_rows_next(rows, int64_t, &i))
        return weir_rows_err(rows);
    return weir_textf(c, 200, "%lld\n", (long long)i);
}

/* Keeps a connection of the database for ?ms=, and then forgets nothing. */
static weir_err keeps_rows(weir_ctx *c)
{
    int64_t i = 0, ms = 100;
    if (weir_query_param_i64(c, "ms", &ms) < 0)
        return weir_fail_bind(c);
    weir_rows *rows = weir_query(c, nasty(c)->db, "SELECT i FROM t ORDER BY i");
    if (!weir_rows_next(rows, int64_t, &i))
        return weir_rows_err(rows);
    weir_err err = weir_sleep(c, weir_ms(ms));
    weir_rows_close(rows);
    return err < 0 ? err : weir_text(c, 200, "kept\n");
}

/* Writes, and forgets to commit. */
static weir_err leaks_tx(weir_ctx *c)
{
    weir_tx *tx = weir_begin(c, nasty(c)->db);
    weir_exec(tx, "INSERT INTO t VALUES (1000)");
    return weir_tx_err(tx) < 0 ? weir_tx_err(tx) : weir_text(c, 200, "written?\n");
}

static weir_err counts_rows(weir_ctx *c)
{
    int64_t n;
    weir_err err = weir_query_one(c, nasty(c)->db, int64_t, &n, "SELECT count(*) FROM t");
    return err < 0 ? err : weir_textf(c, 200, "%lld\n", (long long)n);
}

/* One waits for the other's lock, which waits for its own. */
struct locks {
    weir_mutex *first, *second;
};

static weir_err locks_both(weir_ctx *c, void *arg)
{
    struct locks *l = arg;
    weir_err err = weir_lock(c, l->first);
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_ms(5));
    return err == WEIR_OK ? weir_lock(c, l->second) : err;
}

static weir_err locks_crosswise(weir_ctx *c)
{
    struct locks *a = weir_new(c, struct locks), *b = weir_new(c, struct locks);
    if (a == NULL || b == NULL)
        return -ENOMEM;
    *a = (struct locks){weir_mutex_new(c), weir_mutex_new(c)};
    *b = (struct locks){a->second, a->first};
    weir_err err = WEIR_GO(c, locks_both, a);
    if (err == WEIR_OK)
        err = WEIR_GO(c, locks_both, b);
    if (err == WEIR_OK)
        err = weir_join(c);
    return err < 0 ? err : weir_text(c, 200, "both\n");
}

static weir_err open_db(weir_ctx *c, struct nasty *n)
{
    n->db =
        weir_sqlite_open(c, .path = n->path, .create = true,
                         .pool = {.max_open = 2, .waiters_max = 1, .leak_threshold = weir_ms(200)});
    if (weir_db_err(n->db) < 0)
        return weir_db_err(n->db);
    return weir_exec_script(c, n->db,
                            "CREATE TABLE IF NOT EXISTS t(i INTEGER); DELETE FROM t;"
                            "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
                            "SELECT i + 1 FROM n WHERE i < 100) SELECT i FROM n;");
}

static weir_err start(weir_ctx *c, void *arg)
{
    struct nasty *n = arg;
    if (n->path != NULL && open_db(c, n) < 0)
        return weir_db_err(n->db) < 0 ? weir_db_err(n->db) : WEIR_EDB;
    n->never = weir_chan_new(c, int, 0);
    n->mutex = weir_mutex_new(c);
    return getenv("NASTY_START_FAILS") != NULL ? weir_raise(c, -ENOENT, "no such thing as luck")
                                               : WEIR_OK;
}

int main(int argc, char **argv)
{
    static struct nasty it;
    bool has_conflict = false, has_need = false;
    const weir_option options[] = {
        {.name = "conflict", .toggle = &has_conflict, .help = "adds routes that conflict"},
        {.name = "db", .text = &it.path, .help = "a database for what leaks"},
        {.name = "need", .toggle = &has_need, .help = "does not provide what is needed"},
        {0},
    };
    weir_app *app =
        weir_app_new(argc, argv, .name = "nasty", .options = options, .start = start, .arg = &it);
    weir_use(app, weir_mw_request_id, weir_mw_log, weir_mw_metrics, weir_mw_recover);
    weir_needs(app, nasty);
    if (!has_need)
        weir_provide(app, nasty, &it);
    weir_get(app, "/hello", hello);
    weir_get(app, "/opens-behind", opens_behind);
    weir_get(app, "/spin", spin);
    weir_get(app, "/blocks", blocks);
    weir_get(app, "/sleep", sleep_for);
    weir_get(app, "/relays", relays);
    weir_get(app, "/stubborn", stubborn);
    weir_get(app, "/panic", panics);
    weir_get(app, "/ever", wait_for_ever);
    weir_get(app, "/holds", holds);
    weir_get(app, "/eats", eats_memory);
    weir_get(app, "/twice", responds_twice);
    weir_get(app, "/nothing", says_nothing);
    weir_get(app, "/fails", fails);
    weir_get(app, "/breaks", breaks);
    weir_get(app, "/detach", detaches);
    weir_get(app, "/children", leaves_children);
    weir_get(app, "/crosswise", locks_crosswise);
    weir_get(app, "/leaks-rows", leaks_rows);
    weir_get(app, "/leaks-tx", leaks_tx);
    weir_get(app, "/keeps-rows", keeps_rows);
    weir_get(app, "/rows", counts_rows);
    weir_get(app, "/short", sleep_for, .timeout = weir_ms(50));
    weir_post(app, "/echo", echo, .body_bytes_max = 1024);
    weir_post(app, "/count", counts);
    weir_post(app, "/back", gives_back, .body_bytes_max = WEIR_BODY_UNLIMITED);
    if (has_conflict) {
        weir_get(app, "/hello", hello);
        weir_get(app, "no-slash", hello);
    }
    return weir_app_run(app);
}
