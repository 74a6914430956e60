#include "agent/api/http_server.h"

#include <sys/stat.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <list>
#include <optional>
#include <string_view>

#include "agent/api/target.h"
#include "agent/error.h"
#include "agent/model/value.h"

namespace vxtap {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Unix = asio::local::stream_protocol;
using asio::ip::tcp;
using Protocol = asio::generic::stream_protocol;  // either of them
using Stream = beast::basic_stream<Protocol>;
using Listener = asio::basic_socket_acceptor<Protocol>;
using boost::system::error_code;

constexpr std::chrono::seconds kTimeout{30};
constexpr size_t kMostConnections = 128;
constexpr size_t kMostTcpConnections = 16;  // anybody who reaches the address may open them
constexpr uint32_t kLongestHeader = 8192;   // bytes, the request line included
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// For what goes wrong before there is a request to handle.
HttpResponse refusal(unsigned status, const std::string& code, const std::string& message) {
  return {status, "application/json",
          R"({"error": {"code": ")" + code + R"(", "message": ")" + message +
              R"(", "field": "", "value": ""}})" + "\n"};
}

class Connection;

// Those of a server, in the order in which they began to wait for their clients to send or to read.
using Connections = std::list<Connection*>;

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
  Connection(Protocol::socket socket, const HttpServer::Callbacks& callbacks,
             std::shared_ptr<Connections> all)
      : stream_(std::move(socket)),
        callbacks_(callbacks),
        all_(std::move(all)),
        place_(all_->insert(all_->end(), this)) {}
  ~Connection() { leave(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(kLongestHeader);
    parser_->body_limit(UINT64_MAX);  // see on_header()
    wait();
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](const error_code& error, size_t) { self->on_header(error); });
  }

  void close() {
    leave();
    stream_.close();
  }

 private:
  void leave() {
    if (place_ != all_->end()) all_->erase(place_);
    place_ = all_->end();
  }

  // It is the client's turn from now on.
  void wait() {
    leave();
    place_ = all_->insert(all_->end(), this);
    stream_.expires_after(kTimeout);
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
    const bool asks = beast::iequals(message[http::field::expect], "100-continue");
    if (asks && message.version() >= 11 && !parser_->is_done()) return ask_for_body();
    read_body();
  }

  // RFC 9110 §10.1.1: the client wants to know whether its body is welcome before it sends it.
  void ask_for_body() {
    asio::async_write(stream_, asio::buffer(kContinue),
                      [self = shared_from_this()](const error_code& error, size_t) {
                        if (!error) self->read_body();
                      });
  }

  void read_body() {
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](const error_code& error, size_t) { self->on_body(error); });
  }

  void on_body(const error_code& error) {
    if (refused(error)) return;
    request_->body = std::move(parser_->get().body());
    write(callbacks_.handle(*request_), parser_->get().keep_alive());
  }

  void refuse(const HttpResponse& response) { write(response, false); }
  void refuse_size() {
    refuse(
        refusal(413, "TooLarge",
                "the body of this request must be at most " + std::to_string(limit_) + " bytes"));
  }

  // Whether there is no request to go on with.
  bool refused(const error_code& error) {
    if (!error) return false;
    if (error == http::error::body_limit) {
      refuse_size();
    } else if (error == http::error::header_limit) {
      refuse(refusal(
          431, "HeaderTooLong",
          "the header of a request must be at most " + std::to_string(kLongestHeader) + " bytes"));
    } else if (error != http::error::end_of_stream && error != http::error::partial_message &&
               error.category() == http::make_error_code(http::error::bad_method).category()) {
      refuse(refusal(400, "MalformedRequest", "this is not HTTP/1.1"));
    }
    return true;
  }

  void write(const HttpResponse& response, bool keep_alive) {
    const auto& request = parser_->get();
    auto message = std::make_shared<http::response<http::string_body>>();
    message->version(request.version());
    message->result(response.status);
    for (const auto& [name, value] : response.headers) message->set(name, value);
    message->keep_alive(keep_alive);
    if (message->result() != http::status::no_content) {
      message->set(http::field::content_type, response.content_type);
      message->body() = response.body;
      message->prepare_payload();
    }
    // RFC 9110 §9.3.2: the length stays.
    if (request.method() == http::verb::head) message->body().clear();
    wait();
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
  Connections::iterator place_;
};

bool anybody_answers(asio::io_context& loop, const Unix::endpoint& endpoint) {
  Unix::socket socket(loop);
  error_code error;
  socket.connect(endpoint, error);
  return !error;
}

Listener listen(asio::io_context& loop, const std::filesystem::path& socket) {
  const Unix::endpoint endpoint(socket.string());
  if (anybody_answers(loop, endpoint)) {
    throw Error(Error::Kind::conflict, "AlreadyRunning",
                "another vxtapd answers at this socket: stop it, or choose another --socket",
                "socket", socket.string());
  }
  std::filesystem::remove(socket);
  Listener listener(loop);
  listener.open(endpoint.protocol());
  // The mode is right from the start: nobody else can connect between bind and chmod.
  const mode_t before = umask(0117);
  error_code error;
  listener.bind(endpoint, error);
  umask(before);
  if (error) throw boost::system::system_error(error);
  listener.listen();
  return listener;
}

Listener listen(asio::io_context& loop, const Endpoint& address) {
  const tcp::endpoint endpoint(asio::ip::make_address(to_string(address.address)), address.port);
  Listener listener(loop);
  listener.open(endpoint.protocol());
  // What a daemon that ended has left in TIME_WAIT is no reason to refuse its successor.
  listener.set_option(Listener::reuse_address(true));
  listener.bind(endpoint);
  listener.listen();
  return listener;
}

std::string why_not(const error_code& error) {
  if (error == asio::error::address_in_use) {
    return "another program listens there: choose another port, or stop it";
  }
  if (error == boost::system::errc::address_not_available) return "this host has no such address";
  return "cannot listen there: " + error.message();
}

}  // namespace

class HttpServer::Acceptor {
 public:
  Acceptor(Listener listener, size_t most_connections, Callbacks callbacks)
      : most_connections_(most_connections),
        callbacks_(std::move(callbacks)),
        listener_(std::move(listener)) {
    accept();
  }

 private:
  void accept() {
    listener_.async_accept([this](const error_code& error, Protocol::socket socket) {
      if (error) return;
      take(std::move(socket));
      accept();
    });
  }

  void take(Protocol::socket socket) {
    if (connections_->size() >= most_connections_) connections_->front()->close();
    std::make_shared<Connection>(std::move(socket), callbacks_, connections_)->read();
  }

  size_t most_connections_;
  Callbacks callbacks_;
  std::shared_ptr<Connections> connections_ = std::make_shared<Connections>();
  Listener listener_;
};

HttpServer::HttpServer(asio::io_context& loop, std::filesystem::path socket, Callbacks callbacks)
    : socket_(std::move(socket)) {
  try {
    if (socket_.has_parent_path()) std::filesystem::create_directories(socket_.parent_path());
    acceptor_ =
        std::make_unique<Acceptor>(listen(loop, socket_), kMostConnections, std::move(callbacks));
  } catch (const std::system_error& error) {
    throw Error(Error::Kind::internal, "Socket", error.what(), "socket", socket_.string());
  } catch (const boost::system::system_error& error) {
    throw Error(Error::Kind::internal, "Socket", error.what(), "socket", socket_.string());
  }
}

HttpServer::HttpServer(asio::io_context& loop, const Endpoint& address, const std::string& setting,
                       Callbacks callbacks) {
  try {
    acceptor_ = std::make_unique<Acceptor>(listen(loop, address), kMostTcpConnections,
                                           std::move(callbacks));
  } catch (const boost::system::system_error& error) {
    throw Error(Error::Kind::conflict, "CannotListen", why_not(error.code()), setting,
                to_string(address));
  }
}

HttpServer::~HttpServer() {
  if (socket_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove(socket_, ignored);
}

}  // namespace vxtap
