#include "apps/narae/search_flags.h"

#include <cstdint>

namespace narae::cli {

SearchFlags add_search_flags(CLI::App& command, TranslationOptions& options) {
  CLI::Option* beams = command
                           .add_option("--beams", options.beams,
                                       "Of translations: follow N beginnings side by side; 1 takes the likeliest token "
                                       "at each step")
                           ->type_name("N")
                           ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 10))
                           ->capture_default_str();
  CLI::Option* penalty =
      command
          .add_option("--length-penalty", options.length_penalty,
                      "Answers of a search are compared by log probability / tokens^X: above 1 for longer ones")
          ->type_name("X")
          ->needs(beams)
          ->capture_default_str();
  return {{beams, penalty}};
}

}  // namespace narae::cli
