#include "agent/near_ends.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "agent/error.h"
#include "agent/kernel/fd.h"

namespace vxtap {
namespace {

NearEnd not_yet(const std::string& why) {
  return {"", why, true};
}
NearEnd never(const std::string& why) {
  return {"", why, false};
}

bool is_this_namespace(int file) {
  struct stat one {
  }, other{};
  return fstat(file, &one) == 0 && stat("/proc/self/ns/net", &other) == 0 &&
         one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

NearEnd find(const FarInterface& far, const std::vector<Link>& links, Network& network) {
  const auto path = far.place.starts_with('/') ? far.place : "/run/netns/" + far.place;
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) {
    if (errno == ENOENT) return not_yet("there is no network namespace " + path + " yet");
    return never(path + " cannot be opened: " + std::strerror(errno));
  }
  if (is_this_namespace(file.get())) {
    return never("that is the daemon's own network namespace: write '" + far.name + "' alone");
  }
  const auto number = network.namespace_number(file.get());
  // The kernel gives a namespace a number when a cable from there ends here.
  if (!number) return not_yet("no interface here is the other end of a veth cable from there yet");
  const auto far_link = network.link_in(*number, far.name);
  if (!far_link) return not_yet("there is no interface " + far.name + " in " + path + " yet");
  const auto near = std::find_if(links.begin(), links.end(), [&](const Link& link) {
    return link.kind == "veth" && link.ifindex == far_link->peer &&
           link.peer == far_link->ifindex && link.peer_namespace == *number;
  });
  if (near != links.end()) return {near->name, "", true};
  return never(
      far.name + " of " + path +
      " is no veth whose other end is an interface of this host; mirror the interface of this "
      "host that its packets pass");
}

}  // namespace

NearEnds find_near_ends(const Configuration& configuration, const std::vector<Link>& links,
                        Network& network) {
  NearEnds ends;
  for (const auto& [name, session] : configuration.sessions) {
    for (const auto& text : session.sources) {
      const auto source = parse_source(text);
      if (!source.is_in_namespace() || ends.contains(source.name)) continue;
      try {
        ends[source.name] = find(far_interface(source.name), links, network);
      } catch (const Error& error) {
        ends[source.name] = never(error.what());
      }
    }
  }
  return ends;
}

}  // namespace vxtap
