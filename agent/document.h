#pragma once

// JSON <-> Document: types, unknown fields and text forms. Errors name the JSON path.

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "agent/model.h"

namespace vxtap {

// Throws Error(invalid): MalformedJson (with line and column), InvalidType, UnknownField,
// MissingField, or the code of the value's own parser.
Document parse_document(std::string_view text);

nlohmann::ordered_json to_json(const Filter& filter);
nlohmann::ordered_json to_json(const Session& session);
nlohmann::ordered_json to_json(const Configuration& configuration);

}  // namespace vxtap
