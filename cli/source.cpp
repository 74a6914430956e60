// attach, detach

#include <iostream>
#include <memory>
#include <vector>

#include "cli/context.h"

namespace vxtap::cli {
namespace {

struct SourceOptions {
  std::string session;
  std::vector<std::string> interfaces;
};

void add_command(CLI::App& app, const Context& context, const std::string& verb,
                 const std::string& method, const std::string& description) {
  auto options = std::make_shared<SourceOptions>();
  auto* command = app.add_subcommand(verb, description);
  command->add_option("SESSION", options->session, "the session")->required();
  command->add_option("IF", options->interfaces, "names of interfaces")->required();
  command->footer("Example: vxtap " + verb + " ids eth0 eth1");
  command->callback([options, method, &context] {
    Answer answer;
    for (const auto& interface : options->interfaces) {
      answer =
          context.client().request(method, {"sessions", options->session, "sources", interface});
      print_warnings(answer.json);
    }
    if (context.json()) std::cout << answer.text;
  });
}

}  // namespace

void add_source_commands(CLI::App& app, const Context& context) {
  add_command(app, context, "attach", "POST", "add sources to a session");
  add_command(app, context, "detach", "DELETE", "remove sources from a session");
}

}  // namespace vxtap::cli
