#include "agent/store.h"

#include <spdlog/spdlog.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "agent/error.h"
#include "agent/model/document.h"

namespace vxtap {
namespace {

constexpr const char* kFile = "vxtap.db";
constexpr int kMostAnswers = 1000;  // kept for requests that are sent again

// What each version of the schema adds to the one before; PRAGMA user_version counts them. A step
// that was released is never changed.
constexpr std::array kMigrations{
    "CREATE TABLE filters (name TEXT PRIMARY KEY, body TEXT NOT NULL, checksum INTEGER NOT NULL);"
    "CREATE TABLE sessions (name TEXT PRIMARY KEY, body TEXT NOT NULL, checksum INTEGER NOT NULL);",
    "CREATE TABLE answers (number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,"
    "  request INTEGER NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL);",
    "ALTER TABLE answers ADD COLUMN headers TEXT NOT NULL DEFAULT '[]';",
    "CREATE TABLE counters (name TEXT PRIMARY KEY, body TEXT NOT NULL, checksum INTEGER NOT NULL);",
};

// The database is not what it was when it was written.
class Damage : public Error {
 public:
  explicit Damage(const std::string& what) : Error(Kind::internal, "StateDamaged", what) {}
};

[[noreturn]] void fail(sqlite3* database, const std::string& what) {
  const int code = sqlite3_errcode(database);
  const auto text = what + ": " + sqlite3_errmsg(database);
  // Our statements are fixed: one that is refused found another schema than ours.
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR) throw Damage(text);
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
    throw Error(Error::Kind::conflict, "StateInUse",
                "another vxtapd uses this state directory: stop it, or choose another --state-dir",
                "state-dir");
  }
  throw Error(Error::Kind::internal, "StateNotWritten",
              "nothing was changed, since the state cannot be kept: " + text);
}

class Statement {
 public:
  Statement(sqlite3* database, std::string_view sql) : database_(database) {
    if (sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement_,
                           nullptr) != SQLITE_OK) {
      fail(database, "preparing a statement");
    }
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Parameters count from 1, columns from 0. The text must outlive the statement's step.
  Statement& bind(int parameter, std::string_view text) {
    sqlite3_bind_text64(statement_, parameter, text.data(), text.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
    return *this;
  }
  Statement& bind(int parameter, int64_t number) {
    sqlite3_bind_int64(statement_, parameter, number);
    return *this;
  }
  bool step() {  // whether there is a row
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) fail(database_, "reading or writing");
    return result == SQLITE_ROW;
  }
  void run() {
    while (step()) {
    }
    sqlite3_reset(statement_);
  }
  std::string text(int column) const {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
    return bytes == nullptr ? "" : std::string(bytes, size);
  }
  int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
};

// The first column of the first row. The statement ends here: one that is still open would keep
// checkpoints back.
template <class Value>
Value first_row(sqlite3* database, const char* sql, Value (Statement::*column)(int) const) {
  Statement query(database, sql);
  query.step();
  return (query.*column)(0);
}

void execute(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(database, sql);
}

int64_t checksum(std::string_view name, std::string_view body) {
  auto sum = crc32(0, reinterpret_cast<const Bytef*>(name.data()), static_cast<uInt>(name.size()));
  sum = crc32(sum, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return static_cast<int64_t>(sum);
}

[[noreturn]] void damaged(const std::string& table, const std::string& name,
                          const std::string& why) {
  throw Damage("'" + name + "' in " + table + ": " + why);
}

// Calls `take` with the text of each row. A row that is not what was written is damage.
template <class Take>
void read_table(sqlite3* database, const std::string& table, Take take) {
  Statement rows(database, "SELECT name, body, checksum FROM " + table);
  while (rows.step()) {
    const auto name = rows.text(0);
    const auto body = rows.text(1);
    if (checksum(name, body) != rows.number(2)) {
      damaged(table, name, "its checksum is wrong");
    }
    try {
      take(body);
    } catch (const Error& error) {
      damaged(table, name, std::string(error.field).append(": ").append(error.what()));
    }
  }
}

std::string time_stamp() {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts);
  return text.data();
}

bool same(const SharedFilter& a, const SharedFilter& b) {
  return a == b || *a == *b;
}
bool same(const Session& a, const Session& b) {
  return a == b;
}
const Filter& value(const SharedFilter& filter) {
  return *filter;
}
const Session& value(const Session& session) {
  return session;
}

}  // namespace

void Store::Close::operator()(sqlite3* database) const {
  sqlite3_close(database);
}

Store::Store(const std::filesystem::path& directory)
    : directory_(directory), file_(directory / kFile) {
  const mode_t before = umask(0077);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  try {
    try {
      open();
    } catch (const Damage& damage) {
      set_aside(damage.what());
      configuration_ = {};
      open();
    }
  } catch (...) {
    umask(before);
    throw;
  }
  umask(before);
}

Store::~Store() = default;

void Store::open() {
  if (access(directory_.c_str(), W_OK | X_OK) != 0) {
    throw Error(
        Error::Kind::internal, "StateNotWritable",
        std::string("cannot write there: ") + std::strerror(errno) + "; choose another --state-dir",
        "state-dir", directory_.string());
  }
  std::error_code error;
  if (std::filesystem::file_size(file_, error) == 0 && !error) throw Damage("the file is empty");
  sqlite3* opened = nullptr;
  const int result =
      sqlite3_open_v2(file_.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  database_.reset(opened);
  if (result == SQLITE_CANTOPEN) {
    throw Error(Error::Kind::internal, "StateNotWritable",
                std::string("cannot open or make the state's database: ") +
                    std::strerror(sqlite3_system_errno(opened)) + "; choose another --state-dir",
                "state-dir", directory_.string());
  }
  if (result != SQLITE_OK) fail(opened, "opening the database");
  sqlite3_extended_result_codes(opened, 0);
  // Exclusive: one daemon per state directory, and no shared memory beside the file.
  execute(opened, "PRAGMA locking_mode=EXCLUSIVE");
  execute(opened, "PRAGMA journal_mode=WAL");
  execute(opened, "PRAGMA synchronous=FULL");
  execute(opened, "PRAGMA wal_autocheckpoint=1");
  execute(opened, "BEGIN IMMEDIATE; COMMIT");  // takes the lock now
  const auto found = first_row(opened, "PRAGMA integrity_check", &Statement::text);
  if (found != "ok") throw Damage(found);
  migrate();
  read();
}

void Store::migrate() {
  const auto version =
      static_cast<size_t>(first_row(database_.get(), "PRAGMA user_version", &Statement::number));
  if (version > kMigrations.size()) {
    throw Error(Error::Kind::internal, "StateTooNew",
                "the state was written by a newer vxtapd (its schema is " +
                    std::to_string(version) + ", this one knows " +
                    std::to_string(kMigrations.size()) +
                    "): install that one, or choose another --state-dir",
                "state-dir", directory_.string());
  }
  for (size_t i = version; i < kMigrations.size(); ++i) {
    const auto step = std::string("BEGIN;") + kMigrations.at(i) +
                      "PRAGMA user_version=" + std::to_string(i + 1) + ";COMMIT";
    execute(database_.get(), step.c_str());
  }
}

void Store::read() {
  read_table(database_.get(), "filters", [&](const std::string& body) {
    auto filter = std::make_shared<const Filter>(parse_filter(body));
    configuration_.filters.emplace(filter->name, filter);
  });
  read_table(database_.get(), "sessions", [&](const std::string& body) {
    auto session = parse_session(body);
    const auto name = session.name;
    configuration_.sessions.emplace(name, std::move(session));
  });
  for (const auto& [name, session] : configuration_.sessions) {
    if (!configuration_.filters.contains(session.filter) || !session.vni) {
      throw Damage("session '" + name + "' has no filter or no VNI");
    }
  }
}

void Store::set_aside(const std::string& why) {
  database_.reset();
  auto aside = file_;
  aside += ".damaged-" + time_stamp();
  for (int i = 2; std::filesystem::exists(aside); ++i) {
    aside = file_;
    aside += ".damaged-" + time_stamp() + "-" + std::to_string(i);
  }
  spdlog::error("the state in {} is damaged: {}; it is kept as {}", file_.string(), why,
                aside.string());
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::filesystem::path from(file_.string() + suffix);
    if (std::filesystem::exists(from)) std::filesystem::rename(from, aside.string() + suffix);
  }
}

void Store::begin() {
  execute(database_.get(), "BEGIN IMMEDIATE");
}

template <class Object>
void Store::write_table(const char* table, const Object& before, const Object& after) {
  Statement put(database_.get(), std::string("INSERT OR REPLACE INTO ") + table +
                                     " (name, body, checksum) VALUES (?1, ?2, ?3)");
  Statement remove(database_.get(), std::string("DELETE FROM ") + table + " WHERE name = ?1");
  for (const auto& [name, object] : before) {
    if (!after.contains(name)) remove.bind(1, name).run();
  }
  for (const auto& [name, object] : after) {
    const auto old = before.find(name);
    if (old != before.end() && same(old->second, object)) continue;
    const auto body = to_json(value(object)).dump();
    put.bind(1, name).bind(2, body).bind(3, checksum(name, body)).run();
  }
}

void Store::write(const Configuration& before, const Configuration& after) {
  write_table("filters", before.filters, after.filters);
  write_table("sessions", before.sessions, after.sessions);
}

void Store::keep_answer(const std::string& key, const KeptAnswer& answer) {
  Statement put(database_.get(),
                "INSERT OR REPLACE INTO answers (key, request, status, body, headers) "
                "VALUES (?1, ?2, ?3, ?4, ?5)");
  const auto headers = nlohmann::json(answer.headers).dump();
  put.bind(1, key)
      .bind(2, static_cast<int64_t>(answer.request))
      .bind(3, static_cast<int64_t>(answer.status))
      .bind(4, answer.body)
      .bind(5, headers)
      .run();
  Statement(database_.get(),
            "DELETE FROM answers WHERE number <= (SELECT max(number) FROM answers) - ?1")
      .bind(1, static_cast<int64_t>(kMostAnswers))
      .run();
}

void Store::commit() {
  execute(database_.get(), "COMMIT");
}

void Store::rollback() noexcept {
  sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Store::keep_counters(const std::string& text) {
  Statement(database_.get(),
            "INSERT OR REPLACE INTO counters (name, body, checksum) VALUES ('', ?1, ?2)")
      .bind(1, text)
      .bind(2, checksum("", text))
      .run();
}

std::string Store::kept_counters() const {
  std::string text;
  try {
    read_table(database_.get(), "counters", [&](const std::string& body) { text = body; });
  } catch (const Damage& damage) {
    spdlog::error("counters begin at zero: {}", damage.what());
  }
  return text;
}

std::optional<KeptAnswer> Store::answer(const std::string& key) const {
  Statement query(database_.get(),
                  "SELECT request, status, body, headers FROM answers WHERE key = ?1");
  query.bind(1, key);
  if (!query.step()) return std::nullopt;
  return KeptAnswer{static_cast<uint64_t>(query.number(0)), static_cast<unsigned>(query.number(1)),
                    query.text(2), nlohmann::json::parse(query.text(3))};
}

std::vector<std::string> Store::problems() const {
  std::vector<std::string> problems;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with(std::string(kFile) + ".damaged-") || name.ends_with("-wal")) continue;
    problems.push_back("a damaged state was kept aside as " + entry.path().string() +
                       ": what it held is not mirrored; apply your document, then remove it");
  }
  return problems;
}

}  // namespace vxtap
