// SPDX-License-Identifier: Apache-2.0
#include "forward/classify.h"
#include "dimse/command.h"
#include "dimse/status.h"

enum verdict classify_store_status(uint16_t status)
{
    if (status == DIMSE_DUPLICATE_INSTANCE)
        return VERDICT_DUPLICATE;
    if (status == DIMSE_PROCESSING_FAILURE || status == DIMSE_CANNOT_UNDERSTAND)
        return VERDICT_HICCUP; // FIELD 7: with some archives these are no judgement of the object
    if ((status & 0xFF00) == DIMSE_OUT_OF_RESOURCES || status == DIMSE_RESOURCE_LIMITATION)
        return VERDICT_TRANSIENT;
    switch (dimse_status_class(DIMSE_C_STORE_RSP, status)) {
    case DIMSE_CLASS_SUCCESS:
    case DIMSE_CLASS_WARNING:
        return VERDICT_ANSWERED;
    case DIMSE_CLASS_PENDING:
    case DIMSE_CLASS_CANCEL:
    case DIMSE_CLASS_UNKNOWN:
        return VERDICT_HICCUP;
    case DIMSE_CLASS_FAILURE:
    case DIMSE_CLASS_REFUSED:
        return VERDICT_PERMANENT;
    }
    return VERDICT_PERMANENT;
}
