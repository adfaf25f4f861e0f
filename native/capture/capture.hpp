// Reads live frames of the calling thread into a Stack, changing nothing.
#pragma once

#include "stack.hpp"

#include <utility>

namespace sauerkraut::capture {

// Captures from the frame object `innermost` outwards. The walk ends with
// (including) `base`, a frame object or a code object, when given; otherwise
// before the first frame that runs one of `markers` (a tuple of code objects, such
// as that of skt.call); without such a frame before the first module body. The first marker is of
// a function that returns what the outermost frame does: where it calls C that calls that, or a
// class, is refused.
//
// Throws CaptureError when a frame cannot be captured, or `base` is not on the stack.
Stack capture_stack(PyObject* innermost, PyObject* base, PyObject* markers);

// The same for a greenlet of the calling thread that has been switched away from. `frames` is a
// list of its frame objects, innermost first; `greenlet` the class whose switch() its innermost
// frame waits in. Refuses also where the exception that it handles is nowhere to be seen.
Stack capture_suspended(PyObject* frames, PyObject* base, PyObject* markers, PyObject* greenlet);
// Takes a C callable's word that it returns what the Python function it calls returns; of a
// class, also for its instances.
void declare_transparent(PyObject* callable);

// What the frame object's internal structure says: its code (borrowed) and the
// unit of the instruction it stands at. For the self-test of the layout.
std::pair<PyObject*, int> probe(PyObject* frame);

}  // namespace sauerkraut::capture
