# Included where scikit-build-core builds the wheel (pyproject.toml): one file of the C ABI in the
# package, and beside it the libraries it needs that not every system has.
set_property(TARGET mgqe_serve PROPERTY VERSION)    # links to one file would be three files in a wheel
set_property(TARGET mgqe_serve PROPERTY SOVERSION)
set_target_properties(mgqe_serve PROPERTIES INSTALL_RPATH $ORIGIN)
install(TARGETS mgqe_serve RUNTIME_DEPENDENCY_SET mgqe_serve_needs
  LIBRARY DESTINATION mgqe COMPONENT serve_python)
install(RUNTIME_DEPENDENCY_SET mgqe_serve_needs PRE_INCLUDE_REGEXES libfmt libhwy libz
  PRE_EXCLUDE_REGEXES .* LIBRARY DESTINATION mgqe COMPONENT serve_python)
