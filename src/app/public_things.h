/*
 * For the tests that call every public function: one of each thing that a context owns, and what
 * else a call needs; and the list of the functions, from the public headers.
 */
#ifndef WEIR_APP_PUBLIC_THINGS_H
#define WEIR_APP_PUBLIC_THINGS_H

#include "app/public_values.h"

WEIR_HANDLE(anything, int);

static struct things {
    weir_ctx *c;
    weir_chan *chan;
    weir_mutex *mutex;
    weir_sem *sem;
    weir_cond *cond;
    weir_wait_group *group;
    weir_once *once;
    weir_stream *stream;
    weir_db *db;
    weir_postgres_listener *listener;
    weir_rows *rows;
    weir_tx *tx;
    weir_batch *batch;
    weir_file *file;
    weir_socket *socket;
    weir_http *http;
    weir_reply *reply;
    weir_tls *tls;
    weir_process *process;
    weir_topic *topic;
    weir_subscription *subscription;
    weir_cache *cache; /* of the application; a dead one is what was there before */
    weir_redis *redis;
    weir_redis_pipe *redis_pipe;
    weir_redis_subscription *redis_subscription;
    weir_redis_consumer *consumer;
    weir_chan *shared; /* of the application; set by who wants it */
} live, dead;

static weir_ctx *the_app(void)
{
    return weir__ctx_handle(weir__self->runtime->app);
}

static weir_buf redis_buf;

static int select_one(weir_ctx *c, weir_chan *ch)
{
    weir_select_case arms[] = {{.chan = ch, .recv = &number}};
    return weir_select(c, arms, 1, weir_ms(0), NULL);
}

static void make_things(struct things *t, weir_ctx *c, const char *db_name)
{
    static char path[128];
    t->c = c;
    t->chan = weir_chan_new(c, int, 4);
    t->mutex = weir_mutex_new(c);
    t->sem = weir_sem_new(c, 4);
    t->cond = weir_cond_new(c);
    t->group = weir_wait_group_new(c);
    t->once = weir_once_new(c);
    snprintf(path, sizeof path, "%s/%s.db", folder, db_name);
    t->db = weir_sqlite_open(c, .path = path, .create = true, .pool = {.max_open = 2});
    assert_int_equal(weir_db_err(t->db), WEIR_OK);
    t->listener = weir_postgres_listen(c, t->db, "x"); /* which it has not */
    t->rows = weir_query(c, t->db, "SELECT 1");
    t->batch = weir_batch_new(c, t->db);
    t->file = weir_file_temp(c);
    t->socket = weir_dial(c, "no address");
    t->http = weir_http_open(c, .base = "unix:/no socket");
    t->reply = weir_http_get(c, t->http, "no target");
    t->tls = weir_tls_new(c, .ca_file = "/nowhere");
    t->process = weir_spawn(c, no_program);
    t->topic = weir_topic_new(c, int);
    t->subscription = weir_subscribe(c, t->topic);
    t->cache = weir_cache_new(the_app(), .name = "calls", .entries_max = 10, .bytes_max = 32 << 10,
                              .ttl = weir_sec(1), .guard_keys = 10);
    assert_int_equal(weir_cache_err(t->cache), WEIR_OK);
    if (t == &dead)
        t->cache = (weir_cache *)((uintptr_t)t->cache ^ (uintptr_t)1 << 48);
    t->redis = weir_redis_open(c, .url = "unix:/no socket");
    t->redis_pipe = weir_redis_pipe_new(c, t->redis);
    t->redis_subscription = weir_redis_subscribe(c, t->redis, "channel");
    t->consumer = weir_redis_consume(c, t->redis, "stream", .group = "g", .consumer = "c");
    weir_error_clear(c);
    t->tx = weir_begin(c, t->db);
    assert_int_equal(weir_exec(t->tx, "CREATE TABLE IF NOT EXISTS t(i INTEGER)"), WEIR_OK);
}

#endif
