/*
 * The values of header fields. The first line of the input is a second text (a token to look for,
 * an entity tag), the rest is a value; every reader gets it. Readers that walk must come to an end
 * with views inside the value that are what the grammar allows; ranges, tags, weights and quoted
 * strings are held against slow ways to the same answer.
 */
#include "base/fuzz.h"
#include "wire/http_field.h"

#include <errno.h>

enum { BYTES_MAX = 1024 };

static bool is_inside(weir_str part, weir_str whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

static bool is_trimmed(weir_str s)
{
    return s.len == 0 || (!is_blank(s.ptr[0]) && !is_blank(s.ptr[s.len - 1]));
}

/* ---- lists and parameters ---- */

/* True when an element has a comma outside its quotes. */
static bool has_bare_comma(weir_str s)
{
    bool is_quoted = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"')
            is_quoted = !is_quoted;
        else if (is_quoted && s.ptr[i] == '\\' && i + 1 < s.len)
            i++;
        else if (!is_quoted && s.ptr[i] == ',')
            return true;
    }
    return false;
}

static void check_list(weir_str value, weir_str token)
{
    static char joined[2 * BYTES_MAX + 2];
    size_t n = 0, count = 0, again = 0;
    weir_str rest = value, element;
    bool has = false;
    while (weir__http_list_next(&rest, &element)) {
        FUZZ_CHECK(is_inside(element, value) && is_trimmed(element) && element.len > 0,
                   "element %zu", count);
        FUZZ_CHECK(!has_bare_comma(element), "element %zu has a comma", count);
        has = has || weir_str_ieq(element, token);
        memcpy(joined + n, element.ptr, element.len);
        n += element.len;
        joined[n++] = ',';
        FUZZ_CHECK(++count <= value.len, "more elements than bytes");
    }
    FUZZ_CHECK(weir__http_list_has(value, token) == has, "it has the token: %d", has);
    rest = (weir_str){joined, n};
    while (weir__http_list_next(&rest, &element))
        again++;
    FUZZ_CHECK(again == count, "%zu elements, joined again %zu", count, again);
}

static void check_unquote(weir_str s)
{
    static char quoted[2 * BYTES_MAX + 2];
    char *out = fuzz_alloc(s.len), *back = fuzz_alloc(2 * s.len + 2);
    int len = weir__http_unquote(s, out);
    FUZZ_CHECK(len == WEIR_EINVALID || (len >= 0 && (size_t)len <= s.len), "%d", len);
    /* Any text can be quoted, and is then what it was. */
    size_t n = 0;
    quoted[n++] = '"';
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
            quoted[n++] = '\\';
        quoted[n++] = s.ptr[i];
    }
    quoted[n++] = '"';
    len = weir__http_unquote((weir_str){quoted, n}, back);
    FUZZ_CHECK(len == (int)s.len && memcmp(back, s.ptr, s.len) == 0, "quoted it is another text");
    free(out);
    free(back);
}

static void check_params(weir_str value)
{
    weir_str rest = value, name, param;
    size_t count = 0;
    while (weir__http_param_next(&rest, &name, &param)) {
        FUZZ_CHECK(weir__http_name_is_valid(name), "parameter %zu has no token as name", count);
        FUZZ_CHECK(is_inside(name, value) && is_inside(param, value), "parameter %zu", count);
        FUZZ_CHECK(++count <= value.len, "more parameters than bytes");
    }
    FUZZ_CHECK(is_inside(rest, value), "it went past the end");
}

static void check_media_type(weir_str value)
{
    struct weir__media_type m;
    if (weir__media_type_parse(value, &m) != WEIR_OK)
        return;
    FUZZ_CHECK(weir__http_name_is_valid(m.type) && weir__http_name_is_valid(m.subtype),
               "a type that is no token");
    FUZZ_CHECK(is_inside(m.type, value) && is_inside(m.subtype, value) &&
                   is_inside(m.params, value) && is_inside(m.charset, value),
               "a part of other memory");
    FUZZ_CHECK(weir__media_type_is(&m, m.type, m.subtype), "it is not its own type");
}

/* ---- weights ---- */

/* What is listed last in its own entry, before wild cards: -1 when it is not listed. */
static void check_weights(weir_str list, weir_str token)
{
    int q = weir__http_accept_q(list, token);
    FUZZ_CHECK(q >= -1 && q <= 1000, "a weight of %d", q);
    if (!weir__http_name_is_valid(token) || weir_str_eq(token, WEIR_S("*")))
        return;
    /* In front of all else an entry of its own decides. */
    static const struct {
        const char *text;
        int q;
    } weights[] = {{"", 1000},       {";q=0", 0},        {"; q=0.5", 500}, {";q=0.333", 333},
                   {";q=1.001", 0},  {";q=1.000", 1000}, {";Q=0.07", 70},  {";x=y;q=0.25", 250},
                   {";q=0.3333", 0}, {";q=-1", 0},       {";q=2", 0}};
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        char text[2 * BYTES_MAX + 64];
        int n =
            snprintf(text, sizeof text, WEIR_STR_FMT "%s,", WEIR_STR_ARG(token), weights[i].text);
        memcpy(text + n, list.ptr, list.len);
        q = weir__http_accept_q((weir_str){text, (size_t)n + list.len}, token);
        FUZZ_CHECK(q == weights[i].q, "%d for '%s'", q, weights[i].text);
    }
}

/* ---- entity tags ---- */

static void check_tags(weir_str list, weir_str tag)
{
    bool weak = weir__etag_list_has(list, tag, false),
         strong = weir__etag_list_has(list, tag, true);
    FUZZ_CHECK(weak || !strong, "what is strongly equal is weakly equal");
    FUZZ_CHECK(!weir__etag_eq_strong(tag, tag) || weir__etag_eq_weak(tag, tag), "itself");
    if (!weir__etag_eq_weak(tag, tag))
        return;
    bool is_weak = tag.ptr[0] == 'W';
    bool has_quote = memchr(tag.ptr + (is_weak ? 3 : 1), '"', tag.len - (is_weak ? 4 : 2)) != NULL;
    FUZZ_CHECK(has_quote || weir__etag_list_has(tag, tag, false), "a tag is in a list of itself");
    FUZZ_CHECK(has_quote || weir__etag_list_has(tag, tag, true) == !is_weak,
               "a weak tag is strongly equal to nothing, a strong one to itself");
}

/* ---- ranges ---- */

/* Digits up to `stop`; false when there are others or none. Too large is the largest. */
static bool slow_number(const char *from, const char *stop, uint64_t *out)
{
    char text[BYTES_MAX + 1];
    memcpy(text, from, (size_t)(stop - from));
    text[stop - from] = '\0';
    errno = 0;
    *out = strtoull(text, NULL, 10); /* ULLONG_MAX when it is too large */
    return stop > from && strspn(text, "0123456789") == (size_t)(stop - from);
}

static enum weir__range_result slow_range(weir_str s, uint64_t size, uint64_t *first,
                                          uint64_t *last)
{
    uint64_t a = 0, b = 0;
    const char *end = s.ptr + s.len, *from = s.ptr + 6;
    if (s.len < 7 || strncasecmp(s.ptr, "bytes=", 6) != 0)
        return WEIR_RANGE_NONE;
    const char *dash = memchr(from, '-', s.len - 6);
    if (dash == NULL)
        return WEIR_RANGE_NONE;
    bool has_first = slow_number(from, dash, &a), has_last = slow_number(dash + 1, end, &b);
    if ((!has_first && dash > from) || (!has_last && dash + 1 < end) || (!has_first && !has_last) ||
        (has_first && has_last && a > b))
        return WEIR_RANGE_NONE;
    *first = has_first ? a : b < size ? size - b : 0;
    *last = has_first && has_last && b < size ? b : size - 1;
    if (has_first ? a >= size : b == 0)
        return WEIR_RANGE_UNSATISFIABLE;
    if (size == 0)
        return WEIR_RANGE_NONE;
    return WEIR_RANGE_ONE;
}

static void check_range(weir_str value, uint64_t size)
{
    uint64_t first = 0, last = 0, slow_first, slow_last;
    enum weir__range_result r = weir__range_parse(value, size, &first, &last);
    FUZZ_CHECK(r == slow_range(value, size, &slow_first, &slow_last), "%d", r);
    if (r == WEIR_RANGE_ONE)
        FUZZ_CHECK(first == slow_first && last == slow_last && first <= last && last < size,
                   "%llu to %llu of %llu", (unsigned long long)first, (unsigned long long)last,
                   (unsigned long long)size);
}

/* ---- cookies ---- */

static void check_cookies(weir_str value)
{
    weir_str rest = value, name, cookie;
    size_t count = 0;
    while (weir__cookie_next(&rest, &name, &cookie)) {
        FUZZ_CHECK(weir__http_name_is_valid(name), "cookie %zu has no token as name", count);
        FUZZ_CHECK(is_inside(name, value) && is_inside(cookie, value), "cookie %zu", count);
        for (size_t i = 0; i < cookie.len; i++)
            FUZZ_CHECK(weir__http_byte_is(cookie.ptr[i], WEIR_BYTE_COOKIE), "cookie %zu", count);
        FUZZ_CHECK(++count <= value.len, "more cookies than bytes");
    }
    FUZZ_CHECK(rest.len == 0, "it stopped before the end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > BYTES_MAX)
        return 0;
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    struct fuzz_input in = {data, data + size};
    weir_str first = fuzz_until(&in, '\n');
    weir_str rest = {(const char *)in.at, (size_t)(in.end - in.at)};
    char *token_bytes = fuzz_copy(first.ptr, first.len), *bytes = fuzz_copy(rest.ptr, rest.len);
    weir_str token = {token_bytes, first.len}, value = {bytes, rest.len};
    check_list(value, token);
    check_unquote(value);
    check_params(value);
    check_media_type(value);
    check_weights(value, token);
    check_tags(value, token);
    check_range(value, fuzz_below(&dice, 3) == 0 ? UINT64_MAX : fuzz_below(&dice, 2000));
    check_cookies(value);
    free(token_bytes);
    free(bytes);
    return 0;
}
