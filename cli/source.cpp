// attach, detach

#include <memory>
#include <vector>

#include "cli/context.h"
#include "cli/fields.h"

namespace vxtap::cli {
namespace {

struct SourceOptions {
  std::string session;
  std::vector<std::string> interfaces;
};

void add_command(CLI::App& app, const Context& context, const std::string& verb,
                 const std::string& help) {
  auto options = std::make_shared<SourceOptions>();
  auto* command = app.add_subcommand(verb, help);
  command->add_option("SESSION", options->session, "the session")
      ->required()
      ->check(not_empty)
      ->type_name(names::kSession);
  command->add_option("IF", options->interfaces, "names of interfaces")
      ->required()
      ->type_name(names::kInterface);
  command->footer("Example: vxtap " + verb + " ids eth0 eth1");
  command->callback([options, verb, &context] {
    const Json body{{"sources", options->interfaces}};
    print_change(context, context.client().send(
                              {"POST", {"sessions", options->session, verb}, {}, body_text(body)}));
  });
}

}  // namespace

void add_source_commands(CLI::App& app, const Context& context) {
  add_command(app, context, "attach", "add sources to a session: all of them or none");
  add_command(app, context, "detach", "remove sources from a session: all of them or none");
}

}  // namespace vxtap::cli
