/*
 * The end of a connection in stages (RFC 9112 section 9.6). The last answer has left, and its
 * client may still be sending: a body that nobody reads, more requests. Closing now would make the
 * kernel answer what comes with a reset, and a client, or a proxy in front of many, that is told of
 * the reset while it sends never looks at the answer.
 *
 * So our side is shut, and what still comes is thrown away until the client closes too, which it
 * does when it has read the answer. Within limits: of bytes, of time in all, and of silence, after
 * which the client has what it wants. No fiber: the connection is its struct and a place in a
 * bucket, as one at rest is.
 *
 * When the time is over and the client has not taken all of the answer it is reset, so that the
 * kernel does not keep for long what nobody fetches.
 */
#include "base/assert.h"
#include "http/common/conn.h"

#define SILENCE_TICKS 6       /* at least 5 seconds */
#define TURN_BYTES (1u << 20) /* thrown away before others have their turn */
#define DRAINING_TICKS 3      /* a process that ends waits so long at most */

static uint32_t earlier(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void wait_for_more(struct weir__http_conn *c)
{
    WEIR_ASSERT(c->linger.bytes < c->home->server->in_bytes ||
                    c->linger.bytes - c->home->server->in_bytes <=
                        c->home->server->options.linger_bytes_max,
                "N9: no more is thrown away than linger_bytes_max and one receive");
    uint32_t silence = c->home->is_draining ? 2 : SILENCE_TICKS;
    weir__idle_due(c, earlier(c->linger.until, weir__idle_after(c->home, silence)));
}

/* Others first; then it goes on as if the rest had just come. */
static void go_on_later(struct weir__http_conn *c)
{
    if (weir__stream_again(&c->stream) == WEIR_OK)
        wait_for_more(c);
    else
        weir__conn_close(c);
}

void weir__linger_on(struct weir__http_conn *c)
{
    const struct weir__http_server *s = c->home->server;
    WEIR_ASSERT(c->state == WEIR__CONN_LINGER, "N9: only then it has `linger` in place of `own`");
    struct weir__http_in *in = weir__pool_in(c->home);
    ssize_t n = -ENOMEM;
    for (uint64_t turn = 0; in != NULL && turn < TURN_BYTES; turn += (uint64_t)n) {
        if (c->linger.bytes > s->options.linger_bytes_max)
            n = 0;
        else
            n = weir__stream_try_recv(&c->stream, in->bytes, s->in_bytes);
        if (n <= 0)
            break;
        c->linger.bytes += (uint64_t)n;
    }
    if (in != NULL)
        weir__pool_give_in(c->home, in);
    if (n > 0)
        go_on_later(c);
    else if (n == -EAGAIN)
        wait_for_more(c);
    else
        weir__conn_close(c);
}

void weir__linger_begin(struct weir__http_conn *c)
{
    struct weir__http_worker *home = c->home;
    WEIR_ASSERT(!c->is_broken && !c->is_reset_due, "N9: who lingers has an answer to fetch");
    if (home->linger_ticks == 0 || weir__stream_has_unsent(&c->stream)) {
        weir__conn_close(c);
        return;
    }
    c->version->release(c); /* before `linger` lies where `own` has been */
    c->state = WEIR__CONN_LINGER;
    c->linger.bytes = 0;
    c->linger.until = weir__idle_after(home, home->linger_ticks);
    if (home->is_draining)
        weir__linger_hurry(c);
    (void)weir__stream_shutdown(&c->stream);
    weir__linger_on(c);
}

void weir__linger_hurry(struct weir__http_conn *c)
{
    WEIR_ASSERT(c->state == WEIR__CONN_LINGER, "N9: only then it has `linger` in place of `own`");
    c->linger.until = earlier(c->linger.until, weir__idle_after(c->home, DRAINING_TICKS));
    weir__idle_due(c, earlier(c->due, c->linger.until));
}

void weir__linger_timed_out(struct weir__http_conn *c)
{
    WEIR_ASSERT(c->state == WEIR__CONN_LINGER, "N9: the time of its end has begun");
    c->is_reset_due = weir__stream_unacknowledged(&c->stream) > 0;
    weir__conn_close(c);
}
