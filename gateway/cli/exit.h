// SPDX-License-Identifier: Apache-2.0
//
// Exit statuses of dicomgate and dicomgated (DESIGN 5).
#pragma once

enum cli_exit {
    CLI_FINE = 0,
    CLI_FINDING = 1, // it worked, and somebody should look
    CLI_USAGE = 2,
    CLI_CONFIGURATION = 3,
    CLI_UNREACHABLE = 4, // the daemon does not answer
    CLI_REFUSED = 5,
    CLI_INTERNAL = 6
};
