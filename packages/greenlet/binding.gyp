{
  "targets": [
    {
      "target_name": "greenlet",
      "sources": [
        "native/async_context_guard.cc",
        "native/async_scopes.cc",
        "native/binding.cc",
        "native/callback_depth.cc",
        "native/handle_level.cc",
        "native/handoff.cc",
        "native/hub.cc",
        "native/impersonation.cc",
        "native/light_impersonation.cc",
        "native/loop_watch.cc",
        "native/own_stack.cc",
        "native/native_frames.cc",
        "native/preemption_policy.cc",
        "native/reachability.cc",
        "native/script_stack.cc",
        "native/stack.cc",
        "native/switch_aarch64.S",
        "native/switch_x86_64.S",
        "native/ticker.cc"
      ],
      "cflags": ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-cast-function-type", "-fno-omit-frame-pointer"],
      "cflags_cc": ["-std=c++20", "-fvisibility=hidden", "-fvisibility-inlines-hidden"],
      "xcode_settings": {
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
        "MACOSX_DEPLOYMENT_TARGET": "13.5"
      }
    }
  ]
}
