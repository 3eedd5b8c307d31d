# Writes the commit of SOURCE to the header OUT; touches it only when the commit changes.
execute_process(COMMAND git -C ${SOURCE} describe --always --abbrev=12 --dirty --match=NeVeRmAtCh
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit unknown)
endif()
set(text "#pragma once\n#define MGQE_COMMIT \"${commit}\"\n")
if(EXISTS ${OUT})
  file(READ ${OUT} before)
endif()
if(NOT "${before}" STREQUAL "${text}")
  file(WRITE ${OUT} "${text}")
endif()
