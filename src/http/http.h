/*
 * The server with all the versions of HTTP that this build has. All else about it is in
 * http/common/server.h.
 */
#ifndef WEIR_HTTP_HTTP_H
#define WEIR_HTTP_HTTP_H

#include "http/common/server.h"

/*
 * A server without listeners. The options are copied; `app` too. NULL: no memory. Any thread,
 * before the workers run too.
 */
struct weir__http_server *weir__http_server_new(struct weir__runtime *rt,
                                                const struct weir__http_server_options *options,
                                                const struct weir__http_app *app);

/* What a server of TLS says it speaks (ALPN), best first, NULL at the end. */
const char *const *weir__http_protocols(void);

#endif
