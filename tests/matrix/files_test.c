/* The matrix: descriptors of a request: files, temporary files, outgoing connections, programs. */
#include "matrix.h"
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/file.h>
#include <weir/process.h>
#include <weir/socket.h>

static bool has_descriptor(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return count_descriptors() == cell->note + 1;
}

/* --- files ------------------------------------------------------------------------------------ */

static char path[64];

static void prepare_file(weir_ctx *app, struct cell *cell)
{
    (void)app, (void)cell;
    strcpy(path, "/tmp/weir-matrix-XXXXXX");
    int fd = mkstemp(path);
    WEIR_ASSERT(fd >= 0 && write(fd, "words\n", 6) == 6, "there is room for a file");
    close(fd);
}

static void remove_file(struct cell *cell)
{
    expect(cell, unlink(path) == 0, "the file has gone");
}

static weir_err take_file(weir_ctx *c, struct cell *cell)
{
    char bytes[3];
    cell->note = count_descriptors();
    weir_file *f = weir_file_open(c, path);
    ssize_t n = weir_file_read(c, f, bytes, sizeof bytes);
    return n < 0 ? (weir_err)n : WEIR_OK;
}

static weir_err take_temp(weir_ctx *c, struct cell *cell)
{
    cell->note = count_descriptors();
    weir_file *f = weir_file_temp(c);
    return weir_file_write(c, f, "words\n", 6);
}

/* --- an outgoing connection, and who is at its other end -------------------------------------- */

/* Takes one connection after the other, and waits until the other side closes it. */
static weir_err take_calls(weir_ctx *c, void *arg)
{
    struct cell *cell = arg;
    struct weir__ctx *ctx = weir__ctx_of(c);
    struct weir__fd listener, call;
    char byte;
    weir_err err = weir__fd_watch(&listener, (int)(intptr_t)cell->shared, NULL);
    while (err == WEIR_OK) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &listener};
        ssize_t num = weir__io(ctx, &op, weir_never());
        if (num < 0)
            break;
        cell->note++;
        err = weir__fd_watch(&call, (int)num, NULL);
        while (weir__recv(ctx, &call, &byte, 1, weir_never()) > 0)
            ;
        weir__fd_close(&call);
        cell->note--;
    }
    weir__fd_close(&listener);
    return err;
}

static void prepare_peer(weir_ctx *app, struct cell *cell)
{
    cell->shared = (void *)(intptr_t)weir__sim_listen();
    weir_err err = WEIR_GO(app, take_calls, cell);
    WEIR_ASSERT(err == WEIR_OK, "there is a fiber for the peer");
    let_them_wait(cell->c);
}

static weir_err take_socket(weir_ctx *c, struct cell *cell)
{
    char where[32];
    snprintf(where, sizeof where, "127.0.0.1:%d", (int)(intptr_t)cell->shared);
    weir_socket *s = weir_dial(c, where);
    cell->held = s;
    weir_err err = weir_socket_send(c, s, "hello", 5);
    for (int i = 0; i < TURNS_MAX && cell->note == 0; i++)
        (void)!weir_yield(c);
    return err;
}

static bool is_connected(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return cell->note == 1 && weir_socket_err(cell->held) == WEIR_OK;
}

static bool is_hung_up(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return cell->note == 0;
}

static weir_err wait_for_peer(weir_ctx *c, struct cell *cell)
{
    char byte;
    ssize_t n = weir_socket_recv(c, cell->held, &byte, 1);
    return n < 0 ? (weir_err)n : WEIR_OK;
}

/* --- a program -------------------------------------------------------------------------------- */

static weir_err take_program(weir_ctx *c, struct cell *cell)
{
    static const char *const argv[] = {"cat", NULL};
    char byte;
    cell->note = count_descriptors();
    weir_process *p = weir_spawn(c, argv, .input_open = true);
    cell->held = p;
    weir_err err = weir_process_write(c, p, "x", 1);
    ssize_t n = err == WEIR_OK ? weir_process_read(c, p, &byte, 1) : 0;
    return n < 0 ? (weir_err)n : err;
}

/* Its two pipes and its own descriptor; and it is there. */
static bool has_program(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return count_descriptors() == cell->note + 3 && kill(weir_process_pid(cell->held), 0) == 0;
}

static bool has_no_child(weir_ctx *c, struct cell *cell)
{
    (void)c, (void)cell;
    return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

static const struct resource resources[] = {
    RESOURCE("file", take_file, .prepare = prepare_file, .is_held = has_descriptor,
             .clean = remove_file),
    RESOURCE("temporary file", take_temp, .is_held = has_descriptor),
    RESOURCE("socket", take_socket, .prepare = prepare_peer, .is_held = is_connected,
             .wait = wait_for_peer, .is_back = is_hung_up),
    RESOURCE("program", take_program, .is_held = has_program, .is_back = has_no_child,
             .is_slow = true),
};

int main(void)
{
    return MATRIX(resources);
}
