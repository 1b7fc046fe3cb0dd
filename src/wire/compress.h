/*
 * Packing in pieces of any size, with bounded memory. Reused by reset. What is there as a whole is
 * packed faster by compress_whole.h.
 */
#ifndef WEIR_WIRE_COMPRESS_H
#define WEIR_WIRE_COMPRESS_H

#include <stdint.h>

#include "wire/coding.h"
#include "wire/flow.h"

/* Zeroes mean the defaults in brackets; what is out of range is WEIR_EINVALID. */
struct weir__encode_options {
    int level;               /* 1 to 9, of br to 11 [6, br: 4]; more is smaller and slower */
    int window_bits;         /* 9 to 15, of br 10 to 24 [15, br: 18]: how far back it refers */
    size_t memory_bytes_max; /* what the library may take [no bound: level and window are yours] */
};

enum weir__encode_flush {
    WEIR_ENCODE_ON,   /* more will come: keeps back what packs better later */
    WEIR_ENCODE_SYNC, /* all that came can be unpacked by who gets what was put out */
    WEIR_ENCODE_END   /* nothing follows */
};

struct weir__encoder;

/*
 * Makes an encoder of any coding but identity. Returns 0 and the caller's own in `out`, which goes
 * with weir__encoder_free; WEIR_ENOTBUILT, WEIR_EINVALID, WEIR_CODING_EWINDOW, -ENOMEM. Memory: of
 * zlib 268 KB with the defaults; of br see docs/design/compression.md.
 */
WEIR_MUST_USE int weir__encoder_new(enum weir__coding coding,
                                    const struct weir__encode_options *options,
                                    struct weir__encoder **out);
void weir__encoder_free(struct weir__encoder *e);

/* Ready for another body; a message after it does not refer to one before. */
WEIR_MUST_USE int weir__encoder_reset(struct weir__encoder *e);

/*
 * Goes on until the input is taken (WEIR_FLOW_IN, with SYNC: and flushed), the room is full, or the
 * end is out. After OUT it is called again with the same flush. An error stays until a reset; the
 * only ones are of memory.
 *
 * WEIR_CODING_MESSAGE: a message is all that comes up to a SYNC, whose last four bytes, 00 00 ff
 * ff, the caller takes off (RFC 7692 section 7.2.1). An empty one puts nothing out and is sent as a
 * 00.
 */
WEIR_MUST_USE int weir__encoder_step(struct weir__encoder *e, struct weir__flow *flow,
                                     enum weir__encode_flush flush);

#endif
