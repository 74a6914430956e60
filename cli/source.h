#pragma once

#include <string>
#include <vector>

namespace vxtap::cli {

// The words of a command line, so marked that the patterns of attach and detach come through: CLI11
// takes `[ab]` for a list of its own, and its brackets away.
std::vector<std::string> keep_brackets(std::vector<std::string> words);

}  // namespace vxtap::cli
