#include "narae/plan/passes.h"

#include <array>

namespace narae::plan {

std::span<const Pass> passes() {
  static constexpr std::array list = {
      Pass{"repeated rows", repeated_rows},
      Pass{"expand", expand},
      Pass{"simplify", simplify},
      Pass{"fold", fold},
      Pass{"gram", gram},
      Pass{"layout", layout},
      Pass{"fuse", fuse},
      Pass{"follow", follow},
      Pass{"schedule", schedule},
  };
  return list;
}

}  // namespace narae::plan
