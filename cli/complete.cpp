// What may stand for a word of the command line. The shells' scripts in packaging/completions ask
// for it by a hidden command, so that there is one place that knows: the commands themselves.

#include <algorithm>
#include <iostream>
#include <set>
#include <string_view>

#include "cli/context.h"

namespace vxtap::cli {
namespace {

constexpr time_t kPatience = 2;  // seconds: somebody waits with a finger on the key
constexpr const char* kFileMark =
    ":/file";  // the shell is to complete names of files; no name of ours has a slash

std::vector<std::string> names_from(const Context& context, const std::vector<std::string>& path,
                                    const char* list, const char* field) {
  std::vector<std::string> names;
  const auto answer = context.client().get(path);
  for (const auto& object : answer.json.at(list)) names.push_back(object.at(field));
  return names;
}

// Of a kind that only the daemon knows. Without a daemon there is nothing to suggest.
std::vector<std::string> names_of(const Context& context, const std::string& kind) {
  try {
    if (kind == names::kFilter) return names_from(context, {"filters"}, "filters", "name");
    if (kind == names::kSession) return names_from(context, {"sessions"}, "sessions", "name");
    if (kind == names::kInterface) return names_from(context, {"interfaces"}, "interfaces", "name");
    if (kind == names::kFile) return {kFileMark};
  } catch (const std::exception&) {
    // A completion must not disturb the line that is being typed.
  }
  return {};
}

// The members of an IsMember check, from the text that CLI11 makes of it: `TEXT:{a,b}`.
std::vector<std::string> members(const std::string& type) {
  std::vector<std::string> result;
  const auto open = type.find('{');
  if (open == std::string::npos) return result;
  std::string word;
  for (const char character : type.substr(open + 1)) {
    if (character == ',' || character == '}') {
      result.push_back(std::move(word));
      word.clear();
    } else {
      word += character;
    }
  }
  return result;
}

std::vector<std::string> values(const Context& context, const CLI::Option& option) {
  const auto type = option.get_type_name();
  const auto known = members(type);
  return known.empty() ? names_of(context, type) : known;
}

bool takes_value(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

// How far the words that stand before the last one have led.
struct Position {
  const CLI::App* command = nullptr;
  const CLI::Option* pending = nullptr;  // an option that waits for its value
  size_t positionals = 0;
  bool only_values = false;  // after --
};

const CLI::Option* find_option(const CLI::App* command, const std::string& word) {
  for (; command != nullptr; command = command->get_parent()) {
    const auto* option = command->get_option_no_throw(word);
    if (option != nullptr) return option;
  }
  return nullptr;
}

const CLI::App* find_command(const CLI::App& app, const std::string& word) {
  for (const auto* command : app.get_subcommands({})) {
    if (command->get_name() == word) return command;
  }
  return nullptr;
}

void step(Position& position, const std::string& word) {
  if (position.pending != nullptr) {
    position.pending = nullptr;
    return;
  }
  if (word.starts_with("-") && word.size() > 1 && !position.only_values) {
    position.only_values = word == "--";
    const auto* option = find_option(position.command, word.substr(0, word.find('=')));
    const bool waits =
        option != nullptr && takes_value(*option) && word.find('=') == std::string::npos;
    if (waits) position.pending = option;
    return;
  }
  const auto* command = find_command(*position.command, word);
  if (command != nullptr && position.positionals == 0) {
    position.command = command;
  } else {
    ++position.positionals;
  }
}

std::vector<std::string> positional_values(const Context& context, const Position& position) {
  std::vector<const CLI::Option*> positionals;
  for (const auto* option : position.command->get_options()) {
    if (option->get_positional()) positionals.push_back(option);
  }
  if (positionals.empty()) return {};
  // The last one may take any number of values.
  const size_t index = std::min(position.positionals, positionals.size() - 1);
  const bool full = position.positionals >= positionals.size();
  if (full && positionals.back()->get_items_expected_max() <= 1) return {};
  return values(context, *positionals[index]);
}

std::vector<std::string> candidates(const Context& context, const Position& position,
                                    const std::string& word) {
  if (position.pending != nullptr) return values(context, *position.pending);
  std::vector<std::string> result;
  if (word.starts_with("-") && !position.only_values) {
    for (const auto* command = position.command; command != nullptr;
         command = command->get_parent()) {
      for (const auto* option : command->get_options()) {
        for (const auto& name : option->get_lnames()) result.push_back("--" + name);
      }
    }
    return result;
  }
  const auto commands = position.command->get_subcommands({});
  for (const auto* command : commands) {
    if (position.positionals == 0) result.push_back(command->get_name());
  }
  return commands.empty() ? positional_values(context, position) : result;
}

}  // namespace

void complete(const CLI::App& app, const Context& context, const std::vector<std::string>& words) {
  if (words.empty()) return;
  Position position{&app};
  Context daemon = context;
  daemon.patience = kPatience;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    constexpr std::string_view kSocket = "--socket=";
    const bool waits = position.pending != nullptr;
    if (waits && position.pending->check_lname("socket")) daemon.socket = words[i];
    if (!waits && !position.only_values && words[i].starts_with(kSocket)) {
      daemon.socket = words[i].substr(kSocket.size());
    }
    step(position, words[i]);
  }
  std::set<std::string> sorted;
  for (auto& candidate : candidates(daemon, position, words.back())) {
    if (candidate == kFileMark || candidate.starts_with(words.back())) {
      sorted.insert(std::move(candidate));
    }
  }
  for (const auto& candidate : sorted) std::cout << candidate << '\n';
}

}  // namespace vxtap::cli
