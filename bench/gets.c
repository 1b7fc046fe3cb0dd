/*
 * What a GET of Redis costs without HTTP: fibers that ask for one key over one connection, each
 * answer copied into a buffer of the fiber's and compared.
 *
 *     gets --redis URL --many FIBERS --seconds S
 *
 * Prints `answers N cpu SECONDS`, the time of the process, of what follows after the first second.
 * The key is "key" and has "value".
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "rt/runtime.h"
#include <weir/weir.h>

struct asking {
    const char *url;
    unsigned many, seconds;
    weir_redis *redis;
    uint64_t answers;
    bool is_over;
};

static double spent(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static weir_err ask_often(weir_ctx *c, void *arg)
{
    struct asking *a = arg;
    char bytes[64];
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes);
    while (!a->is_over) {
        weir_buf_reset(&b);
        weir_err err = weir_redis_get_into(c, a->redis, "key", &b);
        if (err != WEIR_OK || !weir_str_eq(weir_buf_str(&b), WEIR_S("value"))) {
            const weir_error *e = weir_last_error(c);
            fprintf(stderr, "gets: %s\n", e != NULL ? e->message.ptr : weir_strerror(err));
            exit(1);
        }
        a->answers++;
    }
    return WEIR_OK;
}

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

static weir_err measure(weir_ctx *app, void *arg)
{
    struct asking *a = arg;
    a->redis = weir_redis_open(app, .url = a->url);
    weir_ctx *all = weir_ctx_open(app, .fibers_max = a->many);
    weir_err err = weir_redis_err(a->redis);
    if (err == WEIR_OK)
        err = weir_redis_set(app, a->redis, "key", "value");
    for (unsigned i = 0; i < a->many && err == WEIR_OK; i++)
        err = WEIR_GO(all, ask_often, a);
    if (err == WEIR_OK)
        err = count(app, a);
    a->is_over = true;
    weir_err joined = weir_join_as(all, WEIR_JOIN_ALL);
    (void)weir_ctx_close(all);
    return err < 0 ? err : joined;
}

static void usage(void)
{
    fprintf(stderr, "usage: gets --redis URL --many FIBERS --seconds S\n");
    exit(2);
}

static struct asking read_arguments(int argc, char **argv)
{
    static const struct option known[] = {{"redis", required_argument, NULL, 'r'},
                                          {"many", required_argument, NULL, 'm'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {0}};
    struct asking a = {.many = 64, .seconds = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'r')
            a.url = optarg;
        else if (option == 'm')
            a.many = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 's')
            a.seconds = (unsigned)strtoul(optarg, NULL, 10);
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
        fprintf(stderr, "gets: %s\n", message);
        return 1;
    }
    err = weir__runtime_run(rt, measure, &a);
    weir__runtime_free(rt);
    return err == WEIR_OK ? 0 : 1;
}
