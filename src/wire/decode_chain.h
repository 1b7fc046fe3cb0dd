/*
 * Unpacking of bodies that are coded more than once ("Content-Encoding: deflate, gzip"): a decoder
 * for each coding, a few kilobytes between two, and the limits on each. Also the way for bodies
 * that are coded once, or not at all.
 */
#ifndef WEIR_WIRE_DECODE_CHAIN_H
#define WEIR_WIRE_DECODE_CHAIN_H

#include "wire/decompress.h"

struct weir__decode_chain;

/*
 * Makes the decoders of a Content-Encoding (absent: none, and bytes are passed on, within
 * bytes_max). Returns 0 and the caller's own in `out`, or an error of weir__coding_list_parse or
 * weir__decoder_new.
 */
WEIR_MUST_USE int weir__decode_chain_new(weir_str content_encoding,
                                         const struct weir__decode_limits *limits,
                                         struct weir__decode_chain **out);
void weir__decode_chain_free(struct weir__decode_chain *c);

/* As weir__decoder_step. */
WEIR_MUST_USE int weir__decode_chain_step(struct weir__decode_chain *c, struct weir__flow *flow,
                                          bool is_last);

/* True when the body is not coded: bytes come out as they went in. */
bool weir__decode_chain_is_plain(const struct weir__decode_chain *c);

#endif
