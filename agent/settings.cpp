#include "agent/settings.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "agent/error.h"

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

}  // namespace

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
    } else if (key == "limits") {
      settings.limits = parse_limits(value);
    } else {
      refuse("UnknownField", key, value, "there is no such setting");
    }
  }
  return settings;
}

}  // namespace vxtap
