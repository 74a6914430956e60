#pragma once

// Options that set fields of an object: what is given becomes the body of a request. The daemon
// knows the rules and checks them; a number is sent as one if it looks like one, and refused there
// if not.

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/client.h"

namespace vxtap::cli {

class Fields {
 public:
  explicit Fields(CLI::App& command) : command_(command) {}

  // The option's name is the field's, with dashes for underscores: --packet-length.
  CLI::Option* text(const std::string& field, const std::string& help);
  CLI::Option* number(const std::string& field, const std::string& help);
  CLI::Option* number(const std::string& option, const std::string& field, const std::string& help);
  // `any` takes the field back to its default.
  CLI::Option* text_or_any(const std::string& field, const std::string& help);
  void flag(const std::string& option, const std::string& field, const std::string& help);
  void list(const std::string& option, const std::string& field, const std::string& help);
  // --tag k=v …; in an update a key without a value is taken away.
  void tags(bool update);

  // Those that were given.
  Json body() const;

 private:
  CLI::Option* add(const std::string& option, const std::string& field, const std::string& help,
                   std::function<Json(const std::string&)> convert);

  CLI::App& command_;
  std::shared_ptr<Json> body_ = std::make_shared<Json>(Json::object());
};

// --group, --tag and whatever else a list can be narrowed by: the parameters of the query.
class Selection {
 public:
  explicit Selection(CLI::App& command) : command_(command) {}
  CLI::Option* option(const std::string& parameter, const std::string& help);
  // The parameter by its name is true, by its negation false.
  void flag(const std::string& parameter, const std::string& negation, const std::string& help);
  const std::vector<std::pair<std::string, std::string>>& query() const { return *query_; }

 private:
  CLI::App& command_;
  std::shared_ptr<std::vector<std::pair<std::string, std::string>>> query_ =
      std::make_shared<std::vector<std::pair<std::string, std::string>>>();
};

// A whole number as JSON, or the text as it is.
Json number_or_text(const std::string& text);

// The body of a request. A command line may be any bytes, JSON may not: throws Failure with the
// field that is not UTF-8.
std::string body_text(const Json& body);

// For Option::check(): an empty word is more likely a variable that was not set than a name.
std::string not_empty(const std::string& text);

// --if-match ETAG: only if the object is still what `show` said.
std::shared_ptr<std::string> add_if_match(CLI::App& command);

// A command of its own with one required name.
struct Named {
  CLI::App* command;
  std::shared_ptr<std::string> name;
};
Named add_named(CLI::App& parent, const std::string& verb, const std::string& kind,
                const std::string& help, const std::string& example);

}  // namespace vxtap::cli
