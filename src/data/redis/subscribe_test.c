/*
 * Subscriptions on the simulation: who gets what, queues and what they lose, gaps, refusals, ends;
 * and tracking, which is pushed to as well.
 */
#include "data/redis/testing.h"

#define HELLO "HELLO 3 SETNAME weir\n"
#define CONFIRM(kind, name, n) ">3\r\n+" kind "\r\n$" #n "\r\n" name "\r\n:1\r\n"
#define MESSAGE(text) ">3\r\n+message\r\n$4\r\nnews\r\n$1\r\n" text "\r\n"

static void assert_message(weir_ctx *c, weir_redis_subscription *s, const char *payload)
{
    weir_redis_message m;
    assert_int_equal(weir_redis_recv(c, s, &m), WEIR_OK);
    assert_string_equal(m.payload.ptr, payload);
    assert_int_equal(m.lost, 0);
    assert_false(m.has_gap);
}

static void hears_messages(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_message m;
    weir_redis_subscription *s = weir_redis_subscribe(c, redis, "news");
    weir_redis_subscription *other = weir_redis_subscribe(c, redis, "news");
    assert_logged(p, HELLO "SUBSCRIBE news\n"); /* once for both */
    assert_message(c, s, "a");
    assert_message(c, s, "b");
    assert_message(c, other, "a");
    weir_redis_unsubscribe(c, other);
    assert_message(c, other, "b"); /* what was queued may still be received */
    assert_int_equal(weir_redis_recv(c, other, &m), WEIR_ECLOSED);
    WEIR_WITH(soon, c, .timeout = weir_ms(50)) {
        assert_int_equal(weir_redis_recv(soon, s, &m), WEIR_ETIMEDOUT);
    }
    assert_int_equal(p->accepted, 1);
}

static void what_is_published_is_heard(void **state)
{
    (void)state;
    PLAY(hears_messages,
         {.answer = CONFIRM("subscribe", "news", 4), .later = MESSAGE("a") MESSAGE("b")});
    PLAY(hears_messages,
         {.answer = "*3\r\n+subscribe\r\n+news\r\n:1\r\n",
          .later = "*3\r\n+message\r\n+news\r\n+a\r\n*3\r\n+message\r\n+news\r\n+b\r\n"});
}

static void hears_patterns(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_message m;
    weir_redis_subscription *s = weir_redis_subscribe(c, redis, "n.*", .is_pattern = true);
    assert_int_equal(weir_redis_recv(c, s, &m), WEIR_OK);
    assert_string_equal(m.channel.ptr, "n.x");
    assert_string_equal(m.payload.ptr, "hi");
    weir_redis_unsubscribe(c, s);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(p->open, 0); /* nobody wants the connection any more */
}

static void patterns_are_heard(void **state)
{
    (void)state;
    PLAY(hears_patterns, {.answer = CONFIRM("psubscribe", "n.*", 3),
                          .later = ">4\r\n+pmessage\r\n$3\r\nn.*\r\n$3\r\nn.x\r\n$2\r\nhi\r\n"});
}

static void loses_the_oldest(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_message m;
    (void)p;
    weir_redis_subscription *s = weir_redis_subscribe(c, redis, "news", .queue_max = 2);
    assert_int_equal(weir_sleep(c, weir_ms(50)), WEIR_OK);
    assert_int_equal(weir_redis_recv(c, s, &m), WEIR_OK);
    assert_string_equal(m.payload.ptr, "c");
    assert_int_equal(m.lost, 2);
    assert_message(c, s, "d");
}

static void queues_are_bounded(void **state)
{
    (void)state;
    PLAY(loses_the_oldest, {.answer = CONFIRM("subscribe", "news", 4),
                            .later = MESSAGE("a") MESSAGE("b") MESSAGE("c") MESSAGE("d")});
}

static void is_told_of_a_gap(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_message m;
    weir_redis_subscription *s = weir_redis_subscribe(c, redis, "news");
    assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
    assert_message(c, s, "a");
    assert_int_equal(weir_redis_recv(c, s, &m), WEIR_OK);
    assert_true(m.has_gap);
    assert_null(m.payload.ptr); /* as soon as it is known */
    assert_message(c, s, "b");
    assert_int_equal(p->accepted, 2);
    assert_logged(p, HELLO "SUBSCRIBE news\n" HELLO "SUBSCRIBE news\n");
}

static void gaps_are_told(void **state)
{
    (void)state;
    PLAY(is_told_of_a_gap,
         {.answer = CONFIRM("subscribe", "news", 4) MESSAGE("a"), .then = REDIS_CLOSES},
         {.answer = CONFIRM("subscribe", "news", 4), .later = MESSAGE("b")});
}

static void is_refused(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_message m;
    weir_redis_subscription *s = weir_redis_subscribe(c, redis, "secret");
    assert_told(c, WEIR_EDENIED, "no subscription to secret");
    assert_int_equal(weir_redis_recv(c, s, &m), WEIR_EDENIED);
    assert_non_null(weir_redis_subscribe(c, redis, ""));
    assert_told(c, WEIR_EINVALID, "no subscription to ");
    s = weir_redis_subscribe(c, redis, "news");
    assert_message(c, s, "a");
    p->refuses = true;
}

static void refusals_are_told(void **state)
{
    (void)state;
    PLAY(is_refused, SAY("-NOPERM this user has no permissions to access the channel\r\n"),
         {.answer = CONFIRM("subscribe", "news", 4) MESSAGE("a")});
}

static void finds_nobody(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_message m;
    p->refuses = true;
    weir_redis_subscription *s = weir_redis_subscribe(c, redis, "news");
    assert_int_equal(weir_redis_recv(c, s, &m), -ECONNRESET);
    weir_error_clear(c);
    WEIR_WITH(soon, c, .timeout = weir_ms(1)) {
        s = weir_redis_subscribe(soon, redis, "news");
        assert_int_equal(weir_redis_recv(soon, s, &m), WEIR_EUNREACHABLE); /* known: at once */
    }
}

static void a_server_that_is_away_is_told(void **state)
{
    (void)state;
    PLAY(finds_nobody, SAY("_\r\n"));
}

/* A server that says nothing is asked, and left when it says nothing then. */
static void hears_nothing(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_message m;
    weir_redis_subscription *s = weir_redis_subscribe(c, redis, "news");
    assert_int_equal(weir_redis_recv(c, s, &m), WEIR_OK);
    assert_true(m.has_gap);
    assert_int_equal(p->accepted, 2);
    assert_logged(p, HELLO "SUBSCRIBE news\nPING\nPING\n" HELLO "SUBSCRIBE news\n");
}

static void silence_is_asked(void **state)
{
    (void)state;
    PLAY(hears_nothing, SAY(CONFIRM("subscribe", "news", 4)), SAY("+PONG\r\n"),
         {.then = REDIS_HANGS}, SAY(CONFIRM("subscribe", "news", 4)));
}

/* --- tracking --------------------------------------------------------------------------------- */

struct seen {
    char keys[64];
    size_t len;
    int forgotten;
};

static void on_invalidate(void *arg, weir_str key)
{
    struct seen *s = arg;
    size_t room = sizeof s->keys - s->len;
    int n = snprintf(s->keys + s->len, room, "%.*s ", (int)key.len, key.ptr);
    assert_in_range(n, 1, room - 1);
    s->len += (size_t)n;
}

static void on_forget(void *arg)
{
    ((struct seen *)arg)->forgotten++;
}

static void tracks(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    static const struct weir__redis_tracking_ops ops = {on_invalidate, on_forget};
    struct seen seen = {.forgotten = 0};
    weir_str text;
    assert_int_equal(weir__redis_track(redis, &ops, &seen), WEIR_OK);
    assert_false(weir__redis_tracks(redis));
    assert_int_equal(weir_redis_get(c, redis, "a", &text), WEIR_OK);
    assert_true(weir__redis_tracks(redis));
    assert_logged(p, HELLO "CLIENT TRACKING ON NOLOOP\nGET a\n");
    assert_int_equal(weir_sleep(c, weir_ms(50)), WEIR_OK);
    assert_string_equal(seen.keys, "a bc ");
    assert_int_equal(seen.forgotten, 1); /* FLUSHALL */
    assert_int_equal(weir_redis_cmd(c, redis, NULL, "GET", "b"), WEIR_EGONE);
    assert_int_equal(seen.forgotten, 2); /* nobody knows what is missed */
    assert_false(weir__redis_tracks(redis));
}

static void changes_are_told(void **state)
{
    (void)state;
    PLAY(tracks,
         {.answer = "$1\r\n1\r\n",
          .later = ">2\r\n+invalidate\r\n*2\r\n$1\r\na\r\n$2\r\nbc\r\n>2\r\n+invalidate\r\n_\r\n"},
         {.then = REDIS_CLOSES});
}

/* --- streams ---------------------------------------------------------------------------------- */

#define ENTRY(id, value) "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\nn\r\n$1\r\n" value "\r\n"

static void assert_entry(weir_redis_consumer *s, const char *id, const char *value, bool is_again)
{
    weir_redis_entry e;
    assert_int_equal(weir_redis_consumer_next(s, &e), WEIR_OK);
    assert_true(weir_str_eq(e.id, weir_str_from(id)));
    assert_true(weir_str_eq(weir_redis_map_get(&e.fields, WEIR_S("n"))->u.s, weir_str_from(value)));
    assert_int_equal(e.is_again, is_again);
}

static void consumes(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_consumer *s = weir_redis_consume(c, redis, "jobs", .group = "g", .consumer = "me",
                                                .batch = 2, .claim_after = weir_sec(10));
    assert_entry(s, "1-1", "a", true); /* left from before */
    assert_entry(s, "1-2", "b", true); /* another one's */
    assert_entry(s, "1-3", "c", false);
    assert_int_equal(weir_redis_ack(s, WEIR_S("1-3")), WEIR_OK);
    assert_logged(p, HELLO "XGROUP CREATE jobs g $ MKSTREAM\n"
                           "XREADGROUP GROUP g me COUNT 2 STREAMS jobs 0\n"
                           "XREADGROUP GROUP g me COUNT 2 STREAMS jobs 1-1\n"
                           "XAUTOCLAIM jobs g me 10000 0-0 COUNT 2\n" HELLO
                           "XREADGROUP GROUP g me COUNT 2 BLOCK 5000 STREAMS jobs >\n"
                           "XACK jobs g 1-3\n");
}

static void streams_are_consumed(void **state)
{
    (void)state;
    PLAY(consumes, SAY("-BUSYGROUP Consumer Group name already exists\r\n"),
         SAY("%1\r\n$4\r\njobs\r\n*1\r\n" ENTRY("1-1", "a")), SAY("%1\r\n$4\r\njobs\r\n*0\r\n"),
         SAY("*3\r\n$3\r\n0-0\r\n*1\r\n" ENTRY("1-2", "b") "*0\r\n"),
         SAY("*1\r\n*2\r\n$4\r\njobs\r\n*1\r\n" ENTRY("1-3", "c")), SAY(":1\r\n"));
}

/* What was deleted before it was claimed is null; nothing new is null: it asks again. */
static void consumes_little(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_consumer *s =
        weir_redis_consume(c, redis, "jobs", .group = "g", .consumer = "me", .from = "0");
    assert_entry(s, "1-3", "c", false);
    weir_redis_entry e;
    assert_int_equal(weir_redis_consumer_next(s, &e), WEIR_EGONE);
    weir_error_clear(c);
    assert_entry(s, "1-4", "d", false); /* goes on after an error */
    assert_int_equal(p->accepted, 3);
}

static void consumers_go_on(void **state)
{
    (void)state;
    PLAY(consumes_little, SAY("+OK\r\n"), SAY("%1\r\n$4\r\njobs\r\n*0\r\n"), SAY("_\r\n"),
         SAY("*1\r\n*2\r\n$4\r\njobs\r\n*2\r\n_\r\n" ENTRY("1-3", "c")), {.then = REDIS_CLOSES},
         SAY("*1\r\n*2\r\n$4\r\njobs\r\n*1\r\n" ENTRY("1-4", "d")));
}

/* It waits at the server for 5 s: one that says nothing for longer is not there. */
static void reads_in_vain(weir_ctx *c, weir_redis *redis, struct redis_peer *p)
{
    weir_redis_consumer *s = weir_redis_consume(c, redis, "jobs", .group = "g", .consumer = "me");
    weir_redis_entry e;
    weir_time begin = weir_now();
    assert_int_equal(weir_redis_consumer_next(s, &e), WEIR_ETIMEDOUT);
    assert_told(c, WEIR_ETIMEDOUT, "XREADGROUP: the server is silent");
    int64_t took = weir_time_sub(weir_now(), begin).ns;
    assert_true(took > weir_sec(7).ns && took < weir_sec(8).ns);
    assert_entry(s, "1-1", "a", false);
    assert_int_equal(p->accepted, 3);
}

static void consumers_leave_who_is_silent(void **state)
{
    (void)state;
    PLAY(reads_in_vain, SAY("+OK\r\n"), SAY("%1\r\n$4\r\njobs\r\n*0\r\n"), {.then = REDIS_HANGS},
         SAY("%1\r\n$4\r\njobs\r\n*1\r\n" ENTRY("1-1", "a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_published_is_heard),
        cmocka_unit_test(patterns_are_heard),
        cmocka_unit_test(queues_are_bounded),
        cmocka_unit_test(gaps_are_told),
        cmocka_unit_test(refusals_are_told),
        cmocka_unit_test(a_server_that_is_away_is_told),
        cmocka_unit_test(silence_is_asked),
        cmocka_unit_test(changes_are_told),
        cmocka_unit_test(streams_are_consumed),
        cmocka_unit_test(consumers_leave_who_is_silent),
        cmocka_unit_test(consumers_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
