// Finds Node's count of open callback scopes.
//
// Node runs the microtask and nextTick queues only where that count falls back to zero. A greenlet that parks inside a
// callback scope (an HTTP handler that the parser calls, for one) leaves the count up, and no promise would ever be
// settled again. The count is private, so it is found by its behaviour: two scopes are opened and closed, and the one
// word of the Environment that reads n, n+1, n+2, n+1, n meanwhile is it. No other word does, on Node 22 to 26; where that
// is not so, nothing is guessed.

#include "callback_depth.h"

#include <node.h>
#include <unistd.h>

#include <array>

namespace switchyard {

namespace {

// 2 kB. The count lies at 1,648 bytes in Node 24, at 1,792 in Node 26; the Environment itself ends at 3,336 and at 3,576.
// Reading past its end finds a second word that follows, now and then: the length of the stack of async scopes, which
// lies anywhere on the heap and counts the same steps.
constexpr size_t kWords = 256;
constexpr size_t kPlausibleDepth = 1000;

struct Snapshot {
  std::array<size_t, kWords> words{};
  size_t count = 0;
};

/**
 * A copy of the memory at `address`, as far as it is mapped. The kernel does the reading, by way of a pipe, and refuses
 * where a fault would be. It copies little at a time, because a piece is refused as a whole: in a worker, the object may
 * lie at the very end of what the allocator has mapped.
 */
Snapshot ReadMemory(const size_t* address) {
  constexpr size_t kPieceWords = 32;
  Snapshot snapshot;
  int ends[2];
  if (pipe(ends) != 0) return snapshot;
  while (snapshot.count < kWords) {
    constexpr size_t kPieceBytes = kPieceWords * sizeof(size_t);
    if (write(ends[1], address + snapshot.count, kPieceBytes) != static_cast<ssize_t>(kPieceBytes)) break;
    if (read(ends[0], snapshot.words.data() + snapshot.count, kPieceBytes) != static_cast<ssize_t>(kPieceBytes)) break;
    snapshot.count += kPieceWords;
  }
  close(ends[0]);
  close(ends[1]);
  return snapshot;
}

}  // namespace

/** Opens and closes callback scopes; at the outermost depth their closing runs microtasks. */
size_t* FindCallbackDepth(v8::Isolate* isolate, v8::Local<v8::Context> context) {
  auto* environment = reinterpret_cast<size_t*>(node::GetCurrentEnvironment(context));
  if (environment == nullptr) return nullptr;
  v8::Local<v8::Object> resource = v8::Object::New(isolate);
  const node::async_context no_ids = {0, 0};

  std::array<Snapshot, 5> seen;
  seen[0] = ReadMemory(environment);
  {
    node::CallbackScope outer(isolate, resource, no_ids);
    seen[1] = ReadMemory(environment);
    {
      node::CallbackScope inner(isolate, resource, no_ids);
      seen[2] = ReadMemory(environment);
    }
    seen[3] = ReadMemory(environment);
  }
  seen[4] = ReadMemory(environment);

  size_t count = kWords;
  for (const Snapshot& snapshot : seen) count = snapshot.count < count ? snapshot.count : count;
  size_t* found = nullptr;
  for (size_t word = 0; word < count; word++) {
    const size_t depth = seen[0].words[word];
    const bool follows = depth < kPlausibleDepth && seen[1].words[word] == depth + 1 && seen[2].words[word] == depth + 2 &&
                         seen[3].words[word] == depth + 1 && seen[4].words[word] == depth;
    if (!follows) continue;
    if (found != nullptr) return nullptr;
    found = environment + word;
  }
  return found;
}

}  // namespace switchyard
