/*
 * Writing what a client says. A length is known when its message has been written, so each leaves
 * room for its own, and fills it in at its end; a buffer that refused something on the way is left
 * alone from then on.
 */
#include "wire/postgres_write.h"

#include <string.h>

#include "base/num.h"
#include "crypto/digest.h"

enum { SSL_REQUEST = 1234 << 16 | 5679, CANCEL_REQUEST = 1234 << 16 | 5678 };

void weir__pg_put_u16(weir_buf *b, uint16_t v)
{
    uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    weir_buf_add(b, bytes, sizeof bytes);
}

static void big32(uint8_t out[4], uint32_t v)
{
    out[0] = (uint8_t)(v >> 24);
    out[1] = (uint8_t)(v >> 16);
    out[2] = (uint8_t)(v >> 8);
    out[3] = (uint8_t)v;
}

void weir__pg_put_u32(weir_buf *b, uint32_t v)
{
    uint8_t bytes[4];
    big32(bytes, v);
    weir_buf_add(b, bytes, sizeof bytes);
}

void weir__pg_put_u64(weir_buf *b, uint64_t v)
{
    uint8_t bytes[8];
    big32(bytes, (uint32_t)(v >> 32));
    big32(bytes + 4, (uint32_t)v);
    weir_buf_add(b, bytes, sizeof bytes);
}

static void put_text(weir_buf *b, weir_str text)
{
    if (text.len > 0 && memchr(text.ptr, 0, text.len) != NULL && b->err == WEIR_OK)
        b->err = WEIR_EINVALID;
    weir_buf_puts(b, text);
    weir_buf_putc(b, '\0');
}

static void put_cstr(weir_buf *b, const char *text)
{
    put_text(b, weir_str_from(text));
}

/* Fills in a length that stands at `at`, and counts `from` there on. */
static void patch(weir_buf *b, size_t at, size_t from)
{
    if (b->err != WEIR_OK)
        return;
    size_t n = b->len - from;
    if (n > INT32_MAX)
        b->err = WEIR_ETOOLARGE;
    else
        big32((uint8_t *)b->ptr + at, (uint32_t)n);
}

size_t weir__pg_begin(weir_buf *b, char type)
{
    weir_buf_putc(b, type);
    size_t mark = b->len;
    weir__pg_put_u32(b, 0);
    return mark;
}

void weir__pg_end(weir_buf *b, size_t mark)
{
    patch(b, mark, mark);
}

static void put_empty(weir_buf *b, char type)
{
    weir__pg_end(b, weir__pg_begin(b, type));
}

/* --- the start -------------------------------------------------------------------------------- */

void weir__pg_put_ssl_request(weir_buf *b)
{
    weir__pg_put_u32(b, 8);
    weir__pg_put_u32(b, SSL_REQUEST);
}

void weir__pg_put_startup(weir_buf *b, const struct weir__pg_pair *pairs, size_t count)
{
    size_t mark = b->len;
    weir__pg_put_u32(b, 0);
    weir__pg_put_u32(b, WEIR__PG_VERSION);
    for (size_t i = 0; i < count; i++) {
        if (pairs[i].value.len == 0)
            continue;
        put_cstr(b, pairs[i].name);
        put_text(b, pairs[i].value);
    }
    weir_buf_putc(b, '\0');
    patch(b, mark, mark);
}

void weir__pg_put_cancel(weir_buf *b, uint32_t process, weir_str key)
{
    weir__pg_put_u32(b, (uint32_t)(12 + key.len));
    weir__pg_put_u32(b, CANCEL_REQUEST);
    weir__pg_put_u32(b, process);
    weir_buf_puts(b, key);
}

void weir__pg_put_password(weir_buf *b, weir_str password)
{
    size_t mark = weir__pg_begin(b, 'p');
    put_text(b, password);
    weir__pg_end(b, mark);
}

/* "md5" and the digest in hexadecimal of: that of password and user, in hexadecimal, and salt. */
void weir__pg_put_password_md5(weir_buf *b, weir_str user, weir_str password, const uint8_t salt[4])
{
    uint8_t digest[WEIR__CRYPTO_MD5_BYTES];
    char text[3 + 2 * WEIR__CRYPTO_MD5_BYTES] = "md5";
    weir_err err = weir__crypto_digest(WEIR__CRYPTO_MD5, (weir_str[]){password, user}, 2, digest);
    if (err == WEIR_OK) {
        weir_str hex = {text + 3, weir__num_put_hex(text + 3, digest, sizeof digest)};
        weir_str pieces[] = {hex, {(const char *)salt, 4}};
        err = weir__crypto_digest(WEIR__CRYPTO_MD5, pieces, 2, digest);
    }
    if (err != WEIR_OK) {
        b->err = b->err != WEIR_OK ? b->err : err;
        return;
    }
    weir__num_put_hex(text + 3, digest, sizeof digest);
    weir__pg_put_password(b, (weir_str){text, sizeof text});
}

void weir__pg_put_sasl_first(weir_buf *b, const char *mechanism, weir_str data)
{
    size_t mark = weir__pg_begin(b, 'p');
    put_cstr(b, mechanism);
    weir__pg_put_u32(b, (uint32_t)data.len);
    weir_buf_puts(b, data);
    weir__pg_end(b, mark);
}

void weir__pg_put_sasl(weir_buf *b, weir_str data)
{
    size_t mark = weir__pg_begin(b, 'p');
    weir_buf_puts(b, data);
    weir__pg_end(b, mark);
}

/* --- statements ------------------------------------------------------------------------------- */

void weir__pg_put_query(weir_buf *b, weir_str sql)
{
    size_t mark = weir__pg_begin(b, 'Q');
    put_text(b, sql);
    weir__pg_end(b, mark);
}

/* Types of values are the server's to find out: it knows the columns. */
void weir__pg_put_parse(weir_buf *b, const char *name, weir_str sql)
{
    size_t mark = weir__pg_begin(b, 'P');
    put_cstr(b, name);
    put_text(b, sql);
    weir__pg_put_u16(b, 0);
    weir__pg_end(b, mark);
}

static void put_named(weir_buf *b, char type, char what, const char *name)
{
    size_t mark = weir__pg_begin(b, type);
    weir_buf_putc(b, what);
    put_cstr(b, name);
    weir__pg_end(b, mark);
}

void weir__pg_put_describe(weir_buf *b, char what, const char *name)
{
    put_named(b, 'D', what, name);
}

void weir__pg_put_close(weir_buf *b, char what, const char *name)
{
    put_named(b, 'C', what, name);
}

void weir__pg_put_execute(weir_buf *b, const char *portal, uint32_t rows_max)
{
    size_t mark = weir__pg_begin(b, 'E');
    put_cstr(b, portal);
    weir__pg_put_u32(b, rows_max);
    weir__pg_end(b, mark);
}

void weir__pg_put_sync(weir_buf *b)
{
    put_empty(b, 'S');
}

void weir__pg_put_flush(weir_buf *b)
{
    put_empty(b, 'H');
}

void weir__pg_put_terminate(weir_buf *b)
{
    put_empty(b, 'X');
}

void weir__pg_put_copy_done(weir_buf *b)
{
    put_empty(b, 'c');
}

void weir__pg_put_copy_fail(weir_buf *b, weir_str why)
{
    size_t mark = weir__pg_begin(b, 'f');
    put_text(b, why);
    weir__pg_end(b, mark);
}

static void put_formats(weir_buf *b, const bool *formats, size_t count)
{
    weir__pg_put_u16(b, (uint16_t)count);
    for (size_t i = 0; i < count; i++)
        weir__pg_put_u16(b, formats[i]);
}

size_t weir__pg_bind_begin(weir_buf *b, const char *portal, const char *statement,
                           const bool *formats, size_t count)
{
    size_t mark = weir__pg_begin(b, 'B');
    put_cstr(b, portal);
    put_cstr(b, statement);
    put_formats(b, formats, count);
    weir__pg_put_u16(b, (uint16_t)count);
    return mark;
}

void weir__pg_bind_end(weir_buf *b, size_t mark, const bool *formats, size_t count)
{
    put_formats(b, formats, count);
    weir__pg_end(b, mark);
}

size_t weir__pg_value_begin(weir_buf *b)
{
    size_t mark = b->len;
    weir__pg_put_u32(b, 0);
    return mark;
}

void weir__pg_value_end(weir_buf *b, size_t mark)
{
    patch(b, mark, mark + 4);
}

void weir__pg_put_null(weir_buf *b)
{
    weir__pg_put_u32(b, UINT32_MAX);
}
