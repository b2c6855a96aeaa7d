"""Tests check_dylib.py: for a library with one damage it must report that damage, in every slice, and nothing else.

The Makefile beside this file builds the damaged libraries, like the good one, under build/damaged.
"""

import os
import pathlib
import struct
import subprocess
import sys

import check_dylib

HEADER = 'include/mlxshim.h'
LC_SEGMENT_64 = 0x19


def build(damage, **variables):
    """Builds a library with other values of the Makefile's variables, and returns its path."""
    folder = f'build/damaged/{damage}'
    command = [os.environ.get('MAKE', 'make'), 'macos', f'MACOS={folder}']
    command += [f'{name}={value}' for name, value in variables.items()]
    # With -j, GNU make shares its job slots with child makes through inherited descriptors.
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, close_fds=False)
    return f'{folder}/{check_dylib.NAME}'


def write(name, content):
    path = pathlib.Path('build/damaged', name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def write_source(name, lines):
    return write(name, f'#include "../../metal/mlxshim.m"\n{lines}\n')


def extra_export():
    declaration = 'MLXSHIM_API void mlxshim_extra(void);\n'
    return build('extra-export', SHIM=write_source('extra.m', declaration + 'void mlxshim_extra(void) {}'),
                 HEADER=write('extra.h', pathlib.Path(HEADER).read_text() + declaration))


def missing_export():
    lines = pathlib.Path(HEADER).read_text().splitlines(keepends=True)
    return build('missing-export', HEADER=write('missing.h', ''.join(
        line for line in lines if 'mlxshim_page_size(void)' not in line)))


def flipped_byte():
    path = pathlib.Path(build('flipped-byte'))
    data = bytearray(path.read_bytes())
    for part in check_dylib.split(bytes(data)).values():
        where = data.index(part.data) + middle_of_code(part)
        data[where] ^= 0xFF
    path.write_bytes(data)
    return path


def middle_of_code(part):
    for command, offset in part.commands:
        if command == LC_SEGMENT_64:
            count, = struct.unpack_from('<I', part.data, offset + 64)
            for section in range(offset + 72, offset + 72 + 80 * count, 80):
                if check_dylib.text(part.data, section) == '__text':
                    size, start = struct.unpack_from('<QI', part.data, section + 40)
                    return start + size // 2
    raise LookupError('no __text')


def no_graphics():
    return build('no-graphics', FRAMEWORKS='-framework Foundation -framework Metal')


def wrong_install_name():
    return build('wrong-install-name', INSTALL_NAME='/usr/local/lib/libmlxshim.dylib')


def newer_macos():
    return build('newer-macos', MACOS_MIN='14.0')


def unsigned():
    return build('unsigned', SIGNING='-Wl,-no_adhoc_codesign')


def named_folder():
    return build('named-folder', SHIM=write_source(
        'folder.m', f'__attribute__((used)) static const char folder[] = "{check_dylib.HERE}/metal";'))


def one_slice():
    return build('one-slice', ARCHITECTURES='arm64')


# Each damage, whether it is reported for every slice or once for the file, and the beginning of the message.
DAMAGES = [
    (extra_export, True, 'exports _mlxshim_extra, which'),
    (missing_export, True, 'does not export _mlxshim_page_size, which'),
    (flipped_byte, True, 'page '),
    (no_graphics, True, 'does not link /System/Library/Frameworks/CoreGraphics.framework/'),
    (wrong_install_name, True, "has the install name ['/usr/local/lib/libmlxshim.dylib'], not"),
    (newer_macos, True, "is for (platform, version) [(1, '14.0')], not"),
    (unsigned, True, 'is not signed'),
    (named_folder, False, 'names the folder it was built in'),
    (one_slice, False, "has the slices ['arm64']"),
]


def main():
    os.chdir(check_dylib.HERE)
    missed = False
    for damage, in_slices, message in DAMAGES:
        library = damage()
        faults = check_dylib.check(library, HEADER)
        expected = [f'arm64: {message}', f'x86_64: {message}'] if in_slices else [message]
        if len(faults) == len(expected) and all(map(str.startswith, faults, expected)):
            print('\n'.join(f'refused native/{library}: {fault}' for fault in faults))
        else:
            missed = True
            print(f'check_dylib_test.py: {library} should be refused for {expected}, not for {faults}', file=sys.stderr)
    sys.exit(missed)


if __name__ == '__main__':
    main()
