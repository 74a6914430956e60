#include "cli/context.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>

namespace vxtap::cli {

bool colour() {
  const char* refused = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) != 0 && (refused == nullptr || *refused == '\0');
}

void print_warnings(const Json& answer) {
  if (!answer.is_object() || !answer.contains("warnings")) return;
  for (const auto& warning : answer["warnings"]) {
    std::cerr << "warning: " << warning.get<std::string>() << '\n';
  }
}

void print(const Context& context, const Answer& answer,
           const std::function<void(const Json& json)>& print_tables) {
  print_warnings(answer.json);
  if (context.json()) {
    std::cout << answer.text;
  } else {
    print_tables(answer.json);
  }
}

void print_change(const Context& context, const Answer& answer) {
  print(context, answer, [](const Json&) {});
}

std::string cell(const Json& value) {
  std::string text;
  if (value.is_string()) {
    text = value.get<std::string>();
  } else if (value.is_boolean()) {
    text = value.get<bool>() ? "yes" : "no";
  } else if (value.is_array()) {
    for (const auto& element : value) text += (text.empty() ? "" : ",") + cell(element);
  } else if (value.is_object()) {
    for (const auto& [key, element] : value.items()) {
      text += (text.empty() ? "" : ",") + key + "=" + cell(element);
    }
  } else {
    text = value.dump();
  }
  return text.empty() ? "-" : text;
}

}  // namespace vxtap::cli
