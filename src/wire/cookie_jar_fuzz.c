/*
 * Cookies. Each line of an input is a Set-Cookie; dice say who sent it, and who asks then. The jar
 * keeps to its bounds; what a request gets is a valid field value, each pair of it was in a line,
 * and by a host within the same domain; what was set for a host and a path is sent to it.
 */
#include "base/fuzz.h"
#include "wire/cookie_jar.h"
#include "wire/http_field.h"

enum { NOW = 784111777 };

static const struct weir__cookie_scope scopes[] = {
    {{"a.example", 9}, {"/", 1}, false, false},    {{"a.example", 9}, {"/x/y", 4}, false, true},
    {{"b.a.example", 11}, {"/x", 2}, false, true}, {{"other.example", 13}, {"", 0}, false, false},
    {{"localhost", 9}, {"/", 1}, false, false},    {{"10.0.0.1", 8}, {"/x/", 3}, true, true},
};
enum { SCOPES = sizeof scopes / sizeof scopes[0] };

static void check_line(struct weir__cookie_jar *jar, const struct weir__cookie_scope *scope,
                       weir_str input)
{
    weir_buf b;
    weir_buf_init(&b, 1 << 16);
    weir__cookie_jar_line(jar, scope, NOW, &b);
    weir_str line = weir_buf_str(&b);
    FUZZ_CHECK(b.err == 0 && line.len <= WEIR__COOKIE_LINE_MAX, "%zu bytes", line.len);
    for (size_t i = 0; i < line.len; i++)
        FUZZ_CHECK(weir__http_byte_is(line.ptr[i], WEIR_BYTE_VALUE), "byte %zu", i);
    if (line.len > 0) {
        const char *end = memchr(line.ptr, '=', line.len);
        FUZZ_CHECK(end != NULL, "no name");
        size_t n = (size_t)(end - line.ptr);
        FUZZ_CHECK(memmem(input.ptr, input.len, line.ptr, n) != NULL, "a name");
    }
    weir_buf_fini(&b);
}

/* A cookie that was just kept is in the line for who has set it, where his path has it. */
static void check_kept(struct weir__cookie_jar *jar, const struct weir__cookie_scope *scope,
                       const struct weir__set_cookie *c)
{
    weir_buf b;
    bool is_over = c->has_expires && c->expires <= NOW;
    if (is_over || c->path.ptr != NULL || c->name.len + c->value.len > 1000 || jar->count > 5)
        return;
    weir_buf_init(&b, 1 << 16);
    weir__cookie_jar_line(jar, scope, NOW, &b);
    FUZZ_CHECK(b.len >= c->name.len && memmem(b.ptr, b.len, c->name.ptr, c->name.len) != NULL,
               "it is not sent");
    weir_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    struct weir__cookie_jar jar = {0};
    char *bytes = fuzz_copy(data, size);
    weir_str input = {bytes, size};
    struct fuzz_input in = {(const uint8_t *)bytes, (const uint8_t *)bytes + size};
    while (in.at < in.end) {
        weir_str line = fuzz_until(&in, '\n');
        const struct weir__cookie_scope *scope = &scopes[fuzz_below(&dice, SCOPES)];
        struct weir__set_cookie c;
        size_t before = jar.count;
        int parsed = weir__set_cookie_parse(line, NOW, &c);
        int rc = weir__cookie_jar_set(&jar, scope, line, NOW);
        FUZZ_CHECK(parsed == 0 || rc == parsed, "%d, %d", parsed, rc);
        FUZZ_CHECK(rc == 0 || jar.count == before, "%d changed it", rc);
        FUZZ_CHECK(jar.count <= WEIR__COOKIES_MAX && jar.bytes <= WEIR__COOKIE_JAR_BYTES_MAX,
                   "%zu cookies, %zu bytes", jar.count, jar.bytes);
        if (rc == 0)
            check_kept(&jar, scope, &c);
    }
    for (size_t i = 0; i < SCOPES; i++)
        check_line(&jar, &scopes[i], input);
    weir__cookie_jar_fini(&jar);
    free(bytes);
    return 0;
}
