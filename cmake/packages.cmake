# What is installed, and the Debian packages: `ivtrace` for the host and `ivtrace-agent` for the guest, each a component
# of the installation. docs/packaging.md tells what is where and why.
include(GNUInstallDirs)

install(TARGETS ivtrace RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT host)
# The host has the agent too, to put it into guests; not in PATH, so that both packages can be on one machine.
install(TARGETS ivtrace-agent RUNTIME DESTINATION lib/ivtrace COMPONENT host)
install(TARGETS ivtrace-agent RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR} COMPONENT agent)
# Marks are written on both sides. Two packages cannot have one file, so the guest's is where its agent is.
install(TARGETS ivtrace-mark RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT host)
install(TARGETS ivtrace-mark RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR} COMPONENT agent)
install(DIRECTORY include/ivtrace DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT host)
install(FILES packaging/agent/ivtrace-agent.service DESTINATION lib/systemd/system COMPONENT agent)

set(changelog ${CMAKE_BINARY_DIR}/changelog.gz)
file(STRINGS packaging/changelog newest LIMIT_COUNT 1)
if(NOT newest MATCHES "^ivtrace \\(${PROJECT_VERSION}\\) ")
  message(FATAL_ERROR "packaging/changelog does not begin with version ${PROJECT_VERSION}")
endif()
add_custom_command(OUTPUT ${changelog} COMMAND ${GZIP_PROGRAM} -9nc ${CMAKE_SOURCE_DIR}/packaging/changelog > ${changelog}
                   DEPENDS packaging/changelog VERBATIM)
add_custom_target(changelog ALL DEPENDS ${changelog})
foreach(component host agent)
  set(package ivtrace)
  if(component STREQUAL agent)
    set(package ivtrace-agent)
  endif()
  install(FILES packaging/copyright ${changelog} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component})
endforeach()

set(IVTRACE_MAINTAINER "ivtrace maintainers <maintainers@ivtrace.invalid>" CACHE STRING
    "Who answers for the packages: \"NAME <address>\"")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR ivtrace)
set(CPACK_PACKAGE_CONTACT ${IVTRACE_MAINTAINER})
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                                WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL host agent)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)

set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_HOST_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_HOST_PACKAGE_NAME ivtrace)
set(CPACK_DEBIAN_HOST_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_HOST_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_HOST_PACKAGE_SUGGESTS "qemu-system-x86, ivtrace-agent, libvirt0")
set(CPACK_DEBIAN_HOST_DESCRIPTION "traces a KVM/QEMU host and its guests on one clock
Records the kernel of a KVM/QEMU host and the kernels of its guests at the
same time, puts every event on one clock, and shows them in one order, with
what was lost and how exact the clock is.

This package is for the host. The guests' events come through shared memory
from ivtrace-agent, which the package of that name installs in a guest.")
set(CPACK_DEBIAN_AGENT_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_AGENT_PACKAGE_NAME ivtrace-agent)
set(CPACK_DEBIAN_AGENT_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_AGENT_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/packaging/agent/postinst
                                             ${CMAKE_SOURCE_DIR}/packaging/agent/prerm
                                             ${CMAKE_SOURCE_DIR}/packaging/agent/postrm)
set(CPACK_DEBIAN_AGENT_DESCRIPTION "gives a guest's kernel events to ivtrace on its host
Moves the events of this guest's kernel into the shared memory that the host
gave it (a ring on QEMU's ivshmem), for ivtrace on the host to record. It needs
no network and no driver, and sleeps while nothing is recorded.

This package is for the guest: one static program, and the systemd unit that
starts it.")
include(CPack)

add_custom_target(packages
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${CPACK_PACKAGE_DIRECTORY}
  COMMAND ${CMAKE_CPACK_COMMAND} --config ${CMAKE_BINARY_DIR}/CPackConfig.cmake
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${CPACK_PACKAGE_DIRECTORY}/_CPack_Packages
  COMMENT "Debian packages in ${CPACK_PACKAGE_DIRECTORY}"
  USES_TERMINAL VERBATIM)
add_dependencies(packages ivtrace ivtrace-agent ivtrace-mark manual changelog)
