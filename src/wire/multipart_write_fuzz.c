/*
 * multipart/form-data, written. The lines of an input are names, filenames, types and bytes of
 * parts. A slow reader that cuts at the boundary finds as many parts, each with the lines of a head
 * that were meant and the bytes that were given; and the length is the one that was promised.
 */
#include "base/fuzz.h"
#include "wire/multipart_write.h"

enum { PARTS_MAX = 8, BYTES_MAX = 1 << 14 };

/* What follows the next delimiter, which is a line of its own. */
static weir_str after_delimiter(weir_str rest, const struct weir__multipart *m, bool is_first)
{
    char text[WEIR__MULTIPART_BOUNDARY_LEN + 5];
    int n = snprintf(text, sizeof text, "%s--%.*s", is_first ? "" : "\r\n",
                     WEIR__MULTIPART_BOUNDARY_LEN, m->boundary);
    const char *at = memmem(rest.ptr, rest.len, text, (size_t)n);
    FUZZ_CHECK(at != NULL, "no delimiter in the last %zu bytes", rest.len);
    at += n;
    return (weir_str){at, rest.len - (size_t)(at - rest.ptr)};
}

static size_t lines_of_head(weir_str head)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < head.len; i++)
        n += head.ptr[i] == '\r' && head.ptr[i + 1] == '\n';
    return n;
}

static void check_part(weir_str *rest, const struct weir__multipart_part *part, weir_str bytes)
{
    const char *end = memmem(rest->ptr, rest->len, "\r\n\r\n", 4);
    FUZZ_CHECK(end != NULL, "a head without an end");
    weir_str head = {rest->ptr, (size_t)(end - rest->ptr)};
    bool has_type = part->filename.ptr != NULL || part->content_type.len > 0;
    FUZZ_CHECK(lines_of_head(head) == (has_type ? 2 : 1), "%zu lines", lines_of_head(head));
    FUZZ_CHECK(memchr(head.ptr, '\0', head.len) == NULL, "NUL in a head");
    size_t quotes = 0;
    for (const char *p = head.ptr; p < end; p++)
        quotes += *p == '"';
    if (part->content_type.len == 0)
        FUZZ_CHECK(quotes == (part->filename.ptr != NULL ? 4 : 2), "%zu quotes", quotes);
    *rest = (weir_str){end + 4, rest->len - head.len - 4};
    FUZZ_CHECK(weir_str_starts(*rest, bytes), "other bytes");
    *rest = (weir_str){rest->ptr + bytes.len, rest->len - bytes.len};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > BYTES_MAX)
        return 0;
    struct weir__multipart_part parts[PARTS_MAX];
    uint64_t sizes[PARTS_MAX], length = 0;
    weir_str bytes[PARTS_MAX];
    size_t n = 0;
    char *copy = fuzz_copy(data, size);
    struct fuzz_input in = {(const uint8_t *)copy, (const uint8_t *)copy + size};
    struct weir__multipart m;
    weir_buf b;
    weir_buf_init(&b, 1 << 20);
    weir__multipart_init(&m);
    while (n < PARTS_MAX && in.at < in.end) {
        struct weir__multipart_part *p = &parts[n];
        p->name = fuzz_until(&in, '|');
        p->filename = fuzz_until(&in, '|');
        p->filename.ptr = p->filename.len > 0 ? p->filename.ptr : NULL;
        p->content_type = fuzz_until(&in, '|');
        bytes[n] = fuzz_until(&in, '|');
        sizes[n] = bytes[n].len;
        if (weir__multipart_part(&m, p, &b) != WEIR_OK)
            continue;
        weir_buf_puts(&b, bytes[n++]);
    }
    weir_err err = weir__multipart_end(&m, &b);
    FUZZ_CHECK(err == WEIR_OK, "%d", err);
    weir_str rest = weir_buf_str(&b);
    for (size_t i = 0; i < n; i++) {
        rest = after_delimiter(rest, &m, i == 0);
        check_part(&rest, &parts[i], bytes[i]);
    }
    rest = after_delimiter(rest, &m, n == 0);
    FUZZ_CHECK(weir_str_eq(rest, WEIR_S("--\r\n")), "more than an end");
    err = weir__multipart_length(parts, sizes, n, &length);
    FUZZ_CHECK(err == WEIR_OK && length == b.len, "%d, %llu of %zu", err,
               (unsigned long long)length, b.len);
    weir_buf_fini(&b);
    free(copy);
    return 0;
}
