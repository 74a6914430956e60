#include "cli/text.h"

#include <gtest/gtest.h>

#include <clocale>
#include <cstdlib>

namespace vxtap::cli::text {
namespace {

class Text : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr); }
};

TEST_F(Text, width_is_in_columns) {
  EXPECT_EQ(width(""), 0);
  EXPECT_EQ(width("eth0"), 4);
  EXPECT_EQ(width("schön"), 5);
  EXPECT_EQ(width("日本"), 4);
  EXPECT_EQ(width("u\u0308ber"), 4);
  EXPECT_EQ(width("\xff\xfe"), 2);
}

TEST_F(Text, clipped_text_ends_in_a_mark) {
  EXPECT_EQ(clip("eth0", 4), "eth0");
  EXPECT_EQ(clip("eth0", 3), "et~");
  EXPECT_EQ(clip("eth0", 1), "~");
  EXPECT_EQ(clip("eth0", 0), "");
  EXPECT_EQ(clip("schön", 4, "…"), "sch…");
  EXPECT_EQ(clip("日本語", 6), "日本語");
  EXPECT_EQ(clip("日本語", 5), "日本~");
  EXPECT_EQ(clip("日本語", 4), "日~");
}

TEST_F(Text, filled_text_has_the_width_always) {
  EXPECT_EQ(left("ids", 5), "ids  ");
  EXPECT_EQ(right("ids", 5), "  ids");
  for (const char* text : {"", "a", "日本語", "u\u0308ber", "\xff\xff\xff"}) {
    for (size_t columns = 0; columns < 10; ++columns) {
      EXPECT_EQ(width(left(text, columns)), columns) << text;
      EXPECT_EQ(width(right(text, columns)), columns) << text;
    }
  }
}

TEST_F(Text, ascii_keeps_the_columns) {
  EXPECT_EQ(ascii("a日b"), "a??b");
  EXPECT_EQ(ascii("schön…"), "sch?n?");
  EXPECT_EQ(ascii("\xff"), "?");
}

TEST_F(Text, locale_is_the_first_variable_that_says_something) {
  const auto is_utf8 = [](const char* all, const char* ctype, const char* lang) {
    setenv("LC_ALL", all, 1);
    setenv("LC_CTYPE", ctype, 1);
    setenv("LANG", lang, 1);
    return is_utf8_locale();
  };
  EXPECT_TRUE(is_utf8("", "", "en_GB.UTF-8"));
  EXPECT_TRUE(is_utf8("C.utf8", "C", "C"));
  EXPECT_TRUE(is_utf8("", "de_DE.UTF-8", "C"));
  EXPECT_FALSE(is_utf8("C", "en_GB.UTF-8", "en_GB.UTF-8"));
  EXPECT_FALSE(is_utf8("", "", "de_DE@euro"));
  EXPECT_FALSE(is_utf8("", "", ""));
}

}  // namespace
}  // namespace vxtap::cli::text
