// Documents that are refused, and where: parsing and validation together, as a user meets them.

#include "agent/model/document.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/error.h"
#include "agent/model/validate.h"

namespace vxtap {
namespace {

using nlohmann::json;

json valid() {
  return json::parse(R"({
    "filters": [{"name": "f", "description": "", "group": "", "tags": {"team": "noc"},
      "inbound": [{"priority": 1, "policy": "collect", "protocol": "tcp",
                   "source_cidr": "10.0.0.0/8", "destination_cidr": "10.1.0.0/16",
                   "source_port": "-1/-1", "destination_port": "443/443"},
                  {"priority": 2, "policy": "ignore"}],
      "outbound": [{"priority": 1, "policy": "ignore", "protocol": 89}]}],
    "sessions": [{"name": "s", "filter": "f", "sources": ["eth0"], "destination": "10.2.0.2",
      "vni": 42, "priority": 1, "packet_length": 1500, "oversize": "truncate",
      "fall_through": false, "enabled": true, "description": "", "group": "", "tags": {}}]})");
}

struct Row {
  const char* pointer;  // what to replace in the valid document; a null value takes it away
  json value;
  const char* code;  // empty: accepted
  const char* field = "";
};

std::string repeated(size_t count, const std::string& text = "x") {
  std::string result;
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

json tags(size_t count) {
  auto result = json::object();
  for (size_t i = 0; i < count; ++i) result["key" + std::to_string(i)] = "value";
  return result;
}

json renamed(json object) {
  object["name"] = "another";
  return object;
}

void check(const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.pointer) + " = " + row.value.dump().substr(0, 60));
    auto document = valid();
    const json::json_pointer pointer(row.pointer);
    if (row.value.is_null()) {
      document.at(pointer.parent_pointer()).erase(pointer.back());
    } else {
      document[pointer] = row.value;
    }
    try {
      validate(parse_document(document.dump()), {});
      EXPECT_STREQ(row.code, "");
    } catch (const Error& error) {
      EXPECT_EQ(error.code, row.code) << error.what();
      EXPECT_EQ(error.field, row.field);
      EXPECT_EQ(error.kind, Error::Kind::invalid);
    }
  }
}

TEST(Document, common_fields) {
  check(
      {{"/filters/0/name", repeated(128), ""},
       {"/filters/0/name", repeated(128, "ü"), ""},
       {"/filters/0/name", repeated(129), "InvalidName", "filters[0].name"},
       {"/filters/0/name", "", "InvalidName", "filters[0].name"},
       {"/filters/0/name", "a/b", "InvalidName", "filters[0].name"},
       {"/filters/0/name", "a\nb", "InvalidName", "filters[0].name"},
       {"/filters/0/name", "http://x", "InvalidName", "filters[0].name"},
       {"/filters/0/name", nullptr, "MissingField", "filters[0].name"},
       {"/filters/0/name", 7, "InvalidType", "filters[0].name"},
       {"/sessions/0/name", "https:", ""},
       {"/sessions/0/description", repeated(256), ""},
       {"/sessions/0/description", repeated(257), "InvalidDescription", "sessions[0].description"},
       {"/sessions/0/description", "https://x", "InvalidDescription", "sessions[0].description"},
       {"/filters/0/group", repeated(129), "InvalidGroup", "filters[0].group"},
       {"/filters/0/tags", tags(20), ""},
       {"/filters/0/tags", tags(21), "TooManyTags", "filters[0].tags"},
       {"/filters/0/tags", {{"acs:x", "y"}}, "InvalidTag", "filters[0].tags"},
       {"/filters/0/tags", {{"aliyun", "y"}}, "InvalidTag", "filters[0].tags"},
       {"/filters/0/tags", {{"", "y"}}, "InvalidTag", "filters[0].tags"},
       {"/filters/0/tags", {{"k", "see http://x"}}, "InvalidTag", "filters[0].tags.k"},
       {"/filters/0/tags", {{"k", 1}}, "InvalidType", "filters[0].tags.k"},
       {"/filters/0/tags", {{repeated(129), "y"}}, "InvalidTag", "filters[0].tags"}});
}

TEST(Document, rules) {
  const auto twice = json::parse(R"([{"priority": 5, "policy": "collect"},
                                     {"priority": 5, "policy": "ignore"}])");
  check(
      {{"/filters/0/inbound/0/priority", 16777216, ""},
       {"/filters/0/inbound/0/priority", 16777217, "OutOfRange", "filters[0].inbound[0].priority"},
       {"/filters/0/inbound/0/priority", 0, "OutOfRange", "filters[0].inbound[0].priority"},
       {"/filters/0/inbound/0/priority", -1, "OutOfRange", "filters[0].inbound[0].priority"},
       {"/filters/0/inbound/0/priority", 4294967297, "OutOfRange",
        "filters[0].inbound[0].priority"},
       {"/filters/0/inbound/0/priority", 1.5, "InvalidType", "filters[0].inbound[0].priority"},
       {"/filters/0/inbound/0/priority", nullptr, "MissingField", "filters[0].inbound[0].priority"},
       {"/filters/0/outbound", twice, "DuplicatePriority", "filters[0].outbound[1].priority"},
       {"/filters/0/inbound/1/policy", "accept", "InvalidPolicy", "filters[0].inbound[1].policy"},
       {"/filters/0/inbound/1/policy", nullptr, "MissingField", "filters[0].inbound[1].policy"},
       {"/filters/0/inbound/0/protocol", "tpc", "InvalidProtocol",
        "filters[0].inbound[0].protocol"},
       {"/filters/0/outbound/0/protocol", 256, "InvalidProtocol",
        "filters[0].outbound[0].protocol"},
       {"/filters/0/inbound/0/protocol", "all", "PortsNotAllowed",
        "filters[0].inbound[0].destination_port"},
       {"/filters/0/inbound/0/protocol", "icmp", "PortsNotAllowed",
        "filters[0].inbound[0].destination_port"},
       {"/filters/0/inbound/1/source_port", "1/2", "PortsNotAllowed",
        "filters[0].inbound[1].source_port"},
       {"/filters/0/inbound/1/source_port", "-1/-1", ""},
       {"/filters/0/inbound/0/source_cidr", "10.0.0.1/8", "HostBitsSet",
        "filters[0].inbound[0].source_cidr"},
       {"/filters/0/inbound/0/source_cidr", "2001:db8::/32", "FamilyMismatch",
        "filters[0].inbound[0].destination_cidr"},
       {"/filters/0/inbound/0/destination_port", "444/443", "InvalidPortRange",
        "filters[0].inbound[0].destination_port"},
       {"/filters/0/inbound/0/destination_port", 443, "InvalidType",
        "filters[0].inbound[0].destination_port"},
       {"/filters/0/inbound/0/destination_ports", "1/2", "UnknownField",
        "filters[0].inbound[0].destination_ports"},
       {"/filters/0/inbound/0", 3, "InvalidType", "filters[0].inbound[0]"},
       {"/filters/0/inbound", json::object(), "InvalidType", "filters[0].inbound"}});
}

TEST(Document, sessions) {
  check(
      {{"/sessions/0/filter", nullptr, "MissingField", "sessions[0].filter"},
       {"/sessions/0/destination", nullptr, "MissingField", "sessions[0].destination"},
       {"/sessions/0/destination", "2001:db8::1", ""},
       {"/sessions/0/destination", "10.2.0", "InvalidAddress", "sessions[0].destination"},
       {"/sessions/0/destination", "0.0.0.0", "InvalidDestination", "sessions[0].destination"},
       {"/sessions/0/destination", "::", "InvalidDestination", "sessions[0].destination"},
       {"/sessions/0/destination", "224.0.0.1", "InvalidDestination", "sessions[0].destination"},
       {"/sessions/0/destination", "255.255.255.255", "InvalidDestination",
        "sessions[0].destination"},
       {"/sessions/0/destination", "ff02::1", "InvalidDestination", "sessions[0].destination"},
       {"/sessions/0/vni", 0, ""},
       {"/sessions/0/vni", 16777215, ""},
       {"/sessions/0/vni", 16777216, "OutOfRange", "sessions[0].vni"},
       {"/sessions/0/vni", -1, "OutOfRange", "sessions[0].vni"},
       {"/sessions/0/vni", "auto", ""},
       {"/sessions/0/vni", "42", "InvalidVni", "sessions[0].vni"},
       {"/sessions/0/priority", 32766, ""},
       {"/sessions/0/priority", 32767, "OutOfRange", "sessions[0].priority"},
       {"/sessions/0/priority", 0, "OutOfRange", "sessions[0].priority"},
       {"/sessions/0/priority", nullptr, "MissingField", "sessions[0].priority"},
       {"/sessions/0/packet_length", 64, ""},
       {"/sessions/0/packet_length", 63, "OutOfRange", "sessions[0].packet_length"},
       {"/sessions/0/packet_length", 8500, ""},
       {"/sessions/0/packet_length", 8501, "OutOfRange", "sessions[0].packet_length"},
       {"/sessions/0/oversize", "fragment", ""},
       {"/sessions/0/oversize", "drop", "InvalidOversize", "sessions[0].oversize"},
       {"/sessions/0/enabled", "yes", "InvalidType", "sessions[0].enabled"},
       {"/sessions/0/fall_through", 1, "InvalidType", "sessions[0].fall_through"},
       {"/sessions/0/sources", {"eth0", "eth0"}, "DuplicateSource", "sessions[0].sources[1]"},
       {"/sessions/0/sources", {"eth0", "eth0:flip"}, "DuplicateSource", "sessions[0].sources[1]"},
       {"/sessions/0/sources", {"veth*", "eth[0-9]:flip"}, ""},
       {"/sessions/0/sources", {"veth["}, "InvalidPattern", "sessions[0].sources[0]"},
       {"/sessions/0/sources", {"netns:web/eth0", "netns:/proc/1/ns/net/eth0:flip"}, ""},
       {"/sessions/0/sources",
        {"netns:web/eth0", "netns:web/eth0:flip"},
        "DuplicateSource",
        "sessions[0].sources[1]"},
       {"/sessions/0/sources", {"netns:eth0"}, "InvalidNamespace", "sessions[0].sources[0]"},
       {"/sessions/0/sources", {"eth0:flop"}, "InvalidInterface", "sessions[0].sources[0]"},
       {"/sessions/0/sources", {"interface0123456"}, "InvalidInterface", "sessions[0].sources[0]"},
       {"/sessions/0/sources", {"a/b"}, "InvalidInterface", "sessions[0].sources[0]"},
       {"/sessions/0/sources", {""}, "InvalidInterface", "sessions[0].sources[0]"},
       {"/sessions/0/sources", {7}, "InvalidType", "sessions[0].sources[0]"},
       {"/sessions/0/sources", "eth0", "InvalidType", "sessions[0].sources"},
       {"/sessions/0/snaplen", 1, "UnknownField", "sessions[0].snaplen"},
       {"/session", json::array(), "UnknownField", "session"},
       {"/sessions/1", valid()["sessions"][0], "DuplicateName", "sessions[1].name"},
       {"/sessions/1", renamed(valid()["sessions"][0]), "DuplicatePriority",
        "sessions[1].priority"},
       {"/filters/1", valid()["filters"][0], "DuplicateName", "filters[1].name"}});
}

// The error of a text that is no document: code, field and message.
std::string error_of(const std::string& text) {
  try {
    parse_document(text);
    return "";
  } catch (const Error& error) {
    return error.code + " " + error.field + ": " + error.what();
  }
}

TEST(Document, not_json) {
  for (const char* text : {"", "{", "[1,]", "{\"filters\": [}", "\xff"}) {
    EXPECT_EQ(error_of(text).rfind("MalformedJson document: is not JSON: line 1: ", 0), 0U) << text;
  }
  EXPECT_EQ(error_of("{\"filters\":\n [1e400]}"),
            "MalformedJson document: is not JSON: line 2: number overflow parsing '1e400'");
  EXPECT_EQ(error_of("[]"), "InvalidType : must be an object");
}

TEST(Document, nested_deeply) {
  const auto nested = [](size_t depth) {
    return R"({"filters": )" + repeated(depth - 1, "[") + repeated(depth - 1, "]") + "}";
  };
  EXPECT_EQ(error_of(nested(32)), "InvalidType filters[0]: must be an object");
  const std::string refused = "MalformedJson document: is nested too deeply";
  EXPECT_EQ(error_of(nested(33)), refused);
  EXPECT_EQ(error_of(nested(1000000)), refused);
  EXPECT_EQ(error_of(repeated(1000000, "[")), refused);
}

TEST(Document, a_field_that_stands_twice) {
  const auto twice = [](const std::string& field) {
    return "DuplicateKey " + field + ": stands twice in one object";
  };
  EXPECT_EQ(error_of(R"({"filters": [], "filters": []})"), twice("filters"));
  EXPECT_EQ(error_of(R"({"filters": [{"name": "a"}, {"tags": {}, "name": "b", "name": "b"}]})"),
            twice("filters[1].name"));
  EXPECT_EQ(error_of(R"({"sessions": [{"tags": {"": "a", "": "b"}}]})"),
            twice("sessions[0].tags."));
}

TEST(Document, too_many_rules) {
  auto document = valid();
  auto& rules = document["filters"][0]["inbound"];
  for (int i = 3; i <= 1000; ++i) rules.push_back({{"priority", i}, {"policy", "collect"}});
  EXPECT_NO_THROW(validate(parse_document(document.dump()), {}));
  rules.push_back({{"priority", 1001}, {"policy", "collect"}});
  EXPECT_THROW(validate(parse_document(document.dump()), {}), Error);
  EXPECT_NO_THROW(validate(parse_document(document.dump()), {.rules_per_direction = 1001}));
}

TEST(Document, what_is_written_reads_back_the_same) {
  const auto document = parse_document(valid().dump());
  const Configuration configuration{{{"f", std::make_shared<const Filter>(document.filters[0])}},
                                    {{"s", document.sessions[0]}}};
  const auto again = parse_document(to_json(configuration).dump());
  EXPECT_EQ(again.filters[0], document.filters[0]);
  EXPECT_EQ(again.sessions[0], document.sessions[0]);
}

}  // namespace
}  // namespace vxtap
