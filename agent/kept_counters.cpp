#include "agent/kept_counters.h"

#include <nlohmann/json.hpp>

namespace vxtap {
namespace {

using nlohmann::json;

json to_json(const Totals& totals) {
  auto result = json::array();
  for (const auto& [key, values] : totals) {
    result.push_back({std::vector<uint8_t>(key.begin(), key.end()), values});
  }
  return result;
}

Totals parse_totals(const json& array) {
  Totals totals;
  for (const auto& entry : array) {
    const auto key = entry.at(0).get<std::vector<uint8_t>>();
    totals[{key.begin(), key.end()}] = entry.at(1).get<std::vector<uint64_t>>();
  }
  return totals;
}

}  // namespace

std::string to_text(const KeptCounters& kept) {
  auto names = json::array();
  for (const auto& [number, name] : kept.names) {
    names.push_back({number, static_cast<uint32_t>(name.kind), name.first, name.second});
  }
  const auto& [mirror, rules, sources] = kept.totals;
  return json{{"names", names},
              {"mirror", to_json(mirror)},
              {"rules", to_json(rules)},
              {"sources", to_json(sources)}}
      .dump();
}

KeptCounters parse_kept_counters(const std::string& text) {
  const auto object = json::parse(text);
  KeptCounters kept;
  for (const auto& entry : object.at("names")) {
    kept.names[entry.at(0)] = {static_cast<Ids::Kind>(entry.at(1).get<uint32_t>()), entry.at(2),
                               entry.at(3)};
  }
  kept.totals = {parse_totals(object.at("mirror")), parse_totals(object.at("rules")),
                 parse_totals(object.at("sources"))};
  return kept;
}

}  // namespace vxtap
