/*
 * Outgoing connections: streams of bytes to another program, for protocols that Weir does not
 * speak. A socket belongs to the context that dialled it, and is closed with it at the latest; that
 * is no mistake. It is for the fibers of the worker that dialled.
 *
 *     weir_socket *s = weir_dial(c, "clock.example.org:4242", .timeout = weir_ms(300));
 *     weir_err err = weir_socket_send(c, s, "time?\n", 6);      // the first error of the two
 *
 * One fiber may receive while another sends.
 */
#ifndef WEIR_SOCKET_H
#define WEIR_SOCKET_H

#include <sys/types.h>
#include <weir/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A connection to another program. */
typedef struct weir_socket weir_socket;

/** What dialling may be given. Its texts are borrowed for the call. */
typedef struct weir_dial_options {
    size_t size; /* the macro's */
    /*
     * For the connection to stand, the look-up of a name and all its addresses included; never past
     * the deadline; default 5 s. Less than a millisecond is told in the log, once for each place:
     * `.timeout = 5` is 5 ns.
     */
    weir_dur timeout;
    /*
     * The connection is TLS, with this, whose context outlives `c`; the time-out is for its
     * handshake as well. NULL: a plain one.
     */
    const weir_tls *tls;
    /*
     * The name that the server's certificate must have; default: the host of `where`. A local
     * socket has none, so it must be given there.
     */
    const char *tls_name;
} weir_dial_options;

/**
 * Connects to a program.
 *
 * A name is resolved anew for each call, as /etc/hosts and /etc/resolv.conf say (both are read
 * again after 5 s), through a memory of the worker's that keeps an answer as long as the
 * name server allows, at most 5 minutes, and a "no" for at most 5 s. "localhost" is never asked for
 * (RFC 6761). Of several addresses, at most 16, IPv6 and IPv4 are tried in turn: the next when one
 * fails, or has not answered for 250 ms (RFC 8305); the first connection that stands is taken, and
 * the others are closed.
 *
 * The kernel asks a peer that is silent for 30 s whether it is still there; one that does not
 * acknowledge what was sent, or three of those questions, for 30 s is taken to be gone.
 *
 * where    "db.example.org:5432", "127.0.0.1:80", "[::1]:80", "localhost:80",
 *          "unix:/run/some.sock", "unix:@name" (a name of the kernel's, no file); NUL-terminated,
 *          copied. The port is a number
 * ...      members of weir_dial_options
 * returns  the socket; never NULL. Where there is no connection every call on it returns why, and
 *          the error record says so, of each address that was tried: -ECONNREFUSED … (of several
 *          addresses, that of the first), WEIR_ENOHOST for a name that has no address or that
 *          nobody could look up, WEIR_ETIMEDOUT, WEIR_EINVALID for an address of another form,
 *          WEIR_ETLS when the certificate is refused or the server refuses, the reason when `c` was
 *          cancelled, -EMFILE, -ENOMEM
 * owner    the context; the application's: the calling worker, until the service ends
 * context  fiber; waits, up to the time-out and the deadline of `c`
 */
#define weir_dial(c, ...) WEIR__DIAL(c, __VA_ARGS__, )
#define WEIR__DIAL(c, where, ...)                                                                  \
    WEIR__CALL(weir_dial_at, (WEIR_HERE, (c), (where)), weir_dial_options, __VA_ARGS__)
/** The function behind weir_dial. */
WEIR_API weir_socket *weir_dial_at(const weir_site *site, weir_ctx *c, const char *where,
                                   const weir_dial_options *options) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(2, 3);

/**
 * Receives what has come, waiting while there is nothing.
 *
 * bytes    filled, `size` bytes at most; in place until the call returns
 * returns  how many; 0 when the peer sends no more; below 0 an error: -ECONNRESET …, which stays,
 *          so that a broken connection never looks like one that was ended (with TLS one that ends
 *          without its farewell is broken); WEIR_ECLOSED when the
 *          socket has been closed, also meanwhile; the reason when `c` is cancelled (then nothing
 *          was taken)
 * errors   two fibers in it at a time: misuse, panics
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API ssize_t weir_socket_recv(weir_ctx *c, weir_socket *s, void *bytes,
                                  size_t size) WEIR_MUST_USE WEIR_NONNULL(1, 2)
    WEIR_ACCESS(write_only, 3, 4);

/**
 * Sends all of the bytes, waiting while the peer is slow.
 *
 * bytes    read during the call, and not kept
 * returns  WEIR_OK when the kernel has them; an error as weir_socket_recv, -EPIPE among them. One
 *          after which a part has been sent stays, also when it was a cancellation: the peer has
 *          half a message
 * errors   two fibers in it at a time: misuse, panics
 * context  fiber; may wait, up to the deadline of `c`
 */
WEIR_API weir_err weir_socket_send(weir_ctx *c, weir_socket *s, const void *bytes,
                                   size_t size) WEIR_MUST_USE WEIR_NONNULL(1, 2)
    WEIR_ACCESS(read_only, 3, 4);

/**
 * Tells the peer that no more is sent; receiving goes on. Idempotent; does not wait. While a fiber
 * sends: misuse, panics.
 *
 * returns  WEIR_OK: the peer is told; why there is no connection, -ENOTCONN when it has broken
 *          meanwhile (what has come may still be received); WEIR_ECLOSED
 */
WEIR_API weir_err weir_socket_shutdown(weir_ctx *c, weir_socket *s) WEIR_NONNULL(1, 2);

/**
 * The protocol that client and server have agreed on, of those that weir_tls_new was given.
 *
 * returns  borrowed from the socket; absent when there is none, or no TLS
 */
WEIR_API weir_str weir_socket_alpn(const weir_socket *s) WEIR_NONNULL(1);

/** The error that stays and that every call returns from then on; else WEIR_OK. */
WEIR_API weir_err weir_socket_err(const weir_socket *s) WEIR_NONNULL(1);

/**
 * Closes a connection before its context ends: who receives or sends is woken with WEIR_ECLOSED.
 * Idempotent. A fiber of its worker, also of a cancelled context; waits until those have run.
 */
WEIR_API void weir_socket_close(weir_ctx *c, weir_socket *s) WEIR_NONNULL(1, 2);

#ifdef __cplusplus
}
#endif
#endif
