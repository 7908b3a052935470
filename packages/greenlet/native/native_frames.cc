// Whether native code on a greenlet's stack has called JavaScript and waits for it to return.
//
// Everything outside V8 that calls JavaScript does so through v8::Function::Call: Node's own bindings (a user-defined
// function of node:sqlite, called with the database's mutex held), N-API addons, the parser of HTTP. So a return address
// inside it, other than the greenlet's own first call, tells of such a caller; V8's own calls (sort, getters, JSON) never
// pass there. Node, V8 and the code that V8 makes keep a chain of frames, each with its caller's frame and return address
// at its base, and the walk costs a few nanoseconds a frame. Where the chain breaks, because an addon was compiled to
// keep none, every word of the stack is looked at instead: a caller is then never missed, and may be seen where there is
// none any more.

#include "native_frames.h"

#if defined(__linux__)
#include <dlfcn.h>
#include <link.h>
#endif

#include <v8-version.h>

#include <cstddef>
#include <cstring>
#include <unordered_map>

namespace switchyard {

namespace {

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

constexpr char kFunctionCall[] = "_ZN2v88Function4CallEPNS_7IsolateENS_5LocalINS_7ContextEEENS3_INS_5ValueEEEiPS7_";

// What V8 writes into a frame of compiled code of a regular expression, in place of a function. No header tells it: it was
// read in Node 24 (V8 13.6) and 26 (14.6). Of any other V8 nothing is known, and nothing is interrupted.
#if V8_MAJOR_VERSION == 13
constexpr uintptr_t kRegularExpressionFrame = 62;
#elif V8_MAJOR_VERSION == 14
constexpr uintptr_t kRegularExpressionFrame = 46;
#else
constexpr uintptr_t kRegularExpressionFrame = 0;
#endif

struct CodeRange {
  uintptr_t begin = 0;
  uintptr_t bytes = 0;
  bool Contains(uintptr_t address) const { return address - begin < bytes; }
};

CodeRange FindFunctionCall() {
  void* const function = dlsym(RTLD_DEFAULT, kFunctionCall);
  if (function == nullptr) return {};
  // Between 700 and 1,200 bytes in Node 24 and 26, and the next function of V8's interface never calls back.
  CodeRange range{reinterpret_cast<uintptr_t>(function), 1200};
#if defined(__GLIBC__)
  Dl_info library;
  ElfW(Sym)* symbol = nullptr;
  if (dladdr1(function, &library, reinterpret_cast<void**>(&symbol), RTLD_DL_SYMENT) != 0 && symbol != nullptr &&
      symbol->st_size != 0) {
    range.bytes = symbol->st_size;
  }
#endif
  return range;
}

/** Looks at every word of the stack, each of which may be a return address. */
__attribute__((no_sanitize("address"))) bool HasCallerAmongWords(uintptr_t from, uintptr_t to, const CodeRange& call) {
  int calls = 0;
  for (uintptr_t at = from; at < to; at += sizeof(uintptr_t)) {
    if (call.Contains(*reinterpret_cast<const uintptr_t*>(at))) calls++;
  }
  return calls > 1;
}

/** The compiled code of the objects that the functions of an interrupt lie in: Node with V8's builtins, and this library. */
struct CompiledCode {
  CodeRange node, own;
  bool Contains(uintptr_t address) const { return node.Contains(address) || own.Contains(address); }
};

CodeRange CodeOfObjectWith(uintptr_t function) {
  struct Search {
    uintptr_t function;
    CodeRange found;
  } search{function, {}};
  const auto look = [](dl_phdr_info* object, size_t, void* data) {
    auto* const search = static_cast<Search*>(data);
    for (int index = 0; index < object->dlpi_phnum; index++) {
      const auto& header = object->dlpi_phdr[index];
      const CodeRange range{object->dlpi_addr + header.p_vaddr, header.p_memsz};
      if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0 && range.Contains(search->function)) search->found = range;
    }
    return 0;
  };
  dl_iterate_phdr(look, &search);
  return search.found;
}

CompiledCode FindCompiledCode() {
  return {CodeOfObjectWith(reinterpret_cast<uintptr_t>(dlsym(RTLD_DEFAULT, kFunctionCall))),
          CodeOfObjectWith(reinterpret_cast<uintptr_t>(&FindFunctionCall))};
}

/** The library that an address lies in, where it is neither Node, this library nor one that the compiler's output needs. */
std::string AddonAt(uintptr_t address) {
  static const CompiledCode compiled = FindCompiledCode();
  if (compiled.Contains(address)) return {};
  struct Search {
    uintptr_t address;
    std::string file;
  } search{address, {}};
  const auto look = [](dl_phdr_info* object, size_t, void* data) {
    auto* const search = static_cast<Search*>(data);
    for (int index = 0; index < object->dlpi_phnum; index++) {
      const auto& header = object->dlpi_phdr[index];
      const CodeRange range{object->dlpi_addr + header.p_vaddr, header.p_memsz};
      if (header.p_type == PT_LOAD && range.Contains(search->address)) search->file = object->dlpi_name;
    }
    return search->file.empty() ? 0 : 1;
  };
  dl_iterate_phdr(look, &search);
  // They call back what Node has given them, a thread's first function for one.
  for (const char* library : {"/libc.", "/libstdc++.", "/libpthread.", "/libgcc_s.", "/ld-"}) {
    if (search.file.find(library) != std::string::npos) return {};
  }
  return search.file;
}

/** Whether a return address lies in SQLite or in what Node puts around it. Remembers, because dladdr reads every symbol. */
bool IsSqlite(uintptr_t address) {
  thread_local std::unordered_map<uintptr_t, bool> known;
  const auto found = known.find(address);
  if (found != known.end()) return found->second;
  Dl_info symbol;
  const bool is_sqlite = dladdr(reinterpret_cast<void*>(address), &symbol) != 0 && symbol.dli_sname != nullptr &&
                         std::strstr(symbol.dli_sname, "sqlite") != nullptr;
  return known[address] = is_sqlite;
}

#endif

}  // namespace

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

__attribute__((no_sanitize("address"))) bool HasNativeCaller(uintptr_t first_frame) {
  static const CodeRange call = FindFunctionCall();
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  int calls = 0;
  for (uintptr_t frame = here; frame != first_frame;) {
    const auto* const words = reinterpret_cast<const uintptr_t*>(frame);
    const uintptr_t outer = words[0];
    if (call.Contains(words[1])) calls++;
    // The caller lies further out. What seems to lie anywhere else is no frame.
    const bool is_frame = outer > frame && outer <= first_frame && outer % sizeof(uintptr_t) == 0;
    if (!is_frame) return HasCallerAmongWords(here, first_frame, call);
    frame = outer;
  }
  return calls > 1;
}

__attribute__((no_sanitize("address"))) NativeCallerFound FindNativeCaller(uintptr_t first_frame) {
  static const CodeRange call = FindFunctionCall();
  static const CompiledCode compiled = FindCompiledCode();
  int calls = 0;
  for (auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0)); frame != first_frame;) {
    const auto* const words = reinterpret_cast<const uintptr_t*>(frame);
    const uintptr_t outer = words[0];
    if (call.Contains(words[1])) calls++;
    if (!compiled.Contains(words[1])) {
      std::string file = AddonAt(words[1]);
      if (!file.empty()) return {NativeCaller::kAddon, std::move(file)};
    } else if (calls > 0 && IsSqlite(words[1])) {
      return {NativeCaller::kSqlite, {}};
    }
    const bool is_frame = outer > frame && outer <= first_frame && outer % sizeof(uintptr_t) == 0;
    // Node keeps the chain, and so does V8: what broke it, between two of their functions, is another stack.
    if (!is_frame) return {calls > 0 ? NativeCaller::kAddon : NativeCaller::kOtherStack, {}};
    frame = outer;
  }
  return {calls > 1 ? NativeCaller::kNode : NativeCaller::kNone, {}};
}

__attribute__((no_sanitize("address"))) uintptr_t DepthInRegularExpression(uintptr_t first_frame) {
  constexpr uintptr_t kAlwaysTheLeast = 1;
  if (kRegularExpressionFrame == 0) return kAlwaysTheLeast;
  static const CompiledCode compiled = FindCompiledCode();
  for (auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0)); frame != first_frame;) {
    const auto* const words = reinterpret_cast<const uintptr_t*>(frame);
    const uintptr_t outer = words[0];
    if (outer <= frame || outer > first_frame || outer % sizeof(uintptr_t) != 0) return 0;
    if (!compiled.Contains(words[1])) {
      // The first code that V8 has made: a builtin's frame, or a regular expression that called V8 directly.
      return reinterpret_cast<const uintptr_t*>(outer)[-1] == kRegularExpressionFrame ? outer - frame : 0;
    }
    frame = outer;
  }
  return 0;
}

#else

bool HasNativeCaller(uintptr_t) { return false; }
NativeCallerFound FindNativeCaller(uintptr_t) { return {}; }
uintptr_t DepthInRegularExpression(uintptr_t) { return 0; }

#endif

}  // namespace switchyard
