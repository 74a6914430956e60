#pragma once

// The daemon's API over its Unix socket.

#include <ctime>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
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
  kConflict = 5,
  kUnhealthy = 6  // status --check
};

// What ends the command, with the message for stderr.
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode exit_code, const std::string& message, std::string daemon_answer = "")
      : std::runtime_error(message), code(exit_code), answer(std::move(daemon_answer)) {}
  ExitCode code;
  std::string answer;  // the API's error in JSON, if it came from the daemon
};

struct Answer {
  std::string text;  // as the daemon wrote it; empty if there is nothing to say
  Json json;
  std::string etag;
};

// A request to the API.
struct Request {
  std::string method;
  std::vector<std::string> path;  // without /v1; in the clear, it is percent-encoded when sent
  std::vector<std::pair<std::string, std::string>> query = {};  // in the clear as well
  std::string body = {};
  std::string if_match = {};  // an ETag
};

class Client {
 public:
  // `patience`: seconds that the daemon may take.
  Client(std::string socket, time_t patience) : socket_(std::move(socket)), patience_(patience) {}

  // Throws Failure for every answer that is not a success.
  Answer send(const Request& request) const;
  Answer get(const std::vector<std::string>& path) const { return send({"GET", path}); }

 private:
  std::string socket_;
  time_t patience_;
};

}  // namespace vxtap::cli
