#include "agent/api/metrics.h"

#include <functional>

#include "agent/api/report.h"

namespace vxtap {
namespace {

// A label's value: backslash, quote and line feed are escaped.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char character : text) {
    if (character == '\\' || character == '"') result += '\\';
    result += character == '\n' ? std::string("\\n") : std::string(1, character);
  }
  return result + '"';
}

class Metrics {
 public:
  void begin(const std::string& name, const char* type, const std::string& help) {
    name_ = "vxtap_" + name;
    text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " " + type + "\n";
  }
  void add(const std::string& labels, uint64_t value) {
    text_ += name_ + labels + " " + std::to_string(value) + "\n";
  }
  std::string take() { return std::move(text_); }

 private:
  std::string name_, text_;
};

struct Sample {
  std::string labels;  // without the closing brace
  mirror_counters counters;
};

std::vector<Sample> samples(const Agent& agent) {
  std::vector<Sample> result;
  for (const auto& [name, session] : agent.configuration().sessions) {
    for (const auto& source : agent.counted_sources(name)) {
      for (const Direction direction : kDirections) {
        result.push_back({"{session=" + quoted(name) + ",source=" + quoted(source) +
                              ",direction=\"" + to_string(direction) + "\"",
                          agent.counters(name, source, direction)});
      }
    }
  }
  return result;
}

struct Counter {
  const char* name;
  const char* help;
  uint64_t (*value)(const mirror_counters& counters);
};

constexpr std::array kCounters{
    Counter{"matched_packets_total", "Wire packets that a rule said to collect.",
            [](const mirror_counters& c) -> uint64_t { return c.matched_packets; }},
    Counter{"matched_bytes_total", "Wire bytes that a rule said to collect.",
            [](const mirror_counters& c) -> uint64_t { return c.matched_bytes; }},
    Counter{"mirrored_packets_total", "Copies handed to the tunnel.",
            [](const mirror_counters& c) -> uint64_t { return c.mirrored_packets; }},
    Counter{"mirrored_bytes_total", "Inner bytes of the copies handed to the tunnel.",
            [](const mirror_counters& c) -> uint64_t { return c.mirrored_bytes; }},
    Counter{"truncated_packets_total", "Copies that were cut.",
            [](const mirror_counters& c) -> uint64_t { return c.truncated_packets; }}};

void add_sources(Metrics& metrics, const Agent& agent, const char* name, const char* help,
                 uint64_t (*value)(const mirror_source_counters& counters)) {
  metrics.begin(name, "counter", help);
  for (const auto& [interface, status] : agent.sources()) {
    metrics.add("{source=" + quoted(interface) + "}", value(agent.source_counters(interface)));
  }
}

}  // namespace

std::string metrics(const Agent& agent) {
  Metrics metrics;
  metrics.begin("build_info", "gauge", "The version of the daemon.");
  metrics.add("{version=\"" VXTAP_VERSION "\"}", 1);
  const auto all = samples(agent);
  for (const auto& counter : kCounters) {
    metrics.begin(counter.name, "counter", counter.help);
    for (const auto& sample : all) metrics.add(sample.labels + "}", counter.value(sample.counters));
  }
  metrics.begin("dropped_packets_total", "counter", "Matched packets that have no copy.");
  for (const auto& sample : all) {
    for (size_t i = 0; i < kDropReasons.size(); ++i) {
      metrics.add(sample.labels + ",reason=\"" + kDropReasons.at(i) + "\"}",
                  sample.counters.dropped_packets[i]);
    }
  }
  add_sources(metrics, agent, "source_seen_packets_total", "Wire packets that the source had.",
              [](const mirror_source_counters& c) -> uint64_t { return c.seen_packets; });
  add_sources(metrics, agent, "source_skipped_packets_total", "Packets that are not IP.",
              [](const mirror_source_counters& c) -> uint64_t { return c.skipped_packets; });
  add_sources(metrics, agent, "source_own_packets_total", "Packets of the mirror itself.",
              [](const mirror_source_counters& c) -> uint64_t { return c.own_packets; });
  add_sources(metrics, agent, "source_undecided_packets_total",
              "Later fragments whose first was not seen, where a rule's ports would decide.",
              [](const mirror_source_counters& c) -> uint64_t { return c.undecided_packets; });
  metrics.begin("source_active", "gauge", "Whether the source can be mirrored.");
  for (const auto& [interface, status] : agent.sources()) {
    metrics.add("{source=" + quoted(interface) + "}", status.state == SourceState::active ? 1 : 0);
  }
  metrics.begin("session_enabled", "gauge", "Whether the session is enabled.");
  for (const auto& [name, session] : agent.configuration().sessions) {
    metrics.add("{session=" + quoted(name) + "}", session.enabled ? 1 : 0);
  }
  return metrics.take();
}

}  // namespace vxtap
