#include "../io/file.hpp"
#include "../io/hash.hpp"
#include "../io/memory.hpp"
#include "bindings.hpp"
#include "view.hpp"

#include <Python.h>

#include <cstddef>
#include <exception>
#include <system_error>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

namespace sauerkraut::bindings {

namespace {

nb::bytes joined(const std::vector<io::Digest>& digests)
{
  return nb::bytes(digests.data(), digests.size() * sizeof(io::Digest));
}

std::size_t positive(std::size_t block)
{
  if (block == 0) {
    throw nb::value_error("block must be positive");
  }
  return block;
}

int memory_getbuffer(PyObject* self, Py_buffer* view, int flags)
{
  if (!nb::inst_ready(nb::handle(self))) {
    PyErr_SetString(PyExc_BufferError, "memory that was never made");
    view->obj = nullptr;
    return -1;
  }
  const auto bytes = nb::inst_ptr<io::Memory>(nb::handle(self))->bytes();
  return PyBuffer_FillInfo(view, self, bytes.data(), static_cast<Py_ssize_t>(bytes.size()), 0,
                           flags);
}

PyType_Slot memory_slots[] = {
    {Py_bf_getbuffer, reinterpret_cast<void*>(memory_getbuffer)},
    {0, nullptr},
};

void translate_system_errors()
{
  nb::register_exception_translator(
      [](const std::exception_ptr& raised, void*) {
        try {
          std::rethrow_exception(raised);
        } catch (const std::system_error& error) {
          errno = error.code().value();
          PyErr_SetFromErrno(PyExc_OSError);
        }
      },
      nullptr);
}

}  // namespace

// Digests come back joined: 16 bytes per block. All but Memory release the GIL.
void bind_io(nb::module_& m)
{
  translate_system_errors();

  nb::class_<io::Memory>(m, "Memory", nb::type_slots(memory_slots),
                         nb::sig("class Memory(typing_extensions.Buffer)"),
                         "Aligned, writable memory with undefined content; a buffer.")
      .def(nb::init<std::size_t>(), "size"_a);

  m.def(
      "allocate",
      [](int descriptor, std::uint64_t size) {
        nb::gil_scoped_release unlocked;
        return io::allocate(descriptor, size);
      },
      "descriptor"_a, "size"_a);

  m.def(
      "write",
      [](int descriptor, std::uint64_t offset, nb::handle data) {
        const View view(data, false);
        nb::gil_scoped_release unlocked;
        io::write(descriptor, offset, view.bytes());
      },
      "descriptor"_a, "offset"_a, "data"_a,
      nb::sig("def write(descriptor: int, offset: int, data: typing_extensions.Buffer) -> None"));

  m.def(
      "write_hashed",
      [](int descriptor, std::uint64_t offset, nb::handle data, std::size_t block) {
        positive(block);
        const View view(data, false);
        std::vector<io::Digest> digests;
        {
          nb::gil_scoped_release unlocked;
          digests = io::write_hashed(descriptor, offset, view.bytes(), block);
        }
        return joined(digests);
      },
      "descriptor"_a, "offset"_a, "data"_a, "block"_a,
      nb::sig("def write_hashed(descriptor: int, offset: int, data: typing_extensions.Buffer, "
              "block: int) -> bytes"));

  m.def(
      "read",
      [](int descriptor, std::uint64_t offset, nb::handle memory) {
        const View view(memory, true);
        nb::gil_scoped_release unlocked;
        return io::read(descriptor, offset, view.bytes());
      },
      "descriptor"_a, "offset"_a, "memory"_a,
      nb::sig("def read(descriptor: int, offset: int, memory: typing_extensions.Buffer) -> int"));

  m.def(
      "read_hashed",
      [](int descriptor, std::uint64_t offset, nb::handle memory, std::size_t block) {
        positive(block);
        const View view(memory, true);
        io::HashedRead result;
        {
          nb::gil_scoped_release unlocked;
          result = io::read_hashed(descriptor, offset, view.bytes(), block);
        }
        return nb::make_tuple(result.size, joined(result.digests));
      },
      "descriptor"_a, "offset"_a, "memory"_a, "block"_a,
      nb::sig("def read_hashed(descriptor: int, offset: int, memory: typing_extensions.Buffer, "
              "block: int) -> tuple[int, bytes]"));

  m.def(
      "hash_file",
      [](int descriptor, std::uint64_t offset, std::uint64_t size, std::size_t block) {
        positive(block);
        io::HashedRead result;
        {
          nb::gil_scoped_release unlocked;
          result = io::hash_file(descriptor, offset, size, block);
        }
        return nb::make_tuple(result.size, joined(result.digests));
      },
      "descriptor"_a, "offset"_a, "size"_a, "block"_a,
      nb::sig("def hash_file(descriptor: int, offset: int, size: int, block: int) "
              "-> tuple[int, bytes]"));

  m.def(
      "hash",
      [](nb::handle data, std::size_t block) {
        positive(block);
        const View view(data, false);
        std::vector<io::Digest> digests;
        {
          nb::gil_scoped_release unlocked;
          digests = io::hash(view.bytes(), block);
        }
        return joined(digests);
      },
      "data"_a, "block"_a,
      nb::sig("def hash(data: typing_extensions.Buffer, block: int) -> bytes"));

  m.def(
      "hash_in_every_way",
      [](nb::handle data, std::size_t block) {
        positive(block);
        const View view(data, false);
        nb::dict digests;
        for (const io::Xxh3* xxh3 : io::xxh3_here()) {
          digests[xxh3->name] = joined(io::hash(view.bytes(), block, *xxh3));
        }
        return digests;
      },
      "data"_a, "block"_a,
      nb::sig("def hash_in_every_way(data: typing_extensions.Buffer, block: int) "
              "-> dict[str, bytes]"),
      "The digests by each implementation that this processor can run, best last: for tests.");
}

}  // namespace sauerkraut::bindings
