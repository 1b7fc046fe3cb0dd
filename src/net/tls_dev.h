/*
 * Certificates for development: an authority of the machine's user, which is made once and kept in
 * two files, and a certificate for localhost by it, which is made anew for each process. What the
 * authority may vouch for is bounded: whoever steals its key can speak for localhost alone.
 */
#ifndef WEIR_NET_TLS_DEV_H
#define WEIR_NET_TLS_DEV_H

#include "net/tls.h"

enum { WEIR__TLS_DEV_PATH_MAX = 512 };

struct weir__tls_dev {
    char ca_file[WEIR__TLS_DEV_PATH_MAX]; /* what is to be trusted */
    char chain[4096], key[1024];          /* PEM texts */
};

/*
 * Fills `dev`, and `pair` with what lies in it. The authority is "weir-dev-ca.pem" and
 * "weir-dev-ca.key" in `folder`, made when neither is there. A mistake is one line in `why`.
 */
weir_err weir__tls_dev(struct weir__tls_dev *dev, const char *folder, struct weir__tls_pair *pair,
                       weir_buf *why);

/* Wipes its key, once nobody reads the pair any more. Zeroed is allowed. */
void weir__tls_dev_fini(struct weir__tls_dev *dev);

#endif
