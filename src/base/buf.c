/*
 * Growing buffers with a maximum. Capacity doubles from 256 bytes and is held at the maximum, so
 * the last doubling never takes more than was allowed. The hard thing is what happens to a writer
 * that does not look: an error is sticky, the content stays what it was before the refused write.
 */
#include <weir/buf.h>

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/given.h"

enum { FIRST_CAP = 256 };

void weir_buf_init(weir_buf *b, size_t bytes_max)
{
    weir__given(b, "the buffer");
    *b = (weir_buf){.bytes_max = bytes_max};
}

void weir_buf_init_fixed(weir_buf *b, char *bytes, size_t size)
{
    weir__given(b, "the buffer");
    weir__given_some(bytes, size, "the memory");
    *b = (weir_buf){.ptr = bytes, .cap = size, .bytes_max = size, .is_fixed = true};
}

void weir_buf_fini(weir_buf *b)
{
    weir__given(b, "the buffer");
    if (!b->is_fixed)
        weir__free(b->ptr);
    if (b->is_fixed)
        weir_buf_reset(b);
    else
        weir_buf_init(b, b->bytes_max);
}

static char *refuse(weir_buf *b, weir_err err)
{
    b->err = err;
    return NULL;
}

static char *grow(weir_buf *b, size_t n)
{
    if (n > b->bytes_max - b->len)
        return refuse(b, WEIR_ETOOLARGE);
    size_t need = b->len + n;
    size_t cap = b->cap != 0 ? b->cap : FIRST_CAP;
    while (cap < need && cap <= b->bytes_max / 2)
        cap *= 2;
    if (cap < need || cap > b->bytes_max)
        cap = b->bytes_max;
    char *ptr = weir__realloc(b->ptr, cap != 0 ? cap : 1);
    if (ptr == NULL)
        return refuse(b, -ENOMEM);
    b->ptr = ptr;
    b->cap = cap;
    return b->ptr + b->len;
}

char *weir_buf_reserve(weir_buf *b, size_t n)
{
    weir__given(b, "the buffer");
    if (WEIR_UNLIKELY(b->err != WEIR_OK))
        return NULL;
    if (WEIR_LIKELY(n <= b->cap - b->len && (b->ptr != NULL || b->is_fixed)))
        return b->ptr + b->len;
    return grow(b, n);
}

void weir_buf_add(weir_buf *b, const void *bytes, size_t n)
{
    weir__given(b, "the buffer");
    weir__given_some(bytes, n, "the data");
    char *at = n != 0 ? weir_buf_reserve(b, n) : NULL;
    if (at == NULL)
        return;
    memcpy(at, bytes, n);
    b->len += n;
}

void weir_buf_puts(weir_buf *b, weir_str s)
{
    weir__given(b, "the buffer");
    weir_buf_add(b, s.ptr, s.len);
}

void weir_buf_putc(weir_buf *b, char ch)
{
    weir__given(b, "the buffer");
    weir_buf_add(b, &ch, 1);
}

void weir_buf_printf(weir_buf *b, const char *format, ...)
{
    weir__given(b, "the buffer");
    weir__given(format, "the format");
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    /* Without room for the NUL nothing is written: vsnprintf then only measures. */
    size_t room = b->err == WEIR_OK && b->ptr != NULL ? b->cap - b->len : 0;
    int n = vsnprintf(room != 0 ? b->ptr + b->len : NULL, room, format, args);
    va_end(args);

    if (n < 0) {
        refuse(b, WEIR_EINVALID);
    } else if (b->err == WEIR_OK && (size_t)n < room) {
        b->len += (size_t)n;
    } else if ((size_t)n + 1 <= b->bytes_max - b->len || b->err != WEIR_OK) {
        char *at = weir_buf_reserve(b, (size_t)n + 1);
        if (at != NULL) {
            vsnprintf(at, (size_t)n + 1, format, again);
            b->len += (size_t)n;
        }
    } else {
        refuse(b, WEIR_ETOOLARGE);
    }
    va_end(again);
}
