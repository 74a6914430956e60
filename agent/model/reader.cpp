#include "agent/model/reader.h"

#include <algorithm>
#include <set>

namespace vxtap {

using nlohmann::json;

void refuse(const char* code, const Place& place, const json& value, const std::string& rule) {
  throw Error(Error::Kind::invalid, code, rule, place.text(),
              value.dump(-1, ' ', false, json::error_handler_t::replace));
}

json parse_json(std::string_view text) {
  std::vector<std::set<std::string>> open;
  const auto watch = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) open.emplace_back();
    if (event == json::parse_event_t::object_end) open.pop_back();
    if (event == json::parse_event_t::key &&
        !open.back().insert(parsed.get<std::string>()).second) {
      const auto field = parsed.get<std::string>();
      refuse("DuplicateKey", Place(Place(), field), parsed, "stands twice in one object");
    }
    return true;
  };
  try {
    return json::parse(text, watch);
  } catch (const json::parse_error& error) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte, text.size()));
    const auto line = std::count(text.begin(), end, '\n') + 1;
    throw Error(Error::Kind::invalid, "MalformedJson",
                "is not JSON: line " + std::to_string(line) + ": " + error.what(), "document");
  }
}

Reader::Reader(const json& object, const Place& place) : object_(object), place_(place) {
  if (!object.is_object()) refuse("InvalidType", place_, object, "must be an object");
}

const json* Reader::find(const char* field) {
  asked_.emplace_back(field);
  const auto found = object_.find(field);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

const json& Reader::require(const char* field) {
  const json* value = find(field);
  if (value == nullptr) {
    throw Error(Error::Kind::invalid, "MissingField", "is required", Place(place_, field).text());
  }
  return *value;
}

std::string Reader::text(const json& value, const char* field) const {
  return read_text(value, Place(place_, field));
}

std::string Reader::text(const char* field) {
  const json* value = find(field);
  return value == nullptr ? "" : text(*value, field);
}

bool Reader::flag(const char* field, bool otherwise) {
  const json* value = find(field);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) {
    refuse("InvalidType", Place(place_, field), *value, "must be true or false");
  }
  return value->get<bool>();
}

uint32_t Reader::number(const json& value, const char* field) const {
  if (!value.is_number_integer()) {
    refuse("InvalidType", Place(place_, field), value, "must be a whole number");
  }
  if (!value.is_number_unsigned() || value.get<uint64_t>() > UINT32_MAX) {
    refuse("OutOfRange", Place(place_, field), value, "must be a number from 0 to 4294967295");
  }
  return value.get<uint32_t>();
}

void Reader::finish() const {
  for (const auto& [field, value] : object_.items()) {
    if (std::find(asked_.begin(), asked_.end(), field) == asked_.end()) {
      refuse("UnknownField", Place(place_, field), value, "there is no such field");
    }
  }
}

std::string read_text(const json& value, const Place& place) {
  if (!value.is_string()) refuse("InvalidType", place, value, "must be a string");
  return value.get<std::string>();
}

}  // namespace vxtap
