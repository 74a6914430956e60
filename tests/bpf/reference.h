#pragma once

// What is to become of a packet, in plain C++: SPEC §2.1 to §2.3 and §2.6 to §2.8. Every fragment
// stands for itself.

#include <string>
#include <vector>

#include "tests/bpf/random_packets.h"

namespace vxtap::test {

// A session that was tried, and its rule that decided, or nullptr.
struct Tried {
  const Session* session = nullptr;
  Decision decision;
};

struct Expectation {
  enum class Kind { no_source, skipped, own, searched };
  Kind kind = Kind::searched;
  std::vector<Tried> tried;  // in their order
};

// Points into the configuration.
Expectation expect_of(const Configuration& configuration, const std::string& interface,
                      const Sample& sample);

}  // namespace vxtap::test
