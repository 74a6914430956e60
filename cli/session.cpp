// session list | show | start | stop

#include <iostream>
#include <memory>

#include "cli/context.h"
#include "cli/table.h"

namespace vxtap::cli {
namespace {

std::string plain(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  return value.dump();
}

std::string joined(const Json& list) {
  std::string text;
  for (const auto& element : list) text += (text.empty() ? "" : ",") + plain(element);
  return text.empty() ? "-" : text;
}

void list(const Context& context) {
  const auto answer = context.client().request("GET", {"sessions"});
  if (context.json()) {
    std::cout << answer.text;
    return;
  }
  Table table({"NAME", "ENABLED", "FILTER", "SOURCES", "DESTINATION", "VNI", "PRIORITY"});
  for (const auto& session : answer.json.at("sessions")) {
    table.add({plain(session.at("name")), plain(session.at("enabled")), plain(session.at("filter")),
               joined(session.at("sources")), plain(session.at("destination")),
               plain(session.at("vni")), plain(session.at("priority"))});
  }
  table.print(std::cout, colour());
}

void print_session(const Context& context, const Answer& answer) {
  print_warnings(answer.json);
  if (context.json()) {
    std::cout << answer.text;
    return;
  }
  for (const auto& [field, value] : answer.json.items()) {
    if (field == "warnings" || field == "source_states") continue;
    std::cout << field << ": " << std::string(field.size() < 14 ? 14 - field.size() : 0, ' ');
    std::cout << (value.is_array() ? joined(value) : plain(value)) << '\n';
  }
  for (const auto& source : answer.json.at("source_states")) {
    const auto message = plain(source.at("message"));
    std::cout << "source " << plain(source.at("interface")) << " is " << plain(source.at("state"))
              << (message.empty() ? "" : ": " + message) << '\n';
  }
}

void add_switch(CLI::App& sessions, const Context& context, const std::string& verb,
                const std::string& description) {
  auto name = std::make_shared<std::string>();
  auto* command = sessions.add_subcommand(verb, description);
  command->add_option("NAME", *name, "the session")->required();
  command->footer("Example: vxtap session " + verb + " ids");
  command->callback([name, verb, &context] {
    const auto answer = context.client().request("POST", {"sessions", *name, verb});
    print_warnings(answer.json);
    if (context.json()) std::cout << answer.text;
  });
}

}  // namespace

void add_session_commands(CLI::App& app, const Context& context) {
  auto* sessions = app.add_subcommand("session", "mirror sessions");
  sessions->require_subcommand(1);
  sessions->footer("Example: vxtap session list");

  auto* listing = sessions->add_subcommand("list", "all sessions");
  listing->footer("Example: vxtap session list -o json");
  listing->callback([&context] { list(context); });

  auto name = std::make_shared<std::string>();
  auto* show = sessions->add_subcommand("show", "one session and the states of its sources");
  show->add_option("NAME", *name, "the session")->required();
  show->footer("Example: vxtap session show ids");
  show->callback([name, &context] {
    print_session(context, context.client().request("GET", {"sessions", *name}));
  });

  add_switch(*sessions, context, "start", "start mirroring");
  add_switch(*sessions, context, "stop", "stop mirroring; the counters stay");
}

}  // namespace vxtap::cli
