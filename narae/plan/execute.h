#pragma once

#include <string>
#include <vector>

#include "narae/plan/capture.h"
#include "narae/plan/plan.h"

namespace narae::plan {

/// What an execution hands back.
struct Execution {
  std::vector<Buffer> buffers;   ///< of the outputs
  bool applied = true;           ///< the guard let the stores happen
  bool storing = false;          ///< a step that writes into a variable has begun
  std::string first_non_finite;  ///< "module: step" when it did not
};

/// Runs a plan on the arguments of a capture; the storage of variables is updated in place.
void execute(const Plan& plan, const Capture& capture, Execution& result);

}  // namespace narae::plan
