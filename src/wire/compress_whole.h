/*
 * Packing and unpacking of what is there as a whole: gzip, deflate, raw deflate and WebSocket's
 * messages by libdeflate, a third faster than in pieces; br as a stream would. A packer and an
 * unpacker serve one call at a time and keep their tables for the next: one of each a worker.
 */
#ifndef WEIR_WIRE_COMPRESS_WHOLE_H
#define WEIR_WIRE_COMPRESS_WHOLE_H

#include <weir/buf.h>

#include "wire/decompress.h"

struct weir__packer;

/*
 * `level` is 1 to 12 (above 9 a multiple of the time), and of br 1 to 11; 0: 6, br 4. Returns 0 and
 * the caller's own in `out`; WEIR_ENOTBUILT, WEIR_EINVALID, -ENOMEM.
 */
WEIR_MUST_USE int weir__packer_new(enum weir__coding coding, int level, struct weir__packer **out);
void weir__packer_free(struct weir__packer *p);

/*
 * Appends `in`, packed, to `out`. Returns 0, WEIR_ETOOLARGE when it is more than the buffer's
 * maximum, -ENOMEM; then the buffer holds what it did.
 *
 * A message of WEIR_CODING_MESSAGE comes out as it is sent: it has a final block and the byte 00
 * (RFC 7692 section 7.2.3.4), refers to no other, and nothing is to be taken off.
 */
WEIR_MUST_USE int weir__packer_pack(struct weir__packer *p, weir_str in, weir_buf *out);

struct weir__unpacker;

/* As weir__decoder_new; not for WEIR_CODING_MESSAGE, which has no end: WEIR_EINVALID. */
WEIR_MUST_USE int weir__unpacker_new(enum weir__coding coding,
                                     const struct weir__decode_limits *limits,
                                     struct weir__unpacker **out);
void weir__unpacker_free(struct weir__unpacker *u);

/*
 * Appends `in`, unpacked, to `out`: the bytes that weir__decoder_step gives, or its error; the
 * ratio is that of the whole, and codes that RFC 1951 reserves are read where the checksum agrees.
 * Besides WEIR_ETOOLARGE when it is more than the buffer's maximum.
 * After an error the buffer holds what it did.
 */
WEIR_MUST_USE int weir__unpacker_unpack(struct weir__unpacker *u, weir_str in, weir_buf *out);

#endif
