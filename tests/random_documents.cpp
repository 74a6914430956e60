#include "tests/random_documents.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "agent/model/document.h"
#include "agent/model/value.h"

namespace vxtap::test {
namespace {

constexpr size_t kMostRules = 40;

struct Characters {
  uint32_t first, last;  // code points
};
constexpr std::array kPrintable{Characters{0x20, 0x7e}, Characters{0xa0, 0x7ff},
                                Characters{0x800, 0xd7ff}, Characters{0xe000, 0xffff},
                                Characters{0x10000, 0x10ffff}};
constexpr std::array kControl{Characters{0, 0x1f}, Characters{0x7f, 0x9f}};

std::string utf8(uint32_t code_point) {
  const auto tail = [&](unsigned shift) {
    return static_cast<char>(0x80 | (code_point >> shift & 0x3f));
  };
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  if (code_point < 0x800) return {static_cast<char>(0xc0 | code_point >> 6), tail(0)};
  if (code_point < 0x10000) {
    return {static_cast<char>(0xe0 | code_point >> 12), tail(6), tail(0)};
  }
  return {static_cast<char>(0xf0 | code_point >> 18), tail(12), tail(6), tail(0)};
}

std::string printable_character(Random& random) {
  // Half of them from ASCII, where most of the rules are about.
  const auto& range = random.chance(50) ? kPrintable[0] : random.pick(kPrintable);
  return utf8(random.number(range.first, range.last));
}

size_t random_length(Random& random, size_t least, size_t most) {
  return random.chance(20) ? random.number_or_bound(least, most)
                           : random.number(least, std::min<size_t>(most, 12));
}

std::string random_name(Random& random) {
  std::string name;
  for (size_t length = random_length(random, 1, 128); length > 0; --length) {
    const auto character = printable_character(random);
    name += character == "/" ? "_" : character;
  }
  return name;
}

// Descriptions, groups and tags: control characters too, but never a link, which only some of them
// may hold, nor a start that tags must not have.
std::string random_text(Random& random, size_t least, size_t most) {
  std::string text;
  for (size_t length = random_length(random, least, most); length > 0; --length) {
    if (random.chance(5)) {
      const auto& range = random.pick(kControl);
      text += utf8(random.number(range.first, range.last));
    } else {
      text += printable_character(random);
    }
  }
  const bool forbidden = text.find("://") != std::string::npos || text.starts_with("acs:") ||
                         text.starts_with("aliyun");
  return forbidden ? random_text(random, least, most) : text;
}

// As near to what is forbidden as it may come.
std::string random_description(Random& random) {
  static const std::vector<std::string> starts{"", "", "", "", "http:/x", " https://", "HTTP://"};
  const auto& start = random.pick(starts);
  return start + random_text(random, 0, 256 - start.size());
}

std::string random_tag_text(Random& random, size_t least) {
  static const std::vector<std::string> starts{"", "", "", "", "acs.", "Acs:", "aliyu_", "http:/-"};
  const auto& start = random.pick(starts);
  return start + random_text(random, least, 128 - start.size());
}

Tags random_tags(Random& random) {
  Tags tags;
  const size_t count = random.chance(50) ? 0 : random_length(random, 0, 20);
  while (tags.size() < count) tags[random_tag_text(random, 1)] = random_tag_text(random, 0);
  return tags;
}

std::string random_interface(Random& random) {
  const size_t length = random.number_or_bound<size_t>(1, 15);  // bytes
  std::string name;
  while (name.size() < length) {
    const auto character = printable_character(random);
    const bool allowed = std::string_view("/: *?[\\").find(character) == std::string_view::npos;
    if (allowed && name.size() + character.size() <= length) name += character;
  }
  return name == "." || name == ".." ? random_interface(random) : name;
}

Cidr random_cidr(Random& random, Family family, const Pool& pool) {
  const uint8_t bits = family == Family::ipv4 ? 32 : 128;
  return network_of(random_address(random, family, pool),
                    random.chance(20) ? bits : random.number<uint8_t>(0, bits));
}

std::optional<PortRange> random_ports(Random& random, const Pool& pool) {
  if (random.chance(40)) return std::nullopt;
  const auto first = random_port(random, pool);
  if (random.chance(40)) return PortRange{first, first};
  const auto other =
      random.chance(30) ? random.number_or_bound<uint16_t>(0, 65535) : random_port(random, pool);
  return PortRange{std::min(first, other), std::max(first, other)};
}

Rule random_rule(Random& random, uint32_t priority, const Pool& pool) {
  Rule rule{.priority = priority};
  rule.policy = random.chance(50) ? Policy::collect : Policy::ignore;
  if (random.chance(80)) rule.protocol = random_protocol(random, pool);
  const auto family = random.chance(50) ? Family::ipv4 : Family::ipv6;
  if (random.chance(60)) rule.source_cidr = random_cidr(random, family, pool);
  if (random.chance(60)) rule.destination_cidr = random_cidr(random, family, pool);
  if (protocol_has_ports(rule.protocol)) {
    rule.source_port = random_ports(random, pool);
    rule.destination_port = random_ports(random, pool);
  }
  return rule;
}

std::set<uint32_t> unique_numbers(Random& random, size_t count, uint32_t first, uint32_t last) {
  std::set<uint32_t> numbers;
  while (numbers.size() < count) {
    numbers.insert(random.chance(10) ? random.number_or_bound(first, last)
                                     : random.number(first, last));
  }
  return numbers;
}

std::vector<std::string> unique_names(Random& random, size_t count) {
  std::set<std::string> names;
  while (names.size() < count) names.insert(random_name(random));
  std::vector<std::string> result(names.begin(), names.end());
  random.shuffle(result);
  return result;
}

}  // namespace

Address random_address(Random& random, Family family, const Pool& pool) {
  std::vector<Address> known;
  std::copy_if(pool.addresses.begin(), pool.addresses.end(), std::back_inserter(known),
               [&](const Address& address) { return address.family == family; });
  if (!known.empty()) return random.pick(known);
  Address address{family, {}};
  // Runs of zeros, which IPv6's text form shortens, and all ones.
  for (size_t i = 0; i < (family == Family::ipv4 ? 4 : 16); ++i) {
    address.bytes.at(i) = random.number_or_bound<uint8_t>(0, 255);
  }
  return address;
}

Address random_destination(Random& random) {
  auto address = random_address(random, random.chance(50) ? Family::ipv4 : Family::ipv6);
  auto& first = address.bytes[0];
  // Neither multicast nor unspecified.
  first = address.family == Family::ipv4 ? random.number_or_bound<uint8_t>(1, 223)
                                         : random.number_or_bound<uint8_t>(1, 0xfe);
  return address;
}

uint16_t random_port(Random& random, const Pool& pool) {
  return pool.ports.empty() ? random.number_or_bound<uint16_t>(0, 65535) : random.pick(pool.ports);
}

uint8_t random_protocol(Random& random, const Pool& pool) {
  static const std::vector<uint8_t> named{1, 6, 17, 47, 58, 132};
  if (!pool.protocols.empty()) return random.pick(pool.protocols);
  return random.chance(60) ? random.pick(named) : random.number_or_bound<uint8_t>(0, 255);
}

Cidr network_of(Address address, uint8_t prefix_length) {
  for (uint32_t bit = prefix_length; bit < address.bytes.size() * 8; ++bit) {
    address.bytes.at(bit / 8) &= static_cast<uint8_t>(~(0x80U >> bit % 8));
  }
  return {address, prefix_length};
}

Address random_host(Random& random, const Cidr& network) {
  Address address = network.network;
  const uint32_t bits = address.family == Family::ipv4 ? 32 : 128;
  const auto kind = random.number(0, 3);
  for (uint32_t bit = network.prefix_length; bit < bits; ++bit) {
    const bool set = kind == 0 || (kind > 1 && random.chance(50));
    if (set) address.bytes.at(bit / 8) |= static_cast<uint8_t>(0x80U >> bit % 8);
  }
  return address;
}

std::vector<Rule> random_rules(Random& random, size_t most, const Pool& pool) {
  std::vector<Rule> rules;
  const auto count = random.chance(15) ? random.number_or_bound<size_t>(0, most)
                                       : random.number<size_t>(0, random.number<size_t>(0, most));
  for (const uint32_t priority : unique_numbers(random, count, 1, 16777216)) {
    rules.push_back(random_rule(random, priority, pool));
  }
  random.shuffle(rules);
  return rules;
}

Session random_session(Random& random, const std::string& name, const std::string& filter) {
  Session session;
  session.name = name;
  session.filter = filter;
  session.description = random_description(random);
  session.group = random_text(random, 0, 128);
  session.tags = random_tags(random);
  std::set<std::string> sources;
  for (size_t count = random.number<size_t>(0, 4); sources.size() < count;) {
    auto source = random_interface(random);
    if (random.chance(20)) {
      source += "*";
    } else if (random.chance(20)) {
      source.insert(0, "netns:web/");
    }
    sources.insert(std::move(source));
  }
  session.sources.assign(sources.begin(), sources.end());
  random.shuffle(session.sources);
  for (auto& source : session.sources) {
    if (random.chance(20)) source += ":flip";
  }
  session.destination = random_destination(random);
  if (random.chance(60)) session.vni = random.number_or_bound(0U, 16777215U);
  session.priority = random.number_or_bound(1U, 32766U);
  session.packet_length = random.number_or_bound(64U, 8500U);
  session.oversize = random.chance(50) ? Oversize::truncate : Oversize::fragment;
  session.fall_through = random.chance(50);
  session.enabled = random.chance(50);
  return session;
}

Document random_document(Random& random) {
  Document document;
  for (const auto& name : unique_names(random, random.number<size_t>(0, 4))) {
    Filter filter{
        name, random_description(random), random_text(random, 0, 128), random_tags(random), {}};
    for (auto& rules : filter.rules) rules = random_rules(random, kMostRules);
    document.filters.push_back(std::move(filter));
  }
  if (document.filters.empty()) return document;
  const auto names = unique_names(random, random.number<size_t>(0, 5));
  const auto priorities = unique_numbers(random, names.size(), 1, 32766);
  auto priority = priorities.begin();
  for (const auto& name : names) {
    document.sessions.push_back(random_session(random, name, random.pick(document.filters).name));
    document.sessions.back().priority = *priority++;
  }
  random.shuffle(document.sessions);
  return document;
}

nlohmann::ordered_json to_json(const Document& document) {
  auto filters = nlohmann::ordered_json::array();
  auto sessions = nlohmann::ordered_json::array();
  for (const auto& filter : document.filters) filters.push_back(vxtap::to_json(filter));
  for (const auto& session : document.sessions) sessions.push_back(vxtap::to_json(session));
  return {{"filters", filters}, {"sessions", sessions}};
}

}  // namespace vxtap::test
