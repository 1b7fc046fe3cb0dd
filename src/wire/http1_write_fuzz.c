/*
 * Response heads. The input is a program: a byte says what to write, texts up to a byte 0xff what
 * with (so that they may hold any line end); the first byte is the size of the window. Whatever is
 * given to the writer, what comes out is, taken apart at every CRLF as a client does, exactly the
 * lines that were meant: no value makes a line of its own, no name hides one. After an error
 * nothing more is written, and nothing past the window ever.
 */
#include "base/fuzz.h"
#include "wire/http1_write.h"
#include "wire/http_field.h"

enum { STOP = 0xff, LINES_MAX = 40, WINDOW_MAX = 4096, LINE_MAX = 1200 };

/* The lines that were meant. */
struct meant {
    char line[LINES_MAX][LINE_MAX];
    size_t len[LINES_MAX];
    int count;
};

static void mean(struct meant *m, weir_str a, weir_str between, weir_str b)
{
    char *to = m->line[m->count];
    FUZZ_CHECK(a.len + between.len + b.len <= LINE_MAX, "a longer line than there is input");
    memcpy(to, a.ptr, a.len);
    memcpy(to + a.len, between.ptr, between.len);
    if (b.len > 0)
        memcpy(to + a.len + between.len, b.ptr, b.len);
    m->len[m->count++] = a.len + between.len + b.len;
}

/* A name or value that must be refused, by a way of its own to say so. */
static bool may_be_name(weir_str s)
{
    static const char tchars[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.len; i++) {
        if (memchr(tchars, s.ptr[i], sizeof tchars - 1) == NULL)
            return false;
    }
    return s.len > 0;
}

static bool may_be_value(weir_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
            return false;
        if ((i == 0 || i == s.len - 1) && (ch == ' ' || ch == '\t'))
            return false;
    }
    return true;
}

static void write_field(struct weir__http1_writer *w, struct meant *m, struct fuzz_input *in)
{
    weir_str name = fuzz_until(in, STOP), value = fuzz_until(in, STOP);
    weir_err before = w->err;
    weir__http1_write_field(w, name, value);
    if (before == WEIR_OK)
        FUZZ_CHECK((w->err == WEIR_EINVALID) == !(may_be_name(name) && may_be_value(value)),
                   "%d for a field", w->err);
    if (w->err == WEIR_OK)
        mean(m, name, WEIR_S(": "), value);
}

static void write_length(struct weir__http1_writer *w, struct meant *m, struct fuzz_input *in)
{
    char digits[24];
    uint64_t n = fuzz_u64(in);
    n >>= n & 63;
    weir__http1_write_length(w, n);
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    if (w->err == WEIR_OK)
        mean(m, WEIR_S("Content-Length"), WEIR_S(": "), (weir_str){digits, (size_t)len});
}

/* The status line and the date. */
static void write_start(struct weir__http1_writer *w, struct meant *m, struct fuzz_input *in)
{
    struct weir__http1_date date = {0};
    char line[32];
    int status = 90 + fuzz_byte(in) * 2;
    status += fuzz_byte(in) % 2;
    weir_str reason = weir__http_status_reason(status);
    bool is_custom = fuzz_byte(in) % 2 == 0, has_date = fuzz_byte(in) % 2 == 0;
    weir__http1_date_update(&date, (int64_t)fuzz_u64(in));
    if (is_custom)
        reason = fuzz_until(in, STOP);
    else if (!weir__http_status_is_known(status))
        reason = WEIR_S("");
    const struct weir__http1_date *d = has_date ? &date : NULL;
    if (is_custom)
        weir__http1_write_start_custom(w, status, reason, d);
    else
        weir__http1_write_start(w, status, d);
    bool is_good = status >= 100 && status < 600 && may_be_value(reason);
    FUZZ_CHECK((w->err == WEIR_EINVALID) == !is_good, "%d for a start", w->err);
    if (w->err == WEIR_ETOOLARGE)
        return;
    if (is_good) {
        int n = snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
        mean(m, (weir_str){line, (size_t)n}, WEIR_S(""), reason);
    }
    if (is_good && has_date)
        mean(m, WEIR_S("Date"), WEIR_S(": "), (weir_str){date.line + 6, WEIR_DATE_LEN});
}

/* Every line that came out, but one that was cut off by the end of the window, is one of those. */
static void check_lines(const char *bytes, size_t len, const struct meant *m, bool is_whole)
{
    const char *at = bytes, *end = bytes + len;
    int i = 0;
    while (at < end) {
        const char *cr = memmem(at, (size_t)(end - at), "\r\n", 2);
        FUZZ_CHECK(cr != NULL, "a line without its end");
        size_t n = (size_t)(cr - at);
        FUZZ_CHECK(memchr(at, '\r', n) == NULL && memchr(at, '\n', n) == NULL &&
                       memchr(at, '\0', n) == NULL,
                   "line %d has a byte that ends lines elsewhere", i);
        bool is_known = i < m->count && n == m->len[i] && memcmp(at, m->line[i], n) == 0;
        FUZZ_CHECK(is_known || !is_whole, "line %d is not the one that was meant", i);
        at = cr + 2;
        i++;
    }
    FUZZ_CHECK(!is_whole || i == m->count, "%d lines, meant are %d", i, m->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct meant m;
    struct fuzz_input in = {data, data + size};
    struct weir__http1_writer w;
    if (size > LINE_MAX - 100)
        return 0;
    m.count = 0;
    size_t room = fuzz_byte(&in) * 16u;
    char *window = fuzz_alloc(room);
    weir__http1_writer_init(&w, window, room);
    write_start(&w, &m, &in);
    size_t written = (size_t)(w.at - window);
    while (in.at < in.end && m.count < LINES_MAX) {
        weir_err before = w.err;
        if (fuzz_byte(&in) % 8 == 0)
            write_length(&w, &m, &in);
        else
            write_field(&w, &m, &in);
        FUZZ_CHECK(before == WEIR_OK || w.err == before, "%d became %d", before, w.err);
        FUZZ_CHECK(w.err == WEIR_OK || w.at == window + written, "written after an error");
        written = (size_t)(w.at - window);
    }
    FUZZ_CHECK(written <= room, "%zu bytes of %zu", written, room);
    check_lines(window, written, &m, w.err == WEIR_OK);
    free(window);
    return 0;
}
