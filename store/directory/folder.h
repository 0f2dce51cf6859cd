// SPDX-License-Identifier: Apache-2.0
// A folder of store files: the StoreDirectory (store/directory/store_directory.h) of a file system.
//
// A refresh costs one listing of the folder, one statx for each file, and one open for each file that is new, has been
// replaced, or is not served. The folder is created with mode 0700. Its lock is an flock(2) on the folder itself, so
// that no lock file is left behind.
#pragma once

#include <map>

#include "store/directory/store_directory.h"
#include "store/file/file.h"

namespace vtpm::store {

class Folder final : public StoreDirectory {
 public:
  Folder(std::string directory, ReadStoreName read_name, std::shared_ptr<const Inheritance> inheritance);

  const std::string& directory() const override { return directory_; }
  void refresh() override;
  const std::vector<FoundStore>& stores() const override { return stores_; }
  const std::string& problem() const override { return problem_; }
  bool out_of_reach() const override { return out_of_reach_; }
  std::shared_ptr<const Inheritance> inheritance() const override;
  uint64_t unused_number() const override;
  std::vector<std::string> others_of(const FoundStore& store) const override;
  std::shared_ptr<Vault> open(const FoundStore& store) override;
  void close_unused() override { opened_.clear(); }
  std::string path_of(const std::string& serial) const override { return directory_ + "/" + serial + ".vtpm"; }
  void make() const override;
  void remove(const FoundStore& store) override;
  std::unique_ptr<Lock> lock() const override;

 private:
  struct Known {
    FoundStore store;
    FileId id;
    bool whole = false;  // it could be opened, and nothing of it was missing
    std::weak_ptr<Vault> vault;
  };
  struct Inherited final : Inheritance {
    std::map<std::string, Known> known;
    std::vector<std::shared_ptr<Vault>> vaults;
  };

  static std::shared_ptr<Vault> inherited_vault(const Known& known);
  std::optional<Known> look_at(const std::string& file_name, bool is_link, const Known* before);
  void look_into(Known& known);
  std::optional<StoreName> name_in_what_is_left(const FoundStore& store) const;
  void apply_the_rules();

  const std::string directory_;
  const ReadStoreName read_name_;
  const std::shared_ptr<const Inheritance> inheritance_;  // keeps its vaults open
  std::string problem_;
  bool out_of_reach_ = false;
  std::map<std::string, Known> known_;  // by file name
  std::vector<FoundStore> stores_;
  std::map<std::string, std::shared_ptr<Vault>> opened_;  // by the path that was opened
};

}  // namespace vtpm::store
