#pragma once

// The rules of SPEC §1: what holds for an object by itself, and for what it becomes part of. All
// throw Error with the object's place in front of the field.

#include <cstddef>
#include <string>
#include <vector>

#include "agent/model/objects.h"
#include "agent/model/place.h"

namespace vxtap {

struct Limits {
  size_t rules_per_direction = 1000;
};

// Lengths, and uniqueness inside what is given; what a value may be by itself is seen to where it
// is read. Throw Error(invalid).
void validate(const Rule& rule, const Place& place);
void validate(const Filter& filter, const Limits& limits, const Place& place);
void validate(const Session& session, const Place& place);
void validate(const Document& document, const Limits& limits);
void validate_source(const std::string& text, const Place& place);

// The relations of sessions that were created or changed within the configuration they are about to
// become part of, which differs from a sound one by nothing but them: filters exist
// (UnknownFilter), priorities are unique (conflict, PriorityTaken). `places` has a place for each.
void validate_relations(const std::vector<Session>& sessions, const Configuration& merged,
                        const std::vector<Place>& places);

}  // namespace vxtap
