#include "agent/model/document.h"

#include "agent/model/reader.h"
#include "agent/model/value.h"

namespace vxtap {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

Tags read_tags(Reader& reader) {
  Tags tags;
  const json* value = reader.find("tags");
  if (value == nullptr) return tags;
  const Place place(reader.place(), "tags");
  if (!value->is_object()) refuse("InvalidType", place, *value, "must be an object");
  for (const auto& [key, text] : value->items()) tags[key] = read_text(text, Place(place, key));
  return tags;
}

template <class Parse>
auto read_optional(Reader& reader, const char* field, Parse parse)
    -> std::optional<typename decltype(parse(std::string()))::value_type> {
  const json* value = reader.find(field);
  if (value == nullptr) return std::nullopt;
  return reader.parsed(*value, field, parse);
}

std::optional<Cidr> optional_cidr(const std::string& text) {
  return parse_cidr(text);
}

Rule read_rule_fields(Reader& reader) {
  Rule rule;
  rule.priority = reader.number(reader.require("priority"), "priority", kRulePriorities);
  rule.policy = reader.parsed(reader.require("policy"), "policy", parse_policy);
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

Rule read_rule(const json& object, const Place& place) {
  Reader reader(object, place);
  return read_rule_fields(reader);
}

DirectedRule read_directed_rule(const json& object, const Place& place) {
  Reader reader(object, place);
  const auto direction = reader.parsed(reader.require("direction"), "direction", parse_direction);
  return {direction, read_rule_fields(reader)};
}

Filter read_filter(const json& object, const Place& place) {
  Reader reader(object, place);
  Filter filter;
  filter.name = reader.text(reader.require("name"), "name");
  filter.description = reader.text("description");
  filter.group = reader.text("group");
  filter.tags = read_tags(reader);
  for (const Direction direction : kDirections) {
    filter.of(direction) = reader.list<Rule>(to_string(direction), read_rule);
  }
  reader.finish();
  return filter;
}

std::optional<uint32_t> read_vni(Reader& reader) {
  const json* value = reader.find("vni");
  if (value == nullptr || *value == "auto") return std::nullopt;
  if (value->is_string()) {
    refuse("InvalidVni", Place(reader.place(), "vni"), *value, "must be 0-16777215 or auto");
  }
  return reader.number(*value, "vni", kVnis);
}

Session read_session(const json& object, const Place& place) {
  Reader reader(object, place);
  Session session;
  session.name = reader.text(reader.require("name"), "name");
  session.filter = reader.text(reader.require("filter"), "filter");
  session.description = reader.text("description");
  session.group = reader.text("group");
  session.tags = read_tags(reader);
  session.sources = reader.list<std::string>("sources", read_text);
  session.destination = reader.parsed(reader.require("destination"), "destination", parse_address);
  session.vni = read_vni(reader);
  session.priority = reader.number(reader.require("priority"), "priority", kSessionPriorities);
  if (const json* length = reader.find("packet_length")) {
    session.packet_length = reader.number(*length, "packet_length", kPacketLengths);
  }
  if (const json* oversize = reader.find("oversize")) {
    session.oversize = reader.parsed(*oversize, "oversize", parse_oversize);
  }
  session.fall_through = reader.flag("fall_through");
  session.enabled = reader.flag("enabled");
  reader.finish();
  return session;
}

// The fields of `object`, and over them those of the patch.
json patched(const ordered_json& object, std::string_view text) {
  const json patch = parse_json(text);
  if (!patch.is_object()) refuse("InvalidType", Place(), patch, "must be an object");
  json result(object);
  for (const auto& [field, value] : patch.items()) {
    if (field != "tags" || !value.is_object()) {
      result[field] = value;
      continue;
    }
    for (const auto& [key, tag] : value.items()) {
      if (tag.is_null()) {
        result[field].erase(key);
      } else {
        result[field][key] = tag;
      }
    }
  }
  return result;
}

void keep(const char* field, const std::string& before, const std::string& after) {
  if (after == before) return;
  throw Error(Error::Kind::invalid, "ImmutableField", "cannot be changed: it must stay " + before,
              field, after);
}

ordered_json to_json(const Rule& rule) {
  ordered_json object{{"priority", rule.priority},
                      {"policy", to_string(rule.policy)},
                      {"protocol", protocol_to_string(rule.protocol)}};
  if (rule.source_cidr) object["source_cidr"] = to_string(*rule.source_cidr);
  if (rule.destination_cidr) object["destination_cidr"] = to_string(*rule.destination_cidr);
  object["source_port"] = port_range_to_string(rule.source_port);
  object["destination_port"] = port_range_to_string(rule.destination_port);
  return object;
}

}  // namespace

Document parse_document(std::string_view text) {
  const json object = parse_json(text);
  const Place place;
  Reader reader(object, place);
  Document document{reader.list<Filter>("filters", read_filter),
                    reader.list<Session>("sessions", read_session)};
  reader.finish();
  return document;
}

Filter parse_filter(std::string_view text) {
  return read_filter(parse_json(text), Place());
}

Session parse_session(std::string_view text) {
  return read_session(parse_json(text), Place());
}

DirectedRule parse_rule(std::string_view text) {
  return read_directed_rule(parse_json(text), Place());
}

Filter patch(const Filter& filter, std::string_view text) {
  auto result = read_filter(patched(to_json(filter), text), Place());
  keep("name", filter.name, result.name);
  return result;
}

Session patch(const Session& session, std::string_view text) {
  auto result = read_session(patched(to_json(session), text), Place());
  keep("name", session.name, result.name);
  return result;
}

DirectedRule patch(const DirectedRule& rule, std::string_view text) {
  auto result = read_directed_rule(patched(to_json(rule), text), Place());
  keep("direction", to_string(rule.direction), to_string(result.direction));
  return result;
}

ordered_json to_json(const Tags& tags) {
  auto object = ordered_json::object();
  for (const auto& [key, value] : tags) object[key] = value;
  return object;
}

ordered_json to_json(const DirectedRule& rule) {
  ordered_json object{{"direction", to_string(rule.direction)}};
  object.update(to_json(rule.rule));
  return object;
}

ordered_json to_json(const Filter& filter) {
  ordered_json object{{"name", filter.name},
                      {"description", filter.description},
                      {"group", filter.group},
                      {"tags", to_json(filter.tags)}};
  for (const Direction direction : kDirections) {
    auto rules = ordered_json::array();
    for (const auto& rule : filter.of(direction)) rules.push_back(to_json(rule));
    object[to_string(direction)] = std::move(rules);
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
  object["oversize"] = to_string(session.oversize);
  object["fall_through"] = session.fall_through;
  object["enabled"] = session.enabled;
  object["description"] = session.description;
  object["group"] = session.group;
  object["tags"] = to_json(session.tags);
  return object;
}

ordered_json to_json(const Configuration& configuration) {
  auto filters = ordered_json::array();
  auto sessions = ordered_json::array();
  for (const auto& [name, filter] : configuration.filters) filters.push_back(to_json(*filter));
  for (const auto& [name, session] : configuration.sessions) sessions.push_back(to_json(session));
  return {{"filters", filters}, {"sessions", sessions}};
}

}  // namespace vxtap
