// A garbage collector takes every stack for in use, so what a parked greenlet waits for is kept alive by the frames that
// wait for it, and no weak reference tells that everybody else has let go of it. This walks the heap without the parked
// stacks instead: what is reached from elsewhere is in use; a greenlet whose waker is reached can be resumed, so its stack
// is in use too; and so on until nothing more is reached. (V. Saioc et al., "Dynamic Partial Deadlock Detection and
// Recovery via Garbage Collection", ASPLOS 2025; Go has it as its profile of leaked goroutines.)
//
// Errs on one side: an old word on a stack, a handle of native code or an entry of a WeakMap may make a greenlet count as
// resumable that is not. A greenlet that does not count as resumable is not: V8's roots, without the stacks, lead to none of
// its wakers.
//
// The heap is V8's own snapshot of it, by its public interface. A stack's words are looked up among the addresses that V8
// keeps for the snapshot; nothing is read where they point.

#include "reachability.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace switchyard {

namespace {

using Edge = v8::HeapGraphEdge;
using Node = v8::HeapGraphNode;

/** Looked up as V8 looks up a handle's object: by the word alone, which may be anything. */
v8::SnapshotObjectId IdOfWord(v8::HeapProfiler* profiler, const uintptr_t* word) {
  constexpr uintptr_t kTagMask = 3;
  constexpr uintptr_t kHeapObjectTag = 1;
  if ((*word & kTagMask) != kHeapObjectTag) return v8::HeapProfiler::kUnknownObjectId;
  // A handle is the address of a word that holds an object's address.
  v8::Local<v8::Value> handle;
  static_assert(sizeof(handle) == sizeof(word));
  std::memcpy(static_cast<void*>(&handle), &word, sizeof(word));
  return profiler->GetObjectId(handle);
}

bool IsNamed(v8::Isolate* isolate, const Node* node, std::string_view name) {
  v8::HandleScope handles(isolate);
  const v8::String::Utf8Value text(isolate, node->GetName());
  return *text != nullptr && name == *text;
}

}  // namespace

HeapWalk::HeapWalk(v8::Isolate* isolate) : isolate_(isolate) {
  v8::HeapProfiler::HeapSnapshotOptions options;
  options.snapshot_mode = v8::HeapProfiler::HeapSnapshotMode::kExposeInternals;
  options.stack_state = cppgc::EmbedderStackState::kMayContainHeapPointers;
  snapshot_ = isolate->GetHeapProfiler()->TakeHeapSnapshot(options);
}

HeapWalk::~HeapWalk() {
  // Deleting is the one thing that is done to a snapshot, and V8's interface has every snapshot const.
  if (snapshot_ != nullptr) const_cast<v8::HeapSnapshot*>(snapshot_)->Delete();
  // Until then, each collection of garbage would keep the addresses up to date.
  v8::HeapProfiler* profiler = isolate_->GetHeapProfiler();
  if (profiler->GetSnapshotCount() == 0) profiler->ClearObjectIds();
}

std::vector<bool> HeapWalk::FindResumable(const std::vector<Parked>& parked) {
  std::vector<bool> resumable(parked.size(), true);
  if (snapshot_ == nullptr) return resumable;
  std::vector<size_t> left(parked.size());
  for (size_t index = 0; index < left.size(); index++) left[index] = index;
  MarkFromRoots();
  for (bool found_more = true; found_more;) {
    const auto end = std::remove_if(left.begin(), left.end(), [&](size_t index) {
      if (!IsMarked(parked[index])) return false;
      MarkWords(parked[index].words);
      return true;
    });
    found_more = end != left.end();
    left.erase(end, left.end());
    MarkReached();
  }
  for (const size_t index : left) resumable[index] = false;
  return resumable;
}

bool HeapWalk::IsMarked(const Parked& parked) const {
  v8::HeapProfiler* profiler = isolate_->GetHeapProfiler();
  return std::any_of(parked.wakers.begin(), parked.wakers.end(), [&](v8::Local<v8::Object> waker) {
    const v8::SnapshotObjectId id = profiler->GetObjectId(waker);
    // Whatever the snapshot does not know was made since.
    return id == v8::HeapProfiler::kUnknownObjectId || IsMarked(id);
  });
}

void HeapWalk::Mark(v8::SnapshotObjectId id) {
  if (id >= is_marked_.size()) is_marked_.resize(id + 1 + id / 2);
  is_marked_[id] = true;
}

/** Everything that the snapshot's root leads to, but for what V8 found on stacks. */
void HeapWalk::MarkFromRoots() {
  const Node* root = snapshot_->GetRoot();
  for (int child = 0; child < root->GetChildrenCount(); child++) {
    const Node* node = root->GetChild(child)->GetToNode();
    if (!IsNamed(isolate_, node, "(GC roots)")) {
      to_visit_.push_back(node);
      continue;
    }
    Mark(node->GetId());
    for (int group = 0; group < node->GetChildrenCount(); group++) {
      const Node* roots = node->GetChild(group)->GetToNode();
      if (IsNamed(isolate_, roots, "(Stack roots)")) Mark(roots->GetId());
      else to_visit_.push_back(roots);
    }
  }
  MarkReached();
}

void HeapWalk::MarkWords(const StackWords& words) {
  v8::HeapProfiler* profiler = isolate_->GetHeapProfiler();
  for (uintptr_t at = words.low; at + sizeof(uintptr_t) <= words.high; at += sizeof(uintptr_t)) {
    const v8::SnapshotObjectId id = IdOfWord(profiler, reinterpret_cast<const uintptr_t*>(at));
    if (id == v8::HeapProfiler::kUnknownObjectId || IsMarked(id)) continue;
    if (const Node* node = snapshot_->GetNodeById(id)) to_visit_.push_back(node);
  }
}

void HeapWalk::MarkReached() {
  while (!to_visit_.empty()) {
    const Node* node = to_visit_.back();
    to_visit_.pop_back();
    if (IsMarked(node->GetId())) continue;
    Mark(node->GetId());
    // What a WeakRef leads to may be asked for while it is alive; other weak references are asked for by V8 alone.
    const bool follows_weak = node->GetType() == Node::kObject;
    for (int child = 0; child < node->GetChildrenCount(); child++) {
      const Edge* edge = node->GetChild(child);
      if (edge->GetType() == Edge::kWeak && !follows_weak) continue;
      const Node* to = edge->GetToNode();
      if (!IsMarked(to->GetId())) to_visit_.push_back(to);
    }
  }
}

}  // namespace switchyard
