// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "dicomgate: broken invariant at %s:%d: %s\n", file, line, what);
    fflush(stderr);
    abort();
}
