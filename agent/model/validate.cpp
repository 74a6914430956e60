#include "agent/model/validate.h"

#include <algorithm>
#include <array>
#include <boost/locale/utf.hpp>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/error.h"
#include "agent/model/source.h"
#include "agent/model/value.h"

namespace vxtap {
namespace {

constexpr size_t kMostTags = 20;
constexpr size_t kLongestInterface = 15;  // IFNAMSIZ − 1
constexpr size_t kLongestPlace = 255;     // bytes

[[noreturn]] void refuse(const char* code, const Place& place, const std::string& value,
                         const std::string& rule) {
  throw Error(Error::Kind::invalid, code, rule, place.text(), value);
}

// Code points, not bytes: the limits speak of characters.
size_t characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<uint8_t>(byte) & 0xc0) != 0x80;
  }));
}

// JSON already is; a path and what it holds need not be.
bool is_utf8(std::string_view text) {
  namespace utf = boost::locale::utf;
  const char* at = text.begin();
  while (at != text.end()) {
    const auto character = utf::utf_traits<char>::decode(at, text.end());
    if (character == utf::illegal || character == utf::incomplete) return false;
  }
  return true;
}

// No control characters: neither ASCII's nor those of Latin-1, which UTF-8 writes as C2 80 to C2
// 9F.
bool printable(std::string_view text) {
  uint8_t before = 0;
  return std::none_of(text.begin(), text.end(), [&](char character) {
    const auto byte = static_cast<uint8_t>(character);
    const bool control = byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte < 0xa0);
    before = byte;
    return control;
  });
}

bool is_interface(const std::string& name) {
  return !name.empty() && name.size() <= kLongestInterface && name != "." && name != ".." &&
         is_utf8(name) && printable(name) && name.find_first_of("/ :") == std::string::npos;
}

// A name below /run/netns, or an absolute path.
bool is_namespace(const std::string& place) {
  const bool path = place.starts_with('/');
  return place.size() > (path ? 1 : 0) && place.size() <= kLongestPlace && place != "." &&
         place != ".." && is_utf8(place) && printable(place) &&
         (path || place.find('/') == std::string::npos);
}

bool starts_like_a_link(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

bool holds_a_link(std::string_view text) {
  return text.find("http://") != std::string_view::npos ||
         text.find("https://") != std::string_view::npos;
}

void check_name(const std::string& name, const Place& place) {
  const auto length = characters(name);
  if (length < 1 || length > 128 || !printable(name) || name.find('/') != std::string::npos ||
      starts_like_a_link(name)) {
    refuse("InvalidName", place, name,
           "must be 1-128 printable characters without '/', not starting with http:// or https://");
  }
}

void check_description(const std::string& text, const Place& place) {
  if (characters(text) > 256 || starts_like_a_link(text)) {
    refuse("InvalidDescription", place, text,
           "must be 0-256 characters, not starting with http:// or https://");
  }
}

void check_group(const std::string& text, const Place& place) {
  if (characters(text) > 128) refuse("InvalidGroup", place, text, "must be 0-128 characters");
}

bool tag_text_allowed(const std::string& text) {
  return characters(text) <= 128 && !text.starts_with("acs:") && !text.starts_with("aliyun") &&
         !holds_a_link(text);
}

void check_tags(const Tags& tags, const Place& place) {
  if (tags.size() > kMostTags) {
    refuse("TooManyTags", place, std::to_string(tags.size()) + " tags", "must be at most 20");
  }
  for (const auto& [key, value] : tags) {
    if (key.empty() || !tag_text_allowed(key)) {
      refuse("InvalidTag", place, key,
             "a key must be 1-128 characters, not starting with acs: or aliyun, without http:// "
             "or https://");
    }
    if (!tag_text_allowed(value)) {
      refuse("InvalidTag", Place(place, key), value,
             "a value must be 0-128 characters, not starting with acs: or aliyun, without http:// "
             "or https://");
    }
  }
}

// `whose` says among what they are unique.
template <class Object>
void check_priorities(const std::vector<Object>& objects, const std::string& whose,
                      const Place& place) {
  std::unordered_map<uint32_t, size_t> taken;
  taken.reserve(objects.size());
  for (size_t i = 0; i < objects.size(); ++i) {
    const auto [first, fresh] = taken.emplace(objects[i].priority, i);
    if (fresh) continue;
    refuse(
        "DuplicatePriority", Place(Place(place, i), "priority"),
        std::to_string(objects[i].priority),
        "must be unique " + whose + ": " + Place(place, first->second).text() + " has it already");
  }
}

void check_rules(const std::vector<Rule>& rules, const Limits& limits, const Place& place) {
  if (rules.size() > limits.rules_per_direction) {
    refuse("TooManyRules", place, std::to_string(rules.size()) + " rules",
           "must be at most " + std::to_string(limits.rules_per_direction) +
               " (a setting of the daemon, limits.rules_per_direction)");
  }
  for (size_t i = 0; i < rules.size(); ++i) validate(rules[i], Place(place, i));
  check_priorities(rules, "per direction", place);
}

template <class Object>
void check_common(const Object& object, const Place& place) {
  check_name(object.name, Place(place, "name"));
  check_description(object.description, Place(place, "description"));
  check_group(object.group, Place(place, "group"));
  check_tags(object.tags, Place(place, "tags"));
}

// Each object by itself, and that no name stands there twice.
template <class Object, class Validate>
void check_all(const std::vector<Object>& objects, const Place& place, Validate validate_one) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < objects.size(); ++i) {
    const Place here(place, i);
    validate_one(objects[i], here);
    if (!names.insert(objects[i].name).second) {
      refuse("DuplicateName", Place(here, "name"), objects[i].name,
             "must be unique: it stands there twice");
    }
  }
}

void check_sources(const std::vector<std::string>& sources, const Place& place) {
  std::set<std::string> seen;
  for (size_t i = 0; i < sources.size(); ++i) {
    const Place here(place, i);
    validate_source(sources[i], here);
    if (!seen.insert(parse_source(sources[i]).name).second) {
      refuse("DuplicateSource", here, sources[i], "stands there twice");
    }
  }
}

void check_destination(const Address& address, const Place& place) {
  const bool ipv4 = address.family == Family::ipv4;
  const bool zero = std::all_of(address.bytes.begin(), address.bytes.end(),
                                [](uint8_t byte) { return byte == 0; });
  // 224.0.0.0/3 also holds the broadcast address and what is reserved.
  const bool multicast = ipv4 ? address.bytes[0] >= 224 : address.bytes[0] == 0xff;
  if (zero || multicast) {
    refuse("InvalidDestination", place, to_string(address),
           "must be the unicast address of a collector");
  }
}

}  // namespace

void validate(const Rule& rule, const Place& place) {
  if (rule.source_cidr && rule.destination_cidr &&
      rule.source_cidr->network.family != rule.destination_cidr->network.family) {
    refuse("FamilyMismatch", Place(place, "destination_cidr"), to_string(*rule.destination_cidr),
           "must be of the same family as source_cidr, " + to_string(*rule.source_cidr));
  }
  if (protocol_has_ports(rule.protocol)) return;
  const std::string taken = "only tcp, udp and sctp take ports: must be -1/-1 with protocol " +
                            protocol_to_string(rule.protocol);
  if (rule.source_port) {
    refuse("PortsNotAllowed", Place(place, "source_port"), port_range_to_string(rule.source_port),
           taken);
  }
  if (rule.destination_port) {
    refuse("PortsNotAllowed", Place(place, "destination_port"),
           port_range_to_string(rule.destination_port), taken);
  }
}

void validate(const Filter& filter, const Limits& limits, const Place& place) {
  check_common(filter, place);
  for (const Direction direction : kDirections) {
    check_rules(filter.of(direction), limits, Place(place, to_string(direction)));
  }
}

void validate(const Session& session, const Place& place) {
  check_common(session, place);
  check_sources(session.sources, Place(place, "sources"));
  check_destination(session.destination, Place(place, "destination"));
}

void validate(const Document& document, const Limits& limits) {
  const Place place;
  check_all(document.filters, Place(place, "filters"),
            [&](const Filter& filter, const Place& here) { validate(filter, limits, here); });
  check_all(document.sessions, Place(place, "sessions"),
            [](const Session& session, const Place& here) { validate(session, here); });
  check_priorities(document.sessions, "among sessions", Place(place, "sessions"));
}

void validate_source(const std::string& text, const Place& place) {
  const auto source = parse_source(text);
  const auto& name = source.name;
  if (source.is_pattern()) {
    const auto reason = is_utf8(name) && printable(name)
                            ? why_unmatchable(name)
                            : "no name holds control characters, or anything but UTF-8";
    if (reason.empty()) return;
    refuse("InvalidPattern", place, text, "must match the name of an interface: " + reason);
  }
  if (source.is_in_namespace()) {
    const auto far = far_interface(name);
    if (is_namespace(far.place) && is_interface(far.name)) return;
    refuse(
        "InvalidNamespace", place, text,
        "must be netns:NAME/INTERFACE or netns:/PATH/INTERFACE: a name below /run/netns, or the "
        "path of a namespace, of at most 255 bytes, and an interface's name; ':flip' may follow");
  }
  if (!is_interface(name)) {
    refuse("InvalidInterface", place, text,
           "must be an interface's name: 1-15 bytes of UTF-8 without '/', ':' and blanks; "
           "':flip' may follow");
  }
}

void validate_relations(const std::vector<Session>& sessions, const Configuration& merged,
                        const std::vector<Place>& places) {
  std::map<uint32_t, const Session*> taken;
  for (const auto& [name, session] : merged.sessions) {
    const auto [first, fresh] = taken.emplace(session.priority, &session);
    if (fresh) continue;
    // One of the two is among those that are changed: the error is about that one.
    const std::array<const Session*, 2> both{&session, first->second};
    const auto changed = std::find_if(sessions.begin(), sessions.end(), [&](const Session& s) {
      return s.name == both[0]->name || s.name == both[1]->name;
    });
    const auto& other = both[changed->name == both[0]->name ? 1 : 0]->name;
    const auto& place = places.at(static_cast<size_t>(changed - sessions.begin()));
    throw Error(Error::Kind::conflict, "PriorityTaken",
                "must be unique among sessions: session '" + other + "' has it",
                Place(place, "priority").text(), std::to_string(session.priority));
  }
  for (size_t i = 0; i < sessions.size(); ++i) {
    if (!merged.filters.contains(sessions[i].filter)) {
      refuse("UnknownFilter", Place(places[i], "filter"), sessions[i].filter,
             "must be an existing filter");
    }
  }
}

}  // namespace vxtap
