// /v1/sessions and their sources.

#include <algorithm>

#include "agent/api/operation.h"
#include "agent/api/report.h"
#include "agent/error.h"
#include "agent/model/document.h"
#include "agent/model/edit.h"
#include "agent/model/reader.h"
#include "agent/model/value.h"

namespace vxtap::api {
namespace {

const Session& the_session(const Call& call) {
  return edit::find_session(call.agent.configuration(), call.name());
}

HttpResponse report_session(const Call& call, const std::string& name) {
  const auto& session = edit::find_session(call.agent.configuration(), name);
  return with_etag(answer(session_report(call.agent, session)), etag_of(to_json(session)));
}

HttpResponse show_session(Call& call) {
  return report_session(call, call.name());
}

HttpResponse change_session(Call& call, const Plan& plan) {
  return change(call, plan, 200, [&] { return report_session(call, call.name()); });
}

std::optional<Address> wanted_destination(const Call& call) {
  const auto text = parameter(call, "destination");
  if (!text) return std::nullopt;
  try {
    return parse_address(*text);
  } catch (Error& error) {
    error.field = "destination";
    throw;
  }
}

HttpResponse list_sessions(Call& call) {
  const auto filter = parameter(call, "filter");
  const auto source = parameter(call, "source");
  const auto destination = wanted_destination(call);
  const bool by_enabled = parameter(call, "enabled").has_value();
  const bool enabled = flag(call, "enabled");
  auto sessions = Json::array();
  for (const auto& [name, session] : call.agent.configuration().sessions) {
    const auto sources = call.agent.sources_of(session);
    const auto is_wanted = [&](const SessionSource& s) {
      return s.interface == *source || s.source == *source;
    };
    if (!selected(call, session.group, session.tags) || (filter && *filter != session.filter) ||
        (destination && *destination != session.destination) ||
        (by_enabled && enabled != session.enabled) ||
        (source && std::none_of(sources.begin(), sources.end(), is_wanted))) {
      continue;
    }
    sessions.push_back(session_report(call.agent, session));
  }
  return answer({{"sessions", std::move(sessions)}});
}

HttpResponse create_session(Call& call) {
  auto session = parse_session(call.request.body);
  const auto name = session.name;
  const auto plan = edit::create_session(call.agent.configuration(), std::move(session), draw_vni);
  return change(call, plan, 201, [&] {
    auto response = report_session(call, name);
    response.headers.emplace_back("Location", location({"sessions", name}));
    return response;
  });
}

HttpResponse update_session(Call& call) {
  const auto& session = the_session(call);
  require_match(call, to_json(session));
  return change_session(
      call, plan_session(call.agent.configuration(), patch(session, call.request.body), draw_vni));
}

HttpResponse delete_session(Call& call) {
  require_match(call, to_json(the_session(call)));
  return change(call, edit::remove_session(call.agent.configuration(), call.name()), 204,
                [] { return HttpResponse{}; });
}

HttpResponse set_enabled(Call& call, bool enabled) {
  require_match(call, to_json(the_session(call)));
  return change_session(call, edit::set_enabled(call.agent.configuration(), call.name(), enabled));
}

HttpResponse start_session(Call& call) {
  return set_enabled(call, true);
}

HttpResponse stop_session(Call& call) {
  return set_enabled(call, false);
}

HttpResponse add_sources(Call& call, const std::vector<std::string>& interfaces) {
  require_match(call, to_json(the_session(call)));
  return change_session(call,
                        edit::add_sources(call.agent.configuration(), call.name(), interfaces));
}

HttpResponse remove_sources(Call& call, const std::vector<std::string>& interfaces) {
  require_match(call, to_json(the_session(call)));
  return change_session(call,
                        edit::remove_sources(call.agent.configuration(), call.name(), interfaces));
}

// {"sources": ["eth0", "eth1"]}: all of them or none.
std::vector<std::string> read_sources(const Call& call) {
  const auto object = parse_json(call.request.body);
  const Place place;
  Reader reader(object, place);
  reader.require("sources");
  auto sources = reader.list<std::string>("sources", read_text);
  reader.finish();
  return sources;
}

HttpResponse attach(Call& call) {
  return add_sources(call, read_sources(call));
}

HttpResponse detach(Call& call) {
  return remove_sources(call, read_sources(call));
}

HttpResponse list_sources(Call& call) {
  return answer({{"sources", session_report(call.agent, the_session(call)).at("source_states")}});
}

HttpResponse show_source(Call& call) {
  const auto report = session_report(call.agent, the_session(call));
  for (const auto& source : report.at("source_states")) {
    if (source.at("interface") == call.name(1) || source.at("source") == call.name(1))
      return answer(source);
  }
  throw Error(Error::Kind::not_found, "SourceNotFound",
              "is not a source of session '" + call.name() + "'", "interface", call.name(1));
}

HttpResponse add_source(Call& call) {
  try {
    return add_sources(call, {call.name(1)});
  } catch (Error& error) {
    if (error.field.starts_with("sources")) error.field = "interface";
    throw;
  }
}

HttpResponse remove_source(Call& call) {
  return remove_sources(call, {call.name(1)});
}

}  // namespace

std::vector<Operation> session_operations() {
  return {{"GET",
           "/v1/sessions",
           list_sessions,
           Body::none,
           {"group", "tag", "filter", "source", "destination", "enabled"}},
          {"POST", "/v1/sessions", create_session, Body::json},
          {"GET", "/v1/sessions/{name}", show_session},
          {"PATCH", "/v1/sessions/{name}", update_session, Body::json},
          {"DELETE", "/v1/sessions/{name}", delete_session},
          {"POST", "/v1/sessions/{name}/start", start_session},
          {"POST", "/v1/sessions/{name}/stop", stop_session},
          {"POST", "/v1/sessions/{name}/attach", attach, Body::json},
          {"POST", "/v1/sessions/{name}/detach", detach, Body::json},
          {"GET", "/v1/sessions/{name}/sources", list_sources},
          {"GET", "/v1/sessions/{name}/sources/{interface}", show_source},
          {"POST", "/v1/sessions/{name}/sources/{interface}", add_source},
          {"DELETE", "/v1/sessions/{name}/sources/{interface}", remove_source}};
}

}  // namespace vxtap::api
