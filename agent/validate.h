#pragma once

// The rules of SPEC §1 and §2.10 that hold for a document by itself and for what it becomes.

#include <cstddef>

#include "agent/model.h"

namespace vxtap {

struct Limits {
  size_t rules_per_direction = 1000;
};

// Lengths, ranges and uniqueness inside the document. Throws Error(invalid) with the JSON path.
void validate(const Document& document, const Limits& limits);

// The relations of the document's objects within the configuration they are about to become part
// of: filters exist, session priorities are unique. Throws Error(invalid or conflict).
void validate_relations(const Document& document, const Configuration& merged);

}  // namespace vxtap
