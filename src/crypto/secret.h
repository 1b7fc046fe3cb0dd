/*
 * What is done with secrets: compared without telling by the time where they differ, and removed
 * from memory when they are used up.
 */
#ifndef WEIR_CRYPTO_SECRET_H
#define WEIR_CRYPTO_SECRET_H

#include <stdbool.h>
#include <weir/str.h>

/*
 * True when both are the same bytes. The time depends on the lengths alone, which are no secret: a
 * code, a digest or a token has one length.
 */
bool weir__crypto_equal(weir_str a, weir_str b);

/* Overwrites `n` bytes with zeroes; no compiler leaves it out, though nobody reads them again. */
void weir__crypto_wipe(void *bytes, size_t n);

#endif
