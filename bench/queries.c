/*
 * What a row of a database costs without HTTP: fibers that each ask for one by its key, again and
 * again, over as many connections as there are fibers. Every question has a context of its own, as
 * a handler's would.
 *
 *     queries --db URL --many FIBERS --seconds S
 *     queries --db URL --many FIBERS --sleep
 *
 * Prints what asking.h says; with --sleep, for which URL is MariaDB's, `cold SECONDS cpu SECONDS`
 * and `slept SECONDS cpu SECONDS`: each sleeps one second in the database, and that is until the
 * last of them is back, with no connection open before, and then with all of them.
 */
#include "asking.h"

#define WORLDS 10000

typedef struct {
    int64_t id, randomnumber;
} world;
WEIR_MODEL(world, (id), (randomnumber));

static int64_t random_id(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int64_t)(state % WORLDS) + 1;
}

static weir_err ask_often(weir_ctx *c, void *arg)
{
    struct asking *a = arg;
    weir_db *db = a->of;
    weir_err err = WEIR_OK;
    while (!a->is_over && err == WEIR_OK) {
        world w;
        weir_ctx *one = weir_ctx_open(c);
        err = weir_query_one(one, db, world, &w, "SELECT id, randomnumber FROM world WHERE id = ?",
                             random_id());
        a->answers++;
        if (err < 0)
            fprintf(stderr, "queries: " WEIR_STR_FMT "\n",
                    WEIR_STR_ARG(weir_last_error(one)->message));
        (void)weir_ctx_close(one);
    }
    return err;
}

static weir_err sleep_once(weir_ctx *c, void *arg)
{
    const struct asking *a = arg;
    weir_db *db = a->of;
    int64_t zero;
    return weir_query_one(c, db, int64_t, &zero, "SELECT SLEEP(?)", 1);
}

/* Until the last one is back. */
static weir_err time_sleep(weir_ctx *app, struct asking *a, const char *name)
{
    weir_time began = weir_now();
    double cpu = asking_spent();
    weir_err err = asking_by_fibers(app, a, sleep_once, false);
    if (err == WEIR_OK)
        printf("%s %.3f cpu %.3f\n", name, (double)(weir_now().ns - began.ns) / 1e9,
               asking_spent() - cpu);
    return err;
}

static weir_err measure(weir_ctx *app, void *arg)
{
    struct asking *a = arg;
    weir_db *db =
        weir_db_open(app, .url = a->url, .pool = {.max_open = a->many, .waiters_max = a->many});
    weir_err err = weir_db_err(db);
    a->of = db;
    if (err == WEIR_OK && !a->is_sleep)
        err = asking_by_fibers(app, a, ask_often, true);
    if (err == WEIR_OK && a->is_sleep)
        err = time_sleep(app, a, "cold");
    if (err == WEIR_OK && a->is_sleep)
        err = time_sleep(app, a, "slept");
    if (err < 0 && weir_last_error(app) != NULL)
        fprintf(stderr, "queries: " WEIR_STR_FMT "\n", WEIR_STR_ARG(weir_last_error(app)->message));
    weir_error_clear(app);
    return err;
}

int main(int argc, char **argv)
{
    struct asking a = {.program = "queries",
                       .usage = "--db URL --many FIBERS (--seconds S | --sleep)",
                       .url_name = "db",
                       .many = 32,
                       .seconds = 1,
                       .may_sleep = true};
    return asking_main(&a, argc, argv, measure);
}
