// SPDX-License-Identifier: Apache-2.0
//
// Reads both data sets with DcmDataset, whole, and walks the two trees side by side: whatever no edit names
// is there in both, with the same VR and value. Data sets that DCMTK itself reads in another way are skipped:
//
// - what it refuses, or stops reading before the end;
// - elements out of order or twice: it sorts, and keeps the first;
// - odd lengths and unknown VR letters, which it mends;
// - fragments outside the top-level Pixel Data.
#include "dcmtk_reading.h"

#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmdata/dcwcache.h>
#include <dcmtk/oflog/oflog.h>

// By this one DCMTK makes room for a value as long as its header says, up to 4 GiB, before it looks for the
// bytes.
void *operator new[](std::size_t size, const std::nothrow_t &) noexcept
{
    const std::size_t most = 1 << 26;
    return size > most ? nullptr : ::operator new[](size);
}

namespace
{

const uint32_t pixels = 0x7FE00008; // the first of the three kinds of Pixel Data
const uint32_t item_tag = 0xFFFEE000;

using Path = std::vector<uint32_t>;

uint32_t tag_of(const DcmObject *object)
{
    return static_cast<uint32_t>(object->getGTag()) << 16 | object->getETag();
}

bool read_whole(DcmDataset &dataset, E_TransferSyntax syntax, const uint8_t *bytes, size_t length)
{
    DcmInputBufferStream stream;
    if (length > 0)
        stream.setBuffer(bytes, static_cast<offile_off_t>(length));
    stream.setEos();
    dataset.transferInit();
    OFCondition condition = dataset.read(stream, syntax, EGL_noChange);
    dataset.transferEnd();
    return condition.good() && stream.avail() == 0;
}

DcmSequenceOfItems *sequence_of(DcmObject *object)
{
    return object->ident() == EVR_SQ ? static_cast<DcmSequenceOfItems *>(object) : nullptr;
}

// ---- does it read the old bytes as we do

void seen_add(DcmItem *item, uint32_t depth, std::vector<dcmtk_seen> &seen)
{
    for (DcmObject *object = nullptr; (object = item->nextInContainer(object)) != nullptr;) {
        if (depth == 0 && tag_of(object) >= pixels)
            return;
        DcmSequenceOfItems *sequence = sequence_of(object);
        seen.push_back({depth, tag_of(object), sequence != nullptr ? 0 : object->getLengthField()});
        for (DcmObject *inner = nullptr;
             sequence != nullptr && (inner = sequence->nextInContainer(inner)) != nullptr;) {
            seen.push_back({depth + 1, item_tag, 0});
            seen_add(static_cast<DcmItem *>(inner), depth + 1, seen);
        }
    }
}

bool reads_alike(DcmDataset &dataset, const dcmtk_case *c)
{
    std::vector<dcmtk_seen> seen;
    seen_add(&dataset, 0, seen);
    if (seen.size() != c->seen_count)
        return false;
    for (size_t i = 0; i < seen.size(); i++)
        if (seen[i].depth != c->seen[i].depth || seen[i].tag != c->seen[i].tag ||
            seen[i].length != c->seen[i].length)
            return false;
    return true;
}

// ---- comparison

enum class Relation { apart, around, edited };

bool step_meets(const dcmtk_target &target, unsigned step, uint32_t tag)
{
    return target.is_private[step] ? target.tag[step] >> 16 == tag >> 16 : target.tag[step] == tag;
}

// Edited, or inside of what is; around what is; or neither.
Relation relation(const dcmtk_case *c, const Path &path)
{
    Relation found = Relation::apart;
    if ((path.back() & 0xFFFF) == 0 || path.back() == 0x00080001)
        return Relation::edited; // lengths follow
    for (size_t i = 0; i < c->target_count; i++) {
        const dcmtk_target &target = c->targets[i];
        unsigned same = 0;
        bool is_reservation = false;
        while (same < target.steps && same < path.size() && step_meets(target, same, path[same])) {
            is_reservation = is_reservation || target.is_private[same];
            same++;
        }
        if (same == target.steps || (is_reservation && (path[same - 1] & 0xFFFF) < 0x100))
            return Relation::edited;
        if (same == path.size())
            found = Relation::around;
    }
    return found;
}

struct Value {
    bool is_known;
    std::string bytes;
};

// With its VR, as explicit little endian.
Value value_of(DcmObject *object)
{
    DcmElement *element = static_cast<DcmElement *>(object);
    DcmWriteCache cache;
    std::string bytes(element->calcElementLength(EXS_LittleEndianExplicit, EET_ExplicitLength) + 16u, '\0');
    DcmOutputBufferStream stream(&bytes[0], static_cast<offile_off_t>(bytes.size()));
    element->transferInit();
    OFCondition condition = element->write(stream, EXS_LittleEndianExplicit, EET_ExplicitLength, &cache);
    element->transferEnd();
    if (condition.bad())
        return {false, ""};
    void *data;
    offile_off_t length;
    stream.flushBuffer(data, length);
    return {true, bytes.substr(0, static_cast<size_t>(length))};
}

struct Comparison {
    const dcmtk_case *c;
    Path path;
};

bool are_made(Comparison &walk, DcmSequenceOfItems *sequence, DcmObject *from);
bool items_equal(Comparison &walk, DcmItem *before, DcmItem *after);
bool sequences_equal(Comparison &walk, DcmSequenceOfItems *before, DcmSequenceOfItems *after);

bool differs(Comparison &walk, const char *what, uint32_t tag)
{
    std::fprintf(stderr, "DCMTK: ");
    for (uint32_t step : walk.path)
        std::fprintf(stderr, "(%04X,%04X).", step >> 16, step & 0xFFFF);
    std::fprintf(stderr, "(%04X,%04X) %s\n", tag >> 16, tag & 0xFFFF, what);
    return false;
}

Relation relation_of(Comparison &walk, DcmObject *object)
{
    walk.path.push_back(tag_of(object));
    Relation result = relation(walk.c, walk.path);
    walk.path.pop_back();
    return result;
}

// Skips what is edited, and what stands at and behind Pixel Data: those bytes are compared as such.
DcmObject *next(Comparison &walk, DcmItem *item, DcmObject *object)
{
    while ((object = item->nextInContainer(object)) != nullptr &&
           relation_of(walk, object) == Relation::edited)
        continue;
    return object != nullptr && walk.path.empty() && tag_of(object) >= pixels ? nullptr : object;
}

// Only what leads to edits. A private sequence may be unknown to DCMTK, and its inside with it.
bool is_made(Comparison &walk, DcmObject *object)
{
    DcmSequenceOfItems *sequence = sequence_of(object);
    if (relation_of(walk, object) != Relation::around)
        return false;
    return sequence != nullptr ? are_made(walk, sequence, nullptr) : (tag_of(object) >> 16 & 1) != 0;
}

bool are_made(Comparison &walk, DcmSequenceOfItems *sequence, DcmObject *from)
{
    bool all = true;
    walk.path.push_back(tag_of(sequence));
    while (all && (from = sequence->nextInContainer(from)) != nullptr)
        for (DcmObject *inner = nullptr;
             all && (inner = next(walk, static_cast<DcmItem *>(from), inner)) != nullptr;)
            all = is_made(walk, inner);
    walk.path.pop_back();
    return all;
}

bool elements_equal(Comparison &walk, DcmObject *a, DcmObject *b)
{
    DcmSequenceOfItems *before = sequence_of(a);
    DcmSequenceOfItems *after = sequence_of(b);
    if ((before == nullptr) != (after == nullptr))
        return differs(walk, "is of another kind", tag_of(a));
    if (before == nullptr && relation_of(walk, a) == Relation::around && is_made(walk, b))
        return true; // a private sequence that it does not know
    if (before == nullptr) {
        Value old_value = value_of(a);
        Value new_value = value_of(b);
        bool same = old_value.is_known == new_value.is_known && old_value.bytes == new_value.bytes;
        return same || differs(walk, "has another value", tag_of(a));
    }
    return sequences_equal(walk, before, after);
}

bool sequences_equal(Comparison &walk, DcmSequenceOfItems *before, DcmSequenceOfItems *after)
{
    bool is_around = relation_of(walk, before) == Relation::around;
    DcmObject *b = nullptr;
    for (DcmObject *a = nullptr; (a = before->nextInContainer(a)) != nullptr;) {
        DcmObject *last = b;
        b = after->nextInContainer(last);
        if (b == nullptr)
            return differs(walk, "has fewer items", tag_of(before));
        walk.path.push_back(tag_of(before));
        bool same = items_equal(walk, static_cast<DcmItem *>(a), static_cast<DcmItem *>(b));
        walk.path.pop_back();
        if (!same)
            return false;
    }
    if (after->card() == before->card())
        return true;
    return (is_around && (b == nullptr || are_made(walk, after, b))) ||
           differs(walk, "has more items", tag_of(before));
}

bool items_equal(Comparison &walk, DcmItem *before, DcmItem *after)
{
    DcmObject *a = next(walk, before, nullptr);
    DcmObject *b = next(walk, after, nullptr);
    while (a != nullptr || b != nullptr) {
        if (a != nullptr && (b == nullptr || tag_of(a) < tag_of(b)))
            return differs(walk, "is gone", tag_of(a)); // an edit never takes what is around it
        if (a == nullptr || tag_of(b) < tag_of(a)) {
            if (!is_made(walk, b))
                return differs(walk, "has come", tag_of(b));
            b = next(walk, after, b);
            continue;
        }
        if (!elements_equal(walk, a, b))
            return false;
        a = next(walk, before, a);
        b = next(walk, after, b);
    }
    return true;
}

} // namespace

enum dcmtk_outcome dcmtk_compare(const struct dcmtk_case *c)
{
    static const bool is_silent = (OFLog::configure(OFLogger::OFF_LOG_LEVEL), true);
    (void)is_silent;
    DcmDataset before;
    DcmDataset after;
    E_TransferSyntax syntax = DcmXfer(c->transfer_syntax).getXfer();
    if (!read_whole(before, syntax, c->old_bytes, c->old_length) || !reads_alike(before, c))
        return DCMTK_SKIPPED;
    if (!read_whole(after, syntax, c->new_bytes, c->new_length)) {
        std::fprintf(stderr, "DCMTK: does not read what came out\n");
        return DCMTK_DIFFERS;
    }
    Comparison walk = {c, {}};
    return items_equal(walk, &before, &after) ? DCMTK_EQUAL : DCMTK_DIFFERS;
}
