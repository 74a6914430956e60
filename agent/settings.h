#pragma once

// The settings of the daemon itself, from a file in JSON.

#include <cstdint>
#include <filesystem>

#include "agent/model/validate.h"

namespace vxtap {

struct Settings {
  uint16_t tunnel_port = 4789;  // UDP port of the copies
  Limits limits;
};

// Throws Error(invalid) that names the file, the field and the rule.
Settings read_settings(const std::filesystem::path& file);

// The whole file. Throws Error(invalid, FileNotReadable).
std::string read_file(const std::filesystem::path& file);

}  // namespace vxtap
