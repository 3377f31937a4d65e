// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected, as in RFC 3720 B.4). Thread: any.
#pragma once

#include "base/slice.h"

// `previous` is 0 for the first piece and the last result for further ones.
uint32_t crc32c(uint32_t previous, struct slice bytes);
