#include "agent/kernel/pins.h"

#include <bpf/bpf.h>
#include <linux/magic.h>
#include <spdlog/spdlog.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

#include "agent/kernel/check.h"

namespace vxtap {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMountPoint = "/sys/fs/bpf";
constexpr const char* kQdisc = "qdisc-";
constexpr const char* kQuick = "quick";

std::string namespace_name() {
  const Fd any(check(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "opening a socket"));
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (getsockopt(any.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0) {
    check(-errno, "asking for the network namespace's cookie");
  }
  return "net-" + std::to_string(cookie);
}

bool is_bpf_file_system(const fs::path& path) {
  struct statfs status {};
  return statfs(path.c_str(), &status) == 0 &&
         static_cast<unsigned long>(status.f_type) == BPF_FS_MAGIC;
}

// The nearest of the path's directories that exists.
fs::path existing(fs::path path) {
  std::error_code error;
  while (!fs::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  return path;
}

void provide_file_system(const fs::path& directory) {
  const bool usual = directory.lexically_normal().string().starts_with(kMountPoint);
  if (usual && !is_bpf_file_system(kMountPoint) &&
      mount("bpf", kMountPoint, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
    throw Error(Error::Kind::internal, "NotBpfFileSystem",
                std::string("no BPF file system can be mounted at ") + kMountPoint + ": " +
                    std::strerror(errno),
                "pin_dir", directory.string());
  }
  if (is_bpf_file_system(existing(directory))) return;
  throw Error(Error::Kind::invalid, "NotBpfFileSystem",
              "must lie in a BPF file system: choose one under /sys/fs/bpf, or mount another with "
              "'mount -t bpf bpf DIRECTORY'",
              "pin_dir", directory.string());
}

// By value: what it tells is removed by those who ask.
std::vector<fs::path> entries(const fs::path& directory) {
  std::vector<fs::path> result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    result.push_back(entry.path());
  }
  return result;
}

bool is_layout(const fs::path& path) {
  return path.filename().string().starts_with("layout-");
}

}  // namespace

Pins::Pins(const fs::path& directory) {
  provide_file_system(directory);
  root_ = directory / namespace_name();
  keeps_ = !entries(root_).empty();
  const mode_t before = umask(0077);
  std::error_code error;
  fs::create_directories(root_, error);
  umask(before);
  if (error) {
    throw Error(Error::Kind::internal, "NotPinned", "cannot make it: " + error.message(), "pin_dir",
                root_.string());
  }
}

Pins::~Pins() {
  if (!enabled() || keeps_) return;
  remove_all();
}

void Pins::use_layout(const std::string& layout) {
  if (!enabled()) return;
  own_ = root_ / ("layout-" + layout);
  for (const auto& path : entries(root_)) {
    if (is_layout(path) && path != own_) predecessors_.push_back(path);
  }
  fs::create_directories(own_ / "maps");
  fs::create_directories(own_ / "links");
}

void Pins::inherit_link(const std::string& name) noexcept {
  std::error_code error;
  for (const auto& predecessor : predecessors_) {
    const auto from = predecessor / "links" / name;
    if (fs::exists(from, error)) fs::rename(from, link(name), error);
  }
}

Fd Pins::open_link(const std::string& name) const {
  return enabled() ? Fd(bpf_obj_get(link(name).c_str())) : Fd();
}

void Pins::pin_link(int fd, const std::string& name) {
  if (enabled()) check(bpf_obj_pin(fd, link(name).c_str()), "pinning the link " + name);
}

// First: the kernel lets go of what a removed pin held only some time after that, and until then
// two programs could stand side by side.
void Pins::remove_link(const std::string& name) noexcept {
  if (!enabled()) return;
  if (const Fd there = open_link(name)) bpf_link_detach(there.get());
  std::error_code error;
  fs::remove(link(name), error);
}

void Pins::keep_links(const std::set<std::string>& names) noexcept {
  for (const auto& path : entries(own_ / "links")) {
    const auto name = path.filename().string();
    if (!names.contains(name)) remove_link(name);
  }
}

void Pins::drop_predecessors() noexcept {
  std::error_code error;
  for (const auto& predecessor : predecessors_) {
    fs::remove_all(predecessor, error);
    if (error) spdlog::warn("{}: {}", predecessor.string(), error.message());
  }
  predecessors_.clear();
}

bool Pins::has_qdisc(uint32_t ifindex) const {
  std::error_code error;
  return enabled() && fs::exists(qdisc(ifindex), error);
}

fs::path Pins::qdisc(uint32_t ifindex) const {
  return root_ / (kQdisc + std::to_string(ifindex));
}

// Of files, a BPF file system holds maps, programs and links only.
void Pins::mark(const fs::path& directory, bool there) noexcept {
  if (!enabled()) return;
  std::error_code error;
  if (there) {
    fs::create_directory(directory, error);
  } else {
    fs::remove(directory, error);
  }
}

void Pins::mark_qdisc(uint32_t ifindex, bool ours) noexcept {
  mark(qdisc(ifindex), ours);
}

bool Pins::is_marked_quick() const {
  std::error_code error;
  return enabled() && fs::exists(root_ / kQuick, error);
}

void Pins::mark_quick(bool quick) noexcept {
  mark(root_ / kQuick, quick);
}

void Pins::keep_qdiscs(const std::set<uint32_t>& interfaces) noexcept {
  std::set<fs::path> kept;
  for (const uint32_t ifindex : interfaces) kept.insert(qdisc(ifindex));
  std::error_code error;
  for (const auto& path : entries(root_)) {
    const bool mark = path.filename().string().starts_with(kQdisc);
    if (mark && !kept.contains(path)) fs::remove(path, error);
  }
}

std::vector<std::string> Pins::remove_all() {
  std::vector<std::string> removed;
  for (const auto& path : entries(root_)) {
    for (const auto& found : entries(path / "links")) {
      removed.push_back("link " + found.filename().string());
    }
    for (const auto& found : entries(path / "maps")) {
      removed.push_back("map " + found.filename().string());
    }
  }
  std::error_code error;
  fs::remove_all(root_, error);
  if (error) spdlog::warn("{}: {}", root_.string(), error.message());
  fs::remove(root_.parent_path(), error);  // unless another namespace has pins there
  return removed;
}

}  // namespace vxtap
