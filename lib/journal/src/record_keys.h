// SPDX-License-Identifier: Apache-2.0
// Keys of the CBOR maps in record bodies. A key is never given another meaning; FORMAT.md lists them for
// people.
#pragma once

// The one key that bodies share.
enum { KEY_TIME = 0 };

enum open_key {
    OPEN_CALLED = 1,
    OPEN_CALLING = 2,
    OPEN_PEER_ADDRESS = 3,
    OPEN_CERTIFICATE = 4,
    OPEN_LISTENER = 5,
    OPEN_TRANSFER_SYNTAX = 6,
    OPEN_SOP_CLASS = 7,
    OPEN_SOP_INSTANCE = 8,
    OPEN_PRIORITY = 9,
    OPEN_MESSAGE_ID = 10,
    OPEN_MOVE_ORIGINATOR_ID = 11,
    OPEN_MOVE_ORIGINATOR = 12,
    OPEN_IMPLEMENTATION_CLASS = 13,
    OPEN_IMPLEMENTATION_VERSION = 14,
    OPEN_ROLES = 15,
    OPEN_IDENTITY_TYPE = 16,
    OPEN_IDENTITY = 17,
    OPEN_SOURCE_NODE = 18,
    OPEN_DOMAIN = 19,
    OPEN_CERTIFICATE_SUBJECT = 20,
};

enum close_key {
    CLOSE_ORDER = 1,
    CLOSE_DURABLE = 2, // array: segment, offset
    CLOSE_OPENED = 3,  // array: segment, offset
    CLOSE_EPOCH = 4,
    CLOSE_ARCHIVES = 5, // array
    CLOSE_ACKNOWLEDGEMENT = 6,
    CLOSE_PRIMARY = 7,
    CLOSE_FLAGS = 8,
    CLOSE_LENGTH = 9,
    CLOSE_ALGORITHM = 10,
    CLOSE_DIGEST_VERSION = 11,
    CLOSE_RANGES = 12, // array of three times: length, digest
    CLOSE_INSTANCE = 13,
    CLOSE_RECEIVED = 14,
    CLOSE_CANONICAL = 15,
    CLOSE_CANONICAL_UNKNOWN = 16,
    CLOSE_ELEMENTS = 17, // array of: tag, VR, bytes
    CLOSE_INDEX = 18,
    CLOSE_FIRST_BYTE = 19,
    CLOSE_LAST_BYTE = 20,
    CLOSE_KNOWN = 21,   // bytes: a map by itself
    CLOSE_PATIENT = 22, // bytes
};

enum known_key {
    KNOWN_UPTO = 1,       // array of: stream, segment, offset
    KNOWN_DELIVERIES = 2, // array of maps
};

enum known_delivery_key {
    KNOWN_ARCHIVE = 1,
    KNOWN_STATE = 2,
    KNOWN_STATUS = 4,
    KNOWN_ATTEMPTS = 5,
    KNOWN_SENT_AT = 6,
    KNOWN_OUTCOME_AT = 7,
    KNOWN_SETTLED_BY = 8,
    KNOWN_RESENT = 9,
    KNOWN_FAILURES = 10,
    KNOWN_REMARK = 11, // bytes
    KNOWN_PERSON = 12, // bytes
    KNOWN_HEADER = 13,
    KNOWN_EDITS = 14,
    KNOWN_PACK = 15,
    KNOWN_CROSSWALK = 16,
    KNOWN_RELEASED = 17,
    KNOWN_FLAGS = 18, // array of: count, first reason (bytes)
};

enum drop_key { DROP_REASON = 1, DROP_STATUS = 2, DROP_COMMENT = 3 };

enum sent_key {
    SENT_ARCHIVE = 1,
    SENT_ATTEMPT = 2,
    SENT_RESENT = 3,
    SENT_PACK = 4,
    SENT_CROSSWALK = 5,
    SENT_EDITS = 6,
    SENT_HEADER = 7,
    SENT_EVIDENCE = 8, // bytes: a map by itself
    SENT_FLAGS = 9,    // array of: count, reasons
};

enum outcome_key {
    OUTCOME_RECEIPT = 1,
    OUTCOME_ARCHIVE = 2,
    OUTCOME_KIND = 3,
    OUTCOME_REMARK = 4,
    OUTCOME_RESENT = 5,
    OUTCOME_STATUS = 6,
    OUTCOME_COMMENT = 7,
    OUTCOME_PERSON = 8,
    OUTCOME_ATTEMPT = 9,
    OUTCOME_SENT = 10,
    OUTCOME_ANSWERED = 11,
};

enum epoch_key {
    EPOCH_KIND = 1,
    EPOCH_LIFE = 2,
    EPOCH_NUMBER = 3,
    EPOCH_PHASE = 4,
    EPOCH_CONFIGURATION = 5,
};
