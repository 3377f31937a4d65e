// SPDX-License-Identifier: Apache-2.0
//
// OpenSSL hands over one record at a time, 16 KiB at most. This is its own socket BIO but for one thing: a
// record that others follow at once goes with MSG_MORE, so that the kernel sends full segments and wakes the
// peer once for each of them, not once for each record. Thread: the loop's own; the method is shared.
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include "internal.h"

static BIO_METHOD *method;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int gather_write(BIO *bio, const char *bytes, int length)
{
    const bool *more = BIO_get_app_data(bio);
    int fd = -1;
    BIO_get_fd(bio, &fd);
    errno = 0;
    ssize_t sent = send(fd, bytes, (size_t)length, MSG_NOSIGNAL | (*more ? MSG_MORE : 0));
    BIO_clear_retry_flags(bio);
    if (sent <= 0 && BIO_sock_should_retry((int)sent) == 1)
        BIO_set_retry_write(bio);
    return (int)sent;
}

static void method_make(void)
{
    const BIO_METHOD *plain = BIO_s_socket();
    BIO_METHOD *made = BIO_meth_new(BIO_TYPE_SOCKET, "gathering socket");
    if (made != NULL && BIO_meth_set_write(made, gather_write) == 1 &&
        BIO_meth_set_read(made, BIO_meth_get_read(plain)) == 1 &&
        BIO_meth_set_puts(made, BIO_meth_get_puts(plain)) == 1 &&
        BIO_meth_set_ctrl(made, BIO_meth_get_ctrl(plain)) == 1 &&
        BIO_meth_set_create(made, BIO_meth_get_create(plain)) == 1 &&
        BIO_meth_set_destroy(made, BIO_meth_get_destroy(plain)) == 1)
        method = made;
    else
        BIO_meth_free(made);
}

enum result tls_gather_attach(SSL *ssl, int fd, bool *more)
{
    pthread_once(&once, method_make);
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL)
        return ERR_NOMEM;
    BIO_set_fd(bio, fd, BIO_NOCLOSE);
    BIO_set_app_data(bio, more);
    SSL_set_bio(ssl, bio, bio); // takes it
    return OK;
}
