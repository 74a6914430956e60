// explain

#include <iostream>
#include <map>
#include <memory>

#include "cli/context.h"
#include "cli/fields.h"
#include "cli/pcap.h"
#include "cli/rule.h"
#include "cli/table.h"

namespace vxtap::cli {
namespace {

constexpr size_t kFramesPerRequest = 500;

struct ExplainOptions {
  std::string interface, direction, pcap;
};

void print_one(const Json& packet) {
  std::cout << packet.at("decision").get<std::string>() << ": "
            << packet.at("reason").get<std::string>() << '\n';
  for (const auto& session : packet.at("sessions")) {
    std::cout << "\nsession " << cell(session.at("session")) << ", priority "
              << session.at("priority") << ", filter " << cell(session.at("filter")) << ": "
              << cell(session.at("result")) << '\n';
    for (const auto& rule : session.at("rules_tried")) {
      std::cout << "  rule " << rule.at("priority")
                << " does not match: " << rule.at("reason").get<std::string>() << '\n';
    }
    if (!session.contains("rule")) {
      std::cout << "  " << session.at("reason").get<std::string>() << '\n';
    } else {
      std::cout << "  rule " << session.at("rule").at("priority") << " matches\n";
    }
    if (session.contains("copy_limit")) {
      std::cout << "  the copy has at most " << session.at("copy_limit") << " bytes, goes to "
                << cell(session.at("destination")) << " with VNI " << session.at("vni") << '\n';
    }
  }
  for (const auto& session : packet.at("not_tried")) {
    std::cout << "\nsession " << cell(session.at("session"))
              << " is not tried: " << session.at("reason").get<std::string>() << '\n';
  }
}

// What the packets of a file add up to.
class Summary {
 public:
  void add(const Json& packet, size_t bytes) {
    ++packets_;
    ++decisions_[packet.at("decision").get<std::string>()];
    for (const auto& session : packet.at("sessions")) {
      if (!session.contains("rule")) continue;
      auto& count = rules_[{session.at("priority").get<uint64_t>(),
                            session.at("rule").at("priority").get<uint64_t>()}];
      count.session = cell(session.at("session"));
      count.rule = session.at("rule");
      ++count.packets;
      count.bytes += bytes;
      count.copied += session.value("copy_bytes", uint64_t{0});
    }
  }

  void print() const {
    std::cout << packets_ << " packet(s)";
    for (const auto& [decision, packets] : decisions_) {
      std::cout << ", " << packets << ' ' << decision;
    }
    std::cout << '\n';
    if (rules_.empty()) return;
    Table table({"SESSION", "DIRECTION", "PRIORITY", "POLICY", "PACKETS", "BYTES", "COPIED"});
    for (const auto& [key, count] : rules_) {
      table.add({count.session, cell(count.rule.at("direction")), cell(count.rule.at("priority")),
                 cell(count.rule.at("policy")), std::to_string(count.packets),
                 std::to_string(count.bytes), std::to_string(count.copied)});
    }
    std::cout << '\n';
    table.print(std::cout, colour());
  }

 private:
  struct Count {
    std::string session;
    Json rule;
    uint64_t packets = 0, bytes = 0, copied = 0;
  };
  uint64_t packets_ = 0;
  std::map<std::string, uint64_t> decisions_;
  std::map<std::pair<uint64_t, uint64_t>, Count> rules_;  // by priority of session and rule
};

std::string hex(const Frame& frame) {
  std::string text;
  text.reserve(frame.size() * 2);
  for (const uint8_t byte : frame) {
    text += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  }
  return text;
}

// Asks for the frames of a file, some at a time.
class FileQuestion {
 public:
  FileQuestion(const Context& context, const ExplainOptions& options)
      : context_(context),
        question_{{"interface", options.interface}, {"direction", options.direction}} {}

  void add(const Frame& frame) {
    frames_.push_back(hex(frame));
    if (frames_.size() == kFramesPerRequest) ask();
  }

  void finish() {
    if (!frames_.empty() || asked_ == 0) ask();
    if (!context_.json()) summary_.print();
  }

 private:
  void ask() {
    question_["frames"] = frames_;
    const auto answer = context_.client().send({"POST", {"explain"}, {}, body_text(question_)});
    for (size_t i = 0; i < frames_.size(); ++i) {
      const auto& packet = answer.json.at("packets").at(i);
      summary_.add(packet, frames_[i].size() / 2);
      ++asked_;
      if (!context_.json()) continue;
      Json line{{"number", asked_}};
      line.update(packet);
      std::cout << line.dump() << '\n';
    }
    frames_.clear();
  }

  const Context& context_;
  Json question_;
  std::vector<std::string> frames_;
  size_t asked_ = 0;
  Summary summary_;
};

void explain(const Context& context, const ExplainOptions& options, Json packet) {
  if (!options.pcap.empty()) {
    if (!packet.empty()) {
      throw Failure(kInvalid, "--pcap: a packet is either described or read from a file, not both");
    }
    FileQuestion question(context, options);
    read_pcap(options.pcap, [&](const Frame& frame) { question.add(frame); });
    question.finish();
    return;
  }
  const Json question{{"interface", options.interface},
                      {"direction", options.direction},
                      {"packet", std::move(packet)}};
  print(context, context.client().send({"POST", {"explain"}, {}, body_text(question)}),
        [](const Json& json) { print_one(json.at("packets").at(0)); });
}

}  // namespace

void add_explain_command(CLI::App& app, const Context& context) {
  auto options = std::make_shared<ExplainOptions>();
  auto* command = app.add_subcommand(
      "explain", "which session and rule decide for a packet, and why; nothing is mirrored");
  command->add_option("--interface", options->interface, "where the packet passes")
      ->required()
      ->type_name(names::kInterface);
  command->add_option("--direction", options->direction, "inbound or outbound, for the interface")
      ->required()
      ->check(CLI::IsMember({"inbound", "outbound"}));
  Fields packet(*command);
  packet.text("protocol", "icmp, icmpv6, tcp, udp, sctp, gre or a number 0-255");
  packet.text("source", "IPv4 or IPv6 address")->type_name("IP");
  packet.text("destination", "IPv4 or IPv6 address")->type_name("IP");
  packet.number("source_port", "0-65535; of tcp, udp and sctp")->type_name("PORT");
  packet.number("destination_port", "0-65535; of tcp, udp and sctp")->type_name("PORT");
  command
      ->add_option("--pcap", options->pcap,
                   "ask for every packet of this file instead; - is standard input; with "
                   "-o json one line per packet")
      ->check(not_empty)
      ->type_name(names::kFile);
  command->footer(
      "Example: vxtap explain --interface eth0 --direction inbound --protocol tcp \\\n"
      "           --source 192.0.2.7 --destination 192.0.2.1 --source-port 40000 "
      "--destination-port 443\n"
      "         vxtap explain --interface eth0 --direction inbound --pcap capture.pcap");
  command->callback([options, packet, &context] { explain(context, *options, packet.body()); });
}

}  // namespace vxtap::cli
