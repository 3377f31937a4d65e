// SPDX-License-Identifier: Apache-2.0
//
// Encodes and decodes text with code extensions (PS3.5 6.1.2.5): which sets are active, when they are
// announced, when the initial ones are active again. See dcm/text.h.
#include "dcm/text.h"
#include "base/check.h"
#include "base/cursor.h"
#include "base/utf8.h"
#include "charset.h"

#define ESC 0x1B

// The sets that are active.
struct active {
    unsigned g0; // ASCII, JIS X 0201 (romaji), or a two-byte set
    unsigned g1; // ASCII: none
};

static struct active initial_of(const struct dcm_charset *charset)
{
    unsigned first = charset->set[0];
    return (struct active){.g0 = first == CHARSET_JIS_X_0201 ? CHARSET_JIS_X_0201 : CHARSET_ASCII,
                           .g1 = charset_is_g1(first) ? first : CHARSET_ASCII};
}

static bool follows_charset(enum dcm_vr vr)
{
    return vr == DCM_VR_LO || vr == DCM_VR_LT || vr == DCM_VR_PN || vr == DCM_VR_SH || vr == DCM_VR_ST ||
           vr == DCM_VR_UC || vr == DCM_VR_UT;
}

static bool has_values(enum dcm_vr vr)
{
    return vr != DCM_VR_LT && vr != DCM_VR_ST && vr != DCM_VR_UT && vr != DCM_VR_UR;
}

// PS3.5 6.1.2.5.3: before these the initial sets are active, behind them too.
static bool is_reset(enum dcm_vr vr, uint32_t character)
{
    if (character < 0x20 && character != ESC)
        return true;
    if (character == '\\')
        return has_values(vr);
    return vr == DCM_VR_PN && (character == '^' || character == '=');
}

static struct dcm_charset charset_for(const struct dcm_charset *charset, enum dcm_vr vr)
{
    return follows_charset(vr) ? *charset : dcm_charset_parse(slice_of(NULL, 0));
}

// ---- encode ----

struct encoder {
    struct dcm_text *text;
    struct dcm_charset charset;
    struct active initial;
    struct active now;
    struct writer to;
};

static void announce(struct encoder *e, const char *escape)
{
    writer_u8(&e->to, ESC);
    writer_put(&e->to, escape, strlen(escape));
}

static void g0_initial(struct encoder *e)
{
    if (e->now.g0 == e->initial.g0)
        return;
    announce(e, e->initial.g0 == CHARSET_JIS_X_0201 ? "(J" : "(B");
    e->now.g0 = e->initial.g0;
}

static void reset(struct encoder *e)
{
    g0_initial(e);
    if (e->now.g1 != e->initial.g1 && e->initial.g1 != CHARSET_ASCII)
        announce(e, charset_table[e->initial.g1].escape);
    e->now.g1 = e->initial.g1;
}

// In the set, announced if it is not active.
static bool encode_by(struct encoder *e, unsigned set, struct slice character)
{
    uint8_t bytes[4];
    size_t length = charset_encode(e->text, set, character, bytes);
    if (length == 0)
        return false;
    unsigned *active = charset_is_g0(set) ? &e->now.g0 : &e->now.g1;
    // By ISO 2022 G1 stays as it is while G0 holds two-byte characters; but many readers let an escape
    // sequence rule all that follows. So G1 is announced again behind them.
    bool is_back = charset_is_g1(set) && charset_is_g0(e->now.g0);
    if (is_back)
        g0_initial(e);
    if (*active != set || is_back)
        announce(e, charset_table[set].escape);
    *active = set;
    for (size_t i = 0; i < length; i++)
        writer_u8(&e->to, charset_is_g0(set) ? bytes[i] & 0x7F : bytes[i]);
    return true;
}

static bool encode_extended(struct encoder *e, struct slice character)
{
    if (charset_is_g0(e->now.g0) && encode_by(e, e->now.g0, character))
        return true;
    if (e->now.g1 != CHARSET_ASCII && encode_by(e, e->now.g1, character))
        return true;
    for (unsigned i = 0; i < e->charset.count; i++) {
        unsigned set = e->charset.set[i];
        bool is_usable = e->charset.has_extensions || set == e->now.g1;
        if (set != CHARSET_ASCII && is_usable && encode_by(e, set, character))
            return true;
    }
    return false;
}

static bool encode_alone(struct encoder *e, unsigned set, struct slice character)
{
    uint8_t bytes[4];
    if (set == CHARSET_UTF8) {
        writer_slice_put(&e->to, character);
        return true;
    }
    size_t length = charset_encode(e->text, set, character, bytes);
    writer_put(&e->to, bytes, length);
    return length > 0;
}

static bool encode_one(struct encoder *e, enum dcm_vr vr, uint32_t character, struct slice bytes)
{
    if (character == UTF8_BAD || character == ESC || (character >= 0x7F && character < 0xA0))
        return false;
    if (character < 0x80) {
        if (is_reset(vr, character))
            reset(e);
        else if (charset_is_g0(e->now.g0))
            g0_initial(e);
        writer_slice_put(&e->to, bytes);
        return true;
    }
    if (charset_stands_alone(e->charset.set[0]))
        return encode_alone(e, e->charset.set[0], bytes);
    return encode_extended(e, bytes);
}

enum result dcm_text_encode(struct dcm_text *text, const struct dcm_charset *charset, enum dcm_vr vr,
                            struct slice utf8, uint8_t *to, size_t capacity, size_t *length, size_t *at)
{
    struct encoder e = {.text = text, .charset = charset_for(charset, vr), .to = writer_of(to, capacity)};
    e.initial = initial_of(&e.charset);
    e.now = e.initial;
    for (struct slice left = utf8; left.length > 0;) {
        size_t width;
        uint32_t character = utf8_first(left, &width);
        if (!encode_one(&e, vr, character, slice_first(left, width))) {
            if (at != NULL)
                *at = utf8.length - left.length;
            return ERR_FORMAT;
        }
        left = slice_from(left, width);
    }
    reset(&e);
    if (e.to.failed)
        return ERR_LIMIT;
    *length = e.to.length;
    return OK;
}

// ---- decode ----

struct decoder {
    struct dcm_text *text;
    struct active initial;
    struct active now;
    struct cursor from;
    char *to;
    size_t length;
    size_t capacity;
};

static enum result put(struct decoder *d, unsigned set, struct slice bytes)
{
    size_t made;
    enum result result =
        charset_decode(d->text, set, bytes, d->to + d->length, d->capacity - d->length, &made);
    if (result == OK)
        d->length += made;
    return result;
}

static enum result put_ascii(struct decoder *d, uint8_t byte)
{
    if (d->length == d->capacity)
        return ERR_LIMIT;
    d->to[d->length++] = (char)byte;
    return OK;
}

// Behind ESC.
static enum result escape_take(struct decoder *d)
{
    struct slice left = slice_of(d->from.at, cursor_left(&d->from));
    if (left.length >= 2 && memcmp(left.data, "(J", 2) == 0) {
        d->now.g0 = CHARSET_JIS_X_0201;
        cursor_skip(&d->from, 2);
        return OK;
    }
    for (unsigned set = 0; set < CHARSET_UTF8; set++) {
        size_t length = strlen(charset_table[set].escape);
        if (left.length < length || memcmp(left.data, charset_table[set].escape, length) != 0)
            continue;
        if (charset_is_g1(set))
            d->now.g1 = set;
        else
            d->now.g0 = set;
        cursor_skip(&d->from, length);
        return OK;
    }
    return ERR_FORMAT;
}

static enum result g1_take(struct decoder *d, uint8_t first)
{
    uint8_t bytes[2] = {first, 0};
    bool is_pair = d->now.g1 == CHARSET_KS_X_1001 || d->now.g1 == CHARSET_GB_2312;
    if (d->now.g1 == CHARSET_ASCII || first < 0xA0)
        return ERR_FORMAT;
    if (is_pair)
        bytes[1] = cursor_u8(&d->from);
    if (d->from.failed || (is_pair && bytes[1] < 0xA1))
        return ERR_FORMAT;
    return put(d, d->now.g1, slice_of(bytes, is_pair ? 2 : 1));
}

static enum result g0_pair_take(struct decoder *d, uint8_t first)
{
    uint8_t second = cursor_u8(&d->from);
    if (d->from.failed || first < 0x21 || first > 0x7E || second < 0x21 || second > 0x7E)
        return ERR_FORMAT;
    uint8_t bytes[2] = {(uint8_t)(first | 0x80), (uint8_t)(second | 0x80)};
    return put(d, d->now.g0, slice_of(bytes, sizeof bytes));
}

static enum result decode_one(struct decoder *d, enum dcm_vr vr, uint8_t byte)
{
    if (byte == ESC)
        return escape_take(d);
    if (byte >= 0x80)
        return g1_take(d, byte);
    // Padding behind a name that was left in a two-byte set is met in the field.
    if (charset_is_g0(d->now.g0) && byte > 0x20)
        return g0_pair_take(d, byte);
    if (is_reset(vr, byte))
        d->now = d->initial;
    return put_ascii(d, byte);
}

static enum result decode_extended(struct decoder *d, enum dcm_vr vr)
{
    enum result result = OK;
    while (result == OK && cursor_left(&d->from) > 0)
        result = decode_one(d, vr, cursor_u8(&d->from));
    return result;
}

static enum result decode_utf8(struct decoder *d, struct slice value)
{
    if (!utf8_is_valid(value))
        return ERR_FORMAT;
    if (value.length > d->capacity)
        return ERR_LIMIT;
    if (value.length > 0)
        memcpy(d->to, value.data, value.length);
    d->length = value.length;
    return OK;
}

enum result dcm_text_decode(struct dcm_text *text, const struct dcm_charset *charset, enum dcm_vr vr,
                            struct slice value, char *to, size_t capacity, size_t *length)
{
    struct dcm_charset sets = charset_for(charset, vr);
    struct decoder d = {.text = text,
                        .initial = initial_of(&sets),
                        .now = initial_of(&sets),
                        .from = cursor_of(value),
                        .to = to,
                        .capacity = capacity};
    enum result result;
    if (sets.set[0] == CHARSET_UTF8)
        result = decode_utf8(&d, value);
    else if (charset_stands_alone(sets.set[0]))
        result = put(&d, sets.set[0], value);
    else
        result = decode_extended(&d, vr);
    if (result == OK)
        *length = d.length;
    return result;
}
