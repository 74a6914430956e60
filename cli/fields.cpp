#include "cli/fields.h"

#include <algorithm>
#include <charconv>

#include "cli/context.h"

namespace vxtap::cli {
namespace {

std::string option_of(std::string field) {
  std::replace(field.begin(), field.end(), '_', '-');
  return "--" + field;
}

}  // namespace

Json number_or_text(const std::string& text) {
  int64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || stopped != end || error != std::errc{}) return text;
  return number < 0 ? Json(number) : Json(static_cast<uint64_t>(number));
}

CLI::Option* Fields::add(const std::string& field, const std::string& help,
                         std::function<Json(const std::string&)> convert) {
  return command_.add_option_function<std::string>(
      option_of(field),
      [body = body_, field, convert = std::move(convert)](const std::string& text) {
        (*body)[field] = convert(text);
      },
      help);
}

CLI::Option* Fields::text(const std::string& field, const std::string& help) {
  return add(field, help, [](const std::string& text) { return Json(text); });
}

CLI::Option* Fields::number(const std::string& field, const std::string& help) {
  return add(field, help, number_or_text);
}

CLI::Option* Fields::text_or_any(const std::string& field, const std::string& help) {
  return add(field, help,
             [](const std::string& text) { return text == "any" ? Json() : Json(text); });
}

void Fields::flag(const std::string& option, const std::string& field, const std::string& help) {
  command_.add_flag_function(
      option, [body = body_, field](int64_t count) { (*body)[field] = count > 0; }, help);
}

void Fields::list(const std::string& option, const std::string& field, const std::string& help) {
  command_
      .add_option_function<std::vector<std::string>>(
          option, [body = body_, field](const std::vector<std::string>& l) { (*body)[field] = l; },
          help)
      ->allow_extra_args(false)  // or it would take the words behind its value as well
      ->type_name(names::kInterface);
}

void Fields::tags() {
  command_
      .add_option_function<std::vector<std::string>>(
          "--tag",
          [body = body_](const std::vector<std::string>& tags) {
            for (const auto& tag : tags) {
              const auto equals = tag.find('=');
              const auto key = tag.substr(0, equals);
              (*body)["tags"][key] =
                  equals == std::string::npos ? Json() : Json(tag.substr(equals + 1));
            }
          },
          "key=value; may be given several times")
      ->allow_extra_args(false)
      ->type_name("K=V");
}

Json Fields::body() const {
  return *body_;
}

CLI::Option* Selection::option(const std::string& parameter, const std::string& help) {
  return command_
      .add_option_function<std::vector<std::string>>(
          "--" + parameter,
          [query = query_, parameter](const std::vector<std::string>& values) {
            for (const auto& value : values) query->emplace_back(parameter, value);
          },
          help)
      ->allow_extra_args(false);
}

void Selection::flag(const std::string& parameter, const std::string& negation,
                     const std::string& help) {
  command_.add_flag_function(
      "--" + parameter + ",!--" + negation,
      [query = query_, parameter](int64_t count) {
        query->emplace_back(parameter, count > 0 ? "true" : "false");
      },
      help);
}

std::shared_ptr<std::string> add_if_match(CLI::App& command) {
  auto etag = std::make_shared<std::string>();
  command.add_option("--if-match", *etag, "only if it still has this etag, as `show` says it")
      ->type_name("ETAG");
  return etag;
}

Named add_named(CLI::App& parent, const std::string& verb, const std::string& kind,
                const std::string& help, const std::string& example) {
  auto name = std::make_shared<std::string>();
  auto* command = parent.add_subcommand(verb, help);
  command->add_option("NAME", *name, "the name of the " + kind)
      ->required()
      ->type_name(verb == "create" ? "TEXT"
                                   : (kind == "filter" ? names::kFilter : names::kSession));
  command->footer("Example: vxtap " + example);
  return {command, name};
}

}  // namespace vxtap::cli
