#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "narae/nn/module.h"

namespace narae::nn {

/// Modules one after the other, named "0", "1", ...: `Sequential{Linear(784, 256), ReLU(), Linear(256, 10)}`.
class NARAE_API Sequential : public Module {
 public:
  Sequential() : Module("Sequential") { recompute_in_parts(); }
  /// A single Sequential is copied, not wrapped.
  template <class First, class... Others>
  requires(std::derived_from<std::remove_cvref_t<First>, Module> &&
           (std::derived_from<std::remove_cvref_t<Others>, Module> && ...) &&
           !(sizeof...(Others) == 0 &&
             std::same_as<std::remove_cvref_t<First>, Sequential>)) explicit Sequential(First&& first,
                                                                                        Others&&... others)
      : Sequential() {
    push_back(std::forward<First>(first));
    (push_back(std::forward<Others>(others)), ...);
  }

  /// Appends a module under the next number, or under a name of its own.
  template <std::derived_from<Module> M>
  void push_back(M module) {
    push_back(std::to_string(steps_.size()), std::move(module));
  }
  template <std::derived_from<Module> M>
  void push_back(const std::string& name, M module) {
    steps_.push_back(std::make_shared<M>(register_module(name, std::move(module))));
  }

  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  [[nodiscard]] std::size_t size() const { return steps_.size(); }
  [[nodiscard]] const Module& operator[](std::size_t i) const { return *steps_.at(i); }

 private:
  std::vector<std::shared_ptr<const Module>> steps_;
};

}  // namespace narae::nn
