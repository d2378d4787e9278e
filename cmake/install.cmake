# What `cmake --install` puts into place: the library and its headers, a package file for find_package(narae), one for
# pkg-config, the recipes, and the command without its symbols.
set(NARAE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/narae)

install(TARGETS narae EXPORT narae_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT narae_targets NAMESPACE narae:: FILE narae-targets.cmake DESTINATION ${NARAE_CMAKE_DIR})
install(
  DIRECTORY narae
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING
  PATTERN "*.h"
  PATTERN "backend" EXCLUDE
  PATTERN "plan" EXCLUDE)
if(EXISTS ${PROJECT_SOURCE_DIR}/recipes)
  install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/narae)
endif()
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(cmake/narae-config.cmake.in ${CMAKE_BINARY_DIR}/narae-config.cmake
                              INSTALL_DESTINATION ${NARAE_CMAKE_DIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/narae-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/narae-config.cmake ${CMAKE_BINARY_DIR}/narae-config-version.cmake
        DESTINATION ${NARAE_CMAKE_DIR})

configure_file(cmake/narae.pc.in ${CMAKE_BINARY_DIR}/narae.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/narae.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(TARGET narae_command)
  install(TARGETS narae_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  set(NARAE_INSTALLED "\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/narae")
  install(CODE "execute_process(COMMAND ${CMAKE_STRIP} \"\$ENV{DESTDIR}${NARAE_INSTALLED}\" COMMAND_ERROR_IS_FATAL ANY)")
endif()
