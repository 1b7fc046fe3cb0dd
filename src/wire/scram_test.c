/* SCRAM's client: whole exchanges with and without binding, and each message that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/pbkdf2.h"
#include "wire/scram.h"

#define NONCE "AAECAwQFBgcICQoLDA0ODxAR"
#define BOTH NONCE "serverNONCE/1"
#define CHALLENGE "r=" BOTH ",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096"

static const uint8_t chance[WEIR__SCRAM_NONCE_BYTES] = {0, 1,  2,  3,  4,  5,  6,  7,  8,
                                                        9, 10, 11, 12, 13, 14, 15, 16, 17};

/* Made with Python's hashlib and hmac, by the formulas of RFC 5802. */
static const struct {
    enum weir__scram_binding binding;
    const char *first, *last, *verdict;
} exchanges[] = {
    {WEIR__SCRAM_UNBOUND, "n,,n=,r=" NONCE,
     "c=biws,r=" BOTH ",p=nRGzf00xFXCXi9lEiFAfOLnqifqDSNp74lvVi59Mb8M=",
     "v=6erJmGOQQ4lu6E4GEg8iiaiKe5jsLNu6b8rbkfy93F4="},
    {WEIR__SCRAM_UNOFFERED, "y,,n=,r=" NONCE,
     "c=eSws,r=" BOTH ",p=8jQr8Y9Hl8oyjzIvuQ0feK9xNOobxU4hxIJ8SYNIndE=",
     "v=csikd6rx6X56VR/MPYvI8jgqHS65gkpHJPOb5EfcrHo="},
    {WEIR__SCRAM_BOUND, "p=tls-server-end-point,,n=,r=" NONCE,
     "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,r=" BOTH
     ",p=fWK+87D4oBdQRd/SLm13fV9GwmEUyVT0EBdqHDgVTVg=",
     "v=I6u8eg5mDeBMvlbAfnhjcOPvQCvzcU4nlo/Nki+Bk7U="},
};

static void begin(struct weir__scram *s, enum weir__scram_binding binding, char *room, size_t size,
                  weir_buf *out)
{
    uint8_t certificate[32];
    for (size_t i = 0; i < sizeof certificate; i++)
        certificate[i] = (uint8_t)i;
    weir_buf_init_fixed(out, room, size);
    weir__scram_begin(s, chance, binding, (weir_str){(const char *)certificate, 32});
    weir__scram_first(s, out);
}

static void derive(const struct weir__scram *s, uint8_t salted[WEIR__SCRAM_KEY_BYTES])
{
    struct weir__crypto_pbkdf2 p = {.kind = WEIR__CRYPTO_SHA256,
                                    .password = WEIR_S("pencil"),
                                    .salt = {(const char *)s->salt, s->salt_len},
                                    .iterations = s->iterations};
    assert_int_equal(weir__crypto_pbkdf2(&p, salted, WEIR__SCRAM_KEY_BYTES, NULL), WEIR_OK);
}

static void assert_text(const weir_buf *b, const char *text)
{
    assert_int_equal(b->err, WEIR_OK);
    assert_true(weir_str_eq(weir_buf_str(b), weir_str_from(text)));
}

static void whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof exchanges / sizeof exchanges[0]; i++) {
        struct weir__scram s;
        uint8_t salted[WEIR__SCRAM_KEY_BYTES];
        char room[512];
        weir_buf out;
        const char *why;
        begin(&s, exchanges[i].binding, room, sizeof room, &out);
        assert_text(&out, exchanges[i].first);
        assert_int_equal(weir__scram_challenge(&s, WEIR_S(CHALLENGE), &why), WEIR_OK);
        assert_int_equal(s.iterations, 4096);
        assert_true(
            weir_str_eq((weir_str){(char *)s.salt, s.salt_len}, WEIR_S("0123456789abcdef")));
        derive(&s, salted);
        weir_buf_reset(&out);
        assert_int_equal(weir__scram_final(&s, salted, &out), WEIR_OK);
        assert_text(&out, exchanges[i].last);
        assert_int_equal(weir__scram_verify(&s, weir_str_from(exchanges[i].verdict), &why),
                         WEIR_OK);
        weir__scram_fini(&s);
    }
}

static const struct {
    const char *message;
    weir_err err;
} bad_challenges[] = {
    {"", WEIR_EPROTO},
    {"r=" BOTH, WEIR_EPROTO},
    {"r=" BOTH ",s=MDEy", WEIR_EPROTO},
    {"r=" BOTH ",s=,i=4096", WEIR_EPROTO},
    {"r=" BOTH ",s=!!!!,i=4096", WEIR_EPROTO},
    {"r=" BOTH ",s=MDEy,i=0", WEIR_EPROTO},
    {"r=" BOTH ",s=MDEy,i=-1", WEIR_EPROTO},
    {"r=" BOTH ",s=MDEy,i=99999999999999999999", WEIR_EPROTO},
    {"r=" BOTH ",s=MDEy,i=1000001", WEIR_ELIMIT},
    {"m=ext,r=" BOTH ",s=MDEy,i=4096", WEIR_EPROTO}, /* RFC 5802, 5.1: m= is refused */
    {"r=" NONCE ",s=MDEy,i=4096", WEIR_EPROTO},      /* nothing of the server's */
    {"r=BAECAwQFBgcICQoLDA0ODxARx,s=MDEy,i=4096", WEIR_EPROTO},
};

static void challenges_that_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_challenges / sizeof bad_challenges[0]; i++) {
        struct weir__scram s;
        char room[512];
        weir_buf out;
        const char *why = NULL;
        begin(&s, WEIR__SCRAM_UNBOUND, room, sizeof room, &out);
        assert_int_equal(weir__scram_challenge(&s, weir_str_from(bad_challenges[i].message), &why),
                         bad_challenges[i].err);
        assert_non_null(why);
    }
}

/* A salt or a nonce that would not fit is refused, and one that just fits is not. */
static void sizes(void **state)
{
    (void)state;
    for (size_t n = 200; n <= 500; n++) {
        struct weir__scram s;
        char room[512], message[1200], text[600];
        weir_buf out;
        const char *why;
        memset(text, 'A', sizeof text);
        begin(&s, WEIR__SCRAM_UNBOUND, room, sizeof room, &out);
        int len =
            snprintf(message, sizeof message, "r=%s,s=%.*s,i=1", BOTH, (int)(n / 4 * 4), text);
        weir_err err = weir__scram_challenge(&s, (weir_str){message, (size_t)len}, &why);
        assert_int_equal(err, n / 4 * 3 + 2 <= WEIR__SCRAM_SALT_MAX ? WEIR_OK : WEIR_EPROTO);
        begin(&s, WEIR__SCRAM_UNBOUND, room, sizeof room, &out);
        len = snprintf(message, sizeof message, "r=" NONCE "%.*s,s=MDEy,i=1", (int)n, text);
        err = weir__scram_challenge(&s, (weir_str){message, (size_t)len}, &why);
        bool fits = n + WEIR__SCRAM_NONCE_TEXT <= WEIR__SCRAM_NONCE_MAX;
        assert_int_equal(err, fits ? WEIR_OK : WEIR_EPROTO);
    }
}

static void verdicts_that_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "v=",
        "e=invalid-proof",
        "v=6erJmGOQQ4lu6E4GEg8iiaiKe5jsLNu6b8rbkfy93F5=",
        "v=7erJmGOQQ4lu6E4GEg8iiaiKe5jsLNu6b8rbkfy93F4=",
        "v=6erJmGOQQ4lu6E4GEg8iiaiKe5jsLNu6b8rbkfy9",
        "v=6erJmGOQQ4lu6E4GEg8iiaiKe5jsLNu6b8rbkfy93F46erJmGOQQ4lu6E4GEg8iiaiKe5jsLNu6b8",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct weir__scram s;
        uint8_t salted[WEIR__SCRAM_KEY_BYTES];
        char room[512];
        weir_buf out;
        const char *why;
        begin(&s, WEIR__SCRAM_UNBOUND, room, sizeof room, &out);
        assert_int_equal(weir__scram_challenge(&s, WEIR_S(CHALLENGE), &why), WEIR_OK);
        derive(&s, salted);
        assert_int_equal(weir__scram_final(&s, salted, &out), WEIR_OK);
        assert_int_equal(weir__scram_verify(&s, weir_str_from(bad[i]), &why), WEIR_EPROTO);
        assert_non_null(why);
    }
}

/* A server that skips a message has proven nothing. */
static void messages_out_of_turn(void **state)
{
    (void)state;
    struct weir__scram s;
    char room[512];
    weir_buf out;
    const char *why;
    begin(&s, WEIR__SCRAM_UNBOUND, room, sizeof room, &out);
    assert_int_equal(weir__scram_verify(&s, weir_str_from(exchanges[0].verdict), &why),
                     WEIR_EPROTO);
    assert_int_equal(weir__scram_challenge(&s, WEIR_S(CHALLENGE), &why), WEIR_OK);
    assert_int_equal(weir__scram_challenge(&s, WEIR_S(CHALLENGE), &why), WEIR_EPROTO);
    assert_int_equal(weir__scram_verify(&s, weir_str_from(exchanges[0].verdict), &why),
                     WEIR_EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(challenges_that_are_refused),
        cmocka_unit_test(sizes),
        cmocka_unit_test(verdicts_that_are_refused),
        cmocka_unit_test(messages_out_of_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
