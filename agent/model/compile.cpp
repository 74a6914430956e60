#include "agent/model/compile.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "agent/model/decision_tree.h"
#include "agent/model/value.h"

namespace vxtap {
namespace {

// Outer IP, UDP and VXLAN headers: what is left of the path MTU is for the inner frame.
constexpr uint32_t kOverheadIpv4 = 20 + 8 + 8;
constexpr uint32_t kOverheadIpv6 = 40 + 8 + 8;
constexpr uint32_t kShortestFrame = 14 + 20;

void set_network(const Cidr& cidr, __be32 (&network)[4], __be32 (&mask)[4]) {
  std::memcpy(network, cidr.network.bytes.data(), sizeof(network));
  std::array<uint8_t, 16> bytes{};
  for (uint32_t bit = 0; bit < cidr.prefix_length; ++bit) {
    bytes.at(bit / 8) |= static_cast<uint8_t>(0x80U >> bit % 8);
  }
  std::memcpy(mask, bytes.data(), sizeof(mask));
}

uint32_t frame_limit(const Session& session, const Surroundings& surroundings) {
  const auto path = surroundings.paths.find(session.destination);
  if (path == surroundings.paths.end()) return 0;
  const bool ipv4 = session.destination.family == Family::ipv4;
  const uint32_t overhead = ipv4 ? kOverheadIpv4 : kOverheadIpv6;
  // No path is so narrow that not even the headers fit, whatever somebody sets an MTU to.
  return std::max(path->second.mtu, overhead + kShortestFrame) - overhead;
}

mirror_destination compile_destination(const Address& address, const Surroundings& surroundings) {
  mirror_destination destination{};
  destination.address = compile_address(address);
  const auto path = surroundings.paths.find(address);
  if (path == surroundings.paths.end()) return destination;
  destination.local = path->second.local ? 1 : 0;
  destination.no_neighbours = path->second.no_neighbours ? 1 : 0;
  destination.link_down = path->second.link_down ? 1 : 0;
  destination.encapsulate = path->second.encapsulate ? 1 : 0;
  return destination;
}

// Gives each rule table in use a number within the result.
class TableNumbers {
 public:
  TableNumbers(RuleTables& tables, std::vector<SharedRuleTable>& used)
      : tables_(tables), used_(used) {}

  void refer(const SharedFilter& filter, Direction direction, mirror_attachment& attachment) {
    const auto side = static_cast<size_t>(direction);
    if (filter->of(direction).empty()) return;
    const auto& table = tables_.of(filter, direction);
    const auto [known, fresh] = numbers_.try_emplace(table.get(), used_.size());
    if (fresh) used_.push_back(table);
    attachment.rule_table[side] = static_cast<uint32_t>(known->second);
    attachment.rule_count[side] = static_cast<uint32_t>(table->rules.size());
  }

 private:
  RuleTables& tables_;
  std::vector<SharedRuleTable>& used_;
  std::map<const RuleTable*, size_t> numbers_;
};

std::vector<const Session*> by_priority(const Configuration& configuration) {
  std::vector<const Session*> sessions;
  for (const auto& [name, session] : configuration.sessions) sessions.push_back(&session);
  std::sort(sessions.begin(), sessions.end(),
            [](const Session* a, const Session* b) { return a->priority < b->priority; });
  return sessions;
}

}  // namespace

const SharedRuleTable& RuleTables::of(const SharedFilter& filter, Direction direction) {
  auto& table = tables_[filter].at(static_cast<size_t>(direction));
  if (table) return table;
  // A filter whose rules of this direction did not change keeps their table.
  for (const auto& [known, tables] : tables_) {
    const auto& other = tables.at(static_cast<size_t>(direction));
    if (other && known->name == filter->name && known->of(direction) == filter->of(direction)) {
      return table = other;
    }
  }
  auto compiled = std::make_shared<RuleTable>();
  compiled->rules.reserve(filter->of(direction).size());
  for (const auto& rule : filter->of(direction)) {
    compiled->rules.push_back(compile_rule(rule, direction));
  }
  compiled->trees = build_trees(compiled->rules);
  table = std::move(compiled);
  return table;
}

void RuleTables::keep_only(const Configuration& configuration) {
  std::erase_if(tables_, [&](const auto& entry) {
    const auto current = configuration.filters.find(entry.first->name);
    return current == configuration.filters.end() || current->second != entry.first;
  });
}

Ids::Ids(const Names& known) {
  for (const auto& [number, name] : known) {
    numbers_.emplace(name, number);
    known_.insert(number);
    next_ = std::max(next_, number + 1);
  }
}

uint32_t Ids::number(const Name& name) {
  const auto [entry, fresh] = numbers_.try_emplace(name, next_);
  if (fresh) {
    known_.insert(next_);
    fresh_.emplace(next_++, name);
  }
  return entry->second;
}

uint32_t Ids::destination(const Address& address) {
  return number({Kind::destination, to_string(address), ""});
}

std::set<std::string> Ids::counted_sources(const std::string& session) const {
  std::set<std::string> sources;
  for (auto entry = numbers_.lower_bound({Kind::counter, session, ""});
       entry != numbers_.end() && entry->first.kind == Kind::counter &&
       entry->first.first == session;
       ++entry) {
    sources.insert(entry->first.second);
  }
  return sources;
}

std::set<uint32_t> Ids::keep_only(const Configuration& configuration) {
  std::set<std::string> sources, destinations;
  for (const auto& [name, session] : configuration.sessions) {
    const auto counted = counted_sources(name);
    sources.insert(counted.begin(), counted.end());
    destinations.insert(to_string(session.destination));
  }
  const auto is_known = [&](const Name& name) {
    const auto session = configuration.sessions.find(name.first);
    switch (name.kind) {
      case Kind::session:
        return session != configuration.sessions.end() && session->second.filter == name.second;
      case Kind::counter:
        return session != configuration.sessions.end();
      case Kind::source:
        return sources.contains(name.first);
      case Kind::destination:
        return destinations.contains(name.first);
    }
    return false;
  };
  std::set<uint32_t> forgotten;
  std::erase_if(numbers_, [&](const auto& entry) {
    if (is_known(entry.first)) return false;
    forgotten.insert(entry.second);
    known_.erase(entry.second);
    fresh_.erase(entry.second);
    return true;
  });
  return forgotten;
}

uint32_t Ids::forget_counter(const std::string& session, const std::string& interface) {
  const Name name{Kind::counter, session, interface};
  const uint32_t forgotten = number(name);
  numbers_.erase(name);
  known_.erase(forgotten);
  fresh_.erase(forgotten);
  return forgotten;
}

mirror_address compile_address(const Address& address) {
  mirror_address compiled{};
  std::copy(address.bytes.begin(), address.bytes.end(), compiled.bytes);
  compiled.family = static_cast<uint8_t>(address.family);
  return compiled;
}

mirror_rule compile_rule(const Rule& rule, Direction direction) {
  mirror_rule compiled{};
  compiled.rule_id = mirror_rule_id(static_cast<uint32_t>(direction), rule.priority);
  compiled.policy = static_cast<uint8_t>(rule.policy);
  compiled.match_protocol = rule.protocol ? 1 : 0;
  compiled.protocol = rule.protocol.value_or(0);
  if (rule.source_cidr) {
    compiled.family = static_cast<uint8_t>(rule.source_cidr->network.family);
    set_network(*rule.source_cidr, compiled.source, compiled.source_mask);
  }
  if (rule.destination_cidr) {
    compiled.family = static_cast<uint8_t>(rule.destination_cidr->network.family);
    set_network(*rule.destination_cidr, compiled.destination, compiled.destination_mask);
  }
  compiled.match_ports = rule.source_port || rule.destination_port ? 1 : 0;
  const auto source = rule.source_port.value_or(PortRange{});
  const auto destination = rule.destination_port.value_or(PortRange{});
  compiled.source_port_first = source.first;
  compiled.source_port_last = source.last;
  compiled.destination_port_first = destination.first;
  compiled.destination_port_last = destination.last;
  return compiled;
}

CompiledConfiguration compile(const Configuration& configuration, const Surroundings& surroundings,
                              Ids& ids, RuleTables& tables) {
  CompiledConfiguration result;
  for (const auto& address : surroundings.host_addresses) {
    result.collectors[address] = MIRROR_THIS_HOST;
  }
  TableNumbers numbers(tables, result.rule_tables);
  std::map<uint32_t, std::vector<CompiledSlot>> chains;  // by ifindex
  for (const Session* session : by_priority(configuration)) {
    const uint32_t destination = ids.destination(session->destination);
    result.destinations.emplace(destination,
                                compile_destination(session->destination, surroundings));
    result.collectors[session->destination] = MIRROR_DESTINATION;
    if (!session->enabled) continue;
    for (const auto& [interface, source] :
         sources_among(*session, surroundings.interfaces, surroundings.near_ends)) {
      const auto [ifindex, ethernet] = surroundings.interfaces.at(interface);
      auto& chain = chains[ifindex];
      CompiledSlot compiled{};
      compiled.slot = {ifindex, static_cast<uint32_t>(chain.size())};
      auto& attachment = compiled.attachment;
      attachment.session_id = ids.session(session->name, session->filter);
      attachment.source_id = ids.source(interface);
      attachment.counter_id = ids.counter(session->name, interface);
      attachment.destination_id = destination;
      attachment.vni = session->vni.value_or(0);
      attachment.packet_length = session->packet_length;
      attachment.frame_limit = frame_limit(*session, surroundings);
      attachment.fragments = session->oversize == Oversize::fragment ? 1 : 0;
      attachment.fall_through = session->fall_through ? 1 : 0;
      attachment.no_ethernet = ethernet ? 0 : 1;
      attachment.flip = source.flip ? 1 : 0;
      for (const Direction direction : kDirections) {
        numbers.refer(configuration.filters.at(session->filter), direction, attachment);
      }
      chain.push_back(compiled);
    }
  }
  for (auto& [ifindex, chain] : chains) {
    chain.back().attachment.last = 1;
    result.hooked.push_back(ifindex);
    result.slots.insert(result.slots.end(), chain.begin(), chain.end());
  }
  return result;
}

}  // namespace vxtap
