#pragma once

// What came up in a test with random packets, and how often.

#include <cstdint>
#include <map>
#include <string>

#include "tests/bpf/reference.h"

namespace vxtap::test {

class Tally {
 public:
  void add(const Sample& sample, const Expectation& expectation);
  uint64_t packets() const { return packets_; }
  double percent(const std::string& what) const;
  // `collect 40.0 %, ignore …`
  std::string text() const;

 private:
  void add(const std::string& what, bool happened = true);
  void add_fields(const PacketFields& fields);
  void add_search(const std::vector<Tried>& tried);

  uint64_t packets_ = 0;
  std::map<std::string, uint64_t> counts_;
};

}  // namespace vxtap::test
