// What concerns the daemon as a whole: its configuration, counters, state, and what it would do.

#include "agent/api/metrics.h"
#include "agent/api/operation.h"
#include "agent/api/report.h"
#include "agent/explain.h"
#include "agent/model/document.h"
#include "agent/model/edit.h"

namespace vxtap::api {
namespace {

HttpResponse get_config(Call& call) {
  const auto document = to_json(call.agent.configuration());
  return with_etag(answer(document), etag_of(document));
}

HttpResponse put_config(Call& call) {
  if (call.request.if_match) require_match(call, to_json(call.agent.configuration()));
  const bool dry_run = flag(call, "dry_run");
  auto plan = make_plan(call.agent.configuration(), parse_document(call.request.body),
                        flag(call, "prune"), call.agent.settings().limits, draw_vni);
  if (dry_run) plan.warnings = call.agent.check(plan);
  auto report = answer(plan_report(plan, dry_run));
  if (dry_run) return report;
  return change(call, plan, 200, [&] { return report; });
}

HttpResponse get_stats(Call& call) {
  const auto session = parameter(call, "session");
  if (session) edit::find_session(call.agent.configuration(), *session);
  const bool rules = !parameter(call, "rules") || flag(call, "rules");
  return answer(stats_report(call.agent, session, rules));
}

HttpResponse get_status(Call& call) {
  return answer(status_report(call.agent));
}

HttpResponse get_interfaces(Call& call) {
  return answer(interfaces_report(call.agent));
}

HttpResponse post_explain(Call& call) {
  return answer(explain(call.agent, call.request.body));
}

HttpResponse get_metrics(Call& call) {
  return {200, kMetricsType, metrics(call.agent)};
}

}  // namespace

std::vector<Operation> daemon_operations() {
  return {{"GET", "/v1/config", get_config},
          {"PUT", "/v1/config", put_config, Body::json, {"dry_run", "prune"}},
          {"GET", "/v1/stats", get_stats, Body::none, {"session", "rules"}},
          {"GET", "/v1/status", get_status},
          {"GET", "/v1/interfaces", get_interfaces},
          {"POST", "/v1/explain", post_explain, Body::json},
          {"GET", "/metrics", get_metrics}};
}

}  // namespace vxtap::api
