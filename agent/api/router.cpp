#include "agent/api/router.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/api/operation.h"
#include "agent/api/target.h"
#include "agent/error.h"

namespace vxtap {
namespace {

using api::Call;
using api::Json;
using api::Operation;

constexpr uint64_t kLongestBody = 4ULL * 1024 * 1024;
constexpr uint64_t kLongestDocument = 64ULL * 1024 * 1024;
constexpr size_t kLongestKey = 255;

unsigned status_of(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::invalid:
      return 400;
    case Error::Kind::not_found:
      return 404;
    case Error::Kind::conflict:
      return 409;
    case Error::Kind::precondition:
      return 412;
    case Error::Kind::internal:
      break;
  }
  return 500;
}

HttpResponse refusal(const Error& error) {
  return api::answer({{"error",
                       {{"code", error.code},
                        {"message", error.what()},
                        {"field", error.field},
                        {"value", error.value}}}},
                     status_of(error.kind));
}

// A path as OpenAPI writes it, in parts.
struct Route {
  Operation operation;
  std::vector<std::string> segments;
};

HttpResponse index(Call& call);

const std::vector<Route>& routes() {
  static const std::vector<Route> table = [] {
    std::vector<Route> all{{{"GET", "/v1", index}, {"v1"}}};
    for (const auto& group : {api::filter_operations(), api::rule_operations(),
                              api::session_operations(), api::daemon_operations()}) {
      for (const auto& operation : group)
        all.push_back({operation, split(operation.path + 1, '/')});
    }
    return all;
  }();
  return table;
}

// All paths and their methods, for those who look around.
HttpResponse index(Call&) {
  auto paths = Json::object();
  for (const auto& route : routes()) paths[route.operation.path].push_back(route.operation.method);
  return api::answer({{"paths", std::move(paths)}});
}

bool leads_to(const Route& route, const std::vector<std::string>& segments) {
  return std::equal(route.segments.begin(), route.segments.end(), segments.begin(), segments.end(),
                    [](const std::string& pattern, const std::string& segment) {
                      return pattern.front() == '{' || pattern == segment;
                    });
}

void check_parameters(const Operation& operation, const HttpRequest& request) {
  for (const auto& [name, value] : request.query) {
    const auto& known = operation.parameters;
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    throw Error(Error::Kind::invalid, "UnknownParameter", "there is no such parameter here", name,
                value);
  }
}

void check_body(const Operation& operation, const HttpRequest& request) {
  if (operation.body == api::Body::json || request.body.empty()) return;
  throw Error(Error::Kind::invalid, "UnexpectedBody", "this operation takes no body", "body");
}

// The answer that the request was given before, if it was.
std::optional<HttpResponse> replay(const Agent& agent, const HttpRequest& request) {
  const auto& key = request.idempotency_key;
  if (!key || request.method != "POST") return std::nullopt;
  if (key->empty() || key->size() > kLongestKey) {
    throw Error(Error::Kind::invalid, "InvalidIdempotencyKey", "must be 1-255 bytes",
                "Idempotency-Key", *key);
  }
  const auto kept = agent.store().answer(*key);
  if (!kept) return std::nullopt;
  if (kept->request != api::request_hash(request)) {
    throw Error(Error::Kind::conflict, "IdempotencyKeyReused",
                "was sent before with another request: each needs a key of its own",
                "Idempotency-Key", *key);
  }
  HttpResponse response{kept->status, "application/json", kept->body, kept->headers};
  response.headers.emplace_back("Idempotency-Replayed", "true");
  return response;
}

HttpResponse run(Agent& agent, const Route& route, const HttpRequest& request) {
  check_parameters(route.operation, request);
  if (auto replayed = replay(agent, request)) return *replayed;
  check_body(route.operation, request);
  Call call{agent, request, {}};
  for (size_t i = 0; i < route.segments.size(); ++i) {
    if (route.segments[i].front() == '{') call.names.push_back(request.segments[i]);
  }
  return route.operation.run(call);
}

HttpResponse dispatch(Agent& agent, const HttpRequest& request) {
  std::string allowed;
  for (const auto& route : routes()) {
    if (!leads_to(route, request.segments)) continue;
    if (request.method == route.operation.method) return run(agent, route, request);
    allowed.append(allowed.empty() ? "" : ", ").append(route.operation.method);
  }
  if (allowed.empty()) {
    throw Error(Error::Kind::not_found, "NoSuchPath", "the API has no such path", "path",
                request.path);
  }
  auto refused = refusal(Error(Error::Kind::invalid, "MethodNotAllowed",
                               "this path takes " + allowed, "method", request.method));
  refused.status = 405;
  refused.headers.emplace_back("Allow", allowed);
  return refused;
}

}  // namespace

HttpResponse handle(Agent& agent, const HttpRequest& request) {
  try {
    return dispatch(agent, request);
  } catch (const Error& error) {
    if (error.kind == Error::Kind::internal) spdlog::error("{}: {}", error.code, error.what());
    return refusal(error);
  } catch (const std::exception& error) {
    spdlog::error("{} {}: {}", request.method, request.path, error.what());
    return refusal(Error(Error::Kind::internal, "Internal", error.what()));
  }
}

HttpResponse handle_metrics(Agent& agent, const HttpRequest& request) {
  if (request.segments == std::vector<std::string>{"metrics"}) return handle(agent, request);
  return refusal(Error(Error::Kind::not_found, "NoSuchPath", "only /metrics is served here", "path",
                       request.path));
}

uint64_t body_limit(const std::string& method, const std::vector<std::string>& segments) {
  const bool document = method == "PUT" && segments == std::vector<std::string>{"v1", "config"};
  return document ? kLongestDocument : kLongestBody;
}

}  // namespace vxtap
