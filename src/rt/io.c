/*
 * Operations on descriptors. Who parks on one is its `reader` or `writer`; the worker hands out
 * here what its poller has found, and the operation is tried again.
 */
#include "rt/io.h"

#include "base/assert.h"
#include "rt/runtime.h"

/* A wait is on its descriptor's reader or writer slot, which is its queue; its type tells which. */
static const struct weir__wait_type io_types[];

static bool is_reading(unsigned kind)
{
    return kind == WEIR__OP_RECV || kind == WEIR__OP_ACCEPT || kind == WEIR__OP_READABLE;
}

static struct weir__wait **slot_of(const struct weir__wait *w)
{
    struct weir__fd *fd = w->object;
    WEIR_ASSERT(w->type >= io_types && w->type <= &io_types[WEIR__OP_WRITABLE],
                "I1: who waits for a descriptor has an operation on it");
    return is_reading((unsigned)(w->type - io_types)) ? &fd->reader : &fd->writer;
}

static bool abandon_io(struct weir__wait *w)
{
    WEIR_ASSERT(w->fiber->worker == weir__self, "I2: a descriptor's worker alone touches it");
    if (*slot_of(w) != w)
        return false;
    *slot_of(w) = NULL;
    return true;
}

static void describe_io(const struct weir__wait *w, weir_buf *out)
{
    const struct weir__fd *fd = w->object;
    weir_buf_printf(out, "descriptor %d", fd->num);
}

/* It waits as before, elsewhere. */
static void moved_io(struct weir__wait *w, struct weir__wait *from)
{
    WEIR_ASSERT(*slot_of(w) == from, "I1: who moves was the one that waits");
    *slot_of(w) = w;
}

/* Who waits for a peer to say something may wait for long. */
#define IO_TYPE(name_, moved_)                                                                     \
    {                                                                                              \
        .name = (name_), .abandon = abandon_io, .describe = describe_io, .moved = (moved_)         \
    }
static const struct weir__wait_type io_types[] = {
    [WEIR__OP_RECV] = IO_TYPE("recv", moved_io),
    [WEIR__OP_SEND] = IO_TYPE("send", NULL),
    [WEIR__OP_SENDV] = IO_TYPE("send", NULL),
    [WEIR__OP_ACCEPT] = IO_TYPE("accept", moved_io),
    [WEIR__OP_CONNECT] = IO_TYPE("connect", NULL),
    [WEIR__OP_READABLE] = IO_TYPE("readable", moved_io),
    [WEIR__OP_WRITABLE] = IO_TYPE("writable", NULL),
};
#undef IO_TYPE

/*
 * Has all that came been received? Then the next byte makes an event, and to ask before it would be
 * a system call for nothing: who has just sent a request has no answer yet.
 */
static bool is_drained(const struct weir__op *op)
{
    unsigned ready = op->fd->ready & (WEIR__READABLE | WEIR__PEER_CLOSED | WEIR__BROKEN);
    return op->kind == WEIR__OP_RECV && ready == 0;
}

ssize_t weir__io(struct weir__ctx *c, struct weir__op *op, weir_time until)
{
    struct weir__worker *w = weir__self;
    for (;;) {
        weir_err err = weir__ctx_check(c);
        if (err != WEIR_OK)
            return weir__wait_refused(err);
        if (op->fd->num < 0)
            return -EBADF;
        if (!is_drained(op) && weir__poller_submit(&w->poller, op))
            return op->result;
        struct weir__wait wait;
        weir__wait_init(&wait, &io_types[op->kind], c, NULL, op->fd);
        struct weir__wait **slot = slot_of(&wait);
        WEIR_ASSERT(*slot == NULL, "I1: one reader and one writer at a time");
        *slot = &wait;
        err = weir__park(&wait, until);
        if (err != WEIR_OK)
            return err;
    }
}

/* What waits for `ready` goes on; the rest is on_ready's. */
void weir__fd_dispatch(struct weir__fd *fd, unsigned ready)
{
    WEIR_ASSERT(fd->is_watched, "I2: what is told of is watched");
    fd->ready |= (uint8_t)ready;
    unsigned rest = ready;
    struct weir__wait *reader = fd->reader, *writer = fd->writer;
    if (reader != NULL && (ready & (WEIR__READABLE | WEIR__PEER_CLOSED | WEIR__BROKEN)) != 0) {
        WEIR_ASSERT(reader->object == fd, "I1: a descriptor's reader waits for it");
        fd->reader = NULL;
        rest &= ~(unsigned)WEIR__READABLE;
        weir__wake(reader, WEIR_OK);
    }
    if (writer != NULL && (ready & (WEIR__WRITABLE | WEIR__BROKEN)) != 0) {
        WEIR_ASSERT(writer->object == fd, "I1: a descriptor's writer waits for it");
        fd->writer = NULL;
        weir__wake(writer, WEIR_OK);
    }
    if (!fd->tells_room)
        rest &= ~(unsigned)WEIR__WRITABLE;
    if (rest != 0 && fd->on_ready != NULL)
        fd->on_ready(fd, rest);
}

static weir_err watch(struct weir__fd *fd, int num, bool is_shared,
                      void (*on_ready)(struct weir__fd *fd, unsigned ready))
{
    struct weir__worker *w = weir__self;
    WEIR_ASSERT(num >= 0, "I2: what is watched is open");
    fd->num = num;
    fd->ready = WEIR__READABLE | WEIR__WRITABLE;
    fd->is_shared = is_shared;
    fd->tells_room = false;
    fd->reader = fd->writer = NULL;
    fd->on_ready = on_ready;
    weir_err err = w->poller.ops->watch(&w->poller, fd);
    fd->is_watched = err == WEIR_OK;
    return err;
}

weir_err weir__fd_watch(struct weir__fd *fd, int num,
                        void (*on_ready)(struct weir__fd *fd, unsigned ready))
{
    return watch(fd, num, false, on_ready);
}

weir_err weir__fd_watch_shared(struct weir__fd *fd, int num,
                               void (*on_ready)(struct weir__fd *fd, unsigned ready))
{
    return watch(fd, num, true, on_ready);
}

weir_err weir__fd_again(struct weir__fd *fd)
{
    struct weir__poller *p = &weir__self->poller;
    WEIR_ASSERT(fd->is_watched, "I2: what is to be told of again is watched");
    return p->ops->again(p, fd);
}

static int stop_watching(struct weir__fd *fd, bool is_closing)
{
    struct weir__worker *w = weir__self;
    if (fd->is_watched)
        weir__poller_unwatch(&w->poller, fd, is_closing);
    fd->is_watched = false;
    struct weir__wait *waits[] = {fd->reader, fd->writer};
    fd->reader = fd->writer = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (waits[i] == NULL)
            continue;
        WEIR_ASSERT(waits[i]->object == fd, "I1: who waits for a descriptor is told of its end");
        weir__wake(waits[i], -ECANCELED);
    }
    int num = fd->num;
    fd->num = -1;
    return num;
}

int weir__fd_unwatch(struct weir__fd *fd)
{
    return stop_watching(fd, false);
}

void weir__fd_close(struct weir__fd *fd)
{
    if (fd->num < 0)
        return;
    int num = stop_watching(fd, true);
    weir__poller_close(&weir__self->poller, num);
}

/* --- the usual ones ----------------------------------------------------------------------- */

static ssize_t try_once(struct weir__op *op)
{
    return weir__poller_submit(&weir__self->poller, op) ? op->result : -EAGAIN;
}

ssize_t weir__try_recv(struct weir__fd *fd, void *buf, size_t len)
{
    struct weir__op op;
    op.kind = WEIR__OP_RECV;
    op.fd = fd;
    op.u.buf.ptr = buf;
    op.u.buf.len = len;
    return try_once(&op);
}

ssize_t weir__try_send(struct weir__fd *fd, const void *buf, size_t len)
{
    struct weir__op op;
    op.kind = WEIR__OP_SEND;
    op.fd = fd;
    op.u.buf.ptr = (void *)(uintptr_t)buf;
    op.u.buf.len = len;
    return try_once(&op);
}

ssize_t weir__try_sendv(struct weir__fd *fd, const struct iovec *vec, int count)
{
    struct weir__op op;
    op.kind = WEIR__OP_SENDV;
    op.fd = fd;
    op.u.iov.vec = vec;
    op.u.iov.count = count;
    return try_once(&op);
}

ssize_t weir__recv(struct weir__ctx *c, struct weir__fd *fd, void *buf, size_t len, weir_time until)
{
    struct weir__op op;
    op.kind = WEIR__OP_RECV;
    op.fd = fd;
    op.u.buf.ptr = buf;
    op.u.buf.len = len;
    return weir__io(c, &op, until);
}

ssize_t weir__send(struct weir__ctx *c, struct weir__fd *fd, const void *buf, size_t len,
                   weir_time until)
{
    struct weir__op op;
    op.kind = WEIR__OP_SEND;
    op.fd = fd;
    op.u.buf.ptr = (void *)(uintptr_t)buf;
    op.u.buf.len = len;
    return weir__io(c, &op, until);
}

ssize_t weir__sendv(struct weir__ctx *c, struct weir__fd *fd, const struct iovec *vec, int count,
                    weir_time until)
{
    struct weir__op op;
    op.kind = WEIR__OP_SENDV;
    op.fd = fd;
    op.u.iov.vec = vec;
    op.u.iov.count = count;
    return weir__io(c, &op, until);
}

weir_err weir__wait_fd(struct weir__ctx *c, int num, unsigned events, weir_time until)
{
    struct weir__fd fd;
    weir_err err = weir__fd_watch(&fd, num, NULL);
    if (err != WEIR_OK)
        return err;
    fd.ready = 0; /* somebody else's descriptor: only the poller knows */
    struct weir__op op;
    op.kind = (events & WEIR__WRITABLE) != 0 ? WEIR__OP_WRITABLE : WEIR__OP_READABLE;
    op.fd = &fd;
    ssize_t n = weir__io(c, &op, until);
    WEIR_ASSERT(fd.reader == NULL && fd.writer == NULL, "I1: nobody waits for what is given back");
    (void)weir__fd_unwatch(&fd);
    return n < 0 ? (weir_err)n : WEIR_OK;
}
