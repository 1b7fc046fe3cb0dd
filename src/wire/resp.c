/*
 * RESP: where a reply ends, and what is in it.
 *
 * The hard thing is the length that lies. A list says how many values it has before the first has
 * come, and a text how many bytes: both are held against the limits when they are read, so that
 * nothing is ever reserved, or waited for, beyond them. What is scanned has been checked; reading
 * is one pass without a look at limits, no deeper than the scan was.
 */
#include "wire/resp.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/num.h"

const char *weir__resp_error_text(int err)
{
    static const char *const texts[] = {
        [-WEIR__RESP_ETYPE] = "a value begins with a byte that begins none",
        [-WEIR__RESP_ELINE] = "a line does not end, or is too long",
        [-WEIR__RESP_ENUMBER] = "a number is none, or past its range",
        [-WEIR__RESP_ELENGTH] = "a length is below zero, or streamed",
        [-WEIR__RESP_EEND] = "a text does not end where it says",
        [-WEIR__RESP_EDEPTH] = "lists are too deep within one another",
        [-WEIR__RESP_EITEMS] = "a reply has more values than are allowed",
        [-WEIR__RESP_EBYTES] = "a reply has more bytes than are allowed",
        [-WEIR__RESP_EVALUE] = "a value is none of its type",
    };
    size_t at = err < 0 ? (size_t)-err : 0;
    return at > 0 && at < sizeof texts / sizeof texts[0] ? texts[at] : "no error";
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* An integer with a sign or without. */
static bool read_int(weir_str text, int64_t *out)
{
    uint64_t n = 0, max = INT64_MAX;
    size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    bool is_negative = at > 0 && text.ptr[0] == '-';
    max += is_negative;
    if (at == text.len)
        return false;
    for (; at < text.len; at++) {
        unsigned digit = (unsigned char)text.ptr[at] - (unsigned)'0';
        if (digit > 9 || n > (max - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = is_negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

static bool read_double(weir_str text, double *out)
{
    const char *p = text.ptr, *end = p + text.len;
    bool is_negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    weir_str bare = {p, (size_t)(end - p)};
    if (weir_str_ieq(bare, WEIR_S("inf")))
        *out = is_negative ? -INFINITY : INFINITY;
    else if (weir_str_ieq(bare, WEIR_S("nan")))
        *out = NAN;
    else if (bare.len > 0 && *p != '-' && weir__num_get_double(p, end, out) == bare.len)
        *out = is_negative ? -*out : *out;
    else
        return false;
    return true;
}

static bool is_big(weir_str text)
{
    size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    if (at == text.len || text.len > WEIR__RESP_NUMBER_MAX)
        return false;
    for (; at < text.len; at++) {
        if (text.ptr[at] < '0' || text.ptr[at] > '9')
            return false;
    }
    return true;
}

/* --- scanning --------------------------------------------------------------------------------- */

void weir__resp_scan_init(struct weir__resp_scan *s)
{
    s->at = s->seen = 0;
    s->items = 1;
    s->depth = 0;
    s->is_list = false;
    s->left[0] = 1;
}

/* How long the line of a value may be, by its type; 0: it begins none. */
static size_t line_max(char type)
{
    switch (type) {
    case ':':
    case '$':
    case '*':
    case '!':
    case '=':
    case '%':
    case '~':
    case '>':
    case '|':
    case '_':
    case '#':
        return WEIR__RESP_HEAD_MAX;
    case '+':
    case '-':
        return WEIR__RESP_LINE_MAX;
    case ',':
        return 128;
    case '(':
        return WEIR__RESP_NUMBER_MAX + WEIR__RESP_HEAD_MAX;
    default:
        return 0;
    }
}

/* The end of the line that begins at s->at: 1 with `*line` behind its type, 0, an error. */
static int find_line(struct weir__resp_scan *s, const char *bytes, size_t len, weir_str *line)
{
    if (s->at == len)
        return 0;
    size_t max = line_max(bytes[s->at]);
    if (max == 0)
        return WEIR__RESP_ETYPE;
    size_t from = s->seen > s->at ? s->seen : s->at + 1;
    size_t to = len - s->at < max ? len : s->at + max;
    for (size_t i = from; i < to; i++) {
        if (bytes[i] == '\n')
            return WEIR__RESP_ELINE;
        if (bytes[i] != '\r')
            continue;
        if (i + 1 == s->at + max)
            return WEIR__RESP_ELINE; /* no room for the end's other byte */
        if (i + 1 == len) {
            s->seen = i;
            return 0;
        }
        if (bytes[i + 1] != '\n')
            return WEIR__RESP_ELINE;
        *line = (weir_str){bytes + s->at + 1, i - s->at - 1};
        return 1;
    }
    s->seen = to;
    return to == s->at + max ? WEIR__RESP_ELINE : 0;
}

/* A length: -1 as none where that may be. */
static int read_length(weir_str line, bool may_be_null, int64_t *out)
{
    if (line.len > 0 && line.ptr[0] == '?')
        return WEIR__RESP_ELENGTH;
    if (!read_int(line, out))
        return WEIR__RESP_ENUMBER;
    return *out >= 0 || (*out == -1 && may_be_null) ? 0 : WEIR__RESP_ELENGTH;
}

/* A value is there; a level that has no more is over. */
static void settle(struct weir__resp_scan *s)
{
    while (s->depth > 0 && s->left[s->depth] == 0)
        s->depth--;
}

/* A list of so many values begins. */
static int begin_list(struct weir__resp_scan *s, const struct weir__resp_limits *limits,
                      uint64_t count)
{
    if (count > limits->items_max - s->items)
        return WEIR__RESP_EITEMS;
    s->is_list = true;
    s->items += (uint32_t)count;
    if (count == 0)
        return 1;
    if (s->depth == WEIR__RESP_DEPTH_MAX)
        return WEIR__RESP_EDEPTH;
    s->left[++s->depth] = (uint32_t)count;
    return 1;
}

static int scan_list(struct weir__resp_scan *s, const struct weir__resp_limits *limits, char type,
                     weir_str line)
{
    int64_t count;
    int rc = read_length(line, type == '*', &count);
    if (rc < 0)
        return rc;
    if (type == '>' && (s->depth > 0 || count < 1))
        return WEIR__RESP_EVALUE;
    if (type == '%' || type == '|')
        count = count > UINT32_MAX ? count : 2 * count;
    if (type != '|')
        s->left[s->depth]--;
    else if (s->items++ == limits->items_max) /* a value beside that which it is of */
        return WEIR__RESP_EITEMS;
    return begin_list(s, limits, count > 0 ? (uint64_t)count : 0);
}

/* What has a length of bytes: 1 when they are there. `at` is behind its line. */
static int scan_text(struct weir__resp_scan *s, const struct weir__resp_limits *limits, char type,
                     weir_str line, const char *bytes, size_t len, size_t at)
{
    int64_t size;
    int rc = read_length(line, type == '$', &size);
    if (rc < 0)
        return rc;
    if (at > limits->bytes_max || (size > 0 && (uint64_t)size > limits->bytes_max - at))
        return WEIR__RESP_EBYTES;
    if (size == -1) {
        s->left[s->depth]--;
        s->at = at;
        return 1;
    }
    size_t left = len - at;
    if (left >= (size_t)size + 1 && bytes[at + (size_t)size] != '\r')
        return WEIR__RESP_EEND;
    if (left < (size_t)size + 2)
        return 0;
    if (bytes[at + (size_t)size + 1] != '\n')
        return WEIR__RESP_EEND;
    if (type == '=' && (size < 4 || bytes[at + 3] != ':'))
        return WEIR__RESP_EVALUE;
    s->left[s->depth]--;
    s->at = at + (size_t)size + 2;
    return 1;
}

static int check_line(char type, weir_str line)
{
    int64_t i;
    double d;
    switch (type) {
    case ':':
        return read_int(line, &i) ? 1 : WEIR__RESP_ENUMBER;
    case ',':
        return read_double(line, &d) ? 1 : WEIR__RESP_ENUMBER;
    case '(':
        return is_big(line) ? 1 : WEIR__RESP_ENUMBER;
    case '_':
        return line.len == 0 ? 1 : WEIR__RESP_EVALUE;
    case '#':
        return line.len == 1 && (*line.ptr == 't' || *line.ptr == 'f') ? 1 : WEIR__RESP_EVALUE;
    default:
        return 1;
    }
}

/* The next value, or the head of a list: 1, 0, an error. */
static int scan_next(struct weir__resp_scan *s, const struct weir__resp_limits *limits,
                     const char *bytes, size_t len)
{
    weir_str line;
    int rc = find_line(s, bytes, len, &line);
    if (rc <= 0)
        return rc;
    char type = bytes[s->at];
    size_t behind = s->at + line.len + 3;
    if (type == '$' || type == '!' || type == '=')
        return scan_text(s, limits, type, line, bytes, len, behind);
    if (type == '*' || type == '%' || type == '~' || type == '>' || type == '|')
        rc = scan_list(s, limits, type, line);
    else {
        rc = check_line(type, line);
        s->left[s->depth]--;
    }
    s->at = behind;
    return rc;
}

ptrdiff_t weir__resp_scan(struct weir__resp_scan *s, const struct weir__resp_limits *limits,
                          const char *bytes, size_t len)
{
    for (;;) {
        int rc = scan_next(s, limits, bytes, len);
        if (rc < 0)
            return rc;
        if (rc == 0)
            return len > limits->bytes_max ? WEIR__RESP_EBYTES : 0;
        if (s->at > limits->bytes_max)
            return WEIR__RESP_EBYTES;
        settle(s);
        if (s->depth == 0 && s->left[0] == 0)
            return (ptrdiff_t)s->at;
    }
}

size_t weir__resp_needs(const struct weir__resp_scan *s, const char *bytes, size_t len)
{
    struct weir__resp_scan copy = *s;
    weir_str line;
    int64_t size;
    copy.seen = 0;
    if (find_line(&copy, bytes, len, &line) <= 0 || read_length(line, false, &size) < 0)
        return len + 1;
    char type = bytes[s->at];
    if (type != '$' && type != '!' && type != '=')
        return len + 1;
    return s->at + line.len + 3 + (size_t)size + 2;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
    const char *at, *end;
    struct weir__arena *arena;
};

static weir_str take_line(struct reader *r)
{
    const char *from = r->at;
    const char *end = memchr(from, '\r', (size_t)(r->end - from));
    WEIR_ASSERT(end != NULL, "W13: what is read was scanned");
    r->at = end + 2;
    return (weir_str){from, (size_t)(end - from)};
}

static int64_t take_int(struct reader *r)
{
    int64_t n = 0;
    bool is_read = read_int(take_line(r), &n);
    WEIR_ASSERT(is_read, "W13: what is read was scanned");
    return n;
}

static void take_text(struct reader *r, weir_redis_value *out, weir_redis_kind kind)
{
    int64_t size = take_int(r);
    if (size < 0)
        return;
    out->kind = kind;
    out->u.s = (weir_str){r->at, (size_t)size};
    r->at += (size_t)size + 2;
}

static bool take_value(struct reader *r, unsigned depth, weir_redis_value *out);

static bool take_list(struct reader *r, unsigned depth, weir_redis_value *out, weir_redis_kind kind)
{
    int64_t count = take_int(r);
    if (count < 0)
        return true;
    WEIR_ASSERT(depth <= WEIR__RESP_DEPTH_MAX, "W13: what is read was scanned");
    size_t len = kind == WEIR_REDIS_MAP ? 2 * (size_t)count : (size_t)count;
    weir_redis_value *items = NULL;
    if (len > 0) {
        items = weir__arena_alloc(r->arena, len * sizeof *items);
        if (items == NULL)
            return false;
    }
    out->kind = kind;
    out->u.list.items = items;
    out->u.list.len = len;
    for (size_t i = 0; i < len; i++) {
        if (!take_value(r, depth + 1, &items[i]))
            return false;
    }
    return true;
}

/* The maps before a value: the first, which has the others; NULL: none. False: no memory. */
static bool take_attributes(struct reader *r, unsigned depth, const weir_redis_value **out)
{
    *out = NULL;
    while (*r->at == '|') {
        weir_redis_value *map = weir__arena_alloc(r->arena, sizeof *map);
        if (map == NULL)
            return false;
        memset(map, 0, sizeof *map);
        r->at++;
        if (!take_list(r, depth, map, WEIR_REDIS_MAP))
            return false;
        *out = map;
        out = &map->attributes;
    }
    return true;
}

static bool take_value(struct reader *r, unsigned depth, weir_redis_value *out)
{
    weir_str line;
    memset(out, 0, sizeof *out);
    if (!take_attributes(r, depth, &out->attributes))
        return false;
    char type = *r->at++;
    switch (type) {
    case '$':
        take_text(r, out, WEIR_REDIS_TEXT);
        return true;
    case '!':
        take_text(r, out, WEIR_REDIS_ERROR);
        return true;
    case '=':
        take_text(r, out, WEIR_REDIS_VERBATIM);
        return true;
    case '*':
        return take_list(r, depth, out, WEIR_REDIS_ARRAY);
    case '%':
        return take_list(r, depth, out, WEIR_REDIS_MAP);
    case '~':
        return take_list(r, depth, out, WEIR_REDIS_SET);
    case '>':
        return take_list(r, depth, out, WEIR_REDIS_PUSH);
    case ':':
        out->kind = WEIR_REDIS_INT;
        out->u.i = take_int(r);
        return true;
    default:
        break;
    }
    line = take_line(r);
    if (type == '_')
        return true;
    out->kind = type == '+'   ? WEIR_REDIS_STATUS
                : type == '-' ? WEIR_REDIS_ERROR
                : type == '(' ? WEIR_REDIS_BIG
                : type == ',' ? WEIR_REDIS_DOUBLE
                              : WEIR_REDIS_BOOL;
    if (type == ',')
        (void)read_double(line, &out->u.d);
    else if (type == '#')
        out->u.i = *line.ptr == 't';
    else
        out->u.s = line;
    return true;
}

bool weir__resp_read(weir_str whole, struct weir__arena *arena, weir_redis_value *out)
{
    struct reader r = {whole.ptr, whole.ptr + whole.len, arena};
    if (!take_value(&r, 0, out))
        return false;
    WEIR_ASSERT(r.at == whole.ptr + whole.len, "W13: what is read was scanned");
    return true;
}

const weir_redis_value *weir_redis_map_get(const weir_redis_value *map, weir_str key)
{
    if (map == NULL || !weir_redis_is_list(map))
        return NULL;
    for (size_t i = 0; i + 1 < map->u.list.len; i += 2) {
        const weir_redis_value *k = &map->u.list.items[i];
        if (weir_redis_is_text(k) && weir_str_eq(k->u.s, key))
            return k + 1;
    }
    return NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

void weir__resp_put_head(weir_buf *out, char type, uint64_t count)
{
    char *p = weir_buf_reserve(out, WEIR__RESP_HEAD_MAX);
    if (p == NULL)
        return;
    size_t n = 1;
    p[0] = type;
    n += weir__num_put_u64(p + 1, count);
    p[n++] = '\r';
    p[n++] = '\n';
    out->len += n;
}

/* A text of any bytes behind its length. */
static void put_text(weir_buf *out, char type, weir_str text)
{
    char *p = weir_buf_reserve(out, WEIR__RESP_HEAD_MAX + text.len + 2);
    if (p == NULL)
        return;
    size_t n = 1;
    p[0] = type;
    n += weir__num_put_u64(p + 1, text.len);
    p[n++] = '\r';
    p[n++] = '\n';
    if (text.len > 0)
        memcpy(p + n, text.ptr, text.len);
    n += text.len;
    p[n++] = '\r';
    p[n++] = '\n';
    out->len += n;
}

void weir__resp_put_word(weir_buf *out, weir_str word)
{
    put_text(out, '$', word);
}

static bool is_line(weir_str text)
{
    return text.len == 0 ||
           (memchr(text.ptr, '\r', text.len) == NULL && memchr(text.ptr, '\n', text.len) == NULL);
}

static void put_line(weir_buf *out, char type, weir_str text)
{
    weir_buf_putc(out, type);
    weir_buf_puts(out, text);
    weir_buf_puts(out, WEIR_S("\r\n"));
}

static void put_int(weir_buf *out, int64_t i)
{
    char text[WEIR__INT_TEXT_MAX];
    put_line(out, ':', (weir_str){text, weir__num_put_i64(text, i)});
}

/* Of version 3 alone: numbers in words of their own, else as a text. */
static void put_or_text(weir_buf *out, char type, weir_str s, bool is_resp3)
{
    if (is_resp3)
        put_line(out, type, s);
    else
        put_text(out, '$', s);
}

static void put_double(weir_buf *out, double d, bool is_resp3)
{
    char text[WEIR__DOUBLE_TEXT_MAX];
    weir_str s;
    if (isnan(d))
        s = WEIR_S("nan");
    else if (isinf(d))
        s = d > 0 ? WEIR_S("inf") : WEIR_S("-inf");
    else
        s = (weir_str){text, weir__num_put_double(text, d)};
    put_or_text(out, ',', s, is_resp3);
}

static void put_list(weir_buf *out, const weir_redis_value *v, bool is_resp3)
{
    static const char types[] = {[WEIR_REDIS_ARRAY] = '*',
                                 [WEIR_REDIS_SET] = '~',
                                 [WEIR_REDIS_MAP] = '%',
                                 [WEIR_REDIS_PUSH] = '>'};
    bool is_map = is_resp3 && v->kind == WEIR_REDIS_MAP;
    weir__resp_put_head(out, is_resp3 ? types[v->kind] : '*', v->u.list.len / (is_map ? 2 : 1));
    for (size_t i = 0; i < v->u.list.len; i++)
        weir__resp_put(out, &v->u.list.items[i], is_resp3);
}

static void put_status(weir_buf *out, char type, weir_str s, bool is_resp3)
{
    if (is_line(s) && s.len < WEIR__RESP_LINE_MAX - 2)
        put_line(out, type, s);
    else
        put_text(out, type == '-' && is_resp3 ? '!' : '$', s);
}

static void put_attributes(weir_buf *out, const weir_redis_value *a)
{
    for (; a != NULL; a = a->attributes) {
        weir__resp_put_head(out, '|', a->u.list.len / 2);
        for (size_t i = 0; i < a->u.list.len; i++)
            weir__resp_put(out, &a->u.list.items[i], true);
    }
}

static void put_verbatim(weir_buf *out, weir_str s, bool is_resp3)
{
    if (is_resp3)
        put_text(out, '=', s);
    else
        put_text(out, '$', (weir_str){s.ptr + 4, s.len - 4});
}

static void put_bool(weir_buf *out, bool is_true, bool is_resp3)
{
    if (is_resp3)
        weir_buf_puts(out, is_true ? WEIR_S("#t\r\n") : WEIR_S("#f\r\n"));
    else
        put_int(out, is_true);
}

void weir__resp_put(weir_buf *out, const weir_redis_value *v, bool is_resp3)
{
    if (is_resp3)
        put_attributes(out, v->attributes);
    switch (v->kind) {
    case WEIR_REDIS_NULL:
        weir_buf_puts(out, is_resp3 ? WEIR_S("_\r\n") : WEIR_S("$-1\r\n"));
        return;
    case WEIR_REDIS_BOOL:
        put_bool(out, v->u.i != 0, is_resp3);
        return;
    case WEIR_REDIS_INT:
        put_int(out, v->u.i);
        return;
    case WEIR_REDIS_DOUBLE:
        put_double(out, v->u.d, is_resp3);
        return;
    case WEIR_REDIS_STATUS:
        put_status(out, '+', v->u.s, is_resp3);
        return;
    case WEIR_REDIS_ERROR:
        put_status(out, '-', v->u.s, is_resp3);
        return;
    case WEIR_REDIS_BIG:
        put_or_text(out, '(', v->u.s, is_resp3);
        return;
    case WEIR_REDIS_VERBATIM:
        put_verbatim(out, v->u.s, is_resp3);
        return;
    case WEIR_REDIS_TEXT:
        put_text(out, '$', v->u.s);
        return;
    default:
        put_list(out, v, is_resp3);
        return;
    }
}
