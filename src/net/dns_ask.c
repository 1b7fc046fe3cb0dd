/*
 * The transport of questions. c-ares has one too, and it is left aside (docs/design/names.md): its
 * time is the kernel's, and its questions share a port.
 *
 * The hard thing is to be lied to. Each time a server is asked there is a new socket, thus a port
 * that the kernel draws, and a new id for each question; the socket is connected, so that the
 * kernel lets nobody else's datagrams through; and who sends many that are no answer is not
 * listened to: then the question goes over TCP, where guessing does not help (RFC 5452, 9.3).
 */
#include "net/dns_ask.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/random.h"
#include "rt/context.h"
#include "rt/io.h"
#include "rt/worker.h"

#define STRAYS_MAX 32            /* datagrams that are no answer, until TCP is tried */
#define OTHER_FAMILY_NS 50000000 /* RFC 8305, 3: Resolution Delay */

struct talk {
    struct weir__ctx *ctx;
    const struct weir__endpoint *server;
    weir_time until;
    struct weir__dns_question questions[WEIR__DNS_FAMILIES];
    struct weir__dns_answer *answers;
};

/* A connected socket, watched; on an error there is none. */
static weir_err connect_to(struct talk *t, struct weir__fd *fd, bool is_stream)
{
    WEIR_ASSERT(t->server->port != 0, "N6: a server has a port");
    struct weir__poller *p = &weir__self->poller;
    struct sockaddr_storage addr;
    socklen_t len = weir__endpoint_to_kernel(t->server, &addr);
    int num = is_stream ? weir__poller_socket(p, t->server->family)
                        : weir__poller_datagram(p, t->server->family);
    if (num < 0)
        return num;
    weir_err err = weir__fd_watch(fd, num, NULL);
    struct weir__op op = {.kind = WEIR__OP_CONNECT, .fd = fd, .u.addr = {&addr, len}};
    if (err == WEIR_OK)
        err = (weir_err)weir__io(t->ctx, &op, t->until);
    if (err < 0)
        weir__fd_close(fd);
    return err;
}

/* --- datagrams ---------------------------------------------------------------------------- */

static bool is_settled(const struct talk *t)
{
    return t->answers[WEIR__DNS_SIX].says != WEIR__DNS_NOTHING &&
           t->answers[WEIR__DNS_FOUR].says != WEIR__DNS_NOTHING;
}

static bool has_addresses(const struct talk *t)
{
    return t->answers[WEIR__DNS_SIX].count + t->answers[WEIR__DNS_FOUR].count > 0;
}

/* To which of the open questions is it the answer? `*is_stray`: to none. */
static weir_err sort(struct talk *t, const uint8_t *bytes, size_t len, bool *is_stray)
{
    *is_stray = true;
    for (int i = 0; i < WEIR__DNS_FAMILIES && *is_stray; i++) {
        if (t->answers[i].says != WEIR__DNS_NOTHING)
            continue;
        weir_err err = weir__dns_read(&t->questions[i], bytes, len, &t->answers[i]);
        if (err < 0)
            return err;
        *is_stray = t->answers[i].says == WEIR__DNS_NOTHING;
        if (t->answers[i].says == WEIR__DNS_NO_NAME) /* whatever the family */
            t->answers[0] = t->answers[1] = t->answers[i];
    }
    return WEIR_OK;
}

static weir_time sooner(weir_time a, weir_time b)
{
    return a.ns < b.ns ? a : b;
}

static weir_err hear(struct talk *t, struct weir__fd *fd)
{
    uint8_t bytes[WEIR__DNS_DATAGRAM_MAX + 1];
    weir_time until = t->until;
    bool had_addresses = false;
    for (unsigned strays = 0; !is_settled(t) && strays < STRAYS_MAX;) {
        bool is_stray = false;
        fd->ready |= WEIR__READABLE; /* a short datagram says nothing of the next one */
        ssize_t n = weir__recv(t->ctx, fd, bytes, sizeof bytes, until);
        if (n == WEIR_ETIMEDOUT && has_addresses(t) && weir__ctx_check(t->ctx) == WEIR_OK)
            return WEIR_OK;
        weir_err err = n < 0 ? (weir_err)n : sort(t, bytes, (size_t)n, &is_stray);
        if (err < 0)
            return err;
        strays += is_stray;
        if (has_addresses(t) && !had_addresses)
            until = sooner(until,
                           weir_time_add(weir__worker_now(weir__self), weir_ns(OTHER_FAMILY_NS)));
        had_addresses = has_addresses(t);
    }
    for (int i = 0; i < WEIR__DNS_FAMILIES; i++) {
        if (t->answers[i].says == WEIR__DNS_NOTHING)
            t->answers[i].says = WEIR__DNS_CUT;
    }
    WEIR_ASSERT(is_settled(t), "N7: what no datagram has answered is asked over TCP");
    return WEIR_OK;
}

static weir_err ask_by_datagrams(struct talk *t)
{
    struct weir__fd fd;
    weir_err err = connect_to(t, &fd, false);
    if (err < 0)
        return err;
    for (int i = 0; i < WEIR__DNS_FAMILIES && err == WEIR_OK; i++) {
        ssize_t n = weir__send(t->ctx, &fd, t->questions[i].bytes, t->questions[i].len, t->until);
        err = n < 0 ? (weir_err)n : WEIR_OK;
    }
    if (err == WEIR_OK)
        err = hear(t, &fd);
    weir__fd_close(&fd);
    return err;
}

/* --- TCP ---------------------------------------------------------------------------------- */

/* Length and message (RFC 1035, 4.2.2). */
static weir_err say_all(struct talk *t, struct weir__fd *fd, const struct weir__dns_question *q)
{
    WEIR_ASSERT(q->len > 0 && q->len <= WEIR__DNS_QUESTION_MAX,
                "N7: a question fits where it is written");
    uint8_t bytes[2 + WEIR__DNS_QUESTION_MAX] = {(uint8_t)(q->len >> 8), (uint8_t)q->len};
    memcpy(bytes + 2, q->bytes, q->len);
    for (size_t sent = 0; sent < q->len + 2;) {
        ssize_t n = weir__send(t->ctx, fd, bytes + sent, q->len + 2 - sent, t->until);
        if (n < 0)
            return (weir_err)n;
        WEIR_ASSERT((size_t)n <= q->len + 2 - sent, "S4: no more is taken than was given");
        sent += (size_t)n;
    }
    return WEIR_OK;
}

static weir_err hear_all(struct talk *t, struct weir__fd *fd, uint8_t *bytes, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = weir__recv(t->ctx, fd, bytes + got, len - got, t->until);
        if (n <= 0)
            return n < 0 ? (weir_err)n : WEIR_EPROTO;
        WEIR_ASSERT((size_t)n <= len - got, "S4: no more comes than there is room for");
        got += (size_t)n;
    }
    return WEIR_OK;
}

static weir_err exchange(struct talk *t, struct weir__fd *fd, int i)
{
    uint8_t head[2] = {0};
    weir_err err = say_all(t, fd, &t->questions[i]);
    if (err == WEIR_OK)
        err = hear_all(t, fd, head, sizeof head);
    if (err < 0)
        return err;
    size_t len = (size_t)head[0] << 8 | head[1];
    if (len > WEIR__DNS_STREAM_MAX)
        return WEIR_ETOOLARGE;
    uint8_t *bytes = weir__ctx_alloc(t->ctx, len + 1);
    if (bytes == NULL)
        return -ENOMEM;
    err = hear_all(t, fd, bytes, len);
    if (err == WEIR_OK)
        err = weir__dns_read(&t->questions[i], bytes, len, &t->answers[i]);
    enum weir__dns_says says = t->answers[i].says;
    if (says == WEIR__DNS_NOTHING || says == WEIR__DNS_CUT)
        t->answers[i] = (struct weir__dns_answer){.says = WEIR__DNS_FAILED};
    return err;
}

static weir_err ask_by_stream(struct talk *t, int i)
{
    struct weir__fd fd;
    WEIR_ASSERT(t->answers[i].says == WEIR__DNS_CUT,
                "N7: only what a datagram did not hold is asked over TCP");
    weir_err err = connect_to(t, &fd, true);
    if (err < 0)
        return err;
    err = exchange(t, &fd, i);
    weir__fd_close(&fd);
    return err;
}

/* --- both --------------------------------------------------------------------------------- */

/* Does a failure of the one family matter? Not where the other has addresses. */
static weir_err settle(const struct talk *t, weir_err err, unsigned *rcode)
{
    weir_err over = weir__ctx_check(t->ctx);
    if (over < 0 || err == -ENOMEM)
        return over < 0 ? over : err;
    if (has_addresses(t))
        return WEIR_OK;
    WEIR_ASSERT(err < 0 || is_settled(t), "N7: without an error both questions are answered");
    for (int i = 0; i < WEIR__DNS_FAMILIES && err == WEIR_OK; i++) {
        if (t->answers[i].says != WEIR__DNS_FAILED)
            continue;
        *rcode = t->answers[i].rcode;
        err = WEIR_ENOHOST;
    }
    return err;
}

weir_err weir__dns_ask(struct weir__ctx *c, const struct weir__endpoint *server, const char *name,
                       weir_time until, struct weir__dns_answer answers[WEIR__DNS_FAMILIES],
                       unsigned *rcode)
{
    static const int families[WEIR__DNS_FAMILIES] = {AF_INET6, AF_INET};
    struct talk t = {.ctx = c, .server = server, .until = until, .answers = answers};
    uint16_t ids[WEIR__DNS_FAMILIES];
    weir__crypto_random(ids, sizeof ids);
    *rcode = 0;
    for (int i = 0; i < WEIR__DNS_FAMILIES; i++) {
        answers[i] = (struct weir__dns_answer){.says = WEIR__DNS_NOTHING};
        weir_err err = weir__dns_ask_for(&t.questions[i], name, families[i], ids[i]);
        if (err < 0)
            return err;
    }
    weir_err err = ask_by_datagrams(&t);
    for (int i = 0; i < WEIR__DNS_FAMILIES && err == WEIR_OK; i++) {
        if (answers[i].says == WEIR__DNS_CUT)
            err = ask_by_stream(&t, i);
    }
    return settle(&t, err, rcode);
}
