#include "file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <system_error>
#include <unistd.h>

namespace sauerkraut::io {

namespace {

// Small enough that what was read or written is still in the processor's cache when it is hashed.
constexpr std::size_t kStep = std::size_t{128} << 10;

// A file system that undoes an interrupted fallocate could be kept from ever finishing by a timer.
constexpr int kAllocations = 100;

[[noreturn]] void fail(int error)
{
  throw std::system_error(error, std::generic_category());
}

// Files in memory: to reserve their pages is to look each up twice.
bool is_memory(int descriptor)
{
  struct statfs about = {};
  return ::fstatfs(descriptor, &about) == 0 &&
         (about.f_type == TMPFS_MAGIC || about.f_type == RAMFS_MAGIC);
}

bool reserve(int descriptor, std::uint64_t size)
{
  if (is_memory(descriptor)) {
    return false;
  }
  // Not posix_fallocate: glibc emulates it by touching every block where the file system cannot,
  // and so hides that.
  for (int tries = 0; tries < kAllocations; ++tries) {
    if (::fallocate(descriptor, 0, 0, static_cast<off_t>(size)) == 0) {
      return true;
    }
    if (errno != EINTR) {
      break;
    }
  }
  if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR) {
    fail(errno);
  }
  return false;
}

}  // namespace

bool allocate(int descriptor, std::uint64_t size)
{
  if (size == 0 || reserve(descriptor, size)) {
    return true;
  }
  if (::ftruncate(descriptor, static_cast<off_t>(size)) != 0) {
    fail(errno);
  }
  return false;
}

void write(int descriptor, std::uint64_t offset, Bytes bytes)
{
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      fail(errno);
    }
    if (written == 0) {
      fail(EIO);  // POSIX leaves it open for a regular file; going round again might never end
    }
    offset += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

std::vector<Digest> write_hashed(int descriptor, std::uint64_t offset, Bytes bytes,
                                 std::size_t block)
{
  // In turn, a step at a time, not in a second thread: that would cost a third more wherever no
  // processor is idle, and jobs have a rank on each.
  BlockHash hash(block);
  while (!bytes.empty()) {
    const Bytes step = bytes.first(std::min(bytes.size(), kStep));
    write(descriptor, offset, step);
    hash.update(step);
    offset += step.size();
    bytes = bytes.subspan(step.size());
  }
  return hash.finish();
}

std::size_t read(int descriptor, std::uint64_t offset, std::span<std::byte> memory)
{
  std::size_t done = 0;
  while (done < memory.size()) {
    const ssize_t got = ::pread(descriptor, memory.data() + done, memory.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      fail(errno);
    }
    if (got == 0) {
      break;
    }
    done += static_cast<std::size_t>(got);
  }
  return done;
}

HashedRead read_hashed(int descriptor, std::uint64_t offset, std::span<std::byte> memory,
                       std::size_t block)
{
  BlockHash hash(block);
  std::size_t done = 0;
  while (done < memory.size()) {
    const auto step = memory.subspan(done, std::min(memory.size() - done, kStep));
    const std::size_t got = read(descriptor, offset + done, step);
    hash.update(step.first(got));
    done += got;
    if (got < step.size()) {
      break;
    }
  }
  return {done, hash.finish()};
}

HashedRead hash_file(int descriptor, std::uint64_t offset, std::uint64_t size, std::size_t block)
{
  BlockHash hash(block);
  std::vector<std::byte> memory(static_cast<std::size_t>(std::min<std::uint64_t>(size, kStep)));
  std::uint64_t done = 0;
  while (done < size) {
    const auto step = std::span(memory).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(size - done, kStep)));
    const std::size_t got = read(descriptor, offset + done, step);
    hash.update(step.first(got));
    done += got;
    if (got < step.size()) {
      break;
    }
  }
  return {static_cast<std::size_t>(done), hash.finish()};
}

}  // namespace sauerkraut::io
