// The binary operators, in the order of BINARY_OP's argument; the in-place ones follow in the
// same order.
#pragma once

#include <Python.h>

#include <cstddef>
#include <iterator>

namespace sauerkraut::capture {

struct Operator {
  const char* name;  // of the methods: __add__, __radd__, __iadd__
  const char* sign;  // in place with a = behind it
  std::size_t slot;  // in PyNumberMethods
};

inline constexpr Operator operators[] = {
    {"add", "+", offsetof(PyNumberMethods, nb_add)},
    {"and", "&", offsetof(PyNumberMethods, nb_and)},
    {"floordiv", "//", offsetof(PyNumberMethods, nb_floor_divide)},
    {"lshift", "<<", offsetof(PyNumberMethods, nb_lshift)},
    {"matmul", "@", offsetof(PyNumberMethods, nb_matrix_multiply)},
    {"mul", "*", offsetof(PyNumberMethods, nb_multiply)},
    {"mod", "%", offsetof(PyNumberMethods, nb_remainder)},
    {"or", "|", offsetof(PyNumberMethods, nb_or)},
    {"pow", "**", offsetof(PyNumberMethods, nb_power)},
    {"rshift", ">>", offsetof(PyNumberMethods, nb_rshift)},
    {"sub", "-", offsetof(PyNumberMethods, nb_subtract)},
    {"truediv", "/", offsetof(PyNumberMethods, nb_true_divide)},
    {"xor", "^", offsetof(PyNumberMethods, nb_xor)},
};
inline constexpr int operator_count = static_cast<int>(std::size(operators));

// The comparisons in the order of Py_LT ... Py_GE.
inline constexpr const char* comparisons[] = {"__lt__", "__le__", "__eq__",
                                              "__ne__", "__gt__", "__ge__"};
inline constexpr const char* comparison_signs[] = {"<", "<=", "==", "!=", ">", ">="};
inline constexpr int swapped_comparison[] = {Py_GT, Py_GE, Py_EQ, Py_NE, Py_LT, Py_LE};
inline constexpr int comparison_count = static_cast<int>(std::size(comparisons));

}  // namespace sauerkraut::capture
