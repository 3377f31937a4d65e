// SPDX-License-Identifier: Apache-2.0
//
// Asserts for our own faults. They stay on in release builds: a gateway that goes on after a broken invariant
// could store an image under the wrong patient. Thread: any.
#pragma once

// Prints where and what, then aborts (a core or the service manager's restart follows; recovery is always
// safe).
void check_failed(const char *file, int line, const char *what) __attribute__((noreturn));

#define ensure(condition)                                                                                    \
    do {                                                                                                     \
        if (__builtin_expect(!(condition), 0))                                                               \
            check_failed(__FILE__, __LINE__, #condition);                                                    \
    } while (0)

// For a switch over a state that can not hold another value.
#define unreachable_state() check_failed(__FILE__, __LINE__, "unreachable state")
