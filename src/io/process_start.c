/*
 * From a list of arguments to a process. It gets a mask without a signal, no signal that is
 * ignored, a group of its own, and three descriptors: whatever else this process has open is closed
 * in it, also what others have opened without close-on-exec.
 *
 * Text for standard input is a file in memory and not a pipe, so nobody has to write while somebody
 * reads. The ends of pipes that are the program's are closed here whatever happens.
 */
#include "io/process_start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/sys.h"
#include "rt/offload.h"
#include "rt/runtime.h"

#define INPUT_BYTES_MAX (64u << 20)
#define FIRST_CLOSED 3

/* What the thread of the pool needs, on the fiber's stack. */
struct start {
    const char *const *argv;
    const weir_spawn_options *options;
    int theirs[3]; /* -1: see `inherits` */
    bool inherits[3];
    char **env; /* NULL: the service's */
    pid_t pid;
    weir_err err;
    bool is_done;
};

/* --- descriptors -------------------------------------------------------------------------- */

static void close_one(int *fd)
{
    if (*fd >= 0)
        (void)weir__sys_close(*fd);
    *fd = -1;
}

/* A pipe: its end `which` (0: to read from) is ours, the other one the program's, and blocks. */
static weir_err make_pipe(int which, int *ours, int *theirs)
{
    int ends[2];
    weir_err err = weir__sys_pipe(ends);
    if (err < 0)
        return err;
    *ours = ends[which];
    *theirs = ends[1 - which];
    return weir__sys_set_blocking(*theirs);
}

static weir_err make_text(weir_str text, int *theirs)
{
    if (text.len > INPUT_BYTES_MAX)
        return WEIR_ETOOLARGE;
    *theirs = weir__sys_memfd("weir-input");
    if (*theirs < 0)
        return *theirs;
    for (size_t done = 0; done < text.len;) {
        ssize_t n = weir__sys_pwrite(*theirs, text.ptr + done, text.len - done, (off_t)done);
        if (n <= 0)
            return n < 0 ? (weir_err)n : -EIO;
        done += (size_t)n;
    }
    return WEIR_OK;
}

static weir_err open_null(int flags, int *theirs)
{
    *theirs = weir__sys_open("/dev/null", flags, 0);
    return *theirs < 0 ? *theirs : WEIR_OK;
}

static weir_err open_input(const weir_spawn_options *o, struct start *s, int *ours)
{
    if (o->input_open)
        return make_pipe(1, ours, &s->theirs[0]);
    return o->input.len > 0 ? make_text(o->input, &s->theirs[0])
                            : open_null(O_RDONLY, &s->theirs[0]);
}

static weir_err open_output(weir_output where, struct start *s, int number, int *ours)
{
    switch (where) {
    case WEIR_OUTPUT_READ:
        return make_pipe(0, ours, &s->theirs[number]);
    case WEIR_OUTPUT_NOWHERE:
        return open_null(O_WRONLY, &s->theirs[number]);
    case WEIR_OUTPUT_DEFAULT:
    case WEIR_OUTPUT_SERVICE:
    case WEIR_OUTPUT_MERGED:
        break;
    }
    s->inherits[number] = true;
    return WEIR_OK;
}

static weir_err open_all(const weir_spawn_options *o, struct start *s, struct weir__started *out)
{
    weir_output to = o->out == WEIR_OUTPUT_DEFAULT ? WEIR_OUTPUT_READ : o->out;
    weir_err err = open_input(o, s, &out->in);
    if (err == WEIR_OK)
        err = open_output(to, s, 1, &out->out);
    if (err == WEIR_OK)
        err = open_output(o->err, s, 2, &out->err);
    return err;
}

/* --- the environment ---------------------------------------------------------------------- */

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

/* True when one of `list` has the name of "NAME=value". */
static bool has_name(const char *const *list, const char *entry)
{
    size_t n = strcspn(entry, "=");
    for (; *list != NULL; list++) {
        if (strncmp(*list, entry, n) == 0 && (*list)[n] == '=')
            return true;
    }
    return false;
}

/* The service's entries that are not replaced, then the new ones. The texts are borrowed. */
static weir_err make_environment(const weir_spawn_options *o, struct start *s)
{
    static const char *const none[] = {NULL};
    const char *const *own = o->env_only ? none : (const char *const *)environ;
    if (o->env == NULL && !o->env_only)
        return WEIR_OK;
    const char *const *added = o->env != NULL ? o->env : none;
    size_t at = 0;
    s->env = weir__calloc(count(own) + count(added) + 1, sizeof s->env[0]);
    if (s->env == NULL)
        return -ENOMEM;
    for (; own != NULL && *own != NULL; own++) {
        if (!has_name(added, *own))
            s->env[at++] = (char *)(uintptr_t)*own;
    }
    for (; *added != NULL; added++)
        s->env[at++] = (char *)(uintptr_t)*added;
    return WEIR_OK;
}

/* --- the call ----------------------------------------------------------------------------- */

static int prepare_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int err = posix_spawnattr_setsigmask(attr, &none);
    if (err == 0)
        err = posix_spawnattr_setsigdefault(attr, &all);
    if (err == 0)
        err = posix_spawnattr_setpgroup(attr, 0);
    if (err == 0)
        err = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                 POSIX_SPAWN_SETPGROUP);
    return err;
}

static int prepare_actions(posix_spawn_file_actions_t *actions, const struct start *s)
{
    int err = 0;
    for (int i = 0; i < 3 && err == 0; i++) {
        if (!s->inherits[i])
            err = posix_spawn_file_actions_adddup2(actions, s->theirs[i], i);
    }
    if (err == 0 && s->options->err == WEIR_OUTPUT_MERGED)
        err = posix_spawn_file_actions_adddup2(actions, 1, 2);
    if (err == 0)
        err = posix_spawn_file_actions_addclosefrom_np(actions, FIRST_CLOSED);
    if (err == 0 && s->options->dir != NULL)
        err = posix_spawn_file_actions_addchdir_np(actions, s->options->dir);
    return err;
}

static weir_err do_start(void *arg)
{
    struct start *s = arg;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t actions;
    s->is_done = true;
    s->err = -posix_spawnattr_init(&attr);
    if (s->err != 0)
        return s->err;
    s->err = -posix_spawn_file_actions_init(&actions);
    if (s->err == 0) {
        s->err = -prepare_attributes(&attr);
        if (s->err == 0)
            s->err = -prepare_actions(&actions, s);
        if (s->err == 0)
            s->err = weir__sys_spawn(&s->pid, s->argv, &actions, &attr,
                                     s->env != NULL ? s->env : environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attr);
    return s->err;
}

weir_err weir__process_start(struct weir__ctx *c, const char *const *argv,
                             const weir_spawn_options *options, struct weir__started *out)
{
    struct start s = {.argv = argv, .options = options, .theirs = {-1, -1, -1}};
    *out = (struct weir__started){.in = -1, .out = -1, .err = -1};
    weir_err err = open_all(options, &s, out);
    if (err == WEIR_OK)
        err = make_environment(options, &s);
    if (err == WEIR_OK)
        err = weir__offload_on(weir__self->runtime->offload, c, NULL, do_start, &s, NULL);
    if (s.is_done)
        err = s.err;
    out->pid = s.is_done && s.err == WEIR_OK ? s.pid : 0;
    for (int i = 0; i < 3; i++)
        close_one(&s.theirs[i]);
    weir__free(s.env);
    return err;
}
