/*
 * Responses, as far as every version of HTTP has them: whether a call makes sense now, what kind of
 * body a response has, how much of it was written, and what the server answers itself. How a
 * response is put into bytes is the version's.
 */
#include "base/assert.h"
#include "http/common/conn.h"
#include "os/sys.h"
#include "wire/http_status.h"

/* --- beginning -------------------------------------------------------------------------------- */

weir_err weir__exchange_refuse_second(struct weir__exchange *x)
{
    weir__counter_add(&x->home->count.second_refused, 1);
    if (x->status == 0) /* nothing of it was written yet */
        return weir_raise_at(NULL, weir__ctx_handle(x->ctx), WEIR_ECLOSED, 0,
                             "a second response is refused: a stream is the request's already");
    return weir_raise_at(NULL, weir__ctx_handle(x->ctx), WEIR_ECLOSED, 0,
                         "a second response is refused: the request has one of status %d already",
                         x->status);
}

/* X1, and what follows from status and method; a body that is sent is `kind`. */
static inline weir_err prepare(struct weir__exchange *x, int status, enum weir__response_body kind)
{
    if (WEIR_UNLIKELY(x->response != WEIR__RESPONSE_NONE))
        return weir__exchange_refuse_second(x);
    if (WEIR_UNLIKELY(status < 200 || status > 599))
        return WEIR_EINVALID;
    if (WEIR_UNLIKELY(!weir__http_status_has_body(status)))
        kind = WEIR__RESPONSE_BARE;
    else if (WEIR_UNLIKELY(status == 205 || x->head.method == WEIR_HTTP_HEAD))
        kind = WEIR__RESPONSE_UNSENT;
    x->response_body = (uint8_t)kind;
    return WEIR_OK;
}

/* A whole one that something follows: as if it were written by pieces. */
static weir_err respond_and_trail(struct weir__exchange *x, int status, weir_str type,
                                  weir_str body)
{
    WEIR_ASSERT(x->has_trailers && x->response == WEIR__RESPONSE_NONE,
                "X10: a response knows before it begins that something follows");
    weir_err err = weir__exchange_begin(x, status, type, -1);
    if (err == WEIR_OK)
        err = weir__exchange_write(x, body);
    return err == WEIR_OK ? weir__exchange_end(x) : err;
}

weir_err weir__exchange_respond(struct weir__exchange *x, int status, weir_str type, weir_str body)
{
    if (WEIR_UNLIKELY(x->has_trailers) && x->response == WEIR__RESPONSE_NONE)
        return respond_and_trail(x, status, type, status == 205 ? WEIR_S("") : body);
    weir_err err = prepare(x, status, WEIR__RESPONSE_SIZED);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    if (WEIR_UNLIKELY(status == 205))
        body.len = 0;
    err = x->ops->respond(x, status, type, body);
    if (WEIR_UNLIKELY(x->response == WEIR__RESPONSE_NONE))
        return err;
    if (weir__exchange_has_body(x))
        x->bytes_out = body.len;
    if (WEIR_LIKELY(err == WEIR_OK))
        x->response = WEIR__RESPONSE_WHOLE;
    return err;
}

weir_err weir__exchange_begin(struct weir__exchange *x, int status, weir_str type, int64_t length)
{
    if (!weir__http_value_is_valid(type))
        return WEIR_EINVALID;
    if (status == 205)
        length = 0;
    weir_err err = prepare(x, status, length < 0 ? WEIR__RESPONSE_UNSIZED : WEIR__RESPONSE_SIZED);
    if (err != WEIR_OK)
        return err;
    x->length_left = x->response_body == WEIR__RESPONSE_SIZED ? (uint64_t)length : 0;
    err = x->ops->begin(x, status, type, length);
    WEIR_ASSERT(err != WEIR_OK || weir__exchange_is_begun(x), "X1: its status is decided");
    return err;
}

/* --- the body --------------------------------------------------------------------------------- */

/* X2: may `n` more bytes of a body follow? */
static weir_err check_body(const struct weir__exchange *x, size_t n)
{
    WEIR_ASSERT(x->response != WEIR__RESPONSE_WINDOW,
                "X2: a window is committed before anything else is written");
    if (x->response != WEIR__RESPONSE_OPEN)
        return WEIR_ECLOSED;
    if (x->response_body == WEIR__RESPONSE_SIZED && n > x->length_left)
        return WEIR_ETOOLARGE;
    return WEIR_OK;
}

static void count_body(struct weir__exchange *x, size_t n)
{
    WEIR_ASSERT(x->response_body != WEIR__RESPONSE_SIZED || n <= x->length_left,
                "X6: no more of a body is counted than was announced");
    x->bytes_out += n;
    if (x->response_body == WEIR__RESPONSE_SIZED)
        x->length_left -= n;
}

/* Of a response that was begun, and of whose body nothing is sent: what is written is dropped. */
static bool is_dropped(const struct weir__exchange *x)
{
    return x->response != WEIR__RESPONSE_NONE && !weir__exchange_has_body(x);
}

weir_err weir__exchange_write(struct weir__exchange *x, weir_str bytes)
{
    if (is_dropped(x))
        return weir__exchange_is_cut(x) ? WEIR_ECLOSED : WEIR_OK;
    weir_err err = check_body(x, bytes.len);
    if (err != WEIR_OK || bytes.len == 0)
        return err;
    err = x->ops->write(x, bytes);
    if (err == WEIR_OK)
        count_body(x, bytes.len);
    return err;
}

weir_err weir__exchange_window(struct weir__exchange *x, size_t min, char **ptr, size_t *len)
{
    weir_err err = check_body(x, 0);
    if (err != WEIR_OK)
        return err;
    WEIR_ASSERT(min <= WEIR__WINDOW_MIN_MAX, "X9: no larger window is asked for");
    err = x->ops->window(x, min, ptr, len);
    WEIR_ASSERT(err != WEIR_OK || *len >= min, "X9: it is as large as was asked for");
    if (err == WEIR_OK)
        x->response = WEIR__RESPONSE_WINDOW;
    return err;
}

weir_err weir__exchange_commit(struct weir__exchange *x, size_t n)
{
    WEIR_ASSERT(x->response == WEIR__RESPONSE_WINDOW, "X9: a commit follows a window");
    x->response = WEIR__RESPONSE_OPEN;
    if (x->conn->is_broken)
        return WEIR_ECLIENTGONE;
    if (!weir__exchange_has_body(x))
        return WEIR_OK;
    weir_err err = check_body(x, n);
    if (err != WEIR_OK)
        return err;
    x->ops->commit(x, n);
    count_body(x, n);
    return WEIR_OK;
}

weir_err weir__exchange_flush(struct weir__exchange *x)
{
    return x->ops->flush(x);
}

/* For descriptors that the kernel cannot splice, and versions that cannot: through the output. */
static weir_err copy_file(struct weir__exchange *x, int file, uint64_t at, uint64_t len)
{
    while (len > 0) {
        char *to;
        size_t room;
        weir_err err = weir__exchange_window(x, WEIR__WINDOW_MIN_MAX, &to, &room);
        if (err != WEIR_OK)
            return err;
        ssize_t n = weir__sys_pread(file, to, len < room ? (size_t)len : room, (off_t)at);
        err = weir__exchange_commit(x, n > 0 ? (size_t)n : 0);
        if (n <= 0 || err != WEIR_OK)
            return n < 0 ? (weir_err)n : err != WEIR_OK ? err : -EIO; /* the file became shorter */
        at += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return WEIR_OK;
}

weir_err weir__exchange_sendfile(struct weir__exchange *x, int file, uint64_t at, uint64_t len)
{
    if (is_dropped(x))
        return WEIR_OK;
    weir_err err = check_body(x, len);
    if (err != WEIR_OK)
        return err;
    uint64_t left = len;
    err = x->ops->sendfile(x, file, at, &left);
    WEIR_ASSERT(left <= len, "X6: what has left of a file is counted down");
    count_body(x, (size_t)(len - left));
    return err == -EOPNOTSUPP ? copy_file(x, file, at + (len - left), left) : err;
}

/* --- the end ---------------------------------------------------------------------------------- */

weir_err weir__exchange_end(struct weir__exchange *x)
{
    if (x->response != WEIR__RESPONSE_OPEN && x->response != WEIR__RESPONSE_WINDOW)
        return WEIR_ECLOSED;
    if (x->length_left > 0) {
        WEIR_ASSERT(x->response_body == WEIR__RESPONSE_SIZED, "X6: only a length can be missed");
        weir__exchange_abort(x);
        return WEIR_EINVALID;
    }
    if (x->conn->is_broken)
        return WEIR_ECLIENTGONE;
    weir_err err = x->ops->end(x);
    if (err == WEIR_OK)
        x->response = WEIR__RESPONSE_WHOLE;
    return err;
}

void weir__exchange_abort(struct weir__exchange *x)
{
    if (x->response != WEIR__RESPONSE_OPEN && x->response != WEIR__RESPONSE_WINDOW)
        return;
    x->response = WEIR__RESPONSE_CUT;
    x->ops->abort(x);
    weir__counter_add(&x->home->count.aborted, 1);
}

bool weir__exchange_retract(struct weir__exchange *x)
{
    bool is_begun = x->response != WEIR__RESPONSE_NONE && x->response != WEIR__RESPONSE_CUT;
    if (!is_begun || !x->ops->retract(x))
        return false;
    x->response = WEIR__RESPONSE_NONE;
    x->has_type = x->has_trailers = false;
    x->behind.len = 0;
    x->status = 0;
    x->extra_len = 0;
    x->bytes_out = x->length_left = 0;
    return true;
}

/* --- another protocol ------------------------------------------------------------------------- */

weir_err weir__exchange_upgrade(struct weir__exchange *x, weir_str protocol)
{
    if (x->response != WEIR__RESPONSE_NONE)
        return weir__exchange_refuse_second(x);
    x->response_body = WEIR__RESPONSE_UNSIZED;
    weir_err err = x->ops->upgrade(x, protocol);
    WEIR_ASSERT(err != WEIR_OK || weir__exchange_is_begun(x), "X1: its status is decided");
    return err;
}

/* --- what the server answers itself ----------------------------------------------------------- */

void weir__response_refuse(struct weir__exchange *x, int status, const char *why)
{
    const struct weir__http_app *app = &x->home->server->app;
    weir_str reason = weir_str_from(why);
    WEIR_ASSERT(x->response == WEIR__RESPONSE_NONE, "X1: who is refused has no answer yet");
    WEIR_ASSERT(status >= 400 && status <= 599, "X8: a refusal has the status of an error");
    if (app->refuse != NULL)
        app->refuse(x, status, reason, app->arg);
    if (x->response != WEIR__RESPONSE_NONE)
        return;
    char text[256];
    weir_buf line;
    weir_buf_init_fixed(&line, text, sizeof text);
    weir_buf_printf(&line, "%d " WEIR_STR_FMT ": %s\n", status,
                    WEIR_STR_ARG(weir__http_status_reason(status)), why);
    (void)weir__exchange_respond(x, status, WEIR_S("text/plain; charset=utf-8"),
                                 weir_buf_str(&line));
}
