#pragma once

// What every command has at hand, and the commands themselves.

#include <CLI/CLI.hpp>
#include <string>

#include "cli/client.h"

namespace vxtap::cli {

struct Context {
  std::string socket = "/run/vxtap/vxtapd.sock";
  std::string output = "table";

  Client client() const { return Client(socket); }
  bool json() const { return output == "json"; }
};

// Whether to use colour on stdout: a terminal, and NO_COLOR not set (no-color.org).
bool colour();
// Warnings of an answer, for people: to stderr.
void print_warnings(const Json& answer);

// Each adds its commands to the application; they run when they are parsed.
void add_config_commands(CLI::App& app, const Context& context);   // apply, export
void add_session_commands(CLI::App& app, const Context& context);  // session …
void add_source_commands(CLI::App& app, const Context& context);   // attach, detach
void add_stats_command(CLI::App& app, const Context& context);
void add_status_commands(CLI::App& app, const Context& context);  // status, version

}  // namespace vxtap::cli
