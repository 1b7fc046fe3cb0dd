/*
 * Which fields of a message end at the next hop, and so are not handed on by a proxy: those of RFC
 * 9110 section 7.6.1, those that Connection names, and those that HTTP/2 has no place for (RFC 9113
 * section 8.2.2).
 */
#ifndef WEIR_WIRE_HOP_BY_HOP_H
#define WEIR_WIRE_HOP_BY_HOP_H

#include <stdbool.h>
#include <stddef.h>
#include <weir/str.h>

/*
 * True when the field is not handed on. `connection` are the values of the message's Connection
 * fields, `count` of them. What Connection names goes, but for fields that a message cannot be
 * without or is not understood without: Host, Content-Length, Content-Encoding and the like are
 * handed on even if a client names them, which is an attack on who stands behind.
 *
 * Of TE only "trailers" may be sent anew, and Upgrade and Transfer-Encoding are the next hop's own:
 * whoever hands an upgrade on writes both fields himself.
 */
bool weir__field_is_hop_by_hop(weir_str name, const weir_str *connection, size_t count);

/* True when the field may not be in a message of HTTP/2 at all; `value` is looked at for TE. */
bool weir__field_is_http1_only(weir_str name, weir_str value);

#endif
