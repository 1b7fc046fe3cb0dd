/*
 * Pipes, transactions, scripts and hashes on the simulation: what leaves in which send, how answers
 * are handed out, and what is given back when it was forgotten.
 */
#include "data/redis/testing.h"

#include "rt/owned.h"
#include <weir/model.h>

#define HELLO "HELLO 3 SETNAME weir\n"

typedef struct user {
    weir_str name;
    int32_t age;
    double score;
    bool is_admin, has_age;
} user;
WEIR_MODEL(user, (name), (age, .present = weir_flag_of(user, has_age)), (score), (is_admin));

/* --- pipes ------------------------------------------------------------------------------------ */

static void runs_a_pipe(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_stats before, after;
    weir_redis_pipe *pipe = weir_redis_pipe_new(c, redis);
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "PING"), WEIR_OK);
    assert_null(weir_redis_next(pipe));
    assert_int_equal(weir_redis_add(pipe, "INCR", "hits"), WEIR_OK);
    assert_int_equal(weir_redis_add(pipe, "GET", "none"), WEIR_OK);
    assert_int_equal(weir_redis_add(pipe, "LRANGE", "l", 0, -1), WEIR_OK);
    weir_redis_numbers(redis, &before);
    assert_int_equal(weir_redis_run(pipe), WEIR_OK);
    weir_redis_numbers(redis, &after);
    assert_int_equal(after.sends - before.sends, 1);
    assert_int_equal(weir_redis_next(pipe)->u.i, 8);
    assert_int_equal(weir_redis_next(pipe)->kind, WEIR_REDIS_NULL);
    assert_int_equal(weir_redis_next(pipe)->u.list.len, 2);
    assert_null(weir_redis_next(pipe));
    assert_logged(p, HELLO "PING\nINCR hits\nGET none\nLRANGE l 0 -1\n");
    assert_int_equal(weir_redis_add(pipe, "LPUSH", "s", 1), WEIR_OK);
    assert_int_equal(weir_redis_add(pipe, "PING"), WEIR_OK);
    assert_int_equal(weir_redis_run(pipe), WEIR_EWRONGTYPE);
    assert_told(c, WEIR_EWRONGTYPE, "a pipe: WRONGTYPE");
    assert_int_equal(weir_redis_next(pipe)->kind, WEIR_REDIS_ERROR);
    assert_int_equal(weir_redis_next(pipe)->kind, WEIR_REDIS_STATUS);
    assert_int_equal(weir_redis_run(pipe), WEIR_OK);
    assert_null(weir_redis_next(pipe));
}

static void pipes_leave_in_one_send(void **state)
{
    (void)state;
    PLAY(runs_a_pipe, SAY("+PONG\r\n"), SAY(":8\r\n"), SAY("_\r\n"),
         SAY("*2\r\n$1\r\na\r\n$1\r\nb\r\n"), SAY("-WRONGTYPE x\r\n"), SAY("+PONG\r\n"));
}

static void keeps_its_first_error(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_pipe *pipe = weir_redis_pipe_new(c, redis);
    assert_int_equal(weir_redis_add(pipe, "SELECT", 1), WEIR_EINVALID);
    assert_int_equal(weir_redis_add(pipe, "PING"), WEIR_EINVALID);
    assert_int_equal(weir_redis_watch(pipe, "k"), WEIR_EINVALID);
    assert_int_equal(weir_redis_run(pipe), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, "give weir_redis_open the number");
    assert_int_equal(weir_redis_add(pipe, "PING"), WEIR_OK);
    weir_redis_drop(pipe);
    assert_int_equal(weir_redis_run(pipe), WEIR_OK);
    assert_int_equal(p->accepted, 0);
}

static void a_pipe_keeps_its_first_error(void **state)
{
    (void)state;
    PLAY(keeps_its_first_error, SAY("_\r\n"));
}

/* What waits at the server, and for what stands before it, goes on a connection of its own. */
static void waits_in_a_pipe(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_pipe *pipe = weir_redis_pipe_new(c, redis);
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "WAIT", 1, 0), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, "add it to a pipe");
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "PING"), WEIR_OK);
    assert_int_equal(weir_redis_add(pipe, "SET", "k", 1), WEIR_OK);
    assert_int_equal(weir_redis_add(pipe, "WAIT", 1, 0), WEIR_OK);
    assert_int_equal(weir_redis_run(pipe), WEIR_OK);
    (void)weir_redis_next(pipe);
    assert_int_equal(weir_redis_next(pipe)->u.i, 1);
    assert_logged(p, HELLO "PING\n" HELLO "SET k 1\nWAIT 1 0\n");
    assert_int_equal(weir_redis_add(pipe, "PING"), WEIR_OK);
    assert_int_equal(weir_redis_run(pipe), WEIR_OK);
    assert_int_equal(p->accepted, 2);
}

static void a_pipe_may_wait(void **state)
{
    (void)state;
    PLAY(waits_in_a_pipe, SAY("+PONG\r\n"), SAY("+OK\r\n"),
         {.answer = ":1\r\n", .after = weir_sec(60)}, SAY("+PONG\r\n"));
}

/* --- transactions ----------------------------------------------------------------------------- */

static void transacts(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_pipe *tx = weir_redis_multi(c, redis);
    assert_int_equal(weir_redis_add(tx, "INCR", "a"), WEIR_OK);
    assert_int_equal(weir_redis_add(tx, "INCR", "b"), WEIR_OK);
    assert_int_equal(weir_redis_run(tx), WEIR_OK);
    assert_int_equal(weir_redis_next(tx)->u.i, 1);
    assert_int_equal(weir_redis_next(tx)->u.i, 2);
    assert_null(weir_redis_next(tx));
    assert_logged(p, HELLO "MULTI\nINCR a\nINCR b\nEXEC\n");
    assert_int_equal(weir_redis_add(tx, "NOSUCH"), WEIR_OK);
    assert_int_equal(weir_redis_run(tx), WEIR_EDB);
    assert_told(c, WEIR_EDB, "ERR unknown command");
    assert_null(weir_redis_next(tx));
    assert_int_equal(p->accepted, 1);
}

static void transactions_stand_together(void **state)
{
    (void)state;
    PLAY(transacts, SAY("+OK\r\n"), SAY("+QUEUED\r\n"), SAY("+QUEUED\r\n"),
         SAY("*2\r\n:1\r\n:2\r\n"), SAY("+OK\r\n"), SAY("-ERR unknown command\r\n"),
         SAY("-EXECABORT Transaction discarded because of previous errors.\r\n"));
}

static void watches(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    weir_redis_pipe *tx = weir_redis_multi(c, redis);
    assert_int_equal(weir_redis_watch(tx, "stock"), WEIR_OK);
    assert_int_equal(weir_redis_look(tx, &v, "GET", "stock"), WEIR_OK);
    assert_int_equal(weir_redis_add(tx, "SET", "stock", 4), WEIR_OK);
    assert_int_equal(weir_redis_run(tx), WEIR_ECHANGED);
    assert_told(c, WEIR_ECHANGED, "nothing was done");
    assert_int_equal(weir_redis_watch(tx, "stock"), WEIR_OK);
    assert_int_equal(weir_redis_add(tx, "SET", "stock", 4), WEIR_OK);
    assert_int_equal(weir_redis_run(tx), WEIR_OK);
    assert_logged(p, HELLO "WATCH stock\nGET stock\nMULTI\nSET stock 4\nEXEC\n"
                           "WATCH stock\nMULTI\nSET stock 4\nEXEC\n");
    assert_int_equal(p->accepted, 1);
    assert_int_equal(weir_redis_watch(tx, "stock"), WEIR_OK);
    weir_redis_drop(tx);
    assert_logged(p, "WATCH stock\nUNWATCH\n"); /* before others get the connection */
}

static void what_is_watched_may_have_changed(void **state)
{
    (void)state;
    PLAY(watches, SAY("+OK\r\n"), SAY("$1\r\n5\r\n"), SAY("+OK\r\n"), SAY("+QUEUED\r\n"),
         SAY("*-1\r\n"), SAY("+OK\r\n"), SAY("+OK\r\n"), SAY("+QUEUED\r\n"), SAY("*1\r\n+OK\r\n"),
         SAY("+OK\r\n"), SAY("+OK\r\n"));
}

/* One that ends well without it: reported. One that fails: not. */
static void forgets(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    uint64_t before = weir__leak_total();
    (void)p;
    weir_ctx *inner = weir_ctx_open(c);
    weir_redis_pipe *tx = weir_redis_multi(inner, redis);
    assert_int_equal(weir_redis_watch(tx, "k"), WEIR_OK);
    weir__ctx_of(inner)->is_ok = true;
    (void)weir_ctx_close(inner);
    assert_int_equal(weir__leak_total(), before + 1);
    inner = weir_ctx_open(c);
    assert_non_null(weir_redis_multi(inner, redis));
    weir_redis_pipe *pipe = weir_redis_pipe_new(inner, redis);
    assert_int_equal(weir_redis_add(pipe, "PING"), WEIR_OK);
    weir__ctx_of(inner)->is_ok = true;
    (void)weir_ctx_close(inner);
    assert_int_equal(weir__leak_total(), before + 1);
}

static void what_is_forgotten_is_given_back(void **state)
{
    (void)state;
    PLAY(forgets, SAY("+OK\r\n"));
}

/* --- scripts ---------------------------------------------------------------------------------- */

static void evaluates(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_value v;
    assert_int_equal(weir_redis_eval(c, redis, &v, "return 1", 1, "k", 7), WEIR_OK);
    assert_int_equal(v.u.i, 1);
    assert_int_equal(weir_redis_eval(c, redis, &v, "return 1", 1, "k", 7), WEIR_OK);
    assert_logged(p, HELLO "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 k 7\n"
                           "EVAL return 1 1 k 7\n"
                           "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 k 7\n");
    assert_int_equal(weir_redis_eval(c, redis, &v, "return 1", 2, "k"), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, "more keys than values");
}

static void scripts_are_sent_where_they_are_not_known(void **state)
{
    (void)state;
    PLAY(evaluates, SAY("-NOSCRIPT No matching script.\r\n"), SAY(":1\r\n"), SAY(":1\r\n"));
}

/* --- hashes ----------------------------------------------------------------------------------- */

static void keeps_structs(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    user u = {.name = WEIR_S("Ada"), .score = 1.5, .is_admin = true}, got = {.age = 7};
    assert_int_equal(weir_redis_hset_model(c, redis, user, &u, "u:1"), WEIR_OK);
    assert_logged(p, HELLO "HSET u:1 name Ada score 1.5 is_admin true\n");
    assert_int_equal(weir_redis_hget_model(c, redis, user, &got, "u:1"), WEIR_OK);
    assert_true(weir_str_eq(got.name, WEIR_S("Ada")));
    assert_int_equal(got.age, 36);
    assert_true(got.has_age && got.is_admin && got.score == 1.5);
    assert_int_equal(weir_redis_hget_model(c, redis, user, &got, "u:2"), WEIR_ENOTFOUND);
    assert_int_equal(weir_redis_hget_model(c, redis, user, &got, "u:3"), WEIR_EDBTYPE);
    assert_told(c, WEIR_EDBTYPE, "field age does not fit its member of user");
}

static void hashes_are_structs(void **state)
{
    (void)state;
    PLAY(keeps_structs, SAY(":3\r\n"),
         SAY("%5\r\n+name\r\n$3\r\nAda\r\n+age\r\n$2\r\n36\r\n+score\r\n$3\r\n1.5\r\n"
             "+is_admin\r\n$4\r\ntrue\r\n+other\r\n$1\r\nx\r\n"),
         SAY("%0\r\n"), SAY("*2\r\n+age\r\n$3\r\nold\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipes_leave_in_one_send),
        cmocka_unit_test(a_pipe_keeps_its_first_error),
        cmocka_unit_test(a_pipe_may_wait),
        cmocka_unit_test(transactions_stand_together),
        cmocka_unit_test(what_is_watched_may_have_changed),
        cmocka_unit_test(what_is_forgotten_is_given_back),
        cmocka_unit_test(scripts_are_sent_where_they_are_not_known),
        cmocka_unit_test(hashes_are_structs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
