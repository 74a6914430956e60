// filter create | list | show | update | delete

#include <iostream>

#include "cli/context.h"
#include "cli/fields.h"
#include "cli/rule.h"
#include "cli/table.h"

namespace vxtap::cli {
namespace {

void print_list(const Json& json) {
  Table table({"NAME", "INBOUND", "OUTBOUND", "SESSIONS", "GROUP", "TAGS", "DESCRIPTION"});
  for (const auto& filter : json.at("filters")) {
    table.add({cell(filter.at("name")), cell(filter.at("inbound_rules")),
               cell(filter.at("outbound_rules")), cell(filter.at("sessions")),
               cell(filter.at("group")), cell(filter.at("tags")), cell(filter.at("description"))});
  }
  table.print(std::cout, colour());
}

void print_filter(const Answer& answer) {
  const auto& json = answer.json;
  for (const char* field : {"name", "description", "group", "tags", "sessions"}) {
    print_field(field, cell(json.at(field)));
  }
  print_field("etag", answer.etag);
  auto rules = Json::array();
  for (const char* direction : {"inbound", "outbound"}) {
    for (auto rule : json.at(direction)) {
      rule["direction"] = direction;
      rules.push_back(rule);
    }
  }
  std::cout << '\n';
  print_rules(rules);
}

void add_fields(Fields& fields, bool update) {
  fields.text("description", "what it is for, up to 256 characters");
  fields.text("group", "resource group");
  fields.tags(update);
}

void add_create(CLI::App& filters, const Context& context) {
  const auto [command, name] = add_named(filters, "create", "filter", "make a filter without rules",
                                         "filter create web --description 'web servers'");
  Fields fields(*command);
  add_fields(fields, false);
  command->callback([name = name, fields, &context] {
    auto body = fields.body();
    body["name"] = *name;
    print_change(context, context.client().send({"POST", {"filters"}, {}, body_text(body)}));
  });
}

void add_update(CLI::App& filters, const Context& context) {
  const auto [command, name] =
      add_named(filters, "update", "filter", "change what is given, and leave the rest",
                "filter update web --group noc --tag team=web");
  Fields fields(*command);
  add_fields(fields, true);
  const auto etag = add_if_match(*command);
  command->callback([name = name, fields, etag, &context] {
    print_change(context, context.client().send(
                              {"PATCH", {"filters", *name}, {}, body_text(fields.body()), *etag}));
  });
}

void add_delete(CLI::App& filters, const Context& context) {
  const auto [command, name] = add_named(
      filters, "delete", "filter", "delete a filter that no session uses", "filter delete web");
  const auto etag = add_if_match(*command);
  command->callback([name = name, etag, &context] {
    print_change(context, context.client().send({"DELETE", {"filters", *name}, {}, "", *etag}));
  });
}

}  // namespace

void add_filter_commands(CLI::App& app, const Context& context) {
  auto* filters = app.add_subcommand("filter", "filters: named lists of rules");
  filters->require_subcommand(1);
  filters->footer("Example: vxtap filter create web");

  add_create(*filters, context);

  auto* list = filters->add_subcommand("list", "all filters, or those with a group and tags");
  Selection selection(*list);
  selection.option("group", "only of this resource group");
  selection.option("tag", "only with this tag; several must all fit")->type_name("K=V");
  list->footer("Example: vxtap filter list --tag team=noc");
  list->callback([selection, &context] {
    print(context, context.client().send({"GET", {"filters"}, selection.query()}), print_list);
  });

  const auto [show, name] =
      add_named(*filters, "show", "filter", "a filter and its rules", "filter show web");
  show->callback([name = name, &context] {
    const auto answer = context.client().get({"filters", *name});
    print(context, answer, [&](const Json&) { print_filter(answer); });
  });

  add_update(*filters, context);
  add_delete(*filters, context);
}

}  // namespace vxtap::cli
