// SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_hardware(uint32_t crc, struct slice bytes)
{
    const uint8_t *at = bytes.data;
    size_t left = bytes.length;
    uint64_t wide = crc;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; left > 0; left--, at++)
        crc = __builtin_ia32_crc32qi(crc, *at);
    return crc;
}
#endif

static uint32_t crc_bitwise(uint32_t crc, struct slice bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        crc ^= bytes.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82F63B78u & (0u - (crc & 1)));
    }
    return crc;
}

uint32_t crc32c(uint32_t previous, struct slice bytes)
{
    uint32_t crc = ~previous;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_hardware(crc, bytes);
#endif
    return ~crc_bitwise(crc, bytes);
}
