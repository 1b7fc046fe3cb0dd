/*
 * https: TLS on a connection that has been dialled, be it through a proxy, and which version of
 * HTTP is spoken on it then (ALPN, RFC 7301). Sessions are remembered by what TLS is made of, so a
 * pool's second connection to a host costs less than its first.
 *
 * The one hard thing is the default: the system's certificates are a hundred and fifty, and most
 * clients never want them. They are read when they are wanted first; of two workers that do so at a
 * time one keeps what it has read.
 *
 * Owns a reference to what TLS is made of. Context: the fiber that opens the connection.
 */
#include "http/client/client.h"

#include <stdatomic.h>

#include "net/tls.h"
#include "net/tls_handle.h"
#include "wire/url.h"

const struct weir__client_transport *weir__client_transport_of(const struct weir__stream *s)
{
    struct weir__tls_facts facts = {.alpn = {NULL, 0}};
    if (s->layer != NULL)
        weir__tls_facts(s, &facts);
    return weir_str_eq(facts.alpn, WEIR_S("h2")) ? &weir__client_h2 : &weir__client_h1;
}

/* --- what it is made of ----------------------------------------------------------------------- */

static weir_err make_default(weir_http *http, weir_buf *why)
{
    const struct weir__tls_client_options o = {.is_unverified = false};
    struct weir__tls_client *made, *none = NULL;
    weir_err err = weir__tls_client_new(&o, &made, why);
    if (err == WEIR_OK && !atomic_compare_exchange_strong(&http->tls, &none, made))
        weir__tls_client_unref(made);
    return err;
}

weir_err weir__client_tls_open(weir_http *http, weir_buf *why)
{
    struct weir__tls_client *given;
    if (atomic_load(&http->tls) != NULL)
        return WEIR_OK;
    if (http->o.tls == NULL)
        return make_default(http, why);
    weir_err err = weir__tls_of(http->o.tls, "weir_http_open", &given);
    if (err < 0)
        weir_buf_puts(why, WEIR_S("its TLS could not be made: weir_tls_new has said why"));
    else
        atomic_store(&http->tls, weir__tls_client_ref(given));
    return err;
}

void weir__client_tls_close(weir_http *http)
{
    weir__tls_client_unref(atomic_exchange(&http->tls, NULL));
}

/* --- a connection ----------------------------------------------------------------------------- */

static weir_err shake_hands(weir_http *http, struct weir__ctx *c,
                            const struct weir__url_authority *at, const char *const *protocols,
                            weir_time until, struct weir__stream *s, weir_buf *why)
{
    weir_err err = weir__client_tls_open(http, why);
    if (err == WEIR_OK)
        err = weir__tls_connect(s, atomic_load(&http->tls), at->host, at->port);
    if (err == WEIR_OK)
        err = weir__tls_offer(s, protocols);
    return err == WEIR_OK ? weir__tls_await_handshake(c, s, until, why) : err;
}

weir_err weir__client_secure(weir_http *http, struct weir__ctx *c,
                             const struct weir__url_authority *at, const char *const *protocols,
                             weir_time until, struct weir__stream *s)
{
    char text[320];
    weir_buf why;
    weir_buf_init_fixed(&why, text, sizeof text);
    weir_err err = shake_hands(http, c, at, protocols, until, s, &why);
    if (err == WEIR_OK)
        return err;
    weir__stream_close(s);
    if (c->reason != WEIR_REASON_NONE)
        return err;
    weir_str told = why.len > 0 ? weir_buf_str(&why) : weir_str_from(weir_strerror(err));
    return weir_raise(weir__ctx_handle(c), err, "there is no connection: TLS: " WEIR_STR_FMT,
                      WEIR_STR_ARG(told));
}
