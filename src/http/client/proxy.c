/*
 * A way through a proxy: CONNECT (RFC 9110 section 9.3.6), after which the connection is a tunnel
 * to the host and the proxy is heard no more. The host's name is the proxy's to resolve.
 *
 * What the proxy sends behind its answer would be taken for the host's: then there is no tunnel.
 *
 * Owns nothing. Context: the fiber that opens the connection.
 */
#include "http/client/client.h"

#include "rt/worker.h"

#define HEAD_BYTES_MAX 4096

static weir_err refuse(const weir_http *http, struct weir__ctx *c, weir_err err, const char *what)
{
    if (c->reason != WEIR_REASON_NONE)
        return err;
    return weir_raise(weir__ctx_handle(c), err,
                      "there is no connection: the proxy " WEIR_STR_FMT ": %s",
                      WEIR_STR_ARG(http->proxy.host), what);
}

static weir_err ask(const weir_http *http, struct weir__ctx *c, weir_str where, weir_time until,
                    struct weir__stream *s)
{
    char window[1024];
    struct weir__http1_writer w;
    size_t sent;
    weir__http1_writer_init(&w, window, sizeof window);
    weir__http1_write_request(&w, WEIR_S("CONNECT"), where, where);
    if (http->o.proxy_authorization != NULL)
        weir__http1_write_field(&w, WEIR_S("Proxy-Authorization"),
                                weir_str_from(http->o.proxy_authorization));
    weir__http1_write_end(&w);
    if (w.err != WEIR_OK)
        return refuse(http, c, w.err, "what is asked of it is too long");
    weir_err err = weir__stream_send(c, s, window, (size_t)(w.at - window), &sent, until);
    return err == WEIR_OK ? err : refuse(http, c, err, weir_strerror(err));
}

/* A whole head is there. */
static weir_err judge(const weir_http *http, struct weir__ctx *c,
                      const struct weir__http1_response *p, bool has_more)
{
    char what[64] = "it answered ";
    if (p->is_tunnel)
        return has_more ? refuse(http, c, WEIR_EPROTO, "it speaks where the host is to") : WEIR_OK;
    what[12 + weir__http1_digits(what + 12, p->status)] = '\0';
    return refuse(http, c, -ECONNREFUSED, what);
}

static weir_err hear(const weir_http *http, struct weir__ctx *c, weir_time until,
                     struct weir__stream *s)
{
    char head[HEAD_BYTES_MAX];
    struct weir__http1_response p;
    const struct weir__http_limits limits = {.head_bytes_max = HEAD_BYTES_MAX};
    size_t len = 0;
    weir__http1_response_init(&p, WEIR_HTTP_CONNECT);
    for (;;) {
        ssize_t n = weir__stream_recv(c, s, head + len, sizeof head - len, until);
        if (n <= 0)
            return refuse(http, c, n < 0 ? (weir_err)n : WEIR_ECLOSED,
                          n < 0 ? weir_strerror((weir_err)n) : "it closed the connection");
        len += (size_t)n;
        int rc = weir__http1_response_parse(&p, head, len, &limits);
        if (rc < 0 || (rc > 0 && p.status < 200))
            return refuse(http, c, WEIR_EPROTO,
                          rc < 0 ? weir__http1_response_error_text(rc) : "an interim answer");
        if (rc > 0)
            return judge(http, c, &p, (size_t)rc < len);
    }
}

weir_err weir__client_tunnel(const weir_http *http, struct weir__ctx *c, weir_str where,
                             weir_time until, struct weir__stream *s)
{
    weir_err err = ask(http, c, where, until, s);
    if (err == WEIR_OK)
        err = hear(http, c, until, s);
    if (err != WEIR_OK)
        weir__stream_close(s);
    return err;
}
