"""Checks the file libmlxshim.dylib, on any system: slices, install name, oldest macOS, libraries, exports, signature.

    python3 check_dylib.py build/macos/libmlxshim.dylib include/mlxshim.h

The library must link the libraries that the stubs in apple/ describe, and no other. Numbers and layouts are those of
Apple's mach-o/loader.h and of the code directory in xnu's osfmk/kern/cs_blobs.h.
"""

import hashlib
import pathlib
import re
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
NAME = 'libmlxshim.dylib'
INSTALL_NAME = '@rpath/' + NAME
MINIMUM_OS = '13.0'
ARCHITECTURES = {0x0100000C: 'arm64', 0x01000007: 'x86_64'}

FAT_MAGIC = 0xCAFEBABE
MACHO_MAGIC = 0xFEEDFACF
MH_DYLIB = 6
LC_SYMTAB, LC_LOAD_DYLIB, LC_ID_DYLIB, LC_CODE_SIGNATURE, LC_BUILD_VERSION = 0x2, 0xC, 0xD, 0x1D, 0x32
LC_LOAD_WEAK_DYLIB, LC_RPATH, LC_REEXPORT_DYLIB = 0x80000018, 0x8000001C, 0x8000001F
LC_DYLD_INFO_ONLY, LC_DYLD_EXPORTS_TRIE = 0x80000022, 0x80000033
PLATFORM_MACOS = 1
N_STAB, N_TYPE, N_UNDF = 0xE0, 0x0E, 0x0
CS_EMBEDDED_SIGNATURE, CS_CODE_DIRECTORY = 0xFADE0CC0, 0xFADE0C02
CS_ADHOC = 0x2
CS_SHA256 = 2


class Unreadable(Exception):
    pass


def text(data, offset):
    return data[offset:data.index(b'\0', offset)].decode()


def version(number):
    return f'{number >> 16}.{number >> 8 & 0xFF}'


class Stub:
    """A .tbd file of apple/: a library to link, and the symbols that it may be used for."""

    def __init__(self, path):
        tbd = re.sub(r'#.*', '', path.read_text())
        self.install_name = re.search(r'^install-name: (\S+)', tbd, re.M)[1]
        compatibility = re.search(r'^compatibility-version: (\d+)', tbd, re.M)
        self.compatibility = f'{compatibility[1] if compatibility else 1}.0'
        self.symbols = set()
        for kind, prefix in ('symbols', ''), ('objc-classes', '_OBJC_CLASS_$_'):
            for names in re.findall(kind + r': \[(.*?)\]', tbd, re.S):
                self.symbols.update(prefix + name.strip() for name in names.split(','))


class Slice:
    """The Mach-O file of one architecture."""

    def __init__(self, data):
        self.data = data
        magic, _, _, self.filetype, count = struct.unpack_from('<5I', data)
        if magic != MACHO_MAGIC:
            raise Unreadable(f'is no 64-bit Mach-O file: it begins with {magic:#x}')
        self.commands = []
        offset = 32
        for _ in range(count):
            command, size = struct.unpack_from('<2I', data, offset)
            self.commands.append((command, offset))
            offset += size

    def fields(self, layout, *wanted):
        """Returns the fields after command and size, for each wanted load command."""
        return [struct.unpack_from(layout, self.data, offset + 8)
                for command, offset in self.commands if command in wanted]

    def dylibs(self, *wanted):
        """Returns install name and compatibility version of each wanted dylib command, in order."""
        return [(text(self.data, offset + struct.unpack_from('<I', self.data, offset + 8)[0]),
                 version(struct.unpack_from('<I', self.data, offset + 20)[0]))
                for command, offset in self.commands if command in wanted]

    def symbols(self):
        """Yields name, type and description of each symbol that is not a debugging entry."""
        for table, count, strings, _ in self.fields('<4I', LC_SYMTAB):
            for index in range(count):
                name, kind, _, description, _ = struct.unpack_from('<IBBHQ', self.data, table + 16 * index)
                if not kind & N_STAB:
                    yield text(self.data, strings + name), kind, description

    def exports(self):
        """Returns the names in the exports trie, which are those that dlsym finds."""
        tries = self.fields('<2I', LC_DYLD_EXPORTS_TRIE)
        tries += [found[8:] for found in self.fields('<10I', LC_DYLD_INFO_ONLY)]
        names = set()
        for offset, size in tries:
            trie = self.data[offset:offset + size]
            todo, seen = [(0, '')], set()
            while todo:
                position, name = todo.pop()
                if position in seen:
                    raise Unreadable('the exports trie has a cycle')
                seen.add(position)
                length, position = uleb128(trie, position)
                if length:
                    names.add(name)
                position += length
                children = trie[position]
                position += 1
                for _ in range(children):
                    edge = text(trie, position)
                    child, position = uleb128(trie, position + len(edge) + 1)
                    todo.append((child, name + edge))
        return names


def uleb128(data, position):
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, position


def check(path, header):
    """Returns one line for each fault of the library."""
    data = pathlib.Path(path).read_bytes()
    stubs = [Stub(stub) for stub in sorted(HERE.glob('apple/**/*.tbd'))]
    listed = subprocess.run(['sh', HERE / 'functions.sh', header], check=True, stdout=subprocess.PIPE, text=True)
    functions = set(listed.stdout.split())
    faults = []
    if str(HERE).encode() in data:
        faults.append(f'names the folder it was built in, {HERE}')
    try:
        slices = split(data)
        if sorted(slices) != sorted(ARCHITECTURES.values()):
            faults.append(f'has the slices {sorted(slices)}')
        for name, part in sorted(slices.items()):
            faults += [f'{name}: {fault}' for fault in check_slice(part, functions, header, stubs)]
    except (Unreadable, IndexError, ValueError, struct.error) as broken:
        faults.append(f'cannot be read: {broken}')
    return faults


def split(data):
    magic, count = struct.unpack_from('>2I', data)
    if magic != FAT_MAGIC:
        raise Unreadable(f'is no universal file: it begins with {magic:#x}')
    entries = [struct.unpack_from('>5I', data, 8 + 20 * index) for index in range(count)]
    padding = bytearray(data)
    for offset, size in [(0, 8 + 20 * count)] + [entry[2:4] for entry in entries]:
        padding[offset:offset + size] = bytes(len(padding[offset:offset + size]))
    if any(padding):
        raise Unreadable('there are bytes between the slices, which no signature covers')
    return {ARCHITECTURES.get(cpu, hex(cpu)): Slice(data[offset:offset + size])
            for cpu, _, offset, size, _ in entries}


def check_slice(part, functions, header, stubs):
    if part.filetype != MH_DYLIB:
        yield f'is of file type {part.filetype}, not a dylib'
    identities = [name for name, _ in part.dylibs(LC_ID_DYLIB)]
    if identities != [INSTALL_NAME]:
        yield f'has the install name {identities}, not {INSTALL_NAME}'
    systems = [(platform, version(minimum)) for platform, minimum in part.fields('<2I', LC_BUILD_VERSION)]
    if systems != [(PLATFORM_MACOS, MINIMUM_OS)]:
        yield f'is for (platform, version) {systems}, not macOS {MINIMUM_OS} and later'
    if part.fields('<I', LC_RPATH):
        yield 'has an LC_RPATH, and so looks for libraries in folders of its own'
    yield from check_linked(part, stubs)
    yield from check_exports(part, functions, header)
    yield from check_signature(part)


def check_linked(part, stubs):
    linked = part.dylibs(LC_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB, LC_REEXPORT_DYLIB)
    described = [(stub.install_name, stub.compatibility) for stub in stubs]
    for name, compatibility in sorted(set(described) - set(linked)):
        yield f'does not link {name} (compatibility {compatibility})'
    for name, compatibility in sorted(set(linked) - set(described)):
        yield f'links {name} (compatibility {compatibility}), which apple/ does not describe'
    if sys.platform == 'darwin':
        # Apple's compiler calls more runtime functions than other compilers. Its linker has checked the real libraries.
        return
    available = {stub.install_name: stub.symbols for stub in stubs}
    for symbol, kind, description in part.symbols():
        if kind & N_TYPE == N_UNDF:
            ordinal = description >> 8
            library = linked[ordinal - 1][0] if 0 < ordinal <= len(linked) else f'library {ordinal}'
            if symbol not in available.get(library, ()):
                yield f'needs {symbol} of {library}, which apple/ does not describe'


def check_exports(part, functions, header):
    declared = {'_' + name for name in functions}
    for name in sorted(part.exports() - declared):
        yield f'exports {name}, which {header} does not declare'
    for name in sorted(declared - part.exports()):
        yield f'does not export {name}, which {header} declares'


def check_signature(part):
    signatures = part.fields('<2I', LC_CODE_SIGNATURE)
    if not signatures:
        yield 'is not signed'
        return
    (start, size), = signatures
    signature = part.data[start:start + size]
    magic, _, count = struct.unpack_from('>3I', signature)
    if magic != CS_EMBEDDED_SIGNATURE:
        raise Unreadable(f'the signature begins with {magic:#x}')
    blobs = [signature[struct.unpack_from('>I', signature, 16 + 8 * index)[0]:] for index in range(count)]
    directories = [blob for blob in blobs if struct.unpack_from('>I', blob)[0] == CS_CODE_DIRECTORY]
    if len(directories) != 1:
        yield f'has {len(directories)} code directories'
        return
    directory = directories[0]
    flags, hashes, identifier, _, pages, limit = struct.unpack_from('>6I', directory, 12)
    hash_size, hash_type, _, page_bits = struct.unpack_from('4B', directory, 36)
    if not flags & CS_ADHOC:
        yield f'is not signed ad hoc: the flags are {flags:#x}'
    if text(directory, identifier) != NAME:
        yield f'is signed as {text(directory, identifier)}, not {NAME}'
    if (hash_type, hash_size) != (CS_SHA256, 32):
        yield f'is signed with hashes of type {hash_type} and {hash_size} bytes, not SHA-256'
        return
    page_size = 1 << page_bits
    if limit != start or start + size != len(part.data) or pages != -(-limit // page_size):
        yield f'has a signature of {pages} pages over {limit} bytes, not over the {start} before it'
    for page in range(pages):
        begin = page * page_size
        recorded = directory[hashes + 32 * page:hashes + 32 * (page + 1)]
        if hashlib.sha256(part.data[begin:min(begin + page_size, limit)]).digest() != recorded:
            yield f'page {page}, from byte {begin:#x}, is not what was signed'


def main(arguments):
    if len(arguments) != 2:
        sys.exit('usage: check_dylib.py LIBRARY HEADER')
    library, header = arguments
    faults = check(library, header)
    for fault in faults:
        print(f'{library}: {fault}', file=sys.stderr)
    if faults:
        sys.exit(1)
    print(f'checked native/{library}: both slices have the right install name, oldest macOS, libraries, exports '
          'and signature')


if __name__ == '__main__':
    main(sys.argv[1:])
