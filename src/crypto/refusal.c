/*
 * Reading libcrypto's queue of errors. The oldest entry is the cause, those above it say on which
 * way it was met.
 *
 * The hard thing is lack of memory, which must not be taken for bad input: libcrypto 3.0 drops its
 * entry on some ways, and then says "unsupported" of a key that is good. But allocators set errno,
 * and libcrypto does not touch it. So the queue is asked, and errno beside it.
 */
#include "crypto/refusal.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

enum { REASON_BYTES = 160, TEXT_BYTES = 256 };

void weir__crypto_forget(void)
{
    ERR_clear_error();
    errno = 0;
}

bool weir__crypto_lacked_memory(void)
{
    return errno == ENOMEM;
}

weir_err weir__crypto_refused(weir_err otherwise, const char *what, weir_buf *why)
{
    char text[REASON_BYTES] = "out of memory";
    bool lacks_memory = weir__crypto_lacked_memory();
    unsigned long first = ERR_get_error();
    for (unsigned long e = first; e != 0; e = ERR_get_error())
        lacks_memory = lacks_memory || ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
    if (!lacks_memory)
        ERR_error_string_n(first, text, sizeof text);
    return weir__crypto_refuse(lacks_memory ? -ENOMEM : otherwise, why, "%s: %s", what, text);
}

weir_err weir__crypto_refuse(weir_err err, weir_buf *why, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    if (why == NULL)
        return err;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    weir_buf_puts(why, weir_str_from(text));
    return err;
}
