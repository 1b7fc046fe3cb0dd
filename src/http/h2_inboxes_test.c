/*
 * What a connection of HTTP/2 keeps of bodies: what is read has no memory for long, however many
 * streams bring some.
 */
#include "http/h2_testing.h"

#if WEIR_HTTP2

#include "http/h2/h2.h"

enum { STREAMS = 60, PIECE = 16384, PIECES = 3 };

static const struct weir__h2 *connection;
static size_t got;

/* Reads what comes, as a handler does that passes it on; then it has other things to do. */
static void reads(struct weir__exchange *x, void *arg)
{
    char piece[PIECE];
    ssize_t n;
    (void)arg;
    connection = weir__h2(x->conn);
    while ((n = weir__exchange_read(x, piece, sizeof piece)) > 0)
        got += (size_t)n;
    assert_int_equal(weir_sleep(weir__ctx_handle(x->ctx), weir_sec(1)), 0);
    (void)weir__exchange_respond(x, 200, WEIR_S("text/plain"), WEIR_S("read"));
}

static void put_pieces(struct peer *p, uint32_t id, int count, unsigned flags)
{
    static const char piece[PIECE];
    for (int i = 0; i < count; i++)
        put_frame(p, DATA, i == count - 1 ? flags : 0, id, piece, sizeof piece);
}

static weir_err upload(weir_ctx *c, void *arg)
{
    static const struct weir__http_server_options options;
    struct rig rig;
    (void)arg;
    got = 0;
    rig_open_for(&rig, c, &options, reads);
    struct peer *p = h2_dial(&rig);
    for (uint32_t i = 0; i < STREAMS; i++) {
        put_post(p, 1 + 2 * i, "/");
        put_pieces(p, 1 + 2 * i, PIECES, 0);
        wait_ms(&rig, 1);
        assert_int_equal(got, (size_t)PIECE * PIECES * (i + 1));
        assert_int_equal(connection->unread, 0);
        assert_in_range(connection->kept, 0, WEIR__H2_KEPT_MAX + 65536);
    }
    assert_in_range(connection->kept, WEIR__H2_KEPT_MAX / 2, WEIR__H2_KEPT_MAX + 65536);
    for (uint32_t i = 0; i < STREAMS; i++) {
        put_pieces(p, 1 + 2 * i, 1, END_STREAM);
        wait_ms(&rig, 1);
    }
    assert_int_equal(connection->running, STREAMS);
    assert_int_equal(connection->kept, 0); /* nothing more will come */
    wait_ms(&rig, 2000);
    assert_string_equal(h2_get(p, 2 * STREAMS - 1)->body, "read");
    h2_close(p);
    rig_close(&rig);
    return WEIR_OK;
}

static void test_what_was_read_is_not_kept(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(upload, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_was_read_is_not_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* nothing of it is built */
}

#endif
