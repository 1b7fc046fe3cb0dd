/*
 * On real workers and threads: readers beside a writer, long queries that stall nobody and end when
 * told to, flat memory.
 */
#include "data/sqlite/testing.h"

#include <stdatomic.h>
#include <sys/wait.h>

#include "base/sanitizer.h"
#include "rt/runtime.h"
#include "rt/worker.h"
#include <weir/migrate.h>
#include <weir/sync.h>

static weir_err run_on(unsigned workers, weir_fiber_fn fn, void *arg)
{
    struct weir__runtime_options o = {.workers = workers, .stall = weir_ns(-1)};
    char message[200];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&o, &err, message, sizeof message);
    assert_non_null(rt);
    err = weir__runtime_run(rt, fn, arg);
    weir__runtime_free(rt);
    return err;
}

#define RUNTIME_TEST(name, workers)                                                                \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        assert_int_equal(run_on((workers), name, *state), WEIR_OK);                                \
    }

/* Counts for ever. */
static const char endless[] = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n)"
                              " SELECT i FROM n WHERE i < 0";

/* --- opening ---------------------------------------------------------------------------------- */

/* What is wrong is in the record of the application's context, where a start looks for it. */
static weir_err failure_is_recorded(weir_ctx *app, void *arg)
{
    (void)arg;
    weir_db *db = weir_sqlite_open(app, .path = "/nowhere/at/all.db");
    assert_int_equal(weir_db_err(db), WEIR_ENOTFOUND);
    const weir_error *e = weir_last_error(app);
    assert_non_null(e);
    assert_int_equal(e->code, WEIR_ENOTFOUND);
    assert_non_null(strstr(e->message.ptr, "/nowhere/at/all.db"));
    assert_null(weir__self->root->error);
    return WEIR_OK;
}
RUNTIME_TEST(failure_is_recorded, 1)

/* --- long queries ----------------------------------------------------------------------------- */

struct race {
    weir_db *db;
    bool is_over;
    long turns;
};

static weir_err asks_endlessly(weir_ctx *c, void *arg)
{
    struct race *r = arg;
    int64_t n;
    weir_err err = weir_query_one(c, r->db, int64_t, &n, endless);
    r->is_over = true;
    return err;
}

/*
 * A fiber of the same worker gets its turns while the query runs, and it is this one that ends it.
 */
static weir_err long_query_yields(weir_ctx *app, void *arg)
{
    struct race r = {.db = open_users(app, arg)};
    WEIR_SCOPE(group, app);
    assert_int_equal(WEIR_GO(group, asks_endlessly, &r), WEIR_OK);
    while (r.turns < 20 && !r.is_over) {
        assert_int_equal(weir_yield(app), WEIR_OK);
        r.turns++;
    }
    assert_false(r.is_over);
    weir_cancel(group);
    assert_int_equal(weir_join(group), WEIR_ECANCELED);
    (void)weir_ctx_close(group);
    assert_nothing_out(r.db);
    assert_int_equal(count_users(app, r.db), 3);
    return WEIR_OK;
}
RUNTIME_TEST(long_query_yields, 1)

static weir_err deadline_ends_a_query(weir_ctx *app, void *arg)
{
    weir_db *db = open_users(app, arg);
    int64_t n;
    WEIR_SCOPE(c, app, .timeout = weir_ms(20));
    weir_rows *rows = weir_query(c, db, endless);
    assert_false(weir_rows_next(rows, int64_t, &n));
    assert_int_equal(weir_rows_err(rows), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(c);
    assert_nothing_out(db);
    return WEIR_OK;
}
RUNTIME_TEST(deadline_ends_a_query, 1)

/* On the writer's thread: interrupted there, rolled back, and the thread goes on. */
static weir_err deadline_ends_a_write(weir_ctx *app, void *arg)
{
    weir_db *db = open_users(app, arg);
    WEIR_SCOPE(c, app, .timeout = weir_ms(20));
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, "DELETE FROM users");
    weir_exec(tx, "INSERT INTO users(name) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL"
                  " SELECT i + 1 FROM n) SELECT 'x' FROM n WHERE i < 0");
    assert_int_equal(weir_commit(tx), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(c);
    assert_nothing_out(db);
    assert_int_equal(count_users(app, db), 3);
    assert_int_equal(weir_db_exec(app, db, NULL, "UPDATE users SET age = 1"), WEIR_OK);
    return WEIR_OK;
}
RUNTIME_TEST(deadline_ends_a_write, 1)

/* --- a million rows (E13, L31) ---------------------------------------------------------------- */

/* A sanitizer keeps freed memory back, and shadows it. */
#ifdef __SANITIZE_THREAD__
#define IS_SANITIZED 1
#else
#define IS_SANITIZED weir__has_asan()
#endif

typedef struct {
    int64_t id;
    weir_str text;
} line;
WEIR_MODEL(line, (id), (text));

static long resident_kib(void)
{
    long pages = 0, all = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &all, &pages), 2);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int64_t read_lines(weir_ctx *app, weir_db *db, int64_t count)
{
    int64_t n = 0;
    WEIR_SCOPE(c, app);
    weir_rows *rows = weir_query(c, db,
                                 "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
                                 " WHERE i < ?) SELECT i id, 'line ' || i text FROM n",
                                 count);
    for (line l; weir_rows_next(rows, line, &l);) {
        n++;
        assert_int_equal(l.id, n);
        assert_true(weir_str_starts(l.text, WEIR_S("line ")));
    }
    assert_int_equal(weir_rows_err(rows), WEIR_OK);
    (void)weir_ctx_close(c);
    return n;
}

static weir_err memory_stays_flat(weir_ctx *app, void *arg)
{
    weir_db *db = open_users(app, arg);
    assert_int_equal(read_lines(app, db, 1000), 1000);
    long before = resident_kib();
    assert_int_equal(read_lines(app, db, 1000000), 1000000);
    if (!IS_SANITIZED)
        assert_true(resident_kib() - before < 1024);
    return WEIR_OK;
}
RUNTIME_TEST(memory_stays_flat, 1)

/* --- readers beside a writer ------------------------------------------------------------------ */

enum { READERS_EACH = 4, ROUNDS = 200, ACCOUNTS = 10 };

/* Used on both workers; the fibers of a worker are started by a message to it. */
struct bank {
    weir_db *db;
    weir_wait_group *running;
    atomic_int reads, wrong;
};

/* Money moves, its sum stays: whatever a reader sees is one commit's state. */
static weir_err reads_the_sum(weir_ctx *c, void *arg)
{
    struct bank *b = arg;
    for (int i = 0; i < ROUNDS; i++) {
        WEIR_WITH(turn, c) {
            int64_t sum = 0, n;
            weir_rows *rows = weir_query(turn, b->db, "SELECT amount FROM accounts");
            while (weir_rows_next(rows, int64_t, &n))
                sum += n;
            bool is_good = weir_rows_err(rows) == WEIR_OK && sum == (int64_t)ACCOUNTS * 100;
            atomic_fetch_add(is_good ? &b->reads : &b->wrong, 1);
        }
        (void)!weir_yield(c);
    }
    weir_wait_group_done(c, b->running);
    return WEIR_OK;
}

static weir_err moves_money(weir_ctx *c, void *arg)
{
    struct bank *b = arg;
    for (int i = 0; i < ROUNDS; i++) {
        WEIR_WITH(turn, c) {
            weir_tx *tx = weir_begin(turn, b->db);
            weir_exec(tx, "UPDATE accounts SET amount = amount - 1 WHERE id = ?", i % ACCOUNTS + 1);
            weir_exec(tx, "UPDATE accounts SET amount = amount + 1 WHERE id = ?",
                      (i + 3) % ACCOUNTS + 1);
            if (weir_commit(tx) != WEIR_OK)
                atomic_fetch_add(&b->wrong, 1);
        }
    }
    weir_wait_group_done(c, b->running);
    return WEIR_OK;
}

/* Meanwhile it is held back, goes on, becomes larger and smaller: nobody is told an error. */
static weir_err governs(weir_ctx *c, void *arg)
{
    struct bank *b = arg;
    for (int i = 0; i < ROUNDS; i++) {
        weir_db_suspend(b->db);
        (void)!weir_yield(c);
        if (weir_db_resize(b->db, 1 + (uint32_t)i % 7, (uint32_t)i % 2) != WEIR_OK)
            atomic_fetch_add(&b->wrong, 1);
        weir_db_resume(b->db);
        (void)!weir_yield(c);
    }
    weir_wait_group_done(c, b->running);
    return WEIR_OK;
}

static void start_on(struct weir__worker *w, void *arg)
{
    struct bank *b = arg;
    weir_ctx *c = weir__ctx_handle(w->root);
    assert_int_equal(WEIR_GO(c, governs, b), WEIR_OK); /* both at once */
    for (int i = 0; i < READERS_EACH; i++)
        assert_int_equal(WEIR_GO(c, reads_the_sum, b), WEIR_OK);
    assert_int_equal(WEIR_GO(c, moves_money, b), WEIR_OK);
}

static struct bank bank; /* outlives every fiber of the workers */

static weir_err readers_beside_writers(weir_ctx *app, void *arg)
{
    struct file *f = arg;
    bank = (struct bank){
        .db = weir_sqlite_open(app, .path = f->path, .create = true, .pool.max_open = 5)};
    assert_int_equal(weir_exec_script(app, bank.db,
                                      "CREATE TABLE accounts(id INTEGER PRIMARY KEY, amount INT);"
                                      "INSERT INTO accounts(amount) VALUES (100), (100), (100),"
                                      "(100), (100), (100), (100), (100), (100), (100);"),
                     WEIR_OK);
    bank.running = weir_wait_group_new(app);
    weir_wait_group_add(app, bank.running, 2 * (READERS_EACH + 2));
    assert_int_equal(weir__on_each_worker(weir__ctx_of(app), start_on, &bank, weir_sec(10)),
                     WEIR_OK);
    assert_int_equal(weir_wait_group_wait(app, bank.running), WEIR_OK);
    assert_int_equal(atomic_load(&bank.wrong), 0);
    assert_int_equal(atomic_load(&bank.reads), 2 * READERS_EACH * ROUNDS);
    assert_nothing_out(bank.db);
    return WEIR_OK;
}
RUNTIME_TEST(readers_beside_writers, 2)

/* --- two processes ---------------------------------------------------------------------------- */

/* Each step reads and writes what the one before has left: twice, or half, would be seen. */
static const weir_migration migrations[] = {
    {"0001_steps.sql", "CREATE TABLE steps(n INTEGER PRIMARY KEY)"},
    {"0002_one.sql", "INSERT INTO steps VALUES ((SELECT count(*) FROM steps))"},
    {"0003_two.sql", "INSERT INTO steps VALUES ((SELECT count(*) FROM steps))"},
    {"0004_three.sql", "INSERT INTO steps VALUES ((SELECT count(*) FROM steps))"},
};

static weir_err migrates(weir_ctx *app, void *arg)
{
    const struct file *f = arg;
    weir_db *db = weir_sqlite_open(app, .path = f->path, .create = true, .pool.max_open = 1);
    weir_err err = weir_db_err(db);
    return err == WEIR_OK ? weir_migrate(app, db, .texts = migrations, .count = 4) : err;
}

static weir_err counts_steps(weir_ctx *app, void *arg)
{
    const struct file *f = arg;
    int64_t n = -1, version = -1;
    weir_db *db = weir_sqlite_open(app, .path = f->path, .pool.max_open = 1);
    assert_int_equal(weir_query_one(app, db, int64_t, &n, "SELECT sum(n) FROM steps"), WEIR_OK);
    assert_int_equal(n, 0 + 1 + 2);
    assert_int_equal(weir_migration_version(app, db, &version), WEIR_OK);
    assert_int_equal(version, 4);
    return WEIR_OK;
}

/* As two instances of a service that are started together. */
static void test_two_processes_migrate_once(void **state)
{
    enum { PROCESSES = 3 };
    pid_t pids[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(run_on(1, migrates, *state) == WEIR_OK ? 0 : 1);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(run_on(1, counts_steps, *state), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(failure_is_recorded),        FILE_TEST(long_query_yields),
        FILE_TEST(deadline_ends_a_query),      FILE_TEST(deadline_ends_a_write),
        FILE_TEST(memory_stays_flat),          FILE_TEST(readers_beside_writers),
        FILE_TEST(two_processes_migrate_once),
    };
    return cmocka_run_group_tests_name("sqlite runtime", tests, NULL, NULL);
}
