// Finds Node's count of open callback scopes, so that a parked greenlet can take its share of it away.

#ifndef SWITCHYARD_GREENLET_CALLBACK_DEPTH_H_
#define SWITCHYARD_GREENLET_CALLBACK_DEPTH_H_

#include <v8.h>

#include <cstddef>

namespace switchyard {

/** The word in which Node counts this context's open callback scopes; null when it can't be found for certain. */
size_t* FindCallbackDepth(v8::Isolate* isolate, v8::Local<v8::Context> context);

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_CALLBACK_DEPTH_H_
