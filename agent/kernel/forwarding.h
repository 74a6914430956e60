#pragma once

#include <string>

namespace vxtap {

// Sees to it that the kernel answers programs that ask for the way from the device: it does only if
// packets that come in there may be forwarded. Of the tunnel device none does: see tunnel_ingress.
// A sysctl that is written for all interfaces, as ip_forward is, ends that: to be called every
// second. The host's routes stay as they are. Without IPv6 there is nothing to be set; then there
// is no way either.
void answer_routes(const std::string& device);

}  // namespace vxtap
