// One question set, one answer file per CPython version.
//
// Everything outside native/cpython/ asks about interpreter frames through
// Layout and never names a CPython version or an internal struct field. To
// support a new CPython: add pyXYZ.hpp, answer the same questions, add its
// opcodes to opcode_table.cpp; the concept below, the tripwire and
// tests/native say what is missing.
#pragma once

#include "internal_headers.hpp"
// internal_headers.hpp must come first.
#if PY_VERSION_HEX < 0x030B0000 || PY_VERSION_HEX >= 0x03100000
#  error "no frame layout for this CPython: add native/cpython/pyXYZ.hpp"
#elif PY_VERSION_HEX >= 0x030F0000
#  include "py315.hpp"
#elif PY_VERSION_HEX >= 0x030E0000
#  include "py314.hpp"
#elif PY_VERSION_HEX >= 0x030D0000
#  include "py313.hpp"
#elif PY_VERSION_HEX >= 0x030C0000
#  include "py312.hpp"
#else
#  include "py311.hpp"
#endif

#include <concepts>
#include <cstdint>

namespace sauerkraut::cpython {

template <typename L>
concept AnswersFrameQuestions = requires(typename L::Frame& frame, const typename L::Frame& seen,
                                         PyObject* object, PyThreadState* state) {
  { L::null_below_callable } -> std::convertible_to<bool>;
  { L::load_fast_checks } -> std::convertible_to<bool>;
  { L::close_returns_value } -> std::convertible_to<bool>;
  { L::pushes_frames } -> std::convertible_to<bool>;
  { L::tags_numbers } -> std::convertible_to<bool>;
  { L::keeps_unpacked } -> std::convertible_to<bool>;
  { L::exit_replaces_manager } -> std::convertible_to<bool>;
  { L::exit_keeps_self } -> std::convertible_to<bool>;
  { L::item_operator } -> std::convertible_to<int>;
  { L::intrinsic_positive } -> std::convertible_to<int>;
  { L::compare_shift } -> std::convertible_to<int>;
  { L::compare_to_bool } -> std::convertible_to<int>;
  { L::loops_by_index } -> std::convertible_to<bool>;
  { L::keeps_locals } -> std::convertible_to<bool>;
  { L::can_be_indexed(object) } noexcept -> std::same_as<bool>;
  { L::current(state) } noexcept -> std::same_as<typename L::Frame*>;
  { L::caller(seen) } noexcept -> std::same_as<typename L::Frame*>;
  { L::entered_from_c(seen) } noexcept -> std::same_as<bool>;
  { L::is_init_shim(seen) } noexcept -> std::same_as<bool>;
  { L::code(seen) } noexcept -> std::same_as<PyCodeObject*>;
  { L::unit(seen) } noexcept -> std::same_as<int>;
  { L::saved_depth(seen) } noexcept -> std::same_as<int>;
  { L::suspended_unit(seen) } noexcept -> std::same_as<int>;
  { L::is_suspended(0) } noexcept -> std::same_as<bool>;
  { L::suspended_state(true) } noexcept -> std::same_as<std::int8_t>;
  { L::recursion_remaining(state) } noexcept -> std::same_as<int&>;
  L::wait_at(frame, 0, 0);
  L::go_on_at(frame, 0);
  // A slot holds an object (borrowed here, stolen by put), nothing or, from 3.14 on, a number.
  { L::object_at(seen, 0) } noexcept -> std::same_as<PyObject*>;
  { L::is_number_at(seen, 0) } noexcept -> std::same_as<bool>;
  { L::number_at(seen, 0) } noexcept -> std::same_as<std::int64_t>;
  L::put(frame, 0, object);
  L::put_number(frame, 0, std::int64_t{});
  L::clear(frame, 0);
  L::set_depth(frame, 0);
  L::set_current(state, &frame);
};

static_assert(AnswersFrameQuestions<Layout>);

using Frame = Layout::Frame;

inline Frame* frame_of(PyFrameObject* object) noexcept
{
  return object->f_frame;
}

inline bool is_generator(const Frame& frame) noexcept
{
  return frame.owner == FRAME_OWNED_BY_GENERATOR;
}

}  // namespace sauerkraut::cpython
