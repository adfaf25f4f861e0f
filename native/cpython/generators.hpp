// Generators, coroutines and async generators: one struct of CPython, the last part of which is
// the frame itself.
#pragma once

#include "adapter.hpp"

namespace sauerkraut::cpython {

enum class Progress : std::uint8_t { created, suspended, running, finished };

inline bool is_generator(PyObject* object)
{
  return PyGen_CheckExact(object) || PyCoro_CheckExact(object) || PyAsyncGen_CheckExact(object);
}

inline bool makes_generators(const PyCodeObject* code)
{
  return (code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) != 0;
}

// `object` is one of the three kinds.
inline PyGenObject& as_generator(PyObject* object)
{
  return *reinterpret_cast<PyGenObject*>(object);
}

// The part that only async generators give a meaning to.
inline PyAsyncGenObject& as_async(PyObject* object)
{
  return *reinterpret_cast<PyAsyncGenObject*>(object);
}

inline Frame& frame_of(PyObject* generator)
{
  return *reinterpret_cast<Frame*>(&as_generator(generator).gi_iframe);
}

// The generator that `frame`, one of those that lie in a generator, belongs to; borrowed.
inline PyObject* generator_of(Frame& frame)
{
  return reinterpret_cast<PyObject*>(reinterpret_cast<char*>(&frame) -
                                     offsetof(PyGenObject, gi_iframe));
}

inline Progress progress_of(PyObject* generator)
{
  const int state = as_generator(generator).gi_frame_state;
  if (state == FRAME_CREATED) {
    return Progress::created;
  }
  if (state == FRAME_EXECUTING) {
    return Progress::running;
  }
  return Layout::is_suspended(state) ? Progress::suspended : Progress::finished;
}

inline void set_created(PyObject* generator)
{
  as_generator(generator).gi_frame_state = FRAME_CREATED;
}

inline void set_running(PyObject* generator)
{
  as_generator(generator).gi_frame_state = FRAME_EXECUTING;
}

// `delegates`: at a `yield from` or `await`.
inline void set_suspended(PyObject* generator, bool delegates)
{
  as_generator(generator).gi_frame_state = Layout::suspended_state(delegates);
}

}  // namespace sauerkraut::cpython
