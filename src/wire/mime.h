/*
 * Media types by file name, for files that are served. A small table: what browsers need to be
 * told.
 */
#ifndef WEIR_WIRE_MIME_H
#define WEIR_WIRE_MIME_H

#include <weir/str.h>

/* The Content-Type for a file name or path, by its ending in any case
 * ("application/octet-stream" when unknown); text types come with "; charset=utf-8". */
weir_str weir__mime_by_name(weir_str name);

#endif
