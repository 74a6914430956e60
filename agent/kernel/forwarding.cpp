#include "agent/kernel/forwarding.h"

#include <linux/ipv6_route.h>
#include <linux/route.h>

#include <cstdint>
#include <fstream>
#include <list>
#include <set>
#include <sstream>

namespace vxtap {
namespace {

// A setting of one interface, a digit.
class Sysctl {
 public:
  Sysctl(const char* family, const std::string& interface, const char* name)
      : file_("/proc/sys/net/" + std::string(family) + "/conf/" + interface + "/" + name) {}
  bool is(char value) { return file_.seekg(0).get() == value; }
  // Says whether it was `from`, and so has changed.
  bool change(char from, char to) {
    if (!is(from)) return false;
    file_.seekp(0) << to << std::flush;
    return file_.good();
  }

 private:
  std::fstream file_;
};

// The interfaces with routes that a router has advertised, RFC 4861.
std::set<std::string> advertised_to() {
  std::set<std::string> interfaces;
  std::ifstream routes("/proc/net/ipv6_route");
  for (std::string line; std::getline(routes, line);) {
    // destination, its length, source, its length, next hop, metric, references, uses, flags,
    // device
    std::istringstream fields(line);
    std::string skipped, interface;
    for (int i = 0; i < 8; ++i) fields >> skipped;
    uint32_t flags = 0;
    if (fields >> std::hex >> flags >> interface && (flags & (RTF_DEFAULT | RTF_ADDRCONF)) != 0) {
      interfaces.insert(interface);
    }
  }
  return interfaces;
}

// When any device begins to forward, the kernel removes all routes that routers have advertised,
// but for interfaces whose accept_ra is 2: the host would lose its default route. For a host that
// does not forward, 1 and 2 are the same, so that nothing is lost if the process ends in between.
void forward_ipv6(Sysctl& forwarding) {
  std::list<Sysctl> spared;
  for (const auto& interface : advertised_to()) {
    Sysctl accept("ipv6", interface, "accept_ra");
    if (accept.change('1', '2')) spared.push_back(std::move(accept));
  }
  forwarding.change('0', '1');
  for (auto& accept : spared) accept.change('2', '1');
}

}  // namespace

void answer_routes(const std::string& device) {
  Sysctl("ipv4", device, "forwarding").change('0', '1');
  Sysctl forwarding("ipv6", device, "forwarding");
  if (forwarding.is('0')) forward_ipv6(forwarding);
}

}  // namespace vxtap
