/*
 * A session against a peer that is written frame by frame, and against itself: requests, windows,
 * sockets that take little, one send a turn, the end in steps, and memory that is not there. What
 * is wrong is in session_errors_test.c.
 */
#include "http/h2/session_testing.h"

#if WEIR_HTTP2

static weir_err says_its_settings(weir_ctx *c, void *arg)
{
    struct both *b = open_both(c, 1 << 20);
    struct frame f;
    (void)arg;
    put_preface(&b->peer);
    assert_true(next_frame(&b->peer, &f));
    assert_int_equal(f.type, SETTINGS);
    assert_int_equal(f.len, 24);
    for (uint32_t i = 0; i < f.len; i += 6) {
        unsigned key = (unsigned)f.payload[i] << 8 | f.payload[i + 1];
        uint32_t value = u32_at(f.payload + i + 2);
        assert_int_equal(value, key == 3 ? 100 : key == 4 ? 65535 : key == 6 ? 16384 : 1);
        assert_int_not_equal(key, 2); /* no server may say ENABLE_PUSH */
    }
    assert_true(next_of(&b->peer, WINDOW_UPDATE, &f));
    assert_int_equal(f.id, 0);
    assert_int_equal(u32_at(f.payload), (1 << 20) - 65535);
    return close_both(b);
}

static weir_err answers(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    (void)arg;
    put_get(p, 1, "/");
    assert_true(next_of(p, HEADERS, &f));
    assert_string_equal(f.fields, ":status: 200\nx-own: 1\n");
    assert_true(next_frame(p, &f));
    assert_int_equal(f.type, DATA);
    assert_int_equal(f.flags, END_STREAM);
    assert_memory_equal(f.payload, "abcde", 5);
    assert_string_equal(b->owner.entries[0].fields,
                        ":method: GET\n:scheme: http\n:path: /\n:authority: a\n");
    assert_true(b->owner.entries[0].is_closed);
    assert_int_equal(b->owner.entries[0].code, 0);

    put_get(p, 3, "/empty");
    assert_true(next_of(p, HEADERS, &f));
    assert_int_equal(f.flags & END_STREAM, END_STREAM);

    put_get(p, 5, "/trail");
    assert_true(next_of(p, DATA, &f));
    assert_int_equal(f.flags & END_STREAM, 0);
    assert_true(next_frame(p, &f));
    assert_string_equal(f.fields, "x-sum: 7\n");
    assert_int_equal(f.flags & END_STREAM, END_STREAM);

    put_post(p, 7, "/");
    put_data(p, 7, 0, "some");
    put_data(p, 7, END_STREAM, "body");
    assert_true(next_of(p, DATA, &f));
    assert_int_equal(b->owner.entries[3].body, 8);
    return close_both(b);
}

static void test_requests_are_answered(void **state)
{
    (void)state;
    SIM(says_its_settings, NULL);
    SIM(answers, NULL);
    for (size_t chop = 1; chop < 30; chop += 4) {
        weir__sim_chop(chop);
        SIM(answers, NULL);
    }
    weir__sim_chop(0);
}

/* --- one send a turn -------------------------------------------------------------------------- */

static weir_err sends_once(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct frame f;
    (void)arg;
    for (uint32_t i = 0; i < 32; i++)
        put_get(&b->peer, 1 + 2 * i, "/");
    unsigned before = b->owner.flushes;
    weir__sim_refuse(0, 0);
    peer_wait(&b->peer, 1);
    assert_int_equal(b->owner.flushes - before, 1);
    for (uint32_t i = 0; i < 32; i++)
        assert_true(next_of(&b->peer, DATA, &f));
    return close_both(b);
}

static void test_all_streams_leave_with_one_send(void **state)
{
    (void)state;
    SIM(sends_once, NULL);
}

/* --- windows and sockets that take little ----------------------------------------------------- */

static weir_err window_is_kept(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    size_t got = 0;
    (void)arg;
    put_get(p, 1, "/big");
    while (next_of(p, DATA, &f))
        got += f.len;
    assert_int_equal(got, 65535);
    assert_int_equal(weir__h2_session_window(&b->owner.session, 1), 0);
    put_u32(p, WINDOW_UPDATE, 1, 1000); /* the connection's is spent too */
    assert_false(next_of(p, DATA, &f));
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    assert_true(next_of(p, DATA, &f));
    assert_int_equal(f.len, 1000);
    put_u32(p, WINDOW_UPDATE, 1, 1 << 20);
    for (got = 0; next_of(p, DATA, &f); got += f.len)
        for (uint32_t i = 0; i < f.len; i++)
            assert_int_equal(f.payload[i], 'a' + (66535 + got + i) % 26);
    assert_int_equal(got, BIG - 66535);
    return close_both(b);
}

/* A window that shrinks below nothing by a setting, and opens again: section 6.9.2. */
static weir_err window_may_be_negative(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    (void)arg;
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    put_get(p, 1, "/big");
    while (next_of(p, DATA, &f))
        ;
    put_setting(p, 4, 100);
    put_u32(p, WINDOW_UPDATE, 1, 65435);
    assert_false(next_of(p, DATA, &f));
    put_u32(p, WINDOW_UPDATE, 1, 10);
    assert_true(next_of(p, DATA, &f));
    assert_int_equal(f.len, 10);
    return close_both(b);
}

static weir_err little_room(weir_ctx *c, void *arg)
{
    struct both *b = open_both(c, *(size_t *)arg);
    struct peer *p = &b->peer;
    struct frame f;
    size_t got = 0;
    put_preface(p);
    put_setting(p, 4, 1 << 20);
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    put_get(p, 1, "/big");
    put_get(p, 3, "/big");
    while (got < (size_t)2 * BIG && next_of(p, DATA, &f))
        got += f.len;
    assert_int_equal(got, 2 * BIG);
    assert_null(b->owner.session.rest);
    return close_both(b);
}

static weir_err put_off(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    static const struct weir__h2_field ok = {WEIR_S(":status"), WEIR_S("200")};
    (void)arg;
    put_get(p, 1, "/wait");
    peer_wait(p, 1);
    struct entry *e = &b->owner.entries[0];
    e->is_put_off = true;
    e->to_send = 5;
    assert_int_equal(weir__h2_session_respond(&b->owner.session, 1, &ok, 1, true), WEIR_OK);
    assert_true(next_of(p, HEADERS, &f));
    assert_false(next_of(p, DATA, &f));
    e->is_put_off = false;
    weir__h2_session_resume(&b->owner.session, 1);
    assert_true(next_of(p, DATA, &f));
    assert_int_equal(f.flags, END_STREAM);
    assert_int_equal(weir__h2_session_respond(&b->owner.session, 1, &ok, 1, true), WEIR_ECLOSED);
    return close_both(b);
}

/* Nothing of a body is taken more than its window, and what is not consumed opens none. */
static weir_err unread_bodies_stop_their_stream(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    static char piece[16385];
    (void)arg;
    memset(piece, 'x', sizeof piece - 1);
    b->owner.is_consuming = false;
    put_post(p, 1, "/");
    for (int i = 0; i < 3; i++)
        put_data(p, 1, 0, piece);
    assert_false(next_of(p, WINDOW_UPDATE, &f));
    weir__h2_session_consume(&b->owner.session, 1, 49152, 0);
    assert_true(next_of(p, WINDOW_UPDATE, &f));
    assert_int_equal(f.id, 1);
    assert_int_equal(u32_at(f.payload), 49152);
    return close_both(b);
}

static void test_windows(void **state)
{
    (void)state;
    static size_t rooms[] = {100, 1000, 65536, 1 << 20};
    SIM(window_is_kept, NULL);
    SIM(window_may_be_negative, NULL);
    SIM(put_off, NULL);
    SIM(unread_bodies_stop_their_stream, NULL);
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
        SIM(little_room, &rooms[i]);
}

/* --- the end ---------------------------------------------------------------------------------- */

static weir_err goes_in_two_steps(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    (void)arg;
    put_get(p, 1, "/wait");
    peer_wait(p, 1);
    weir__h2_session_notice(&b->owner.session);
    assert_true(next_of(p, GOAWAY, &f));
    assert_int_equal(u32_at(f.payload), 0x7fffffff);
    put_get(p, 3, "/"); /* it was on its way */
    assert_true(next_of(p, DATA, &f));
    weir__h2_session_goaway(&b->owner.session, WEIR_H2_NO_ERROR);
    assert_true(next_of(p, GOAWAY, &f));
    assert_int_equal(u32_at(f.payload), 3);
    put_get(p, 5, "/"); /* it is not answered any more */
    assert_false(next_of(p, HEADERS, &f));
    assert_false(peer_is_over(p));
    answer(&b->owner.session, &b->owner.entries[0]);
    assert_true(next_of(p, DATA, &f));
    assert_true(peer_is_over(p));
    assert_int_equal(b->owner.last, WEIR__H2_IS_OVER);
    return close_both(b);
}

static weir_err peer_goes(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct frame f;
    (void)arg;
    put_get(&b->peer, 1, "/");
    put_frame(&b->peer, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    assert_true(next_of(&b->peer, DATA, &f));
    assert_true(peer_is_over(&b->peer));
    return close_both(b);
}

static void test_the_end_has_steps(void **state)
{
    (void)state;
    SIM(goes_in_two_steps, NULL);
    SIM(peer_goes, NULL);
}

/* --- a client --------------------------------------------------------------------------------- */

struct pair {
    struct owner server, client;
};

static int32_t ask(struct owner *client, const char *path, size_t body)
{
    const struct weir__h2_field get[] = {{WEIR_S(":method"), WEIR_S("POST")},
                                         {WEIR_S(":scheme"), WEIR_S("http")},
                                         {WEIR_S(":authority"), WEIR_S("a")},
                                         {WEIR_S(":path"), weir_str_from(path)}};
    struct entry *e = &client->entries[client->count++];
    *e = (struct entry){.to_send = body};
    e->id = weir__h2_session_request(&client->session, get, 4, body > 0, e);
    return e->id;
}

static weir_err client_asks(weir_ctx *c, void *arg)
{
    int ends[2];
    struct pair *p = calloc(1, sizeof *p);
    assert_non_null(p);
    weir__sim_socketpair(ends, *(size_t *)arg);
    owner_open(&p->server, ends[0], false);
    owner_open(&p->client, ends[1], true);
    assert_int_equal(ask(&p->client, "/", 0), 1);
    assert_int_equal(ask(&p->client, "/big", BIG), 3);
    assert_int_equal(ask(&p->client, "/trail", 10), 5);
    assert_int_equal(weir_sleep(c, weir_ms(1000)), 0);
    for (int i = 0; i < 3; i++) {
        const struct entry *e = &p->client.entries[i];
        assert_true(e->is_ended && e->is_closed && e->code == 0);
        assert_in(e->fields, ":status: 200\n");
        assert_int_equal(e->body, i == 1 ? BIG : 5);
    }
    assert_in(p->client.entries[2].fields, "x-sum: 7\n");
    assert_int_equal(p->client.entries[2].blocks, 2);
    assert_int_equal(p->server.entries[1].body, BIG);
    weir__h2_session_goaway(&p->server.session, WEIR_H2_NO_ERROR);
    assert_int_equal(weir_sleep(c, weir_ms(1)), 0);
    assert_int_equal(p->client.going, 5);
    owner_close(&p->client);
    owner_close(&p->server);
    free(p);
    return WEIR_OK;
}

static void test_a_client_is_answered(void **state)
{
    (void)state;
    static size_t rooms[] = {1000, 1 << 20};
    for (size_t i = 0; i < 2; i++)
        SIM(client_asks, &rooms[i]);
}

/* --- in turn ---------------------------------------------------------------------------------- */

#define SHARING 12u

/* While all of them have something to send, none is more than two frames ahead of another. */
static void assert_in_turn(struct peer *p)
{
    size_t got[SHARING] = {0};
    struct frame f;
    for (size_t least = 0, most = 0; most < BIG;) {
        assert_true(next_of(p, DATA, &f));
        assert_true(f.id % 2 == 1 && f.id / 2 < SHARING);
        got[f.id / 2] += f.len;
        least = most = got[0];
        for (size_t i = 1; i < SHARING; i++) {
            least = got[i] < least ? got[i] : least;
            most = got[i] > most ? got[i] : most;
        }
        assert_in_range(most - least, 0, 2 * 16384);
    }
}

static void open_windows(struct peer *p)
{
    put_setting(p, 4, 1 << 20);
    put_u32(p, WINDOW_UPDATE, 0, 1 << 30);
}

static weir_err responses_share(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, *(size_t *)arg);
    open_windows(&b->peer);
    for (uint32_t i = 0; i < SHARING; i++)
        put_get(&b->peer, 1 + 2 * i, "/big");
    assert_in_turn(&b->peer);
    return close_both(b);
}

static weir_err requests_share(weir_ctx *c, void *arg)
{
    struct both *b = calloc(1, sizeof *b);
    int ends[2];
    assert_non_null(b);
    weir__sim_socketpair(ends, *(size_t *)arg);
    owner_open(&b->owner, ends[0], true);
    peer_open(&b->peer, c, ends[1]);
    assert_true(put_frame(&b->peer, SETTINGS, 0, 0, NULL, 0));
    open_windows(&b->peer);
    peer_wait(&b->peer, 1);
    assert_true(peer_receive(&b->peer));
    b->peer.at += strlen(PREFACE);
    for (uint32_t i = 0; i < SHARING; i++)
        assert_int_equal(ask(&b->owner, "/", BIG), 1 + 2 * i);
    assert_in_turn(&b->peer);
    return close_both(b);
}

static void test_bodies_get_on_in_turn(void **state)
{
    (void)state;
    static size_t rooms[] = {10000, 1 << 20};
    for (size_t i = 0; i < 2; i++) {
        SIM(responses_share, &rooms[i]);
        SIM(requests_share, &rooms[i]);
    }
}

/* --- memory ----------------------------------------------------------------------------------- */

static unsigned failed;

static weir_err fails_nth(weir_ctx *c, void *arg)
{
    uint64_t *nth = arg;
    struct both *b = calloc(1, sizeof *b);
    int ends[2];
    assert_non_null(b);
    weir__sim_socketpair(ends, 1 << 20);
    b->owner.is_consuming = true;
    struct weir__detached d = {.num = ends[0]};
    assert_int_equal(weir__stream_attach(&b->owner.stream, d, on_ready), WEIR_OK);
    const struct weir__h2_session_options options = {.ops = &ops,
                                                     .stream = &b->owner.stream,
                                                     .gather = &b->owner.gather,
                                                     .streams_max = 100,
                                                     .stream_window = 65535,
                                                     .connection_window = 1 << 20,
                                                     .fields_bytes_max = 16384};
    peer_open(&b->peer, c, ends[1]);
    put_preface(&b->peer);
    put_get(&b->peer, 1, "/");
    put_post(&b->peer, 3, "/trail");
    put_data(&b->peer, 3, END_STREAM, "body");
    weir__alloc_fail_nth(*nth);
    weir_err err = weir__h2_session_init(&b->owner.session, &options);
    assert_true(err == WEIR_OK || err == -ENOMEM);
    if (err == WEIR_OK)
        peer_wait(&b->peer, 1);
    weir__alloc_fail_nth(0);
    bool is_over = err != WEIR_OK || b->owner.last >= WEIR__H2_IS_OVER;
    if (is_over)
        failed++;
    return close_both(b);
}

static void test_no_memory_ends_the_connection(void **state)
{
    (void)state;
    failed = 0;
    for (uint64_t nth = 1; nth < 80; nth++)
        SIM(fails_nth, &nth);
    assert_in_range(failed, 20, 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_answered),
        cmocka_unit_test(test_all_streams_leave_with_one_send),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_the_end_has_steps),
        cmocka_unit_test(test_a_client_is_answered),
        cmocka_unit_test(test_bodies_get_on_in_turn),
        cmocka_unit_test(test_no_memory_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void test_there_is_none(void **state)
{
    struct weir__h2_session s;
    (void)state;
    assert_int_equal(weir__h2_session_init(&s, NULL), WEIR_ENOTBUILT);
    weir__h2_session_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
