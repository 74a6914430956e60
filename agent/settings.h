#pragma once

// The settings of the daemon itself, from a file in JSON.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/model/objects.h"
#include "agent/model/validate.h"

namespace vxtap {

// Of TCP. As text: 127.0.0.1:9469, [::1]:9469
struct Endpoint {
  Address address;
  uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};
std::string to_string(const Endpoint& endpoint);

struct Settings {
  uint16_t tunnel_port = 4789;              // UDP port of the copies
  std::optional<std::string> socket_group;  // see give_socket()
  // These two can change while the daemon runs.
  std::string log_level = "info";
  Limits limits;
  // Where the kernel's objects stay when the daemon ends; in a BPF file system.
  std::filesystem::path pin_dir = "/sys/fs/bpf/vxtap";
  // Whether the outer headers of copies are always the kernel's VXLAN device's work.
  bool kernel_encapsulation = false;
  bool keep_on_stop = false;  // on_stop: whether a clean stop leaves the mirror running
  std::optional<Endpoint> metrics_address;  // where /metrics is served besides the socket
};

// Throws Error(invalid) that names the file, the field and the rule.
Settings read_settings(const std::filesystem::path& file);

// Names of the settings in which the two differ and that are used only at the start.
std::vector<std::string> need_restart(const Settings& before, const Settings& after);

// The whole file. Throws Error(invalid, FileNotReadable).
std::string read_file(const std::filesystem::path& file);

}  // namespace vxtap
