/*
 * A block of fields that is too much (docs/design/http2.md): one byte on the wire may stand for
 * 4 KB, so that what is not wanted any more must not be decoded to its end either.
 */
#include "http/h2/testing.h"

#if WEIR_HTTP2

enum { FIELDS = 10000, ENOUGH = 10 };

static unsigned seen;

static void *begin(struct weir__h2_session *s, int32_t id)
{
    (void)id;
    return s;
}

static void field(struct weir__h2_session *s, void *of, weir_str name, weir_str value)
{
    (void)of, (void)name, (void)value;
    if (++seen == ENOUGH)
        weir__h2_session_calm(s);
}

static void fields_end(struct weir__h2_session *s, void *of, bool is_end)
{
    (void)s, (void)of, (void)is_end;
    fail_msg("the block has not come to its end");
}

static void closed(struct weir__h2_session *s, void *of, uint32_t code, bool is_reset)
{
    (void)s, (void)of, (void)code, (void)is_reset;
}

static void flushed(struct weir__h2_session *s, enum weir__h2_flushed result)
{
    (void)s, (void)result;
}

static void on_ready(struct weir__fd *fd, unsigned ready)
{
    (void)fd, (void)ready;
}

static weir_err is_not_decoded(weir_ctx *c, void *arg)
{
    static const struct weir__h2_session_ops ops = {.begin = begin,
                                                    .field = field,
                                                    .fields_end = fields_end,
                                                    .closed = closed,
                                                    .flushed = flushed};
    static struct weir__h2_gather gather;
    static const char start[] = PREFACE "\0\0\0\4\0\0\0\0\0"      /* SETTINGS */
                                        "\0\x27\x10\1\5\0\0\0\1"; /* HEADERS of 10,000 bytes */
    static char block[FIELDS];
    struct weir__stream stream;
    struct weir__h2_session session;
    int pair[2];
    (void)c, (void)arg;
    memset(block, 0x82, sizeof block); /* ":method: GET", as often */
    weir__sim_socketpair(pair, 1 << 16);
    assert_int_equal(
        weir__stream_attach(&stream, (struct weir__detached){.num = pair[0]}, on_ready), WEIR_OK);
    const struct weir__h2_session_options options = {.ops = &ops,
                                                     .stream = &stream,
                                                     .gather = &gather,
                                                     .streams_max = 100,
                                                     .stream_window = 65535,
                                                     .connection_window = 1 << 20,
                                                     .fields_bytes_max = 16384};
    assert_int_equal(weir__h2_session_init(&session, &options), WEIR_OK);
    assert_true(weir__h2_session_feed(&session, start, sizeof start - 1));
    assert_false(weir__h2_session_feed(&session, block, sizeof block));
    assert_int_equal(seen, ENOUGH);
    assert_int_equal(weir__h2_session_flush(&session), WEIR__H2_IS_OVER);
    weir__h2_session_fini(&session);
    weir__stream_close(&stream);
    weir__sim_close(pair[1]);
    return WEIR_OK;
}

static void test_what_is_too_much_is_not_decoded(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(is_not_decoded, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_too_much_is_not_decoded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* nothing of it is built */
}

#endif
