/*
 * Local sockets: addresses of the form "unix:/run/shop.sock", or "unix:@shop" for a name of the
 * kernel's that is no file, and the file that a listener makes.
 *
 * A file outlives a process that was killed, and then nobody can listen there. So a file that
 * nobody listens on is replaced; one that is listened on is not touched. Those who look and replace
 * take turns by a lock on the folder, so that no two of them take each other's file for a dead one.
 */
#ifndef WEIR_NET_LOCAL_H
#define WEIR_NET_LOCAL_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <weir/str.h>

#define WEIR__LOCAL_TEXT_MAX 128 /* "unix:", 107 bytes of a path, and its NUL fit */

/* True for what begins with "unix:". */
bool weir__local_is(weir_str where);

/* The kernel's form; 0: it is no local address, is empty or is longer than 107 bytes. */
socklen_t weir__local_address(weir_str where, struct sockaddr_storage *out);

/* The file of a listener, as it was made. */
struct weir__local_file {
    char path[WEIR__LOCAL_TEXT_MAX]; /* "": none (an abstract name; a socket of somebody else) */
    dev_t device;
    ino_t inode;
};

/*
 * Opens a socket that listens on `where`, which may end in ",mode=0660": the file's mode, whatever
 * the umask; else the umask decides, and usually others may not connect. -errno, and one line in
 * `why`: "another process listens there".
 */
WEIR_MUST_USE int weir__local_listen(weir_str where, int backlog, struct weir__local_file *file,
                                     char *why, size_t size);

/* Takes the file away, unless it is another one by now. Before the socket is closed. */
void weir__local_remove(struct weir__local_file *file);

/* `where` without its mode; false: what stands there is no mode. */
bool weir__local_split(weir_str where, weir_str *address, int *mode);

#endif
