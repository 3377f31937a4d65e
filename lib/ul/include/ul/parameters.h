// SPDX-License-Identifier: Apache-2.0
//
// What an A-ASSOCIATE-RQ or -AC says (PS3.8 9.3.2, 9.3.3, annex D; PS3.7 annex D.3.3), as one object in one
// arena: built by the decoder or by the owner's add functions, read directly, encoded again. Everything that
// a slice in it points to lives in its arena and dies with it (wiped: passwords). One thread; shared
// read-only after building. Called by ul/association, the session (negotiation) and the forwarding legs.
//
// UIDs and names are raw bytes without trailing NUL and space; nothing is said about their length or
// characters.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/queue.h"
#include "base/result.h"
#include "base/slice.h"
#include "ul/pdu.h"
#include "ul/reason.h"

enum {
    UL_CONTEXT_LIMIT = 128,         // presentation contexts, PS3.8 9.3.2.2: odd ids 1 to 255
    UL_TRANSFER_SYNTAX_LIMIT = 128, // of one context
    UL_SUB_ITEM_LIMIT = 256,        // role selections; extended; common extended: each
    UL_RELATED_CLASS_LIMIT = 256,   // related general SOP classes of one common extended item
};

// Result/reason of a context in an AC, PS3.8 table 9-18; other values may be received.
enum ul_context_result {
    UL_CONTEXT_ACCEPTED = 0,
    UL_CONTEXT_USER_REJECTED = 1,
    UL_CONTEXT_NO_REASON = 2,
    UL_CONTEXT_ABSTRACT_SYNTAX = 3,
    UL_CONTEXT_TRANSFER_SYNTAXES = 4,
};

// One presentation context. In an RQ: one abstract syntax and the transfer syntaxes in the order of the wire.
// In an AC: no abstract syntax, none or one transfer syntax; `result` decides, not the presence of a syntax.
struct ul_context {
    uint8_t id;
    uint8_t result;         // AC only
    uint8_t abstract_count; // RQ as received: 1 when sound; 0 or more: reject this context (PROTOCOL 24)
    uint8_t transfer_count; // of `transfer`, 0 to UL_TRANSFER_SYNTAX_LIMIT
    struct slice abstract;  // the first one
    struct slice *transfer;
};

// PS3.7 D.3.3.4: 0x54.
struct ul_role_selection {
    struct slice sop_class;
    uint8_t scu;
    uint8_t scp;
};

// PS3.7 D.3.3.5: 0x56, opaque.
struct ul_extended {
    struct slice sop_class;
    struct slice information;
};

// PS3.7 D.3.3.6: 0x57, in an RQ only.
struct ul_common_extended {
    uint8_t version;
    struct slice sop_class;
    struct slice service_class;
    struct slice *related;
    uint16_t related_count;
};

// PS3.7 D.3.3.7: 0x58. Fields are secrets: never log them.
struct ul_user_identity {
    uint8_t type; // 1 name, 2 name and passcode, 3 Kerberos, 4 SAML, 5 JWT
    bool response_requested;
    struct slice primary;
    struct slice secondary;
};

// PS3.7 annex A.2.1: the only application context name of DICOM.
#define UL_APPLICATION_CONTEXT "1.2.840.10008.3.1.1.1"

struct ul_arena_block;

struct ul_parameters {
    uint16_t protocol_version;
    uint8_t called[UL_TITLE_LENGTH]; // as on the wire; in an AC a copy of the RQ's that nobody tests
    uint8_t calling[UL_TITLE_LENGTH];
    uint8_t reserved[32]; // PS3.8 table 9-17: an AC repeats the RQ's

    bool has_application_context;
    struct slice application_context;

    size_t context_count;
    struct ul_context *contexts;

    bool has_user_information;
    bool has_maximum_length;
    uint32_t maximum_length; // P-DATA-TF variable field, bytes; 0 = no limit (also when the item is missing)
    bool has_implementation_class;
    struct slice implementation_class;
    bool has_implementation_version;
    struct slice implementation_version;
    bool has_asynchronous_window;
    uint16_t operations_invoked; // 0 = no limit; both 1 when the item is missing
    uint16_t operations_performed;
    size_t role_count;
    struct ul_role_selection *roles;
    size_t extended_count;
    struct ul_extended *extended;
    size_t common_extended_count;
    struct ul_common_extended *common_extended;
    bool has_user_identity; // RQ
    struct ul_user_identity identity;
    bool has_identity_response; // AC
    struct slice identity_response;

    uint32_t skipped_items; // unknown items and sub-items, and repeated single ones (the first counts)

    struct ul_arena_block *arena; // private
};

// Empty parameters: protocol version 1, titles blank, window 1,1. ERR_NOMEM.
MUST_USE enum result ul_parameters_new(struct ul_parameters **out);

// The frame of an answer to `request` (borrowed): its titles and reserved bytes repeated, the application
// context named; contexts and user information are left to the owner. ERR_NOMEM.
MUST_USE enum result ul_parameters_new_answer(const struct ul_parameters *request,
                                              struct ul_parameters **out);

// Wipes and frees; NULL is allowed.
void ul_parameters_free(struct ul_parameters *parameters);

// Building. Slices are borrowed and copied into the arena. ERR_NOMEM, ERR_LIMIT beyond the bounds above.
MUST_USE enum result ul_parameters_set_application_context(struct ul_parameters *parameters,
                                                           struct slice name);
MUST_USE enum result ul_parameters_set_implementation(struct ul_parameters *parameters,
                                                      struct slice class_uid, struct slice version_name);
void ul_parameters_set_maximum_length(struct ul_parameters *parameters, uint32_t maximum_length);
void ul_parameters_set_asynchronous_window(struct ul_parameters *parameters, uint16_t invoked,
                                           uint16_t performed);

// The new context is the last of `contexts`; an empty abstract syntax means none (AC). ERR_EXISTS for an id
// already there, ERR_ARGUMENT for an even one.
MUST_USE enum result ul_parameters_add_context(struct ul_parameters *parameters, uint8_t id, uint8_t result,
                                               struct slice abstract);
// Adds to the last context. ERR_ARGUMENT where there is none.
MUST_USE enum result ul_parameters_add_transfer_syntax(struct ul_parameters *parameters, struct slice uid);
// AC: a context with its one syntax; for a refused one Implicit VR Little Endian stands in, as PS3.8 9.3.3.2
// wants an item there that nobody tests.
MUST_USE enum result ul_parameters_add_accepted(struct ul_parameters *parameters, uint8_t id,
                                                struct slice uid);
MUST_USE enum result ul_parameters_add_refused(struct ul_parameters *parameters, uint8_t id,
                                               enum ul_context_result result);
MUST_USE enum result ul_parameters_add_role(struct ul_parameters *parameters, struct slice sop_class,
                                            bool scu, bool scp);
MUST_USE enum result ul_parameters_add_extended(struct ul_parameters *parameters, struct slice sop_class,
                                                struct slice information);
MUST_USE enum result ul_parameters_add_common_extended(struct ul_parameters *parameters, uint8_t version,
                                                       struct slice sop_class, struct slice service_class);
// Adds to the last common extended item.
MUST_USE enum result ul_parameters_add_related_class(struct ul_parameters *parameters, struct slice uid);
MUST_USE enum result ul_parameters_set_identity(struct ul_parameters *parameters,
                                                const struct ul_user_identity *identity);
MUST_USE enum result ul_parameters_set_identity_response(struct ul_parameters *parameters,
                                                         struct slice response);

// Titles: written blank-padded; more than 16 bytes: ERR_ARGUMENT. Read without leading and trailing spaces
// (and trailing NUL), borrowed from the array.
MUST_USE enum result ul_title_write(uint8_t *title, struct slice text);
struct slice ul_title_read(const uint8_t *title);

// Decodes the body (what follows the 6-byte PDU header) of an RQ or AC. On ERR_FORMAT `*reason` says what is
// wrong with it; ERR_NOMEM otherwise. `*out` only on OK.
MUST_USE enum result ul_parameters_decode(enum ul_pdu_type type, struct slice body,
                                          struct ul_parameters **out, enum ul_reason *reason);

// Appends the whole PDU. ERR_LIMIT where an item does not fit its 16-bit length or the queue its limit
// (nothing is appended then), ERR_NOMEM.
MUST_USE enum result ul_parameters_encode(enum ul_pdu_type type, const struct ul_parameters *parameters,
                                          struct byte_queue *queue);

// The context with this id, or NULL. Borrowed.
const struct ul_context *ul_parameters_context_get(const struct ul_parameters *parameters, uint8_t id);

// Finds the reject that PS3.8 wants for a request before any policy is asked: protocol version (1,2,2),
// application context (1,1,2), a maximum length too small for any PDV (1,1,1). False: nothing to reject here.
bool ul_parameters_reject_find(const struct ul_parameters *request, struct ul_reject *reject,
                               enum ul_reason *reason);

// Whether at least a PDV of two bytes fits into the maximum length that the peer gave (PROTOCOL 33).
bool ul_parameters_maximum_is_usable(const struct ul_parameters *parameters);

// Whether `answer` accepts the context `id` of `request` soundly: result 0, one transfer syntax, and one that
// the request proposed for it (PROTOCOL 25 to 27). On true the syntaxes are borrowed from `request` and
// `answer`.
bool ul_parameters_agreed(const struct ul_parameters *request, const struct ul_parameters *answer, uint8_t id,
                          struct slice *abstract, struct slice *transfer);
