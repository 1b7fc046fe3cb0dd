/*
 * Which Weir a program is compiled against, and which it has got. The two may differ where the
 * library is shared: one that is newer runs programs that were compiled against older headers, for
 * as long as the number in its file's name stays.
 */
#ifndef WEIR_VERSION_H
#define WEIR_VERSION_H

#include <weir/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of these headers: another MAJOR breaks, another MINOR adds, another PATCH mends. */
#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

/** The same as one number that grows: for #if, and to compare with weir_version_number. */
#define WEIR_VERSION_NUMBER                                                                        \
    (WEIR_VERSION_MAJOR * 1000000 + WEIR_VERSION_MINOR * 1000 + WEIR_VERSION_PATCH)

/** The same as a text: "1.2.3". */
#define WEIR_VERSION WEIR__VERSION_TEXT(WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR, WEIR_VERSION_PATCH)
#define WEIR__VERSION_TEXT(major, minor, patch) WEIR__VERSION_TEXT_OF(major, minor, patch)
#define WEIR__VERSION_TEXT_OF(major, minor, patch) #major "." #minor "." #patch

/** The library's version, as WEIR_VERSION. A constant string; any thread. */
WEIR_API const char *weir_version(void) WEIR_NEVER_NULL;

/** The library's version, as WEIR_VERSION_NUMBER. Any thread. */
WEIR_API int weir_version_number(void);

#ifdef __cplusplus
}
#endif
#endif
