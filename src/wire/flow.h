/* What goes through a codec in pieces: bytes that wait, and room for what they become. */
#ifndef WEIR_WIRE_FLOW_H
#define WEIR_WIRE_FLOW_H

#include <stddef.h>

/* Both sides are advanced by what was taken and put. NULL is allowed where the length is 0. */
struct weir__flow {
    const char *in;
    size_t in_len;
    char *out;
    size_t out_len;
};

/* What a step has come to; an error is below 0. */
enum weir__flow_state {
    WEIR_FLOW_IN,  /* all that came was taken: it goes on with more */
    WEIR_FLOW_OUT, /* there is no room left for what is ready */
    WEIR_FLOW_END  /* that was all, and all of it is out */
};

#endif
