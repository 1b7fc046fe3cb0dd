/* Which versions of HTTP a server speaks. */
#include "http/http.h"

#include "http/h1/h1.h"
#include "http/h2/h2.h"

struct weir__http_server *weir__http_server_new(struct weir__runtime *rt,
                                                const struct weir__http_server_options *options,
                                                const struct weir__http_app *app)
{
    static const struct weir__http_versions versions = {
        .h1 = &weir__h1_version,
        .h2 = WEIR_HTTP2 ? &weir__h2_version : NULL,
    };
    return weir__server_new(rt, options, app, &versions);
}

const char *const *weir__http_protocols(void)
{
    static const char *const protocols[] = {"h2", "http/1.1", NULL};
    return WEIR_HTTP2 ? protocols : protocols + 1;
}
