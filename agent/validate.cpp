#include "agent/validate.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "agent/error.h"
#include "agent/value.h"

namespace vxtap {
namespace {

constexpr uint32_t kLastRulePriority = 16777216;
constexpr uint32_t kLastSessionPriority = 32766;
constexpr uint32_t kLastVni = 16777215;
constexpr uint32_t kShortestPacket = 64;
constexpr uint32_t kLongestPacket = 8500;
constexpr size_t kMostTags = 20;
constexpr size_t kLongestInterface = 15;  // IFNAMSIZ − 1

[[noreturn]] void refuse(const char* code, const std::string& path, const std::string& value,
                         const std::string& rule) {
  throw Error(Error::Kind::invalid, code, rule, path, value);
}

// Code points, not bytes: the limits speak of characters.
size_t characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<uint8_t>(byte) & 0xc0) != 0x80;
  }));
}

bool printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char byte) { return static_cast<uint8_t>(byte) < 0x20 || byte == 0x7f; });
}

bool starts_like_a_link(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

bool holds_a_link(std::string_view text) {
  return text.find("http://") != std::string_view::npos ||
         text.find("https://") != std::string_view::npos;
}

void check_name(const std::string& name, const std::string& path) {
  const auto length = characters(name);
  if (length < 1 || length > 128 || !printable(name) || name.find('/') != std::string::npos ||
      starts_like_a_link(name)) {
    refuse("InvalidName", path, name,
           "must be 1-128 printable characters without '/', not starting with http:// or https://");
  }
}

void check_description(const std::string& text, const std::string& path) {
  if (characters(text) > 256 || starts_like_a_link(text)) {
    refuse("InvalidDescription", path, text,
           "must be 0-256 characters, not starting with http:// or https://");
  }
}

void check_group(const std::string& text, const std::string& path) {
  if (characters(text) > 128) refuse("InvalidGroup", path, text, "must be 0-128 characters");
}

bool tag_text_allowed(const std::string& text) {
  return characters(text) <= 128 && !text.starts_with("acs:") && !text.starts_with("aliyun") &&
         !holds_a_link(text);
}

void check_tags(const Tags& tags, const std::string& path) {
  if (tags.size() > kMostTags) {
    refuse("TooManyTags", path, std::to_string(tags.size()) + " tags", "must be at most 20");
  }
  for (const auto& [key, value] : tags) {
    if (key.empty() || !tag_text_allowed(key)) {
      refuse("InvalidTag", path, key,
             "a key must be 1-128 characters, not starting with acs: or aliyun, without http:// "
             "or https://");
    }
    if (!tag_text_allowed(value)) {
      refuse("InvalidTag", std::string(path).append(".").append(key), value,
             "a value must be 0-128 characters, not starting with acs: or aliyun, without http:// "
             "or https://");
    }
  }
}

void check_range(uint32_t value, uint32_t first, uint32_t last, const std::string& path) {
  if (value < first || value > last) {
    refuse("OutOfRange", path, std::to_string(value),
           "must be from " + std::to_string(first) + " to " + std::to_string(last));
  }
}

void check_rule(const Rule& rule, const std::string& path) {
  check_range(rule.priority, 1, kLastRulePriority, path + ".priority");
  if (rule.source_cidr && rule.destination_cidr &&
      rule.source_cidr->network.family != rule.destination_cidr->network.family) {
    refuse("FamilyMismatch", path + ".destination_cidr", to_string(*rule.destination_cidr),
           "must be of the same family as source_cidr, " + to_string(*rule.source_cidr));
  }
  if (protocol_has_ports(rule.protocol)) return;
  const std::string taken = "only tcp, udp and sctp take ports: must be -1/-1 with protocol " +
                            protocol_to_string(rule.protocol);
  if (rule.source_port) {
    refuse("PortsNotAllowed", path + ".source_port", port_range_to_string(rule.source_port), taken);
  }
  if (rule.destination_port) {
    refuse("PortsNotAllowed", path + ".destination_port",
           port_range_to_string(rule.destination_port), taken);
  }
}

void check_rules(const std::vector<Rule>& rules, const Limits& limits, const std::string& path) {
  if (rules.size() > limits.rules_per_direction) {
    refuse("TooManyRules", path, std::to_string(rules.size()) + " rules",
           "must be at most " + std::to_string(limits.rules_per_direction) +
               " (a setting of the daemon, limits.rules_per_direction)");
  }
  std::map<uint32_t, size_t> taken;
  for (size_t i = 0; i < rules.size(); ++i) {
    const auto here = path + "[" + std::to_string(i) + "]";
    check_rule(rules[i], here);
    const auto [first, fresh] = taken.emplace(rules[i].priority, i);
    if (!fresh) {
      refuse("DuplicatePriority", here + ".priority", std::to_string(rules[i].priority),
             "must be unique per direction: " + path + "[" + std::to_string(first->second) +
                 "] has it already");
    }
  }
}

template <class Object>
void check_common(const Object& object, const std::string& path, std::set<std::string>& names) {
  check_name(object.name, path + ".name");
  check_description(object.description, path + ".description");
  check_group(object.group, path + ".group");
  check_tags(object.tags, path + ".tags");
  if (!names.insert(object.name).second) {
    refuse("DuplicateName", path + ".name", object.name, "must be unique: it stands there twice");
  }
}

void check_sources(const std::vector<std::string>& sources, const std::string& path) {
  std::set<std::string> seen;
  for (size_t i = 0; i < sources.size(); ++i) {
    const auto& name = sources[i];
    const auto here = path + "[" + std::to_string(i) + "]";
    const bool valid = !name.empty() && name.size() <= kLongestInterface && name != "." &&
                       name != ".." && printable(name) &&
                       name.find_first_of("/ :") == std::string::npos;
    if (!valid) {
      refuse("InvalidInterface", here, name,
             "must be an interface's name: 1-15 bytes without '/', ':' and blanks");
    }
    if (!seen.insert(name).second) refuse("DuplicateSource", here, name, "stands there twice");
  }
}

void check_destination(const Address& address, const std::string& path) {
  const bool ipv4 = address.family == Family::ipv4;
  const bool zero = std::all_of(address.bytes.begin(), address.bytes.end(),
                                [](uint8_t byte) { return byte == 0; });
  // 224.0.0.0/3 also holds the broadcast address and what is reserved.
  const bool multicast = ipv4 ? address.bytes[0] >= 224 : address.bytes[0] == 0xff;
  if (zero || multicast) {
    refuse("InvalidDestination", path, to_string(address),
           "must be the unicast address of a collector");
  }
}

void check_session(const Session& session, const std::string& path) {
  check_sources(session.sources, path + ".sources");
  check_destination(session.destination, path + ".destination");
  if (session.vni) check_range(*session.vni, 0, kLastVni, path + ".vni");
  check_range(session.priority, 1, kLastSessionPriority, path + ".priority");
  check_range(session.packet_length, kShortestPacket, kLongestPacket, path + ".packet_length");
}

}  // namespace

void validate(const Document& document, const Limits& limits) {
  std::set<std::string> names;
  for (size_t i = 0; i < document.filters.size(); ++i) {
    const auto path = "filters[" + std::to_string(i) + "]";
    check_common(document.filters[i], path, names);
    for (const Direction direction : kDirections) {
      check_rules(document.filters[i].rules.at(static_cast<size_t>(direction)), limits,
                  path + "." + to_string(direction));
    }
  }
  names.clear();
  for (size_t i = 0; i < document.sessions.size(); ++i) {
    const auto path = "sessions[" + std::to_string(i) + "]";
    check_common(document.sessions[i], path, names);
    check_session(document.sessions[i], path);
  }
}

void validate_relations(const Document& document, const Configuration& merged) {
  for (size_t i = 0; i < document.sessions.size(); ++i) {
    const auto& session = document.sessions[i];
    const auto path = "sessions[" + std::to_string(i) + "]";
    if (!merged.filters.contains(session.filter)) {
      refuse("UnknownFilter", path + ".filter", session.filter, "must be an existing filter");
    }
    for (const auto& [name, other] : merged.sessions) {
      if (name == session.name || other.priority != session.priority) continue;
      throw Error(Error::Kind::conflict, "PriorityTaken",
                  "must be unique among sessions: session '" + name + "' has it",
                  path + ".priority", std::to_string(session.priority));
    }
  }
}

}  // namespace vxtap
