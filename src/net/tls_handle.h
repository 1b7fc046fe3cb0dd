/* The client's configuration behind a program's handle (<weir/tls.h>). */
#ifndef WEIR_NET_TLS_HANDLE_H
#define WEIR_NET_TLS_HANDLE_H

#include "net/tls.h"
#include <weir/tls.h>

/* Misuse unless this worker may use it. `*out` is NULL, and the result why, when it has none. */
weir_err weir__tls_of(const weir_tls *handle, const char *function, struct weir__tls_client **out);

#endif
