/*
 * Request bodies that nobody reads.
 */
#include "leaky.h"

/* L01: answers, and never looks at the request's body. */
weir_err body_never_read(weir_ctx *c)
{
    return weir_text(c, 200, "whatever you sent, thank you\n");
}

/* Done right: reads the body to its end, a piece at a time. */
weir_err body_read(weir_ctx *c)
{
    char piece[4096];
    long long total = 0;
    ssize_t n;
    while ((n = weir_body_read(c, piece, sizeof piece)) > 0)
        total += n;
    return n < 0 ? weir_fail_bind(c) : weir_textf(c, 200, "%lld bytes, thank you\n", total);
}
