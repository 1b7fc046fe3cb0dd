/*
 * What a refusal of libssl means: a kind that is counted, and words. A number of its errors stands
 * for each of the kinds; an alert of the peer comes as an error as well.
 */
#include "net/tls_inside.h"

#if WEIR_TLS

#include <openssl/sslerr.h>
#include <openssl/x509v3.h>

enum { NAMES_TOLD_BYTES = 120 };

static bool is_one_of(int reason, const int *reasons)
{
    for (; *reasons != 0; reasons++)
        if (*reasons == reason)
            return true;
    return false;
}

static const int versions[] = {SSL_R_UNSUPPORTED_PROTOCOL,
                               SSL_R_NO_PROTOCOLS_AVAILABLE,
                               SSL_R_VERSION_TOO_LOW,
                               SSL_R_VERSION_TOO_HIGH,
                               SSL_R_WRONG_SSL_VERSION,
                               SSL_R_UNKNOWN_SSL_VERSION,
                               SSL_R_BAD_PROTOCOL_VERSION_NUMBER,
                               SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
                               SSL_R_UNKNOWN_PROTOCOL,
                               SSL_R_INAPPROPRIATE_FALLBACK,
                               SSL_R_TLSV1_ALERT_INAPPROPRIATE_FALLBACK,
                               0};
static const int ciphers[] = {SSL_R_NO_SHARED_CIPHER,
                              SSL_R_NO_CIPHERS_AVAILABLE,
                              SSL_R_NO_SHARED_GROUPS,
                              SSL_R_NO_SUITABLE_GROUPS,
                              SSL_R_NO_SUITABLE_KEY_SHARE,
                              SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
                              SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS,
                              0};
static const int protocols[] = {SSL_R_NO_APPLICATION_PROTOCOL,
                                SSL_AD_REASON_OFFSET + SSL_AD_NO_APPLICATION_PROTOCOL, 0};

enum weir__tls_failure weir__tls_failure_of(unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return WEIR__TLS_CERTIFICATE;
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return WEIR__TLS_NO_CERTIFICATE;
    if (is_one_of(reason, versions))
        return WEIR__TLS_VERSION;
    if (is_one_of(reason, ciphers))
        return WEIR__TLS_CIPHER;
    if (is_one_of(reason, protocols))
        return WEIR__TLS_PROTOCOL;
    return weir__tls_alert_of(error) != NULL ? WEIR__TLS_REFUSED : WEIR__TLS_MALFORMED;
}

const char *weir__tls_alert_of(unsigned long error)
{
    int alert = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET;
    bool is_alert = ERR_GET_LIB(error) == ERR_LIB_SSL && alert > 0 && alert <= 255;
    return is_alert ? SSL_alert_desc_string_long(alert) : NULL;
}

static void add_name(weir_str name, void *arg)
{
    weir_buf *out = arg;
    if (out->err == WEIR_OK && out->len + name.len < NAMES_TOLD_BYTES)
        weir_buf_printf(out, "%s" WEIR_STR_FMT, out->len > 0 ? ", " : "", WEIR_STR_ARG(name));
}

void weir__tls_tell_certificate(X509_STORE_CTX *state, weir_buf *out)
{
    int error = X509_STORE_CTX_get_error(state);
    const X509 *certificate = X509_STORE_CTX_get0_cert(state);
    char names[NAMES_TOLD_BYTES + 2];
    weir_buf list;
    weir_buf_init_fixed(&list, names, sizeof names);
    if (certificate != NULL)
        weir__tls_names_of(certificate, add_name, &list);
    weir_buf_printf(out, "%s", X509_verify_cert_error_string(error));
    if (list.len > 0)
        weir_buf_printf(out, "; it is for " WEIR_STR_FMT, WEIR_STR_ARG(weir_buf_str(&list)));
}

#endif
