#pragma once

// One JSON object being read: every field is asked for by name, and what was not asked for is an
// error at the end. A field that is null counts as one that is not there.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "agent/error.h"
#include "agent/model/place.h"
#include "agent/model/value.h"

namespace vxtap {

// Throws Error(invalid) with the place and what stands there.
[[noreturn]] void refuse(const char* code, const Place& place, const nlohmann::json& value,
                         const std::string& rule);

// The text as JSON. Throws MalformedJson, also for what is nested so deeply that to walk it would
// take too much of the stack, and DuplicateKey: a later field of the same name would silently win
// over an earlier one.
nlohmann::json parse_json(std::string_view text);

class Reader {
 public:
  Reader(const nlohmann::json& object, const Place& place);

  const Place& place() const { return place_; }

  // Names of fields must be literals: they are kept as they are given.
  const nlohmann::json* find(const char* field);
  const nlohmann::json& require(const char* field);

  std::string text(const nlohmann::json& value, const char* field) const;
  std::string text(const char* field);  // empty if it is not there
  bool flag(const char* field, bool otherwise = false);
  uint32_t number(const nlohmann::json& value, const char* field, const Bounds& bounds) const;

  // Runs a value's own parser; its error gets the field that it cannot know.
  template <class Parse>
  auto parsed(const nlohmann::json& value, const char* field, Parse parse) const {
    try {
      return parse(text(value, field));
    } catch (Error& error) {
      error.field = Place(place_, field).text();
      throw;
    }
  }

  template <class Element, class Read>
  std::vector<Element> list(const char* field, Read read) {
    std::vector<Element> result;
    const nlohmann::json* value = find(field);
    if (value == nullptr) return result;
    const Place here(place_, field);
    if (!value->is_array()) refuse("InvalidType", here, *value, "must be a list");
    result.reserve(value->size());
    for (size_t i = 0; i < value->size(); ++i) result.push_back(read((*value)[i], Place(here, i)));
    return result;
  }

  void finish() const;

 private:
  const nlohmann::json& object_;
  const Place& place_;
  std::vector<std::string_view> asked_;
};

// An element of a list of strings.
std::string read_text(const nlohmann::json& value, const Place& place);

}  // namespace vxtap
