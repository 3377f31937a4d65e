// SPDX-License-Identifier: Apache-2.0
#include "edit/policy.h"
#include "base/check.h"
#include "base/magic.h"
#include "edit/policy_private.h"
#include "rules/folder.h"
#include <openssl/evp.h>
#include <stdlib.h>

#define POLICIES_MAGIC 0x45504f31u

static const char *const path_texts[EDIT_PATH_COUNT] = {
    [EDIT_PATIENT_ID] = "PatientID",
    [EDIT_ISSUER] = "IssuerOfPatientID",
    [EDIT_QUALIFIERS] = "IssuerOfPatientIDQualifiersSequence",
    [EDIT_QUALIFIER_ID] = "IssuerOfPatientIDQualifiersSequence[*].UniversalEntityID",
    [EDIT_NAME] = "PatientName",
    [EDIT_BIRTH_DATE] = "PatientBirthDate",
    [EDIT_SEX] = "PatientSex",
    [EDIT_STUDY] = "StudyInstanceUID",
    [EDIT_SIGNED] = "MACParametersSequence[*].DataElementsSigned",
    [EDIT_ORIGINALS] = "OriginalAttributesSequence[0]",
    [EDIT_EQUIPMENT] = "ContributingEquipmentSequence[0]",
    [EDIT_ORIGINALS_TIME] = "OriginalAttributesSequence[+].AttributeModificationDateTime",
    [EDIT_ORIGINALS_SYSTEM] = "OriginalAttributesSequence[+].ModifyingSystem",
    [EDIT_ORIGINALS_SOURCE] = "OriginalAttributesSequence[+].SourceOfPreviousValues",
    [EDIT_ORIGINALS_REASON] = "OriginalAttributesSequence[+].ReasonForTheAttributeModification",
    [EDIT_ORIGINALS_MODIFIED] = "OriginalAttributesSequence[+].ModifiedAttributesSequence",
    [EDIT_EQUIPMENT_PURPOSE] = "ContributingEquipmentSequence[+].PurposeOfReferenceCodeSequence[0].CodeValue",
    [EDIT_EQUIPMENT_PURPOSE_SCHEME] =
        "ContributingEquipmentSequence[+].PurposeOfReferenceCodeSequence[0].CodingSchemeDesignator",
    [EDIT_EQUIPMENT_PURPOSE_MEANING] =
        "ContributingEquipmentSequence[+].PurposeOfReferenceCodeSequence[0].CodeMeaning",
    [EDIT_EQUIPMENT_MANUFACTURER] = "ContributingEquipmentSequence[+].Manufacturer",
    [EDIT_EQUIPMENT_STATION] = "ContributingEquipmentSequence[+].StationName",
    [EDIT_EQUIPMENT_TIME] = "ContributingEquipmentSequence[+].ContributionDateTime",
};

// ---- which nodes have one ----

static bool node_has_policy(const struct configuration_node *node)
{
    return node->packs.count > 0 || node->domain != NULL ||
           node->contribution == CONFIGURATION_CONTRIBUTION_ALWAYS;
}

static bool node_passes_unseen(const struct configuration_node *node)
{
    return node->packs.count == 0 && node->contribution != CONFIGURATION_CONTRIBUTION_ALWAYS &&
           node->unmatched == CONFIGURATION_UNMATCHED_PASS;
}

static enum result policy_make(const struct edit_policies *policies, const struct rules_library *library,
                               const struct configuration_node *node, struct conf_errors *errors,
                               struct edit_policy *policy)
{
    struct rules_setting setting = {.archive = node->name,
                                    .packs = (const char *const *)node->packs.item,
                                    .pack_count = node->packs.count,
                                    .extra = policies->path,
                                    .extra_count = EDIT_PATH_COUNT};
    *policy = (struct edit_policy){.node = node, .passes_unseen = node_passes_unseen(node)};
    return rules_program_new(library, &setting, errors, &policy->program);
}

// ---- the digest ----

struct digester {
    EVP_MD_CTX *context;
    bool is_fine;
};

static void digest_bytes(struct digester *digester, struct slice bytes)
{
    uint8_t length[4];
    for (unsigned i = 0; i < 4; i++)
        length[i] = (uint8_t)(bytes.length >> 8 * i);
    digester->is_fine =
        digester->is_fine && EVP_DigestUpdate(digester->context, length, sizeof length) == 1 &&
        (bytes.length == 0 || EVP_DigestUpdate(digester->context, bytes.data, bytes.length) == 1);
}

static void digest_text(struct digester *digester, const char *text)
{
    digest_bytes(digester, slice_of_text(text != NULL ? text : ""));
}

static void digest_number(struct digester *digester, uint64_t number)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> 8 * i);
    digest_bytes(digester, slice_of(bytes, sizeof bytes));
}

static void digest_domains(struct digester *digester, const struct configuration *configuration)
{
    digest_number(digester, configuration->domain_count);
    for (size_t i = 0; i < configuration->domain_count; i++) {
        const struct configuration_domain *domain = &configuration->domain[i];
        digest_text(digester, domain->name);
        digest_number(digester, domain->leading_zeros);
        digest_number(digester, domain->letters);
        digest_number(digester, domain->issuers.count);
        for (size_t j = 0; j < domain->issuers.count; j++)
            digest_text(digester, domain->issuers.item[j]);
    }
}

static void digest_policy(struct digester *digester, const struct edit_policy *policy)
{
    const struct configuration_node *node = policy->node;
    digest_number(digester, node->id);
    digest_text(digester, node->name);
    digest_text(digester, node->domain != NULL ? node->domain->name : NULL);
    digest_number(digester, node->crosswalk);
    digest_number(digester, node->unmatched);
    digest_number(digester, node->keeps_originals);
    digest_number(digester, node->contribution);
    digest_number(digester, node->packs.count);
    digest_bytes(digester, slice_of(rules_program_digest(policy->program), RULES_DIGEST_BYTES));
}

static enum result digest_make(struct edit_policies *policies)
{
    const struct configuration *configuration = policies->configuration;
    struct digester digester = {.context = EVP_MD_CTX_new()};
    digester.is_fine =
        digester.context != NULL && EVP_DigestInit_ex(digester.context, EVP_sha256(), NULL) == 1;
    digest_text(&digester, configuration->gateway.ae_title);
    digest_text(&digester, configuration->start_phase->name);
    digest_number(&digester, configuration->limits.inflated_bytes);
    digest_domains(&digester, configuration);
    for (size_t i = 0; i < policies->count; i++)
        digest_policy(&digester, &policies->policy[i]);
    digester.is_fine = digester.is_fine && EVP_DigestFinal_ex(digester.context, policies->digest, NULL) == 1;
    EVP_MD_CTX_free(digester.context);
    return digester.is_fine ? OK : ERR_CRYPTO;
}

// ---- making ----

// Archives and phases that conditions may name.
static enum result names_check(const struct configuration *configuration, const struct rules_library *library,
                               struct conf_errors *errors)
{
    const char **names = calloc(configuration->node_count + configuration->phase_count, sizeof *names);
    if (names == NULL)
        return ERR_NOMEM;
    const char **phases = names + configuration->node_count;
    for (size_t i = 0; i < configuration->node_count; i++)
        names[i] = configuration->node[i].name;
    for (size_t i = 0; i < configuration->phase_count; i++)
        phases[i] = configuration->phase[i].name;
    rules_library_check_names(library, names, configuration->node_count, phases, configuration->phase_count,
                              errors);
    free((void *)names);
    return OK;
}

static void paths_make(struct edit_policies *policies)
{
    for (size_t i = 0; i < EDIT_PATH_COUNT; i++) {
        enum result result = dcm_path_parse(slice_of_text(path_texts[i]), &policies->path[i], NULL);
        ensure(result == OK); // they are constants
    }
}

// All nodes are looked at before it fails, so that every error is told at once.
static enum result policies_make(const struct configuration *configuration,
                                 const struct rules_library *library, struct conf_errors *errors,
                                 struct edit_policies **out)
{
    size_t before = errors->count + errors->dropped;
    struct edit_policies *made = calloc(1, sizeof *made + configuration->node_count * sizeof made->policy[0]);
    if (made == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(made, POLICIES_MAGIC);
    atomic_init(&made->references, 1);
    made->configuration = configuration;
    paths_make(made);
    enum result result = names_check(configuration, library, errors);
    for (size_t i = 0; i < configuration->node_count && result == OK; i++) {
        if (!node_has_policy(&configuration->node[i]))
            continue;
        result = policy_make(made, library, &configuration->node[i], errors, &made->policy[made->count]);
        made->count += result == OK;
        result = result == ERR_FORMAT ? OK : result;
    }
    if (result == OK && errors->count + errors->dropped > before)
        result = ERR_FORMAT;
    if (result == OK)
        result = digest_make(made);
    if (result == OK)
        *out = made;
    else
        edit_policies_unref(&made);
    return result;
}

enum result edit_policies_check(const struct configuration *configuration,
                                const struct rules_library *library, struct conf_errors *errors)
{
    struct edit_policies *policies = NULL;
    enum result result = policies_make(configuration, library, errors, &policies);
    edit_policies_unref(&policies);
    return result;
}

enum result edit_policies_of(const struct configuration *configuration, struct rules_library **library,
                             struct conf_errors *errors, struct edit_policies **out)
{
    struct edit_policies *made = NULL;
    enum result result = policies_make(configuration, *library, errors, &made);
    if (result != OK)
        return result;
    made->library = *library;
    *library = NULL;
    *out = made;
    return OK;
}

enum result edit_policies_new(const struct configuration *configuration, struct conf_errors *errors,
                              struct edit_policies **out)
{
    struct rules_library *library = NULL;
    enum result result = rules_library_new(&library);
    if (result == OK && configuration->rules.packs != NULL)
        result = rules_folder_load(configuration->rules.packs, library, errors);
    if (result == OK)
        result = edit_policies_of(configuration, &library, errors, out);
    rules_library_free(library);
    return result;
}

// ---- life ----

struct edit_policies *edit_policies_ref(struct edit_policies *policies)
{
    MAGIC_CHECK(policies, POLICIES_MAGIC);
    atomic_fetch_add_explicit(&policies->references, 1, memory_order_relaxed);
    return policies;
}

void edit_policies_unref(struct edit_policies **owned)
{
    struct edit_policies *policies = *owned;
    *owned = NULL;
    if (policies == NULL)
        return;
    MAGIC_CHECK(policies, POLICIES_MAGIC);
    if (atomic_fetch_sub_explicit(&policies->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < policies->count; i++)
        rules_program_free(policies->policy[i].program);
    rules_library_free(policies->library);
    MAGIC_CLEAR(policies);
    free(policies);
}

// ---- asking ----

const struct edit_policy *edit_policies_find(const struct edit_policies *policies, uint32_t node)
{
    MAGIC_CHECK(policies, POLICIES_MAGIC);
    for (size_t i = 0; i < policies->count; i++)
        if (policies->policy[i].node->id == node)
            return &policies->policy[i];
    return NULL;
}

const uint8_t *edit_policies_digest(const struct edit_policies *policies)
{
    MAGIC_CHECK(policies, POLICIES_MAGIC);
    return policies->digest;
}

bool edit_policy_may_reject(const struct edit_policy *policy)
{
    return (policy->node->domain != NULL && policy->node->unmatched == CONFIGURATION_UNMATCHED_REJECT) ||
           rules_program_may_reject(policy->program);
}
