/*
 * What becomes of a refusal: an error code that steers, and a sentence for people. libcrypto keeps
 * its reasons on a queue of the thread, as errno is kept; this room leaves nothing on it. For its
 * files, and for TLS (net/tls.h), which is over the same library.
 */
#ifndef WEIR_CRYPTO_REFUSAL_H
#define WEIR_CRYPTO_REFUSAL_H

#include <stdbool.h>
#include <weir/buf.h>

/*
 * Empties the thread's queue, and errno. Before calls that may be refused, so that what somebody
 * else has left there is not taken for their reason.
 */
void weir__crypto_forget(void);

/* Since then there was no memory for something, whatever came of it. */
bool weir__crypto_lacked_memory(void);

/*
 * After a call of libcrypto that has failed: empties the queue. -ENOMEM where memory was what it
 * lacked, else `otherwise`. `why` gets "what: libcrypto's reason"; NULL: nobody asks.
 */
WEIR_MUST_USE weir_err weir__crypto_refused(weir_err otherwise, const char *what, weir_buf *why);

/* Refuses by a rule of our own: `why`, unless NULL, gets the text. Returns `err`. */
WEIR_MUST_USE weir_err weir__crypto_refuse(weir_err err, weir_buf *why, const char *format, ...)
    WEIR_PRINTF(3, 4);

#endif
