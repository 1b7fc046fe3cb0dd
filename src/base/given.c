/*
 * What happens when an argument is not there. This room knows no fibers, so that a panic is what it
 * was told to do; before it was told nothing runs that could go on, and the start ends.
 */
#include "base/given.h"

#include <stdio.h>
#include <stdlib.h>

static void (*hears)(const char *function, const char *noun);

void weir__missing_hear(void (*panics)(const char *function, const char *noun))
{
    __atomic_store_n(&hears, panics, __ATOMIC_RELAXED);
}

void weir__missing(const char *function, const char *noun)
{
    void (*panics)(const char *function, const char *noun) =
        __atomic_load_n(&hears, __ATOMIC_RELAXED);
    if (panics != NULL)
        panics(function, noun);
    fprintf(stderr, "weir: %s: %s is NULL\n", function, noun);
    exit(1);
}
