#pragma once

// What outlives the daemon, in a BPF file system:
//
//   DIRECTORY/NAMESPACE/names               what the numbers in the maps stand for
//   DIRECTORY/NAMESPACE/qdisc-IFINDEX/      a clsact qdisc that is ours
//   DIRECTORY/NAMESPACE/quick/              grace periods are short because of us
//   DIRECTORY/NAMESPACE/LAYOUT/maps/NAME
//   DIRECTORY/NAMESPACE/LAYOUT/links/NAME   DIRECTION-IFINDEX or underlay-IFINDEX, for the programs
//   on an interface
//
// NAMESPACE is the cookie of the network namespace, which is never given to another one. LAYOUT
// says what the programs and maps are like: programs of one layout work with the maps that those of
// another daemon of that layout have left. A daemon that finds another layout takes over its links
// one by one; what then is left in its directory goes with that.

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "agent/kernel/fd.h"

namespace vxtap {

class Pins {
 public:
  // Pins nothing: all goes with the process.
  Pins() = default;
  // Mounts the BPF file system at /sys/fs/bpf if the directory lies there and that is missing.
  // Throws Error(invalid, NotBpfFileSystem).
  explicit Pins(const std::filesystem::path& directory);
  ~Pins();
  Pins(const Pins&) = delete;
  Pins& operator=(const Pins&) = delete;

  bool enabled() const { return !root_.empty(); }
  // Whether hooks, devices and pins stay when this process ends. At first they do if a predecessor
  // has left any, so that a daemon that cannot start does no harm to what runs.
  bool keeps() const { return keeps_; }
  void keep(bool keeps) { keeps_ = keeps; }

  // From now on pins are those of this layout.
  void use_layout(const std::string& layout);
  std::filesystem::path map(const std::string& name) const { return own_ / "maps" / name; }
  std::filesystem::path names() const { return root_ / "names"; }

  // Takes over a link of that name from another layout, if there is one.
  void inherit_link(const std::string& name) noexcept;
  Fd open_link(const std::string& name) const;  // none if there is none
  void pin_link(int link, const std::string& name);
  void remove_link(const std::string& name) noexcept;
  // Links of names that are not among these are detached.
  void keep_links(const std::set<std::string>& names) noexcept;

  // Directories of other layouts. While there are any, two sets of programs are at work.
  const std::vector<std::filesystem::path>& predecessors() const { return predecessors_; }
  // Detaches what was not taken over of them.
  void drop_predecessors() noexcept;

  bool has_qdisc(uint32_t ifindex) const;
  void mark_qdisc(uint32_t ifindex, bool ours) noexcept;
  // Forgets those of interfaces that are not among these.
  void keep_qdiscs(const std::set<uint32_t>& interfaces) noexcept;

  bool is_marked_quick() const;
  void mark_quick(bool quick) noexcept;

  // Everything goes, of all layouts. Says what it was.
  std::vector<std::string> remove_all();

 private:
  std::filesystem::path link(const std::string& name) const { return own_ / "links" / name; }
  std::filesystem::path qdisc(uint32_t ifindex) const;
  void mark(const std::filesystem::path& directory, bool there) noexcept;

  std::filesystem::path root_, own_;
  std::vector<std::filesystem::path> predecessors_;
  bool keeps_ = false;
};

}  // namespace vxtap
