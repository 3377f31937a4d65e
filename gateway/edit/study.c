// SPDX-License-Identifier: Apache-2.0
#include "edit/study.h"
#include "base/cursor.h"
#include "base/wipe.h"
#include "crosswalk/domain.h"

enum { ID_MOST = 1024, STUDY_MOST = 256 }; // bytes

static const struct configuration_domain *domain_of(const struct configuration *configuration,
                                                    const struct study_source *source)
{
    const struct configuration_domain *domain =
        configuration_domain_by_issuer(configuration, slice_trimmed(source->issuer));
    return domain != NULL ? domain : configuration_domain_by_name(configuration, source->domain);
}

bool study_patient_hash(struct seal_hash *hash, const struct configuration *configuration,
                        const struct study_source *source, uint8_t patient[RECORD_PATIENT_SIZE])
{
    uint8_t id[ID_MOST], input[STUDY_MOST + CROSSWALK_DOMAIN_BYTES + ID_MOST + 2], whole[SEAL_HASH_SIZE];
    struct slice study = slice_trimmed(source->study);
    struct slice raw = slice_trimmed(source->id);
    const struct configuration_domain *domain = domain_of(configuration, source);
    struct crosswalk_domain how = {.name = ""};
    if (hash == NULL || study.length == 0 || study.length > STUDY_MOST || raw.length == 0 ||
        raw.length > ID_MOST)
        return false;
    if (domain != NULL)
        how = crosswalk_domain_of(domain);
    memcpy(id, raw.data, raw.length);
    struct writer writer = writer_of(input, sizeof input);
    writer_slice_put(&writer, study);
    writer_u8(&writer, 0);
    writer_put(&writer, how.name, strlen(how.name) + 1);
    writer_slice_put(&writer, crosswalk_id_fold(&how, id, raw.length));
    bool is_made = !writer.failed && seal_hash_of(hash, writer_slice(&writer), whole) == OK;
    if (is_made)
        memcpy(patient, whole, RECORD_PATIENT_SIZE);
    wipe(id, sizeof id);
    wipe(input, sizeof input);
    return is_made;
}
