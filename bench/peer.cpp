#include "bench/peer.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "narae/core/error.h"

namespace narae::bench {

Peer::Peer(const std::vector<std::string>& command) {
  std::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0) throw Error("bench: no pipe");
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  process_ = fork();
  if (process_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  to_ = fdopen(in[1], "w");
  from_ = fdopen(out[0], "r");
  const std::string line = read_line();
  ready_ = line.starts_with("ready ");
  if (ready_) first_loss_ = std::strtod(line.c_str() + 6, nullptr);
}

Peer::~Peer() {
  std::fclose(to_);  // the end of its input ends it
  std::fclose(from_);
  waitpid(process_, nullptr, 0);
}

double Peer::run(int steps) {
  return ask("run " + std::to_string(steps));
}

double Peer::memory() {
  return ask("memory");
}

double Peer::flops() {
  return ask("flops");
}

double Peer::ask(const std::string& question) {
  std::fprintf(to_, "%s\n", question.c_str());
  std::fflush(to_);
  const std::string line = read_line();
  if (line.empty()) throw Error("bench: the peer ended in the middle of a round");
  return std::strtod(line.c_str(), nullptr);
}

std::string Peer::read_line() const {
  std::string line;
  for (int c = std::fgetc(from_); c != EOF && c != '\n'; c = std::fgetc(from_)) line += static_cast<char>(c);
  return line;
}

}  // namespace narae::bench
