#include "agent/http_server.h"

#include <sys/stat.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>

#include "agent/error.h"

namespace vxtap {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Unix = asio::local::stream_protocol;
using Stream = beast::basic_stream<Unix>;
using boost::system::error_code;

constexpr std::chrono::seconds kTimeout{30};
constexpr uint64_t kLongestBody = 64ULL * 1024 * 1024;
constexpr size_t kMostConnections = 128;

// For what goes wrong before there is a request to handle.
HttpResponse refusal(unsigned status, const std::string& code, const std::string& message) {
  return {status, "application/json",
          R"({"error": {"code": ")" + code + R"(", "message": ")" + message +
              R"(", "field": "", "value": ""}})" + "\n"};
}

int hex(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// RFC 3986 §2.1; empty if a percent sign is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Empty if the target is not well formed.
std::optional<HttpRequest> parse_target(const std::string& target) {
  HttpRequest request;
  const auto mark = target.find('?');
  request.path = target.substr(0, mark);
  for (const auto& segment : split(request.path, '/')) {
    auto decoded = percent_decode(segment);
    if (!decoded) return std::nullopt;
    request.segments.push_back(std::move(*decoded));
  }
  if (mark == std::string::npos) return request;
  for (const auto& pair : split(target.substr(mark + 1), '&')) {
    const auto equals = std::min(pair.find('='), pair.size());
    auto name = percent_decode(pair.substr(0, equals));
    auto value = percent_decode(equals < pair.size() ? pair.substr(equals + 1) : "");
    if (!name || !value) return std::nullopt;
    request.query[*name] = *value;
  }
  return request;
}

// One client. Lives as long as a callback holds it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Unix::socket socket, const HttpServer::Handler& handler, std::shared_ptr<size_t> open)
      : stream_(std::move(socket)), handler_(handler), open_(std::move(open)) {
    ++*open_;
  }
  ~Connection() { --*open_; }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read() {
    parser_.emplace();
    parser_->body_limit(kLongestBody);
    stream_.expires_after(kTimeout);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](const error_code& error, size_t) { self->on_read(error); });
  }

  void refuse(const HttpResponse& response) { write(response, 11, false); }

 private:
  void on_read(const error_code& error) {
    if (error == http::error::body_limit) {
      return refuse(refusal(413, "TooLarge", "a request's body must be at most 64 MiB"));
    }
    if (error == http::error::end_of_stream || error == beast::error::timeout) return;
    if (error.category() == http::make_error_code(http::error::bad_method).category()) {
      return refuse(refusal(400, "MalformedRequest", "this is not HTTP/1.1"));
    }
    if (error) return;
    auto message = parser_->release();
    auto request = parse_target(std::string(message.target()));
    if (!request) {
      return refuse(
          refusal(400, "MalformedPath", "the path is not percent-encoded as it should be"));
    }
    request->method = std::string(message.method_string());
    request->body = std::move(message.body());
    write(handler_(*request), message.version(), message.keep_alive());
  }

  void write(const HttpResponse& response, unsigned version, bool keep_alive) {
    auto message = std::make_shared<http::response<http::string_body>>();
    message->version(version);
    message->result(response.status);
    message->set(http::field::content_type, response.content_type);
    message->body() = response.body;
    message->keep_alive(keep_alive);
    message->prepare_payload();
    stream_.expires_after(kTimeout);
    http::async_write(
        stream_, *message,
        [self = shared_from_this(), message, keep_alive](const error_code& error, size_t) {
          if (!error && keep_alive) self->read();
        });
  }

  Stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  const HttpServer::Handler& handler_;
  std::shared_ptr<size_t> open_;  // connections of the server
};

bool anybody_answers(asio::io_context& loop, const Unix::endpoint& endpoint) {
  Unix::socket socket(loop);
  error_code error;
  socket.connect(endpoint, error);
  return !error;
}

}  // namespace

class HttpServer::Acceptor {
 public:
  Acceptor(asio::io_context& loop, const std::filesystem::path& socket, Handler handler)
      : handler_(std::move(handler)), acceptor_(loop) {
    const Unix::endpoint endpoint(socket.string());
    if (anybody_answers(loop, endpoint)) {
      throw Error(Error::Kind::conflict, "AlreadyRunning",
                  "another vxtapd answers at this socket: stop it, or choose another --socket",
                  "socket", socket.string());
    }
    std::filesystem::remove(socket);
    acceptor_.open(endpoint.protocol());
    // The mode is right from the start: nobody else can connect between bind and chmod.
    const mode_t before = umask(0117);
    error_code error;
    acceptor_.bind(endpoint, error);
    umask(before);
    if (error) throw boost::system::system_error(error);
    acceptor_.listen();
    accept();
  }

 private:
  void accept() {
    acceptor_.async_accept([this](const error_code& error, Unix::socket socket) {
      if (error) return;
      const auto connection =
          std::make_shared<Connection>(std::move(socket), handler_, connections_);
      if (*connections_ > kMostConnections) {
        connection->refuse(refusal(429, "TooManyRequests", "too many connections: try again"));
      } else {
        connection->read();
      }
      accept();
    });
  }

  Handler handler_;
  std::shared_ptr<size_t> connections_ = std::make_shared<size_t>(0);
  Unix::acceptor acceptor_;
};

HttpServer::HttpServer(asio::io_context& loop, std::filesystem::path socket, Handler handler)
    : socket_(std::move(socket)) {
  try {
    if (socket_.has_parent_path()) std::filesystem::create_directories(socket_.parent_path());
    acceptor_ = std::make_unique<Acceptor>(loop, socket_, std::move(handler));
  } catch (const std::system_error& error) {
    throw Error(Error::Kind::internal, "Socket", error.what(), "socket", socket_.string());
  } catch (const boost::system::system_error& error) {
    throw Error(Error::Kind::internal, "Socket", error.what(), "socket", socket_.string());
  }
}

HttpServer::~HttpServer() {
  std::error_code ignored;
  std::filesystem::remove(socket_, ignored);
}

}  // namespace vxtap
