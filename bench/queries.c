/*
 * What a row of a database costs without HTTP: fibers that each ask for one by its key, again and
 * again, over as many connections as there are fibers. Every question has a context of its own, as
 * a handler's would.
 *
 *     queries --db URL --many FIBERS --seconds S
 *     queries --db URL --many FIBERS --sleep
 *
 * Prints `answers N cpu SECONDS`, the time of the process, of what follows after the first second;
 * with --sleep, for which URL is MariaDB's, `slept SECONDS`: each sleeps one second in the
 * database, and that is until the last of them is back.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "rt/runtime.h"
#include <weir/weir.h>

#define WORLDS 10000

typedef struct {
    int64_t id, randomnumber;
} world;
WEIR_MODEL(world, (id), (randomnumber));

struct asking {
    const char *url;
    unsigned many, seconds;
    bool is_sleep, is_over;
    weir_db *db;
    uint64_t answers;
};

static double spent(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

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
    weir_err err = WEIR_OK;
    while (!a->is_over && err == WEIR_OK) {
        world w;
        weir_ctx *one = weir_ctx_open(c);
        err = weir_query_one(one, a->db, world, &w,
                             "SELECT id, randomnumber FROM world WHERE id = ?", random_id());
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
    struct asking *a = arg;
    int64_t zero;
    return weir_query_one(c, a->db, int64_t, &zero, "SELECT SLEEP(?)", 1);
}

/* The first second opens the connections. */
static weir_err count(weir_ctx *c, const struct asking *a)
{
    weir_err err = weir_sleep(c, weir_sec(1));
    uint64_t answers = a->answers;
    double cpu = spent();
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_sec(a->seconds));
    printf("answers %" PRIu64 " cpu %.6f\n", a->answers - answers, spent() - cpu);
    return err;
}

static weir_err run_fibers(weir_ctx *c, struct asking *a, weir_fiber_fn fn)
{
    weir_ctx *all = weir_ctx_open(c, .fibers_max = a->many);
    weir_err err = WEIR_OK;
    for (unsigned i = 0; i < a->many && err == WEIR_OK; i++)
        err = WEIR_GO(all, fn, a);
    if (err == WEIR_OK && fn == ask_often)
        err = count(c, a);
    a->is_over = true;
    weir_err joined = weir_join_as(all, WEIR_JOIN_ALL);
    (void)weir_ctx_close(all);
    return err < 0 ? err : joined;
}

static weir_err measure(weir_ctx *app, void *arg)
{
    struct asking *a = arg;
    a->db = weir_db_open(app, .url = a->url,
                         .pool = {.max_open = a->many,
                                  .min_idle = a->is_sleep ? a->many : 0,
                                  .waiters_max = a->many});
    weir_err err = weir_db_err(a->db);
    if (err == WEIR_OK && a->is_sleep) /* twice: the first time opens the connections */
        err = run_fibers(app, a, sleep_once);
    weir_time began = weir_now();
    if (err == WEIR_OK)
        err = run_fibers(app, a, a->is_sleep ? sleep_once : ask_often);
    if (err == WEIR_OK && a->is_sleep)
        printf("slept %.3f\n", (double)(weir_now().ns - began.ns) / 1e9);
    if (err < 0 && weir_last_error(app) != NULL)
        fprintf(stderr, "queries: " WEIR_STR_FMT "\n", WEIR_STR_ARG(weir_last_error(app)->message));
    weir_error_clear(app);
    return err;
}

static void usage(void)
{
    fprintf(stderr, "usage: queries --db URL --many FIBERS (--seconds S | --sleep)\n");
    exit(2);
}

static struct asking read_arguments(int argc, char **argv)
{
    static const struct option known[] = {{"db", required_argument, NULL, 'd'},
                                          {"many", required_argument, NULL, 'm'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"sleep", no_argument, NULL, 'S'},
                                          {0}};
    struct asking a = {.many = 32, .seconds = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'd')
            a.url = optarg;
        else if (option == 'm')
            a.many = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 's')
            a.seconds = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'S')
            a.is_sleep = true;
        else
            usage();
    }
    if (optind != argc || a.url == NULL || a.many == 0)
        usage();
    return a;
}

int main(int argc, char **argv)
{
    struct asking a = read_arguments(argc, argv);
    struct weir__runtime_options options = {.workers = 1, .stall = weir_ns(-1)};
    char message[128] = "";
    weir_err err = WEIR_OK;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    if (rt == NULL) {
        fprintf(stderr, "queries: %s\n", message);
        return 1;
    }
    err = weir__runtime_run(rt, measure, &a);
    weir__runtime_free(rt);
    return err == WEIR_OK ? 0 : 1;
}
