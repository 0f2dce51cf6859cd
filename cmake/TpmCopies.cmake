# SPDX-License-Identifier: Apache-2.0
# vtpm_tpm_copies(target prefix…): independent copies of libtpms inside one library.
#
# libtpms keeps one TPM in global variables. Its static archive is therefore linked relocatably once; then objcopy makes
# each copy private: the TPMLIB_* entry points get the copy's own prefix, everything else becomes local, the calls named
# in tpm/host/redirections.txt and tpm/host/libcrypto_calls.inc go to functions of this project, and the writable sections get
# names of their own, so that the linker's __start_/__stop_ symbols delimit all memory of a copy (tpm/host/instance.cc wipes
# it).
find_program(VTPM_LD NAMES ld.bfd ld REQUIRED)
find_program(VTPM_OBJCOPY NAMES objcopy REQUIRED)
find_library(VTPM_LIBTPMS_ARCHIVE NAMES libtpms.a REQUIRED)

# The functions of libtpms that are called; tpm/host/copies.cc declares the same names.
set(VTPM_TPM_ENTRY_POINTS
  TPMLIB_ChooseTPMVersion
  TPMLIB_RegisterCallbacks
  TPMLIB_MainInit
  TPMLIB_Terminate
  TPMLIB_Process
  TPMLIB_CancelCommand
  TPMLIB_GetState
  TPMLIB_SetBufferSize)

function(vtpm_tpm_copies target)
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/copies)
  file(MAKE_DIRECTORY ${directory})
  set(whole ${directory}/libtpms.o)
  add_custom_command(OUTPUT ${whole}
    COMMAND ${VTPM_LD} -r --whole-archive ${VTPM_LIBTPMS_ARCHIVE} -o ${whole}
    DEPENDS ${VTPM_LIBTPMS_ARCHIVE} VERBATIM)

  set(redirections ${CMAKE_CURRENT_SOURCE_DIR}/host/redirections.txt)
  set(calls ${CMAKE_CURRENT_SOURCE_DIR}/host/libcrypto_calls.inc)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${redirections} ${calls})
  file(STRINGS ${redirections} common REGEX "^[^#]")  # objcopy accepts neither comments nor empty lines
  file(STRINGS ${calls} rows REGEX "^VTPM_")
  list(TRANSFORM rows REPLACE "^VTPM_[A-Z]+\\([0-9], ([A-Za-z0-9_]+).*$" "\\1 vtpm_tpm_\\1")
  list(APPEND common ${rows})
  list(JOIN common "\n" common)
  set(table "// Written by cmake/TpmCopies.cmake.\n")
  foreach(prefix ${ARGN})
    set(names "${common}\n")
    set(keep "")
    foreach(entry ${VTPM_TPM_ENTRY_POINTS})
      string(APPEND names "${entry} ${prefix}_${entry}\n")
      string(APPEND keep "${prefix}_${entry}\n")
    endforeach()
    file(CONFIGURE OUTPUT ${directory}/${prefix}.names CONTENT "${names}" @ONLY)
    file(CONFIGURE OUTPUT ${directory}/${prefix}.keep CONTENT "${keep}" @ONLY)
    set(object ${directory}/${prefix}.o)
    add_custom_command(OUTPUT ${object}
      COMMAND ${VTPM_OBJCOPY} --redefine-syms=${directory}/${prefix}.names --keep-global-symbols=${directory}/${prefix}.keep
        --rename-section .bss=${prefix}_bss --rename-section .data=${prefix}_data
        --rename-section .data.rel=${prefix}_data_rel ${whole} ${object}
      DEPENDS ${whole} ${directory}/${prefix}.names ${directory}/${prefix}.keep VERBATIM)
    list(APPEND objects ${object})
    string(APPEND table "VTPM_TPM_COPY(${prefix})\n")
  endforeach()
  file(CONFIGURE OUTPUT ${directory}/vtpm_tpm_copies.inc CONTENT "${table}" @ONLY)
  # A static library passes external objects on to the target that links it; an object library would not.
  set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  target_sources(${target} PRIVATE ${objects})
  target_include_directories(${target} PRIVATE ${directory})
  set(VTPM_TPM_COPY_OBJECTS ${objects} CACHE INTERNAL "the objects that the import test reads")
endfunction()
