# MGQE_CUDA=simulated: the CUDA back end compiled by the C++ compiler against stand-ins for CUDA's
# headers, its kernels' loads and stores checked by the runtime beside them. See README.md.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  message(FATAL_ERROR "The simulated device is built by g++, whose instrumentation it answers")
endif()
find_package(Boost REQUIRED COMPONENTS context)
set(MGQE_NCCL ON)
set(simulator ${PROJECT_SOURCE_DIR}/tests/simulator)

# Kernels read device memory as nvcc's do: no more, no fewer loads than are written. Without -fno-tree-sra
# a vector of four floats would be four loads. They have nothing of what hardens the host's code, which
# else is compiled as the preset `ci` does, so that ccache has it.
add_library(mgqe_device_flags INTERFACE)
target_include_directories(mgqe_device_flags INTERFACE ${simulator}/include ${PROJECT_SOURCE_DIR})
target_compile_options(mgqe_device_flags INTERFACE
  -x c++ -include cuda_runtime.h -O2 -g1 $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-mfma>
  -fsanitize=thread,alignment --param tsan-instrument-func-entry-exit=0 -fno-tree-sra
  -fno-gnu-unique -Wno-tsan -U_FORTIFY_SOURCE -fno-stack-protector -fno-stack-clash-protection
  $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection=none>)

# mgqe_device_object(NAME SOURCE...): NAME.o of instrumented .cu files, whose inline functions stay
# their own.
function(mgqe_device_object name)
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
  add_library(${name}_parts OBJECT ${ARGN})
  target_link_libraries(${name}_parts PRIVATE mgqe_flags mgqe_device_flags)
  add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/${name}.o
    COMMAND bash ${simulator}/localize_functions.sh ${PROJECT_BINARY_DIR}/${name}.o
            $<TARGET_OBJECTS:${name}_parts>
    DEPENDS ${name}_parts $<TARGET_OBJECTS:${name}_parts> ${simulator}/localize_functions.sh
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${PROJECT_BINARY_DIR}/${name}.o PROPERTIES
    EXTERNAL_OBJECT ON GENERATED ON)
endfunction()

file(GLOB cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cuda/*.cu)
mgqe_device_object(simulated_cuda ${cuda_sources})
file(GLOB runtime_sources CONFIGURE_DEPENDS ${simulator}/runtime/*.cpp)
mgqe_library(cuda ${runtime_sources} ${PROJECT_BINARY_DIR}/simulated_cuda.o)
target_include_directories(mgqe_cuda PRIVATE ${simulator}/include)
target_link_libraries(mgqe_cuda PUBLIC mgqe_engine PRIVATE fmt::fmt Boost::context)
execute_process(COMMAND bash ${simulator}/ptxas_table.sh ${PROJECT_BINARY_DIR}/ptxas_table.txt
  ${PROJECT_SOURCE_DIR})
target_compile_definitions(mgqe_cuda PRIVATE
  SIMULATOR_PTXAS_TABLE="${PROJECT_BINARY_DIR}/ptxas_table.txt")
if(MPI_CXX_FOUND)
  target_compile_definitions(mgqe_cuda PRIVATE SIMULATOR_WITH_MPI=1 OMPI_SKIP_MPICXX=1)
  target_link_libraries(mgqe_cuda PRIVATE MPI::MPI_CXX)
endif()

mgqe_tell_core(MGQE_WITH_CUDA=1 MGQE_WITH_NCCL=1)
target_link_libraries(mgqe_core PRIVATE mgqe_cuda)
message(STATUS "CUDA back end: on a simulated device")
