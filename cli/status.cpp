// status, version

#include <iostream>

#include "cli/context.h"
#include "cli/table.h"

namespace vxtap::cli {
namespace {

void status(const Context& context) {
  const auto answer = context.client().get({"status"});
  if (context.json()) {
    std::cout << answer.text;
    return;
  }
  const auto& json = answer.json;
  const auto text = [&](const char* field) { return json.at(field).get<std::string>(); };
  std::cout << "vxtapd " << text("version") << " on kernel " << text("kernel") << ", up "
            << json.at("uptime_seconds") << " s, attaching by " << text("attach") << '\n'
            << "tunnel: " << json.at("tunnel").at("device").get<std::string>() << ", UDP port "
            << json.at("tunnel").at("port") << '\n'
            << "sessions: " << json.at("sessions").at("enabled") << " of "
            << json.at("sessions").at("total") << " enabled\n";
  if (!json.at("sources").empty()) {
    std::cout << '\n';
    Table table({"SOURCE", "STATE", "SESSIONS"});
    for (const auto& source : json.at("sources")) {
      table.add({source.at("interface"), source.at("state"), cell(source.at("sessions"))});
    }
    table.print(std::cout, colour());
  }
  std::cout << '\n';
  for (const auto& problem : json.at("problems")) {
    std::cout << "problem: " << problem.get<std::string>() << '\n';
  }
  if (json.at("problems").empty()) std::cout << "healthy\n";
}

}  // namespace

void add_status_commands(CLI::App& app, const Context& context) {
  auto* command = app.add_subcommand("status", "how the daemon is, and what is wrong");
  command->footer("Example: vxtap status");
  command->callback([&context] { status(context); });

  const auto text = [&context]() -> std::string {
    return context.json() ? Json{{"version", VXTAP_VERSION}}.dump() : "vxtap " VXTAP_VERSION;
  };
  app.set_version_flag("--version", text, "the version of this program");
  auto* version = app.add_subcommand("version", "the version of this program");
  version->footer("Example: vxtap version -o json");
  version->callback([text] { std::cout << text() << '\n'; });
}

}  // namespace vxtap::cli
