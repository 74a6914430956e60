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
  if (!answer.contains("warnings")) return;
  for (const auto& warning : answer["warnings"]) {
    std::cerr << "warning: " << warning.get<std::string>() << '\n';
  }
}

}  // namespace vxtap::cli
