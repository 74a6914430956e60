#pragma once

// What every command has at hand, and the commands themselves.

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "cli/client.h"

namespace vxtap::cli {

struct Context {
  std::string socket = "/run/vxtap/vxtapd.sock";
  std::string output = "table";

  time_t patience = 60;  // seconds that the daemon may take

  Client client() const { return {socket, patience}; }
  bool json() const { return output == "json"; }
};

// Whether to use colour on stdout: a terminal, and NO_COLOR not set (no-color.org).
bool colour();
// Warnings of an answer, for people: to stderr.
void print_warnings(const Json& answer);

// Prints an answer: its warnings, then as it is in JSON, or what `print_tables` makes of it.
void print(const Context& context, const Answer& answer,
           const std::function<void(const Json& json)>& print_tables);
// The same for a change, which says nothing to people but its warnings.
void print_change(const Context& context, const Answer& answer);

// The text without control characters, which could break a table or change the terminal: \n, \x1b.
std::string visible(const std::string& text);
// A value as a cell of a table: `-` if there is nothing, names joined by commas.
std::string cell(const Json& value);

// What a command's options are to do with the daemon's names; see complete.cpp.
namespace names {
inline constexpr const char* kFilter = "FILTER";
inline constexpr const char* kSession = "SESSION";
inline constexpr const char* kInterface = "IF";
inline constexpr const char* kFile = "FILE";
}  // namespace names

// Each adds its commands to the application; they run when they are parsed.
void add_filter_commands(CLI::App& app, const Context& context);   // filter …
void add_rule_commands(CLI::App& app, const Context& context);     // rule …
void add_session_commands(CLI::App& app, const Context& context);  // session …
void add_source_commands(CLI::App& app, const Context& context);   // attach, detach
void add_stats_command(CLI::App& app, const Context& context);
void add_top_command(CLI::App& app, const Context& context);
void add_explain_command(CLI::App& app, const Context& context);
void add_config_commands(CLI::App& app, const Context& context);  // apply, export
void add_status_commands(CLI::App& app, const Context& context);  // status, version

// Prints what may stand for the last of the words, one candidate per line: for the shells.
void complete(const CLI::App& app, const Context& context, const std::vector<std::string>& words);

}  // namespace vxtap::cli
