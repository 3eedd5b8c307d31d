# `cmake --install`: the libraries for find_package(mgqe), their headers under include/mgqe, the
# programs under bin. The folder may be moved afterwards.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mgqe)

set(libraries mgqe_engine mgqe_core mgqe_train)
set(MGQE_HAS_CUDA OFF)
if(TARGET mgqe_cuda)
  list(APPEND libraries mgqe_cuda)
  set(MGQE_HAS_CUDA ON)
endif()
set(MGQE_HAS_MPI ${MPI_CXX_FOUND})
set(MGQE_HAS_NCCL ${MGQE_NCCL})
install(TARGETS ${libraries} EXPORT mgqe-targets COMPONENT library
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
# The C ABI, for find_package(mgqe COMPONENTS serve) and pkg-config; alone by `--component serve`.
install(TARGETS mgqe_serve EXPORT mgqe-serve-targets COMPONENT serve
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} NAMELINK_COMPONENT serve)
install(EXPORT mgqe-serve-targets NAMESPACE mgqe:: DESTINATION ${package_dir} COMPONENT serve)
install(FILES host/serve/c/mgqe.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT serve)
configure_file(host/serve/c/mgqe.pc.in ${PROJECT_BINARY_DIR}/generated/mgqe.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/generated/mgqe.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT serve)
# Backends are made by make_backend(): what they are made of is nobody's to include.
install(DIRECTORY host models DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mgqe COMPONENT library
  FILES_MATCHING PATTERN "*.hpp" PATTERN host/cpu EXCLUDE PATTERN host/cmake EXCLUDE)

install(EXPORT mgqe-targets NAMESPACE mgqe:: DESTINATION ${package_dir} COMPONENT library)
configure_package_config_file(host/cmake/mgqe-config.cmake.in
  ${PROJECT_BINARY_DIR}/generated/mgqe-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/mgqe-config-version.cmake
  COMPATIBILITY SameMinorVersion)
foreach(component library serve)
  install(FILES ${PROJECT_BINARY_DIR}/generated/mgqe-config.cmake
    ${PROJECT_BINARY_DIR}/generated/mgqe-config-version.cmake host/cmake/FindNCCL.cmake
    DESTINATION ${package_dir} COMPONENT ${component})
endforeach()

if(MGQE_PROGRAMS)
  set_target_properties(${mgqe_programs} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS ${mgqe_programs} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)
endif()
