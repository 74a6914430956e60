// rule add | list | update | delete

#include "cli/rule.h"

#include <iostream>

#include "cli/context.h"
#include "cli/fields.h"
#include "cli/table.h"

namespace vxtap::cli {

void print_rules(const Json& rules) {
  Table table(
      {"DIRECTION", "PRIORITY", "POLICY", "PROTOCOL", "SOURCE", "PORT", "DESTINATION", "PORT"});
  const auto port = [](const Json& range) { return range == "-1/-1" ? "any" : cell(range); };
  for (const auto& rule : rules) {
    table.add({cell(rule.at("direction")), cell(rule.at("priority")), cell(rule.at("policy")),
               cell(rule.at("protocol")), rule.value("source_cidr", "any"),
               port(rule.at("source_port")), rule.value("destination_cidr", "any"),
               port(rule.at("destination_port"))});
  }
  table.print(std::cout, colour());
}

namespace {

void add_match_fields(Fields& fields) {
  fields.text("policy", "collect or ignore")->check(CLI::IsMember({"collect", "ignore"}));
  fields.text("protocol", "all, icmp, icmpv6, tcp, udp, sctp, gre or a number 0-255");
  fields.text_or_any("source_cidr",
                     "network of the source, like 10.0.0.0/8 or 2001:db8::/32, or any");
  fields.text_or_any("destination_cidr", "network of the destination, or any");
  fields.text("source_port", "first/last, or -1/-1 for any; only tcp, udp and sctp");
  fields.text("destination_port", "first/last, or -1/-1 for any; only tcp, udp and sctp");
}

// A command on a rule of a filter: FILTER --direction D --priority N.
struct RuleCommand {
  CLI::App* command;
  std::shared_ptr<std::string> filter = std::make_shared<std::string>();
  std::shared_ptr<std::string> direction = std::make_shared<std::string>();
  std::shared_ptr<std::string> priority = std::make_shared<std::string>();

  RuleCommand(CLI::App& rules, const std::string& verb, const std::string& help,
              const std::string& example)
      : command(rules.add_subcommand(verb, help)) {
    command->add_option("FILTER", *filter, "the filter")
        ->required()
        ->check(not_empty)
        ->type_name(names::kFilter);
    command->add_option("--direction", *direction, "inbound or outbound")
        ->required()
        ->check(CLI::IsMember({"inbound", "outbound"}));
    auto* option = command->add_option("--priority", *priority,
                                       "1-16777216; the smallest that matches decides");
    option->required()->type_name("N");
    if (verb != "add") option->check(not_empty);  // it is part of the path then
    command->footer("Example: vxtap rule " + verb + " " + example);
  }

  std::vector<std::string> path() const {
    return {"filters", *filter, "rules", *direction, *priority};
  }
};

void add_add(CLI::App& rules, const Context& context) {
  const RuleCommand rule(rules, "add", "add a rule to a filter",
                         "web --direction inbound --priority 10 --policy collect --protocol tcp "
                         "--destination-port 443/443");
  Fields fields(*rule.command);
  add_match_fields(fields);
  rule.command->callback([rule, fields, &context] {
    auto body = fields.body();
    body["direction"] = *rule.direction;
    body["priority"] = number_or_text(*rule.priority);
    print_change(context, context.client().send(
                              {"POST", {"filters", *rule.filter, "rules"}, {}, body_text(body)}));
  });
}

void add_update(CLI::App& rules, const Context& context) {
  const RuleCommand rule(rules, "update", "change what is given of a rule, and leave the rest",
                         "web --direction inbound --priority 10 --policy ignore");
  Fields fields(*rule.command);
  add_match_fields(fields);
  fields.number("--new-priority", "priority", "the priority that the rule is to have")
      ->type_name("N");
  const auto etag = add_if_match(*rule.command);
  rule.command->callback([rule, fields, etag, &context] {
    print_change(context, context.client().send(
                              {"PATCH", rule.path(), {}, body_text(fields.body()), *etag}));
  });
}

void add_delete(CLI::App& rules, const Context& context) {
  const RuleCommand rule(rules, "delete", "delete a rule", "web --direction inbound --priority 10");
  const auto etag = add_if_match(*rule.command);
  rule.command->callback([rule, etag, &context] {
    print_change(context, context.client().send({"DELETE", rule.path(), {}, "", *etag}));
  });
}

}  // namespace

void add_rule_commands(CLI::App& app, const Context& context) {
  auto* rules = app.add_subcommand("rule", "rules of a filter");
  rules->require_subcommand(1);
  rules->footer("Example: vxtap rule list web");

  add_add(*rules, context);

  auto filter = std::make_shared<std::string>();
  auto* list = rules->add_subcommand("list", "the rules of a filter, in the order they are tried");
  list->add_option("FILTER", *filter, "the filter")
      ->required()
      ->check(not_empty)
      ->type_name(names::kFilter);
  list->footer("Example: vxtap rule list web");
  list->callback([filter, &context] {
    print(context, context.client().get({"filters", *filter, "rules"}),
          [](const Json& json) { print_rules(json.at("rules")); });
  });

  add_update(*rules, context);
  add_delete(*rules, context);
}

}  // namespace vxtap::cli
