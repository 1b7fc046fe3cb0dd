/*
 * Name servers for tests, in the simulation: a fiber that takes questions by datagrams and over TCP
 * and hands them to the test, which says what is answered. And the machine's two files, as texts.
 */
#ifndef WEIR_NET_DNS_TESTING_H
#define WEIR_NET_DNS_TESTING_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/lookup.h"
#include "rt/io.h"
#include "rt/sim.h"
#include <weir/fiber.h>

/* A fuzzer uses this too, so it knows no framework of tests. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

enum { RR_A = 1, RR_SOA = 6, RR_AAAA = 28 };

struct name_server;

struct query {
    struct name_server *server;
    uint8_t bytes[600];
    size_t len;
    char name[256];
    unsigned type;
    int from;                /* who asks, by datagram */
    struct weir__fd *stream; /* who asks over TCP; NULL: by datagram */
};

struct name_server {
    int num; /* its port */
    unsigned asked, asked_by_stream;
    void (*on_query)(struct query *q);
    void *arg;
};

/* --- answers ------------------------------------------------------------------------------ */

struct reply {
    uint8_t bytes[4096];
    size_t len;
};

static inline void reply_u16(struct reply *r, unsigned n)
{
    r->bytes[r->len++] = (uint8_t)(n >> 8);
    r->bytes[r->len++] = (uint8_t)n;
}

/* The question again, as an answer with these flags (rcode, 0x200: truncated). */
static inline void reply_begin(struct reply *r, const struct query *q, unsigned flags)
{
    memcpy(r->bytes, q->bytes, q->len);
    r->len = q->len;
    r->bytes[2] = (uint8_t)(0x81 | flags >> 8);
    r->bytes[3] = (uint8_t)(0x80 | flags);
}

/* A record of the name that was asked for; counted among the answers, or the authorities. */
static inline void reply_record(struct reply *r, unsigned type, uint32_t ttl, const void *data,
                                size_t size)
{
    r->bytes[type == RR_SOA ? 9 : 7]++;
    reply_u16(r, 0xc00c);
    reply_u16(r, type);
    reply_u16(r, 1);
    reply_u16(r, ttl >> 16);
    reply_u16(r, ttl & 0xffff);
    reply_u16(r, (unsigned)size);
    memcpy(r->bytes + r->len, data, size);
    r->len += size;
}

static inline void reply_ip(struct reply *r, const char *ip, uint32_t ttl)
{
    uint8_t bytes[16];
    bool is_six = strchr(ip, ':') != NULL;
    MUST(inet_pton(is_six ? AF_INET6 : AF_INET, ip, bytes) == 1);
    reply_record(r, is_six ? RR_AAAA : RR_A, ttl, bytes, is_six ? 16 : 4);
}

static inline void reply_soa(struct reply *r, uint32_t ttl, uint32_t minimum)
{
    uint8_t data[22] = {0}; /* two names of the root, five numbers */
    for (int i = 0; i < 4; i++)
        data[18 + i] = (uint8_t)(minimum >> (24 - 8 * i));
    reply_record(r, RR_SOA, ttl, data, sizeof data);
}

/* Sends it as if from the socket `from`. */
static inline void reply_send_as(const struct reply *r, const struct query *q, int from)
{
    weir__sim_datagram_give(from, q->from, r->bytes, r->len);
}

static inline void reply_send(const struct reply *r, const struct query *q)
{
    if (q->stream == NULL) {
        reply_send_as(r, q, q->server->num);
        return;
    }
    uint8_t bytes[2 + sizeof r->bytes] = {(uint8_t)(r->len >> 8), (uint8_t)r->len};
    memcpy(bytes + 2, r->bytes, r->len);
    for (size_t sent = 0; sent < r->len + 2;) {
        ssize_t n = weir__try_send(q->stream, bytes + sent, r->len + 2 - sent);
        if (n <= 0)
            return; /* who asked is gone */
        sent += (size_t)n;
    }
}

/* --- the server --------------------------------------------------------------------------- */

/* Its name and type; false: it is no question. */
static inline bool query_read(struct query *q)
{
    size_t at = 12, n = 0;
    while (at < q->len && q->bytes[at] != 0 && at + q->bytes[at] + 1u < q->len) {
        for (unsigned i = 1; i <= q->bytes[at] && n < 250; i++)
            q->name[n++] = (char)q->bytes[at + i];
        q->name[n++] = '.';
        at += 1u + q->bytes[at];
    }
    q->name[n > 0 ? n - 1 : 0] = '\0';
    if (at + 5 != q->len)
        return false;
    q->type = (unsigned)q->bytes[at + 1] << 8 | q->bytes[at + 2];
    return true;
}

static inline void serve_stream(weir_ctx *c, struct name_server *s, int num)
{
    struct weir__ctx *ctx = weir__ctx_of(c);
    struct weir__fd fd;
    struct query q = {.server = s, .stream = &fd};
    uint8_t head[2] = {0};
    weir_err err = weir__fd_watch(&fd, num, NULL);
    for (size_t got = 0; err == WEIR_OK && got < 2;) {
        ssize_t n = weir__recv(ctx, &fd, head + got, 2 - got, weir_never());
        err = n > 0 ? WEIR_OK : WEIR_EFAIL;
        got += n > 0 ? (size_t)n : 0;
    }
    size_t len = (size_t)head[0] << 8 | head[1];
    while (err == WEIR_OK && q.len < len) {
        ssize_t n = weir__recv(ctx, &fd, q.bytes + q.len, len - q.len, weir_never());
        err = n > 0 ? WEIR_OK : WEIR_EFAIL;
        q.len += n > 0 ? (size_t)n : 0;
    }
    if (err == WEIR_OK && query_read(&q)) {
        s->asked_by_stream++;
        s->on_query(&q);
    }
    weir__fd_close(&fd);
}

static inline void serve_datagrams(struct name_server *s)
{
    struct query q = {.server = s};
    ssize_t n;
    while ((n = weir__sim_datagram_take(s->num, q.bytes, sizeof q.bytes, &q.from)) >= 0) {
        q.len = (size_t)n;
        s->asked += query_read(&q);
        s->on_query(&q);
    }
}

/* A fiber: until it is cancelled. */
static inline weir_err name_server_run(weir_ctx *c, void *arg)
{
    struct name_server *s = arg;
    struct weir__fd fd;
    weir_err err = weir__fd_watch(&fd, s->num, NULL);
    while (err == WEIR_OK) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &fd};
        serve_datagrams(s);
        while (weir__poller_submit(&weir__self->poller, &op) && op.result >= 0)
            serve_stream(c, s, (int)op.result);
        fd.ready = 0;
        op = (struct weir__op){.kind = WEIR__OP_READABLE, .fd = &fd};
        err = (weir_err)weir__io(weir__ctx_of(c), &op, weir_never());
    }
    weir__fd_close(&fd);
    return WEIR_OK;
}

static inline weir_err name_server_start(weir_ctx *group, struct name_server *s,
                                         void (*on_query)(struct query *q), void *arg)
{
    *s =
        (struct name_server){.num = weir__sim_listen_datagrams(), .on_query = on_query, .arg = arg};
    return WEIR_GO(group, name_server_run, s);
}

/* --- the files ---------------------------------------------------------------------------- */

static char conf_path[200], hosts_path[200];

static inline void files_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    MUST(f != NULL);
    int written = fputs(text, f), closed = fclose(f);
    MUST(written >= 0 && closed == 0);
}

/* Of this process' tests alone. */
static inline void files_set(const char *conf, const char *hosts)
{
    const char *tmp = getenv("TMPDIR");
    tmp = tmp != NULL ? tmp : "/tmp";
    snprintf(conf_path, sizeof conf_path, "%s/weir-resolv-%ld", tmp, (long)getpid());
    snprintf(hosts_path, sizeof hosts_path, "%s/weir-hosts-%ld", tmp, (long)getpid());
    files_write(conf_path, conf);
    files_write(hosts_path, hosts);
    weir__name_files_at(conf_path, hosts_path);
}

/* The servers of a simulation, by their ports. */
static inline void files_set_servers(const struct name_server *servers, unsigned count,
                                     const char *more)
{
    char text[1000] = "";
    for (unsigned i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "nameserver 127.0.0.1:%d\n",
                 servers[i].num);
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n", more);
    files_set(text, "");
}

static inline int files_remove(void **state)
{
    (void)state;
    (void)unlink(conf_path);
    (void)unlink(hosts_path);
    return 0;
}

#endif
