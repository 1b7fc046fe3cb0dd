/*
 * What a client says to a PostgreSQL server (protocol 3.0, chapter 55.7), appended to a buffer:
 * errors are the buffer's, sticky, looked at once before it is sent. A text with a NUL in it, which
 * would end it early and have its rest read as something else, is WEIR_EINVALID.
 */
#ifndef WEIR_WIRE_POSTGRES_WRITE_H
#define WEIR_WIRE_POSTGRES_WRITE_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/buf.h>

enum { WEIR__PG_VERSION = 3 << 16 };

struct weir__pg_pair {
    const char *name;
    weir_str value;
};

/* Before all else: may TLS be spoken? The answer is one byte, 'S' or 'N'. */
void weir__pg_put_ssl_request(weir_buf *b);
/* Options of the session; those whose value is empty are left out. */
void weir__pg_put_startup(weir_buf *b, const struct weir__pg_pair *pairs, size_t count);
/* On a connection of its own, which the server closes. */
void weir__pg_put_cancel(weir_buf *b, uint32_t process, weir_str key);

void weir__pg_put_password(weir_buf *b, weir_str password);
/* "md5…" of RFC 1321 as PostgreSQL wants it; an error of the digest becomes the buffer's. */
void weir__pg_put_password_md5(weir_buf *b, weir_str user, weir_str password,
                               const uint8_t salt[4]);
void weir__pg_put_sasl_first(weir_buf *b, const char *mechanism, weir_str data);
void weir__pg_put_sasl(weir_buf *b, weir_str data);

void weir__pg_put_query(weir_buf *b, weir_str sql);
void weir__pg_put_parse(weir_buf *b, const char *name, weir_str sql);
/* `what`: 'S' a statement, 'P' a portal. */
void weir__pg_put_describe(weir_buf *b, char what, const char *name);
void weir__pg_put_close(weir_buf *b, char what, const char *name);
/* rows_max 0: all. */
void weir__pg_put_execute(weir_buf *b, const char *portal, uint32_t rows_max);
void weir__pg_put_sync(weir_buf *b);
void weir__pg_put_flush(weir_buf *b);
void weir__pg_put_terminate(weir_buf *b);
void weir__pg_put_copy_done(weir_buf *b);
void weir__pg_put_copy_fail(weir_buf *b, weir_str why);

/*
 * Bind: begun with the formats of the values (true: binary), then each value, then the end with the
 * formats of the columns. Returns a mark for the end.
 */
size_t weir__pg_bind_begin(weir_buf *b, const char *portal, const char *statement,
                           const bool *formats, size_t count);
void weir__pg_bind_end(weir_buf *b, size_t mark, const bool *formats, size_t count);

/* A value, whose bytes are appended between the two, or NULL. */
size_t weir__pg_value_begin(weir_buf *b);
void weir__pg_value_end(weir_buf *b, size_t mark);
void weir__pg_put_null(weir_buf *b);

/* A message whose body is appended between the two (CopyData, 'd'). Returns a mark for the end. */
size_t weir__pg_begin(weir_buf *b, char type);
void weir__pg_end(weir_buf *b, size_t mark);

void weir__pg_put_u16(weir_buf *b, uint16_t v);
void weir__pg_put_u32(weir_buf *b, uint32_t v);
void weir__pg_put_u64(weir_buf *b, uint64_t v);

#endif
