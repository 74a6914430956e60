#include "agent/model/reader.h"

#include <algorithm>
#include <list>

namespace vxtap {

using nlohmann::json;

namespace {

// Builds what the parser finds, and knows where that stands.
class Builder : public nlohmann::json_sax<json> {
 public:
  explicit Builder(std::string_view text) : text_(text) {}
  json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // not in a text
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto& [object, current] = open_.back();
    current = name;
    if (object->contains(name)) {
      throw Error(Error::Kind::invalid, "DuplicateKey", "stands twice in one object", here());
    }
    return true;
  }

  bool parse_error(size_t position, const std::string&, const json::exception& error) override {
    const auto read = text_.substr(0, position);
    const auto line = std::count(read.begin(), read.end(), '\n') + 1;
    std::string message = error.what();  // "[json.exception…] parse error at line…: what is wrong"
    message.erase(0, message.find("] ") + 2);
    if (message.starts_with("parse error")) message.erase(0, message.find(": ") + 2);
    malformed("is not JSON: line " + std::to_string(line) + ": " + message);
  }

 private:
  struct Level {
    json* value;
    std::string key;  // of an object: the last one
  };

  [[noreturn]] static void malformed(const std::string& message) {
    throw Error(Error::Kind::invalid, "MalformedJson", message, "document");
  }

  json& put(json value) {
    if (open_.empty()) return root_ = std::move(value);
    auto& [parent, key] = open_.back();
    if (parent->is_object()) return (*parent)[key] = std::move(value);
    parent->push_back(std::move(value));
    return parent->back();
  }

  bool add(json value) {
    put(std::move(value));
    return true;
  }

  bool open(json value) {
    constexpr size_t kDeepest = 32;
    if (open_.size() == kDeepest) malformed("is nested too deeply");
    open_.push_back({&put(std::move(value)), {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string here() const {
    std::list<Place> places{Place()};
    for (const auto& [value, key] : open_) {
      const auto& parent = places.back();
      places.push_back(value->is_object() ? Place(parent, key) : Place(parent, value->size() - 1));
    }
    return places.back().text();
  }

  std::string_view text_;
  json root_;
  std::vector<Level> open_;
};

}  // namespace

void refuse(const char* code, const Place& place, const json& value, const std::string& rule) {
  throw Error(Error::Kind::invalid, code, rule, place.text(),
              value.dump(-1, ' ', false, json::error_handler_t::replace));
}

json parse_json(std::string_view text) {
  Builder builder(text);
  json::sax_parse(text, &builder);
  return builder.take();
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

uint32_t Reader::number(const json& value, const char* field, const Bounds& bounds) const {
  if (!value.is_number_integer()) {
    refuse("InvalidType", Place(place_, field), value, "must be a whole number");
  }
  if (!value.is_number_unsigned() || !bounds.hold(value.get<uint64_t>())) {
    refuse("OutOfRange", Place(place_, field), value, bounds.rule());
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
