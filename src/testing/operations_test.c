/*
 * The runtime's own operations, each tried everywhere: a wait cancelled, an allocation and a system
 * call failed, fibers in every order. What each leaves behind is nothing; what it has done is done
 * as a whole or not at all. Connections are in operations_net_test.c, requests and responses in
 * operations_web_test.c.
 */
#include "testing/operations_testing.h"

#include <fcntl.h>
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

/* The panic leaves a context open, with a fiber in it; both are gone when it has been caught. */
static weir_err panic_at_last(weir_ctx *c, void *arg)
{
    WEIR_SCOPE(left, c);
    weir_err err = WEIR_GO(left, child, arg);
    if (err == WEIR_OK)
        err = weir_yield(c);
    if (err == WEIR_OK)
        weir_panic("as planned");
    (void)weir_ctx_close(left);
    return err;
}

static weir_err panic_and_protect(weir_ctx *c, void *arg)
{
    int live = 0;
    (void)arg;
    weir_err err = weir_protect(c, panic_at_last, &live);
    MUST(err < 0);
    MUST(live == 0);
    if (err == WEIR_EPANIC)
        weir_error_clear(c);
    return err == WEIR_EPANIC ? WEIR_OK : err;
}

static weir_err add_one(void *arg)
{
    ++*(int *)arg;
    return WEIR_OK;
}

/* A call that is given up has not begun; there is no result of half a call. */
static weir_err offload_two_calls(weir_ctx *c, void *arg)
{
    int calls = 0;
    (void)arg;
    weir_err first = weir_offload(c, add_one, &calls);
    MUST(calls == (first == WEIR_OK));
    weir_err second = weir_offload(c, add_one, &calls);
    MUST(calls == (first == WEIR_OK) + (second == WEIR_OK));
    return first < 0 ? first : second;
}

static void fibers_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(spawn_and_join, NULL, .waits = 4, .allocations = 3, .orders = 10, .refusals = 3);
    EVERYWHERE(grandchildren, NULL, .waits = 9, .allocations = 6, .orders = 100);
    EVERYWHERE(detach_and_leave, NULL, .waits = 1, .allocations = 2, .refusals = 1);
    EVERYWHERE(panic_and_protect, NULL, .waits = 1, .allocations = 1);
    EVERYWHERE(offload_two_calls, NULL, .waits = 2, .refusals = 2);
}

/* --- what a context holds ----------------------------------------------------------------- */

struct deferred {
    weir_ctx *c;
    int calls, waited;
};

static void count_call(void *arg)
{
    ((struct deferred *)arg)->calls++;
}

/* Under its shield it waits to the end, whoever cancels. */
static void wait_to_the_end(void *arg)
{
    struct deferred *d = arg;
    count_call(arg);
    d->waited += weir_sleep(d->c, weir_ms(1)) == WEIR_OK;
}

static weir_err defer_two_calls(weir_ctx *c, void *arg)
{
    struct deferred d = {.calls = 0};
    weir_err first, second;
    (void)arg;
    WEIR_SCOPE(sub, c);
    d.c = sub;
    first = weir_defer(d.c, count_call, &d);
    MUST(d.calls == (first < 0)); /* what cannot be deferred is done at once */
    second = weir_defer(d.c, wait_to_the_end, &d);
    MUST(d.calls == (first < 0) + (second < 0));
    weir_cancel(d.c);
    (void)weir_ctx_close(d.c);
    MUST(d.calls == 2);
    MUST(second < 0 || d.waited == 1);
    return first < 0 ? first : second;
}

static weir_err texts_and_values(weir_ctx *c, void *arg)
{
    static const weir_key key = {"answer", sizeof(int)};
    int answer = 42;
    (void)arg;
    weir_str copy = weir_strdup(c, WEIR_S("words")), text = weir_sprintf(c, "%d %s", 5, "words");
    MUST(copy.ptr == NULL || weir_str_eq(copy, WEIR_S("words")));
    MUST(text.ptr == NULL || weir_str_eq(text, WEIR_S("5 words")));
    weir_err err = weir_set(c, &key, &answer);
    const int *kept = weir_get_value(c, &key);
    MUST((kept != NULL) == (err == WEIR_OK));
    MUST(kept == NULL || *kept == 42);
    MUST(weir_raise(c, WEIR_EFAIL, "%d words", 5) == WEIR_EFAIL);
    MUST(weir_last_error(c) != NULL);
    return err;
}

/* Descriptors of others, which end with the context, or at once where it has no room for them. */
static weir_err adopt_descriptors(weir_ctx *c, void *arg)
{
    weir_err err = WEIR_OK;
    (void)arg;
    for (int i = 0; i < 2 && err == WEIR_OK; i++)
        err = weir_fd_adopt(c, open("/dev/null", O_RDONLY | O_CLOEXEC));
    MUST(err < 0 || weir_fd_adopt(c, open("/dev/null/none", O_RDONLY | O_CLOEXEC)) == -ENOTDIR);
    return err;
}

static void contexts_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(defer_two_calls, NULL, .waits = 1, .allocations = 2);
    EVERYWHERE(texts_and_values, NULL, .allocations = 4);
    EVERYWHERE(adopt_descriptors, NULL, .allocations = 2, .calls = 6);
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
    int64_t n = 0, unused = 0;
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
    WEIR_SCOPE(group, c);
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
    WEIR_SCOPE(group, c);
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

static weir_err hand_on(weir_ctx *c, void *arg)
{
    struct line *l = arg;
    weir_err err = WEIR_OK;
    for (int64_t i = 1; i <= 3 && err == WEIR_OK; i++)
        err = weir_chan_send(c, l->numbers, &i);
    weir_chan_close(c, l->numbers);
    return err;
}

/* Through a channel with room for one; what is in it when it is closed still comes. */
static weir_err add_up(weir_ctx *c, void *arg)
{
    struct line *l = arg;
    int64_t n;
    weir_err err;
    while ((err = weir_chan_recv(c, l->numbers, &n)) == WEIR_OK)
        l->sum += n;
    return err == WEIR_ECLOSED ? WEIR_OK : err;
}

static weir_err channel_with_room(weir_ctx *c, void *arg)
{
    struct line l = {.sum = 0};
    (void)arg;
    WEIR_SCOPE(group, c);
    l.numbers = weir_chan_new(group, int64_t, 1);
    weir_err err = WEIR_GO(group, hand_on, &l);
    if (err == WEIR_OK)
        err = WEIR_GO(group, add_up, &l);
    weir_err joined = weir_join(group);
    (void)weir_ctx_close(group);
    if (err == WEIR_OK && joined == WEIR_OK)
        MUST(l.sum == 6);
    return err < 0 ? err : joined;
}

/* A second time, which may want memory before it sees that it is too much. */
static bool is_refused(weir_err err)
{
    return err == -EAGAIN || err == -ENOMEM;
}

static weir_err try_a_mutex(weir_ctx *c)
{
    weir_mutex *mutex = weir_mutex_new(c);
    weir_err locked = weir_trylock(c, mutex);
    MUST(locked == WEIR_OK || locked == -ENOMEM);
    MUST(locked < 0 || is_refused(weir_trylock(c, mutex)));
    if (locked == WEIR_OK)
        weir_unlock(c, mutex);
    return locked;
}

static weir_err try_a_semaphore(weir_ctx *c)
{
    weir_sem *sem = weir_sem_new(c, 1);
    weir_err taken = weir_sem_try_acquire(c, sem);
    MUST(taken == WEIR_OK || taken == -ENOMEM);
    MUST(taken < 0 || is_refused(weir_sem_try_acquire(c, sem)));
    if (taken == WEIR_OK)
        weir_sem_release(c, sem);
    return taken;
}

static weir_err try_a_channel(weir_ctx *c)
{
    int64_t n = 1, got = 0;
    weir_chan *chan = weir_chan_new(c, int64_t, 1);
    weir_err sent = weir_chan_try_send(c, chan, &n);
    MUST(sent == WEIR_OK || sent == WEIR_ECLOSED);
    MUST(weir_chan_try_send(c, chan, &n) == (sent == WEIR_OK ? -EAGAIN : WEIR_ECLOSED));
    MUST(weir_chan_try_recv(c, chan, &got) == sent && (sent < 0 || got == 1));
    return sent;
}

/* Each without waiting: it is had, or it is not; what was made without memory says so. */
static weir_err try_them_all(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(inner, c);
    weir_err locked = try_a_mutex(inner);
    weir_err taken = try_a_semaphore(inner);
    weir_err sent = try_a_channel(inner);
    (void)weir_ctx_close(inner);
    return locked < 0 ? locked : taken < 0 ? taken : sent;
}

struct made_once {
    weir_once *once;
    weir_wait_group *running;
    int made, over;
};

static weir_err make(weir_ctx *c, void *arg)
{
    struct made_once *m = arg;
    MUST(m->made == 0);
    weir_err err = weir_sleep(c, weir_ms(1));
    m->made += err == WEIR_OK;
    return err;
}

static weir_err want_it(weir_ctx *c, void *arg)
{
    struct made_once *m = arg;
    weir_err err = weir_once_do(c, m->once, make, m);
    MUST(err < 0 || m->made == 1);
    m->over++;
    weir_wait_group_done(c, m->running);
    return err;
}

/* Who fails to make it, or is cancelled, leaves it to the next; who is waited for has ended. */
static weir_err once_for_three(weir_ctx *c, void *arg)
{
    struct made_once m = {.made = 0};
    int begun = 0;
    weir_err err = WEIR_OK;
    (void)arg;
    WEIR_SCOPE(owner, c);
    m.once = weir_once_new(owner);
    m.running = weir_wait_group_new(owner);
    WEIR_SCOPE(group, owner);
    while (begun < 3 && (err = WEIR_GO(group, want_it, &m)) == WEIR_OK) {
        weir_wait_group_add(c, m.running, 1);
        begun++;
    }
    weir_err waited = weir_wait_group_wait(c, m.running);
    MUST(waited < 0 || m.over == begun);
    weir_err joined = weir_join_as(group, WEIR_JOIN_ALL);
    MUST(m.over == begun);
    (void)weir_ctx_close(owner);
    return err < 0 ? err : waited < 0 ? waited : joined;
}

static void channels_and_locks_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(select_of_two, NULL, .waits = 4, .allocations = 2, .orders = 1);
    check(
        "locks_of_three",
        weir_test_everywhere(.name = "locks_of_three", .run = locks_of_three, .leaves_open = true),
        (struct least){.waits = 6, .allocations = 3, .orders = 5});
    EVERYWHERE(channel_with_room, NULL, .waits = 3, .allocations = 1, .orders = 1);
    EVERYWHERE(try_them_all, NULL, .allocations = 3);
    EVERYWHERE(once_for_three, NULL, .waits = 4, .allocations = 2, .orders = 5);
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

/* What is rolled back was never there; one statement is a transaction too. */
static weir_err roll_back_and_write(weir_ctx *c, weir_db *db)
{
    int64_t n = 0;
    weir_result result = {.changes = 0};
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "INSERT INTO t(n) VALUES (3)");
    weir_err err = weir_tx_err(tx);
    weir_rollback(tx);
    if (err == WEIR_OK)
        err = weir_db_exec(c, db, &result, "INSERT INTO t(n) VALUES (1), (2)");
    MUST(err < 0 || result.changes == 2);
    if (err == WEIR_OK)
        err = weir_query_one(c, db, int64_t, &n, "SELECT count(*) FROM t");
    MUST(err < 0 || n == 2);
    return err;
}

typedef struct {
    int64_t n;
} t_row;
WEIR_MODEL(t_row, (n));

/* A part is kept, another one undone; then all that is there. */
static weir_err write_parts(weir_ctx *c, weir_tx *tx, void *arg)
{
    static const t_row two[] = {{1}, {2}};
    WEIR_ARRAY(t_row) all = {.len = 0};
    (void)arg;
    weir_tx *part = weir_begin(c, tx);
    weir_insert(part, "t", t_row, two, 2);
    weir_err err = weir_commit(part);
    part = weir_begin(c, tx);
    weir_exec(part, "DELETE FROM t");
    weir_rollback(part);
    if (err == WEIR_OK)
        err = weir_query_all(c, tx, t_row, &all, 10, "SELECT n FROM t");
    MUST(err < 0 || all.len == 2);
    return err;
}

/* Both rows and what is there then, together; and what is there by itself. */
static weir_err write_together(weir_ctx *c, weir_db *db)
{
    WEIR_ARRAY(t_row) all = {.len = 0};
    weir_result result = {.changes = 0};
    int64_t n = 0;
    weir_tx *tx = weir_begin(c, db);
    weir_batch *b = weir_batch_new(c, tx);
    weir_batch_exec(b, &result, "INSERT INTO t(n) VALUES (?)", 1);
    weir_batch_exec(b, NULL, "INSERT INTO t(n) VALUES (?)", 2);
    weir_batch_all(b, t_row, &all, 10, "SELECT n FROM t");
    weir_err err = weir_batch_run(b);
    MUST(err < 0 || (all.len == 2 && result.changes == 1));
    weir_err committed = weir_commit(tx);
    MUST(err == WEIR_OK || committed < 0);
    b = weir_batch_new(c, db);
    weir_batch_one(b, int64_t, &n, "SELECT count(*) FROM t");
    weir_batch_exec(b, NULL, "UPDATE t SET n = n + 1");
    err = weir_batch_run(b);
    MUST(weir_batch_err(b, 0) < 0 || n == 2 || (n == 0 && committed < 0));
    return committed < 0 ? committed : err;
}

static weir_err retry_parts(weir_ctx *c, weir_db *db)
{
    return weir_tx_retry(c, db, write_parts, NULL);
}

/* From opening to closing, with nothing warm. */
static weir_err open_and(weir_ctx *c, weir_err (*use)(weir_ctx *c, weir_db *db))
{
    WEIR_SCOPE(owner, c);
    weir_db *db = weir_sqlite_open(owner, .path = path, .create = true, .pool.max_open = 2);
    weir_err err = weir_exec_script(owner, db, "CREATE TABLE IF NOT EXISTS t(n INTEGER)");
    if (err == WEIR_OK)
        err = use(owner, db);
    (void)weir_ctx_close(owner);
    return err;
}

static weir_err begin_and_commit(weir_ctx *c, void *arg)
{
    (void)arg;
    return open_and(c, write_and_read);
}

static weir_err begin_and_roll_back(weir_ctx *c, void *arg)
{
    (void)arg;
    return open_and(c, roll_back_and_write);
}

static weir_err begin_within(weir_ctx *c, void *arg)
{
    (void)arg;
    return open_and(c, retry_parts);
}

static weir_err begin_and_batch(weir_ctx *c, void *arg)
{
    (void)arg;
    return open_and(c, write_together);
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
    WEIR_SCOPE(owner, c);
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
    static const struct {
        const char *name;
        weir_fiber_fn run;
    } plans[] = {{"begin_and_commit", begin_and_commit},
                 {"begin_within", begin_within},
                 {"begin_and_batch", begin_and_batch},
                 {"begin_and_roll_back", begin_and_roll_back}};
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        weir_test_report r = weir_test_everywhere(.name = plans[i].name, .run = plans[i].run,
                                                  .before = start_anew, .after = is_whole);
        check(plans[i].name, r, (struct least){.waits = 6, .allocations = 10, .calls = 300});
    }
    remove_database();
    assert_int_equal(rmdir(folder), 0);
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

/* One after the other; a part that is not written is an error that stays. */
static weir_err files_written_in_turn(weir_ctx *c, void *arg)
{
    char back[8] = "";
    (void)arg;
    weir_file *f = weir_file_temp(c);
    bool is_told = weir_last_error(c) != NULL;
    MUST(weir_file_err(f) == WEIR_OK || is_told || weir_check(c) < 0);
    weir_err err = weir_file_write(c, f, "one ", 4);
    if (err == WEIR_OK)
        err = weir_file_write(c, f, "two", 3);
    int64_t size = weir_file_size(c, f);
    MUST(err < 0 || size < 0 || size == 7);
    ssize_t n = err == WEIR_OK ? weir_file_pread(c, f, back, sizeof back, 0) : err;
    MUST(n < 0 || (n == 7 && memcmp(back, "one two", 7) == 0));
    return n < 0 ? (weir_err)n : size < 0 ? (weir_err)size : WEIR_OK;
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
    WEIR_SCOPE(group, c, .timeout = weir_sec(1));
    news.topic = weir_topic_new(group, int64_t);
    news.first = weir_subscribe(group, news.topic);
    news.second = weir_subscribe(group, news.topic, .capacity = 1); /* nobody reads it */
    weir_err err = WEIR_GO(group, read_news, &news);
    if (err == WEIR_OK)
        err = WEIR_GO(group, publish_news, &news);
    weir_err joined = weir_join(group);
    int64_t latest = 0;
    weir_err tried = weir_subscription_try_recv(group, news.second, &latest);
    MUST(tried < 0 || err < 0 || joined < 0 || latest == 3);
    weir_unsubscribe(group, news.first);
    (void)weir_ctx_close(group);
    return err < 0 ? err : joined;
}

static void resources_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(files_and_temporary_ones, NULL, .waits = 4, .allocations = 2, .calls = 30);
    EVERYWHERE(files_written_in_turn, NULL, .waits = 2, .allocations = 1, .calls = 10);
    EVERYWHERE(timers_of_a_context, NULL, .waits = 3, .allocations = 2, .refusals = 6);
    EVERYWHERE(topics_and_subscriptions, NULL, .waits = 5, .allocations = 3, .orders = 1,
               .refusals = 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fibers_everywhere),
        cmocka_unit_test(contexts_everywhere),
        cmocka_unit_test(channels_and_locks_everywhere),
        cmocka_unit_test(transactions_everywhere),
        cmocka_unit_test(resources_everywhere),
    };
    return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
