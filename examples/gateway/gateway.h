/* The gateway and what it stands before: two programs in one, so that the example runs alone. */
#ifndef EXAMPLE_GATEWAY_H
#define EXAMPLE_GATEWAY_H

#include <weir/weir.h>

#define TARGETS_MAX 8

/* The gateway's. */
struct gateway {
    const char *upstreams; /* "http://127.0.0.1:8081,http://127.0.0.1:8082" */
    bool each_address;     /* of the upstreams' names each is one */
    weir_http *http;
};

/* An upstream's. */
struct upstream {
    const char *name;
    bool is_broken; /* it answers 503 to all, as one does whose database is gone */
};

/* The application of the gateway: all that comes is handed on to one of the upstreams. */
weir_app *gateway_app(int argc, char **argv, struct gateway *g, const weir_option *options);

/* The application of an upstream. */
weir_app *upstream_app(int argc, char **argv, struct upstream *u, const weir_option *options);

#endif
