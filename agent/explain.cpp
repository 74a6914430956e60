#include "agent/explain.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "agent/frame.h"
#include "agent/model/document.h"
#include "agent/model/reader.h"
#include "agent/model/value.h"

namespace vxtap {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kLongestQuestion = 2048;  // bytes: no header that is looked at lies behind them
constexpr size_t kMostFrames = 10000;      // of one request

struct Question {
  std::string interface;
  Direction direction = Direction::inbound;
  bool described = false;
  std::vector<Frame> frames;
};

uint16_t read_port(Reader& reader, const char* field) {
  return static_cast<uint16_t>(reader.number(reader.require(field), field, kPorts));
}

uint8_t parse_one_protocol(const std::string& text) {
  const auto protocol = parse_protocol(text);
  if (protocol) return *protocol;
  throw Error(Error::Kind::invalid, "InvalidProtocol",
              "must be one protocol: a packet cannot be of all", "", text);
}

PacketFields read_packet(const json& object, const Place& place) {
  Reader reader(object, place);
  PacketFields packet;
  const json& protocol = reader.require("protocol");
  packet.protocol = reader.parsed(protocol.is_number() ? json(protocol.dump()) : protocol,
                                  "protocol", parse_one_protocol);
  packet.source = reader.parsed(reader.require("source"), "source", parse_address);
  packet.destination = reader.parsed(reader.require("destination"), "destination", parse_address);
  if (packet.source.family != packet.destination.family) {
    throw Error(Error::Kind::invalid, "FamilyMismatch",
                "must be of the same family as the source, " + to_string(packet.source),
                Place(place, "destination").text(), to_string(packet.destination));
  }
  if (protocol_has_ports(packet.protocol)) {
    packet.ports = {read_port(reader, "source_port"), read_port(reader, "destination_port")};
  }
  for (const char* field : {"source_port", "destination_port"}) {
    const json* port = reader.find(field);
    if (port == nullptr || packet.ports) continue;
    refuse("PortsNotAllowed", Place(place, field), *port,
           "a packet of protocol " + protocol_to_string(packet.protocol) + " has no ports");
  }
  reader.finish();
  return packet;
}

Frame read_frame(const json& value, const Place& place) {
  try {
    return decode_hex(read_text(value, place));
  } catch (Error& error) {
    error.field = place.text();
    throw;
  }
}

Question read_question(std::string_view body) {
  const json object = parse_json(body);
  const Place place;
  Reader reader(object, place);
  Question question;
  question.interface = reader.text(reader.require("interface"), "interface");
  question.direction = reader.parsed(reader.require("direction"), "direction", parse_direction);
  question.frames = reader.list<Frame>("frames", read_frame);
  const json* packet = reader.find("packet");
  if (packet != nullptr) {
    if (reader.find("frames") != nullptr) {
      refuse("InvalidQuestion", Place(place, "frames"), question.frames.size(),
             "either a packet or frames can be asked about, not both");
    }
    question.described = true;
    question.frames = {make_frame(read_packet(*packet, Place(place, "packet")))};
  } else {
    reader.require("frames");
  }
  reader.finish();
  if (question.frames.size() > kMostFrames) {
    refuse("TooManyFrames", Place(place, "frames"), question.frames.size(),
           "must be at most " + std::to_string(kMostFrames) + " in one request");
  }
  return question;
}

Address address_of(uint8_t family, const __be32 (&words)[4]) {
  Address address{static_cast<Family>(family), {}};
  const auto* bytes = reinterpret_cast<const uint8_t*>(words);
  std::copy_n(bytes, sizeof(words), address.bytes.begin());
  return address;
}

PacketFields fields_of(const mirror_explanation& seen) {
  PacketFields fields{address_of(seen.family, seen.source),
                      address_of(seen.family, seen.destination),
                      seen.protocol,
                      {}};
  if (seen.ports_seen != 0) fields.ports = {seen.source_port, seen.destination_port};
  fields.ports_unknown = seen.ports_unknown != 0;
  fields.protocol_unknown = seen.protocol_unknown != 0;
  return fields;
}

ordered_json to_json(const PacketFields& packet) {
  ordered_json object{{"protocol", protocol_to_string(packet.protocol)},
                      {"source", to_string(packet.source)},
                      {"destination", to_string(packet.destination)}};
  if (packet.ports) {
    object["source_port"] = packet.ports->source;
    object["destination_port"] = packet.ports->destination;
  }
  return object;
}

// Answers the frames of one question.
class Explainer {
 public:
  Explainer(Agent& agent, const Question& question, uint32_t ifindex)
      : agent_(agent), question_(question), ifindex_(ifindex) {
    for (const auto& [name, session] : agent.configuration().sessions) {
      by_id_.emplace(agent.accounts().session_id(session), &session);
    }
    for (const auto& [slot, attachment] : agent.published().slots) {
      if (slot.ifindex == ifindex) attachments_.emplace(attachment.session_id, attachment);
    }
  }

  ordered_json answer(const Frame& frame) const {
    const auto shown = std::span(frame).first(std::min(frame.size(), kLongestQuestion));
    Explanation found;
    try {
      found = agent_.explain(ifindex_, question_.direction, shown);
    } catch (const Error& error) {
      if (error.code != "MalformedPacket") throw;
      return {{"decision", "skipped"}, {"reason", error.what()}, {"sessions", json::array()}};
    }
    const auto& counters = found.packet.counters;
    if (counters.seen_packets == 0) {
      return {{"decision", "not_a_source"}, {"reason", no_source()}, {"sessions", json::array()}};
    }
    if (counters.skipped_packets > 0) {
      return {{"decision", "skipped"},
              {"reason", "it is not a sound IPv4 or IPv6 packet"},
              {"sessions", json::array()}};
    }
    const auto packet = fields_of(found.packet);
    if (counters.own_packets > 0) {
      return {{"decision", "own"},
              {"reason", "it is a packet of the mirror itself, or about one"},
              {"packet", to_json(packet)},
              {"sessions", json::array()}};
    }
    return tried(found, packet, frame.size());
  }

  // The sessions that have the interface as a source but were not reached.
  ordered_json not_tried(const ordered_json& sessions) const {
    auto result = ordered_json::array();
    std::set<std::string> tried;
    for (const auto& session : sessions) tried.insert(session.at("session"));
    for (const auto& [name, session] : agent_.configuration().sessions) {
      const auto sources = agent_.sources_of(session);
      if (std::none_of(sources.begin(), sources.end(), [&](const SessionSource& source) {
            return source.interface == question_.interface;
          })) {
        continue;
      }
      if (tried.contains(name)) continue;
      result.push_back({{"session", name}, {"reason", why_not_tried(session)}});
    }
    return result;
  }

 private:
  std::string no_source() const {
    const auto status = agent_.sources().find(question_.interface);
    if (status == agent_.sources().end()) return "the interface is not a source of any session";
    if (status->second.state != SourceState::active) return status->second.message;
    return "no session that is enabled has the interface as a source";
  }

  std::string why_not_tried(const Session& session) const {
    if (!session.enabled) return "the session is not enabled";
    const auto status = agent_.source_status(question_.interface);
    if (status.state != SourceState::active) return status.message;
    return "a session of a smaller priority has decided";
  }

  ordered_json tried(const Explanation& found, const PacketFields& packet, size_t size) const {
    std::string decision = "not_matched";
    std::string reason = "no rule of any session matches it";
    auto sessions = ordered_json::array();
    for (const auto& one : found.sessions) {
      sessions.push_back(session_answer(one, packet, found.packet.network_offset, size));
      if (one.doubtful != 0 && decision != "mirrored") {
        decision = "undecided";
        reason = sessions.back().at("reason").get<std::string>();
      }
      if (one.found == 0 || one.doubtful != 0 || decision == "mirrored") continue;
      decision = one.policy == MIRROR_COLLECT ? "mirrored" : "ignored";
      reason = sessions.back().at("reason").get<std::string>();
    }
    return {{"decision", decision},
            {"reason", reason},
            {"packet", to_json(packet)},
            {"sessions", std::move(sessions)}};
  }

  ordered_json session_answer(const mirror_explained_session& one, const PacketFields& packet,
                              uint32_t network_offset, size_t size) const {
    const Session& session = *by_id_.at(one.session_id);
    const auto& filter = *agent_.configuration().filters.at(session.filter);
    const auto side = seen_direction(one.session_id);
    const auto& rules = filter.of(side);
    const auto direction = std::string(to_string(side));
    ordered_json answer{{"session", session.name},
                        {"filter", session.filter},
                        {"direction", direction},
                        {"priority", session.priority},
                        {"fall_through", session.fall_through}};
    const bool decided = one.found != 0 && one.doubtful == 0;
    const uint32_t priority = decided ? one.rule_id & 0x7fffffff : UINT32_MAX;
    if (one.doubtful != 0) {
      answer["result"] = "undecided";
      answer["reason"] =
          "a later fragment of a datagram whose first was not seen: what that shows would decide";
    } else if (!decided) {
      answer["result"] = "no_match";
      answer["reason"] =
          rules.empty()
              ? "filter '" + session.filter + "' has no " + direction + " rules"
              : "none of its " + std::to_string(rules.size()) + " " + direction + " rules matches";
    } else {
      const bool collect = one.policy == MIRROR_COLLECT;
      answer["result"] = collect ? "collect" : "ignore";
      answer["reason"] = "session '" + session.name + "': " + direction + " rule " +
                         std::to_string(priority) + " of filter '" + session.filter + "' says " +
                         (collect ? "collect" : "ignore");
      const auto rule = std::find_if(rules.begin(), rules.end(),
                                     [&](const Rule& r) { return r.priority == priority; });
      answer["rule"] = vxtap::to_json(DirectedRule{side, *rule});
      if (collect) add_copy(answer, session, one.session_id, network_offset, size);
    }
    if (question_.described) answer["rules_tried"] = failed_rules(rules, priority, packet);
    return answer;
  }

  // As the session has it: the question's, or with `flip` the other one.
  Direction seen_direction(uint32_t session_id) const {
    const auto flip = attachments_.at(session_id).flip;
    return static_cast<Direction>(static_cast<uint8_t>(question_.direction) ^ flip);
  }

  // Lengths in bytes from the Ethernet header on.
  void add_copy(ordered_json& answer, const Session& session, uint32_t session_id,
                uint32_t network_offset, size_t size) const {
    const auto& attachment = attachments_.at(session_id);
    uint32_t limit = network_offset + attachment.packet_length;
    if (attachment.frame_limit != 0 && !goes_in_fragments(attachment)) {
      limit = std::min(limit, attachment.frame_limit);
    }
    answer["vni"] = session.vni.value();
    answer["destination"] = to_string(session.destination);
    answer["copy_limit"] = limit;
    if (!question_.described) answer["copy_bytes"] = std::min<size_t>(limit, size);
  }

  // Over IPv6 that is a program's work: see next_device() in bpf/copy.h.
  bool goes_in_fragments(const mirror_attachment& attachment) const {
    const auto& destination = agent_.published().destinations.at(attachment.destination_id);
    const bool can =
        destination.address.family == MIRROR_FAMILY_IPV4 || destination.encapsulate != 0;
    return attachment.fragments != 0 && can;
  }

  static ordered_json failed_rules(const std::vector<Rule>& rules, uint32_t before,
                                   const PacketFields& packet) {
    auto failed = ordered_json::array();
    for (const auto& rule : rules) {
      if (rule.priority >= before) break;
      auto [result, reason] = match(rule, packet);
      if (result == Match::Result::yes) reason = "it should match: the loaded program disagrees";
      failed.push_back({{"priority", rule.priority}, {"reason", std::move(reason)}});
    }
    return failed;
  }

  Agent& agent_;
  const Question& question_;
  uint32_t ifindex_;
  std::unordered_map<uint32_t, const Session*> by_id_;
  std::unordered_map<uint32_t, mirror_attachment> attachments_;
};

}  // namespace

ordered_json explain(Agent& agent, std::string_view body) {
  const auto question = read_question(body);
  const auto links = agent.links();
  const auto link = std::find_if(links.begin(), links.end(),
                                 [&](const Link& l) { return l.name == question.interface; });
  if (link == links.end()) {
    throw Error(Error::Kind::not_found, "InterfaceNotFound", "there is no such interface",
                "interface", question.interface);
  }
  const Explainer explainer(agent, question, link->ifindex);
  auto packets = ordered_json::array();
  for (const auto& frame : question.frames) {
    packets.push_back(explainer.answer(frame));
    if (!question.described) continue;
    packets.back()["not_tried"] = explainer.not_tried(packets.back().at("sessions"));
  }
  return {{"interface", question.interface},
          {"direction", to_string(question.direction)},
          {"packets", std::move(packets)}};
}

}  // namespace vxtap
