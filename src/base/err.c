/*
 * What error codes say to people. The kernel's codes are described by libc's table of constant
 * strings, which, unlike strerror, neither depends on the locale nor shares a buffer.
 */
#include <weir/err.h>

#include <string.h>

static const char *weir_error_text(weir_err err)
{
    switch ((enum weir_errors)err) {
    case WEIR_ECLIENTGONE:
        return "client closed the connection";
    case WEIR_ESHUTDOWN:
        return "service is shutting down";
    case WEIR_EBUDGET:
        return "memory budget used up";
    case WEIR_ELIMIT:
        return "limit reached";
    case WEIR_ECLOSED:
        return "closed";
    case WEIR_EINVALID:
        return "invalid input";
    case WEIR_ETOOLARGE:
        return "too large";
    case WEIR_ENOTFOUND:
        return "not found";
    case WEIR_EPANIC:
        return "panic";
    case WEIR_EDB:
        return "database error";
    case WEIR_EDBTYPE:
        return "column does not fit its member";
    case WEIR_ECONSTRAINT:
        return "constraint violated";
    case WEIR_EBUSY:
        return "resource busy";
    case WEIR_EFAIL:
        return "handler failed";
    case WEIR_ETHREAD:
        return "for fibers only";
    case WEIR_ENOTBUILT:
        return "not in this build";
    case WEIR_ETLS:
        return "TLS failed";
    case WEIR_ENOHOST:
        return "host not found";
    case WEIR_EPROTO:
        return "protocol violated";
    case WEIR_EUNIQUE:
        return "there already";
    case WEIR_EFOREIGNKEY:
        return "refers to what is not there";
    case WEIR_ENOTNULL:
        return "value missing";
    case WEIR_ECHECK:
        return "condition violated";
    case WEIR_ESERIALIZATION:
        return "transaction overtaken by others";
    case WEIR_EDBDEADLOCK:
        return "transactions waited for each other";
    case WEIR_EREADONLY:
        return "read only";
    case WEIR_ETOOMANY:
        return "database has no connection left";
    case WEIR_EGONE:
        return "connection broke";
    case WEIR_EUNREACHABLE:
        return "unreachable";
    case WEIR_EWRONGTYPE:
        return "wrong type of key";
    case WEIR_ENOSCRIPT:
        return "script not known";
    case WEIR_ELOADING:
        return "server not ready";
    case WEIR_EDENIED:
        return "permission denied by the server";
    case WEIR_EFULL:
        return "server out of memory";
    case WEIR_ECLUSTER:
        return "key on another node of a cluster";
    case WEIR_ECHANGED:
        return "changed meanwhile";
    }
    return "unknown error";
}

const char *weir_strerror(weir_err err)
{
    if (err == WEIR_OK)
        return "success";
    if (err == WEIR_ETIMEDOUT)
        return "timed out";
    if (err == WEIR_ECANCELED)
        return "cancelled";
    if (err > 0 || err <= -5000)
        return weir_error_text(err);
    const char *text = strerrordesc_np(-err);
    return text != NULL ? text : "unknown error";
}
