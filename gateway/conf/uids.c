// SPDX-License-Identifier: Apache-2.0
//
// UIDs as an operator writes them: digits and dots (PS3.5 9.1), or the keyword of a transfer syntax (PS3.6
// table A-1).
#include "conf/uids.h"

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

// PS3.6 table A-1, those of PS3.4 annex B that are met in practice.
static const struct keyword SOP_CLASSES[] = {
    {"ComputedRadiographyImageStorage", "1.2.840.10008.5.1.4.1.1.1"},
    {"DigitalXRayImageStorageForPresentation", "1.2.840.10008.5.1.4.1.1.1.1"},
    {"DigitalXRayImageStorageForProcessing", "1.2.840.10008.5.1.4.1.1.1.1.1"},
    {"DigitalMammographyXRayImageStorageForPresentation", "1.2.840.10008.5.1.4.1.1.1.2"},
    {"DigitalMammographyXRayImageStorageForProcessing", "1.2.840.10008.5.1.4.1.1.1.2.1"},
    {"DigitalIntraOralXRayImageStorageForPresentation", "1.2.840.10008.5.1.4.1.1.1.3"},
    {"CTImageStorage", "1.2.840.10008.5.1.4.1.1.2"},
    {"EnhancedCTImageStorage", "1.2.840.10008.5.1.4.1.1.2.1"},
    {"UltrasoundMultiFrameImageStorage", "1.2.840.10008.5.1.4.1.1.3.1"},
    {"MRImageStorage", "1.2.840.10008.5.1.4.1.1.4"},
    {"EnhancedMRImageStorage", "1.2.840.10008.5.1.4.1.1.4.1"},
    {"UltrasoundImageStorage", "1.2.840.10008.5.1.4.1.1.6.1"},
    {"SecondaryCaptureImageStorage", "1.2.840.10008.5.1.4.1.1.7"},
    {"MultiFrameGrayscaleByteSecondaryCaptureImageStorage", "1.2.840.10008.5.1.4.1.1.7.2"},
    {"MultiFrameTrueColorSecondaryCaptureImageStorage", "1.2.840.10008.5.1.4.1.1.7.4"},
    {"TwelveLeadECGWaveformStorage", "1.2.840.10008.5.1.4.1.1.9.1.1"},
    {"GrayscaleSoftcopyPresentationStateStorage", "1.2.840.10008.5.1.4.1.1.11.1"},
    {"XRayAngiographicImageStorage", "1.2.840.10008.5.1.4.1.1.12.1"},
    {"EnhancedXAImageStorage", "1.2.840.10008.5.1.4.1.1.12.1.1"},
    {"XRayRadiofluoroscopicImageStorage", "1.2.840.10008.5.1.4.1.1.12.2"},
    {"BreastTomosynthesisImageStorage", "1.2.840.10008.5.1.4.1.1.13.1.3"},
    {"NuclearMedicineImageStorage", "1.2.840.10008.5.1.4.1.1.20"},
    {"SegmentationStorage", "1.2.840.10008.5.1.4.1.1.66.4"},
    {"VLEndoscopicImageStorage", "1.2.840.10008.5.1.4.1.1.77.1.1"},
    {"VideoEndoscopicImageStorage", "1.2.840.10008.5.1.4.1.1.77.1.1.1"},
    {"VLPhotographicImageStorage", "1.2.840.10008.5.1.4.1.1.77.1.4"},
    {"OphthalmicPhotography8BitImageStorage", "1.2.840.10008.5.1.4.1.1.77.1.5.1"},
    {"VLWholeSlideMicroscopyImageStorage", "1.2.840.10008.5.1.4.1.1.77.1.6"},
    {"BasicTextSRStorage", "1.2.840.10008.5.1.4.1.1.88.11"},
    {"EnhancedSRStorage", "1.2.840.10008.5.1.4.1.1.88.22"},
    {"ComprehensiveSRStorage", "1.2.840.10008.5.1.4.1.1.88.33"},
    {"MammographyCADSRStorage", "1.2.840.10008.5.1.4.1.1.88.50"},
    {"KeyObjectSelectionDocumentStorage", "1.2.840.10008.5.1.4.1.1.88.59"},
    {"XRayRadiationDoseSRStorage", "1.2.840.10008.5.1.4.1.1.88.67"},
    {"EncapsulatedPDFStorage", "1.2.840.10008.5.1.4.1.1.104.1"},
    {"PositronEmissionTomographyImageStorage", "1.2.840.10008.5.1.4.1.1.128"},
    {"RTImageStorage", "1.2.840.10008.5.1.4.1.1.481.1"},
    {"RTDoseStorage", "1.2.840.10008.5.1.4.1.1.481.2"},
    {"RTStructureSetStorage", "1.2.840.10008.5.1.4.1.1.481.3"},
    {"RTPlanStorage", "1.2.840.10008.5.1.4.1.1.481.5"},
};

const size_t uid_storage_count = sizeof SOP_CLASSES / sizeof *SOP_CLASSES;

const char *uid_storage_get(size_t index)
{
    return SOP_CLASSES[index].uid;
}

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

static const char *uid_find(const struct keyword *table, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, text) == 0)
            return table[i].uid;
    return uid_is_valid(text) ? text : NULL;
}

const char *transfer_syntax_uid(const char *text)
{
    return uid_find(TRANSFER_SYNTAXES, sizeof TRANSFER_SYNTAXES / sizeof *TRANSFER_SYNTAXES, text);
}

const char *sop_class_uid(const char *text)
{
    return uid_find(SOP_CLASSES, uid_storage_count, text);
}

const char *uid_keyword(const char *uid)
{
    for (size_t i = 0; i < uid_storage_count; i++)
        if (strcmp(SOP_CLASSES[i].uid, uid) == 0)
            return SOP_CLASSES[i].name;
    for (size_t i = 0; i < sizeof TRANSFER_SYNTAXES / sizeof *TRANSFER_SYNTAXES; i++)
        if (strcmp(TRANSFER_SYNTAXES[i].uid, uid) == 0)
            return TRANSFER_SYNTAXES[i].name;
    return NULL;
}
