/*
 * Unpacking in pieces of any size, with bounded memory and bounded results: a bomb ends as an
 * error, not as an allocation. Reused by reset. Bodies that are coded more than once are
 * decode_chain.h's.
 */
#ifndef WEIR_WIRE_DECOMPRESS_H
#define WEIR_WIRE_DECOMPRESS_H

#include <stdint.h>

#include "wire/coding.h"
#include "wire/flow.h"

/* Zeroes mean the defaults in brackets. */
struct weir__decode_limits {
    uint64_t bytes_max;       /* unpacked bytes [64 MiB] */
    uint64_t ratio_max;       /* unpacked bytes a packed one [200]; deflate can do 1,032 */
    uint64_t ratio_bytes_min; /* the ratio is looked at from so many unpacked bytes on [1 MiB] */
    size_t memory_bytes_max; /* what the library may take [24 MiB]; brotli's largest window is 16 */
};

/* `given` with defaults for its zeroes; NULL is all defaults. */
struct weir__decode_limits weir__decode_limits_of(const struct weir__decode_limits *given);

struct weir__decoder;

/*
 * Makes a decoder of any coding but identity. Returns 0 and the caller's own in `out`, which goes
 * with weir__decoder_free; WEIR_ENOTBUILT, -ENOMEM, or WEIR_EINVALID for identity.
 */
WEIR_MUST_USE int weir__decoder_new(enum weir__coding coding,
                                    const struct weir__decode_limits *limits,
                                    struct weir__decoder **out);
void weir__decoder_free(struct weir__decoder *d);

/* Ready for other bytes of the same coding. Brotli may find no memory: -ENOMEM. */
WEIR_MUST_USE int weir__decoder_reset(struct weir__decoder *d);

/*
 * Goes on until the input is taken, the room is full, or the end. `is_last`: nothing follows this
 * input; only then WEIR_FLOW_END comes, or WEIR_CODING_ECUT. An error stays until a reset; what was
 * put out before is right.
 *
 * No bytes at all are an empty body, whatever its coding: that is how servers send one. Members of
 * gzip that follow each other are one body (RFC 1952 section 2.2). "deflate" that has no zlib head
 * is taken for raw (RFC 9110 section 8.4.1.2). Each message of WEIR_CODING_MESSAGE is given with
 * the 00 00 ff ff that its sender has taken off; its blocks may be final ones (RFC 7692 section
 * 7.2.3.4); `is_last` ends the message and not the stream, so the next one may refer to it, and the
 * limits begin anew.
 */
WEIR_MUST_USE int weir__decoder_step(struct weir__decoder *d, struct weir__flow *flow,
                                     bool is_last);

/* Bytes taken and put since the last reset. */
uint64_t weir__decoder_in(const struct weir__decoder *d);
uint64_t weir__decoder_out(const struct weir__decoder *d);

#endif
