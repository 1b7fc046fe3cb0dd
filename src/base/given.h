/*
 * Arguments of public functions that must not be NULL. The declarations say so (WEIR_NONNULL), and
 * compilers warn of what they see; what they do not see is misuse, told in the name of the function
 * and of the argument, instead of a fault somewhere inside.
 *
 * One look, predicted, at what is read anyway. It stands at the doors: public functions, and what
 * several of them share. Inside nobody looks again.
 */
#ifndef WEIR_BASE_GIVEN_H
#define WEIR_BASE_GIVEN_H

#include <weir/api.h>

/*
 * `noun` of `function` is NULL: "the model". A panic of the fiber; before anything runs a line on
 * standard error and status 1.
 */
WEIR_NORETURN void weir__missing(const char *function, const char *noun) __attribute__((cold));

/* The same for a rule of `function` that this room knows: "the counter has labels". */
WEIR_NORETURN void weir__misused(const char *function, const char *rule) __attribute__((cold));

/* Who makes a panic of them: set by the room rt as long as there are fibers. It does not return. */
void weir__misused_hear(void (*panics)(const char *function, const char *rule));

/* `p` is there, or this function is misused. */
#define weir__given(p, noun) weir__given_to(__func__, p, noun)

/* The same in the name of another: its macro's. */
#define weir__given_to(function, p, noun)                                                          \
    (WEIR_LIKELY((p) != NULL) ? (void)0 : weir__missing(function, noun))

/* Of an argument that may be NULL where there is nothing in it. */
#define weir__given_some(p, count, noun)                                                           \
    (WEIR_LIKELY((p) != NULL || (count) == 0) ? (void)0 : weir__missing(__func__, noun))

#endif
