package dev.mlxnative.bench.replay;

import java.io.IOException;
import java.util.Arrays;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The compressions and archives that the reader recognises by their first bytes. It unpacks gzip alone. */
enum Packing {
    GZIP("compressed with gzip twice", "gzip -d", 0x1f, 0x8b),
    XZ("compressed with xz", "xz -d", 0xfd, '7', 'z', 'X', 'Z', 0),
    ZSTANDARD("compressed with Zstandard", "zstd -d", 0x28, 0xb5, 0x2f, 0xfd),
    BZIP2("compressed with bzip2", "bzip2 -d", 'B', 'Z', 'h'),
    LZ4("compressed with LZ4", "lz4 -d", 0x04, 0x22, 0x4d, 0x18),
    ZIP("a zip archive", "unzip", 'P', 'K', 3, 4),
    SEVEN_ZIP("a 7z archive", "7z x", '7', 'z', 0xbc, 0xaf, 0x27, 0x1c);

    private static final int LONGEST = 6;

    private final String label;
    private final String command;
    private final byte[] magic;

    Packing(String label, String command, int... magic) {
        this.label = label;
        this.command = command;
        this.magic = new byte[magic.length];
        for (int i = 0; i < magic.length; i++) {
            this.magic[i] = (byte) magic[i];
        }
    }

    /** Returns the packing of what {@code bytes} delivers next, or null if it is none of these. */
    static @Nullable Packing of(TraceBytes bytes) throws IOException {
        byte[] head = bytes.peek(LONGEST);
        return Stream.of(values())
                .filter(packing -> packing.begins(head))
                .findFirst()
                .orElse(null);
    }

    private boolean begins(byte[] head) {
        return head.length >= magic.length && Arrays.equals(head, 0, magic.length, magic, 0, magic.length);
    }

    /** Says why the reader refuses it, and which command unpacks it. */
    String advice() {
        return "%s, but a trace is plain or gzip: unpack it first (%s)".formatted(label, command);
    }
}
