// SPDX-License-Identifier: Apache-2.0
//
// The coded character sets of PS3.3 C.12.1.1.2 as rows: names in (0008,0005), escape sequences, libc's
// tables. Static data; any thread.
#pragma once

#include "dcm/text.h"

enum charset {
    CHARSET_ASCII, // ISO-IR 6; also the G0 of all others but JIS X 0201
    CHARSET_LATIN1,
    CHARSET_LATIN2,
    CHARSET_LATIN3,
    CHARSET_LATIN4,
    CHARSET_CYRILLIC,
    CHARSET_ARABIC,
    CHARSET_GREEK,
    CHARSET_HEBREW,
    CHARSET_LATIN5,
    CHARSET_LATIN9,
    CHARSET_THAI,
    CHARSET_JIS_X_0201, // G0 romaji (ISO-IR 14), read and written as ASCII; G1 katakana (ISO-IR 13)
    CHARSET_JIS_X_0208, // two bytes in G0
    CHARSET_JIS_X_0212, // two bytes in G0
    CHARSET_KS_X_1001,  // two bytes in G1
    CHARSET_GB_2312,    // two bytes in G1
    CHARSET_UTF8,       // the last three stand alone
    CHARSET_GB18030,
    CHARSET_GBK,
    CHARSET_COUNT
};

struct charset_info {
    const char *number; // of the defined term: "100" of "ISO_IR 100" and "ISO 2022 IR 100"; else the term
    const char *escape; // that makes it active, without ESC; NULL: none
    const char *table;  // name for iconv_open; NULL: needs none
};

extern const struct charset_info charset_table[CHARSET_COUNT];

// Two bytes in G0.
static inline bool charset_is_g0(unsigned set)
{
    return set == CHARSET_JIS_X_0208 || set == CHARSET_JIS_X_0212;
}

// In G1, one byte or two.
static inline bool charset_is_g1(unsigned set)
{
    return set != CHARSET_ASCII && !charset_is_g0(set) && set < CHARSET_UTF8;
}

static inline bool charset_stands_alone(unsigned set)
{
    return set >= CHARSET_UTF8;
}

// The bytes of `utf8`, one character beyond ASCII, in a set, or 0 if it does not have it. In two-byte sets of
// G0 they are as in EUC, with the high bit.
size_t charset_encode(struct dcm_text *text, unsigned set, struct slice utf8, uint8_t bytes[4]);
// OK and the UTF-8, ERR_FORMAT, ERR_LIMIT (no room).
MUST_USE enum result charset_decode(struct dcm_text *text, unsigned set, struct slice bytes, char *to,
                                    size_t capacity, size_t *length);
