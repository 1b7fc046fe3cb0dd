/*
 * Makes handshakes of TLS: each connection asks for /plaintext once, reads the answer to its end
 * and is closed, so that all that a server owes for a handshake, tickets too, is done when it
 * counts. Resumed ones offer the newest session that their thread was given. Threads that wait keep
 * a server on the other core busy; nothing is shared between them.
 *
 *     handshakes PORT SECONDS full|resumed
 *
 * Prints `answers N resumed N VERSION CIPHER`. Certificates are not verified.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 16, STACK_BYTES = 256 << 10 };

static const char request[] =
    "GET /plaintext HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

struct caller {
    pthread_t thread;
    SSL_CTX *tls;
    SSL_SESSION *session; // the newest; NULL where handshakes are to be full
    struct sockaddr_in to;
    struct timespec end;
    bool resumes;
    long answers, resumed;
    char what[128]; // version and cipher of the last one
};

static void give_up(const char *what)
{
    fprintf(stderr, "handshakes: %s: ", what);
    if (ERR_peek_error() != 0)
        ERR_print_errors_fp(stderr);
    else
        perror(NULL);
    exit(1);
}

/* TLS 1.3 gives its tickets after the handshake, with or before the answer. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct caller *caller = SSL_get_app_data(ssl);
    SSL_SESSION_free(caller->session);
    caller->session = session;
    return 1;
}

static SSL_CTX *open_tls(bool resumes)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL)
        give_up("SSL_CTX_new");
    SSL_CTX_set_session_cache_mode(tls, resumes ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                                : SSL_SESS_CACHE_OFF);
    SSL_CTX_sess_set_new_cb(tls, keep_session);
    return tls;
}

static int connect_to(const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof *to) < 0)
        give_up("connect");
    return fd;
}

static void read_answer(SSL *ssl)
{
    char bytes[4096];
    int len = SSL_read(ssl, bytes, sizeof bytes);
    if (len < 12 || memcmp(bytes, "HTTP/1.1 200", 12) != 0)
        give_up("no answer");
    while (len > 0)
        len = SSL_read(ssl, bytes, sizeof bytes);
    ERR_clear_error(); // an end without close_notify: some servers do that
}

static void call(struct caller *caller)
{
    int fd = connect_to(&caller->to);
    SSL *ssl = SSL_new(caller->tls);
    SSL_set_app_data(ssl, caller);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, "localhost");
    if (caller->session != NULL)
        SSL_set_session(ssl, caller->session);
    if (SSL_connect(ssl) != 1 || SSL_write(ssl, request, sizeof request - 1) <= 0)
        give_up("handshake");
    read_answer(ssl);
    caller->answers++;
    caller->resumed += SSL_session_reused(ssl);
    snprintf(caller->what, sizeof caller->what, "%s %s", SSL_get_version(ssl), SSL_get_cipher(ssl));
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

static bool is_over(const struct timespec *end)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

static void *run(void *arg)
{
    struct caller *caller = arg;
    caller->tls = open_tls(caller->resumes);
    while (!is_over(&caller->end))
        call(caller);
    SSL_SESSION_free(caller->session);
    SSL_CTX_free(caller->tls);
    return NULL;
}

static struct timespec after(const char *seconds)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += strtol(seconds, NULL, 10);
    return end;
}

static void start(struct caller *caller)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    if (pthread_create(&caller->thread, &small, run, caller) != 0)
        give_up("pthread_create");
    pthread_attr_destroy(&small);
}

int main(int argc, char **argv)
{
    bool resumes = argc == 4 && strcmp(argv[3], "resumed") == 0;
    if (argc != 4 || (!resumes && strcmp(argv[3], "full") != 0)) {
        fprintf(stderr, "usage: handshakes PORT SECONDS full|resumed\n");
        return 2;
    }
    static struct caller callers[THREADS];
    const struct caller first = {
        .resumes = resumes,
        .end = after(argv[2]),
        .to = {.sin_family = AF_INET,
               .sin_port = htons((in_port_t)strtoul(argv[1], NULL, 10)),
               .sin_addr = {htonl(INADDR_LOOPBACK)}},
    };
    for (int i = 0; i < THREADS; i++) {
        callers[i] = first;
        start(&callers[i]);
    }
    long answers = 0, resumed = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(callers[i].thread, NULL);
        answers += callers[i].answers;
        resumed += callers[i].resumed;
    }
    printf("answers %ld resumed %ld %s\n", answers, resumed, callers[0].what);
    return 0;
}
