// SPDX-License-Identifier: Apache-2.0
#include "crosswalk_rows.h"

#include "base/text.h"
#include "base/units.h"

enum { NAME_CHARACTERS = 324 }; // PS3.5 6.2, VR PN: three groups of 64 once were five components of 64

static const char *const names[COLUMNS] = {
    [COLUMN_SOURCE_DOMAIN] = "source_domain",
    [COLUMN_SOURCE_ID] = "source_id",
    [COLUMN_TARGET_DOMAIN] = "target_domain",
    [COLUMN_TARGET_ID] = "target_id",
    [COLUMN_NAME] = "name",
    [COLUMN_BIRTH_DATE] = "birth_date",
    [COLUMN_SEX] = "sex",
    [COLUMN_PREFERRED] = "preferred",
    [COLUMN_EFFECTIVE] = "effective",
};

bool columns_read(const struct slice *fields, size_t count, struct columns *columns)
{
    columns->count = count;
    for (size_t c = 0; c < COLUMNS; c++)
        columns->at[c] = CSV_FIELDS;
    for (size_t i = 0; i < count; i++) {
        size_t c = 0;
        while (c < COLUMNS && !slice_is_text(slice_trimmed(fields[i]), names[c]))
            c++;
        if (c == COLUMNS || columns->at[c] != CSV_FIELDS)
            return false;
        columns->at[c] = i;
    }
    for (size_t c = 0; c <= COLUMN_TARGET_ID; c++)
        if (columns->at[c] == CSV_FIELDS)
            return false;
    return true;
}

static struct slice field_get(const struct columns *columns, const struct slice *fields, enum column column)
{
    return columns->at[column] < columns->count ? slice_trimmed(fields[columns->at[column]])
                                                : slice_of(NULL, 0);
}

static uint16_t domain_read(const struct crosswalk *crosswalk, struct slice name)
{
    for (size_t i = 0; i < crosswalk->domain_count; i++)
        if (slice_is_text(name, crosswalk->domains[i].name))
            return crosswalk->domains[i].number;
    return 0;
}

// ---- dates and times

static bool digits_read(struct slice text, size_t at, size_t count, unsigned *out)
{
    *out = 0;
    if (text.length < at + count)
        return false;
    for (size_t i = at; i < at + count; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *out = *out * 10 + (unsigned)(text.data[i] - '0');
    }
    return true;
}

static bool day_exists(unsigned year, unsigned month, unsigned day)
{
    static const unsigned days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return year > 0 && month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] &&
           (month != 2 || day < 29 || is_leap);
}

// YYYY-MM-DD, of the first ten characters.
static bool date_read(struct slice text, unsigned *year, unsigned *month, unsigned *day)
{
    return digits_read(text, 0, 4, year) && digits_read(text, 5, 2, month) && digits_read(text, 8, 2, day) &&
           text.data[4] == '-' && text.data[7] == '-' && day_exists(*year, *month, *day);
}

static bool birth_date_read(struct slice text, char out[9])
{
    unsigned year, month, day;
    out[0] = 0;
    if (text.length == 0)
        return true;
    if (text.length == 10
            ? !date_read(text, &year, &month, &day)
            : text.length != 8 || !digits_read(text, 0, 4, &year) || !digits_read(text, 4, 2, &month) ||
                  !digits_read(text, 6, 2, &day) || !day_exists(year, month, day))
        return false;
    return text_format(out, 9, "%04u%02u%02u", year % 10000, month % 100, day % 100);
}

// Days from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
static int64_t days_from(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = year / 400; // years are positive
    int64_t of_era = year - era * 400;
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool effective_read(struct slice text, uint64_t *out)
{
    unsigned year, month, day, hour = 0, minute = 0, second = 0;
    *out = 0;
    if (text.length == 0)
        return true;
    if (!date_read(text, &year, &month, &day) || year < 1970 || year > 2200)
        return false;
    if (text.length != 10) {
        if (text.length != 20 || text.data[10] != 'T' || text.data[13] != ':' || text.data[16] != ':' ||
            text.data[19] != 'Z' || !digits_read(text, 11, 2, &hour) || !digits_read(text, 14, 2, &minute) ||
            !digits_read(text, 17, 2, &second) || hour > 23 || minute > 59 || second > 59)
            return false;
    }
    int64_t seconds = days_from(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    *out = (uint64_t)seconds * NSEC_PER_SEC;
    return true;
}

// ---- rows

static bool sex_read(struct slice text, char out[2])
{
    out[0] = out[1] = 0;
    if (text.length == 0)
        return true;
    if (text.length != 1 || strchr("MFO", text.data[0]) == NULL || text.data[0] == 0)
        return false;
    out[0] = (char)text.data[0];
    return true;
}

static bool preferred_read(struct slice text, bool *out)
{
    *out = slice_is_text(text, "yes");
    return *out || text.length == 0 || slice_is_text(text, "no");
}

enum crosswalk_fault row_read(const struct crosswalk *crosswalk, const struct columns *columns,
                              const struct slice *fields, size_t count, struct crosswalk_row *row)
{
    if (count != columns->count)
        return CROSSWALK_FAULT_FIELDS;
    struct slice name = field_get(columns, fields, COLUMN_NAME);
    row->from = domain_read(crosswalk, field_get(columns, fields, COLUMN_SOURCE_DOMAIN));
    row->to = domain_read(crosswalk, field_get(columns, fields, COLUMN_TARGET_DOMAIN));
    if (row->from == 0 || row->to == 0)
        return CROSSWALK_FAULT_DOMAIN;
    if (row->from == row->to)
        return CROSSWALK_FAULT_ONE_DOMAIN;
    if (id_copy(field_get(columns, fields, COLUMN_SOURCE_ID), &row->source) != OK ||
        id_copy(field_get(columns, fields, COLUMN_TARGET_ID), &row->target) != OK)
        return CROSSWALK_FAULT_ID;
    if (!text_is_clean(name, NAME_CHARACTERS, CROSSWALK_NAME_BYTES) ||
        !text_copy(row->name, sizeof row->name, name))
        return CROSSWALK_FAULT_NAME;
    if (!birth_date_read(field_get(columns, fields, COLUMN_BIRTH_DATE), row->birth_date))
        return CROSSWALK_FAULT_BIRTH_DATE;
    if (!sex_read(field_get(columns, fields, COLUMN_SEX), row->sex))
        return CROSSWALK_FAULT_SEX;
    if (!preferred_read(field_get(columns, fields, COLUMN_PREFERRED), &row->is_preferred))
        return CROSSWALK_FAULT_PREFERRED;
    if (!effective_read(field_get(columns, fields, COLUMN_EFFECTIVE), &row->effective))
        return CROSSWALK_FAULT_EFFECTIVE;
    return CROSSWALK_FAULT_NONE;
}

// ---- what is said of a fault

static const struct {
    const char *text;
    bool has_other;
} faults[] = {
    [CROSSWALK_FAULT_NONE] = {"nothing", false},
    [CROSSWALK_FAULT_QUOTE] = {"a quote is not where RFC 4180 has it, or is never closed", false},
    [CROSSWALK_FAULT_NUL] = {"there is a zero byte", false},
    [CROSSWALK_FAULT_LONG] =
        {"the record is longer than 64 KiB or has more than 64 fields; what follows was not read", false},
    [CROSSWALK_FAULT_ENCODING] = {"this is not UTF-8", false},
    [CROSSWALK_FAULT_COLUMNS] =
        {"the header must name source_domain, source_id, target_domain, target_id, and may "
         "name name, birth_date, sex, preferred, effective, each once; the rows were not read",
         false},
    [CROSSWALK_FAULT_FIELDS] = {"there are not as many fields as the header has", false},
    [CROSSWALK_FAULT_EMPTY] = {"the file has no header", false},
    [CROSSWALK_FAULT_DOMAIN] = {"a domain that the configuration does not have", false},
    [CROSSWALK_FAULT_ONE_DOMAIN] = {"source and target domain are the same", false},
    [CROSSWALK_FAULT_BOTH_WAYS] = {"these domains are mapped the other way round in line", true},
    [CROSSWALK_FAULT_ID] =
        {"an ID is empty, longer than 64 characters, or has a control character or a backslash", false},
    [CROSSWALK_FAULT_NAME] = {"the name is too long, or has a control character or a backslash", false},
    [CROSSWALK_FAULT_BIRTH_DATE] = {"birth_date is not YYYYMMDD or YYYY-MM-DD, or there is no such day",
                                    false},
    [CROSSWALK_FAULT_SEX] = {"sex is not M, F or O", false},
    [CROSSWALK_FAULT_PREFERRED] = {"preferred is not yes or no", false},
    [CROSSWALK_FAULT_EFFECTIVE] = {"effective is not YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ", false},
    [CROSSWALK_FAULT_TIMES] = {"there are more than 1024 different effective times in the future", false},
    [CROSSWALK_FAULT_TWO_TARGETS] = {"the same source has another target in line", true},
    [CROSSWALK_FAULT_DIFFERS] = {"the same source and target, but not the same in everything, are in line",
                                 true},
    [CROSSWALK_FAULT_TWO_PREFERRED] = {"another source is preferred for the same target in line", true},
    [CROSSWALK_FAULT_SPELLING] = {"the same target ID is written in another way in line", true},
};

const char *crosswalk_fault_text(enum crosswalk_fault fault)
{
    return faults[fault].text;
}

bool crosswalk_fault_has_other(enum crosswalk_fault fault)
{
    return faults[fault].has_other;
}
