/*
 * What of a stream is not on every request's way. Whoever waits does so in weir__io, plain or not:
 * with a layer the wait is for the socket alone, and the layer is asked again after it.
 */
#include "net/stream.h"

#include "rt/context.h"

/* --- its life --------------------------------------------------------------------------------- */

/* What lies inside makes no event of its own. */
static void tell_again(struct weir__timer *t)
{
    struct weir__layer *layer = WEIR_CONTAINER(t, struct weir__layer, again);
    WEIR_ASSERT(layer->stream != NULL,
                "S6: what a layer has inside is told of while it stands on a stream");
    weir__fd_dispatch(&layer->stream->fd, WEIR__READABLE);
}

static void put(struct weir__stream *s, struct weir__layer *layer)
{
    s->layer = layer;
    if (layer == NULL)
        return;
    WEIR_ASSERT(layer->stream == NULL, "S6: a layer stands on one stream");
    layer->stream = s;
    weir__timer_init(&layer->again, tell_again);
}

/* The layer, which stands on nothing from now on. */
static struct weir__layer *take(struct weir__stream *s)
{
    struct weir__layer *layer = s->layer;
    s->layer = NULL;
    if (layer == NULL)
        return NULL;
    WEIR_ASSERT(layer->stream == s, "S6: a layer stands on the stream that has it");
    weir__timer_disarm(&layer->again);
    layer->stream = NULL;
    return layer;
}

weir_err weir__stream_attach(struct weir__stream *s, struct weir__detached d,
                             void (*on_ready)(struct weir__fd *fd, unsigned ready))
{
    WEIR_ASSERT(d.num >= 0, "S3: what a worker takes in has not ended");
    *s = (struct weir__stream){.layer = NULL};
    put(s, d.layer);
    weir_err err = weir__fd_watch(&s->fd, d.num, on_ready);
    if (err != WEIR_OK) {
        (void)take(s);
        s->fd.num = -1;
    }
    return err;
}

void weir__stream_put(struct weir__stream *s, struct weir__layer *layer)
{
    WEIR_ASSERT(s->layer == NULL && s->sender == NULL && s->fd.reader == NULL,
                "S1: nobody is in the middle of what a layer comes between");
    put(s, layer);
}

void weir__stream_strip(struct weir__stream *s)
{
    WEIR_ASSERT(s->sender == NULL, "S1: nobody is in the middle of what a layer stood between");
    struct weir__layer *layer = take(s);
    if (layer != NULL)
        layer->ops->free(layer);
}

struct weir__detached weir__stream_detach(struct weir__stream *s)
{
    WEIR_ASSERT(s->sender == NULL && s->fd.reader == NULL && s->fd.writer == NULL,
                "S3: nobody waits for a stream that goes to another worker");
    return (struct weir__detached){.layer = take(s), .num = weir__fd_unwatch(&s->fd)};
}

weir_err weir__stream_shutdown(struct weir__stream *s)
{
    WEIR_ASSERT(s->sender == NULL && !weir__stream_has_unsent(s),
                "S1: nobody sends on a stream whose sending ends");
    if (s->layer != NULL)
        return s->layer->ops->shutdown(s);
    return weir__poller_shutdown(&weir__self->poller, s->fd.num);
}

void weir__stream_close(struct weir__stream *s)
{
    if (s->fd.num < 0)
        return;
    if (s->layer != NULL && !s->layer->is_reset)
        s->layer->ops->close(s);
    struct weir__layer *layer = take(s);
    if (layer != NULL)
        layer->ops->free(layer);
    weir__fd_close(&s->fd);
}

void weir__detached_close(struct weir__detached d)
{
    WEIR_ASSERT(d.layer == NULL || d.layer->stream == NULL,
                "S6: between two workers a layer stands on nothing");
    if (d.layer != NULL)
        d.layer->ops->free(d.layer);
    weir__poller_close(&weir__self->poller, d.num);
}

void weir__stream_reset_on_close(struct weir__stream *s)
{
    struct linger none = {.l_onoff = 1};
    if (s->layer != NULL)
        s->layer->is_reset = true;
    (void)weir__sys_setsockopt(s->fd.num, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

/* --- receiving -------------------------------------------------------------------------------- */

static ssize_t recv_through(struct weir__ctx *c, struct weir__stream *s, void *buf, size_t len,
                            weir_time until)
{
    for (;;) {
        weir_err err = weir__ctx_check(c);
        if (err != WEIR_OK)
            return weir__wait_refused(err);
        if (s->layer == NULL)
            return -EBADF; /* closed while it waited */
        ssize_t n = s->layer->ops->recv(s, buf, len);
        WEIR_ASSERT(n < 0 || (size_t)n <= len, "S4: a layer gives no more than there is room for");
        if (n != -EAGAIN)
            return n;
        struct weir__op op = {.kind = WEIR__OP_READABLE, .fd = &s->fd};
        n = weir__io(c, &op, until);
        if (n < 0)
            return n;
    }
}

ssize_t weir__stream_recv(struct weir__ctx *c, struct weir__stream *s, void *buf, size_t len,
                          weir_time until)
{
    if (WEIR_LIKELY(s->layer == NULL))
        return weir__recv(c, &s->fd, buf, len, until);
    return recv_through(c, s, buf, len, until);
}

weir_err weir__stream_again(struct weir__stream *s)
{
    if (s->layer == NULL || !s->layer->ops->has_more(s))
        return weir__fd_again(&s->fd);
    weir__timer_arm(&weir__self->wheel, &s->layer->again, weir__worker_now(weir__self));
    return WEIR_OK;
}

/* --- sending ---------------------------------------------------------------------------------- */

weir_err weir__stream_await_room(struct weir__ctx *c, struct weir__stream *s, weir_time until)
{
    struct weir__op op = {.kind = WEIR__OP_WRITABLE, .fd = &s->fd};
    WEIR_ASSERT(s->sender == NULL, "S1: one fiber at a time waits for room");
    if (weir__stream_is_broken(s))
        return -EPIPE;
    weir_err err = weir__ctx_check(c);
    if (err != WEIR_OK)
        return weir__wait_refused(err); /* which may panic: not as the sender */
    s->fd.ready &= (uint8_t)~WEIR__WRITABLE;
    s->sender = weir__self->current;
    err = (weir_err)weir__io(c, &op, until);
    WEIR_ASSERT(s->sender == weir__self->current, "S1: who waits for room is the sender");
    s->sender = NULL;
    return err;
}

void weir__stream_give_way(struct weir__stream *s)
{
    WEIR_ASSERT(s->sender == NULL, "S1: one fiber at a time sends");
    s->sender = weir__self->current;
    weir__fiber_yield();
    WEIR_ASSERT(s->sender == weir__self->current, "S1: who gives way stays the sender");
    s->sender = NULL;
}

weir_err weir__stream_send(struct weir__ctx *c, struct weir__stream *s, const void *buf, size_t len,
                           size_t *sent, weir_time until)
{
    for (*sent = 0; *sent < len || weir__stream_has_unsent(s);) {
        weir_err err = weir__ctx_check(c);
        if (err != WEIR_OK)
            return weir__wait_refused(err);
        if (!weir__stream_is_open(s))
            return -EBADF;
        struct iovec rest = {(char *)(uintptr_t)buf + *sent, len - *sent};
        ssize_t n =
            rest.iov_len > 0 ? weir__stream_try_send(s, &rest, 1) : weir__stream_try_flush(s);
        WEIR_ASSERT(n < 0 || (size_t)n <= rest.iov_len, "S4: no more is taken than was given");
        if (n == -EAGAIN)
            err = weir__stream_await_room(c, s, until);
        else if (n < 0)
            err = (weir_err)n;
        else
            *sent += (size_t)n;
        if (err != WEIR_OK)
            return err;
    }
    return WEIR_OK;
}
