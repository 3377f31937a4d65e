// SPDX-License-Identifier: Apache-2.0
//
// Text of a data set by its Specific Character Set (0008,0005), to UTF-8 and back (PS3.3 C.12.1.1.2, PS3.5
// 6.1): default repertoire; ISO 8859-1 to -9 and -15, Thai, JIS X 0201 (ISO_IR 13); ISO 2022 with code
// extensions, the same and JIS X 0208 (IR 87), JIS X 0212 (IR 159), KS X 1001 (IR 149), GB 2312 (IR 58);
// GB18030, GBK, UTF-8. What does not fit is an error, never a replacement character.
//
// The tables are libc's (iconv); a converter opens them all when it is made, so that nothing touches a file
// later. Thread: a converter belongs to one; struct dcm_charset is plain data.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "dcm/vr.h"

#define DCM_CHARSET_SETS 8 // values of (0008,0005) that are looked at

// What one value of (0008,0005) says. Parsed leniently: spaces, underscores and hyphens count as equal.
struct dcm_charset {
    uint8_t count;                 // sets, the initial one first; at least 1
    uint8_t set[DCM_CHARSET_SETS]; // index of the table in text.c; 0: default repertoire
    bool has_extensions;           // ISO 2022: escape sequences switch between the sets
    bool is_unknown; // a term that the standard does not have: only ASCII can be read and written
};

// `value` is the value of (0008,0005); empty: the default repertoire (ASCII).
struct dcm_charset dcm_charset_parse(struct slice value);

struct dcm_text;

// ERR_MISSING: libc lacks one of the tables; ERR_NOMEM.
MUST_USE enum result dcm_text_new(struct dcm_text **text);
void dcm_text_free(struct dcm_text *text); // NULL is allowed

// Room that is always enough.
#define DCM_TEXT_ENCODED_MOST(utf8_length)  (8 * (utf8_length) + 16)
#define DCM_TEXT_DECODED_MOST(value_length) (3 * (value_length) + 4)

// UTF-8 to the bytes of a value of this VR, without padding. LO LT PN SH ST UC UT follow the character set;
// all other VRs take ASCII. Values are separated by `\` (not in LT ST UT UR). With code extensions the
// initial sets are active again before `\`, control characters, the end, and in PN before `^` and `=` (PS3.5
// 6.1.2.5.3). ERR_FORMAT: not UTF-8, or a character that the sets do not have: `at` (may be NULL) tells the
// byte of `utf8` where; written on ERR_FORMAT only. ERR_LIMIT: no room.
MUST_USE enum result dcm_text_encode(struct dcm_text *text, const struct dcm_charset *charset, enum dcm_vr vr,
                                     struct slice utf8, uint8_t *to, size_t capacity, size_t *length,
                                     size_t *at);

// Bytes of a value of this VR to UTF-8, padding and all; a second byte that looks like `\`, `^` or `=` is
// none. Escape sequences to sets that (0008,0005) does not name are followed too. ERR_FORMAT: bytes that the
// sets do not have; ERR_LIMIT: no room. Patient data: wipe what comes out.
MUST_USE enum result dcm_text_decode(struct dcm_text *text, const struct dcm_charset *charset, enum dcm_vr vr,
                                     struct slice value, char *to, size_t capacity, size_t *length);
