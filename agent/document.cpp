#include "agent/document.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/error.h"
#include "agent/value.h"

namespace vxtap {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

[[noreturn]] void refuse(const char* code, const std::string& path, const json& value,
                         const std::string& rule) {
  throw Error(Error::Kind::invalid, code, rule, path,
              value.dump(-1, ' ', false, json::error_handler_t::replace));
}

// One JSON object being read: every field is asked for by name, and what was not asked for is an
// error at the end.
class Reader {
 public:
  Reader(const json& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object.is_object()) refuse("InvalidType", path_, object, "must be an object");
  }

  std::string path(const std::string& field) const {
    return path_.empty() ? field : path_ + "." + field;
  }

  const json* find(const std::string& field) {
    asked_.insert(field);
    const auto found = object_.find(field);
    return found == object_.end() ? nullptr : &*found;
  }

  const json& require(const std::string& field) {
    const json* value = find(field);
    if (value == nullptr) {
      throw Error(Error::Kind::invalid, "MissingField", "is required", path(field));
    }
    return *value;
  }

  std::string text(const json& value, const std::string& field) const {
    if (!value.is_string()) refuse("InvalidType", path(field), value, "must be a string");
    return value.get<std::string>();
  }
  std::string text(const std::string& field) {
    const json* value = find(field);
    return value == nullptr ? "" : text(*value, field);
  }

  bool flag(const std::string& field) {
    const json* value = find(field);
    if (value == nullptr) return false;
    if (!value->is_boolean()) refuse("InvalidType", path(field), *value, "must be true or false");
    return value->get<bool>();
  }

  uint32_t number(const json& value, const std::string& field) const {
    if (!value.is_number_integer()) {
      refuse("InvalidType", path(field), value, "must be a whole number");
    }
    if (!value.is_number_unsigned() || value.get<uint64_t>() > UINT32_MAX) {
      refuse("OutOfRange", path(field), value, "must be a number from 0 to 4294967295");
    }
    return value.get<uint32_t>();
  }

  // Runs a value's own parser; its error gets the field that it cannot know.
  template <class Parse>
  auto parsed(const json& value, const std::string& field, Parse parse) const {
    try {
      return parse(text(value, field));
    } catch (Error& error) {
      error.field = path(field);
      throw;
    }
  }

  template <class Element, class Read>
  std::vector<Element> list(const std::string& field, Read read) {
    std::vector<Element> result;
    const json* value = find(field);
    if (value == nullptr) return result;
    if (!value->is_array()) refuse("InvalidType", path(field), *value, "must be a list");
    for (size_t i = 0; i < value->size(); ++i) {
      result.push_back(read((*value)[i], path(field) + "[" + std::to_string(i) + "]"));
    }
    return result;
  }

  void finish() const {
    for (const auto& [field, value] : object_.items()) {
      if (!asked_.contains(field)) {
        refuse("UnknownField", path(field), value, "there is no such field");
      }
    }
  }

 private:
  const json& object_;
  std::string path_;
  std::set<std::string> asked_;
};

Tags read_tags(Reader& reader) {
  Tags tags;
  const json* value = reader.find("tags");
  if (value == nullptr) return tags;
  const Reader object(*value, reader.path("tags"));
  for (const auto& [key, text] : value->items()) tags[key] = object.text(text, key);
  return tags;
}

Policy read_policy(Reader& reader) {
  const json& value = reader.require("policy");
  const auto text = reader.text(value, "policy");
  if (text != "collect" && text != "ignore") {
    refuse("InvalidPolicy", reader.path("policy"), value, "must be collect or ignore");
  }
  return text == "collect" ? Policy::collect : Policy::ignore;
}

template <class Parse>
auto read_optional(Reader& reader, const std::string& field, Parse parse)
    -> std::optional<typename decltype(parse(std::string()))::value_type> {
  const json* value = reader.find(field);
  if (value == nullptr) return std::nullopt;
  return reader.parsed(*value, field, parse);
}

std::optional<Cidr> optional_cidr(const std::string& text) {
  return parse_cidr(text);
}

Rule read_rule(const json& object, const std::string& path) {
  Reader reader(object, path);
  Rule rule;
  rule.priority = reader.number(reader.require("priority"), "priority");
  rule.policy = read_policy(reader);
  const json* protocol = reader.find("protocol");
  if (protocol != nullptr && protocol->is_number()) {
    // A number may also be written without quotes.
    rule.protocol = reader.parsed(json(protocol->dump()), "protocol", parse_protocol);
  } else {
    rule.protocol = read_optional(reader, "protocol", parse_protocol);
  }
  rule.source_cidr = read_optional(reader, "source_cidr", optional_cidr);
  rule.destination_cidr = read_optional(reader, "destination_cidr", optional_cidr);
  rule.source_port = read_optional(reader, "source_port", parse_port_range);
  rule.destination_port = read_optional(reader, "destination_port", parse_port_range);
  reader.finish();
  return rule;
}

Filter read_filter(const json& object, const std::string& path) {
  Reader reader(object, path);
  Filter filter;
  filter.name = reader.text(reader.require("name"), "name");
  filter.description = reader.text("description");
  filter.group = reader.text("group");
  filter.tags = read_tags(reader);
  for (const Direction direction : kDirections) {
    filter.rules.at(static_cast<size_t>(direction)) =
        reader.list<Rule>(to_string(direction), read_rule);
  }
  reader.finish();
  return filter;
}

std::optional<uint32_t> read_vni(Reader& reader) {
  const json* value = reader.find("vni");
  if (value == nullptr || *value == "auto") return std::nullopt;
  if (value->is_string()) {
    refuse("InvalidVni", reader.path("vni"), *value, "must be 0-16777215 or auto");
  }
  return reader.number(*value, "vni");
}

Oversize read_oversize(Reader& reader) {
  const json* value = reader.find("oversize");
  if (value == nullptr) return Oversize::truncate;
  const auto text = reader.text(*value, "oversize");
  if (text != "truncate" && text != "fragment") {
    refuse("InvalidOversize", reader.path("oversize"), *value, "must be truncate or fragment");
  }
  return text == "fragment" ? Oversize::fragment : Oversize::truncate;
}

Session read_session(const json& object, const std::string& path) {
  Reader reader(object, path);
  Session session;
  session.name = reader.text(reader.require("name"), "name");
  session.filter = reader.text(reader.require("filter"), "filter");
  session.description = reader.text("description");
  session.group = reader.text("group");
  session.tags = read_tags(reader);
  session.sources =
      reader.list<std::string>("sources", [](const json& value, const std::string& element) {
        if (!value.is_string()) refuse("InvalidType", element, value, "must be a string");
        return value.get<std::string>();
      });
  session.destination = reader.parsed(reader.require("destination"), "destination", parse_address);
  session.vni = read_vni(reader);
  session.priority = reader.number(reader.require("priority"), "priority");
  if (const json* length = reader.find("packet_length")) {
    session.packet_length = reader.number(*length, "packet_length");
  }
  session.oversize = read_oversize(reader);
  session.fall_through = reader.flag("fall_through");
  session.enabled = reader.flag("enabled");
  reader.finish();
  return session;
}

// A later field of the same name would silently win over an earlier one.
json parse_without_duplicates(std::string_view text) {
  std::vector<std::set<std::string>> open;
  const auto watch = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) open.emplace_back();
    if (event == json::parse_event_t::object_end) open.pop_back();
    if (event == json::parse_event_t::key &&
        !open.back().insert(parsed.get<std::string>()).second) {
      refuse("DuplicateKey", parsed.get<std::string>(), parsed, "stands twice in one object");
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

ordered_json to_json(const Rule& rule) {
  ordered_json object{{"priority", rule.priority},
                      {"policy", rule.policy == Policy::collect ? "collect" : "ignore"},
                      {"protocol", protocol_to_string(rule.protocol)}};
  if (rule.source_cidr) object["source_cidr"] = to_string(*rule.source_cidr);
  if (rule.destination_cidr) object["destination_cidr"] = to_string(*rule.destination_cidr);
  object["source_port"] = port_range_to_string(rule.source_port);
  object["destination_port"] = port_range_to_string(rule.destination_port);
  return object;
}

ordered_json tags_to_json(const Tags& tags) {
  auto object = ordered_json::object();
  for (const auto& [key, value] : tags) object[key] = value;
  return object;
}

}  // namespace

Document parse_document(std::string_view text) {
  const json object = parse_without_duplicates(text);
  Reader reader(object, "");
  Document document{reader.list<Filter>("filters", read_filter),
                    reader.list<Session>("sessions", read_session)};
  reader.finish();
  return document;
}

ordered_json to_json(const Filter& filter) {
  ordered_json object{{"name", filter.name},
                      {"description", filter.description},
                      {"group", filter.group},
                      {"tags", tags_to_json(filter.tags)}};
  for (const Direction direction : kDirections) {
    auto rules = ordered_json::array();
    for (const auto& rule : filter.rules.at(static_cast<size_t>(direction))) {
      rules.push_back(to_json(rule));
    }
    object[to_string(direction)] = rules;
  }
  return object;
}

ordered_json to_json(const Session& session) {
  ordered_json object{{"name", session.name},
                      {"filter", session.filter},
                      {"sources", session.sources},
                      {"destination", to_string(session.destination)}};
  if (session.vni) {
    object["vni"] = *session.vni;
  } else {
    object["vni"] = "auto";
  }
  object["priority"] = session.priority;
  object["packet_length"] = session.packet_length;
  object["oversize"] = session.oversize == Oversize::fragment ? "fragment" : "truncate";
  object["fall_through"] = session.fall_through;
  object["enabled"] = session.enabled;
  object["description"] = session.description;
  object["group"] = session.group;
  object["tags"] = tags_to_json(session.tags);
  return object;
}

ordered_json to_json(const Configuration& configuration) {
  auto filters = ordered_json::array();
  auto sessions = ordered_json::array();
  for (const auto& [name, filter] : configuration.filters) filters.push_back(to_json(filter));
  for (const auto& [name, session] : configuration.sessions) sessions.push_back(to_json(session));
  return {{"filters", filters}, {"sessions", sessions}};
}

}  // namespace vxtap
