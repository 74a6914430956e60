#pragma once

// The configuration on disk: a SQLite database in WAL mode, written with full synchronisation. A
// file that is replaced as a whole would be simpler, but a change of one rule among hundreds of
// thousands would write all of them; here it writes one filter. Every row carries a checksum.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/model/objects.h"

struct sqlite3;

namespace vxtap {

// The answer that was given to a request with an Idempotency-Key.
struct KeptAnswer {
  uint64_t request = 0;  // a hash of what was asked
  unsigned status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

class Store {
 public:
  // Makes the directory (mode 0700) and the database, or brings an older one up to date. A damaged
  // one is kept aside as `vxtap.db.damaged-<time>`, logged and told by problems(). Throws Error:
  // StateInUse (conflict), StateTooNew, StateNotWritable.
  explicit Store(const std::filesystem::path& directory);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // What was read when it was opened.
  Configuration take_configuration() { return std::move(configuration_); }

  // All or nothing: what is written between begin() and commit() is on disk when commit() returns,
  // and gone with rollback(). All throw Error(internal, StateNotWritten).
  void begin();
  void write(const Configuration& before, const Configuration& after);
  void keep_answer(const std::string& key, const KeptAnswer& answer);
  void commit();
  void rollback() noexcept;

  // What was counted when the mirror was taken down, as a text; empty if there is none or it is
  // damaged.
  void keep_counters(const std::string& text);
  std::string kept_counters() const;

  std::optional<KeptAnswer> answer(const std::string& key) const;

  // Damaged databases that lie beside this one. Sentences.
  std::vector<std::string> problems() const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  void open();
  void migrate();
  void read();
  void set_aside(const std::string& why);
  template <class Object>
  void write_table(const char* table, const Object& before, const Object& after);

  std::filesystem::path directory_;
  std::filesystem::path file_;
  std::unique_ptr<sqlite3, Close> database_;
  Configuration configuration_;
};

}  // namespace vxtap
