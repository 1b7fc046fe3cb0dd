/*
 * What a server says, as a stream of packets: the same packets however it is cut, in memory of
 * exactly its size. Of each body whatever it could be is read: texts lie in it, nothing is read
 * past it, and what was read, written again as a server would, is read as the same.
 */
#include "base/fuzz.h"
#include "wire/mysql_auth.h"
#include "wire/mysql_testing.h"

#define BYTES_MAX 65536
#define BODY_MAX 4096

static char written[BYTES_MAX];
static weir_buf out;

static void check_inside(weir_str s, weir_str body, const char *what)
{
    FUZZ_CHECK(s.len == 0 || (s.ptr >= body.ptr && s.ptr + s.len <= body.ptr + body.len),
               "%s of %zu bytes lies outside", what, s.len);
}

static void check_greeting(weir_str body)
{
    struct weir__mysql_greeting g, again;
    if (weir__mysql_greeting_read(body, &g) != 0)
        return;
    check_inside(g.version, body, "the version");
    check_inside(g.plugin, body, "the plugin");
    weir_buf_init_fixed(&out, written, sizeof written);
    mysql_put_greeting(&out, &g);
    FUZZ_CHECK(weir__mysql_greeting_read(weir_buf_str(&out), &again) == 0, "again");
    FUZZ_CHECK(again.capabilities == g.capabilities && again.thread == g.thread &&
                   weir_str_eq(again.plugin, g.plugin) &&
                   memcmp(again.nonce, g.nonce, sizeof g.nonce) == 0,
               "another greeting");
}

static void check_ok(weir_str body)
{
    struct weir__mysql_ok ok, again;
    if (weir__mysql_ok_read(body, &ok) != 0)
        return;
    check_inside(ok.info, body, "the text");
    ok.status &= (uint16_t)~WEIR__MYSQL_STATE_CHANGED;
    weir_buf_init_fixed(&out, written, sizeof written);
    mysql_put_ok(&out, (uint8_t)body.ptr[0], &ok);
    FUZZ_CHECK(weir__mysql_ok_read(weir_buf_str(&out), &again) == 0, "again");
    FUZZ_CHECK(again.affected == ok.affected && again.last_id == ok.last_id &&
                   again.warnings == ok.warnings && again.changed == ok.changed &&
                   weir_str_eq(again.info, ok.info),
               "another OK");
}

static void check_column(weir_str body, bool is_extended)
{
    struct weir__mysql_column c, again;
    if (weir__mysql_column_read(body, is_extended, &c) != 0)
        return;
    check_inside(c.name, body, "a name");
    weir_buf_init_fixed(&out, written, sizeof written);
    mysql_put_column(&out, is_extended, &c);
    FUZZ_CHECK(weir__mysql_column_read(weir_buf_str(&out), is_extended, &again) == 0, "again");
    FUZZ_CHECK(again.type == c.type && again.extra == c.extra && again.length == c.length &&
                   again.is_unsigned == c.is_unsigned && weir_str_eq(again.name, c.name),
               "another column");
}

static void check_rest(weir_str body)
{
    struct weir__mysql_err e;
    struct weir__mysql_prepared p;
    struct weir__mysql_rows rows;
    if (weir__mysql_err_read(body, &e) == 0) {
        check_inside(e.text, body, "the text of an error");
        FUZZ_CHECK(memchr(e.state, 0, sizeof e.state) != NULL, "a state without its end");
    }
    if (weir__mysql_prepared_read(body, &p) == 0)
        FUZZ_CHECK(p.columns <= WEIR__MYSQL_COLUMNS_MAX, "%u columns", p.columns);
    for (int can_cache = 0; can_cache < 2; can_cache++)
        if (weir__mysql_answer_read(body, can_cache != 0, &rows) == WEIR__MYSQL_ROWS)
            FUZZ_CHECK(rows.columns > 0 && rows.columns <= WEIR__MYSQL_COLUMNS_MAX, "%u columns",
                       rows.columns);
    check_column(body, false);
    check_column(body, true);
}

/* Whatever is asked for, the password stays where it is while anybody could read along. */
static void check_auth(struct weir__mysql_auth *a, weir_str body)
{
    char why_bytes[512];
    weir_buf why;
    weir_buf_init_fixed(&out, written, sizeof written);
    weir_buf_init_fixed(&why, why_bytes, sizeof why_bytes);
    int rc = weir__mysql_auth_step(a, body, &out, &why);
    FUZZ_CHECK(rc >= 0 || why.len > 0, "%d without a word", rc);
    FUZZ_CHECK(memmem(out.ptr, out.len, "a secret", 8) == NULL, "the password was told");
    FUZZ_CHECK(a->steps <= 8, "%u steps", a->steps);
}

/* The same packet, cut at any byte. */
static void check_cuts(const char *bytes, size_t len, size_t used, uint8_t number,
                       struct fuzz_dice *dice)
{
    for (int i = 0; i < 8; i++) {
        size_t n = fuzz_below(dice, used);
        struct weir__mysql_packet p;
        char *part = fuzz_copy(bytes, n);
        int64_t rc = weir__mysql_packet_read(part, n, number, BODY_MAX, &p);
        FUZZ_CHECK(rc == 0 && p.missing > 0 && n + p.missing <= used, "%zu of %zu: %d", n, used,
                   (int)rc);
        free(part);
    }
    FUZZ_CHECK(used <= len, "%zu of %zu", used, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir__mysql_packet p = {.next = 0};
    struct weir__mysql_auth a = {.password = WEIR_S("a secret")};
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    if (size > BYTES_MAX / 4)
        return 0;
    weir_buf_init_fixed(&out, written, sizeof written);
    FUZZ_CHECK(weir__mysql_auth_begin(&a, WEIR_S("caching_sha2_password"),
                                      (const uint8_t *)mysql_nonce, &out) == 0,
               "a proof");
    char *bytes = fuzz_copy(data, size);
    for (size_t at = 0; at < size;) {
        uint8_t number = p.next;
        char *exact = fuzz_copy(bytes + at, size - at);
        int64_t rc = weir__mysql_packet_read(exact, size - at, number, BODY_MAX, &p);
        if (rc > 0) {
            char *body = fuzz_copy(p.body.ptr, p.body.len);
            weir_str s = {body, p.body.len};
            check_cuts(bytes + at, size - at, (size_t)rc, number, &dice);
            check_greeting(s);
            check_ok(s);
            check_rest(s);
            check_auth(&a, s);
            free(body);
        }
        free(exact);
        if (rc <= 0)
            break;
        at += (size_t)rc;
    }
    free(bytes);
    return 0;
}
