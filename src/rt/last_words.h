/*
 * What is said of a process that a fault is about to end: which signal, what ran, for whom, where.
 */
#ifndef WEIR_RT_LAST_WORDS_H
#define WEIR_RT_LAST_WORDS_H

#include <ucontext.h>
#include <weir/str.h>

/*
 * Writes it as a line of the log, past the ring, and a second one with the names of the stack when
 * those can be had. `message` says what happened; `obstacle` (may be NULL) why it was not
 * contained; `u` is what was interrupted. For signal handlers; once a process: the second thread
 * to come waits for the end. False: this very thread has been here before, and the telling is what
 * failed.
 */
bool weir__last_words(weir_str message, const char *obstacle, const ucontext_t *u);

#endif
