// SPDX-License-Identifier: Apache-2.0
#include "edit/study.h"
#include "base/cursor.h"
#include "base/wipe.h"
#include "crosswalk/domain.h"

enum { ID_MOST = 1024, STUDY_MOST = 256 }; // bytes
enum { HALF = RECORD_PATIENT_SIZE / 2 };

// Of no domain: so that an ID stays the same whichever default domain it comes under.
static struct crosswalk_domain loosest(const struct configuration *configuration)
{
    struct crosswalk_domain how = {.name = ""};
    for (size_t i = 0; i < configuration->domain_count; i++) {
        struct crosswalk_domain domain = crosswalk_domain_of(&configuration->domain[i]);
        how.strips_leading_zeros |= domain.strips_leading_zeros;
        how.folds_case |= domain.folds_case;
    }
    return how;
}

static bool half_hash(struct seal_hash *hash, const struct crosswalk_domain *how, struct slice study,
                      struct slice raw, uint8_t half[HALF])
{
    uint8_t id[ID_MOST], input[STUDY_MOST + CROSSWALK_DOMAIN_BYTES + ID_MOST + 2], whole[SEAL_HASH_SIZE];
    memcpy(id, raw.data, raw.length);
    struct writer writer = writer_of(input, sizeof input);
    writer_slice_put(&writer, study);
    writer_u8(&writer, 0);
    writer_put(&writer, how->name, strlen(how->name) + 1);
    writer_slice_put(&writer, crosswalk_id_fold(how, id, raw.length));
    bool is_made = !writer.failed && seal_hash_of(hash, writer_slice(&writer), whole) == OK;
    if (is_made)
        memcpy(half, whole, HALF);
    wipe(id, sizeof id);
    wipe(input, sizeof input);
    return is_made;
}

bool study_patient_hash(struct seal_hash *hash, const struct configuration *configuration,
                        const struct study_source *source, uint8_t patient[RECORD_PATIENT_SIZE])
{
    uint8_t made[RECORD_PATIENT_SIZE] = {0};
    struct slice study = slice_trimmed(source->study);
    struct slice raw = slice_trimmed(source->id);
    struct crosswalk_domain how = loosest(configuration);
    if (hash == NULL || study.length == 0 || study.length > STUDY_MOST || raw.length == 0 ||
        raw.length > ID_MOST || !half_hash(hash, &how, study, raw, made))
        return false;
    if (source->domain != NULL) {
        how = crosswalk_domain_of(source->domain);
        if (!half_hash(hash, &how, study, raw, made + HALF))
            return false;
    }
    memcpy(patient, made, sizeof made);
    return true;
}
