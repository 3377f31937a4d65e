// SPDX-License-Identifier: Apache-2.0
//
// The listening Unix socket. Private to gateway/admin; main thread.
#pragma once

#include "base/result.h"

// A non-blocking listening socket at `path`, mode 0600. A socket that nobody listens on any more is replaced.
// ERR_EXISTS: another process answers there, or it is not a socket. ERR_LIMIT: path too long. ERR_IO: see
// errno.
MUST_USE enum result admin_socket_open(const char *path, int *out);
