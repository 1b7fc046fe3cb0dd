/*
 * Readers for the grammars that header values share: comma lists, parameters, quality weights,
 * media types, entity tags, ranges, cookies. They borrow and never fail loudly: what is malformed
 * is skipped or means "not given", as each grammar's section of RFC 9110 asks. Each takes time in
 * proportion to the value, but for the wild cards of Accept, which are three passes.
 */
#include "wire/http_field.h"

static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

static weir_str trim(const char *from, const char *to)
{
    while (from < to && is_blank(*from))
        from++;
    while (to > from && is_blank(to[-1]))
        to--;
    return (weir_str){from, (size_t)(to - from)};
}

/* Past the closing quote of the quoted string that begins at `at`; `end` when it has none. */
static const char *skip_quoted(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if (*at == '"')
            return at + 1;
    }
    return end;
}

/* ---- lists and parameters, RFC 9110 section 5.6 ---- */

bool weir__http_list_next(weir_str *rest, weir_str *element)
{
    if (rest->len == 0)
        return false;
    const char *at = rest->ptr, *end = rest->ptr + rest->len;
    while (at < end) {
        const char *from = at;
        while (at < end && *at != ',')
            at = *at == '"' ? skip_quoted(at, end) : at + 1;
        *element = trim(from, at);
        if (at < end)
            at++;
        *rest = (weir_str){at, (size_t)(end - at)};
        if (element->len > 0)
            return true;
    }
    return false;
}

bool weir__http_list_has(weir_str list, weir_str token)
{
    for (weir_str element; weir__http_list_next(&list, &element);) {
        if (weir_str_ieq(element, token))
            return true;
    }
    return false;
}

static const char *skip_token(const char *at, const char *end)
{
    while (at < end && weir__http_byte_is(*at, WEIR_BYTE_TOKEN))
        at++;
    return at;
}

bool weir__http_param_next(weir_str *rest, weir_str *name, weir_str *value)
{
    if (rest->len == 0)
        return false;
    const char *at = rest->ptr, *end = rest->ptr + rest->len;
    while (at < end && (is_blank(*at) || *at == ';'))
        at++;
    *rest = (weir_str){at, (size_t)(end - at)};
    const char *eq = skip_token(at, end);
    if (eq == at || eq == end || *eq != '=')
        return false;
    const char *from = eq + 1;
    const char *to = from < end && *from == '"' ? skip_quoted(from, end) : skip_token(from, end);
    if (to < end && *to != ';' && !is_blank(*to))
        return false;
    *name = (weir_str){at, (size_t)(eq - at)};
    *value = (weir_str){from, (size_t)(to - from)};
    *rest = (weir_str){to, (size_t)(end - to)};
    return true;
}

int weir__http_unquote(weir_str s, char *out)
{
    size_t n = 0;
    if (s.len == 0 || s.ptr[0] != '"') {
        if (s.len > 0 && !weir__http_name_is_valid(s))
            return WEIR_EINVALID;
        if (s.len > 0)
            memmove(out, s.ptr, s.len);
        return (int)s.len;
    }
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] == '"')
            return i + 1 == s.len ? (int)n : WEIR_EINVALID;
        if (s.ptr[i] == '\\' && ++i == s.len)
            return WEIR_EINVALID;
        out[n++] = s.ptr[i];
    }
    return WEIR_EINVALID;
}

/* ---- media types, RFC 9110 section 8.3 ---- */

/* A quoted string without its quotes; its escapes stay, a charset has none. */
static weir_str strip_quotes(weir_str s)
{
    if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
        return (weir_str){s.ptr + 1, s.len - 2};
    return s;
}

weir_err weir__media_type_parse(weir_str s, struct weir__media_type *out)
{
    *out = (struct weir__media_type){0};
    if (s.len == 0)
        return WEIR_EINVALID;
    s = trim(s.ptr, s.ptr + s.len);
    const char *end = s.ptr + s.len, *slash = skip_token(s.ptr, end);
    if (slash == s.ptr || slash == end || *slash != '/')
        return WEIR_EINVALID;
    const char *sub = slash + 1, *sub_end = skip_token(sub, end);
    if (sub_end == sub || (sub_end < end && *sub_end != ';' && !is_blank(*sub_end)))
        return WEIR_EINVALID;
    out->type = (weir_str){s.ptr, (size_t)(slash - s.ptr)};
    out->subtype = (weir_str){sub, (size_t)(sub_end - sub)};
    out->params = (weir_str){sub_end, (size_t)(end - sub_end)};
    weir_str rest = out->params;
    for (weir_str name, value; weir__http_param_next(&rest, &name, &value);) {
        if (weir_str_ieq(name, WEIR_S("charset")) && out->charset.ptr == NULL)
            out->charset = strip_quotes(value);
    }
    return rest.len == 0 ? WEIR_OK : WEIR_EINVALID;
}

bool weir__media_type_is(const struct weir__media_type *m, weir_str type, weir_str subtype)
{
    return weir_str_ieq(m->type, type) && weir_str_ieq(m->subtype, subtype);
}

/* ---- quality, RFC 9110 section 12.4.2 ---- */

/* "1", "0.5", "0.333" in thousandths; 0 when malformed. */
static int parse_weight(weir_str s)
{
    int q = 0, unit = 1000;
    if (s.len == 0 || s.len > 5 || (s.ptr[0] != '0' && s.ptr[0] != '1'))
        return 0;
    if (s.len > 1 && s.ptr[1] != '.')
        return 0;
    q = (s.ptr[0] - '0') * 1000;
    for (size_t i = 2; i < s.len; i++) {
        if (!weir__http_byte_is(s.ptr[i], WEIR_BYTE_DIGIT))
            return 0;
        unit /= 10;
        q += (s.ptr[i] - '0') * unit;
    }
    return q <= 1000 ? q : 0;
}

static int weight_of(weir_str params)
{
    for (weir_str name, value; weir__http_param_next(&params, &name, &value);) {
        if (weir_str_ieq(name, WEIR_S("q")))
            return parse_weight(value);
    }
    return 1000;
}

/* The weight of the list's entry that is `token` (its first part); -1 when there is none. */
static int listed_weight(weir_str list, weir_str token)
{
    for (weir_str element; weir__http_list_next(&list, &element);) {
        const char *semi = memchr(element.ptr, ';', element.len);
        const char *end = element.ptr + element.len;
        weir_str first = trim(element.ptr, semi != NULL ? semi : end);
        if (!weir_str_ieq(first, token))
            continue;
        return semi != NULL ? weight_of((weir_str){semi, (size_t)(end - semi)}) : 1000;
    }
    return -1;
}

/* The weight of "type" + "/" + "*" where the list has it; -1 when not. */
static int type_weight(weir_str list, weir_str type)
{
    for (weir_str element; weir__http_list_next(&list, &element);) {
        struct weir__media_type m;
        if (weir__media_type_parse(element, &m) != 0)
            continue;
        if (weir_str_ieq(m.type, type) && weir_str_eq(m.subtype, WEIR_S("*")))
            return weight_of(m.params);
    }
    return -1;
}

int weir__http_accept_q(weir_str list, weir_str token)
{
    if (list.ptr == NULL)
        return 1000;
    int q = listed_weight(list, token);
    if (q >= 0)
        return q;
    const char *slash = token.len > 0 ? memchr(token.ptr, '/', token.len) : NULL;
    if (slash == NULL)
        return listed_weight(list, WEIR_S("*"));
    q = type_weight(list, (weir_str){token.ptr, (size_t)(slash - token.ptr)});
    return q >= 0 ? q
                  : listed_weight(list, WEIR_S("*/"
                                               "*"));
}

/* ---- entity tags, RFC 9110 section 8.8.3 ---- */

static weir_str without_weak(weir_str tag)
{
    if (tag.len >= 2 && tag.ptr[0] == 'W' && tag.ptr[1] == '/')
        return (weir_str){tag.ptr + 2, tag.len - 2};
    return tag;
}

static bool is_opaque_tag(weir_str tag)
{
    return tag.len >= 2 && tag.ptr[0] == '"' && tag.ptr[tag.len - 1] == '"';
}

bool weir__etag_eq_weak(weir_str a, weir_str b)
{
    a = without_weak(a);
    return is_opaque_tag(a) && weir_str_eq(a, without_weak(b));
}

bool weir__etag_eq_strong(weir_str a, weir_str b)
{
    return is_opaque_tag(a) && weir_str_eq(a, b);
}

/* The next tag of a list. Unlike in quoted strings a backslash escapes nothing, so lists of tags
 * are not weir__http_list_next's. */
static bool next_tag(weir_str *rest, weir_str *tag)
{
    if (rest->len == 0)
        return false;
    const char *at = rest->ptr, *end = rest->ptr + rest->len;
    while (at < end && (is_blank(*at) || *at == ','))
        at++;
    const char *open = end - at >= 2 && at[0] == 'W' && at[1] == '/' ? at + 2 : at;
    if (open >= end || *open != '"')
        return false;
    const char *close = memchr(open + 1, '"', (size_t)(end - open - 1));
    if (close == NULL)
        return false;
    *tag = (weir_str){at, (size_t)(close + 1 - at)};
    *rest = (weir_str){close + 1, (size_t)(end - close - 1)};
    return true;
}

bool weir__etag_list_has(weir_str list, weir_str etag, bool is_strong)
{
    if (weir_str_eq(list, WEIR_S("*")))
        return etag.len > 0;
    for (weir_str tag; next_tag(&list, &tag);) {
        if (is_strong ? weir__etag_eq_strong(tag, etag) : weir__etag_eq_weak(tag, etag))
            return true;
    }
    return false;
}

/* ---- ranges, RFC 9110 section 14.1 ---- */

/* Digits at *at, at least one, saturating: a number too large is past any body's end anyway. */
static bool take_number(const char **at, const char *end, uint64_t *out)
{
    const char *from = *at;
    uint64_t n = 0;
    for (; *at < end && weir__http_byte_is(**at, WEIR_BYTE_DIGIT); (*at)++) {
        uint64_t digit = (uint64_t)(**at - '0');
        n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
    }
    *out = n;
    return *at > from;
}

static enum weir__range_result suffix_range(uint64_t n, uint64_t size, uint64_t *first,
                                            uint64_t *last)
{
    if (n == 0)
        return WEIR_RANGE_UNSATISFIABLE;
    if (size == 0)
        return WEIR_RANGE_NONE; /* shorter than the suffix: all of it, which no 206 can say */
    *first = n < size ? size - n : 0;
    *last = size - 1;
    return WEIR_RANGE_ONE;
}

enum weir__range_result weir__range_parse(weir_str s, uint64_t size, uint64_t *first,
                                          uint64_t *last)
{
    uint64_t a, b;
    if (s.len < 7 || !weir_str_ieq((weir_str){s.ptr, 6}, WEIR_S("bytes=")))
        return WEIR_RANGE_NONE;
    const char *at = s.ptr + 6, *end = s.ptr + s.len;
    bool has_first = take_number(&at, end, &a);
    if (at == end || *at++ != '-')
        return WEIR_RANGE_NONE;
    bool has_last = take_number(&at, end, &b);
    if (at != end || (!has_first && !has_last) || (has_first && has_last && b < a))
        return WEIR_RANGE_NONE;
    if (!has_first)
        return suffix_range(b, size, first, last);
    if (a >= size)
        return WEIR_RANGE_UNSATISFIABLE;
    *first = a;
    *last = has_last && b < size ? b : size - 1;
    return WEIR_RANGE_ONE;
}

/* ---- cookies, RFC 6265 section 4.2 ---- */

static bool is_cookie_value(weir_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!weir__http_byte_is(s.ptr[i], WEIR_BYTE_COOKIE))
            return false;
    }
    return true;
}

bool weir__cookie_next(weir_str *rest, weir_str *name, weir_str *value)
{
    while (rest->len > 0) {
        const char *from = rest->ptr, *end = from + rest->len;
        const char *semi = memchr(from, ';', rest->len);
        const char *stop = semi != NULL ? semi : end, *next = semi != NULL ? semi + 1 : end;
        *rest = (weir_str){next, (size_t)(end - next)};
        weir_str pair = trim(from, stop);
        const char *eq = pair.len > 0 ? memchr(pair.ptr, '=', pair.len) : NULL;
        if (eq == NULL)
            continue;
        *name = (weir_str){pair.ptr, (size_t)(eq - pair.ptr)};
        *value = strip_quotes((weir_str){eq + 1, (size_t)(pair.ptr + pair.len - eq - 1)});
        if (weir__http_name_is_valid(*name) && is_cookie_value(*value))
            return true;
    }
    return false;
}
