#include <gtest/gtest.h>

#include <clocale>

#include "cli/text.h"
#include "cli/top_columns.h"
#include "cli/top_keys.h"
#include "cli/top_rows.h"
#include "cli/top_view.h"

namespace vxtap::cli::top {
namespace {

Counters counters(uint64_t packets, uint64_t dropped = 0, const std::string& state = "") {
  Counters result{packets, packets - dropped, 125 * (packets - dropped), 0, dropped, {}, state};
  if (dropped > 0) result.drops["no_route"] = dropped;
  return result;
}

// Two seconds of three sessions: `a` mirrors, `b` loses, `c` is stopped.
class Top : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr);
    Reading zero{0, {}};
    Reading later{1,
                  {{{"a", "eth0", "inbound"}, counters(100)},
                   {{"a", "eth0", "outbound"}, counters(3000)},
                   {{"b", "eth1", "inbound"}, counters(50, 20)},
                   {{"c", "Züge", "inbound"}, counters(0, 0, "stopped")}}};
    for (const auto& [flow, counted] : later.flows) zero.flows[flow] = {.state = counted.state};
    meter_.take(zero);
    meter_.take(later);
  }

  std::string names(const Choice& choice) {
    std::string result;
    for (const auto& row : rows_of(meter_, choice)) {
      result +=
          row.flow.session + "/" + row.flow.source + "/" + row.flow.direction.substr(0, 3) + " ";
    }
    return result;
  }

  Page page(const Controls& controls = {}) {
    return {"2 of 3 sessions enabled",        "12:00:00", "", {},
            rows_of(meter_, controls.choice), controls};
  }

  Meter meter_;
};

bool has(const std::vector<Line>& lines, const std::string& text) {
  for (const auto& line : lines) {
    if (line.text.find(text) != std::string::npos) return true;
  }
  return false;
}

TEST_F(Top, rows_are_sorted) {
  EXPECT_EQ(names({}), "a/eth0/out a/eth0/inb b/eth1/inb c/Züge/inb ");
  EXPECT_EQ(names({.reversed = true}), "c/Züge/inb b/eth1/inb a/eth0/inb a/eth0/out ");
  EXPECT_EQ(names({.order = Order::dropped}), "b/eth1/inb a/eth0/inb a/eth0/out c/Züge/inb ");
  EXPECT_EQ(names({.order = Order::session, .reversed = true}),
            "c/Züge/inb b/eth1/inb a/eth0/inb a/eth0/out ");
  EXPECT_EQ(names({.order = Order::direction}), "a/eth0/inb b/eth1/inb c/Züge/inb a/eth0/out ");
}

TEST_F(Top, rows_are_filtered_by_any_name) {
  EXPECT_EQ(names({.filter = "ETH1"}), "b/eth1/inb ");
  EXPECT_EQ(names({.filter = "outb"}), "a/eth0/out ");
  EXPECT_EQ(names({.filter = "üg"}), "c/Züge/inb ");
  EXPECT_EQ(names({.filter = "nothing"}), "");
  EXPECT_EQ(names({.hides_idle = true}), "a/eth0/out a/eth0/inb b/eth1/inb ");
}

TEST_F(Top, groups_are_sums) {
  EXPECT_EQ(names({.group = Group::session}), "a/*/* b/*/* c/*/* ");
  EXPECT_EQ(names({.group = Group::source}), "*/eth0/* */eth1/* */Züge/* ");
  const auto rows = rows_of(meter_, {.group = Group::direction});
  ASSERT_EQ(rows.size(), 2);
  EXPECT_DOUBLE_EQ(rows[1].rates->matched, 150);
  EXPECT_DOUBLE_EQ(rows[1].rates->drops.at("no_route"), 20);
  EXPECT_EQ(rows[1].history, History{130 * 1000});
  EXPECT_EQ(rows[1].state, "");
}

TEST(Scaled, has_at_most_five_characters) {
  const std::vector<std::pair<double, const char*>> rows{
      {0, "0"},         {0.04, "0.0"},    {0.5, "0.5"},     {12, "12"},        {99.96, "100"},
      {999, "999"},     {999.4, "999"},   {999.5, "1.00k"}, {1000, "1.00k"},   {9994, "9.99k"},
      {9996, "10.0k"},  {12345, "12.3k"}, {999499, "999k"}, {999600, "1.00M"}, {1e9, "1.00G"},
      {8.5e11, "850G"}, {1e15, "1.00P"}};
  for (const auto& [number, expected] : rows) EXPECT_EQ(scaled(number), expected);
}

TEST(Sparkline, is_as_high_as_its_largest_value) {
  EXPECT_EQ(sparkline({0, 1, 50, 100}, 8, true), "▁▂▅█");
  EXPECT_EQ(sparkline({0, 1, 50, 100}, 8, false), "_.=#");
  EXPECT_EQ(sparkline({100, 1, 2}, 2, false), "=#");
  EXPECT_EQ(sparkline({0, 0}, 8, true), "▁▁");
  EXPECT_EQ(sparkline({}, 8, true), "");
}

TEST_F(Top, page_fits_every_size) {
  for (const Size size : {Size{80, 24}, {200, 50}, {40, 10}, {10, 3}, {1, 1}}) {
    for (const bool unicode : {true, false}) {
      for (const bool help : {true, false}) {
        const auto lines = layout(page({.help = help, .unicode = unicode}), size);
        EXPECT_LE(lines.size(), size.lines);
        for (const auto& line : lines) {
          EXPECT_LE(text::width(line.text), size.columns) << line.text;
          EXPECT_TRUE(unicode || text::ascii(line.text) == line.text) << line.text;
        }
      }
    }
  }
}

TEST_F(Top, page_shows_rates_and_drops) {
  const auto lines = layout(page(), {80, 24});
  ASSERT_EQ(lines.size(), 24);
  EXPECT_NE(lines[0].text.find("12:00:00  every 2 s"), std::string::npos);
  EXPECT_EQ(lines[1].text,
            "per second: matched 3.15k, mirrored 3.13k (bits 3.13M), cut 0, dropped 20");
  EXPECT_EQ(lines[2].text, "healthy");
  EXPECT_TRUE(lines[4].text.starts_with("a            eth0       out    3.00k   3.00k   3.00M"));
  EXPECT_TRUE(lines[7].text.ends_with("stopped"));
  EXPECT_TRUE(lines[22].text.starts_with("b                        no_route            20"));
  EXPECT_EQ(lines[22].style, Style::warning);
  EXPECT_TRUE(lines[23].text.starts_with("?:help q:quit"));
}

TEST_F(Top, page_says_what_is_wrong) {
  auto wrong = page();
  wrong.problems = {"the cable", "the route"};
  EXPECT_TRUE(has(layout(wrong, {80, 24}), "2 problems, see vxtap status: the cable"));
  wrong.lost = "no daemon";
  EXPECT_EQ(layout(wrong, {80, 24})[2].text, "no daemon");
  wrong.rows.clear();
  EXPECT_FALSE(has(layout(wrong, {80, 24}), "vxtap attach"));
  wrong.lost.clear();
  EXPECT_TRUE(has(layout(wrong, {80, 24}), "vxtap attach"));
  EXPECT_TRUE(has(layout(page({.choice = {.filter = "zzz"}}), {80, 24}), "'zzz'"));
}

TEST_F(Top, page_without_rates_claims_none) {
  meter_.lose();
  const auto lines = layout(page(), {80, 24});
  EXPECT_EQ(lines[1].text, "per second: matched -, mirrored - (bits -), cut -, dropped -");
  EXPECT_TRUE(lines[4].text.starts_with("a            eth0       in         -       -"));
}

TEST_F(Top, rows_that_do_not_fit_are_scrolled_to) {
  auto all = page();
  all.rows.clear();
  for (int i = 0; i < 100; ++i) {
    all.rows.push_back({{"s" + std::to_string(i), "eth0", "inbound"}, "", Rates{}, {}, {}});
  }
  const Size size{80, 24};
  ASSERT_EQ(rows_that_fit(all, size), 19);
  EXPECT_TRUE(has(layout(all, size), "1-19 of 100"));
  press(all.controls, keys::kPageDown, 100, 19);
  EXPECT_TRUE(layout(all, size)[4].text.starts_with("s19 "));
  press(all.controls, keys::kEnd, 100, 19);
  EXPECT_TRUE(has(layout(all, size), "82-100 of 100"));
  press(all.controls, keys::kDown, 100, 19);
  EXPECT_EQ(all.controls.first, 81);
  keep_in_range(all.controls, 10, 19);
  EXPECT_EQ(all.controls.first, 0);
  press(all.controls, keys::kUp, 100, 19);
  EXPECT_EQ(all.controls.first, 0);
  EXPECT_EQ(layout_all(all, 80).size(), 104);
}

TEST(Keys, choose) {
  Controls controls;
  const auto type = [&](const std::u32string& keys) {
    bool goes_on = true;
    for (const Key key : keys) goes_on = press(controls, key, 10, 10);
    return goes_on;
  };
  type(U"s");
  EXPECT_EQ(controls.choice.order, Order::truncated);
  type(U"SSSSSSS");
  EXPECT_EQ(controls.choice.order, Order::dropped);
  type(U"gggg");
  EXPECT_EQ(controls.choice.group, Group::none);
  type(U"rip");
  EXPECT_TRUE(controls.choice.reversed && controls.choice.hides_idle && controls.paused);
  type(U"++");
  EXPECT_EQ(controls.interval, 10);
  type(U"--------------");
  EXPECT_EQ(controls.interval, 0.1);
  EXPECT_FALSE(type(U"q"));
}

TEST(Keys, filter_takes_characters_as_they_are) {
  Controls controls;
  for (const Key key : std::u32string(U"/q?ü日😀\x07")) {
    EXPECT_TRUE(press(controls, key, 0, 0));
  }
  EXPECT_EQ(controls.choice.filter, "q?ü日😀");
  press(controls, keys::kBackspace, 0, 0);
  press(controls, keys::kBackspace, 0, 0);
  press(controls, keys::kUp, 0, 0);
  press(controls, keys::kEnter, 0, 0);
  EXPECT_EQ(controls.choice.filter, "q?ü");
  EXPECT_FALSE(controls.typing);
  press(controls, keys::kEscape, 0, 0);
  EXPECT_EQ(controls.choice.filter, "");
}

TEST(Keys, help_is_left_by_any_key) {
  Controls controls;
  press(controls, U'?', 0, 0);
  EXPECT_TRUE(controls.help);
  press(controls, U'r', 0, 0);
  EXPECT_FALSE(controls.help || controls.choice.reversed);
  press(controls, U'h', 0, 0);
  EXPECT_FALSE(press(controls, U'q', 0, 0));
}

}  // namespace
}  // namespace vxtap::cli::top
