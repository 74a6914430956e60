#pragma once

// Sources as they are written: `eth0`, `veth*`, `veth*:flip`, `netns:web/eth0`.

#include <map>
#include <string>

#include "agent/model/objects.h"

namespace vxtap {

struct Source {
  // Of an interface, a pattern of names by the rules of fnmatch(3), or netns:PLACE/INTERFACE.
  std::string name;
  // Inbound and outbound are as the other end of the interface's cable sees them.
  bool flip = false;

  bool is_in_namespace() const { return name.starts_with("netns:"); }
  bool is_pattern() const {
    return !is_in_namespace() && name.find_first_of("*?[\\") != std::string::npos;
  }
  bool is_name() const { return !is_in_namespace() && !is_pattern(); }
  bool matches(const std::string& interface) const;
};

Source parse_source(const std::string& text);

// Why no interface can have a name that the pattern matches, or empty if one can.
std::string why_unmatchable(const std::string& pattern);

// An interface in another network namespace.
struct FarInterface {
  std::string place;  // the namespace: a name below /run/netns, or a path
  std::string name;
};
// `name`: that of a Source that is in a namespace. Either part may be empty if it is malformed.
FarInterface far_interface(const std::string& name);

// This host's end of its cable, which is mirrored in its stead.
struct NearEnd {
  std::string interface;  // empty: there is none, and `why` says why, for people
  std::string why;
  bool may_come = true;
  bool operator==(const NearEnd&) const = default;
};
using NearEnds = std::map<std::string, NearEnd>;  // by the name of the Source

// What the session takes of the interfaces that are there, each with what it is taken by. A name
// beats a pattern, and a pattern those that stand behind it.
template <class ByName>
std::map<std::string, Source> sources_among(const Session& session, const ByName& present,
                                            const NearEnds& near_ends) {
  std::map<std::string, Source> taken;
  for (const auto& text : session.sources) {
    auto source = parse_source(text);
    if (source.is_pattern()) {
      for (const auto& [name, interface] : present) {
        if (source.matches(name)) taken.try_emplace(name, source);
      }
      continue;
    }
    auto interface = source.name;
    if (source.is_in_namespace()) {
      const auto end = near_ends.find(source.name);
      interface = end == near_ends.end() ? "" : end->second.interface;
      source.flip = !source.flip;
    }
    if (present.contains(interface)) taken.insert_or_assign(interface, source);
  }
  return taken;
}

}  // namespace vxtap
