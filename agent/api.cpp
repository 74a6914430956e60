#include "agent/api.h"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "agent/document.h"
#include "agent/error.h"
#include "agent/report.h"

namespace vxtap {
namespace {

using nlohmann::ordered_json;

unsigned status_of(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::invalid:
      return 400;
    case Error::Kind::not_found:
      return 404;
    case Error::Kind::conflict:
      return 409;
    case Error::Kind::too_large:
      return 413;
    case Error::Kind::internal:
      break;
  }
  return 500;
}

HttpResponse answer(const ordered_json& body, unsigned status = 200) {
  // An error may quote bytes that are not UTF-8; they must not turn it into another error.
  return {status, "application/json",
          body.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n"};
}

HttpResponse refusal(const Error& error) {
  return answer({{"error",
                  {{"code", error.code},
                   {"message", error.what()},
                   {"field", error.field},
                   {"value", error.value}}}},
                status_of(error.kind));
}

bool flag(const HttpRequest& request, const std::string& name) {
  const auto found = request.query.find(name);
  if (found == request.query.end() || found->second == "0") return false;
  if (found->second == "1") return true;
  throw Error(Error::Kind::invalid, "InvalidParameter", "must be 0 or 1", name, found->second);
}

HttpResponse session_changed(const Agent& agent, const std::string& name,
                             const std::vector<std::string>& warnings) {
  auto report = session_report(agent, agent.session(name));
  if (!warnings.empty()) report["warnings"] = warnings;
  return answer(report);
}

HttpResponse put_config(Agent& agent, const HttpRequest& request) {
  for (const auto& [name, value] : request.query) {
    if (name != "dry_run" && name != "prune") {
      throw Error(Error::Kind::invalid, "UnknownParameter", "there is no such parameter", name,
                  value);
    }
  }
  const bool dry_run = flag(request, "dry_run");
  return answer(plan_report(
      agent.apply(parse_document(request.body), dry_run, flag(request, "prune")), dry_run));
}

// A request's method and path, with `*` for a name: one line per operation.
struct Route {
  const char* method;
  std::vector<std::string> path;  // after /v1
  HttpResponse (*run)(Agent& agent, const HttpRequest& request);
};

const std::vector<Route>& routes() {
  static const std::vector<Route> table{
      {"GET",
       {"config"},
       [](Agent& a, const HttpRequest&) { return answer(to_json(a.configuration())); }},
      {"PUT", {"config"}, put_config},
      {"GET",
       {"sessions"},
       [](Agent& a, const HttpRequest&) { return answer(sessions_report(a)); }},
      {"GET",
       {"sessions", "*"},
       [](Agent& a, const HttpRequest& r) { return session_changed(a, r.segments[2], {}); }},
      {"POST",
       {"sessions", "*", "start"},
       [](Agent& a, const HttpRequest& r) {
         return session_changed(a, r.segments[2], a.set_enabled(r.segments[2], true));
       }},
      {"POST",
       {"sessions", "*", "stop"},
       [](Agent& a, const HttpRequest& r) {
         return session_changed(a, r.segments[2], a.set_enabled(r.segments[2], false));
       }},
      {"POST",
       {"sessions", "*", "sources", "*"},
       [](Agent& a, const HttpRequest& r) {
         return session_changed(a, r.segments[2], a.add_source(r.segments[2], r.segments[4]));
       }},
      {"DELETE",
       {"sessions", "*", "sources", "*"},
       [](Agent& a, const HttpRequest& r) {
         return session_changed(a, r.segments[2], a.remove_source(r.segments[2], r.segments[4]));
       }},
      {"GET", {"stats"}, [](Agent& a, const HttpRequest&) { return answer(stats_report(a)); }},
      {"GET", {"status"}, [](Agent& a, const HttpRequest&) { return answer(status_report(a)); }},
  };
  return table;
}

bool leads_to(const Route& route, const std::vector<std::string>& segments) {
  if (segments.size() != route.path.size() + 1 || segments[0] != "v1") return false;
  for (size_t i = 0; i < route.path.size(); ++i) {
    if (route.path[i] != "*" && route.path[i] != segments[i + 1]) return false;
  }
  return true;
}

HttpResponse dispatch(Agent& agent, const HttpRequest& request) {
  bool known = false;
  for (const auto& route : routes()) {
    if (!leads_to(route, request.segments)) continue;
    if (request.method == route.method) return route.run(agent, request);
    known = true;
  }
  if (known) {
    auto refused = refusal(Error(Error::Kind::invalid, "MethodNotAllowed",
                                 "this path does not take the method " + request.method, "method",
                                 request.method));
    refused.status = 405;
    return refused;
  }
  throw Error(Error::Kind::not_found, "NoSuchPath", "the API has no such path", "path",
              request.path);
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

}  // namespace vxtap
