/*
 * The limit with a database behind it: what this machine's kernel leaves to a service that asks for
 * a row and answers, and does nothing else. One thread, epoll; each request sends one ready-made
 * EXECUTE of a statement that was prepared, each answer that has come whole sends one ready-made
 * reply. No parser, no routes, no pool, no values looked at; nothing that asks once for a row and
 * answers once can be faster. libpq and libmariadb log in and prepare, their sockets are used.
 *
 *     dblimit PORT URL      /db, and /queries?n=20 with twenty of them one after the other
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <mysql.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, FDS = 4096, CONNECTIONS = 32, WORLDS = 10000, TWENTY = 20, STATEMENT_AT = 5 };

static const char reply[] = "HTTP/1.1 200 OK\r\n"
                            "Content-Type: application/json\r\n"
                            "Content-Length: 32\r\n"
                            "Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
                            "\r\n"
                            "{\"id\":1234,\"randomNumber\":12345}";
enum { REPLY_BYTES = sizeof reply - 1, BODY_BYTES = 32 };

static char long_reply[1024]; /* of twenty */
static size_t long_bytes;

static struct peer {
    bool is_database;
    int client;         /* a database's: whom it works for */
    uint32_t statement; /* MariaDB's number of what was prepared, which differs by connection */
    int rows, left;     /* a client's: asked for, and to come */
} peers[FDS];

static int idle[CONNECTIONS], idle_count; /* databases */
static int line[FDS], line_from, line_to; /* clients that wait for one */
static bool is_mysql;
static char question[128];
static size_t question_bytes, value_at;

static void give_up(const char *what)
{
    fprintf(stderr, "dblimit: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void put(const void *bytes, size_t n)
{
    memcpy(question + question_bytes, bytes, n);
    question_bytes += n;
}

/* --- databases -------------------------------------------------------------------------------- */

static int open_postgres(const char *url)
{
    static const char bind[] = "B\0\0\0\x1f\0one\0\0\x01\0\x01\0\x01\0\0\0\x08",
                      rest[] = "\0\x01\0\x01"
                               "E\0\0\0\x09\0\0\0\0\0"
                               "S\0\0\0\x04";
    PGconn *c = PQconnectdb(url);
    PGresult *made =
        PQprepare(c, "one", "SELECT id, randomnumber FROM world WHERE id = $1::bigint", 0, NULL);
    if (PQresultStatus(made) != PGRES_COMMAND_OK)
        give_up(PQerrorMessage(c));
    PQclear(made);
    question_bytes = 0;
    put(bind, sizeof bind - 1);
    value_at = question_bytes;
    put("\0\0\0\0\0\0\0", 8);
    put(rest, sizeof rest - 1);
    return PQsocket(c);
}

static int open_mysql(const char *url)
{
    static const char text[] = "SELECT id, randomnumber FROM world WHERE id = ?";
    char user[64], secret[64], host[64], name[64];
    unsigned port;
    if (sscanf(url, "mysql://%63[^:]:%63[^@]@%63[^:]:%u/%63s", user, secret, host, &port, name) !=
        5)
        give_up(url);
    MYSQL *c = mysql_init(NULL);
    if (mysql_real_connect(c, host, user, secret, name, port, NULL, 0) == NULL)
        give_up(mysql_error(c));
    MYSQL_STMT *s = mysql_stmt_init(c);
    if (mysql_stmt_prepare(s, text, sizeof text - 1) != 0)
        give_up(mysql_stmt_error(s));
    uint32_t id = htole32((uint32_t)s->stmt_id);
    question_bytes = 0;
    put("\x16\0\0\0\x17", 5);           /* 22 bytes: COM_STMT_EXECUTE */
    put(&id, 4);                        /* at STATEMENT_AT */
    put("\0\x01\0\0\0\0\x01\x08\0", 9); /* once; nothing is NULL; a BIGINT */
    value_at = question_bytes;
    put("\0\0\0\0\0\0\0", 8);
    peers[mysql_get_socket(c)].statement = id;
    return mysql_get_socket(c);
}

static void ask(int database)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    uint64_t id = state % WORLDS + 1;
    id = is_mysql ? htole64(id) : htobe64(id);
    memcpy(question + value_at, &id, sizeof id);
    if (is_mysql)
        memcpy(question + STATEMENT_AT, &peers[database].statement, 4);
    if (send(database, question, question_bytes, MSG_NOSIGNAL) != (ssize_t)question_bytes)
        give_up("asking");
}

/* What comes last in an answer: an EOF packet, ReadyForQuery. */
static bool is_whole(const unsigned char *bytes, ssize_t n)
{
    return n >= 9 && (is_mysql ? bytes[n - 5] == 0xfe && bytes[n - 9] == 5 : bytes[n - 6] == 'Z');
}

static void on_database(int database)
{
    unsigned char bytes[4096];
    ssize_t n = recv(database, bytes, sizeof bytes, 0);
    if (n <= 0)
        give_up("a database");
    if (bytes[is_mysql ? 4 : 0] == (is_mysql ? 0xff : 'E'))
        give_up("an error for an answer");
    if (!is_whole(bytes, n))
        return; /* the rest comes in a further piece */
    int client = peers[database].client;
    if (--peers[client].left > 0) {
        ask(database);
        return;
    }
    bool is_long = peers[client].rows == TWENTY;
    (void)!send(client, is_long ? long_reply : reply, is_long ? long_bytes : REPLY_BYTES,
                MSG_NOSIGNAL); /* who has left is told of by its recv */
    if (line_from == line_to) {
        idle[idle_count++] = database;
        return;
    }
    peers[database].client = line[line_from++ % FDS];
    ask(database);
}

/* --- clients ---------------------------------------------------------------------------------- */

static void on_client(int client)
{
    char bytes[4096];
    ssize_t n = recv(client, bytes, sizeof bytes, 0);
    if (n <= 0) {
        close(client);
        return;
    }
    peers[client].rows = peers[client].left = memcmp(bytes, "GET /queries", 12) == 0 ? TWENTY : 1;
    if (idle_count == 0) {
        line[line_to++ % FDS] = client;
        return;
    }
    int database = idle[--idle_count];
    peers[database].client = client;
    ask(database);
}

static void watch(int poller, int fd, bool is_database)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= FDS || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
        give_up("watching");
    peers[fd].is_database = is_database;
}

static void accept_all(int poller, int listener)
{
    const int on = 1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(poller, fd, false);
    }
}

static int open_listener(const char *port)
{
    const int on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((in_port_t)strtoul(port, NULL, 10)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 || listen(fd, SOMAXCONN) < 0)
        give_up(port);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        give_up("usage: dblimit PORT URL");
    is_mysql = strncmp(argv[2], "mysql://", 8) == 0;
    long_bytes =
        (size_t)snprintf(long_reply, sizeof long_reply,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         "Content-Length: %d\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\r\n"
                         "%*s",
                         TWENTY * BODY_BYTES, TWENTY * BODY_BYTES, "[]");
    int poller = epoll_create1(EPOLL_CLOEXEC), listener = open_listener(argv[1]);
    for (int i = 0; i < CONNECTIONS; i++) {
        idle[idle_count++] = is_mysql ? open_mysql(argv[2]) : open_postgres(argv[2]);
        watch(poller, idle[i], true);
    }
    watch(poller, listener, false);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_all(poller, listener);
            else if (peers[fd].is_database)
                on_database(fd);
            else
                on_client(fd);
        }
    }
}
