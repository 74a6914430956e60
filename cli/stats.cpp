// stats

#include <algorithm>
#include <iostream>
#include <memory>

#include "cli/context.h"
#include "cli/table.h"

namespace vxtap::cli {
namespace {

struct StatsOptions {
  std::string session;
  bool rules = false;
};

std::string number(const Json& object, const char* field) {
  return object.at(field).dump();
}

void add_row(Table& table, const Json& session, const Json& source, const char* direction) {
  const auto& counters = source.at(direction);
  table.add({session.at("name"), source.at("interface"), source.at("state"), direction,
             number(counters, "matched_packets"), number(counters, "matched_bytes"),
             number(counters, "mirrored_packets"), number(counters, "mirrored_bytes"),
             number(counters, "truncated_packets"), number(counters, "dropped_packets")});
}

void print_rules(const Json& sessions) {
  Table table({"SESSION", "DIRECTION", "PRIORITY", "PACKETS", "BYTES"});
  for (const auto& session : sessions) {
    for (const auto& rule : session.at("rules")) {
      table.add({session.at("name"), rule.at("direction"), number(rule, "priority"),
                 number(rule, "packets"), number(rule, "bytes")});
    }
  }
  std::cout << '\n';
  table.print(std::cout, colour());
}

void print_tables(const Json& stats, bool rules) {
  Table sessions({"SESSION", "SOURCE", "STATE", "DIRECTION", "MATCHED", "BYTES", "MIRRORED",
                  "BYTES", "TRUNCATED", "DROPPED"});
  for (const auto& session : stats.at("sessions")) {
    for (const auto& source : session.at("sources")) {
      add_row(sessions, session, source, "inbound");
      add_row(sessions, session, source, "outbound");
    }
  }
  sessions.print(std::cout, colour());
  if (rules) print_rules(stats.at("sessions"));
  Table sources({"SOURCE", "SEEN", "SKIPPED", "OWN"});
  for (const auto& source : stats.at("sources")) {
    sources.add({source.at("interface"), number(source, "seen_packets"),
                 number(source, "skipped_packets"), number(source, "own_packets")});
  }
  std::cout << '\n';
  sources.print(std::cout, colour());
}

// Leaves the one session and its sources.
void select(Json& stats, const std::string& name) {
  auto& sessions = stats.at("sessions");
  const auto found = std::find_if(sessions.begin(), sessions.end(),
                                  [&](const Json& session) { return session.at("name") == name; });
  if (found == sessions.end())
    throw Failure(kNotFound, "session: '" + name + "': there is no such session");
  const Json session = *found;
  sessions = Json::array({session});
  auto sources = Json::array();
  for (const auto& source : stats.at("sources")) {
    for (const auto& used : session.at("sources")) {
      if (used.at("interface") == source.at("interface")) sources.push_back(source);
    }
  }
  stats["sources"] = sources;
}

void stats(const Context& context, const StatsOptions& options) {
  auto answer = context.client().request("GET", {"stats"});
  if (!options.session.empty()) {
    select(answer.json, options.session);
    answer.text = answer.json.dump(2) + "\n";
  }
  if (context.json()) {
    std::cout << answer.text;
  } else {
    print_tables(answer.json, options.rules);
  }
}

}  // namespace

void add_stats_command(CLI::App& app, const Context& context) {
  auto options = std::make_shared<StatsOptions>();
  auto* command = app.add_subcommand("stats", "what was seen, matched, mirrored and dropped");
  command->add_option("SESSION", options->session, "only this session");
  command->add_flag("--rules", options->rules, "the rules' counters too");
  command->footer("Example: vxtap stats ids --rules");
  command->callback([options, &context] { stats(context, *options); });
}

}  // namespace vxtap::cli
