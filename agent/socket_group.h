#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace vxtap {

// Lets a group use the API's socket. If none is named, that is `vxtap`, where there is such a
// group, and otherwise nobody but root. Throws Error: UnknownGroup (invalid), Socket.
void give_socket(const std::filesystem::path& socket, const std::optional<std::string>& group);

}  // namespace vxtap
