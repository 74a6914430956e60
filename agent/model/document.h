#pragma once

// JSON <-> objects: types, unknown fields and text forms. Errors name the JSON path: of a document
// `sessions[0].filter`, of an object by itself `filter`.

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "agent/model/objects.h"

namespace vxtap {

// All throw Error(invalid): MalformedJson (with the line), DuplicateKey, InvalidType, UnknownField,
// MissingField, or the code of the value's own parser.
Document parse_document(std::string_view text);
Filter parse_filter(std::string_view text);
Session parse_session(std::string_view text);
DirectedRule parse_rule(std::string_view text);

// The object with the fields that the text gives (RFC 7396): the others stay, null brings a field
// back to its default. What identifies an object cannot be changed: ImmutableField.
Filter patch(const Filter& filter, std::string_view text);
Session patch(const Session& session, std::string_view text);
DirectedRule patch(const DirectedRule& rule, std::string_view text);  // its priority may change

nlohmann::ordered_json to_json(const Filter& filter);
nlohmann::ordered_json to_json(const Session& session);
nlohmann::ordered_json to_json(const DirectedRule& rule);
nlohmann::ordered_json to_json(const Tags& tags);
nlohmann::ordered_json to_json(const Configuration& configuration);

}  // namespace vxtap
