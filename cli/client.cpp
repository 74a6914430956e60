#include "cli/client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "cli/context.h"

namespace vxtap::cli {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Unix = asio::local::stream_protocol;
using boost::system::error_code;

std::string percent_encode(const std::string& text) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string result;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (isalnum(byte) != 0 || std::string("-._~").find(character) != std::string::npos) {
      result += character;
    } else {
      result += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return result;
}

ExitCode exit_code(unsigned status) {
  switch (status) {
    case 404:
      return kNotFound;
    case 409:
    case 412:
      return kConflict;
    default:
      return status >= 400 && status < 500 ? kInvalid : kDaemonFailed;
  }
}

// "field: 'value': what would be right", as far as the daemon says so.
std::string error_text(const Json& answer) {
  if (!answer.is_object() || !answer.contains("error"))
    return "the daemon's answer is not an error of its API";
  const auto& error = answer["error"];
  const auto part = [&](const char* name) { return error.value(name, std::string()); };
  std::string text;
  if (!part("field").empty()) text += part("field") + ": ";
  if (!part("value").empty()) text += part("value") + ": ";
  return visible(text + part("message"));  // what() would end at a NUL
}

Unix::socket connect(asio::io_context& loop, const std::string& path, time_t patience) {
  Unix::socket socket(loop);
  error_code error;
  socket.open(Unix(), error);
  const timeval timeout{patience, 0};
  setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(socket.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  if (path.size() < sizeof(sockaddr_un{}.sun_path)) {
    socket.connect(Unix::endpoint(path), error);
  } else {
    error = asio::error::name_too_long;
  }
  if (error) {
    throw Failure(kNotReachable,
                  "no daemon at " + path + ": " + error.message() + "; is vxtapd running?");
  }
  return socket;
}

std::string target_of(const Request& request) {
  std::string target = "/v1";
  for (const auto& segment : request.path) target += "/" + percent_encode(segment);
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    target += separator + percent_encode(name) + "=" + percent_encode(value);
    separator = '&';
  }
  return target;
}

}  // namespace

Answer Client::send(const Request& request) const {
  asio::io_context loop;
  auto socket = connect(loop, socket_, patience_);
  http::request<http::string_body> message;
  message.version(11);
  message.method_string(request.method);
  message.target(target_of(request));
  message.set(http::field::host, "vxtap");
  if (!request.if_match.empty()) message.set(http::field::if_match, request.if_match);
  message.keep_alive(false);
  message.body() = request.body;
  message.prepare_payload();

  error_code error;
  http::write(socket, message, error);
  http::response_parser<http::string_body> parser;
  parser.body_limit(UINT64_MAX);
  boost::beast::flat_buffer buffer;
  // An answer may come before the request was sent whole, if the daemon refuses its size.
  http::read(socket, buffer, parser, error);
  if (error) throw Failure(kDaemonFailed, "the daemon broke off: " + error.message());
  auto response = parser.release();
  if (response.result() == http::status::no_content) return {};
  auto json = Json::parse(response.body(), nullptr, false);
  if (response.result_int() >= 300) {
    throw Failure(exit_code(response.result_int()), error_text(json), response.body());
  }
  if (json.is_discarded()) throw Failure(kDaemonFailed, "the daemon's answer is not JSON");
  return {response.body(), std::move(json), std::string(response[http::field::etag])};
}

}  // namespace vxtap::cli
