#include "narae/graph/module_path.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace narae {
namespace {

std::string path_under(const std::string& outer, const ModuleName& name) {
  const ModuleScope around(outer);
  const ModuleScope inside(name);
  return module_path(current_module());
}

TEST(ModulePath, ANameIsRememberedUnderThePathAroundIt) {
  ModuleName name("conv");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(path_under("first", name), "first.conv");
    EXPECT_EQ(path_under("first", name), "first.conv");
    EXPECT_EQ(path_under("second", name), "second.conv");
  }
  {
    const ModuleScope outermost(name);
    EXPECT_EQ(module_path(current_module()), "conv");
  }
  name.set_text("pool");
  EXPECT_EQ(path_under("second", name), "second.pool");
  EXPECT_EQ(module_path(current_module()), "");
}

TEST(ModulePath, SeveralThreadsUseOneName) {
  const ModuleName name("shared");
  std::vector<std::thread> threads;
  for (int k = 0; k < 4; ++k) {
    threads.emplace_back([&, k] {
      const std::string outer = "net" + std::to_string(k);
      for (int i = 0; i < 2000; ++i) ASSERT_EQ(path_under(outer, name), outer + ".shared");
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace narae
