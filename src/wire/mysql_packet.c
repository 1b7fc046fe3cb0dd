/*
 * Packets, and what is in them. The hard thing is a body of more than one packet: it is told whole
 * from its heads alone, each of which is looked at again while it comes, and put together in place
 * when all of it is there.
 */
#include "wire/mysql_packet.h"

#include <string.h>

#include "base/assert.h"

const char *weir__mysql_error_text(int err)
{
    static const char *const texts[] = {
        [0] = "a packet out of its order",
        [WEIR_MYSQL_ELENGTH - WEIR_MYSQL_ESEQUENCE] = "a packet over the limit of bytes",
        [WEIR_MYSQL_ECUT - WEIR_MYSQL_ESEQUENCE] = "a packet that ends too early",
        [WEIR_MYSQL_EFORM - WEIR_MYSQL_ESEQUENCE] = "a packet that may not come there",
        [WEIR_MYSQL_EVERSION - WEIR_MYSQL_ESEQUENCE] =
            "a greeting that is not MySQL's of version 10",
        [WEIR_MYSQL_EOLD - WEIR_MYSQL_ESEQUENCE] =
            "a greeting of a server that is too old (MySQL 5.7 or MariaDB 10.2 is needed)",
        [WEIR_MYSQL_EINFILE - WEIR_MYSQL_ESEQUENCE] =
            "a request for a file of this machine (LOCAL INFILE), which was refused",
        [WEIR_MYSQL_EVALUE - WEIR_MYSQL_ESEQUENCE] = "a value that its type does not have",
    };
    if (err < WEIR_MYSQL_ESEQUENCE || err >= WEIR_MYSQL_ERROR_END)
        return "something else";
    return texts[err - WEIR_MYSQL_ESEQUENCE];
}

/* --- packets ---------------------------------------------------------------------------------- */

static size_t u24(const char *at)
{
    const uint8_t *p = (const uint8_t *)at;
    return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
}

/* Takes the heads of the second packet and of those behind it out of what is `len` bytes. */
static size_t join(char *bytes, size_t len)
{
    size_t to = WEIR__MYSQL_HEAD + WEIR__MYSQL_PART_MAX, from = to;
    while (from < len) {
        size_t n = u24(bytes + from);
        WEIR_ASSERT(n <= len - from - WEIR__MYSQL_HEAD, "W4: a packet lies in its bytes");
        memmove(bytes + to, bytes + from + WEIR__MYSQL_HEAD, n);
        to += n;
        from += WEIR__MYSQL_HEAD + n;
    }
    return to - WEIR__MYSQL_HEAD;
}

/* Has it another number? Of an error with number 0 that is told from its first byte. */
static bool is_out_of_turn(const char *head, size_t len, uint8_t number, bool is_first,
                           bool *is_unknown)
{
    uint8_t has = (uint8_t)head[3];
    *is_unknown = false;
    if (has == number)
        return false;
    if (has != 0 || !is_first || u24(head) == 0)
        return true;
    *is_unknown = len == WEIR__MYSQL_HEAD;
    return !*is_unknown && (uint8_t)head[WEIR__MYSQL_HEAD] != WEIR__MYSQL_ERR;
}

int64_t weir__mysql_packet_read(char *bytes, size_t len, uint8_t number, size_t bytes_max,
                                struct weir__mysql_packet *out)
{
    size_t at = 0, total = 0, n;
    *out = (struct weir__mysql_packet){.next = number};
    do {
        bool is_unknown;
        if (len - at < WEIR__MYSQL_HEAD) {
            out->missing = WEIR__MYSQL_HEAD - (len - at);
            return 0;
        }
        n = u24(bytes + at);
        if (is_out_of_turn(bytes + at, len - at, out->next, at == 0, &is_unknown))
            return WEIR_MYSQL_ESEQUENCE;
        total += n;
        if (total > bytes_max)
            return WEIR_MYSQL_ELENGTH;
        if (is_unknown || len - at - WEIR__MYSQL_HEAD < n) {
            out->missing = n - (len - at - WEIR__MYSQL_HEAD);
            return 0;
        }
        out->next = (uint8_t)(bytes[at + 3] + 1);
        at += WEIR__MYSQL_HEAD + n;
    } while (n == WEIR__MYSQL_PART_MAX);
    size_t body = total <= WEIR__MYSQL_PART_MAX - 1 ? total : join(bytes, at);
    WEIR_ASSERT(body == total, "W4: a body is what its packets hold");
    out->body = (weir_str){bytes + WEIR__MYSQL_HEAD, body};
    return (int64_t)at;
}

size_t weir__mysql_packet_begin(weir_buf *out)
{
    size_t at = out->len;
    weir__mysql_put_zeroes(out, WEIR__MYSQL_HEAD);
    return at;
}

static void put_head(char *at, size_t n, uint8_t number)
{
    at[0] = (char)(n & 255);
    at[1] = (char)(n >> 8 & 255);
    at[2] = (char)(n >> 16 & 255);
    at[3] = (char)number;
}

uint8_t weir__mysql_packet_end(weir_buf *out, size_t at, uint8_t number)
{
    if (out->err != WEIR_OK)
        return number;
    WEIR_ASSERT(out->len >= at + WEIR__MYSQL_HEAD, "W4: a packet has its head");
    size_t left = out->len - at - WEIR__MYSQL_HEAD, cuts = left / WEIR__MYSQL_PART_MAX;
    if (cuts > 0 && weir_buf_reserve(out, cuts * WEIR__MYSQL_HEAD) == NULL)
        return number;
    for (; left >= WEIR__MYSQL_PART_MAX; left -= WEIR__MYSQL_PART_MAX) {
        put_head(out->ptr + at, WEIR__MYSQL_PART_MAX, number++);
        at += WEIR__MYSQL_HEAD + WEIR__MYSQL_PART_MAX;
        memmove(out->ptr + at + WEIR__MYSQL_HEAD, out->ptr + at, left - WEIR__MYSQL_PART_MAX);
        out->len += WEIR__MYSQL_HEAD;
    }
    put_head(out->ptr + at, left, number++);
    return number;
}

/* --- reading ---------------------------------------------------------------------------------- */

weir_str weir__mysql_get_bytes(struct weir__mysql_reader *r, uint64_t n)
{
    weir_str s = {(const char *)r->at, (size_t)n};
    if (weir__mysql_left(r) < n) {
        r->is_cut = true;
        r->at = r->end;
        return (weir_str){(const char *)r->end, 0};
    }
    r->at += n;
    return s;
}

uint64_t weir__mysql_get_lenenc(struct weir__mysql_reader *r, bool *is_null)
{
    uint64_t first = weir__mysql_get(r, 1);
    if (is_null != NULL)
        *is_null = first == 0xfb;
    if (first < 0xfb)
        return first;
    if (first >= 0xfc && first <= 0xfe)
        return weir__mysql_get(r, first == 0xfc ? 2 : first == 0xfd ? 3 : 8);
    r->is_cut = r->is_cut || first == 0xff || is_null == NULL;
    return 0;
}

weir_str weir__mysql_get_string(struct weir__mysql_reader *r)
{
    return weir__mysql_get_bytes(r, weir__mysql_get_lenenc(r, NULL));
}

weir_str weir__mysql_get_text(struct weir__mysql_reader *r)
{
    size_t left = weir__mysql_left(r);
    const uint8_t *nul = left > 0 ? memchr(r->at, 0, left) : NULL;
    if (nul == NULL)
        return weir__mysql_get_bytes(r, UINT64_MAX);
    weir_str s = {(const char *)r->at, (size_t)(nul - r->at)};
    r->at = nul + 1;
    return s;
}

weir_str weir__mysql_get_rest(struct weir__mysql_reader *r)
{
    return weir__mysql_get_bytes(r, weir__mysql_left(r));
}

/* --- writing ---------------------------------------------------------------------------------- */

void weir__mysql_put(weir_buf *out, uint64_t v, unsigned n)
{
    char bytes[8];
    WEIR_ASSERT(n <= sizeof bytes, "W4: an integer has at most eight bytes");
    for (unsigned i = 0; i < n; i++)
        bytes[i] = (char)(v >> 8 * i & 255);
    weir_buf_add(out, bytes, n);
}

void weir__mysql_put_zeroes(weir_buf *out, size_t n)
{
    char *at = weir_buf_reserve(out, n);
    if (at == NULL)
        return;
    memset(at, 0, n);
    out->len += n;
}

void weir__mysql_put_lenenc(weir_buf *out, uint64_t v)
{
    if (v < 0xfb) {
        weir__mysql_put(out, v, 1);
        return;
    }
    unsigned n = v <= 0xffff ? 2 : v <= 0xffffff ? 3 : 8;
    weir__mysql_put(out, n == 8 ? 0xfe : n + 0xfa, 1);
    weir__mysql_put(out, v, n);
}

void weir__mysql_put_string(weir_buf *out, weir_str s)
{
    weir__mysql_put_lenenc(out, s.len);
    weir_buf_add(out, s.ptr, s.len);
}

void weir__mysql_put_text(weir_buf *out, weir_str s)
{
    weir_buf_add(out, s.ptr, s.len);
    weir_buf_putc(out, '\0');
}
