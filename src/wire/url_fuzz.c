/*
 * URLs. The input is a path, a query, a form, an authority or a URL: every function gets it. What
 * was decoded agrees with the C library, digit by digit; what was encoded decodes to what it was
 * and holds only bytes that need no encoding; parts put together again are the whole; and a name
 * that is searched for is the one that a look at every pair finds.
 */
#include "base/fuzz.h"
#include "wire/http1_reference.h"
#include "wire/url.h"

enum { BYTES_MAX = REF_BYTES_MAX };

/* ---- decoding and encoding ---- */

/* The slow way: -1 for a '%' without two digits. */
static int slow_decode(weir_str s, bool is_form, char *out)
{
    int n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char hex[3] = {0};
        out[n++] = is_form && s.ptr[i] == '+' ? ' ' : s.ptr[i];
        if (s.ptr[i] != '%')
            continue;
        memcpy(hex, s.ptr + i + 1, s.len - i - 1 < 2 ? s.len - i - 1 : 2);
        if (!isxdigit((unsigned char)hex[0]) || !isxdigit((unsigned char)hex[1]))
            return -1;
        out[n - 1] = (char)strtol(hex, NULL, 16);
        i += 2;
    }
    return n;
}

static void check_decode(weir_str s, bool is_form)
{
    static char slow[BYTES_MAX];
    int expected = slow_decode(s, is_form, slow);
    char *out = fuzz_alloc(s.len), *in_place = fuzz_copy(s.ptr, s.len);
    int n = is_form ? weir__url_decode_form(s, out) : weir__url_decode(s, out);
    FUZZ_CHECK(n == (expected < 0 ? WEIR_URL_EPERCENT : expected), "%d, expected %d", n, expected);
    FUZZ_CHECK(n < 0 || memcmp(out, slow, (size_t)n) == 0, "other bytes");
    weir_str same = {in_place, s.len};
    int again = is_form ? weir__url_decode_form(same, in_place) : weir__url_decode(same, in_place);
    FUZZ_CHECK(again == n && (n < 0 || memcmp(in_place, out, (size_t)n) == 0),
               "in place it is another text");
    bool is_plain = is_form ? weir__url_form_is_plain(s) : weir__url_is_plain(s);
    bool is_unchanged = n == (int)s.len && memcmp(out, s.ptr, s.len) == 0;
    FUZZ_CHECK(is_plain == is_unchanged, "plain: %d, unchanged: %d", is_plain, is_unchanged);
    free(out);
    free(in_place);
}

typedef size_t encode_fn(weir_str s, char *out);
typedef int decode_fn(weir_str s, char *out);

static void check_encode(weir_str s, encode_fn *encode, decode_fn *decode, const char *allowed)
{
    char *out = fuzz_alloc(3 * s.len), *back = fuzz_alloc(3 * s.len);
    size_t n = encode(s, out);
    for (size_t i = 0; i < n; i++)
        FUZZ_CHECK(out[i] != '\0' && strchr(allowed, out[i]) != NULL, "byte %zu is 0x%02x", i,
                   (unsigned char)out[i]);
    int len = decode((weir_str){out, n}, back);
    FUZZ_CHECK(len == (int)s.len && memcmp(back, s.ptr, s.len) == 0, "it decodes to another text");
    free(out);
    free(back);
}

#define UNRESERVED ALPHA DIGITS "-._~"

static void check_encodings(weir_str s)
{
    check_encode(s, weir__url_encode, weir__url_decode, UNRESERVED "%");
    check_encode(s, weir__url_encode_form, weir__url_decode_form, UNRESERVED "%+");
    check_encode(s, weir__url_encode_path, weir__url_decode, UNRESERVED "%!$&'()*+,;=:@/");
}

/* ---- paths ---- */

static bool has_nul(weir_str s)
{
    return s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL;
}

static void check_path(weir_str s)
{
    static char text[BYTES_MAX + 1], joined[BYTES_MAX];
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    int rc = weir__url_path_check(s);
    if (!has_nul(s))
        FUZZ_CHECK((rc == 0) == (text[0] == '/' && ref_path_is_good(text)), "%d (%s)", rc,
                   weir__url_error_text(rc));
    if (rc != 0)
        return;
    size_t n = 0;
    weir_str rest = s, segment;
    while (weir__url_segment_next(&rest, &segment)) {
        FUZZ_CHECK(memchr(segment.ptr, '/', segment.len) == NULL, "a slash in a segment");
        joined[n++] = '/';
        memcpy(joined + n, segment.ptr, segment.len);
        n += segment.len;
    }
    FUZZ_CHECK(n == s.len && memcmp(joined, s.ptr, n) == 0, "its segments make another path");
}

/* ---- queries and forms ---- */

/* The first pair whose name decodes to `name`, by decoding each. */
static bool slow_find(weir_str pairs, weir_str name, weir_str *value)
{
    static char plain[BYTES_MAX];
    weir_str key;
    while (weir__url_pair_next(&pairs, &key, value)) {
        int n = slow_decode(key, true, plain);
        if (n == (int)name.len && memcmp(plain, name.ptr, name.len) == 0)
            return true;
    }
    return false;
}

static void check_find(weir_str pairs, weir_str name)
{
    weir_str found, expected, rest = pairs;
    bool is_there = slow_find(pairs, name, &expected);
    FUZZ_CHECK(weir__url_pair_find(&rest, name, &found) == is_there, "there: %d", is_there);
    if (is_there)
        FUZZ_CHECK(found.ptr == expected.ptr && weir_str_eq(found, expected), "another value");
}

static void check_pairs(weir_str s)
{
    static char joined[BYTES_MAX + 1], plain[BYTES_MAX];
    size_t n = 0;
    weir_str rest = s, name, value;
    while (weir__url_pair_next(&rest, &name, &value)) {
        FUZZ_CHECK(name.len == 0 || (memchr(name.ptr, '&', name.len) == NULL &&
                                     memchr(name.ptr, '=', name.len) == NULL),
                   "a separator in a name");
        memcpy(joined + n, name.ptr, name.len);
        n += name.len;
        if (value.ptr != NULL) {
            joined[n++] = '=';
            memcpy(joined + n, value.ptr, value.len);
            n += value.len;
        }
        joined[n++] = '&';
        int len = slow_decode(name, true, plain);
        if (len >= 0)
            check_find(s, (weir_str){plain, (size_t)len});
        check_find(s, name);
    }
    /* Put together again, it is the text without the separators that are too many. */
    size_t at = 0;
    for (size_t i = 0; i < s.len; i++) {
        bool is_empty = s.ptr[i] == '&' && (i == 0 || s.ptr[i - 1] == '&');
        if (!is_empty)
            FUZZ_CHECK(at < n && joined[at++] == s.ptr[i], "byte %zu is lost", i);
    }
    FUZZ_CHECK(at == n || (at + 1 == n && joined[at] == '&'), "%zu bytes became %zu", at, n);
    check_find(s, WEIR_S(""));
    check_find(s, WEIR_S("a"));
}

/* ---- authorities and URLs ---- */

static void check_authority(weir_str s)
{
    static char text[BYTES_MAX + 1], host[REF_LINE];
    struct weir__url_authority a;
    int port, rc = weir__url_authority_parse(s, &a);
    if (!has_nul(s)) {
        memcpy(text, s.ptr, s.len);
        text[s.len] = '\0';
        bool is_good = ref_authority(text, host, &port);
        FUZZ_CHECK((rc == 0) == is_good, "%d (%s), the reference %d", rc, weir__url_error_text(rc),
                   is_good);
        FUZZ_CHECK(rc != 0 || (ref_is(a.host, host) && (a.has_port ? a.port : -1) == port),
                   "another host or port");
    }
    FUZZ_CHECK(rc != 0 || !has_nul(s), "NUL in a host");
    FUZZ_CHECK(rc != 0 || !a.has_port || a.port > 0, "port 0");
}

static void check_absolute(weir_str s)
{
    static char joined[BYTES_MAX + 16];
    struct weir__url url;
    if (weir__url_absolute_parse(s, &url) != 0)
        return;
    int n = snprintf(joined, sizeof joined,
                     WEIR_STR_FMT "://" WEIR_STR_FMT WEIR_STR_FMT "%s" WEIR_STR_FMT,
                     WEIR_STR_ARG(url.scheme), WEIR_STR_ARG(url.authority), WEIR_STR_ARG(url.path),
                     url.query.ptr != NULL ? "?" : "", WEIR_STR_ARG(url.query));
    FUZZ_CHECK(n == (int)s.len && memcmp(joined, s.ptr, s.len) == 0, "its parts make %s", joined);
    FUZZ_CHECK(weir_str_ieq(url.scheme, url.is_https ? WEIR_S("https") : WEIR_S("http")),
               "another scheme");
    FUZZ_CHECK(url.parts.host.len > 0, "no host");
    FUZZ_CHECK(url.path.len == 0 || url.path.ptr[0] == '/', "a path without its slash");
    check_authority(url.authority);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > BYTES_MAX)
        return 0;
    char *bytes = fuzz_copy(data, size);
    weir_str s = {bytes, size};
    check_decode(s, false);
    check_decode(s, true);
    check_encodings(s);
    check_path(s);
    check_pairs(s);
    check_authority(s);
    check_absolute(s);
    free(bytes);
    return 0;
}
