// SPDX-License-Identifier: Apache-2.0
//
// Element paths: the names by which rules speak of elements, and the keywords of PS3.6. Notation:
//
//   PatientID                                          keyword (PS3.6), case matters
//   (0010,0020)                                        tag; private ones too: this very tag, whoever owns it
//   (0029,"SIEMENS MEDCOM HEADER",10)                  private element by its creator (PS3.5 7.8.1): group,
//                                                      creator, low byte of the element number; a quote in
//                                                      the creator is written twice
//   RequestAttributesSequence[0].AccessionNumber       nested; items count from 0
//   RequestAttributesSequence[*].AccessionNumber       in every item that is there
//   OriginalAttributesSequence[+].ReasonForTheAttributeModification
//                                                      in one new item, behind those that are there
//   RequestAttributesSequence[0]                       the item itself, to remove it; [*]: all
//
// Pure; no memory is allocated. Thread: any.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "dcm/tag.h"
#include "dcm/vr.h"

#define DCM_PATH_DEPTH     8  // sequences above the element
#define DCM_CREATOR_SIZE   65 // LO: 64 characters (PS3.5 6.2) and the NUL; creators are ASCII here
#define DCM_PATH_TEXT_SIZE 1536

// Numbers of items that are no number.
#define DCM_ITEM_ALL  UINT32_C(0xFFFFFFFF) // [*]
#define DCM_ITEM_NEW  UINT32_C(0xFFFFFFFE) // [+]
#define DCM_ITEM_MOST UINT32_C(0x00FFFFFF) // the highest number that can be written

struct dcm_path_step {
    uint32_t tag;                   // with a creator: (gggg,00ee), as the block is not known
    uint32_t item;                  // number, DCM_ITEM_ALL or DCM_ITEM_NEW; 0 where the step has no item
    char creator[DCM_CREATOR_SIZE]; // without padding; "": the tag says it all
};

// All bytes that the path does not use are zero, so that equal paths are equal bytes.
struct dcm_path {
    uint32_t depth;                                // sequences above the last step, 0..DCM_PATH_DEPTH
    bool is_item;                                  // ends in an item of the last step, not in the element
    struct dcm_path_step step[DCM_PATH_DEPTH + 1]; // step[depth] is the last one
};

// ERR_FORMAT: no path; ERR_MISSING: a keyword that PS3.6 does not have; ERR_LIMIT: deeper than
// DCM_PATH_DEPTH, or a creator or item number too long. `at` (may be NULL): where in `text` the trouble
// begins; written on error only.
MUST_USE enum result dcm_path_parse(struct slice text, struct dcm_path *path, size_t *at);

// Canonical text: keywords where PS3.6 has them. Parsing it gives the same path. Holds no patient data.
void dcm_path_print(const struct dcm_path *path, char text[DCM_PATH_TEXT_SIZE]);

// A path of one standard or private tag.
struct dcm_path dcm_path_of_tag(uint32_t tag);

// Total order: by tag (then creator, then item) from the outermost step on, a sequence before what is in it;
// 0 only for equal paths.
int dcm_path_compare(const struct dcm_path *a, const struct dcm_path *b);

// There can be a data set in which both name the same element or item, or one names what encloses the other.
// [*] meets every number, [+] only [+]. A creator against a plain tag of the same group and low byte: true.
bool dcm_path_overlaps(const struct dcm_path *a, const struct dcm_path *b);

// There can be a data set in which one element has two names on these paths, by plain tag on one and by its
// creator on the other, whatever the items. A survey does not take both.
bool dcm_path_is_ambiguous(const struct dcm_path *a, const struct dcm_path *b);

// Why no edit may have this target, as a static text such as "identifies the instance"; NULL if it may.
// Refused at every depth: SOP Class, SOP Instance, Study Instance and Series Instance UID, Pixel Data, group
// lengths, (0008,0001), creators of private blocks (they come and stay with their elements), groups below
// 0008 and from FFFA on; at the top level: what stands behind Pixel Data.
const char *dcm_path_refusal(const struct dcm_path *path);

// The dictionary's VR of the last step; DCM_VR_NONE for private elements and what PS3.6 does not have.
enum dcm_vr dcm_path_vr(const struct dcm_path *path);

// PS3.6 keywords, retired ones included; repeating groups (50xx, 60xx) have none here.
const char *dcm_keyword(uint32_t tag);                      // NULL if there is none
bool dcm_keyword_find(struct slice keyword, uint32_t *tag); // exact
