# The viewer's page as a part of a room: a program that was copied alone has it too. The assembler takes the files in as
# they are; as C++ text they would be compiled for longer than the room.
#
# Fuzzers and sanitizers need no page, and no Node: they have a line in its place.
set(IVTRACE_PAGE_PARTS index.html app.js app.css)

function(ivtrace_embed_page room)
  set(files ${IVTRACE_PAGE_FILES})
  if(NOT files)
    foreach(part ${IVTRACE_PAGE_PARTS})
      list(APPEND files ${CMAKE_CURRENT_BINARY_DIR}/no_page/${part})
      file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/no_page/${part} CONTENT "")
    endforeach()
    file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/no_page/index.html CONTENT
         "<!doctype html>\n<html><head><link rel=\"stylesheet\" href=\"./app.css\"></head><body>This program was built without its page.<script type=\"module\" src=\"./app.js\"></script></body></html>\n")
  endif()
  list(GET files 0 PAGE_HTML)
  list(GET files 1 PAGE_SCRIPT)
  list(GET files 2 PAGE_STYLE)
  set(embedded ${CMAKE_CURRENT_BINARY_DIR}/embedded_page.cc)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/embedded_page.cc.in ${embedded} @ONLY)
  set_source_files_properties(${embedded} PROPERTIES OBJECT_DEPENDS "${files}")
  target_sources(${room} PRIVATE ${embedded})
  if(TARGET page)
    add_dependencies(${room} page)
  endif()
endfunction()
