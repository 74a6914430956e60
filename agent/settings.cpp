#include "agent/settings.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "agent/error.h"
#include "agent/model/value.h"

namespace vxtap {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& code, const std::string& field, const json& value,
                         const std::string& rule) {
  throw Error(Error::Kind::invalid, code, rule, field, value.dump());
}

uint64_t number(const json& value, const std::string& field, uint64_t first, uint64_t last) {
  const bool fits =
      value.is_number_unsigned() && value.get<uint64_t>() >= first && value.get<uint64_t>() <= last;
  if (!fits) {
    refuse("OutOfRange", field, value,
           "must be a whole number from " + std::to_string(first) + " to " + std::to_string(last));
  }
  return value.get<uint64_t>();
}

std::string text(const json& value, const std::string& field) {
  if (!value.is_string() || value.get<std::string>().empty()) {
    refuse("InvalidType", field, value, "must be a string that is not empty");
  }
  return value.get<std::string>();
}

std::string one_of(const json& value, const std::string& field,
                   std::initializer_list<std::string_view> words) {
  std::string rule = "must be ";
  for (const auto* word = words.begin(); word != words.end(); ++word) {
    if (value == *word) return std::string(*word);
    const bool last = word + 1 == words.end();
    rule += (word == words.begin() ? "" : last ? " or " : ", ") + std::string(*word);
  }
  refuse("InvalidValue", field, value, rule);
}

std::filesystem::path absolute_path(const json& value, const std::string& field) {
  std::filesystem::path path = text(value, field);
  if (!path.is_absolute()) refuse("InvalidPath", field, value, "must be an absolute path");
  return path;
}

Limits parse_limits(const json& object) {
  Limits limits;
  if (!object.is_object()) refuse("InvalidType", "limits", object, "must be an object");
  for (const auto& [key, value] : object.items()) {
    if (key != "rules_per_direction") {
      refuse("UnknownField", "limits." + key, value, "there is no such setting");
    }
    limits.rules_per_direction = number(value, "limits." + key, 1, 100000);
  }
  return limits;
}

// Port 0 would be another one at each start, which no scraper finds.
constexpr Bounds kListeningPorts{1, 65535};

Endpoint parse_endpoint(const json& value, const std::string& field) {
  const char* rule =
      "must be an IP address and a port, such as \"127.0.0.1:9469\" or \"[::1]:9469\"";
  if (!value.is_string()) refuse("InvalidType", field, value, rule);
  const auto text = value.get<std::string>();
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) refuse("InvalidEndpoint", field, value, rule);
  auto host = text.substr(0, colon);
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  try {
    const Endpoint endpoint{parse_address(host), static_cast<uint16_t>(parse_number(
                                                     text.substr(colon + 1), kListeningPorts))};
    if (brackets == (endpoint.address.family == Family::ipv6)) return endpoint;
  } catch (const Error&) {
    // Which part of it is wrong is plain to see beside the rule.
  }
  refuse("InvalidEndpoint", field, value, rule);
}

}  // namespace

std::string to_string(const Endpoint& endpoint) {
  const auto address = to_string(endpoint.address);
  const bool brackets = endpoint.address.family == Family::ipv6;
  return (brackets ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port);
}

std::string read_file(const std::filesystem::path& file) {
  try {
    std::ifstream stream;
    stream.exceptions(std::ios::failbit | std::ios::badbit);
    stream.open(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  } catch (const std::ios_base::failure&) {  // a directory fails only when it is read
    throw Error(Error::Kind::invalid, "FileNotReadable",
                "cannot read the file: " + std::string(std::strerror(errno)), "", file.string());
  }
}

Settings read_settings(const std::filesystem::path& file) {
  json object;
  try {
    object = json::parse(read_file(file));
  } catch (const json::parse_error& error) {
    throw Error(Error::Kind::invalid, "MalformedJson", error.what(), "", file.string());
  }
  Settings settings;
  if (!object.is_object()) refuse("InvalidType", file.string(), object, "must hold an object");
  for (const auto& [key, value] : object.items()) {
    if (key == "tunnel_port") {
      settings.tunnel_port = static_cast<uint16_t>(number(value, key, 1, 65535));
    } else if (key == "socket_group") {
      settings.socket_group = text(value, key);
    } else if (key == "log_level") {
      settings.log_level = one_of(value, key, {"trace", "debug", "info", "warn", "error"});
    } else if (key == "limits") {
      settings.limits = parse_limits(value);
    } else if (key == "pin_dir") {
      settings.pin_dir = absolute_path(value, key);
    } else if (key == "encapsulation") {
      settings.kernel_encapsulation = one_of(value, key, {"auto", "kernel"}) == "kernel";
    } else if (key == "on_stop") {
      settings.keep_on_stop = one_of(value, key, {"remove", "keep"}) == "keep";
    } else if (key == "metrics_address") {
      settings.metrics_address = parse_endpoint(value, key);
    } else {
      refuse("UnknownField", key, value, "there is no such setting");
    }
  }
  return settings;
}

std::vector<std::string> need_restart(const Settings& before, const Settings& after) {
  std::vector<std::string> names;
  if (before.tunnel_port != after.tunnel_port) names.emplace_back("tunnel_port");
  if (before.socket_group != after.socket_group) names.emplace_back("socket_group");
  if (before.metrics_address != after.metrics_address) names.emplace_back("metrics_address");
  if (before.pin_dir != after.pin_dir) names.emplace_back("pin_dir");
  if (before.keep_on_stop != after.keep_on_stop) names.emplace_back("on_stop");
  if (before.kernel_encapsulation != after.kernel_encapsulation) {
    names.emplace_back("encapsulation");
  }
  return names;
}

}  // namespace vxtap
