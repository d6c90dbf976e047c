// A disk that fails on request and loses what was not synced.
//
// Two layers over the real file system. The lower one is RocksDB's own FaultInjectionTestFS: it keeps unsynced data in memory, and knows which
// files a directory has that it was not synced with. The upper one, here, counts writes and syncs, lets the n-th of them fail, and remembers unsynced
// data page by page, so that after a power cut any of the pages may have reached the disk or not.

#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "utilities/fault_injection_fs.h"

using namespace ROCKSDB_NAMESPACE;

// As in RocksDB's db/c.cc, which does not show it; rocksdb_env_destroy deletes both.
struct rocksdb_env_t {
  Env* rep;
  bool is_default;
};

namespace {

enum Operation : int { kWrite = 0, kSync = 1 };
enum Fault : int { kPowerCut = 0, kNoSpace = 1, kFailure = 2 };
constexpr size_t kPage = 4096;

class Disk : public FileSystemWrapper {
 public:
  explicit Disk(const std::shared_ptr<FaultInjectionTestFS>& lower) : FileSystemWrapper(lower), lower_(lower) {
    lower_->SetInjectUnsyncedDataLoss(true);
  }

  static const char* kClassName() { return "tidegate.Disk"; }
  const char* Name() const override { return kClassName(); }

  void Plan(Operation operation, const std::string& suffix, uint64_t after, Fault fault) {
    std::lock_guard<std::mutex> lock(mutex_);
    planned_ = true;
    operation_ = operation;
    suffix_ = suffix;
    left_ = after;
    fault_ = fault;
  }

  void Heal() {
    std::lock_guard<std::mutex> lock(mutex_);
    planned_ = false;
  }

  void Cut() { lower_->SetFilesystemActive(false, IOStatus::IOError("the power is off")); }
  bool IsCut() { return !lower_->IsFilesystemActive(); }

  // What happens to an operation on that file; to be called before it.
  IOStatus Before(Operation operation, const std::string& name) {
    std::lock_guard<std::mutex> lock(mutex_);
    const bool meant = planned_ && operation == operation_ && name.size() >= suffix_.size() &&
                       name.compare(name.size() - suffix_.size(), suffix_.size(), suffix_) == 0;
    if (!meant) return IOStatus::OK();
    if (left_ > 0) {
      --left_;
      return IOStatus::OK();
    }
    if (fault_ == kNoSpace) return IOStatus::NoSpace("as planned");
    if (fault_ == kFailure) return IOStatus::IOError("as planned");
    Cut();
    return IOStatus::OK();  // The lower layer refuses by itself.
  }

  void Appended(const std::string& name, const Slice& data) {
    std::lock_guard<std::mutex> lock(mutex_);
    unsynced_[name].append(data.data(), data.size());
  }

  void Synced(const std::string& name) {
    std::lock_guard<std::mutex> lock(mutex_);
    unsynced_.erase(name);
  }

  // The power is back: what is on the disk? Without a seed, only what was synced.
  IOStatus Restore(bool seeded, uint64_t seed) {
    std::mt19937_64 random(seed);
    lower_->SetFilesystemActive(true);
    IOStatus status;
    for (const auto& [name, data] : unsynced_) {
      if (seeded && status.ok()) status = Settle(name, data, random);
    }
    // Half of the time the directory was written in spite of all.
    if (status.ok() && !(seeded && random() % 2 == 0)) {
      std::vector<std::string> stood_in = StandIn();
      status = lower_->DeleteFilesCreatedAfterLastDirSync(IOOptions(), nullptr);
      for (const std::string& name : stood_in) lower_->target()->DeleteFile(name, IOOptions(), nullptr);
    }
    unsynced_.clear();
    planned_ = false;
    lower_->ResetState();
    return status;
  }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options, std::unique_ptr<FSWritableFile>* file,
                           IODebugContext* debug) override;
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override;
  IOStatus ReuseWritableFile(const std::string& name, const std::string& old, const FileOptions& options,
                             std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override;

  // By way of the files of this layer.
  IOStatus SyncFile(const std::string& name, const FileOptions& options, const IOOptions& io, bool use_fsync,
                    IODebugContext* debug) override {
    return FileSystem::SyncFile(name, options, io, use_fsync, debug);
  }

  IOStatus DeleteFile(const std::string& name, const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = lower_->DeleteFile(name, options, debug);
    if (status.ok()) made_.erase(name);
    if (status.ok()) Synced(name);
    return status;
  }

  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* debug) override {
    IOStatus status = lower_->RenameFile(from, to, options, debug);
    std::lock_guard<std::mutex> lock(mutex_);
    if (status.ok()) {
      auto moved = unsynced_.extract(from);
      unsynced_.erase(to);
      if (moved) {
        moved.key() = to;
        unsynced_.insert(std::move(moved));
      }
    }
    return status;
  }

 private:
  // The product removes files of its own past this layer, and the one below fails over a file that it believes to be there.
  std::vector<std::string> StandIn() {
    std::vector<std::string> stood_in;
    for (const std::string& name : made_) {
      std::unique_ptr<FSWritableFile> file;
      if (!lower_->target()->FileExists(name, IOOptions(), nullptr).ok() &&
          lower_->target()->NewWritableFile(name, FileOptions(), &file, nullptr).ok()) {
        stood_in.push_back(name);
      }
    }
    made_.clear();
    return stood_in;
  }

  // Every page reached the disk, or is there and empty; behind the last one that did, the file ends.
  IOStatus Settle(const std::string& name, const std::string& data, std::mt19937_64& random) {
    if (!lower_->target()->FileExists(name, IOOptions(), nullptr).ok()) return IOStatus::OK();
    std::string found = data.substr(0, random() % (data.size() + 1));
    for (size_t at = 0; at < found.size(); at += kPage) {
      if (random() % 4 == 0) found.replace(at, kPage, std::min(kPage, found.size() - at), '\0');
    }
    std::unique_ptr<FSWritableFile> file;
    IOStatus status = lower_->target()->ReopenWritableFile(name, FileOptions(), &file, nullptr);
    if (status.ok()) status = file->Append(found, IOOptions(), nullptr);
    if (status.ok()) status = file->Close(IOOptions(), nullptr);
    return status;
  }

  const std::shared_ptr<FaultInjectionTestFS> lower_;
  std::mutex mutex_;
  bool planned_ = false;
  Operation operation_ = kWrite;
  std::string suffix_;
  uint64_t left_ = 0;
  Fault fault_ = kPowerCut;
  std::map<std::string, std::string> unsynced_;
  // Files that the product makes itself, to be taken in.
  std::set<std::string> made_;
};

class File : public FSWritableFileOwnerWrapper {
 public:
  File(std::unique_ptr<FSWritableFile>&& file, const std::string& name, Disk* disk)
      : FSWritableFileOwnerWrapper(std::move(file)), name_(name), disk_(disk) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = disk_->Before(kWrite, name_);
    if (status.ok()) status = target()->Append(data, options, debug);
    if (status.ok()) disk_->Appended(name_, data);
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = disk_->Before(kSync, name_);
    if (status.ok()) status = target()->Sync(options, debug);
    if (status.ok()) disk_->Synced(name_);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override { return Sync(options, debug); }
  // A wish to begin writing, and no promise.
  IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  const std::string name_;
  Disk* const disk_;
};

IOStatus Wrapped(IOStatus status, const std::string& name, Disk* disk, std::unique_ptr<FSWritableFile>* file) {
  if (status.ok()) file->reset(new File(std::move(*file), name, disk));
  return status;
}

IOStatus Disk::NewWritableFile(const std::string& name, const FileOptions& options,
                               std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) {
  IOStatus status = lower_->NewWritableFile(name, options, file, debug);
  if (status.ok()) Synced(name);
  const std::string own = ".ingest";
  if (name.size() > own.size() && name.compare(name.size() - own.size(), own.size(), own) == 0) made_.insert(name);
  return Wrapped(std::move(status), name, this, file);
}

IOStatus Disk::ReopenWritableFile(const std::string& name, const FileOptions& options,
                                  std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) {
  return Wrapped(lower_->ReopenWritableFile(name, options, file, debug), name, this, file);
}

IOStatus Disk::ReuseWritableFile(const std::string& name, const std::string& old, const FileOptions& options,
                                 std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) {
  return Wrapped(lower_->ReuseWritableFile(name, old, options, file, debug), name, this, file);
}

}  // namespace

struct fault_disk_t {
  std::shared_ptr<Disk> disk;
};

extern "C" {

fault_disk_t* fault_disk_new() {
  return new fault_disk_t{std::make_shared<Disk>(std::make_shared<FaultInjectionTestFS>(FileSystem::Default()))};
}
void fault_disk_free(fault_disk_t* it) { delete it; }
rocksdb_env_t* fault_disk_env(fault_disk_t* it) { return new rocksdb_env_t{NewCompositeEnv(it->disk).release(), false}; }
void fault_disk_plan(fault_disk_t* it, int operation, const char* suffix, uint64_t after, int fault) {
  it->disk->Plan(static_cast<Operation>(operation), suffix, after, static_cast<Fault>(fault));
}
void fault_disk_heal(fault_disk_t* it) { it->disk->Heal(); }
void fault_disk_cut(fault_disk_t* it) { it->disk->Cut(); }
bool fault_disk_is_cut(fault_disk_t* it) { return it->disk->IsCut(); }
bool fault_disk_restore(fault_disk_t* it, bool seeded, uint64_t seed) { return it->disk->Restore(seeded, seed).ok(); }

}  // extern "C"
