/*
 * Commands on the simulation: what is sent and understood, together and cut at every byte; who
 * leaves; and how each failure of a server is told.
 */
#include "data/redis/testing.h"

#define HELLO "HELLO 3 SETNAME weir\n"

static void runs_commands(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    assert_int_equal(weir_redis_cmd(c, redis, &v, "PING"), WEIR_OK);
    assert_int_equal(v.kind, WEIR_REDIS_STATUS);
    assert_string_equal(v.u.s.ptr, "PONG");
    assert_int_equal(weir_redis_cmd(c, redis, &v, "CONFIG GET", "maxmemory"), WEIR_OK);
    assert_int_equal(weir_redis_map_get(&v, WEIR_S("maxmemory"))->u.s.len, 1);
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "ZADD", WEIR_S("k"), 1.5, "a", true, 7u, -3),
                     WEIR_OK);
    assert_logged(p, HELLO "PING\nCONFIG GET maxmemory\nZADD k 1.5 a 1 7 -3\n");
    assert_int_equal(p->accepted, 1);
}

static void commands(void **state)
{
    (void)state;
    PLAY(runs_commands, SAY("+PONG\r\n"), SAY("%1\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n"),
         SAY(":1\r\n"));
}

static void uses_keys(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_str text;
    int64_t n;
    bool was_there;
    const weir_str keys[] = {WEIR_S("a"), WEIR_S("b")};
    weir_str values[2];
    char bytes[16];
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes);
    assert_int_equal(weir_redis_get(c, redis, "a", &text), WEIR_OK);
    assert_string_equal(text.ptr, "one");
    assert_int_equal(weir_redis_get(c, redis, 7, &text), WEIR_ENOTFOUND);
    assert_int_equal(weir_redis_set(c, redis, "a", 12, .ttl = weir_sec(2)), WEIR_OK);
    assert_int_equal(weir_redis_set(c, redis, "a", "x", .if_absent = true), WEIR_ENOTFOUND);
    assert_int_equal(weir_redis_incr(c, redis, "n", -2, &n), WEIR_OK);
    assert_int_equal(n, 40);
    assert_int_equal(weir_redis_del(c, redis, "n", &was_there), WEIR_OK);
    assert_true(was_there);
    assert_int_equal(weir_redis_expire(c, redis, "n", weir_ms(1500), &was_there), WEIR_OK);
    assert_false(was_there);
    assert_int_equal(weir_redis_mget(c, redis, keys, 2, values), WEIR_OK);
    assert_true(weir_str_eq(values[0], WEIR_S("1")));
    assert_null(values[1].ptr);
    assert_int_equal(weir_redis_get_into(c, redis, "a", &b), WEIR_OK);
    assert_int_equal(b.len, 3);
    assert_int_equal(weir_redis_get_into(c, redis, "a", &b), WEIR_OK); /* it has attributes */
    assert_true(weir_str_eq(weir_buf_str(&b), WEIR_S("abcd")));
    assert_int_equal(weir_redis_get_into(c, redis, "a", &b), WEIR_ETOOLARGE);
    assert_told(c, WEIR_ETOOLARGE, "GET: too large");
    assert_logged(p, HELLO "GET a\nGET 7\nSET a 12 PX 2000\nSET a x NX\nINCRBY n -2\nDEL n\n"
                           "PEXPIRE n 1500\nMGET a b\nGET a\nGET a\nGET a\n");
}

static void keys(void **state)
{
    (void)state;
    PLAY(uses_keys, SAY("$3\r\none\r\n"), SAY("_\r\n"), SAY("+OK\r\n"), SAY("_\r\n"),
         SAY(":40\r\n"), SAY(":1\r\n"), SAY(":0\r\n"), SAY("*2\r\n$1\r\n1\r\n_\r\n"),
         SAY("$3\r\nabc\r\n"), SAY("|1\r\n+x\r\n:1\r\n$1\r\nd\r\n"),
         SAY("$20\r\nabcdefghijklmnopqrst\r\n"));
}

/* --- together --------------------------------------------------------------------------------- */

struct getter {
    weir_redis *redis;
    int64_t key, got;
    weir_err err;
};

static weir_err get_one(weir_ctx *c, void *arg)
{
    struct getter *g = arg;
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    g->err = weir_redis_cmd(c, g->redis, &v, "GET", g->key);
    g->got = v.kind == WEIR_REDIS_INT ? v.u.i : -1;
    return WEIR_OK;
}

/* Twenty fibers, on one connection of which eight commands may be on their way. */
static void shares_a_connection(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    struct getter g[20];
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 20; i++) {
        g[i] = (struct getter){redis, i, -1, 1};
        assert_int_equal(WEIR_GO(group, get_one, &g[i]), WEIR_OK);
    }
    assert_int_equal(weir_join(group), WEIR_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(g[i].err, WEIR_OK);
        assert_int_equal(g[i].got, i);
    }
    weir_redis_stats stats;
    weir_redis_numbers(redis, &stats);
    assert_int_equal(p->accepted, 1);
    assert_true(stats.sends <= 6); /* a greeting, and eight together at a time */
}

static void many_fibers_share_a_connection(void **state)
{
    (void)state;
    static const char *const n[] = {":0\r\n",  ":1\r\n",  ":2\r\n",  ":3\r\n",  ":4\r\n",
                                    ":5\r\n",  ":6\r\n",  ":7\r\n",  ":8\r\n",  ":9\r\n",
                                    ":10\r\n", ":11\r\n", ":12\r\n", ":13\r\n", ":14\r\n",
                                    ":15\r\n", ":16\r\n", ":17\r\n", ":18\r\n", ":19\r\n"};
    struct redis_step steps[20];
    for (int i = 0; i < 20; i++)
        steps[i] = (struct redis_step){.answer = n[i]};
    struct redis_play play = {steps, 20, shares_a_connection};
    assert_int_equal(weir__sim_run(redis_run_play, &play), WEIR_OK);
}

/* More than the network takes at a time: the rest leaves as there is room. */
static char value[200000];

static weir_err set_large(weir_ctx *c, void *arg)
{
    struct getter *g = arg;
    memset(value, 'x', sizeof value);
    g->err = weir_redis_set(c, g->redis, g->key, ((weir_str){value, sizeof value}));
    return WEIR_OK;
}

static void sends_a_large_one(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    struct getter g = {redis, 0, -1, 1};
    assert_int_equal(set_large(c, &g), WEIR_OK);
    assert_int_equal(g.err, WEIR_OK);
    assert_int_equal(p->accepted, 1);
}

/* Longer than a server may be silent: it is not, as long as it takes what is sent. */
static void sends_a_large_one_slowly(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "PING"), WEIR_OK);
    p->rest = weir_ms(1500);
    weir_time begin = weir_now();
    sends_a_large_one(c, redis, p);
    assert_true(weir_time_sub(weir_now(), begin).ns > weir_sec(4).ns);
}

static void large_commands_are_sent(void **state)
{
    (void)state;
    PLAY(sends_a_large_one, SAY("+OK\r\n"));
    PLAY(sends_a_large_one_slowly, SAY("+PONG\r\n"), SAY("+OK\r\n"));
}

/* … and what has left makes room for what comes, however long there is more to be sent. */
static void sends_without_a_pause(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    struct getter g[30];
    (void)redis;
    weir_redis *own = weir_redis_open(c, .url = p->url, .depth = 32, .command_bytes_max = 250000);
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 30; i++) {
        g[i] = (struct getter){own, i, -1, 1};
        assert_int_equal(WEIR_GO(group, set_large, &g[i]), WEIR_OK);
    }
    assert_int_equal(weir_join(group), WEIR_OK);
    for (int i = 0; i < 30; i++)
        assert_int_equal(g[i].err, WEIR_OK);
    assert_int_equal(p->accepted, 1);
}

static void what_has_left_makes_room(void **state)
{
    (void)state;
    PLAY(sends_without_a_pause, SAY("+OK\r\n"));
}

/* --- cut at every byte ------------------------------------------------------------------------ */

static const char long_answer[] =
    "|1\r\n+ttl\r\n:1\r\n|1\r\n+x\r\n:1\r\n|0\r\n%2\r\n$1\r\na\r\n*3\r\n,1.5\r\n#t\r\n_\r\n"
    "+b\r\n=7\r\ntxt:one\r\n";

static void reads_the_long_one(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    (void)p;
    assert_int_equal(weir_redis_cmd(c, redis, &v, "X"), WEIR_OK);
    assert_int_equal(v.kind, WEIR_REDIS_MAP);
    assert_int_equal(weir_redis_map_get(v.attributes, WEIR_S("ttl"))->u.i, 1);
    const weir_redis_value *a = weir_redis_map_get(&v, WEIR_S("a"));
    assert_true(a->u.list.items[0].u.d == 1.5);
    assert_true(weir_str_eq(weir_redis_map_get(&v, WEIR_S("b"))->u.s, WEIR_S("txt:one")));
}

static void answers_are_cut_anywhere(void **state)
{
    (void)state;
    for (size_t at = 1; at < sizeof long_answer; at++)
        PLAY(reads_the_long_one, {.answer = long_answer, .cut_at = at});
}

/* More than is received at a time. */
static void reads_a_large_one(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_str text;
    (void)p;
    assert_int_equal(weir_redis_get(c, redis, "large", &text), WEIR_OK);
    assert_int_equal(text.len, 90000);
    for (size_t i = 0; i < text.len; i++)
        assert_int_equal(text.ptr[i], 'x');
    assert_int_equal(weir_redis_get(c, redis, "small", &text), WEIR_OK);
}

static void large_answers_are_read(void **state)
{
    (void)state;
    char *large = malloc(90020);
    int n = snprintf(large, 90020, "$90000\r\n");
    memset(large + n, 'x', 90000);
    memcpy(large + n + 90000, "\r\n", 3);
    PLAY(reads_a_large_one, {.answer = large}, SAY("$1\r\na\r\n"));
    PLAY(reads_a_large_one, {.answer = large, .cut_at = 9}, SAY("$1\r\na\r\n"));
    free(large);
}

/* --- who leaves ------------------------------------------------------------------------------- */

static void gives_up(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_str text;
    weir_redis_stats stats;
    WEIR_WITH(soon, c, .timeout = weir_ms(100)) {
        assert_int_equal(weir_redis_get(soon, redis, "slow", &text), WEIR_ETIMEDOUT);
    }
    weir_redis_numbers(redis, &stats);
    assert_int_equal(stats.abandoned, 1);
    assert_int_equal(weir_redis_get(c, redis, "next", &text), WEIR_OK);
    assert_string_equal(text.ptr, "next");
    weir_redis_numbers(redis, &stats);
    assert_int_equal(stats.abandoned, 0);
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(p->accepted, 1);
}

static void who_leaves_leaves_an_answer_to_be_thrown_away(void **state)
{
    (void)state;
    PLAY(gives_up, {.answer = "$4\r\nslow\r\n", .after = weir_ms(500)}, SAY("$4\r\nnext\r\n"));
}

/* With eight on their way that nobody waits for there is no room until an answer comes. */
static void fills_up(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    weir_redis_stats stats;
    for (int i = 0; i < 8; i++) {
        WEIR_WITH(soon, c, .timeout = weir_ms(1)) {
            assert_int_equal(weir_redis_cmd(soon, redis, &v, "GET", i), WEIR_ETIMEDOUT);
        }
    }
    weir_redis_numbers(redis, &stats);
    assert_int_equal(stats.abandoned, 8);
    WEIR_WITH(soon, c, .timeout = weir_ms(10)) {
        assert_true(weir_redis_cmd(soon, redis, &v, "GET", "none") < 0);
    }
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "last"), WEIR_OK);
    assert_int_equal(v.u.i, 9);
    assert_int_equal(p->accepted, 1);
}

static void who_leaves_takes_room_until_the_answer_comes(void **state)
{
    (void)state;
    PLAY(fills_up, {.answer = ":1\r\n", .after = weir_ms(300)}, SAY(":2\r\n"), SAY(":3\r\n"),
         SAY(":4\r\n"), SAY(":5\r\n"), SAY(":6\r\n"), SAY(":7\r\n"), SAY(":8\r\n"), SAY(":9\r\n"));
}

/* After a failover the name may lead to another server. */
static void meets_a_replica(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "SET", "k", 1), WEIR_EREADONLY);
    assert_told(c, WEIR_EREADONLY, "READONLY");
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "SET", "k", 1), WEIR_EREADONLY);
    assert_told(c, WEIR_EREADONLY, "READONLY");
    assert_int_equal(p->accepted, 2); /* and not once for each */
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "SET", "k", 1), WEIR_OK);
    assert_int_equal(p->accepted, 2);
}

static void a_replica_is_left(void **state)
{
    (void)state;
    PLAY(meets_a_replica, SAY("-READONLY x\r\n"), SAY("-READONLY x\r\n"), SAY("+OK\r\n"));
}

/* --- failures --------------------------------------------------------------------------------- */

static void is_told_errors(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    static const struct {
        weir_err err;
        const char *part;
    } all[] = {{WEIR_EWRONGTYPE, "redis test: GET: WRONGTYPE Operation"},
               {WEIR_ENOSCRIPT, "NOSCRIPT"},
               {WEIR_ECLUSTER, "clusters are not spoken"},
               {WEIR_EREADONLY, "READONLY You can't write"},
               {WEIR_ELOADING, "LOADING"},
               {WEIR_EDENIED, "NOPERM"},
               {WEIR_EFULL, "OOM"},
               {WEIR_EDB, "ERR syntax error"}};
    weir_redis_value v;
    (void)p;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), all[i].err);
        assert_told(c, all[i].err, all[i].part);
    }
}

static void errors_have_codes(void **state)
{
    (void)state;
    PLAY(is_told_errors,
         SAY("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
         SAY("-NOSCRIPT No matching script.\r\n"), SAY("-MOVED 3999 127.0.0.1:6381\r\n"),
         SAY("-READONLY You can't write against a read only replica.\r\n"),
         SAY("-LOADING Redis is loading the dataset in memory\r\n"),
         SAY("-NOPERM this user has no permissions\r\n"), SAY("-OOM command not allowed\r\n"),
         SAY("!16\r\nERR syntax error\r\n"));
}

static void is_refused(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    (void)p;
    assert_int_equal(weir_redis_cmd(c, redis, &v, "subscribe", "x"), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, "use weir_redis_subscribe");
    assert_int_equal(weir_redis_cmd(c, redis, &v, "SELECT", 1), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, "give weir_redis_open the number");
    assert_int_equal(weir_redis_cmd(c, redis, &v, "CLIENT", "REPLY", "OFF"), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, "every command is answered");
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", WEIR_NULL), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, "a value is NULL");
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET  x"), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, "no word");
    assert_int_equal(weir_redis_set(c, redis, "k", "v", .ttl = weir_us(3)), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, "below a millisecond");
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_OK);
}

static void what_would_change_the_connection_is_refused(void **state)
{
    (void)state;
    PLAY(is_refused, SAY("_\r\n"));
}

/* The connection's fate, and the next command's. */
static void is_cut(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_EGONE);
    assert_told(c, WEIR_EGONE, "it had been sent, and may have been done");
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_OK);
    assert_int_equal(p->accepted, 2);
}

static void cuts_are_told(void **state)
{
    (void)state;
    PLAY(is_cut, {.then = REDIS_CLOSES}, SAY("_\r\n"));
    PLAY(is_cut, {.then = REDIS_RESETS}, SAY("_\r\n"));
    PLAY(is_cut, {.answer = "$5\r\nhel", .then = REDIS_CLOSES}, SAY("_\r\n"));
    PLAY(is_cut, {.answer = "*2\r\n:1\r\n", .then = REDIS_RESETS}, SAY("_\r\n"));
}

static void is_closed_at_rest(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(20)), WEIR_OK);
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_OK);
    assert_int_equal(p->accepted, 2);
}

static void what_closes_at_rest_is_not_used(void **state)
{
    (void)state;
    PLAY(is_closed_at_rest, {.answer = "_\r\n", .then = REDIS_CLOSES}, SAY("_\r\n"));
    PLAY(is_closed_at_rest, {.answer = "_\r\n", .later = "", .then = REDIS_RESETS}, SAY("_\r\n"));
}

static void is_lied_to(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_ETOOLARGE);
    assert_told(c, WEIR_ETOOLARGE, "than are allowed");
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_EPROTO);
    assert_told(c, WEIR_EPROTO, "a value begins with a byte that begins none");
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_OK);
    assert_int_equal(p->accepted, 3);
}

static void lies_are_told(void **state)
{
    (void)state;
    PLAY(is_lied_to, SAY("$2000000000\r\n"), SAY("HTTP/1.1 400 Bad Request\r\n\r\n"), SAY("_\r\n"));
    PLAY(is_lied_to, SAY("*2000000000\r\n:1\r\n"), SAY("\x15\x03\x01"), SAY("_\r\n"));
}

static void gets_what_was_not_asked(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(50)), WEIR_OK);
    assert_int_equal(p->open, 0);
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_OK);
    assert_int_equal(p->accepted, 2);
}

static void what_was_not_asked_ends_the_connection(void **state)
{
    (void)state;
    PLAY(gets_what_was_not_asked, {.answer = "_\r\n", .later = "+surprise\r\n"}, SAY("_\r\n"));
}

/* A push that nobody wants is passed over. */
static void gets_a_push(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(50)), WEIR_OK);
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_OK);
    assert_int_equal(v.u.i, 2);
    assert_int_equal(p->accepted, 1);
}

static void pushes_are_no_answers(void **state)
{
    (void)state;
    PLAY(gets_a_push, {.answer = ">1\r\n+x\r\n:1\r\n", .later = ">2\r\n+a\r\n+b\r\n"},
         SAY(">1\r\n+x\r\n:2\r\n"));
}

static void meets_silence(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    weir_time begin = weir_now();
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_ETIMEDOUT);
    assert_told(c, WEIR_ETIMEDOUT, "the server is silent");
    assert_true(weir_time_sub(weir_now(), begin).ns >= weir_sec(2).ns);
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_OK);
    assert_int_equal(p->accepted, 2);
}

static void silence_ends_a_connection(void **state)
{
    (void)state;
    PLAY(meets_silence, {.then = REDIS_HANGS}, SAY("_\r\n"));
}

/* What blocks has a connection of its own, on which silence is none. */
static void blocks(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    assert_int_equal(weir_redis_cmd(c, redis, &v, "GET", "k"), WEIR_OK);
    assert_int_equal(weir_redis_cmd(c, redis, &v, "BLPOP", "q", 0), WEIR_OK);
    assert_int_equal(v.u.list.len, 2);
    assert_int_equal(weir_redis_cmd(c, redis, &v, "BLPOP", "q", 0), WEIR_OK);
    assert_int_equal(p->accepted, 2);
    WEIR_WITH(soon, c, .timeout = weir_ms(100)) {
        assert_int_equal(weir_redis_cmd(soon, redis, &v, "BLPOP", "q", 0), WEIR_ETIMEDOUT);
    }
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(p->open, 1); /* else it would get an element that nobody waits for */
}

static void what_blocks_has_its_own_connection(void **state)
{
    (void)state;
    PLAY(blocks, SAY("_\r\n"), {.answer = "*2\r\n$1\r\nq\r\n$1\r\na\r\n", .after = weir_sec(60)},
         SAY("*2\r\n$1\r\nq\r\n$1\r\nb\r\n"), {.then = REDIS_HANGS});
}

/* L24: a lent connection comes back though its commands fail, and lives on. */
static void fails_on_a_connection_of_its_own(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_pool_stats stats;
    for (int i = 0; i < 100; i++) {
        WEIR_WITH(request, c) {
            assert_int_equal(weir_redis_cmd(request, redis, NULL, "BLPOP", "k", 0),
                             WEIR_EWRONGTYPE);
        }
    }
    weir__pool_stats(weir__redis_of(redis, "the test")->leases, &stats);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(stats.opened, 1);
    assert_int_equal(p->accepted, 1);
}

static void what_fails_gives_its_connection_back(void **state)
{
    (void)state;
    PLAY(fails_on_a_connection_of_its_own, SAY("-WRONGTYPE it is a hash\r\n"));
}

/* Another fiber, which runs before whoever the next thing that happens is for, and cancels it. */
static struct {
    weir_ctx *target;
    struct weir__fd fd;
    int other;
} canceller;

static weir_err cancels(weir_ctx *c, void *arg)
{
    char byte;
    (void)arg;
    assert_int_equal(weir__recv(weir__ctx_of(c), &canceller.fd, &byte, 1, weir_never()), 1);
    weir_cancel(canceller.target);
    return WEIR_OK;
}

static void lets_it_cancel(void)
{
    assert_int_equal(weir__sim_write(canceller.other, "x", 1), 1);
}

/* Its greeting has been answered, and then it is cancelled: it does not begin to wait. */
static void is_cancelled_when_greeted(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    int ends[2];
    weir__sim_socketpair(ends, 16);
    canceller.other = ends[1];
    assert_int_equal(weir__fd_watch(&canceller.fd, ends[0], NULL), WEIR_OK);
    p->on_greeting = lets_it_cancel;
    for (int i = 0; i < 2; i++) {
        const char *command = i == 0 ? "BLPOP" : "GET";
        WEIR_SCOPE(mine, c);
        canceller.target = mine;
        WEIR_SCOPE(other, c);
        assert_int_equal(WEIR_GO(other, cancels, NULL), WEIR_OK);
        assert_int_equal(weir_yield(c), WEIR_OK);
        assert_int_equal(weir_redis_cmd(mine, redis, NULL, command, "k"), WEIR_ECANCELED);
        (void)weir_ctx_close(other);
        (void)weir_ctx_close(mine);
    }
    weir__fd_close(&canceller.fd);
    weir__sim_close(ends[1]);
    p->on_greeting = NULL;
    assert_logged(p, HELLO HELLO);
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "GET", "k"), WEIR_OK);
}

static void who_is_cancelled_does_not_begin_to_wait(void **state)
{
    (void)state;
    PLAY(is_cancelled_when_greeted, SAY("$1\r\na\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands),
        cmocka_unit_test(what_fails_gives_its_connection_back),
        cmocka_unit_test(who_is_cancelled_does_not_begin_to_wait),
        cmocka_unit_test(keys),
        cmocka_unit_test(many_fibers_share_a_connection),
        cmocka_unit_test(large_commands_are_sent),
        cmocka_unit_test(what_has_left_makes_room),
        cmocka_unit_test(answers_are_cut_anywhere),
        cmocka_unit_test(large_answers_are_read),
        cmocka_unit_test(who_leaves_leaves_an_answer_to_be_thrown_away),
        cmocka_unit_test(who_leaves_takes_room_until_the_answer_comes),
        cmocka_unit_test(a_replica_is_left),
        cmocka_unit_test(errors_have_codes),
        cmocka_unit_test(what_would_change_the_connection_is_refused),
        cmocka_unit_test(cuts_are_told),
        cmocka_unit_test(what_closes_at_rest_is_not_used),
        cmocka_unit_test(lies_are_told),
        cmocka_unit_test(what_was_not_asked_ends_the_connection),
        cmocka_unit_test(pushes_are_no_answers),
        cmocka_unit_test(silence_ends_a_connection),
        cmocka_unit_test(what_blocks_has_its_own_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
