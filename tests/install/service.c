/*
 * A service as users write it, in what C and C++ share: tests/install/matrix.py compiles it with
 * every compiler, standard, level and tool, against the installed library. Routes below /wrong do
 * what a tool must find.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/weir.h>

typedef struct {
    int64_t id;
    weir_str name, email;
    int64_t age;
    bool has_age;
} user;
WEIR_MODEL(user, (id), (name, .required = true, .len_max = 64), (email, .format = WEIR_EMAIL),
           (age, .min = 0, .max = 150, .present = weir_flag_of(user, has_age)));

static WEIR_COUNTER(users_made, "service_users_made_total", "Users made, by how.",
                    .labels = {"how"});

struct shop {
    weir_db *db;
    weir_mutex *mutex;
    int64_t visits; /* of all workers, under the mutex */
};
WEIR_HANDLE(the, struct shop);

static const char *const schema = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, "
                                  "email TEXT, age INTEGER)";

static weir_err start(weir_ctx *c, void *arg)
{
    struct shop *s = (struct shop *)arg;
    s->db = weir_sqlite_open(c, .path = "users.db", .create = true);
    if (weir_db_err(s->db) < 0)
        return weir_db_err(s->db);
    s->mutex = weir_mutex_new(c);
    return weir_exec_script(c, s->db, schema);
}

/* --- rows, both ways ------------------------------------------------------------------------ */

static weir_err create_user(weir_ctx *c)
{
    user in;
    if (weir_bind_json(c, user, &in) < 0)
        return weir_fail_bind(c);
    weir_result done;
    if (weir_db_exec(c, the(c)->db, &done, "INSERT INTO users(name, email, age) VALUES (?, ?, ?)",
                     in.name, in.email, in.age) < 0)
        return weir_fail_last(c, 500);
    in.id = done.last_id;
    weir_counter_add(weir_counter_of(&users_made, WEIR_S("json")), 1);
    return weir_json(c, 201, user, &in);
}

static weir_err list_users(weir_ctx *c)
{
    int64_t limit = 100;
    if (weir_query_param_i64(c, "limit", &limit) < 0)
        return weir_fail_bind(c);
    weir_rows *rows = weir_query(c, the(c)->db, "SELECT * FROM users ORDER BY id LIMIT ?", limit);
    weir_stream *out = weir_json_array(c, 200);
    user u;
    memset(&u, 0, sizeof u);
    while (weir_rows_next(rows, user, &u))
        weir_stream_put(out, user, &u);
    return weir_stream_end(out, weir_rows_err(rows));
}

/* A snapshot of all, in a transaction that is tried again when others are in its way. */
static weir_err sum_ages(weir_ctx *c, weir_tx *tx, void *arg)
{
    WEIR_ARRAY(user) users;
    weir_err err = weir_query_all(c, tx, user, &users, 1000, "SELECT * FROM users WHERE id > ?", 0);
    for (size_t i = 0; i < users.len; i++)
        *(int64_t *)arg += users.ptr[i].age;
    return err;
}

static weir_err ages(weir_ctx *c)
{
    int64_t n = 0;
    weir_err err = weir_tx_retry(c, the(c)->db, sum_ages, &n, .tries = 3, .read_only = true);
    return err < 0 ? err : weir_textf(c, 200, "%lld\n", (long long)n);
}

/* --- fibers, and what is shared ------------------------------------------------------------- */

struct part {
    int64_t from, sum;
};

static weir_err add_up(weir_ctx *c, void *arg)
{
    struct part *p = (struct part *)arg;
    for (int64_t i = 0; i < 100; i++)
        p->sum += p->from + i;
    return weir_sleep(c, weir_ms(1));
}

static weir_err sum(weir_ctx *c)
{
    struct part parts[4];
    int64_t all = 0;
    memset(parts, 0, sizeof parts);
    WEIR_WITH(group, c, .timeout = weir_sec(5)) {
        for (int i = 0; i < 4; i++) {
            parts[i].from = i * 100;
            if (WEIR_GO(group, add_up, &parts[i]) < 0)
                return weir_fail(c, 503, "too many fibers");
        }
        if (weir_join(group) < 0)
            return weir_fail_last(c, 500);
    }
    for (int i = 0; i < 4; i++)
        all += parts[i].sum;
    return weir_textf(c, 200, "%lld\n", (long long)all);
}

static weir_err count_up(void *arg)
{
    *(int64_t *)arg += 1;
    return WEIR_OK;
}

static weir_err visit(weir_ctx *c)
{
    struct shop *s = the(c);
    int64_t seen = 0;
    if (weir_lock(c, s->mutex) < 0)
        return weir_fail_last(c, 503);
    seen = ++s->visits;
    weir_unlock(c, s->mutex);
    if (weir_offload(c, count_up, &seen) < 0)
        return weir_fail_last(c, 503);
    return weir_textf(c, 200, "%s\n", seen > 1 ? "counted" : "lost");
}

static weir_err note(weir_ctx *c, void *arg)
{
    weir_log(c, WEIR_LOG_INFO, "noted %d", *(const int *)arg);
    return WEIR_OK;
}

static weir_err detach(weir_ctx *c)
{
    int number = 7;
    if (weir_detach(c, note, &number, sizeof number, .timeout = weir_sec(2)) < 0)
        return weir_fail(c, 503, "busy");
    return weir_no_content(c);
}

/* Frames of many sizes: what loses track of a fiber's stack calls what they hold an error. */
static __attribute__((noinline)) size_t dig(size_t depth)
{
    volatile char *frame = (volatile char *)__builtin_alloca(200 + depth * 48 % 4000);
    for (size_t i = 0; i < 200; i += 16)
        frame[i] = 1;
    return (depth % 7 == 0 ? 0 : dig(depth - 1)) + (size_t)frame[32];
}

static weir_err digs(weir_ctx *c)
{
    size_t dug = 0;
    for (int i = 0; i < 100; i++) {
        for (size_t depth = 0; depth < 2000; depth++)
            dug += dig(depth);
        if (weir_sleep(c, weir_ms(1)) < 0)
            return weir_fail_last(c, 503);
    }
    return weir_textf(c, 200, "%zu\n", dug);
}

/* --- errors --------------------------------------------------------------------------------- */

enum { ESTOCK = WEIR_DOMAIN(1) };

static weir_err out_of_stock(weir_ctx *c)
{
    return weir_raise(c, ESTOCK, "only %d left", 3);
}

static weir_err panics(weir_ctx *c)
{
    (void)c;
    WEIR_CHECK(strlen("two") == 2);
    return WEIR_OK;
}

static weir_err pass(weir_ctx *c)
{
    return weir_next(c);
}

static weir_err look(weir_ctx *c)
{
    return weir_next(c);
}

/* --- what tools find ------------------------------------------------------------------------ */

static char *volatile kept;

__attribute__((noinline)) static char *take_what_nobody_gives_back(size_t size)
{
    return (char *)malloc(size);
}

static weir_err wrong_leak(weir_ctx *c)
{
    char *volatile bytes = take_what_nobody_gives_back(1234);
    memset(bytes, 'x', 1234);
    bytes = NULL;
    return weir_text(c, 200, bytes == NULL ? "leaked\n" : "\n");
}

static weir_err wrong_freed(weir_ctx *c)
{
    kept = (char *)malloc(100);
    free(kept);
    return weir_textf(c, 200, "%d\n", kept[50]);
}

/* Memory of a context that has ended. */
static weir_err wrong_ended(weir_ctx *c)
{
    WEIR_WITH(turn, c) {
        kept = (char *)weir_alloc(turn, 5000);
    }
    return weir_textf(c, 200, "%d\n", kept[2500]);
}

static weir_err wrong_stack(weir_ctx *c)
{
    volatile char bytes[16];
    volatile size_t at = sizeof bytes;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 'x';
    return weir_textf(c, 200, "%d\n", bytes[at]);
}

static weir_err wrong_null(weir_ctx *c)
{
    int *volatile nothing = NULL;
    return weir_textf(c, 200, "%d\n", *nothing);
}

static weir_err wrong_unset(weir_ctx *c)
{
    int *volatile number = (int *)malloc(sizeof *number);
    weir_err err = weir_text(c, 200, *number == 4711 ? "yes\n" : "no\n");
    free(number);
    return err;
}

static volatile int raced;
static int racers;

static weir_err race_once(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&racers, 1, __ATOMIC_RELAXED); /* which orders nothing */
    while (__atomic_load_n(&racers, __ATOMIC_RELAXED) < 2)
        ;
    for (int i = 0; i < 100; i++) /* a report whose other stack is forgotten is not made */
        raced = raced + 1;
    return WEIR_OK;
}

static weir_err race_beside(weir_ctx *c, void *arg)
{
    return weir_offload(c, race_once, arg);
}

static weir_err wrong_race(weir_ctx *c)
{
    WEIR_WITH(group, c) {
        for (int i = 0; i < 4; i++) {
            if (WEIR_GO(group, race_beside, NULL) < 0)
                return weir_fail(c, 503, "too many fibers");
        }
        if (weir_join(group) < 0)
            return weir_fail_last(c, 500);
    }
    return weir_text(c, 200, "raced\n");
}

static void add_wrong(weir_app *app)
{
    weir_group *wrong = weir_group_new(app, "/wrong", pass);
    weir_get(wrong, "/leak", wrong_leak);
    weir_get(wrong, "/freed", wrong_freed);
    weir_get(wrong, "/ended", wrong_ended);
    weir_get(wrong, "/stack", wrong_stack);
    weir_get(wrong, "/null", wrong_null);
    weir_get(wrong, "/unset", wrong_unset);
    weir_get(wrong, "/race", wrong_race);
}

int main(int argc, char **argv)
{
    static struct shop shop;
    weir_app *app = weir_app_new(argc, argv, .start = start, .arg = &shop, .name = "service",
                                 .listen = "127.0.0.1:0", .admin = "off");
    weir_provide(app, the, &shop);
    weir_use(app, weir_mw_recover, weir_mw_request_id, weir_mw_metrics);
    weir_error_table(app, {ESTOCK, 409, "out_of_stock", "not enough of it"});
    weir_group *v1 = weir_group_new(app, "/v1", pass, .timeout = weir_sec(20));
    weir_needs(v1, the);
    weir_post(v1, "/users", create_user, .body_bytes_max = 4096);
    weir_get(v1, "/users", list_users, look, .timeout = weir_sec(20));
    weir_get(v1, "/ages", ages);
    weir_get(v1, "/sum", sum);
    weir_get(v1, "/visit", visit);
    weir_get(v1, "/dig", digs);
    weir_post(v1, "/detach", detach);
    weir_get(v1, "/stock", out_of_stock);
    weir_get(v1, "/panic", panics);
    add_wrong(app);
    return weir_app_run(app);
}
