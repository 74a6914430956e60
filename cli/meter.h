#pragma once

// Rates from readings of the counters. Pure.

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "cli/client.h"

namespace vxtap::cli {

// What the counters are kept for.
struct Flow {
  std::string session, source, direction;
  auto operator<=>(const Flow&) const = default;
};

struct Counters {
  uint64_t matched_packets = 0;
  uint64_t mirrored_packets = 0;
  uint64_t mirrored_bytes = 0;
  uint64_t truncated_packets = 0;
  uint64_t dropped_packets = 0;
  std::map<std::string, uint64_t> drops;  // by reason; those that are not zero
  std::string state;  // why nothing is mirrored: `stopped`, or the source's state; empty if it is
};

struct Reading {
  double seconds = 0;  // on any clock that only goes forward
  std::map<Flow, Counters> flows;
};

// `stats`: the API's answer.
Reading read_stats(const Json& stats, double seconds);

// Per second.
struct Rates {
  double matched = 0;
  double mirrored = 0;
  double bits = 0;  // of the copies, without their outer headers
  double truncated = 0;
  double dropped = 0;
  std::map<std::string, double> drops;
  Rates& operator+=(const Rates& other);
};

using History = std::deque<double>;  // of `bits`, the newest last

class Meter {
 public:
  static constexpr size_t kHistory = 120;

  void take(Reading reading);
  // Nothing is known of what happens now: the daemon does not answer. What it has counted meanwhile
  // shows in the rates of the next reading.
  void lose() { rates_.clear(); }

  const std::map<Flow, Counters>& flows() const { return last_.flows; }
  // Empty before the second reading.
  std::optional<Rates> rates(const Flow& flow) const;
  const History& history(const Flow& flow) const;

 private:
  bool has_reading_ = false;
  Reading last_;
  std::map<Flow, Rates> rates_;
  std::map<Flow, History> histories_;
};

}  // namespace vxtap::cli
