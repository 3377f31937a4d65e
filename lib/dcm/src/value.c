// SPDX-License-Identifier: Apache-2.0
//
// Values against their VR (PS3.5 6.2, table 6.2-1) and numbers from text: see value.h and dcm/edit.h.
#include "value.h"
#include "base/text.h"
#include "base/utf8.h"
#include <math.h>
#include <stdlib.h>

#define NUMBER_SIZE 64 // characters of one number as text
#define SHORT_MOST  0xFFFE
#define LONG_MOST   UINT32_C(0xFFFFFFFE)

struct number_info {
    unsigned width; // bytes; 0: not a number
    bool is_signed;
    bool is_float;
};

static struct number_info number_info_of(enum dcm_vr vr)
{
    struct number_info info = {0, vr == DCM_VR_SS || vr == DCM_VR_SL || vr == DCM_VR_SV,
                               vr == DCM_VR_FL || vr == DCM_VR_FD};
    if (vr == DCM_VR_US || vr == DCM_VR_SS)
        info.width = 2;
    else if (vr == DCM_VR_UL || vr == DCM_VR_SL || vr == DCM_VR_FL || vr == DCM_VR_AT)
        info.width = 4;
    else if (vr == DCM_VR_UV || vr == DCM_VR_SV || vr == DCM_VR_FD)
        info.width = 8;
    return info;
}

bool value_is_number(enum dcm_vr vr)
{
    return number_info_of(vr).width > 0;
}

enum dcm_vr value_vr_choose(enum dcm_vr vr, enum dcm_edit_kind kind, struct slice value)
{
    bool is_text = kind == DCM_VALUE_TEXT;
    bool is_negative = is_text && value.length > 0 && memchr(value.data, '-', value.length) != NULL;
    if (vr == DCM_VR_US_OR_SS)
        return is_negative ? DCM_VR_SS : DCM_VR_US;
    if (vr == DCM_VR_US_OR_OW)
        return is_text ? DCM_VR_US : DCM_VR_OW;
    return vr == DCM_VR_OB_OR_OW ? DCM_VR_OW : vr;
}

// ---- text against its VR ----

static bool is_digits(struct slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return true;
}

static unsigned digits_at(struct slice s, size_t at, size_t count)
{
    unsigned number = 0;
    for (size_t i = at; i < at + count; i++)
        number = number * 10 + (unsigned)(s.data[i] - '0');
    return number;
}

static bool is_month_and_day(struct slice s)
{
    static const unsigned char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned month = s.length >= 6 ? digits_at(s, 4, 2) : 1;
    unsigned day = s.length >= 8 ? digits_at(s, 6, 2) : 1;
    if (month < 1 || month > 12 || day < 1 || day > days[month - 1])
        return false;
    unsigned year = digits_at(s, 0, 4);
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month != 2 || day < 29 || is_leap;
}

static bool is_date(struct slice s)
{
    return s.length == 8 && is_digits(s) && is_month_and_day(s);
}

// HH, HHMM, HHMMSS, HHMMSS.F to .FFFFFF; 60 seconds for leap seconds.
static bool is_time(struct slice s)
{
    struct slice whole = slice_first(s, 6);
    if ((s.length != 2 && s.length != 4 && s.length < 6) || !is_digits(whole))
        return false;
    if (digits_at(s, 0, 2) > 23 || (s.length >= 4 && digits_at(s, 2, 2) > 59) ||
        (s.length >= 6 && digits_at(s, 4, 2) > 60))
        return false;
    struct slice part = slice_from(s, 7);
    return s.length <= 6 || (s.data[6] == '.' && part.length >= 1 && part.length <= 6 && is_digits(part));
}

static bool is_date_time(struct slice s)
{
    if (s.length >= 9 && (s.data[s.length - 5] == '+' || s.data[s.length - 5] == '-')) {
        struct slice zone = slice_from(s, s.length - 4); // -1200 to +1400
        unsigned most = s.data[s.length - 5] == '-' ? 1200 : 1400;
        if (!is_digits(zone) || digits_at(zone, 0, 4) > most || digits_at(zone, 2, 2) > 59)
            return false;
        s = slice_first(s, s.length - 5);
    }
    struct slice date = slice_first(s, 8);
    if ((date.length != 4 && date.length != 6 && date.length != 8) || !is_digits(date) ||
        !is_month_and_day(date))
        return false;
    return s.length <= 8 || is_time(slice_from(s, 8));
}

static bool is_age(struct slice s)
{
    return s.length == 4 && is_digits(slice_first(s, 3)) && memchr("DWMY", s.data[3], 4) != NULL;
}

static bool is_code(struct slice s)
{
    for (size_t i = 0; i < s.length; i++) {
        uint8_t c = s.data[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' || c == '_'))
            return false;
    }
    return s.length <= 16;
}

static bool is_uid(struct slice s)
{
    bool at_start = true;
    for (size_t i = 0; i < s.length; i++) {
        uint8_t c = s.data[i];
        bool has_more = i + 1 < s.length && s.data[i + 1] != '.';
        if (c == '.' ? at_start : c < '0' || c > '9' || (at_start && c == '0' && has_more))
            return false;
        at_start = c == '.';
    }
    return s.length <= 64 && !at_start;
}

static bool is_printable(struct slice s, uint8_t from)
{
    for (size_t i = 0; i < s.length; i++)
        if (s.data[i] < from || s.data[i] > 0x7E)
            return false;
    return true;
}

static struct slice spaces_trimmed(struct slice s)
{
    while (s.length > 0 && s.data[s.length - 1] == ' ')
        s.length--;
    while (s.length > 0 && s.data[0] == ' ')
        s = slice_from(s, 1);
    return s;
}

// [+-]digits; AT: (gggg,eeee).
static bool integer_parse(struct slice s, bool *is_negative, uint64_t *magnitude)
{
    bool is_signed = s.length > 0 && (s.data[0] == '-' || s.data[0] == '+');
    *is_negative = is_signed && s.data[0] == '-';
    s = slice_from(s, is_signed);
    while (s.length > 1 && s.data[0] == '0')
        s = slice_from(s, 1);
    return text_number(s, UINT64_MAX, magnitude) == OK;
}

static bool integer_fits(struct slice s, unsigned width, bool is_signed, uint64_t *bits)
{
    bool is_negative;
    uint64_t magnitude;
    if (!integer_parse(s, &is_negative, &magnitude))
        return false;
    uint64_t most =
        is_signed ? (UINT64_C(1) << (8 * width - 1)) - !is_negative : UINT64_MAX >> (64 - 8 * width);
    if (magnitude > most || (is_negative && !is_signed && magnitude != 0))
        return false;
    *bits = is_negative ? 0 - magnitude : magnitude;
    return true;
}

// Only what DS may hold, so that no "nan", "inf" or hexadecimal number is read.
static bool decimal_parse(struct slice s, double *number)
{
    char text[NUMBER_SIZE];
    if (s.length == 0 || s.length >= sizeof text)
        return false;
    for (size_t i = 0; i < s.length; i++)
        if (s.data[i] == 0 || strchr("0123456789+-.eE", s.data[i]) == NULL)
            return false;
    (void)text_copy(text, sizeof text, s);
    char *end;
    *number = strtod(text, &end);
    return *end == '\0' && isfinite(*number);
}

static bool tag_parse(struct slice s, uint32_t *tag)
{
    struct dcm_path path;
    if (s.length == 0 || s.data[0] != '(' || dcm_path_parse(s, &path, NULL) != OK)
        return false;
    *tag = path.step[0].tag;
    return path.depth == 0 && !path.is_item && path.step[0].creator[0] == '\0';
}

static bool number_bits(enum dcm_vr vr, struct slice s, uint64_t *bits)
{
    struct number_info info = number_info_of(vr);
    double number;
    uint32_t tag;
    if (vr == DCM_VR_AT) {
        if (!tag_parse(s, &tag))
            return false;
        *bits = tag;
        return true;
    }
    if (!info.is_float)
        return integer_fits(s, info.width, info.is_signed, bits);
    if (!decimal_parse(s, &number))
        return false;
    float single = (float)number;
    uint32_t single_bits;
    memcpy(&single_bits, &single, sizeof single_bits);
    memcpy(bits, &number, sizeof *bits);
    if (info.width == 4)
        *bits = single_bits;
    return info.width == 8 || isfinite(single);
}

// Characters, or SIZE_MAX if a character may not stand in this VR.
static size_t characters(enum dcm_vr vr, struct slice s)
{
    bool is_paragraph = vr == DCM_VR_LT || vr == DCM_VR_ST || vr == DCM_VR_UT;
    size_t count = 0;
    for (size_t width; s.length > 0; s = slice_from(s, width), count++) {
        uint32_t c = utf8_first(s, &width);
        bool is_layout = c == '\t' || c == '\n' || c == '\f' || c == '\r';
        if (c == UTF8_BAD || (c < 0x20 && !(is_layout && is_paragraph)) || (c >= 0x7F && c < 0xA0))
            return SIZE_MAX;
    }
    return count;
}

// At most 3 component groups of 64 characters, 5 components each (PS3.5 6.2.1).
static enum dcm_problem_reason name_check(struct slice s)
{
    for (unsigned group = 0;; group++) {
        const uint8_t *end = s.length > 0 ? memchr(s.data, '=', s.length) : NULL;
        struct slice part = slice_first(s, end != NULL ? (size_t)(end - s.data) : s.length);
        unsigned components = 1;
        for (size_t i = 0; i < part.length; i++)
            components += part.data[i] == '^';
        if (group == 3 || components > 5)
            return DCM_PROBLEM_BAD_VALUE;
        if (characters(DCM_VR_PN, part) > 64)
            return DCM_PROBLEM_TOO_LONG;
        if (end == NULL)
            return DCM_PROBLEM_NONE;
        s = slice_from(s, part.length + 1);
    }
}

static enum dcm_problem_reason good_if(bool is_good)
{
    return is_good ? DCM_PROBLEM_NONE : DCM_PROBLEM_BAD_VALUE;
}

static size_t most_characters(enum dcm_vr vr)
{
    switch ((int)vr) {
    case DCM_VR_LO:
        return 64;
    case DCM_VR_SH:
    case DCM_VR_AE:
        return 16;
    case DCM_VR_ST:
        return 1024;
    case DCM_VR_LT:
        return 10240;
    default:
        return SIZE_MAX - 1;
    }
}

// One value, not empty.
static enum dcm_problem_reason one_check(enum dcm_vr vr, struct slice s)
{
    double number;
    uint64_t bits;
    size_t count = characters(vr, s);
    if (count == SIZE_MAX)
        return DCM_PROBLEM_BAD_VALUE;
    if (count > most_characters(vr))
        return DCM_PROBLEM_TOO_LONG;
    switch ((int)vr) {
    case DCM_VR_AE:
        return good_if(is_printable(s, 0x20) && spaces_trimmed(s).length > 0);
    case DCM_VR_AS:
        return good_if(is_age(s));
    case DCM_VR_CS:
        return good_if(is_code(s));
    case DCM_VR_DA:
        return good_if(is_date(s));
    case DCM_VR_DT:
        return good_if(is_date_time(s));
    case DCM_VR_TM:
        return good_if(is_time(s));
    case DCM_VR_DS:
        return s.length > 16 ? DCM_PROBLEM_TOO_LONG : good_if(decimal_parse(spaces_trimmed(s), &number));
    case DCM_VR_IS:
        return s.length > 12 ? DCM_PROBLEM_TOO_LONG
                             : good_if(integer_fits(spaces_trimmed(s), 4, true, &bits));
    case DCM_VR_UI:
        return s.length > 64 ? DCM_PROBLEM_TOO_LONG : good_if(is_uid(s));
    case DCM_VR_UR:
        return good_if(is_printable(s, 0x21));
    case DCM_VR_PN:
        return name_check(s);
    default:
        return value_is_number(vr) ? good_if(number_bits(vr, s, &bits)) : DCM_PROBLEM_NONE;
    }
}

static bool has_values(enum dcm_vr vr)
{
    return vr != DCM_VR_LT && vr != DCM_VR_ST && vr != DCM_VR_UT && vr != DCM_VR_UR;
}

// The next value, cut off from *text; false when there is none left.
static bool next_value(enum dcm_vr vr, struct slice *text, bool *is_more, struct slice *value)
{
    if (!*is_more)
        return false;
    const uint8_t *end = has_values(vr) && text->length > 0 ? memchr(text->data, '\\', text->length) : NULL;
    *value = slice_first(*text, end != NULL ? (size_t)(end - text->data) : text->length);
    *text = slice_from(*text, value->length + 1);
    *is_more = end != NULL;
    return true;
}

static enum dcm_problem_reason text_check(enum dcm_vr vr, struct slice text)
{
    bool is_more = text.length > 0;
    for (struct slice value; next_value(vr, &text, &is_more, &value);) {
        if (value.length == 0 && !value_is_number(vr))
            continue;
        enum dcm_problem_reason reason = one_check(vr, value);
        if (reason != DCM_PROBLEM_NONE)
            return reason;
    }
    return DCM_PROBLEM_NONE;
}

static enum dcm_problem_reason bytes_check(enum dcm_vr vr, struct slice value)
{
    const struct dcm_vr_info *info = dcm_vr_info(vr);
    size_t unit = vr == DCM_VR_AT ? 4 : info->swap_width;
    bool is_short = !info->is_long && vr != DCM_VR_NONE;
    if (value.length > (is_short ? SHORT_MOST : LONG_MOST))
        return DCM_PROBLEM_TOO_LONG;
    return good_if(value.length % unit == 0);
}

enum dcm_problem_reason dcm_value_check(enum dcm_vr vr, enum dcm_edit_kind kind, struct slice value)
{
    vr = value_vr_choose(vr, kind, value);
    if (kind == DCM_VALUE_EMPTY)
        return DCM_PROBLEM_NONE;
    if (kind == DCM_VALUE_BYTES)
        return bytes_check(vr, value);
    if (vr == DCM_VR_NONE)
        return DCM_PROBLEM_NO_VR;
    if (!dcm_vr_info(vr)->is_text && !value_is_number(vr))
        return DCM_PROBLEM_NOT_A_VALUE;
    return text_check(vr, value);
}

// ---- numbers ----

enum result value_integer_append(struct wiped_bytes *to, uint64_t number, unsigned width, bool big_endian)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < width; i++)
        bytes[i] = (uint8_t)(number >> 8 * (big_endian ? width - 1 - i : i));
    return wiped_append(to, slice_of(bytes, width));
}

enum result value_numbers_append(enum dcm_vr vr, struct slice text, bool big_endian, struct wiped_bytes *to)
{
    bool is_more = text.length > 0;
    enum result result = OK;
    for (struct slice value; result == OK && next_value(vr, &text, &is_more, &value);) {
        uint64_t bits = 0;
        if (!number_bits(vr, value, &bits))
            return ERR_FORMAT;
        if (vr != DCM_VR_AT) {
            result = value_integer_append(to, bits, number_info_of(vr).width, big_endian);
        } else { // two numbers of 16 bits (PS3.5 7.3)
            result = value_integer_append(to, bits >> 16, 2, big_endian);
            if (result == OK)
                result = value_integer_append(to, bits & 0xFFFF, 2, big_endian);
        }
    }
    return result;
}
