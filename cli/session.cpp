// session create | list | show | update | delete | start | stop

#include <iostream>

#include "cli/context.h"
#include "cli/fields.h"
#include "cli/table.h"

namespace vxtap::cli {
namespace {

void print_list(const Json& json) {
  Table table({"NAME", "ENABLED", "FILTER", "SOURCES", "DESTINATION", "VNI", "PRIORITY"});
  for (const auto& session : json.at("sessions")) {
    std::vector<std::string> row;
    for (const char* field :
         {"name", "enabled", "filter", "sources", "destination", "vni", "priority"}) {
      row.push_back(cell(session.at(field)));
    }
    table.add(std::move(row));
  }
  table.print(std::cout, colour());
}

void print_session(const Answer& answer) {
  for (const auto& [field, value] : answer.json.items()) {
    if (field == "warnings" || field == "source_states" || field == "notes") continue;
    print_field(field, cell(value));
  }
  print_field("etag", answer.etag);
  for (const auto& source : answer.json.at("source_states")) {
    const auto message = source.at("message").get<std::string>();
    std::cout << "source " << cell(source.at("interface")) << " is " << cell(source.at("state"))
              << (message.empty() ? "" : ": " + message) << '\n';
  }
  for (const auto& note : answer.json.at("notes")) {
    std::cout << "note: the session " << note.get<std::string>() << '\n';
  }
}

void add_fields(Fields& fields, bool update) {
  fields.text("filter", "the filter whose rules decide")->type_name(names::kFilter);
  fields.text("destination", "IPv4 or IPv6 address of the collector")->type_name("IP");
  fields.number("priority", "1-32766; the smallest is tried first")->type_name("N");
  fields.list("--source", "sources", "names or patterns of interfaces; may be given several times");
  fields
      .number("vni", std::string("0-16777215, or auto ") +
                         (update ? "to keep the one it has" : "for one that no other session uses"))
      ->type_name("N|auto");
  fields.number("packet_length", "64-8500: bytes of a packet, from its IP header on, in the copy")
      ->type_name("N");
  fields.text("oversize", "truncate copies to the path's MTU, or fragment them")
      ->check(CLI::IsMember({"truncate", "fragment"}));
  fields.text("description", "what it is for, up to 256 characters");
  fields.text("group", "resource group");
  fields.tags(update);
}

void add_create(CLI::App& sessions, const Context& context) {
  const auto [command, name] =
      add_named(sessions, "create", "session", "make a mirror session",
                "session create ids --filter web --destination 192.0.2.50 --priority 1 "
                "--source eth0 --enable");
  Fields fields(*command);
  add_fields(fields, false);
  fields.flag("--fall-through", "fall_through", "later sessions may copy a packet as well");
  fields.flag("--enable", "enabled", "start it at once");
  command->callback([name = name, fields, &context] {
    auto body = fields.body();
    body["name"] = *name;
    print_change(context, context.client().send({"POST", {"sessions"}, {}, body_text(body)}));
  });
}

void add_list(CLI::App& sessions, const Context& context) {
  auto* command = sessions.add_subcommand("list", "all sessions, or those that fit");
  Selection selection(*command);
  selection.option("group", "only of this resource group");
  selection.option("tag", "only with this tag; several must all fit")->type_name("K=V");
  selection.option("filter", "only with this filter")->type_name(names::kFilter);
  selection.option("source", "only with this source")->type_name(names::kInterface);
  selection.option("destination", "only to this collector")->type_name("IP");
  selection.flag("enabled", "disabled", "only those that are enabled, or are not");
  command->footer("Example: vxtap session list --source eth0 --enabled");
  command->callback([selection, &context] {
    print(context, context.client().send({"GET", {"sessions"}, selection.query()}), print_list);
  });
}

void add_update(CLI::App& sessions, const Context& context) {
  const auto [command, name] =
      add_named(sessions, "update", "session", "change what is given, and leave the rest",
                "session update ids --packet-length 128");
  Fields fields(*command);
  add_fields(fields, true);
  fields.flag("--fall-through,!--no-fall-through", "fall_through",
              "later sessions may copy a packet as well, or not");
  fields.flag("--enable,!--disable", "enabled", "start or stop it");
  const auto etag = add_if_match(*command);
  command->callback([name = name, fields, etag, &context] {
    print_change(context, context.client().send(
                              {"PATCH", {"sessions", *name}, {}, body_text(fields.body()), *etag}));
  });
}

void add_delete(CLI::App& sessions, const Context& context) {
  const auto [command, name] = add_named(sessions, "delete", "session",
                                         "delete a session and its counters", "session delete ids");
  const auto etag = add_if_match(*command);
  command->callback([name = name, etag, &context] {
    print_change(context, context.client().send({"DELETE", {"sessions", *name}, {}, "", *etag}));
  });
}

void add_switch(CLI::App& sessions, const Context& context, const std::string& verb,
                const std::string& help) {
  const auto [command, name] =
      add_named(sessions, verb, "session", help, "session " + verb + " ids");
  command->callback([name = name, verb, &context] {
    print_change(context, context.client().send({"POST", {"sessions", *name, verb}}));
  });
}

}  // namespace

void add_session_commands(CLI::App& app, const Context& context) {
  auto* sessions = app.add_subcommand("session", "mirror sessions");
  sessions->require_subcommand(1);
  sessions->footer("Example: vxtap session list");

  add_create(*sessions, context);
  add_list(*sessions, context);
  const auto [show, name] = add_named(
      *sessions, "show", "session", "a session and the states of its sources", "session show ids");
  show->callback([name = name, &context] {
    const auto answer = context.client().get({"sessions", *name});
    print(context, answer, [&](const Json&) { print_session(answer); });
  });
  add_update(*sessions, context);
  add_delete(*sessions, context);
  add_switch(*sessions, context, "start", "start mirroring");
  add_switch(*sessions, context, "stop", "stop mirroring; the counters stay");
}

}  // namespace vxtap::cli
