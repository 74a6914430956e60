#include "agent/api/metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "agent/api/report.h"
#include "agent/model/value.h"

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
    name_ = name;
    text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " " + type + "\n";
  }
  template <class Number>
  void add(const std::string& labels, Number value) {
    text_ += name_ + labels + " " + std::to_string(value) + "\n";
  }
  // A metric that has one sample.
  template <class Number>
  void single(const std::string& name, const char* type, const std::string& help, Number value) {
    begin(name, type, help);
    add("", value);
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
    for (const auto& source : agent.accounts().counted_sources(name)) {
      for (const Direction direction : kDirections) {
        result.push_back({"{session=" + quoted(name) + ",source=" + quoted(source) +
                              ",direction=\"" + to_string(direction) + "\"",
                          agent.accounts().of(name, source, direction)});
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
    Counter{"vxtap_matched_packets_total", "Wire packets that a rule said to collect.",
            [](const mirror_counters& c) -> uint64_t { return c.matched_packets; }},
    Counter{"vxtap_matched_bytes_total", "Wire bytes that a rule said to collect.",
            [](const mirror_counters& c) -> uint64_t { return c.matched_bytes; }},
    Counter{"vxtap_mirrored_packets_total", "Copies handed to the tunnel.",
            [](const mirror_counters& c) -> uint64_t { return c.mirrored_packets; }},
    Counter{"vxtap_mirrored_bytes_total", "Inner bytes of the copies handed to the tunnel.",
            [](const mirror_counters& c) -> uint64_t { return c.mirrored_bytes; }},
    Counter{"vxtap_truncated_packets_total", "Copies that were cut.",
            [](const mirror_counters& c) -> uint64_t { return c.truncated_packets; }}};

void add_sources(Metrics& metrics, const Agent& agent, const char* name, const char* help,
                 uint64_t (*value)(const mirror_source_counters& counters)) {
  metrics.begin(name, "counter", help);
  for (const auto& [interface, status] : agent.sources()) {
    metrics.add("{source=" + quoted(interface) + "}", value(agent.accounts().of_source(interface)));
  }
}

void add_counters(Metrics& metrics, const Agent& agent) {
  const auto all = samples(agent);
  for (const auto& counter : kCounters) {
    metrics.begin(counter.name, "counter", counter.help);
    for (const auto& sample : all) metrics.add(sample.labels + "}", counter.value(sample.counters));
  }
  metrics.begin("vxtap_dropped_packets_total", "counter", "Matched packets that have no copy.");
  for (const auto& sample : all) {
    for (size_t i = 0; i < kDropReasons.size(); ++i) {
      metrics.add(sample.labels + ",reason=\"" + kDropReasons.at(i) + "\"}",
                  sample.counters.dropped_packets[i]);
    }
  }
}

void add_all_sources(Metrics& metrics, const Agent& agent) {
  add_sources(metrics, agent, "vxtap_source_seen_packets_total",
              "Wire packets that the source had.",
              [](const mirror_source_counters& c) -> uint64_t { return c.seen_packets; });
  add_sources(metrics, agent, "vxtap_source_skipped_packets_total", "Packets that are not IP.",
              [](const mirror_source_counters& c) -> uint64_t { return c.skipped_packets; });
  add_sources(metrics, agent, "vxtap_source_own_packets_total", "Packets of the mirror itself.",
              [](const mirror_source_counters& c) -> uint64_t { return c.own_packets; });
  add_sources(metrics, agent, "vxtap_source_undecided_packets_total",
              "Later fragments whose first was not seen, where a rule's ports would decide.",
              [](const mirror_source_counters& c) -> uint64_t { return c.undecided_packets; });
  metrics.begin("vxtap_source_active", "gauge", "Whether the source can be mirrored.");
  for (const auto& [interface, status] : agent.sources()) {
    metrics.add("{source=" + quoted(interface) + "}", status.state == SourceState::active ? 1 : 0);
  }
}

void add_sessions(Metrics& metrics, const Agent& agent) {
  metrics.begin("vxtap_session_enabled", "gauge", "Whether the session is enabled.");
  for (const auto& [name, session] : agent.configuration().sessions) {
    metrics.add("{session=" + quoted(name) + "}", session.enabled ? 1 : 0);
  }
  metrics.begin("vxtap_session_info", "gauge", "Where the session's copies go, always 1.");
  for (const auto& [name, session] : agent.configuration().sessions) {
    metrics.add("{session=" + quoted(name) + ",filter=" + quoted(session.filter) +
                    ",destination=\"" + to_string(session.destination) + "\",vni=\"" +
                    std::to_string(session.vni.value()) + "\"}",
                1);
  }
}

// The names that every client library of Prometheus gives these.
void add_process(Metrics& metrics, const Agent& agent) {
  using std::chrono::system_clock;
  static const auto started = system_clock::now() - agent.uptime();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  uint64_t pages = 0;
  uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  const std::filesystem::directory_iterator descriptors("/proc/self/fd");
  metrics.single("process_start_time_seconds", "gauge", "When the daemon started, in Unix time.",
                 system_clock::to_time_t(started));
  metrics.single("process_cpu_seconds_total", "counter", "CPU time of the daemon.",
                 seconds(usage.ru_utime) + seconds(usage.ru_stime));
  metrics.single("process_resident_memory_bytes", "gauge", "Memory of the daemon.",
                 resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  metrics.single("process_open_fds", "gauge", "File descriptors that the daemon holds.",
                 std::distance(begin(descriptors), end(descriptors)));
}

}  // namespace

std::string metrics(Agent& agent) {
  Metrics metrics;
  metrics.begin("vxtap_build_info", "gauge", "The version of the daemon, always 1.");
  metrics.add("{version=\"" VXTAP_VERSION "\"}", 1);
  metrics.single("vxtap_problems", "gauge",
                 "What 'vxtap status' says is wrong, how many sentences.", agent.problems().size());
  add_sessions(metrics, agent);
  add_counters(metrics, agent);
  add_all_sources(metrics, agent);
  add_process(metrics, agent);
  return metrics.take();
}

}  // namespace vxtap
