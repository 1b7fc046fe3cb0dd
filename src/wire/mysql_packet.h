/*
 * Packets of the client/server protocol of MySQL and MariaDB: three bytes of length, a number in
 * the exchange, the body. A body of 16 MiB - 1 bytes is followed by another packet, which goes on
 * with it. Beneath it: a reader of the numbers and strings that bodies are made of, and the same
 * the other way round.
 *
 * Lengths that a peer says are held against what has come and against the caller's bound, never
 * believed: nothing is allocated by them.
 *
 * Sources: MySQL internals, "MySQL Packets"; MariaDB knowledge base, "0 - Packet".
 */
#ifndef WEIR_WIRE_MYSQL_PACKET_H
#define WEIR_WIRE_MYSQL_PACKET_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/buf.h>

enum {
    WEIR__MYSQL_HEAD = 4,            /* bytes in front of a body */
    WEIR__MYSQL_PART_MAX = 0xffffff, /* bytes of a body in one packet; so many: more follows */
    WEIR__MYSQL_ERR = 0xff,          /* first byte of what tells an error */
    WEIR__MYSQL_EOF = 0xfe           /* of an end, and of a change of authentication */
};

enum weir__mysql_error {
    WEIR_MYSQL_ESEQUENCE = -3400, /* a packet with another number than its turn has */
    WEIR_MYSQL_ELENGTH,           /* a body over the caller's bound */
    WEIR_MYSQL_ECUT,              /* a body that ends before what it says it holds */
    WEIR_MYSQL_EFORM,             /* a body of another form than may come here */
    WEIR_MYSQL_EVERSION,          /* no handshake of version 10 */
    WEIR_MYSQL_EOLD,              /* a server without what has been there since MySQL 4.1 */
    WEIR_MYSQL_EINFILE,           /* it asks for a file of the client's */
    WEIR_MYSQL_EVALUE,            /* a value that its type does not have */
    WEIR_MYSQL_ERROR_END
};

/* A constant text about an error; it goes behind "the server sent ". */
const char *weir__mysql_error_text(int err);

/* --- packets ---------------------------------------------------------------------------------- */

struct weir__mysql_packet {
    weir_str body;  /* in the given bytes */
    uint8_t next;   /* the number of the next packet */
    size_t missing; /* when it has not come whole: how many bytes are, at least */
};

/*
 * Reads one from the start of `bytes`. Of a body in several packets the heads in between are taken
 * out, in place, once all have come.
 *
 * number   that it must have. An error (WEIR__MYSQL_ERR) may have 0 always: that is how a server
 *          says why it closes a connection at rest (MySQL 8.0.24)
 * bytes_max  of the body
 * returns  how many bytes it takes; 0: it has not come whole; ESEQUENCE, ELENGTH
 */
int64_t weir__mysql_packet_read(char *bytes, size_t len, uint8_t number, size_t bytes_max,
                                struct weir__mysql_packet *out);

/*
 * Begins a packet at the end of `out`, whose body is added next; the place is given to _end, which
 * fills in lengths and numbers, cuts what is too long for one packet, and returns the number of the
 * next. Errors stay in `out`.
 */
size_t weir__mysql_packet_begin(weir_buf *out);
uint8_t weir__mysql_packet_end(weir_buf *out, size_t at, uint8_t number);

/* --- what bodies are made of ------------------------------------------------------------------ */

/* Reads on through a body. Past its end it is cut: everything is 0 and empty from then on. */
struct weir__mysql_reader {
    const uint8_t *at, *end;
    bool is_cut;
};

static inline struct weir__mysql_reader weir__mysql_reader_of(weir_str body)
{
    const uint8_t *at = (const uint8_t *)body.ptr;
    return (struct weir__mysql_reader){at, at + body.len, false};
}

static inline size_t weir__mysql_left(const struct weir__mysql_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* An integer of `n` bytes, 1 to 8, the least first. */
static inline uint64_t weir__mysql_get(struct weir__mysql_reader *r, unsigned n)
{
    uint64_t v = 0;
    if (weir__mysql_left(r) < n) {
        r->is_cut = true;
        r->at = r->end;
        return 0;
    }
    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)r->at[i] << 8 * i;
    r->at += n;
    return v;
}

/* `n` bytes. */
weir_str weir__mysql_get_bytes(struct weir__mysql_reader *r, uint64_t n);
/* An integer that says its own length; `*is_null`, unless NULL, tells NULL, which else is cut. */
uint64_t weir__mysql_get_lenenc(struct weir__mysql_reader *r, bool *is_null);
/* A string behind its length, up to a NUL byte, and up to the end. */
weir_str weir__mysql_get_string(struct weir__mysql_reader *r);
weir_str weir__mysql_get_text(struct weir__mysql_reader *r);
weir_str weir__mysql_get_rest(struct weir__mysql_reader *r);

/* The same written; errors stay in `out`. */
void weir__mysql_put(weir_buf *out, uint64_t v, unsigned n);
void weir__mysql_put_zeroes(weir_buf *out, size_t n);
void weir__mysql_put_lenenc(weir_buf *out, uint64_t v);
void weir__mysql_put_string(weir_buf *out, weir_str s);
void weir__mysql_put_text(weir_buf *out, weir_str s);

#endif
