/*
 * The server as a whole: its options, its part on each worker, start, drain and end, and its
 * numbers.
 *
 * Nothing here is on a request's way. Workers are told things by messages that each part has ready,
 * so that draining and cancelling need no memory and wait for nobody; `open` counts connections and
 * such messages, and at 0 nothing of the server is at work on any worker.
 */
#include "http/common/server.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/trap.h"
#include "http/common/conn.h"
#include "net/listener.h"
#include "os/sys.h"

#define PATIENCE 10 /* seconds: a worker that does not answer for so long is stuck */

/* --- making ----------------------------------------------------------------------------------- */

#define DEFAULT(member, value) ((member) != 0 ? (member) : (value))

static void default_dur(weir_dur *d, weir_dur otherwise)
{
    if (d->ns == 0)
        *d = otherwise;
}

static void set_defaults(struct weir__http_server_options *o)
{
    o->head_bytes_max = DEFAULT(o->head_bytes_max, 16u << 10);
    if (o->head_bytes_max > WEIR_HTTP_HEAD_BYTES_MAX)
        o->head_bytes_max = WEIR_HTTP_HEAD_BYTES_MAX;
    o->line_bytes_max = DEFAULT(o->line_bytes_max, 8u << 10);
    o->fields_max = DEFAULT(o->fields_max, WEIR_HTTP_FIELDS_MAX);
    o->body_max = DEFAULT(o->body_max, 8u << 20);
    o->drain_max = DEFAULT(o->drain_max, 256u << 10);
    o->requests_max = DEFAULT(o->requests_max, 10000);
    o->connections_max = DEFAULT(o->connections_max, 100000u);
    o->backlog = DEFAULT(o->backlog, 4096u);
    default_dur(&o->head_timeout, weir_sec(10));
    default_dur(&o->body_timeout, weir_sec(30));
    default_dur(&o->write_timeout, weir_sec(30));
    default_dur(&o->idle_timeout, weir_sec(75));
    default_dur(&o->handler_timeout, weir_sec(30));
    default_dur(&o->linger_timeout, weir_sec(30));
    o->linger_bytes_max = DEFAULT(o->linger_bytes_max, 256u << 20);
}

struct weir__http_server *weir__server_new(struct weir__runtime *rt,
                                           const struct weir__http_server_options *options,
                                           const struct weir__http_app *app,
                                           const struct weir__http_versions *versions)
{
    WEIR_ASSERT(rt->worker_count > rt->options.extra_workers, "N14: a server has workers");
    struct weir__http_server *s = weir__calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    weir__exchange_piece = weir__http_piece;
    s->runtime = rt;
    s->options = *options;
    set_defaults(&s->options);
    s->app = *app;
    s->versions = versions;
    s->limits = (struct weir__http_limits){s->options.head_bytes_max, s->options.line_bytes_max,
                                           s->options.fields_max};
    s->in_bytes = s->options.head_bytes_max + WEIR__HTTP_IN_SPARE;
    s->count = rt->worker_count - rt->options.extra_workers;
    weir__latch_init(&s->open, 0);
    return s;
}

void weir__http_server_on_workers(struct weir__http_server *s, unsigned first, unsigned count)
{
    WEIR_ASSERT(!s->is_started && count > 0 && first + count <= s->runtime->worker_count,
                "N14: a server runs on workers that there are");
    s->first = first;
    s->count = count;
}

weir_err weir__http_server_adopt_listener(struct weir__http_server *s, int num)
{
    if (s->listener_count == WEIR__HTTP_LISTENERS || s->is_started)
        return WEIR_ELIMIT;
    atomic_store(&s->listener_users[s->listener_count], 1);
    s->listeners[s->listener_count++] = num;
    return WEIR_OK;
}

void weir__http_server_use_tls(struct weir__http_server *s, struct weir__tls_server *tls)
{
    WEIR_ASSERT(!s->is_started && s->listener_count > 0, "TLS is a listener's, from its start");
    s->tls[s->listener_count - 1] = tls;
}

/*
 * The kernel's share of the two limits: a client whose answer has left for the kernel, and that
 * takes nothing of it, is nobody's here any more once the connection is closed.
 */
static weir_dur untaken_max(const struct weir__http_server_options *o)
{
    int64_t linger = o->linger_timeout.ns > 0 ? o->linger_timeout.ns : 0;
    return o->write_timeout.ns > 0 ? weir_ns(o->write_timeout.ns + linger) : weir_ns(0);
}

weir_err weir__http_server_listen(struct weir__http_server *s, weir_str where,
                                  struct weir__listener *opened, char *message, size_t size)
{
    struct weir__listener_options options = {.backlog = (int)s->options.backlog,
                                             .untaken_max = untaken_max(&s->options)};
    weir_err err = weir__listener_open(where, &options, opened, message, size);
    if (err != WEIR_OK)
        return err;
    err = weir__http_server_adopt_listener(s, opened->num);
    if (err == WEIR_OK) {
        s->files[s->listener_count - 1] = opened->file;
    } else {
        weir__local_remove(&opened->file);
        snprintf(message, size, "listen on " WEIR_STR_FMT ": a server has at most %d addresses",
                 WEIR_STR_ARG(where), WEIR__HTTP_LISTENERS);
        weir__sys_close(opened->num);
    }
    return err;
}

/* --- the end of what is open ------------------------------------------------------------------ */

void weir__server_closed_one(struct weir__http_server *s)
{
    weir__latch_leave(&s->open);
}

weir_err weir__http_server_wait_closed(struct weir__http_server *s, struct weir__ctx *c,
                                       weir_time until)
{
    static const struct weir__wait_type type = {.name = "connections to close",
                                                .abandon = weir__latch_abandon};
    return weir__latch_wait(&s->open, &type, c, until);
}

/* --- messages to the workers ------------------------------------------------------------------ */

static struct weir__http_message *message_of(struct weir__task *t)
{
    return WEIR_CONTAINER(t, struct weir__http_message, task);
}

static void received(struct weir__http_message *m)
{
    WEIR_ASSERT(m->home->worker == weir__self, "N6: a message is its own worker's");
    bool was_sent = atomic_exchange(&m->is_sent, false);
    WEIR_ASSERT(was_sent, "N11: a message that is received was on its way");
    weir__server_closed_one(m->home->server);
}

static void on_stop(struct weir__task *t)
{
    weir__accept_stop(message_of(t)->home);
    received(message_of(t));
}

static void on_end(struct weir__task *t)
{
    message_of(t)->home->is_ending = true;
    received(message_of(t));
}

static void drain_one(struct weir__http_conn *c, void *arg)
{
    (void)arg;
    if (c->state == WEIR__CONN_LINGER)
        weir__linger_hurry(c);
    else
        c->version->drain(c);
}

/*
 * In two turns of the worker, with a poll between them: a connection that seems at rest may have a
 * request in the kernel that nobody has been told of yet. It is answered, and closed with that
 * answer.
 */
static void on_drain(struct weir__task *t)
{
    struct weir__http_worker *home = message_of(t)->home;
    if (!home->is_draining) {
        weir__accept_rest(home);
        weir__accept_stop(home);
        home->is_ending = home->is_draining = true;
        weir__post(home->worker, t);
        return;
    }
    WEIR_ASSERT(home->is_ending && !home->is_accepting, "N13: it has stopped to accept before");
    home->is_drained = true;
    weir__idle_each(home, drain_one, NULL);
    received(message_of(t));
}

static void cancel_one(struct weir__http_conn *c, void *arg)
{
    weir_reason reason = (weir_reason)atomic_load(&c->home->server->cancel_reason);
    (void)arg;
    if (c->state == WEIR__CONN_LINGER)
        weir__conn_close(c);
    else
        c->version->cancel(c, reason);
}

static void on_cancel(struct weir__task *t)
{
    weir__idle_each(message_of(t)->home, cancel_one, NULL);
    received(message_of(t));
}

static void close_one(struct weir__http_conn *c, void *arg)
{
    (void)arg;
    if (c->state == WEIR__CONN_LINGER)
        weir__conn_close(c);
    else
        c->version->cut(c);
}

static void on_close(struct weir__task *t)
{
    struct weir__http_worker *home = message_of(t)->home;
    home->is_ending = home->is_draining = home->is_drained = true;
    weir__accept_stop(home);
    weir__idle_each(home, close_one, NULL);
    received(message_of(t));
}

static void tell(struct weir__http_worker *home, struct weir__http_message *m)
{
    WEIR_ASSERT(home->server->is_started, "N14: a part that is told of something was started");
    if (atomic_exchange(&m->is_sent, true))
        return; /* it is on its way */
    (void)weir__latch_enter(&home->server->open);
    weir__post(home->worker, &m->task);
}

/* --- start ------------------------------------------------------------------------------------ */

static void prepare_message(struct weir__http_message *m, struct weir__http_worker *home,
                            void (*run)(struct weir__task *t))
{
    m->task.run = run;
    m->home = home;
    atomic_init(&m->is_sent, false);
}

static struct weir__http_worker *new_home(struct weir__http_server *s, struct weir__worker *w)
{
    WEIR_ASSERT(s->homes[w->index] == NULL, "N14: a worker has one part of a server");
    struct weir__http_worker *home = weir__memalign(64, sizeof *home);
    if (home == NULL)
        return NULL;
    memset(home, 0, sizeof *home);
    home->server = s;
    home->kept = weir__is_watched || weir__trap_is_on ? 0 : WEIR__HTTP_POOL_KEPT;
    home->worker = w;
    home->reserve = -1;
    home->idle_ticks = weir__idle_ticks(s->options.idle_timeout);
    home->head_ticks = weir__idle_ticks(s->options.head_timeout);
    weir_dur linger = s->options.linger_timeout;
    home->linger_ticks = linger.ns < 0 ? 0 : weir__idle_ticks(linger);
    weir__idle_init(home);
    prepare_message(&home->stop, home, on_stop);
    prepare_message(&home->end, home, on_end);
    prepare_message(&home->drain, home, on_drain);
    prepare_message(&home->cancel, home, on_cancel);
    prepare_message(&home->close, home, on_close);
    return home;
}

struct start {
    struct weir__http_server *server;
    _Atomic int err;
};

static void start_here(struct weir__worker *w, void *arg)
{
    struct start *start = arg;
    struct weir__http_worker *home = start->server->homes[w->index];
    WEIR_ASSERT(home == NULL || home->worker == w, "N14: a part is listed by its worker's number");
    weir_err err = home != NULL ? weir__accept_start(home) : WEIR_OK;
    if (err != WEIR_OK)
        atomic_store(&start->err, err);
}

weir_err weir__http_server_start(struct weir__http_server *s, struct weir__ctx *c)
{
    WEIR_ASSERT(!s->is_started, "N14: a server is started once");
    for (unsigned i = s->first; i < s->first + s->count; i++) {
        s->homes[i] = new_home(s, s->runtime->workers[i]);
        if (s->homes[i] == NULL)
            return -ENOMEM;
    }
    s->is_started = true;
    struct start start = {.server = s};
    weir_err err = weir__on_each_worker(c, start_here, &start, weir_sec(PATIENCE));
    return err != WEIR_OK ? err : (weir_err)atomic_load(&start.err);
}

/* --- stop ------------------------------------------------------------------------------------- */

/*
 * The server's own hold, so that none is closed while workers begin to watch it, or left open when
 * none of them could. Once.
 */
static void let_go_of_listeners(struct weir__http_server *s)
{
    for (unsigned i = 0; i < s->listener_count && !s->has_let_go; i++)
        weir__accept_let_go(s, i);
    s->has_let_go = true;
}

void weir__http_server_stop_accepting(struct weir__http_server *s, struct weir__ctx *c)
{
    (void)c;
    let_go_of_listeners(s);
    for (unsigned i = s->first; s->is_started && i < s->first + s->count; i++)
        tell(s->homes[i], &s->homes[i]->stop);
}

void weir__http_server_announce_end(struct weir__http_server *s)
{
    for (unsigned i = s->first; s->is_started && i < s->first + s->count; i++)
        tell(s->homes[i], &s->homes[i]->end);
}

void weir__http_server_drain(struct weir__http_server *s, struct weir__ctx *c)
{
    (void)c;
    let_go_of_listeners(s);
    for (unsigned i = s->first; s->is_started && i < s->first + s->count; i++)
        tell(s->homes[i], &s->homes[i]->drain);
}

void weir__http_server_cancel_all(struct weir__http_server *s, struct weir__ctx *c,
                                  weir_reason reason)
{
    (void)c;
    WEIR_ASSERT(reason != WEIR_REASON_NONE, "N13: what is cancelled is told why");
    atomic_store(&s->cancel_reason, (int)reason);
    for (unsigned i = s->first; s->is_started && i < s->first + s->count; i++)
        tell(s->homes[i], &s->homes[i]->cancel);
}

static void end_here(struct weir__worker *w, void *arg)
{
    struct weir__http_server *s = arg;
    struct weir__http_worker *home = s->homes[w->index];
    if (home == NULL)
        return;
    WEIR_ASSERT(weir__gauge_read(&home->count.open) == 0 &&
                    weir__gauge_read(&home->count.active) == 0,
                "N7: all that was counted has been taken back");
    WEIR_ASSERT(atomic_load(&home->incoming) == 0, "N11: no connection is on its way to it");
    WEIR_ASSERT(!home->is_accepting && home->reserve < 0, "N12: its reserve has been given back");
    WEIR_ASSERT(!weir__timer_armed(&home->sweep), "N8: the sweep ends with the last connection");
    weir__pool_fini(home);
    weir__free(home);
    s->homes[w->index] = NULL;
}

weir_err weir__http_server_close(struct weir__http_server *s, struct weir__ctx *c)
{
    let_go_of_listeners(s);
    for (unsigned i = s->first; s->is_started && i < s->first + s->count; i++) {
        if (s->homes[i] != NULL)
            tell(s->homes[i], &s->homes[i]->close);
    }
    weir_time until = weir_time_add(weir__worker_now(weir__self), weir_sec(PATIENCE));
    return weir__http_server_wait_closed(s, c, until);
}

void weir__http_server_free(struct weir__http_server *s, struct weir__ctx *c)
{
    if (s == NULL)
        return;
    bool is_over =
        weir__http_server_close(s, c) == WEIR_OK &&
        (!s->is_started || weir__on_each_worker(c, end_here, s, weir_sec(PATIENCE)) == WEIR_OK);
    if (!is_over)
        return; /* a worker is stuck in a handler: its memory is not taken away under it */
    for (unsigned i = 0; i < s->first + s->count; i++)
        weir__free(s->homes[i]); /* of a start that had no memory for all */
    WEIR_ASSERT(weir__latch_count(&s->open) == 0, "N11: nothing is on its way to who is gone");
    weir__free(s);
}

/* --- numbers ---------------------------------------------------------------------------------- */

struct each {
    void (*fn)(struct weir__exchange *x, void *arg);
    void *arg;
};

static void each_active(struct weir__http_conn *c, void *arg)
{
    const struct each *call = arg;
    if (c->state != WEIR__CONN_ACTIVE)
        return;
    WEIR_ASSERT(weir__gauge_read(&c->home->count.active) > 0, "N7: it is counted as active");
    c->version->each(c, call->fn, call->arg);
}

void weir__http_server_each_active(struct weir__http_server *s,
                                   void (*fn)(struct weir__exchange *x, void *arg), void *arg)
{
    struct weir__http_worker *home = s->homes[weir__self->index];
    struct each call = {fn, arg};
    if (home != NULL)
        weir__idle_each(home, each_active, &call);
}

static void add(struct weir__http_stats *to, const struct weir__http_counters *n)
{
    to->accepted += weir__counter_read(&n->accepted);
    to->refused += weir__counter_read(&n->refused);
    to->handed_over += weir__counter_read(&n->handed_over);
    to->handed_over_late += weir__counter_read(&n->handed_over_late);
    to->accept_pauses += weir__counter_read(&n->accept_pauses);
    to->open += (uint64_t)weir__gauge_read(&n->open);
    to->active += (uint64_t)weir__gauge_read(&n->active);
    to->requests += weir__counter_read(&n->requests);
    for (size_t i = 0; i < 6; i++)
        to->responses[i] += weir__counter_read(&n->responses[i]);
    to->malformed += weir__counter_read(&n->malformed);
    to->timeouts_handshake += weir__counter_read(&n->timeouts_handshake);
    to->timeouts_head += weir__counter_read(&n->timeouts_head);
    to->timeouts_body += weir__counter_read(&n->timeouts_body);
    to->timeouts_write += weir__counter_read(&n->timeouts_write);
    to->timeouts_idle += weir__counter_read(&n->timeouts_idle);
    to->timeouts_handler += weir__counter_read(&n->timeouts_handler);
    to->client_gone += weir__counter_read(&n->client_gone);
    to->panics += weir__counter_read(&n->panics);
    to->aborted += weir__counter_read(&n->aborted);
    to->second_refused += weir__counter_read(&n->second_refused);
    to->bytes_in += weir__counter_read(&n->bytes_in);
    to->bytes_out += weir__counter_read(&n->bytes_out);
    to->streams += (uint64_t)weir__gauge_read(&n->streams);
    to->streams_reset += weir__counter_read(&n->streams_reset);
    to->streams_wrong += weir__counter_read(&n->streams_wrong);
    to->streams_refused += weir__counter_read(&n->streams_refused);
    to->goaways += weir__counter_read(&n->goaways);
    to->floods += weir__counter_read(&n->floods);
    to->protocol_errors += weir__counter_read(&n->protocol_errors);
}

void weir__http_server_stats(const struct weir__http_server *s, struct weir__http_stats *out)
{
    *out = (struct weir__http_stats){0};
    for (unsigned i = s->first; i < s->first + s->count; i++) {
        if (s->homes[i] != NULL)
            add(out, &s->homes[i]->count);
    }
}

weir_err weir__http_preflight_files(uint64_t needed, char *message, size_t size)
{
    struct rlimit limit;
    if (weir__sys_getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return WEIR_OK;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (weir__sys_setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    if (limit.rlim_cur >= needed)
        return WEIR_OK;
    snprintf(message, size,
             "%llu descriptors are needed and the limit is %llu: raise it (ulimit -Hn, "
             "LimitNOFILE= of systemd) or allow fewer connections",
             (unsigned long long)needed, (unsigned long long)limit.rlim_cur);
    return -EMFILE;
}
