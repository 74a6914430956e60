#include "agent/api/http_server.h"

#include <sys/stat.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <list>
#include <optional>

#include "agent/api/target.h"
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
constexpr size_t kMostConnections = 128;

// For what goes wrong before there is a request to handle.
HttpResponse refusal(unsigned status, const std::string& code, const std::string& message) {
  return {status, "application/json",
          R"({"error": {"code": ")" + code + R"(", "message": ")" + message +
              R"(", "field": "", "value": ""}})" + "\n"};
}

class Connection;

// The connections of a server.
struct Connections {
  size_t open = 0;
  std::list<Connection*> waiting;  // for their clients to send, the longest first
};

// All lines of a field as one: RFC 9110 §5.3.
std::optional<std::string> header(const http::fields& fields, const char* name) {
  std::optional<std::string> value;
  const auto [first, end] = fields.equal_range(name);
  for (auto line = first; line != end; ++line) {
    const std::string text(line->value());
    value = value ? *value + ", " + text : text;
  }
  return value;
}

// One client. Lives as long as a callback holds it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Unix::socket socket, const HttpServer::Callbacks& callbacks,
             std::shared_ptr<Connections> all)
      : stream_(std::move(socket)),
        callbacks_(callbacks),
        all_(std::move(all)),
        waiting_(all_->waiting.end()) {
    ++all_->open;
  }
  ~Connection() {
    stop_waiting();
    --all_->open;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read() {
    parser_.emplace();
    parser_->body_limit(UINT64_MAX);  // see on_header()
    waiting_ = all_->waiting.insert(all_->waiting.end(), this);
    stream_.expires_after(kTimeout);
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](const error_code& error, size_t) { self->on_header(error); });
  }

  void refuse(const HttpResponse& response) { write(response, 11, false); }
  void close() {
    stop_waiting();
    stream_.close();
  }

 private:
  void stop_waiting() {
    if (waiting_ != all_->waiting.end()) all_->waiting.erase(waiting_);
    waiting_ = all_->waiting.end();
  }

  void on_header(const error_code& error) {
    if (refused(error)) return;
    const auto& message = parser_->get();
    request_ = parse_target(std::string(message.target()));
    if (!request_) {
      return refuse(refusal(400, "MalformedPath",
                            "the target must be a path, percent-encoded: /v1/filters/a%20b"));
    }
    request_->method = std::string(message.method_string());
    request_->if_match = header(message, "If-Match");
    request_->idempotency_key = header(message, "Idempotency-Key");
    limit_ = callbacks_.body_limit(request_->method, request_->segments);
    if (parser_->content_length() && *parser_->content_length() > limit_) return refuse_size();
    parser_->body_limit(limit_);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](const error_code& failed, size_t) { self->on_body(failed); });
  }

  void on_body(const error_code& error) {
    if (error == http::error::body_limit) return refuse_size();
    if (refused(error)) return;
    stop_waiting();
    auto message = parser_->release();
    request_->body = std::move(message.body());
    write(callbacks_.handle(*request_), message.version(), message.keep_alive());
  }

  void refuse_size() {
    stop_waiting();
    refuse(
        refusal(413, "TooLarge",
                "the body of this request must be at most " + std::to_string(limit_) + " bytes"));
  }

  // Whether there is no request to go on with.
  bool refused(const error_code& error) {
    if (!error) return false;
    stop_waiting();
    if (error != http::error::end_of_stream && error != http::error::partial_message &&
        error.category() == http::make_error_code(http::error::bad_method).category()) {
      refuse(refusal(400, "MalformedRequest", "this is not HTTP/1.1"));
    }
    return true;
  }

  void write(const HttpResponse& response, unsigned version, bool keep_alive) {
    auto message = std::make_shared<http::response<http::string_body>>();
    message->version(version);
    message->result(response.status);
    message->set(http::field::content_type, response.content_type);
    for (const auto& [name, value] : response.headers) message->set(name, value);
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
  std::optional<HttpRequest> request_;
  uint64_t limit_ = 0;
  const HttpServer::Callbacks& callbacks_;
  std::shared_ptr<Connections> all_;
  std::list<Connection*>::iterator waiting_;
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
  Acceptor(asio::io_context& loop, const std::filesystem::path& socket, Callbacks callbacks)
      : callbacks_(std::move(callbacks)), acceptor_(loop) {
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
      take(std::move(socket));
      accept();
    });
  }

  void take(Unix::socket socket) {
    const bool full = connections_->open >= kMostConnections;
    const bool refuse = full && connections_->waiting.empty();
    if (full && !refuse) connections_->waiting.front()->close();
    const auto connection =
        std::make_shared<Connection>(std::move(socket), callbacks_, connections_);
    if (refuse) {
      connection->refuse(refusal(429, "TooManyRequests", "too many connections: try again"));
    } else {
      connection->read();
    }
  }

  Callbacks callbacks_;
  std::shared_ptr<Connections> connections_ = std::make_shared<Connections>();
  Unix::acceptor acceptor_;
};

HttpServer::HttpServer(asio::io_context& loop, std::filesystem::path socket, Callbacks callbacks)
    : socket_(std::move(socket)) {
  try {
    if (socket_.has_parent_path()) std::filesystem::create_directories(socket_.parent_path());
    acceptor_ = std::make_unique<Acceptor>(loop, socket_, std::move(callbacks));
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
