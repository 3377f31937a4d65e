// SPDX-License-Identifier: Apache-2.0
//
// DICOM as a client says it, into a byte queue, for tests of the front session: association requests, C-ECHO,
// C-STORE with a small data set, release. And what a client understands of the answers.
#pragma once

#include "rig.h"

#define CT_CLASS     "1.2.840.10008.5.1.4.1.1.2"
#define EXPLICIT_LE  "1.2.840.10008.1.2.1"
#define IMPLICIT_LE  "1.2.840.10008.1.2"
#define VERIFICATION "1.2.840.10008.1.1"

// Contexts: 1 Verification implicit, 3 CT explicit and implicit. Both roles are proposed, and the user is
// "joe".
void speak_associate(struct client *client, const char *called, const char *calling);
// The same, asking for an asynchronous operations window; -1: not.
void speak_associate_window(struct client *client, const char *called, const char *calling, int window);
void speak_echo(struct client *client, uint16_t message_id);

struct store {
    uint16_t message_id;
    const char *instance;        // SOP Instance UID of the command
    const char *instance_inside; // of the data set; NULL: the same
    size_t pixels;               // bytes of Pixel Data, even
    size_t fragment;             // bytes of each data fragment, even; 0: as large as fits
    const char *originator;      // Move Originator AE title, or NULL
    bool has_behind;             // a patient's element stands behind Pixel Data
    size_t most;                 // bytes of the data set to be sent, then nothing more; 0: all
};
void speak_store(struct client *client, const struct store *store);
void speak_release(struct client *client);

// Runs until a PDU of this type has come in, skipping none; fails the test after a minute of virtual time.
// Valid until the next.
struct slice hear_pdu(struct client *client, uint8_t type);
// A response: its status; message id and Error Comment checked or given back where asked for.
uint16_t hear_response(struct client *client, uint16_t message_id);
// Runs until the gateway has closed the connection.
void hear_end(struct client *client);
// Association and its AC at once.
void speak_open(struct client *client, struct rig *rig, const struct memory_path *path);
