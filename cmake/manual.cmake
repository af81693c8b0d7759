# Man pages and shell completion, made by tools/manual out of the declared command lines and docs/commands.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
find_program(GZIP_PROGRAM gzip REQUIRED)
include(GNUInstallDirs)

set(manual_dir ${CMAKE_BINARY_DIR}/manual)
file(GLOB manual_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/manual/*.py
     ${CMAKE_SOURCE_DIR}/tools/manual/*.in ${CMAKE_SOURCE_DIR}/docs/commands/*.md)
# A stamp, since which pages there are is the declaration's to say. gzip -n: no time of this build in them.
add_custom_command(
  OUTPUT ${manual_dir}/stamp
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${manual_dir}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${manual_dir}
  COMMAND cli-declaration > ${manual_dir}/ivtrace.json
  COMMAND agent-declaration > ${manual_dir}/ivtrace-agent.json
  COMMAND mark-declaration > ${manual_dir}/ivtrace-mark.json
  COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1 ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/manual
          --docs ${CMAKE_SOURCE_DIR}/docs/commands --into ${manual_dir} ${manual_dir}/ivtrace.json
          ${manual_dir}/ivtrace-agent.json ${manual_dir}/ivtrace-mark.json
  COMMAND ${GZIP_PROGRAM} -9nr ${manual_dir}/man
  COMMAND ${CMAKE_COMMAND} -E touch ${manual_dir}/stamp
  DEPENDS cli-declaration agent-declaration mark-declaration ${manual_sources}
  COMMENT "Man pages and shell completion"
  VERBATIM)
add_custom_target(manual ALL DEPENDS ${manual_dir}/stamp)

# Where Debian's shells look. zsh does so in one place for packages and in another for what is put below /usr/local; the
# prefix is known when it is installed.
function(install_completion program component)
  install(FILES ${manual_dir}/completion/${program}.bash RENAME ${program}
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT ${component})
  install(CODE "
    set(functions site-functions)
    if(CMAKE_INSTALL_PREFIX MATCHES \"/usr$\")
      set(functions vendor-completions)
    endif()
    file(INSTALL \"${manual_dir}/completion/${program}.zsh\" RENAME _${program}
         DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/zsh/\${functions}\")" COMPONENT ${component})
  install(FILES ${manual_dir}/completion/${program}.fish
          DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT ${component})
endfunction()
# All pages of the section, and the completion of that program.
function(install_manual program section component)
  install(DIRECTORY ${manual_dir}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT ${component}
          FILES_MATCHING PATTERN "*.${section}.gz")
  install_completion(${program} ${component})
endfunction()
install_manual(ivtrace 1 host)
install_completion(ivtrace-mark host)
install_manual(ivtrace-agent 8 agent)
