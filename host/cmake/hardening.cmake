# What a program that reads files of strangers is compiled with, so that a fault in it ends the process
# rather than give it away: checked copies (_FORTIFY_SOURCE), guarded stacks, control flow that enters
# functions at their begin alone (x86), addresses that differ from run to run, tables of the dynamic
# linker that are closed after it. Nothing of it changes a number: no flag of arithmetic is among them.
#
# Left out: -D_GLIBCXX_ASSERTIONS, a comparison at each operator[] of a vector, which inner loops of the
# CPU back end are made of; the tests under AddressSanitizer see what it would. Host code of .cu files
# is compiled without: it launches kernels, and reads nothing.
option(MGQE_HARDEN "Harden optimised builds of libraries and programs" ON)
if(NOT MGQE_HARDEN OR MGQE_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
  return()  # sanitizers bring checks of their own, which these hide
endif()

include(CheckCXXCompilerFlag)
include(CheckLinkerFlag)
include(CheckPIESupported)
check_pie_supported()  # programs are linked as what can be put anywhere, which compiling alone is not

# 3 sees sizes that are known when the program runs; older compilers take it for 2, with a warning.
set(fortify 2)
if((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12) OR
    (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13))
  set(fortify 3)
endif()
target_compile_options(mgqe_flags INTERFACE  # -U: some compilers of distributions define it
  $<$<COMPILE_LANGUAGE:CXX>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${fortify}>)
foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
  string(MAKE_C_IDENTIFIER "MGQE_HAS${flag}" has)
  check_cxx_compiler_flag(${flag} ${has})
  if(${has})
    target_compile_options(mgqe_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${flag}>)
  endif()
endforeach()
foreach(flag -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
  string(MAKE_C_IDENTIFIER "MGQE_HAS${flag}" has)
  check_linker_flag(CXX ${flag} ${has})
  if(${has})
    target_link_options(mgqe_flags INTERFACE ${flag})
  endif()
endforeach()
