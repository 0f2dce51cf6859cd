// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/engines.h"

#include <lmdb.h>
#include <sqlite3.h>

#include <stdexcept>

#include "store/vault/vault.h"

namespace vtpm::bench {
namespace {

using store::Role;
using store::Vault;

constexpr std::string_view kPin = "1234";

// --- this store ---

std::string store_in(const std::string& directory) { return directory + "/store.vtpm"; }

class OurEngine : public Engine {
 public:
  explicit OurEngine(const std::string& directory) : vault_(Vault::open(store_in(directory))) {
    if (vault_->unlock(Role::kUser, as_bytes(kPin)) != store::UnlockResult::kUnlocked)
      throw std::runtime_error("the PIN does not open the store");
  }
  void commit(const std::string& name, ByteView value) override {
    vault_->change(
        [&](store::Transaction& transaction) { transaction.put(name, "record", store::Protection::kSealed, value); });
  }

 private:
  std::unique_ptr<Vault> vault_;
};

void make_ours(const std::string& directory) {
  store::CreateOptions options;
  options.kdf = crypto::Argon2Parameters{8192, 1, 1};
  Vault::create(store_in(directory), options, {{Role::kUser, as_bytes(kPin)}}, nullptr);
}

// --- SQLite ---

std::string database_in(const std::string& directory) { return directory + "/store.sqlite"; }

class SqliteEngine : public Engine {
 public:
  explicit SqliteEngine(const std::string& directory) {
    require(sqlite3_open(database_in(directory).c_str(), &database_), "open");
    sqlite3_busy_timeout(database_, 60000);
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = FULL");
    // WITHOUT ROWID makes one tree. With a rowid and an index the table is slower.
    run("CREATE TABLE IF NOT EXISTS records (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID");
    require(sqlite3_prepare_v2(database_, "INSERT INTO records VALUES (?, ?)", -1, &insert_, nullptr), "prepare");
  }
  ~SqliteEngine() override {
    sqlite3_finalize(insert_);
    sqlite3_close(database_);
  }
  SqliteEngine(const SqliteEngine&) = delete;
  SqliteEngine& operator=(const SqliteEngine&) = delete;

  void commit(const std::string& name, ByteView value) override {
    sqlite3_bind_text(insert_, 1, name.data(), static_cast<int>(name.size()), SQLITE_STATIC);
    sqlite3_bind_blob(insert_, 2, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
    if (sqlite3_step(insert_) != SQLITE_DONE) fail("insert");
    require(sqlite3_reset(insert_), "commit");
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw std::runtime_error(std::string("SQLite cannot ") + what + ": " + sqlite3_errmsg(database_));
  }
  void require(int result, const char* what) const {
    if (result != SQLITE_OK) fail(what);
  }
  void run(const char* statement) const {
    require(sqlite3_exec(database_, statement, nullptr, nullptr, nullptr), statement);
  }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

// --- LMDB ---

class LmdbEngine : public Engine {
 public:
  explicit LmdbEngine(const std::string& directory) {
    require(mdb_env_create(&environment_), "begin");
    require(mdb_env_set_mapsize(environment_, size_t{4} << 30), "reserve addresses");
    require(mdb_env_open(environment_, directory.c_str(), 0, 0600), "open");
    MDB_txn* transaction = begin();
    require(mdb_dbi_open(transaction, nullptr, 0, &records_), "open the records");
    require(mdb_txn_commit(transaction), "commit");
  }
  ~LmdbEngine() override { mdb_env_close(environment_); }
  LmdbEngine(const LmdbEngine&) = delete;
  LmdbEngine& operator=(const LmdbEngine&) = delete;

  void commit(const std::string& name, ByteView value) override {
    MDB_txn* transaction = begin();
    MDB_val key{name.size(), const_cast<char*>(name.data())};
    MDB_val data{value.size(), const_cast<uint8_t*>(value.data())};
    require(mdb_put(transaction, records_, &key, &data, 0), "put");
    require(mdb_txn_commit(transaction), "commit");
  }

 private:
  static void require(int result, const char* what) {
    if (result != 0) throw std::runtime_error(std::string("LMDB cannot ") + what + ": " + mdb_strerror(result));
  }
  MDB_txn* begin() const {
    MDB_txn* transaction = nullptr;
    require(mdb_txn_begin(environment_, nullptr, 0, &transaction), "begin a transaction");
    return transaction;
  }

  MDB_env* environment_ = nullptr;
  MDB_dbi records_ = 0;
};

template <typename T>
std::unique_ptr<Engine> open(const std::string& directory) {
  return std::make_unique<T>(directory);
}

template <typename T>
void make(const std::string& directory) {
  T made(directory);
}

}  // namespace

const std::vector<EngineKind>& engines() {
  static const std::vector<EngineKind> all = {
      {"vtpm", make_ours, open<OurEngine>},
      {"SQLite", make<SqliteEngine>, open<SqliteEngine>},
      {"LMDB", make<LmdbEngine>, open<LmdbEngine>},
  };
  return all;
}

}  // namespace vtpm::bench
