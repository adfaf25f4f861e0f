// What is left of choosing between the methods of two operands once one of them has returned.
#pragma once

#include "../code/code_map.hpp"
#include "rebuild.hpp"

namespace sauerkraut::resume {

// The value of a binary operator, `argument` being that of BINARY_OP, after `method` of one
// operand returned `result`. New reference; null with an exception set.
PyObject* after_operator(PyObject* left, PyObject* right, int argument, PyObject* method,
                         PyObject* result);

// The value of a comparison (Py_LT ...) after `method` of the left or right operand returned.
PyObject* after_comparison(PyObject* left, PyObject* right, int which, PyObject* method,
                           bool of_right, PyObject* result);

// Calls a special method, found on the type, with one argument. NotImplemented where there is none.
PyObject* call_special(PyObject* object, const char* name, PyObject* argument);

// Operands of the pending operation, lying in their stack slots as they do while the interpreter
// runs it: a checkpoint inside the methods that are still to be tried finds them there.
class OperandsInPlace {
 public:
  OperandsInPlace(Frame& frame, const FrameState& state, const code::CallSite& site);
  ~OperandsInPlace();
  OperandsInPlace(const OperandsInPlace&) = delete;
  OperandsInPlace& operator=(const OperandsInPlace&) = delete;

 private:
  void put(int place, PyObject* object);

  Frame& frame_;
  int first_;
  int count_ = 0;
};

}  // namespace sauerkraut::resume
