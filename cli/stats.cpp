// stats

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <thread>

#include "cli/context.h"
#include "cli/fields.h"
#include "cli/table.h"

namespace vxtap::cli {
namespace {

struct StatsOptions {
  std::string session;
  bool rules = false;
  double seconds = 2;
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

void stats(const Context& context, const StatsOptions& options) {
  Request request{"GET", {"stats"}};
  // Programs get all that there is; people would not see the rules of a large filter.
  if (!options.rules && !context.json()) request.query.emplace_back("rules", "0");
  if (!options.session.empty()) request.query.emplace_back("session", options.session);
  print(context, context.client().send(request),
        [&](const Json& json) { print_tables(json, options.rules); });
}

// What was said once need not be said in each round.
void say_once(std::string& said, const std::string& message) {
  if (said != message && !message.empty()) {
    std::cerr << "vxtap: " << visible(message) << "; trying again" << std::endl;
  }
  said = message;
}

// Until the user ends it. A terminal is cleared before each round. A daemon that goes away while it
// is watched comes back; one that is not there at the beginning is a mistake.
void watch(const Context& context, const StatsOptions& options) {
  const bool terminal = isatty(STDOUT_FILENO) != 0 && !context.json();
  std::string said;
  for (bool first = true;; first = false) {
    if (terminal) std::cout << "\033[H\033[2J" << std::flush;
    try {
      stats(context, options);
      say_once(said, "");
    } catch (const Failure& failure) {
      if (first || (failure.code != kNotReachable && failure.code != kDaemonFailed)) throw;
      if (terminal) said.clear();  // the screen was cleared too
      say_once(said, failure.what());
    }
    if (!terminal && !context.json()) std::cout << '\n';
    std::cout.flush();
    if (!std::cout) return;
    std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
  }
}

}  // namespace

void add_stats_command(CLI::App& app, const Context& context) {
  auto options = std::make_shared<StatsOptions>();
  auto* command = app.add_subcommand("stats", "what was seen, matched, mirrored and dropped");
  command->add_option("SESSION", options->session, "only this session")
      ->check(not_empty)
      ->type_name(names::kSession);
  command->add_flag("--rules", options->rules, "the rules' counters too")->disable_flag_override();
  auto* again = command->add_option("--watch", options->seconds, "again and again, every 2 seconds")
                    ->expected(0, 1)
                    ->check(CLI::Range(0.1, 3600.0))
                    ->type_name("SECONDS");
  command->footer("Example: vxtap stats ids --rules\n         vxtap stats --watch 5");
  command->callback([options, again, &context] {
    if (again->count() > 0) {
      watch(context, *options);
    } else {
      stats(context, *options);
    }
  });
}

}  // namespace vxtap::cli
