// Which of the parked stacks anything could still resume.

#ifndef SWITCHYARD_GREENLET_REACHABILITY_H_
#define SWITCHYARD_GREENLET_REACHABILITY_H_

#include <v8-profiler.h>
#include <v8.h>

#include <vector>

#include "stack.h"

namespace switchyard {

/** One that waits: whoever has hold of one of its wakers can resume it, and what is on its stack is then in use. */
struct Parked {
  std::vector<v8::Local<v8::Object>> wakers;
  StackWords words;
};

/** Reads the heap as it is when this is made: collects all garbage and stops the isolate's thread meanwhile. */
class HeapWalk {
 public:
  /** Make it with no handle to a waker open: V8 counts every handle as a use. */
  explicit HeapWalk(v8::Isolate* isolate);
  ~HeapWalk();
  HeapWalk(const HeapWalk&) = delete;

  /** For each of `parked`, whether it can be resumed. */
  std::vector<bool> FindResumable(const std::vector<Parked>& parked);

 private:
  void Mark(v8::SnapshotObjectId id);
  bool IsMarked(v8::SnapshotObjectId id) const { return id < is_marked_.size() && is_marked_[id]; }
  bool IsMarked(const Parked& parked) const;
  void MarkFromRoots();
  void MarkWords(const StackWords& words);
  void MarkReached();

  v8::Isolate* const isolate_;
  const v8::HeapSnapshot* snapshot_;
  std::vector<bool> is_marked_;
  std::vector<const v8::HeapGraphNode*> to_visit_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_REACHABILITY_H_
