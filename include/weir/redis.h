/*
 * Redis: commands whose values are placed by their C types, and answers as values. A weir_redis is
 * one for all workers; each worker has one connection, which carries the commands of all of its
 * fibers: what they ask in a turn leaves in one send. What would hold up the others (BLPOP, WATCH)
 * gets a connection of its own by itself.
 *
 *     weir_redis *redis = weir_redis_open(app, .url = "redis://:secret@127.0.0.1:6379/0");
 *
 *     weir_str name;
 *     weir_err err = weir_redis_get(c, redis, "user:42:name", &name);    // WEIR_ENOTFOUND: no key
 *     weir_redis_value v;
 *     err = weir_redis_cmd(c, redis, &v, "ZADD", "scores", 12.5, name);
 *
 * A command is sent again only where nothing of it had been sent. While a server cannot be reached
 * calls fail at once, and one fiber of each worker goes on trying.
 *
 * Errors, of all calls: WEIR_EWRONGTYPE, WEIR_ENOSCRIPT, WEIR_EREADONLY, WEIR_ELOADING,
 * WEIR_EDENIED, WEIR_EFULL, WEIR_ECLUSTER, WEIR_EDB for what else the server refuses, with its
 * words in the error record; WEIR_EUNREACHABLE, at once, while it is known to be away; WEIR_EGONE
 * (the connection broke when the command had been sent: it may have been done), what dialling
 * returns, WEIR_ETIMEDOUT, WEIR_EPROTO, WEIR_ETOOLARGE, WEIR_ELIMIT, the reason when `c` is
 * cancelled (the command may have been done).
 */
#ifndef WEIR_REDIS_H
#define WEIR_REDIS_H

#include <weir/buf.h>
#include <weir/redis_value.h>
#include <weir/sql.h>
#include <weir/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A Redis server, shared by all workers. */
typedef struct weir_redis weir_redis;
/** Commands that are sent together. Belongs to the fiber that made it. */
typedef struct weir_redis_pipe weir_redis_pipe;
/** What is published to channels, as it comes. Belongs to the context that subscribed. */
typedef struct weir_redis_subscription weir_redis_subscription;
/** Entries of a stream for a consumer of a group. Belongs to the fiber that made it. */
typedef struct weir_redis_consumer weir_redis_consumer;

/* --- opening ---------------------------------------------------------------------------------- */

/** Which version of the protocol is spoken. */
typedef enum weir_redis_protocol {
    WEIR_REDIS_AGREED, /* 3 where the server knows it, else 2 */
    WEIR_REDIS_RESP2,
    WEIR_REDIS_RESP3
} weir_redis_protocol;

/** What weir_redis_open may be given; zero means the default. Texts are copied. */
typedef struct weir_redis_options {
    size_t size; /* the macro's */
    /*
     * "redis://host:port/0", "rediss://…" (with TLS), "unix:/run/redis.sock"; a user and a password
     * as "redis://user:password@host", their special characters as %40. Default port 6379.
     */
    const char *url;
    const char *name;        /* in messages and metrics; default: host and port, or the path */
    const char *user;        /* instead of the URL's (ACL); default "default" */
    const char *password;    /* instead of the URL's; never printed */
    uint32_t db;             /* instead of the URL's number, up to 65,535 */
    const char *client_name; /* what CLIENT LIST shows; no blanks; default "weir" */
    const weir_tls *tls;     /* of rediss; default: the system's store. Names are checked */
    weir_redis_protocol protocol;
    uint32_t depth;       /* commands on their way on a connection, 1 to 65,536; default 1,024 */
    uint32_t connections; /* that carry commands, on each worker; 1 to 16; default 1 */
    /* Of connections that are lent for themselves; default max_open 32, leak_threshold 5 min. */
    weir_pool_options pool;
    weir_dur dial_timeout;      /* 1 ms to 10 min, for a connection that is ready; default 5 s */
    weir_dur answer_timeout;    /* 1 ms to 1 h of silence, and of taking nothing, while an answer is
                                due; default 10 s */
    uint64_t reply_bytes_max;   /* of one answer, 64 to 1 GiB; default 64 MiB */
    uint32_t reply_items_max;   /* values in one answer, 1 to 100,000,000; default 1,000,000 */
    uint64_t command_bytes_max; /* of what is sent together, 64 to 1 GiB; default 64 MiB */
} weir_redis_options;

/**
 * Makes a client of a Redis server. No connection is opened yet.
 *
 * c        the application's context, for all workers; or another, for it and those below it
 * ...      members of weir_redis_options
 * returns  the client; never NULL: where it failed, one whose every use returns the error; the
 *          message, with all mistakes at once, is in the error record of `c`
 * errors   WEIR_EINVALID, WEIR_ENOTBUILT (rediss in a build without TLS), -ENOMEM
 * owner    the context; its end closes the connections. The context of `.tls` outlives the call
 * context  fiber; does not wait; for rediss it blocks for the files of whom is trusted
 */
#define weir_redis_open(...) WEIR__REDIS_OPEN(__VA_ARGS__, )
#define WEIR__REDIS_OPEN(c, ...)                                                                   \
    WEIR__CALL(weir_redis_open_at, (WEIR_HERE, (c)), weir_redis_options, __VA_ARGS__)
/** The function behind weir_redis_open. */
WEIR_API weir_redis *weir_redis_open_at(const weir_site *site, weir_ctx *c,
                                        const weir_redis_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3);

/** Why the client could not be made; else WEIR_OK. */
WEIR_API weir_err weir_redis_err(const weir_redis *redis) WEIR_NONNULL(1);

/** Its name in messages and metrics. Borrowed from it, for its life. */
WEIR_API const char *weir_redis_name(const weir_redis *redis) WEIR_NEVER_NULL WEIR_NONNULL(1);

/** What a client has counted, over all workers. */
typedef struct weir_redis_stats {
    uint64_t connections;   /* open now, lent ones and those of subscriptions included */
    uint64_t in_flight;     /* commands whose answers are due */
    uint64_t abandoned;     /* of these, that nobody waits for any more */
    uint64_t commands;      /* sent */
    uint64_t sends;         /* system calls that they took */
    uint64_t errors;        /* answers that were errors */
    uint64_t retries;       /* commands that went to another connection: nothing had been sent */
    uint64_t cut;           /* commands that were on their way when their connection broke */
    uint64_t dials;         /* connections opened, and … */
    uint64_t dial_errors;   /* … that could not be */
    uint64_t refused;       /* calls that failed at once: the server could not be reached */
    uint64_t down;          /* workers that cannot reach it now */
    uint64_t invalidations; /* of what was tracked */
    uint64_t subscriptions; /* now */
} weir_redis_stats;

/** Fills in the numbers. Fiber of any worker; does not wait. */
#define weir_redis_numbers(redis, stats)                                                           \
    weir_redis_numbers_at((redis), (stats), sizeof(weir_redis_stats))
/** The function behind weir_redis_numbers; of `stats` so many bytes are filled. */
WEIR_API void weir_redis_numbers_at(const weir_redis *redis, weir_redis_stats *stats,
                                    size_t stats_size) WEIR_NONNULL(1, 2);

/* --- commands --------------------------------------------------------------------------------- */

/** The most values of one command. */
#define WEIR_REDIS_ARGS_MAX 65536

/**
 * Runs a command.
 *
 *     weir_redis_cmd(c, redis, &v, "HINCRBY", key, "visits", 1)
 *
 * reply    filled on WEIR_OK; NULL: not wanted. What it points to is in the memory of `c`; a text
 *          has a NUL behind it, unless it is in a list
 * ...      the command, a const char * of one word or two ("CONFIG GET"); then its words by their C
 *          types, as the values of weir_query (<weir/sql.h>), up to 256; read during the call. What
 *          is NULL is refused: Redis has no such value. Commands that change the connection
 *          (SELECT, MULTI, SUBSCRIBE …) are refused with the call to use instead
 * returns  WEIR_OK, or an error, raised; an answer that is an error too. An answer of null is
 *          WEIR_OK, with WEIR_REDIS_NULL
 * context  fiber; waits
 */
#define weir_redis_cmd(c, redis, reply, ...)                                                       \
    weir_redis_cmd_at(WEIR_HERE, (c), (redis), (reply), WEIR__WORDS(__VA_ARGS__))
/**
 * The function behind weir_redis_cmd, for values in an array, up to WEIR_REDIS_ARGS_MAX. `command`
 * and `args` are read during the call, and not kept.
 */
WEIR_API weir_err weir_redis_cmd_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                                    weir_redis_value *reply, const char *command,
                                    const weir_arg *args, size_t count) WEIR_NONNULL(2, 3, 5);

/**
 * GET: the value of a key.
 *
 * out      filled on WEIR_OK; in the memory of `c`, with a NUL behind it
 * returns  WEIR_OK; WEIR_ENOTFOUND when there is no such key (not raised); an error, raised
 * context  fiber; waits
 */
#define weir_redis_get(c, redis, key, out)                                                         \
    weir_redis_get_at(WEIR_HERE, (c), (redis), WEIR_ARG(key), (out))
/** The function behind weir_redis_get. */
WEIR_API weir_err weir_redis_get_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                                    weir_arg key, weir_str *out) WEIR_MUST_USE
    WEIR_NONNULL(2, 3, 5);

/** The same behind what is in a buffer, for loops and large values. WEIR_ETOOLARGE: no room. */
#define weir_redis_get_into(c, redis, key, out)                                                    \
    weir_redis_get_into_at(WEIR_HERE, (c), (redis), WEIR_ARG(key), (out))
/** The function behind weir_redis_get_into. */
WEIR_API weir_err weir_redis_get_into_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                                         weir_arg key, weir_buf *out) WEIR_MUST_USE
    WEIR_NONNULL(2, 3, 5);

/** What weir_redis_set may be given. */
typedef struct weir_redis_set_options {
    size_t size;     /* the macro's */
    weir_dur ttl;    /* 1 ms to 292 years until it goes; default: it stays */
    bool if_absent;  /* NX: only a key that is not there */
    bool if_present; /* XX: only one that is */
    bool keeps_ttl;  /* as it was */
} weir_redis_set_options;

/**
 * SET: a key gets a value.
 *
 * ...      key and value by their types, then members of weir_redis_set_options
 * returns  WEIR_OK; WEIR_ENOTFOUND when if_absent or if_present was not so (not raised); an error
 * context  fiber; waits
 */
#define weir_redis_set(c, redis, ...) WEIR__REDIS_SET(c, redis, __VA_ARGS__, )
#define WEIR__REDIS_SET(c, redis, key, value, ...)                                                 \
    WEIR__CALL(weir_redis_set_at, (WEIR_HERE, (c), (redis), WEIR_ARG(key), WEIR_ARG(value)),       \
               weir_redis_set_options, __VA_ARGS__)
/** The function behind weir_redis_set. */
WEIR_API weir_err weir_redis_set_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                                    weir_arg key, weir_arg value,
                                    const weir_redis_set_options *options) WEIR_NONNULL(2, 3, 6);

/** INCRBY: adds `by`, below 0 too; `out` (may be NULL) gets the sum. Waits; errors are raised. */
#define weir_redis_incr(c, redis, key, by, out)                                                    \
    weir_redis_incr_at(WEIR_HERE, (c), (redis), WEIR_ARG(key), (by), (out))
/** The function behind weir_redis_incr; `out` is filled. */
WEIR_API weir_err weir_redis_incr_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                                     weir_arg key, int64_t by, int64_t *out) WEIR_NONNULL(2, 3);

/** DEL: `out` (may be NULL) says whether the key was there. Waits; errors are raised. */
#define weir_redis_del(c, redis, key, out)                                                         \
    weir_redis_del_at(WEIR_HERE, (c), (redis), WEIR_ARG(key), (out))
/** The function behind weir_redis_del; `out` is filled. */
WEIR_API weir_err weir_redis_del_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                                    weir_arg key, bool *out) WEIR_NONNULL(2, 3);

/** PEXPIRE: the key goes in `ttl`, a millisecond at least. `out` as for weir_redis_del. */
#define weir_redis_expire(c, redis, key, ttl, out)                                                 \
    weir_redis_expire_at(WEIR_HERE, (c), (redis), WEIR_ARG(key), (ttl), (out))
/** The function behind weir_redis_expire; `out` is filled. */
WEIR_API weir_err weir_redis_expire_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                                       weir_arg key, weir_dur ttl, bool *out) WEIR_NONNULL(2, 3);

/**
 * MGET: the values of `count` keys, 1 to WEIR_REDIS_ARGS_MAX.
 *
 * keys     read during the call
 * out      `count` of them are filled on WEIR_OK; absent where there is no such key, or no text; in
 *          the memory of `c`
 * context  fiber; waits
 */
#define weir_redis_mget(c, redis, keys, count, out)                                                \
    weir_redis_mget_at(WEIR_HERE, (c), (redis), (keys), (count), (out))
/** The function behind weir_redis_mget; `keys` are read during the call, `out` is filled. */
WEIR_API weir_err weir_redis_mget_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                                     const weir_str *keys, size_t count,
                                     weir_str *out) WEIR_MUST_USE WEIR_NONNULL(2, 3, 4, 6);

/**
 * HGETALL into a struct: members by the names of the hash's fields.
 *
 * T        a type with a model, of bare values
 * out      filled on WEIR_OK; members without a field keep their value, fields without a member are
 *          passed over; texts are in the memory of `c`
 * returns  WEIR_OK; WEIR_ENOTFOUND when there is no such hash (not raised); WEIR_EDBTYPE when a
 *          field's text does not fit its member, both named; an error as of weir_redis_cmd
 * context  fiber; waits
 */
#define weir_redis_hget_model(c, redis, T, out, key)                                               \
    weir_redis_hget_model_at(WEIR_HERE, (c), (redis), &weir_model_##T, (1 ? (out) : (T *)0),       \
                             WEIR_ARG(key))
/** The function behind weir_redis_hget_model. */
WEIR_API weir_err weir_redis_hget_model_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                                           const weir_model *model, void *out,
                                           weir_arg key) WEIR_MUST_USE WEIR_NONNULL(2, 3, 4, 5);

/**
 * HSET of all members of a struct; members that are absent or null are not set.
 *
 * object   read during the call
 * returns  WEIR_OK; WEIR_EINVALID when there is nothing to set, or a member is no bare value
 * context  fiber; waits
 */
#define weir_redis_hset_model(c, redis, T, object, key)                                            \
    weir_redis_hset_model_at(WEIR_HERE, (c), (redis), &weir_model_##T, (1 ? (object) : (T *)0),    \
                             WEIR_ARG(key))
/** The function behind weir_redis_hset_model; `object` is read during the call. */
WEIR_API weir_err weir_redis_hset_model_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                                           const weir_model *model, const void *object,
                                           weir_arg key) WEIR_NONNULL(2, 3, 4, 5);

/**
 * Runs a script: EVALSHA, and where the server does not know it yet EVAL.
 *
 *     weir_redis_eval(c, redis, &v, "return redis.call('GET', KEYS[1])", 1, key)
 *
 * script   its text, read during the call
 * keys     so many of the values that follow are keys
 * ...      keys and further values, as of weir_redis_cmd; at least one of either
 */
#define weir_redis_eval(c, redis, reply, script, keys, ...)                                        \
    weir_redis_eval_at(WEIR_HERE, (c), (redis), (reply), (keys), WEIR__WORDS(script, __VA_ARGS__))
/**
 * The function behind weir_redis_eval; `reply` is filled, `script` and `args` are read during the
 * call, and not kept.
 */
WEIR_API weir_err weir_redis_eval_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                                     weir_redis_value *reply, size_t keys, const char *script,
                                     const weir_arg *args, size_t count) WEIR_NONNULL(2, 3, 6);

/* --- several together ------------------------------------------------------------------------- */

/**
 * Commands that leave in one send and are answered in their order.
 *
 *     weir_redis_pipe *p = weir_redis_pipe_new(c, redis);
 *     weir_redis_add(p, "INCR", "hits");
 *     weir_redis_add(p, "EXPIRE", "hits", 60);
 *     weir_err err = weir_redis_run(p);
 *     for (const weir_redis_value *v; (v = weir_redis_next(p)) != NULL;)
 *         …
 *
 * returns  the pipe; never NULL: where there was no memory, one whose calls return that
 * owner    the context. It may be filled and run again
 * context  fiber; does not wait
 */
#define weir_redis_pipe_new(c, redis) weir_redis_pipe_new_at(WEIR_HERE, (c), (redis), false)
/**
 * The same as a transaction: all of its commands are done, with no other's in between, or none.
 * One that is neither run nor dropped is reported when its context ends well.
 */
#define weir_redis_multi(c, redis) weir_redis_pipe_new_at(WEIR_HERE, (c), (redis), true)
/** The function behind both. */
WEIR_API weir_redis_pipe *weir_redis_pipe_new_at(const weir_site *site, weir_ctx *c,
                                                 weir_redis *redis,
                                                 bool is_multi) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(2, 3);

/**
 * Of a transaction that has no commands yet: it is done only if a key is not changed by others from
 * now on (WATCH). From here to its end it has a connection of its own. Waits; errors are raised,
 * and stay.
 */
#define weir_redis_watch(pipe, key) weir_redis_watch_at(WEIR_HERE, (pipe), WEIR_ARG(key))
/** The function behind weir_redis_watch. */
WEIR_API weir_err weir_redis_watch_at(const weir_site *site, weir_redis_pipe *pipe, weir_arg key)
    WEIR_NONNULL(2);

/** Runs a command now, on the connection that watches: what is to be changed is read. Waits. */
#define weir_redis_look(pipe, reply, ...)                                                          \
    weir_redis_look_at(WEIR_HERE, (pipe), (reply), WEIR__WORDS(__VA_ARGS__))
/**
 * The function behind weir_redis_look; `reply` is filled, `command` and `args` are read during the
 * call, and not kept.
 */
WEIR_API weir_err weir_redis_look_at(const weir_site *site, weir_redis_pipe *pipe,
                                     weir_redis_value *reply, const char *command,
                                     const weir_arg *args, size_t count) WEIR_NONNULL(2, 4);

/** Adds a command, as of weir_redis_cmd. Does not wait. The first error stays, and is returned. */
#define weir_redis_add(pipe, ...) weir_redis_add_at(WEIR_HERE, (pipe), WEIR__WORDS(__VA_ARGS__))
/** The function behind weir_redis_add. `command` and `args` are read during the call. */
WEIR_API weir_err weir_redis_add_at(const weir_site *site, weir_redis_pipe *pipe,
                                    const char *command, const weir_arg *args, size_t count)
    WEIR_NONNULL(2, 3);

/**
 * Sends the commands, and waits for all of their answers.
 *
 * returns  WEIR_OK; the first error of all calls on it; that of the first answer that is an error:
 *          the answers are there all the same, but in a transaction that the server has refused as
 *          a whole; WEIR_ECHANGED when what was watched has changed, and nothing was done
 * context  the fiber that made it; waits
 */
#define weir_redis_run(pipe) weir_redis_run_at(WEIR_HERE, (pipe))
/** The function behind weir_redis_run. */
WEIR_API weir_err weir_redis_run_at(const weir_site *site, weir_redis_pipe *pipe) WEIR_MUST_USE
    WEIR_NONNULL(2);

/** The next answer, borrowed from the context, for its life; NULL: there are no more. */
WEIR_API const weir_redis_value *weir_redis_next(weir_redis_pipe *pipe) WEIR_NONNULL(1);

/** Ends it early: what was added is not sent, what is watched is no more. Idempotent. May wait. */
WEIR_API void weir_redis_drop(weir_redis_pipe *pipe) WEIR_NONNULL(1);

/* --- publish and subscribe -------------------------------------------------------------------- */

/** What weir_redis_subscribe may be given. */
typedef struct weir_redis_subscribe_options {
    size_t size;        /* the macro's */
    bool is_pattern;    /* the channel is a pattern: "news.*" */
    uint32_t queue_max; /* messages that wait to be received, 1 to 65,536; default 256 */
    uint64_t bytes_max; /* of these, 1 KiB to 1 GiB; default 4 MiB */
} weir_redis_subscribe_options;

/** What was published. Borrowed from the subscription until its next call. */
typedef struct weir_redis_message {
    weir_str channel;
    weir_str payload;
    uint64_t lost; /* messages since the last one that the queue had no room for: the oldest go */
    /*
     * The connection was lost since the last one, and is there again: nobody knows what was
     * published meanwhile. Told as soon as it is, with an absent payload where nothing has come.
     */
    bool has_gap;
} weir_redis_message;

/**
 * Subscribes to a channel: what is published from the return on is queued. All subscriptions of a
 * worker share a connection of their own. When it is lost it is dialled again, and they go on.
 *
 * channel  copied; at most 1,024 bytes
 * ...      members of weir_redis_subscribe_options
 * returns  the subscription; never NULL: where it failed, one whose calls return the error
 * errors   raised: why the server cannot be reached, WEIR_EDENIED, -ENOMEM, WEIR_ETIMEDOUT
 * owner    the context, whose end ends it
 * context  fiber; waits for the server's word
 */
#define weir_redis_subscribe(c, redis, ...) WEIR__REDIS_SUBSCRIBE(c, redis, __VA_ARGS__, )
#define WEIR__REDIS_SUBSCRIBE(c, redis, channel, ...)                                              \
    WEIR__CALL(weir_redis_subscribe_at, (WEIR_HERE, (c), (redis), (channel)),                      \
               weir_redis_subscribe_options, __VA_ARGS__)
/** The function behind weir_redis_subscribe. */
WEIR_API weir_redis_subscription *weir_redis_subscribe_at(
    const weir_site *site, weir_ctx *c, weir_redis *redis, const char *channel,
    const weir_redis_subscribe_options *options) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(2, 3, 4, 5);

/**
 * Receives the next message, waiting while there is none.
 *
 * out      filled on WEIR_OK
 * returns  WEIR_OK; WEIR_ECLOSED when it has ended; the reason when `c` is cancelled (nothing was
 *          taken then); why it could not be made
 * context  fiber of its worker, one at a time; may wait
 */
#define weir_redis_recv(c, subscription, out)                                                      \
    weir_redis_recv_at((c), (subscription), (out), sizeof(weir_redis_message))
/** The function behind weir_redis_recv; so many bytes of `out` are filled. */
WEIR_API weir_err weir_redis_recv_at(weir_ctx *c, weir_redis_subscription *subscription,
                                     weir_redis_message *out, size_t size) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/** Ends it before its context does. Who waits is woken with WEIR_ECLOSED. Idempotent. */
WEIR_API void weir_redis_unsubscribe(weir_ctx *c, weir_redis_subscription *subscription)
    WEIR_NONNULL(1, 2);

/* --- streams ---------------------------------------------------------------------------------- */

/** What weir_redis_consume may be given. Texts are copied. */
typedef struct weir_redis_consume_options {
    size_t size;          /* the macro's */
    const char *group;    /* must be given; made if it is not there */
    const char *consumer; /* must be given: the name of this reader, the same after a restart */
    const char *from;     /* where a group that is made begins: "0", "$", an id; default "$" */
    uint32_t batch;       /* entries that are read at a time, 1 to 10,000; default 32 */
    /*
     * What another consumer was given so long ago, and has not acknowledged, is taken over; 1 ms to
     * 24 h; default: never.
     */
    weir_dur claim_after;
} weir_redis_consume_options;

/** An entry. Borrowed from the consumer until its next call for one. */
typedef struct weir_redis_entry {
    weir_str id;             /* "1700000000000-0" */
    weir_redis_value fields; /* an array of names and values by turns: weir_redis_map_get */
    bool is_again;           /* it was given out before, to this consumer or to another */
} weir_redis_entry;

/**
 * Begins to read a stream as a consumer of a group: first what it was given earlier and has not
 * acknowledged, then what others were and is old enough, then what is new.
 *
 * stream   its key, copied
 * ...      members of weir_redis_consume_options
 * returns  the consumer; never NULL: where it failed, one whose calls return the error
 * owner    the context. What was not acknowledged stays with the group
 * context  fiber; waits
 */
#define weir_redis_consume(c, redis, ...) WEIR__REDIS_CONSUME(c, redis, __VA_ARGS__, )
#define WEIR__REDIS_CONSUME(c, redis, stream, ...)                                                 \
    WEIR__CALL(weir_redis_consume_at, (WEIR_HERE, (c), (redis), (stream)),                         \
               weir_redis_consume_options, __VA_ARGS__)
/** The function behind weir_redis_consume. */
WEIR_API weir_redis_consumer *weir_redis_consume_at(const weir_site *site, weir_ctx *c,
                                                    weir_redis *redis, const char *stream,
                                                    const weir_redis_consume_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3, 4, 5);

/**
 * The next entry, waiting while there is none.
 *
 * returns  WEIR_OK; the reason when the consumer's context is cancelled; an error, raised: the next
 *          call tries again
 * context  the fiber that made it; waits, on a connection of its own
 */
#define weir_redis_consumer_next(consumer, out)                                                    \
    weir_redis_consumer_next_at((consumer), (out), sizeof(weir_redis_entry))
/** The function behind weir_redis_consumer_next; so many bytes of `out` are filled. */
WEIR_API weir_err weir_redis_consumer_next_at(weir_redis_consumer *consumer, weir_redis_entry *out,
                                              size_t size) WEIR_MUST_USE WEIR_NONNULL(1, 2);

/** XACK: an entry has been dealt with. `id` is read during the call. Waits; errors are raised. */
WEIR_API weir_err weir_redis_ack(weir_redis_consumer *consumer, weir_str id) WEIR_MUST_USE
    WEIR_NONNULL(1);

/* What follows is how the macros are made; nothing in it is for use. */

/* The command, an array of values, their number. */
#define WEIR__WORDS(...)                                                                           \
    WEIR__EACH_ONE_OR_MORE(WEIR__WORDS_NONE, WEIR__WORDS_SOME, __VA_ARGS__)(__VA_ARGS__)
#define WEIR__WORDS_NONE(command) (command), NULL, 0
#define WEIR__WORDS_ARG(unused, x) WEIR_ARG(x)

#ifndef __cplusplus
#define WEIR__WORDS_SOME(command, ...)                                                             \
    (command), (const weir_arg[]){WEIR__EACH(WEIR__WORDS_ARG, , __VA_ARGS__)},                     \
        WEIR__EACH_COUNT(__VA_ARGS__)
#else
#define WEIR__WORDS_SOME(command, ...)                                                             \
    (command),                                                                                     \
        (weir__words<WEIR__EACH_COUNT(__VA_ARGS__)>{{WEIR__EACH(WEIR__WORDS_ARG, , __VA_ARGS__)}}) \
            .items,                                                                                \
        WEIR__EACH_COUNT(__VA_ARGS__)
#endif

#ifdef __cplusplus
}

/* Values of a command, which live as long as the call. */
template <size_t count> struct weir__words {
    weir_arg items[count];
};
#endif
#endif
