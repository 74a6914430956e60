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
    std::cerr << "warning: " << visible(warning.get<std::string>()) << '\n';
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

std::string visible(const std::string& text) {
  constexpr const char* kHex = "0123456789abcdef";
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    // UTF-8 writes the control characters of Latin-1 as C2 80 to C2 9F.
    const bool latin1 =
        byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (latin1) byte = static_cast<unsigned char>(text[++i]);
    if (byte == '\n') {
      result += "\\n";
    } else if (byte < 0x20 || byte == 0x7f || latin1) {
      result += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      result += static_cast<char>(byte);
    }
  }
  return result;
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
  return text.empty() ? "-" : visible(text);
}

}  // namespace vxtap::cli
