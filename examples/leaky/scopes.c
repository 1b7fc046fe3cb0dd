/*
 * Ways out of a function that skip its end: a panic, an early return, an end without a close.
 */
#include "leaky.h"

#include <fcntl.h>

/* L19: panics between what it takes and where it would give it back. */
weir_err panics_half_way(weir_ctx *c)
{
    weir_err err = weir_lock(c, leaky(c)->mutex);
    if (err < 0)
        return err;
    weir_tx *tx = weir_begin(c, leaky(c)->db);
    weir_exec(tx, "DELETE FROM people");
    weir_panic("this cannot happen"); /* L19 is here */
    err = weir_commit(tx);
    weir_unlock(c, leaky(c)->mutex);
    return err < 0 ? err : weir_text(c, 200, "all gone\n");
}

/* Done right: what may happen is an error. */
weir_err fails_half_way(weir_ctx *c)
{
    weir_tx *tx = weir_begin(c, leaky(c)->db);
    weir_exec(tx, "DELETE FROM people");
    weir_rollback(tx);
    return weir_fail(c, 409, "that would be too many");
}

/* L28: opens a file, and never closes it. */
weir_err file_never_closed(weir_ctx *c)
{
    char bytes[16];
    weir_file *f = weir_file_open(c, leaky(c)->path);
    ssize_t n = weir_file_read(c, f, bytes, sizeof bytes - 1);
    return n < 0 ? (weir_err)n : weir_textf(c, 200, "%.*s\n", (int)n, bytes);
}

/* Done right: closes it as soon as it has what it wants. */
weir_err file_closed(weir_ctx *c)
{
    char bytes[16];
    weir_file *f = weir_file_open(c, leaky(c)->path);
    ssize_t n = weir_file_read(c, f, bytes, sizeof bytes - 1);
    weir_err err = weir_file_close(c, f);
    if (n < 0 || err < 0)
        return n < 0 ? (weir_err)n : err;
    return weir_textf(c, 200, "%.*s\n", (int)n, bytes);
}

/* L28-behind: opens a descriptor by a call of its own, where no context sees it. */
weir_err descriptor_behind(weir_ctx *c)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return weir_textf(c, 200, "%d, and nobody closes it\n", fd);
}

/* Done right: what others have opened is handed over. */
weir_err descriptor_adopted(weir_ctx *c)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    weir_err err = weir_fd_adopt(c, fd);
    return err < 0 ? err : weir_textf(c, 200, "%d, closed when this has been said\n", fd);
}

/* L39: returns early, with the lock in its hand. */
weir_err lock_never_given(weir_ctx *c)
{
    weir_err err = weir_lock(c, leaky(c)->mutex); /* L39 is here */
    if (err < 0)
        return err;
    if (weir_request_query(c).len == 0)
        return weir_text(c, 200, "you ask for nothing\n");
    weir_unlock(c, leaky(c)->mutex);
    return weir_text(c, 200, "here you are\n");
}

/* Done right: one way out, and the lock is given before it. */
weir_err lock_given(weir_ctx *c)
{
    weir_err err = weir_lock(c, leaky(c)->mutex);
    if (err < 0)
        return err;
    bool is_empty = weir_request_query(c).len == 0;
    weir_unlock(c, leaky(c)->mutex);
    return weir_text(c, 200, is_empty ? "you ask for nothing\n" : "here you are\n");
}
