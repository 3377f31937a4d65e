// SPDX-License-Identifier: Apache-2.0
//
// See value.h.
#include "value.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/text.h"
#include "dcm/edit.h"
#include "letters.h"

#define NO_LIMIT 0

// What PS3.5 table 6.2-1 says of each VR that a rule may write: letters at most, and how it is told.
struct vr_row {
    enum dcm_vr vr;
    size_t most; // letters; PN: of each component group
    bool is_multiple;
    const char *allowed;
};

static const struct vr_row vr_rows[] = {
    {DCM_VR_AE, 16, true, "1 to 16 characters (AE)"},
    {DCM_VR_AS, 4, true, "three digits and D, W, M or Y (AS)"},
    {DCM_VR_CS, 16, true, "at most 16 of A-Z, 0-9, space and _ (CS)"},
    {DCM_VR_DA, 8, true, "YYYYMMDD (DA)"},
    {DCM_VR_DS, 16, true, "a decimal number of at most 16 characters (DS)"},
    {DCM_VR_DT, 26, true, "YYYYMMDDHHMMSS.FFFFFF&ZZXX, or the first parts of it (DT)"},
    {DCM_VR_IS, 12, true, "a whole number from -2147483648 to 2147483647 (IS)"},
    {DCM_VR_LO, 64, true, "at most 64 characters (LO)"},
    {DCM_VR_LT, 10240, false, "at most 10240 characters (LT)"},
    {DCM_VR_PN, 64, true, "at most 3 groups (=) of at most 5 components (^) and 64 characters (PN)"},
    {DCM_VR_SH, 16, true, "at most 16 characters (SH)"},
    {DCM_VR_ST, 1024, false, "at most 1024 characters (ST)"},
    {DCM_VR_TM, 14, true, "HHMMSS.FFFFFF, or the first parts of it (TM)"},
    {DCM_VR_UC, NO_LIMIT, true, "text (UC)"},
    {DCM_VR_UI, 64, true, "at most 64 digits and dots, no part with a leading zero (UI)"},
    {DCM_VR_UR, NO_LIMIT, false, "a URI (UR)"},
    {DCM_VR_UT, NO_LIMIT, false, "text (UT)"},
};

struct number_row {
    enum dcm_vr vr;
    const char *allowed;
};

static const struct number_row number_rows[] = {
    {DCM_VR_US, "0 to 65535 (US)"},
    {DCM_VR_SS, "-32768 to 32767 (SS)"},
    {DCM_VR_UL, "0 to 4294967295 (UL)"},
    {DCM_VR_SL, "-2147483648 to 2147483647 (SL)"},
    {DCM_VR_UV, "a whole number of 64 bits (UV)"},
    {DCM_VR_SV, "a whole number of 64 bits with sign (SV)"},
    {DCM_VR_FL, "a number (FL)"},
    {DCM_VR_FD, "a number (FD)"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct vr_row *vr_row_find(enum dcm_vr vr)
{
    for (size_t i = 0; i < COUNT(vr_rows); i++)
        if (vr_rows[i].vr == vr)
            return &vr_rows[i];
    return NULL;
}

static const struct number_row *number_row_find(enum dcm_vr vr)
{
    for (size_t i = 0; i < COUNT(number_rows); i++)
        if (number_rows[i].vr == vr)
            return &number_rows[i];
    return NULL;
}

bool value_vr_is_text(enum dcm_vr vr)
{
    return vr_row_find(vr) != NULL;
}

bool value_vr_is_number(enum dcm_vr vr)
{
    return number_row_find(vr) != NULL;
}

bool value_vr_is_multiple(enum dcm_vr vr)
{
    const struct vr_row *row = vr_row_find(vr);
    return row == NULL || row->is_multiple;
}

// `count` digits at `at`; false if they are not.
static bool digits(struct slice value, size_t at, size_t count, unsigned *number)
{
    if (at > value.length || value.length - at < count)
        return false;
    *number = 0;
    for (size_t i = at; i < at + count; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        *number = *number * 10 + (unsigned)(value.data[i] - '0');
    }
    return true;
}

bool value_is_uid(struct slice value)
{
    size_t part = 0;
    for (size_t i = 0; i <= value.length; i++) {
        if (i == value.length || value.data[i] == '.') {
            if (part == 0 || (part > 1 && value.data[i - part] == '0'))
                return false;
            part = 0;
        } else if (value.data[i] >= '0' && value.data[i] <= '9') {
            part++;
        } else {
            return false;
        }
    }
    return true;
}

const char *value_check(enum dcm_vr vr, struct slice value)
{
    const struct vr_row *row = vr_row_find(vr);
    const struct number_row *number = number_row_find(vr);
    if (value.length == 0)
        return NULL;
    if (row == NULL && number == NULL)
        return "an element that holds text or numbers";
    bool is_several = value_vr_is_multiple(vr) && memchr(value.data, '\\', value.length) != NULL;
    if (!is_several && dcm_value_check(vr, DCM_VALUE_TEXT, value) == DCM_PROBLEM_NONE)
        return NULL;
    return row != NULL ? row->allowed : number->allowed;
}

static struct slice without_spaces_behind(struct slice text)
{
    while (text.length > 0 && text.data[text.length - 1] == ' ')
        text.length--;
    return text;
}

void value_truncate(struct writer *to, enum dcm_vr vr, struct slice value)
{
    const struct vr_row *row = vr_row_find(vr);
    if (row == NULL || row->most == NO_LIMIT) {
        writer_slice_put(to, value);
        return;
    }
    for (;;) { // PN: each group; others: once
        const uint8_t *end =
            vr == DCM_VR_PN && value.length > 0 ? memchr(value.data, '=', value.length) : NULL;
        struct slice group = end != NULL ? slice_first(value, (size_t)(end - value.data)) : value;
        size_t length = letters_bytes(group, row->most);
        // What was cut off may leave a space at the end, which would be padding.
        writer_slice_put(to,
                         length < group.length ? without_spaces_behind(slice_first(group, length)) : group);
        if (end == NULL)
            return;
        writer_u8(to, '=');
        value = slice_from(value, group.length + 1);
    }
}

bool value_number(struct slice value, double *number)
{
    char text[64];
    if (value.length == 0 || value.length >= sizeof text)
        return false;
    for (size_t i = 0; i < value.length; i++)
        if (memchr("0123456789+-.eE", value.data[i], 15) == NULL)
            return false;
    (void)text_copy(text, sizeof text, value);
    char *end;
    double found = strtod(text, &end); // the process keeps the C locale's decimal point
    if (*end != 0 || found != found || found - found != 0)
        return false;
    *number = found;
    return true;
}

bool value_date(struct slice value, uint32_t *date)
{
    unsigned number;
    struct slice day = slice_first(value, 8);
    if (value.length < 8 || value_check(DCM_VR_DA, day) != NULL ||
        (value.length > 8 && value_check(DCM_VR_DT, value) != NULL) || !digits(day, 0, 8, &number))
        return false;
    *date = number;
    return true;
}

// ---- dates and times that are not written as DICOM writes them ----

// Known when no rule says which; the ambiguous pairs (day or month first) are told as one.
static const char *const date_formats[] = {"YYYY.MM.DD", "YYYY-MM-DD", "YYYY/MM/DD",
                                           "MM/DD/YYYY", "DD/MM/YYYY", "DD.MM.YYYY",
                                           "MM-DD-YYYY", "DD-MM-YYYY", "DDMMYYYY"};
static const char *const time_formats[] = {"HH:MM:SS", "HH:MM", "HH.MM.SS"};

// Reads the value by the format; parts[] are year, month, day or hour, minute, second.
static bool format_read(struct slice value, const char *format, const char *letters, unsigned parts[3])
{
    size_t at = 0;
    for (size_t i = 0; format[i] != 0;) {
        const char *letter = strchr(letters, format[i]);
        size_t run = strspn(format + i, (char[]){format[i], 0});
        if (letter == NULL) {
            if (at >= value.length || value.data[at] != (uint8_t)format[i])
                return false;
            at++;
            i++;
            continue;
        }
        if (!digits(value, at, run, &parts[letter - letters]))
            return false;
        at += run;
        i += run;
    }
    return at == value.length;
}

bool value_rewrite(enum dcm_vr vr, struct slice value, const char *format, struct writer *to)
{
    unsigned parts[3] = {0, 0, 0};
    char text[16];
    if (!format_read(value, format, vr == DCM_VR_DA ? "YMD" : "HMS", parts))
        return false;
    if (vr == DCM_VR_DA)
        (void)text_format(text, sizeof text, "%04u%02u%02u", parts[0], parts[1], parts[2]);
    else if (strchr(format, 'S') != NULL)
        (void)text_format(text, sizeof text, "%02u%02u%02u", parts[0], parts[1], parts[2]);
    else
        (void)text_format(text, sizeof text, "%02u%02u", parts[0], parts[1]);
    if (value_check(vr, slice_of_text(text)) != NULL)
        return false;
    writer_slice_put(to, slice_of_text(text));
    return true;
}

// Each part once and whole; what is between, if anything, is one of . / - : or a space.
bool value_format_is_known(enum dcm_vr vr, const char *format)
{
    const char *letters = vr == DCM_VR_DA ? "YMD" : "HMS";
    unsigned seen = 0;
    for (size_t i = 0; format[i] != 0;) {
        const char *letter = strchr(letters, format[i]);
        size_t run = strspn(format + i, (char[]){format[i], 0});
        if (letter == NULL && strchr("./-: ", format[i]) == NULL)
            return false;
        if (letter != NULL) {
            unsigned bit = 1u << (letter - letters);
            if ((seen & bit) != 0 || run != (format[i] == 'Y' ? 4u : 2u))
                return false;
            seen |= bit;
        }
        i += run;
    }
    return vr == DCM_VR_DA ? seen == 7 : seen == 7 || seen == 3;
}

const char *value_format_find(enum dcm_vr vr, struct slice value)
{
    const char *const *formats = vr == DCM_VR_DA ? date_formats : time_formats;
    size_t count = vr == DCM_VR_DA ? COUNT(date_formats) : COUNT(time_formats);
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[16];
        struct writer writer = writer_of(bytes, sizeof bytes);
        if (value_rewrite(vr, value, formats[i], &writer))
            return formats[i];
    }
    return NULL;
}
