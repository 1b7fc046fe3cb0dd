/*
 * Heads and tails of parts. One function puts a head together out of pieces, and what takes them is
 * a buffer or a count: so the length that is promised is that of what is sent.
 */
#include "wire/multipart_write.h"

#include <string.h>

#include "base/assert.h"
#include "base/num.h"
#include "crypto/random.h"
#include "wire/http_field.h"

#define PREFIX "weir--"
#define TYPE "multipart/form-data; boundary="

enum { RANDOM_BYTES = 16 };

_Static_assert(WEIR__MULTIPART_BOUNDARY_LEN == sizeof PREFIX - 1 + (size_t)RANDOM_BYTES * 2,
               "its parts");
_Static_assert(WEIR__MULTIPART_TYPE_LEN == sizeof TYPE - 1 + WEIR__MULTIPART_BOUNDARY_LEN, "both");

void weir__multipart_init(struct weir__multipart *m)
{
    uint8_t random[RANDOM_BYTES];
    *m = (struct weir__multipart){.has_part = false};
    weir__crypto_random(random, sizeof random);
    memcpy(m->boundary, PREFIX, sizeof PREFIX - 1);
    weir__num_put_hex(m->boundary + sizeof PREFIX - 1, random, sizeof random);
}

void weir__multipart_type(const struct weir__multipart *m, char out[WEIR__MULTIPART_TYPE_LEN])
{
    memcpy(out, TYPE, sizeof TYPE - 1);
    memcpy(out + sizeof TYPE - 1, m->boundary, sizeof m->boundary);
}

/* ---- pieces, to a buffer or only counted ---- */

struct sink {
    weir_buf *out; /* NULL: only counted */
    uint64_t length;
};

static void put(struct sink *s, weir_str piece)
{
    s->length += piece.len;
    if (s->out != NULL)
        weir_buf_puts(s->out, piece);
}

/* A name in quotes. */
static void put_quoted(struct sink *s, weir_str name, bool is_filename)
{
    put(s, WEIR_S("\""));
    for (size_t i = 0; i < name.len; i++) {
        char ch = name.ptr[i];
        bool is_cr = ch == '\r', is_lf = ch == '\n';
        bool is_pair = is_cr && i + 1 < name.len && name.ptr[i + 1] == '\n';
        if (is_pair && !is_filename)
            i++;
        if ((is_cr || is_lf) && !is_filename)
            put(s, WEIR_S("%0D%0A"));
        else if (is_cr || is_lf)
            put(s, is_cr ? WEIR_S("%0D") : WEIR_S("%0A"));
        else
            put(s, ch == '"' ? WEIR_S("%22") : (weir_str){&name.ptr[i], 1});
    }
    put(s, WEIR_S("\""));
}

static void put_delimiter(struct sink *s, const struct weir__multipart *m, bool is_first)
{
    put(s, is_first ? WEIR_S("--") : WEIR_S("\r\n--"));
    put(s, (weir_str){m->boundary, sizeof m->boundary});
}

static bool has_nul(weir_str s)
{
    return s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL;
}

static bool is_valid(const struct weir__multipart_part *part)
{
    return part->name.len > 0 && !has_nul(part->name) && !has_nul(part->filename) &&
           weir__http_value_is_valid(part->content_type);
}

static void put_head(struct sink *s, const struct weir__multipart *m,
                     const struct weir__multipart_part *part, bool is_first)
{
    weir_str type = part->content_type;
    if (type.len == 0 && part->filename.ptr != NULL)
        type = WEIR_S("application/octet-stream");
    put_delimiter(s, m, is_first);
    put(s, WEIR_S("\r\nContent-Disposition: form-data; name="));
    put_quoted(s, part->name, false);
    if (part->filename.ptr != NULL) {
        put(s, WEIR_S("; filename="));
        put_quoted(s, part->filename, true);
    }
    if (type.len > 0) {
        put(s, WEIR_S("\r\nContent-Type: "));
        put(s, type);
    }
    put(s, WEIR_S("\r\n\r\n"));
}

static void put_end(struct sink *s, const struct weir__multipart *m, bool is_first)
{
    put_delimiter(s, m, is_first);
    put(s, WEIR_S("--\r\n"));
}

/* ---- writing ---- */

/* What a call has left behind goes, and its error is the call's. */
static weir_err settle(weir_buf *out, size_t before)
{
    weir_err err = out->err;
    if (err != WEIR_OK) {
        out->len = before;
        out->err = WEIR_OK;
    }
    return err;
}

weir_err weir__multipart_part(struct weir__multipart *m, const struct weir__multipart_part *part,
                              weir_buf *out)
{
    struct sink s = {out, 0};
    size_t before = out->len;
    WEIR_ASSERT(!m->is_over, "W9: nothing is written after the end");
    if (!is_valid(part))
        return WEIR_EINVALID;
    put_head(&s, m, part, !m->has_part);
    weir_err err = settle(out, before);
    m->has_part = m->has_part || err == WEIR_OK;
    return err;
}

weir_err weir__multipart_end(struct weir__multipart *m, weir_buf *out)
{
    struct sink s = {out, 0};
    size_t before = out->len;
    WEIR_ASSERT(!m->is_over, "W9: nothing is written after the end");
    put_end(&s, m, !m->has_part);
    weir_err err = settle(out, before);
    m->is_over = err == WEIR_OK;
    return err;
}

weir_err weir__multipart_length(const struct weir__multipart_part *parts, const uint64_t *sizes,
                                size_t count, uint64_t *length)
{
    static const struct weir__multipart any = {.has_part = false}; /* all boundaries are as long */
    struct sink s = {NULL, 0};
    *length = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_valid(&parts[i]))
            return WEIR_EINVALID;
        put_head(&s, &any, &parts[i], i == 0);
        if (__builtin_add_overflow(s.length, sizes[i], &s.length) || s.length > INT64_MAX)
            return WEIR_ETOOLARGE;
    }
    put_end(&s, &any, count == 0);
    *length = s.length;
    return WEIR_OK;
}
