#include "tests/bpf/tally.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "agent/model/value.h"

namespace vxtap::test {
namespace {

const char* outcome(const Expectation& expectation) {
  switch (expectation.kind) {
    case Expectation::Kind::no_source:
      return "no source";
    case Expectation::Kind::skipped:
      return "skipped";
    case Expectation::Kind::own:
      return "own";
    case Expectation::Kind::searched:
      break;
  }
  for (const auto& [session, decision] : expectation.tried) {
    if (decision.doubtful) return "undecided";
    if (decision.rule != nullptr) {
      return decision.rule->policy == Policy::collect ? "collect" : "ignore";
    }
  }
  return "none";
}

bool limits(const Rule& rule, Family family) {
  const auto of_family = [&](const std::optional<Cidr>& cidr) {
    return cidr && cidr->network.family == family;
  };
  return of_family(rule.source_cidr) || of_family(rule.destination_cidr);
}

}  // namespace

void Tally::add(const std::string& what, bool happened) {
  if (happened) ++counts_[what];
}

void Tally::add(const Sample& sample, const Expectation& expectation) {
  ++packets_;
  add(outcome(expectation));
  add("outbound", sample.direction == Direction::outbound);
  add("tags", sample.tags > 0);
  add("extension headers", sample.extensions > 0);
  add("first fragment", sample.fragment && !sample.later_fragment);
  add("later fragment", sample.later_fragment);
  add("near miss", sample.near_miss);
  if (sample.fields) add_fields(*sample.fields);
  add_search(expectation.tried);
}

void Tally::add_fields(const PacketFields& fields) {
  add("packet of " + protocol_to_string(fields.protocol));
  add("IPv6", fields.source.family == Family::ipv6);
  add("hidden ports", protocol_has_ports(fields.protocol) && !fields.ports);
}

void Tally::add_search(const std::vector<Tried>& tried) {
  for (const auto& [session, decision] : tried) {
    const Rule* rule = decision.rule;
    if (rule == nullptr) continue;
    add("decided with an IPv4 network", limits(*rule, Family::ipv4));
    add("decided with an IPv6 network", limits(*rule, Family::ipv6));
    add("decided with ports of " + protocol_to_string(rule->protocol),
        rule->source_port || rule->destination_port);
  }
  add("several sessions tried", tried.size() > 1);
  add("several decisions", std::count_if(tried.begin(), tried.end(), [](const Tried& one) {
                             return one.decision.rule != nullptr;
                           }) > 1);
}

double Tally::percent(const std::string& what) const {
  const auto found = counts_.find(what);
  const auto count = found == counts_.end() ? 0 : found->second;
  return 100.0 * static_cast<double>(count) / static_cast<double>(packets_);
}

std::string Tally::text() const {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1);
  for (const auto& [what, count] : counts_) {
    text << (text.tellp() > 0 ? ", " : "") << what << " " << percent(what) << " %";
  }
  return text.str();
}

}  // namespace vxtap::test
