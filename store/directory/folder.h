// SPDX-License-Identifier: Apache-2.0
// A folder of store files: a StoreDirectory (store/directory/store_directory.h) in a file system.
//
// A refresh costs one directory listing, one statx for each file, and a look into what is new or has been replaced;
// what is not served is looked at again each time. The folder is made with mode 0700. Its lock is an advisory one
// (flock) on the folder itself, so that no lock file is left behind.
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
    bool whole = false;  // it was opened and nothing was missing
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
  void judge();
  void give_numbers();

  const std::string directory_;
  const ReadStoreName read_name_;
  const std::shared_ptr<const Inheritance> inheritance_;  // keeps what it holds open
  std::string problem_;
  bool out_of_reach_ = false;
  std::map<std::string, Known> known_;  // by file name
  std::vector<FoundStore> stores_;
  std::map<std::string, std::shared_ptr<Vault>> opened_;  // by the path that was opened
};

}  // namespace vtpm::store
