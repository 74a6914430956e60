// attach, detach

#include "cli/source.h"

#include <algorithm>
#include <array>
#include <memory>

#include "cli/context.h"
#include "cli/fields.h"

namespace vxtap::cli {
namespace {

constexpr char kAsItIs = '\x1f';  // in front of a word; no name may hold it

std::string as_given(const std::string& word) {
  return word.starts_with(kAsItIs) ? word.substr(1) : word;
}

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
  command->add_option("IF", options->interfaces, "as eth0, veth* or netns:WEB/eth0")
      ->required()
      ->type_name(names::kInterface);
  command->footer("Example: vxtap " + verb + " ids eth0 eth1");
  command->callback([options, verb, &context] {
    auto sources = Json::array();
    for (const auto& source : options->interfaces) sources.push_back(as_given(source));
    const Json body{{"sources", sources}};
    const auto session = as_given(options->session);
    print_change(context,
                 context.client().send({"POST", {"sessions", session, verb}, {}, body_text(body)}));
  });
}

}  // namespace

std::vector<std::string> keep_brackets(std::vector<std::string> words) {
  const std::array verbs{"attach", "detach"};
  auto word = std::find_first_of(words.begin(), words.end(), verbs.begin(), verbs.end());
  for (; word != words.end(); ++word) {
    if (word->starts_with('[')) word->insert(word->begin(), kAsItIs);
  }
  return words;
}

void add_source_commands(CLI::App& app, const Context& context) {
  add_command(app, context, "attach", "add sources to a session: all of them or none");
  add_command(app, context, "detach", "remove sources from a session: all of them or none");
}

}  // namespace vxtap::cli
