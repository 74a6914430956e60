#include "cli/meter.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace vxtap::cli {
namespace {

const Flow kIn{"ids", "eth0", "inbound"};

Reading reading(double seconds, uint64_t packets, uint64_t dropped = 0) {
  Counters counters{packets, packets - dropped, 100 * (packets - dropped), 1, dropped, {}, ""};
  if (dropped > 0) counters.drops["no_route"] = dropped;
  return {seconds, {{kIn, counters}}};
}

TEST(Meter, has_no_rates_before_the_second_reading) {
  Meter meter;
  EXPECT_FALSE(meter.rates(kIn));
  meter.take(reading(10, 1000));
  EXPECT_FALSE(meter.rates(kIn));
  EXPECT_TRUE(meter.history(kIn).empty());
}

TEST(Meter, divides_by_the_time_between_two_readings) {
  Meter meter;
  meter.take(reading(10, 1000, 100));
  meter.take(reading(14, 1400, 140));
  const auto rates = meter.rates(kIn).value();
  EXPECT_DOUBLE_EQ(rates.matched, 100);
  EXPECT_DOUBLE_EQ(rates.mirrored, 90);
  EXPECT_DOUBLE_EQ(rates.bits, 90 * 100 * 8);
  EXPECT_DOUBLE_EQ(rates.truncated, 0);
  EXPECT_DOUBLE_EQ(rates.dropped, 10);
  EXPECT_DOUBLE_EQ(rates.drops.at("no_route"), 10);
  EXPECT_EQ(meter.history(kIn), History{72000});
}

TEST(Meter, counters_that_went_back_began_at_zero) {
  Meter meter;
  meter.take(reading(10, 1000, 100));
  meter.take(reading(12, 30));
  const auto rates = meter.rates(kIn).value();
  EXPECT_DOUBLE_EQ(rates.matched, 15);
  EXPECT_DOUBLE_EQ(rates.mirrored, 15);
  EXPECT_DOUBLE_EQ(rates.dropped, 0);
  EXPECT_TRUE(rates.drops.empty());
}

// Of counters that began anew one may be larger than before: it has no more to do with that.
TEST(Meter, one_counter_that_went_back_tells_of_all) {
  Meter meter;
  meter.take({0, {{kIn, {.matched_packets = 100, .mirrored_packets = 10}}}});
  meter.take({1, {{kIn, {.matched_packets = 60, .mirrored_packets = 60}}}});
  EXPECT_DOUBLE_EQ(meter.rates(kIn)->mirrored, 60);
}

TEST(Meter, a_flow_that_comes_later_begins_at_zero_and_one_that_goes_is_forgotten) {
  Meter meter;
  meter.take({0, {}});
  meter.take(reading(2, 50));
  EXPECT_DOUBLE_EQ(meter.rates(kIn)->matched, 25);
  meter.take({4, {}});
  EXPECT_FALSE(meter.rates(kIn));
  EXPECT_TRUE(meter.history(kIn).empty());
}

TEST(Meter, what_was_counted_while_the_daemon_did_not_answer_shows_afterwards) {
  Meter meter;
  meter.take(reading(0, 0));
  meter.take(reading(1, 100));
  meter.lose();
  EXPECT_FALSE(meter.rates(kIn));
  meter.take(reading(11, 300));
  EXPECT_DOUBLE_EQ(meter.rates(kIn)->matched, 20);
}

TEST(Meter, a_clock_that_stands_divides_by_nothing) {
  Meter meter;
  meter.take(reading(1, 10));
  meter.take(reading(1, 20));
  EXPECT_FALSE(meter.rates(kIn));
}

TEST(Meter, keeps_a_history_of_a_bounded_length) {
  Meter meter;
  for (size_t i = 0; i < 2 * Meter::kHistory; ++i) {
    meter.take(reading(static_cast<double>(i), i * i));
  }
  EXPECT_EQ(meter.history(kIn).size(), Meter::kHistory);
  EXPECT_GT(meter.history(kIn).back(), meter.history(kIn).front());
}

TEST(Meter, reads_the_answer_of_the_api) {
  const auto stats = Json::parse(R"({"sessions": [
      {"name": "ids", "enabled": true, "sources": [
        {"interface": "eth0", "state": "active",
         "inbound": {"matched_packets": 5, "matched_bytes": 500, "mirrored_packets": 3,
                     "mirrored_bytes": 300, "truncated_packets": 1, "dropped_packets": 2,
                     "drops": {"error": 2}},
         "outbound": {"matched_packets": 0, "matched_bytes": 0, "mirrored_packets": 0,
                      "mirrored_bytes": 0, "truncated_packets": 0, "dropped_packets": 0,
                      "drops": {}}}]}]})");
  auto flows = read_stats(stats, 1).flows;
  ASSERT_EQ(flows.size(), 2);
  EXPECT_EQ(flows[kIn].matched_packets, 5);
  EXPECT_EQ(flows[kIn].drops.at("error"), 2);
  EXPECT_EQ(flows[kIn].state, "");
  auto paused = stats;
  paused["sessions"][0]["sources"][0]["state"] = "paused";
  EXPECT_EQ(read_stats(paused, 1).flows[kIn].state, "paused");
  paused["sessions"][0]["enabled"] = false;
  EXPECT_EQ(read_stats(paused, 1).flows[kIn].state, "stopped");
}

}  // namespace
}  // namespace vxtap::cli
