/*
 * TLS on a stream. libssl never touches a descriptor: it reads and writes through a BIO of ours
 * that all connections of a worker share. Reading, it has the poller receive straight into libssl's
 * buffer. Writing, it gathers records in a buffer of the worker, which leaves by one send when the
 * call is over; what the socket does not take is the connection's, to be flushed later. So a
 * connection owns no buffer of output while its peer keeps up, and a handshake's flight, or a
 * head and its body, are one send.
 *
 * The hard thing is what no event tells of: libssl reads ahead, so whole records may lie inside
 * when the socket has nothing any more. After each receive it is asked, and who finds `has_more`
 * asks again until -EAGAIN (S2). Then at most a part of a record is inside, whose rest makes an
 * event.
 *
 * Errors stay: libssl must not be called again after a fatal one, and after a failed send nobody
 * knows what the peer has got.
 *
 * Owns: the SSL, which holds its SSL_CTX, and bytes that are to leave. Context: the stream's
 * worker.
 */
#include "net/tls_inside.h"

#if WEIR_TLS

#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "crypto/refusal.h"
#include "rt/context.h"

enum {
    RECORD_BYTES = 16 << 10,        /* of plain text: the most that one may hold (section 5.1) */
    FIRST_BYTES = 4 << 10,          /* of the first of many */
    TAKEN_BYTES = 4 * RECORD_BYTES, /* at most, of one send */
    SEALED_BYTES = TAKEN_BYTES + (8 << 10), /* what becomes of them, and a handshake's flight */
    UNSENT_BYTES_MAX = 256 << 10,           /* a handshake of a peer that reads nothing */
    DATALESS_MAX = 64, /* records without data at a time: new keys, tickets, warnings */
    WORDS_BYTES = 320
};

struct tls {
    struct weir__layer layer;
    SSL *ssl;
    struct weir__tls_client *client; /* NULL: it is the server's end */
    weir_err err;                    /* that stays, of both ways */
    weir_err send_err;               /* that stays, of sending alone */
    weir_err io_err;                 /* of the socket, in the call that goes on */
    uint8_t failure;                 /* weir__tls_failure */
    uint8_t dataless;                /* records since the last with data */
    bool is_done;                    /* the handshake is over */
    bool has_inside;                 /* see above */
    bool has_ended;                  /* the peer has said that it sends no more */
    bool is_cut;                     /* the socket's end has come */
    bool is_shut;                    /* we have said so */
    bool has_sent;                   /* since the peer has sent something */
    struct weir__tls_hello hello;    /* of a server's */
    char *unsent;                    /* sealed bytes that the socket did not take */
    size_t unsent_at, unsent_len;
    uint16_t port; /* see `name` */
    size_t name_len;
    char name[]; /* that a client has connected to */
};

static struct tls *tls_of(const struct weir__stream *s)
{
    return WEIR_CONTAINER(s->layer, struct tls, layer);
}

/* For who comes by another way than the stream's. */
static struct tls *asked(const struct weir__stream *s)
{
    WEIR_ASSERT(weir__tls_is_on(s), "T7: who asks TLS has it on");
    return tls_of(s);
}

/* --- of the worker ---------------------------------------------------------------------------- */

/* What lends itself to the connection that is in a call. */
static _Thread_local struct {
    BIO *bio;
    struct tls *now;
    char *sealed, *gathered; /* one piece of memory */
    size_t sealed_len;
    weir_buf words; /* of a certificate that is refused */
    char words_bytes[WORDS_BYTES];
} here;

static BIO_METHOD *method;
static pthread_key_t end_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int bio_read(BIO *b, char *buf, int len)
{
    struct tls *l = here.now;
    WEIR_ASSERT(l != NULL, "T1: what is read is read for the connection in a call");
    BIO_clear_retry_flags(b);
    if (l->failure == WEIR__TLS_MALFORMED)
        return -1; /* it is over: see fail_by_queue */
    ssize_t n = weir__try_recv(&l->layer.stream->fd, buf, (size_t)len);
    if (n > 0) {
        if (!l->is_done && l->client == NULL && l->failure == WEIR__TLS_WELL)
            l->failure = (uint8_t)weir__tls_hello_see(&l->hello, buf, (size_t)n);
        return l->failure == WEIR__TLS_MALFORMED ? -1 : (int)n;
    }
    if (n == -EAGAIN)
        BIO_set_retry_read(b);
    else if (n == 0)
        l->is_cut = true;
    else
        l->io_err = (weir_err)n;
    return -1;
}

static int bio_write(BIO *b, const char *bytes, int len)
{
    size_t room = SEALED_BYTES - here.sealed_len;
    size_t n = (size_t)len < room ? (size_t)len : room;
    WEIR_ASSERT(here.now != NULL && here.sealed_len <= SEALED_BYTES,
                "T1: what is sealed is of the connection in a call");
    BIO_clear_retry_flags(b);
    if (n == 0) {
        BIO_set_retry_write(b);
        return -1;
    }
    memcpy(here.sealed + here.sealed_len, bytes, n);
    here.sealed_len += n;
    return (int)n;
}

static long bio_control(BIO *b, int what, long number, void *pointer)
{
    (void)b, (void)number, (void)pointer;
    if (what == BIO_CTRL_EOF)
        return here.now->is_cut;
    return what == BIO_CTRL_FLUSH;
}

static void free_here(void *unused)
{
    (void)unused;
    WEIR_ASSERT(here.now == NULL && here.sealed_len == 0, "T1: a thread ends in no call");
    BIO_free(here.bio);
    weir__free(here.sealed);
    here.bio = NULL;
    here.sealed = NULL;
}

static void make_method(void)
{
    int rc = pthread_key_create(&end_key, free_here);
    WEIR_ASSERT(rc == 0, "a key for a thread's end can be made");
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir stream");
    if (m != NULL && BIO_meth_set_read(m, bio_read) == 1 && BIO_meth_set_write(m, bio_write) == 1 &&
        BIO_meth_set_ctrl(m, bio_control) == 1)
        method = m;
}

/* Makes what the thread lacks, once; false: no memory. */
static bool be_here(void)
{
    if (WEIR_LIKELY(here.bio != NULL))
        return true;
    pthread_once(&once, make_method);
    if (method == NULL || pthread_setspecific(end_key, &here) != 0)
        return false;
    if (here.sealed == NULL)
        here.sealed = weir__malloc(SEALED_BYTES + RECORD_BYTES);
    if (here.sealed == NULL)
        return false;
    here.gathered = here.sealed + SEALED_BYTES;
    here.bio = BIO_new(method);
    if (here.bio != NULL)
        BIO_set_init(here.bio, 1);
    return here.bio != NULL;
}

/* Before libssl is called for `l`, on whatever worker that is now. Then leave(). */
static weir_err enter(struct tls *l)
{
    WEIR_ASSERT(here.now == NULL && here.sealed_len == 0, "T1: one connection at a time is sealed");
    WEIR_ASSERT(l->err == WEIR_OK, "T4: libssl is not called again after an error that stays");
    if (!be_here())
        return -ENOMEM;
    if (SSL_get_rbio(l->ssl) != here.bio) {
        BIO_up_ref(here.bio);
        BIO_up_ref(here.bio);
        SSL_set0_rbio(l->ssl, here.bio);
        SSL_set0_wbio(l->ssl, here.bio);
    }
    here.now = l;
    l->io_err = WEIR_OK;
    weir__crypto_forget();
    return WEIR_OK;
}

static weir_err keep(struct tls *l, const char *bytes, size_t len)
{
    size_t kept = l->unsent_len - l->unsent_at;
    WEIR_ASSERT(len > 0 && l->unsent_at <= l->unsent_len,
                "T5: what is kept is something, behind what is kept already");
    if (kept + len > UNSENT_BYTES_MAX)
        return WEIR_ELIMIT;
    char *all = weir__malloc(kept + len);
    if (all == NULL)
        return -ENOMEM;
    if (l->unsent != NULL)
        memcpy(all, l->unsent + l->unsent_at, kept);
    memcpy(all + kept, bytes, len);
    weir__free(l->unsent);
    l->unsent = all;
    l->unsent_at = 0;
    l->unsent_len = kept + len;
    return WEIR_OK;
}

/* How many the socket takes; the error that is none of room in `*err`. */
static size_t send_some(struct tls *l, const char *bytes, size_t len, weir_err *err)
{
    size_t at = 0;
    while (at < len) {
        ssize_t n = weir__try_send(&l->layer.stream->fd, bytes + at, len - at);
        if (n < 0) {
            *err = n == -EAGAIN ? WEIR_OK : (weir_err)n;
            break;
        }
        WEIR_ASSERT((size_t)n <= len - at, "S4: no more is taken than was given");
        at += (size_t)n;
    }
    return at;
}

/* After libssl was called: what it has sealed goes to the socket, or is kept. */
static void leave(struct tls *l)
{
    size_t at = 0, len = here.sealed_len;
    weir_err err = WEIR_OK;
    WEIR_ASSERT(here.now == l, "T1: who leaves has entered");
    here.now = NULL;
    here.sealed_len = 0;
    if (len == 0 || l->send_err < 0 || l->failure == WEIR__TLS_PLAIN)
        return;
    if (l->unsent == NULL)
        at = send_some(l, here.sealed, len, &err);
    if (err == WEIR_OK && at < len)
        err = keep(l, here.sealed + at, len - at);
    l->send_err = err;
}

/*
 * libssl goes on until there is data or nothing comes any more, so a peer that sends one KeyUpdate
 * after the other (RFC 8446 section 4.6.3) would keep the worker.
 */
void weir__tls_see_record(void)
{
    struct tls *l = here.now;
    WEIR_ASSERT(l != NULL, "T1: a record is of the connection in a call");
    if (l->is_done && ++l->dataless > DATALESS_MAX) {
        l->failure = WEIR__TLS_MALFORMED;
        l->dataless = 0;
    }
}

weir_buf *weir__tls_words(void)
{
    WEIR_ASSERT(here.now != NULL, "T1: a refusal is of the connection in a call");
    return &here.words;
}

static struct weir__tls_peer peer_of(const struct tls *l)
{
    return (struct weir__tls_peer){{l->name, l->name_len}, l->port};
}

struct weir__tls_peer weir__tls_peer_of(const SSL *ssl, struct weir__tls_client **client)
{
    WEIR_ASSERT(here.now != NULL && here.now->ssl == ssl, "T1: one connection at a time is served");
    *client = here.now->client;
    return peer_of(here.now);
}

/* --- why it failed ---------------------------------------------------------------------------- */

static void fail(struct tls *l, enum weir__tls_failure failure, weir_err err)
{
    enum weir__tls_side side = l->client != NULL ? WEIR__TLS_CLIENT : WEIR__TLS_SERVER;
    WEIR_ASSERT(failure != WEIR__TLS_WELL && err < 0 && l->err == WEIR_OK,
                "T4: a connection fails once, by an error");
    l->failure = (uint8_t)failure;
    l->err = err;
    l->has_inside = false;
    weir__tls_count(&weir__tls_numbers.sides[side].failures[failure]);
}

/* After a call that says SSL_ERROR_SSL or SSL_ERROR_SYSCALL, while the queue has its reasons. */
static void fail_by_queue(struct tls *l)
{
    unsigned long first = ERR_peek_error();
    if (l->failure != WEIR__TLS_WELL) /* we have seen it */
        fail(l, l->failure, l->failure == WEIR__TLS_PLAIN ? WEIR_EPROTO : WEIR_ETLS);
    else if (l->io_err < 0)
        fail(l, WEIR__TLS_OTHER, l->io_err);
    else if (weir__crypto_lacked_memory() || ERR_GET_REASON(first) == ERR_R_MALLOC_FAILURE)
        fail(l, WEIR__TLS_OTHER, -ENOMEM);
    else if (l->is_cut)
        fail(l, WEIR__TLS_CUT, l->is_done ? -ECONNRESET : WEIR_ETLS);
    else
        fail(l, weir__tls_failure_of(first), WEIR_ETLS);
}

static const char *const sentences[WEIR__TLS_FAILURES] = {
    [WEIR__TLS_PLAIN] = "a plain request came where TLS is spoken",
    [WEIR__TLS_CUT] = "the other end has closed the connection instead of answering",
    [WEIR__TLS_MALFORMED] = "what came is no TLS",
    [WEIR__TLS_VERSION] = "no version of TLS in common",
    [WEIR__TLS_CIPHER] = "no cipher in common",
    [WEIR__TLS_PROTOCOL] = "no protocol in common (ALPN)",
    [WEIR__TLS_CERTIFICATE] = "the certificate is refused",
    [WEIR__TLS_NO_CERTIFICATE] = "the other end shows no certificate",
    [WEIR__TLS_REFUSED] = "the other end refuses",
    [WEIR__TLS_OTHER] = "the connection is broken",
};

/* The reason of a handshake that has just failed; the queue still has it. */
static void tell_why(const struct tls *l, weir_buf *why)
{
    unsigned long first = ERR_peek_error();
    const char *alert = weir__tls_alert_of(first);
    const char *reason = ERR_reason_error_string(first);
    if (why == NULL)
        return;
    WEIR_ASSERT(l->err < 0 && sentences[l->failure] != NULL, "T4: an error is told in words");
    weir_buf_puts(why, weir_str_from(sentences[l->failure]));
    if (l->failure == WEIR__TLS_OTHER)
        weir_buf_printf(why, ": %s", weir_strerror(l->err));
    else if (l->failure == WEIR__TLS_CERTIFICATE && here.words.len > 0)
        weir_buf_printf(why, ": " WEIR_STR_FMT, WEIR_STR_ARG(weir_buf_str(&here.words)));
    else if (alert != NULL)
        weir_buf_printf(why, ": %s", alert);
    else if (l->failure == WEIR__TLS_MALFORMED && reason != NULL)
        weir_buf_printf(why, ": %s", reason);
}

enum weir__tls_failure weir__tls_failure(const struct weir__stream *s)
{
    return asked(s)->failure;
}

/* --- the handshake ---------------------------------------------------------------------------- */

static weir_err flush(struct weir__stream *s)
{
    struct tls *l = tls_of(s);
    if (l->send_err < 0 || l->unsent == NULL)
        return l->send_err;
    WEIR_ASSERT(l->unsent_at < l->unsent_len, "T5: what is kept is something");
    l->unsent_at +=
        send_some(l, l->unsent + l->unsent_at, l->unsent_len - l->unsent_at, &l->send_err);
    if (l->unsent_at < l->unsent_len)
        return l->send_err < 0 ? l->send_err : -EAGAIN;
    weir__free(l->unsent);
    l->unsent = NULL;
    l->unsent_at = l->unsent_len = 0;
    return WEIR_OK;
}

/* A ticket that a server of 1.2 has given anew, which libssl tells nobody of. */
static void keep_renewed(struct tls *l)
{
    if (l->client == NULL || !SSL_session_reused(l->ssl) || SSL_version(l->ssl) >= TLS1_3_VERSION)
        return;
    SSL_SESSION *session = SSL_get1_session(l->ssl);
    if (session != NULL)
        weir__tls_session_keep(l->client, peer_of(l), session);
}

static void finish(struct tls *l)
{
    enum weir__tls_side side = l->client != NULL ? WEIR__TLS_CLIENT : WEIR__TLS_SERVER;
    struct weir__tls_counts *counts = &weir__tls_numbers.sides[side];
    WEIR_ASSERT(!l->is_done && l->err == WEIR_OK, "T6: a handshake is over once");
    l->is_done = true;
    l->has_inside = SSL_has_pending(l->ssl) == 1;
    keep_renewed(l);
    weir__tls_count(SSL_session_reused(l->ssl) ? &counts->resumed : &counts->full);
}

/* SSL_ERROR_NONE, _WANT_READ, _WANT_WRITE; else it has failed. */
static int step(struct tls *l, weir_buf *why)
{
    weir_buf_init_fixed(&here.words, here.words_bytes, sizeof here.words_bytes);
    int rc = SSL_do_handshake(l->ssl);
    int result = SSL_get_error(l->ssl, rc);
    if (result == SSL_ERROR_NONE) {
        finish(l);
    } else if (result != SSL_ERROR_WANT_READ && result != SSL_ERROR_WANT_WRITE) {
        fail_by_queue(l);
        tell_why(l, why);
        weir__crypto_forget();
    }
    leave(l);
    return result;
}

/* What sending has come to means the end of a handshake too. */
static weir_err or_unsent(struct tls *l, weir_buf *why)
{
    if (l->send_err < 0 && l->err == WEIR_OK) {
        fail(l, WEIR__TLS_OTHER, l->send_err);
        tell_why(l, why);
    }
    if (l->err < 0)
        return l->err;
    return l->is_done && l->unsent == NULL ? WEIR_OK : -EAGAIN;
}

weir_err weir__tls_handshake(struct weir__stream *s, weir_buf *why)
{
    struct tls *l = asked(s);
    if (l->err < 0)
        return l->err;
    (void)flush(s);
    int result = SSL_ERROR_NONE;
    for (bool goes_on = !l->is_done; goes_on && l->send_err == WEIR_OK;) {
        weir_err err = weir__alloc_pretend() ? -ENOMEM : enter(l);
        if (err < 0) {
            fail(l, WEIR__TLS_OTHER, err);
            tell_why(l, why);
            return err;
        }
        result = step(l, why);
        goes_on = result == SSL_ERROR_WANT_WRITE;
    }
    return or_unsent(l, why);
}

weir_err weir__tls_await_handshake(struct weir__ctx *c, struct weir__stream *s, weir_time until,
                                   weir_buf *why)
{
    for (;;) {
        weir_err err = weir__ctx_check(c);
        if (err < 0)
            return weir__wait_refused(err);
        if (!weir__tls_is_on(s))
            return -EBADF; /* closed while it waited */
        err = weir__tls_handshake(s, why);
        if (err != -EAGAIN)
            return err;
        struct weir__op op = {.kind = WEIR__OP_READABLE, .fd = &s->fd};
        err = weir__stream_has_unsent(s) ? weir__stream_await_room(c, s, until)
                                         : (weir_err)weir__io(c, &op, until);
        if (err < 0)
            return err;
    }
}

/* --- receiving -------------------------------------------------------------------------------- */

/* What a call that did not do it has come to. */
static weir_err failed(struct tls *l, int result)
{
    if (result == SSL_ERROR_WANT_READ || result == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    fail_by_queue(l);
    weir__crypto_forget();
    return l->err;
}

static ssize_t tls_recv(struct weir__stream *s, void *buf, size_t len)
{
    struct tls *l = tls_of(s);
    size_t n = 0;
    weir_err err = l->is_done ? l->err : weir__tls_handshake(s, NULL);
    if (err < 0 || l->has_ended)
        return err;
    (void)flush(s);
    err = enter(l);
    if (err < 0)
        return err;
    int is_read = SSL_read_ex(l->ssl, buf, len, &n);
    int result = SSL_get_error(l->ssl, is_read);
    l->has_inside = is_read == 1 && SSL_has_pending(l->ssl) == 1;
    l->has_sent = l->has_sent && is_read != 1;
    l->dataless = is_read == 1 ? 0 : l->dataless;
    l->has_ended = result == SSL_ERROR_ZERO_RETURN;
    if (is_read != 1 && !l->has_ended)
        err = failed(l, result);
    leave(l);
    return is_read == 1 ? (ssize_t)n : err;
}

static bool tls_has_more(const struct weir__stream *s)
{
    return tls_of(s)->has_inside;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Where it is in what is to be sent. */
struct cursor {
    const struct iovec *vec;
    int count;
    size_t at;
};

static void pass(struct cursor *c, size_t n)
{
    while (c->count > 0 && n >= c->vec->iov_len - c->at) {
        n -= c->vec->iov_len - c->at;
        c->vec++;
        c->count--;
        c->at = 0;
    }
    WEIR_ASSERT(c->count > 0 || n == 0, "S4: no more is taken than was given");
    c->at += n;
}

/* The next bytes for one record, in one piece: where they lie, or gathered. */
static size_t piece_of(const struct cursor *from, size_t max, const char **piece)
{
    struct cursor c = *from;
    size_t n = 0;
    *piece = (const char *)c.vec->iov_base + c.at;
    if (c.vec->iov_len - c.at >= max)
        return max;
    if (c.count == 1)
        return c.vec->iov_len - c.at;
    for (*piece = here.gathered; c.count > 0 && n < max; pass(&c, 0)) {
        size_t rest = c.vec->iov_len - c.at;
        size_t some = rest < max - n ? rest : max - n;
        memcpy(here.gathered + n, (const char *)c.vec->iov_base + c.at, some);
        n += some;
        c.at += some;
    }
    WEIR_ASSERT(n <= RECORD_BYTES, "T1: what is gathered for a record fits one");
    return n;
}

/* Of the first record: a peer that waits for much can begin with a short one sooner. */
static size_t first_bytes(const struct tls *l, const struct cursor *c)
{
    size_t all = 0;
    for (int i = 0; i < c->count && all <= RECORD_BYTES; i++)
        all += c->vec[i].iov_len;
    return l->has_sent || all <= RECORD_BYTES ? RECORD_BYTES : FIRST_BYTES;
}

/* Seals what there is room for; how many bytes that were. */
static size_t seal(struct tls *l, struct cursor c)
{
    size_t taken = 0, written, max = first_bytes(l, &c);
    for (pass(&c, 0); c.count > 0 && taken + RECORD_BYTES <= TAKEN_BYTES; pass(&c, written)) {
        const char *piece;
        size_t n = piece_of(&c, taken == 0 ? max : RECORD_BYTES, &piece);
        int is_written = SSL_write_ex(l->ssl, piece, n, &written);
        if (is_written != 1) {
            (void)failed(l, SSL_get_error(l->ssl, is_written));
            break;
        }
        taken += written;
    }
    WEIR_ASSERT(taken <= TAKEN_BYTES, "T1: what is taken has room when it is sealed");
    l->has_sent = l->has_sent || taken > 0;
    return taken;
}

static ssize_t tls_send(struct weir__stream *s, const struct iovec *vec, int count)
{
    struct tls *l = tls_of(s);
    weir_err err = l->is_done ? l->err : weir__tls_handshake(s, NULL);
    if (err == WEIR_OK && l->is_shut)
        err = -EPIPE;
    if (err == WEIR_OK)
        err = flush(s);
    if (err == WEIR_OK)
        err = enter(l);
    if (err < 0)
        return err;
    size_t taken = seal(l, (struct cursor){vec, count, 0});
    leave(l);
    if (l->send_err < 0 || taken == 0)
        return l->send_err < 0 ? l->send_err : l->err;
    return (ssize_t)taken;
}

static bool tls_has_unsent(const struct weir__stream *s)
{
    return tls_of(s)->unsent != NULL;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Says that no more is sent (RFC 8446 section 6.1), behind all that is inside. */
static void say_farewell(struct tls *l)
{
    if (!l->is_done || l->is_shut || l->err < 0 || l->send_err < 0 || enter(l) < 0)
        return;
    l->is_shut = true;
    (void)SSL_shutdown(l->ssl);
    weir__crypto_forget();
    leave(l);
}

static weir_err tls_shutdown(struct weir__stream *s)
{
    struct tls *l = tls_of(s);
    say_farewell(l);
    if (l->unsent != NULL)
        return WEIR_OK; /* it leaves with the next call; the end of the socket would cut it off */
    return weir__poller_shutdown(&weir__self->poller, s->fd.num);
}

/* Who knows that all has come receives no more, and has not seen what is missing: the farewell. */
static void count_cut(const struct weir__stream *s)
{
    struct tls *l = tls_of(s);
    enum weir__tls_side side = l->client != NULL ? WEIR__TLS_CLIENT : WEIR__TLS_SERVER;
    if (!l->is_done || l->err < 0 || l->has_ended || !weir__stream_is_over(s) || l->failure != 0)
        return;
    l->failure = WEIR__TLS_CUT;
    weir__tls_count(&weir__tls_numbers.sides[side].failures[WEIR__TLS_CUT]);
}

static void tls_close(struct weir__stream *s)
{
    count_cut(s);
    (void)flush(s);
    if (tls_of(s)->unsent == NULL)
        say_farewell(tls_of(s));
}

static void tls_free(struct weir__layer *layer)
{
    struct tls *l = WEIR_CONTAINER(layer, struct tls, layer);
    WEIR_ASSERT(here.now == NULL && layer->stream == NULL,
                "T1: what goes is in no call, and on no stream");
    SSL_set_shutdown(l->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* its session is good */
    SSL_free(l->ssl);
    weir__tls_client_unref(l->client);
    weir__free(l->unsent);
    weir__free(l);
}

void weir__tls_rest(struct weir__stream *s)
{
    struct tls *l = asked(s);
    if (l->is_done && l->err == WEIR_OK)
        (void)SSL_free_buffers(l->ssl); /* which keeps them while something is inside */
}

/* --- putting it on ---------------------------------------------------------------------------- */

static const struct weir__layer_ops ops = {.name = "tls",
                                           .recv = tls_recv,
                                           .send = tls_send,
                                           .flush = flush,
                                           .has_unsent = tls_has_unsent,
                                           .has_more = tls_has_more,
                                           .shutdown = tls_shutdown,
                                           .close = tls_close,
                                           .free = tls_free};

bool weir__tls_is_on(const struct weir__stream *s)
{
    return s->layer != NULL && s->layer->ops == &ops;
}

/* Takes `ctx` over. NULL: no memory. */
static struct tls *make(SSL_CTX *ctx, weir_str name)
{
    struct tls *l = ctx != NULL ? weir__calloc(1, sizeof *l + name.len + 1) : NULL;
    if (l != NULL && be_here() && !weir__alloc_pretend())
        l->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    if (l == NULL || l->ssl == NULL) {
        weir__free(l);
        return NULL;
    }
    WEIR_ASSERT(name.len <= WEIR__TLS_NAMES_MAX, "T8: a name fits where it is kept");
    l->layer.ops = &ops;
    l->name_len = name.len;
    if (name.len > 0)
        memcpy(l->name, name.ptr, name.len);
    return l;
}

weir_err weir__tls_accept(struct weir__stream *s, struct weir__tls_server *server)
{
    weir__crypto_forget();
    struct tls *l = make(weir__tls_server_context(server), (weir_str){NULL, 0});
    if (l == NULL)
        return -ENOMEM;
    SSL_set_accept_state(l->ssl);
    weir__stream_put(s, &l->layer);
    return WEIR_OK;
}

/*
 * An address is looked for among a certificate's addresses, and is no SNI (RFC 6066 section 3); a
 * name among its names, and not in its subject, which has no form (RFC 9525 section 6.1).
 */
static bool set_name(struct tls *l)
{
    WEIR_ASSERT(l->client != NULL && l->name_len > 0,
                "T8: a client looks for a name in the certificate");
    X509_VERIFY_PARAM *param = SSL_get0_param(l->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, l->name) == 1) {
        if (weir__tls_client_takes_any_name(l->client))
            (void)X509_VERIFY_PARAM_set1_ip(param, NULL, 0);
        return true;
    }
    if (weir__tls_client_takes_any_name(l->client))
        return SSL_set_tlsext_host_name(l->ssl, l->name) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    weir__crypto_forget();
    return X509_VERIFY_PARAM_set1_host(param, l->name, l->name_len) == 1 &&
           SSL_set_tlsext_host_name(l->ssl, l->name) == 1;
}

weir_err weir__tls_connect(struct weir__stream *s, struct weir__tls_client *client, weir_str name,
                           uint16_t port)
{
    weir__crypto_forget();
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--; /* which is for resolvers: neither certificates nor SNI have it */
    if (name.len == 0 || name.len > WEIR__TLS_NAMES_MAX || memchr(name.ptr, 0, name.len) != NULL)
        return WEIR_EINVALID;
    struct tls *l = make(weir__tls_client_context(client), name);
    if (l == NULL)
        return -ENOMEM;
    l->client = weir__tls_client_ref(client);
    l->port = port;
    if (!set_name(l)) {
        tls_free(&l->layer);
        return -ENOMEM;
    }
    SSL_SESSION *session = weir__tls_session_take(client, peer_of(l));
    if (session != NULL)
        (void)SSL_set_session(l->ssl, session); /* one that does not fit is left out */
    SSL_SESSION_free(session);
    weir__crypto_forget();
    SSL_set_connect_state(l->ssl);
    weir__stream_put(s, &l->layer);
    return WEIR_OK;
}

weir_err weir__tls_offer(struct weir__stream *s, const char *const *alpn)
{
    struct tls *l = asked(s);
    unsigned char offered[128];
    WEIR_ASSERT(l->client != NULL && !l->is_done, "T6: a client offers before its handshake");
    size_t len = weir__tls_alpn(alpn, offered, sizeof offered);
    if (len == 0)
        return WEIR_EINVALID;
    weir__crypto_forget();
    int rc = SSL_set_alpn_protos(l->ssl, offered, (unsigned)len); /* 0 is success, of this one */
    weir__crypto_forget();
    return rc == 0 ? WEIR_OK : -ENOMEM;
}

/* --- facts ------------------------------------------------------------------------------------ */

void weir__tls_facts(const struct weir__stream *s, struct weir__tls_facts *out)
{
    const SSL *ssl = asked(s)->ssl;
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    *out = (struct weir__tls_facts){
        .version = SSL_get_version(ssl),
        .cipher = SSL_get_cipher_name(ssl),
        .alpn = {(const char *)alpn, alpn_len},
        .name = {name, name != NULL ? strlen(name) : 0},
        .is_resumed = SSL_session_reused(ssl) == 1,
        .has_certificate = SSL_get0_peer_certificate(ssl) != NULL,
    };
}

void weir__tls_peer_subject(const struct weir__stream *s, weir_buf *out)
{
    const X509 *certificate = SSL_get0_peer_certificate(asked(s)->ssl);
    BIO *text = certificate != NULL ? BIO_new(BIO_s_mem()) : NULL;
    if (text == NULL)
        return;
    char *bytes;
    (void)X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    long len = BIO_get_mem_data(text, &bytes);
    if (len > 0)
        weir_buf_add(out, bytes, (size_t)len);
    BIO_free(text);
    weir__crypto_forget();
}

size_t weir__tls_end_point(const struct weir__stream *s, unsigned char out[WEIR__TLS_END_POINT_MAX])
{
    const X509 *certificate = SSL_get0_peer_certificate(asked(s)->ssl);
    int hash;
    unsigned n = 0;
    if (certificate == NULL)
        return 0;
    bool has_hash = X509_get_signature_info((X509 *)certificate, &hash, NULL, NULL, NULL) == 1 &&
                    hash != NID_undef;
    if (has_hash && (hash == NID_md5 || hash == NID_sha1))
        hash = NID_sha256;
    const EVP_MD *md = has_hash ? EVP_get_digestbynid(hash) : NULL;
    WEIR_ASSERT(n == 0, "T7: a digest is of what has a hash");
    bool is_made = md != NULL && EVP_MD_get_size(md) <= WEIR__TLS_END_POINT_MAX &&
                   X509_digest(certificate, md, out, &n) == 1;
    weir__crypto_forget();
    return is_made ? n : 0;
}

#endif
