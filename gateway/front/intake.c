// SPDX-License-Identifier: Apache-2.0
#include "front/intake.h"
#include "base/check.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/wipe.h"
#include "dimse/status.h"
#include "forward/receipt.h"
#include "front/intake_close.h"
#include "front/intake_cut.h"
#include "front/session.h"
#include "order/references.h"
#include <stdlib.h>

#define INTAKE_MAGIC 0x494e5431u

static const struct session_facts *facts(const struct intake *intake)
{
    return session_facts(intake->session);
}

static uint64_t association_number(const struct intake *intake)
{
    return intake->session != NULL ? facts(intake)->number : 0;
}

static void park_for_room(struct intake *intake, bool wanted)
{
    bool is_linked = list_node_is_linked(&intake->worker_node);
    if (wanted && !is_linked)
        list_append(&intake->worker->intakes, &intake->worker_node);
    else if (!wanted && is_linked)
        list_remove(&intake->worker->intakes, &intake->worker_node);
}

// Everything but the status and the identity of the request.
static void release_data(struct intake *intake)
{
    struct hot_window *window = &intake->worker->window;
    park_for_room(intake, false);
    for (size_t i = 0; i < intake->pending_count; i++)
        chunk_give(window, intake->pending[i]);
    intake->pending_count = 0;
    chunk_give(window, intake->chunk);
    intake->chunk = NULL;
    content_unref(&intake->content);
    if (intake->scanner != NULL)
        worker_scanner_give(intake->worker, intake->scanner);
    intake->scanner = NULL;
    intake_verdict_free(&intake->verdict);
    references_free(&intake->references);
    if (intake->close != NULL)
        wipe(intake->close, sizeof *intake->close);
    free(intake->close);
    free(intake->reserve);
    intake->reserve = NULL;
    intake->close = NULL;
    journal_receipt_end(&intake->receipt);
}

static void texts_free(struct intake *intake)
{
    free(intake->sop_class);
    free(intake->sop_instance);
    free(intake->move_originator);
}

void intake_free(struct intake *intake)
{
    if (intake == NULL)
        return;
    MAGIC_CHECK(intake, INTAKE_MAGIC);
    journal_wait_cancel(intake->worker->stream, &intake->waiter);
    if (list_node_is_linked(&intake->orphan_node))
        list_remove(&intake->worker->orphans, &intake->orphan_node);
    if (intake->has_awaited)
        awaited_fini(&intake->awaited);
    release_data(intake);
    texts_free(intake);
    MAGIC_CLEAR(intake);
    free(intake);
}

static void finish(struct intake *intake)
{
    intake->stage = INTAKE_DONE;
    if (intake->session != NULL)
        session_store_done(intake->session, intake);
    else
        intake_free(intake);
}

// A receipt that has an OPEN and gets no CLOSE, or one that was lost, leaves a DROP (ENGINE 2).
static void note_drop(struct intake *intake, enum record_drop_reason reason)
{
    if (!intake->has_open)
        return;
    content_drop(intake->content);
    struct record_drop drop = {.reason = (uint8_t)reason,
                               .status = intake->status,
                               .comment = slice_of_text(intake->comment),
                               .time = ev_wall_now(intake->worker->loop)};
    notes_drop(&intake->worker->notes, intake->receipt.number, &drop);
    intake->has_open = false;
}

static void refuse(struct intake *intake, uint16_t status, const char *comment,
                   enum record_drop_reason reason)
{
    intake->status = status;
    text_copy(intake->comment, sizeof intake->comment, slice_of_text(comment));
    note_drop(intake, reason);
    release_data(intake);
    atomic_fetch_add_explicit(&intake->worker->counters.instances_refused, 1, memory_order_relaxed);
    if (intake->has_ended)
        finish(intake);
    else
        intake->stage = INTAKE_DISCARDING;
}

static void refuse_for_journal(struct intake *intake, enum result result)
{
    uint64_t association = association_number(intake);
    if (result == ERR_SPACE) {
        log_event(LOG_INTAKE_NO_SPACE, log_number(association), log_number(intake->receipt.number));
        refuse(intake, DIMSE_OUT_OF_RESOURCES, "gateway journal is full", RECORD_DROP_SPACE);
    } else {
        log_event(LOG_INTAKE_JOURNAL_FAILED, log_number(association), log_number(intake->receipt.number),
                  log_text(result_text(result)));
        refuse(intake, DIMSE_OUT_OF_RESOURCES, "gateway journal could not store", RECORD_DROP_IO);
    }
}

// ---- into the journal ----

static struct record_open open_of(const struct intake *intake)
{
    const struct session_facts *from = facts(intake);
    struct slice transfer;
    struct slice abstract;
    const struct ul_parameters *request = from->request;
    ensure(session_context(intake->session, intake->context_id, &abstract, &transfer));
    struct record_open open = {
        .called = from->called,
        .calling = from->calling,
        .peer_address = slice_of_text(from->address),
        .certificate_fingerprint = from->fingerprint,
        .certificate_subject = from->subject,
        .listener = slice_of_text(from->listener->name),
        .transfer_syntax = transfer,
        .sop_class = slice_of_text(intake->sop_class),
        .sop_instance = slice_of_text(intake->sop_instance),
        .priority = intake->request.priority,
        .message_id = intake->request.message_id,
        .implementation_class = slice_first(request->implementation_class, RECORD_TEXT_MAX),
        .implementation_version = slice_first(request->implementation_version, RECORD_TEXT_MAX),
        .source_node = from->source_node,
        .domain = from->domain,
        .time = intake->first_byte,
    };
    if (dimse_command_has(&intake->request, DIMSE_MOVE_ORIGINATOR)) {
        open.has_move_originator = true;
        open.move_originator = intake->request.move_originator;
        open.move_originator_id = intake->request.move_originator_message_id;
    }
    session_negotiated(intake->session, &open);
    return open;
}

static enum result open_encode(struct intake *intake, struct content **content)
{
    struct record_open open = open_of(intake);
    uint8_t body[16 * 1024];
    size_t length;
    enum result result = record_open_encode(&open, body, sizeof body, &length);
    if (result == OK)
        result =
            content_new(&intake->worker->window, intake->receipt.number, slice_of(body, length), content);
    wipe(body, sizeof body); // it may hold a user identity
    return result;
}

static enum result append_open(struct intake *intake)
{
    if (!intake->has_receipt) {
        enum result result = journal_receipt_begin(intake->worker->stream, &intake->receipt);
        if (result != OK)
            return result;
        intake->has_receipt = true;
    }
    if (intake->content == NULL) {
        enum result result = open_encode(intake, &intake->content);
        if (result != OK)
            return result;
    }
    struct journal_place place;
    enum result result =
        journal_append_open(intake->worker->stream, &intake->receipt, &intake->content->open, &place);
    if (result == OK)
        intake->has_open = true;
    return result;
}

static enum result append_pending(struct intake *intake)
{
    while (intake->pending_count > 0) {
        struct chunk *chunk = intake->pending[0];
        struct slice bytes = slice_of(chunk->data, chunk->length);
        struct journal_place place;
        enum result result = journal_append_data(intake->worker->stream, &intake->receipt, &bytes, 1, &place);
        if (result != OK)
            return result;
        intake->pending_count--;
        memmove(intake->pending, intake->pending + 1, intake->pending_count * sizeof intake->pending[0]);
        result = content_add(intake->content, place.position, &chunk);
        if (result != OK)
            return result;
        intake_cut_look(intake);
    }
    return OK;
}

static void on_close_reached(struct intake *intake, enum result result);

static void on_close_durable(struct journal_waiter *waiter, enum result result)
{
    on_close_reached(CONTAINER_OF(waiter, struct intake, waiter), result);
}

static void acknowledged(struct intake *intake)
{
    intake->is_accepted = true;
    struct worker_counters *counters = &intake->worker->counters;
    atomic_fetch_add_explicit(&counters->instances_acknowledged, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->bytes_received, intake->length, memory_order_relaxed);
    log_event(LOG_INTAKE_ACKNOWLEDGED, log_number(association_number(intake)),
              log_number(intake->receipt.number), log_number(intake->length));
}

// What the archives say of it, or the deadline (forward/awaited.h).
static void on_word(struct awaited *awaited)
{
    struct intake *intake = CONTAINER_OF(awaited, struct intake, awaited);
    MAGIC_CHECK(intake, INTAKE_MAGIC);
    intake->status = awaited->status;
    memcpy(intake->comment, awaited->comment, sizeof intake->comment);
    memcpy(intake->offending, awaited->offending, awaited->offending_length);
    intake->offending_length = awaited->offending_length;
    if (awaited->is_yes)
        acknowledged(intake);
    else
        atomic_fetch_add_explicit(&intake->worker->counters.instances_refused, 1, memory_order_relaxed);
    finish(intake);
}

// A client that has gone, and a primary that sent the instance itself, are not waited for.
static struct awaited *awaited_make(struct intake *intake)
{
    const struct record_close *close = intake->close;
    if (close->acknowledgement == RECORD_ACK_DURABLE || intake->session == NULL)
        return NULL;
    bool wants_all = close->acknowledgement == RECORD_ACK_ALL;
    awaited_init(&intake->awaited, intake->worker,
                 wants_all ? CONFIGURATION_ACKNOWLEDGE_ALL : CONFIGURATION_ACKNOWLEDGE_PRIMARY,
                 close->primary, facts(intake)->route->acknowledge_within_ns, on_word);
    intake->has_awaited = true;
    return &intake->awaited;
}

static enum result admit(struct intake *intake)
{
    struct receipt_origin origin = {.number = intake->receipt.number,
                                    .order = intake->close->order,
                                    .closed_at = intake->close->last_byte,
                                    .association = (uint32_t)association_number(intake),
                                    .open = intake->receipt.opened,
                                    .close = intake->close_place.position,
                                    .sop_instance = slice_of_text(intake->sop_instance),
                                    .awaited = awaited_make(intake),
                                    .reserve = &intake->reserve};
    content_complete(intake->content);
    enum result result = receipt_admit(intake->worker, &origin, intake->close, intake->content);
    if (result != OK)
        log_event(LOG_RECEIPT_UNQUEUED, log_number(origin.number));
    return result;
}

static enum result append_close(struct intake *intake)
{
    intake->content->flags = intake->close->flags;
    if (!intake->content->has_ended)
        content_end(intake->content, intake->length);
    enum result result =
        journal_append_close(intake->worker->stream, &intake->receipt, intake->close, &intake->close_place);
    if (result != OK)
        return result;
    intake->waiter.done = on_close_durable;
#if DG_FAULT_LAST_FRAGMENT_BEFORE_CLOSE
    (void)admit(intake);
#endif
    result = journal_wait(intake->worker->stream, &intake->close_place, JOURNAL_DURABLE, &intake->waiter);
    if (result == OK)
        on_close_reached(intake, OK);
    return result == AGAIN ? OK : result;
}

static void on_close_reached(struct intake *intake, enum result result)
{
    MAGIC_CHECK(intake, INTAKE_MAGIC);
    if (result != OK) {
        refuse_for_journal(intake, result);
        return;
    }
    result = OK;
#if !DG_FAULT_LAST_FRAGMENT_BEFORE_CLOSE
    result = admit(intake);
#endif
    intake->has_open = false; // closed: no DROP any more
    release_data(intake);
#if !DG_FAULT_PRIMARY_AT_DURABLE
    if (intake->has_awaited && result == OK) {
        intake->stage = INTAKE_WAITING; // on_word() goes on
        return;
    }
#endif
    if (intake->has_awaited && result != OK) { // owed, and sent after the next start, but nobody can be asked
        refuse(intake, DIMSE_OUT_OF_RESOURCES, "gateway is out of memory", RECORD_DROP_REFUSED);
        return;
    }
    intake->status = DIMSE_SUCCESS;
    acknowledged(intake);
    finish(intake);
}

// Writes as much as the stream has room for; what meets AGAIN is tried again on_room.
static void pump(struct intake *intake)
{
    enum result result = intake->has_open ? OK : append_open(intake);
    if (result == OK)
        result = append_pending(intake);
    if (result == OK && intake->stage == INTAKE_CLOSING) {
        park_for_room(intake, false);
        result = append_close(intake);
        if (result == OK)
            return; // may be gone by now
    }
    if (result == AGAIN) {
        park_for_room(intake, true);
        return;
    }
    park_for_room(intake, false);
    if (result != OK)
        refuse_for_journal(intake, result);
}

void intake_resume(struct intake *intake)
{
    MAGIC_CHECK(intake, INTAKE_MAGIC);
    pump(intake);
}

void intake_journal_lost(struct intake *intake)
{
    MAGIC_CHECK(intake, INTAKE_MAGIC);
    if (intake->stage == INTAKE_RECEIVING && intake->has_receipt &&
        !journal_receipt_is_whole(intake->worker->stream, &intake->receipt))
        refuse_for_journal(intake, ERR_IO);
}

// ---- from the session ----

static char *text_of(struct slice text)
{
    char *copy = malloc(text.length + 1);
    if (copy != NULL)
        text_copy(copy, text.length + 1, text);
    return copy;
}

// PROTOCOL 78: what can not be carried out gets a status; nothing is guessed.
static const char *command_fault(const struct intake *intake, const struct dimse_command *request,
                                 uint16_t *status)
{
    struct slice abstract;
    struct slice transfer;
    if (!dimse_command_has_data_set(request)) {
        *status = DIMSE_CANNOT_UNDERSTAND;
        return "C-STORE without a data set";
    }
    if (!session_context(intake->session, intake->context_id, &abstract, &transfer) ||
        !slice_is_equal(abstract, request->affected_sop_class_uid)) {
        *status = DIMSE_CLASS_NOT_SUPPORTED;
        return "SOP Class is not that of the context";
    }
    if (request->affected_sop_instance_uid.length == 0 ||
        request->affected_sop_instance_uid.length > RECORD_TEXT_MAX) {
        *status = DIMSE_INVALID_INSTANCE;
        return "no usable Affected SOP Instance UID";
    }
    return NULL;
}

static enum result scanner_begin(struct intake *intake)
{
    struct slice abstract;
    struct slice transfer;
    ensure(session_context(intake->session, intake->context_id, &abstract, &transfer));
    enum result result = worker_scanner_take(intake->worker, &intake->scanner);
    if (result != OK)
        return result;
    const struct configuration *conf = intake->worker->gateway->configuration;
    struct dcm_scan_options options = {
        .transfer_syntax = transfer,
        .inflated_limit = gateway_limits(intake->worker->gateway)->inflated_bytes,
        .algorithm =
            conf->gateway.digest == CONFIGURATION_DIGEST_SHA256 ? DCM_DIGEST_SHA256 : DCM_DIGEST_SHA512_256,
        .named = intake_named_tags,
        .named_count = INTAKE_NAMED_COUNT,
        .item_sequence = DCM_CONTRIBUTING_EQUIPMENT,
        .item_match = {{DCM_MANUFACTURER, slice_of_text(INTAKE_MANUFACTURER)},
                       {DCM_STATION_NAME, slice_of_text(conf->gateway.ae_title)}},
        .digest_received = (facts(intake)->quirks & CONFIGURATION_QUIRK_ACCEPT_UNSCANNED) != 0,
    };
    return dcm_scanner_begin(intake->scanner, &options);
}

static enum result references_begin(struct intake *intake)
{
    struct slice abstract, transfer;
    if (!references_may_be(slice_of_text(intake->sop_class)))
        return OK;
    ensure(session_context(intake->session, intake->context_id, &abstract, &transfer));
    return references_new(transfer, gateway_limits(intake->worker->gateway)->inflated_bytes,
                          &intake->references);
}

static void on_verdict(void *arg);

static enum result verdict_begin(struct intake *intake)
{
    struct edit_policies *policies = gateway_policies(intake->worker->gateway);
    if (policies == NULL)
        return OK;
    struct record_open open = open_of(intake);
    struct intake_verdict_question question = {.workshop = intake->worker->workshop,
                                               .policies = policies,
                                               .route = facts(intake)->route,
                                               .open = &open,
                                               .source_node = facts(intake)->source_node};
    enum result result = intake_verdict_begin(&question, on_verdict, intake, &intake->verdict);
    edit_policies_unref(&policies);
    return result;
}

// From here on faults are statuses; the data set, if one comes, is read to its end.
static void begin(struct intake *intake, const struct dimse_command *request)
{
    uint16_t status = 0;
    const char *fault = command_fault(intake, request, &status);
    intake->has_ended = !dimse_command_has_data_set(request);
    if (fault != NULL) {
        log_event(LOG_INTAKE_COMMAND, log_number(facts(intake)->number), log_text(fault));
        refuse(intake, status, fault, RECORD_DROP_REFUSED);
        return;
    }
    if (!journal_stream_accepts(intake->worker->stream)) {
        refuse_for_journal(intake, ERR_SPACE);
        return;
    }
    if (scanner_begin(intake) != OK || verdict_begin(intake) != OK || references_begin(intake) != OK) {
        refuse(intake, DIMSE_OUT_OF_RESOURCES, "gateway is out of memory", RECORD_DROP_REFUSED);
        return;
    }
    pump(intake);
}

// The decoded command borrows from the reader's buffer, which the next command overwrites: an intake that
// waits for the journal needs texts of its own.
static enum result request_keep(struct intake *intake, const struct dimse_command *request)
{
    intake->sop_class = text_of(slice_first(request->affected_sop_class_uid, RECORD_TEXT_MAX));
    intake->sop_instance = text_of(slice_first(request->affected_sop_instance_uid, RECORD_TEXT_MAX));
    intake->move_originator = text_of(slice_first(request->move_originator, RECORD_TEXT_MAX));
    if (intake->sop_class == NULL || intake->sop_instance == NULL || intake->move_originator == NULL) {
        texts_free(intake);
        return ERR_NOMEM;
    }
    intake->request = (struct dimse_command){
        .present = request->present,
        .command_field = request->command_field,
        .message_id = request->message_id,
        .priority = request->priority,
        .move_originator_message_id = request->move_originator_message_id,
        .affected_sop_class_uid = slice_of_text(intake->sop_class),
        .affected_sop_instance_uid = slice_of_text(intake->sop_instance),
        .move_originator = slice_of_text(intake->move_originator),
    };
    return OK;
}

enum result intake_new(struct session *session, uint8_t context_id, const struct dimse_command *request,
                       struct intake **out)
{
    struct intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(intake, INTAKE_MAGIC);
    intake->session = session;
    intake->worker = session_worker(session);
    intake->context_id = context_id;
    intake->first_byte = ev_wall_now(intake->worker->loop);
    intake->begun = intake->last_piece = ev_now(intake->worker->loop);
    if (request_keep(intake, request) != OK) {
        free(intake);
        return ERR_NOMEM;
    }
    session_store_begun(session, intake);
    bool has_data_set = dimse_command_has_data_set(request);
    *out = has_data_set ? intake : NULL;
    begin(intake, request);
    return OK;
}

// False: the chunk is full and there is nowhere to put it; the instance was refused.
static bool chunk_finish(struct intake *intake)
{
    if (intake->pending_count == sizeof intake->pending / sizeof intake->pending[0]) {
        refuse_for_journal(intake, ERR_LIMIT);
        return false;
    }
    intake->pending[intake->pending_count++] = intake->chunk;
    intake->chunk = NULL;
    pump(intake);
    return intake->stage == INTAKE_RECEIVING;
}

static void store(struct intake *intake, struct slice piece)
{
    while (piece.length > 0) {
        if (intake->chunk == NULL) {
            intake->chunk = chunk_take(&intake->worker->window, intake->chunk_count++);
            if (intake->chunk == NULL) {
                refuse_for_journal(intake, ERR_NOMEM);
                return;
            }
        }
        struct slice part = slice_first(piece, intake->chunk->capacity - intake->chunk->length);
        memcpy(intake->chunk->data + intake->chunk->length, part.data, part.length);
        intake->chunk->length += (uint32_t)part.length;
        intake->length += part.length;
        piece = slice_from(piece, part.length);
        if (intake->chunk->length == intake->chunk->capacity && !chunk_finish(intake))
            return;
    }
}

static void refuse_unscannable(struct intake *intake)
{
    char comment[DCM_COMMENT_SIZE] = "data set can not be followed";
    const struct dcm_scan_failure *failure = dcm_scanner_failure(intake->scanner);
    if (failure != NULL)
        dcm_scan_failure_text(failure, comment);
    log_event(LOG_INTAKE_UNSCANNABLE, log_number(association_number(intake)),
              log_number(intake->receipt.number),
              log_text(failure != NULL ? dcm_scan_reason_text(failure->reason) : "unknown"));
    refuse(intake, DIMSE_CANNOT_UNDERSTAND, comment, RECORD_DROP_REFUSED);
}

// True: an archive refuses it, and so has the intake.
static bool is_refused(struct intake *intake)
{
    char comment[sizeof intake->comment];
    if (intake_verdict_stage(intake->verdict) != INTAKE_VERDICT_REFUSED)
        return false;
    text_printable(comment, sizeof comment, slice_of_text(intake_verdict_reason(intake->verdict)));
    for (char *at = comment; *at != 0; at++)
        if (*at == '\\') // an Error Comment is an LO
            *at = '?';
    log_event(LOG_INTAKE_REJECTED, log_number(association_number(intake)), log_number(intake->receipt.number),
              log_text(intake_verdict_reason(intake->verdict)));
    refuse(intake, DIMSE_CLASS_MISMATCH, comment, RECORD_DROP_REFUSED);
    return true;
}

// The last word before its CLOSE has come, maybe after its client has gone or the stream has stopped.
static void on_verdict(void *arg)
{
    struct intake *intake = arg;
    MAGIC_CHECK(intake, INTAKE_MAGIC);
    if (intake->worker->stream_stop_begun || is_refused(intake) || intake->stage != INTAKE_JUDGED ||
        intake_verdict_stage(intake->verdict) == INTAKE_VERDICT_OPEN)
        return;
    intake->stage = INTAKE_CLOSING;
    pump(intake);
}

void intake_data(struct intake *intake, struct slice piece)
{
    MAGIC_CHECK(intake, INTAKE_MAGIC);
    if (intake->stage != INTAKE_RECEIVING)
        return;
    enum result result = dcm_scanner_feed(intake->scanner, piece);
    if (result == ERR_FORMAT && !(facts(intake)->quirks & CONFIGURATION_QUIRK_ACCEPT_UNSCANNED)) {
        refuse_unscannable(intake);
        return;
    }
    if (result != OK && result != ERR_FORMAT) {
        refuse_for_journal(intake, result);
        return;
    }
    if (result == ERR_FORMAT)
        intake_verdict_free(&intake->verdict); // stored as it is: no rule is ever applied to it (FIELD 3)
    intake_verdict_feed(intake->verdict, piece, false);
    if (intake->references != NULL)
        references_feed(intake->references, piece);
    if (!is_refused(intake))
        store(intake, piece);
}

static void close_begin(struct intake *intake)
{
    uint16_t status = DIMSE_SUCCESS;
    struct dcm_scan_report report;
    enum result result = dcm_scanner_finish(intake->scanner, &report);
    bool is_lenient = (facts(intake)->quirks & CONFIGURATION_QUIRK_ACCEPT_UNSCANNED) != 0;
    if (result == ERR_FORMAT && !is_lenient) {
        refuse_unscannable(intake);
        return;
    }
    if (result != OK && result != ERR_FORMAT) {
        refuse_for_journal(intake, result);
        return;
    }
    const char *fault = intake_close_check(intake, &report, &status);
    if (fault != NULL) {
        refuse(intake, status, fault, RECORD_DROP_REFUSED);
        return;
    }
    if (result == ERR_FORMAT)
        intake_verdict_free(&intake->verdict);
    intake_verdict_feed(intake->verdict, slice_of(NULL, 0), true);
    if (is_refused(intake))
        return;
    if (intake_close_fill(intake, &report) != OK) {
        refuse_for_journal(intake, ERR_NOMEM);
        return;
    }
    bool is_known = intake_verdict_stage(intake->verdict) == INTAKE_VERDICT_TAKEN;
    intake->stage = is_known ? INTAKE_CLOSING : INTAKE_JUDGED;
    if (intake->chunk != NULL) {
        intake->pending[intake->pending_count++] = intake->chunk;
        intake->chunk = NULL;
    }
    pump(intake);
}

void intake_end(struct intake *intake)
{
    MAGIC_CHECK(intake, INTAKE_MAGIC);
    intake->has_ended = true;
    if (intake->stage == INTAKE_DISCARDING) {
        finish(intake);
        return;
    }
    ensure(intake->stage == INTAKE_RECEIVING);
    if (intake->pending_count == sizeof intake->pending / sizeof intake->pending[0]) {
        refuse_for_journal(intake, ERR_LIMIT);
        return;
    }
    close_begin(intake);
}

void intake_orphan(struct intake *intake)
{
    MAGIC_CHECK(intake, INTAKE_MAGIC);
    if ((intake->stage == INTAKE_CLOSING || intake->stage == INTAKE_JUDGED) && intake->has_open) {
        intake->session = NULL;
        list_append(&intake->worker->orphans, &intake->orphan_node);
        return;
    }
    if (intake->stage == INTAKE_RECEIVING) {
        log_event(LOG_INTAKE_DROPPED, log_number(association_number(intake)),
                  log_number(intake->receipt.number), log_number(intake->length));
        note_drop(intake, RECORD_DROP_ABORTED);
    }
    intake_free(intake);
}
