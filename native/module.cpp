#include "bindings/bindings.hpp"
#include "bindings/watch.hpp"

NB_MODULE(_native, m)
{
  m.doc() = "The native core of sauerkraut: frames, control state and bytes.";
  nanobind::set_leak_warnings(false);  // a program may well end while it holds a snapshot
  sauerkraut::bindings::bind_errors(m);
  sauerkraut::bindings::bind_memory(m);
  sauerkraut::bindings::bind_sets(m);
  sauerkraut::bindings::bind_iterators(m);
  sauerkraut::bindings::bind_anchors(m);
  sauerkraut::bindings::bind_contexts(m);
  sauerkraut::bindings::bind_plain(m);
  sauerkraut::bindings::bind_stack(m);
  sauerkraut::bindings::bind_functions(m);
  sauerkraut::bindings::bind_generators(m);
  sauerkraut::bindings::bind_labels(m);
  sauerkraut::bindings::bind_control(m);
  sauerkraut::bindings::bind_sections(m);
  sauerkraut::bindings::bind_io(m);
  sauerkraut::bindings::bind_liveness(m);
  sauerkraut::bindings::bind_watch(m);
}
