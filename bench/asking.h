/*
 * What programs share that ask something by many fibers, again and again, and print what that has
 * cost: `answers N cpu SECONDS`, the time of the process, of what follows after the first second,
 * which opens the connections.
 */
#ifndef WEIR_BENCH_ASKING_H
#define WEIR_BENCH_ASKING_H

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "rt/runtime.h"
#include <weir/weir.h>

struct asking {
    const char *program, *usage; /* for people */
    const char *url;             /* the argument of --NAME, as `url_name` has it */
    const char *url_name;
    unsigned many, seconds;
    bool may_sleep, is_sleep; /* --sleep is known; is given */
    bool is_over;             /* fibers end */
    uint64_t answers;         /* fibers count them */
    void *of;                 /* what is asked */
};

static double asking_spent(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static weir_err asking_count(weir_ctx *c, const struct asking *a)
{
    weir_err err = weir_sleep(c, weir_sec(1));
    uint64_t answers = a->answers;
    double cpu = asking_spent();
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_sec(a->seconds));
    printf("answers %" PRIu64 " cpu %.6f\n", a->answers - answers, asking_spent() - cpu);
    return err;
}

/* Runs `fn` in so many fibers, with `a`; counted while they run, or waited for. */
static weir_err asking_by_fibers(weir_ctx *c, struct asking *a, weir_fiber_fn fn, bool is_counted)
{
    weir_ctx *all = weir_ctx_open(c, .fibers_max = a->many);
    weir_err err = WEIR_OK;
    for (unsigned i = 0; i < a->many && err == WEIR_OK; i++)
        err = WEIR_GO(all, fn, a);
    if (err == WEIR_OK && is_counted)
        err = asking_count(c, a);
    a->is_over = true;
    weir_err joined = weir_join_as(all, WEIR_JOIN_ALL);
    (void)weir_ctx_close(all);
    return err < 0 ? err : joined;
}

static void asking_usage(const struct asking *a)
{
    fprintf(stderr, "usage: %s %s\n", a->program, a->usage);
    exit(2);
}

static void asking_read_arguments(struct asking *a, int argc, char **argv)
{
    const struct option known[] = {{a->url_name, required_argument, NULL, 'u'},
                                   {"many", required_argument, NULL, 'm'},
                                   {"seconds", required_argument, NULL, 's'},
                                   {a->may_sleep ? "sleep" : NULL, no_argument, NULL, 'S'},
                                   {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'u')
            a->url = optarg;
        else if (option == 'm')
            a->many = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 's')
            a->seconds = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'S')
            a->is_sleep = true;
        else
            asking_usage(a);
    }
    if (optind != argc || a->url == NULL || a->many == 0)
        asking_usage(a);
}

/* The program: `measure` runs on one worker, with `a`. Returns its exit status. */
static int asking_main(struct asking *a, int argc, char **argv, weir_fiber_fn measure)
{
    struct weir__runtime_options options = {.workers = 1, .stall = weir_ns(-1)};
    char message[128] = "";
    weir_err err = WEIR_OK;
    asking_read_arguments(a, argc, argv);
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    if (rt == NULL) {
        fprintf(stderr, "%s: %s\n", a->program, message);
        return 1;
    }
    err = weir__runtime_run(rt, measure, a);
    weir__runtime_free(rt);
    return err == WEIR_OK ? 0 : 1;
}

#endif
