/*
 * Random bytes straight from the kernel (getrandom(2)), not from libcrypto's generator: that one
 * keeps a state for each thread, which takes memory and may fail, goes on with the same numbers in
 * two copies of a virtual machine, and costs twice the time for a nonce (bench/RESULTS.md).
 */
#include "crypto/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/assert.h"

void weir__crypto_random(void *out, size_t n)
{
    unsigned char *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0); /* past 256 bytes a signal may cut it short */
        WEIR_ASSERT(got > 0 || errno == EINTR, "C5: the kernel gives random bytes");
        if (got < 0)
            continue;
        at += got;
        n -= (size_t)got;
    }
}
