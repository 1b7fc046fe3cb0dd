/*
 * The end of a process whose own state is broken. Writes with one write(2) from a buffer on the
 * stack: the heap may be what is broken.
 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void weir__assert_failed(const char *expr, const char *what, const char *file, int line)
{
    char text[512];
    int n = snprintf(text, sizeof text, "weir: broken invariant: %s (%s) at %s:%d\n", what, expr,
                     file, line);
    if (n > 0) {
        size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
        if (write(STDERR_FILENO, text, len) < 0)
            abort();
    }
    abort();
}
