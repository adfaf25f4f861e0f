#include "containers.hpp"

#include "../code/code_map.hpp"
#include "../errors.hpp"

namespace sauerkraut::resume {

using capture::FrameState;
using code::CodeMap;

void make_private(FrameState& frame)
{
  auto* code = reinterpret_cast<PyCodeObject*>(frame.code.get());
  const auto kinds = CodeMap::of(code).stack(frame.unit);
  for (std::size_t at = static_cast<std::size_t>(frame.local_count); at < frame.slots.size();
       ++at) {
    PyObject* object = frame.slots[at].object.get();
    if (!under_construction(kinds[at - static_cast<std::size_t>(frame.local_count)])) {
      continue;
    }
    PyObject* copy = PyList_Check(object)  ? PyList_GetSlice(object, 0, PY_SSIZE_T_MAX)
                     : PySet_Check(object) ? PySet_New(object)
                                           : PyDict_Copy(object);
    if (copy == nullptr) {
      PyErr_Clear();
      throw ResumeError("out of memory");
    }
    frame.slots[at].object = capture::Owned::take(copy);
  }
}

void make_private(capture::Stack& stack)
{
  for (FrameState& frame : stack.frames) {
    make_private(frame);
  }
}

}  // namespace sauerkraut::resume
