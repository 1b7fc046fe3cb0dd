/* Sockets and libssl for the clients of the floods; a machine that lacks something ends them. */
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ADDRESSES = 16 };

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void die(const char *what)
{
    fprintf(stderr, "floods: %s: %s\n", what, strerror(errno));
    exit(2);
}

SSL_CTX *link_tls(const char *ca, const char *alpn)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    unsigned char list[64];
    if (tls == NULL)
        die("SSL_CTX_new");
    if (ca != NULL) {
        if (SSL_CTX_load_verify_locations(tls, ca, NULL) != 1)
            die(ca);
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    }
    list[0] = (unsigned char)strlen(alpn);
    memcpy(list + 1, alpn, list[0]);
    if (SSL_CTX_set_alpn_protos(tls, list, list[0] + 1u) != 0)
        die("ALPN");
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    return tls;
}

static SSL *new_ssl(SSL_CTX *tls)
{
    SSL *ssl = SSL_new(tls);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (ssl == NULL || in == NULL || out == NULL)
        die("SSL_new");
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    if (SSL_set_tlsext_host_name(ssl, "localhost") != 1 || SSL_set1_host(ssl, "localhost") != 1)
        die("a name");
    return ssl;
}

static void watch(struct link *l, int epoll, int how, bool for_room, void *of)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = of};
    if (for_room)
        e.events |= EPOLLOUT;
    if (epoll_ctl(epoll, how, l->fd, &e) != 0)
        die("epoll_ctl");
    l->is_watched_for_room = for_room;
}

void link_open(struct link *l, int epoll, int port, SSL_CTX *tls, void *of)
{
    static unsigned opened;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    int yes = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    /* One address has 28,000 ports, and one that was used rests for a minute. */
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + opened++ % ADDRESSES);
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        die("socket");
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    (void)setsockopt(l->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (bind(l->fd, (struct sockaddr *)&from, sizeof from) != 0)
        die("bind");
    if (connect(l->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        die("connect");
    l->ssl = tls != NULL ? new_ssl(tls) : NULL;
    l->out_at = l->out_len = 0;
    watch(l, epoll, EPOLL_CTL_ADD, true, of);
}

void link_close(struct link *l, bool is_reset)
{
    struct linger at_once = {.l_onoff = 1};
    if (l->fd < 0)
        return;
    if (is_reset)
        (void)setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)close(l->fd);
    SSL_free(l->ssl);
    free(l->out);
    *l = (struct link){.fd = -1};
}

void link_raw(struct link *l, const void *bytes, size_t n)
{
    if (l->out_at == l->out_len)
        l->out_at = l->out_len = 0;
    if (l->out_len + n > l->out_room) {
        l->out_room = 2 * (l->out_len + n);
        l->out = realloc(l->out, l->out_room);
        if (l->out == NULL)
            die("memory");
    }
    memcpy(l->out + l->out_len, bytes, n);
    l->out_len += n;
}

size_t link_sealed(struct link *l, char *bytes, size_t room)
{
    int n = BIO_read(SSL_get_wbio(l->ssl), bytes, (int)room);
    return n > 0 ? (size_t)n : 0;
}

void link_gather(struct link *l)
{
    char bytes[16384];
    size_t n;
    while (l->ssl != NULL && (n = link_sealed(l, bytes, sizeof bytes)) > 0)
        link_raw(l, bytes, n);
}

void link_write(struct link *l, const void *bytes, size_t n)
{
    if (l->ssl == NULL) {
        link_raw(l, bytes, n);
        return;
    }
    ERR_clear_error();
    if (n > 0)
        (void)SSL_write(l->ssl, bytes, (int)n); /* in memory there is always room; an end is read */
    link_gather(l);
}

int link_handshake(struct link *l)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(l->ssl);
    int error = SSL_get_error(l->ssl, rc);
    if (rc == 1)
        return 1;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

size_t link_receive(struct link *l, char *bytes, size_t room, enum link_state *state)
{
    ssize_t n = recv(l->fd, bytes, room, 0);
    if (n > 0)
        return (size_t)n;
    if (n == 0)
        *state = LINK_ENDED;
    else if (errno != EAGAIN && errno != EINTR)
        *state = LINK_RESET;
    return 0;
}

void link_feed(struct link *l, const char *bytes, size_t n)
{
    if (BIO_write(SSL_get_rbio(l->ssl), bytes, (int)n) != (int)n)
        die("BIO_write");
}

size_t link_read(struct link *l, char *bytes, size_t room, enum link_state *state)
{
    ERR_clear_error();
    int n = SSL_read(l->ssl, bytes, (int)room);
    if (n > 0)
        return (size_t)n;
    int error = SSL_get_error(l->ssl, n);
    if (error == SSL_ERROR_ZERO_RETURN)
        *state = LINK_ENDED;
    else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        *state = LINK_FAILED;
    return 0;
}

enum link_state link_flush(struct link *l, int epoll, void *of)
{
    while (link_unsent(l) > 0) {
        ssize_t n = send(l->fd, l->out + l->out_at, link_unsent(l), MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOTCONN)
            return LINK_RESET;
        if (n < 0)
            break;
        l->out_at += (size_t)n;
    }
    if (l->is_watched_for_room != (link_unsent(l) > 0))
        watch(l, epoll, EPOLL_CTL_MOD, link_unsent(l) > 0, of);
    return LINK_OPEN;
}
