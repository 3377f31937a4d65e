// SPDX-License-Identifier: Apache-2.0
//
// Whether an instance that is coming in may already be on its way out (forward/cut.h). Thread: the worker's.
#pragma once

#include "front/intake.h"

// The journal has taken another piece of it.
void intake_cut_look(struct intake *intake);
