// SPDX-License-Identifier: Apache-2.0
//
// The table of character sets, what (0008,0005) says, and the converter's tables (libc's iconv, opened once).
#include "charset.h"
#include "base/check.h"
#include "base/magic.h"
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

#define TEXT_MAGIC        UINT32_C(0x7E8745E7)
#define KATAKANA_FIRST    0xFF61 // U+FF61 to U+FF9F are A1 to DF of JIS X 0201
#define KATAKANA_LAST     0xFF9F
#define KATAKANA_BYTE     0xA1
#define EUC_SINGLE_SHIFT3 0x8F // in front of JIS X 0212 in EUC-JP

// PS3.3 tables C.12-2 to C.12-5.
const struct charset_info charset_table[CHARSET_COUNT] = {
    [CHARSET_ASCII] = {"6", "(B", NULL},
    [CHARSET_LATIN1] = {"100", "-A", "ISO-8859-1"},
    [CHARSET_LATIN2] = {"101", "-B", "ISO-8859-2"},
    [CHARSET_LATIN3] = {"109", "-C", "ISO-8859-3"},
    [CHARSET_LATIN4] = {"110", "-D", "ISO-8859-4"},
    [CHARSET_CYRILLIC] = {"144", "-L", "ISO-8859-5"},
    [CHARSET_ARABIC] = {"127", "-G", "ISO-8859-6"},
    [CHARSET_GREEK] = {"126", "-F", "ISO-8859-7"},
    [CHARSET_HEBREW] = {"138", "-H", "ISO-8859-8"},
    [CHARSET_LATIN5] = {"148", "-M", "ISO-8859-9"},
    [CHARSET_LATIN9] = {"203", "-b", "ISO-8859-15"},
    [CHARSET_THAI] = {"166", "-T", "ISO-8859-11"},
    [CHARSET_JIS_X_0201] = {"13", ")I", NULL},
    [CHARSET_JIS_X_0208] = {"87", "$B", "EUC-JP"},
    [CHARSET_JIS_X_0212] = {"159", "$(D", "EUC-JP"},
    [CHARSET_KS_X_1001] = {"149", "$)C", "EUC-KR"},
    [CHARSET_GB_2312] = {"58", "$)A", "EUC-CN"},
    [CHARSET_UTF8] = {"192", NULL, NULL},
    [CHARSET_GB18030] = {"GB18030", NULL, "GB18030"},
    [CHARSET_GBK] = {"GBK", NULL, "GBK"},
};

// ---- Specific Character Set ----

#define TERM_SIZE 24

// Spaces, underscores and hyphens are mixed up in the field; so are cases.
static void term_normalise(struct slice term, char to[TERM_SIZE])
{
    size_t length = 0;
    for (size_t i = 0; i < term.length && length < TERM_SIZE - 1; i++) {
        uint8_t c = term.data[i];
        if (c == ' ' || c == '_' || c == '-' || c == 0)
            continue;
        to[length++] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
    }
    to[length] = '\0';
}

static bool term_find(const char *term, unsigned *set, bool *has_extensions)
{
    const char *number = term;
    if (strncmp(term, "ISO2022IR", 9) == 0) {
        *has_extensions = true;
        number = term + 9;
    } else if (strncmp(term, "ISOIR", 5) == 0) {
        number = term + 5;
    }
    for (unsigned i = 0; i < CHARSET_COUNT; i++) {
        bool is_name = charset_table[i].number[0] == 'G';
        if (strcmp(charset_table[i].number, number) == 0 && is_name == (number == term)) {
            *set = i;
            return true;
        }
    }
    return false;
}

// One value, the first of all if count is 0.
static void charset_add(struct dcm_charset *charset, struct slice term)
{
    char normal[TERM_SIZE];
    unsigned set = CHARSET_ASCII;
    term_normalise(term, normal);
    if (normal[0] != '\0' && !term_find(normal, &set, &charset->has_extensions)) {
        charset->is_unknown = true;
        return;
    }
    // Sets without code extensions can not be mixed with others: the first one rules.
    bool is_alone = charset->count > 0 && charset_stands_alone(charset->set[0]);
    if (charset->count == DCM_CHARSET_SETS || is_alone || (charset->count > 0 && charset_stands_alone(set)))
        return;
    charset->set[charset->count++] = (uint8_t)set;
}

struct dcm_charset dcm_charset_parse(struct slice value)
{
    struct dcm_charset charset;
    memset(&charset, 0, sizeof charset);
    for (bool is_last = false; !is_last;) {
        const uint8_t *end = value.length > 0 ? memchr(value.data, '\\', value.length) : NULL;
        size_t length = end != NULL ? (size_t)(end - value.data) : value.length;
        charset_add(&charset, slice_first(value, length));
        is_last = end == NULL;
        value = slice_from(value, length + 1);
    }
    charset.has_extensions |= charset.count > 1;
    if (charset.count == 0 || charset.is_unknown) {
        charset.count = 1;
        charset.set[0] = CHARSET_ASCII;
        charset.has_extensions = false;
    }
    return charset;
}

// ---- tables ----

struct dcm_text {
    uint32_t magic;
    iconv_t to[CHARSET_COUNT]; // from UTF-8
    iconv_t from[CHARSET_COUNT];
};

static const iconv_t not_open = (iconv_t)-1;

enum result dcm_text_new(struct dcm_text **text)
{
    struct dcm_text *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(t, TEXT_MAGIC);
    enum result result = OK;
    for (unsigned i = 0; i < CHARSET_COUNT; i++) {
        const char *table = charset_table[i].table;
        t->to[i] = table != NULL && result == OK ? iconv_open(table, "UTF-8") : not_open;
        t->from[i] = table != NULL && result == OK ? iconv_open("UTF-8", table) : not_open;
        bool is_missing = table != NULL && (t->to[i] == not_open || t->from[i] == not_open);
        if (is_missing && result == OK)
            result = errno == ENOMEM ? ERR_NOMEM : ERR_MISSING;
    }
    if (result != OK) {
        dcm_text_free(t);
        return result;
    }
    *text = t;
    return OK;
}

void dcm_text_free(struct dcm_text *t)
{
    if (t == NULL)
        return;
    MAGIC_CHECK(t, TEXT_MAGIC);
    for (unsigned i = 0; i < CHARSET_COUNT; i++) {
        if (t->to[i] != not_open)
            (void)iconv_close(t->to[i]);
        if (t->from[i] != not_open)
            (void)iconv_close(t->from[i]);
    }
    MAGIC_CLEAR(t);
    free(t);
}

// iconv's count above 0 means characters that it replaced by others.
static enum result convert(iconv_t table, struct slice from, char *to, size_t capacity, size_t *length)
{
    char *in = (char *)(uintptr_t)from.data;
    size_t in_left = from.length;
    char *out = to;
    size_t out_left = capacity;
    (void)iconv(table, NULL, NULL, NULL, NULL);
    size_t status = iconv(table, &in, &in_left, &out, &out_left);
    if (status == (size_t)-1)
        return errno == E2BIG ? ERR_LIMIT : ERR_FORMAT;
    if (status != 0 || in_left != 0)
        return ERR_FORMAT;
    *length = capacity - out_left;
    return OK;
}

static size_t katakana_encode(struct slice utf8, uint8_t bytes[4])
{
    if (utf8.length != 3)
        return 0;
    uint32_t character = (utf8.data[0] & 0x0Fu) << 12 | (utf8.data[1] & 0x3Fu) << 6 | (utf8.data[2] & 0x3Fu);
    if (character < KATAKANA_FIRST || character > KATAKANA_LAST)
        return 0;
    bytes[0] = (uint8_t)(character - KATAKANA_FIRST + KATAKANA_BYTE);
    return 1;
}

// EUC-JP holds ASCII, JIS X 0208, half-width katakana (8E) and JIS X 0212 (8F): only one of them is meant.
static size_t euc_jp_pick(unsigned set, uint8_t bytes[4], size_t length)
{
    if (set == CHARSET_JIS_X_0208)
        return length == 2 && bytes[0] > 0xA0 ? 2 : 0;
    if (length != 3 || bytes[0] != EUC_SINGLE_SHIFT3)
        return 0;
    memmove(bytes, bytes + 1, 2);
    return 2;
}

size_t charset_encode(struct dcm_text *t, unsigned set, struct slice utf8, uint8_t bytes[4])
{
    size_t length;
    if (set == CHARSET_JIS_X_0201)
        return katakana_encode(utf8, bytes);
    if (set >= CHARSET_COUNT || t->to[set] == not_open ||
        convert(t->to[set], utf8, (char *)bytes, 4, &length) != OK)
        return 0;
    if (charset_is_g0(set))
        return euc_jp_pick(set, bytes, length);
    // C1 control characters are no text.
    return bytes[0] >= 0xA0 || charset_stands_alone(set) ? length : 0;
}

enum result charset_decode(struct dcm_text *t, unsigned set, struct slice bytes, char *to, size_t capacity,
                           size_t *length)
{
    uint8_t shifted[3] = {EUC_SINGLE_SHIFT3, 0, 0};
    if (set == CHARSET_JIS_X_0201) {
        if (bytes.data[0] < KATAKANA_BYTE || bytes.data[0] > KATAKANA_BYTE + KATAKANA_LAST - KATAKANA_FIRST)
            return ERR_FORMAT;
        uint32_t character = KATAKANA_FIRST + bytes.data[0] - KATAKANA_BYTE;
        if (capacity < 3)
            return ERR_LIMIT;
        to[0] = (char)(0xE0 | character >> 12);
        to[1] = (char)(0x80 | (character >> 6 & 0x3F));
        to[2] = (char)(0x80 | (character & 0x3F));
        *length = 3;
        return OK;
    }
    if (set == CHARSET_JIS_X_0212) {
        memcpy(shifted + 1, bytes.data, 2);
        bytes = slice_of(shifted, sizeof shifted);
    }
    if (set >= CHARSET_COUNT || t->from[set] == not_open)
        return ERR_FORMAT;
    return convert(t->from[set], bytes, to, capacity, length);
}
