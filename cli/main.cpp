// vxtap: the commands, and the way out.

#include <iostream>

#include "cli/context.h"

namespace {

using vxtap::cli::Context;

int run(int argc, char** argv) {
  Context context;
  CLI::App app{"vxtap drives vxtapd, which mirrors this host's traffic to collectors."};
  app.add_option("--socket", context.socket, "where the daemon's API listens")
      ->capture_default_str();
  app.add_option("-o,--output", context.output, "table for people, json for programs")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.require_subcommand(1);
  // So that -o and --socket may stand behind the command as well.
  app.fallthrough();
  app.footer("Example: vxtap apply -f mirror.json && vxtap stats");
  add_config_commands(app, context);
  add_session_commands(app, context);
  add_source_commands(app, context);
  add_stats_command(app, context);
  add_status_commands(app, context);
  // The commands run after everything was parsed: an option behind a command counts for it too.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? vxtap::cli::kDone : vxtap::cli::kInvalid;
  }
  return vxtap::cli::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const vxtap::cli::Failure& failure) {
    std::cerr << "vxtap: " << failure.what() << '\n';
    return failure.code;
  } catch (const std::exception& error) {
    std::cerr << "vxtap: " << error.what() << '\n';
    return vxtap::cli::kDaemonFailed;
  }
}
