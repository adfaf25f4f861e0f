#include "control.hpp"

#include <flatbuffers/flatbuffers.h>

#include <snapshot_generated.h>
#include <unordered_map>

namespace sauerkraut::wire {

namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

auto bytes(FlatBufferBuilder& builder, const std::string& text)
{
  return builder.CreateVector(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

Offset<flatbuffers::Vector<Offset<flatbuffers::String>>> texts(FlatBufferBuilder& builder,
                                                               const std::vector<std::string>& all)
{
  if (all.empty()) {
    return {};
  }
  return builder.CreateVectorOfStrings(all);
}

std::string text_of(PyObject* text)
{
  const char* utf8 = text != nullptr ? PyUnicode_AsUTF8(text) : nullptr;
  PyErr_Clear();
  return utf8 != nullptr ? utf8 : "?";
}

Offset<format::CodeReference> code_reference(FlatBufferBuilder& builder, const CodeLabel& label,
                                             Offset<flatbuffers::String> module,
                                             Offset<flatbuffers::String> qualname)
{
  Offset<flatbuffers::Vector<std::uint32_t>> path;
  if (!label.path.empty()) {
    path = builder.CreateVector(label.path);
  }
  const auto fingerprint = bytes(builder, label.fingerprint + label.layout);
  Offset<flatbuffers::Vector<std::uint8_t>> embedded;
  if (label.embedded) {
    embedded = bytes(builder, *label.embedded);
  }
  return format::CreateCodeReference(builder, module, qualname, path, fingerprint, embedded);
}

// Where a label lies in the buffer.
struct WrittenLabel {
  Offset<format::CodeReference> code;
  Offset<flatbuffers::String> globals_module;
  Offset<flatbuffers::String> function;
  Offset<flatbuffers::String> file;
  Offset<flatbuffers::String> source;
};

class Writer {
 public:
  // `shares`: whether texts may come up twice, so that the same one is looked for.
  explicit Writer(bool shares) : builder_(1024), shares_(shares) {}

  std::string snapshot(const capture::Stack& stack, const Shown& shown,
                       const std::vector<capture::GeneratorState>& generators,
                       const Shown& shown_of_generators, const Interpreter& interpreter);

 private:
  Offset<flatbuffers::String> text(const std::string& text);
  const WrittenLabel& write(const CodeLabel& label);
  Offset<format::Frame> frame(const capture::FrameState& state, const CodeLabel& label,
                              const FrameRows& shown, ObjectList& objects);
  Offset<format::Generator> generator(const capture::GeneratorState& state, const CodeLabel& label,
                                      const FrameRows& rows);

  FlatBufferBuilder builder_;
  bool shares_;
  std::unordered_map<const CodeLabel*, WrittenLabel> labels_;
};

Offset<flatbuffers::String> Writer::text(const std::string& text)
{
  return shares_ ? builder_.CreateSharedString(text) : builder_.CreateString(text);
}

const WrittenLabel& Writer::write(const CodeLabel& label)
{
  const auto [found, is_new] = labels_.try_emplace(&label);
  if (is_new) {
    WrittenLabel& written = found->second;
    const auto module = text(label.module);
    const auto qualname = text(label.qualname);
    written.code = code_reference(builder_, label, module, qualname);
    if (label.globals_module) {
      const bool own = *label.globals_module == label.module;
      written.globals_module = own ? module : text(*label.globals_module);
    }
    written.function = label.function == label.qualname ? qualname : text(label.function);
    written.file = text(label.file);
    if (!label.source.empty()) {
      written.source = text(label.source);
    }
  }
  return found->second;
}

Offset<format::Frame> Writer::frame(const capture::FrameState& state, const CodeLabel& label,
                                    const FrameRows& shown, ObjectList& objects)
{
  const WrittenLabel& written = write(label);
  std::uint64_t* references = nullptr;
  const Offset<flatbuffers::Vector<std::uint64_t>> slots =
      builder_.CreateUninitializedVector(state.slots.size(), &references);
  for (const Slot& slot : state.slots) {
    *references++ = flatbuffers::EndianScalar(objects.refer(slot));
  }
  const std::uint64_t pending = objects.refer(state.pending_object.get());
  const std::uint64_t globals = label.globals_module ? 0 : objects.refer(state.globals.get());
  const std::uint64_t locals = objects.refer(state.locals.get());
  const std::uint64_t generator = objects.refer(state.generator.get());
  const auto excluded = texts(builder_, shown.excluded);
  const auto unbound = texts(builder_, shown.unbound);
  const auto variables = text(shown.variables);
  return format::CreateFrame(builder_, written.code, static_cast<std::uint32_t>(state.unit),
                             static_cast<std::uint8_t>(state.continuation),
                             static_cast<std::uint32_t>(state.local_count), slots, pending,
                             written.globals_module, globals, locals, written.file, shown.line,
                             label.first_line, written.source, 0, excluded, unbound,
                             written.function, generator, variables);
}

// Its globals stand in the object stream, where it is made with them.
Offset<format::Generator> Writer::generator(const capture::GeneratorState& state,
                                            const CodeLabel& label, const FrameRows& rows)
{
  ObjectList objects = collect(state);
  capture::FrameState frame = state.frame;
  if (!label.globals_module) {
    frame.globals = {};
  }
  const auto table = this->frame(frame, label, rows, objects);
  const std::uint64_t handled = objects.refer(state.handled.get());
  const auto name = builder_.CreateString(text_of(state.name.get()));
  const auto qualname = builder_.CreateString(text_of(state.qualname.get()));
  return format::CreateGenerator(builder_, static_cast<std::uint8_t>(state.stage), table,
                                 static_cast<std::uint32_t>(objects.objects().size()), handled,
                                 name, qualname, state.flags);
}

std::string Writer::snapshot(const capture::Stack& stack, const Shown& shown,
                             const std::vector<capture::GeneratorState>& generators,
                             const Shown& shown_of_generators, const Interpreter& interpreter)
{
  Offset<flatbuffers::String> implementation;
  if (interpreter.implementation != default_implementation) {
    implementation = builder_.CreateString(interpreter.implementation);
  }
  const auto version = builder_.CreateString(interpreter.version);
  const auto who = format::CreateInterpreter(builder_, implementation, version, interpreter.magic);
  ObjectList objects;
  std::vector<Offset<format::Frame>> frames;
  frames.reserve(stack.frames.size());
  for (std::size_t i = 0; i < stack.frames.size(); ++i) {
    frames.push_back(frame(stack.frames[i], *shown.labels[i], shown.rows[i], objects));
  }
  const auto all = builder_.CreateVector(frames);
  const std::uint64_t handled = objects.refer(stack.handled.get());
  std::vector<Offset<format::Generator>> held;
  for (std::size_t i = 0; i < generators.size(); ++i) {
    held.push_back(
        generator(generators[i], *shown_of_generators.labels[i], shown_of_generators.rows[i]));
  }
  Offset<flatbuffers::Vector<Offset<format::Generator>>> all_held;
  if (!held.empty()) {
    all_held = builder_.CreateVector(held);
  }
  format::FinishSnapshotBuffer(
      builder_,
      format::CreateSnapshot(builder_, who, all, handled,
                             static_cast<std::uint32_t>(objects.objects().size()), all_held));
  return {reinterpret_cast<const char*>(builder_.GetBufferPointer()), builder_.GetSize()};
}

}  // namespace

std::string encode(const capture::Stack& stack, const Shown& shown,
                   const std::vector<capture::GeneratorState>& generators,
                   const Shown& shown_of_generators, const Interpreter& interpreter)
{
  const bool shares = stack.frames.size() + generators.size() > 1;
  return Writer(shares).snapshot(stack, shown, generators, shown_of_generators, interpreter);
}

}  // namespace sauerkraut::wire
