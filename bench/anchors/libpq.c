/*
 * A row of PostgreSQL by libpq, without HTTP: as many connections as are asked for, in one thread
 * over epoll, each with one prepared query under way, its values in binary. No memory is asked for
 * but what libpq wants.
 *
 *     libpq CONNINFO CONNECTIONS SECONDS
 *
 * Prints `answers N cpu SECONDS`, the time of this process, of what follows after the first second.
 */
#include <endian.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#define CONNECTIONS_MAX 1024
#define WORLDS 10000

static void fail(const char *what)
{
    fprintf(stderr, "libpq: %s\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double spent(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static uint64_t random_id(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % WORLDS + 1;
}

static void ask(PGconn *connection)
{
    uint64_t id = htobe64(random_id());
    const char *values[1] = {(const char *)&id};
    const int lengths[1] = {sizeof id}, formats[1] = {1};
    if (!PQsendQueryPrepared(connection, "one", 1, values, lengths, formats, 1))
        fail(PQerrorMessage(connection));
    if (PQflush(connection) != 0)
        fail("a query does not fit into its socket");
}

static PGconn *open_one(const char *where)
{
    PGconn *connection = PQconnectdb(where);
    if (PQstatus(connection) != CONNECTION_OK)
        fail(PQerrorMessage(connection));
    PGresult *made = PQprepare(connection, "one",
                               "SELECT id::bigint, randomnumber::bigint FROM world "
                               "WHERE id = $1::bigint",
                               0, NULL);
    if (PQresultStatus(made) != PGRES_COMMAND_OK)
        fail(PQerrorMessage(connection));
    PQclear(made);
    if (PQsetnonblocking(connection, 1) != 0)
        fail("cannot be made not to block");
    return connection;
}

/* All that has come of an answer; whether it is whole. */
static int take(PGconn *connection)
{
    if (!PQconsumeInput(connection))
        fail(PQerrorMessage(connection));
    static volatile uint64_t sum; /* the values are looked at, as a program would */
    while (!PQisBusy(connection)) {
        PGresult *result = PQgetResult(connection);
        if (result == NULL)
            return 1;
        if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
            fail(PQerrorMessage(connection));
        uint64_t value;
        memcpy(&value, PQgetvalue(result, 0, 1), sizeof value);
        sum += be64toh(value);
        PQclear(result);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int many = argc == 4 ? atoi(argv[2]) : 0;
    if (many < 1 || many > CONNECTIONS_MAX)
        fail("usage: libpq CONNINFO CONNECTIONS SECONDS");
    int poller = epoll_create1(0);
    for (int i = 0; i < many; i++) {
        PGconn *connection = open_one(argv[1]);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, PQsocket(connection), &event) != 0)
            fail("epoll refuses a socket");
        ask(connection);
    }
    uint64_t answers = 0, before = 0;
    double from = now() + 1, to = from + atoi(argv[3]), cpu = 0;
    for (int is_warm = 0;;) {
        struct epoll_event events[64];
        int count = epoll_wait(poller, events, 64, 1000);
        for (int i = 0; i < count; i++)
            if (take(events[i].data.ptr)) {
                answers++;
                ask(events[i].data.ptr);
            }
        double t = now();
        if (!is_warm && t >= from) {
            is_warm = 1;
            before = answers;
            cpu = spent();
        }
        if (t >= to)
            break;
    }
    printf("answers %llu cpu %.6f\n", (unsigned long long)(answers - before), spent() - cpu);
    return 0;
}
