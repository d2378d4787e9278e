#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "apps/narae/commands.h"
#include "apps/narae/profile.h"
#include "narae/core/error.h"

namespace {

using namespace narae::cli;

// The innermost command that was recognised.
const CLI::App& innermost(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : innermost(*parsed.front());
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : full_name(*app.get_parent()) + " " + app.get_name();
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

// What is wrong with an argument that no command took.
std::string unknown(const CLI::App& app, const std::string& argument) {
  if (argument.size() > 1 && argument[0] == '-') {
    const std::string flag = argument.substr(0, argument.find('='));
    return "unknown flag '" + flag + "'" + narae::did_you_mean(flag, flags_of(app));
  }
  const std::vector<std::string> commands = commands_of(app);
  if (!commands.empty() && app.get_subcommands().empty()) {
    return "unknown command '" + argument + "'" + narae::did_you_mean(argument, commands);
  }
  return "one argument too many: '" + argument + "'";
}

int complain(const CLI::App& app, const std::string& message, ExitCode code) {
  std::string text = full_name(app) + ": " + message + "\n";
  if (code == used_wrongly) text += "See '" + full_name(app) + " --help'.\n";
  std::fputs(text.c_str(), stderr);
  return code;
}

int complain_about(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = innermost(app);
  for (const CLI::App* at = &command; at != nullptr; at = at->get_parent()) {
    const auto rest = at->remaining();
    if (!rest.empty()) return complain(*at, unknown(*at, rest.front()), used_wrongly);
  }
  return complain(command, error.what(), used_wrongly);
}

// A file that is opened must not get the number of a closed standard stream: messages would be written into it.
void open_standard_streams() {
  int descriptor = ::open("/dev/null", O_RDWR);
  while (descriptor >= 0 && descriptor <= STDERR_FILENO) descriptor = ::open("/dev/null", O_RDWR);
  if (descriptor > STDERR_FILENO) ::close(descriptor);
}

int answer(CLI::App& app, int argc, char** argv, const Outcome& outcome) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return complain_about(app, error);
  } catch (const narae::UsageError& error) {
    return complain(innermost(app), error.what(), used_wrongly);
  } catch (const std::bad_alloc&) {
    return complain(innermost(app), "out of memory; a smaller batch needs less", failed);
  } catch (const std::exception& error) {
    return complain(innermost(app), error.what(), failed);
  }
  return outcome.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error to be told, not the end of the process
  CLI::App app("Narae: deep learning in native C++.", "narae");
  app.set_version_flag("--version,-V", "narae " NARAE_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(32);
  app.footer("Exit codes: 0 done, 1 failed, 2 used wrongly, 130 interrupted.");
  Outcome outcome;
  add_train(app, outcome);
  add_eval(app);
  add_predict(app);
  add_generate(app);
  add_forward(app);
  add_export(app);
  add_summary(app);
  add_tokenizer(app);
  add_inspect(app);
  add_models(app);
  add_recipes(app);
  add_datasets(app);
  add_runs(app);
  add_bench(app);
  if (argc == 1) {
    std::fputs(app.help().c_str(), stderr);
    return used_wrongly;
  }
  const int code = answer(app, argc, argv, outcome);
  try {
    finish_profile();  // also of work that failed
  } catch (const std::exception& error) {
    return complain(innermost(app), error.what(), failed);
  }
  return code;
}
