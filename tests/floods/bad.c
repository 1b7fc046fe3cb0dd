/*
 * Clients that do not behave: so many connections at once of one kind, each of which is opened
 * again a moment after it has ended, and what came of them.
 *
 *     bad KIND --plain PORT --tls PORT --count N --pace-ms MS [--cert FILE --key FILE]
 *
 * `look` on standard input: a line of JSON with how many have ended, and with what: the first
 * occurrence of each status, GOAWAY, RST_STREAM and alert, then how the connection went. `stop`:
 * what still is open is left alone, told of once more. A kind without a name: all there are.
 *
 * A few handshakes at a time, so that none of them is late for what this program has to do.
 */
#include "bad.h"

#include <getopt.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GREETING_MAX = 32, OUTCOMES_MAX = 48, TURN_NS = 5000000, TICK_NS = 50000000 };

const char *bad_cert, *bad_key;

static struct {
    const struct kind *kind;
    int epoll, plain, tls, count, greeting;
    int64_t pace;
    SSL_CTX *context;
    struct bad *all;
    uint64_t begun, ended;
    struct {
        char what[96];
        uint64_t count;
    } outcomes[OUTCOMES_MAX];
} it = {.kind = kinds_h1, .count = 1000, .pace = 500000000};

/* --- what came of it -------------------------------------------------------------------------- */

bool bad_was_told(const struct bad *b, const char *what)
{
    return strstr(b->outcome, what) != NULL;
}

void bad_note(struct bad *b, const char *what, int number)
{
    char word[64];
    if (number >= 0)
        snprintf(word, sizeof word, " %s%s%d.", what, what[0] != '\0' ? " " : "", number);
    else
        snprintf(word, sizeof word, " %s.", what);
    const size_t len = strlen(b->outcome), more = strlen(word);
    if (!bad_was_told(b, word) && len + more < sizeof b->outcome)
        memcpy(b->outcome + len, word, more + 1);
}

static void count_outcome(const char *what)
{
    for (int i = 0; i < OUTCOMES_MAX; i++) {
        if (it.outcomes[i].count == 0)
            snprintf(it.outcomes[i].what, sizeof it.outcomes[i].what, "%s", what);
        if (i == OUTCOMES_MAX - 1 || strcmp(it.outcomes[i].what, what) == 0) {
            it.outcomes[i].count++;
            return;
        }
    }
}

static void end(struct bad *b, const char *how, bool is_reset)
{
    if (b->greets)
        bad_note(b, "greeting", -1);
    it.greeting -= b->greets;
    bad_note(b, how, -1);
    count_outcome(b->outcome + 1);
    it.ended++;
    if (b->fields != NULL)
        nghttp2_hd_inflate_del(b->fields);
    link_close(&b->link, is_reset);
    *b = (struct bad){.link.fd = -1, .reopen_at = now_ns() + it.pace / 2 + random() % it.pace};
}

void bad_leave(struct bad *b, bool is_reset)
{
    if (b->state == BAD_AWAY)
        return;
    link_gather(&b->link);
    (void)link_flush(&b->link, it.epoll, b);
    end(b, "left", is_reset);
}

void bad_shut(struct bad *b)
{
    (void)link_flush(&b->link, it.epoll, b);
    (void)shutdown(b->link.fd, SHUT_WR);
}

void bad_leave_told(struct bad *b)
{
    if (b->outcome[0] != '\0' && now_ns() - b->began > 1000000000)
        bad_leave(b, false);
}

void bad_leave_reset(struct bad *b)
{
    if (bad_was_told(b, "rst 8"))
        bad_leave(b, false);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Statuses of HTTP/1.1, wherever they begin. */
static void read_h1(struct bad *b, const char *bytes, size_t n)
{
    static const char start[] = "HTTP/1.1 ";
    for (size_t i = 0; i < n; i++) {
        if (b->matched < sizeof start - 1)
            b->matched = bytes[i] == start[b->matched] ? b->matched + 1 : bytes[i] == 'H';
        else
            b->status[b->matched++ - (sizeof start - 1)] = bytes[i];
        if (b->matched == sizeof start - 1 + sizeof b->status) {
            bad_note(b, "", atoi((char[]){b->status[0], b->status[1], b->status[2], '\0'}));
            b->matched = 0;
        }
    }
}

static void read_status(struct bad *b, const unsigned char *block, size_t n)
{
    nghttp2_nv field;
    int flags;
    if (b->fields == NULL && nghttp2_hd_inflate_new(&b->fields) != 0)
        die("memory");
    for (;;) {
        ssize_t used = nghttp2_hd_inflate_hd2(b->fields, &field, &flags, block, n, 1);
        if (used < 0)
            bad_note(b, "fields that are none", -1);
        if (used < 0 || (flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
            break;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && field.namelen == 7 &&
            memcmp(field.name, ":status", 7) == 0)
            bad_note(b, "", atoi((const char *)field.value));
        block += used;
        n -= (size_t)used;
    }
    (void)nghttp2_hd_inflate_end_headers(b->fields);
}

static int code_at(const unsigned char *p)
{
    return p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void read_frame(struct bad *b, size_t len)
{
    const unsigned char *payload = b->frame + 9;
    if (b->frame[3] == 1)
        read_status(b, payload, len);
    else if (b->frame[3] == 3 && len == 4)
        bad_note(b, "rst", code_at(payload));
    else if (b->frame[3] == 7 && len >= 8)
        bad_note(b, "goaway", code_at(payload + 4));
}

static void read_h2(struct bad *b, const char *bytes, size_t n)
{
    if (b->frame_len == 0 && b->fields == NULL && n >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
        b->matched = 1; /* it is answered as a client of HTTP/1.1 */
    if (b->matched > 0) {
        b->matched -= b->matched == 1;
        read_h1(b, bytes, n);
        return;
    }
    while (n > 0) {
        size_t len = 9;
        if (b->frame_len >= 9)
            len += (size_t)(b->frame[0] << 16 | b->frame[1] << 8 | b->frame[2]);
        if (len > sizeof b->frame) {
            bad_note(b, "a frame that is none", -1);
            return;
        }
        size_t part = len - b->frame_len < n ? len - b->frame_len : n;
        memcpy(b->frame + b->frame_len, bytes, part);
        b->frame_len += part;
        bytes += part;
        n -= part;
        if (b->frame_len == 9)
            len = 9 + (size_t)(b->frame[0] << 16 | b->frame[1] << 8 | b->frame[2]);
        if (b->frame_len < len)
            continue;
        read_frame(b, len - 9);
        b->frame_len = 0;
    }
}

/* Records that are not sealed: of alerts that is what they say. */
static void read_records(struct bad *b, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (b->frame_len < sizeof b->frame)
            b->frame[b->frame_len++] = (unsigned char)bytes[i];
        size_t len = b->frame_len >= 5 ? (size_t)(b->frame[3] << 8 | b->frame[4]) : n;
        if (b->frame_len < 5 || b->frame_len < 5 + len)
            continue;
        if (b->frame[0] == 21 && len == 2)
            bad_note(b, "alert", b->frame[6]);
        b->frame_len = 0;
    }
}

/* Why libssl says that it is over: an alert's number, or what is wrong at this end. */
static void note_tls(struct bad *b)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    if (reason >= SSL_AD_REASON_OFFSET)
        bad_note(b, "alert", reason - SSL_AD_REASON_OFFSET);
    else if (error != 0)
        bad_note(b, ERR_reason_error_string(error), -1);
}

static void read_answer(struct bad *b, const char *bytes, size_t n)
{
    if (it.kind->speaks == SPEAKS_H2)
        read_h2(b, bytes, n);
    else
        read_h1(b, bytes, n);
}

/* --- a connection ----------------------------------------------------------------------------- */

static void open_one(struct bad *b)
{
    b->is_tls = it.kind->where == ON_TLS || (it.kind->where == ON_BOTH && (b - it.all) % 2 == 1);
    b->greets = b->is_tls && !it.kind->is_raw;
    if (b->greets && it.greeting == GREETING_MAX)
        return;
    b->state = BAD_CONNECTING;
    it.greeting += b->greets;
    it.begun++;
    link_open(&b->link, it.epoll, b->is_tls ? it.tls : it.plain, b->is_tls ? it.context : NULL, b);
    if (it.kind->is_deaf) {
        int room = 4096;
        (void)setsockopt(b->link.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    }
}

static void begin(struct bad *b)
{
    it.greeting -= b->greets;
    b->greets = false;
    b->state = BAD_BUSY;
    b->began = now_ns();
    it.kind->begin(b);
}

static void greet(struct bad *b)
{
    int done = link_handshake(&b->link);
    link_gather(&b->link);
    if (done > 0)
        begin(b);
    else if (done < 0)
        note_tls(b);
}

static void on_connected(struct bad *b)
{
    if (b->greets) {
        b->state = BAD_GREETING;
        greet(b);
    } else {
        begin(b);
    }
}

static void take_tls(struct bad *b, const char *bytes, size_t n)
{
    char text[16384];
    enum link_state state = LINK_OPEN;
    link_feed(&b->link, bytes, n);
    if (b->state == BAD_GREETING)
        greet(b);
    if (b->state != BAD_BUSY)
        return;
    while ((n = link_read(&b->link, text, sizeof text, &state)) > 0)
        read_answer(b, text, n);
    link_gather(&b->link);
    if (state == LINK_FAILED)
        note_tls(b);
}

static void take(struct bad *b, const char *bytes, size_t n)
{
    if (!b->is_tls)
        read_answer(b, bytes, n);
    else if (!it.kind->is_raw)
        take_tls(b, bytes, n);
    else if (bytes[0] == 'H' && b->frame_len == 0)
        read_h1(b, bytes, n);
    else
        read_records(b, bytes, n);
}

static void send_more(struct bad *b)
{
    if (b->has_failed)
        return;
    if (link_unsent(&b->link) == 0 && b->state == BAD_BUSY && it.kind->more != NULL)
        it.kind->more(b);
    b->has_failed = b->state != BAD_AWAY && link_flush(&b->link, it.epoll, b) != LINK_OPEN;
}

static void on_event(struct bad *b, uint32_t events)
{
    char bytes[16384];
    enum link_state state = LINK_OPEN;
    size_t n = 0;
    if (b->state == BAD_CONNECTING && (events & EPOLLOUT) != 0)
        on_connected(b);
    if (b->state == BAD_AWAY)
        return;
    bool hears = !it.kind->is_deaf || b->has_failed || b->state == BAD_GREETING ||
                 (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0;
    while (hears && (n = link_receive(&b->link, bytes, sizeof bytes, &state)) == sizeof bytes)
        take(b, bytes, n);
    if (n > 0)
        take(b, bytes, n);
    if (b->state != BAD_AWAY && state != LINK_OPEN)
        end(b, state == LINK_ENDED ? "end" : "reset", false);
    else if (b->state != BAD_AWAY)
        send_more(b);
}

/* A deaf one is watched for the end only, or its bytes would tell of themselves for ever. */
static void deafen(struct bad *b)
{
    struct epoll_event e = {.events = EPOLLRDHUP, .data.ptr = b};
    if (link_unsent(&b->link) > 0)
        e.events |= EPOLLOUT;
    if (it.kind->is_deaf && b->state == BAD_BUSY && !b->has_failed)
        (void)epoll_ctl(it.epoll, EPOLL_CTL_MOD, b->link.fd, &e);
}

/* --- all of them ------------------------------------------------------------------------------ */

static void turn(bool is_tick)
{
    int64_t now = now_ns();
    for (int i = 0; i < it.count; i++) {
        struct bad *b = &it.all[i];
        if (b->state == BAD_AWAY && b->reopen_at <= now) {
            open_one(b);
        } else if (b->state == BAD_BUSY) {
            if (is_tick && it.kind->tick != NULL)
                it.kind->tick(b);
            if (b->state == BAD_BUSY)
                send_more(b);
        }
        if (it.kind->is_deaf)
            deafen(b);
    }
}

static void tell(void)
{
    printf("{\"begun\": %llu, \"ended\": %llu, \"outcomes\": {", (unsigned long long)it.begun,
           (unsigned long long)it.ended);
    for (int i = 0; i < OUTCOMES_MAX && it.outcomes[i].count > 0; i++)
        printf("%s\"%s\": %llu", i > 0 ? ", " : "", it.outcomes[i].what,
               (unsigned long long)it.outcomes[i].count);
    puts("}}");
    (void)fflush(stdout);
}

static void obey(void)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof line);
    if (n <= 0)
        exit(0);
    if (line[0] == 's')
        for (int i = 0; i < it.count; i++)
            link_close(&it.all[i].link, true);
    tell();
    if (line[0] == 's')
        exit(0);
}

static const struct kind *find(const char *name)
{
    const struct kind *const tables[] = {kinds_h1, kinds_tls, kinds_h2};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct kind *k = tables[i]; k->name != NULL; k++) {
            if (name == NULL)
                puts(k->name);
            else if (strcmp(k->name, name) == 0)
                return k;
        }
    }
    exit(name == NULL ? 0 : 2);
}

static void read_arguments(int argc, char **argv)
{
    static const struct option known[] = {{"plain", required_argument, NULL, 'p'},
                                          {"tls", required_argument, NULL, 't'},
                                          {"count", required_argument, NULL, 'c'},
                                          {"pace-ms", required_argument, NULL, 'm'},
                                          {"cert", required_argument, NULL, 'C'},
                                          {"key", required_argument, NULL, 'K'},
                                          {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'p':
            it.plain = atoi(optarg);
            break;
        case 't':
            it.tls = atoi(optarg);
            break;
        case 'c':
            it.count = atoi(optarg);
            break;
        case 'm':
            it.pace = atoi(optarg) * 1000000LL;
            break;
        case 'C':
            bad_cert = optarg;
            break;
        case 'K':
            bad_key = optarg;
            break;
        default:
            exit(2);
        }
    }
    it.kind = find(optind < argc ? argv[optind] : NULL);
}

static void prepare(void)
{
    const char *alpn = it.kind->speaks == SPEAKS_H2 ? "h2" : "http/1.1";
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    it.epoll = epoll_create1(EPOLL_CLOEXEC);
    it.context = link_tls(NULL, it.kind->alpn != NULL ? it.kind->alpn : alpn);
    if (it.kind->prepare != NULL)
        it.kind->prepare(it.context);
    it.all = calloc((size_t)it.count, sizeof *it.all);
    if (it.epoll < 0 || it.all == NULL || epoll_ctl(it.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e) != 0)
        die("the start");
    for (int i = 0; i < it.count; i++)
        it.all[i].link.fd = -1;
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    int64_t turned = 0, ticked = 0;
    read_arguments(argc, argv);
    prepare();
    for (;;) {
        int n = epoll_wait(it.epoll, events, 256, 2);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                obey();
            else
                on_event(events[i].data.ptr, events[i].events);
        }
        int64_t now = now_ns();
        if (now - turned < TURN_NS)
            continue;
        turn(now - ticked >= TICK_NS);
        ticked = now - ticked >= TICK_NS ? now : ticked;
        turned = now;
    }
}
