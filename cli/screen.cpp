#include "cli/screen.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#define NCURSES_WIDECHAR 1
#include <curses.h>

namespace vxtap::cli::top {
namespace {

constexpr int kEscapeDelay = 100;  // ms: the rest of a key's sequence may come late over ssh
constexpr short kWarning = 1;      // the pair of colours

volatile std::sig_atomic_t ended = 0;

void on_end(int) {
  ended = 1;
}

// These are taken while wait() waits, and at no other time: none can come between a look for what
// they did and the wait.
sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP})
    sigaddset(&set, signal);
  return set;
}

attr_t attributes(Style style) {
  switch (style) {
    case Style::bold:
      return A_BOLD;
    case Style::heading:
      return A_REVERSE;
    case Style::faint:
      return A_DIM;
    case Style::warning:
      return A_BOLD | (has_colors() ? COLOR_PAIR(kWarning) : A_NORMAL);
    case Style::plain:
      break;
  }
  return A_NORMAL;
}

Key translate(wint_t key) {
  switch (key) {
    case KEY_UP:
      return keys::kUp;
    case KEY_DOWN:
      return keys::kDown;
    case KEY_PPAGE:
      return keys::kPageUp;
    case KEY_NPAGE:
      return keys::kPageDown;
    case KEY_HOME:
      return keys::kHome;
    case KEY_END:
      return keys::kEnd;
    case KEY_ENTER:
      return keys::kEnter;
    case KEY_BACKSPACE:
      return keys::kBackspace;
    default:
      return 0;
  }
}

// A key that is there already.
std::optional<Key> read_key() {
  wint_t key = 0;
  const int kind = get_wch(&key);
  if (kind == KEY_CODE_YES) return translate(key);
  if (kind != OK) return std::nullopt;
  if (key == 0x7f || key == 0x08) return keys::kBackspace;
  return key == U'\r' ? keys::kEnter : static_cast<Key>(key);
}

void set_up(bool colour) {
  cbreak();
  noecho();
  nonl();
  curs_set(0);
  keypad(stdscr, true);
  nodelay(stdscr, true);
  set_escdelay(kEscapeDelay);
  if (colour && start_color() == OK && use_default_colors() == OK) {
    init_pair(kWarning, COLOR_RED, -1);
  }
}

}  // namespace

Screen::Screen(bool colour) : screen_(newterm(nullptr, stdout, stdin)) {
  if (screen_ == nullptr || tigetstr("cup") == nullptr) {
    if (screen_ != nullptr) endwin();
    const char* type = std::getenv("TERM");
    throw Failure(kInvalid, "TERM: '" + std::string(type == nullptr ? "" : type) +
                                "': must be a terminal that can be written to at any place; use "
                                "'vxtap top --once' or 'vxtap stats --watch'");
  }
  set_up(colour);
  // Behind ncurses, which has handlers of its own for two of these.
  struct sigaction action {};
  action.sa_handler = on_end;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaction(signal, &action, nullptr);
  const auto watched = watched_signals();
  sigprocmask(SIG_BLOCK, &watched, nullptr);
}

Screen::~Screen() {
  endwin();
  delscreen(screen_);
}

Size Screen::size() const {
  return {static_cast<size_t>(std::max(COLS, 1)), static_cast<size_t>(std::max(LINES, 1))};
}

void Screen::draw(const std::vector<Line>& lines) {
  erase();
  for (size_t i = 0; i < lines.size(); ++i) {
    attrset(attributes(lines[i].style));
    mvaddstr(static_cast<int>(i), 0, lines[i].text.c_str());
  }
  attrset(A_NORMAL);
  refresh();
}

Screen::Event Screen::wait(double seconds) {
  if (const auto key = read_key()) return {key, false};
  pollfd input{STDIN_FILENO, POLLIN, 0};
  seconds = std::max(seconds, 0.0);
  const auto whole = static_cast<time_t>(seconds);
  const timespec timeout{whole, static_cast<long>((seconds - static_cast<double>(whole)) * 1e9)};
  sigset_t none;
  sigemptyset(&none);
  ppoll(&input, 1, &timeout, &none);
  if (ended != 0) return {{}, true};
  const auto key = read_key();
  // A terminal that is gone can be read all the time, and has nothing.
  const bool gone = !key && (input.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
  return {key, gone};
}

}  // namespace vxtap::cli::top
