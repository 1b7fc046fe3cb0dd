/* For the tests of this room: bytes written in hexadecimal, and what a call said of its refusal. */
#ifndef WEIR_CRYPTO_TESTING_H
#define WEIR_CRYPTO_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/digest.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A view of bytes that are none of a text. */
static inline weir_str view(const void *bytes, size_t n)
{
    return (weir_str){bytes, n};
}

static inline void assert_hex(const unsigned char *bytes, size_t n, const char *hex)
{
    char text[2 * WEIR__CRYPTO_DIGEST_BYTES_MAX + 1] = "";
    assert_true(n <= WEIR__CRYPTO_DIGEST_BYTES_MAX);
    for (size_t i = 0; i < n; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, hex);
}

/* What `why` gets, in a room of its own. */
struct said {
    weir_buf why;
    char bytes[512];
};

static inline weir_buf *listen_to(struct said *s)
{
    weir_buf_init_fixed(&s->why, s->bytes, sizeof s->bytes);
    return &s->why;
}

static inline void assert_said(struct said *s, const char *part)
{
    weir_buf_putc(&s->why, '\0');
    assert_int_equal(s->why.err, WEIR_OK);
    if (strstr(s->bytes, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, s->bytes);
}

static inline void assert_zeroes(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(bytes[i], 0);
}

#endif
