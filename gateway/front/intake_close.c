// SPDX-License-Identifier: Apache-2.0
#include "front/intake_close.h"
#include "dcm/syntax.h"
#include "dimse/status.h"
#include "edit/study.h"
#include "front/session.h"
#include "order/references.h"
#include <stdlib.h>

const uint32_t intake_named_tags[INTAKE_NAMED_COUNT] = {
    DCM_SPECIFIC_CHARACTER_SET, DCM_SOP_CLASS_UID,      DCM_SOP_INSTANCE_UID, DCM_STUDY_DATE,
    DCM_ACCESSION_NUMBER,       DCM_MODALITY,           DCM_PATIENT_NAME,     DCM_PATIENT_ID,
    DCM_ISSUER_OF_PATIENT_ID,   DCM_PATIENT_BIRTH_DATE, DCM_PATIENT_SEX,      DCM_STUDY_INSTANCE_UID,
    DCM_SERIES_INSTANCE_UID,
};

static struct slice named_value(const struct intake *intake, uint32_t tag)
{
    struct dcm_named named;
    if (dcm_scanner_named(intake->scanner, tag, &named) != OK || !named.is_whole)
        return slice_of(NULL, 0);
    return slice_trimmed(named.value);
}

static bool is_same(const struct intake *intake, uint32_t tag, const char *of_command)
{
    return slice_is_equal(named_value(intake, tag), slice_trimmed(slice_of_text(of_command)));
}

const char *intake_uids_fault(const struct intake *intake)
{
    if (!is_same(intake, DCM_SOP_CLASS_UID, intake->sop_class))
        return "SOP Class UID differs between command and data set";
    if (!is_same(intake, DCM_SOP_INSTANCE_UID, intake->sop_instance))
        return "SOP Instance UID differs between command and data set";
    return NULL;
}

const char *intake_close_check(struct intake *intake, const struct dcm_scan_report *report, uint16_t *status)
{
    const struct session_facts *facts = session_facts(intake->session);
    *status = DIMSE_CLASS_MISMATCH;
    if (report->reason != DCM_SCAN_FINE || (facts->quirks & CONFIGURATION_QUIRK_UID_MISMATCH))
        return NULL;
    const char *fault = intake_uids_fault(intake);
    if (fault != NULL)
        log_event(LOG_INTAKE_UID_MISMATCH, log_number(facts->number), log_number(intake->receipt.number),
                  log_text(fault));
    return fault;
}

static void digests_fill(struct record_close *close, const struct dcm_scan_report *report)
{
    const struct dcm_digests *digests = &report->digests;
    uint8_t algorithm = digests->instance.algorithm != DCM_DIGEST_ABSENT ? digests->instance.algorithm
                                                                         : digests->received.algorithm;
    close->algorithm = algorithm == DCM_DIGEST_SHA512_256 ? RECORD_SHA512_256 : RECORD_SHA256;
    close->digest_version = DCM_RANGE_DIGEST_VERSION;
    if (digests->instance.algorithm != DCM_DIGEST_ABSENT) {
        close->digests |= RECORD_HAS_RANGES | RECORD_HAS_INSTANCE;
        for (size_t i = 0; i < DCM_RANGE_COUNT; i++) {
            close->range[i].length = digests->length[i];
            memcpy(close->range[i].digest, digests->range[i].bytes, RECORD_DIGEST_SIZE);
        }
        memcpy(close->instance, digests->instance.bytes, RECORD_DIGEST_SIZE);
    }
    if (digests->received.algorithm != DCM_DIGEST_ABSENT) {
        close->digests |= RECORD_HAS_RECEIVED;
        memcpy(close->received, digests->received.bytes, RECORD_DIGEST_SIZE);
    }
    if (digests->canonical.algorithm != DCM_DIGEST_ABSENT) {
        close->digests |= RECORD_HAS_CANONICAL | RECORD_HAS_CANONICAL_UNKNOWN;
        memcpy(close->canonical, digests->canonical.bytes, RECORD_DIGEST_SIZE);
        memcpy(close->canonical_unknown, digests->canonical_apart.bytes, RECORD_DIGEST_SIZE);
    }
}

// Values too long for the record together are left out; the journal has the data set anyway.
static void elements_fill(struct intake *intake, struct record_close *close)
{
    size_t total = 0;
    for (size_t i = 0; i < INTAKE_NAMED_COUNT; i++) {
        struct dcm_named named;
        if (dcm_scanner_named(intake->scanner, intake_named_tags[i], &named) != OK || !named.is_whole ||
            total + named.value.length > RECORD_ELEMENT_BYTES_MAX)
            continue;
        struct record_element *element = &close->elements[close->element_count++];
        element->tag = intake_named_tags[i];
        memcpy(element->vr, dcm_vr_info(named.vr)->name, sizeof element->vr);
        element->value = named.value; // lives until the scanner is given back, after the append
        total += named.value.length;
    }
}

static void patient_fill(const struct intake *intake, struct record_close *close)
{
    const struct configuration *configuration = intake->worker->gateway->configuration;
    struct slice issuer = slice_trimmed(named_value(intake, DCM_ISSUER_OF_PATIENT_ID));
    struct study_source source = {.study = named_value(intake, DCM_STUDY_INSTANCE_UID),
                                  .id = named_value(intake, DCM_PATIENT_ID),
                                  .domain = configuration_domain_by_issuer(configuration, issuer)};
    close->has_patient = study_patient_hash(intake->worker->patients, configuration, &source, close->patient);
}

// What the client's Success means. A primary that sent the instance itself has it: then `durable` is all that
// can be said.
static void acknowledgement_fill(struct record_close *close, const struct configuration_route *route)
{
    close->acknowledgement = RECORD_ACK_DURABLE;
    if (route->acknowledge == CONFIGURATION_ACKNOWLEDGE_ALL && close->archive_count > 0)
        close->acknowledgement = RECORD_ACK_ALL;
    if (route->acknowledge != CONFIGURATION_ACKNOWLEDGE_PRIMARY || close->archive_count == 0 ||
        close->archives[0] != route->to[0]->id)
        return;
    close->acknowledgement = RECORD_ACK_PRIMARY;
    close->primary = route->to[0]->id;
}

// FIELD 5: what comes back from an archive does not go where it has been; that is found out by its UID
// (order/rule.h). What has come through too many gateways goes nowhere: whoever sent it has it.
static void loop_check(struct intake *intake, const struct dcm_scan_report *report,
                       struct record_close *close)
{
    const struct session_facts *facts = session_facts(intake->session);
    if (facts->source_node != 0 && report->items_all > 0)
        close->flags |= RECORD_CLOSE_RETURNED;
    if (report->items_first < intake->worker->gateway->configuration->limits.hops)
        return;
    close->flags |= RECORD_CLOSE_HOPS;
    close->archive_count = 0;
    log_event(LOG_INTAKE_HOPS, log_number(facts->number), log_number(intake->receipt.number),
              log_number(report->items_first));
}

// What names more than can be kept may be one: a person must say what becomes of it.
static bool is_note(const struct intake *intake, const struct dcm_scan_report *report)
{
    if (intake->references == NULL || report->reason != DCM_SCAN_FINE)
        return false;
    return references_end(intake->references) != OK || references_are_rejected(intake->references);
}

enum result intake_close_fill(struct intake *intake, const struct dcm_scan_report *report)
{
    struct record_close *close = calloc(1, sizeof *close);
    if (close == NULL)
        return ERR_NOMEM;
    const struct session_facts *facts = session_facts(intake->session);
    const struct configuration_route *route = facts->route;
    close->epoch = intake->worker->gateway->epoch;
    for (size_t i = 0; i < route->to_count && close->archive_count < RECORD_ARCHIVES_MAX; i++)
        if (route->to[i]->id != facts->source_node) // never back to where it came from (FIELD 5)
            close->archives[close->archive_count++] = route->to[i]->id;
    loop_check(intake, report, close);
    acknowledgement_fill(close, route);
    if (close->archive_count == 0)
        log_event(LOG_INTAKE_NO_ROUTE, log_number(facts->number), log_number(intake->receipt.number));
    if (report->reason != DCM_SCAN_FINE)
        close->flags |= RECORD_CLOSE_UNSCANNED;
    if (is_note(intake, report))
        close->flags |= RECORD_CLOSE_NOTE;
    if ((report->flags & DCM_FLAG_BEHIND_PIXELS) != 0)
        close->flags |= RECORD_CLOSE_BEHIND;
    struct slice abstract;
    struct slice transfer;
    if (session_context(intake->session, intake->context_id, &abstract, &transfer) &&
        dcm_syntax_by_uid(transfer).deflated)
        close->flags |= RECORD_CLOSE_DEFLATED;
    close->length = intake->length;
    close->first_byte = intake->first_byte;
    close->last_byte = ev_wall_now(intake->worker->loop);
    intake->reserve = receipt_reserve(close->archive_count);
    if (intake->reserve == NULL) {
        free(close);
        return ERR_NOMEM;
    }
    digests_fill(close, report);
    if (report->reason == DCM_SCAN_FINE) {
        elements_fill(intake, close);
        patient_fill(intake, close);
    }
    intake->close = close;
    return OK;
}
