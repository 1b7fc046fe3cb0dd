/*
 * multipart/form-data, written (RFC 7578; names as the WHATWG's HTML standard escapes them, section
 * "multipart form data"). A writer puts out the bytes around the parts; the parts' own are the
 * caller's, who sends them in between, so that a file is never in memory as a whole.
 *
 *     weir__multipart_init(&m, boundary)     once
 *     weir__multipart_part(&m, &part, &head) what goes before each part
 *     …the part's bytes…
 *     weir__multipart_end(&m, &tail)         what goes after the last
 */
#ifndef WEIR_WIRE_MULTIPART_WRITE_H
#define WEIR_WIRE_MULTIPART_WRITE_H

#include <stdbool.h>
#include <weir/buf.h>

enum {
    WEIR__MULTIPART_BOUNDARY_LEN = 38, /* "weir--" and 32 digits; 70 are allowed (RFC 2046) */
    WEIR__MULTIPART_TYPE_LEN = 30 + WEIR__MULTIPART_BOUNDARY_LEN
};

struct weir__multipart {
    char boundary[WEIR__MULTIPART_BOUNDARY_LEN];
    bool has_part;
    bool is_over;
};

struct weir__multipart_part {
    weir_str name;
    weir_str filename;     /* absent: a plain field */
    weir_str content_type; /* absent: none is said, or application/octet-stream with a filename */
};

/* Begins, with a boundary of 128 random bits: no part holds it but by an accident that does not
 * happen. */
void weir__multipart_init(struct weir__multipart *m);

/* The value of Content-Type, without a NUL. */
void weir__multipart_type(const struct weir__multipart *m, char out[WEIR__MULTIPART_TYPE_LEN]);

/*
 * Appends what goes before a part's bytes. In names and filenames a quote, CR and LF become %22,
 * %0D and %0A, a lone CR or LF of a name becomes both (HTML standard), and all other bytes stay.
 * Returns 0; WEIR_EINVALID for an empty name, NUL in either, or a content type that may not stand
 * in a field; or the buffer's error. Then the buffer holds what it did, and no part has begun.
 */
WEIR_MUST_USE weir_err weir__multipart_part(struct weir__multipart *m,
                                            const struct weir__multipart_part *part, weir_buf *out);

/* Appends what goes after the last part; no part follows. A form without parts is this alone. */
WEIR_MUST_USE weir_err weir__multipart_end(struct weir__multipart *m, weir_buf *out);

/*
 * The length of a whole body, for Content-Length: heads of `count` parts, `sizes` bytes in each,
 * and the end. WEIR_EINVALID as above, WEIR_ETOOLARGE past 2^63 - 1.
 */
WEIR_MUST_USE weir_err weir__multipart_length(const struct weir__multipart_part *parts,
                                              const uint64_t *sizes, size_t count,
                                              uint64_t *length);

#endif
