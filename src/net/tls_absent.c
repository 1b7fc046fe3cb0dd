/*
 * TLS in a build without it: what would make something says so, and what needs what was made is
 * never called.
 */
#include "base/assert.h"
#include "net/tls.h"

#if !WEIR_TLS

static weir_err is_absent(weir_buf *why)
{
    if (why != NULL)
        weir_buf_puts(why, WEIR_S("this build of Weir was made without TLS"));
    return WEIR_ENOTBUILT;
}

static void never(void)
{
    WEIR_ASSERT(false, "T2: without TLS nothing of it was made");
}

weir_err weir__tls_server_new(const struct weir__tls_server_options *o,
                              struct weir__tls_server **out, weir_buf *why)
{
    (void)o;
    *out = NULL;
    return is_absent(why);
}

void weir__tls_server_free(struct weir__tls_server *server)
{
    WEIR_ASSERT(server == NULL, "T2: without TLS nothing of it was made");
}

weir_err weir__tls_server_reload(struct weir__tls_server *server, bool *is_new, weir_buf *why)
{
    WEIR_ASSERT(server == NULL, "T2: without TLS nothing of it was made");
    *is_new = false;
    return is_absent(why);
}

weir_err weir__tls_server_watch(struct weir__tls_server *server, weir_ctx *c)
{
    (void)c;
    WEIR_ASSERT(server == NULL, "T2: without TLS nothing of it was made");
    return WEIR_ENOTBUILT;
}

weir_err weir__tls_client_new(const struct weir__tls_client_options *o,
                              struct weir__tls_client **out, weir_buf *why)
{
    (void)o;
    *out = NULL;
    return is_absent(why);
}

struct weir__tls_client *weir__tls_client_ref(struct weir__tls_client *client)
{
    WEIR_ASSERT(client == NULL, "T2: without TLS nothing of it was made");
    return client;
}

void weir__tls_client_unref(struct weir__tls_client *client)
{
    WEIR_ASSERT(client == NULL, "T2: without TLS nothing of it was made");
}

weir_err weir__tls_accept(struct weir__stream *s, struct weir__tls_server *server)
{
    (void)s;
    WEIR_ASSERT(server == NULL, "T2: without TLS nothing of it was made");
    return WEIR_ENOTBUILT;
}

weir_err weir__tls_connect(struct weir__stream *s, struct weir__tls_client *client, weir_str name,
                           uint16_t port)
{
    (void)s, (void)name, (void)port;
    WEIR_ASSERT(client == NULL, "T2: without TLS nothing of it was made");
    return WEIR_ENOTBUILT;
}

weir_err weir__tls_offer(struct weir__stream *s, const char *const *alpn)
{
    (void)s, (void)alpn;
    return WEIR_ENOTBUILT;
}

weir_err weir__tls_handshake(struct weir__stream *s, weir_buf *why)
{
    (void)s;
    return is_absent(why);
}

weir_err weir__tls_await_handshake(struct weir__ctx *c, struct weir__stream *s, weir_time until,
                                   weir_buf *why)
{
    (void)c, (void)s, (void)until;
    return is_absent(why);
}

const char *weir__tls_failure_name(enum weir__tls_failure f)
{
    (void)f;
    return "other";
}

enum weir__tls_failure weir__tls_failure(const struct weir__stream *s)
{
    (void)s;
    never();
    return WEIR__TLS_OTHER;
}

bool weir__tls_is_on(const struct weir__stream *s)
{
    (void)s;
    return false;
}

void weir__tls_facts(const struct weir__stream *s, struct weir__tls_facts *out)
{
    (void)s;
    never();
    *out = (struct weir__tls_facts){.version = NULL};
}

void weir__tls_peer_subject(const struct weir__stream *s, weir_buf *out)
{
    (void)s, (void)out;
    never();
}

size_t weir__tls_end_point(const struct weir__stream *s, unsigned char out[WEIR__TLS_END_POINT_MAX])
{
    (void)s, (void)out;
    never();
    return 0;
}

void weir__tls_rest(struct weir__stream *s)
{
    (void)s;
    never();
}

bool weir__tls_may_begin(struct weir__tls_place *place,
                         void (*begin)(struct weir__tls_place *place))
{
    (void)place, (void)begin;
    return true;
}

void weir__tls_leave_line(struct weir__tls_place *place)
{
    (void)place;
}

void weir__tls_metrics(struct weir__metrics *to)
{
    (void)to;
}

#endif
