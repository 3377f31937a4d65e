// SPDX-License-Identifier: Apache-2.0
//
// The inside of struct dcm_interest: the paths as a tree. A node is an element of interest in one kind of
// place (the data set, or the items of the node above it); what is in its items are its children, together in
// the array and ascending by tag. Besides the elements of the paths each place has nodes for its Specific
// Character Set and for the group lengths of its groups, the data set for (0008,0001). Never changes once it
// is made.
#pragma once

#include "dcm/survey.h"

#define NONE UINT32_MAX

struct interest_node {
    uint32_t tag;        // with a creator: (gggg,00ee)
    uint32_t parent;     // NONE: the root, which stands for the data set
    uint32_t children;   // first of them
    uint32_t count;      // of children
    uint32_t created;    // how many of the children are named by creator; they stand behind the others
    uint32_t item_limit; // items below this number are looked into
    bool keeps;          // a path ends here
    char creator[DCM_CREATOR_SIZE];
};

struct interest_path {
    uint32_t node;
    uint32_t depth;
    bool is_item;
    uint32_t item[DCM_PATH_DEPTH];
};

struct dcm_interest {
    uint32_t magic;
    uint32_t node_count;
    struct interest_node *nodes; // the first is the root
    size_t path_count;
    struct interest_path *paths;
};

// The node of a path; NONE if there is none, or if it looks into items that the paths of the interest do not.
uint32_t interest_find(const struct dcm_interest *interest, const struct dcm_path *path);
// The child of `place` with this tag and no creator, or NONE.
uint32_t interest_child(const struct dcm_interest *interest, uint32_t place, uint32_t tag);
