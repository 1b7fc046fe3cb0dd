/*
 * br, unpacked by libbrotlidec. Its decoder serves once, so a reset makes another one. Large
 * windows, which are no part of RFC 7932, stay off; a window of 16 MiB is taken only when the data
 * reaches as far, and only within the bound on memory.
 */
#include "wire/decompress_inside.h"

#if WEIR_BROTLI

#include <brotli/decode.h>

static int begin(struct weir__decoder *d)
{
    d->brotli =
        BrotliDecoderCreateInstance(weir__coding_heap_take, weir__coding_heap_give, &d->heap);
    return d->brotli != NULL ? WEIR_OK : weir__coding_heap_error(&d->heap);
}

static void end(struct weir__decoder *d)
{
    if (d->brotli != NULL)
        BrotliDecoderDestroyInstance(d->brotli);
    d->brotli = NULL;
}

static int reset(struct weir__decoder *d)
{
    if (d->brotli != NULL && !BrotliDecoderIsUsed(d->brotli))
        return WEIR_OK;
    end(d);
    return begin(d);
}

static int data_error(const struct weir__decoder *d)
{
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(d->brotli);
    if (code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
        code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES)
        return weir__coding_heap_error(&d->heap);
    /* There is no magic number; what cannot begin is not br. */
    return code == BROTLI_DECODER_ERROR_FORMAT_WINDOW_BITS ? WEIR_CODING_EFORMAT
                                                           : WEIR_CODING_EDATA;
}

static int step(struct weir__decoder *d, struct weir__flow *flow)
{
    const uint8_t *in = (const uint8_t *)flow->in;
    uint8_t *out = (uint8_t *)flow->out;
    BrotliDecoderResult rc =
        BrotliDecoderDecompressStream(d->brotli, &flow->in_len, &in, &flow->out_len, &out, NULL);
    flow->in = (const char *)in;
    flow->out = (char *)out;
    switch (rc) {
    case BROTLI_DECODER_RESULT_SUCCESS:
        return WEIR_FLOW_END;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
        return WEIR_FLOW_IN;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
        return WEIR_FLOW_OUT;
    default:
        return data_error(d);
    }
}

static bool may_end(const struct weir__decoder *d)
{
    return d->is_at_end;
}

static const struct weir__decoder_ops ops = {
    .begin = begin,
    .reset = reset,
    .step = step,
    .may_end = may_end,
    .end = end,
};
const struct weir__decoder_ops *const weir__decoder_brotli = &ops;

#else

const struct weir__decoder_ops *const weir__decoder_brotli = NULL;

#endif
