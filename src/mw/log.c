/*
 * The access log: one line for each request, when it is over. Not written on the way back through
 * the chain: there the reply of an error is still to be made, a panic passes by, and whether the
 * client took the last byte is not known. At the request's end all of that is, so that the line is
 * true wherever in the chain this middleware stands.
 */
#include "web/web.h"
#include <weir/mw.h>

/* Of what a client chooses the length of, so that nothing behind it is lost (a line has 4 KiB). */
enum { METHOD_BYTES = 64, PATH_BYTES = 1024 };

static void add_client(struct weir__log_line *line, const struct weir__endpoint *client)
{
    char text[WEIR__ENDPOINT_TEXT_MAX];
    if (client->family == 0)
        return;
    weir__log_str(line, "client", (weir_str){text, weir__endpoint_format_ip(client, text)});
}

static void write_line(const struct weir__request *r)
{
    struct weir__request_summary s;
    weir__request_summarise(r, &s);
    weir_log_level level = s.status >= 500 ? WEIR_LOG_WARN : WEIR_LOG_INFO;
    if (!weir__log_wants(level))
        return;
    struct weir__log_line line;
    weir__log_begin(&line, level, WEIR_S("request"), NULL, weir__ctx_of(s.c));
    weir__log_str_upto(&line, "method", s.method, METHOD_BYTES);
    weir__log_str_upto(&line, "path", s.path, PATH_BYTES);
    weir__log_str(&line, "protocol", weir_str_from(s.protocol));
    if (s.is_tls)
        weir__log_int(&line, "tls", 1);
    weir__log_int(&line, "status", s.status);
    weir__log_str(&line, "reason", weir_str_from(weir__outcome_name(s.outcome)));
    weir__log_int(&line, "latency_us", s.latency.ns / 1000);
    weir__log_int(&line, "bytes_in", (int64_t)s.bytes_in);
    weir__log_int(&line, "bytes_out", (int64_t)s.bytes_out);
    if (s.is_cut)
        weir__log_int(&line, "cut", 1);
    add_client(&line, &s.client);
    weir__log_end(&line);
}

weir_err weir_mw_log(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__request_at_end(c, write_line);
    return weir_next(c);
}
