/*
 * A service that is started in odd ways (tests/starts). It needs nothing but the installed library,
 * shows what it is, and what a program that it starts inherits. Run as "PROGRAM inherited" it is
 * that program.
 */
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/weir.h>

extern char **environ;

typedef struct {
    weir_str title;
    double price;
    int64_t count;
} item;
WEIR_MODEL(item, (title, .len_max = 64), (price), (count));

static const char *self;

/* --- the program that is started ----------------------------------------------------------- */

static void show_signals(void)
{
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int number = 1; number < 32; number++) {
        struct sigaction now;
        if (sigismember(&blocked, number) == 1)
            printf("blocked %d\n", number);
        if (sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
            printf("ignored %d\n", number);
    }
}

static int be_the_child(void)
{
    show_signals();
    for (int fd = 0; fd < 1024; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            printf("descriptor %d\n", fd);
    }
    for (char **entry = environ; *entry != NULL; entry++) {
        if (strncmp(*entry, "LISTEN_", 7) == 0 || strncmp(*entry, "NOTIFY_", 7) == 0 ||
            strncmp(*entry, "WATCHDOG_", 9) == 0)
            printf("environment %s\n", *entry);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

/* --- who starts it -------------------------------------------------------------------------- */

static weir_err answer_all(weir_ctx *c, int fd)
{
    char text[16384];
    size_t len = 0;
    ssize_t n;
    while (len < sizeof text && (n = read(fd, text + len, sizeof text - len)) > 0)
        len += (size_t)n;
    weir_str all = {text, len};
    return weir_text(c, 200, all);
}

/* As a library would, on the worker itself. */
static weir_err spawns(weir_ctx *c)
{
    char *argv[] = {(char *)(uintptr_t)self, (char *)(uintptr_t) "inherited", NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return weir_fail(c, 500, "no pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    int err = posix_spawn(&pid, self, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    weir_err result = err != 0 ? weir_fail(c, 500, "%s", strerror(err)) : answer_all(c, ends[0]);
    close(ends[0]);
    int status = 0;
    if (err == 0 && (waitpid(pid, &status, 0) != pid || status != 0))
        return weir_fail(c, 500, "no status of the child");
    return result;
}

/* The same from a thread of the offload pool. */
static weir_err in_a_thread(void *arg)
{
    char *argv[] = {(char *)(uintptr_t)self, (char *)(uintptr_t) "inherited", NULL};
    pid_t pid;
    int status = 0;
    posix_spawn_file_actions_t *actions = arg;
    int err = posix_spawn(&pid, self, actions, NULL, argv, environ);
    if (err != 0)
        return -err;
    return waitpid(pid, &status, 0) == pid && status == 0 ? WEIR_OK : WEIR_EINVALID;
}

static weir_err offloads(weir_ctx *c)
{
    posix_spawn_file_actions_t actions;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return weir_fail(c, 500, "no pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    weir_err err = weir_offload(c, in_a_thread, &actions);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    weir_err result =
        err < 0 ? weir_fail(c, 500, "%s", weir_strerror(err)) : answer_all(c, ends[0]);
    close(ends[0]);
    return result;
}

static weir_err owns(weir_ctx *c)
{
    const char *const argv[] = {self, "inherited", NULL};
    weir_process *p = weir_spawn(c, argv);
    weir_str text;
    weir_err err = weir_process_read_all(c, p, 1 << 20, &text);
    int status = err < 0 ? err : weir_process_wait(c, p);
    if (status != 0)
        return weir_fail(c, 500, "it ended with %d", status);
    return weir_text(c, 200, text);
}

/* --- the rest ------------------------------------------------------------------------------- */

static weir_err hello(weir_ctx *c)
{
    return weir_text(c, 200, "hello\n");
}

static weir_err echo(weir_ctx *c)
{
    item it;
    if (weir_bind_json(c, item, &it) < 0)
        return weir_fail_bind(c);
    return weir_json(c, 200, item, &it);
}

/* What needs a thread of the pool and a folder: 200, or 500 with the reason. */
static weir_err writes(weir_ctx *c)
{
    char bytes[5];
    weir_file *f = weir_file_temp(c);
    weir_err err = weir_file_write(c, f, "words", 5);
    ssize_t n = err < 0 ? err : weir_file_pread(c, f, bytes, sizeof bytes, 0);
    if (n != 5 || memcmp(bytes, "words", 5) != 0)
        return weir_fail(c, 500, "no temporary file: %s", weir_strerror(n < 0 ? (weir_err)n : 0));
    return weir_text(c, 200, "words\n");
}

static weir_err writes_much(weir_ctx *c)
{
    static char bytes[1 << 20];
    weir_file *f = weir_file_temp(c);
    weir_err err = weir_file_write(c, f, bytes, sizeof bytes);
    return err < 0 ? weir_fail(c, 507, "%s", weir_strerror(err)) : weir_text(c, 200, "written\n");
}

static weir_err breaks_a_pipe(weir_ctx *c)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return weir_fail(c, 500, "no pipe");
    close(ends[0]);
    ssize_t n = write(ends[1], "x", 1);
    close(ends[1]);
    return weir_textf(c, 200, "%d\n", (int)n);
}

static weir_err ip(weir_ctx *c)
{
    return weir_text(c, 200, weir_request_ip(c));
}

static void *wait_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "inherited") == 0)
        return be_the_child();
    bool has_thread = getenv("STARTER_THREAD") != NULL;
    pthread_t thread;
    self = getenv("STARTER_SELF") != NULL ? getenv("STARTER_SELF") : argv[0];
    setlocale(LC_ALL, "");
    if (has_thread && pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
        return 2;
    weir_app *app = weir_app_new(argc, argv, .name = "starter");
    weir_use(app, weir_mw_recover, weir_mw_log);
    weir_get(app, "/", hello);
    weir_get(app, "/ip", ip);
    weir_post(app, "/echo", echo);
    weir_get(app, "/spawn", spawns);
    weir_get(app, "/offload", offloads);
    weir_get(app, "/own", owns);
    weir_get(app, "/temp", writes);
    weir_get(app, "/much", writes_much);
    weir_get(app, "/pipe", breaks_a_pipe);
    return weir_app_run(app);
}
