#include "cli/meter.h"

#include <array>

namespace vxtap::cli {
namespace {

constexpr std::array kCounters{&Counters::matched_packets, &Counters::mirrored_packets,
                               &Counters::mirrored_bytes, &Counters::truncated_packets,
                               &Counters::dropped_packets};

Counters read_counters(const Json& counters, const std::string& state) {
  const auto number = [&](const char* field) { return counters.at(field).get<uint64_t>(); };
  return {number("matched_packets"),
          number("mirrored_packets"),
          number("mirrored_bytes"),
          number("truncated_packets"),
          number("dropped_packets"),
          counters.at("drops").get<std::map<std::string, uint64_t>>(),
          state};
}

// Counters that went back began at zero in between: the daemon came anew without them, or a session
// of the same name did.
bool began_anew(const Counters& before, const Counters& now) {
  for (const auto counter : kCounters) {
    if (now.*counter < before.*counter) return true;
  }
  return false;
}

Rates rates_between(const Counters& before, const Counters& now, double seconds) {
  const auto base = began_anew(before, now) ? Counters{} : before;
  const auto rate = [&](uint64_t first, uint64_t last) {
    return last > first ? static_cast<double>(last - first) / seconds : 0;
  };
  Rates rates{rate(base.matched_packets, now.matched_packets),
              rate(base.mirrored_packets, now.mirrored_packets),
              rate(base.mirrored_bytes, now.mirrored_bytes) * 8,
              rate(base.truncated_packets, now.truncated_packets),
              rate(base.dropped_packets, now.dropped_packets),
              {}};
  for (const auto& [reason, packets] : now.drops) {
    const auto earlier = base.drops.find(reason);
    rates.drops[reason] = rate(earlier == base.drops.end() ? 0 : earlier->second, packets);
  }
  return rates;
}

}  // namespace

Reading read_stats(const Json& stats, double seconds) {
  Reading reading{seconds, {}};
  for (const auto& session : stats.at("sessions")) {
    const auto name = session.at("name").get<std::string>();
    const bool enabled = session.at("enabled").get<bool>();
    for (const auto& source : session.at("sources")) {
      const auto interface = source.at("interface").get<std::string>();
      const auto fares = source.at("state").get<std::string>();
      const auto state = !enabled ? "stopped" : fares == "active" ? "" : fares;
      for (const char* direction : {"inbound", "outbound"}) {
        reading.flows[{name, interface, direction}] = read_counters(source.at(direction), state);
      }
    }
  }
  return reading;
}

Rates& Rates::operator+=(const Rates& other) {
  matched += other.matched;
  mirrored += other.mirrored;
  bits += other.bits;
  truncated += other.truncated;
  dropped += other.dropped;
  for (const auto& [reason, rate] : other.drops) drops[reason] += rate;
  return *this;
}

void Meter::take(Reading reading) {
  const double elapsed = reading.seconds - last_.seconds;
  if (has_reading_ && elapsed <= 0) return;
  rates_.clear();
  std::erase_if(histories_,
                [&](const auto& entry) { return !reading.flows.contains(entry.first); });
  if (has_reading_) {
    for (const auto& [flow, counters] : reading.flows) {
      // A flow that was not there began at zero.
      const auto rates = rates_between(last_.flows[flow], counters, elapsed);
      rates_[flow] = rates;
      auto& history = histories_[flow];
      history.push_back(rates.bits);
      if (history.size() > kHistory) history.pop_front();
    }
  }
  last_ = std::move(reading);
  has_reading_ = true;
}

std::optional<Rates> Meter::rates(const Flow& flow) const {
  const auto found = rates_.find(flow);
  return found == rates_.end() ? std::nullopt : std::optional(found->second);
}

const History& Meter::history(const Flow& flow) const {
  static const History none;
  const auto found = histories_.find(flow);
  return found == histories_.end() ? none : found->second;
}

}  // namespace vxtap::cli
