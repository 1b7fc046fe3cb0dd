/*
 * The runtime's own operations, each tried everywhere: a wait cancelled, an allocation and a system
 * call failed, fibers in every order. What each leaves behind is nothing; what it has done is done
 * as a whole or not at all. Connections are in operations_net_test.c.
 */
#include "testing/operations_testing.h"

#include <string.h>
#include <unistd.h>

#include <weir/weir.h>

/* --- fibers ------------------------------------------------------------------------------- */

static weir_err child(weir_ctx *c, void *arg)
{
    int *live = arg;
    ++*live;
    char *piece = weir_alloc(c, 100);
    weir_err err = piece != NULL ? weir_sleep(c, weir_ms(1)) : -ENOMEM;
    --*live;
    return err;
}

static weir_err parent(weir_ctx *c, void *arg)
{
    int live = 0;
    weir_err err = WEIR_OK;
    (void)arg;
    WEIR_WITH(group, c) {
        for (int i = 0; i < 3 && err == WEIR_OK; i++)
            err = WEIR_GO(group, child, &live);
        weir_err joined = weir_join(group);
        err = err < 0 ? err : joined;
    }
    MUST(live == 0);
    return err;
}

static weir_err spawn_and_join(weir_ctx *c, void *arg)
{
    return parent(c, arg);
}

static weir_err grandchildren(weir_ctx *c, void *arg)
{
    weir_err err = WEIR_OK;
    WEIR_WITH(group, c, .timeout = weir_sec(1)) {
        err = WEIR_GO(group, parent, arg);
        if (err == WEIR_OK)
            err = WEIR_GO(group, parent, arg);
        weir_err joined = weir_join_as(group, WEIR_JOIN_FIRST_OK);
        err = err < 0 ? err : joined;
    }
    return err;
}

static weir_err detached(weir_ctx *c, void *arg)
{
    char *copy = weir_alloc(c, 10);
    const int *n = arg;
    MUST(*n == 7);
    return copy != NULL ? weir_sleep(c, weir_ms(5)) : -ENOMEM;
}

static weir_err detach_and_leave(weir_ctx *c, void *arg)
{
    int seven = 7;
    (void)arg;
    return weir_detach(c, detached, &seven, sizeof seven);
}

static void fibers_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(spawn_and_join, NULL, .waits = 4, .allocations = 3, .orders = 10);
    EVERYWHERE(grandchildren, NULL, .waits = 9, .allocations = 6, .orders = 100);
    EVERYWHERE(detach_and_leave, NULL, .waits = 1, .allocations = 2);
}

/* --- channels and locks ------------------------------------------------------------------- */

struct line {
    weir_chan *numbers, *quit;
    int64_t sum;
};

static weir_err produce(weir_ctx *c, void *arg)
{
    struct line *l = arg;
    weir_err err = WEIR_OK;
    for (int64_t i = 1; i <= 3 && err == WEIR_OK; i++)
        err = weir_chan_send(c, l->numbers, &i);
    if (err == WEIR_OK)
        weir_chan_close(c, l->quit);
    return err;
}

static weir_err consume(weir_ctx *c, void *arg)
{
    struct line *l = arg;
    int64_t n, unused;
    bool closed = false;
    weir_select_case cases[] = {{.chan = l->numbers, .recv = &n},
                                {.chan = l->quit, .recv = &unused}};
    for (;;) {
        int arm = weir_select(c, cases, 2, weir_sec(1), &closed);
        if (arm != 0)
            return arm < 0 ? arm : WEIR_OK;
        l->sum += n;
    }
}

static weir_err select_of_two(weir_ctx *c, void *arg)
{
    struct line l = {.sum = 0};
    (void)arg;
    weir_ctx *group = weir_ctx_open(c);
    l.numbers = weir_chan_new(group, int64_t, 0);
    l.quit = weir_chan_new(group, int64_t, 0);
    weir_err err = WEIR_GO(group, produce, &l);
    if (err == WEIR_OK)
        err = WEIR_GO(group, consume, &l);
    weir_err joined = weir_join(group);
    (void)weir_ctx_close(group);
    if (err == WEIR_OK && joined == WEIR_OK)
        MUST(l.sum == 6);
    return err < 0 ? err : joined;
}

struct locked {
    weir_mutex *mutex;
    weir_cond *cond;
    weir_sem *sem;
    int inside, turns;
};

static weir_err take_turn(weir_ctx *c, void *arg)
{
    struct locked *l = arg;
    weir_err err = weir_lock(c, l->mutex);
    if (err < 0)
        return err;
    MUST(l->inside++ == 0);
    err = weir_sleep(c, weir_ms(1));
    l->turns++;
    l->inside--;
    weir_cond_broadcast(c, l->cond);
    weir_unlock(c, l->mutex);
    if (err == WEIR_OK)
        err = weir_sem_acquire(c, l->sem);
    if (err == WEIR_OK) {
        err = weir_sleep(c, weir_ms(1));
        weir_sem_release(c, l->sem);
    }
    return err;
}

static weir_err wait_for_turns(weir_ctx *c, void *arg)
{
    struct locked *l = arg;
    weir_err err = weir_lock(c, l->mutex);
    while (err == WEIR_OK && l->turns < 2)
        err = weir_cond_wait(c, l->cond, l->mutex);
    return err; /* the lock, if there is one, ends with this fiber's context */
}

static weir_err locks_of_three(weir_ctx *c, void *arg)
{
    struct locked l = {.turns = 0};
    weir_err err = WEIR_OK;
    (void)arg;
    weir_ctx *group = weir_ctx_open(c);
    l.mutex = weir_mutex_new(group);
    l.cond = weir_cond_new(group);
    l.sem = weir_sem_new(group, 1);
    weir_fiber_fn fns[] = {take_turn, wait_for_turns, take_turn};
    for (int i = 0; i < 3 && err == WEIR_OK; i++)
        err = weir_go_at(WEIR_HERE, group, fns[i], &l, "locks");
    weir_err joined = weir_join(group);
    (void)weir_ctx_close(group);
    return err < 0 ? err : joined;
}

static void channels_and_locks_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(select_of_two, NULL, .waits = 4, .allocations = 2, .orders = 1);
    check(
        "locks_of_three",
        weir_test_everywhere(.name = "locks_of_three", .run = locks_of_three, .leaves_open = true),
        (struct least){.waits = 6, .allocations = 3, .orders = 5});
}

/* --- transactions ------------------------------------------------------------------------- */

static char folder[64], path[96];

static weir_err write_and_read(weir_ctx *c, weir_db *db)
{
    int64_t n = 0;
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "INSERT INTO t(n) VALUES (?)", (int64_t)1);
    weir_exec(tx, "INSERT INTO t(n) VALUES (?)", (int64_t)2);
    weir_err err = weir_commit(tx);
    weir_rows *rows = weir_query(c, db, "SELECT n FROM t ORDER BY n");
    while (weir_rows_next(rows, int64_t, &n))
        ;
    weir_err read = weir_rows_err(rows);
    return err < 0 ? err : read;
}

static void remove_database(void)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char file[128];
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(file, sizeof file, "%s%s", path, ends[i]);
        (void)unlink(file);
    }
}

/* From opening to closing, with nothing warm. */
static weir_err begin_and_commit(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_ctx *owner = weir_ctx_open(c);
    weir_db *db = weir_sqlite_open(owner, .path = path, .create = true, .pool.max_open = 2);
    weir_err err = weir_exec_script(owner, db, "CREATE TABLE IF NOT EXISTS t(n INTEGER)");
    if (err == WEIR_OK)
        err = write_and_read(owner, db);
    (void)weir_ctx_close(owner);
    return err;
}

static weir_err start_anew(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    remove_database();
    return WEIR_OK;
}

/* Both rows are there, or none. */
static weir_err is_whole(weir_ctx *c, const weir_test_reply *r, void *arg)
{
    int64_t n = 0;
    (void)r, (void)arg;
    weir_ctx *owner = weir_ctx_open(c);
    weir_db *db = weir_sqlite_open(owner, .path = path, .create = true);
    weir_err err = weir_exec_script(owner, db, "CREATE TABLE IF NOT EXISTS t(n INTEGER)");
    if (err == WEIR_OK)
        err = weir_query_one(owner, db, int64_t, &n, "SELECT count(*) FROM t");
    (void)weir_ctx_close(owner);
    if (err == WEIR_OK && n != 0 && n != 2)
        err = weir_raise(c, WEIR_EFAIL, "%lld of 2 rows are there", (long long)n);
    return err;
}

static void transactions_everywhere(void **state)
{
    (void)state;
    const char *ram = "/dev/shm"; /* where a flush costs nothing */
    snprintf(folder, sizeof folder, "%s/weir-operations-XXXXXX",
             access(ram, W_OK) == 0 ? ram : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.db", folder);
    weir_test_report r = weir_test_everywhere(.name = "begin_and_commit", .run = begin_and_commit,
                                              .before = start_anew, .after = is_whole);
    remove_database();
    assert_int_equal(rmdir(folder), 0);
    check("begin_and_commit", r, (struct least){.waits = 6, .allocations = 10, .calls = 300});
}

/* --- files, timers, topics -------------------------------------------------------------------- */

static weir_err write_and_read_back(weir_ctx *c, weir_file *f)
{
    static const char text[] = "the quick brown fox";
    char back[sizeof text];
    weir_err err = weir_file_pwrite(c, f, text, sizeof text, 0);
    if (err == WEIR_OK)
        err = weir_file_sync(c, f);
    ssize_t n = err == WEIR_OK ? weir_file_pread(c, f, back, sizeof back, 0) : err;
    if (n == sizeof back)
        MUST(memcmp(back, text, sizeof text) == 0);
    return n < 0 ? (weir_err)n : WEIR_OK;
}

static weir_err files_and_temporary_ones(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_file *f = weir_file_temp(c);
    weir_err err = write_and_read_back(c, f);
    weir_file *zero = weir_file_open(c, "/proc/self/comm");
    char name[32];
    ssize_t n = weir_file_read(c, zero, name, sizeof name);
    weir_err closed = weir_file_close(c, f); /* the other one is its context's */
    return err < 0 ? err : n < 0 ? (weir_err)n : closed;
}

static weir_err tick(weir_ctx *c, void *arg)
{
    int *ticks = arg;
    ++*ticks;
    return weir_sleep(c, weir_ms(1));
}

static weir_err timers_of_a_context(weir_ctx *c, void *arg)
{
    int *ticks = weir_new(c, int);
    weir_timer every, after;
    (void)arg;
    if (ticks == NULL)
        return -ENOMEM;
    weir_err err = weir_timer_every(c, weir_ms(3), tick, ticks, &every);
    if (err == WEIR_OK)
        err = weir_timer_after(c, weir_ms(5), tick, ticks, &after);
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_ms(10));
    if (err == WEIR_OK)
        (void)weir_timer_stop(c, after); /* the other one goes with its context */
    return err;
}

struct news {
    weir_topic *topic;
    weir_subscription *first, *second;
};

static weir_err read_news(weir_ctx *c, void *arg)
{
    struct news *news = arg;
    int64_t n = 0, last = 0;
    weir_err err;
    while ((err = weir_subscription_recv(c, news->first, &n)) == WEIR_OK) {
        MUST(n > last);
        last = n;
        if (n == 3)
            return WEIR_OK;
    }
    return err;
}

static weir_err publish_news(weir_ctx *c, void *arg)
{
    struct news *news = arg;
    weir_err err = WEIR_OK;
    for (int64_t n = 1; n <= 3 && err == WEIR_OK; n++) {
        err = weir_publish(c, news->topic, &n);
        if (err == WEIR_OK)
            err = weir_sleep(c, weir_ms(1));
    }
    return err;
}

static weir_err topics_and_subscriptions(weir_ctx *c, void *arg)
{
    struct news news;
    (void)arg;
    weir_ctx *group = weir_ctx_open(c, .timeout = weir_sec(1));
    news.topic = weir_topic_new(group, int64_t);
    news.first = weir_subscribe(group, news.topic);
    news.second = weir_subscribe(group, news.topic, .capacity = 1); /* nobody reads it */
    weir_err err = WEIR_GO(group, read_news, &news);
    if (err == WEIR_OK)
        err = WEIR_GO(group, publish_news, &news);
    weir_err joined = weir_join(group);
    weir_unsubscribe(group, news.first);
    (void)weir_ctx_close(group);
    return err < 0 ? err : joined;
}

static void resources_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(files_and_temporary_ones, NULL, .waits = 4, .allocations = 2, .calls = 30);
    EVERYWHERE(timers_of_a_context, NULL, .waits = 3, .allocations = 2, .orders = 0);
    EVERYWHERE(topics_and_subscriptions, NULL, .waits = 5, .allocations = 3, .orders = 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fibers_everywhere),
        cmocka_unit_test(channels_and_locks_everywhere),
        cmocka_unit_test(transactions_everywhere),
        cmocka_unit_test(resources_everywhere),
    };
    return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
