// apply, export

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "cli/context.h"

namespace vxtap::cli {
namespace {

struct ApplyOptions {
  std::string file;
  bool dry_run = false;
  bool prune = false;
};

std::string read_document(const std::string& file) {
  if (file == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  try {
    std::ifstream stream;
    stream.exceptions(std::ios::failbit | std::ios::badbit);
    stream.open(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  } catch (const std::ios_base::failure&) {  // a directory fails only when it is read
    throw Failure(kInvalid, file + ": cannot read the file: " + std::strerror(errno));
  }
}

void apply(const Context& context, const ApplyOptions& options) {
  const auto answer = context.client().send(
      {"PUT",
       {"config"},
       {{"dry_run", options.dry_run ? "1" : "0"}, {"prune", options.prune ? "1" : "0"}},
       read_document(options.file)});
  print_warnings(answer.json);
  if (context.json()) {
    std::cout << answer.text;
    return;
  }
  size_t changed = 0;
  for (const auto& change : answer.json.at("changes")) {
    const auto action = change.at("action").get<std::string>();
    if (action != "unchanged") ++changed;
    std::cout << action << std::string(11 - action.size(), ' ')
              << change.at("kind").get<std::string>() << ' ' << change.at("name").get<std::string>()
              << '\n';
  }
  std::cout << (options.dry_run ? "dry run, nothing was changed: " : "") << changed << " of "
            << answer.json.at("changes").size() << " object(s) "
            << (options.dry_run ? "would change\n" : "changed\n");
}

}  // namespace

void add_config_commands(CLI::App& app, const Context& context) {
  auto options = std::make_shared<ApplyOptions>();
  auto* command = app.add_subcommand("apply", "make the daemon's state match a document");
  command->add_option("-f,--file", options->file, "the document in JSON; - is standard input")
      ->required()
      ->type_name(names::kFile);
  command->add_flag("--dry-run", options->dry_run, "print what would change, and change nothing")
      ->disable_flag_override();
  command->add_flag("--prune", options->prune, "delete what the document does not name")
      ->disable_flag_override();
  command->footer("Example: vxtap apply -f mirror.json --dry-run");
  command->callback([options, &context] { apply(context, *options); });

  auto* exporting = app.add_subcommand("export", "print the whole configuration as a document");
  exporting->footer("Example: vxtap export > mirror.json");
  exporting->callback([&context] { std::cout << context.client().get({"config"}).text; });
}

}  // namespace vxtap::cli
