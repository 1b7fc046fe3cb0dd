/*
 * Small operations, one number each: `name value unit` lines, for all or for the names given.
 *
 *     micro [NAME…]
 *
 * Each runs for a third of a second in batches of about two milliseconds; the fastest batch counts,
 * for whatever else the machine does can only add to it. Everything that needs a fiber runs in the
 * first fiber of a runtime of one worker on epoll, as a service's handlers do, not in the
 * simulation.
 *
 * bench/anchors/gomicro has the same names where Go has the same thing.
 */
#include "micro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rt/runtime.h"

#define BATCH_NS 2000000.0
#define TOTAL_NS 300000000.0

volatile uintptr_t sink;

/* --- measuring -------------------------------------------------------------------------------- */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_of(operation run, void *env, uint64_t n)
{
    double begin = now_ns();
    run(env, n);
    return now_ns() - begin;
}

/* How many make a batch. Warms up on the way. */
static uint64_t batch_of(operation run, void *env)
{
    uint64_t n = 1;
    while (time_of(run, env, n) < BATCH_NS && n < (uint64_t)1 << 40)
        n *= 2;
    return n;
}

/* Nanoseconds of one, in the fastest batch. */
double best_ns(operation run, void *env)
{
    uint64_t n = batch_of(run, env);
    double best = 1e300;
    for (double spent = 0; spent < TOTAL_NS;) {
        double ns = time_of(run, env, n);
        spent += ns;
        best = ns < best ? ns : best;
    }
    return best / (double)n;
}

void give_up(const char *what, weir_err err)
{
    fprintf(stderr, "micro: %s: %s\n", what, weir_strerror(err));
    exit(1);
}

/* --- all of them ------------------------------------------------------------------------------ */

static const struct benchmark {
    const char *name, *unit;
    double (*measure)(weir_ctx *c);
} benchmarks[] = {
    {"spawn_join", "ns", spawn_join},
    {"ping_pong", "ns", ping_pong},
    {"chan_buffered", "ns", chan_buffered},
    {"ctx_timeout", "ns", ctx_timeout},
    {"pool_acquire", "ns", pool_acquire},
    {"cache_hit", "ns", cache_hit},
    {"cache_hit_texts", "ns", cache_hit_texts},
    {"cache_pin", "ns", cache_pin},
    {"guarded_call", "ns", guarded_call},
    {"retry_refused", "ns", retry_refused},
    {"route", "ns", route},
    {"json_decode_small", "ns", json_decode_small},
    {"json_encode_small", "ns", json_encode_small},
    {"http_parse", "ns", http_parse},
    {"sha256", "ns", sha256},
    {"sha256_plain", "ns", sha256_plain},
    {"hmac_sha256", "ns", hmac_sha256},
    {"hmac_sha256_plain", "ns", hmac_sha256_plain},
    {"random_32", "ns", random_32},
    {"random_32_plain", "ns", random_32_plain},
    {"pbkdf2_4096", "ns", pbkdf2_4096},
    {"panic_known", "ns", panic_known},
    {"counter_add", "ns", counter_add},
    {"counter_of_label", "ns", counter_of_label},
    {"histogram_record", "ns", histogram_record},
    {"request_mallocs", "mallocs", request_mallocs},
};
enum { BENCHMARK_COUNT = sizeof benchmarks / sizeof benchmarks[0] };

static bool is_chosen(char *const *names, const char *name)
{
    if (names[0] == NULL)
        return true;
    while (names[0] != NULL && strcmp(names[0], name) != 0)
        names++;
    return names[0] != NULL;
}

static weir_err measure_all(weir_ctx *app, void *arg)
{
    char *const *names = arg;
    for (size_t i = 0; i < BENCHMARK_COUNT; i++) {
        const struct benchmark *b = &benchmarks[i];
        if (!is_chosen(names, b->name))
            continue;
        /* Below the application's context: what is measured belongs to one worker. */
        WEIR_SCOPE(c, app);
        printf("%s %.4g %s\n", b->name, b->measure(c), b->unit);
        fflush(stdout);
        (void)weir_ctx_close(c);
    }
    return WEIR_OK;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < BENCHMARK_COUNT; i++) {
        if (strcmp(benchmarks[i].name, name) == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!is_known(argv[i])) {
            fprintf(stderr, "micro: no benchmark '%s'\n", argv[i]);
            return 2;
        }
    }
    /* A batch may keep its worker for longer than a handler should: no watchdog. */
    struct weir__runtime_options options = {.workers = 1, .stall = weir_ms(-1)};
    char message[256];
    weir_err err = WEIR_OK;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    if (rt == NULL) {
        fprintf(stderr, "micro: %s\n", message);
        return 1;
    }
    err = weir__runtime_run(rt, measure_all, argv + 1);
    weir__runtime_free(rt);
    forget_routes();
    return err < 0;
}
