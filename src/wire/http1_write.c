/*
 * Writing heads, mostly of responses. A small answer costs as much as its parser, so the usual
 * parts are copies of a length that the compiler knows: a status line comes out of its table with
 * one fixed 64-byte copy where the window has room (what is too much is written over by what
 * follows), the date line with one of 44, a length's digits with one of 20.
 *
 * This is also the door against response splitting: names and values from handlers pass the byte
 * table before they are written, and a bad one stops the whole head (the writer is sticky).
 */
#include "wire/http1_write.h"
#include "wire/http_field.h"
#include "wire/url.h"

static inline bool has_room(struct weir__http1_writer *w, size_t n)
{
    if (WEIR_UNLIKELY(w->err != WEIR_OK))
        return false;
    if (WEIR_LIKELY((size_t)(w->end - w->at) >= n))
        return true;
    w->err = WEIR_ETOOLARGE;
    return false;
}

static inline void put(struct weir__http1_writer *w, const char *bytes, size_t n)
{
    memcpy(w->at, bytes, n);
    w->at += n;
}

/* ---- date ---- */

void weir__http1_date_update(struct weir__http1_date *d, int64_t seconds)
{
    if (d->len != 0 && d->second == seconds)
        return;
    memcpy(d->line, "Date: ", 6);
    weir__date_format(d->line + 6, seconds);
    memcpy(d->line + 6 + WEIR_DATE_LEN, "\r\n", 2);
    d->len = 6 + WEIR_DATE_LEN + 2;
    d->second = seconds;
}

/* ---- start ---- */

static void write_date(struct weir__http1_writer *w, const struct weir__http1_date *d)
{
    if (d != NULL && d->len != 0 && has_room(w, d->len))
        put(w, d->line, d->len);
}

void weir__http1_write_start(struct weir__http1_writer *w, int status,
                             const struct weir__http1_date *d)
{
    const struct weir__http_status_line *line = weir__http_status_line(status);
    if (WEIR_UNLIKELY(!weir__http_status_is_known(status))) {
        weir__http1_write_start_custom(w, status, WEIR_S(""), d);
        return;
    }
    const size_t ample = WEIR_HTTP_STATUS_LINE_MAX + sizeof d->line;
    if (WEIR_LIKELY(d != NULL && w->err == WEIR_OK && (size_t)(w->end - w->at) >= ample)) {
        memcpy(w->at, line->text, WEIR_HTTP_STATUS_LINE_MAX);
        w->at += line->len;
        memcpy(w->at, d->line, sizeof d->line);
        w->at += d->len;
        return;
    }
    if (has_room(w, line->len))
        put(w, line->text, line->len);
    write_date(w, d);
}

void weir__http1_write_start_custom(struct weir__http1_writer *w, int status, weir_str reason,
                                    const struct weir__http1_date *d)
{
    if (status < 100 || status > 599 || !weir__http_value_is_valid(reason)) {
        if (w->err == WEIR_OK)
            w->err = WEIR_EINVALID;
        return;
    }
    if (!has_room(w, sizeof("HTTP/1.1 200 \r\n") - 1 + reason.len))
        return;
    put(w, "HTTP/1.1 ", 9);
    w->at += weir__http1_digits(w->at, (uint64_t)status);
    put(w, " ", 1);
    if (reason.len > 0)
        put(w, reason.ptr, reason.len);
    put(w, "\r\n", 2);
    write_date(w, d);
}

/* ---- requests ---- */

void weir__http1_write_request_line(struct weir__http1_writer *w, weir_str method, weir_str target)
{
    if (!weir__http_name_is_valid(method) || !weir__http_target_is_valid(target)) {
        if (w->err == WEIR_OK)
            w->err = WEIR_EINVALID;
        return;
    }
    if (!has_room(w, method.len + target.len + sizeof("  HTTP/1.1\r\n") - 1))
        return;
    put(w, method.ptr, method.len);
    put(w, " ", 1);
    put(w, target.ptr, target.len);
    put(w, " HTTP/1.1\r\n", 11);
}

void weir__http1_write_request(struct weir__http1_writer *w, weir_str method, weir_str target,
                               weir_str host)
{
    struct weir__url_authority parts;
    if (weir__url_authority_parse(host, &parts) != 0 && w->err == WEIR_OK)
        w->err = WEIR_EINVALID;
    weir__http1_write_request_line(w, method, target);
    weir__http1_write_field_trusted(w, WEIR_S("Host"), host);
}

/* ---- fields ---- */

void weir__http1_write_field(struct weir__http1_writer *w, weir_str name, weir_str value)
{
    if (WEIR_UNLIKELY(!weir__http_name_is_valid(name) || !weir__http_value_is_valid(value))) {
        if (w->err == WEIR_OK)
            w->err = WEIR_EINVALID;
        return;
    }
    weir__http1_write_field_trusted(w, name, value);
}

void weir__http1_write_field_trusted(struct weir__http1_writer *w, weir_str name, weir_str value)
{
    if (!has_room(w, name.len + 2 + value.len + 2))
        return;
    put(w, name.ptr, name.len);
    put(w, ": ", 2);
    if (value.len > 0)
        put(w, value.ptr, value.len);
    put(w, "\r\n", 2);
}

void weir__http1_write_raw(struct weir__http1_writer *w, weir_str bytes)
{
    if (bytes.len > 0 && has_room(w, bytes.len))
        put(w, bytes.ptr, bytes.len);
}

static void write_length(struct weir__http1_writer *w, uint64_t n, const char *tail,
                         size_t tail_len)
{
    char text[20];
    size_t len = weir__http1_digits(text, n);
    if (!has_room(w, 16 + len + tail_len))
        return;
    put(w, "Content-Length: ", 16);
    put(w, text, len);
    put(w, tail, tail_len);
}

void weir__http1_write_length(struct weir__http1_writer *w, uint64_t n)
{
    write_length(w, n, "\r\n", 2);
}

void weir__http1_write_length_end(struct weir__http1_writer *w, uint64_t n)
{
    write_length(w, n, "\r\n\r\n", 4);
}

/* ---- digits ---- */

static size_t count_digits(uint64_t n)
{
    size_t count = 1;
    for (; n >= 10000; n /= 10000)
        count += 4;
    return count + (n >= 10) + (n >= 100) + (n >= 1000);
}

size_t weir__http1_digits(char out[20], uint64_t n)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    size_t len = count_digits(n), at = len;
    while (n >= 100) {
        at -= 2;
        memcpy(out + at, pairs + n % 100 * 2, 2);
        n /= 100;
    }
    if (n >= 10)
        memcpy(out, pairs + n * 2, 2);
    else
        out[0] = (char)('0' + n);
    return len;
}
