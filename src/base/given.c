/*
 * What happens when an argument is not there, or a rule is not kept. This room knows no fibers, so
 * that a panic is what it was told to do; before it was told nothing runs that could go on, and the
 * start ends.
 */
#include "base/given.h"

#include <stdio.h>
#include <stdlib.h>

enum { RULE_MAX = 100 };

static void (*hears)(const char *function, const char *rule);

void weir__misused_hear(void (*panics)(const char *function, const char *rule))
{
    __atomic_store_n(&hears, panics, __ATOMIC_RELAXED);
}

void weir__misused(const char *function, const char *rule)
{
    void (*panics)(const char *function, const char *rule) =
        __atomic_load_n(&hears, __ATOMIC_RELAXED);
    if (panics != NULL)
        panics(function, rule);
    fprintf(stderr, "weir: %s: %s\n", function, rule);
    exit(1);
}

void weir__missing(const char *function, const char *noun)
{
    char rule[RULE_MAX];
    snprintf(rule, sizeof rule, "%s is NULL", noun);
    weir__misused(function, rule);
}
