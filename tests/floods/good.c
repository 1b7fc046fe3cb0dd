/*
 * Clients that behave: connections kept open, each of which asks once in a period, in turn, over
 * HTTP/1.1, HTTP/1.1 over TLS, h2c and h2. Every answer is held against its question.
 *
 *     good --plain PORT --tls PORT --ca FILE --count N --period-ms MS
 *
 * Says "ready" when all are open and answered once. `look` on standard input: a line of JSON with
 * what came since the last one, its latencies from when a request was due to the last byte of its
 * answer. `stop`: all are answered, closed as TLS and HTTP/2 have it, and told of once more.
 *
 * A connection whose answer is not there when the next request is due leaves that out, and says so
 * (`late`): the latencies of the few that wait long are complete, those behind them not made up.
 */
#include <errno.h>
#include <getopt.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "link.h"

enum over { H1, H1_TLS, H2C, H2, OVERS };
enum { ANSWER_MAX = 1024, BODY_BYTES = 120, OPENING_MAX = 16, SAMPLES_MAX = 4 << 20 };

struct client {
    struct link link;
    enum over over;
    bool is_ready;   /* connected, with TLS and HTTP/2 on it */
    bool is_asking;  /* a request is out */
    int64_t due;     /* when that request was */
    uint64_t number; /* its */
    nghttp2_session *h2;
    int status;
    char answer[ANSWER_MAX]; /* of h1 with its head */
    size_t answer_len;
};

static struct {
    int epoll, plain, tls;
    SSL_CTX *h1_tls, *h2_tls;
    const char *ca;
    struct client *all;
    int count, opened, ready, gone, waiting;
    int64_t period, next_due;
    int next;
    bool is_stopping;
    uint64_t numbers;
    /* since the last look */
    uint64_t sent, right, wrong, dropped, late;
    char first_wrong[256];
    int64_t *samples;
    size_t samples_len;
} it = {.count = 1000, .period = 1000000000};

static void note_wrong(uint64_t *counter, const struct client *c, const char *what)
{
    static const char *const names[OVERS] = {"h1", "h1+tls", "h2c", "h2"};
    (*counter)++;
    if (it.first_wrong[0] == '\0')
        snprintf(it.first_wrong, sizeof it.first_wrong, "%s: %s", names[c->over], what);
}

static void drop(struct client *c, const char *what)
{
    if (!it.is_stopping || c->is_asking)
        note_wrong(&it.dropped, c, what);
    it.waiting -= c->is_asking;
    it.ready -= c->is_ready;
    it.gone++;
    c->is_asking = c->is_ready = false;
    nghttp2_session_del(c->h2);
    c->h2 = NULL;
    link_close(&c->link, false);
}

/* --- questions and answers -------------------------------------------------------------------- */

static bool is_post(uint64_t number)
{
    return number % 4 == 3;
}

static size_t expected(uint64_t number, char *text)
{
    if (!is_post(number))
        return (size_t)sprintf(text, "hello %llu\n", (unsigned long long)number);
    int n = sprintf(text, "%llu", (unsigned long long)number);
    memset(text + n, 'a' + (int)(number / 4 % 26), (size_t)(BODY_BYTES - n));
    return BODY_BYTES;
}

static void answered(struct client *c, const char *body, size_t len)
{
    char right[BODY_BYTES + 1];
    size_t n = expected(c->number, right);
    char what[96];
    c->is_asking = false;
    it.waiting--;
    if (c->status != 200 || n != len || memcmp(body, right, len) != 0) {
        snprintf(what, sizeof what, "status %d, %zu bytes to number %llu", c->status, len,
                 (unsigned long long)c->number);
        note_wrong(&it.wrong, c, what);
        return;
    }
    it.right++;
    if (it.samples_len < SAMPLES_MAX)
        it.samples[it.samples_len++] = now_ns() - c->due;
}

/* --- HTTP/1.1 --------------------------------------------------------------------------------- */

static void ask_h1(struct client *c)
{
    char text[256 + BODY_BYTES], body[BODY_BYTES + 1];
    int n = 0;
    if (is_post(c->number)) {
        size_t len = expected(c->number, body);
        n = sprintf(text, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
                    len);
        memcpy(text + n, body, len);
        n += (int)len;
    } else {
        n = sprintf(text, "GET /hello/%llu HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    (unsigned long long)c->number);
    }
    link_write(&c->link, text, (size_t)n);
}

static void read_h1(struct client *c, const char *bytes, size_t n)
{
    if (!c->is_asking || n > sizeof c->answer - 1 - c->answer_len) {
        drop(c, "more than an answer came");
        return;
    }
    memcpy(c->answer + c->answer_len, bytes, n);
    c->answer_len += n;
    c->answer[c->answer_len] = '\0';
    const char *end = strstr(c->answer, "\r\n\r\n");
    const char *length = strcasestr(c->answer, "\r\ncontent-length:");
    if (end == NULL)
        return;
    size_t want = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
    size_t got = c->answer_len - (size_t)(end + 4 - c->answer);
    if (got < want)
        return;
    c->status = strncmp(c->answer, "HTTP/1.1 ", 9) == 0 ? atoi(c->answer + 9) : 0;
    answered(c, end + 4, got);
}

/* --- HTTP/2 ----------------------------------------------------------------------------------- */

static int on_header(nghttp2_session *h2, const nghttp2_frame *f, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *of)
{
    struct client *c = of;
    (void)h2, (void)f, (void)flags, (void)value_len;
    if (name_len == 7 && memcmp(name, ":status", 7) == 0)
        c->status = atoi((const char *)value);
    return 0;
}

static int on_chunk(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n,
                    void *of)
{
    struct client *c = of;
    (void)h2, (void)flags, (void)id;
    if (n > sizeof c->answer - c->answer_len)
        n = sizeof c->answer - c->answer_len;
    memcpy(c->answer + c->answer_len, bytes, n);
    c->answer_len += n;
    return 0;
}

static int on_closed(nghttp2_session *h2, int32_t id, uint32_t code, void *of)
{
    struct client *c = of;
    (void)h2, (void)id;
    if (code != 0)
        c->status = -(int)code;
    answered(c, c->answer, c->answer_len);
    return 0;
}

static ssize_t read_body(nghttp2_session *h2, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *of)
{
    const struct client *c = of;
    char body[BODY_BYTES + 1];
    size_t n = expected(c->number, body);
    (void)h2, (void)id, (void)source, (void)room;
    memcpy(to, body, n); /* a frame has room for it */
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void gather_h2(struct client *c)
{
    const uint8_t *bytes;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(c->h2, &bytes)) > 0)
        link_write(&c->link, bytes, (size_t)n);
}

static void ask_h2(struct client *c)
{
    char path[64];
    bool post = is_post(c->number);
    const nghttp2_data_provider body = {.read_callback = read_body};
    snprintf(path, sizeof path, post ? "/echo" : "/hello/%llu", (unsigned long long)c->number);
    nghttp2_nv fields[] = {field(":method", post ? "POST" : "GET"),
                           field(":scheme", c->over == H2 ? "https" : "http"), field(":path", path),
                           field(":authority", "localhost")};
    if (nghttp2_submit_request(c->h2, NULL, fields, 4, post ? &body : NULL, c) < 0)
        drop(c, "no stream may be opened");
    else
        gather_h2(c);
}

static void begin_h2(struct client *c)
{
    nghttp2_session_callbacks *calls;
    if (nghttp2_session_callbacks_new(&calls) != 0)
        die("nghttp2");
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_closed);
    if (nghttp2_session_client_new(&c->h2, calls, c) != 0 ||
        nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, NULL, 0) != 0)
        die("nghttp2");
    nghttp2_session_callbacks_del(calls);
    gather_h2(c);
}

static void read_h2(struct client *c, const char *bytes, size_t n)
{
    if (nghttp2_session_mem_recv(c->h2, (const uint8_t *)bytes, n) != (ssize_t)n)
        drop(c, "what came is no HTTP/2");
    else
        gather_h2(c);
}

/* --- a connection ----------------------------------------------------------------------------- */

static void ask(struct client *c, int64_t due)
{
    c->number = it.numbers++;
    c->due = due;
    c->status = 0;
    c->answer_len = 0;
    c->is_asking = true;
    it.waiting++;
    it.sent++;
    if (c->h2 != NULL)
        ask_h2(c);
    else
        ask_h1(c);
    if (c->link.fd >= 0)
        (void)link_flush(&c->link, it.epoll, c);
}

static void open_one(struct client *c)
{
    bool is_tls = c->over == H1_TLS || c->over == H2;
    SSL_CTX *tls = c->over == H2 ? it.h2_tls : it.h1_tls;
    link_open(&c->link, it.epoll, is_tls ? it.tls : it.plain, is_tls ? tls : NULL, c);
}

/* Connected, and TLS is on it. */
static void begin(struct client *c)
{
    c->is_ready = true;
    it.ready++;
    if (c->over == H2C || c->over == H2)
        begin_h2(c);
    ask(c, now_ns());
}

static void go_on(struct client *c)
{
    int done = c->link.ssl != NULL ? link_handshake(&c->link) : 1;
    link_gather(&c->link);
    if (done < 0)
        drop(c, ERR_reason_error_string(ERR_peek_error()));
    else if (done > 0)
        begin(c);
}

static void take(struct client *c, const char *bytes, size_t n)
{
    if (c->h2 != NULL)
        read_h2(c, bytes, n);
    else
        read_h1(c, bytes, n);
}

static void take_tls(struct client *c, const char *bytes, size_t n)
{
    char text[16384];
    enum link_state state = LINK_OPEN;
    link_feed(&c->link, bytes, n);
    if (!c->is_ready)
        go_on(c);
    while (c->is_ready && (n = link_read(&c->link, text, sizeof text, &state)) > 0)
        take(c, text, n);
    if (c->is_ready && state != LINK_OPEN)
        drop(c, state == LINK_ENDED ? "close_notify" : "TLS failed");
}

static void on_event(struct client *c)
{
    char bytes[16384];
    enum link_state state = LINK_OPEN;
    if (c->link.fd < 0)
        return;
    if (!c->is_ready)
        go_on(c);
    size_t n = c->link.fd >= 0 ? link_receive(&c->link, bytes, sizeof bytes, &state) : 0;
    if (n > 0 && c->link.ssl != NULL)
        take_tls(c, bytes, n);
    else if (n > 0)
        take(c, bytes, n);
    if (c->link.fd >= 0 && state == LINK_OPEN)
        state = link_flush(&c->link, it.epoll, c);
    if (c->link.fd >= 0 && state != LINK_OPEN)
        drop(c, state == LINK_ENDED ? "the connection ended" : "the connection was reset");
}

/* --- all of them ------------------------------------------------------------------------------ */

/* A few at a time: what is measured is not the beginning. */
static void open_some(void)
{
    int opening = it.opened - it.ready - it.gone;
    while (it.opened < it.count && opening < OPENING_MAX) {
        struct client *c = &it.all[it.opened];
        c->over = (enum over)(it.opened % OVERS);
        c->link.fd = -1;
        it.opened++;
        opening++;
        open_one(c);
    }
    if (it.opened == it.count && it.next_due == 0 && opening <= 0 && it.waiting == 0) {
        it.next_due = now_ns();
        puts("ready");
        (void)fflush(stdout);
    }
}

static void ask_due(void)
{
    int64_t now = now_ns();
    while (it.next_due > 0 && it.next_due <= now && !it.is_stopping) {
        struct client *c = &it.all[it.next];
        if (c->is_ready && !c->is_asking)
            ask(c, it.next_due);
        else
            it.late += c->is_ready;
        it.next = (it.next + 1) % it.count;
        it.next_due += it.period / it.count;
    }
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static long long sample(int thousandth)
{
    if (it.samples_len == 0)
        return 0;
    size_t at = it.samples_len * (size_t)thousandth / 1000;
    return it.samples[at < it.samples_len ? at : it.samples_len - 1] / 1000;
}

static void tell(void)
{
    qsort(it.samples, it.samples_len, sizeof *it.samples, by_size);
    printf("{\"sent\": %llu, \"right\": %llu, \"wrong\": %llu, \"dropped\": %llu, \"late\": %llu, "
           "\"waiting\": %d, \"open\": %d, \"p50_us\": %lld, \"p99_us\": %lld, \"max_us\": %lld, "
           "\"first_wrong\": \"%s\"}\n",
           (unsigned long long)it.sent, (unsigned long long)it.right, (unsigned long long)it.wrong,
           (unsigned long long)it.dropped, (unsigned long long)it.late, it.waiting, it.ready,
           sample(500), sample(990), sample(1000), it.first_wrong);
    (void)fflush(stdout);
    it.sent = it.right = it.wrong = it.dropped = it.late = 0;
    it.first_wrong[0] = '\0';
    it.samples_len = 0;
}

static void stop(void)
{
    for (int i = 0; i < it.opened; i++) {
        struct client *c = &it.all[i];
        if (c->link.fd < 0)
            continue;
        if (c->h2 != NULL) {
            (void)nghttp2_session_terminate_session(c->h2, NGHTTP2_NO_ERROR);
            gather_h2(c);
        }
        if (c->link.ssl != NULL)
            (void)SSL_shutdown(c->link.ssl);
        link_gather(&c->link);
        (void)link_flush(&c->link, it.epoll, c);
        nghttp2_session_del(c->h2);
        link_close(&c->link, false);
    }
    tell();
    exit(0);
}

static void obey(void)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof line);
    if (n <= 0)
        exit(0);
    if (line[0] == 'l')
        tell();
    it.is_stopping = it.is_stopping || line[0] == 's';
}

static void read_arguments(int argc, char **argv)
{
    static const struct option known[] = {
        {"plain", required_argument, NULL, 'p'},     {"tls", required_argument, NULL, 't'},
        {"ca", required_argument, NULL, 'a'},        {"count", required_argument, NULL, 'c'},
        {"period-ms", required_argument, NULL, 'm'}, {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'p':
            it.plain = atoi(optarg);
            break;
        case 't':
            it.tls = atoi(optarg);
            break;
        case 'a':
            it.ca = optarg;
            break;
        case 'c':
            it.count = atoi(optarg);
            break;
        case 'm':
            it.period = atoi(optarg) * 1000000LL;
            break;
        default:
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct epoll_event events[256], e = {.events = EPOLLIN, .data.ptr = NULL};
    read_arguments(argc, argv);
    it.epoll = epoll_create1(EPOLL_CLOEXEC);
    it.h1_tls = link_tls(it.ca, "http/1.1");
    it.h2_tls = link_tls(it.ca, "h2");
    it.all = calloc((size_t)it.count, sizeof *it.all);
    it.samples = malloc(SAMPLES_MAX * sizeof *it.samples);
    if (it.all == NULL || it.samples == NULL || it.epoll < 0 ||
        epoll_ctl(it.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e) != 0)
        die("the start");
    for (;;) {
        open_some();
        int n = epoll_wait(it.epoll, events, 256, 1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                obey();
            else
                on_event(events[i].data.ptr);
        }
        ask_due();
        if (it.is_stopping && it.waiting == 0)
            stop();
    }
}
