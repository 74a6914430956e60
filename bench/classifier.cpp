// What the program on a source takes by itself, by the number of rules: BPF_PROG_TEST_RUN times it
// in the kernel, without a system call, a device or a copy. Prints JSON.

#include <bpf/bpf.h>
#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdint>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "agent/kernel/check.h"
#include "agent/kernel/datapath.h"
#include "agent/kernel/network.h"
#include "agent/kernel/tunnel.h"
#include "agent/model/compile.h"
#include "agent/model/document.h"
#include "agent/model/plan.h"
#include "tests/bpf/packet.h"

namespace {

using vxtap::Direction;
using vxtap::test::Bytes;

constexpr uint16_t kPort = 4789;
constexpr uint32_t kIfindex = 1;  // of the loopback device, in every network namespace
constexpr std::array kRules = {10U, 100U, 1000U, 10000U};

struct Options {
  unsigned rounds = 5, repeat = 200000, flows = 20000;
  int core = 1;
};

// Rule `n` has a source network of its own.
std::string source_network(uint32_t n) {
  return "10." + std::to_string(n / 256) + "." + std::to_string(n % 256) + ".";
}

// A hit is not copied, for the copy would be measured and not the search.
std::string document(uint32_t rules) {
  auto inbound = nlohmann::json::array();
  for (uint32_t n = 0; n < rules; ++n) {
    inbound.push_back(
        {{"priority", n + 1},
         {"policy", "ignore"},
         {"protocol", "tcp"},
         {"source_cidr", source_network(n) + "0/24"},
         {"destination_cidr", "10.128.0.0/9"},
         {"destination_port", std::to_string(n + 1) + "/" + std::to_string(n + 1024)}});
  }
  return nlohmann::json{{"filters", {{{"name", "f"}, {"inbound", inbound}}}},
                        {"sessions",
                         {{{"name", "s"},
                           {"filter", "f"},
                           {"sources", {"lo"}},
                           {"destination", "192.0.2.9"},
                           {"vni", 7},
                           {"priority", 1},
                           {"enabled", true}}}}}
      .dump();
}

Bytes packet(const std::string& source, uint16_t source_port, uint16_t destination_port) {
  using namespace vxtap::test;
  return (ethernet() / ipv4(source, "10.128.0.1") / tcp(source_port, destination_port) /
          payload(100))
      .bytes();
}

class Classifier {
 public:
  Classifier() : tunnel_(network_, kPort, pins_), datapath_(kPort, pins_) {
    datapath_.use_devices(tunnel_.devices());
  }

  void configure(uint32_t rules) {
    const auto plan = vxtap::make_plan({}, vxtap::parse_document(document(rules)), true,
                                       {.rules_per_direction = rules}, [] { return 1U; });
    vxtap::Surroundings surroundings;
    surroundings.interfaces["lo"] = {kIfindex};
    for (const auto& [name, session] : plan.result.sessions) {
      surroundings.paths[session.destination] = {.mtu = 9000};
    }
    datapath_.publish(compile(plan.result, surroundings, ids_, rule_tables_));
    rule_tables_.keep_only(plan.result);
  }

  // Nanoseconds of one run, the mean of `repeat`.
  uint32_t run(const Bytes& bytes, unsigned repeat) {
    __sk_buff context{};
    context.ifindex = kIfindex;
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes.data(),
                .data_size_in = static_cast<uint32_t>(bytes.size()), .ctx_in = &context,
                .ctx_size_in = sizeof(context), .repeat = static_cast<int>(repeat));
    vxtap::check(bpf_prog_test_run_opts(datapath_.program(Direction::inbound), &options),
                 "BPF_PROG_TEST_RUN");
    return options.duration;
  }

 private:
  vxtap::Network network_;
  vxtap::Pins pins_;
  vxtap::TunnelOwner tunnel_;
  vxtap::Datapath datapath_;
  vxtap::Ids ids_;
  vxtap::RuleTables rule_tables_;
};

// A run for each packet, and no packet twice: the median, for a run alone is easily disturbed.
uint32_t new_flows(Classifier& classifier, uint32_t rules, unsigned flows) {
  std::minstd_rand draw(rules);
  std::vector<uint32_t> times(flows);
  for (auto& time : times) {
    const auto source = source_network(draw() % rules) + std::to_string(draw() % 256);
    time = classifier.run(packet(source, draw() % 65536, draw() % 65536), 1);
  }
  const auto middle = times.begin() + flows / 2;
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

nlohmann::json measure(const Options& options) {
  Classifier classifier;
  std::map<uint32_t, std::map<std::string, std::vector<uint32_t>>> samples;
  for (unsigned round = 0; round < options.rounds; ++round) {
    for (const auto rules : kRules) {
      classifier.configure(rules);
      const auto last = packet(source_network(rules - 1) + "1", 40000, rules);
      const auto other = packet("172.16.0.1", 40000, rules);
      samples[rules]["last rule"].push_back(classifier.run(last, options.repeat));
      samples[rules]["no rule"].push_back(classifier.run(other, options.repeat));
      samples[rules]["new flows"].push_back(new_flows(classifier, rules, options.flows));
    }
  }
  auto rows = nlohmann::json::array();
  for (const auto& [rules, of_rules] : samples) {
    rows.push_back({{"rules", rules}, {"samples", of_rules}});
  }
  return rows;
}

void isolate(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0 || unshare(CLONE_NEWNET) != 0) {
    throw std::system_error(errno, std::generic_category(), "a core and a network namespace");
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Times the program on a source by the number of rules"};
  app.add_option("--rounds", options.rounds)->check(CLI::PositiveNumber);
  app.add_option("--repeat", options.repeat, "runs with one packet")->check(CLI::PositiveNumber);
  app.add_option("--flows", options.flows, "packets of new flows")->check(CLI::PositiveNumber);
  app.add_option("--core", options.core)->check(CLI::Range(0, CPU_SETSIZE - 1));
  CLI11_PARSE(app, argc, argv);
  try {
    isolate(options.core);
    std::cout << measure(options) << '\n';
  } catch (const std::exception& error) {
    std::cerr << "classifier_bench: " << error.what() << '\n';
    return 1;
  }
}
