#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vxtap {

// Removes everything that daemons have left in this network namespace, and nothing else: pinned
// links and maps, filters on clsact qdiscs and the qdiscs that are ours and empty then, devices.
// Gives a line for each thing removed, or one that says that there was nothing. Throws
// AlreadyRunning while a daemon runs.
std::vector<std::string> clean_up(const std::filesystem::path& pin_directory);

}  // namespace vxtap
