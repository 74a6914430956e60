#pragma once

// HTTP/1.1 over a Unix socket.

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vxtap {

struct HttpRequest {
  std::string method;
  std::string path;                   // as it came, without the query
  std::vector<std::string> segments;  // of the path, percent-decoded
  std::map<std::string, std::string> query;
  std::string body;
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
};

// Bounded in connections, size and time, so that a slow or silent client blocks nobody. The handler
// runs on the loop's thread and does not throw.
class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Makes the socket (mode 0660) and its directory. A socket that nobody answers at is replaced.
  // Throws Error(conflict, AlreadyRunning), Error(internal, Socket).
  HttpServer(boost::asio::io_context& loop, std::filesystem::path socket, Handler handler);
  ~HttpServer();  // removes the socket
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  class Acceptor;
  std::filesystem::path socket_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace vxtap
