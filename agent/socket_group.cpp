#include "agent/socket_group.h"

#include <grp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/error.h"

namespace vxtap {

void give_socket(const std::filesystem::path& socket, const std::optional<std::string>& group) {
  const auto name = group.value_or("vxtap");
  const auto* entry = getgrnam(name.c_str());
  if (entry == nullptr && !group) return;
  if (entry == nullptr) {
    throw Error(
        Error::Kind::invalid, "UnknownGroup",
        "there is no such group: make it with 'groupadd --system " + name + "', or name another",
        "socket_group", name);
  }
  if (chown(socket.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0) {
    throw Error(Error::Kind::internal, "Socket",
                "cannot give the socket to the group (" + std::string(std::strerror(errno)) +
                    "): under systemd, the unit needs the group in SupplementaryGroups=",
                "socket_group", name);
  }
}

}  // namespace vxtap
