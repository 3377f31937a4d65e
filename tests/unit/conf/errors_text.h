// SPDX-License-Identifier: Apache-2.0
//
// Helper of the tests of lib/conf and gateway/conf: all errors of a load as one text, to be compared whole.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/errors.h"

// The caller frees it. "" when there is none.
static inline char *errors_text(const struct conf_errors *errors)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    assert_non_null(stream);
    for (size_t i = 0; i < errors->count; i++)
        (void)fprintf(stream, "%s\n", errors->item[i].text);
    if (errors->dropped > 0)
        (void)fprintf(stream, "and %zu more\n", errors->dropped);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static inline void assert_errors(const struct conf_errors *errors, const char *expected)
{
    char *text = errors_text(errors);
    assert_string_equal(text, expected);
    free(text);
}
