/*
 * Redirects to the other slash form, with every byte in every place. A client that follows one
 * arrives at the route that it meant, with the values that it sent.
 */
#include "watch/watch.h"
#include "web/web_test_kit.h"

static weir_err show(weir_ctx *c)
{
    weir_str name = weir_param(c, "name"), q = weir_query_param(c, "q");
    char hex[64] = "";
    size_t n = 0;
    for (size_t i = 0; i < name.len && n < sizeof hex - 4; i++)
        n += (size_t)sprintf(hex + n, "%02x", (unsigned char)name.ptr[i]);
    hex[n++] = '?';
    for (size_t i = 0; i < q.len && n < sizeof hex - 4; i++)
        n += (size_t)sprintf(hex + n, "%02x", (unsigned char)q.ptr[i]);
    return weir_text_str(c, 200, (weir_str){hex, n});
}

static void add_routes(weir_group *app)
{
    weir_get(app, "/with/:name/", show);
    weir_get(app, "/without/:name", show);
    weir_post(app, "/with/:name/", show);
    weir_post(app, "/without/:name", show);
    weir_get(app, "/:name", show);
}

static void build_redirect(weir_group *app)
{
    add_routes(app);
}

static void build_strict(weir_group *app)
{
    weir_slash_policy(app, WEIR_SLASH_STRICT);
    add_routes(app);
}

static void build_ignore(weir_group *app)
{
    weir_slash_policy(app, WEIR_SLASH_IGNORE);
    add_routes(app);
}

/* The value of Location, which must be made of what URLs are made of; NULL without the line. */
static const char *location_of(struct kit *k, const char *answer)
{
    const char *at = strstr(answer, "\r\nLocation: ");
    if (at == NULL)
        return NULL;
    at += strlen("\r\nLocation: ");
    size_t len = strcspn(at, "\r");
    weir_str value = weir_strdup(k->c, (weir_str){at, len});
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~:/?@!$&'()*+,;=%";
    if (strspn(value.ptr, allowed) != len)
        fail_msg("no URL: %s", value.ptr);
    if (value.ptr[0] != '/' || value.ptr[1] == '/' || value.ptr[1] == '\\')
        fail_msg("leads to another host: %s", value.ptr);
    return value.ptr;
}

/* Asks, follows a redirect, and holds what arrives against `shown`; NULL: whatever it is. */
static void expect_arrival(struct kit *k, const char *method, const char *path, const char *shown)
{
    const char *a = kit_ask(k, method, path, "", "");
    int status = kit_status(a);
    if (status == 301 || status == 308) {
        const char *location = location_of(k, a);
        if (location == NULL || (status == 308) != (strcmp(method, "POST") == 0))
            fail_msg("%s %s: no right redirect:\n%s", method, path, a);
        a = kit_ask(k, method, location, "", "");
        if (kit_status(a) != 200 || (shown != NULL && strcmp(kit_body(a), shown) != 0))
            fail_msg("%s %s went to %s, not to %s:\n%s", method, path, location, shown, a);
        return;
    }
    if (status != 200 && status != 400 && status != 404)
        fail_msg("%s %s:\n%s", method, path, a);
    if (status == 200 && shown != NULL && strcmp(kit_body(a), shown) != 0)
        fail_msg("%s %s is not %s:\n%s", method, path, shown, a);
}

static const char *text(struct kit *k, const char *format, unsigned byte)
{
    const char *raw = strstr(format, "@");
    weir_str s = raw == NULL ? weir_sprintf(k->c, format, byte) : weir_strdup(k->c, WEIR_S(""));
    if (raw != NULL)
        s = weir_sprintf(k->c, "%.*s%c%s", (int)(raw - format), format, (int)byte, raw + 1);
    return s.ptr;
}

static void use_every_byte(struct kit *k)
{
    static const char *const methods[] = {"GET", "POST"};
    for (unsigned byte = 1; byte < 256; byte++) {
        weir_str in_path = weir_sprintf(k->c, "61%02x?7a", byte);
        weir_str in_query = weir_sprintf(k->c, "61?%02x7a", byte == '+' ? ' ' : byte);
        weir_str in_code = weir_sprintf(k->c, "61?%02x7a", byte);
        bool is_path = strchr("/?#%", (int)byte) == NULL,
             is_query = strchr("&#%", (int)byte) == NULL;
        for (int m = 0; m < 2; m++) {
            const char *of_path = is_path ? in_path.ptr : NULL;
            const char *of_query = is_query ? in_query.ptr : NULL;
            expect_arrival(k, methods[m], text(k, "/with/a@?q=z", byte), of_path);
            expect_arrival(k, methods[m], text(k, "/without/a@/?q=z", byte), of_path);
            expect_arrival(k, methods[m], text(k, "/with/a?q=@z", byte), of_query);
            expect_arrival(k, methods[m], text(k, "/without/a/?q=@z", byte), of_query);
            expect_arrival(k, methods[m], text(k, "/with/a%%%02x?q=z", byte), in_path.ptr);
            expect_arrival(k, methods[m], text(k, "/without/a%%%02x/?q=z", byte), in_path.ptr);
            expect_arrival(k, methods[m], text(k, "/without/a/?q=%%%02xz", byte), in_code.ptr);
        }
        expect_arrival(k, "GET", text(k, "/@/", byte), NULL);
        expect_arrival(k, "GET", text(k, "/@evil.example/", byte), NULL);
        expect_arrival(k, "GET", text(k, "/%%%02xevil.example/", byte), NULL);
    }
}

static void test_every_byte_arrives(void **state)
{
    KIT_HTTP1_ONLY();
    (void)state;
    kit_run(build_redirect, use_every_byte);
    kit_run(build_strict, use_every_byte);
    kit_run(build_ignore, use_every_byte);
}

/* Past what header lines may have the answer is the one for a target that is too long. */
static void use_long_paths(struct kit *k)
{
    static char path[8000];
    for (size_t n = 100; n < 7000; n += 300) {
        size_t at = (size_t)sprintf(path, "/without/");
        memset(path + at, '|', n);
        snprintf(path + at + n, sizeof path - at - n, "/?q=1");
        int status = kit_status(kit_get(k, path));
        if (status != (3 * n + 20 < 8192 ? 301 : 414))
            fail_msg("%zu bytes: %d", n, status);
    }
}

static void test_a_path_that_is_too_long_for_a_header(void **state)
{
    (void)state;
    kit_run(build_redirect, use_long_paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_arrives),
        cmocka_unit_test(test_a_path_that_is_too_long_for_a_header),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
