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

// The whole text as a number of that type.
template <class Number>
bool read_number(const std::string& text, Number& number) {
  const auto* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  return stopped == end && error == std::errc{};
}

}  // namespace

Json number_or_text(const std::string& text) {
  uint64_t natural = 0;
  if (read_number(text, natural)) return natural;
  int64_t negative = 0;
  if (read_number(text, negative)) return negative;
  return text;
}

std::string body_text(const Json& body) {
  for (const auto& [field, value] : body.items()) {
    try {
      value.dump();
    } catch (const Json::type_error&) {
      throw Failure(kInvalid, field + ": " +
                                  value.dump(-1, ' ', false, Json::error_handler_t::replace) +
                                  ": must be UTF-8");
    }
  }
  return body.dump();
}

std::string not_empty(const std::string& text) {
  return text.empty() ? "must not be empty" : "";
}

CLI::Option* Fields::add(const std::string& option, const std::string& field,
                         const std::string& help, std::function<Json(const std::string&)> convert) {
  return command_.add_option_function<std::string>(
      option,
      [body = body_, field, convert = std::move(convert)](const std::string& text) {
        (*body)[field] = convert(text);
      },
      help);
}

CLI::Option* Fields::text(const std::string& field, const std::string& help) {
  return add(option_of(field), field, help, [](const std::string& text) { return Json(text); });
}

CLI::Option* Fields::number(const std::string& field, const std::string& help) {
  return number(option_of(field), field, help);
}

CLI::Option* Fields::number(const std::string& option, const std::string& field,
                            const std::string& help) {
  return add(option, field, help, number_or_text);
}

CLI::Option* Fields::text_or_any(const std::string& field, const std::string& help) {
  return add(option_of(field), field, help,
             [](const std::string& text) { return text == "any" ? Json() : Json(text); });
}

void Fields::flag(const std::string& option, const std::string& field, const std::string& help) {
  command_
      .add_flag_function(
          option, [body = body_, field](int64_t count) { (*body)[field] = count > 0; }, help)
      ->disable_flag_override();
}

void Fields::list(const std::string& option, const std::string& field, const std::string& help) {
  command_
      .add_option_function<std::vector<std::string>>(
          option, [body = body_, field](const std::vector<std::string>& l) { (*body)[field] = l; },
          help)
      ->allow_extra_args(false)  // or it would take the words behind its value as well
      ->type_name(names::kInterface);
}

void Fields::tags(bool update) {
  auto* option = command_.add_option_function<std::vector<std::string>>(
      "--tag",
      [body = body_](const std::vector<std::string>& tags) {
        for (const auto& tag : tags) {
          const auto equals = tag.find('=');
          const auto key = tag.substr(0, equals);
          (*body)["tags"][key] =
              equals == std::string::npos ? Json() : Json(tag.substr(equals + 1));
        }
      },
      std::string("key=value; may be given several times") +
          (update ? "; a key alone takes the tag away" : ""));
  option->allow_extra_args(false)->type_name("K=V");
  if (update) return;
  option->check([](const std::string& tag) {
    return tag.find('=') == std::string::npos ? tag + ": must be key=value" : "";
  });
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
  command_
      .add_flag_function(
          "--" + parameter + ",!--" + negation,
          [query = query_, parameter](int64_t count) {
            query->emplace_back(parameter, count > 0 ? "true" : "false");
          },
          help)
      ->disable_flag_override();
}

std::shared_ptr<std::string> add_if_match(CLI::App& command) {
  auto etag = std::make_shared<std::string>();
  command.add_option("--if-match", *etag, "only if it still has this etag, as `show` says it")
      ->check(not_empty)
      ->type_name("ETAG");
  return etag;
}

Named add_named(CLI::App& parent, const std::string& verb, const std::string& kind,
                const std::string& help, const std::string& example) {
  auto name = std::make_shared<std::string>();
  auto* command = parent.add_subcommand(verb, help);
  auto* option = command->add_option("NAME", *name, "the name of the " + kind)->required();
  if (verb == "create") {
    option->type_name("TEXT");
  } else {
    option->check(not_empty)->type_name(kind == "filter" ? names::kFilter : names::kSession);
  }
  command->footer("Example: vxtap " + example);
  return {command, name};
}

}  // namespace vxtap::cli
