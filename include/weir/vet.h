/*
 * For analysers: what a few functions do, where their declarations cannot say it. An analyser
 * forgets what it knew of a thing that is given to a function which it cannot see into, and so
 * misses that a buffer is never ended, or that memory was used which there was none of. It sees
 * into these. Give it this header before your own file:
 *
 *     gcc -fanalyzer -include weir/vet.h $(pkg-config --cflags weir) -c handlers.c -o /dev/null
 *
 * What was compiled with it cannot be linked: the functions that stand for "one cannot know" do not
 * exist.
 */
#ifndef WEIR_VET_H
#define WEIR_VET_H

#include <weir/weir.h>

#ifndef __cplusplus

bool weir__vet_either(void); /* true or false: both must be thought of */

/* Bytes that must be given back; the end of them; whatever may be written into them. */
void weir__vet_give(char *bytes);
char *weir__vet_take(void) WEIR_NEVER_NULL WEIR_ENDED_BY(weir__vet_give);
void weir__vet_fill(char *bytes);

/* --- buffers: what weir_buf_init made weir_buf_fini must end; a write may move the bytes ------ */

static inline void weir__vet_buf_init(weir_buf *b, size_t bytes_max)
{
    b->ptr = weir__vet_take();
    b->len = 0;
    b->cap = 0;
    b->bytes_max = bytes_max;
    b->err = WEIR_OK;
    b->is_fixed = false;
}

static inline void weir__vet_buf_init_fixed(weir_buf *b, char *bytes, size_t size)
{
    b->ptr = bytes;
    b->len = 0;
    b->cap = size;
    b->bytes_max = size;
    b->err = WEIR_OK;
    b->is_fixed = true;
}

static inline void weir__vet_buf_fini(weir_buf *b)
{
    if (!b->is_fixed) {
        weir__vet_give(b->ptr);
        b->ptr = NULL;
    }
    weir_buf_reset(b);
}

static inline weir_err weir__vet_buf_write(weir_buf *b)
{
    if (weir__vet_either())
        return b->err = WEIR_ETOOLARGE;
    if (!b->is_fixed) {
        weir__vet_give(b->ptr);
        b->ptr = weir__vet_take();
    }
    weir__vet_fill(b->ptr);
    b->len++;
    return b->err;
}

static inline char *weir__vet_buf_reserve(weir_buf *b, size_t n)
{
    (void)n;
    return weir__vet_buf_write(b) == WEIR_OK ? b->ptr + b->len : NULL;
}

static inline void weir__vet_buf_add(weir_buf *b, const void *bytes, size_t n)
{
    (void)bytes, (void)n;
    (void)weir__vet_buf_write(b);
}

static inline void weir__vet_buf_puts(weir_buf *b, weir_str s)
{
    (void)s;
    (void)weir__vet_buf_write(b);
}

static inline void weir__vet_buf_putc(weir_buf *b, char ch)
{
    (void)ch;
    (void)weir__vet_buf_write(b);
}

static inline void weir__vet_buf_printf(weir_buf *b, const char *format, ...) WEIR_PRINTF(2, 3);
static inline void weir__vet_buf_printf(weir_buf *b, const char *format, ...)
{
    (void)format;
    (void)weir__vet_buf_write(b);
}

static inline weir_err weir__vet_json_encode(weir_buf *out, const weir_model *model,
                                             const void *object)
{
    (void)model, (void)object;
    return weir__vet_buf_write(out);
}

/** The models of the functions of the same name. */
#define weir_buf_init weir__vet_buf_init
#define weir_buf_init_fixed weir__vet_buf_init_fixed
#define weir_buf_fini weir__vet_buf_fini
#define weir_buf_reserve weir__vet_buf_reserve
#define weir_buf_add weir__vet_buf_add
#define weir_buf_puts weir__vet_buf_puts
#define weir_buf_putc weir__vet_buf_putc
#define weir_buf_printf weir__vet_buf_printf
#define weir_json_encode weir__vet_json_encode

/* --- memory of a context: may be NULL, is never given to free ------------------------------- */

/* What a context owns ends by nothing that a program can call, and no function's end loses it. */
void weir__vet_never(void *memory);
void *weir__vet_memory(size_t size) WEIR_NEVER_NULL WEIR_ALLOCATES(1)
    WEIR_ENDED_BY(weir__vet_never);
void weir__vet_keep(void);
extern void *weir__vet_kept;

static inline void *weir__vet_alloc(weir_ctx *c, size_t size)
{
    (void)c;
    if (weir__vet_either())
        return NULL;
    void *memory = weir__vet_memory(size);
    weir__vet_kept = memory;
    weir__vet_keep();
    return memory;
}

/** The model of the function of the same name. */
#define weir_alloc weir__vet_alloc

/** These may yield NULL, and it must be thought of. */
#define weir_get_value(c, key) (weir__vet_either() ? NULL : (weir_get_value)((c), (key)))
#define weir_last_error(c) (weir__vet_either() ? NULL : (weir_last_error)(c))

#endif
#endif
