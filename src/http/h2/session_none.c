/*
 * The session of a build without nghttp2: none ever begins, and says why. What only a session could
 * be asked is never called.
 */
#include "http/h2/session.h"

#if !WEIR_HTTP2

#include "base/assert.h"

#define NEVER() WEIR_ASSERT(false, "a build without HTTP/2 has no session")

weir_err weir__h2_session_init(struct weir__h2_session *s, const struct weir__h2_session_options *o)
{
    (void)o;
    *s = (struct weir__h2_session){.lib = NULL};
    return WEIR_ENOTBUILT;
}

void weir__h2_session_fini(struct weir__h2_session *s)
{
    (void)s;
}

bool weir__h2_session_feed(struct weir__h2_session *s, const char *bytes, size_t len)
{
    (void)s, (void)bytes, (void)len;
    NEVER();
    return false;
}

void weir__h2_session_on_room(struct weir__h2_session *s)
{
    (void)s;
    NEVER();
}

enum weir__h2_flushed weir__h2_session_flush(struct weir__h2_session *s)
{
    (void)s;
    NEVER();
    return WEIR__H2_IS_BROKEN;
}

weir_err weir__h2_session_respond(struct weir__h2_session *s, int32_t id,
                                  const struct weir__h2_field *fields, size_t count, bool has_body)
{
    (void)s, (void)id, (void)fields, (void)count, (void)has_body;
    NEVER();
    return WEIR_ENOTBUILT;
}

weir_err weir__h2_session_inform(struct weir__h2_session *s, int32_t id,
                                 const struct weir__h2_field *fields, size_t count)
{
    return weir__h2_session_respond(s, id, fields, count, false);
}

int32_t weir__h2_session_request(struct weir__h2_session *s, const struct weir__h2_field *fields,
                                 size_t count, bool has_body, void *of)
{
    (void)has_body, (void)of;
    return weir__h2_session_respond(s, 0, fields, count, false);
}

weir_err weir__h2_session_trailers(struct weir__h2_session *s, int32_t id,
                                   const struct weir__h2_field *fields, size_t count)
{
    return weir__h2_session_respond(s, id, fields, count, false);
}

void weir__h2_session_resume(struct weir__h2_session *s, int32_t id)
{
    (void)s, (void)id;
    NEVER();
}

void weir__h2_session_reset(struct weir__h2_session *s, int32_t id, enum weir__h2_code code,
                            bool is_provoked)
{
    (void)s, (void)id, (void)code, (void)is_provoked;
    NEVER();
}

void weir__h2_session_consume(struct weir__h2_session *s, int32_t id, size_t of_stream,
                              size_t of_connection)
{
    (void)s, (void)id, (void)of_stream, (void)of_connection;
    NEVER();
}

void weir__h2_session_notice(struct weir__h2_session *s)
{
    (void)s;
    NEVER();
}

bool weir__h2_session_end_turn(struct weir__h2_session *s)
{
    (void)s;
    NEVER();
    return false;
}

void weir__h2_session_goaway(struct weir__h2_session *s, enum weir__h2_code code)
{
    (void)s, (void)code;
    NEVER();
}

void weir__h2_session_terminate(struct weir__h2_session *s, enum weir__h2_code code)
{
    (void)s, (void)code;
    NEVER();
}

void weir__h2_session_calm(struct weir__h2_session *s)
{
    (void)s;
    NEVER();
}

void weir__h2_session_ping(struct weir__h2_session *s)
{
    (void)s;
    NEVER();
}

uint32_t weir__h2_session_streams_max(const struct weir__h2_session *s)
{
    (void)s;
    NEVER();
    return 0;
}

size_t weir__h2_session_window(const struct weir__h2_session *s, int32_t id)
{
    (void)s, (void)id;
    NEVER();
    return 0;
}

#endif
