/*
 * The answer on its way back: status, fields, body. What has come whole leaves in one piece; all
 * else as it comes, each piece sent before the next one is waited for.
 *
 * Owns nothing. Context: the request's fiber; waits.
 */
#include "web/proxy/proxy.h"

#include <string.h>

#include "wire/http_field.h"
#include <weir/log.h>

#define VIA_MAX 60 /* bytes of this proxy's name */

static weir_reply *inside(const struct weir__proxied *p)
{
    return weir__token_must(p->reply, WEIR__KIND_REPLY, "weir_proxy", "the reply");
}

/* --- fields ----------------------------------------------------------------------------------- */

static weir_str part(const weir_reply *r, struct weir__http_span s)
{
    return (weir_str){r->head + s.off, s.len};
}

static size_t connections(const weir_reply *r, weir_str out[WEIR__PROXY_CONNECTIONS])
{
    size_t n = 0;
    for (size_t i = 0; i < r->field_count && n < WEIR__PROXY_CONNECTIONS; i++)
        if (r->fields[i].id == WEIR_FIELD_CONNECTION)
            out[n++] = part(r, r->fields[i].value);
    return n;
}

static weir_err fail_fields(struct weir__proxied *p, weir_err err)
{
    (void)weir_raise_at(p->site, p->c, err, 0, "the header lines of the answer are over 8 KiB");
    return weir__proxy_fail(p, err);
}

/* What the upstream says will follow its body follows ours. */
static void announce(struct weir__proxied *p)
{
    const weir_reply *r = inside(p);
    for (size_t i = 0; i < r->field_count; i++) {
        weir_str element, rest = part(r, r->fields[i].value);
        while (r->fields[i].id == WEIR_FIELD_TRAILER && weir__http_list_next(&rest, &element))
            (void)weir__exchange_trailer_announce(p->x, element); /* what may not is left out */
    }
}

/* By which version it came (RFC 9110 section 7.6.3), and who hands it on. */
static weir_err add_via(struct weir__proxied *p)
{
    const weir_reply *r = inside(p);
    const char *via = p->o->via != NULL ? p->o->via : "weir";
    char text[] = {(char)('0' + r->major), '.', (char)('0' + r->minor), ' ', [4 + VIA_MAX] = '\0'};
    size_t len = strnlen(via, VIA_MAX);
    if (len == 0)
        return WEIR_OK;
    memcpy(text + 4, via, len);
    weir_err err = weir__exchange_header_add(p->x, WEIR_S("Via"), (weir_str){text, 4 + len});
    return err == -EMSGSIZE ? fail_fields(p, err) : WEIR_OK;
}

/* A line that our own server would not send is not handed on either: its value has controls. */
static weir_err copy_fields(struct weir__proxied *p)
{
    weir_str connection[WEIR__PROXY_CONNECTIONS];
    const weir_reply *r = inside(p);
    size_t count = connections(r, connection);
    for (size_t i = 0; i < r->field_count; i++) {
        weir_str name = part(r, r->fields[i].name);
        bool is_date = weir_str_ieq(name, WEIR_S("date"));
        if (is_date || weir__proxy_ends_here((struct weir__proxy_name){name, r->fields[i].id},
                                             connection, count))
            continue;
        weir_err err = weir__exchange_header_add(p->x, name, part(r, r->fields[i].value));
        if (err != WEIR_OK && err != WEIR_EINVALID)
            return err == -EMSGSIZE ? fail_fields(p, err) : weir__proxy_fail(p, err);
    }
    announce(p);
    return add_via(p);
}

/* What came behind the body; what may not be there is not handed on. */
static weir_err copy_trailers(struct weir__proxied *p)
{
    weir_str rest = weir__client_trailers(inside(p)), name, value;
    while (weir__trailer_next(&rest, &name, &value)) {
        weir_err err = weir__exchange_trailer_add(p->x, name, value);
        if (err != WEIR_OK && err != WEIR_EINVALID)
            return err == -EMSGSIZE ? fail_fields(p, err) : weir__proxy_fail(p, err);
    }
    return WEIR_OK;
}

/* --- the body --------------------------------------------------------------------------------- */

/* What the head says of the body's length; below 0: nothing. That of HEAD is told as well. */
static int64_t length_of(const struct weir__proxied *p, const weir_reply *r)
{
    int64_t length;
    if (r->kind == WEIR__ANSWER_LENGTH)
        return (int64_t)r->left;
    weir_str said = weir_reply_header(p->reply, "content-length");
    bool is_said = r->kind == WEIR__ANSWER_NONE && said.ptr != NULL;
    return is_said && weir_str_i64(said, &length) == WEIR_OK && length >= 0 ? length : -1;
}

/* P2: what fails here is cut by who gets the error, or answered anew when nothing has left. */
static weir_err copy_body(struct weir__proxied *p)
{
    char *piece = weir__ctx_object(p->ctx, WEIR__PROXY_PIECE);
    if (piece == NULL)
        return weir__proxy_fail(p, -ENOMEM);
    for (;;) {
        ssize_t n = weir_reply_read(p->reply, piece, WEIR__PROXY_PIECE);
        if (n < 0)
            return weir__proxy_fail(p, (weir_err)n);
        if (n == 0)
            return WEIR_OK;
        weir_err err = weir__exchange_write(p->x, (weir_str){piece, (size_t)n});
        if (err == WEIR_OK && inside(p)->state != WEIR__REPLY_OVER)
            err = weir__exchange_flush(p->x);
        if (err != WEIR_OK)
            return err;
    }
}

static weir_err stream(struct weir__proxied *p, int status)
{
    static const weir_str no_type = {NULL, 0};
    weir_err err = weir__exchange_begin(p->x, status, no_type, length_of(p, inside(p)));
    if (err == WEIR_OK && weir__exchange_has_body(p->x))
        err = weir__exchange_flush(p->x); /* who waits for the head alone has it */
    if (err == WEIR_OK)
        err = copy_body(p);
    if (err == WEIR_OK)
        err = copy_trailers(p);
    return err == WEIR_OK ? weir__exchange_end(p->x) : err;
}

weir_err weir__proxy_answer(struct weir__proxied *p)
{
    static const weir_str no_type = {NULL, 0};
    const int status = weir_reply_status(p->reply);
    const weir_reply *r = inside(p);
    weir_err err = copy_fields(p);
    if (err != WEIR_OK)
        return err;
    if (status == 101)
        return weir__proxy_tunnel(p, weir_reply_header(p->reply, "upgrade"));
    if (status > 599) {
        (void)weir_raise_at(p->site, p->c, WEIR_EPROTO, 0, "a status of %d is none", status);
        return weir__proxy_fail(p, WEIR_EPROTO);
    }
    bool is_head = weir__exchange_method_id(p->x) == WEIR_HTTP_HEAD;
    if (r->state != WEIR__REPLY_OVER || is_head)
        return stream(p, status);
    err = copy_trailers(p);
    if (err != WEIR_OK)
        return err;
    return weir__exchange_respond(p->x, status, no_type,
                                  r->whole.ptr != NULL ? r->whole : WEIR_S(""));
}
