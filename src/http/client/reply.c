/*
 * The answer, as programs read it: status, fields, trailers, and the body piece by piece, whole, or
 * into a model. Whatever ends a body gives its connection back: its last byte, an error, the
 * program, the context.
 *
 * Owns what it gathers of a body until that is whole; then the context does.
 */
#include "http/client/client.h"

#include <string.h>

#include "base/given.h"
#include "base/json_decode.h"
#include "rt/fiber.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/worker.h"

#define REST_BYTES_MAX 16384 /* of a body that nobody reads, thrown away if it has come already */
#define PIECE_BYTES 16384

static weir_reply *reply_of(const weir_reply *handle, const char *function)
{
    return weir__token_must(handle, WEIR__KIND_REPLY, function, "the reply");
}

/* The same for what reads from the connection. */
static weir_reply *own_reply(const weir_reply *handle, const char *function)
{
    weir_reply *r = reply_of(handle, function);
    weir__client_check_fiber(r, &r->reader, function);
    return r;
}

/* --- the head --------------------------------------------------------------------------------- */

weir_err weir_reply_err(const weir_reply *r)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return reply_of(r, __func__)->err;
}

int weir_reply_status(const weir_reply *r)
{
    WEIR__FIBERS_ONLY(0);
    return reply_of(r, __func__)->status;
}

static weir_str part(const weir_reply *r, struct weir__http_span s)
{
    return (weir_str){r->head + s.off, s.len};
}

weir_str weir_reply_header(const weir_reply *handle, const char *name)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    weir__given(name, "the name");
    const weir_reply *r = reply_of(handle, __func__);
    weir_str wanted = weir_str_from(name);
    for (unsigned i = 0; i < r->field_count; i++)
        if (weir_str_ieq(part(r, r->fields[i].name), wanted))
            return part(r, r->fields[i].value);
    return (weir_str){NULL, 0};
}

bool weir_reply_header_at(const weir_reply *handle, size_t i, weir_str *name, weir_str *value)
{
    WEIR__FIBERS_ONLY(false);
    weir__given(name, "the name's place");
    weir__given(value, "the value's place");
    const weir_reply *r = reply_of(handle, __func__);
    if (i >= r->field_count)
        return false;
    *name = part(r, r->fields[i].name);
    *value = part(r, r->fields[i].value);
    return true;
}

weir_str weir__client_trailers(const weir_reply *r)
{
    bool is_whole = r->state == WEIR__REPLY_OVER && r->err == WEIR_OK && r->trailers_len > 0;
    return is_whole ? (weir_str){r->trailers, r->trailers_len} : WEIR_S("");
}

weir_str weir_reply_trailer(const weir_reply *handle, const char *name)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    weir__given(name, "the name");
    weir_str rest = weir__client_trailers(reply_of(handle, __func__)), found, value;
    while (weir__trailer_next(&rest, &found, &value))
        if (weir_str_ieq(found, weir_str_from(name)))
            return value;
    return (weir_str){NULL, 0};
}

bool weir_reply_trailer_at(const weir_reply *handle, size_t i, weir_str *name, weir_str *value)
{
    WEIR__FIBERS_ONLY(false);
    weir__given(name, "the name's place");
    weir__given(value, "the value's place");
    weir_str rest = weir__client_trailers(reply_of(handle, __func__)), n, v;
    for (size_t at = 0; weir__trailer_next(&rest, &n, &v); at++) {
        if (at < i)
            continue;
        *name = n;
        *value = v;
        return true;
    }
    return false;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Nothing more comes: the connection is free, and the reply is over if nothing is in a decoder. */
static void finish(weir_reply *r)
{
    if (r->conn != NULL && !r->is_due)
        weir__client_release(r);
    if (r->coded != NULL)
        return;
    weir__client_end(r);
    weir__disown(&r->owned);
}

/* From the connection. */
static ssize_t receive_raw(weir_reply *r, void *bytes, size_t size)
{
    if (r->err < 0) /* of who writes it */
        return r->err;
    weir__client_enter(r, &r->reader);
    ssize_t n = r->conn->transport->read(r, bytes, size, true);
    weir__client_leave(r, &r->reader);
    if (n < 0)
        return weir__client_fail_reading(r, (weir_err)n);
    if (r->kind == WEIR__ANSWER_NONE)
        finish(r);
    return n;
}

/* Of the body, unpacked where that is to be. */
static ssize_t receive(weir_reply *r, void *bytes, size_t size)
{
    if (r->coded == NULL)
        return receive_raw(r, bytes, size);
    ssize_t n = weir__client_coded_read(r, bytes, size, receive_raw);
    if (n >= 0 && r->coded == NULL)
        finish(r);
    return n;
}

/* What was read whole already. */
static ssize_t take_whole(weir_reply *r, void *bytes, size_t size)
{
    size_t left = r->whole.len - r->whole_at;
    size_t n = left < size ? left : size;
    if (r->whole.ptr != NULL && n > 0)
        memcpy(bytes, r->whole.ptr + r->whole_at, n);
    r->whole_at += n;
    return (ssize_t)n;
}

/* What of the body can be read now; the reply's error, or that the request is not ended yet. */
static weir_err check_readable(const weir_reply *r)
{
    if (r->err < 0)
        return weir__later_refused(r->err);
    if (r->state == WEIR__REPLY_ASKING)
        weir__misuse("weir_reply_read", "its request has not been ended: call weir_http_finish, or "
                                        "weir_http_await of a .duplex one");
    return WEIR_OK;
}

ssize_t weir_reply_read(weir_reply *handle, void *bytes, size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the memory");
    weir_reply *r = own_reply(handle, __func__);
    weir_err err = check_readable(r);
    if (err < 0)
        return err;
    if (r->whole.ptr != NULL || r->state == WEIR__REPLY_OVER || size == 0)
        return take_whole(r, bytes, size);
    ssize_t n;
    do
        n = receive(r, bytes, size);
    while (n == 0 && r->state != WEIR__REPLY_OVER);
    return n;
}

/* --- whole ------------------------------------------------------------------------------------ */

static weir_err fail_large(weir_reply *r)
{
    return weir__client_fail(r, WEIR_ETOOLARGE,
                             "the body is over %llu bytes: read it by pieces, or raise "
                             ".body_bytes_max",
                             (unsigned long long)r->body_bytes_max);
}

/* Straight into the context's memory: its length is known. */
static weir_err gather_known(weir_reply *r)
{
    size_t size = (size_t)r->left, at = 0;
    char *bytes = weir__ctx_object(r->c, size + 1);
    if (bytes == NULL)
        return weir__client_fail_reading(r, weir__client_no_memory(r));
    while (at < size) {
        ssize_t n = receive(r, bytes + at, size - at);
        if (n < 0)
            return (weir_err)n;
        at += (size_t)n;
    }
    r->whole = (weir_str){bytes, size};
    return WEIR_OK;
}

/* Over the heap, up to its end or the limit. */
static weir_err gather_into(weir_reply *r, weir_buf *out)
{
    while (r->state != WEIR__REPLY_OVER) {
        char *to = weir_buf_reserve(out, PIECE_BYTES);
        if (to == NULL)
            return weir__client_fail_reading(r, out->err);
        ssize_t n = receive(r, to, PIECE_BYTES);
        if (n < 0)
            return (weir_err)n;
        out->len += (size_t)n;
        if (out->len > r->body_bytes_max)
            return fail_large(r);
    }
    char *bytes = weir__ctx_object(r->c, out->len + 1);
    if (bytes == NULL)
        return weir__client_fail_reading(r, weir__client_no_memory(r));
    if (out->len > 0)
        memcpy(bytes, out->ptr, out->len);
    r->whole = (weir_str){bytes, out->len};
    return WEIR_OK;
}

static void fini_buf(weir_buf *b)
{
    weir_buf_fini(b);
}

static weir_err gather_unknown(weir_reply *r)
{
    weir_buf bytes __attribute__((cleanup(fini_buf)));
    weir_buf_init(&bytes, (size_t)r->body_bytes_max + PIECE_BYTES);
    return gather_into(r, &bytes);
}

weir_err weir__client_read_whole(weir_reply *r)
{
    weir_err err = check_readable(r);
    if (err < 0 || r->whole.ptr != NULL)
        return err;
    if (r->state == WEIR__REPLY_OVER) {
        r->whole = WEIR_S("");
        return WEIR_OK;
    }
    if (r->kind != WEIR__ANSWER_LENGTH || r->coded != NULL)
        return gather_unknown(r);
    return r->left > r->body_bytes_max ? fail_large(r) : gather_known(r);
}

/* Of a body that came whole the limit is asked when it is read whole. */
static weir_err body_of(weir_reply *r, weir_str *out)
{
    weir_err err = weir__client_read_whole(r);
    if (err == WEIR_OK && r->whole.len > r->body_bytes_max)
        err = fail_large(r);
    if (err < 0)
        return err;
    *out = (weir_str){r->whole.ptr + r->whole_at, r->whole.len - r->whole_at};
    return WEIR_OK;
}

weir_str weir_reply_body(weir_reply *handle)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    weir_str body = {NULL, 0};
    weir_err err = body_of(own_reply(handle, __func__), &body);
    return err < 0 ? (weir_str){NULL, 0} : body;
}

/* --- models ----------------------------------------------------------------------------------- */

static weir_err raise_in(const weir_reply *r, const weir_site *site, weir_err err, const char *what)
{
    char bytes[1024];
    weir_buf url;
    weir_buf_init_fixed(&url, bytes, sizeof bytes);
    weir__client_put_url(r, &url);
    weir_str at = weir_buf_str(&url);
    return weir_raise_at(site, weir__ctx_handle(r->c), err, 0, WEIR_STR_FMT " " WEIR_STR_FMT ": %s",
                         WEIR_STR_ARG(r->method_text), WEIR_STR_ARG(at), what);
}

static weir_err tell_json(const weir_reply *r, const weir_site *site, weir_err err,
                          const weir_model *model, const weir_json_errors *errors)
{
    char bytes[300];
    weir_buf text;
    weir_buf_init_fixed(&text, bytes, sizeof bytes - 1);
    weir_buf_printf(&text, "the answer is not a %.60s", model->name);
    if (errors->count > 0)
        weir_buf_printf(&text, ": %.*s %.*s",
                        errors->items[0].pointer.len > 80 ? 80 : (int)errors->items[0].pointer.len,
                        errors->items[0].pointer.ptr,
                        errors->items[0].message.len > 120 ? 120
                                                           : (int)errors->items[0].message.len,
                        errors->items[0].message.ptr);
    else
        weir_buf_printf(&text, ": %s", weir_strerror(err));
    bytes[text.len] = '\0';
    return raise_in(r, site, err, bytes);
}

static weir_err decode(weir_reply *r, const weir_site *site, const weir_model *model, void *out)
{
    weir_str text;
    weir_json_errors errors = {.count = 0};
    weir_err err = body_of(r, &text);
    if (err < 0)
        return err;
    const weir_json_limits limits = {.bytes_max = text.len + 1};
    err = weir__json_decode(weir__ctx_arena(r->c), text, model, out, &limits, &errors);
    return err == WEIR_OK ? err : tell_json(r, site, err, model, &errors);
}

weir_err weir_reply_json_at(const weir_site *site, weir_reply *handle, const weir_model *model,
                            void *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to("weir_reply_json", model, "the model");
    weir__given_to("weir_reply_json", out, "the object");
    weir_reply *r = own_reply(handle, "weir_reply_json");
    memset(out, 0, model->size);
    weir_err err = check_readable(r);
    if (err < 0)
        return err;
    if (r->status / 100 != 2) {
        char what[40] = "the status is ";
        what[14 + weir__http1_digits(what + 14, r->status)] = '\0';
        return raise_in(r, site, WEIR_EFAIL, what);
    }
    return decode(r, site, model, out);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Is the rest short, and there? Then it is read, so that the connection may stay. */
static void throw_rest_away(weir_reply *r)
{
    char bytes[1024];
    size_t thrown = 0;
    if (r->kind == WEIR__ANSWER_LENGTH && r->left > REST_BYTES_MAX)
        return;
    while (thrown < REST_BYTES_MAX && r->kind != WEIR__ANSWER_NONE) {
        ssize_t n = r->conn->transport->read(r, bytes, sizeof bytes, false);
        if (n < 0)
            return;
        thrown += (size_t)n;
    }
}

void weir__client_drop(weir_reply *r)
{
    if (r->inside > 0) {
        weir__client_give_back(r, false);
        return;
    }
    if (r->conn == NULL)
        return;
    bool may_stay = r->state == WEIR__REPLY_ANSWERED && r->keeps;
    r->is_dropped = true;
    if (may_stay)
        throw_rest_away(r);
    if (r->conn == NULL)
        return;
    may_stay = may_stay && r->conn->transport->close(r);
    if (!may_stay)
        r->conn->transport->abort(r);
    weir__client_give_back(r, may_stay);
}

void weir_reply_close(weir_reply *handle)
{
    WEIR__FIBERS_ONLY();
    weir_reply *r = own_reply(handle, __func__);
    if (r->c == NULL || r->state == WEIR__REPLY_OVER)
        return;
    bool is_answered = r->state == WEIR__REPLY_ANSWERED;
    bool was_whole = is_answered && r->kind == WEIR__ANSWER_NONE && r->coded == NULL;
    weir__client_count_left(r);
    weir__client_drop(r);
    weir__client_coded_end(r);
    if (!was_whole && r->err == WEIR_OK)
        r->err = WEIR_ECLOSED;
    weir__client_end(r);
    weir__disown(&r->owned);
}
