/*
 * The frames of a connection: a session of nghttp2 over a stream, for servers and clients. All that
 * is known of the library is in session.c; here are streams by number, fields, bytes, and codes.
 *
 * Bytes that have come are fed from wherever they were received. What is to be sent is gathered
 * once a worker's turn, when every fiber has had its turn (rt/worker.h): the frames of all streams
 * leave with one send. Nothing here waits, so no fiber is ever the stream's sender (S1 in net);
 * what the socket does not take is kept, and nothing more is made until it has left.
 *
 * Not re-entrant: `feed` and `flush` are called on the worker's own stack, not from call-backs; the
 * others anywhere, from fibers too.
 *
 * H3: while something that was gathered has not left nothing is gathered.
 * H4: of a stream that `closed` was told of nothing is told any more.
 */
#ifndef WEIR_HTTP_H2_SESSION_H
#define WEIR_HTTP_H2_SESSION_H

#include "http/h2/budget.h"
#include "net/stream.h"
#include "wire/chunked.h"
#include "wire/trailer.h"

struct weir__h2_session;
struct nghttp2_session;

/* Error codes: RFC 9113 section 7. */
enum weir__h2_code {
    WEIR_H2_NO_ERROR,
    WEIR_H2_PROTOCOL_ERROR,
    WEIR_H2_INTERNAL_ERROR,
    WEIR_H2_FLOW_CONTROL_ERROR,
    WEIR_H2_SETTINGS_TIMEOUT,
    WEIR_H2_STREAM_CLOSED,
    WEIR_H2_FRAME_SIZE_ERROR,
    WEIR_H2_REFUSED_STREAM,
    WEIR_H2_CANCEL,
    WEIR_H2_COMPRESSION_ERROR,
    WEIR_H2_CONNECT_ERROR,
    WEIR_H2_ENHANCE_YOUR_CALM,
    WEIR_H2_INADEQUATE_SECURITY,
    WEIR_H2_HTTP_1_1_REQUIRED
};

/* Who is told so has broken the protocol. */
static inline bool weir__h2_code_blames_peer(uint32_t code)
{
    return code == WEIR_H2_PROTOCOL_ERROR ||
           (code >= WEIR_H2_FLOW_CONTROL_ERROR && code <= WEIR_H2_FRAME_SIZE_ERROR) ||
           code == WEIR_H2_COMPRESSION_ERROR;
}

/* A field to be sent: its name in lower case. Used during the call only. */
struct weir__h2_field {
    weir_str name;
    weir_str value;
};
#define WEIR__H2_SENT_FIELDS_MAX 112 /* of one block */

/* Names go in lower case (RFC 9113 section 8.2). */
static inline void weir__h2_lower(char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        name[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
}

/* What follows a body, as fields: views of its lines, in which the names are in lower case now. */
static inline size_t weir__h2_fields_of(const struct weir__trailers *t,
                                        struct weir__h2_field out[WEIR__TRAILERS_MAX])
{
    weir_str rest = weir__trailers_lines(t);
    size_t n = 0;
    while (n < WEIR__TRAILERS_MAX && weir__trailer_next(&rest, &out[n].name, &out[n].value)) {
        weir__h2_lower(t->bytes + (out[n].name.ptr - t->bytes), out[n].name.len);
        n++;
    }
    return n;
}

/* What a stream has to send now. */
struct weir__h2_supply {
    size_t len;        /* bytes */
    bool is_end;       /* and behind them nothing more */
    bool has_trailers; /* but these; `trailers` is called for them when the bytes have gone */
};

/* What became of a flush. */
enum weir__h2_flushed {
    WEIR__H2_ALL_LEFT,
    WEIR__H2_IS_FULL,  /* the socket takes no more for now; goes on when that tells of room */
    WEIR__H2_HAS_MORE, /* others first; goes on at the end of the next turn */
    WEIR__H2_IS_OVER,  /* nothing will be sent or read any more: close */
    WEIR__H2_IS_BROKEN /* nothing can be sent: close */
};

/*
 * What the owner is told. `of` is what `begin` returned, or the request was submitted with; bytes
 * and strings are there during the call only.
 */
struct weir__h2_session_ops {
    /* A peer opens stream `id`. NULL: it is refused, and nothing more told of it. */
    void *(*begin)(struct weir__h2_session *s, int32_t id); /* of a server; else NULL */
    /* Another block of fields begins: trailers; of a client's stream, a response. May be NULL. */
    void (*block)(struct weir__h2_session *s, void *of);
    void (*field)(struct weir__h2_session *s, void *of, weir_str name, weir_str value);
    /* All fields of the block have come. `is_end`: and nothing follows. */
    void (*fields_end)(struct weir__h2_session *s, void *of, bool is_end);
    /* Bytes of a body; weir__h2_session_consume opens the windows again. */
    void (*data)(struct weir__h2_session *s, void *of, weir_str bytes);
    /* The body has ended, without trailers. */
    void (*data_end)(struct weir__h2_session *s, void *of);
    /*
     * The fields of a client's request, or of a server's response (not of 1xx), have been made into
     * a frame. May be NULL.
     */
    void (*begun)(struct weir__h2_session *s, void *of);
    /* All of our side of the stream has been made into frames. May be NULL. */
    void (*left)(struct weir__h2_session *s, void *of);
    /* The peer has broken the stream: it is over with the next flush. May be NULL. */
    void (*doomed)(struct weir__h2_session *s, void *of);
    /* The stream is over, with a code; `is_reset`: by the peer's RST_STREAM. */
    void (*closed)(struct weir__h2_session *s, void *of, uint32_t code, bool is_reset);
    struct weir__h2_supply (*supply)(struct weir__h2_session *s, void *of);
    /* The next `n` bytes of the supply go to `to`. */
    void (*take)(struct weir__h2_session *s, void *of, char *to, size_t n);
    void (*trailers)(struct weir__h2_session *s, void *of); /* may be NULL when there are none */
    /* The peer will answer, or open, no stream after `last`. May be NULL. */
    void (*going)(struct weir__h2_session *s, int32_t last, uint32_t code);
    /* Before it. May be NULL. */
    void (*flushing)(struct weir__h2_session *s);
    /* After each flush that a turn's end did. May free the session. */
    void (*flushed)(struct weir__h2_session *s, enum weir__h2_flushed result);
};

/* Where output is gathered: one for all sessions of a worker. */
struct weir__h2_gather {
    uint32_t len;
    char bytes[(64u << 10) - sizeof(uint32_t)];
};

struct weir__h2_session_options {
    const struct weir__h2_session_ops *ops;
    struct weir__stream *stream; /* watched */
    struct weir__h2_gather *gather;
    bool is_client;
    uint32_t streams_max;       /* of the peer at a time */
    uint32_t stream_window;     /* bytes of a body that may come before they are consumed */
    uint32_t connection_window; /* the same of all streams */
    uint32_t fields_bytes_max;  /* told to the peer: what a block may cost */
};

struct weir__h2_session {
    struct nghttp2_session *lib; /* NULL: not begun, or over */
    struct weir__stream *stream;
    const struct weir__h2_session_ops *ops;
    struct weir__h2_gather *gather;
    struct weir__turn_end turn;
    struct weir__list blocks; /* memory that the library has */
    struct weir__h2_budget budget;
    char *rest; /* gathered, and not taken by the socket; NULL: nothing */
    uint32_t rest_at, rest_len;
    uint32_t data_bytes;  /* of the DATA frame that comes */
    uint32_t queued;      /* frames to be sent when the SETTINGS that come began */
    uint32_t goaway_code; /* of the last GOAWAY that was made; NO_ERROR when there was none */
    int32_t reset_id;     /* the stream whose RST_STREAM comes; 0: none does */
    bool is_client;
    bool is_paused;    /* gathering: there is no room for another frame */
    bool has_settings; /* the peer's have come */
    bool is_calmed;    /* its budget is spent, or it floods: it ends */
    bool is_over;
    bool is_broken;
    bool is_refused;    /* the peer takes nothing more; what it has sent can be read still */
    bool has_no_memory; /* the library was refused some, and is not to be trusted any more */
    /* for the owner's numbers */
    uint64_t bytes_out;
    uint32_t streams_refused; /* by the library, of which the owner has not been told */
    uint32_t resets_received, resets_provoked; /* for who looks at it in a debugger, and tests */
};

/*
 * Begins: settings are due to be sent. WEIR_ENOTBUILT without nghttp2, -ENOMEM. The stream's owner
 * calls weir__h2_session_on_room when that tells of room.
 */
WEIR_MUST_USE weir_err weir__h2_session_init(struct weir__h2_session *s,
                                             const struct weir__h2_session_options *o);

/* The end: no call-back any more. Idempotent; zeroed ones too. The stream is the owner's. */
void weir__h2_session_fini(struct weir__h2_session *s);

/*
 * Bytes that have come. A peer that breaks the protocol, or its budget, is told why by the next
 * flush, which says IS_OVER then. False: nothing more is to be fed.
 */
bool weir__h2_session_feed(struct weir__h2_session *s, const char *bytes, size_t len);

/* There may be something to send: at the end of the worker's turn. */
static inline void weir__h2_session_ask(struct weir__h2_session *s)
{
    weir__turn_end_ask(&s->turn);
}

/* The socket has room. */
void weir__h2_session_on_room(struct weir__h2_session *s);

/* Gathers and sends now. */
enum weir__h2_flushed weir__h2_session_flush(struct weir__h2_session *s);

/*
 * Does now what was asked for the end of the turn; true: something was, and the session may be gone
 * after it. For who knows that nothing more will come of this turn: what the streams keep is warm.
 */
bool weir__h2_session_end_turn(struct weir__h2_session *s);

/* --- on streams; all ask for the end of the turn ---------------------------------------------- */

/*
 * A response, or one of 1xx: `fields` begins with ":status". `has_body`: bytes follow, as `supply`
 * says; of 1xx never. -ENOMEM; WEIR_ECLOSED when the stream is over.
 */
weir_err weir__h2_session_respond(struct weir__h2_session *s, int32_t id,
                                  const struct weir__h2_field *fields, size_t count, bool has_body);
weir_err weir__h2_session_inform(struct weir__h2_session *s, int32_t id,
                                 const struct weir__h2_field *fields, size_t count);

/* A request; its stream's number, below 0 an error: WEIR_ECLOSED when no further one may be. */
int32_t weir__h2_session_request(struct weir__h2_session *s, const struct weir__h2_field *fields,
                                 size_t count, bool has_body, void *of);

/* From the call-back `trailers`. */
weir_err weir__h2_session_trailers(struct weir__h2_session *s, int32_t id,
                                   const struct weir__h2_field *fields, size_t count);

/* There is something to supply again. */
void weir__h2_session_resume(struct weir__h2_session *s, int32_t id);

/* Ends a stream; one that the peer provoked is counted against its budget. */
void weir__h2_session_reset(struct weir__h2_session *s, int32_t id, enum weir__h2_code code,
                            bool is_provoked);

/* Bytes of a body are used up: of the stream's window (0: of none), and of the connection's. */
void weir__h2_session_consume(struct weir__h2_session *s, int32_t id, size_t of_stream,
                              size_t of_connection);

/* --- on the connection ------------------------------------------------------------------------ */

/*
 * GOAWAY, the first of two: the peer is to open no stream any more; those that are on their way are
 * answered. And the second: the last that is answered is said.
 */
void weir__h2_session_notice(struct weir__h2_session *s);
void weir__h2_session_goaway(struct weir__h2_session *s, enum weir__h2_code code);

/* The end at once: GOAWAY with `code`, then IS_OVER. */
void weir__h2_session_terminate(struct weir__h2_session *s, enum weir__h2_code code);

/*
 * The same with ENHANCE_YOUR_CALM, for a peer that sends too much; the rest of what is being fed is
 * not looked at, not even decoded. Idempotent; from call-backs too.
 */
void weir__h2_session_calm(struct weir__h2_session *s);

/* Is there something that has not left? */
static inline bool weir__h2_session_has_rest(const struct weir__h2_session *s)
{
    return s->rest != NULL || weir__stream_has_unsent(s->stream);
}

/* The peer is to answer, so that something comes of it. Asks for the end of the turn. */
void weir__h2_session_ping(struct weir__h2_session *s);

/* How many streams at a time the peer takes of a client: what it has said last; until then 100. */
uint32_t weir__h2_session_streams_max(const struct weir__h2_session *s);

/* What the peer's window lets a stream send now; 0 when it is over. */
size_t weir__h2_session_window(const struct weir__h2_session *s, int32_t id);

#endif
