/*
 * The head of a request: the caller's header lines, the client's where the call has none of the
 * name, what frames the body, and, for trusted hosts alone, the time that is left and where in a
 * trace this stands. Owns nothing; writes into the window that it is given.
 *
 * What frames a message is never the caller's: a length or a coding of his beside ours would be two
 * messages to two readers.
 */
#include "http/client/client.h"

#include <string.h>

#include "base/origin.h"
#include "wire/coding.h"
#include "wire/http_field.h"
#include "wire/traceparent.h"
#include <weir/version.h>

#define NS_IN_MS 1000000

static const weir_str framing_names[] = {
    {"host", 4},        {"content-length", 14},   {"transfer-encoding", 17},
    {"connection", 10}, {"upgrade", 7},           {"keep-alive", 10},
    {"expect", 6},      {"proxy-connection", 16},
};

bool weir__client_is_own_header(weir_str name)
{
    for (size_t i = 0; i < sizeof framing_names / sizeof framing_names[0]; i++)
        if (weir_str_ieq(name, framing_names[i]))
            return true;
    return false;
}

/*
 * TE says no more than that trailers are read (RFC 9110 section 10.1.4), for nothing is decoded
 * that it could ask for; and only a body that is written, in chunks, can have what Trailer says.
 */
static bool may_be_said(const weir_reply *r, weir_str name, weir_str value)
{
    if (weir_str_ieq(name, WEIR_S("te")))
        return weir_str_ieq(value, WEIR_S("trailers"));
    if (weir_str_ieq(name, WEIR_S("trailer")))
        return r->is_streamed && !r->has_length;
    return !weir__client_is_own_header(name);
}

static weir_str find(const weir_http_header *list, weir_str name)
{
    for (; list != NULL && list->name != NULL; list++)
        if (weir_str_ieq(weir_str_from(list->name), name))
            return list->value.ptr != NULL ? list->value : WEIR_S("");
    return (weir_str){NULL, 0};
}

weir_str weir__client_line_of(const weir_reply *r, weir_str name)
{
    const struct weir__client_carry *carry = r->carry;
    weir_str value = find(r->call->headers, name);
    for (size_t i = 0; value.ptr == NULL && carry != NULL && i < carry->line_count; i++)
        if (weir_str_ieq(carry->lines[i].name, name))
            value = carry->lines[i].value;
    return value;
}

/* In the call's own lines, or the client's. */
static bool is_given(const weir_reply *r, weir_str name)
{
    return weir__client_line_of(r, name).ptr != NULL || find(r->http->o.headers, name).ptr != NULL;
}

/* The lines of `list`; of the client's own those alone that the call has none of the name of. */
static weir_err write_list(weir_reply *r, struct weir__http1_writer *w,
                           const weir_http_header *list, bool is_calls)
{
    for (; list != NULL && list->name != NULL; list++) {
        weir_str name = weir_str_from(list->name);
        bool is_over = !is_calls && weir__client_line_of(r, name).ptr != NULL;
        if (is_over || !weir__client_may_travel(r, name))
            continue;
        if (!may_be_said(r, name, list->value))
            return weir__client_fail(r, WEIR_EINVALID,
                                     "the header %s is the client's own to send, not a call's",
                                     list->name);
        r->asks_trailers = r->asks_trailers || weir_str_ieq(name, WEIR_S("te"));
        weir__http1_write_field(w, name, list->value);
        if (w->err == WEIR_EINVALID)
            return weir__client_fail(r, WEIR_EINVALID,
                                     "the header \"%.60s\" has a name that is no token, or a value "
                                     "with a control character, or a blank at an end",
                                     list->name);
    }
    return WEIR_OK;
}

/* They were parsed, and what frames a message is not among them. */
static void write_carried(weir_reply *r, struct weir__http1_writer *w)
{
    const struct weir__client_carry *carry = r->carry;
    for (size_t i = 0; i < carry->line_count; i++)
        weir__http1_write_field_trusted(w, carry->lines[i].name, carry->lines[i].value);
    r->asks_trailers = r->asks_trailers || carry->asks_trailers;
}

static void write_number(struct weir__http1_writer *w, weir_str name, uint64_t n)
{
    char digits[20];
    size_t len = weir__http1_digits(digits, n);
    weir__http1_write_field(w, name, (weir_str){digits, len});
}

/* What is left of the time, in whole milliseconds. */
static void write_deadline(const weir_reply *r, struct weir__http1_writer *w)
{
    weir_str name = weir_str_from(r->http->o.deadline_header);
    weir_time until = weir_time_min(r->until, r->c->deadline);
    if (name.len == 0 || until.ns == weir_never().ns || is_given(r, name))
        return;
    int64_t left = weir_time_sub(until, weir__self->now).ns / NS_IN_MS;
    write_number(w, name, left > 0 ? (uint64_t)left : 0);
}

static void write_trace(const weir_reply *r, struct weir__http1_writer *w)
{
    const struct weir__origin *origin = r->c->origin;
    if (origin == NULL)
        return;
    if (!is_given(r, WEIR_S("traceparent"))) {
        char text[WEIR_TRACEPARENT_LEN];
        struct weir__trace trace = weir__origin_trace(origin);
        weir__traceparent_write(text, &trace);
        weir__http1_write_field_trusted(w, WEIR_S("traceparent"), (weir_str){text, sizeof text});
    }
    weir_str id = origin->request_id;
    if (id.len > 0 && !is_given(r, WEIR_S("x-request-id")) && weir__http_value_is_valid(id))
        weir__http1_write_field_trusted(w, WEIR_S("X-Request-Id"), id);
}

/* Which methods have a body although it is empty (RFC 9110 section 8.6). */
static bool tells_length(const weir_reply *r)
{
    return r->body.len > 0 || r->method == WEIR_HTTP_POST || r->method == WEIR_HTTP_PUT ||
           r->method == WEIR_HTTP_PATCH;
}

static void write_framing(const weir_reply *r, struct weir__http1_writer *w)
{
    if (r->asks_trailers)
        weir__http1_write_raw(w, WEIR_S("Connection: TE\r\n"));
    if (r->carry != NULL && r->carry->upgrade.len > 0) {
        weir__http1_write_raw(w, WEIR_S("Connection: Upgrade\r\n"));
        weir__http1_write_field(w, WEIR_S("Upgrade"), r->carry->upgrade);
    }
    if (r->has_length)
        weir__http1_write_length(w, r->body_left);
    else if (r->is_streamed)
        weir__http1_write_raw(w, WEIR_S("Transfer-Encoding: chunked\r\n"));
    else if (r->form != NULL)
        weir__http1_write_length(w, weir__client_form_len(r->form));
    else if (tells_length(r))
        weir__http1_write_length(w, r->body.len);
    if (r->expects)
        weir__http1_write_raw(w, WEIR_S("Expect: 100-continue\r\n"));
}

/*
 * A coding is asked for where the answer is unpacked: not of a part of it (RFC 9110 section 14.2),
 * nor where the call has said by itself what it wants.
 */
static void write_accepted(weir_reply *r, struct weir__http1_writer *w)
{
    weir_http_encoding is = r->call->encoding;
    if (is == WEIR_HTTP_ENCODING_DEFAULT)
        is = r->http->o.encoding;
    r->asks_coding = is != WEIR_HTTP_AS_SENT && !is_given(r, WEIR_S("accept-encoding")) &&
                     !is_given(r, WEIR_S("range"));
    if (r->asks_coding)
        weir__http1_write_field_trusted(w, WEIR_S("Accept-Encoding"), weir__coding_accepted());
}

/* Of a body that was packed; one that is given is the caller's own doing. */
static void write_coding(const weir_reply *r, struct weir__http1_writer *w)
{
    if (r->call->pack != NULL && r->body.len > 0)
        weir__http1_write_field(w, WEIR_S("Content-Encoding"), weir_str_from(r->call->pack));
}

static weir_err write_type(weir_reply *r, struct weir__http1_writer *w)
{
    const char *type = r->call->type;
    if (r->form != NULL) {
        weir__http1_write_field(w, WEIR_S("Content-Type"), weir__client_form_type(r->form));
        return WEIR_OK;
    }
    if (type == NULL && r->call->model != NULL)
        type = "application/json";
    if (type == NULL || r->is_bodiless || is_given(r, WEIR_S("content-type")))
        return WEIR_OK;
    weir__http1_write_field(w, WEIR_S("Content-Type"), weir_str_from(type));
    if (w->err == WEIR_EINVALID)
        return weir__client_fail(r, WEIR_EINVALID, "the type \"%.60s\" may not be sent", type);
    return WEIR_OK;
}

/* A host that is a target's own has been read as one, and mostly one that is carried on. */
static void write_start(const weir_reply *r, struct weir__http1_writer *w)
{
    weir_str host = weir__client_host(r);
    bool is_read = host.ptr == r->target.host.ptr || (r->carry != NULL && r->carry->is_host_read);
    if (!is_read) {
        weir__http1_write_request(w, r->method_text, r->target.path, host);
        return;
    }
    weir__http1_write_request_line(w, r->method_text, r->target.path);
    weir__http1_write_field_trusted(w, WEIR_S("Host"), host);
}

weir_err weir__client_request_write(weir_reply *r, struct weir__http1_writer *w)
{
    const weir_http_options *o = &r->http->o;
    write_start(r, w);
    if (w->err == WEIR_EINVALID)
        return weir__client_fail(
            r, WEIR_EINVALID,
            "the method is no token, or the target has a blank, a '#', a control "
            "or a character that is to be escaped");
    weir_err err = write_list(r, w, r->call->headers, true);
    if (err == WEIR_OK && r->carry != NULL)
        write_carried(r, w);
    if (err == WEIR_OK)
        err = write_list(r, w, o->headers, false);
    if (err == WEIR_OK)
        err = write_type(r, w);
    if (err != WEIR_OK)
        return err;
    if (!r->is_carried && o->user_agent[0] != '\0' && !is_given(r, WEIR_S("user-agent")))
        weir__http1_write_field(w, WEIR_S("User-Agent"), weir_str_from(o->user_agent));
    if (o->cookies && !r->is_carried &&
        !(is_given(r, WEIR_S("cookie")) && weir__client_may_travel(r, WEIR_S("cookie"))))
        weir__client_cookies_write(r, w);
    write_accepted(r, w);
    write_coding(r, w);
    write_framing(r, w);
    if (r->target.is_trusted) {
        write_deadline(r, w);
        write_trace(r, w);
    }
    weir__http1_write_end(w);
    return w->err;
}
