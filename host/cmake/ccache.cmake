# ccache, where it is found: paths are taken relative to the source folder, so that clones share one
# cache, and precompiled headers are trusted by content.
if(MGQE_CCACHE)
  find_program(CCACHE_PROGRAM ccache)
endif()
if(MGQE_CCACHE AND CCACHE_PROGRAM)
  foreach(language CXX CUDA)
    if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
        CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${CCACHE_PROGRAM})
    endif()
  endforeach()
  message(STATUS "ccache: on")
endif()
