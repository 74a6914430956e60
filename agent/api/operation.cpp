#include "agent/api/operation.h"

#include <random>

#include "agent/api/target.h"
#include "agent/error.h"
#include "agent/hash.h"

namespace vxtap::api {
namespace {

[[noreturn]] void refuse(const char* code, const std::string& name, const std::string& value,
                         const std::string& rule) {
  throw Error(Error::Kind::invalid, code, rule, name, value);
}

// Without optional whitespace: RFC 9110 §5.6.3.
std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

HttpResponse answer(const Json& body, unsigned status) {
  // An error may quote bytes that are not UTF-8; they must not turn it into another error.
  return {status, "application/json",
          body.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"};
}

HttpResponse with_etag(HttpResponse response, const std::string& etag) {
  response.headers.emplace_back("ETag", etag);
  return response;
}

std::string etag_of(const Json& object) {
  return '"' + hex(fnv1a(object.dump())) + '"';
}

void require_match(const Call& call, const Json& object) {
  const auto& wanted = call.request.if_match;
  if (!wanted || *wanted == "*") return;
  const auto etag = etag_of(object);
  for (const auto& tag : split(*wanted, ',')) {
    if (trimmed(tag) == etag) return;
  }
  throw Error(Error::Kind::precondition, "PreconditionFailed",
              "somebody has changed it in the meantime: it is " + etag + " now", "If-Match",
              *wanted);
}

HttpResponse change(Call& call, const Plan& plan, unsigned status,
                    const std::function<HttpResponse()>& report) {
  HttpResponse response;
  call.agent.commit(plan, [&](const std::vector<std::string>& warnings, Store& store) {
    response = report();
    response.status = status;
    if (!warnings.empty() && !response.body.empty()) {
      auto body = Json::parse(response.body);
      body["warnings"] = warnings;
      response.body = answer(body).body;
    }
    if (call.request.idempotency_key && call.request.method == "POST") {
      store.keep_answer(*call.request.idempotency_key, {request_hash(call.request), response.status,
                                                        response.body, response.headers});
    }
  });
  return response;
}

uint64_t request_hash(const HttpRequest& request) {
  uint64_t hash = fnv1a(request.method + " " + request.path);
  for (const auto& [name, value] : request.query) {
    hash = fnv1a(value, fnv1a("=", fnv1a(name, hash)));
  }
  return fnv1a(request.body, hash);
}

std::optional<std::string> parameter(const Call& call, const std::string& name) {
  const auto [first, end] = call.request.query.equal_range(name);
  if (first == end) return std::nullopt;
  if (std::next(first) != end)
    refuse("InvalidParameter", name, first->second, "stands there twice");
  return first->second;
}

bool flag(const Call& call, const std::string& name) {
  const auto value = parameter(call, name);
  if (!value || *value == "0" || *value == "false") return false;
  if (*value == "1" || *value == "true") return true;
  refuse("InvalidParameter", name, *value, "must be 0 or 1");
}

bool selected(const Call& call, const std::string& group, const Tags& tags) {
  const auto wanted_group = parameter(call, "group");
  bool result = !wanted_group || *wanted_group == group;
  const auto [first, end] = call.request.query.equal_range("tag");
  for (auto wanted = first; wanted != end; ++wanted) {
    const auto& text = wanted->second;
    const auto equals = text.find('=');
    if (equals == std::string::npos) refuse("InvalidParameter", "tag", text, "must be key=value");
    const auto tag = tags.find(text.substr(0, equals));
    result = result && tag != tags.end() && tag->second == text.substr(equals + 1);
  }
  return result;
}

uint32_t draw_vni() {
  static std::random_device device;
  return std::uniform_int_distribution<uint32_t>(1, 0xffffff)(device);
}

std::string location(const std::vector<std::string>& segments) {
  std::string path = "/v1";
  for (const auto& segment : segments) {
    path += '/';
    for (const char character : segment) {
      const auto byte = static_cast<uint8_t>(character);
      const bool plain = std::isalnum(byte) != 0 || character == '-' || character == '_' ||
                         character == '.' || character == '~';
      path += plain ? std::string(1, character) : "%" + hex(byte);
    }
  }
  return path;
}

}  // namespace vxtap::api
