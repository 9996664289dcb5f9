{
  "target_defaults": {
    "defines": ["NAPI_VERSION=8"],
    "cflags_c": [
      "-std=c11",
      "-O2",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-Wno-unused-parameter",
      "-fno-strict-aliasing",
      "-fvisibility=hidden"
    ],
    "xcode_settings": {
      "GCC_C_LANGUAGE_STANDARD": "c11",
      "GCC_OPTIMIZATION_LEVEL": "2",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "GCC_TREAT_WARNINGS_AS_ERRORS": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "OTHER_CFLAGS": ["-fno-strict-aliasing"],
      "WARNING_CFLAGS": ["-Wall", "-Wextra", "-Wno-unused-parameter"]
    },
    "conditions": [["OS=='linux'", { "defines": ["_GNU_SOURCE"] }]]
  },
  "targets": [
    {
      "target_name": "asyncore_socket",
      "sources": [
        "native/binding.c",
        "native/args.c",
        "native/exports.c",
        "native/owned.c",
        "native/address.c",
        "native/socket.c",
        "native/message.c",
        "native/descriptor.c",
        "native/file.c",
        "native/select.c",
        "native/poll.c",
        "native/constants.c"
      ],
      "conditions": [
        ["OS=='linux'", { "sources": ["native/epoll.c"] }],
        ["OS=='mac' or OS=='freebsd'", { "sources": ["native/kqueue.c"] }]
      ]
    },
    {
      "target_name": "asyncore_wakeup",
      "sources": ["native/wakeup.c", "native/args.c", "native/exports.c"]
    }
  ]
}
