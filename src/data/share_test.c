/*
 * Caches over Redis, on the simulation: a server that plays a script is the second level. What it
 * has is not loaded, what it has not is sent to it, what it says of changes is heard; and whatever
 * becomes of it or its answers, who asks gets the value, within a bound, from one load.
 */
#include "data/cache/cache_testing.h"
#include "data/redis/testing.h"

#include "rt/runtime.h"
#include <weir/cache_share.h>

#define LOST_AFTER weir_ms(150) /* a question's time-out, and some */

/* --- what is said ----------------------------------------------------------------------------- */

#define NOTHING "*2\r\n_\r\n_\r\n"
#define MARKED(mark) "*2\r\n$1\r\n" mark "\r\n_\r\n"
#define CHANGED(key) ">2\r\n+invalidate\r\n*1\r\n" key "\r\n"

/* HMGET's answer: no mark, and a record that was loaded now. */
static const char *record(const char *rest)
{
    static char answers[4][256];
    static int turn;
    char *answer = answers[turn++ % 4], text[160];
    int n =
        snprintf(text, sizeof text, "weir1 %lld %s", (long long)(weir_wall_now().us / 1000), rest);
    (void)snprintf(answer, sizeof answers[0], "*2\r\n_\r\n$%d\r\n%s\r\n", n, text);
    return answer;
}

/* --- a server, a client and caches of the application ----------------------------------------- */

struct shared {
    struct redis_peer peer;
    weir_redis *redis;
    weir_cache *users;
    struct loading loading;
};

struct shared_play {
    void (*body)(weir_ctx *c, struct shared *s);
    bool refuses;
    const char *hello;
};

static void open_shared(weir_ctx *c, struct shared *s, const struct redis_step *steps, size_t count)
{
    OK(redis_peer_open(c, &s->peer, steps, count));
    s->redis = weir_redis_open(the_app(), .url = s->peer.url, .name = "shared",
                               .answer_timeout = weir_sec(2), .dial_timeout = weir_ms(500));
    s->users = NEW_CACHE();
    OK(weir_cache_share(the_app(), s->users, s->redis, .space = "shop", .value_bytes_max = 256));
}

static weir_err play(weir_ctx *c, void *arg)
{
    const struct shared_play *p = arg;
    struct shared s = {.loading = {.calls = 0}};
    WEIR_SCOPE(around, c);
    open_shared(around, &s, NULL, 0);
    s.peer.refuses = p->refuses;
    s.peer.hello = p->hello;
    WEIR_SCOPE(request, c);
    p->body(request, &s);
    (void)weir_ctx_close(request);
    assert_null(weir_last_error(c));
    (void)weir_ctx_close(around);
    assert_int_equal(s.peer.open, 0);
    return WEIR_OK;
}

#define PLAY_SHARED(its_body, ...)                                                                 \
    do {                                                                                           \
        struct shared_play play_ = {.body = (its_body), ##__VA_ARGS__};                            \
        SIM_WITH(play, &play_);                                                                    \
    } while (0)
#define SIM_WITH(fn, arg) assert_int_equal(weir__sim_run(fn, arg), WEIR_OK)

/* What it says from now on. */
#define SAYS(s, ...)                                                                               \
    const struct redis_step steps_[] = {__VA_ARGS__};                                              \
    (s)->peer.steps = steps_;                                                                      \
    (s)->peer.step_count = sizeof steps_ / sizeof steps_[0]

static int64_t get(weir_ctx *c, struct shared *s, const char *key)
{
    user u;
    OK(weir_cache_get(c, s->users, weir_str_from(key), user, &u, load_user, &s->loading));
    return u.id;
}

static int count_of(const struct shared *s, const char *part)
{
    int n = 0;
    for (const char *at = s->peer.log; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

/* --- in order --------------------------------------------------------------------------------- */

static void finds(weir_ctx *c, struct shared *s)
{
    SAYS(s, SAY(record("v\n{\"id\":55,\"name\":\"there\"}")), SAY(record("n\n")));
    assert_int_equal(get(c, s, "7"), 55);
    assert_int_equal(get(c, s, "7"), 55); /* here by now */
    user u;
    assert_int_equal(weir_cache_get(c, s->users, WEIR_S("8"), user, &u, load_user, &s->loading),
                     WEIR_ENOTFOUND);
    assert_int_equal(s->loading.calls, 0);
    assert_int_equal(count_of(s, "CLIENT TRACKING ON NOLOOP\nHMGET weir:shop:users:7 m "), 1);
    assert_int_equal(count_of(s, "HMGET"), 2);
}

static void what_is_there_is_not_loaded(void **state)
{
    (void)state;
    PLAY_SHARED(finds);
}

static void fills(weir_ctx *c, struct shared *s)
{
    SAYS(s, SAY(MARKED("x")), SAY("-NOSCRIPT\r\n"), SAY(":1\r\n"),
         SAY(record("v\n{\"id\":1,\"name\":\"user 7\"}")), SAY(":1\r\n"), SAY(":1\r\n"));
    assert_int_equal(get(c, s, "7"), 1);
    assert_int_equal(count_of(s, " v\n{\"id\":1,\"name\":\"user 7\"} 300000 x\n"), 2); /* twice */
    assert_int_equal(get(c, s, "7"), 1); /* it must be read for the server to know of us */
    assert_int_equal(get(c, s, "7"), 1);
    assert_int_equal(s->loading.calls, 1);
    assert_int_equal(count_of(s, "HMGET"), 2);
    user mine = {.id = 100, .name = WEIR_S("me")};
    OK(weir_cache_put(c, s->users, WEIR_S("7"), user, &mine));
    assert_int_equal(count_of(s, ",\"name\":\"me\"} 300000\n"), 1); /* with no mark */
    OK(weir_cache_remove(c, s->users, WEIR_S("7")));
    assert_int_equal(count_of(s, "  60000\n"), 1);
    assert_int_equal(numbers_of(s->users).second_errors, 0);
}

static void what_is_not_there_is_sent(void **state)
{
    (void)state;
    PLAY_SHARED(fills);
}

/* Another has been faster. */
static void is_refused(weir_ctx *c, struct shared *s)
{
    SAYS(s, SAY(NOTHING), SAY(":0\r\n"), SAY(record("v\n{\"id\":55}")));
    assert_int_equal(get(c, s, "7"), 1);
    assert_int_equal(numbers_of(s->users).second_out, 0);
    assert_int_equal(get(c, s, "7"), 55);
}

static void what_another_has_written_stays(void **state)
{
    (void)state;
    PLAY_SHARED(is_refused);
}

/* --- what is heard ---------------------------------------------------------------------------- */

static void hears(weir_ctx *c, struct shared *s)
{
    weir_cache *other = weir_cache_new(the_app(), .name = "user", .entries_max = 10,
                                       .bytes_max = 1 << 20, .ttl = weir_min(1));
    OK(weir_cache_share(the_app(), other, s->redis, .space = "shop"));
    SAYS(s, SAY(record("v\n{\"id\":1}")), SAY(record("v\n{\"id\":2}")),
         {.answer = record("v\n{\"id\":3}"),
          .later = CHANGED("$17\r\nweir:shop:users:1") CHANGED("$11\r\nweir:shop:u")
              CHANGED("$16\r\nweir:shop:user:2") CHANGED("$17\r\nwear:shop:users:2")});
    (void)get(c, s, "1");
    (void)get(c, s, "2");
    user u;
    OK(weir_cache_get(c, other, WEIR_S("2"), user, &u, load_user, &s->loading));
    assert_int_equal(numbers_of(s->users).entries, 2);
    assert_int_equal(numbers_of(other).entries, 1);
    OK(weir_sleep(c, weir_ms(20)));
    assert_int_equal(numbers_of(s->users).entries, 1);
    assert_int_equal(numbers_of(other).entries, 0);
    assert_int_equal(get(c, s, "2"), 2); /* the one that stays */
}

static void changes_are_heard_by_whose_they_are(void **state)
{
    (void)state;
    PLAY_SHARED(hears);
}

/* It changes while it is loaded: who asked gets it, nobody keeps it. */
static void hears_while_it_loads(weir_ctx *c, struct shared *s)
{
    s->loading.takes = weir_ms(30);
    SAYS(s, {.answer = NOTHING, .later = CHANGED("$17\r\nweir:shop:users:7")},
         SAY(record("v\n{\"id\":55}")));
    assert_int_equal(get(c, s, "7"), 1);
    assert_int_equal(count_of(s, "EVAL"), 0);
    assert_int_equal(get(c, s, "7"), 55);
}

static void what_changes_while_it_is_loaded_is_not_kept(void **state)
{
    (void)state;
    PLAY_SHARED(hears_while_it_loads);
}

static void forgets_all(weir_ctx *c, struct shared *s)
{
    SAYS(s, SAY(record("v\n{\"id\":1}")),
         {.answer = record("v\n{\"id\":2}"), .later = ">2\r\n+invalidate\r\n_\r\n"},
         {.answer = record("v\n{\"id\":3}")}, {.then = REDIS_CLOSES}, SAY(record("v\n{\"id\":4}")),
         SAY(":1\r\n"));
    (void)get(c, s, "1");
    (void)get(c, s, "2");
    assert_int_equal(numbers_of(s->users).entries, 2);
    OK(weir_sleep(c, weir_ms(20))); /* FLUSHALL */
    assert_int_equal(numbers_of(s->users).entries, 0);
    assert_int_equal(get(c, s, "3"), 3);
    assert_int_equal(numbers_of(s->users).entries, 1);
    assert_int_equal(get(c, s, "4"), 1); /* loaded: the connection went while it was asked */
    assert_int_equal(numbers_of(s->users).entries, 0);
    OK(weir_sleep(c, weir_sec(3)));
    assert_int_equal(get(c, s, "3"), 4); /* as it is now */
    assert_int_equal(numbers_of(s->users).second_out, 0);
}

static void with_the_connection_all_is_forgotten(void **state)
{
    (void)state;
    PLAY_SHARED(forgets_all);
}

/* A connection that has got old is followed by another before it ends. */
static void is_replaced(weir_ctx *c, struct shared *s)
{
    SAYS(s, SAY(record("v\n{\"id\":1}")));
    (void)get(c, s, "1");
    weir__shared_pool_retire(weir__redis_of(s->redis, "test")->shared, (weir_str){NULL, 0});
    (void)get(c, s, "2");
    OK(weir_sleep(c, weir_sec(1)));
    (void)get(c, s, "3");
    OK(weir_sleep(c, weir_sec(30)));
    assert_int_equal(get(c, s, "3"), 1);
    assert_true(s->peer.accepted >= 2);
    assert_int_equal(count_of(s, "users:3 "), 1); /* for its whole time: somebody tells */
}

static void a_new_connection_tells_as_well(void **state)
{
    (void)state;
    PLAY_SHARED(is_replaced);
}

/* It is dead, and nobody has said so: that is found out though nothing is asked. */
static void goes_silent(weir_ctx *c, struct shared *s)
{
    SAYS(s, SAY(record("v\n{\"id\":1}")), SAY("+PONG\r\n"), {.then = REDIS_HANGS});
    (void)get(c, s, "1");
    OK(weir_sleep(c, weir_ms(5900)));
    assert_int_equal(count_of(s, "PING"), 2); /* the first one is answered */
    assert_int_equal(numbers_of(s->users).entries, 1);
    OK(weir_sleep(c, weir_ms(200)));
    assert_int_equal(numbers_of(s->users).entries, 0);
    assert_int_equal(s->peer.accepted, 1);
}

static void a_silent_death_is_noticed(void **state)
{
    (void)state;
    PLAY_SHARED(goes_silent);
}

static void is_not_told(weir_ctx *c, struct shared *s)
{
    SAYS(s, SAY(record("v\n{\"id\":1}")));
    for (int i = 0; i < 7; i++) {
        assert_int_equal(get(c, s, "1"), 1);
        OK(weir_sleep(c, weir_ms(400)));
    }
    assert_int_equal(count_of(s, "HMGET"), 3); /* a second each */
    assert_int_equal(count_of(s, "TRACKING"), 0);
}

static void where_nobody_tells_it_is_kept_for_a_second(void **state)
{
    (void)state;
    PLAY_SHARED(is_not_told, .hello = "-ERR unknown command 'HELLO'\r\n");
}

/* --- trouble ---------------------------------------------------------------------------------- */

/* A thousand, for ten keys. */
static void stampede(weir_ctx *c, struct shared *s)
{
    static struct asker askers[1000];
    static char keys[10][8];
    weir_time begin = weir_now();
    s->loading.takes = weir_ms(5);
    WEIR_SCOPE(g, c);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(keys[i % 10], sizeof keys[0], "%d", i % 10);
        askers[i] = (struct asker){.cache = s->users, .key = keys[i % 10], .loading = &s->loading};
        OK(WEIR_GO(g, ask, &askers[i]));
    }
    OK(weir_join(g));
    for (int i = 0; i < 1000; i++)
        OK(askers[i].err);
    assert_int_equal(s->loading.calls, 10);
    assert_true(weir_time_sub(weir_now(), begin).ns < LOST_AFTER.ns);
    /* And again, for as long as it is away: each second one load a key. */
    begin = weir_now();
    for (int i = 0; i < 100; i++) {
        (void)get(c, s, "1");
        OK(weir_sleep(c, weir_ms(50)));
    }
    assert_in_range(s->loading.calls, 13, 16);
    assert_true(weir_time_sub(weir_now(), begin).ns < weir_ms(100 * 50 + 500).ns);
    OK(weir_cache_remove(c, s->users, WEIR_S("1")));
    assert_int_equal(numbers_of(s->users).second_owed, 1);
}

static void one_that_is_away_makes_no_stampede(void **state)
{
    (void)state;
    PLAY_SHARED(stampede, .refuses = true);
}

static void hangs(weir_ctx *c, struct shared *s)
{
    SAYS(s, {.then = REDIS_HANGS});
    stampede(c, s);
}

static void one_that_hangs_makes_no_stampede(void **state)
{
    (void)state;
    PLAY_SHARED(hangs);
}

static void is_told_when_it_is_back(weir_ctx *c, struct shared *s)
{
    SAYS(s, {.then = REDIS_RESETS}, SAY(":1\r\n"), SAY(record("v\n{\"id\":55}")));
    OK(weir_cache_remove(c, s->users, WEIR_S("7")));
    assert_int_equal(numbers_of(s->users).second_owed, 1);
    assert_int_equal(get(c, s, "7"), 1);
    OK(weir_sleep(c, weir_sec(3)));
    assert_int_equal(get(c, s, "8"), 55);
    const char *told = strstr(s->peer.log, "  60000\nHELLO"), *asked = strstr(s->peer.log, "HMGET");
    assert_true(told != NULL && asked > told);
    assert_int_equal(count_of(s, "weir:shop:users:7 0000000000000000  60000\nHMGET"), 1);
    assert_int_equal(numbers_of(s->users).second_owed, 0);
}

static void what_it_missed_it_is_told_first(void **state)
{
    (void)state;
    PLAY_SHARED(is_told_when_it_is_back);
}

/* What is no answer to the question leaves it out; what is no record is loaded. */
static void lies(weir_ctx *c, struct shared *s)
{
    static const char *const answers[] = {
        "-ERR whatever\r\n",
        "+OK\r\n",
        ":1\r\n",
        "*1\r\n_\r\n",
        "_\r\n",
        "$3\r\nabc\r\n",
        "-WRONGTYPE of another\r\n",
        "*2\r\n_\r\n$3\r\nabc\r\n",
        "*2\r\n:1\r\n:2\r\n",
        "*2\r\n$50\r\n01234567890123456789012345678901234567890123456789\r\n_\r\n",
        "*2\r\n_\r\n$24\r\nweir1 9000000000000 v\n{}\r\n"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        SAYS(s, SAY(answers[i]), SAY(":1\r\n"));
        s->peer.at = 0;
        weir_cache_clear(c, s->users);
        int calls = s->loading.calls;
        int64_t id = get(c, s, "7");
        assert_int_equal(s->loading.calls, calls + (i < 10));
        assert_int_equal(id, i < 10 ? calls + 1 : 0);
        assert_int_equal(numbers_of(s->users).second_out, i < 6);
        OK(weir_sleep(c, weir_sec(41)));
    }
}

static void what_it_says_may_be_nonsense(void **state)
{
    (void)state;
    PLAY_SHARED(lies);
}

static void is_large(weir_ctx *c, struct shared *s)
{
    s->loading.name_len = 300;
    SAYS(s, SAY(NOTHING), SAY(NOTHING), SAY(":1\r\n"));
    assert_int_equal(get(c, s, "7"), 1);
    assert_int_equal(get(c, s, "7"), 2);
    assert_int_equal(count_of(s, "EVAL"), 0);
    char name[300] = {0};
    user large = {.id = 1, .name = {name, sizeof name}};
    OK(weir_cache_put(c, s->users, WEIR_S("7"), user, &large));
    assert_int_equal(count_of(s, "  300000\n"), 1); /* without it, so that nobody reads the last */
    assert_int_equal(numbers_of(s->users).second_errors, 0);
}

static void what_is_too_large_is_not_sent(void **state)
{
    (void)state;
    PLAY_SHARED(is_large);
}

/* --- making ----------------------------------------------------------------------------------- */

#define REFUSED(err, part, ...)                                                                    \
    do {                                                                                           \
        assert_int_equal(weir_cache_share(the_app(), __VA_ARGS__), err);                           \
        assert_told(the_app(), err, part);                                                         \
    } while (0)

static weir_err is_refused_when_wrong(weir_ctx *c, void *arg)
{
    weir_redis *redis = weir_redis_open(the_app(), .url = "redis://none", .name = "r");
    weir_redis *small = weir_redis_open(the_app(), .url = "redis://none", .reply_bytes_max = 20000);
    weir_redis *bad = weir_redis_open(the_app(), .url = "none");
    weir_redis *brief = weir_redis_open(c, .url = "redis://none");
    weir_cache *cache = NEW_CACHE(), *twin = NEW_CACHE();
    weir_cache *colon = weir_cache_new(the_app(), .name = "a:b", .entries_max = 10,
                                       .bytes_max = 1 << 20, .ttl = weir_min(1));
    (void)arg;
    weir_error_clear(the_app());
    static const char *const spaces[] = {NULL, "", "a b", "a:b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
        REFUSED(WEIR_EINVALID, "share of cache users: there is no .space", cache, redis,
                .space = spaces[i]);
    REFUSED(WEIR_EINVALID, "its name has a colon", colon, redis, .space = "s");
    REFUSED(WEIR_EINVALID, "value_bytes_max is 20000; allowed: 256 to 15904", cache, small,
            .space = "s", .value_bytes_max = 20000);
    REFUSED(WEIR_EINVALID, "timeout is 1 min; allowed: 1 ms to 10 s", cache, redis,
            .timeout = weir_min(1));
    REFUSED(WEIR_EINVALID, "must be of the application's context", cache, brief, .space = "s");
    assert_int_equal(weir_cache_share(c, cache, redis, .space = "s"), WEIR_EINVALID);
    weir_error_clear(c);
    assert_int_equal(weir_cache_share(the_app(), cache, bad, .space = "s"), WEIR_EINVALID);
    OK(weir_cache_share(the_app(), cache, redis, .space = "s"));
    REFUSED(WEIR_EINVALID, "another cache of its name", twin, redis, .space = "s");
    REFUSED(WEIR_EINVALID, "has a second level already", cache, redis, .space = "t");
    return WEIR_OK;
}

static void mistakes_are_told(void **state)
{
    (void)state;
    SIM(is_refused_when_wrong);
}

static void comes_late(weir_ctx *c, struct shared *s)
{
    weir_redis *used = weir_redis_open(the_app(), .url = s->peer.url, .name = "used");
    weir_cache *late = NEW_CACHE();
    weir_str text;
    SAYS(s, SAY("$1\r\n1\r\n"));
    OK(weir_redis_get(c, used, "a", &text));
    REFUSED(WEIR_EBUSY, "it has been used", late, used, .space = "s");
    user u;
    OK(weir_cache_get(c, late, WEIR_S("1"), user, &u, load_user, &s->loading));
    assert_int_equal(count_of(s, "HMGET"), 0); /* it is used without */
}

static void a_client_that_was_used_is_refused(void **state)
{
    (void)state;
    PLAY_SHARED(comes_late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_is_not_loaded),
        cmocka_unit_test(what_is_not_there_is_sent),
        cmocka_unit_test(what_another_has_written_stays),
        cmocka_unit_test(changes_are_heard_by_whose_they_are),
        cmocka_unit_test(what_changes_while_it_is_loaded_is_not_kept),
        cmocka_unit_test(with_the_connection_all_is_forgotten),
        cmocka_unit_test(a_new_connection_tells_as_well),
        cmocka_unit_test(a_silent_death_is_noticed),
        cmocka_unit_test(where_nobody_tells_it_is_kept_for_a_second),
        cmocka_unit_test(one_that_is_away_makes_no_stampede),
        cmocka_unit_test(one_that_hangs_makes_no_stampede),
        cmocka_unit_test(what_it_missed_it_is_told_first),
        cmocka_unit_test(what_it_says_may_be_nonsense),
        cmocka_unit_test(what_is_too_large_is_not_sent),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(a_client_that_was_used_is_refused),
    };
    return cmocka_run_group_tests_name("caches over Redis", tests, NULL, NULL);
}
