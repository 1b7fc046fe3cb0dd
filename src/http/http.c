/* Which versions of HTTP a server speaks. */
#include "http/http.h"

#include "http/h1/h1.h"

struct weir__http_server *weir__http_server_new(struct weir__runtime *rt,
                                                const struct weir__http_server_options *options,
                                                const struct weir__http_app *app)
{
    static const struct weir__http_versions versions = {.h1 = &weir__h1_version};
    return weir__server_new(rt, options, app, &versions);
}
