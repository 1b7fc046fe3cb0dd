/*
 * Handlers whose clients are gone, or slow, or too many. The fault is not in the handler: it may
 * look as if its client were always there.
 */
#include "leaky.h"

/* L29: works on for a client that has long closed its end. */
weir_err client_waited_for(weir_ctx *c)
{
    for (int step = 0; step < 60; step++) {
        weir_err err = weir_sleep(c, weir_sec(1));
        if (err < 0)
            return err; /* WEIR_ECLIENTGONE, in the middle of a step */
    }
    return weir_text(c, 200, "done, if anybody still wants to know\n");
}

/* Done right, it is the same: what waits is told. */
weir_err client_checked(weir_ctx *c)
{
    weir_err err = weir_sleep(c, weir_ms(10));
    return err < 0 ? err : weir_text(c, 200, "done\n");
}

/* L30: sends a lot, however slowly it is taken. */
weir_err client_read_slowly(weir_ctx *c)
{
    static const char page[4096] = "once upon a time";
    weir_stream *out = weir_stream_begin(c, 200, "text/plain");
    for (int i = 0; i < 16384; i++)
        if (weir_stream_write(out, (weir_str){page, sizeof page}) < 0)
            break; /* WEIR_ETIMEDOUT once the client has taken nothing for write_timeout */
    return weir_stream_end(out, WEIR_OK);
}

/* Done right, it is the same: the time-outs are the server's. */
weir_err client_read(weir_ctx *c)
{
    weir_stream *out = weir_stream_begin(c, 200, "text/plain");
    weir_stream_write(out, WEIR_S("a short story\n"));
    return weir_stream_end(out, WEIR_OK);
}

/* L35: answers one of more clients than there are descriptors. */
weir_err no_descriptors(weir_ctx *c)
{
    return weir_text(c, 200, "one of many\n");
}
