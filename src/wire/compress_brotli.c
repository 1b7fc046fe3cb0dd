/*
 * br, packed by libbrotlienc. Its encoder serves once, so a reset makes another one. It holds what
 * it takes until it has a block, so memory follows the window and the level, not the body.
 *
 * The hard thing: built as it is by default, the library ends the process when its allocator
 * returns NULL. So the allocator does not return then: it jumps to the step that called, and all
 * that the encoder has taken is given back. It has no locks and nothing else that would be left.
 */
#include "wire/compress_inside.h"

#if WEIR_BROTLI

#include <brotli/encode.h>

#include "base/assert.h"

static void end(struct weir__encoder *e)
{
    if (e->brotli != NULL)
        BrotliEncoderDestroyInstance(e->brotli);
    e->brotli = NULL;
}

/* In the middle of it: nothing of the library is called any more. */
static int abandon(struct weir__encoder *e)
{
    e->heap.on_refusal = NULL;
    e->brotli = NULL;
    weir__coding_heap_drop(&e->heap);
    return weir__coding_heap_error(&e->heap);
}

static int begin(struct weir__encoder *e)
{
    e->brotli =
        BrotliEncoderCreateInstance(weir__coding_heap_take, weir__coding_heap_give, &e->heap);
    if (e->brotli == NULL)
        return weir__coding_heap_error(&e->heap);
    bool is_set =
        BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_QUALITY, (uint32_t)e->options.level) &&
        BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_LGWIN, (uint32_t)e->options.window_bits);
    WEIR_ASSERT(is_set, "W8: an encoder that has not begun takes its parameters");
    return WEIR_OK;
}

static int reset(struct weir__encoder *e)
{
    end(e);
    return begin(e);
}

static int run(struct weir__encoder *e, struct weir__flow *flow, enum weir__encode_flush flush)
{
    static const BrotliEncoderOperation operations[] = {
        BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FLUSH, BROTLI_OPERATION_FINISH};
    for (;;) {
        /* Of its own: where the allocator jumps away, the caller's flow is as it was. */
        const uint8_t *in = (const uint8_t *)flow->in;
        uint8_t *out = (uint8_t *)flow->out;
        size_t in_len = flow->in_len, out_len = flow->out_len;
        bool is_good = BrotliEncoderCompressStream(e->brotli, operations[flush], &in_len, &in,
                                                   &out_len, &out, NULL);
        if (!is_good) /* its parameters and calls are right: a build of it that survives */
            return abandon(e);
        *flow = (struct weir__flow){(const char *)in, in_len, (char *)out, out_len};
        if (BrotliEncoderIsFinished(e->brotli))
            return WEIR_FLOW_END;
        bool has_more = BrotliEncoderHasMoreOutput(e->brotli);
        if (has_more && flow->out_len == 0)
            return WEIR_FLOW_OUT;
        if (!has_more && flow->in_len == 0)
            return WEIR_FLOW_IN;
    }
}

static int step(struct weir__encoder *e, struct weir__flow *flow, enum weir__encode_flush flush)
{
    jmp_buf refused;
    if (_setjmp(refused) != 0)
        return abandon(e);
    e->heap.on_refusal = &refused;
    int state = run(e, flow, flush);
    e->heap.on_refusal = NULL;
    return state;
}

static const struct weir__encoder_ops ops = {
    .level = 4,
    .level_max = BROTLI_MAX_QUALITY,
    .window = 18,
    .window_min = BROTLI_MIN_WINDOW_BITS,
    .window_max = BROTLI_MAX_WINDOW_BITS,
    .begin = begin,
    .reset = reset,
    .step = step,
    .end = end,
};
const struct weir__encoder_ops *const weir__encoder_brotli = &ops;

#else

const struct weir__encoder_ops *const weir__encoder_brotli = NULL;

#endif
