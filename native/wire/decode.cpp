#include "../errors.hpp"
#include "control.hpp"

#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <snapshot_generated.h>
#include <tuple>

namespace sauerkraut::wire {

namespace {

constexpr std::size_t fingerprint_size = 16;

// FlatBuffers reads numbers in place: they must be aligned whatever the caller's bytes are.
class Aligned {
 public:
  explicit Aligned(std::string_view bytes)
      : words_(std::make_unique_for_overwrite<std::uint64_t[]>((bytes.size() + 7) / 8)),
        size_(bytes.size())
  {
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(words_.get()));
  }
  const std::uint8_t* data() const { return reinterpret_cast<const std::uint8_t*>(words_.get()); }
  std::size_t size() const { return size_; }

 private:
  std::unique_ptr<std::uint64_t[]> words_;
  std::size_t size_;
};

[[noreturn]] void refuse(const std::string& why)
{
  throw ResumeError("control state is damaged or foreign: " + why);
}

// Python decodes these as UTF-8; overlong forms, surrogates and the like never pass.
bool is_utf8(std::string_view text)
{
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = at + text.size();
  while (at < end) {
    if (std::uint64_t eight = 0; end - at >= 8) {
      std::memcpy(&eight, at, 8);
      if ((eight & 0x8080808080808080) == 0) {
        at += 8;
        continue;
      }
    }
    const unsigned lead = *at++;
    if (lead < 0x80) {
      continue;
    }
    const int more = lead >= 0xF0 && lead < 0xF5   ? 3
                     : lead >= 0xE0 && lead < 0xF0 ? 2
                     : lead >= 0xC2 && lead < 0xE0 ? 1
                                                   : 0;
    if (more == 0 || end - at < more) {
      return false;
    }
    std::uint32_t point = lead & (0x3Fu >> more);
    for (int i = 0; i < more; ++i) {
      if ((at[i] & 0xC0) != 0x80) {
        return false;
      }
      point = point << 6 | (at[i] & 0x3Fu);
    }
    at += more;
    const bool overlong = (more == 2 && point < 0x800) || (more == 3 && point < 0x10000);
    if (overlong || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
      return false;
    }
  }
  return true;
}

void check_text(const flatbuffers::String* string)
{
  if (string != nullptr && !is_utf8(string->string_view())) {
    refuse("a name is not UTF-8");
  }
}

std::string text(const flatbuffers::String* string)
{
  check_text(string);
  return string != nullptr ? string->str() : std::string();
}

std::string raw(const flatbuffers::Vector<std::uint8_t>* bytes)
{
  return bytes != nullptr ? std::string(bytes->begin(), bytes->end()) : std::string();
}

std::vector<std::string> names(
    const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* strings)
{
  std::vector<std::string> all;
  if (strings != nullptr) {
    for (const auto* string : *strings) {
      all.push_back(string->str());
    }
  }
  return all;
}

CodeLabel label_of(const format::Frame& frame)
{
  const format::CodeReference& code = *frame.code();
  CodeLabel label;
  label.module = text(code.module_());
  label.qualname = text(code.qualname());
  if (code.path() != nullptr) {
    label.path.assign(code.path()->begin(), code.path()->end());
  }
  label.fingerprint = raw(code.fingerprint());
  if (label.fingerprint.size() < fingerprint_size) {
    refuse("a code reference has no fingerprint");
  }
  label.layout =
      code.layout() != nullptr ? raw(code.layout()) : label.fingerprint.substr(fingerprint_size);
  label.fingerprint.resize(fingerprint_size);
  if (code.embedded() != nullptr) {
    label.embedded = raw(code.embedded());
  }
  if (frame.globals_module() != nullptr) {
    label.globals_module = text(frame.globals_module());
  }
  label.function = text(frame.function());
  label.file = text(frame.file());
  if (label.file.find('\0') != std::string::npos) {
    refuse("the name of a file has a zero byte");
  }
  label.first_line = frame.first_line();
  label.source = text(frame.source());
  return label;
}

// Refuses rows that Python could not show; they are taken out when somebody asks.
void check_rows(const format::Frame& frame)
{
  check_text(frame.shown());
  if (frame.variables() != nullptr) {
    for (const auto* row : *frame.variables()) {
      check_text(row->name());
      check_text(row->type());
    }
  }
  for (const auto* names : {frame.excluded(), frame.unbound()}) {
    if (names != nullptr) {
      for (const auto* name : *names) {
        check_text(name);
      }
    }
  }
}

// The labels of the frames that were read, each once: frames that run the same code share theirs.
class Labels {
 public:
  explicit Labels(std::vector<CodeLabel>& all) : all_(all) {}

  std::size_t place_of(const format::Frame& frame)
  {
    const Key key{frame.code(), frame.globals_module(), frame.function(),
                  frame.file(), frame.source(),         frame.first_line()};
    if (key != last_) {  // not a recursion
      const auto [found, is_new] = places_.try_emplace(key, all_.size());
      if (is_new) {
        all_.push_back(label_of(frame));
      }
      last_ = key;
      last_place_ = found->second;
    }
    return last_place_;
  }

 private:
  using Key =
      std::tuple<const void*, const void*, const void*, const void*, const void*, std::uint32_t>;
  std::vector<CodeLabel>& all_;
  std::map<Key, std::size_t> places_;
  Key last_;  // of no frame: each has code
  std::size_t last_place_ = 0;
};

void read(const format::Frame& table, std::uint32_t objects, Labels& labels, FrameControl& frame)
{
  frame.label = labels.place_of(table);
  frame.table = &table;
  frame.line = table.line();
  check_rows(table);
  frame.unit = table.unit();
  frame.continuation = table.continuation();
  frame.local_count = table.local_count();
  // The verifier looks at where a vector's length lies, not at its elements.
  const bool elements = table.slots()->size() != 0;
  if (elements && reinterpret_cast<std::uintptr_t>(table.slots()->Data()) % sizeof(std::uint64_t)) {
    refuse("a frame's slots are not aligned");
  }
  static_assert(std::endian::native == std::endian::little);
  frame.slots = {reinterpret_cast<const std::uint64_t*>(table.slots()->Data()),
                 table.slots()->size()};
  frame.pending_object = table.pending_object();
  frame.globals = table.globals();
  frame.locals = table.locals();
  frame.generator = table.generator();
  if (frame.unit > INT32_MAX / 4 || frame.local_count > frame.slots.size()) {
    refuse("a frame's numbers are out of range");
  }
  if (frame.continuation > static_cast<std::uint8_t>(capture::Continuation::last)) {
    refuse("a frame continues in a way that this version does not know");
  }
  for (const std::uint64_t reference : frame.slots) {
    if (!valid(reference, objects)) {
      refuse("a slot refers to an object that is not there");
    }
  }
  for (const std::uint64_t reference :
       {frame.pending_object, frame.globals, frame.locals, frame.generator}) {
    if (!valid(reference, objects)) {
      refuse("a frame refers to an object that is not there");
    }
  }
}

GeneratorControl generator_of(const format::Generator& table, Labels& labels)
{
  GeneratorControl generator;
  generator.objects = table.objects();
  read(*table.frame(), generator.objects, labels, generator.frame);
  generator.stage = table.stage();
  generator.handled = table.handled();
  generator.name = text(table.name());
  generator.qualname = text(table.qualname());
  generator.flags = table.flags();
  if (generator.stage > static_cast<std::uint8_t>(capture::GeneratorStage::active) ||
      (generator.flags & ~capture::all_async_flags) != 0) {
    refuse("a generator is in a state that this version does not know");
  }
  if (!valid(generator.handled, generator.objects)) {
    refuse("what a generator handles is not there");
  }
  return generator;
}

// All but code and globals.
void bind(const FrameControl& saved, const std::vector<Owned>& objects, capture::FrameState& frame)
{
  auto object = [&](std::uint64_t reference) {
    return reference != 0 ? resolve(reference, objects).object : Owned();
  };
  frame.locals = object(saved.locals);
  frame.unit = static_cast<int>(saved.unit);
  frame.line = static_cast<int>(saved.line);
  frame.continuation = static_cast<capture::Continuation>(saved.continuation);
  frame.pending_object = object(saved.pending_object);
  frame.generator = object(saved.generator);
  frame.local_count = static_cast<int>(saved.local_count);
  frame.slots.clear();
  frame.slots.reserve(saved.slots.size());
  for (const std::uint64_t reference : saved.slots) {
    frame.slots.push_back(resolve(reference, objects));
  }
}

}  // namespace

Control decode(std::string_view bytes)
{
  const auto kept = std::make_shared<const Aligned>(bytes);
  const Aligned& buffer = *kept;
  flatbuffers::Verifier verifier(buffer.data(), buffer.size());
  if (bytes.size() < 8 || !format::SnapshotBufferHasIdentifier(buffer.data()) ||
      !format::VerifySnapshotBuffer(verifier)) {
    refuse("it is not a FlatBuffer of this schema");
  }
  const format::Snapshot& table = *format::GetSnapshot(buffer.data());
  Control control;
  control.buffer = kept;
  const format::Interpreter& interpreter = *table.interpreter();
  control.interpreter = {interpreter.implementation() != nullptr
                             ? text(interpreter.implementation())
                             : std::string(default_implementation),
                         text(interpreter.version()), interpreter.magic()};
  control.objects = table.objects();
  control.handled = table.handled();
  if (!valid(control.handled, control.objects)) {
    refuse("the handled exception is not there");
  }
  Labels labels(control.labels);
  control.frames.reserve(table.frames()->size());
  for (const auto* frame : *table.frames()) {
    read(*frame, control.objects, labels, control.frames.emplace_back());
  }
  if (table.generators() != nullptr) {
    for (const auto* generator : *table.generators()) {
      control.generators.push_back(generator_of(*generator, labels));
    }
  }
  return control;
}

FrameRows rows_of(const FrameControl& frame)
{
  const format::Frame& table = *frame.table;
  FrameRows rows;
  rows.line = table.line();
  rows.variables = text(table.shown());
  if (table.variables() != nullptr) {
    std::uint32_t next_slot = 0;
    for (const auto* row : *table.variables()) {
      show({text(row->name()), row->slot(), text(row->type()), row->bytes()}, next_slot,
           rows.variables);
    }
  }
  rows.excluded = names(table.excluded());
  rows.unbound = names(table.unbound());
  return rows;
}

capture::Stack bind(const Control& control, const std::vector<Owned>& codes,
                    const std::vector<Owned>& globals, const std::vector<Owned>& objects)
{
  if (codes.size() != control.labels.size() || globals.size() != control.labels.size() ||
      objects.size() < control.objects) {
    throw ResumeError("control state and objects of a snapshot do not belong together");
  }
  capture::Stack stack;
  stack.frames.reserve(control.frames.size());
  for (std::size_t i = 0; i < control.frames.size(); ++i) {
    const FrameControl& saved = control.frames[i];
    capture::FrameState& frame = stack.frames.emplace_back();
    bind(saved, objects, frame);
    frame.code = codes[saved.label];
    frame.globals = control.labels[saved.label].globals_module
                        ? globals[saved.label]
                        : resolve(saved.globals, objects).object;
    if (!frame.code || !PyCode_Check(frame.code.get()) || !frame.globals) {
      throw ResumeError("a frame of the snapshot has no code or no globals");
    }
  }
  stack.handled = resolve(control.handled, objects).object;
  return stack;
}

std::vector<capture::GeneratorState> generators_of(const Control& control,
                                                   const std::vector<Owned>& codes)
{
  if (codes.size() != control.labels.size()) {
    throw ResumeError("the generators of a snapshot and their code do not belong together");
  }
  std::vector<capture::GeneratorState> states;
  for (const GeneratorControl& saved : control.generators) {
    capture::GeneratorState state;
    state.stage = static_cast<capture::GeneratorStage>(saved.stage);
    state.frame.code = codes[saved.frame.label];
    state.flags = saved.flags;
    state.name = Owned::take(PyUnicode_FromString(saved.name.c_str()));
    state.qualname = Owned::take(PyUnicode_FromString(saved.qualname.c_str()));
    if (!PyCode_Check(state.frame.code.get()) || !state.name || !state.qualname) {
      PyErr_Clear();
      throw ResumeError("a generator of the snapshot has no code or no name");
    }
    states.push_back(std::move(state));
  }
  return states;
}

void bind(const Control& control, std::vector<capture::GeneratorState>& states,
          const std::vector<std::vector<Owned>>& objects)
{
  if (states.size() != control.generators.size() || objects.size() != states.size()) {
    throw ResumeError("the generators of a snapshot and their objects do not belong together");
  }
  for (std::size_t i = 0; i < states.size(); ++i) {
    const GeneratorControl& saved = control.generators[i];
    if (objects[i].size() < saved.objects) {
      throw ResumeError("a generator of the snapshot and its objects do not belong together");
    }
    bind(saved.frame, objects[i], states[i].frame);
    states[i].handled = resolve(saved.handled, objects[i]).object;
  }
}

}  // namespace sauerkraut::wire
