#pragma once

// The daemon's API over its Unix socket.

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace vxtap::cli {

using Json = nlohmann::ordered_json;

// SPEC §4.
enum ExitCode {
  kDone = 0,
  kDaemonFailed = 1,
  kInvalid = 2,
  kNotReachable = 3,
  kNotFound = 4,
  kConflict = 5
};

// What ends the command, with the message for stderr.
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode exit_code, const std::string& message)
      : std::runtime_error(message), code(exit_code) {}
  ExitCode code;
};

struct Answer {
  std::string text;  // as the daemon wrote it
  Json json;
};

class Client {
 public:
  explicit Client(std::string socket) : socket_(std::move(socket)) {}

  // `path` without /v1, its segments in the clear: they are percent-encoded here. Throws Failure
  // for every answer that is not a success.
  Answer request(const std::string& method, const std::vector<std::string>& path,
                 const std::string& query = "", const std::string& body = "") const;

 private:
  std::string socket_;
};

}  // namespace vxtap::cli
