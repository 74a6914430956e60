// status, version

#include <iostream>
#include <memory>

#include "cli/context.h"
#include "cli/table.h"

namespace vxtap::cli {
namespace {

void print_sessions(const Json& sessions) {
  Table table({"SESSION", "STATE", "DESTINATION", "VNI", "ACTIVE SOURCES", "WHY"});
  for (const auto& session : sessions) {
    // What is wrong with the way to a collector stands below, once.
    const bool impaired = session.at("state") == "impaired";
    table.add({visible(session.at("name")), session.at("state"), session.at("destination"),
               session.at("vni").dump(),
               session.at("active_sources").dump() + " of " + session.at("sources").dump(),
               impaired ? "see below" : cell(session.at("message"))});
  }
  std::cout << '\n';
  table.print(std::cout, colour());
}

void print_sources(const Json& sources) {
  Table table({"SOURCE", "STATE", "WRITTEN AS", "SESSIONS", "WHY"});
  for (const auto& source : sources) {
    // What is wrong with the others stands below.
    const bool passed_over = source.at("state") == "passed_over";
    table.add({visible(source.at("interface")), source.at("state"), cell(source.at("sources")),
               cell(source.at("sessions")), passed_over ? cell(source.at("message")) : ""});
  }
  std::cout << '\n';
  table.print(std::cout, colour());
}

void print_destinations(const Json& destinations) {
  Table table({"DESTINATION", "LEAVES BY", "OUTER HEADERS", "WHY"});
  for (const auto& destination : destinations) {
    const bool bpf = destination.at("encapsulation") == "bpf";
    table.add({destination.at("address"), cell(destination.at("interface")),
               bpf ? "a program on it" : "the kernel's VXLAN", cell(destination.at("reason"))});
  }
  std::cout << '\n';
  table.print(std::cout, colour());
}

void print_status(const Json& json) {
  const auto text = [&](const char* field) { return json.at(field).get<std::string>(); };
  std::cout << "vxtapd " << text("version") << " on kernel " << text("kernel") << ", up "
            << json.at("uptime_seconds") << " s, attaching by " << text("attach") << '\n'
            << "tunnel: " << json.at("tunnel").at("device").get<std::string>() << ", UDP port "
            << json.at("tunnel").at("port") << '\n'
            << "sessions: " << json.at("sessions").at("enabled") << " of "
            << json.at("sessions").at("total") << " enabled\n";
  if (!json.at("session_states").empty()) print_sessions(json.at("session_states"));
  if (!json.at("sources").empty()) print_sources(json.at("sources"));
  if (!json.at("destinations").empty()) print_destinations(json.at("destinations"));
  std::cout << '\n';
  for (const auto& problem : json.at("problems")) {
    std::cout << "problem: " << visible(problem.get<std::string>()) << '\n';
  }
  if (json.at("problems").empty()) std::cout << "healthy\n";
}

void status(const Context& context, bool check) {
  const auto answer = context.client().get({"status"});
  print(context, answer, print_status);
  const auto problems = answer.json.at("problems").size();
  if (check && problems > 0) {
    throw Failure(kUnhealthy, "not healthy: " + std::to_string(problems) + " problem(s)");
  }
}

}  // namespace

void add_status_commands(CLI::App& app, const Context& context) {
  auto* command = app.add_subcommand("status", "how the daemon is, and what is wrong");
  auto check = std::make_shared<bool>(false);
  command->add_flag("--check", *check, "end with 6 if there are problems, for scripts")
      ->disable_flag_override();
  command->footer("Example: vxtap status\n         vxtap status --check -o json");
  command->callback([check, &context] { status(context, *check); });

  const auto text = [&context]() -> std::string {
    return context.json() ? Json{{"version", VXTAP_VERSION}}.dump() : "vxtap " VXTAP_VERSION;
  };
  app.set_version_flag("--version", text, "the version of this program");
  auto* version = app.add_subcommand("version", "the version of this program");
  version->footer("Example: vxtap version -o json");
  version->callback([text] { std::cout << text() << '\n'; });
}

}  // namespace vxtap::cli
