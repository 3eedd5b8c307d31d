# libmgqe_serve: what mgqe.h declares and nothing else is visible. It holds what it takes of the
# libraries above; of others it needs but fmt, zlib and Highway.
set(abi_version 1)  # MGQE_ABI_VERSION
add_library(mgqe_serve SHARED host/serve/c/mgqe.cpp)
add_library(mgqe::serve ALIAS mgqe_serve)
set_target_properties(mgqe_serve PROPERTIES EXPORT_NAME serve VERSION ${abi_version}.${PROJECT_VERSION}
  SOVERSION ${abi_version} CXX_VISIBILITY_PRESET hidden
  LINK_DEPENDS ${PROJECT_SOURCE_DIR}/host/serve/c/mgqe.map)
target_link_libraries(mgqe_serve PRIVATE $<BUILD_INTERFACE:mgqe_train> $<BUILD_INTERFACE:mgqe_flags>
  fmt::fmt nlohmann_json::nlohmann_json)
target_link_options(mgqe_serve PRIVATE -Wl,--as-needed -Wl,--gc-sections -Wl,--exclude-libs,ALL
  -Wl,--version-script=${PROJECT_SOURCE_DIR}/host/serve/c/mgqe.map)
if(NOT MGQE_SANITIZE)
  target_link_options(mgqe_serve PRIVATE -Wl,-z,defs)
endif()
target_include_directories(mgqe_serve INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/host/serve/c> $<INSTALL_INTERFACE:include>)
if(SKBUILD)
  include(host/serve/python/wheel.cmake)
endif()
