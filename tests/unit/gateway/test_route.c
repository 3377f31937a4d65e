// SPDX-License-Identifier: Apache-2.0
//
// Negotiation (FIELD 6) as pure decisions, and the cache of what archives have answered.
#include "unit.h"

#include "base/text.h"
#include "route/capability.h"
#include "route/negotiation.h"
#include "speak.h"
#include "store/control.h"
#include "ul/parameters.h"

#define MR_CLASS "1.2.840.10008.5.1.4.1.1.4"
#define JPEG     "1.2.840.10008.1.2.4.50"
#define J2K      "1.2.840.10008.1.2.4.90"

enum { PACS = 1 };

static struct configuration *configuration;
static struct capability_cache *cache;
static struct ul_parameters *request;
static struct negotiation negotiation;
static unsigned changes;

static void on_change(void *arg)
{
    (void)arg;
    changes++;
}

static void begin(const char *text)
{
    configuration = rig_configuration_parse(text);
    changes = 0;
    assert_int_equal(capability_cache_new(on_change, NULL, &cache), OK);
    assert_int_equal(ul_parameters_new(&request), OK);
    negotiation =
        (struct negotiation){.request = request,
                             .route = configuration_phase_route(configuration->start_phase, "GATE", "CT1"),
                             .services = CONFIGURATION_SERVICE_ECHO | CONFIGURATION_SERVICE_STORE,
                             .capabilities = cache,
                             .max_pdu = 131072,
                             .window = 64,
                             .now = 1};
    assert_non_null(negotiation.route);
}

static int set_up_learned(void **state)
{
    (void)state;
    begin(rig_configuration_learned);
    return 0;
}

static int set_up_fixed(void **state)
{
    (void)state;
    begin(rig_configuration_fixed);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ul_parameters_free(request);
    capability_cache_free(cache);
    configuration_free(configuration);
    return 0;
}

static void propose(uint8_t id, const char *abstract, const char *const *transfers)
{
    assert_int_equal(ul_parameters_add_context(request, id, 0, slice_of_text(abstract)), OK);
    request->contexts[request->context_count - 1].abstract_count = 1;
    for (; *transfers != NULL; transfers++)
        assert_int_equal(ul_parameters_add_transfer_syntax(request, slice_of_text(*transfers)), OK);
}

#define PROPOSE(id, abstract, ...) propose((id), (abstract), (const char *const[]){__VA_ARGS__, NULL})

static void learn(const char *abstract, const char *transfer, uint8_t result)
{
    capability_put(cache, PACS, slice_of_text(abstract), slice_of_text(transfer), result, 1);
}

// The answer for one context: the accepted syntax, or the digit of the refusal.
static void assert_answer(uint8_t id, const char *expected)
{
    struct ul_parameters *answer;
    char got[80] = "none";
    assert_int_equal(negotiation_answer(&negotiation, &answer), OK);
    assert_int_equal(answer->context_count, request->context_count);
    const struct ul_context *context = ul_parameters_context_get(answer, id);
    assert_non_null(context);
    if (context->result == 0)
        text_copy(got, sizeof got, context->transfer[0]);
    else
        text_format(got, sizeof got, "%u", context->result);
    assert_string_equal(got, expected);
    ul_parameters_free(answer);
}

// ---- asynchronous operations window (PS3.7 D.3.3.3) ----

static void assert_window(int asked, bool has, uint16_t invoked)
{
    struct ul_parameters *answer;
    request->has_asynchronous_window = false;
    if (asked >= 0)
        ul_parameters_set_asynchronous_window(request, (uint16_t)asked, 0);
    assert_int_equal(negotiation_answer(&negotiation, &answer), OK);
    assert_int_equal(answer->has_asynchronous_window, has);
    assert_int_equal(answer->operations_invoked, invoked);
    assert_int_equal(answer->operations_performed, 1);
    ul_parameters_free(answer);
}

static void test_window(void **state)
{
    (void)state;
    PROPOSE(1, CT_CLASS, EXPLICIT_LE);
    assert_window(-1, false, 1); // not asked for: not answered
    assert_window(1, true, 1);
    assert_window(16, true, 16);
    assert_window(64, true, 64);
    assert_window(65, true, 64);
    assert_window(65535, true, 64);
    assert_window(0, true, 64); // without limit: ours
}

// ---- learned ----

static void test_known_answers_count(void **state)
{
    (void)state;
    PROPOSE(1, CT_CLASS, IMPLICIT_LE, EXPLICIT_LE);
    learn(CT_CLASS, IMPLICIT_LE, UL_CONTEXT_TRANSFER_SYNTAXES);
    learn(CT_CLASS, EXPLICIT_LE, UL_CONTEXT_ACCEPTED);
    assert_answer(1, EXPLICIT_LE);
}

static void test_refused_by_primary(void **state)
{
    (void)state;
    PROPOSE(1, CT_CLASS, IMPLICIT_LE, EXPLICIT_LE);
    learn(CT_CLASS, IMPLICIT_LE, UL_CONTEXT_ABSTRACT_SYNTAX);
    learn(CT_CLASS, EXPLICIT_LE, UL_CONTEXT_ABSTRACT_SYNTAX);
    assert_answer(1, "4");
    learn(CT_CLASS, EXPLICIT_LE, UL_CONTEXT_ACCEPTED); // the archive was taught: learned anew
    assert_answer(1, EXPLICIT_LE);
}

// Ignorance never rejects.
static void test_unknown(void **state)
{
    (void)state;
    PROPOSE(1, CT_CLASS, JPEG, IMPLICIT_LE);
    PROPOSE(3, MR_CLASS, JPEG);
    PROPOSE(5, CT_CLASS, IMPLICIT_LE); // the same pair is asked once
    PROPOSE(7, VERIFICATION, IMPLICIT_LE);
    assert_answer(1, IMPLICIT_LE);
    assert_answer(3, JPEG);
    learn(CT_CLASS, IMPLICIT_LE, UL_CONTEXT_TRANSFER_SYNTAXES);
    assert_answer(1, JPEG);
}

static void test_lossless_before_lossy(void **state)
{
    (void)state;
    PROPOSE(1, CT_CLASS, JPEG, J2K, EXPLICIT_LE);
    learn(CT_CLASS, JPEG, 0);
    learn(CT_CLASS, J2K, 0);
    learn(CT_CLASS, EXPLICIT_LE, 0);
    assert_answer(1, J2K);
    learn(CT_CLASS, J2K, 4);
    assert_answer(1, EXPLICIT_LE);
    learn(CT_CLASS, EXPLICIT_LE, 4);
    assert_answer(1, JPEG); // none lossless is taken
}

static void test_accepted_before_unknown(void **state)
{
    (void)state;
    PROPOSE(1, CT_CLASS, IMPLICIT_LE, EXPLICIT_LE);
    learn(CT_CLASS, EXPLICIT_LE, 0);
    assert_answer(1, EXPLICIT_LE);
}

// Only the primary's answer counts for the client (FIELD 6); the secondary's is learned all the same.
static void test_secondary_does_not_refuse(void **state)
{
    (void)state;
    PROPOSE(1, CT_CLASS, EXPLICIT_LE);
    learn(CT_CLASS, EXPLICIT_LE, 0);
    capability_put(cache, 2, slice_of_text(CT_CLASS), slice_of_text(EXPLICIT_LE), 3, 1);
    assert_answer(1, EXPLICIT_LE);
}

static void test_what_is_not_storage(void **state)
{
    (void)state;
    PROPOSE(1, "1.2.840.10008.5.1.4.1.2.2.1", IMPLICIT_LE); // Study Root FIND
    PROPOSE(3, "1.2.840.10008.1.20.1", IMPLICIT_LE);        // Storage Commitment
    PROPOSE(5, "1.2.826.0.1.3680043.1", IMPLICIT_LE);       // private: the archive decides
    PROPOSE(7, "1.2.840.10008.5.1.4.34.7", IMPLICIT_LE);
    assert_answer(1, "3");
    assert_answer(3, "3");
    assert_answer(5, IMPLICIT_LE);
    assert_answer(7, IMPLICIT_LE);
}

static void test_services(void **state)
{
    (void)state;
    PROPOSE(1, VERIFICATION, EXPLICIT_LE, IMPLICIT_LE);
    PROPOSE(3, CT_CLASS, EXPLICIT_LE);
    PROPOSE(5, VERIFICATION, JPEG);
    assert_answer(1, EXPLICIT_LE);
    assert_answer(5, "4");
    negotiation.services = CONFIGURATION_SERVICE_ECHO;
    assert_answer(1, EXPLICIT_LE);
    assert_answer(3, "1");
    negotiation.services = CONFIGURATION_SERVICE_STORE;
    assert_answer(1, "1");
    assert_answer(3, EXPLICIT_LE);
    negotiation.route = NULL; // nobody to send it to
    assert_answer(3, "1");
}

// PROTOCOL 24: a context that is not sound is refused, the association lives.
static void test_malformed_contexts(void **state)
{
    (void)state;
    PROPOSE(1, CT_CLASS, EXPLICIT_LE);
    assert_int_equal(ul_parameters_add_context(request, 3, 0, slice_of_text(CT_CLASS)), OK); // no syntax
    request->contexts[1].abstract_count = 1;
    PROPOSE(5, CT_CLASS, EXPLICIT_LE);
    request->contexts[2].abstract_count = 2;
    PROPOSE(7, "", EXPLICIT_LE);
    request->contexts[3].abstract_count = 0;
    PROPOSE(9, "", EXPLICIT_LE);
    assert_answer(1, EXPLICIT_LE);
    assert_answer(3, "2");
    assert_answer(5, "2");
    assert_answer(7, "2");
    assert_answer(9, "3");
}

static void test_128_contexts(void **state)
{
    (void)state;
    for (unsigned id = 1; id < 256; id += 2) {
        char abstract[64];
        text_format(abstract, sizeof abstract, "1.2.840.10008.5.1.4.1.1.%u", id);
        PROPOSE((uint8_t)id, abstract, IMPLICIT_LE, EXPLICIT_LE, JPEG);
        learn(abstract, EXPLICIT_LE, 0);
    }
    assert_answer(1, EXPLICIT_LE);
    assert_answer(255, EXPLICIT_LE);
    struct ul_parameters *answer;
    struct byte_queue queue;
    byte_queue_init(&queue, MIB);
    assert_int_equal(negotiation_answer(&negotiation, &answer), OK);
    assert_int_equal(ul_parameters_encode(UL_PDU_ASSOCIATE_AC, answer, &queue), OK);
    ul_parameters_free(answer);
    byte_queue_fini(&queue);
}

// PS3.7 D.3.3.4: we are SCP of storage, never its SCU.
static void test_roles(void **state)
{
    (void)state;
    PROPOSE(1, CT_CLASS, EXPLICIT_LE);
    assert_int_equal(ul_parameters_add_role(request, slice_of_text(CT_CLASS), true, true), OK);
    assert_int_equal(ul_parameters_add_role(request, slice_of_text(MR_CLASS), false, true), OK);
    struct ul_parameters *answer;
    assert_int_equal(negotiation_answer(&negotiation, &answer), OK);
    assert_int_equal(answer->role_count, 2);
    assert_int_equal(answer->roles[0].scu, 1);
    assert_int_equal(answer->roles[0].scp, 0);
    assert_int_equal(answer->roles[1].scu, 0);
    assert_int_equal(answer->roles[1].scp, 0);
    assert_int_equal(answer->maximum_length, 131072);
    assert_true(answer->has_implementation_class);
    ul_parameters_free(answer);
}

// ---- the primary's answer to a whole proposal ----

static struct proposal_answer answered;

// As the primary would say it: for each context the syntax it takes, or NULL with a result.
static void answer_by_archive(const char *const *takes, const uint8_t *refuses)
{
    struct ul_parameters *proposal;
    struct ul_parameters *ac;
    assert_int_equal(
        negotiation_proposal(&negotiation, slice_of_text("PACS"), slice_of_text("CT1"), &proposal), OK);
    assert_int_equal(ul_parameters_new_answer(proposal, &ac), OK);
    for (size_t i = 0; i < proposal->context_count; i++)
        if (takes[i] != NULL)
            assert_int_equal(
                ul_parameters_add_accepted(ac, proposal->contexts[i].id, slice_of_text(takes[i])), OK);
        else
            assert_int_equal(
                ul_parameters_add_refused(ac, proposal->contexts[i].id, (enum ul_context_result)refuses[i]),
                OK);
    negotiation_answered(&negotiation, proposal, ac, &answered);
    negotiation.answered = &answered;
    ul_parameters_free(proposal);
    ul_parameters_free(ac);
}

// Exactly what it said, whatever is known of the pairs.
static void test_answer_is_repeated(void **state)
{
    (void)state;
    PROPOSE(1, VERIFICATION, IMPLICIT_LE);
    PROPOSE(3, CT_CLASS, EXPLICIT_LE, IMPLICIT_LE, JPEG);
    PROPOSE(5, MR_CLASS, EXPLICIT_LE);
    PROPOSE(7, "1.2.840.10008.5.1.4.1.2.2.1", IMPLICIT_LE);
    PROPOSE(9, MR_CLASS, JPEG);
    learn(CT_CLASS, EXPLICIT_LE, 0);
    answer_by_archive((const char *const[]){IMPLICIT_LE, NULL, J2K}, (const uint8_t[]){0, 3, 0});
    assert_answer(1, IMPLICIT_LE);
    assert_answer(3, IMPLICIT_LE);
    assert_answer(5, "3");
    assert_answer(7, "3");
    assert_answer(9, "2"); // it took a syntax that was not proposed: not accepted (PROTOCOL 26)
    assert_int_equal(answered.result[0], PROPOSAL_NOT_ASKED);
    assert_int_equal(answered.result[3], PROPOSAL_NOT_ASKED);
}

static void test_answer_grows_stale(void **state)
{
    (void)state;
    PROPOSE(1, CT_CLASS, EXPLICIT_LE, IMPLICIT_LE);
    answer_by_archive((const char *const[]){EXPLICIT_LE}, NULL);
    assert_false(negotiation_is_stale(&negotiation, &answered));
    negotiation.now += 100 * CAPABILITY_REFUSAL_AGE; // what was accepted does not grow old
    assert_false(negotiation_is_stale(&negotiation, &answered));
    capability_put(cache, PACS, slice_of_text(CT_CLASS), slice_of_text(IMPLICIT_LE), 4, negotiation.now);
    assert_false(negotiation_is_stale(&negotiation, &answered));
    capability_put(cache, PACS, slice_of_text(CT_CLASS), slice_of_text(EXPLICIT_LE), 4, negotiation.now);
    assert_true(negotiation_is_stale(&negotiation, &answered)); // a lane was refused since
    answer_by_archive((const char *const[]){NULL}, (const uint8_t[]){3});
    assert_false(negotiation_is_stale(&negotiation, &answered));
    negotiation.now += CAPABILITY_REFUSAL_AGE;
    assert_true(negotiation_is_stale(&negotiation, &answered));
}

// The archive would take the lossy one; the client offers a lossless one too.
static void test_lossless_is_preferred(void **state)
{
    (void)state;
    struct negotiation_pair pairs[8];
    PROPOSE(1, CT_CLASS, JPEG, J2K, EXPLICIT_LE);
    PROPOSE(3, MR_CLASS, EXPLICIT_LE, J2K);
    answer_by_archive((const char *const[]){JPEG, EXPLICIT_LE}, NULL);
    assert_int_equal(negotiation_lossless_unknown(&negotiation, &answered, pairs, 8), 2);
    assert_int_equal(negotiation_lossless_unknown(&negotiation, &answered, pairs, 1), 1);
    capability_put(cache, PACS, slice_of_text(CT_CLASS), slice_of_text(J2K), 4, negotiation.now);
    capability_put(cache, PACS, slice_of_text(CT_CLASS), slice_of_text(EXPLICIT_LE), 0, negotiation.now);
    assert_int_equal(negotiation_lossless_unknown(&negotiation, &answered, pairs, 8), 0);
    negotiation_lossless_prefer(&negotiation, &answered);
    assert_answer(1, EXPLICIT_LE);
    assert_answer(3, EXPLICIT_LE);
}

static void test_same_proposal(void **state)
{
    (void)state;
    struct proposal_key one;
    struct proposal_key other;
    PROPOSE(1, CT_CLASS, JPEG, J2K);
    assert_int_equal(proposal_key_make(1, slice_of_text("A"), slice_of_text("B"), request, &one), OK);
    request->contexts[0].id = 5; // the same contexts under other ids
    assert_int_equal(proposal_key_make(1, slice_of_text("A"), slice_of_text("B"), request, &other), OK);
    assert_memory_equal(&one, &other, sizeof one);
    assert_int_equal(proposal_key_make(1, slice_of_text("AB"), slice_of_text(""), request, &other), OK);
    assert_memory_not_equal(&one, &other, sizeof one);
    assert_int_equal(proposal_key_make(2, slice_of_text("A"), slice_of_text("B"), request, &other), OK);
    assert_memory_not_equal(&one, &other, sizeof one);
    PROPOSE(7, MR_CLASS, JPEG);
    assert_int_equal(proposal_key_make(1, slice_of_text("A"), slice_of_text("B"), request, &other), OK);
    assert_memory_not_equal(&one, &other, sizeof one);
}

static struct proposal_key key_of(uint32_t number)
{
    struct proposal_key key = {{0}};
    memcpy(key.digest, &number, sizeof number);
    return key;
}

// A client that invents proposals loses its own oldest, and nobody else's.
static void test_proposals_are_bounded(void **state)
{
    (void)state;
    struct proposal_cache *proposals;
    struct proposal_answer answer = {.count = 1, .transfer = {7}};
    assert_int_equal(proposal_cache_new(NULL, NULL, &proposals), OK);
    struct proposal_key honest = key_of(0xFFFFFFFF);
    proposal_put(proposals, &honest, 1, 1, &answer);
    for (uint32_t i = 0; i < 10 * PROPOSAL_CLIENT_LIMIT; i++) {
        struct proposal_key key = key_of(i);
        answer.when = i + 1;
        proposal_put(proposals, &key, 1, 2, &answer);
    }
    struct proposal_key first = key_of(0);
    struct proposal_key last = key_of(10 * PROPOSAL_CLIENT_LIMIT - 1);
    assert_true(proposal_get(proposals, &honest, &answer));
    assert_int_equal(answer.transfer[0], 7);
    assert_false(proposal_get(proposals, &first, &answer));
    assert_true(proposal_get(proposals, &last, &answer));
    assert_int_equal(proposal_count(proposals, 1), PROPOSAL_CLIENT_LIMIT + 1);
    assert_int_equal(proposal_forget(proposals, 1), PROPOSAL_CLIENT_LIMIT + 1);
    assert_false(proposal_get(proposals, &last, &answer));
    proposal_cache_free(proposals);
}

static void test_proposals_survive(void **state)
{
    (void)state;
    struct proposal_cache *proposals;
    struct proposal_answer answer = {.when = 5, .count = 2, .result = {0, 3}, .transfer = {9, 0}};
    struct kv_sim_disk *disk;
    struct kv_env *control;
    assert_int_equal(kv_sim_disk_new(&disk), OK);
    assert_int_equal(kv_sim_open(disk, &control_schema, &control), OK);
    assert_int_equal(proposal_cache_new(NULL, NULL, &proposals), OK);
    for (uint32_t i = 0; i < 200; i++) { // more than one batch
        struct proposal_key key = key_of(i);
        proposal_put(proposals, &key, 1, i, &answer);
    }
    kv_sim_fault_set(disk, KV_SIM_SPACE, 1);
    assert_int_equal(proposal_persist(proposals, control), ERR_SPACE);
    assert_int_equal(proposal_persist(proposals, control), OK);
    proposal_cache_free(proposals);
    assert_int_equal(proposal_cache_new(NULL, NULL, &proposals), OK);
    assert_int_equal(proposal_load(proposals, control), OK);
    assert_int_equal(proposal_count(proposals, 1), 200);
    struct proposal_key key = key_of(150);
    assert_true(proposal_get(proposals, &key, &answer));
    assert_int_equal(answer.result[1], 3);
    assert_int_equal(answer.transfer[0], 9);
    assert_int_equal(proposal_forget(proposals, 1), 200);
    assert_int_equal(proposal_persist(proposals, control), OK);
    proposal_cache_free(proposals);
    assert_int_equal(proposal_cache_new(NULL, NULL, &proposals), OK);
    assert_int_equal(proposal_load(proposals, control), OK);
    assert_int_equal(proposal_count(proposals, 1), 0);
    proposal_cache_free(proposals);
    kv_env_free(&control);
    kv_sim_disk_free(&disk);
}

// PROTOCOL 45: the archive's own words where they mean the same to the client.
static void test_mirrored_reject(void **state)
{
    (void)state;
    static const struct {
        struct ul_reject by_archive, told;
    } cases[] = {
        {{1, 1, 1}, {1, 1, 1}}, {{1, 1, 3}, {1, 1, 3}}, {{1, 1, 7}, {1, 1, 7}}, {{2, 3, 1}, {2, 3, 1}},
        {{2, 3, 2}, {2, 3, 2}}, {{1, 2, 1}, {1, 2, 1}}, {{1, 1, 2}, {2, 3, 1}}, {{1, 2, 2}, {2, 3, 1}},
        {{0, 1, 1}, {2, 3, 1}}, {{3, 1, 1}, {2, 3, 1}}, {{1, 4, 1}, {2, 3, 1}}, {{1, 1, 9}, {2, 3, 1}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ul_reject told = negotiation_reject(&cases[i].by_archive);
        assert_memory_equal(&told, &cases[i].told, sizeof told);
    }
    assert_int_equal(negotiation_reject(NULL).source, UL_REJECT_BY_PRESENTATION);
}

// ---- fixed ----

static void test_fixed(void **state)
{
    (void)state;
    PROPOSE(1, CT_CLASS, IMPLICIT_LE, EXPLICIT_LE); // our order of preference, not the client's
    PROPOSE(3, CT_CLASS, JPEG, IMPLICIT_LE);
    PROPOSE(5, CT_CLASS, JPEG);
    PROPOSE(7, "1.2.840.10008.5.1.4.1.2.2.1", IMPLICIT_LE);
    learn(CT_CLASS, EXPLICIT_LE, 4); // does not matter
    assert_answer(1, EXPLICIT_LE);
    assert_answer(3, IMPLICIT_LE);
    assert_answer(5, "4");
    assert_answer(7, "3");
}

static void test_our_request(void **state)
{
    (void)state;
    struct ul_parameters *ours;
    assert_int_equal(negotiation_request(slice_of_text("PACS"), slice_of_text("CT1"), 16384, &ours), OK);
    assert_true(slice_is_text(ul_title_read(ours->called), "PACS"));
    assert_true(slice_is_text(ours->application_context, UL_APPLICATION_CONTEXT));
    assert_int_equal(ours->maximum_length, 16384);
    ul_parameters_free(ours);
    assert_int_equal(
        negotiation_request(slice_of_text("A TITLE THAT IS TOO LONG"), slice_of_text("X"), 1, &ours),
        ERR_ARGUMENT);
}

// ---- the cache ----

static enum capability get(uint16_t node, const char *abstract, const char *transfer)
{
    return capability_get(cache, node, slice_of_text(abstract), slice_of_text(transfer));
}

static void test_cache(void **state)
{
    (void)state;
    assert_int_equal(get(1, CT_CLASS, JPEG), CAPABILITY_UNKNOWN);
    learn(CT_CLASS, JPEG, 0);
    assert_int_equal(changes, 1);
    learn(CT_CLASS, JPEG, 0); // nothing new
    assert_int_equal(changes, 1);
    learn(CT_CLASS, JPEG, 3); // waits to be written already
    assert_int_equal(changes, 1);
    assert_int_equal(get(1, CT_CLASS, JPEG), CAPABILITY_REFUSED);
    assert_int_equal(get(2, CT_CLASS, JPEG), CAPABILITY_UNKNOWN);
    assert_int_equal(get(1, JPEG, CT_CLASS), CAPABILITY_UNKNOWN);
    char uid[70];
    memset(uid, '1', 65);
    uid[65] = 0;
    learn(uid, JPEG, 0); // too long to be remembered, never cut
    assert_int_equal(get(1, uid, JPEG), CAPABILITY_UNKNOWN);
    uid[64] = 0;
    assert_int_equal(get(1, uid, JPEG), CAPABILITY_UNKNOWN);
    learn(uid, JPEG, 0);
    assert_int_equal(get(1, uid, JPEG), CAPABILITY_ACCEPTED);
}

static void test_cache_survives(void **state)
{
    (void)state;
    struct kv_sim_disk *disk;
    struct kv_env *control;
    assert_int_equal(kv_sim_disk_new(&disk), OK);
    assert_int_equal(kv_sim_open(disk, &control_schema, &control), OK);
    for (unsigned i = 0; i < 600; i++) { // more than one batch
        char abstract[64];
        text_format(abstract, sizeof abstract, "1.2.3.%u", i);
        learn(abstract, JPEG, i % 3 == 0 ? 0 : 4);
    }
    kv_sim_fault_set(disk, KV_SIM_SPACE, 1);
    assert_int_equal(capability_persist(cache, control), ERR_SPACE);
    assert_int_equal(capability_persist(cache, control), OK); // what failed was kept
    uint64_t fingerprint = kv_sim_fingerprint(disk);
    assert_int_equal(capability_persist(cache, control), OK);
    assert_true(kv_sim_fingerprint(disk) == fingerprint);
    capability_cache_free(cache);
    assert_int_equal(capability_cache_new(on_change, NULL, &cache), OK);
    assert_int_equal(capability_load(cache, control), OK);
    assert_int_equal(get(1, "1.2.3.0", JPEG), CAPABILITY_ACCEPTED);
    assert_int_equal(get(1, "1.2.3.598", JPEG), CAPABILITY_REFUSED);
    assert_int_equal(get(1, "1.2.3.597", JPEG), CAPABILITY_ACCEPTED);
    changes = 0;
    learn("1.2.3.0", JPEG, 0); // known from an earlier life
    assert_int_equal(changes, 0);
    kv_env_free(&control);
    kv_sim_disk_free(&disk);
}

static void test_cache_is_bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CAPABILITY_LIMIT; i++) {
        char abstract[64];
        text_format(abstract, sizeof abstract, "1.2.3.%u", i);
        learn(abstract, JPEG, 0);
    }
    learn("1.2.4", JPEG, 0);
    assert_int_equal(get(1, "1.2.4", JPEG), CAPABILITY_UNKNOWN);
    learn("1.2.3.7", JPEG, 4); // known ones change all the same
    assert_int_equal(get(1, "1.2.3.7", JPEG), CAPABILITY_REFUSED);
}

// A client that invents UIDs gets its share of the cache, not more.
static void test_cache_is_shared_out(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * CAPABILITY_CLIENT_LIMIT; i++) {
        char abstract[64];
        text_format(abstract, sizeof abstract, "1.2.3.%u", i);
        capability_put_for(cache, 7, PACS, slice_of_text(abstract), slice_of_text(JPEG), 3, 1);
    }
    assert_int_equal(get(1, "1.2.3.1023", JPEG), CAPABILITY_REFUSED);
    assert_int_equal(get(1, "1.2.3.1024", JPEG), CAPABILITY_UNKNOWN);
    capability_put_for(cache, 8, PACS, slice_of_text(CT_CLASS), slice_of_text(JPEG), 0, 1);
    assert_int_equal(get(1, CT_CLASS, JPEG), CAPABILITY_ACCEPTED);
    learn("1.2.3.1024", JPEG, 4); // a lane has met it
    assert_int_equal(get(1, "1.2.3.1024", JPEG), CAPABILITY_REFUSED);
}

#define LEARNED(name) cmocka_unit_test_setup_teardown(name, set_up_learned, tear_down)
#define FIXED(name)   cmocka_unit_test_setup_teardown(name, set_up_fixed, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNED(test_window),
        LEARNED(test_known_answers_count),
        LEARNED(test_refused_by_primary),
        LEARNED(test_unknown),
        LEARNED(test_lossless_before_lossy),
        LEARNED(test_accepted_before_unknown),
        LEARNED(test_secondary_does_not_refuse),
        LEARNED(test_what_is_not_storage),
        LEARNED(test_services),
        LEARNED(test_malformed_contexts),
        LEARNED(test_128_contexts),
        LEARNED(test_roles),
        LEARNED(test_answer_is_repeated),
        LEARNED(test_answer_grows_stale),
        LEARNED(test_lossless_is_preferred),
        LEARNED(test_same_proposal),
        LEARNED(test_proposals_are_bounded),
        LEARNED(test_proposals_survive),
        LEARNED(test_mirrored_reject),
        LEARNED(test_cache_is_shared_out),
        FIXED(test_fixed),
        FIXED(test_our_request),
        LEARNED(test_cache),
        LEARNED(test_cache_survives),
        LEARNED(test_cache_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
