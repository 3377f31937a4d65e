// SPDX-License-Identifier: Apache-2.0
//
// UIDs as an operator writes them: digits and dots (PS3.5 9.1), or the keyword of a transfer syntax (PS3.6
// table A-1).
#include "raw.h"

#include <string.h>

#define UID_MAX 64

struct keyword {
    const char *name;
    const char *uid;
};

static const struct keyword TRANSFER_SYNTAXES[] = {
    {"ImplicitVRLittleEndian", "1.2.840.10008.1.2"},
    {"ExplicitVRLittleEndian", "1.2.840.10008.1.2.1"},
    {"EncapsulatedUncompressedExplicitVRLittleEndian", "1.2.840.10008.1.2.1.98"},
    {"DeflatedExplicitVRLittleEndian", "1.2.840.10008.1.2.1.99"},
    {"ExplicitVRBigEndian", "1.2.840.10008.1.2.2"},
    {"JPEGBaseline8Bit", "1.2.840.10008.1.2.4.50"},
    {"JPEGExtended12Bit", "1.2.840.10008.1.2.4.51"},
    {"JPEGLossless", "1.2.840.10008.1.2.4.57"},
    {"JPEGLosslessSV1", "1.2.840.10008.1.2.4.70"},
    {"JPEGLSLossless", "1.2.840.10008.1.2.4.80"},
    {"JPEGLSNearLossless", "1.2.840.10008.1.2.4.81"},
    {"JPEG2000Lossless", "1.2.840.10008.1.2.4.90"},
    {"JPEG2000", "1.2.840.10008.1.2.4.91"},
    {"MPEG2MPML", "1.2.840.10008.1.2.4.100"},
    {"MPEG2MPHL", "1.2.840.10008.1.2.4.101"},
    {"MPEG4HP41", "1.2.840.10008.1.2.4.102"},
    {"MPEG4HP41BD", "1.2.840.10008.1.2.4.103"},
    {"MPEG4HP422D", "1.2.840.10008.1.2.4.104"},
    {"MPEG4HP423D", "1.2.840.10008.1.2.4.105"},
    {"MPEG4HP42STEREO", "1.2.840.10008.1.2.4.106"},
    {"HEVCMP51", "1.2.840.10008.1.2.4.107"},
    {"HEVCM10P51", "1.2.840.10008.1.2.4.108"},
    {"HTJ2KLossless", "1.2.840.10008.1.2.4.201"},
    {"HTJ2KLosslessRPCL", "1.2.840.10008.1.2.4.202"},
    {"HTJ2K", "1.2.840.10008.1.2.4.203"},
    {"RLELossless", "1.2.840.10008.1.2.5"},
};

bool uid_is_valid(const char *text)
{
    size_t length = strspn(text, "0123456789.");
    if (length == 0 || length > UID_MAX || text[length] != 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool begins = i == 0 || text[i - 1] == '.';
        bool ends = i + 1 == length || text[i + 1] == '.';
        if (begins && (text[i] == '.' || (text[i] == '0' && !ends)))
            return false;
    }
    return text[length - 1] != '.';
}

const char *transfer_syntax_uid(const char *text)
{
    for (size_t i = 0; i < sizeof TRANSFER_SYNTAXES / sizeof *TRANSFER_SYNTAXES; i++)
        if (strcmp(TRANSFER_SYNTAXES[i].name, text) == 0)
            return TRANSFER_SYNTAXES[i].uid;
    return uid_is_valid(text) ? text : NULL;
}
