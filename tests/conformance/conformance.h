/*
 * The conformance suite's kit: a service behind the whole stack, a client that is stricter than
 * any real one, and a runner for rules. A rule is a row of a table: the section, what is sent,
 * which statuses come back, what then happens to the connection. Time is virtual and sockets are in
 * memory, so every rule is tried whole, cut in two at every byte, and a byte at a time, twice, and
 * must come out the same each time and leave nothing.
 *
 * Behind every request stands another one, the probe. Its answer, or that there is none, shows
 * where the server believes that the request ended: that is what smuggling is about.
 *
 * What holds of every answer is written once, in check_head: no rule has to say it.
 */
#ifndef WEIR_TESTS_CONFORMANCE_H
#define WEIR_TESTS_CONFORMANCE_H

#include "service.h"

#include "http/over_testing.h"
#include "rt/worker.h"
#include "wire/chunked.h"
#include "wire/trailer.h"

#include <ctype.h>
#include <errno.h>

#define CAPACITY (64u << 10) /* of a simulated socket, each way */
#define CUTS_MAX 900         /* a request is cut at every byte up to that many */
#define PROBE "GET /probe HTTP/1.1\r\nHost: a\r\n\r\n"

/* --- the tables ------------------------------------------------------------------------------- */

/* What becomes of the connection after the answers that are wanted. */
enum fate {
    KEPT,    /* it goes on: the probe behind the request is answered */
    CLOSED,  /* the last answer says "close"; then comes the end, in order, and no other byte */
    EITHER,  /* KEPT or CLOSED, as the bytes come: when a body that nobody wants is here already */
    ENDS,    /* the same, and nothing is sent behind it, which would be taken for its body */
    DROPPED, /* the same, but the answer had left before the server knew */
    WAITS    /* nothing more comes; when the patience is over, 408, and CLOSED */
};

struct rule {
    const char *section; /* of RFC 9112 or 9110 */
    const char *name;
    weir_str send;
    const char *want; /* the statuses in their order; "200h" is an answer to HEAD */
    enum fate fate;
    const char *has, *lacks; /* what the answers, as they came, have in them or have not; or NULL */
};

#define RULE(section_, name_, send_, want_, fate_, ...)                                            \
    {                                                                                              \
        .section = section_, .name = name_, .send = {send_, sizeof(send_) - 1}, .want = want_,     \
        .fate = fate_, __VA_ARGS__                                                                 \
    }
#define HAS(text) .has = text
#define LACKS(text) .lacks = text

/* The beginnings and ends that most requests have. */
#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n"
#define HEAD(target) "HEAD " target " HTTP/1.1\r\nHost: a\r\n"
#define POST(target) "POST " target " HTTP/1.1\r\nHost: a\r\n"
#define ASK(method, target) method " " target " HTTP/1.1\r\nHost: a\r\n\r\n"
#define HELLO GET("/hello") "\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

/* --- what has come ---------------------------------------------------------------------------- */

/* All that a client has received, and how it ended: 0 the end, -EAGAIN open, else the error. */
struct received {
    char bytes[1 << 20];
    size_t len;
    ssize_t end;
};

static struct received got;
static const struct rule *present; /* for messages */
static char way[64];

#define wrong(...)                                                                                 \
    do {                                                                                           \
        fprintf(stderr, "%s: %s (%s): ", present->section, present->name, way);                    \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fprintf(stderr, "\n--- sent\n%.*s\n--- received (end %zd)\n%.*s\n",                        \
                (int)(present->send.len < 2000 ? present->send.len : 2000), present->send.ptr,     \
                got.end, (int)(got.len < 4000 ? got.len : 4000), got.bytes);                       \
        fail();                                                                                    \
    } while (0)

/* A head's line "name: value" by its name, or absent; `count`: how many there are. */
static KIT_UNUSED weir_str line_of(weir_str head, const char *name, int *count)
{
    weir_str found = {NULL, 0};
    size_t n = strlen(name);
    *count = 0;
    for (const char *at = head.ptr, *end = head.ptr + head.len; at < end;) {
        const char *cr = memchr(at, '\r', (size_t)(end - at));
        if ((size_t)(cr - at) > n + 1 && strncasecmp(at, name, n) == 0 && at[n] == ':') {
            if ((*count)++ == 0)
                found = weir_str_trim((weir_str){at + n + 1, (size_t)(cr - at) - n - 1});
        }
        at = cr + 2;
    }
    return found;
}

static bool has_line(weir_str head, const char *name)
{
    int count;
    (void)line_of(head, name, &count);
    return count > 0;
}

/* 5.1 and 5.5: every line is a name, a colon, a blank and a value, and nothing is folded. */
static void check_lines(weir_str head)
{
    for (const char *at = head.ptr, *end = head.ptr + head.len; at < end;) {
        const char *cr = memchr(at, '\r', (size_t)(end - at)), *colon = at;
        if (cr == NULL || cr + 1 >= end || cr[1] != '\n')
            wrong("a line of the answer's head does not end in CRLF");
        while (colon < cr && (isalnum((unsigned char)*colon) || strchr("-_", *colon) != NULL))
            colon++;
        if (colon == at || colon + 1 >= cr || colon[0] != ':' || colon[1] != ' ')
            wrong("a line of the answer's head is not \"name: value\"");
        for (const char *p = colon + 1; p < cr; p++)
            if ((unsigned char)*p < ' ' || *p == 0x7f)
                wrong("a control character in a value of the answer");
        at = cr + 2;
    }
}

/* Fields that an answer may have once. */
static void check_once(weir_str head)
{
    static const char *const names[] = {"Content-Length", "Transfer-Encoding", "Content-Type",
                                        "Date",           "Connection",        "ETag",
                                        "Last-Modified",  "Location",          "Content-Range"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int count;
        (void)line_of(head, names[i], &count);
        if (count > 1)
            wrong("two lines %s", names[i]);
    }
}

/* RFC 9110 6.6.1 and 5.6.7: a date in the one form that may be sent. */
static void check_date(weir_str head, int status)
{
    int count;
    weir_str date = line_of(head, "Date", &count);
    static const char form[] = "Aaa, 00 Aaa 0000 00:00:00 GMT";
    if (count == 0 && status >= 200 && status < 500)
        wrong("no Date");
    for (size_t i = 0; count > 0 && i < sizeof form; i++) {
        char want = form[i], is = i < date.len ? date.ptr[i] : '\0';
        bool fits = want == 'A'   ? isupper((unsigned char)is) != 0
                    : want == 'a' ? islower((unsigned char)is) != 0
                    : want == '0' ? isdigit((unsigned char)is) != 0
                                  : is == want;
        if (!fits)
            wrong("a Date that is not in the preferred form");
    }
}

/* Fields that belong to a status (RFC 9110 section 15). */
static void check_fields_of_status(weir_str head, int status)
{
    static const struct {
        int status;
        const char *name;
    } wanted[] = {
        {206, "Content-Range"}, {301, "Location"}, {302, "Location"},         {303, "Location"},
        {307, "Location"},      {308, "Location"}, {401, "WWW-Authenticate"}, {405, "Allow"},
        {416, "Content-Range"}, {426, "Upgrade"},  {503, "Retry-After"},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (wanted[i].status == status && !has_line(head, wanted[i].name))
            wrong("a %d without %s", status, wanted[i].name);
}

/*
 * RFC 9112 6.1 and 6.2: how the answer's body is framed. Returns its length, -1 when it is chunked,
 * -2 when only the connection's end ends it.
 */
static long long framing_of(weir_str head, int status, bool is_head)
{
    bool has_none = status < 200 || status == 204;
    int lengths, codings;
    weir_str length = line_of(head, "Content-Length", &lengths);
    weir_str coding = line_of(head, "Transfer-Encoding", &codings);
    int64_t n = 0;
    if (lengths > 0 && codings > 0)
        wrong("both Content-Length and Transfer-Encoding");
    if (has_none && (lengths > 0 || codings > 0))
        wrong("a %d with Content-Length or Transfer-Encoding", status);
    if (codings > 0 && !weir_str_eq(coding, WEIR_S("chunked")))
        wrong("a coding that nobody asked for");
    if (lengths > 0 && weir_str_i64(length, &n) < 0)
        wrong("a Content-Length that is no number");
    if (has_none || status == 304 || is_head)
        return 0;
    if (status == 205 && n != 0)
        wrong("a 205 with content");
    return codings > 0 ? -1 : lengths > 0 ? n : -2;
}

/* All that holds of every answer. `is_last`: the connection's. */
static void check_head(weir_str head, int status, bool is_last)
{
    check_lines(head);
    check_once(head);
    check_date(head, status);
    check_fields_of_status(head, status);
    int count;
    weir_str options = line_of(head, "Connection", &count);
    bool says_close = count > 0 && weir_str_eq(options, WEIR_S("close"));
    if (is_last && !says_close)
        wrong("the connection closes and the last answer does not say so");
    if (!is_last && says_close)
        wrong("the answer says \"close\" and is not the last");
}

/* RFC 9112 7.1.2: lines up to the blank one, none of which frames anything. What is past them. */
static const char *skip_trailers(const char *at, const char *end)
{
    weir_str rest = {at, (size_t)(end - at)}, name, value;
    while (rest.len >= 2 && memcmp(rest.ptr, "\r\n", 2) != 0) {
        if (!weir__trailer_next(&rest, &name, &value) || weir__trailer_check(name, value) < 0)
            return NULL;
    }
    return rest.len >= 2 ? rest.ptr + 2 : NULL;
}

/* RFC 9112 7.1. Returns what is past the body, or NULL when it has no end. */
static const char *skip_chunks(const char *at, const char *end)
{
    for (;;) {
        char *digits_end;
        unsigned long size = strtoul(at, &digits_end, 16);
        if (digits_end == at || end - digits_end < 2 || memcmp(digits_end, "\r\n", 2) != 0)
            return NULL;
        at = digits_end + 2;
        if (size == 0)
            return skip_trailers(at, end);
        if ((size_t)(end - at) < size + 2 || memcmp(at + size, "\r\n", 2) != 0)
            return NULL;
        at += size + 2;
    }
}

/* Reads the answer at `at` and checks all that holds of every one. Returns what is past it. */
static const char *read_answer(const char *at, const char *end, bool is_head, bool is_last,
                               int *status)
{
    if (end - at < 15 || memcmp(at, "HTTP/1.1 ", 9) != 0)
        wrong("no status line at byte %td", at - got.bytes);
    const char *line_end = memchr(at, '\r', (size_t)(end - at));
    const char *head_end = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
    if (line_end == NULL || head_end == NULL || !isdigit((unsigned char)at[9]) ||
        !isdigit((unsigned char)at[10]) || !isdigit((unsigned char)at[11]) || at[12] != ' ')
        wrong("a status line that is none at byte %td", at - got.bytes);
    *status = atoi(at + 9);
    weir_str head = {line_end + 2, (size_t)(head_end - line_end)};
    if (*status >= 200)
        check_head(head, *status, is_last);
    long long framing = framing_of(head, *status, is_head);
    at = head_end + 4;
    if (framing == -1)
        at = skip_chunks(at, end);
    else
        at = framing == -2 ? end : at + framing;
    if (at == NULL || at > end)
        wrong("the body of a %d is cut short", *status);
    return at;
}

/* --- the client ------------------------------------------------------------------------------- */

static void settle(struct kit *k, int64_t ms)
{
    assert_int_equal(weir_sleep(k->c, weir_ms(ms)), WEIR_OK);
}

/* What the server does not take any more is not sent: false. */
static bool put_bytes(struct kit *k, int client, weir_str bytes)
{
    for (size_t at = 0; at < bytes.len;) {
        ssize_t n = weir__sim_write(client, bytes.ptr + at, bytes.len - at);
        if (n < 0 && n != -EAGAIN)
            return false;
        at += n > 0 ? (size_t)n : 0;
        if (at < bytes.len)
            settle(k, 1);
    }
    return true;
}

/* Adds to `got` what has come by now. */
static void take_bytes(struct kit *k, int client)
{
    ssize_t n;
    settle(k, 1);
    while ((n = weir__sim_read(client, got.bytes + got.len, sizeof got.bytes - 1 - got.len)) > 0) {
        got.len += (size_t)n;
        settle(k, 1);
    }
    got.bytes[got.len] = '\0';
    got.end = n;
}

static struct weir__http_stats stats_of(const struct kit *k)
{
    struct weir__http_stats stats;
    weir__http_server_stats(k->server, &stats);
    return stats;
}

/* --- nothing is left -------------------------------------------------------------------------- */

/* What lives now: all but sockets of the simulation, whose structs stay to its end. */
struct living {
    int64_t objects;
    uint64_t contexts, fibers_busy, open, active;
};

static int dial(struct kit *k)
{
    return weir__sim_connect(k->listener, CAPACITY);
}

static struct living living_now(const struct kit *k)
{
    struct weir__alloc_stats heap = weir__alloc_stats();
    struct weir__http_stats stats = stats_of(k);
    return (struct living){
        .objects = (int64_t)(heap.allocs - heap.frees),
        .contexts = atomic_load(&weir__self->stats.contexts),
        .fibers_busy = atomic_load(&weir__self->stats.fibers),
        .open = stats.open,
        .active = stats.active,
    };
}

/* The simulation's own memory is not counted among the objects. */
static KIT_UNUSED void check_living(const struct kit *k, const struct living *before)
{
    struct living now = living_now(k);
    int64_t objects = now.objects - before->objects;
    if (now.open != before->open || now.active != before->active)
        wrong("%llu connections are left, %llu of them active", (unsigned long long)now.open,
              (unsigned long long)now.active);
    if (now.contexts != before->contexts || now.fibers_busy != before->fibers_busy)
        wrong("contexts or fibers are left");
    if (objects != 0)
        wrong("%lld objects are left", (long long)objects);
}

/* --- rules ------------------------------------------------------------------------------------ */

/* The answers that are wanted, from the front of `got`. Returns what is past them. */
static const char *check_wanted(const char *want, bool closes)
{
    const char *at = got.bytes, *end = got.bytes + got.len;
    while (*want != '\0') {
        char *next;
        int wanted = (int)strtol(want, &next, 10), status;
        bool is_head = *next == 'h';
        want = next + is_head;
        want += *want == ' ';
        at = read_answer(at, end, is_head, closes && *want == '\0', &status);
        if (status != wanted)
            wrong("%d, not %d", status, wanted);
    }
    return at;
}

static void check_probe(const char *at)
{
    const char *end = got.bytes + got.len;
    int status;
    if (at == end)
        wrong("the request behind it is not answered");
    const char *next = read_answer(at, end, false, false, &status);
    if (status != 200 || next != end || memcmp(end - 5, "probe", 5) != 0)
        wrong("what comes behind it is not the answer to the next request");
    if (got.end != -EAGAIN)
        wrong("the connection is not kept");
}

static void check_end(struct kit *k, int client, const char *at)
{
    if (at != got.bytes + got.len)
        wrong("there are bytes behind the last answer");
    if (got.end != 0)
        wrong("the connection is not closed in order");
    /* Whatever comes now is thrown away, and answered by nothing. */
    (void)put_bytes(k, client, WEIR_S(PROBE));
    size_t before = got.len;
    take_bytes(k, client);
    if (got.len != before)
        wrong("there are bytes behind the connection's end");
}

static void check_wait(struct kit *k, int client, const struct rule *r)
{
    if (*check_wanted(r->want, false) != '\0' || got.end != -EAGAIN)
        wrong("it is answered before it is whole");
    settle(k, 62000);
    take_bytes(k, client);
    char want[64];
    snprintf(want, sizeof want, "%s%s408", r->want, r->want[0] != '\0' ? " " : "");
    check_end(k, client, check_wanted(want, true));
}

static void check_rule(struct kit *k, int client, const struct rule *r)
{
    enum fate fate = r->fate;
    if (fate == EITHER)
        fate = got.end == 0 ? CLOSED : KEPT;
    if (fate == WAITS) {
        check_wait(k, client, r);
    } else {
        const char *at = check_wanted(r->want, fate == CLOSED || fate == ENDS);
        if (fate == KEPT)
            check_probe(at);
        else
            check_end(k, client, at);
    }
    if (r->has != NULL && strstr(got.bytes, r->has) == NULL)
        wrong("the answer lacks \"%s\"", r->has);
    if (r->lacks != NULL && strstr(got.bytes, r->lacks) != NULL)
        wrong("the answer has \"%s\"", r->lacks);
    if (smuggled != 0)
        wrong("a request was smuggled");
}

/* Sends `first`, and when the server has taken that, `second`. */
static void send_both(struct kit *k, int client, weir_str first, weir_str second)
{
    if (first.len > 0) {
        (void)put_bytes(k, client, first);
        settle(k, 1);
    }
    (void)put_bytes(k, client, second);
}

static bool has_probe(const struct rule *r)
{
    return r->fate != WAITS && r->fate != ENDS;
}

/* The request in two parts, the probe with the second; then what came is held against the rule. */
static void try_cut(struct kit *k, const struct rule *r, size_t cut)
{
    static char all[CAPACITY * 2];
    int client = dial(k);
    size_t probe = has_probe(r) ? sizeof PROBE - 1 : 0;
    snprintf(way, sizeof way, "cut at byte %zu", cut);
    assert_true(r->send.len + probe <= sizeof all);
    memcpy(all, r->send.ptr, r->send.len);
    memcpy(all + r->send.len, PROBE, probe);
    got.len = 0;
    send_both(k, client, (weir_str){all, cut}, (weir_str){all + cut, r->send.len + probe - cut});
    take_bytes(k, client);
    check_rule(k, client, r);
    weir__sim_close(client);
    settle(k, 1);
}

/* The request in pieces of `step`, each when the one before has been taken, then the probe. */
static void try_pieces(struct kit *k, const struct rule *r, size_t step)
{
    int client = dial(k);
    snprintf(way, sizeof way, "in pieces of %zu", step);
    got.len = 0;
    for (size_t at = 0; at < r->send.len; at += step) {
        size_t left = r->send.len - at;
        (void)put_bytes(k, client, (weir_str){r->send.ptr + at, left < step ? left : step});
        take_bytes(k, client);
    }
    if (has_probe(r))
        (void)put_bytes(k, client, WEIR_S(PROBE));
    take_bytes(k, client);
    check_rule(k, client, r);
    weir__sim_close(client);
    settle(k, 1);
}

/* Under a sanitizer everything takes ten times as long: a part of it is tried then. */
static bool is_sanitized(void)
{
    const char *which = getenv("WEIR_SANITIZE");
    return which != NULL && which[0] != '\0' && strcmp(which, "none") != 0;
}

/*
 * Over HTTP/2 the text is translated (http/h2/translate_testing.h): what is asked of the answers is
 * what they mean, and the connection's fate is nobody's business. What only HTTP/1 has cannot be
 * said there: its versions, its own errors, and what is told by the bytes of its framing.
 */
static bool has_meaning_in_h2(const struct rule *r)
{
    static const char *const ours[] = {"HTTP/1.0", "Expect: ", "BREW", "//evil", "http://"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (memmem(r->send.ptr, r->send.len, ours[i], strlen(ours[i])) != NULL)
            return false;
    return r->fate != WAITS;
}

static void try_translated(struct kit *k, const struct rule *r)
{
    int client = dial(k);
    snprintf(way, sizeof way, "over HTTP/2");
    got.len = 0;
    (void)put_bytes(k, client, r->send);
    if (r->fate == KEPT)
        (void)put_bytes(k, client, WEIR_S(PROBE));
    take_bytes(k, client);
    (void)check_wanted(r->want, false);
    if (r->has != NULL && strstr(got.bytes, r->has) == NULL)
        wrong("the answer lacks \"%s\"", r->has);
    if (r->lacks != NULL && strstr(got.bytes, r->lacks) != NULL)
        wrong("the answer has \"%s\"", r->lacks);
    if (smuggled != 0)
        wrong("a request was smuggled");
    weir__sim_close(client);
    settle(k, 1);
}

/* Whole, cut in two at every byte, a byte at a time. */
static void try_all(struct kit *k, const struct rule *r)
{
    size_t cuts = is_sanitized() || over_is(OVER_TLS) ? CUTS_MAX / 50 : CUTS_MAX;
    size_t stride = r->send.len / cuts + 1;
    if (over_is(OVER_H2)) {
        try_translated(k, r);
        return;
    }
    for (size_t cut = 0; cut < r->send.len; cut += stride)
        try_cut(k, r, cut);
    try_pieces(k, r, r->send.len / CUTS_MAX + 1);
}

/* Twice: after the first time all is warm, and the second leaves nothing that was not there. */
static void use_rule(struct kit *k)
{
    smuggled = 0;
    try_all(k, present);
    struct living before = living_now(k);
    try_all(k, present);
    check_living(k, &before);
}

static void (*service)(weir_group *app) = build_service;
static const struct weir__http_server_options *limits; /* of the service; NULL: the defaults */

static KIT_UNUSED void run_rule(const struct rule *r)
{
    present = r;
    snprintf(way, sizeof way, "built");
    if (over_is(OVER_H2) && !has_meaning_in_h2(r))
        return;
    kit_run_with(limits, service, use_rule);
}

/* Before the tests: the transport that they go over. */
static KIT_UNUSED void begin_over(void)
{
    over_begin();
    kit_prepares = over_server;
}

#define run_rules(table)                                                                           \
    do {                                                                                           \
        for (size_t i_ = 0; i_ < sizeof(table) / sizeof((table)[0]); i_++)                         \
            run_rule(&(table)[i_]);                                                                \
    } while (0)

/* A test that is a table. */
#define TABLE_TEST(table)                                                                          \
    static void test_##table(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        run_rules(table);                                                                          \
    }

#endif
