#pragma once

#include "cli/client.h"

namespace vxtap::cli {

// A table of rules, each with its direction.
void print_rules(const Json& rules);

}  // namespace vxtap::cli
