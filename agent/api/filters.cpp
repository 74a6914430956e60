// /v1/filters and the rules under them.

#include "agent/api/operation.h"
#include "agent/api/report.h"
#include "agent/error.h"
#include "agent/model/document.h"
#include "agent/model/edit.h"
#include "agent/model/value.h"

namespace vxtap::api {
namespace {

const Filter& the_filter(const Call& call) {
  return *edit::find_filter(call.agent.configuration(), call.name());
}

HttpResponse report_filter(const Call& call, const std::string& name) {
  const auto& filter = *edit::find_filter(call.agent.configuration(), name);
  return with_etag(answer(filter_report(call.agent, filter)), etag_of(to_json(filter)));
}

HttpResponse list_filters(Call& call) {
  auto filters = Json::array();
  for (const auto& [name, filter] : call.agent.configuration().filters) {
    if (selected(call, filter->group, filter->tags)) {
      filters.push_back(filter_summary(call.agent, *filter));
    }
  }
  return answer({{"filters", std::move(filters)}});
}

HttpResponse create_filter(Call& call) {
  auto filter = parse_filter(call.request.body);
  const auto name = filter.name;
  const auto plan = edit::create_filter(call.agent.configuration(), std::move(filter),
                                        call.agent.settings().limits);
  return change(call, plan, 201, [&] {
    auto response = report_filter(call, name);
    response.headers.emplace_back("Location", location({"filters", name}));
    return response;
  });
}

HttpResponse show_filter(Call& call) {
  return report_filter(call, call.name());
}

HttpResponse update_filter(Call& call) {
  const auto& filter = the_filter(call);
  require_match(call, to_json(filter));
  const auto plan = plan_filter(call.agent.configuration(), patch(filter, call.request.body),
                                call.agent.settings().limits);
  return change(call, plan, 200, [&] { return report_filter(call, call.name()); });
}

HttpResponse delete_filter(Call& call) {
  require_match(call, to_json(the_filter(call)));
  return change(call, edit::remove_filter(call.agent.configuration(), call.name()), 204,
                [] { return HttpResponse{}; });
}

struct RuleName {
  Direction direction;
  uint32_t priority;
};

// From the path: /v1/filters/{name}/rules/{direction}/{priority}
RuleName rule_name(const Call& call) {
  const char* field = "direction";
  try {
    const auto direction = parse_direction(call.name(1));
    field = "priority";
    return {direction, parse_number(call.name(2), kRulePriorities)};
  } catch (Error& error) {
    error.field = field;
    throw;
  }
}

DirectedRule the_rule(const Call& call) {
  const auto [direction, priority] = rule_name(call);
  return {direction, edit::find_rule(the_filter(call), direction, priority)};
}

HttpResponse report_rule(const Call& call, Direction direction, uint32_t priority) {
  const auto rule =
      to_json(DirectedRule{direction, edit::find_rule(the_filter(call), direction, priority)});
  return with_etag(answer(rule), etag_of(rule));
}

HttpResponse list_rules(Call& call) {
  auto rules = Json::array();
  for (const Direction direction : kDirections) {
    for (const auto& rule : the_filter(call).of(direction)) {
      rules.push_back(to_json(DirectedRule{direction, rule}));
    }
  }
  return answer({{"rules", std::move(rules)}});
}

HttpResponse create_rule(Call& call) {
  the_filter(call);
  const auto rule = parse_rule(call.request.body);
  const auto plan = edit::create_rule(call.agent.configuration(), call.name(), rule,
                                      call.agent.settings().limits);
  return change(call, plan, 201, [&] {
    auto response = report_rule(call, rule.direction, rule.rule.priority);
    response.headers.emplace_back(
        "Location", location({"filters", call.name(), "rules", to_string(rule.direction),
                              std::to_string(rule.rule.priority)}));
    return response;
  });
}

HttpResponse show_rule(Call& call) {
  const auto [direction, priority] = rule_name(call);
  return report_rule(call, direction, priority);
}

HttpResponse update_rule(Call& call) {
  const auto before = the_rule(call);
  require_match(call, to_json(before));
  const auto rule = patch(before, call.request.body);
  const auto plan = edit::replace_rule(call.agent.configuration(), call.name(),
                                       before.rule.priority, rule, call.agent.settings().limits);
  return change(call, plan, 200,
                [&] { return report_rule(call, rule.direction, rule.rule.priority); });
}

HttpResponse delete_rule(Call& call) {
  const auto rule = the_rule(call);
  require_match(call, to_json(rule));
  const auto plan = edit::remove_rule(call.agent.configuration(), call.name(), rule.direction,
                                      rule.rule.priority);
  return change(call, plan, 204, [] { return HttpResponse{}; });
}

}  // namespace

std::vector<Operation> filter_operations() {
  return {{"GET", "/v1/filters", list_filters, Body::none, {"group", "tag"}},
          {"POST", "/v1/filters", create_filter, Body::json},
          {"GET", "/v1/filters/{name}", show_filter},
          {"PATCH", "/v1/filters/{name}", update_filter, Body::json},
          {"DELETE", "/v1/filters/{name}", delete_filter}};
}

std::vector<Operation> rule_operations() {
  return {{"GET", "/v1/filters/{name}/rules", list_rules},
          {"POST", "/v1/filters/{name}/rules", create_rule, Body::json},
          {"GET", "/v1/filters/{name}/rules/{direction}/{priority}", show_rule},
          {"PATCH", "/v1/filters/{name}/rules/{direction}/{priority}", update_rule, Body::json},
          {"DELETE", "/v1/filters/{name}/rules/{direction}/{priority}", delete_rule}};
}

}  // namespace vxtap::api
