#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narae/nn/module.h"

namespace narae::nn {

/// Modules named "0", "1", ..., as torch's ModuleList.
template <class M>
class ModuleList : public Module {
 public:
  /// `count` modules, each M(arguments...).
  template <class... Arguments>
  explicit ModuleList(std::int64_t count, const Arguments&... arguments) : Module("ModuleList") {
    for (std::int64_t i = 0; i < count; ++i) {
      modules_.push_back(register_module(std::to_string(i), M(arguments...)));
    }
  }
  /// visit(module, its number) for one after the other; the nodes that they write carry the list's name, too.
  template <class Visit>
  void for_each(const Visit& visit) const {
    const auto inside = scope();
    std::int64_t number = 0;
    for (const M& module : modules_) visit(module, number++);
  }

 private:
  std::vector<M> modules_;
};

}  // namespace narae::nn
