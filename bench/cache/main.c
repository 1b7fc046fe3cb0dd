/*
 * Hit ratios of the cache's policy beside others, in percent: a row for each load.
 *
 *     cache          generated loads, the same in each run
 *     cache TRACE    the keys of a file, the first word of each line
 *
 * They depend on no time and no machine.
 */
#include "cache.h"

#include <stdio.h>

#include "data/cache/policy_testing.h"

static const struct weir__cache_policy *const policies[] = {&weir__cache_s3fifo, &lru_policy,
                                                            &sieve_policy, &tinylfu_policy};
enum { POLICIES = sizeof policies / sizeof policies[0] };

static double hit_percent(const struct load *l, const struct weir__cache_policy *policy,
                          uint32_t size)
{
    struct weir__policy_cache c;
    weir__policy_cache_init(&c, policy, l->keys, size, UINT64_MAX);
    for (size_t i = 0; i < l->count; i++)
        (void)weir__policy_cache_ask(&c, l->asked[i], 1);
    double percent = 100.0 * (double)c.hits / (double)l->count;
    weir__policy_cache_fini(&c);
    return percent;
}

static void print_head(void)
{
    printf("| load | keys | entries |");
    for (int i = 0; i < POLICIES; i++)
        printf(" %s |", policies[i]->name);
    printf("\n| --- | ---: | ---: |");
    for (int i = 0; i < POLICIES; i++)
        printf(" ---: |");
    printf("\n");
}

static void print_row(const struct load *l, uint32_t size)
{
    printf("| %s | %u | %u |", l->name, l->keys, size);
    for (int i = 0; i < POLICIES; i++)
        printf(" %.2f |", hit_percent(l, policies[i], size));
    printf("\n");
    (void)fflush(stdout);
}

static void print_trace(const char *path)
{
    struct load l;
    static const uint32_t parts[] = {1000, 100, 20, 10, 5};
    load_read(&l, path);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (l.keys / parts[i] > 0)
            print_row(&l, l.keys / parts[i]);
    }
    load_free(&l);
}

int main(int argc, char **argv)
{
    struct load l;
    print_head();
    if (argc > 1) {
        print_trace(argv[1]);
        return 0;
    }
    for (unsigned i = 0; load_make(&l, i); i++) {
        print_row(&l, l.size);
        load_free(&l);
    }
    return 0;
}
