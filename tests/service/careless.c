/*
 * What careless handlers do: each route makes one mistake, and /ok beside them must go on. It needs
 * nothing but the library, so it is also built as a stranger builds it. The path says
 * which mistake; what is expected of each is in tests/careless/careless.py.
 */
#include <pthread.h>
#include <setjmp.h>
#include <unistd.h>
#include <weir/weir.h>

struct kept {
    weir_ctx *app;
    weir_chan *chan;
    weir_mutex *mutex;
    weir_sem *sem;
    weir_wait_group *group;
    weir_once *once;
    weir_http *http;
    weir_db *db, *away; /* one that is there, one that nobody reaches */
    weir_redis *redis;  /* nor this */
    const char *path;   /* of the one that is there */
};
WEIR_HANDLE(kept, struct kept);
static struct kept the_kept;

static weir_err fine(weir_ctx *c)
{
    weir_err err = weir_yield(c);
    return err < 0 ? err : weir_text(c, 200, "fine\n");
}

/* --- locals ------------------------------------------------------------------------------- */

struct part {
    int64_t rounds, ms;
};

static weir_err work(weir_ctx *c, void *arg)
{
    struct part *part = arg;
    for (;;) {
        weir_err err = weir_sleep(c, weir_ms(part->ms));
        part->rounds++;
        if (err < 0)
            return err;
    }
}

static void note(void *arg)
{
    ((struct part *)arg)->rounds++;
}

static weir_err local_to_fiber(weir_ctx *c)
{
    struct part part = {0, 1};
    weir_err err = WEIR_GO(c, work, &part);
    return err < 0 ? err : weir_text(c, 200, "started\n");
}

static weir_err local_without_scope(weir_ctx *c)
{
    struct part parts[3] = {{0, 1}, {0, 1}, {0, 1}};
    weir_ctx *group = weir_ctx_open(c, .timeout = weir_ms(300));
    for (int i = 0; i < 3; i++) {
        weir_err err = WEIR_GO(group, work, &parts[i]);
        if (err < 0)
            return err;
    }
    return weir_fail(c, 503, "left before the join");
}

static weir_err local_deferred(weir_ctx *c)
{
    struct part part = {0, 1};
    weir_err err = weir_defer(c, note, &part);
    return err < 0 ? err : weir_text(c, 200, "deferred\n");
}

static weir_err local_to_timer(weir_ctx *c)
{
    struct part part = {0, 1};
    weir_err err = weir_timer_every(c, weir_ms(1), work, &part, NULL);
    return err < 0 ? err : weir_text(c, 200, "started\n");
}

/* --- blocks that are left ----------------------------------------------------------------- */

static weir_err start_parts(weir_ctx *group, struct part *parts)
{
    for (int i = 0; i < 3; i++) {
        weir_err err = WEIR_GO(group, work, &parts[i]);
        if (err < 0)
            return err;
    }
    return weir_sleep(group, weir_ms(5));
}

static weir_err scope_and_check(weir_ctx *c)
{
    struct part parts[3] = {{0, 1}, {0, 1}, {0, 1}};
    WEIR_SCOPE(group, c);
    weir_err err = start_parts(group, parts);
    WEIR_CHECK(err != WEIR_OK);
    return err;
}

static weir_err scope_and_return(weir_ctx *c)
{
    struct part parts[3] = {{0, 1}, {0, 1}, {0, 1}};
    WEIR_SCOPE(group, c);
    weir_err err = start_parts(group, parts);
    return err < 0 ? err : weir_fail(c, 503, "left before the join");
}

static weir_err block_and_break(weir_ctx *c)
{
    struct part parts[3] = {{0, 1}, {0, 1}, {0, 1}};
    WEIR_WITH(group, c) {
        if (start_parts(group, parts) == WEIR_OK)
            break;
    }
    return weir_text(c, 200, "left by a break\n");
}

static __attribute__((noinline)) weir_err leaves_by_jump(weir_ctx *c, jmp_buf back)
{
    struct part parts[3] = {{0, 1}, {0, 1}, {0, 1}};
    WEIR_WITH(group, c) {
        if (start_parts(group, parts) == WEIR_OK)
            longjmp(back, 1);
    }
    return weir_fail(c, 503, "it does not come here");
}

static weir_err block_and_jump(weir_ctx *c)
{
    jmp_buf back;
    if (setjmp(back) == 0)
        return leaves_by_jump(c, back);
    weir_err err = weir_sleep(c, weir_ms(20));
    return err < 0 ? err : weir_text(c, 200, "jumped\n");
}

static weir_err nested(weir_ctx *c, int left)
{
    WEIR_SCOPE(next, c);
    weir_err err = left > 0 ? nested(next, left - 1) : weir_yield(next);
    return err < 0 ? err : left;
}

static weir_err nested_5000(weir_ctx *c)
{
    return nested(c, 5000) < 0 ? weir_fail(c, 503, "too deep") : weir_text(c, 200, "came back\n");
}

static weir_err close_own(weir_ctx *c)
{
    weir_ctx *volatile own = c; /* else the compiler sees it */
    (void)weir_ctx_close(own);
    return weir_text(c, 200, "closed\n");
}

/* --- waits whose result nobody looks at --------------------------------------------------- */

#define OFTEN 100000000

#define SPIN(name, ...)                                                                            \
    static weir_err spin_##name(weir_ctx *c)                                                       \
    {                                                                                              \
        weir_cancel(c);                                                                            \
        for (int n = 0; n < OFTEN; n++)                                                            \
            __VA_ARGS__;                                                                           \
        return weir_text(c, 200, "it went on for ever\n");                                         \
    }
static weir_err nothing(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return WEIR_OK;
}

static weir_err compute(void *arg)
{
    (void)arg;
    return WEIR_OK;
}

static int select_one(weir_ctx *c, int *n)
{
    weir_select_case arms[] = {{.chan = kept(c)->chan, .recv = n}};
    return weir_select(c, arms, 1, weir_ms(-1), NULL);
}

SPIN(sleep, (void)!weir_sleep(c, weir_ms(20)))
SPIN(yield, (void)!weir_yield(c))
SPIN(checkpoint, (void)!weir_checkpoint(c))
SPIN(send, (void)!weir_chan_send(c, kept(c)->chan, &n))
SPIN(recv, (void)!weir_chan_recv(c, kept(c)->chan, &n))
SPIN(try_send, (void)!weir_chan_try_send(c, kept(c)->chan, &n))
SPIN(select, (void)!select_one(c, &n))
SPIN(lock, (void)!weir_lock(c, kept(c)->mutex))
SPIN(sem, (void)!weir_sem_acquire(c, kept(c)->sem))
SPIN(once, (void)!weir_once_do(c, kept(c)->once, nothing, NULL))
SPIN(group, (void)!weir_wait_group_wait(c, kept(c)->group))
SPIN(join, (void)!weir_join(c))
SPIN(go, (void)!WEIR_GO(c, nothing, NULL))
SPIN(offload, (void)!weir_offload(c, compute, &n))

static weir_err spin_file(weir_ctx *c)
{
    weir_file *file = weir_file_temp(c);
    char byte;
    weir_cancel(c);
    for (int n = 0; n < OFTEN; n++)
        (void)!weir_file_pread(c, file, &byte, 1, 0);
    return weir_text(c, 200, "it went on for ever\n");
}

static weir_err spin_socket(weir_ctx *c)
{
    weir_socket *s = weir_dial(c, "127.0.0.1:1", .timeout = weir_ms(50));
    char byte;
    weir_cancel(c);
    for (int n = 0; n < OFTEN; n++)
        (void)!weir_socket_recv(c, s, &byte, 1);
    return weir_text(c, 200, "it went on for ever\n");
}

static weir_err spin_closed(weir_ctx *c) /* nobody is cancelled: the channel is closed */
{
    weir_chan *ch = weir_chan_new(c, int, 1);
    int got;
    weir_chan_close(c, ch);
    for (int n = 0; n < OFTEN; n++)
        (void)!weir_chan_recv(c, ch, &got);
    return weir_text(c, 200, "it went on for ever\n");
}

static weir_err spin_deadline(weir_ctx *c) /* the route's time-out */
{
    for (int n = 0; n < OFTEN; n++)
        (void)!weir_sleep(c, weir_ms(20));
    return weir_text(c, 200, "it went on for ever\n");
}

static weir_err past_its_deadline(weir_ctx *c, void *arg)
{
    (void)arg;
    for (int n = 0; n < OFTEN; n++)
        (void)!weir_sleep(c, weir_ms(5));
    return WEIR_OK;
}

static weir_err spin_detached(weir_ctx *c)
{
    weir_err err = weir_detach(c, past_its_deadline, NULL, 0, .timeout = weir_ms(20));
    return err < 0 ? err : weir_text(c, 200, "detached\n");
}

static weir_err spin_body(weir_ctx *c) /* it ended long ago */
{
    char byte;
    for (int n = 0; n < OFTEN; n++)
        (void)!weir_body_read(c, &byte, 1);
    return WEIR_OK;
}

/* --- nothing where something must be ------------------------------------------------------ */

static void *volatile none; /* the compiler must not see it */

static weir_err null_function(weir_ctx *c)
{
    return weir_protect(c, (weir_fiber_fn)none, NULL);
}

static weir_err null_model(weir_ctx *c)
{
    return weir_json_at(c, 200, none, &the_kept);
}

static weir_err null_context(weir_ctx *c)
{
    (void)c;
    return weir_sleep(none, weir_ms(1));
}

static weir_err null_element(weir_ctx *c)
{
    return weir_chan_send(c, kept(c)->chan, none);
}

/* --- what ends before it is used ---------------------------------------------------------- */

static weir_err kept_argument(weir_ctx *c)
{
    struct part *part = weir_alloc(c, sizeof *part);
    weir_err err = WEIR_GO(kept(c)->app, work, part);
    return err < 0 ? err : weir_text(c, 200, "started\n");
}

static weir_err local_key(weir_ctx *c)
{
    const weir_key key = {"key", sizeof(int)};
    const int value = 1;
    weir_err err = weir_set(c, &key, &value);
    return err < 0 ? err : weir_text(c, 200, "set\n");
}

/* --- what is not theirs ------------------------------------------------------------------- */

static weir_err adopt_stdin(weir_ctx *c)
{
    weir_err err = weir_fd_adopt(c, 0);
    return err < 0 ? err : weir_text(c, 200, "adopted\n");
}

static void *waits_elsewhere(void *c)
{
    weir_err err = weir_sleep(c, weir_ms(1));
    return err == WEIR_ETHREAD ? c : NULL;
}

static weir_err foreign_thread(weir_ctx *c)
{
    pthread_t thread;
    void *result = NULL;
    if (pthread_create(&thread, NULL, waits_elsewhere, c) != 0)
        return weir_fail(c, 503, "no thread");
    pthread_join(thread, &result);
    return weir_text(c, result == c ? 200 : 500, "joined\n");
}

/* --- what they hold the worker with ------------------------------------------------------- */

static weir_err blocking_sleep(weir_ctx *c)
{
    return usleep(300000) == 0 ? weir_text(c, 200, "slept\n") : weir_fail(c, 500, "cut short");
}

static weir_err panics_elsewhere(void *arg)
{
    (void)arg;
    weir_panic("on a thread of its own");
}

static weir_err offloaded_panic(weir_ctx *c)
{
    weir_err err = weir_offload(c, panics_elsewhere, NULL);
    return err < 0 ? err : weir_text(c, 200, "done\n");
}

/* --- asking others, here itself ------------------------------------------------------------- */

static weir_err large(weir_ctx *c)
{
    static char bytes[100000];
    return weir_bytes(c, 200, "application/octet-stream", (weir_str){bytes, sizeof bytes});
}

static const char *own_url(weir_ctx *c, const char *path)
{
    weir_str host = weir_header(c, "Host");
    return weir_sprintf(c, "http://" WEIR_STR_FMT "%s", WEIR_STR_ARG(host), path).ptr;
}

static weir_err reply_kept(weir_ctx *c)
{
    weir_reply *reply = NULL;
    WEIR_WITH(step, c) {
        reply = weir_http_get(step, kept(c)->http, own_url(c, "/large"));
    }
    weir_str body = weir_reply_body(reply);
    return weir_bytes(c, 200, "application/octet-stream", body);
}

static weir_err client_kept(weir_ctx *c)
{
    weir_http *http = NULL;
    WEIR_WITH(step, c) {
        http = weir_http_open(step);
    }
    weir_reply *r = weir_http_get(c, http, own_url(c, "/ok"));
    return weir_textf(c, 200, "%d\n", weir_reply_status(r));
}

static weir_err client_null(weir_ctx *c)
{
    weir_reply *r = weir_http_get(c, (weir_http *)none, "/ok");
    return weir_textf(c, 200, "%d\n", weir_reply_status(r));
}

/* Its client is the request's, which may have ended. */
static weir_err ask_later(weir_ctx *c, void *arg)
{
    weir_err err = weir_sleep(c, weir_ms(50));
    if (err < 0)
        return err;
    weir_reply *r = weir_http_get(c, *(weir_http **)arg, "http://127.0.0.1:1/");
    return weir_reply_err(r);
}

static weir_err ask_detached(weir_ctx *c)
{
    weir_http *http = weir_http_open(c);
    weir_err err = weir_detach(c, ask_later, &http, sizeof http, .timeout = weir_sec(5));
    return err < 0 ? err : weir_text(c, 200, "detached\n");
}

static weir_err read_unfinished(weir_ctx *c)
{
    char byte;
    weir_reply *r = weir_http_begin(c, kept(c)->http, "POST", own_url(c, "/ok"));
    ssize_t n = weir_reply_read(r, &byte, 1);
    return weir_textf(c, 200, "%zd\n", n);
}

static weir_err read_all(weir_ctx *c, void *reply)
{
    (void)c;
    return weir_reply_body(reply).ptr != NULL ? WEIR_OK : weir_reply_err(reply);
}

static weir_err reply_of_another(weir_ctx *c)
{
    weir_reply *r = weir_http_get(c, kept(c)->http, own_url(c, "/large"));
    weir_err err = WEIR_GO(c, read_all, r);
    if (err == WEIR_OK)
        err = weir_join(c);
    return err < 0 ? err : weir_text(c, 200, "read\n");
}

static weir_err replies_forgotten(weir_ctx *c)
{
    const char *url = own_url(c, "/large");
    int64_t sum = 0;
    for (int n = 0; n < 100000; n++)
        sum += weir_reply_status(weir_http_get(c, kept(c)->http, url));
    return weir_textf(c, 200, "%lld\n", (long long)sum);
}

static weir_err time_without_unit(weir_ctx *c)
{
    weir_reply *r = weir_http_get(c, kept(c)->http, own_url(c, "/ok"), .timeout = (weir_dur){300});
    return weir_textf(c, 200, "%d\n", weir_reply_status(r));
}

static weir_http *to_itself(weir_ctx *c)
{
    return weir_http_open(c, .base = own_url(c, ""));
}

static weir_err proxy_circle(weir_ctx *c)
{
    return weir_proxy(c, to_itself(c));
}

static weir_err proxy_null(weir_ctx *c)
{
    return weir_proxy(c, (weir_http *)none);
}

static weir_err proxy_twice(weir_ctx *c)
{
    weir_http *http = to_itself(c);
    weir_err err = weir_proxy(c, http, .strip = "/proxy-twice", .prefix = "/ok");
    return err < 0 ? err : weir_proxy(c, http);
}

static weir_err proxy_nowhere(weir_ctx *c) /* to a client that has no base */
{
    return weir_proxy(c, kept(c)->http);
}

static weir_err half(weir_ctx *c)
{
    weir_stream *s = weir_stream_begin(c, 200, "text/plain");
    weir_stream_write(s, WEIR_S("one half\n"));
    weir_stream_flush(s);
    return weir_stream_end(s, WEIR_EFAIL);
}

static weir_err proxy_cut(weir_ctx *c)
{
    return weir_proxy(c, to_itself(c), .strip = "/proxy-cut", .prefix = "/half");
}

static weir_err write_null(weir_ctx *c)
{
    weir_reply *r = weir_http_begin(c, kept(c)->http, "POST", own_url(c, "/ok"));
    weir_err err = weir_http_write(r, none, 5);
    return err < 0 ? err : weir_text(c, 200, "written\n");
}

/* Half a body, and then it leaves with what kept it from the rest. */
static weir_err write_half(weir_ctx *c)
{
    weir_reply *r = weir_http_begin(c, kept(c)->http, "POST", own_url(c, "/ok"));
    weir_err err = weir_http_write(r, "half", 4);
    return err < 0 ? err : weir_fail(c, 503, "the other half is not there");
}

/* --- what a request leaves in a variable -------------------------------------------------- */

static weir_reply *stored_reply;
static weir_http *stored_http;

static weir_err store(weir_ctx *c)
{
    stored_http = weir_http_open(c);
    stored_reply = weir_http_get(c, stored_http, own_url(c, "/large"));
    return weir_text(c, 200, "stored\n");
}

/* The other request stores what is its own, and has ended. */
static weir_err have_stored(weir_ctx *c)
{
    weir_reply *r = weir_http_get(c, kept(c)->http, own_url(c, "/store"));
    weir_str body = weir_reply_body(r);
    return body.ptr != NULL ? weir_sleep(c, weir_ms(20)) : weir_reply_err(r);
}

static weir_err reply_stored(weir_ctx *c)
{
    weir_err err = have_stored(c);
    return err < 0 ? err
                   : weir_bytes(c, 200, "application/octet-stream", weir_reply_body(stored_reply));
}

static weir_err ask_stored(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_reply_err(weir_http_get(c, stored_http, "http://127.0.0.1:1/"));
}

static weir_err ask_by_timer(weir_ctx *c)
{
    weir_err err = have_stored(c);
    if (err == WEIR_OK)
        err = weir_timer_after(kept(c)->app, weir_ms(1), ask_stored, NULL, NULL);
    return err < 0 ? err : weir_text(c, 200, "started\n");
}

/* --- databases ------------------------------------------------------------------------------ */

static weir_err db_null(weir_ctx *c)
{
    return weir_rows_err(weir_query(c, (weir_db *)none, "SELECT 1"));
}

static weir_err db_of_a_step(weir_ctx *c)
{
    weir_db *db = NULL;
    WEIR_WITH(step, c) {
        db = weir_postgres_open(step, .url = "postgres://a@127.0.0.1:1/b", .lazy = true);
    }
    return weir_rows_err(weir_query(c, db, "SELECT 1"));
}

static weir_rows *numbers(weir_ctx *c)
{
    return weir_query(c, kept(c)->db, "VALUES (1), (2), (3)");
}

static weir_err read_one(weir_ctx *c, void *rows)
{
    int64_t n;
    (void)c;
    return weir_rows_next(rows, int64_t, &n) ? WEIR_OK : weir_rows_err(rows);
}

static weir_err rows_of_a_step(weir_ctx *c)
{
    weir_rows *rows = NULL;
    WEIR_WITH(step, c) {
        rows = numbers(step);
    }
    return read_one(c, rows);
}

static weir_err rows_of_another(weir_ctx *c)
{
    weir_rows *rows = numbers(c);
    weir_err err = WEIR_GO(c, read_one, rows);
    if (err == WEIR_OK)
        err = weir_join(c);
    return err < 0 ? err : weir_text(c, 200, "read\n");
}

static weir_err rows_and_panic(weir_ctx *c)
{
    weir_rows *rows = numbers(c);
    int64_t n;
    while (weir_rows_next(rows, int64_t, &n))
        WEIR_CHECK(n < 2);
    return weir_rows_err(rows);
}

static weir_err write_one(weir_ctx *c, void *tx)
{
    (void)c;
    return weir_exec((weir_tx *)tx, "INSERT INTO notes VALUES (1)");
}

static weir_err tx_of_another(weir_ctx *c)
{
    weir_tx *tx = weir_begin(c, kept(c)->db);
    weir_err err = WEIR_GO(c, write_one, tx);
    if (err == WEIR_OK)
        err = weir_join(c);
    return err < 0 ? err : weir_text(c, 200, "written\n");
}

static weir_err tx_of_a_step(weir_ctx *c)
{
    weir_tx *tx = NULL;
    WEIR_WITH(step, c) {
        tx = weir_begin(step, kept(c)->db);
    }
    return write_one(c, tx);
}

/* The second commit does nothing; what is written behind it is refused. */
static weir_err commit_twice(weir_ctx *c)
{
    weir_tx *tx = weir_begin(c, kept(c)->db);
    (void)write_one(c, tx);
    weir_err first = weir_commit(tx), second = weir_commit(tx);
    weir_err late = write_one(c, tx);
    return weir_text(c, first == WEIR_OK && second == WEIR_OK && late < 0 ? 200 : 500, "twice\n");
}

static weir_err tx_left(weir_ctx *c)
{
    weir_err err = write_one(c, weir_begin(c, kept(c)->db));
    return err < 0 ? err : weir_text(c, 200, "left\n");
}

/* In a loop that looks at nothing. */
static weir_err spin_query(weir_ctx *c)
{
    for (int n = 0; n < OFTEN; n++)
        weir_rows_close(weir_query(c, kept(c)->away, "SELECT 1"));
    return weir_text(c, 200, "it went on for ever\n");
}

static weir_err spin_redis(weir_ctx *c)
{
    for (int n = 0; n < OFTEN; n++)
        weir_redis_set(c, kept(c)->redis, "k", n);
    return weir_text(c, 200, "it went on for ever\n");
}

static weir_err redis_null(weir_ctx *c)
{
    return weir_redis_set(c, (weir_redis *)none, "k", 1);
}

static weir_err pipe_of_a_step(weir_ctx *c)
{
    weir_redis_pipe *pipe = NULL;
    WEIR_WITH(step, c)
        pipe = weir_redis_pipe_new(step, kept(c)->redis);
    return weir_redis_add(pipe, "INCR", "k");
}

static weir_err cache_of_a_request(weir_ctx *c)
{
    return weir_cache_err(weir_cache_new(c, .name = "mine", .entries_max = 10, .bytes_max = 1 << 20,
                                         .ttl = weir_min(1)));
}

/* --- responses ---------------------------------------------------------------------------- */

static weir_err respond_twice(weir_ctx *c)
{
    weir_err err = weir_text(c, 200, "first\n");
    return err < 0 ? err : weir_text(c, 404, "second\n");
}

static weir_err stream_twice(weir_ctx *c)
{
    weir_err err = weir_stream_end(weir_stream_begin(c, 200, "text/plain"), WEIR_OK);
    return err < 0 ? err : weir_stream_end(weir_stream_begin(c, 200, "text/plain"), WEIR_OK);
}

static weir_err upgrade_by_hand(weir_ctx *c)
{
    weir_err err = weir_add_header(c, "X-Protocol", WEIR_S("mine"));
    return err < 0 ? err : weir_text(c, 101, "");
}

static weir_err open_kept(weir_ctx *app, void *arg)
{
    struct kept *k = arg;
    k->app = app;
    k->chan = weir_chan_new(app, int, 4);
    k->mutex = weir_mutex_new(app);
    k->sem = weir_sem_new(app, 1);
    k->group = weir_wait_group_new(app);
    k->once = weir_once_new(app);
    k->http = weir_http_open(app, .pool = {.max_open = 8});
    k->away = weir_postgres_open(app, .url = "postgres://a@127.0.0.1:1/b", .lazy = true);
    k->redis = weir_redis_open(app, .url = "redis://127.0.0.1:1");
    k->db = weir_sqlite_open(app, .path = k->path, .create = true);
    weir_err err = weir_exec_script(app, k->db, "CREATE TABLE IF NOT EXISTS notes(n INTEGER)");
    return err < 0 ? err : weir_http_err(k->http);
}

int main(int argc, char **argv)
{
    const weir_option options[] = {
        {.name = "db", .text = &the_kept.path, .help = "the file of its database"},
        {0},
    };
    the_kept.path = "careless.db";
    weir_app *app = weir_app_new(argc, argv, .name = "careless", .options = options,
                                 .start = open_kept, .arg = &the_kept);
    weir_provide(app, kept, &the_kept);
    weir_get(app, "/ok", fine);
    weir_get(app, "/local-to-fiber", local_to_fiber);
    weir_get(app, "/local-without-scope", local_without_scope);
    weir_get(app, "/local-deferred", local_deferred);
    weir_get(app, "/local-to-timer", local_to_timer);
    weir_get(app, "/scope-and-check", scope_and_check);
    weir_get(app, "/scope-and-return", scope_and_return);
    weir_get(app, "/block-and-break", block_and_break);
    weir_get(app, "/block-and-jump", block_and_jump);
    weir_get(app, "/nested-5000", nested_5000);
    weir_get(app, "/close-own", close_own);
    weir_get(app, "/spin-sleep", spin_sleep);
    weir_get(app, "/spin-yield", spin_yield);
    weir_get(app, "/spin-checkpoint", spin_checkpoint);
    weir_get(app, "/spin-send", spin_send);
    weir_get(app, "/spin-recv", spin_recv);
    weir_get(app, "/spin-try-send", spin_try_send);
    weir_get(app, "/spin-select", spin_select);
    weir_get(app, "/spin-lock", spin_lock);
    weir_get(app, "/spin-sem", spin_sem);
    weir_get(app, "/spin-once", spin_once);
    weir_get(app, "/spin-group", spin_group);
    weir_get(app, "/spin-join", spin_join);
    weir_get(app, "/spin-go", spin_go);
    weir_get(app, "/spin-offload", spin_offload);
    weir_get(app, "/spin-file", spin_file);
    weir_get(app, "/spin-socket", spin_socket);
    weir_get(app, "/spin-closed", spin_closed);
    weir_get(app, "/spin-deadline", spin_deadline, .timeout = weir_ms(50));
    weir_get(app, "/spin-detached", spin_detached);
    weir_get(app, "/spin-body", spin_body);
    weir_get(app, "/null-function", null_function);
    weir_get(app, "/null-model", null_model);
    weir_get(app, "/null-context", null_context);
    weir_get(app, "/null-element", null_element);
    weir_get(app, "/kept-argument", kept_argument);
    weir_get(app, "/local-key", local_key);
    weir_get(app, "/adopt-stdin", adopt_stdin);
    weir_get(app, "/foreign-thread", foreign_thread);
    weir_get(app, "/blocking-sleep", blocking_sleep);
    weir_get(app, "/offloaded-panic", offloaded_panic);
    weir_get(app, "/large", large);
    weir_get(app, "/reply-kept", reply_kept);
    weir_get(app, "/client-kept", client_kept);
    weir_get(app, "/client-null", client_null);
    weir_get(app, "/ask-detached", ask_detached);
    weir_get(app, "/read-unfinished", read_unfinished);
    weir_get(app, "/reply-of-another", reply_of_another);
    weir_get(app, "/replies-forgotten", replies_forgotten);
    weir_get(app, "/time-without-unit", time_without_unit);
    weir_get(app, "/proxy-circle", proxy_circle);
    weir_get(app, "/proxy-null", proxy_null);
    weir_get(app, "/proxy-twice", proxy_twice);
    weir_get(app, "/proxy-nowhere", proxy_nowhere);
    weir_get(app, "/half/", half);
    weir_get(app, "/proxy-cut", proxy_cut);
    weir_get(app, "/write-null", write_null);
    weir_get(app, "/write-half", write_half);
    weir_get(app, "/store", store);
    weir_get(app, "/reply-stored", reply_stored);
    weir_get(app, "/ask-by-timer", ask_by_timer);
    weir_get(app, "/db-null", db_null);
    weir_get(app, "/db-of-a-step", db_of_a_step);
    weir_get(app, "/rows-of-a-step", rows_of_a_step);
    weir_get(app, "/rows-of-another", rows_of_another);
    weir_get(app, "/rows-and-panic", rows_and_panic);
    weir_get(app, "/tx-of-another", tx_of_another);
    weir_get(app, "/tx-of-a-step", tx_of_a_step);
    weir_get(app, "/commit-twice", commit_twice);
    weir_get(app, "/tx-left", tx_left);
    weir_get(app, "/spin-query", spin_query);
    weir_get(app, "/spin-redis", spin_redis);
    weir_get(app, "/redis-null", redis_null);
    weir_get(app, "/pipe-of-a-step", pipe_of_a_step);
    weir_get(app, "/cache-of-a-request", cache_of_a_request);
    weir_get(app, "/respond-twice", respond_twice);
    weir_get(app, "/stream-twice", stream_twice);
    weir_get(app, "/upgrade-by-hand", upgrade_by_hand);
    return weir_app_run(app);
}
