/*
 * Error codes. A code steers the program; the message for people is in the context's error record
 * (see <weir/ctx.h>). Zero is success, the kernel's errors are errno values negated, Weir's own
 * stand below -5000.
 */
#ifndef WEIR_ERR_H
#define WEIR_ERR_H

#include <errno.h>
#include <stdbool.h>
#include <weir/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A result code: 0 is success, everything below 0 is an error. Never positive. */
typedef int weir_err;

/** Success. */
#define WEIR_OK 0

/**
 * The reasons for which a wait ends early, as errors. WEIR_ETIMEDOUT is also what a call returns
 * whose own time-out ran out while its context goes on; weir_cancel_reason tells the two apart.
 */
#define WEIR_ETIMEDOUT (-ETIMEDOUT)
#define WEIR_ECANCELED (-ECANCELED)
/** Also what a call returns that would wait for its own fiber: a mutex or lease that it holds. */
#define WEIR_EDEADLK (-EDEADLK)

/** Weir's own error codes, each described by weir_strerror. */
enum weir_errors {
    WEIR_ECLIENTGONE = -5001, /* the client closed its connection; the request is cancelled */
    WEIR_ESHUTDOWN = -5002,   /* the service stops; what still runs is cancelled */
    WEIR_EBUDGET = -5003,     /* a context's memory budget is used up */
    WEIR_ELIMIT = -5004,      /* a configured maximum (fibers, waiters, bytes …) is reached */
    WEIR_ECLOSED = -5005,     /* the channel, stream or pool has been closed */
    WEIR_EINVALID = -5006,    /* input that does not have the form it must have */
    WEIR_ETOOLARGE = -5007,   /* input over a size limit */
    WEIR_ENOTFOUND = -5008,   /* what was asked for is not there */
    WEIR_EPANIC = -5009,      /* a fiber panicked; its context's error record says where */
    WEIR_EDB = -5010,         /* the database refused; the error record has its message */
    WEIR_EDBTYPE = -5011,     /* a column cannot be put into the member of its name */
    WEIR_ECONSTRAINT = -5012, /* the database refused a write for a constraint that is none of those
                                 below (weir_is_constraint asks for all of them) */
    WEIR_EBUSY = -5013,       /* a resource was busy up to the time limit */
    WEIR_EFAIL = -5014,       /* a handler has failed; status and message are in the record */
    WEIR_ETHREAD = -5015,     /* it is for fibers, and was called on a thread that runs none */
    WEIR_ENOTBUILT = -5016,   /* it belongs to a part that this build of Weir was made without */
    WEIR_ETLS = -5017,        /* TLS was refused or has failed; the error record says by whom */
    WEIR_ENOHOST = -5018,     /* a name has no address, or nobody could say; the record has both */
    WEIR_EPROTO = -5019,      /* the other end does not keep to its protocol; the record says how */

    /* Why a database refused a write; the record names the constraint. */
    WEIR_EUNIQUE = -5020,     /* there is a row with that key already */
    WEIR_EFOREIGNKEY = -5021, /* a row refers to one that is not there */
    WEIR_ENOTNULL = -5022,    /* a column that must have a value would have none */
    WEIR_ECHECK = -5023,      /* a condition of the table or the column does not hold */

    /* What of a database may go well another time. */
    WEIR_ESERIALIZATION = -5024, /* others changed what the transaction stands on: begin it again */
    WEIR_EDBDEADLOCK = -5025,    /* transactions waited for each other, this one had to give way */
    WEIR_EREADONLY = -5026,      /* it, or the transaction, takes no writes */
    WEIR_ETOOMANY = -5027,       /* it has no connection left for us */
    WEIR_EGONE = -5028,          /* the connection broke; what had been sent may have been done */
    WEIR_EUNREACHABLE = -5029,   /* nobody could be reached when it was last tried; the record has
                                 since when, and its cause why */

    /* What Redis says. */
    WEIR_EWRONGTYPE = -5040, /* the key holds another kind of value */
    WEIR_ENOSCRIPT = -5041,  /* the server does not know the script */
    WEIR_ELOADING = -5042,   /* the server still reads its data, or runs a script */
    WEIR_EDENIED = -5043,    /* the user may not, or the password is wrong */
    WEIR_EFULL = -5044,      /* the server has no memory left */
    WEIR_ECLUSTER = -5045,   /* the key lies on another node, and clusters are not spoken */
    WEIR_ECHANGED = -5046    /* what was watched has changed; nothing was done */
};

/** True for the errors with which a database refuses a write for one of its constraints. */
static inline bool weir_is_constraint(weir_err err)
{
    return err == WEIR_ECONSTRAINT || (err <= WEIR_EUNIQUE && err >= WEIR_ECHECK);
}

/**
 * Describes an error code in a few words, for logs and messages.
 *
 * err      any weir_err, negated errno values among them; an unknown one yields "unknown error",
 *          one of your own (see WEIR_DOMAIN in <weir/fail.h>) as well
 * returns  a constant string, the same in every locale; never NULL
 * context  anywhere
 */
WEIR_API const char *weir_strerror(weir_err err) WEIR_NEVER_NULL;

#ifdef __cplusplus
}
#endif
#endif
