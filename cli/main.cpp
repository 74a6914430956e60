// vxtap: the commands, and the way out.

#include <algorithm>
#include <clocale>
#include <iostream>
#include <stdexcept>
#include <string_view>

#include "cli/context.h"
#include "cli/source.h"

namespace {

using vxtap::cli::Context;
using vxtap::cli::kDone;

// If that is what is wrong with the words.
void refuse_unknown(const CLI::App& app) {
  const auto* last = &app;
  std::string help = "vxtap";
  while (!last->get_subcommands().empty()) {
    last = last->get_subcommands().front();
    help += " " + last->get_name();
  }
  const auto unknown = app.remaining(true);
  if (last->get_require_subcommand_min() == 0 || unknown.empty()) return;
  const auto& word = unknown.front();
  throw vxtap::cli::Failure(vxtap::cli::kInvalid,
                            std::string("there is no ") +
                                (word.starts_with('-') ? "option" : "command") + " '" + word +
                                "': see " + help + " --help");
}

int run(int argc, char** argv, Context& context) {
  CLI::App app{"vxtap drives vxtapd, which mirrors this host's traffic to collectors.", "vxtap"};
  app.add_option("--socket", context.socket, "where the daemon's API listens")
      ->capture_default_str();
  app.add_option("-o,--output", context.output, "table for people, json for programs")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.require_subcommand(1);
  // So that -o and --socket may stand behind the command as well.
  app.fallthrough();
  app.get_formatter()->column_width(34);
  app.footer("Example: vxtap apply -f mirror.json && vxtap stats");
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return "vxtap: " + vxtap::cli::visible(error.what()) +
           "\nRun with --help for more information.\n";
  });
  add_filter_commands(app, context);
  add_rule_commands(app, context);
  add_session_commands(app, context);
  add_source_commands(app, context);
  add_stats_command(app, context);
  add_top_command(app, context);
  add_explain_command(app, context);
  add_config_commands(app, context);
  add_status_commands(app, context);
  // Not parsed as a command: the words to complete are not complete yet.
  if (argc > 1 && std::string_view(argv[1]) == "__complete") {
    complete(app, context, {argv + 2, argv + argc});
    return kDone;
  }
  // The commands run after everything was parsed: an option behind a command counts for it too.
  try {
    auto words = vxtap::cli::keep_brackets({argv + 1, argv + argc});
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) refuse_unknown(app);
    return app.exit(error) == 0 ? kDone : vxtap::cli::kInvalid;
  }
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "C.UTF-8");  // names are UTF-8, whatever the terminal's language is
  Context context;
  try {
    const int code = run(argc, argv, context);
    // An export that did not reach its file must not look like one that did.
    if (!std::cout.flush()) throw std::runtime_error("the output could not be written whole");
    return code;
  } catch (const vxtap::cli::Failure& failure) {
    if (context.json()) std::cout << failure.answer;
    std::cerr << "vxtap: " << vxtap::cli::visible(failure.what()) << '\n';
    return failure.code;
  } catch (const std::exception& error) {
    std::cerr << "vxtap: " << error.what() << '\n';
    return vxtap::cli::kDaemonFailed;
  }
}
