# How our own code is compiled; nothing of it reaches those who link the libraries.
#
# Codes and ranking scores must have the same bits on every device: no contraction behind our back,
# fma only where it is written.
add_library(mgqe_flags INTERFACE)
set(warnings -Wall -Wextra $<$<BOOL:${MGQE_WERROR}>:-Werror>)
target_compile_options(mgqe_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:${warnings} -fopenmp-simd -ffp-contract=off -fno-math-errno -fno-trapping-math>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(mgqe_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)  # ccache
endif()
if(MGQE_SANITIZE)  # but for targets with MGQE_UNSANITIZED, which are linked with what others want
  target_compile_options(mgqe_flags INTERFACE
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<NOT:$<BOOL:$<TARGET_PROPERTY:MGQE_UNSANITIZED>>>>:-fsanitize=${MGQE_SANITIZE}>)
  target_link_options(mgqe_flags INTERFACE -fsanitize=${MGQE_SANITIZE})
endif()
if(MGQE_SANITIZE MATCHES "undefined")
  # AddressSanitizer sees most of what the checks of pointers left out would find, and without them
  # a file takes 17% to 37% less time to compile (three were measured). GCC 12 sees uninitialized
  # members in its own <regex> once sanitizers have changed its inlining.
  target_compile_options(mgqe_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=undefined
                              -fno-sanitize=null,object-size,vptr,pointer-overflow
                              $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>>)
endif()

# mgqe_library(NAME SOURCE...): libmgqe_NAME, to be linked as mgqe::NAME.
function(mgqe_library name)
  add_library(mgqe_${name} ${ARGN})  # static, or as BUILD_SHARED_LIBS says
  add_library(mgqe::${name} ALIAS mgqe_${name})
  # No macro of its own: objects are the same in a shared library, and ccache has them.
  set_target_properties(mgqe_${name} PROPERTIES EXPORT_NAME ${name} DEFINE_SYMBOL "")
  target_compile_features(mgqe_${name} PUBLIC cxx_std_20)
  target_link_libraries(mgqe_${name} PRIVATE $<BUILD_INTERFACE:mgqe_flags>)
  # <host/...>, as in the tree, and <mgqe/host/...>
  target_include_directories(mgqe_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:include> $<INSTALL_INTERFACE:include/mgqe>)
  set_target_properties(mgqe_${name} PROPERTIES MGQE_OWN ON)
  if(NOT PROJECT_IS_TOP_LEVEL)
    set(others $<NOT:$<BOOL:$<TARGET_PROPERTY:MGQE_OWN>>>)
    target_include_directories(mgqe_${name} INTERFACE
      $<BUILD_INTERFACE:$<${others}:${PROJECT_BINARY_DIR}/include>>)
  endif()
endfunction()
if(NOT PROJECT_IS_TOP_LEVEL)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/include)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/include/mgqe SYMBOLIC)
endif()
