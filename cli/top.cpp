// top

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <iostream>
#include <memory>
#include <thread>

#include "cli/context.h"
#include "cli/screen.h"
#include "cli/text.h"

namespace vxtap::cli {
namespace {

using top::Controls;
using top::Page;

constexpr time_t kPatience = 5;   // seconds for an answer: keys wait as long
constexpr double kFirstLook = 1;  // seconds until there are rates, if the interval is longer
constexpr size_t kWidth = 120;    // columns of a page that goes to no terminal

struct TopOptions {
  double interval = 2;
  bool once = false;
  bool ascii = false;
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string clock_text() {
  const time_t seconds = std::time(nullptr);
  tm local{};
  localtime_r(&seconds, &local);
  std::array<char, sizeof("HH:MM:SS")> text{};
  std::strftime(text.data(), text.size(), "%T", &local);
  return text.data();
}

std::string uptime_text(uint64_t seconds) {
  const auto two = [](uint64_t big, const char* big_unit, uint64_t small, const char* small_unit) {
    return std::to_string(big) + " " + big_unit + " " + std::to_string(small) + " " + small_unit;
  };
  const uint64_t minutes = seconds / 60;
  const uint64_t hours = minutes / 60;
  if (hours >= 24) return two(hours / 24, "d", hours % 24, "h");
  if (hours > 0) return two(hours, "h", minutes % 60, "min");
  return minutes > 0 ? two(minutes, "min", seconds % 60, "s") : std::to_string(seconds) + " s";
}

// The daemon's counters, and the page that shows them.
class Monitor {
 public:
  Monitor(const Context& context, const TopOptions& options)
      : client_(context.socket, std::min(context.patience, kPatience)) {
    page_.controls.interval = options.interval;
    page_.controls.unicode = !options.ascii && text::is_utf8_locale();
  }

  // Throws Failure if the daemon does not answer.
  void read() {
    const auto status = client_.get({"status"}).json;
    const auto stats = client_.send({"GET", {"stats"}, {{"rules", "0"}}}).json;
    meter_.take(read_stats(stats, now()));
    const auto& sessions = status.at("sessions");
    page_.daemon = sessions.at("enabled").dump() + " of " + sessions.at("total").dump() +
                   " sessions enabled, daemon up " +
                   uptime_text(status.at("uptime_seconds").get<uint64_t>());
    page_.problems.clear();
    for (const auto& problem : status.at("problems")) page_.problems.push_back(visible(problem));
    page_.clock = clock_text();
    page_.lost.clear();
  }

  // A daemon that goes away comes back: it is said, and the rates go on from there.
  void read_or_lose() {
    try {
      read();
    } catch (const Failure& failure) {
      meter_.lose();
      page_.lost = std::string("trying again: ") + failure.what();
    }
  }

  const Page& page() {
    page_.rows = top::rows_of(meter_, page_.controls.choice);
    return page_;
  }
  Controls& controls() { return page_.controls; }

 private:
  Client client_;
  Meter meter_;
  Page page_;
};

void show(top::Screen& screen, Monitor& monitor) {
  const auto& page = monitor.page();
  const auto size = screen.size();
  keep_in_range(monitor.controls(), page.rows.size(), rows_that_fit(page, size));
  screen.draw(layout(page, size));
}

void watch(Monitor& monitor) {
  top::Screen screen(colour());
  auto& controls = monitor.controls();
  double last = now();
  double next = last + std::min(controls.interval, kFirstLook);
  for (;;) {
    show(screen, monitor);
    const auto event = screen.wait(controls.paused ? controls.interval : next - now());
    if (event.ended) return;
    const auto& page = monitor.page();
    const double interval = controls.interval;
    if (event.key &&
        !press(controls, *event.key, page.rows.size(), rows_that_fit(page, screen.size()))) {
      return;
    }
    if (controls.interval != interval) next = last + controls.interval;
    if (controls.paused || now() < next) continue;
    monitor.read_or_lose();
    last = now();
    next = last + controls.interval;
  }
}

size_t terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kWidth;
}

void print_once(Monitor& monitor) {
  std::this_thread::sleep_for(std::chrono::duration<double>(monitor.controls().interval));
  monitor.read();
  for (const auto& line : layout_all(monitor.page(), terminal_columns())) {
    std::cout << line.text << '\n';
  }
}

void run(const Context& context, const TopOptions& options) {
  if (context.json()) {
    throw Failure(kInvalid,
                  "--output: json: must be table for top; 'vxtap stats -o json' has the "
                  "counters");
  }
  const bool terminal = isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
  if (!options.once && !terminal) {
    throw Failure(kInvalid,
                  "top needs a terminal: use 'vxtap top --once' or 'vxtap stats --watch'");
  }
  Monitor monitor(context, options);
  monitor.read();
  if (options.once) {
    print_once(monitor);
  } else {
    watch(monitor);
  }
}

}  // namespace

void add_top_command(CLI::App& app, const Context& context) {
  auto options = std::make_shared<TopOptions>();
  auto* command = app.add_subcommand("top", "live rates and drops; ? there shows the keys");
  command->add_option("--interval", options->interval, "seconds between two readings")
      ->check(CLI::Range(0.1, 3600.0))
      ->type_name("SECONDS")
      ->capture_default_str();
  command->add_flag("--once", options->once, "print the rates of one interval, and end")
      ->disable_flag_override();
  command->add_flag("--ascii", options->ascii, "for terminals without characters of Unicode")
      ->disable_flag_override();
  command->footer("Example: vxtap top --interval 1\n         vxtap top --once");
  command->callback([options, &context] { run(context, *options); });
}

}  // namespace vxtap::cli
