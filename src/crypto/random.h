/* Bytes that nobody can foresee: nonces, salts, session ids, keys. */
#ifndef WEIR_CRYPTO_RANDOM_H
#define WEIR_CRYPTO_RANDOM_H

#include <stddef.h>

/*
 * Fills `out` with `n` bytes of the kernel's generator. It does not fail: where the kernel refuses
 * (a filter of system calls that forbids getrandom) the process ends, since nothing that rests on
 * these bytes could be trusted. Waits only on a machine that has just started and has gathered no
 * chance yet.
 */
void weir__crypto_random(void *out, size_t n);

#endif
