#pragma once

// HTTP/1.1 over a Unix socket, or over TCP.

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/settings.h"

namespace vxtap {

struct HttpRequest {
  std::string method;
  std::string path;                   // encoded as it came, without the query
  std::vector<std::string> segments;  // of the path, percent-decoded
  std::multimap<std::string, std::string> query;
  std::optional<std::string> if_match;         // RFC 9110 §13.1.1
  std::optional<std::string> idempotency_key;  // the field Idempotency-Key
  std::string body;
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;  // none with status 204
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// Bounded in connections, size and time. Where there are too many connections, the one that has
// waited longest for its client is closed: slow and silent clients block nobody.
class HttpServer {
 public:
  // Called on the loop's thread; must not throw.
  struct Callbacks {
    std::function<HttpResponse(const HttpRequest&)> handle;
    // Bytes that a request's body may have; asked when its header is there.
    std::function<uint64_t(const std::string& method, const std::vector<std::string>& segments)>
        body_limit;
  };

  // Makes the socket (mode 0660) and its directory. A socket that nobody answers at is replaced.
  // Throws Error(conflict, AlreadyRunning), Error(internal, Socket).
  HttpServer(boost::asio::io_context& loop, std::filesystem::path socket, Callbacks callbacks);
  // Listens at a TCP address, with fewer connections. `setting` is what an error names: throws
  // Error(conflict, CannotListen).
  HttpServer(boost::asio::io_context& loop, const Endpoint& address, const std::string& setting,
             Callbacks callbacks);
  ~HttpServer();  // removes the socket
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  class Acceptor;
  std::filesystem::path socket_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace vxtap
