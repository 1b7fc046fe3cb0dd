/*
 * References. The first line of an input is a base, the second a reference. The parts of a text put
 * together are the text. What was resolved has no blank, control byte or dot segment, is absolute,
 * and resolved again, against anything, is itself. A URL that a client may ask for has a host of
 * the bytes that names have, and what it says in Host leads to the same target.
 */
#include "base/fuzz.h"
#include "wire/url_reference.h"

enum { BYTES_MAX = 4096 };

static void check_split(weir_str s)
{
    struct weir__url_parts p;
    weir_buf b;
    weir_buf_init(&b, BYTES_MAX + 16);
    weir__url_split(s, &p);
    weir_buf_puts(&b, p.scheme);
    if (p.scheme.ptr != NULL)
        weir_buf_putc(&b, ':');
    if (p.authority.ptr != NULL)
        weir_buf_puts(&b, WEIR_S("//"));
    weir_buf_puts(&b, p.authority);
    weir_buf_puts(&b, p.path);
    if (p.query.ptr != NULL)
        weir_buf_putc(&b, '?');
    weir_buf_puts(&b, p.query);
    if (p.fragment.ptr != NULL)
        weir_buf_putc(&b, '#');
    weir_buf_puts(&b, p.fragment);
    FUZZ_CHECK(weir_str_eq(weir_buf_str(&b), s), "its parts are " WEIR_STR_FMT,
               WEIR_STR_ARG(weir_buf_str(&b)));
    weir_buf_fini(&b);
}

static bool has_dots(weir_str path)
{
    for (weir_str segment;
         path.len > 0 && path.ptr[0] == '/' && weir__url_segment_next(&path, &segment);) {
        if (weir_str_eq(segment, WEIR_S(".")) || weir_str_eq(segment, WEIR_S("..")))
            return true;
    }
    return false;
}

static void check_resolve(weir_str base, weir_str reference)
{
    struct weir__url_parts p;
    weir_buf one, two;
    weir_buf_init(&one, 4 * BYTES_MAX);
    weir_buf_init(&two, 4 * BYTES_MAX);
    int rc = weir__url_resolve(base, reference, &one);
    if (rc == 0) {
        weir_str s = weir_buf_str(&one);
        for (size_t i = 0; i < s.len; i++)
            FUZZ_CHECK(s.ptr[i] > 0x20 && s.ptr[i] < 0x7f, "byte %zu is 0x%02x", i,
                       (unsigned char)s.ptr[i]);
        weir__url_split(s, &p);
        FUZZ_CHECK(p.scheme.ptr != NULL, "no scheme");
        FUZZ_CHECK(!has_dots(p.path), "dots: " WEIR_STR_FMT, WEIR_STR_ARG(s));
        rc = weir__url_resolve(WEIR_S("http://other/a/b"), s, &two);
        FUZZ_CHECK(rc == 0, "%d", rc);
        FUZZ_CHECK(weir_str_eq(weir_buf_str(&two), s), WEIR_STR_FMT " is not " WEIR_STR_FMT,
                   WEIR_STR_ARG(weir_buf_str(&two)), WEIR_STR_ARG(s));
    } else {
        FUZZ_CHECK(one.len == 0 && one.err == 0, "%zu bytes are left", one.len);
    }
    weir_buf_fini(&one);
    weir_buf_fini(&two);
}

static void check_target(weir_str s)
{
    struct weir__url_target t, again;
    char host[WEIR__URL_HOST_TEXT_MAX], url[WEIR__URL_HOST_TEXT_MAX + 16];
    if (weir__url_target_parse(s, &t) != 0)
        return;
    FUZZ_CHECK(t.host_len > 0 && strlen(t.host) == t.host_len, "%u", t.host_len);
    FUZZ_CHECK(strspn(t.host, "abcdefghijklmnopqrstuvwxyz0123456789-._:") == t.host_len, "%s",
               t.host);
    FUZZ_CHECK(t.path.len > 0 && t.path.ptr[0] == '/' && t.port > 0, "port %u", t.port);
    size_t n = weir__url_target_host(&t, host);
    FUZZ_CHECK(n <= sizeof host, "%zu", n);
    int len = snprintf(url, sizeof url, "%s://%.*s", t.is_https ? "https" : "http", (int)n, host);
    int rc = weir__url_target_parse((weir_str){url, (size_t)len}, &again);
    FUZZ_CHECK(rc == 0 && weir__url_target_is_same_origin(&t, &again), "%s: %d", url, rc);
    FUZZ_CHECK(again.is_ip == t.is_ip && again.is_ipv6 == t.is_ipv6, "%s", url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > BYTES_MAX)
        return 0;
    char *bytes = fuzz_copy(data, size);
    struct fuzz_input in = {(const uint8_t *)bytes, (const uint8_t *)bytes + size};
    weir_str base = fuzz_until(&in, '\n'), reference = fuzz_until(&in, '\n');
    check_split(base);
    check_split(reference);
    check_resolve(base, reference);
    check_target(base);
    free(bytes);
    return 0;
}
