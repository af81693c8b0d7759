# The viewer's page: web/ built by Vite into ${CMAKE_BINARY_DIR}/web as index.html, app.js and app.css.
# Target `page`; whoever embeds the page depends on ${IVTRACE_PAGE_FILES}.
find_program(NODE_PROGRAM node REQUIRED)
find_program(NPM_PROGRAM npm REQUIRED)

set(web ${CMAKE_SOURCE_DIR}/web)
set(page_dir ${CMAKE_BINARY_DIR}/web)
set(IVTRACE_PAGE_FILES ${page_dir}/index.html ${page_dir}/app.js ${page_dir}/app.css)

# The stamp lies in what it stands for: all builds of a checkout share node_modules, and who removes it gets it again.
# No script of a package is run.
set(web_modules ${web}/node_modules/.installed)
add_custom_command(
  OUTPUT ${web_modules}
  COMMAND ${NPM_PROGRAM} ci --ignore-scripts --no-audit --no-fund --loglevel=error
  COMMAND ${CMAKE_COMMAND} -E touch ${web_modules}
  DEPENDS ${web}/package.json ${web}/package-lock.json
  WORKING_DIRECTORY ${web}
  COMMENT "Packages of the page"
  VERBATIM)

file(GLOB_RECURSE web_sources CONFIGURE_DEPENDS ${web}/src/*)
list(FILTER web_sources EXCLUDE REGEX "\\.test\\.tsx?$")
add_custom_command(
  OUTPUT ${IVTRACE_PAGE_FILES}
  COMMAND ${NODE_PROGRAM} node_modules/vite/bin/vite.js build --logLevel warn --outDir ${page_dir}
  DEPENDS ${web_modules} ${web_sources} ${web}/index.html ${web}/vite.config.mjs ${web}/tsconfig.json
  WORKING_DIRECTORY ${web}
  COMMENT "The viewer's page"
  VERBATIM)
add_custom_target(page ALL DEPENDS ${IVTRACE_PAGE_FILES})

add_test(NAME web/check COMMAND ${NODE_PROGRAM} node_modules/typescript/bin/tsc --noEmit WORKING_DIRECTORY ${web})
add_test(NAME web/test COMMAND ${NODE_PROGRAM} node_modules/vitest/vitest.mjs run WORKING_DIRECTORY ${web})
