// SPDX-License-Identifier: Apache-2.0
#include "speak.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/cursor.h"
#include "dimse/message.h"
#include "ul/parameters.h"

enum { FRAGMENT_MOST = 16384 - 6 };

void speak_associate(struct client *client, const char *called, const char *calling)
{
    speak_associate_window(client, called, calling, -1);
}

void speak_associate_window(struct client *client, const char *called, const char *calling, int window)
{
    struct ul_parameters *request;
    struct byte_queue queue;
    ensure(ul_parameters_new(&request) == OK);
    ensure(ul_title_write(request->called, slice_of_text(called)) == OK);
    ensure(ul_title_write(request->calling, slice_of_text(calling)) == OK);
    ensure(ul_parameters_set_application_context(request, slice_of_text(UL_APPLICATION_CONTEXT)) == OK);
    ul_parameters_set_maximum_length(request, 16384);
    if (window >= 0)
        ul_parameters_set_asynchronous_window(request, (uint16_t)window, 1);
    ensure(ul_parameters_add_context(request, 1, 0, slice_of_text(VERIFICATION)) == OK);
    ensure(ul_parameters_add_transfer_syntax(request, slice_of_text(IMPLICIT_LE)) == OK);
    ensure(ul_parameters_add_context(request, 3, 0, slice_of_text(CT_CLASS)) == OK);
    ensure(ul_parameters_add_transfer_syntax(request, slice_of_text(EXPLICIT_LE)) == OK);
    ensure(ul_parameters_add_transfer_syntax(request, slice_of_text(IMPLICIT_LE)) == OK);
    struct ul_user_identity identity = {.type = 1, .primary = slice_of_text("joe")};
    ensure(ul_parameters_add_role(request, slice_of_text(CT_CLASS), true, true) == OK);
    ensure(ul_parameters_set_identity(request, &identity) == OK);
    byte_queue_init(&queue, MIB);
    ensure(ul_parameters_encode(UL_PDU_ASSOCIATE_RQ, request, &queue) == OK);
    client_send(client, byte_queue_peek(&queue));
    byte_queue_fini(&queue);
    ul_parameters_free(request);
}

static void fragment_send(struct client *client, uint8_t context_id, bool is_command, bool is_last,
                          struct slice bytes)
{
    uint8_t header[UL_DATA_HEADER_LENGTH];
    ul_pdu_write_data_header(header, context_id, is_command, is_last, (uint32_t)bytes.length);
    client_send(client, slice_of(header, sizeof header));
    client_send(client, bytes);
}

static void command_send(struct client *client, uint8_t context_id, const struct dimse_command *command)
{
    uint8_t bytes[4096];
    size_t length;
    ensure(dimse_command_encode(command, bytes, sizeof bytes, &length) == OK);
    fragment_send(client, context_id, true, true, slice_of(bytes, length));
}

void speak_echo(struct client *client, uint16_t message_id)
{
    struct dimse_command command;
    dimse_echo_request(&command, message_id);
    command_send(client, 1, &command);
}

static void element(struct writer *w, uint16_t group, uint16_t number, const char *vr, struct slice value)
{
    size_t padded = (value.length + 1) & ~(size_t)1;
    writer_u16le(w, group);
    writer_u16le(w, number);
    writer_put(w, vr, 2);
    if (strcmp(vr, "OW") == 0) {
        writer_u16le(w, 0);
        writer_u32le(w, (uint32_t)padded);
    } else {
        writer_u16le(w, (uint16_t)padded);
    }
    writer_slice_put(w, value);
    writer_fill(w, 0, padded - value.length);
}

static struct writer data_set_make(const struct store *store)
{
    size_t capacity = 512 + store->pixels;
    struct writer w = writer_of(malloc(capacity), capacity);
    const char *inside = store->instance_inside != NULL ? store->instance_inside : store->instance;
    uint8_t *pixels = malloc(store->pixels + 1);
    ensure(w.start != NULL && pixels != NULL);
    for (size_t i = 0; i < store->pixels; i++)
        pixels[i] = (uint8_t)(i * 31 + i / 257);
    element(&w, 0x0008, 0x0016, "UI", slice_of_text(CT_CLASS));
    element(&w, 0x0008, 0x0018, "UI", slice_of_text(inside));
    element(&w, 0x0010, 0x0010, "PN", slice_of_text("SECRET^PATIENT"));
    element(&w, 0x0010, 0x0020, "LO", slice_of_text("4711"));
    element(&w, 0x7fe0, 0x0010, "OW", slice_of(pixels, store->pixels));
    if (store->has_behind)
        element(&w, 0x0010, 0x0040, "CS", slice_of_text("O"));
    ensure(!w.failed);
    free(pixels);
    return w;
}

void speak_store(struct client *client, const struct store *store)
{
    struct dimse_command command;
    struct dimse_move_originator originator = {.message_id = 77};
    if (store->originator != NULL)
        originator.title = slice_of_text(store->originator);
    dimse_store_request(&command, store->message_id, slice_of_text(CT_CLASS), slice_of_text(store->instance),
                        DIMSE_PRIORITY_MEDIUM, store->originator != NULL ? &originator : NULL);
    command_send(client, 3, &command);
    struct writer data_set = data_set_make(store);
    struct slice rest = writer_slice(&data_set);
    size_t most = store->fragment == 0 ? FRAGMENT_MOST : store->fragment;
    if (store->most > 0)
        rest = slice_first(rest, store->most);
    while (rest.length > 0) {
        struct slice piece = slice_first(rest, most);
        rest = slice_from(rest, piece.length);
        fragment_send(client, 3, false, rest.length == 0 && store->most == 0, piece);
    }
    free(data_set.start);
}

void speak_release(struct client *client)
{
    uint8_t pdu[UL_FIXED_PDU_LENGTH];
    ul_pdu_write_release_rq(pdu);
    client_send(client, slice_of(pdu, sizeof pdu));
}

static bool has_pdu(void *arg)
{
    struct client *client = arg;
    struct slice in = byte_queue_peek(&client->in);
    if (in.length < 6)
        return false;
    return in.length >=
           6 + ((size_t)in.data[2] << 24 | (size_t)in.data[3] << 16 | (size_t)in.data[4] << 8 | in.data[5]);
}

struct slice hear_pdu(struct client *client, uint8_t type)
{
    ensure(rig_run_until(client->rig, has_pdu, client, 60 * NSEC_PER_SEC));
    struct slice pdu = client_pdu(client);
    ensure(pdu.data[0] == type);
    return pdu;
}

uint16_t hear_response(struct client *client, uint16_t message_id)
{
    struct slice pdu = hear_pdu(client, UL_PDU_DATA_TF);
    struct dimse_command response;
    ensure(dimse_command_decode(slice_from(pdu, UL_DATA_HEADER_LENGTH), &response) == OK);
    ensure(response.message_id_responded_to == message_id);
    return response.status;
}

static bool has_ended(void *arg)
{
    return ((struct client *)arg)->has_ended;
}

void hear_end(struct client *client)
{
    ensure(rig_run_until(client->rig, has_ended, client, 120 * NSEC_PER_SEC));
}

void speak_open(struct client *client, struct rig *rig, const struct memory_path *path)
{
    client_open(client, rig, path);
    speak_associate(client, "GATE", "CT1");
    (void)hear_pdu(client, UL_PDU_ASSOCIATE_AC);
}
