/*
 * What a fiber costs that waits in a recv, or for a channel's element, awake and hibernating:
 * resident bytes, all of ours counted (struct, stack, context, copy), and the time of the way there
 * and back. Lines as bench/micro's: `name value unit`.
 *
 *     hibernation [FIBERS] [chan]
 *
 * The sockets' own memory is the kernel's; what the program keeps for each fiber is taken before
 * the first figure.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "os/sys.h"
#include "rt/hibernate.h"
#include "rt/io.h"
#include "rt/runtime.h"
#include <weir/chan.h>
#include <weir/ctx.h>
#include <weir/fiber.h>

#define DEFAULT_FIBERS 15000

struct waiter {
    struct weir__fd fd;
};

struct all {
    size_t count;
    struct waiter *waiters;
    bool is_chan;
    weir_chan *chan; /* NULL: each waits for its own socket */
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Private pages that are in memory, in bytes. */
static double resident(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "Anonymous: %lu kB", &kib) == 1)
            break;
    }
    if (f != NULL)
        fclose(f);
    return (double)kib * 1024;
}

static weir_err wait_for_word(weir_ctx *c, void *arg)
{
    struct waiter *w = arg;
    char byte;
    int num = weir__sys_socket(AF_UNIX, SOCK_DGRAM, 0);
    if (num < 0)
        return num;
    weir_err err = weir__fd_watch(&w->fd, num, NULL);
    if (err == WEIR_OK)
        err = (weir_err)weir__recv(weir__ctx_of(c), &w->fd, &byte, 1, weir_never());
    weir__fd_close(&w->fd);
    return err;
}

static weir_err wait_for_element(weir_ctx *c, void *arg)
{
    int64_t elem;
    return weir_chan_recv(c, arg, &elem);
}

static void wait_until_asleep(weir_ctx *c, const struct all *all)
{
    const _Atomic uint64_t *asleep = &weir__self->stats.fibers_hibernating;
    for (int i = 0; i < 10000 && atomic_load(asleep) < all->count; i++)
        (void)!weir_sleep(c, weir_ms(1));
    if (atomic_load(asleep) < all->count) {
        fprintf(stderr, "hibernation: only %" PRIu64 " fibers hibernate\n", atomic_load(asleep));
        exit(1);
    }
}

static void start_all(weir_ctx *group, const struct all *all)
{
    for (size_t i = 0; i < all->count; i++) {
        weir_err err = all->chan != NULL ? WEIR_GO(group, wait_for_element, all->chan)
                                         : WEIR_GO(group, wait_for_word, &all->waiters[i]);
        if (err != WEIR_OK)
            exit(1);
        if (i % 64 == 0)
            (void)!weir_yield(group);
    }
    (void)!weir_yield(group);
}

/* `what` begins the lines. */
static void measure_waits(weir_ctx *app, const struct all *all, const char *what)
{
    weir_ctx *group = weir_ctx_open(app, .fibers_max = (unsigned)all->count);
    double n = (double)all->count, none = resident();
    start_all(group, all);
    double awake = resident();
    wait_until_asleep(app, all);
    malloc_trim(0);
    double asleep = resident();
    printf("%sawake %.0f bytes\n", what, (awake - none) / n);
    printf("%shibernating %.0f bytes\n", what, (asleep - none) / n);
    struct weir__fiber *f = WEIR_CONTAINER(weir__self->fibers.prev, struct weir__fiber, in_all);
    printf("%slive %td bytes\n", what, f->stack_hi - (char *)f->sp);
    double begin = now_us();
    weir__ctx_cancel(weir__ctx_of(group), WEIR_REASON_CALLER);
    (void)!weir_join_as(group, WEIR_JOIN_ALL);
    printf("%swake-and-end %.2f us\n", what, (now_us() - begin) / n);
    (void)weir_ctx_close(group);
}

static weir_err measure(weir_ctx *app, void *arg)
{
    struct all *all = arg;
    printf("struct %zu bytes\n", sizeof(struct weir__fiber));
    printf("context %zu bytes\n", sizeof(struct weir__ctx));
    if (all->is_chan)
        all->chan = weir_chan_new(app, int64_t, 0);
    measure_waits(app, all, all->is_chan ? "chan-" : "");
    return WEIR_OK;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct all all = {.count = argc > 1 ? (size_t)atoi(argv[1]) : DEFAULT_FIBERS};
    all.is_chan = argc > 2 && strcmp(argv[2], "chan") == 0;
    if (weir__sys_getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)weir__sys_setrlimit(RLIMIT_NOFILE, &files);
    }
    all.waiters = calloc(all.count, sizeof *all.waiters);
    if (all.waiters == NULL)
        return 1;
    memset(all.waiters, 1, all.count * sizeof *all.waiters); /* resident before the first figure */
    struct weir__runtime_options options = {
        .workers = 1, .stall = weir_ns(-1), .hibernate_after = weir_sec(1)};
    char message[128] = "";
    weir_err err = WEIR_OK;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    if (rt == NULL) {
        fprintf(stderr, "hibernation: %s\n", message);
        free(all.waiters);
        return 1;
    }
    err = weir__runtime_run(rt, measure, &all);
    weir__runtime_free(rt);
    free(all.waiters);
    return err == WEIR_OK ? 0 : 1;
}
