# The CUDA back end, where a CUDA compiler is found; or on a simulated device.

# mgqe_tell_core(DEFINITION...): to those files of mgqe::core that know which back ends there are. Others
# are compiled the same with and without CUDA, so that ccache has them for both.
function(mgqe_tell_core)
  set_property(SOURCE host/engine/backend.cpp host/comm/launch.cpp DIRECTORY ${PROJECT_SOURCE_DIR}
    APPEND PROPERTY COMPILE_DEFINITIONS ${ARGN})
endfunction()
if(MGQE_CUDA STREQUAL "simulated")
  include(tests/simulator/simulator.cmake)
  return()
endif()
if(MGQE_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
endif()
if(NOT MGQE_CUDA OR NOT CMAKE_CUDA_COMPILER)
  message(STATUS "CUDA back end: off")
  return()
endif()

# Who links this library as a part of their own project has to speak CUDA too.
if(NOT PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CUDA_COMPILER_LOADED)
  message(STATUS "CUDA back end: off; for it, write project(... LANGUAGES CXX CUDA) at the top")
  return()
endif()

if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)  # of the last five generations those that nvcc knows
  execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --list-gpu-arch
    OUTPUT_VARIABLE known RESULT_VARIABLE failed ERROR_QUIET)
  foreach(architecture 75 80 90 100 120)
    if(known MATCHES "compute_${architecture}\n")
      list(APPEND CMAKE_CUDA_ARCHITECTURES ${architecture})
    endif()
  endforeach()
  if(failed OR NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90)
  endif()
endif()
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc speaks C++20
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
# To whom asks for CMake 3.25, that version's module gives a property to a library that CUDA 13 no longer
# has, which is an error.
set(asked_for ${CMAKE_MINIMUM_REQUIRED_VERSION})
set(CMAKE_MINIMUM_REQUIRED_VERSION 3.24)
find_package(CUDAToolkit REQUIRED)
set(CMAKE_MINIMUM_REQUIRED_VERSION ${asked_for})
if(NOT TARGET CUDA::cublas)
  message(FATAL_ERROR "This CUDA toolkit has no cuBLAS: install libcublas-dev of "
    "CUDA ${CUDAToolkit_VERSION}, or configure with -DMGQE_CUDA=OFF")
endif()
if(MPI_CXX_FOUND)
  find_package(NCCL QUIET)
endif()
set(MGQE_NCCL ${NCCL_FOUND})

file(GLOB cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cuda/*.cu)
if(NOT MGQE_NCCL)
  list(FILTER cuda_sources EXCLUDE REGEX "cuda/nccl_communicator\\.cu$")
endif()
mgqe_library(cuda ${cuda_sources})
# NVTX loads a profiler where one is attached. The runtime is named for those who link the library
# without CUDA as a language.
target_link_libraries(mgqe_cuda PUBLIC mgqe_engine
  PRIVATE CUDA::cublas CUDA::cudart_static ${CMAKE_DL_LIBS})
set_target_properties(mgqe_cuda PROPERTIES CUDA_COMPILER_LAUNCHER
  "bash;${PROJECT_SOURCE_DIR}/host/cmake/keep_ptxas.sh;${CMAKE_CUDA_COMPILER_LAUNCHER}")
# A launch without a stream would go to the legacy default one, which waits for all others. Tests read
# the PTX of the static library; a shared one is to be carried, and small.
target_compile_options(mgqe_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false -lineinfo -Xptxas=-v
    -Xcompiler=-Wall,-Wextra,-ffp-contract=off -Werror=default-stream-launch
    $<$<AND:$<BOOL:${MGQE_TESTS}>,$<NOT:$<BOOL:${BUILD_SHARED_LIBS}>>>:--no-compress>
    $<$<BOOL:${MGQE_WERROR}>:-Werror=all-warnings>>)
if(MGQE_NCCL)
  target_link_libraries(mgqe_cuda PRIVATE NCCL::NCCL)
  mgqe_tell_core(MGQE_WITH_NCCL=1)
endif()
mgqe_tell_core(MGQE_WITH_CUDA=1)
target_link_libraries(mgqe_core PRIVATE mgqe_cuda)
message(STATUS "CUDA back end: on, architectures ${CMAKE_CUDA_ARCHITECTURES}; NCCL: ${MGQE_NCCL}")
