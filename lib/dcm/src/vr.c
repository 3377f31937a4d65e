// SPDX-License-Identifier: Apache-2.0
//
// Properties of the Value Representations (PS3.5 6.2 and table 6.2-1; length forms 7.1.2; byte order 7.3) and
// of the transfer syntaxes (PS3.5 annex A). Static data; any thread.
#include "dcm/vr.h"
#include "base/check.h"
#include "dcm/syntax.h"

#define SHORT false
#define LONG  true
#define TEXT  true
#define BYTES false

// Row order: enum dcm_vr. AT is two 16-bit numbers (7.3), so it turns round in twos.
static const struct dcm_vr_info table[DCM_VR_COUNT] = {
    [DCM_VR_NONE] = {"??", SHORT, BYTES, 1, 0x00},     [DCM_VR_AE] = {"AE", SHORT, TEXT, 1, ' '},
    [DCM_VR_AS] = {"AS", SHORT, TEXT, 1, ' '},         [DCM_VR_AT] = {"AT", SHORT, BYTES, 2, 0x00},
    [DCM_VR_CS] = {"CS", SHORT, TEXT, 1, ' '},         [DCM_VR_DA] = {"DA", SHORT, TEXT, 1, ' '},
    [DCM_VR_DS] = {"DS", SHORT, TEXT, 1, ' '},         [DCM_VR_DT] = {"DT", SHORT, TEXT, 1, ' '},
    [DCM_VR_FD] = {"FD", SHORT, BYTES, 8, 0x00},       [DCM_VR_FL] = {"FL", SHORT, BYTES, 4, 0x00},
    [DCM_VR_IS] = {"IS", SHORT, TEXT, 1, ' '},         [DCM_VR_LO] = {"LO", SHORT, TEXT, 1, ' '},
    [DCM_VR_LT] = {"LT", SHORT, TEXT, 1, ' '},         [DCM_VR_OB] = {"OB", LONG, BYTES, 1, 0x00},
    [DCM_VR_OD] = {"OD", LONG, BYTES, 8, 0x00},        [DCM_VR_OF] = {"OF", LONG, BYTES, 4, 0x00},
    [DCM_VR_OL] = {"OL", LONG, BYTES, 4, 0x00},        [DCM_VR_OV] = {"OV", LONG, BYTES, 8, 0x00},
    [DCM_VR_OW] = {"OW", LONG, BYTES, 2, 0x00},        [DCM_VR_PN] = {"PN", SHORT, TEXT, 1, ' '},
    [DCM_VR_SH] = {"SH", SHORT, TEXT, 1, ' '},         [DCM_VR_SL] = {"SL", SHORT, BYTES, 4, 0x00},
    [DCM_VR_SQ] = {"SQ", LONG, BYTES, 1, 0x00},        [DCM_VR_SS] = {"SS", SHORT, BYTES, 2, 0x00},
    [DCM_VR_ST] = {"ST", SHORT, TEXT, 1, ' '},         [DCM_VR_SV] = {"SV", LONG, BYTES, 8, 0x00},
    [DCM_VR_TM] = {"TM", SHORT, TEXT, 1, ' '},         [DCM_VR_UC] = {"UC", LONG, TEXT, 1, ' '},
    [DCM_VR_UI] = {"UI", SHORT, TEXT, 1, 0x00},        [DCM_VR_UL] = {"UL", SHORT, BYTES, 4, 0x00},
    [DCM_VR_UN] = {"UN", LONG, BYTES, 1, 0x00},        [DCM_VR_UR] = {"UR", LONG, TEXT, 1, ' '},
    [DCM_VR_US] = {"US", SHORT, BYTES, 2, 0x00},       [DCM_VR_UT] = {"UT", LONG, TEXT, 1, ' '},
    [DCM_VR_UV] = {"UV", LONG, BYTES, 8, 0x00},        [DCM_VR_OB_OR_OW] = {"ox", LONG, BYTES, 1, 0x00},
    [DCM_VR_US_OR_SS] = {"xs", SHORT, BYTES, 2, 0x00}, [DCM_VR_US_OR_OW] = {"lt", LONG, BYTES, 2, 0x00},
};

const struct dcm_vr_info *dcm_vr_info(enum dcm_vr vr)
{
    ensure(vr < DCM_VR_COUNT);
    return &table[vr];
}

enum dcm_vr dcm_vr_from_letters(uint8_t first, uint8_t second)
{
    for (unsigned vr = DCM_VR_AE; vr <= DCM_VR_UV; vr++) {
        if (table[vr].name[0] == (char)first && table[vr].name[1] == (char)second)
            return (enum dcm_vr)vr;
    }
    return DCM_VR_NONE;
}

struct dcm_syntax dcm_syntax_by_uid(struct slice uid)
{
    static const struct {
        const char *uid;
        struct dcm_syntax syntax;
    } known[] = {
        {"1.2.840.10008.1.2", {.implicit_vr = true}},
        {"1.2.840.10008.1.2.2", {.big_endian = true}},
        {"1.2.840.10008.1.2.1.99", {.deflated = true}},
        {"1.2.840.10008.1.2.4.95", {.deflated = true}},  // JPIP Referenced Deflate
        {"1.2.840.10008.1.2.4.205", {.deflated = true}}, // JPIP HTJ2K Referenced Deflate
        {"1.2.840.113619.5.2",
         {.implicit_vr = true}}, // GE private: implicit VR little endian, pixels big endian
        {"1.2.840.10008.1.20", {.implicit_vr = true}}, // Papyrus 3, retired
    };
    struct slice trimmed = slice_trimmed(uid);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (slice_is_text(trimmed, known[i].uid))
            return known[i].syntax;
    }
    return (struct dcm_syntax){.implicit_vr = false};
}
